"""Finds the bars of a chart: rectangles of one thickness that begin on one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cogagent.vision.charts.paint import Area, Painting
from cogagent.vision.charts.rects import Extent, Rect, extent

_FILL = 0.85
"""Least part of a bar's rectangle that is painted; a stroke or letter has less."""
_THIN = 4.0
"""Thinner is a line, in pixels."""
_EVEN = 2.0
"""Edges this near, in pixels, are on one line."""
_JOINT = 4.0
"""Widest gap between parts that stand on each other, in pixels."""
_SHARED = 0.2
"""Least part of the bars that begin, or end, on one line; several lines are several panels."""
_MOST = 800
_LARGE = 0.004
"""Least part of the picture that a lone bar covers."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar, or a part of a stack."""

    rect: Rect
    place: Extent
    colour: int


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars of a chart.

    Attributes:
        bars: In the order of their categories, then of values.
        upright: They go up and down.
        thickness: Of most of them, in pixels.
    """

    bars: tuple[Bar, ...]
    upright: bool
    thickness: float


def find_bars(painting: Painting, height: float, words: Sequence[Rect]) -> Bars | None:
    """The bars of a chart, if there are any.

    Args:
        painting: Its colours; what is printed on bars is painted over.
        height: Of a line of print, in pixels.
        words: Where words are; a full stop is no bar.
    """
    areas = [
        area
        for colour in painting.solid_colours()
        for area in painting.areas(colour)
        if max(area.rect.width, area.rect.height) >= _THIN
    ]
    total = float(painting.index.size) * painting.step**2
    found = [
        (score, _bars(parts, chosen, upright))
        for upright in (True, False)
        for parts in [list(_parts(painting, areas, words, upright=upright))]
        for score, chosen in [_best(parts, height, total)]
        if chosen.any()
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _parts(
    painting: Painting, areas: Sequence[Area], words: Sequence[Rect], *, upright: bool
) -> Iterator[Bar]:
    """Areas that are rectangles, and the steps of those that bars side by side make."""
    areas = areas[: 4 * _MOST]
    letters = _are_letters([area.rect for area in areas], words)
    for area, letter in zip(areas, letters, strict=True):
        if area.fill >= _FILL:
            if not letter:
                yield Bar(area.rect, extent(area.rect, upright=upright), area.colour)
        elif min(area.rect.width, area.rect.height) > 2 * _THIN and area.fill > 0.1:
            for rect in _stairs(painting, area, upright=upright):
                yield Bar(rect, extent(rect, upright=upright), area.colour)


def _are_letters(rects: Sequence[Rect], words: Sequence[Rect]) -> list[bool]:
    """Which areas are strokes of a word: they are inside its box."""
    areas = np.array(rects, np.float64).reshape(-1, 1, 4)
    boxes = np.array(words, np.float64).reshape(1, -1, 4)
    inside = (boxes[..., :2] - 1 <= areas[..., :2]).all(axis=2)
    inside &= (boxes[..., 2:] + 1 >= areas[..., 2:]).all(axis=2)
    return [bool(found) for found in np.any(inside, axis=1)]


def _stairs(painting: Painting, area: Area, *, upright: bool) -> list[Rect]:
    """The rectangles of an area whose outline goes up and down in steps."""
    rows, columns = painting.cut(area.rect)
    mask = painting.index[rows, columns] == area.colour
    if not upright:
        mask = mask.T
    filled = mask.sum(axis=0)
    first = mask.argmax(axis=0)
    last = len(mask) - mask[::-1].argmax(axis=0)
    solid = filled >= 0.9 * (last - first)
    jump = (np.abs(np.diff(first)) > 1) | (np.abs(np.diff(last)) > 1) | (np.diff(solid) != 0)
    edges = np.r_[0, np.flatnonzero(jump) + 1, mask.shape[1]]
    found, covered = [], 0.0
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if end - start < _THIN or not solid[start]:
            continue
        middle = (start + end) // 2
        low, high = float(first[middle]), float(last[middle])
        covered += (end - start) * (high - low)
        step, left, top = painting.step, columns.start, rows.start
        if upright:
            found.append(Rect(left + start, top + low, left + end, top + high))
        else:
            found.append(Rect(left + low, top + start, left + high, top + end))
        found[-1] = Rect(*(value * step for value in found[-1]))
    return found if covered >= 0.7 * mask.sum() and len(found) <= _MOST else []


def _best(parts: Sequence[Bar], height: float, total: float) -> tuple[float, NDArray[np.bool_]]:
    """How much area is in the bars of the best thickness, and which they are."""
    places = np.array([part.place for part in parts[:_MOST]], np.float64).reshape(-1, 4)
    thick, long = places[:, 1] - places[:, 0], places[:, 3] - places[:, 2]
    none = np.zeros(len(places), np.bool_)
    usable = (thick >= _THIN) & (thick >= 0.25 * height)
    best: tuple[float, NDArray[np.bool_]] = (0.0, none)
    for size in np.unique(np.round(thick[usable])).tolist():
        alike = usable & (np.abs(thick - size) <= max(1.5, 0.08 * size))
        based = alike & _based(places, alike)
        steps = size < 1.2 * height and float(long[based].max(initial=0.0)) < 1.5 * height
        if not based.any() or steps:
            continue  # steps: of a line
        # Swatches are as long as thick; bars are not, or are many.
        area = np.sqrt(np.minimum(thick * long, total)[based])
        varied = np.ptp(long[based]) > 0.2 * size or float(long[based].max()) > 2.0 * size
        score = float(area.sum()) * (1.0 if varied else 0.5)
        if score > best[0]:
            best = score, based
    if best[0] == 0.0:
        return _lone(thick, long, total, height)
    return best[0], _all_like(places, best[1])


def _lone(
    thick: NDArray[np.float64],
    long: NDArray[np.float64],
    total: float,
    height: float,
) -> tuple[float, NDArray[np.bool_]]:
    """A single bar, or a single one of each thickness, that is large enough."""
    large = (thick * long >= _LARGE * total) & (thick >= height) & (long >= height)
    large &= thick * long <= 0.5 * total
    return float(np.sqrt(thick * long)[large].sum()) / 4, large


def _based(places: NDArray[np.float64], alike: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which parts begin or end on a line with others, or stand on one that does."""
    which = np.flatnonzero(alike)
    low, high = places[which, 2], places[which, 3]
    slots = len(np.unique(np.round(places[which, 0] / _EVEN)))
    least = max(1, int(np.ceil(_SHARED * slots)) - 1)
    based = np.zeros(len(which), np.bool_)
    for own in (low, high):
        on = (np.abs(own[:, None] - low[None]) <= _EVEN) | (
            np.abs(own[:, None] - high[None]) <= _EVEN
        )
        based |= on.sum(axis=1) - 1 >= least
    same = np.abs(places[which, 0][:, None] - places[which, 0][None]) <= _EVEN
    on_top = same & (np.abs(low[:, None] - high[None]) <= _JOINT)
    for _ in range(12):
        grown = based | (on_top & based[None]).any(axis=1) | (on_top.T & based[None]).any(axis=1)
        if (grown == based).all():
            break
        based = grown
    result = np.zeros(len(places), np.bool_)
    result[which[based]] = True
    return result


