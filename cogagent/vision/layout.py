"""Puts the lines that were read off a picture into the order a person reads them.

A recursive X-Y cut (Nagy and Seth 1984): columns of prose are cut apart first,
then paragraphs; what cannot be cut is read row by row, as tables and charts are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_COLUMN_GAP = 0.8
"""Least white space between columns, in line heights."""
_PARAGRAPH_GAP = 0.6
"""Least white space between paragraphs, in line heights."""
_PROSE_WIDTH = 8.0
"""Median width of a column's lines, in line heights, from which it is prose."""

Rows = list[list[int]]


def reading_order(boxes: NDArray[np.floating]) -> list[Rows]:
    """Blocks in reading order, each a list of rows, each a list of indices into ``boxes``.

    Args:
        boxes: Shape ``(n, 4)``: x0, y0, x1, y1 of each line, in units alike in x and y.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(boxes):
        return []
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    # A line that runs up the page (an axis title, a stamp in the margin) would join
    # every row beside it.
    upright = (high > 1.5 * wide) & (high > 2 * np.median(np.minimum(wide, high)))
    blocks = _cut(boxes, np.flatnonzero(~upright)) if not upright.all() else []
    return blocks + [[[index]] for index in np.flatnonzero(upright).tolist()]


def _cut(boxes: NDArray[np.float64], found: NDArray[np.intp]) -> list[Rows]:
    # An explicit stack: a long list of labels is cut as often as it has labels.
    blocks: list[Rows] = []
    todo = [found]
    while todo:
        part = todo.pop()
        pieces = _columns(boxes, part) or _paragraphs(boxes, part)
        if pieces:
            todo += pieces[::-1]
        else:
            blocks.append(_rows(boxes, part))
    return blocks


def _columns(
    boxes: NDArray[np.float64], part: NDArray[np.intp]
) -> tuple[NDArray[np.intp], ...] | None:
    """Left and right of the widest gutter between two columns of prose, if there is one."""
    height = _height(boxes, part)
    ordered, gaps = _gaps(boxes, part, axis=0)
    for place in np.argsort(-gaps):
        if gaps[place] < _COLUMN_GAP * height:
            return None
        sides = ordered[: place + 1], ordered[place + 1 :]
        if all(_is_prose(boxes, side, height) for side in sides):
            return sides
    return None


def _paragraphs(
    boxes: NDArray[np.float64], part: NDArray[np.intp]
) -> tuple[NDArray[np.intp], ...] | None:
    """What stands above the first gap and what stands below it.

    The first and not the widest: once a title that spans the columns is off,
    the columns below it come apart whole.
    """
    ordered, gaps = _gaps(boxes, part, axis=1)
    wide = np.flatnonzero(gaps > _PARAGRAPH_GAP * _height(boxes, part))
    if not len(wide):
        return None
    return ordered[: wide[0] + 1], ordered[wide[0] + 1 :]


def _is_prose(boxes: NDArray[np.float64], side: NDArray[np.intp], height: float) -> bool:
    widths = boxes[side, 2] - boxes[side, 0]
    return len(side) > 1 and bool(np.median(widths) >= _PROSE_WIDTH * height)


def _gaps(
    boxes: NDArray[np.float64], part: NDArray[np.intp], axis: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Indices sorted along ``axis`` and the white space after each but the last."""
    ordered = part[np.argsort(boxes[part, axis], kind="stable")]
    reached = np.maximum.accumulate(boxes[ordered, axis + 2])
    return ordered, boxes[ordered[1:], axis] - reached[:-1]


def _rows(boxes: NDArray[np.float64], part: NDArray[np.intp]) -> Rows:
    """Indices row by row: a line joins the row whose middle it overlaps."""
    rows: Rows = []
    bottom = -np.inf
    for index in part[np.argsort(boxes[part, 1] + boxes[part, 3], kind="stable")].tolist():
        middle = (boxes[index, 1] + boxes[index, 3]) / 2
        if rows and boxes[rows[-1][0], 1] <= middle < bottom:
            rows[-1].append(index)
        else:
            rows.append([index])
            bottom = boxes[index, 3]
    return [sorted(row, key=lambda index: boxes[index, 0]) for row in rows]


def _height(boxes: NDArray[np.float64], part: NDArray[np.intp]) -> float:
    return float(np.median(boxes[part, 3] - boxes[part, 1]))
