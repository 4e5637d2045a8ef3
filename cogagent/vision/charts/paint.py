"""The flat colours of a chart, and the connected areas that are painted in each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cogagent.types import Raster
from cogagent.vision.charts.rects import Rect

_MOST_PIXELS = 4_000_000
"""A larger picture is looked at by every second, third ... pixel."""
_MOST_COLOURS = 20
_LIKE = 26
"""Of 255, in any channel: nearer colours are one."""
_LEAST = 4e-5
"""Least part of the picture that a colour of its own covers."""
_MOST_AREAS = 3000
_STROKE = 2
_FILLED = 0.3
"""Least part of a word's box that has the colour of the bar it is printed on."""
_HALO = 0.2
"""How far the outline of letters goes beyond their box, in its shorter side."""
_BARE = 0.35
"""Most of such a box that has the colour of the ground: the letters, if they are white."""
NONE = 255


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """Connected pixels of one colour.

    Attributes:
        colour: Index of the colour.
        rect: Around them, in pixels of the picture.
        pixels: How many, of the picture.
    """

    colour: int
    rect: Rect
    pixels: float

    @property
    def fill(self) -> float:
        """Part of the rectangle that they cover."""
        return self.pixels / max(self.rect.width * self.rect.height, 1e-9)


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A picture by its flat colours.

    Attributes:
        colours: Shape ``(k, 3)``; the first is the ground.
        index: Shape ``(height, width)``, uint8: which colour each pixel has, or ``NONE``.
        step: Pixels of the picture from one of ``index`` to the next.
    """

    colours: NDArray[np.float64]
    index: NDArray[np.uint8]
    step: int

    @staticmethod
    def of(raster: Raster) -> Painting:
        """Finds the colours that cover most, and gives each pixel the nearest."""
        height, width = raster.pixels.shape[:2]
        step = max(1, int(np.ceil(np.sqrt(height * width / _MOST_PIXELS))))
        pixels = raster.pixels[::step, ::step]
        codes = pixels[..., 0] >> 3
        codes = codes.astype(np.uint16) << 10
        codes |= (pixels[..., 1] >> 3).astype(np.uint16) << 5
        codes |= pixels[..., 2] >> 3
        counts = np.bincount(codes.ravel(), minlength=1 << 15)
        colours, table = _palette(counts)
        return Painting(colours, table[codes], step)

    def cut(self, rect: Rect) -> tuple[slice, slice]:
        """Rows and columns of ``index`` that a rectangle covers."""
        high, wide = self.index.shape
        return (
            slice(max(int(rect.y0 / self.step), 0), min(int(np.ceil(rect.y1 / self.step)), high)),
            slice(max(int(rect.x0 / self.step), 0), min(int(np.ceil(rect.x1 / self.step)), wide)),
        )

    def filled(self, rects: Iterable[Rect]) -> Painting:
        """Words that are printed on a colour painted over with it."""
        index = self.index.copy()
        for rect in rects:
            halo = _HALO * min(rect.width, rect.height)
            grown = Rect(rect.x0 - halo, rect.y0 - halo, rect.x1 + halo, rect.y1 + halo)
            _fill(index, *self.cut(grown))
        return Painting(self.colours, index, self.step)

    def solid_colours(self) -> list[int]:
        """The colours that something broader than a stroke is painted in; not the ground."""
        index = self.index
        reach = _STROKE
        if min(index.shape) <= 2 * reach:
            return []
        core = index[reach:-reach, reach:-reach]
        flat = (core == index[: -2 * reach, reach:-reach]) & (
            core == index[reach:-reach, 2 * reach :]
        )
        flat &= core != 0
        counts = np.bincount(core[flat], minlength=256)[: len(self.colours)]
        return [int(colour) for colour in np.flatnonzero(counts >= 8) if colour]

    def areas(self, colour: int) -> list[Area]:
        """The connected areas of a colour, the largest first; specks are left out."""
        import cv2

        # Outlines are found ten times as fast as OpenCV's connected components.
        mask = (self.index == colour).view(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        boxes = [cv2.boundingRect(outline) for outline in outlines if len(outline) > 1]
        boxes.sort(key=lambda box: -box[2] * box[3])
        step = self.step
        return [
            Area(
                colour,
                Rect(x * step, y * step, (x + wide) * step, (y + high) * step),
                float(cv2.countNonZero(mask[y : y + high, x : x + wide]) * step * step),
            )
            for x, y, wide, high in boxes[:_MOST_AREAS]
        ]

    def main_colour(self, rect: Rect) -> int | None:
        """The commonest colour in a rectangle that is not the ground."""
        found = self.index[self.cut(rect)]
        counts = np.bincount(found.ravel(), minlength=256)
        counts[0] = counts[NONE] = 0
        best = int(counts.argmax())
        return best if counts[best] else None


def _palette(counts: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """The colours, and for each code of 15 bits which it is."""
    code = np.flatnonzero(counts)
    levels = np.stack([code >> 10, code >> 5 & 31, code & 31], axis=1) * 8.0 + 3.5
    weights = counts[code].astype(np.float64)
    left = weights.copy()
    least = max(_LEAST * weights.sum(), 12.0)
    colours: list[NDArray[np.float64]] = []
    while len(colours) < _MOST_COLOURS and left.max(initial=0.0) >= least:
        best = levels[int(left.argmax())]
        near = np.abs(levels - best).max(axis=1) <= _LIKE
        own = weights * near * (np.abs(levels - best).max(axis=1) <= 8)
        colours.append(own @ levels / own.sum())
        left[near] = 0.0
    found = np.array(colours) if colours else np.full((1, 3), 255.0)
    apart = np.abs(levels[:, None] - found[None]).max(axis=2)
    nearest = apart.argmin(axis=1)
    table = np.full(1 << 15, NONE, np.uint8)
    table[code] = np.where(apart[np.arange(len(code)), nearest] <= _LIKE, nearest, NONE)
    return found, table


def _fill(index: NDArray[np.uint8], rows: slice, columns: slice) -> None:
    """Paints rows, then columns, of a word's box whose two ends have one colour."""
    high, wide = index.shape
    top, bottom, left, right = rows.start, rows.stop, columns.start, columns.stop
    if bottom - top < 2 or right - left < 2:
        return
    box = index[rows, columns]
    before, after = index[rows, max(left - 1, 0)], index[rows, min(right, wide - 1)]
    above, below = index[max(top - 1, 0), columns], index[min(bottom, high - 1), columns]
    for first, second, part in ((before, after, box), (above, below, box.T)):
        same = (first == second) & (first != 0) & (first != NONE)
        if not same.any():
            continue
        own = part[same] == first[same][:, None]
        bare = part[same] == 0  # between two bars a word stands on the ground
        if own.mean() >= _FILLED or bare.mean() <= _BARE:
            part[same] = first[same][:, None]
