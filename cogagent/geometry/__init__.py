"""Every conversion between coordinate spaces; nothing outside this package does this arithmetic.

The one space that leaves it is the **page fraction**: origin at the top left
corner of the page as a reader sees it (rotated, cropped), x to the right, y
down, both from 0 to 1. Arrays of boxes are ``float`` arrays of shape
``(n, 4)`` with columns ``x0, y0, x1, y1``.

Whatever names places otherwise is a :class:`Space`, a small value that turns
its boxes to fractions and back:

- :class:`PdfPage`: a PDF's points, with crop box and rotation;
- :class:`Stored`: a picture as its file stores it, before its EXIF orientation;
- :class:`Plane`: all that is scaled and moved alone: pixels of a raster at any
  resolution, of a model's input (:meth:`SmartResize.plane`, :func:`letterboxed`,
  :meth:`Tiles.plane`), thousandths, fractions.

:class:`Patches` are the cells that a model sees a picture in, by their numbers.
"""

from __future__ import annotations

from cogagent.geometry.boxes import (
    FULL_PAGE,
    Box,
    Boxes,
    make_box,
    merge_lines,
    pad,
    place,
    union,
    within,
)
from cogagent.geometry.inputs import (
    SLIMMEST,
    Patches,
    SmartResize,
    Tiles,
    fill_up,
    letterboxed,
    tile_grid,
)
from cogagent.geometry.pages import PdfPage, to_shown_points, turn, turn_points
from cogagent.geometry.spaces import (
    FRACTIONS,
    THOUSANDTHS,
    Plane,
    Size,
    Space,
    Stored,
    from_pixels,
    in_pixels,
    named_box,
    to_pixels,
)

__all__ = [
    "FRACTIONS",
    "FULL_PAGE",
    "SLIMMEST",
    "THOUSANDTHS",
    "Box",
    "Boxes",
    "Patches",
    "PdfPage",
    "Plane",
    "Size",
    "SmartResize",
    "Space",
    "Stored",
    "Tiles",
    "fill_up",
    "from_pixels",
    "in_pixels",
    "letterboxed",
    "make_box",
    "merge_lines",
    "named_box",
    "pad",
    "place",
    "tile_grid",
    "to_pixels",
    "to_shown_points",
    "turn",
    "turn_points",
    "union",
    "within",
]