def _all_like(places: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The chosen, and others about as thick that begin on the line of most."""
    thick, long = places[:, 1] - places[:, 0], places[:, 3] - places[:, 2]
    size = float(np.median(thick[chosen]))
    seen = chosen & (long > _EVEN)
    edges = np.concatenate([places[seen, 2], places[seen, 3]])
    if not len(edges):
        return chosen
    counts = (np.abs(edges[:, None] - edges[None]) <= _EVEN).sum(axis=1)
    base = float(edges[int(counts.argmax())])
    near = np.minimum(np.abs(places[:, 2] - base), np.abs(places[:, 3] - base)) <= _EVEN
    exact = np.abs(thick - size) <= np.maximum(_EVEN, 0.12 * size)  # no piece of the axis
    near &= exact | ((long > _EVEN) & (thick >= 0.6 * size) & (thick <= 1.7 * size))
    alike = seen
    for _ in range(len(places)):  # from each to the next, however short they are
        low, high = places[alike, 0].min() - 3 * size, places[alike, 1].max() + 3 * size
        grown = alike | (near & (places[:, 0] >= low) & (places[:, 1] <= high))
        if (grown == alike).all():
            break
        alike = grown
    same = np.abs(places[:, 0][:, None] - places[:, 0][None]) <= _EVEN
    joint = same & (np.abs(places[:, 2][:, None] - places[:, 3][None]) <= _JOINT)
    stands = (joint & seen[None]).any(axis=1) | (joint.T & seen[None]).any(axis=1)
    return np.asarray(alike | (chosen & stands))


def _bars(parts: Sequence[Bar], chosen: NDArray[np.bool_], upright: bool) -> Bars:
    bars = [parts[index] for index in np.flatnonzero(chosen).tolist()]
    bars.sort(key=lambda bar: (bar.place.c, bar.place.v))
    thickness = float(np.median([bar.place.thickness for bar in bars]))
    return Bars(tuple(bars), upright, thickness)
