"""A chart as a table in words, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.geometry import FULL_PAGE, Box, make_box
from cogagent.grid import Cell, Grid, Header, Place
from cogagent.pipelines.charted import NO_LABEL, charted
from cogagent.reading.grids.tables import table_grid

LEFT, RIGHT = make_box(0.1, 0.9, 0.2, 0.95), make_box(0.5, 0.9, 0.6, 0.95)
MARK, TICK = make_box(0.5, 0.4, 0.6, 0.9), make_box(0.0, 0.38, 0.05, 0.42)
PRINT = make_box(0.12, 0.2, 0.18, 0.25)


def grid(**changes: object) -> Grid:
    parts = {
        "kind": "bar",
        "rows": (
            Header("2018", (Place("2018", (LEFT,)),)),
            Header("2019", (Place("2019", (RIGHT,)),)),
        ),
        "columns": (Header(""),),
        "cells": {
            (0, 0): Cell(Place("34.5", (PRINT,)), 34.5),
            (1, 0): Cell(Place("", (MARK,)), 37_512.0, 300.0, (Place("40 000", (TICK,)),)),
        },
        "value_title": Place("Cars sold"),
    }
    return Grid(**(parts | changes))


def test_rows_values_and_what_is_only_measured() -> None:
    text, words = charted(grid(), FULL_PAGE, 3)
    assert text == " | Cars sold\n2018 | 34.5\n2019 | \u2248 37,512 \u00b1 300"
    assert set(words.pages.tolist()) == {3}


def test_a_measured_value_stands_at_its_mark_and_the_tick_beside_it() -> None:
    text, words = charted(grid(), FULL_PAGE, 1)
    start = text.index("\u2248")
    (here,) = words.boxes[words.spans[:, 0] == start]
    assert np.allclose(here, MARK, atol=1e-6)
    (beside,) = words.boxes[words.spans[:, 0] == text.index("\u00b1")]
    assert np.allclose(beside, TICK, atol=1e-6)


def test_boxes_are_of_the_page_not_of_the_chart() -> None:
    text, words = charted(grid(), make_box(0.5, 0.5, 1.0, 1.0), 1)
    (label,) = words.boxes[words.spans[:, 0] == text.index("2018")]
    assert np.allclose(label, [0.55, 0.95, 0.6, 0.975], atol=1e-5)


def test_series_colour_unit_and_title_are_said() -> None:
    columns = (Header("In Italy", colour="blue"), Header("Outside | Italy"))
    text, _ = charted(grid(columns=columns, title=(Place("Sales"),), unit="million"), FULL_PAGE, 1)
    assert text.split("\n")[:4] == [
        "Sales", "Cars sold", "in million", " | In Italy (blue) | Outside / Italy",
    ]  # fmt: skip


def test_it_reads_back_as_the_grid_that_it_was() -> None:
    text, words = charted(grid(), FULL_PAGE, 1)
    back = table_grid(text, "", words)
    assert back is not None
    assert [row.text for row in back.rows] == ["2018", "2019"]
    assert (back.cells[0, 0].value, back.cells[0, 0].measured) == (34.5, False)
    assert (back.cells[1, 0].value, back.cells[1, 0].error) == (37_512.0, 300.0)
    assert _near(back.cells[1, 0].place.boxes, MARK)
    assert _near(back.cells[1, 0].ticks[0].boxes, TICK)


def _near(boxes: tuple[Box, ...], wanted: Box) -> bool:
    return len(boxes) == 1 and np.allclose(boxes[0], wanted, atol=1e-4)


def test_the_colour_of_a_series_is_no_part_of_where_its_name_stands() -> None:
    columns = (Header("In Italy", (Place("In Italy", (LEFT,)),), colour="blue"), Header("Abroad"))
    text, words = charted(grid(columns=columns), FULL_PAGE, 1)
    back = table_grid(text, "", words, charted=True)
    assert back is not None
    (place,) = back.columns[0].places
    assert (place.text, place.span) == ("In Italy", (text.index("In"), text.index(" (blue)")))
    assert _near(place.boxes, LEFT)


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("18-29", "50-64"), ""), (("5G", "65+"), ""), (("10%", "20%"), ""), (("2018", ""), ""),
        (("(a)", "(b)"), ""), (("",), "1,000 tonnes"), (("",), "2019"), (("",), ""),
    ],
)  # fmt: skip
def test_the_header_of_a_chart_is_known_whatever_it_looks_like(
    names: tuple[str, ...], title: str
) -> None:
    rows = (Header("Coal"), Header(""), Header("2018"), Header("(a)"), Header("Wood"))
    cells = {
        (r, c): Cell(Place(f"{1990 + 10 * r + c}"), 1990.0 + 10 * r + c)
        for r in range(4)
        for c in range(len(names))
    }
    columns = tuple(Header(name) for name in names)
    text, words = charted(
        grid(rows=rows, columns=columns, cells=cells, value_title=Place(title)), FULL_PAGE, 1
    )
    back = table_grid(text, "Report | Site", words, charted=True)
    assert back is not None
    assert [row.text for row in back.rows] == ["Coal", NO_LABEL, "2018", "(a)"]
    assert not any(row.total for row in back.rows)
    wanted = [name or NO_LABEL for name in names] if any(names) else [title or "value"]
    assert [column.text for column in back.columns] == wanted
    assert {at: cell.value for at, cell in back.cells.items()} == {
        at: cell.value for at, cell in cells.items()
    }


@given(
    st.lists(
        st.tuples(
            st.floats(-1e9, 1e9, allow_nan=False),
            st.floats(1e-6, 1e6) | st.just(0.0),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_measured_value_keeps_its_interval(values: list[tuple[float, float]]) -> None:
    cells = {
        (n, 0): Cell(Place(f"{value:.2f}", (MARK,)), value, error)
        for n, (value, error) in enumerate(values)
    }
    rows = tuple(Header(f"row {chr(97 + n)}") for n in range(len(values)))
    text, words = charted(grid(rows=rows, cells=cells), FULL_PAGE, 1)
    back = table_grid(text, "", words)
    assert back is not None
    for place, (value, error) in enumerate(values):
        read = back.cells[place, 0].value
        assert read is not None
        assert abs(read - value) <= max(error, 0.01), "no more is known, and no less is said"
