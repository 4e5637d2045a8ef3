from __future__ import annotations

import pytest

from cogagent.reading.narrowing import with_sign


@pytest.mark.parametrize(
    ("text", "number", "whole"),
    [
        ("It costs $6.50.", "6.50", "$6.50"),
        ("It costs \u20ac6.50 or 12%.", "6.50", "\u20ac6.50"),
        ("It grew by 12% then.", "12", "12%"),
        ("It has 276 days.", "276", "276"),
        ("$5", "$5", "$5"),
        ("12", "12", "12"),
    ],
)
def test_a_number_keeps_its_sign(text: str, number: str, whole: str) -> None:
    start = text.index(number)
    first, last = with_sign(text, start, start + len(number))
    assert text[first:last] == whole
