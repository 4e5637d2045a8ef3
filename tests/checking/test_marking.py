"""What becomes of an answer whose sentences are not all supported."""

from __future__ import annotations

import pytest

from cogagent.checking.checker import Checker
from cogagent.checking.marking import mark, outcome, strip
from cogagent.types import Evidence

GOOD = "Kawann Short had 11 sacks [1]."
BAD = "Mario Addison had 77 sacks [1]."


def test_unsupported_sentences_are_marked(checker: Checker, evidence: list[Evidence]) -> None:
    checked = checker.check(f"{GOOD} {BAD} It was a good year.", evidence)
    assert mark(checked) == (f"{GOOD} {BAD} [not supported] It was a good year. [no source]")


def test_strict_removes_them(checker: Checker, evidence: list[Evidence]) -> None:
    assert strip(checker.check(f"{BAD} {GOOD}", evidence)) == GOOD
    assert strip(checker.check(BAD, evidence)) == ""


def test_lists_lose_whole_items(checker: Checker, evidence: list[Evidence]) -> None:
    checked = checker.check(f"Sacks:\n- {BAD}\n- {GOOD}\n\nNot found: who?", evidence)
    assert strip(checked) == f"Sacks:\n\n- {GOOD}\n\nNot found: who?"


def test_a_sound_answer_stays_as_it_is(checker: Checker, evidence: list[Evidence]) -> None:
    checked = checker.check(GOOD, evidence)
    assert mark(checked) == strip(checked) == GOOD


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("text", "loose", "strictly"),
    [
        (GOOD, "answered", "answered"),
        (f"{GOOD} {BAD}", "partial", "partial"),
        (BAD, "partial", "abstained"),
        ("Not found: the 3 best passages do not answer this.", "abstained", "abstained"),
    ],
)
def test_the_outcome_is_that_of_what_is_shown(
    checker: Checker, evidence: list[Evidence], text: str, loose: str, strictly: str, strict: bool
) -> None:
    claims = checker.check(text, evidence).claims
    assert outcome(claims, strict=strict) == (strictly if strict else loose)
