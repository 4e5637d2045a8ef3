"""Words into lines, where a document gives words alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_GAP = 1.2
"""Widest space between two words of a line, in line heights."""
_UPRIGHT = 1.5
"""A word so many times as high as wide runs up or down the page."""


def lines_of(boxes: NDArray[np.floating]) -> Iterator[list[int]]:
    """Indices of words that go on in one line, in the order in which the words come.

    Args:
        boxes: Shape ``(n, 4)``: where each word stands, in units alike in x and y.
    """
    line: list[int] = []
    for index in range(len(boxes)):
        if line and not _goes_on(boxes[line[-1]], boxes[index]):
            yield line
            line = []
        line.append(index)
    if line:
        yield line


def around(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """The smallest box around boxes; shape ``(4,)``."""
    edges = np.r_[boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]
    return np.asarray(edges, np.float64)


def _goes_on(word: NDArray[np.floating], after: NDArray[np.floating]) -> bool:
    """Whether a word stands right behind another: to its right or, upright, above or below."""
    upright = _is_upright(word) and _is_upright(after)
    along, across = (1, 0) if upright else (0, 1)
    thickness = min(word[across + 2] - word[across], after[across + 2] - after[across])
    shared = min(word[across + 2], after[across + 2]) - max(word[across], after[across])
    gap = after[along] - word[along + 2]
    if upright:  # read from below as often as from above
        gap = max(gap, word[along] - after[along + 2])
    return bool(shared > thickness / 2 and -thickness / 2 <= gap <= _GAP * thickness)


def _is_upright(box: NDArray[np.floating]) -> bool:
    return bool(box[3] - box[1] > _UPRIGHT * (box[2] - box[0]))
