from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cogagent.geometry import Box
from cogagent.grid import Cell, Grid, GridKind, Header, Place
from cogagent.reading.grids.numbers import unit_of

Make = Callable[..., Grid]


def place(text: str, row: int, column: int) -> Place:
    """Words at a place of a raster of 50 by 50 boxes."""
    x, y = (column + 1) / 50, (row + 1) / 50
    return Place(text, (Box(x, y, x + 0.01, y + 0.01),), (row * 1000 + column, row * 1000 + 1))


def header(text: str, row: int, column: int) -> Header:
    return Header(text, (place(text, row, column),), (text,), unit=unit_of(text))


@pytest.fixture
def make() -> Make:
    """A grid of labels and printed values; ``None`` leaves a cell empty."""

    def made(
        rows: Sequence[str],
        columns: Sequence[str],
        values: Sequence[Sequence[float | str | None]],
        *,
        kind: GridKind = "bar",
        value_title: str = "",
        unit: str = "",
        stacked: bool = False,
    ) -> Grid:
        cells = {}
        for r, line in enumerate(values):
            for c, value in enumerate(line):
                if value is not None:
                    number = None if isinstance(value, str) else float(value)
                    cells[r, c] = Cell(place(f"{value}", r, c), number)
        return Grid(
            kind=kind,
            rows=tuple(header(text, r, -1) for r, text in enumerate(rows)),
            columns=tuple(header(text, -1, c) for c, text in enumerate(columns)),
            cells=cells,
            value_title=Place(value_title) if value_title else None,
            unit=unit,
            stacked=stacked,
        )

    return made
