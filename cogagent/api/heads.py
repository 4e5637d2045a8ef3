"""HEAD: what GET would answer, without its body."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogagent.api.mcp import PATH


class Heads:
    """Middleware, the innermost: lets the routes of GET answer HEAD.

    They are no routes of their own, so that the OpenAPI document has each operation once.

    Args:
        app: What it is around.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"] == PATH:
            await self._app(scope, receive, send)
            return
        begun = False

        async def heading(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                scope["method"] = "HEAD"  # what is around looks there
                begun = True
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            elif message.get("more_body", False):
                raise _HeadSentError  # a stream: nobody waits for the rest

        scope["method"] = "GET"  # in place, and so is the route, which the log tells
        try:
            await self._app(scope, receive, heading)
        except (_HeadSentError, ClientDisconnect):
            if not begun:
                raise
        finally:
            scope["method"] = "HEAD"


class _HeadSentError(OSError):
    """As if the client had left."""
