"""Makes a Transformers model's inputs of messages, and knows how it names places."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from cogagent.errors import ModelError
from cogagent.geometry import SLIMMEST, SmartResize
from cogagent.models.mllm import Capabilities, Coordinates, Message, PicturePart, TextPart
from cogagent.models.sight import estimate, given, given_size
from cogagent.models.texts import encodable
from cogagent.types import Raster

_NAMED: dict[str, Coordinates] = {
    "glm4v": "thousandths",
    "internvl": "thousandths",
    "qwen2_vl": "thousandths",
    "qwen2_5_vl": "resized-pixels",
    "qwen3_vl": "thousandths",
    "qwen3_vl_moe": "thousandths",
}
"""How models of a type were taught to name places, by their makers' reports; no other was."""


def seeing(can: Capabilities, maker: Any, model_type: str, side: int) -> Capabilities:
    """What a model can do that also sees pictures.

    Args:
        can: What it can do besides.
        maker: Its image processor.
        model_type: As its configuration has it.
        side: Longest side, in pixels, of a picture that is made no smaller.
    """
    named, resize = _NAMED.get(model_type, "none"), _resize(maker)
    seen: dict[str, Any] = {"pictures": True, "coordinates": named, "picture_side": side}
    if resize is not None:
        seen["slimmest"] = SLIMMEST
    if named == "resized-pixels":
        if resize is None:
            seen["coordinates"] = "none"  # its processor is another's
        else:
            seen |= {"picture_side": None, "picture_pixels": resize.most, "resize": resize}
    return can.model_copy(update=seen)


class Prompts:
    """Makes inputs of messages by a model's own chat template and processor.

    Args:
        processor: The processor; the tokenizer itself for a text-only model.
        tokenizer: The tokenizer.
        can: What the model can do.
    """

    def __init__(self, processor: Any, tokenizer: Any, can: Capabilities) -> None:
        self._processor, self._can = processor, can
        self._marks = _marks(processor, tokenizer)

    def inputs(self, messages: Sequence[Message]) -> dict[str, Any]:
        """What the model is given: ``input_ids``, shape ``(1, tokens)``, and what goes with it.

        Raises:
            ModelError: If the model's template does not take such messages.
        """
        from jinja2 import TemplateError

        try:
            try:
                made = self._made(messages)
            except TemplateError:
                # Some models know no system role, or only strict turns about.
                made = self._made(_merged(messages))
        except Exception as error:  # templates and processors fail in their own ways
            reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
            raise ModelError(
                f"the model does not take these messages: {reason}",
                remedy="Begin with a user's message, and let the roles take turns.",
            ) from error
        if not made["input_ids"].shape[1]:
            raise ModelError("the messages are empty.", remedy="Ask something.")
        return made

    def picture_tokens(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Tokens of pictures of such widths and heights, shown together."""
        count = getattr(self._processor, "_get_num_multimodal_tokens", None)
        if not self._can.pictures or not sizes:
            return 0
        shown = [given_size(size, self._can) for size in sizes]
        if count is None:
            return estimate(shown)
        try:
            made = count(image_sizes=[(tall, wide) for wide, tall in shown], **self._how(shown))
        except (AttributeError, KeyError, TypeError, ValueError):
            return estimate(shown)  # it counts in another way, or refuses the shape
        return int(sum(made.num_image_tokens))

    def _made(self, messages: Sequence[Message]) -> dict[str, Any]:
        conversation = [self._turn(message) for message in messages]
        made = self._processor.apply_chat_template(
            conversation,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **self._how_shown(messages),
        )
        return dict(made)

    def _how_shown(self, messages: Sequence[Message]) -> dict[str, Any]:
        if not self._can.pictures:
            return {}
        sizes = [picture.size for message in messages for picture in message.pictures]
        how = self._how([given_size(size, self._can) for size in sizes])
        return {"processor_kwargs": {"images_kwargs": how}} if how else {}

    def _how(self, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """What keeps processors that show a picture in tiles from blowing up a small one.

        They would show a stamp in as many tiles as a page, and each tile costs its tokens:
        a picture is shown in no more tiles than its pixels fill.
        """
        maker = self._processor.image_processor
        tile = getattr(maker, "max_image_size", None)
        if sizes and tile is not None and getattr(maker, "do_image_splitting", False):
            step = int(tile["longest_edge"])
            needed = step * math.ceil(max(max(size) for size in sizes) / step)
            return {"size": {"longest_edge": min(int(maker.size["longest_edge"]), needed)}}
        if sizes and getattr(maker, "crop_to_patches", False):
            wide, tall = int(maker.size["width"]), int(maker.size["height"])
            needed = max(math.ceil(size[0] / wide) * math.ceil(size[1] / tall) for size in sizes)
            most = min(int(maker.max_patches), needed)
            return {"max_patches": max(int(maker.min_patches), most)}
        return {}

    def _turn(self, message: Message) -> dict[str, Any]:
        if not self._can.pictures:
            return {"role": message.role, "content": self._harmless(message.text)}
        content: list[dict[str, Any]] = []
        words = ""
        for part in message.parts:
            if isinstance(part, PicturePart):
                content += self._worded(words)
                content.append({"type": "image", "image": self._shown(part.raster)})
                words = ""
            else:
                words += part.text
        return {"role": message.role, "content": content + self._worded(words)}

    def _worded(self, text: str) -> list[dict[str, Any]]:
        return [{"type": "text", "text": self._harmless(text)}] if text else []

    def _harmless(self, text: str) -> str:
        """``text`` with the model's control tokens broken up: a document must not speak for us."""
        return self._marks.sub(lambda found: f"{found[0][0]} {found[0][1:]}", encodable(text))

    def _shown(self, raster: Raster) -> Any:
        from PIL import Image

        return Image.fromarray(given(raster, self._can).pixels)


def _resize(maker: Any) -> SmartResize | None:
    """How Qwen's image processors resize a picture; ``None`` for one of another kind."""
    merged, patch = getattr(maker, "merge_size", None), getattr(maker, "patch_size", None)
    size = dict(maker.size or {})
    least, most = size.get("shortest_edge"), size.get("longest_edge")
    if not (isinstance(merged, int) and isinstance(patch, int) and least and most):
        return None
    return SmartResize(int(least), int(most), merged * patch)


def _marks(processor: Any, tokenizer: Any) -> re.Pattern[str]:
    """Whatever, found in a text, would be read as more than text."""
    known = {
        token.content for token in tokenizer.added_tokens_decoder.values() if token.special
    } | set(tokenizer.all_special_tokens)
    for holder in (processor, tokenizer):
        for name in ("image_token", "video_token", "audio_token"):
            known.add(getattr(holder, name, None) or "")
    # A token of one character, or of blanks, is in every text.
    marks: Iterable[str] = (mark for mark in known if len(mark.strip()) > 1)
    found = "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True))
    return re.compile(found or r"(?!)")


def _merged(messages: Sequence[Message]) -> list[Message]:
    """The same conversation without system messages, and no role twice in a row."""
    turns: list[Message] = []
    for message in messages:
        role = "user" if message.role == "system" else message.role
        if turns and turns[-1].role == role:
            gap = Message(role=role, parts=()) if not turns[-1].parts else turns[-1]
            turns[-1] = Message(role=role, parts=(*gap.parts, *_spaced(message)))
        else:
            turns.append(Message(role=role, parts=message.parts))
    return turns


def _spaced(message: Message) -> tuple[Any, ...]:
    return (TextPart(text="\n\n"), *message.parts)
