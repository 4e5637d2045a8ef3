"""Tells whether a chart has a legend: words behind swatches of different colours."""

from __future__ import annotations

import numpy as np

from cogagent.types import Raster
from cogagent.vision.charts.legend import Entry, find_entries
from cogagent.vision.charts.paint import Painting
from cogagent.vision.charts.phrases import print_of
from cogagent.vision.charts.rects import Rect
from cogagent.vision.kinds import Writing

_CONTRAST = 40
"""Of 255, in any channel: less is the same colour."""
_MOST_WORDS = 400


def has_legend(raster: Raster, writing: Writing) -> bool:
    """Whether two words in one row or column have swatches of different colours.

    Args:
        raster: The chart.
        writing: Its words, in the order in which they were read.
    """
    texts = list(writing.texts[:_MOST_WORDS])
    rects = [Rect(*box) for box in writing.boxes[:_MOST_WORDS].tolist()]
    ends = np.cumsum([len(text) + 1 for text in texts]).tolist()
    spans = [[end - len(text) - 1, end - 1] for text, end in zip(texts, ends, strict=True)]
    printed = print_of(texts, spans, rects, writing.size)
    painting = Painting.of(raster)
    entries = [
        entry
        for entry in find_entries(painting, printed, [])
        if not any(phrase.number for phrase in entry.lines)
    ]
    return any(
        _aligned(entry, other, printed.height) and _apart(painting, entry, other) > _CONTRAST
        for number, entry in enumerate(entries)
        for other in entries[:number]
    )


def _aligned(entry: Entry, other: Entry, height: float) -> bool:
    across, down = entry.swatch.x - other.swatch.x, entry.swatch.y - other.swatch.y
    return min(abs(across), abs(down)) <= height / 2


def _apart(painting: Painting, entry: Entry, other: Entry) -> float:
    return float(np.abs(painting.colours[entry.colour] - painting.colours[other.colour]).max())
