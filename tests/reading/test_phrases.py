from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.phrases import phrases


@pytest.mark.parametrize(
    ("sentence", "phrase", "kind"),
    [
        ("It opened on 10 June 1989 in Rome.", "10 June 1989", "date"),
        ("It opened on March 4, 1861.", "March 4, 1861", "date"),
        ("It began in the late 19th century.", "the late 19th century", "date"),
        ("She sold 1,250 copies.", "1,250", "number"),
        ("She sold twenty-five copies.", "twenty-five", "number"),
        ("It fell by 12.5% last week.", "12.5%", "percent"),
        ("It cost $9.5 million.", "$9.5 million", "money"),
        ("It is 38 kilometres long.", "38 kilometres long", "measure"),
        ("It was built by Ada Byron.", "Ada Byron", "person"),
        ("He studied at the University of Vienna.", "University of Vienna", "place"),
        ('The film "Copper Sky" won.', "Copper Sky", "name"),
        ("It is cooled by liquid nitrogen.", "liquid nitrogen", "chunk"),
    ],
)
def test_phrases_have_kinds(sentence: str, phrase: str, kind: str) -> None:
    found = {sentence[p.start : p.end]: p.kinds for p in phrases(sentence)}
    assert kind in found[phrase]


def test_part_of_a_word_is_no_month() -> None:
    assert not any("date" in p.kinds for p in phrases("Margolies and Decker left."))


@given(st.text())
def test_ranges_lie_within_any_text(text: str) -> None:
    assert all(0 <= p.start < p.end <= len(text) for p in phrases(text))
