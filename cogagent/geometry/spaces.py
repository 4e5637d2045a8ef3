"""Spaces that places in a picture are named in, each to fractions and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry.boxes import Box, make_box

Size = tuple[int, int]
"""Width and height in pixels."""

_LEAST = 1 / 512
"""Part of a picture's side below which a box that was named shows nothing."""
_MIRRORED = (2, 4, 5, 7)
"""EXIF orientations of pictures that are stored as in a mirror, left and right swapped."""
_TURNS = {3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}
"""Degrees clockwise by which what is stored, and no longer mirrored, comes upright."""


class Space(Protocol):
    """A way to name places in a picture or on a page."""

    def to_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Boxes of this space as fractions, shape ``(n, 4)``, not clipped."""
        ...

    def from_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractions as boxes of this space, shape ``(n, 4)``; the inverse."""
        ...


@dataclass(frozen=True, slots=True)
class Plane:
    """Where a picture is drawn on a plane, by whose units its places are named.

    Its own pixels, those of a larger or smaller one, of a model's input with margins
    around the picture or a part of it alone, thousandths of its sides. Pixels are
    named by their edges, not their centres: a box over a whole raster is ``0, 0, width,
    height``.

    Attributes:
        width: Of the whole picture, in the plane's units.
        height: Likewise.
        left: Where its left edge is; negative where the plane begins inside the picture.
        top: Where its top edge is.
        whole: Places are named in whole units alone: fractions become those of the
            nearest, at most half a unit away.
    """

    width: float
    height: float
    left: float = 0.0
    top: float = 0.0
    whole: bool = False

    def to_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Boxes on the plane as fractions of the picture, shape ``(n, 4)``, not clipped."""
        array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        return np.asarray((array - self._origin) / self._scale)

    def from_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractions of the picture as boxes on the plane, shape ``(n, 4)``; the inverse."""
        array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        made = np.asarray(array * self._scale + self._origin)
        return np.rint(made) if self.whole else made

    def filled(self, inner: Size, outer: Size) -> Plane:
        """The plane of a picture that is the top left part of the one drawn on this plane.

        Args:
            inner: Width and height of the part.
            outer: Of the whole, in the same pixels.
        """
        width, height = self.width * inner[0] / outer[0], self.height * inner[1] / outer[1]
        return Plane(width, height, self.left, self.top, self.whole)

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.width, self.height] * 2, dtype=np.float64)

    @property
    def _origin(self) -> NDArray[np.float64]:
        return np.array([self.left, self.top] * 2, dtype=np.float64)


FRACTIONS = Plane(1, 1)
"""Page fractions themselves."""
THOUSANDTHS = Plane(1000, 1000, whole=True)
"""As Qwen2-VL, Qwen3-VL, InternVL and GLM-4V were taught to name places."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture as its file stores it, before its EXIF orientation is applied.

    Its fractions are those of the upright picture.

    Attributes:
        orientation: 1 to 8; any other number means upright, as viewers take it.
        size: Width and height as stored, in the unit of its boxes: pixels, or 1 and 1
            for fractions.
    """

    orientation: int
    size: tuple[float, float] = (1, 1)

    @property
    def upright_size(self) -> tuple[float, float]:
        """Width and height of the upright picture."""
        return self.size[::-1] if self._degrees % 180 else self.size

    def to_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Boxes as stored as fractions of the upright picture, shape ``(n, 4)``."""
        return turned(self._mirrored(from_pixels(boxes, self.size)), self._degrees)

    def from_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractions of the upright picture as boxes as stored; the inverse."""
        array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        return in_pixels(self._mirrored(turned(array, -self._degrees)), self.size)

    @property
    def _degrees(self) -> int:
        return _TURNS.get(self.orientation, 0)

    def _mirrored(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.orientation not in _MIRRORED:
            return boxes
        x0, y0, x1, y1 = boxes.T
        return np.stack([1 - x1, y0, 1 - x0, y1], axis=1)


def from_pixels(boxes: NDArray[np.floating], size: tuple[float, float]) -> NDArray[np.float64]:
    """Pixel boxes as fractions of a raster of ``size`` = (width, height) pixels."""
    return Plane(*size).to_fractions(boxes)


def in_pixels(boxes: NDArray[np.floating], size: tuple[float, float]) -> NDArray[np.float64]:
    """Fractions as edges in pixels of a raster of ``size``; the inverse of :func:`from_pixels`."""
    return Plane(*size).from_fractions(boxes)


def to_pixels(box: Box, size: Size) -> tuple[int, int, int, int]:
    """The whole pixels that ``box`` touches in a raster of ``size`` = (width, height).

    Never empty: a box thinner than a pixel still covers one.
    """
    return cells(box, size, (1e-6, 1e-6))


def cells(box: Box, counts: Size, slack: tuple[float, float]) -> tuple[int, int, int, int]:
    """First column and row, last column and row (exclusive) of the cells that ``box`` touches.

    Args:
        box: In fractions.
        counts: Columns and rows of the whole.
        slack: By how much of a cell, in x and in y, an edge may miss the cells' own.
    """
    (columns, rows), (wide, tall) = counts, slack
    left = min(int(np.floor(box.x0 * columns + wide)), columns - 1)
    top = min(int(np.floor(box.y0 * rows + tall)), rows - 1)
    right = max(int(np.ceil(box.x1 * columns - wide)), left + 1)
    bottom = max(int(np.ceil(box.y1 * rows - tall)), top + 1)
    return left, top, min(right, columns), min(bottom, rows)


def named_box(numbers: Sequence[float], space: Space) -> Box | None:
    """The box that somebody, such as a model, named by four numbers.

    Args:
        numbers: Two opposite corners, in either order; below 1e12.
        space: In which they are meant.

    Returns:
        What of it lies in the picture; ``None`` if that has no extent to speak of, or
        the numbers are none.
    """
    array = np.asarray(numbers, dtype=np.float64)
    if array.shape != (4,) or not (np.abs(array) < 1e12).all():
        return None
    (edges,) = space.to_fractions(array[None])
    box = make_box(*edges.tolist())
    return box if min(box.width, box.height) >= _LEAST else None


def turned(boxes: NDArray[np.float64], degrees: int) -> NDArray[np.float64]:
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
