"""Every request but probes, scrapes and the web page's files becomes a line of the audit log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogagent.api.access import address, is_page, is_probe, is_scrape
from cogagent.api.problems import problem, request_id
from cogagent.errors import CogAgentError
from cogagent.indexes.audit import AuditLine, AuditLog

if TYPE_CHECKING:
    from cogagent.api.parts import Parts

log = logging.getLogger(__name__)

_SECONDS = 1.0
"""Between two times that waiting lines are written."""
_LEFT = 499
"""Status of a request whose caller went away before a response; as nginx has it."""
_CHANGING = frozenset({"write", "admin"})


class Auditing:
    """Middleware: notes what is asked; what changes something is written down at once.

    The line of a change is on disk before the response begins. If it cannot be
    written, the response says so instead: the change was made, and nobody would
    know of it. A route may say what it was about in ``request.state.target``, and
    what it is called in ``request.state.action``.

    Args:
        app: What it is around; whatever turns errors into responses has to be in there.
        parts: Of the service.
    """

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._log = parts.audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or write what waits as long as the service runs."""
        if scope["type"] == "lifespan":
            async with _writing(self._log):
                await self._app(scope, _flushing(self._log, receive), send)
        elif scope["type"] != "http" or is_probe(scope) or is_page(scope):
            await self._app(scope, receive, send)
        else:
            await self._noted(scope, receive, send)

    async def _noted(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = unwritten = False

        async def sending(message: Message) -> None:
            nonlocal begun, unwritten
            if message["type"] == "http.response.start" and not begun:
                begun = True
                line = _line(scope, message["status"])
                if is_scrape(scope) and message["status"] == 200:
                    pass  # it would soon be all that the log holds
                elif not _changes(scope):
                    self._log.note(line)
                elif (error := await self._write(line)) is not None:
                    unwritten = True
                    await problem(scope, error)(scope, receive, send)
            if not unwritten:
                await send(message)

        status = 500
        try:
            await self._app(scope, receive, sending)
            status = _LEFT
        except asyncio.CancelledError:
            status = _LEFT
            raise
        finally:
            if not begun:
                self._log.note(_line(scope, status))

    async def _write(self, line: AuditLine) -> CogAgentError | None:
        try:
            await asyncio.to_thread(self._log.write, line)
        except CogAgentError as error:
            return error
        return None


@asynccontextmanager
async def _writing(audit: AuditLog) -> AsyncIterator[None]:
    """Lines that wait are written now and then."""

    async def now_and_then() -> None:
        while True:
            await asyncio.sleep(_SECONDS)
            await _flush(audit)

    task = asyncio.create_task(now_and_then())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _flushing(audit: AuditLog, receive: Receive) -> Receive:
    """Before what is inside is told to shut down, and closes the home, all lines are written."""

    async def receiving() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await _flush(audit)
        return message

    return receiving


async def _flush(audit: AuditLog) -> None:
    try:
        await asyncio.to_thread(audit.flush)
    except CogAgentError as error:
        log.warning("the audit log cannot be written at present: %s", error)


def _line(scope: Scope, status: int) -> AuditLine:
    state = scope.get("state", {})
    caller = state.get("caller")
    route = scope.get("route")
    action = state.get("action") or getattr(route, "operation_id", None)
    named = scope.get("path_params") or {}
    return AuditLine(
        at=datetime.now(UTC).isoformat(),
        owner=caller.owner if caller is not None else "",
        action=str(action or f"{scope['method']} {getattr(route, 'path', scope['path'])}"),
        target=str(state.get("target") or "/".join(map(str, named.values()))),
        status=status,
        address=address(scope),
        request=request_id(scope),
    )


def _changes(scope: Scope) -> bool:
    """Whether a request may change something: by the scope it asked for, or its method."""
    return scope.get("state", {}).get("scope") in _CHANGING or scope["method"] == "DELETE"
