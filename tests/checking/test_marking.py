"""What becomes of an answer whose sentences are not all supported."""

from __future__ import annotations

from cogagent.checking.checker import Checker
from cogagent.checking.marking import NOTHING_LEFT, apply, mark, strip
from cogagent.types import Answer, Evidence

GOOD = "Kawann Short had 11 sacks [1]."
BAD = "Mario Addison had 77 sacks [1]."


def answer(text: str, short: str = "") -> Answer:
    return Answer(question="?", outcome="answered", text=text, short=short)


def test_unsupported_sentences_are_marked(checker: Checker, evidence: list[Evidence]) -> None:
    checked = checker.check(f"{GOOD} {BAD} It was a good year.", evidence)
    assert mark(checked) == (f"{GOOD} {BAD} [not supported] It was a good year. [no source]")


def test_strict_removes_them(checker: Checker, evidence: list[Evidence]) -> None:
    checked = checker.check(f"{BAD} {GOOD}", evidence)
    found = apply(answer(f"{BAD} {GOOD}", "11"), checked, strict=True)
    assert (found.text, found.outcome, found.short) == (GOOD, "partial", "11")
    assert len(found.claims) == 2
    assert [citation.marker for citation in found.citations] == [1]


def test_lists_lose_whole_items(checker: Checker, evidence: list[Evidence]) -> None:
    checked = checker.check(f"Sacks:\n- {BAD}\n- {GOOD}\n\nNot found: who?", evidence)
    assert strip(checked) == f"Sacks:\n\n- {GOOD}\n\nNot found: who?"


def test_nothing_left_is_an_abstention(checker: Checker, evidence: list[Evidence]) -> None:
    found = apply(answer(BAD, "77"), checker.check(BAD, evidence), strict=True)
    assert (found.outcome, found.text, found.short) == ("abstained", NOTHING_LEFT, "")
    assert found.citations == ()
    assert found.closest is not None


def test_a_sound_answer_stays_as_it_is(checker: Checker, evidence: list[Evidence]) -> None:
    for strict in (False, True):
        found = apply(answer(GOOD, "11"), checker.check(GOOD, evidence), strict=strict)
        assert (found.text, found.outcome, found.short) == (GOOD, "answered", "11")
        assert found.claims[0].verdict == "supported"


def test_an_abstention_makes_no_claims(checker: Checker, evidence: list[Evidence]) -> None:
    text = "Not found: the 3 best passages, from 3 documents, do not answer this."
    given = Answer(question="?", outcome="abstained", text=text)
    assert apply(given, checker.check(text, evidence), strict=True).text == text
