"""Every error as an RFC 9457 problem document, with the HTTP status that goes with it.

Where OpenAI's clients call it takes the form that they read (``envelopes.py``).
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cogagent import errors
from cogagent.api.envelopes import enveloped, speaks_openai
from cogagent.errors import BusyError, CogAgentError, UnauthenticatedError
from cogagent.types import Record, clean

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_STATUS: dict[type[CogAgentError], int] = {
    CogAgentError: 500,
    errors.ConfigError: 503,
    errors.InputError: 422,
    errors.NotFoundError: 404,
    errors.ConflictError: 409,
    errors.AccessError: 403,
    errors.UnauthenticatedError: 401,
    errors.BusyError: 429,
    errors.DocumentError: 422,
    errors.WorkerCrashedError: 503,
    errors.ModelError: 503,
    errors.CapabilityError: 422,
    errors.ContextOverflowError: 422,
    errors.ModelRefusedError: 422,
    errors.ToolError: 503,
    errors.WebRefusedError: 422,
    errors.WebLimitError: 422,
    errors.StorageError: 503,
    errors.OfflineError: 422,
    errors.BudgetError: 422,
}
"""Of a class that is not named, that of its nearest base."""

SHOWN = 20
"""Faults of one request that are listed."""


class RequestError(CogAgentError):
    """A request that cannot be read as it was sent: too large, too slow, of a wrong type.

    Attributes:
        status: The HTTP status that says so.
        retry_after: Seconds after which to try again, where that helps.
    """

    code = "request"

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        remedy: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.retry_after = retry_after
        self.code = code  # type: ignore[misc] # one class for all that HTTP has a status for


class Fault(Record):
    """One thing that is wrong with a request."""

    at: tuple[str | int, ...]
    """Where: ``body``, ``query``, ``path`` or ``header``, and the names from there."""
    message: str


class ProblemDocument(Record):
    """Why a request failed (RFC 9457)."""

    type: str
    """Names the kind of problem; it ends in ``code``."""
    title: str
    """The HTTP status in words."""
    status: int = Field(ge=400, le=599)
    detail: str
    """What happened, and to what."""
    code: str
    """What programs tell problems apart by."""
    remedy: str = ""
    """What to do about it."""
    instance: str
    """Id of the request, by which the service's log knows it."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with a request that does not fit its schema."""


def status_of(error: CogAgentError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, RequestError):
        return error.status
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def request_id(scope: Scope) -> str:
    """The id of a request; it gets one where it has none yet."""
    state: dict[str, Any] = scope.setdefault("state", {})
    found = state.get("request_id")
    if found is None:
        found = state["request_id"] = f"req-{secrets.token_hex(8)}"
    return str(found)


def problem(scope: Scope, error: CogAgentError) -> Response:
    """The response that tells of an error."""
    status = status_of(error)
    if status >= 500:
        log.warning("a request failed: %s", error.code, exc_info=error)
    return _response(scope, status, error.code, error.message, error.remedy, _headers(error))


def respond_with_problems(app: FastAPI) -> None:
    """Make an app tell of every error by a problem document."""
    app.add_exception_handler(CogAgentError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


class Boundary:
    """Middleware: what no handler expected becomes a 500 that tells nothing of the inside.

    It is logged with its traceback and the id of the request.

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
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.info("request %s: the client left", request_id(scope))
        except CogAgentError as error:  # of another middleware
            if started:
                raise
            await problem(scope, error)(scope, receive, send)
        except Exception:
            log.exception("request %s failed", request_id(scope))
            if started:
                raise  # the server closes the connection: a cut response must not look whole
            told = _response(
                scope, 500, "internal", "the service failed.",
                "Tell its operator the request's id; the log has the rest.",
            )  # fmt: skip
            await told(scope, receive, send)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, CogAgentError)
    return problem(request.scope, error)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = tuple(
        Fault(at=tuple(map(_place, item["loc"])), message=clean(str(item["msg"])))
        for item in error.errors()[:SHOWN]
    )
    first = f"{'.'.join(map(str, faults[0].at))}: {faults[0].message}" if faults else "it is empty"
    return _response(
        request.scope, 422, "invalid", f"the request does not fit its schema: {first}.",
        "See /openapi.json.", faults=faults,
    )  # fmt: skip


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return _response(
        request.scope, error.status_code, code, str(error.detail), headers=error.headers
    )


def _place(part: str | int) -> str | int:
    return clean(part)[:200] if isinstance(part, str) else part


def _headers(error: CogAgentError) -> dict[str, str]:
    wait = error.retry_after if isinstance(error, BusyError | RequestError) else None
    if wait is not None:
        return {"Retry-After": str(max(1, math.ceil(wait)))}
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": "Bearer"}
    return {}


def _response(
    scope: Scope,
    status: int,
    code: str,
    detail: str,
    remedy: str = "",
    headers: Mapping[str, str] | None = None,
    faults: tuple[Fault, ...] = (),
) -> Response:
    scope.setdefault("state", {})["problem"] = code
    told = {"Cache-Control": "no-store", **(headers or {})}
    if speaks_openai(scope["path"]):
        at = faults[0].at if faults else ()
        return enveloped(status, code, detail, remedy, told, at)
    body = ProblemDocument(
        type=f"urn:cogagent:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=clean(detail),
        code=code,
        remedy=clean(remedy),
        instance=request_id(scope),
        faults=faults,
    )
    return Response(body.model_dump_json(), status, told, media_type=MEDIA_TYPE)
