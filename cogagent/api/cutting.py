"""What a stopping service no longer waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogagent.api.problems import RequestError, problem

if TYPE_CHECKING:
    from cogagent.api.parts import Parts


class Cutting:
    """Middleware: a request that the service's end cuts short is told so, if it still can be.

    Args:
        app: What it is around.
        parts: Of the service.
    """

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._condition = parts.condition

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            if scope["type"] != "http" or not self._condition.ends:
                raise
            if not started:  # what has begun ends in the middle, and the server closes it
                stopped = RequestError(
                    503, "stopping", "the service was stopped before it was done.",
                    remedy="Send the request again.",
                )  # fmt: skip
                await problem(scope, stopped)(scope, receive, send)
