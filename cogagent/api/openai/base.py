"""What the routes for OpenAI's clients share."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response

from cogagent.api.envelopes import Envelope
from cogagent.api.payloads import schema_of
from cogagent.api.routes.base import Route

_ALWAYS = (400, 401, 403, 404, 414, 422, 429, 500, 503)
_JSON = "application/json"

AGENT = "cogagent"
"""The model that answers from the collection ``default``; of others, the beginning."""


def router() -> APIRouter:
    """A router of this door."""
    return APIRouter(
        prefix="/v1",  # here, not where they are put together: the log tells it
        tags=["openai"],
        route_class=Route,
        responses=failures(*_ALWAYS),
        default_response_class=Response,  # routes write their bodies themselves
    )


def gives(
    model: Any, *statuses: int, also: Mapping[str, Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of a response, and of errors beyond the usual ones.

    Args:
        model: The type of what it holds.
        statuses: Of the errors.
        also: Of further media types: of a stream, that of the data of each event.
    """
    held = {_JSON: model, **(also or {})}
    content = {kind: {"schema": schema_of(one, "serialization")} for kind, one in held.items()}
    return {200: {"description": "OK", "content": content}, **failures(*statuses)}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What it says of errors with these statuses."""
    schema = schema_of(Envelope, "serialization")
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {_JSON: {"schema": schema}},
        }
        for status in statuses
    }


def collection_of(model: str) -> str | None:
    """The collection that a model answers from; ``None`` if no model is named so."""
    head, slash, name = model.partition("/")
    if head != AGENT or (slash and not name):
        return None
    return name if slash else "default"


def model_of(collection: str) -> str:
    """The model that answers from a collection."""
    return f"{AGENT}/{collection}"
