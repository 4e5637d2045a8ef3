"""Reads charts of bars: upright or level, beside or on each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cogagent.grid import Cell, Header
from cogagent.vision.charts.axes import Axis, find_axis, told_by
from cogagent.vision.charts.bars import Bar, Bars
from cogagent.vision.charts.draft import Draft, filled_in, header, rounded
from cogagent.vision.charts.labels import Labels, label_columns, label_rows
from cogagent.vision.charts.legend import Entry, find_entries, in_colour, of_colours
from cogagent.vision.charts.paint import Painting
from cogagent.vision.charts.phrases import Phrase, Print
from cogagent.vision.charts.rects import Extent, Rect, around, extent
from cogagent.vision.charts.slots import Slots, arrange
from cogagent.vision.charts.values import Match, Target, match
from cogagent.vision.colours import name_of

_DIRECT = 6.0
"""How far a series' name stands from its marks, in heights of a line."""


def read_bars(painting: Painting, printed: Print, found: Bars) -> Draft | None:
    """A chart of bars.

    Args:
        painting: The picture as it is.
        printed: All that is printed.
        found: Its bars.
    """
    upright, height = found.upright, printed.height
    marks = [bar.rect for bar in found.bars]
    around_marks = around(marks)
    axis = find_axis(
        _off_plot(printed, around_marks, upright=upright), height, upright=upright, marks=marks
    )
    ticks = _indices(printed, axis)
    entries = find_entries(painting, printed, marks, ticks)
    by_colour = of_colours(entries, sorted({bar.colour for bar in found.bars}), painting)
    slots = arrange(found, frozenset(by_colour))
    if axis:
        axis = axis.based(slots.base)
    if len(by_colour) < 2 and len({key[0] for key in slots.keys}) < 2:
        by_colour = {}
    named = frozenset(index for entry in by_colour.values() for index in entry.indices)
    labels = _labels(printed, slots, around_marks, axis, upright=upright, skip=ticks | named)
    slots, labels = _with_empty(slots, labels)
    used = set(ticks | named | labels.used)
    numbers = [
        (index, phrase)
        for index, phrase in enumerate(printed.phrases)
        if phrase.number is not None and index not in used and phrase.tilt != "upright"
    ]
    values, axis = _matched(slots, numbers, axis, height, upright=upright)
    used |= {found.index for found in values.values()}
    draft = Draft("bar", [], [], {}, used, _plot(around_marks, axis), axis, upright, slots.stacked)
    draft.cells = _cells(printed, slots, values, axis)
    draft.rows = filled_in(
        [
            header(printed, section, name)
            for section, name in zip(labels.sections, labels.names, strict=True)
        ]
    )
    draft.columns = _columns(painting, printed, slots, by_colour, draft, upright=upright)
    draft.fits = _fits(slots, values, axis, draft)
    return draft if draft.cells else None


def _off_plot(printed: Print, plot: Rect, *, upright: bool) -> list[Phrase]:
    """Numbers that stand beside the bars, where an axis is, and not among them."""
    margin = 0.3 * printed.height
    if upright:
        return [
            p
            for p in printed.phrases
            if p.rect.x1 <= plot.x0 + margin or p.rect.x0 >= plot.x1 - margin
        ]
    return [
        p
        for p in printed.phrases
        if p.rect.y1 <= plot.y0 + margin or p.rect.y0 >= plot.y1 - margin
    ]


def _indices(printed: Print, axis: Axis | None) -> frozenset[int]:
    ticks = {id(tick) for tick in axis.ticks} if axis else set()
    return frozenset(i for i, phrase in enumerate(printed.phrases) if id(phrase) in ticks)


def _plot(marks: Rect, axis: Axis | None) -> Rect:
    span = axis.span() if axis else None
    return around([marks, span]) if span else marks


def _labels(
    printed: Print,
    slots: Slots,
    marks: Rect,
    axis: Axis | None,
    *,
    upright: bool,
    skip: frozenset[int],
) -> Labels:
    if not upright:
        edge = min([marks.x0, *([slots.base] if slots.base < marks.x0 else [])])
        return label_rows(printed, slots.centres, slots.pitch, edge, skip)
    bottom = marks.y1
    if axis and axis.ticks:
        bottom = max(bottom, max(tick.rect.y for tick in axis.ticks))
    values = frozenset(
        index
        for index, phrase in enumerate(printed.phrases)
        if phrase.number is not None and _below_bar(phrase, slots, printed.height)
    )
    return label_columns(printed, slots.centres, slots.pitch, bottom, skip | values)


