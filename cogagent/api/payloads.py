"""JSON bodies: read after the caller is known, parsed strictly, checked against their model."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from cogagent.api.problems import SHOWN, RequestError

M = TypeVar("M", bound=BaseModel)
Mode = Literal["validation", "serialization"]

_SMALL = 256 << 10
"""Bytes of a body that is read at once; a larger one is read on a thread."""
_MOST_MARKS = 200_000
"""Of values, names and brackets of one body."""
_MOST_NAMES = 1000
"""Of one object."""
_MOST_FAULTS = 5000
"""Of one body: of more it is only told how many."""

PLACEHOLDER = "x-type"
DECLARED: dict[str, tuple[Any, Mode]] = {}
"""The types that routes have named, by what stands in for them."""


class Given(BaseModel):
    """Base of what callers send: unknown fields and numbers that are none are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


def json_body(model: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A dependency that reads a body; it stands behind the one that lets the caller in."""

    async def read(request: Request) -> M:
        require_type(request, "application/json")
        body = await request.body()
        if len(body) <= _SMALL:
            return checked(model, parsed(body))
        # Others are answered meanwhile.
        return await asyncio.to_thread(lambda: checked(model, parsed(body)))

    return read


def takes(model: type[BaseModel], **others: dict[str, Any]) -> dict[str, Any]:
    """What a route says of its body in the OpenAPI document, as its ``openapi_extra``."""
    schema = {"schema": schema_of(model, "validation")}
    return {"requestBody": {"required": True, "content": {"application/json": schema, **others}}}


def schema_of(model: Any, mode: Mode) -> dict[str, str]:
    """What stands for a type's schema until the OpenAPI document is written.

    FastAPI looks into the fields of types that it is told of, and finds arrays there that
    no schema has; they are never sent.

    Args:
        model: The type.
        mode: ``validation`` of what callers send, ``serialization`` of what they get.
    """
    name = f"{mode}:{getattr(model, '__name__', 'Event')}"
    DECLARED[name] = (model, mode)
    return {PLACEHOLDER: name}


def media_type(request: Request) -> str:
    """The type of a request's body, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_type(request: Request, *kinds: str) -> None:
    """Refuse a body of another type.

    Raises:
        RequestError: 415, if it is.
    """
    if media_type(request) not in kinds:
        raise RequestError(
            415, "unsupported_media_type", "the body is of a type that is not taken here.",
            remedy=f"Send {' or '.join(kinds)} and say so in Content-Type.",
        )  # fmt: skip


def parsed(body: bytes) -> Any:
    """A body's JSON as plain data.

    Raises:
        RequestError: 400, if it is no JSON, or is nested too deeply, or holds numbers or
            characters that nothing can be done with, or more values than anything takes.
    """
    _refuse_crowded(body)
    try:
        plain = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise RequestError(400, "bad_json", f"the body is no JSON: {error}.") from error
    _refuse_unsound(plain)
    return plain


def checked(model: type[M], plain: Any) -> M:
    """Plain data as a model.

    Raises:
        RequestValidationError: If it does not fit.
    """
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in _faults(error)]
        ) from None  # it holds the whole body


def _faults(error: ValidationError) -> Sequence[Mapping[str, Any]]:
    """Those that are shown: pydantic makes an object of each, or of none."""
    count = error.error_count()
    if count > _MOST_FAULTS:
        return [{"loc": (), "msg": f"it has {count} faults", "type": "faults"}]
    return error.errors(include_url=False, include_context=False, include_input=False)[:SHOWN]


def _refuse_crowded(body: bytes) -> None:
    """Refuse what would fill the memory with small objects, before any is made.

    Names, texts, commas and brackets outside of texts are counted: there are no fewer of
    them than values.
    """
    if sum(map(body.count, (b'"', b",", b"[", b"{"))) <= _MOST_MARKS:
        return
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    texts = plain.count(b'"') // 2
    if texts <= _MOST_MARKS:
        outside = b"".join(plain.split(b'"')[::2])
        if texts + sum(map(outside.count, (b",", b"[", b"{"))) <= _MOST_MARKS:
            return
    raise RequestError(
        400, "bad_json", "the body has more values than are taken.",
        remedy="Send less at a time.",
    )  # fmt: skip


def _refuse_unsound(plain: Any) -> None:
    left = [plain]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if len(value) > _MOST_NAMES:
                raise RequestError(
                    400, "bad_json", f"an object has more than {_MOST_NAMES} names."
                )
            left += value.keys()
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str) and "\x00" in value:
            raise RequestError(400, "bad_json", "a text holds the character NUL.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise RequestError(400, "bad_json", "a number is larger than any that is taken.")
