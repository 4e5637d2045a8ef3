"""Requests that OpenAI's clients may make and this service cannot fulfil."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError

from cogagent.api.problems import RequestError


def unsupported(message: str, *at: str | int) -> RequestValidationError:
    """An error (400) that names the field of a request that cannot be done as asked."""
    return RequestValidationError(
        [{"type": "unsupported", "loc": ("body", *at), "msg": message, "input": None}]
    )


def no_model(name: str) -> RequestError:
    """What is said of a model that is not there, or not to be seen."""
    return RequestError(
        404, "model_not_found", f"there is no model {name!r}.", remedy="See /v1/models."
    )