def _below_bar(phrase: Phrase, slots: Slots, height: float) -> bool:
    """Whether a number is printed at the end of a bar that goes down."""
    return any(
        bar.place.v0 < slots.base - 2
        and abs(phrase.rect.x - bar.rect.x) < 0.5 * height
        and -0.5 * height <= phrase.rect.y0 - bar.rect.y1 <= height
        for bar in slots.cells.values()
    )


def _with_empty(slots: Slots, labels: Labels) -> tuple[Slots, Labels]:
    """Categories that have a label and no bar, where one would be."""
    blocks: list[tuple[float, tuple[Phrase, ...]]] = []
    middles = np.asarray(slots.centres)
    for place, lines in labels.extra:
        steps = float(np.abs(middles - place).min()) / slots.pitch
        if len(middles) < 2 or abs(steps - round(steps)) > 0.08 + 0.1 * steps:
            continue
        if blocks and abs(blocks[-1][0] - place) < 0.4 * slots.pitch:
            blocks[-1] = blocks[-1][0], blocks[-1][1] + lines
        else:
            blocks.append((place, lines))
    if not blocks or len(blocks) > len(middles):
        return slots, labels
    centres = [(centre, row) for row, centre in enumerate(slots.centres)]
    empty = [(place, -1 - number) for number, (place, _) in enumerate(blocks)]
    order = [row for _, row in sorted(centres + empty)]
    where = {row: number for number, row in enumerate(order)}
    cells = {(where[row], column): bar for (row, column), bar in slots.cells.items()}
    moved = replace(slots, centres=tuple(sorted(c for c, _ in centres + empty)), cells=cells)
    names = tuple(labels.names[row] if row >= 0 else blocks[-1 - row][1] for row in order)
    sections = tuple(labels.sections[row] if row >= 0 else () for row in order)
    used = labels.used
    return moved, replace(labels, names=names, sections=sections, used=used)


def _targets(slots: Slots, axis: Axis | None) -> list[Target]:
    targets = []
    # Without an axis a value may stand beyond either end of a row of parts.
    inner = slots.stacked and axis is not None and bool(axis.ticks)
    thickness = float(np.median([bar.place.thickness for bar in slots.cells.values()]))
    for row, centre in enumerate(slots.centres):
        for column, offset in enumerate(slots.offsets):
            bar = slots.cells.get((row, column))
            if bar is None:
                if slots.stacked:
                    continue
                middle = centre + offset
                place = Extent(
                    middle - thickness / 2, middle + thickness / 2, slots.base, slots.base
                )
                zero = None if axis is None else axis.value(slots.base)
                error = 0.0 if axis is None else axis.error(slots.base)
                targets.append(Target(place, (row, column), zero, error, empty=True))
                continue
            value, error = _measure(slots, bar, axis)
            end = None if slots.stacked else (1.0 if _goes_up(slots, bar) else -1.0)
            targets.append(Target(bar.place, (row, column), value, error, end=end, inner=inner))
    return targets


def _goes_up(slots: Slots, bar: Bar) -> bool:
    return abs(bar.place.v0 - slots.base) <= abs(bar.place.v1 - slots.base)


def _measure(slots: Slots, bar: Bar, axis: Axis | None) -> tuple[float | None, float]:
    """What the axis says that a bar stands for, and half the interval that it lies in."""
    if axis is None:
        return None, 0.0
    if slots.stacked:
        low, high = axis.value(bar.place.v0), axis.value(bar.place.v1)
        below = bar.place.v1 <= slots.base + 2 and bool(axis.ticks)
        error = axis.error(bar.place.v1, -axis.apart)
        return (low - high if below else high - low), error
    end = bar.place.v1 if _goes_up(slots, bar) else bar.place.v0
    if (
        not axis.ticks
        and abs(bar.place.v0 - slots.base) > 3
        and abs(bar.place.v1 - slots.base) > 3
    ):
        return axis.slope * bar.place.length, axis.error(end)  # a panel of its own
    value = axis.value(end)
    return (abs(value) if not axis.ticks else value), axis.error(end)


def _matched(
    slots: Slots,
    numbers: list[tuple[int, Phrase]],
    axis: Axis | None,
    height: float,
    *,
    upright: bool,
) -> tuple[dict[tuple[int, int], Match], Axis | None]:
    """Printed values by mark; where there is no axis they tell one, and are matched again."""
    values = match(numbers, _targets(slots, axis), height, axis, upright=upright)
    if axis is not None or len(values) < 3:
        return values, axis
    known = [
        (slots.cells[key].place.length, found.value)
        for key, found in values.items()
        if key in slots.cells
    ]
    told = told_by([k[0] for k in known], [k[1] for k in known], slots.base, upright=upright)
    if told is None:
        return values, None
    return match(numbers, _targets(slots, told), height, told, upright=upright), told


