"""How large a picture a model is shown: no larger than it makes use of, or than is allowed.

And, of a picture that it was shown, where the places are that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cogagent.errors import CapabilityError
from cogagent.geometry import FRACTIONS, THOUSANDTHS, Plane, Size, fill_up
from cogagent.models.mllm import MLLM, Capabilities
from cogagent.types import Raster

PIXELS_A_TOKEN = 28 * 28
"""What a token shows where a model does not say: as Qwen2-VL has it. Tiles of 512 pixels at
OpenAI's or of 448 at InternVL's show more."""
_LEAST = 256 * 256
"""Pixels below which fewer pictures are better than smaller ones: nobody reads a chart's words."""


def within(size: Size, side: int | None = None, pixels: int | None = None) -> Size:
    """``size`` made smaller, if need be, its shape kept; never larger.

    Args:
        size: Width and height.
        side: Most that the longer of them may be.
        pixels: Most of the whole picture; a side is never below 1 for its sake.
    """
    width, height = size
    scale = 1.0 if side is None else min(1.0, side / max(size))
    if pixels is not None:
        scale = min(scale, (pixels / (width * height)) ** 0.5)
    if scale == 1.0:
        return size
    made = max(1, round(width * scale)), max(1, round(height * scale))
    if pixels is not None and made[0] * made[1] > pixels:  # rounded up, both or one
        made = max(1, int(width * scale)), max(1, int(height * scale))
    return made


def useful_size(size: Size, can: Capabilities) -> Size:
    """``size``, or what a model of these capabilities makes use of if that is smaller."""
    return within(size, can.picture_side, can.picture_pixels)


def given_size(size: Size, can: Capabilities) -> Size:
    """What a backend makes of a picture of ``size`` before the model is given it."""
    small = within(size, can.picture_side)
    return small if can.slimmest is None else fill_up(small, can.slimmest)


def seen_size(size: Size, can: Capabilities) -> Size:
    """What a picture of ``size`` is in the end, as far as the model resizes it by a known rule.

    The margin by which a slim one is filled up counts.
    """
    given = given_size(size, can)
    return given if can.resize is None else can.resize.size(given)


def space(size: Size, can: Capabilities) -> Plane:
    """The space in which a model names places of a picture.

    Args:
        size: Width and height of the picture as it is handed to the model's backend.
        can: What the model can do.

    Raises:
        CapabilityError: If it names no places.
    """
    if can.coordinates == "none":
        raise CapabilityError(
            "the model names no places in pictures.",
            remedy="Use one that does, and say how in the setting `coordinates` of its group.",
        )
    if can.coordinates == "pixels":
        return Plane(*size, whole=True)
    plane = {
        "resized-pixels": Plane(*seen_size(size, can), whole=True),
        "thousandths": THOUSANDTHS,
        "fractions": FRACTIONS,
    }[can.coordinates]
    return plane.filled(within(size, can.picture_side), given_size(size, can))


def picture_tokens(model: MLLM, sizes: Sequence[Size]) -> int:
    """Tokens that pictures of these sizes take in one prompt.

    A model may have a method ``picture_tokens(sizes)`` beside what the seam asks of it;
    for one that has not it is estimated.
    """
    if not sizes:
        return 0
    counts: Callable[[Sequence[Size]], int] | None = getattr(model, "picture_tokens", None)
    if counts is None:
        return estimate([seen_size(size, model.capabilities) for size in sizes])
    return counts(sizes)


def estimate(sizes: Sequence[Size]) -> int:
    """Tokens of pictures where nobody knows them."""
    return sum(-(-width * height // PIXELS_A_TOKEN) for width, height in sizes)


def fitted(
    sizes: Sequence[Size], tokens: int, count: Callable[[Sequence[Size]], int]
) -> list[Size]:
    """Sizes at which pictures can be shown that take at most ``tokens`` together.

    All are made smaller to the same number of pixels, those that have fewer are left
    as they are. Where they would become too small to be read, the last are left out.

    Args:
        sizes: Width and height of each, the most important picture first.
        tokens: That they may take together.
        count: Tokens of pictures of given sizes, shown together.

    Returns:
        A size for each of the first pictures; none is larger than it was.
    """
    for shown in range(len(sizes), 0, -1):
        first = list(sizes[:shown])
        least = 1 if shown == 1 else _LEAST
        found = _together(first, tokens, count, least)
        if found is not None:
            return found
    return []


def shrunk(raster: Raster, size: Size) -> Raster:
    """A picture at another, as a rule smaller, size."""
    from PIL import Image

    if size == raster.size:
        return raster
    picture = Image.fromarray(raster.pixels)
    # What is far too large is first averaged down to three times the size, which is quick
    # and takes nothing that the filter would leave.
    made = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Raster(np.asarray(made))


def given(raster: Raster, can: Capabilities) -> Raster:
    """A picture as a backend gives it to a model of these capabilities: :func:`given_size`."""
    small = shrunk(raster, within(raster.size, can.picture_side))
    right, below = np.subtract(given_size(raster.size, can), small.size).tolist()
    if not (right or below):
        return small
    return Raster(np.pad(small.pixels, ((0, below), (0, right), (0, 0)), mode="edge"))


def _together(
    sizes: list[Size], tokens: int, count: Callable[[Sequence[Size]], int], least: int
) -> list[Size] | None:
    if count(sizes) <= tokens:
        return sizes
    found = None
    low, high = least, max(width * height for width, height in sizes)
    while low < high:
        pixels = (low + high) // 2
        smaller = [within(size, pixels=pixels) for size in sizes]
        if count(smaller) <= tokens:
            found, low = smaller, pixels + 1
        else:
            high = pixels
    return found
