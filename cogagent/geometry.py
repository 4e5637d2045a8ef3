"""Every conversion between coordinate spaces; no other file does this arithmetic.

The one space that leaves this file is the **page fraction**: origin at the top
left corner of the page as a reader sees it (rotated, cropped), x to the right,
y down, both from 0 to 1. Arrays of boxes are ``float`` arrays of shape
``(n, 4)`` with columns ``x0, y0, x1, y1``.
"""

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


class PdfPage(NamedTuple):
    """What is needed to place PDF points on a page as it is shown.

    Attributes:
        left: Left edge of the visible box (crop box within media box), points.
        bottom: Its bottom edge, points; PDF's y axis points up.
        right: Its right edge, points.
        top: Its top edge, points.
        rotation: Clockwise turn in degrees: 0, 90, 180 or 270.
    """

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page as shown, in points."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotation % 180 else (width, height)


def from_pdf_points(points: NDArray[np.floating], page: PdfPage) -> NDArray[np.float64]:
    """PDF user-space boxes as page fractions.

    Args:
        points: Shape ``(n, 4)``: left, bottom, right, top in points, y up.
        page: The page's visible box and rotation.

    Returns:
        Shape ``(n, 4)``, fractions, not clipped to the page.
    """
    array = np.asarray(points, dtype=np.float64).reshape(-1, 4)
    width, height = page.right - page.left, page.top - page.bottom
    x0, x1 = (array[:, 0] - page.left) / width, (array[:, 2] - page.left) / width
    y0, y1 = (page.top - array[:, 3]) / height, (page.top - array[:, 1]) / height
    return _turn(np.stack([x0, y0, x1, y1], axis=1), page.rotation)


def turn(boxes: NDArray[np.floating], degrees: int) -> NDArray[np.float64]:
    """Fractional boxes of a page after the page is turned clockwise.

    Args:
        boxes: Shape ``(n, 4)``, page fractions.
        degrees: A multiple of 90.
    """
    return _turn(np.asarray(boxes, dtype=np.float64).reshape(-1, 4), degrees)


def turn_points(
    boxes: NDArray[np.floating], size: tuple[float, float], degrees: int
) -> NDArray[np.float64]:
    """Boxes in points of a page, origin top left, after the page is turned clockwise.

    Args:
        boxes: Shape ``(n, 4)``, points of the page before it is turned.
        size: Its width and height before it is turned.
        degrees: A multiple of 90.
    """
    width, height = size if degrees % 180 == 0 else size[::-1]
    scale = np.array([width, height, width, height], dtype=np.float64)
    return np.asarray(turn(from_pixels(boxes, size), degrees) * scale)


def to_shown_points(points: NDArray[np.floating], page: PdfPage) -> NDArray[np.float64]:
    """PDF user-space boxes in points of the page as shown, origin top left, y down."""
    scale = np.array([*page.size, *page.size], dtype=np.float64)
    return np.asarray(from_pdf_points(points, page) * scale)


def to_pdf_points(boxes: NDArray[np.floating], page: PdfPage) -> NDArray[np.float64]:
    """Page fractions as PDF user-space boxes; the inverse of :func:`from_pdf_points`.

    Args:
        boxes: Shape ``(n, 4)``, fractions of the page as shown.
        page: The page's visible box and rotation.

    Returns:
        Shape ``(n, 4)``: left, bottom, right, top in points, y up.
    """
    array = _turn(np.asarray(boxes, dtype=np.float64).reshape(-1, 4), -page.rotation)
    width, height = page.right - page.left, page.top - page.bottom
    left, right = page.left + array[:, 0] * width, page.left + array[:, 2] * width
    top, bottom = page.top - array[:, 1] * height, page.top - array[:, 3] * height
    return np.stack([left, bottom, right, top], axis=1)


def from_pixels(boxes: NDArray[np.floating], size: tuple[float, float]) -> NDArray[np.float64]:
    """Pixel boxes as fractions of a raster of ``size`` = (width, height) pixels.

    Pixel coordinates are edges, not centres: a box over the whole raster is
    ``0, 0, width, height``.
    """
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    scale = np.array([size[0], size[1], size[0], size[1]], dtype=np.float64)
    return np.asarray(array / scale)


def in_pixels(boxes: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
    """Fractions as edges in pixels of a raster of ``size``; the inverse of :func:`from_pixels`."""
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return np.asarray(array * np.array([*size, *size], dtype=np.float64))


def to_pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The whole pixels that ``box`` touches in a raster of ``size`` = (width, height).

    Never empty: a box thinner than a pixel still covers one.
    """
    width, height = size
    left = min(int(np.floor(box.x0 * width + 1e-6)), width - 1)
    top = min(int(np.floor(box.y0 * height + 1e-6)), height - 1)
    right = max(int(np.ceil(box.x1 * width - 1e-6)), left + 1)
    bottom = max(int(np.ceil(box.y1 * height - 1e-6)), top + 1)
    return left, top, min(right, width), min(bottom, height)


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


def _turn(boxes: NDArray[np.float64], degrees: int) -> NDArray[np.float64]:
    """Fractional boxes after the page is turned clockwise by a multiple of 90 degrees."""
    x0, y0, x1, y1 = boxes.T
    quarter = (degrees // 90) % 4
    if quarter == 1:
        return np.stack([1 - y1, x0, 1 - y0, x1], axis=1)
    if quarter == 2:
        return np.stack([1 - x1, 1 - y1, 1 - x0, 1 - y0], axis=1)
    if quarter == 3:
        return np.stack([y0, 1 - x1, y1, 1 - x0], axis=1)
    return boxes
