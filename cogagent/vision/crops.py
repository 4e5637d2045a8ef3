"""Crops of a picture: two grids that complement each other, and cutting them out.

Mini-Monkey (arXiv 2408.02034): the tiles of one grid cut things in two at their
edges, so the picture is cut by a second, coarser grid as well, whose edges lie
elsewhere. What the first cuts is usually whole in a tile of the second, and
always in the whole picture made small. (Of things a twentieth of the picture high
and wide, one in five to one in three is cut by the first, one in twenty to one in
140 by both: where an edge of one grid crosses one of the other, or is one of the
other's too.)

Tiles and crops are boxes in fractions of their picture; :attr:`Crop.box` with
:func:`cogagent.geometry.place` brings what is found in a crop back to the
picture, and the picture's own box brings it to the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from cogagent.geometry import (
    FULL_PAGE,
    Box,
    Boxes,
    from_pixels,
    in_pixels,
    make_box,
    pad,
    place,
    to_pixels,
)
from cogagent.types import PictureKind, Raster

SIDE = 448
"""Height and width of a tile as the paper's models see it, in pixels."""
_ENOUGH = Fraction(1, 2)
"""Of the pixels of a grid's tiles, what a picture must have for the larger of two grids
that fit its shape alike."""


class Ranges(NamedTuple):
    """How many tiles the grids of a kind of picture may have, fewest and most."""

    detailed: tuple[int, int]
    adaptive: tuple[int, int]


RANGES: Mapping[PictureKind, Ranges] = {
    "page": Ranges((1, 24), (1, 8)),
    "table": Ranges((1, 24), (1, 8)),
    "graphic": Ranges((5, 24), (3, 8)),
    "chart": Ranges((4, 12), (1, 3)),
    "photograph": Ranges((3, 12), (1, 4)),
}
"""The paper's; its documents are pages and tables here, its infographics graphics."""


class Tiling(NamedTuple):
    """A grid of tiles of one size."""

    columns: int
    rows: int

    @property
    def tiles(self) -> int:
        """How many tiles."""
        return self.columns * self.rows

    def boxes(self) -> tuple[Box, ...]:
        """The tiles, row by row: together the whole picture, none over another."""
        return tuple(
            make_box(
                column / self.columns,
                row / self.rows,
                (column + 1) / self.columns,
                (row + 1) / self.rows,
            )
            for row in range(self.rows)
            for column in range(self.columns)
        )

    def divides(self, other: Tiling) -> bool:
        """Whether every edge of this grid is one of ``other``'s."""
        return other.columns % self.columns == 0 and other.rows % self.rows == 0


@dataclass(frozen=True, slots=True)
class CropPlan:
    """Where a picture is cut.

    Attributes:
        detailed: The finer grid.
        adaptive: The one that complements it; ``None`` where every grid of its range
            has all its edges in common with the finer, which none of :data:`RANGES` has.
    """

    detailed: Tiling
    adaptive: Tiling | None

    @property
    def detailed_boxes(self) -> tuple[Box, ...]:
        """The tiles of the finer grid."""
        return self.detailed.boxes()

    @property
    def adaptive_boxes(self) -> tuple[Box, ...]:
        """The tiles of the grid that complements it."""
        return self.adaptive.boxes() if self.adaptive is not None else ()

    @property
    def thumbnail(self) -> Box:
        """The whole picture, to be made small."""
        return FULL_PAGE


def crop_plan(size: tuple[int, int], kind: PictureKind, ranges: Ranges | None = None) -> CropPlan:
    """The two grids of a picture.

    Each is the grid of its range whose shape is nearest to the picture's, by the
    difference of width to height. Of two that are equally near the one with more
    tiles is taken if the picture has half the pixels of its tiles, and of two
    with as many tiles the one whose tiles are nearer to squares. The second may
    be none whose edges are all edges of the first.

    Args:
        size: Width and height in pixels, at least 1.
        kind: Of picture.
        ranges: Other ranges than the paper's for that kind.

    Raises:
        ValueError: If a side is below 1, or a range has no grid.
    """
    if min(size) < 1:
        raise ValueError(f"a picture has at least one pixel, not {size}")
    fine, coarse = ranges or RANGES[kind]
    detailed = _nearest(size, _tilings(*fine))
    if detailed is None:
        raise ValueError(f"no grid has from {fine[0]} to {fine[1]} tiles")
    others = (tiling for tiling in _tilings(*coarse) if not tiling.divides(detailed))
    return CropPlan(detailed, _nearest(size, others))


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """Pixels that were cut out of a picture.

    Attributes:
        raster: The pixels.
        box: What they show, in fractions of the picture.
    """

    raster: Raster
    box: Box

    def in_picture(self, boxes: Boxes) -> Boxes:
        """Boxes in fractions of the crop as fractions of the picture.

        Args:
            boxes: Shape ``(n, 4)``.
        """
        return place(boxes, self.box)

    def on_page(self, boxes: Boxes, picture: Box) -> Boxes:
        """Boxes in fractions of the crop as fractions of the page.

        Args:
            boxes: Shape ``(n, 4)``.
            picture: Where the picture lies on its page.
        """
        return place(self.in_picture(boxes), picture)


