"""Bounds on what a request may send, and how slowly."""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogagent.api.problems import RequestError
from cogagent.config import ServiceSettings

MIB = 1 << 20
_LEAST_RATE = 1024
"""Bytes a second that a body has to bring once its first ``body_seconds`` are over."""
_UPLOADS = b"multipart/form-data"
_WITH_PICTURES = frozenset({"/v1/ask", "/v1/search", "/v1/chat/completions", "/v1/batches"})
_PLAIN_MB = 8
"""Size of any other body, which is text alone."""
_TARGET = 8192
"""Bytes of the longest path with its query."""


class BodyLimits:
    """Middleware: a body too large ends in 413, one too slow in 408, before all of it is read.

    Args:
        app: What it is around.
        settings: How large and how slow.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > _TARGET:
            raise RequestError(414, "uri_too_long", "the address is too long.")
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        limit = self._limit(scope["path"], kind)
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit * MIB:
            raise _too_large(limit)
        bounded = _Bounded(receive, limit, self._settings.body_seconds)
        await self._app(scope, bounded.receive, send)

    def _limit(self, path: str, kind: bytes) -> int:
        """The most that a body may have, MiB."""
        if kind == _UPLOADS:
            return self._settings.upload_mb
        most = self._settings.body_mb
        return most if path in _WITH_PICTURES else min(most, _PLAIN_MB)


class _Bounded:
    """The messages of one request, counted and timed until its body is over."""

    def __init__(self, receive: Receive, limit: int, patience: float) -> None:
        self._receive = receive
        self._limit = limit
        self._patience = patience
        self._size = 0
        self._begun = 0.0
        self._over = False

    async def receive(self) -> Message:
        if self._over:
            return await self._receive()  # for the client's leaving there is time
        now = time.monotonic()
        self._begun = self._begun or now
        end = min(now, self._begun + self._size / _LEAST_RATE) + self._patience
        try:
            async with asyncio.timeout(max(0.0, end - now)):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestError(
                408, "request_timeout", "the request's body did not come in time.",
                remedy="Send it without pauses.",
            ) from error  # fmt: skip
        self._size += len(message.get("body", b""))
        if self._size > self._limit * MIB:
            raise _too_large(self._limit)
        self._over = not message.get("more_body", False)
        return message


def _too_large(limit: int) -> RequestError:
    return RequestError(
        413, "content_too_large", f"a request of this kind may have {limit} MiB at most.",
        remedy="Send less at a time.",
    )  # fmt: skip
