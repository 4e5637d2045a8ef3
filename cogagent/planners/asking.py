"""Asks a model to fill in a form: held to it where that can be, checked and repaired elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from cogagent.errors import BudgetError, CapabilityError, ContextOverflowError, ModelError
from cogagent.models.metered import MeteredMLLM
from cogagent.models.mllm import Generated, Message, Options, said
from cogagent.models.replies import completed, find_json
from cogagent.models.showing import PictureCache
from cogagent.models.sight import picture_tokens
from cogagent.planners.prompts import prompt
from cogagent.types import Raster

T = TypeVar("T")

BYTES_A_TOKEN = 3
"""Of text in UTF-8, with something to spare: English has four, Chinese about three."""
_CONTEXT = 8192
"""Tokens, for a model that does not say how many it reads."""
_LEAST_ROOM = 400
"""Bytes that a prompt's changing part may always have."""
_TEMPLATE_TOKENS = 48
"""What a chat template adds."""
_PICTURE_SHARE = 3
"""Of so many parts of the context, pictures may take one."""
_SHOWN_REPLY = 1200
"""Characters of a reply that its repair is shown."""
_SHOWN_FAULTS = 6
_FIRST_ID = "q1"
"""What an example shows where a text has a pattern: the ids of queries do."""


class Wording(NamedTuple):
    """What a model is asked.

    Attributes:
        order: What it has to do.
        told: Makes what it has to know, in at most so many bytes.
        pictures: That it is shown, if it sees; as large as fits.
    """

    order: str
    told: Callable[[int], str]
    pictures: Sequence[Raster] = ()


class Read(NamedTuple, Generic[T]):
    """What a reply says.

    Attributes:
        value: As far as it can be used; ``None`` if it cannot.
        faults: What is to be repaired.
        remarks: What was left out or changed without asking again.
    """

    value: T | None
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """What a reply has to be.

    Attributes:
        schema: As a JSON schema.
        read: Makes of a JSON object what it says; never raises.
        tokens: That it may have.
        repairs: How often it is asked for again if it has faults: once, or not at all.
    """

    schema: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], Read[T]]
    tokens: int = 400
    repairs: int = 1


class Heard(NamedTuple, Generic[T]):
    """What a model replied.

    Attributes:
        value: What it says.
        remarks: What of it was left out or changed.
    """

    value: T
    remarks: tuple[str, ...] = ()


