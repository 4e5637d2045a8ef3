"""Claims and their markers; names and whether evidence has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.checking.claims import claims, ranges, renumbered, settled
from cogagent.checking.names import Known, names

KNOWN = Known(
    "The World Health Organization said Germany and Barack Obama agreed. The UN met after World "
    "War II. The U.S. law; Jean-Luc Picard. Property, plant and equipment."
)


def test_markers_before_and_behind_the_stop() -> None:
    found = claims("A won in 2015 [1]. B lost. [2] C drew [1][3], while D won [2, 4].")
    assert [s.markers for s in found] == [(1,), (2,), (1, 3, 2, 4)]
    assert [p.markers for p in found[2].parts] == [(1, 3), (2, 4)]


def test_ranges_lists_and_opening_markers() -> None:
    found = claims(
        "- Revenue was $5.2 million in 2018.[1]\n- Cost was 3 [2-4].\n[2] It starts here."
    )
    assert [s.markers for s in found] == [(1,), (2, 3, 4), (2,)]


def test_what_claims_nothing() -> None:
    text = (
        "## Results\n**Summary**\nNot found: who?\nYes.\nHere are the figures:\n\n---\nIt rained."
    )
    assert [s.text for s in claims(text)] == ["It rained."]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A is B [3].", "A is B [1]."),
        ("A is B [1, 3].", "A is B [2][1]."),
        ("A is B [1;3].", "A is B [2][1]."),
        ("A is B [1-3].", "A is B [2][1]."),
        ("A is B [1 \u2013 3].", "A is B [2][1]."),
        ("A is B [1] [3].", "A is B [2][1]."),
        ("A is B.[3][1] C is D. [ 3 ]", "A is B.[1][2] C is D. [1]"),
        ("A is B [9], C is D [1][9].", "A is B, C is D [2]."),
        ("A is B [9-12, 1].", "A is B [2]."),
        ("A is B [12345] and [x] and [1", "A is B [12345] and [x] and [1"),
    ],
)
def test_markers_are_numbered_anew_in_every_form(text: str, shown: str) -> None:
    assert renumbered(text, {1: 2, 3: 1}) == shown


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("It is big. He is ", ["It is big."]),
        ("It is big. [1] ", []),
        ("It is big. [1] [2, ", []),
        ("It is big. [1] He is dry. [2] We ", ["It is big. [1]", "He is dry. [2]"]),
        ("It is big [1]\nHe ", ["It is big [1]"]),
        ("", []),
    ],
)
def test_a_sentence_is_settled_once_the_next_begins(text: str, whole: list[str]) -> None:
    assert [text[start:end] for start, end in settled(text)] == whole
    assert settled(text) == ranges(text)[: len(whole)]


@given(st.text(alphabet="Ab .!?[]1,2-\n\u2013#*", max_size=120))
def test_claims_are_pieces_of_the_text_in_order(text: str) -> None:
    last = 0
    for sentence in claims(text):
        assert last <= sentence.start < sentence.end <= len(text)
        assert text[sentence.start : sentence.end] == sentence.text
        last = sentence.end
        for part in sentence.parts:
            assert sentence.start <= part.start < part.end <= sentence.end


def test_names_of_a_sentence() -> None:
    found = names("In March 2010 the German Chancellor Dr. Angela Merkel visited New York.")
    assert [n.text for n in found] == ["German Chancellor Dr", "Angela Merkel", "New York"]
    assert [n.tokens for n in found] == [("german",), ("angela", "merkel"), ("new", "york")]


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("WHO", True),
        ("W.H.O.", True),
        ("Germans", True),
        ("German", True),
        ("President Obama", True),
        ("United Nations", True),
        ("United States", True),
        ("US", True),
        ("WWII", True),
        ("PP&E", True),
        ("Jean Luc Picard", True),
        ("Michelle Obama", False),
        ("World Bank", False),
        ("France", False),
        ("IBM", False),
    ],
)
def test_whether_evidence_has_a_name(name: str, there: bool) -> None:
    (found,) = names(f"see {name}")
    assert KNOWN.has(found) is there


@given(st.text(max_size=100))
def test_any_text_is_searched_for_names(text: str) -> None:
    for name in names(text):
        assert text[name.start : name.end] == name.text
        assert Known(f"{name.text}, and {name.text}").has(name) in (True, False)


@given(st.lists(st.sampled_from("Anna Berg Carl Denver Elbe Fulda Gera".split()), min_size=1))
def test_evidence_has_the_names_it_is_made_of(parts: list[str]) -> None:
    text = f"They saw {' '.join(parts)} there."
    assert all(Known(text).has(name) for name in names(text))