def tiles(raster: Raster, boxes: Iterable[Box], side: int = SIDE) -> Iterator[Crop]:
    """Tiles as the paper's models see them: squares of ``side`` pixels, one at a time.

    The pixels are those of the whole picture scaled to ``side`` times the grid's
    columns and rows and then cut, which is never made as a whole.

    Args:
        raster: The picture.
        boxes: In fractions of it.
        side: Height and width of each tile, in pixels.
    """
    from PIL import Image
    from PIL.Image import Resampling

    image = Image.fromarray(raster.pixels)
    for box in boxes:
        (edges,) = in_pixels(np.array([box]), raster.size).tolist()
        pixels = image.resize((side, side), Resampling.BICUBIC, box=edges)
        yield Crop(Raster(np.asarray(pixels)), box)


def cut(
    raster: Raster,
    box: Box,
    *,
    margin: float = 0.0,
    side: int = 0,
    enlarged: float = 4.0,
    pixels: int = 4_000_000,
) -> Crop:
    """A region in its own pixels, in its own shape.

    Args:
        raster: The picture.
        box: The region, in fractions of the picture; one without extent is a pixel.
        margin: What is added on each side, as a part of the region's own width and
            height, as far as the picture goes.
        side: What is smaller is made larger, to this many pixels along its longer side.
        enlarged: But to no more than so many times its size.
        pixels: What has more is made smaller.

    Raises:
        ValueError: If a number is negative, or ``pixels`` below 1.
    """
    if min(margin, side, enlarged) < 0 or pixels < 1:
        raise ValueError("a crop takes no negative numbers, and at least one pixel")
    wider = pad(box, margin * box.width, margin * box.height)
    left, top, right, bottom = to_pixels(wider, raster.size)
    width, height = right - left, bottom - top
    larger = max(1.0, min(side / max(width, height), enlarged))
    scale = min(larger, math.sqrt(pixels / (width * height)))
    # A side of a pixel does not shrink: the other then has to, for both.
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    size = (min(width, max(1, pixels // height)), min(height, max(1, pixels // width)))
    (shown,) = from_pixels(np.array([[left, top, right, bottom]]), raster.size)
    found = Raster(raster.pixels[top:bottom, left:right])
    return Crop(_scaled(found, size), make_box(*shown.tolist()))


def _tilings(fewest: int, most: int) -> Iterator[Tiling]:
    for columns in range(1, most + 1):
        for rows in range(1, most // columns + 1):
            if columns * rows >= fewest:
                yield Tiling(columns, rows)


def _nearest(size: tuple[int, int], tilings: Iterable[Tiling]) -> Tiling | None:
    """The tiling whose shape is nearest to that of a picture of ``size``; ``None`` of none."""
    width, height = size
    best: Tiling | None = None
    least = Fraction(0)
    for tiling in sorted(tilings, key=lambda tiling: (tiling.tiles, _squareness(size, tiling))):
        # All times the picture's height; whole numbers, so that ties are ties.
        apart = Fraction(abs(width * tiling.rows - tiling.columns * height), tiling.rows)
        larger = best is not None and tiling.tiles > best.tiles
        fills = width * height > _ENOUGH * SIDE * SIDE * tiling.tiles
        if best is None or apart < least or (apart == least and larger and fills):
            best, least = tiling, apart
    return best


def _squareness(size: tuple[int, int], tiling: Tiling) -> Fraction:
    """A tile's longer side in shorter ones: 1 for a square."""
    shape = Fraction(size[0] * tiling.rows, size[1] * tiling.columns)
    return max(shape, 1 / shape)


def _scaled(raster: Raster, size: tuple[int, int]) -> Raster:
    if raster.size == size:
        return raster
    from PIL import Image
    from PIL.Image import Resampling

    image = Image.fromarray(raster.pixels)
    return Raster(np.asarray(image.resize(size, Resampling.BICUBIC)))
