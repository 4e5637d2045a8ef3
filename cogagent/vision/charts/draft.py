"""What is known of a chart while it is read, and how it becomes a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from cogagent.grid import Cell, Grid, GridKind, Header, Place
from cogagent.vision.charts.axes import Axis
from cogagent.vision.charts.numbers import number_of
from cogagent.vision.charts.phrases import Phrase, Print
from cogagent.vision.charts.rects import Rect


@dataclass(slots=True)
class Draft:
    """A chart as far as it was read.

    Attributes:
        kind: What was drawn.
        rows: Lines of each category's label, its section before it.
        columns: Of each series its name and its colour's.
        cells: By category and series.
        used: Phrases (by index) that have a part.
        plot: Around the marks and ticks.
        axis: Of values.
        stacked: As of :class:`Grid`.
        fits: How sure it is, part by part, 0 to 1.
    """

    kind: GridKind
    rows: list[Header]
    columns: list[Header]
    cells: dict[tuple[int, int], Cell]
    used: set[int]
    plot: Rect
    axis: Axis | None = None
    upright: bool = True
    stacked: bool = False
    fits: list[float] = field(default_factory=list)


def header(printed: Print, *levels: Sequence[Phrase], colour: str = "") -> Header:
    """A header of levels of lines, the outermost first."""
    known = [level for level in levels if level]
    places = tuple(printed.place(level) for level in known)
    return Header(
        " ".join(place.text for place in places),
        places,
        tuple(place.text for place in places),
        colour=colour,
    )


def filled_in(rows: list[Header]) -> list[Header]:
    """Rows whose labels were left out between whole numbers that go up evenly get theirs."""
    known = [
        (row, int(number.value))
        for row, found in enumerate(rows)
        if (number := number_of(found.text)) and number.value == int(number.value)
    ]
    named = sum(bool(found.text) for found in rows)
    if len(known) < 2 or len(known) < 0.9 * named or len(known) == len(rows):
        return rows
    (first, low), (last, high) = known[0], known[-1]
    step, rest = divmod(high - low, last - first)
    if rest or not step or any(value != low + step * (row - first) for row, value in known):
        return rows
    return [
        found if found.text else Header(str(low + step * (row - first)))
        for row, found in enumerate(rows)
    ]


def rounded(value: float, error: float) -> float:
    """No more digits than were measured, and one to spare."""
    if error <= 0 or not math.isfinite(value) or not math.isfinite(error):
        return value
    return round(value, max(0, 1 - math.floor(math.log10(error))))


def grid_of(
    draft: Draft,
    *,
    title: tuple[Place, ...],
    row_title: Place | None,
    value_title: Place | None,
    notes: tuple[Place, ...],
    unit: str,
) -> Grid:
    """The chart as a grid."""
    certainty = 1.0
    for fit in draft.fits:
        certainty *= min(max(fit, 0.0), 1.0)
    return Grid(
        draft.kind,
        tuple(draft.rows),
        tuple(draft.columns),
        draft.cells,
        title,
        row_title,
        value_title,
        unit,
        notes,
        draft.stacked,
        round(certainty, 3),
    )
