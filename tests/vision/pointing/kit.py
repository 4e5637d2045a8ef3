"""Pictures whose words are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cogagent.geometry import Box, from_pixels
from cogagent.types import Raster, Words
from cogagent.vision.pointing.base import Picture

HIGH, WIDE = 20, 10
"""Pixels of a line's height and of a letter's width."""

Line = tuple[str, int, int]
"""What is written, from which pixel to the right and down."""


def picture(lines: Sequence[Line], size: tuple[int, int] = (1000, 800)) -> Picture:
    """A blank picture said to have words."""
    text, spans, boxes = "", [], []
    for said, x, y in lines:
        for word in said.split():
            start = said.index(word)
            spans.append((len(text), len(text) + len(word)))
            left = x + WIDE * start
            boxes.append((left, y, left + WIDE * len(word), y + HIGH))
            text += f"{word} "
            said = said[:start] + " " * len(word) + said[start + len(word) :]
        text += "\n"
    return placed(text, spans, boxes, size)


def placed(
    text: str,
    spans: Sequence[tuple[int, int]],
    boxes: Sequence[tuple[float, float, float, float]],
    size: tuple[int, int],
) -> Picture:
    edges = from_pixels(np.array(boxes, float), size).astype(np.float32)
    words = Words(np.array(spans, np.int32).reshape(-1, 2), np.ones(len(spans), np.int32), edges)
    return Picture(Raster(np.full((size[1], size[0], 3), 255, np.uint8)), text, words)


def around(line: Line, size: tuple[int, int] = (1000, 800)) -> Box:
    said, x, y = line
    edges = (x, y, x + WIDE * len(said), y + HIGH)
    return Box(*from_pixels(np.array([edges], float), size)[0].tolist())
