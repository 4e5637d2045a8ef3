from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.values import conflict, kind, number, periods


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("December 31, 2019", "year", {2019}),
        ("FY19", "year", {2019}),
        ("2018/19", "year", {2018, 2019}),
        ("Q3 results", "quarter", {3}),
        ("the third quarter", "quarter", {3}),
        ("Sundays", "day", {6}),
        ("Tuesday to Thursday", "day", {1, 2, 3}),
        ("Sat\u2013Mon", "day", {5, 6, 0}),
        ("June to September", "month", {5, 6, 7, 8}),
        ("2,019 birds", "year", set()),
    ],
)
def test_periods_are_found(text: str, name: str, values: set[int]) -> None:
    assert periods(text).get(name, frozenset()) == values


def test_another_year_is_a_conflict_and_none_is_not() -> None:
    assert conflict(periods("in 2019"), periods("2018"))
    assert not conflict(periods("in 2019"), periods("December 31, 2019"))
    assert not conflict(periods("in 2019"), periods("Total"))


@pytest.mark.parametrize(
    ("cell", "value"),
    [("$(9,982)", -9982), ("(0.4)", -0.4), ("$ 1,452.4", 1452.4), ("none", None)],
)
def test_numbers_are_read(cell: str, value: float | None) -> None:
    assert number(cell) == value


@pytest.mark.parametrize(
    ("cell", "header", "held"),
    [
        ("\u2013", "", "empty"),
        ("3.7%", "", "percent"),
        ("3.7", "Change (%)", "percent"),
        ("688,300", "$", "money"),
        ("1,207", "", "number"),
        ("1983", "", "date"),
        ("10:00 to 16:30", "", "date"),
        ("closed", "", "text"),
    ],
)
def test_cells_have_kinds(cell: str, header: str, held: str) -> None:
    assert kind(cell, header) == held


@given(st.text())
def test_any_text_can_be_a_cell(text: str) -> None:
    kind(text)
    number(text)
    periods(text)
