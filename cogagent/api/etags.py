"""Responses as JSON, with entity tags that say whether something changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from cogagent.api.problems import RequestError

PRIVATE = {"Cache-Control": "private, no-cache"}
"""What one caller may keep, and asks about each time."""


def reply(
    model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A model as a response, serialised once."""
    told = {"Cache-Control": "no-store", **(headers or {})}
    return Response(model.model_dump_json(), status, told, media_type="application/json")


def tagged(request: Request, model: BaseModel) -> Response:
    """A model as a response with its tag; 304 if the caller has it already."""
    return tagged_bytes(request, model.model_dump_json().encode(), "application/json")


def tagged_bytes(request: Request, body: bytes, media_type: str) -> Response:
    """The same for bytes, such as a picture."""
    tag = _tag(body)
    headers = {**PRIVATE, "ETag": tag}
    if matches(request.headers.get("if-none-match"), tag, weak=True):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def require_match(request: Request, model: BaseModel) -> None:
    """Refuse to change what is no longer as the caller saw it.

    Args:
        request: Its ``If-Match`` names the tag; without one there is nothing to compare.
        model: What is there now.

    Raises:
        RequestError: 412, if it is another.
    """
    wanted = request.headers.get("if-match")
    if wanted is not None and not matches(wanted, _tag(model.model_dump_json().encode())):
        raise RequestError(
            412, "precondition_failed", "it was changed in the meantime.", remedy="Read it again."
        )


def matches(header: str | None, tag: str, *, weak: bool = False) -> bool:
    """Whether a header lists a tag; ``weak``: or one that means the same."""
    if header is None:
        return False
    listed = [entry.strip() for entry in header.split(",")]
    if weak:
        listed = [entry.removeprefix("W/") for entry in listed]
    return "*" in listed or tag in listed


def _tag(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
