"""What a model of llama.cpp's sees of a picture, by the header of its mmproj file.

What a picture costs it, and how it names places in one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from cogagent.models.backends.gguf import Header
from cogagent.models.mllm import Coordinates
from cogagent.models.sight import estimate

_OF_ANY_SIZE = (
    "qwen2vl_merger", "qwen2.5vl_merger", "qwen3vl_merger", "pixtral", "kimivl", "lightonocr",
)  # fmt: skip
"""Kinds that cut a picture of any size into patches."""
_IN_TILES = ("idefics3", "internvl")
"""Kinds that cut it into tiles, and show the whole of it as one more."""
_NAMED: dict[str, Coordinates] = {
    "glm4v": "thousandths",
    "internvl": "thousandths",
    "qwen2vl_merger": "thousandths",
    "qwen2.5vl_merger": "resized-pixels",
    "qwen3vl_merger": "thousandths",
}
"""How the models that these belong to were taught to name places, by their makers' reports."""


def coordinates(projector: Header) -> Coordinates:
    """How the model of a mmproj file names places in a picture."""
    return _NAMED.get(_kind(projector), "none")


def projected_tokens(projector: Header, sizes: Sequence[tuple[int, int]]) -> int:
    """Tokens that pictures become, about; marks around them are not counted.

    Args:
        projector: Of the mmproj file.
        sizes: Their widths and heights in pixels.
    """
    patch, image = projector.number("vision.patch_size"), projector.number("vision.image_size")
    if not patch or not image:
        return estimate(sizes)
    kind = _kind(projector)
    if kind in _OF_ANY_SIZE:
        cell = patch * (projector.number("vision.spatial_merge_size") or 2)
        return sum(math.ceil(wide / cell) * math.ceil(tall / cell) for wide, tall in sizes)
    factor = projector.number("vision.projector.scale_factor") or 1
    whole = max(1, (image // (patch * factor)) ** 2)
    if kind in _IN_TILES:
        tiles = (math.ceil(wide / image) * math.ceil(tall / image) for wide, tall in sizes)
        return sum(whole * (count + (count > 1)) for count in tiles)
    return whole * len(sizes)  # every picture is made one square


def _kind(projector: Header) -> str:
    named = projector.values.get("clip.vision.projector_type")
    return str(named or projector.values.get("clip.projector_type"))
