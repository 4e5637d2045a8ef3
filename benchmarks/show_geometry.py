"""How far boxes stray on their way through every space: ``python -m benchmarks.show_geometry``.

10,000 random boxes a space, ten on each of 1,000 pictures or pages of random size,
rotation and crop, go from fractions into the space and back. Their edges are compared
in pixels of the original picture. Ends with 1 if one strays farther than it may:

- spaces of any numbers: 0.001 px, which is rounding of the machine's numbers alone;
- spaces of whole numbers: half a unit of theirs, and as much of rounding;
- cells that a box touches: less than a cell, since they are taken down and up.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry import (
    FRACTIONS,
    FULL_PAGE,
    THOUSANDTHS,
    Patches,
    PdfPage,
    Plane,
    Size,
    SmartResize,
    Space,
    Stored,
    fill_up,
    from_pixels,
    letterboxed,
    make_box,
    place,
    tile_grid,
    to_pixels,
    within,
)

ROUNDING = 1e-3
"""Pixels."""
_BOXES_A_PICTURE = 10
_LONGEST = 5000
Random = np.random.Generator
Edges = NDArray[np.float64]
Made = tuple[Size, Callable[[Edges], Edges], tuple[float, float]]
"""A picture: its size, the way of boxes there and back, how far they may stray in x and y."""
Way = Callable[[Random], Made]


class Strayed(NamedTuple):
    """What became of the boxes of a space.

    Attributes:
        space: Its name.
        worst: How far an edge strayed, in pixels of the original picture.
        used: The same as a part of what it may.
        boxes: How many were sent.
    """

    space: str
    worst: float
    used: float
    boxes: int


def measure(boxes: int = 10_000, seed: int = 0) -> Iterator[Strayed]:
    """Every space with ``boxes`` random boxes."""
    for name, way in WAYS.items():
        random = np.random.default_rng(seed)
        worst = used = 0.0
        for _ in range(boxes // _BOXES_A_PICTURE):
            size, there_and_back, allowed = way(random)
            sent = _boxes(random, _BOXES_A_PICTURE)
            strayed = np.abs(there_and_back(sent) - sent) * np.array([*size, *size])
            worst = max(worst, float(strayed.max()))
            used = max(used, float((strayed / np.array([*allowed, *allowed])).max()))
        yield Strayed(name, worst, used, boxes // _BOXES_A_PICTURE * _BOXES_A_PICTURE)


def _page(random: Random) -> tuple[Size, PdfPage]:
    """A page with a crop box anywhere and a rotation, and its size in pixels at some dpi."""
    left, bottom = random.uniform(-500, 500, 2)
    width, height = random.uniform(20, 1500, 2)
    turn = int(random.choice([0, 90, 180, 270]))
    page = PdfPage(left, bottom, left + width, bottom + height, turn)
    dpi = min(random.uniform(36, 600), _LONGEST * 72 / max(page.size))
    return (int(np.ceil(page.size[0] * dpi / 72)), int(np.ceil(page.size[1] * dpi / 72))), page


def _size(random: Random) -> Size:
    """Any size from a line's height to a page's, no slimmer than models take."""
    wide, tall = np.exp(random.uniform(np.log(8), np.log(_LONGEST), 2)).astype(int).tolist()
    return fill_up((wide, tall))


def _boxes(random: Random, count: int) -> Edges:
    """Boxes of any size, and some that are the whole."""
    corners = np.sort(random.uniform(0, 1, (count, 2, 2)), axis=1).reshape(count, 4)
    corners[random.uniform(size=count) < 0.02] = FULL_PAGE
    return corners


def _through(space: Space) -> Callable[[Edges], Edges]:
    return lambda boxes: space.to_fractions(space.from_fractions(boxes))


def _half(size: Size, plane: Plane) -> tuple[float, float]:
    """Half a unit of a plane in pixels of the picture."""
    return (
        size[0] / plane.width / 2 + ROUNDING,
        size[1] / plane.height / 2 + ROUNDING,
    )


def _pdf(random: Random) -> Made:
    size, page = _page(random)
    return size, _through(page), (ROUNDING, ROUNDING)


def _pdf_pixels(random: Random) -> Made:
    """Points, as pixels of a raster, and back to points."""
    size, page = _page(random)
    raster = Plane(*size)

    def way(boxes: Edges) -> Edges:
        points = page.from_fractions(_through(raster)(boxes))
        return _through(raster)(page.to_fractions(points))

    return size, way, (ROUNDING, ROUNDING)


def _exif(random: Random) -> Made:
    size = _size(random)
    orientation = int(random.integers(1, 9))
    upright = Stored(orientation, size).upright_size
    return (
        (int(upright[0]), int(upright[1])),
        _through(Stored(orientation, size)),
        (
            ROUNDING,
            ROUNDING,
        ),
    )


def _of_any(make: Callable[[Random, Size], Space]) -> Way:
    """A space of any numbers."""

    def way(random: Random) -> Made:
        size = _size(random)
        return size, _through(make(random, size)), (ROUNDING, ROUNDING)

    return way


def _of_whole(make: Callable[[Size], Plane], size: Callable[[Random], Size] = _size) -> Way:
    """A space of whole numbers."""

    def way(random: Random) -> Made:
        chosen = size(random)
        plane = make(chosen)
        return chosen, _through(plane), _half(chosen, plane)

    return way


def _resize(random: Random) -> SmartResize:
    """As shipped, as llama.cpp has it, and tight."""
    return [SmartResize(), SmartResize(6272, 3_211_264), SmartResize(3136, 200_704)][
        int(random.integers(3))
    ]


def _smart(random: Random) -> Made:
    size = _size(random)
    plane = _resize(random).plane(size)
    return size, _through(plane), _half(size, plane)


def _slim(random: Random) -> Size:
    """A line, many times as long as high."""
    wide, tall = int(random.integers(500, _LONGEST)), int(random.integers(1, 3))
    return (wide, tall) if random.integers(2) else (tall, wide)


def _slim_plane(size: Size) -> Plane:
    return SmartResize().plane(fill_up(size)).filled(size, fill_up(size))


def _tile(random: Random, size: Size) -> Plane:
    tiles = tile_grid(size, int(random.integers(1, 25)))
    return tiles.plane(int(random.integers(tiles.columns * tiles.rows)))


def _letterbox(random: Random, size: Size) -> Plane:
    room = int(random.integers(56, 1025)), int(random.integers(56, 1025))
    return letterboxed(size, room, centred=bool(random.integers(2)))


def _any_size(random: Random, size: Size) -> Plane:  # noqa: ARG001
    return Plane(*_size(random))


def _crop(random: Random) -> Made:
    """A region of a page, and what lies in it; packed as the numbers of words are."""
    size, outer = _size(random), make_box(*_boxes(random, 1)[0].tolist())

    def way(boxes: Edges) -> Edges:
        inner = boxes * np.array([outer.width, outer.height] * 2)
        placed = inner + np.array([outer.x0, outer.y0] * 2)
        back = place(within(placed, outer), outer).astype(np.float64)
        return boxes + (back - placed)

    return size, way, (ROUNDING, ROUNDING)


def _cropped(random: Random) -> Made:
    """A model's thousandths in a crop of a PDF page, as points of the page, and back."""
    size, page = _page(random)
    outer = make_box(*_boxes(random, 1)[0].tolist())
    half = _half(size, THOUSANDTHS)
    allowed = half[0] * outer.width + ROUNDING, half[1] * outer.height + ROUNDING

    def way(boxes: Edges) -> Edges:
        named = _through(THOUSANDTHS)(boxes)
        placed = place(named, outer).astype(np.float64)
        back = page.to_fractions(page.from_fractions(placed))
        return boxes + (back - place(boxes, outer).astype(np.float64))

    return size, way, allowed


