"""Errors as OpenAI's clients read them: ``{"error": {message, type, param, code}}``.

They come with the statuses of the problem documents, but that a request which does
not fit its schema is a 400, as these clients expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.responses import JSONResponse, Response

from cogagent.types import Record, clean

_SPOKEN = ("/v1/chat/completions", "/v1/models", "/v1/files", "/v1/embeddings")
"""Where these clients call."""

_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_CODES = {"unauthenticated": "invalid_api_key", "rate_limit": "rate_limit_exceeded"}
"""The names that OpenAI has for errors of ours."""
_PARAMS = {"model_not_found": "model"}


class OpenAIError(Record):
    """What went wrong."""

    message: str
    type: str
    """The kind of error, by its HTTP status."""
    param: str | None = None
    """The field of the request that it is about."""
    code: str | None = None
    """What programs tell errors apart by."""


class Envelope(Record):
    """An error in OpenAI's form."""

    error: OpenAIError


def speaks_openai(path: str) -> bool:
    """Whether a request of this path is answered in OpenAI's form."""
    return any(path == place or path.startswith(f"{place}/") for place in _SPOKEN)


def envelope(
    status: int, code: str, message: str, remedy: str = "", param: str | None = None
) -> Envelope:
    """An error of this HTTP status, to be sent by itself or in a stream."""
    kind = "server_error" if status >= 500 else _KINDS.get(status, "invalid_request_error")
    return Envelope(
        error=OpenAIError(
            message=clean(f"{message} {remedy}".strip()),
            type=kind,
            param=param,
            code=_CODES.get(code, code),
        )
    )


def enveloped(
    status: int,
    code: str,
    message: str,
    remedy: str = "",
    headers: Mapping[str, str] | None = None,
    at: Sequence[str | int] = (),
) -> Response:
    """The response that tells of an error.

    Args:
        status: Of HTTP.
        code: Of the error.
        message: What happened.
        remedy: What to do about it.
        headers: Further ones.
        at: Where in the request it is: ``body`` or the like, and the names from there.
    """
    if code == "invalid":
        status = 400
    param = ".".join(map(str, at[1:])) or _PARAMS.get(code)
    body = envelope(status, code, message, remedy, param)
    return JSONResponse(body.model_dump(), status, headers)
