"""Pointing by asking a model: it names boxes, in the space that it was taught."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from cogagent.errors import CapabilityError, ContextOverflowError
from cogagent.geometry import Box, Plane, Size, named_box
from cogagent.models.metered import MeteredMLLM
from cogagent.models.mllm import MLLM, Capabilities, Generated, Message, Options, said
from cogagent.models.replies import completed, find_json, number
from cogagent.models.showing import PictureCache
from cogagent.models.sight import seen_size, space
from cogagent.types import Raster
from cogagent.vision.pointing.base import Picture, Pointed
from cogagent.vision.pointing.prompts import prompt

MOST = 8
"""Places of one reply."""
LONGEST = 200
"""Characters of what a model says of a place; more are cut."""

_CONTEXT = 8192
"""Tokens, for a model that does not say how many it reads."""
_PICTURE_SHARE = 3
"""Of so many parts of the context, the picture may take one, and the reply another."""
_QUESTION = 2000
"""Characters of a question; more are cut."""
_WHY = 120
"""Characters that a model held to the schema may say of a place."""
_TOKENS, _TOKENS_A_PLACE = 48, 96
"""Of a reply, and of each place in it."""
_SHOWN_REPLY = 1200
"""Characters of a reply that its repair is shown."""
_FORM = '{"regions": [{"box": [0, 0, 0, 0], "why": "…"}]}'
"""A box without extent is left out, so that nothing comes of repeating this."""
_FAR = 1e9
"""Beyond any coordinate."""
_SAME = 0.9
"""Overlap (intersection over union) from which two boxes are one place."""


def can_point(model: MLLM) -> bool:
    """Whether a model sees pictures and names places in them."""
    can = model.capabilities
    return can.pictures and can.coordinates != "none"


class ModelPointer:
    """Asks a model for the places of a picture that a question is about.

    It is shown the picture as large as it makes use of, and answers in its own space.
    What it says is checked: a reply without JSON is asked for once more (of a metered
    model as a call of the purpose ``repair``); what is no box, lies beyond the picture or
    was named before is left out. The score of a place says its rank alone, 1, 1/2, 1/3.

    Args:
        model: Sees pictures and names places.
        picture_tokens: Most that the picture may take of a prompt, and at most a third of
            the model's context.

    Raises:
        CapabilityError: If the model cannot.
    """

    name = "model"

    def __init__(self, model: MLLM, picture_tokens: int = 2048) -> None:
        if not model.capabilities.pictures:
            raise CapabilityError(
                f"{model.name} sees no pictures, and cannot point at anything in them.",
                remedy="Name a multimodal model in models.answer_model.",
            )
        if not can_point(model):
            raise CapabilityError(
                f"{model.name} names no places in pictures.",
                remedy="If it does, say how in the setting `coordinates` of its group; "
                "otherwise name another model in models.answer_model.",
            )
        self._model = model
        self._picture_tokens = picture_tokens

    async def point(self, question: str, picture: Picture, k: int) -> list[Pointed]:
        """The ``k`` places most worth a closer look, as the model says; eight at most.

        Args:
            question: Any text; its first 2,000 characters count.
            picture: Of any size.
            k: At most so many.

        Raises:
            BudgetError: If the model is metered and the budget does not allow it.
            ContextOverflowError: If its context has no room for the picture.
            ModelError: If it fails otherwise.
        """
        most = min(k, MOST)
        if most < 1:
            return []
        shown = await asyncio.to_thread(self._shown, picture.raster)
        plane = space(shown.size, self._model.capabilities)
        schema, order = _asked(self._model.capabilities, shown.size, most)
        told = f"Question: {question[:_QUESTION]}"
        messages = [said("system", order), said("user", told, shown)]
        room = (self._model.capabilities.context or _CONTEXT) // _PICTURE_SHARE
        options = Options(max_tokens=max(min(_TOKENS + _TOKENS_A_PLACE * most, room), 1))
        reply = await _held(self._model, messages, options, schema)
        regions = _regions(reply)
        if regions is None:
            # Without the picture, which would be paid for twice.
            wrong = prompt("repair.v1").replace("{form}", _FORM)
            wrong = wrong.replace("{reply}", reply.text[:_SHOWN_REPLY] or "(nothing)")
            messages = [messages[0], said("user", f"{told}\n\n{wrong}")]
            model = self._model
            named = model.named("repair") if isinstance(model, MeteredMLLM) else model
            regions = _regions(await _held(named, messages, options, schema))
        return _places(regions or (), plane)[:most]

    def _shown(self, raster: Raster) -> Raster:
        context = self._model.capabilities.context or _CONTEXT
        tokens = min(self._picture_tokens, context // _PICTURE_SHARE)
        shown = PictureCache(0, 0).shown([raster], self._model, tokens)
        if not shown:
            raise ContextOverflowError(
                f"a third of the context of {self._model.name} has no room for a picture.",
                remedy="Use a model, or a setting, with a larger context.",
            )
        return shown[0]


def _asked(can: Capabilities, size: Size, most: int) -> tuple[dict[str, Any], str]:
    """What a model is asked about a picture of ``size``: schema and order."""
    words, edge = _said_space(can, size)
    box = {"type": "array", "items": edge, "minItems": 4, "maxItems": 4}
    why = {"type": "string", "maxLength": _WHY}
    region = {
        "type": "object",
        "properties": {"box": box, "why": why},
        "required": ["box", "why"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"regions": {"type": "array", "items": region, "maxItems": most}},
        "required": ["regions"],
        "additionalProperties": False,
    }
    order = prompt("point.v1").replace("{most}", str(most)).replace("{space}", words)
    return schema, order.replace("{form}", _FORM)


def _said_space(can: Capabilities, size: Size) -> tuple[str, dict[str, Any]]:
    """The space that a model names places in, in words, and what an edge in it is."""
    if can.coordinates == "fractions":
        words = "fractions of the picture's width and height, from 0 to 1"
        return words, {"type": "number", "minimum": 0, "maximum": 1}
    if can.coordinates == "thousandths":
        words = "whole thousandths of the picture's width and height, from 0 to 1000"
        return words, {"type": "integer", "minimum": 0, "maximum": 1000}
    width, height = size if can.coordinates == "pixels" else seen_size(size, can)
    words = f"whole pixels of the picture, which is {width} wide and {height} high"
    return words, {"type": "integer", "minimum": 0, "maximum": max(width, height)}


async def _held(
    model: MLLM, messages: Sequence[Message], options: Options, schema: Mapping[str, Any]
) -> Generated:
    """A reply, held to the schema if the model can be, and its service really does so."""
    if model.capabilities.structured:
        try:
            held = options.model_copy(update={"structure": schema})
            return await model.generate(messages, held)
        except CapabilityError:
            pass  # the service does not know such a schema: it is asked in words
    return await model.generate(messages, options)


def _regions(reply: Generated) -> list[Any] | None:
    """The list of regions in a reply; ``None`` if there is none."""
    found = find_json(reply.text, ["regions"])
    if found is None and reply.finish == "length":
        found = find_json(completed(reply.text), ["regions"])
    regions = None if found is None else found["regions"]
    return regions if isinstance(regions, list) else None


def _places(regions: Sequence[Any], plane: Plane) -> list[Pointed]:
    """What of the regions can be used, in the model's order."""
    found: list[tuple[Box, str]] = []
    for region in regions[: 4 * MOST]:
        if not isinstance(region, dict):
            continue
        box = _box(region.get("box"), plane)
        if box is not None and not any(box.iou(other) > _SAME for other, _ in found):
            found.append((box, _one_line(region.get("why"))))
    return [
        Pointed(box=box, score=1 / rank, why=why) for rank, (box, why) in enumerate(found, start=1)
    ]


def _box(value: object, plane: Plane) -> Box | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    edges = [number(edge, -_FAR, _FAR) for edge in value]
    known = [edge for edge in edges if edge is not None]
    return named_box(known, plane)  # of fewer than four numbers there is none


def _one_line(text: object) -> str:
    """What a model says of a place: on one line, without characters that are not seen."""
    if not isinstance(text, str):
        return ""
    seen = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * LONGEST])
    line = " ".join(seen.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…"
