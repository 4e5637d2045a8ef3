"""Arithmetic in questions: what is a sum, what it comes to, and what it may cost."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.planners.sums import worked_out


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("What is 17 times 23?", "391"),
        ("2+2", "4"),
        ("(3 + 4) * 5", "35"),
        ("2(3+4)", "14"),
        ("15% of 80", "12"),
        ("What is 20% of 50 percent of 80?", "8"),
        ("hi, can you please calculate 12 x 3 for me?", "36"),
        ("What is 144/12?", "12"),
        ("10 divided by 4", "2.5"),
        ("what is twenty-one plus a hundred and five?", "126"),
        ("subtract 5 from 12", "7"),
        ("add 5, 6 and 7", "18"),
        ("divide 100 by 8", "12.5"),
        ("the sum of 3, 4 and 5", "12"),
        ("What is the difference between four and nine?", "5"),
        ("the average of 3 and 4", "3.5"),
        ("the remainder when 17 is divided by 5", "2"),
        ("What is half of 30?", "15"),
        ("a third of 90", "30"),
        ("square root of 144", "12"),
        ("cube root of -27", "-3"),
        ("What is 7 squared?", "49"),
        ("2 to the power of 10", "1024"),
        ("2 ^ -2", "0.25"),
        ("2 ^ 3 ^ 2", "512"),
        ("-3 ^ 2", "-9"),
        ("5!", "120"),
        ("1,234 + 5", "1239"),
        ("0.1 + 0.2", "0.3"),
        ("\u0663 + \u0664", "7"),  # Arabic figures
        ("\uff12\uff0b\uff12", "4"),  # full width
        ("6 \u00d7 7", "42"),
        ("8 \u00f7 2", "4"),
        ("5\u00b2 + 1", "26"),
        ("3\u00bd * 2", "7"),
        ("\u00bd + \u00bd", "1"),
        ("\u221a 16", "4"),
        ("3 + 4 = ?", "7"),
    ],
)
def test_a_sum_is_worked_out(question: str, value: str) -> None:
    found = worked_out(question)
    assert found is not None
    assert (found.value, found.remark) == (value, "")


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is 3?",
        "1984",
        "50%",
        "-5",
        "What happened on 9/11?",
        "What is 9/11?",
        "24/7",
        "2019-2020",
        "12/25/2020",
        "2020-01-31",
        "Area 51",
        "Catch-22",
        "Who won Super Bowl 50?",
        "How many points did the Panthers score in 2015?",
        "two and three",
        "4 8 15 16 23 42",
        "5 plus",
        "((2 + 3)",
        "100 + 10%",
        "7 % 3",
        "__import__('os').system('true')",
        "1 if 1 else 2",
        "2 + two hundred goals",
        "...",
        "( )",
        "What is the sum of human knowledge?",
    ],
)
def test_what_is_no_sum_is_left_alone(question: str) -> None:
    assert worked_out(question) is None


@pytest.mark.parametrize(
    ("question", "remark"),
    [
        ("calculate 1/0", "divides by zero"),
        ("5 mod 0", "divides by zero"),
        ("0 ^ -1", "divides by zero"),
        ("sqrt(-4)", "no real value"),
        ("9^9^9", "too large"),
        ("9^99999999999999", "too large"),
        ("(10^1000)^1000", "too large"),
        ("99999!", "too large"),
        ("(1/2)!", "whole number"),
        ("9 ^ (1/3)", "no whole number"),
        ("*".join(["9" * 90] * 3) + "^14", "too large"),
    ],
)
def test_a_sum_without_a_value_says_why(question: str, remark: str) -> None:
    found = worked_out(question)
    assert found is not None
    assert not found.value
    assert remark in found.remark


@pytest.mark.parametrize(
    "question",
    ["(" * 140 + "1+1" + ")" * 140, "-" * 290 + "1", "1" + "!" * 290, "1,1" * 90, "2^" * 149 + "2",
     "what is " * 37, "hi " * 100, "one hundred and " * 18 + "one", "sqrt " * 59 + "4",
     "half of " * 37 + "8", "9" * 300, "1+" * 149 + "1", "((((" * 75, "1.1." * 70],
)  # fmt: skip
def test_hostile_sums_cost_nothing(question: str) -> None:
    started = time.perf_counter()
    worked_out(question)
    assert time.perf_counter() - started < 0.5


def test_what_is_rounded_says_so() -> None:
    found = worked_out("What is 10 divided by 3?")
    assert found is not None
    assert str(found) == "10 divided by 3 = 3.33333333333 (rounded)"
    root = worked_out("square root of two")
    assert root is not None
    assert root.value == "1.41421356237"


@given(st.text(max_size=320))
def test_no_text_breaks_it(text: str) -> None:
    worked_out(text)


@given(st.lists(st.sampled_from("0 1 2 9 . , + - * / ^ ( ) ! % of and sqrt half two x".split())))
def test_no_heap_of_signs_breaks_it(parts: list[str]) -> None:
    worked_out(" ".join(parts))


@given(st.integers(-(10**6), 10**6), st.sampled_from("+-*/"), st.integers(1, 10**6), st.booleans())
def test_two_numbers_come_to_what_python_says(
    first: int, sign: str, second: int, spaced: bool
) -> None:
    gap = " " if spaced else ""
    found = worked_out(f"calculate {first}{gap}{sign}{gap}{second}")
    wanted = {
        "+": Fraction(first + second), "-": Fraction(first - second),
        "*": Fraction(first * second), "/": Fraction(first, second),
    }[sign]  # fmt: skip
    assert found is not None
    if found.remark:
        assert abs(Fraction(found.value) - wanted) <= abs(wanted) / 10**10
    else:
        assert Fraction(found.value) == wanted
