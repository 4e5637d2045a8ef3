"""Rectangles in pixels, and the same along and across the axis of values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from cogagent.geometry import Box, from_pixels, make_box


class Rect(NamedTuple):
    """Edges in pixels of the picture; y goes down."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def x(self) -> float:
        """Middle, across."""
        return (self.x0 + self.x1) / 2

    @property
    def y(self) -> float:
        """Middle, down."""
        return (self.y0 + self.y1) / 2

    @property
    def width(self) -> float:
        """In pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """In pixels."""
        return self.y1 - self.y0

    def touches(self, other: Rect, margin: float = 0.0) -> bool:
        """Whether they overlap, or would if one were larger by ``margin`` on each side."""
        return (
            self.x0 < other.x1 + margin
            and other.x0 < self.x1 + margin
            and self.y0 < other.y1 + margin
            and other.y0 < self.y1 + margin
        )

    def fraction(self, size: tuple[int, int]) -> Box:
        """In fractions of a picture of ``size``."""
        return make_box(*from_pixels(np.array([self]), size)[0].tolist())


class Extent(NamedTuple):
    """A rectangle as a chart has it: ``c`` along the categories, ``v`` along the values.

    Values grow with ``v``: upwards in a chart of columns (``v`` is minus y), to the
    right in one of horizontal bars. Categories go to the right, or down.
    """

    c0: float
    c1: float
    v0: float
    v1: float

    @property
    def c(self) -> float:
        """Middle along the categories."""
        return (self.c0 + self.c1) / 2

    @property
    def v(self) -> float:
        """Middle along the values."""
        return (self.v0 + self.v1) / 2

    @property
    def thickness(self) -> float:
        """Along the categories."""
        return self.c1 - self.c0

    @property
    def length(self) -> float:
        """Along the values."""
        return self.v1 - self.v0


def extent(rect: Rect, *, upright: bool) -> Extent:
    """A rectangle in a chart whose values go up (``upright``) or to the right."""
    if upright:
        return Extent(rect.x0, rect.x1, -rect.y1, -rect.y0)
    return Extent(rect.y0, rect.y1, rect.x0, rect.x1)


def around(rects: Iterable[Rect]) -> Rect:
    """The smallest rectangle around at least one."""
    left, top, right, bottom = zip(*rects, strict=True)
    return Rect(min(left), min(top), max(right), max(bottom))
