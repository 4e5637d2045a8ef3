"""Numbers: what they are worth, and when a claim may give one as another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.quantities import equal, quantities, table_unit


def only(text: str):
    (found,) = quantities(text)
    return found


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("$1,234.5 million", 1.2345e9, "money"),
        ("US$5m", 5e6, "money"),
        ("(44.1)", -44.1, "plain"),
        ("(3.1)%", -3.1, "percent"),
        ("5 per cent", 5, "percent"),
        ("6\u00bd", 6.5, "plain"),
        ("twenty-five", 25, "plain"),
        ("one hundred and five", 105, "plain"),
        ("21st", 21, "ordinal"),
        ("third", 3, "ordinal"),
        ("2018", 2018, "year"),
        ("1990s", 1990, "year"),
        ("100 miles", 100, "plain"),
        ("\u20ac 3.2bn", 3.2e9, "money"),
    ],
)
def test_a_number_is_worth(text: str, value: float, kind: str) -> None:
    found = only(text)
    assert found.value == pytest.approx(value)
    assert found.kind == kind


def test_parts_of_codes_and_list_marks_are_no_numbers() -> None:
    assert quantities("B2B and x86") == []
    assert quantities("1. the first\n2. the other") == []
    assert [q.value for q in quantities("Q3 FY2018")] == [3, 2018]


def test_a_range_shares_magnitude_and_unit() -> None:
    assert [q.value for q in quantities("5\u20137 million")] == [5e6, 7e6]
    assert [q.value for q in quantities("a score of 24\u201310")] == [24, 10]


@pytest.mark.parametrize(
    ("claimed", "given_", "same"),
    [
        ("1.23 billion", "1,234.5 million", True),
        ("1.24 billion", "1,234.5 million", False),
        ("12%", "12.3%", True),
        ("12.3%", "0.123", True),
        ("13%", "12.3%", False),
        ("about 1,200", "1,215", True),
        ("about 1,200", "1,350", False),
        ("44.1", "(44.1)", True),
        ("$5", "\u20ac5", False),
        ("5 km", "5 miles", False),
        ("2018", "2019", False),
        ("2018", "2,018", True),
        ("1,234", "1.2 thousand", False),
        ("5 million", "5 billion", False),
        ("seven", "7", True),
        ("the third", "3", True),
    ],
)
def test_equal_after_rounding_and_rescaling(claimed: str, given_: str, same: bool) -> None:
    assert equal(only(claimed), only(given_)) is same


def test_the_unit_of_a_table_counts() -> None:
    claimed, cell = only("$1.5 billion"), only("1,496.5")
    assert equal(claimed, cell, unit=1e6, tabular=True)
    assert not equal(only("$1.5 million"), cell, unit=1e6, tabular=True)
    assert equal(only("1,496.5"), cell, unit=1e6, tabular=True)
    assert equal(only("$1,496.5 million"), cell, tabular=True)  # unit not said
    assert not equal(only("$1,496.5 million"), cell)  # in prose


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("(in thousands)", 1e3),
        ("In millions of dollars", 1e6),
        ("US$\u2019000", 1e3),
        ("Dollars in billions", 1e9),
        ("Revenue by segment", None),
    ],
)
def test_what_a_table_counts_in(text: str, unit: float | None) -> None:
    assert table_unit(text) == unit


@given(st.text(alphabet="0123456789.,$%()- \u2013mbillion'/\n", max_size=80))
def test_any_text_is_read(text: str) -> None:
    for found in quantities(text):
        assert text[found.start : found.end] == found.text
        assert math.isfinite(found.value)


@given(st.integers(1, 10**9), st.integers(0, 3))
def test_a_number_equals_itself_however_it_is_rounded(value: int, places: int) -> None:
    written = only(f"{value:,}.0")
    assert equal(written, written)
    rounded = f"{value / 1e6:.{places}f} million"
    found = quantities(rounded)
    if found and found[0].value:
        assert equal(found[0], written)
