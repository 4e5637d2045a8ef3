"""What a picture costs a model of llama.cpp's, by the header of its mmproj file."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cogagent.models.backends.gguf import Header
from cogagent.models.sight import estimate

_OF_ANY_SIZE = (
    "qwen2vl_merger", "qwen2.5vl_merger", "qwen3vl_merger", "pixtral", "kimivl", "lightonocr",
)  # fmt: skip
"""Kinds that cut a picture of any size into patches."""
_IN_TILES = ("idefics3", "internvl")
"""Kinds that cut it into tiles, and show the whole of it as one more."""


def projected_tokens(projector: Header, sizes: Sequence[tuple[int, int]]) -> int:
    """Tokens that pictures become, about; marks around them are not counted.

    Args:
        projector: Of the mmproj file.
        sizes: Their widths and heights in pixels.
    """
    patch, image = projector.number("vision.patch_size"), projector.number("vision.image_size")
    if not patch or not image:
        return estimate(sizes)
    kind = projector.values.get("clip.vision.projector_type") or projector.values.get(
        "clip.projector_type"
    )
    if kind in _OF_ANY_SIZE:
        cell = patch * (projector.number("vision.spatial_merge_size") or 2)
        return sum(math.ceil(wide / cell) * math.ceil(tall / cell) for wide, tall in sizes)
    factor = projector.number("vision.projector.scale_factor") or 1
    whole = max(1, (image // (patch * factor)) ** 2)
    if kind in _IN_TILES:
        tiles = (math.ceil(wide / image) * math.ceil(tall / image) for wide, tall in sizes)
        return sum(whole * (count + (count > 1)) for count in tiles)
    return whole * len(sizes)  # every picture is made one square