def _cells(
    printed: Print, slots: Slots, values: dict[tuple[int, int], Match], axis: Axis | None
) -> dict[tuple[int, int], Cell]:
    cells: dict[tuple[int, int], Cell] = {}
    sure = axis is not None and len(axis.ticks) >= 3
    for key, bar in slots.cells.items():
        found = values.get(key)
        measured, error = _measure(slots, bar, axis)
        misread = found is not None and found.agrees is False and sure
        if found is not None and not misread:
            cells[key] = Cell(printed.place(found.phrase), found.value)
        elif measured is not None and axis is not None and axis.ticks:
            ticks = tuple(printed.place(tick) for tick in axis.near(measured))
            value = rounded(measured, error)
            cells[key] = Cell(printed.mark(bar.rect), value, error, ticks)
        elif found is not None:
            cells[key] = Cell(printed.place(found.phrase), found.value)
    for key, found in values.items():
        if key not in slots.cells:
            cells[key] = Cell(printed.place(found.phrase), found.value)
    return cells


def _columns(
    painting: Painting,
    printed: Print,
    slots: Slots,
    by_colour: dict[int, Entry],
    draft: Draft,
    *,
    upright: bool,
) -> list[Header]:
    """Names of the series: from the legend, or from words in their colour or at their marks."""
    colours = [key[0] for key in slots.keys]
    if len(slots.keys) == 1 and not by_colour:
        return [Header("")]
    names: dict[int, tuple[Phrase, ...]] = {
        column: by_colour[key[0]].lines
        for column, key in enumerate(slots.keys)
        if key[0] in by_colour and (key[1] == 0 or colours.count(key[0]) == 1)
    }
    if not names:
        free = [
            (index, phrase)
            for index, phrase in enumerate(printed.phrases)
            if index not in draft.used and phrase.number is None and phrase.tilt == "level"
        ]
        near = [
            pair for pair in free if pair[1].rect.touches(draft.plot, _DIRECT * printed.height)
        ]
        if len(set(colours)) == len(colours):
            told = in_colour(painting, near, colours, draft.plot, printed.height)
            if len(told) > 1:
                for column, colour in enumerate(colours):
                    if colour in told:
                        names[column] = tuple(phrase for _, phrase in told[colour])
                        draft.used |= {index for index, _ in told[colour]}
        if not names:
            names = _at_marks(near, slots, printed.height, draft, upright=upright)
    return [
        header(printed, names.get(column, ()), colour=name_of(painting.colours[key[0]]))
        for column, key in enumerate(slots.keys)
    ]


def _at_marks(
    near: list[tuple[int, Phrase]], slots: Slots, height: float, draft: Draft, *, upright: bool
) -> dict[int, tuple[Phrase, ...]]:
    """Names in front of the first bars of the series, or behind the last, in line with them."""
    for row, behind in ((0, False), (len(slots.centres) - 1, True)):
        own = {
            column: slots.cells[row, column].place
            for column in range(len(slots.keys))
            if (row, column) in slots.cells
        }
        if len(own) < 2:
            continue
        names: dict[int, list[tuple[int, Phrase]]] = {}
        for index, phrase in near:
            place = extent(phrase.rect, upright=upright)
            edge = max(p.c1 for p in own.values()) if behind else min(p.c0 for p in own.values())
            beyond = place.c0 - edge if behind else edge - place.c1
            if not -0.3 * height <= beyond <= _DIRECT * height:
                continue
            away = {column: abs(place.v - p.v) for column, p in own.items()}
            column = min(away, key=lambda c: away[c])
            reach = own[column].length / 2 + (0.5 * height if upright else 2.5 * height)
            if away[column] <= reach:
                names.setdefault(column, []).append((index, phrase))
        if len(names) >= 2 and len(names) >= 0.6 * len(own):
            for found in names.values():
                draft.used |= {index for index, _ in found}
            return {
                column: tuple(phrase for _, phrase in found) for column, found in names.items()
            }
    return {}


def _fits(
    slots: Slots,
    values: dict[tuple[int, int], Match],
    axis: Axis | None,
    draft: Draft,
) -> list[float]:
    """How sure the parts are: values that agree with their marks, rows with one label each."""
    told = [found.agrees for found in values.values() if found.agrees is not None]
    agree = (sum(told) + 1) / (len(told) + 1) if told else (0.9 if axis else 0.7)
    named = sum(bool(row.text) for row in draft.rows) / max(len(draft.rows), 1)
    columns = (
        sum(bool(c.text) for c in draft.columns) / len(draft.columns)
        if len(draft.columns) > 1
        else 1.0
    )
    covered = len(draft.cells) / max(len(slots.cells), 1)
    return [agree, 0.3 + 0.7 * named, 0.4 + 0.6 * columns, min(0.4 + 0.6 * covered, 1.0)]
