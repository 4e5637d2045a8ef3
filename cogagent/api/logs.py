"""The service's log: a line a request, as JSON or as text, without what anybody said.

A line tells a request's id, method, route, status, seconds and the id of its API
key. Questions, passages, addresses with their queries and keys are in none, nor
in a traceback: of an exception it shows where it arose and of which kind it is.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
import traceback
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that are asked every few seconds: only what goes wrong there is told."""

_GIVEN = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_FIELDS = ("request_id", "method", "route", "status", "seconds", "key")
_LOUD = ("httpx", "httpx2", "mcp", "PIL", "RapidOCR")
"""Libraries whose notes may quote what they were given."""
_ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

log = logging.getLogger(__name__)
_current: ContextVar[str] = ContextVar("request_id", default="")


def configure(form: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Let the whole process log in one form; what was set up before is replaced.

    Args:
        form: ``json`` for an object a line, ``text`` for people.
        stream: Where to; stderr by default.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _TextLines())
    handler.addFilter(_with_request)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("cogagent").setLevel(logging.INFO)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)


class RequestLog:
    """Middleware, the outermost: gives each request an id and logs how it ended.

    A caller may name the id in the header ``X-Request-Id``, by up to 64 letters,
    digits, dots, dashes and underscores; the response carries it in any case.

    Args:
        app: What it is around.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = _name(scope)
        scope.setdefault("state", {})["request_id"] = name
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [pair for pair in message["headers"] if pair[0].lower() != HEADER]
                message = {**message, "headers": [*headers, (HEADER, name.encode())]}
            await send(message)

        token = _current.set(name)
        begun = time.perf_counter()
        try:
            await self._app(scope, receive, sending)
        finally:
            _tell(scope, status, time.perf_counter() - begun)
            _current.reset(token)


def route_of(scope: Scope) -> str:
    """The route's template, such as ``/v1/documents/{document}``; ``-`` if there is none.

    The path itself is not told: callers choose what is in it.
    """
    template = getattr(scope.get("route"), "path", None)
    return template if isinstance(template, str) else "-"


def _name(scope: Scope) -> str:
    """The id of a request: the caller's, if it is one."""
    given = next((value for key, value in scope["headers"] if key == HEADER), b"")
    if _GIVEN.fullmatch(given):
        return str(given, "ascii")
    return f"req-{secrets.token_hex(8)}"


def _tell(scope: Scope, status: int, seconds: float) -> None:
    route = route_of(scope)
    level = logging.DEBUG if route in QUIET and status == 200 else logging.INFO
    if not log.isEnabledFor(level):
        return
    caller = scope["state"].get("caller")
    told = {
        "method": scope["method"],
        "route": route,
        "status": status or "cut",  # the client left, or the service stopped, before an answer
        "seconds": round(seconds, 4),
        "key": getattr(caller, "owner", "") or "-",
    }
    log.log(level, "request", extra=told)


def _with_request(record: logging.LogRecord) -> bool:
    """Put the id of the request under way into a record."""
    record.request_id = getattr(record, "request_id", "") or _current.get()
    return True


class _JsonLines(JsonFormatter):
    """An object a line."""

    def __init__(self) -> None:
        super().__init__(
            ("asctime", "levelname", "name", "message"),
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # what uvicorn says to terminals
        )

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Without what is empty."""
        return {name: value for name, value in log_data.items() if value != ""}

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802
        """Without what the exception says."""
        return _where(ei)

    def formatTime(  # noqa: N802
        self,
        record: logging.LogRecord,
        datefmt: str | None = None,  # noqa: ARG002 - as logging has it
    ) -> str:
        """In UTC, ISO 8601."""
        return _time(record)


class _TextLines(logging.Formatter):
    """``TIME LEVEL MESSAGE name=value …``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, but for a traceback."""
        extra = (
            f"{name}={getattr(record, name)}" for name in _FIELDS if getattr(record, name, "")
        )
        message = _one_line(record.getMessage())
        line = " ".join([_time(record), record.levelname, message, *extra])
        if record.exc_info:
            line += "\n" + _where(record.exc_info)
        return line


def _where(raised: _ExcInfo) -> str:
    """An exception and its causes by kind and place, without their messages."""
    kind, error, place = raised
    if error is None:
        return ""
    lines = []
    summary = traceback.TracebackException(kind, error, place, compact=True)  # type: ignore[arg-type]
    for found in _chain(summary):
        lines += [line.rstrip("\n") for line in found.stack.format()]
        lines.append(_kind(found))
    reason = getattr(error, "strerror", None)  # of the system, not of anybody's document
    return "\n".join(lines) + (f": {reason}" if isinstance(reason, str) else "")


def _chain(summary: traceback.TracebackException) -> Sequence[traceback.TracebackException]:
    """What led to an exception, and it, the first first."""
    found = [summary]
    while True:
        last = found[-1]
        before = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if before is None:
            return found[::-1]
        found.append(before)


def _kind(found: traceback.TracebackException) -> str:
    kind = found.exc_type
    return "?" if kind is None else f"{kind.__module__}.{kind.__qualname__}"


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    """Text that cannot pretend to be another line of the log."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
