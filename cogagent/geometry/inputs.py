"""What models make of a picture: resized, between margins, in tiles, in patches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry.boxes import Box, make_box
from cogagent.geometry.spaces import Plane, Size, cells

SLIMMEST = 200
"""A picture so many times as long as wide is the slimmest that Qwen's processors take."""
_ROUNDED = 1e-6
"""To what part of a picture a ``Box`` is rounded."""


class SmartResize(NamedTuple):
    """How Qwen2-VL and its successors resize a picture.

    Both sides become multiples of ``step``, its shape is kept as nearly as that allows,
    and it has from ``least`` to ``most`` pixels. The numbers are those of
    ``smart_resize`` in ``transformers``.

    Attributes:
        least: Fewest pixels.
        most: Most pixels; the defaults are those that Qwen2.5-VL is shipped with.
        step: Side of what becomes one token, in pixels: 28 for Qwen2-VL and Qwen2.5-VL,
            32 for Qwen3-VL.
    """

    least: int = 56 * 56
    most: int = 28 * 28 * 16384
    step: int = 28

    def size(self, size: Size) -> Size:
        """Width and height after it, for a picture of ``size``; what is resized so stays so.

        Raises:
            ValueError: If the picture is empty, or slimmer than :data:`SLIMMEST` to 1.
        """
        width, height = size
        if min(size) < 1 or max(size) > SLIMMEST * min(size):
            raise ValueError(f"no picture of {width} by {height} pixels can be resized so")
        step = self.step
        # Python rounds halves to the even neighbour; so do they.
        wide, tall = round(width / step) * step, round(height / step) * step
        if wide * tall > self.most:
            scale = math.sqrt(width * height / self.most)
            wide = max(step, math.floor(width / scale / step) * step)
            tall = max(step, math.floor(height / scale / step) * step)
        elif wide * tall < self.least:
            scale = math.sqrt(self.least / (width * height))
            wide = math.ceil(width * scale / step) * step
            tall = math.ceil(height * scale / step) * step
        return wide, tall

    def plane(self, size: Size) -> Plane:
        """Whole pixels of what a picture of ``size`` becomes; raises what :meth:`size` does."""
        return Plane(*self.size(size), whole=True)

    def patches(self, size: Size) -> Patches:
        """Its tokens, a patch each; raises what :meth:`size` does."""
        wide, tall = self.size(size)
        return Patches(wide // self.step, tall // self.step)

    def tokens(self, size: Size) -> int:
        """How many tokens it becomes; raises what :meth:`size` does."""
        patches = self.patches(size)
        return patches.columns * patches.rows


class Patches(NamedTuple):
    """The cells of a picture that are one token each, counted row by row from 0."""

    columns: int
    rows: int

    def indices(self, box: Box) -> NDArray[np.int64]:
        """The patches that ``box`` touches, in order; at least one.

        Its edges are taken down and up to those of patches, as v1 does (arXiv 2505.18842).
        """
        slack = self.columns * _ROUNDED, self.rows * _ROUNDED
        left, top, right, bottom = cells(box, (self.columns, self.rows), slack)
        rows = np.arange(top, bottom)[:, None] * self.columns
        return np.asarray((rows + np.arange(left, right)).ravel(), np.int64)

    def box(self, indices: Iterable[int]) -> Box:
        """The smallest box around these patches, in fractions of the picture.

        Raises:
            ValueError: If there are none, or one that is not of this picture.
        """
        array = np.fromiter(indices, np.int64)
        if not array.size or array.min() < 0 or array.max() >= self.columns * self.rows:
            raise ValueError(f"patches are counted from 0 to {self.columns * self.rows - 1}")
        down, across = np.divmod(array, self.columns)
        return make_box(
            across.min() / self.columns,
            down.min() / self.rows,
            (across.max() + 1) / self.columns,
            (down.max() + 1) / self.rows,
        )


class Tiles(NamedTuple):
    """A picture stretched over a grid of square tiles, as InternVL sees it.

    Attributes:
        columns: Of the grid.
        rows: Of the grid.
        side: Of a tile, in pixels.
    """

    columns: int
    rows: int
    side: int = 448

    @property
    def size(self) -> Size:
        """Width and height of the stretched picture."""
        return self.columns * self.side, self.rows * self.side

    @property
    def pictures(self) -> int:
        """How many pictures the model sees: the tiles, and the whole made small beside several."""
        tiles = self.columns * self.rows
        return tiles + (tiles > 1)

    def plane(self, index: int) -> Plane:
        """A tile's own pixels; tiles count row by row from 0.

        Raises:
            ValueError: If there is no such tile.
        """
        if not 0 <= index < self.columns * self.rows:
            raise ValueError(f"there is no tile {index} of {self.columns} by {self.rows}")
        down, across = divmod(index, self.columns)
        return Plane(*self.size, left=-across * self.side, top=-down * self.side)

    def box(self, index: int) -> Box:
        """A tile in fractions of the picture; raises what :meth:`plane` does."""
        corners = np.array([[0, 0, self.side, self.side]], np.float64)
        return make_box(*self.plane(index).to_fractions(corners)[0].tolist())


def tile_grid(size: Size, most: int = 12, least: int = 1, side: int = 448) -> Tiles:
    """The grid that InternVL cuts a picture by.

    Of all grids of ``least`` to ``most`` tiles the one whose shape is nearest to the
    picture's; of two that are equally near the larger one, if the picture has more than
    half of its pixels.

    Args:
        size: Width and height of the picture, at least 1.
        most: Tiles.
        least: Tiles.
        side: Of a tile, in pixels.

    Raises:
        ValueError: If the picture is empty, or no grid has so many tiles.
    """
    width, height = size
    if min(size) < 1 or not 1 <= least <= most:
        raise ValueError(f"no {least} to {most} tiles of a picture of {width} by {height} pixels")
    shape, area = width / height, width * height
    nearest, best = math.inf, (1, 1)
    for columns, rows in _grids(least, most):
        distance = abs(shape - columns / rows)
        enough = area > 0.5 * side * side * columns * rows
        if distance < nearest or (distance == nearest and enough):
            nearest, best = distance, (columns, rows)
    return Tiles(*best, side)


def letterboxed(size: Size, room: Size, *, centred: bool = True) -> Plane:
    """Pixels of an input of a fixed size that a picture is made to fit, its shape kept.

    Args:
        size: Width and height of the picture.
        room: Of the input; what the picture leaves of it is filled up.
        centred: It stands in the middle; otherwise at the top left.
    """
    scale = min(room[0] / size[0], room[1] / size[1])
    width, height = (max(1, round(side * scale)) for side in size)
    if not centred:
        return Plane(width, height)
    return Plane(width, height, (room[0] - width) // 2, (room[1] - height) // 2)


def fill_up(size: Size, slimmest: int = SLIMMEST) -> Size:
    """The size to which a picture is filled up, right or below, to be no slimmer than that."""
    width, height = size
    return max(width, -(-height // slimmest)), max(height, -(-width // slimmest))


@lru_cache(maxsize=16)
def _grids(least: int, most: int) -> tuple[tuple[int, int], ...]:
    """Columns and rows of all grids of so many tiles, those of few tiles first."""
    every = (
        (columns, rows)
        for columns in range(1, most + 1)
        for rows in range(1, most // columns + 1)
        if columns * rows >= least
    )
    return tuple(sorted(every, key=math.prod))
