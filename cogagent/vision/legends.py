"""Tells whether a chart has a legend: words behind swatches of different colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cogagent.types import Raster
from cogagent.vision.kinds import Writing

_BEFORE = 3.0
"""How far in front of a word its swatch is looked for, in heights of the word."""
_LEAST, _MOST = 0.25, 2.2
"""Width of a swatch, in heights of the word."""
_NEAR = 1.2
"""Widest space between a swatch and its word, in heights of the word."""
_SOLID = 0.7
"""Least part of a swatch's rectangle that is inked: a disc has more, a letter less."""
_CONTRAST = 40
"""Of 255, in any channel: less is the ground, or the same colour."""
_MOST_WORDS = 400


def has_legend(raster: Raster, writing: Writing) -> bool:
    """Whether two words in one row or column have swatches of different colours.

    Args:
        raster: The chart.
        writing: Its words, in the order in which they were read.
    """
    before = np.vstack([np.full((1, 4), -np.inf), writing.boxes[:-1]])
    swatches = [
        swatch
        for word, previous, is_number in zip(
            writing.boxes[:_MOST_WORDS], before, writing.numbers, strict=False
        )
        if not is_number
        for swatch in _swatch(raster.pixels, word, previous)
    ]
    for number, (place, colour) in enumerate(swatches):
        for other, second in swatches[:number]:
            aligned = np.abs(place - other).min() <= writing.height / 2
            if aligned and np.abs(colour - second).max() > _CONTRAST:
                return True
    return False


def _swatch(
    pixels: NDArray[np.uint8], word: NDArray[np.float64], previous: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Middle and colour of the swatch in front of a word, if there is one.

    It stands free: a bar or an axis in front of a label goes on to the left, and
    up or down.
    """
    left, top, _, bottom = word
    height = bottom - top
    reach = left - _BEFORE * height
    if previous[1] < bottom and top < previous[3] and previous[2] <= left:
        reach = max(reach, previous[2] + 1)
    start, end = max(int(reach), 0), int(left - 0.1 * height)
    above, below = max(int(top - height / 2), 0), int(np.ceil(bottom + height / 2))
    part = pixels[above:below, start : max(end, start)].astype(np.int16)
    if min(part.shape[:2]) < 3:
        return []
    ground = np.median(np.concatenate([part[0], part[-1]]), axis=0)
    ink = np.abs(part - ground).max(axis=2) > _CONTRAST
    columns = np.flatnonzero(ink.any(axis=0))
    if not len(columns):
        return []
    breaks = np.flatnonzero(np.diff(columns) > 1)
    first, last = int(columns[breaks[-1] + 1] if len(breaks) else columns[0]), int(columns[-1])
    rows = np.flatnonzero(ink[:, first : last + 1].any(axis=1))
    wide = last - first + 1
    free = first > 0 and rows[0] > 0 and rows[-1] < len(ink) - 1
    near = part.shape[1] - last <= _NEAR * height
    if not (free and near and _LEAST * height <= wide <= _MOST * height):
        return []
    spot = slice(rows[0], rows[-1] + 1), slice(first, last + 1)
    if ink[spot].mean() < _SOLID:
        return []
    colour = np.median(part[spot][ink[spot]], axis=0)
    middle = np.array([start + (first + last) / 2, above + (rows[0] + rows[-1]) / 2])
    return [(middle, colour)]
