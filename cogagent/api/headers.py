"""What browsers are told, and what is not taken from them.

An open door trusts whoever is on this machine; but a browser on it runs pages
of everybody. So at an open door the request has to name this machine as its
host (a name of somebody else's that leads here is DNS rebinding), it must not
come from a page of another origin (cross-site request forgery), and it must not
have been passed on by a proxy, behind which anybody may be.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogagent.api.access import is_page, is_probe
from cogagent.errors import ForbiddenError

if TYPE_CHECKING:
    from cogagent.api.parts import Parts

_ALWAYS = {
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,253})(:\d{1,5})?")
_PASSED_ON = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
    "cf-connecting-ip", "true-client-ip",
)  # fmt: skip
_OWN_PAGES = frozenset({"same-origin", "none"})
"""Of ``Sec-Fetch-Site``: a page of the service, or the user typed the address."""


class SecurityHeaders:
    """Middleware: nothing is guessed, framed, run or kept by browsers, unless a route says so.

    A route's own header of the same name stays.

    Args:
        app: What it is around.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
                # What carries an ETag is asked for again by it; the rest is not kept at all.
                kept = "private, no-cache" if "etag" in headers else "no-store"
                headers.setdefault("Cache-Control", kept)
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


class Hosts:
    """Middleware: refuses requests under a wrong name, and at an open door forged ones.

    Errors are raised, for whatever is around it to tell.

    Args:
        app: What it guards.
        parts: Of the service.
    """

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._open = parts.open_door
        self._names = frozenset(map(_plain, parts.settings.hosts))
        self._origins = frozenset(origin.lower().rstrip("/") for origin in parts.settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request.

        Raises:
            ForbiddenError: If it is not to be taken.
        """
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if self._open:
                self._require_name(headers)
                _require_direct(headers)
                if not is_page(scope):  # to which links of any page may lead
                    self._require_own_page(headers, scope["scheme"])
            elif self._names and not is_probe(scope):  # probes come under a bare address
                self._require_name(headers)
        await self._app(scope, receive, send)

    def _require_name(self, headers: Headers) -> None:
        found = [_HOST.fullmatch(host) for host in headers.getlist("host")]
        name = _plain(found[0][1]) if len(found) == 1 and found[0] is not None else ""
        if not (name in self._names or _is_own_name(name)):
            raise ForbiddenError(
                "the service does not go by the name in the Host header.",
                remedy="Name it in COGAGENT_SERVICE__HOSTS, if it should.",
            )

    def _require_own_page(self, headers: Headers, scheme: str) -> None:
        origins = {origin.lower() for origin in headers.getlist("origin")}
        sites = set(headers.getlist("sec-fetch-site"))
        if len(origins) == 1 and origins <= self._origins:
            return
        if not (origins <= {f"{scheme}://{headers['host']}".lower()} and sites <= _OWN_PAGES):
            raise ForbiddenError(
                "the request comes from a web page of another origin.",
                remedy="Name its origin in COGAGENT_SERVICE__ORIGINS, if it may call.",
            )


def _require_direct(headers: Headers) -> None:
    for name in _PASSED_ON:
        if name in headers:
            raise ForbiddenError(
                f"a proxy passed this request on (it has {name!r}), and no API key is asked for.",
                remedy="Set COGAGENT_SERVICE__AUTH=required behind a proxy.",
            )


def _is_own_name(name: str) -> bool:
    """Whether a name always means this machine."""
    try:
        return name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _plain(name: str) -> str:
    return name.lower().removesuffix(".")
