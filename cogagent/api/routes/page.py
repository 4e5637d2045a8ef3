"""The web page: files of the package, the same for everybody, so no API key is asked for.

What it shows it fetches from the REST door, as any other client does.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from fastapi import APIRouter, Request, Response

from cogagent.api import etags
from cogagent.errors import NotFoundError

router = APIRouter(include_in_schema=False)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",  # pictures are fetched with the API key
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",  # text is never made into markup
    )
)
"""``Content-Security-Policy`` of the page."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@router.get("/")
def show_page(request: Request) -> Response:
    """The page itself."""
    return _file(request, "index.html")


@router.get("/page/{name}")
def show_page_file(request: Request, name: str) -> Response:
    """A file that the page consists of.

    Raises:
        NotFoundError: If it has none of the name.
    """
    return _file(request, name)


@cache
def files() -> dict[str, bytes]:
    """The page's files by name, read once."""
    folder = resources.files("cogagent.api") / "page"
    return {one.name: one.read_bytes() for one in folder.iterdir() if _suffix(one.name) in _TYPES}


def _file(request: Request, name: str) -> Response:
    body = files().get(name)
    if body is None:
        raise NotFoundError(f"the page has no file {name!r}.", remedy="Open the page at `/`.")
    response = etags.tagged_bytes(request, body, _TYPES[_suffix(name)])
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _suffix(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""
