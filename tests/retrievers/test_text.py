from __future__ import annotations

import pytest

from cogagent.retrievers.text import terms


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What is the FY2018 revenue?", ["fy2018", "revenue", "2018"]),
        ("the of and", ["the", "of", "and"]),
        ("Revenue, revenue; REVENUE", ["revenue"]),
        ("B12 and x86 in 2018", ["b12", "x86", "2018"]),
        ("", []),
    ],
)
def test_terms_are_words_each_once_without_stop_words(question: str, expected: list[str]) -> None:
    assert terms(question) == expected
