from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.grids.asking import asked_of
from cogagent.reading.grids.numbers import magnitude, stated, unit_of, written


@pytest.mark.parametrize(
    ("question", "form"),
    [
        ("How many people lived there?", "value"),
        ("What percentage of them agreed?", "value"),
        ("What was the amount in which they paid?", "value"),
        ("Which country leads?", "label"),
        ("What brand did 15 percent buy?", "label"),
        ("Where did most of them live?", "label"),
        ("In what year was it sold?", "label"),
        ("What was the largest lake?", "open"),
        ("What was the lowest price?", "value"),
        ("Is it higher than 5?", "whether"),
    ],
)
def test_the_form_of_the_answer(question: str, form: str) -> None:
    assert asked_of(question).form == form


@pytest.mark.parametrize(
    ("question", "pick", "nth"),
    [
        ("Which is the largest?", 1, 1),
        ("Which is the least expensive?", -1, 1),
        ("What is the second largest?", 1, 2),
        ("Which brand ranked third?", 1, 3),
        ("Which team ranked last?", -1, 1),
        ("Who was paid at least once?", 0, 1),
        ("What was it in the most recent year?", 0, 1),
        ("What did Pinterest spend in the last year?", 0, 1),
        ("What is the interest in the west?", 0, 1),
        ("What is the leading company?", 1, 1),
    ],
)
def test_the_most_and_the_least(question: str, pick: int, nth: int) -> None:
    asked = asked_of(question)
    assert (asked.pick, asked.nth) == (pick, nth)


@pytest.mark.parametrize(
    ("question", "years"),
    [
        ("in 2018 and 2019", [{2018}, {2019}]),
        ("from 2018/2019 on", [{2018, 2019}]),
        ("in the 2018/19 season", [{2018, 2019}]),
        ("between 2016-2019", [{2016}, {2019}]),
        ("in FY19", [{2019}]),
    ],
)
def test_years_are_mentioned_in_order(question: str, years: list[set[int]]) -> None:
    assert [set(mention.years) for mention in asked_of(question).mentions] == years


@pytest.mark.parametrize(
    ("text", "value", "percent"),
    [
        ("almost seven thousand people", 7000.0, False),
        ("half a million copies", 500_000.0, False),
        ("one in five adults", 20.0, True),
        ("two thirds of adults", 66.667, True),
        ("a quarter of them", 25.0, True),
        ("15 percent", 15.0, True),
        ("$1.5 billion", 1.5e9, False),
        ("twenty-one", 21.0, False),
    ],
)
def test_numbers_in_figures_and_words(text: str, value: float, percent: bool) -> None:
    (number,) = stated(text)
    assert number.value == pytest.approx(value, rel=1e-3)
    assert number.percent is percent


def test_a_number_means_a_value_in_the_unit_of_the_grid() -> None:
    (number,) = stated("almost seven thousand")
    assert number.means(6.9, 1e3)
    assert number.means(6950, 1.0)
    assert not number.means(6.9, 1e6)
    (share,) = stated("15 percent")
    assert share.means(15.0, 1.0)
    assert not share.means(16.0, 1.0)


@pytest.mark.parametrize(
    ("text", "unit", "worth"),
    [
        ("($ in millions)", "million", 1e6),
        ("in thousand U.S. dollars", "thousand", 1e3),
        ("Share (%)", "%", 1.0),
        ("$\u2019000", "thousand", 1e3),
        ("\u20acm", "million", 1e6),
        ("RMB bn", "billion", 1e9),
        ("kilometres", "", 1.0),
        ("Mobile phones", "", 1.0),
    ],
)
def test_units_of_headers(text: str, unit: str, worth: float) -> None:
    assert unit_of(text) == unit
    assert magnitude(text) == worth


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234.5, 1, "1,234.5"),
        (2.0, 2, "2"),
        (-0.001, 2, "0"),
        (0.125, 2, "0.12"),
        (1e300, 0, None),
    ],
)
def test_numbers_are_written_without_idle_noughts(
    value: float, decimals: int, text: str | None
) -> None:
    assert text is None or written(value, decimals) == text
    assert written(value, decimals)


@given(st.text(max_size=200))
def test_any_text_can_be_asked(text: str) -> None:
    asked = asked_of(text)
    assert asked.nth >= 1
    assert all(0 <= place < len(asked.words) for place in asked.working)


@pytest.mark.parametrize(
    "piece", ["what percentage of ", "from 1999 to ", "proportion of a ", "how many more ", "(1,"]
)
def test_long_questions_are_read_in_no_time(piece: str) -> None:
    start = time.perf_counter()
    asked_of(piece * 5000)
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("question", "side", "inclusive"),
    [
        ("Which had at least 5?", 1, True),
        ("Which had 5 or more?", 1, True),
        ("Which had $5 million or less?", -1, True),
        ("Which had not more than 5?", -1, True),
        ("Which were over 5?", 1, False),
        ("Which were below minus 5?", -1, False),
    ],
)
def test_bounds(question: str, side: int, inclusive: bool) -> None:
    bound = asked_of(question).bound
    assert bound is not None
    assert (bound.side, bound.inclusive) == (side, inclusive)


def test_a_bound_keeps_the_sign() -> None:
    (number,) = stated("above minus 5")
    assert number.value == number.bare == -5.0
    assert number.beyond(-4, 1.0) == 1.0
    assert number.beyond(-6, 1.0) == -1.0
