"""Values in rows and columns, each with its place: what a chart or table says once understood.

A chart's categories are rows and its series columns; a table is what it is. Boxes are
fractions of the picture or page that the grid was read from; whoever reads says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cogagent.geometry import Box

GridKind = Literal["bar", "line", "area", "pie", "scatter", "table"]


@dataclass(frozen=True, slots=True)
class Place:
    """Words, or a drawn mark, and where they stand.

    Attributes:
        text: As printed; empty for a mark.
        boxes: One a line; none where the text has no places (plain text).
        span: First character and end in the text that the grid was read from; ``None``
            for a mark, and for words that are not together in it.
    """

    text: str
    boxes: tuple[Box, ...] = ()
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What names a row or a column.

    Attributes:
        text: All levels in one line, the outermost first.
        places: Of each level that is printed.
        levels: Text of each level: a spanning header or section, then the label itself.
        unit: Of its values, where the header says one: ``%``, ``million``, ``U.S. dollars``.
        colour: Plain name of the colour that a legend gives it.
        total: It sums others up.
    """

    text: str
    places: tuple[Place, ...] = ()
    levels: tuple[str, ...] = ()
    unit: str = ""
    colour: str = ""
    total: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A value.

    Attributes:
        place: Of the printed value, or of the mark (bar, point, sector) it was measured on.
        value: The number, in the unit of the grid; ``None`` of words.
        error: Half the width of the interval that the value lies in, in its own unit;
            0 of a printed one.
        ticks: Labels of the axis that it was measured between.
    """

    place: Place
    value: float | None
    error: float = 0.0
    ticks: tuple[Place, ...] = ()

    @property
    def measured(self) -> bool:
        """It was read off an axis, not printed."""
        return self.error > 0


@dataclass(frozen=True, slots=True)
class Grid:
    """A chart or table, understood.

    Attributes:
        kind: What was drawn.
        rows: Categories of a chart, in order along its axis; rows of a table.
        columns: Series of a chart (one without text where there is no legend).
        cells: By row and column; what is not there was not found, or is empty.
        title: Title, subtitle and caption.
        row_title: Of the axis of the categories; the corner of a table.
        value_title: Of the axis of the values: says what is counted, and the unit.
        unit: Of the values, where one is printed: ``%``, ``million U.S. dollars``.
        notes: Footnotes and sources.
        stacked: The series of a category stand on each other: their sum is its total.
        certainty: How sure it is that values stand in the right rows and columns, 0 to 1.
    """

    kind: GridKind
    rows: tuple[Header, ...]
    columns: tuple[Header, ...]
    cells: Mapping[tuple[int, int], Cell]
    title: tuple[Place, ...] = ()
    row_title: Place | None = None
    value_title: Place | None = None
    unit: str = ""
    notes: tuple[Place, ...] = field(default=())
    stacked: bool = False
    certainty: float = 1.0