async def write(model: MeteredMLLM, wording: Wording, options: Options) -> Generated:
    """A text in the model's own words; a prompt that is too long is halved once.

    Raises:
        BudgetError: If the budget does not allow it.
        ModelError: If the model fails.
    """
    shown: list[Raster] = []
    if wording.pictures and model.capabilities.pictures:
        shown = await asyncio.to_thread(_shown, model, wording.pictures)
    context = model.capabilities.context or _CONTEXT
    written = min(options.max_tokens, max(context // 3, 1))
    options = options.model_copy(update={"max_tokens": written})
    pictured = picture_tokens(model, [raster.size for raster in shown])
    room = (context - written - pictured - _TEMPLATE_TOKENS) * BYTES_A_TOKEN
    room = max(room - len(wording.order.encode()), _LEAST_ROOM)
    try:
        return await model.generate(_messages(wording, room, shown), options)
    except ContextOverflowError:
        return await model.generate(_messages(wording, room // 2, shown), options)


async def fill_in(
    model: MeteredMLLM, wording: Wording, form: Form[T], *, temperature: float = 0.0
) -> Heard[T]:
    """A form that the model filled in.

    Where the model can be held to a schema it is; elsewhere the form is asked for in
    words. A reply with faults is shown to the model once, with its faults, as a call
    of the purpose ``repair``; what is still wrong then is left out, as far as the rest
    can be used.

    Raises:
        BudgetError: If the budget does not allow it, and there is nothing to use yet.
        ModelError: If the model fails, or what it writes cannot be used.
    """
    wording = wording._replace(order=f"{wording.order}\n\n{_said_form(form)}")
    options = Options(max_tokens=form.tokens, temperature=temperature)
    reply = await _held(model, wording, options, form)
    first = _read(reply, form)
    if not first.faults:
        return _heard(model, first)
    best, faults = first, list(first.faults)
    if form.repairs:
        try:
            again = await _held(
                model.named("repair"), _repair(wording, reply, faults, form), options, form
            )
        except (BudgetError, ModelError) as error:
            if first.value is None and isinstance(error, BudgetError):
                raise
            faults.append(f"the repair failed: {error}")
        else:
            second = _read(again, form)
            if second.value is not None or first.value is None:
                best, faults = second, list(second.faults)
    return _heard(model, best._replace(faults=tuple(faults)))


async def _held(
    model: MeteredMLLM, wording: Wording, options: Options, form: Form[T]
) -> Generated:
    """The reply, held to the form if the model can be, and its service really does so."""
    if model.capabilities.structured:
        try:
            held = options.model_copy(update={"structure": form.schema})
            return await write(model, wording, held)
        except CapabilityError:
            pass  # the service does not know such a schema: it is asked in words
    return await write(model, wording, options)


def _read(reply: Generated, form: Form[T]) -> Read[T]:
    keys = list(form.schema["properties"])
    found = find_json(reply.text, keys)
    if found is not None:
        return form.read(found)
    if reply.finish != "length":
        return Read(None, ("there is no such JSON object",))
    cut = "the reply was cut off before its end"
    whole = find_json(completed(reply.text), keys)
    if whole is None:
        return Read(None, (cut,))
    read = form.read(whole)
    return read._replace(faults=(cut, *read.faults))


def _heard(model: MeteredMLLM, read: Read[T]) -> Heard[T]:
    if read.value is None:
        raise ModelError(
            f"{model.name} did not keep to the form: {'; '.join(read.faults)[:300]}.",
            remedy="Use a larger model, or a backend that holds it to a JSON schema.",
        )
    return Heard(read.value, (*read.faults, *read.remarks))


def _repair(wording: Wording, reply: Generated, faults: Sequence[str], form: Form[T]) -> Wording:
    """The same again, with what was wrong; without pictures, which would be paid for twice."""
    order = prompt("repair.v1")
    order = order.replace("{faults}", "\n".join(f"- {fault}" for fault in faults[:_SHOWN_FAULTS]))
    order = order.replace("{form}", skeleton(form.schema))
    said_before = reply.text[:_SHOWN_REPLY] or "(nothing)"

    def told(room: int) -> str:
        rest = max(room - len(said_before.encode()) - len(order.encode()), _LEAST_ROOM)
        return f"{wording.told(rest)}\n\nYour reply was:\n{said_before}\n\n{order}"

    return Wording(wording.order, told)


def _messages(wording: Wording, room: int, pictures: Sequence[Raster]) -> list[Message]:
    return [said("system", wording.order), said("user", wording.told(room), *pictures)]


def _shown(model: MeteredMLLM, pictures: Sequence[Raster]) -> list[Raster]:
    """The pictures as large as the model makes use of and has room for."""
    most = (model.capabilities.context or _CONTEXT) // _PICTURE_SHARE
    return PictureCache(0, 0).shown(list(pictures), model, most)


def _said_form(form: Form[T]) -> str:
    return prompt("form.v1").replace("{form}", skeleton(form.schema))


def skeleton(schema: Mapping[str, Any]) -> str:
    """A schema as a model reads it best: an object of that form."""
    return json.dumps(_example(schema), ensure_ascii=False)


def _example(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return {key: _example(inner) for key, inner in schema["properties"].items()}
    if kind == "array":
        shown = 0 if "pattern" in schema["items"] else 1
        return [_example(schema["items"])] * min(max(schema.get("minItems", 0), shown), 4)
    if "pattern" in schema:
        return _FIRST_ID
    if "enum" in schema:
        return "|".join(str(value) for value in schema["enum"])
    if kind == "boolean":
        return False
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return None if isinstance(kind, list) else "…"
