"""Makes a Transformers model's inputs of messages, and knows in what pixels it answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cogagent.errors import ModelError
from cogagent.models.mllm import Message, PicturePart, Space
from cogagent.models.sight import estimate, shrunk, within
from cogagent.models.texts import encodable
from cogagent.types import Raster

_SPACES: dict[str, Space] = {
    "glm4v": "thousandths",
    "internvl": "thousandths",
    "qwen2_vl": "thousandths",
    "qwen2_5_vl": "pixels",
    "qwen3_vl": "thousandths",
    "qwen3_vl_moe": "thousandths",
}
"""How models of a type were taught to name places, by their makers' reports; no other was."""


_SLIMMEST = 200
"""A picture so many times as long as wide is refused by Qwen's processor."""


def space(model_type: str) -> Space:
    """How a model of that type names places in a picture."""
    return _SPACES.get(model_type, "none")


class Prompts:
    """Makes inputs of messages by a model's own chat template and processor.

    Args:
        processor: The processor; the tokenizer itself for a text-only model.
        tokenizer: The tokenizer.
        pictures: The model sees pictures.
        side: Longest side of a picture, in pixels; a larger one is made smaller first.
            ``None``: the model answers in pixels, and is to see them as they are.

    Attributes:
        side: The same.
    """

    def __init__(
        self, processor: Any, tokenizer: Any, *, pictures: bool, side: int | None
    ) -> None:
        self._processor, self._pictures, self.side = processor, pictures, side
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

    def seen_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height at which the model sees a picture, what is filled up left out.

        Raises:
            ModelError: If it sees none of that shape.
        """
        if self.side is not None:
            return within((width, height), self.side)
        step, _, most = self._bounds()
        if _filled((width, height), *self._bounds()) is not None:
            return width, height
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        try:
            tall, wide = smart_resize(height, width, step, 1, most)
        except ValueError as error:
            raise ModelError(f"the model sees no picture of {width} by {height}.") from error
        return int(wide), int(tall)

    @property
    def most_pixels(self) -> int | None:
        """Pixels beyond which a picture that is not made smaller here is by the processor."""
        return self._bounds()[2] if self._pictures and self.side is None else None

    def picture_tokens(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Tokens of pictures of such widths and heights, shown together."""
        count = getattr(self._processor, "_get_num_multimodal_tokens", None)
        if not self._pictures or not sizes:
            return 0
        shown = [self._shown_size(size) for size in sizes]
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
        if not self._pictures:
            return {}
        sizes = [picture.size for message in messages for picture in message.pictures]
        how = self._how([self._shown_size(size) for size in sizes])
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
        if not self._pictures:
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

        if self.side is None:
            size = self._shown_size(raster.size)
            margin = (size[1] - raster.size[1], size[0] - raster.size[0])
            around = ((0, margin[0]), (0, margin[1]), (0, 0))
            return Image.fromarray(np.pad(raster.pixels, around, mode="edge"))
        return Image.fromarray(shrunk(raster, within(raster.size, self.side)).pixels)

    def _shown_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size at which the processor is given a picture of that size."""
        if self.side is not None:
            return within(size, self.side)
        return _filled(size, *self._bounds()) or size

    def _bounds(self) -> tuple[int, int, int]:
        """What the processor leaves as it is: sides in steps of so many pixels, least and most.

        The least and the most are pixels of the whole picture.
        """
        maker = self._processor.image_processor
        step = int(maker.patch_size * maker.merge_size)
        return step, int(maker.size["shortest_edge"]), int(maker.size["longest_edge"])


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
    from cogagent.models.mllm import TextPart

    return (TextPart(text="\n\n"), *message.parts)


def _filled(size: tuple[int, int], step: int, least: int, most: int) -> tuple[int, int] | None:
    """The least size that ``size`` can be filled up to and that is then not resized.

    Args:
        size: Width and height.
        step: What both have to be multiples of.
        least: Pixels that it needs.
        most: Pixels that it may have; ``None`` comes of what would have more.
    """
    longest = math.ceil(max(size) / step)
    shortest = max(math.ceil(min(size) / step), math.ceil(longest / _SLIMMEST))
    while longest * shortest * step**2 < least:
        longest, shortest = max(longest, shortest + 1), min(longest, shortest + 1)
    if longest * shortest * step**2 > most:
        return None
    wide, tall = (longest, shortest) if size[0] >= size[1] else (shortest, longest)
    return wide * step, tall * step
