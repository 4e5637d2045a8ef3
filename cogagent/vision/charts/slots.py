"""Bars by category and series: which stand beside, and which on each other."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cogagent.vision.charts.bars import Bar, Bars
from cogagent.vision.charts.rects import Extent

_SAME = 0.5
"""Middles this near, in thicknesses of a bar, are of one slot."""
_JOINT, _MENDED = 4.0, 8.0
"""Widest gap between parts that stand on each other, and between pieces of one that
print has cut, in pixels."""
_BETWEEN = 0.4
"""Widest space between bars of a group, in thicknesses of a bar."""
_OFTEN = 0.15
"""Least part of the bars that have the second colour in groups of several."""
_STACKED = 0.25
"""Least part of the slots that have several parts in a stacked chart."""

Key = tuple[int, int]
"""A series: its colour, and which of several of that colour in a category it is."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Bars in rows of categories and columns of series.

    Attributes:
        centres: Middle of each category.
        keys: The series, in order.
        cells: Bars by category and series.
        offsets: Of each series' bars from the middle of their category.
        stacked: Bars of a category stand on each other.
        pitch: From a category to the next, in pixels; the thickness if there is one.
        base: Where most bars begin.
    """

    centres: tuple[float, ...]
    keys: tuple[Key, ...]
    cells: dict[tuple[int, int], Bar]
    offsets: tuple[float, ...]
    stacked: bool
    pitch: float
    base: float


def arrange(found: Bars, named: frozenset[int] = frozenset()) -> Slots:
    """The bars of a chart by category and series.

    Args:
        found: The bars.
        named: Colours that a legend names.
    """
    stacks = _stacks(found)
    several = sum(len(stack) > 1 for stack in stacks)
    if several and several >= _STACKED * len(stacks):
        stacked = sum(_touching(stack) for stack in stacks) >= 0.5 * several
        return _stacked(found, stacks, stacked=stacked)
    bars = [max(stack, key=lambda bar: bar.place.length) for stack in stacks]
    groups = _groups(bars, found.thickness, named)
    if groups is None:
        centres = [bar.place.c for bar in bars]
        cells = {(row, 0): bar for row, bar in enumerate(bars)}
        return _slots(found, centres, [(bars[0].colour, 0)], cells, [0.0], stacked=False)
    return _grouped(found, groups)


def _stacks(found: Bars) -> list[list[Bar]]:
    """Bars with the same middle; pieces of one bar that print had cut are one again."""
    stacks: list[list[Bar]] = []
    for bar in found.bars:
        if stacks and bar.place.c - stacks[-1][0].place.c < _SAME * found.thickness:
            stacks[-1].append(bar)
        else:
            stacks.append([bar])
    return [_joined(sorted(stack, key=lambda bar: bar.place.v0)) for stack in stacks]


def _joined(stack: list[Bar]) -> list[Bar]:
    whole: list[Bar] = []
    for bar in stack:
        last = whole[-1] if whole else None
        if last and last.colour == bar.colour and bar.place.v0 - last.place.v1 <= _MENDED:
            place = Extent(last.place.c0, last.place.c1, last.place.v0, bar.place.v1)
            rect = last.rect._replace(
                x0=min(last.rect.x0, bar.rect.x0),
                y0=min(last.rect.y0, bar.rect.y0),
                x1=max(last.rect.x1, bar.rect.x1),
                y1=max(last.rect.y1, bar.rect.y1),
            )
            whole[-1] = Bar(rect, place, bar.colour)
        else:
            whole.append(bar)
    return whole


def _touching(stack: Sequence[Bar]) -> bool:
    return any(
        after.place.v0 - before.place.v1 <= _JOINT for before, after in itertools.pairwise(stack)
    )


def _stacked(found: Bars, stacks: Sequence[Sequence[Bar]], *, stacked: bool) -> Slots:
    keyed: list[dict[Key, Bar]] = []
    for stack in stacks:
        seen: Counter[int] = Counter()
        own: dict[Key, Bar] = {}
        for bar in _closed(stack):
            own[bar.colour, seen[bar.colour]] = bar
            seen[bar.colour] += 1
        keyed.append(own)
    keys = _in_order(keyed)
    column = {key: number for number, key in enumerate(keys)}
    cells = {(row, column[key]): bar for row, own in enumerate(keyed) for key, bar in own.items()}
    centres = [stack[0].place.c for stack in stacks]
    return _slots(found, centres, keys, cells, [0.0] * len(keys), stacked=stacked)


def _closed(stack: Sequence[Bar]) -> list[Bar]:
    """Parts of a stack without the thin lines between them, which belong to both."""
    edges = [[bar.place.v0, bar.place.v1] for bar in stack]
    for before, after in itertools.pairwise(edges):
        if 0 < after[0] - before[1] <= _JOINT:
            before[1] = after[0] = (before[1] + after[0]) / 2
    return [
        replace(bar, place=bar.place._replace(v0=low, v1=high))
        for bar, (low, high) in zip(stack, edges, strict=True)
    ]


def _in_order(keyed: Sequence[dict[Key, Bar]]) -> list[Key]:
    """The series by where they usually stand."""
    places: dict[Key, list[float]] = {}
    for own in keyed:
        for rank, key in enumerate(own):
            places.setdefault(key, []).append(rank)
    return sorted(places, key=lambda key: float(np.mean(places[key])))


def _groups(
    bars: Sequence[Bar], thickness: float, named: frozenset[int]
) -> list[list[Bar]] | None:
    """Bars of several colours side by side; ``None`` if each is a category of its own."""
    counts = Counter(bar.colour for bar in bars)
    legend = len(named & set(counts)) > 1
    if len(counts) < 2 or (not legend and sorted(counts.values())[-2] < _OFTEN * len(bars)):
        return None  # one that stands out is no series
    gaps = np.array(
        [after.place.c0 - before.place.c1 for before, after in itertools.pairwise(bars)]
    )
    widths = [_BETWEEN * thickness]
    if np.ptp(gaps) > 2 + 0.3 * thickness:
        widths.append(float(gaps.min() + gaps.max()) / 2)
    for width in widths:
        groups: list[list[Bar]] = [[bars[0]]]
        for gap, bar in zip(gaps.tolist(), bars[1:], strict=True):
            if gap > width:
                groups.append([bar])
            else:
                groups[-1].append(bar)
        distinct = all(len({bar.colour for bar in group}) == len(group) for group in groups)
        several = sum(len(group) > 1 for group in groups)
        if distinct and several >= (1 if legend else 0.5 * len(groups)):
            return groups
    return None


def _grouped(found: Bars, groups: list[list[Bar]]) -> Slots:
    """Rows from groups, some of which lack bars that are too short to be seen."""
    full = max(map(len, groups))
    whole = [group for group in groups if len(group) == full]
    offsets: dict[int, list[float]] = {}
    for group in whole:
        middle = (group[0].place.c0 + group[-1].place.c1) / 2
        for bar in group:
            offsets.setdefault(bar.colour, []).append(bar.place.c - middle)
    for group in groups:  # a colour that is in no whole group
        known = [bar for bar in group if bar.colour in offsets]
        for bar in group:
            if bar.colour not in offsets and known:
                middle = known[0].place.c - float(np.median(offsets[known[0].colour]))
                offsets[bar.colour] = [bar.place.c - middle]
    away = {colour: float(np.median(found)) for colour, found in offsets.items()}
    bars = [bar for group in groups for bar in group if bar.colour in away]
    bars.sort(key=lambda bar: bar.place.c - away[bar.colour])
    colours = sorted(away, key=lambda colour: away[colour])
    column = {colour: number for number, colour in enumerate(colours)}
    cells: dict[tuple[int, int], Bar] = {}
    rows: list[list[float]] = []
    for bar in bars:
        middle = bar.place.c - away[bar.colour]
        if not rows or middle - float(np.mean(rows[-1])) > _SAME * found.thickness:
            rows.append([])
        rows[-1].append(middle)
        cells[len(rows) - 1, column[bar.colour]] = bar
    centres = [float(np.mean(row)) for row in rows]
    keys = [(colour, 0) for colour in colours]
    return _slots(found, centres, keys, cells, [away[c] for c in colours], stacked=False)


def _slots(
    found: Bars,
    centres: Sequence[float],
    keys: Sequence[Key],
    cells: dict[tuple[int, int], Bar],
    offsets: Sequence[float],
    *,
    stacked: bool,
) -> Slots:
    pitch = float(np.median(np.diff(centres))) if len(centres) > 1 else 2 * found.thickness
    edges = np.array([[bar.place.v0, bar.place.v1] for bar in cells.values()])
    low, high = np.round(edges[:, 0]), np.round(edges[:, 1])
    values, counts = np.unique(np.concatenate([low, high]), return_counts=True)
    near = np.array([counts[np.abs(values - value) <= 2].sum() for value in values])
    near = near + 0.25 * np.array([(np.abs(low - value) <= 2).sum() for value in values])
    if stacked:  # where the lowest parts begin, not where the parts meet
        first = np.round([_lowest(cells, row) for row in range(len(centres))])
        near = np.array([(np.abs(first - value) <= 2).sum() for value in values])
    base = float(values[int(near.argmax())])
    exact = edges[np.abs(edges - base) <= 2]
    return Slots(
        tuple(centres),
        tuple(keys),
        cells,
        tuple(offsets),
        stacked,
        pitch,
        float(np.median(exact)),
    )


def _lowest(cells: dict[tuple[int, int], Bar], row: int) -> float:
    return min((bar.place.v0 for (own, _), bar in cells.items() if own == row), default=np.nan)
