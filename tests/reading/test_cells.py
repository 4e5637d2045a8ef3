from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.cells import choose, place_of
from cogagent.reading.question import analyse
from cogagent.reading.tables import parse
from cogagent.reading.wishes import wish

PRICES = (
    "| Years ended | |\n| 2019 | 2018 | 2017\n"
    "Fixed price | $ 1,452.4 | 1,146.2 | 1,036.9\nOther | 44.1 | 56.7 | 70.8"
)
SPECIES = (
    "Animal | First recorded | Counted in 2023 | Counted in 2024\n"
    "Char | 1967 | 412 | 389\nRudd | 1983 | 958 | 1,207\nTotal | | 1,370 | 1,596"
)
HOURS = "Day | Visitor centre | Laboratory\nMonday to Thursday | 10:00 to 16:30 | closed"
CHANGE = "| 2019 | 2018 | Change (%)\nRevenue | 120 | 100 | 20%"


def found(question: str, text: str, row: int = 0) -> str | None:
    table, asked = parse(text), wish(analyse(question))
    span = place_of(text, table, table.rows[row], choose(text, table, asked)[row], asked)
    return None if span is None else text[slice(*span)]


@pytest.mark.parametrize(
    ("question", "text", "row", "cell"),
    [
        ("What was fixed price in 2019?", PRICES, 0, "$ 1,452.4"),
        ("What was other in 2017?", PRICES, 1, "70.8"),
        ("What was other in FY17?", PRICES, 1, "70.8"),
        ("What was other in 2018 and 2017?", PRICES, 1, None),
        ("What was other?", PRICES, 1, None),
        ("What was other in 2012?", PRICES, 1, None),
        ("Which item was 44.1?", PRICES, 1, "Other"),
        ("In which year was other the largest?", PRICES, 1, "2017"),
        ("Between 2019 and 2018, which year had the higher other?", PRICES, 1, "2018"),
        ("In which year was other less than 50?", PRICES, 1, "2019"),
        ("In which year was other less than 60?", PRICES, 1, None),
        ("How many rudd were counted in 2024?", SPECIES, 1, "1,207"),
        ("When was the char first recorded?", SPECIES, 0, "1967"),
        ("When is the visitor centre open on Tuesday?", HOURS, 0, "10:00 to 16:30"),
        ("What was the percentage change in revenue from 2018 to 2019?", CHANGE, 0, "20%"),
        ("What is the height?", "Property | Value\nHeight | 12 m", 0, "12 m"),
    ],
)
def test_the_wording_chooses_the_cell(
    question: str, text: str, row: int, cell: str | None
) -> None:
    assert found(question, text, row) == cell


def test_a_comparison_over_rows_chooses_one_and_no_total() -> None:
    table, asked = parse(SPECIES), wish(analyse("Which animal was counted most in 2024?"))
    assert [choice.winner for choice in choose(SPECIES, table, asked)] == [-1, 1, -1]
    assert found("Which animal was counted most in 2024?", SPECIES, 1) == "Rudd"


def test_columns_of_other_years_only_are_marked() -> None:
    table = parse(SPECIES)
    assert choose(SPECIES, table, wish(analyse("How many rudd were counted in 2020?")))[1].other
    assert not choose(SPECIES, table, wish(analyse("How many rudd were counted in 2024?")))[
        1
    ].other


@given(
    st.text(alphabet=st.sampled_from("a1| \n\t.é2024"), max_size=60) | st.text(),
    st.text() | st.sampled_from(["In which year was a the largest?", "Which a is below 1?"]),
)
def test_a_cell_of_any_table_lies_in_its_text(text: str, question: str) -> None:
    table, asked = parse(text), wish(analyse(question))
    for row, choice in zip(table.rows, choose(text, table, asked), strict=True):
        span = place_of(text, table, row, choice, asked)
        assert span is None or 0 <= span[0] <= span[1] <= len(text)
