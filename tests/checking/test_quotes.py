"""Quotes: exact, folded, nearly, or not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.checking.fold import fold
from cogagent.checking.quotes import alone, exact, find

TEXT = (
    "The Panthers de-\nfense gave up just 308 points, ranking \u201csixth\u201d in the league; it "
    "did not win. The \ufb01nal cost was 1,234.5 million and sales increased everywhere."
)


@pytest.mark.parametrize(
    ("quote", "kind", "found"),
    [
        ("just 308 points", "exact", "just 308 points"),
        ("the panthers defense gave up", "normalised", "The Panthers de-\nfense gave up"),
        ('ranking "sixth" in', "normalised", "ranking \u201csixth\u201d in"),
        ("gave up \u2026 in the league", "normalised", None),
        ("final cost", "normalised", "\ufb01nal cost"),
        ("The Panthrs defense gave up just 308 points, rankng sixth", "fuzzy", None),
        ("The Panthers defense gave up just 309 points, ranking sixth", "none", ""),
        ("The Panthers offense gave up just 308 points, ranking sixth", "none", ""),
        ("in the league; it did win. The final cost was 1,234.5 million", "none", ""),
        ("1,234.5 million and sales decreased everywhere", "none", ""),
        ("308 gave the Panthers up", "none", ""),
        ("cost was 1,234", "none", ""),
        ("08 points", "none", ""),
        ("", "none", ""),
        (" \u2026 ", "none", ""),
    ],
)
def test_how_a_quote_is_found(quote: str, kind: str, found: str | None) -> None:
    match = find(quote, TEXT)
    assert match.kind == kind
    if found is not None:
        assert TEXT[match.start : match.end] == found


def test_the_score_of_a_near_quote_is_shown() -> None:
    match = find("The Panthrs defense gave up just 308 points, rankng sixth", TEXT)
    assert 0.9 <= match.score < 1
    assert TEXT[match.start : match.end].endswith("sixth")


@given(st.text(max_size=60))
def test_folding_knows_where_each_character_came_from(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.origin)
    assert list(folded.origin) == sorted(folded.origin)
    assert all(0 <= place < len(text) for place in folded.origin)


@given(st.text(max_size=80), st.text(max_size=40))
def test_any_quote_is_looked_up(text: str, quote: str) -> None:
    match = find(quote, text)
    assert 0 <= match.start <= match.end <= len(text)
    assert (match.kind == "none") == (match.start == match.end)


@given(st.text(alphabet="abc de.\u2019\ufb01-\n", min_size=1, max_size=60), st.data())
def test_whole_words_of_a_text_are_found_in_it(text: str, data: st.DataObject) -> None:
    words = [m for m in text.split() if m]
    if not words:
        return
    word = data.draw(st.sampled_from(words))
    assert find(word, text).kind in ("exact", "normalised") or not fold(word).text.strip(" '.-")


def test_a_quote_that_stands_twice_is_found_where_it_was_read() -> None:
    text = "Open daily. Closed in May. Open daily."
    assert [exact("Open daily.", text, start).start for start in (0, 27, 30)] == [0, 27, 0]
    assert exact("Open", "Opened", 0) is None
    assert exact(" ", " a ", 1) is None


@pytest.mark.parametrize(
    ("words", "sentence", "line"),
    [
        ("It is not true.", True, True),
        ("true.", False, False),
        ("It is not", False, False),
        ("Salaries | 5", False, True),
        ("Salaries", False, False),
        ("It is not true. Salaries | 5", False, True),
    ],
)
def test_whether_a_quote_is_of_whole_sentences(words: str, sentence: bool, line: bool) -> None:
    text = "It is not true. Salaries | 5\nRent | 7"
    text = text.replace(". ", ".  ") if words not in text else text
    start = text.index(words)
    for lines, expected in ((False, sentence), (True, line)):
        assert alone(text, start, start + len(words), lines=lines) is expected
