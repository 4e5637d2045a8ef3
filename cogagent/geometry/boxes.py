"""Boxes in fractions of their page or picture, and of one inside another."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]


class Box(NamedTuple):
    """A rectangle in fractions of its page, ``0 <= x0 <= x1 <= 1``, y likewise."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Width as a fraction of the page's width."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height as a fraction of the page's height."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area as a fraction of the page's area."""
        return self.width * self.height

    def overlap(self, other: Box) -> float:
        """Area of the intersection, as a fraction of the page's area."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(width, 0.0) * max(height, 0.0)

    def inside(self, other: Box) -> float:
        """Share of this box's area that lies inside ``other``, 0 to 1."""
        return self.overlap(other) / self.area if self.area > 0 else 0.0

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.overlap(other)
        total = self.area + other.area - shared
        return shared / total if total > 0 else 0.0


FULL_PAGE = Box(0.0, 0.0, 1.0, 1.0)


def make_box(x0: float, y0: float, x1: float, y1: float) -> Box:
    """A valid ``Box`` from any four finite numbers: ordered, clipped, rounded to 1e-6.

    Raises:
        ValueError: If a number is not finite.
    """
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        raise ValueError(f"a box needs four finite numbers, got {(x0, y0, x1, y1)}")
    values = np.array([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)], dtype=np.float64)
    left, top, right, bottom = np.round(np.clip(values, 0.0, 1.0), 6).tolist()
    return Box(left, top, right, bottom)


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of ``boxes``.

    Raises:
        ValueError: If there are none.
    """
    array = np.array(list(boxes), dtype=np.float64)
    if array.size == 0:
        raise ValueError("the union of no boxes is undefined")
    return make_box(*array[:, :2].min(axis=0), *array[:, 2:].max(axis=0))


def place(inner: Boxes, outer: Box) -> Boxes:
    """Fractions of a region as fractions of its page.

    Args:
        inner: Shape ``(n, 4)``, fractions of the region (a figure, a crop).
        outer: Where the region lies on the page.
    """
    scale = np.array([outer.width, outer.height] * 2, dtype=np.float32)
    origin = np.array([outer.x0, outer.y0] * 2, dtype=np.float32)
    return (np.asarray(inner, dtype=np.float32).reshape(-1, 4) * scale + origin).astype(np.float32)


def within(boxes: Boxes, outer: Box) -> Boxes:
    """Fractions of the page as fractions of a region, cut at its edges.

    The inverse of :func:`place`; what lies in a region without extent is at its origin.

    Args:
        boxes: Shape ``(n, 4)``, page fractions.
        outer: The region.
    """
    scale = np.array([outer.width, outer.height] * 2, dtype=np.float64)
    moved = np.asarray(boxes, np.float64).reshape(-1, 4) - np.array([outer.x0, outer.y0] * 2)
    parts = np.divide(moved, scale, out=np.zeros_like(moved), where=scale > 0)
    return np.asarray(np.clip(parts, 0.0, 1.0), np.float32)


def pad(box: Box, horizontal: float, vertical: float) -> Box:
    """``box`` grown by fractions of the page on each side, within the page."""
    return make_box(box.x0 - horizontal, box.y0 - vertical, box.x1 + horizontal, box.y1 + vertical)


def merge_lines(boxes: Boxes) -> list[Box]:
    """One box a line from word boxes in reading order.

    Words join a line while they overlap it vertically by half the smaller
    height and go on to the right of its last word; a step back to the left, as
    at a line break or a new column, starts the next line.

    Args:
        boxes: Shape ``(n, 4)``, page fractions, reading order, one page.
    """
    lines: list[list[float]] = []
    last_right = 0.0
    for x0, y0, x1, y1 in np.asarray(boxes, dtype=np.float64).tolist():
        if lines:
            line = lines[-1]
            shared = min(line[3], y1) - max(line[1], y0)
            smaller = max(min(line[3] - line[1], y1 - y0), 1e-9)
            if shared / smaller >= 0.5 and x0 >= last_right - 0.01:
                lines[-1] = [
                    min(line[0], x0),
                    min(line[1], y0),
                    max(line[2], x1),
                    max(line[3], y1),
                ]
                last_right = x1
                continue
        lines.append([x0, y0, x1, y1])
        last_right = x1
    return [make_box(*line) for line in lines]