def _patches(random: Random) -> Made:
    size = _size(random)
    patches: Patches = _resize(random).patches(size)

    def way(boxes: Edges) -> Edges:
        return np.array([patches.box(patches.indices(make_box(*box))) for box in boxes.tolist()])

    return size, way, (size[0] / patches.columns + ROUNDING, size[1] / patches.rows + ROUNDING)


def _touched(random: Random) -> Made:
    size = _size(random)

    def way(boxes: Edges) -> Edges:
        pixels = [to_pixels(make_box(*box), size) for box in boxes.tolist()]
        return from_pixels(np.array(pixels), size)

    return size, way, (1 + 0.01, 1 + 0.01)  # a ``Box`` is rounded to a millionth


WAYS: dict[str, Way] = {
    "PDF points, cropped and turned": _pdf,
    "PDF points by way of pixels at any dpi": _pdf_pixels,
    "stored pixels, EXIF orientations 1 to 8": _exif,
    "fractions": _of_any(lambda _, __: FRACTIONS),
    "pixels of another size": _of_any(_any_size),
    "pixels of a letterboxed input": _of_any(_letterbox),
    "pixels of an InternVL tile": _of_any(_tile),
    "a region of a page": _crop,
    "thousandths (Qwen2-VL, Qwen3-VL, InternVL)": _of_whole(lambda _: THOUSANDTHS),
    "thousandths in a crop of a PDF page": _cropped,
    "whole pixels after smart resize (Qwen2.5-VL)": _smart,
    "the same, of a line that is filled up": _of_whole(_slim_plane, _slim),
    "patches that a box touches": _patches,
    "pixels that a box touches": _touched,
}


def main() -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--boxes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print("| space | boxes | worst, px of the original | of what it may |\n|---|---|---|---|")
    wrong = False
    for row in measure(chosen.boxes, chosen.seed):
        print(f"| {row.space} | {row.boxes:,} | {row.worst:.3g} | {row.used:.1%} |")
        wrong |= row.used > 1
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
