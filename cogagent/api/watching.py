"""Each request is an operation, for whoever watches: its route's template, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogagent.api.logs import route_of
from cogagent.telemetry import NOTHING

if TYPE_CHECKING:
    from cogagent.api.parts import Parts

_CARRIED = {b"traceparent", b"tracestate"}
"""The headers of W3C Trace Context."""


class Watching:
    """Middleware: what goes on for a request is part of it, and it of the caller's trace.

    Args:
        app: What it is around.
        parts: Of the service.
    """

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._telemetry = parts.agent.telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = self._telemetry.begin(
            "request", _carrier(scope), method=scope["method"], scheme=scope.get("scheme")
        )
        if told is NOTHING:
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with told:
            try:
                await self._app(scope, receive, sending)
            finally:
                route = route_of(scope)
                told.set(
                    route=None if route == "-" else route,
                    status=status,
                    refused=scope.get("state", {}).get("problem"),
                )


def _carrier(scope: Scope) -> Mapping[str, str] | None:
    found = {
        name.decode("ascii"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in _CARRIED
    }
    return found or None
