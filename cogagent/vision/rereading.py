"""Reads a region of a picture again, as large as its print needs."""

from __future__ import annotations

import itertools
import math

import numpy as np

from cogagent.geometry import FULL_PAGE, Box, make_box, pad, place
from cogagent.types import Raster, Words
from cogagent.vision.ocr import SMALL_PRINT, Reader, Reading
from cogagent.vision.ocr_detect import LEAST_SIDE
from cogagent.vision.perception import arranged

PRINT = 24.0
"""Height of lines, in pixels, at which letters are read best."""
_MOST_ENLARGED = 4.0
"""More adds pixels and nothing to see."""
_MOST_PIXELS = 4_000_000
"""What a region is enlarged to at most; one that is larger by itself stays as it is."""
_OVERLAP = 0.04
"""How far a part reaches into the next, as a share of its own side."""
_LEAST_DPI, _MOST_DPI = 72, 600
_POINTS = 72.0
"""In an inch."""


def reread(raster: Raster, box: Box, reader: Reader, *, height: float | None = None) -> Reading:
    """What is written in a region of a picture.

    Where its print is too small for the reader, the region is enlarged first.

    Args:
        raster: The picture at full resolution.
        box: The region, in fractions of the picture; the whole of it if ``raster`` is
            the region already.
        reader: Reads it.
        height: Of the region's lines, in pixels of ``raster``, if it is known: from what
            was read there before. They are looked for otherwise.

    Returns:
        Boxes in fractions of the region; :func:`cogagent.geometry.place` puts them into
        the picture.

    Raises:
        ModelError: If the reader fails or does not load.
    """
    region = raster if box == FULL_PAGE else raster.part(box)
    found = reader.print_height(region) if height is None else height
    return reader.read(_enlarged(region, found), least=1 if found else LEAST_SIDE)


def read_parts(raster: Raster, reader: Reader, parts: int = 2) -> Reading:
    """What is written in a large picture, read part by part at full resolution.

    For a picture whose first reading was too coarse to point at anything. It takes as
    long as reading the parts takes, about a second each for a dense page.

    Args:
        raster: The picture at full resolution.
        reader: Reads it.
        parts: How many a side; they overlap a little, and each word is kept once.

    Raises:
        ModelError: If the reader fails or does not load.
    """
    text, found = "", list[tuple[int, Words]]()
    for down, across in itertools.product(range(parts), repeat=2):
        core = np.array([across, down, across + 1, down + 1]) / parts
        box = pad(make_box(*core.tolist()), _OVERLAP / parts, _OVERLAP / parts)
        reading = reread(raster, box, reader)
        boxes = place(reading.words.boxes, box)
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        own = ((middles >= core[:2]) & (middles < core[2:])).all(axis=1)
        words = Words(reading.words.spans[own], reading.words.pages[own], boxes[own])
        found.append((len(text), words))
        text += f"{reading.text}\n\n"
    return arranged(text, Words.concat(found), raster.size)


def dpi_for(height: float) -> int:
    """The resolution at which a page has to be drawn for print of a height to be read.

    Args:
        height: Of its lines, in points; 1/72 inch.

    Returns:
        Pixels an inch, 72 to 600.
    """
    if not height > 0:
        return _MOST_DPI
    return min(max(math.ceil(PRINT * _POINTS / height), _LEAST_DPI), _MOST_DPI)


def _enlarged(region: Raster, height: float) -> Raster:
    """A region whose lines are as high as the reader needs, if there are any."""
    if not 0 < height < SMALL_PRINT:
        return region
    width, tall = region.size
    most = math.sqrt(_MOST_PIXELS / (width * tall))
    scale = min(PRINT / height, _MOST_ENLARGED, most)
    if scale <= 1:
        return region
    from PIL import Image
    from PIL.Image import Resampling

    size = max(round(width * scale), 1), max(round(tall * scale), 1)
    image = Image.fromarray(region.pixels).resize(size, Resampling.LANCZOS)
    return Raster(np.asarray(image))
