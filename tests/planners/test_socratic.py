from __future__ import annotations

from typing import Any

from cogagent.planners.base import Left
from cogagent.planners.socratic import SocraticPlanner
from cogagent.types import Note
from tests.planners.kit import (
    PICTURE,
    QUESTION,
    SEEING,
    STRUCTURED,
    by_purpose,
    carried_out,
    planned,
    reply,
)

SOCRATIC = SocraticPlanner()
PICTURED: dict[str, Any] = {"pictures": 1, "rasters": (PICTURE,)}
ASKED = ["How many doors?", "Which colour is the roof?", "What is written?", "Is it day?"]
QUESTIONS = reply(questions=ASKED)
ANSWERS = reply(answers=[{"id": str(n), "answer": f"answer {n}"} for n in range(1, 5)])


def test_details_are_asked_and_answered_in_two_calls() -> None:
    done = planned(SOCRATIC, [QUESTIONS, ANSWERS], SEEING, **PICTURED)
    assert done.purposes == ["questions", "answers"]
    assert all(len(call.messages[1].pictures) == 1 for call in done.calls)
    (note,) = done.step.notes
    assert note.kind == "dialogue"
    assert note.text.startswith("Q: How many doors?\nA: answer 1\nQ: Which colour")
    assert done.searches[0] == ("text", QUESTION)
    assert [query.picture for query in done.step.queries] == [None, 0]
    after = planned(SOCRATIC, [], SEEING, steps=(carried_out(done.step),), **PICTURED)
    assert after.step.done
    assert after.calls == []


def test_the_form_asks_for_four_to_six() -> None:
    done = planned(SOCRATIC, [QUESTIONS, ANSWERS], SEEING, **PICTURED)
    listed = done.calls[0].options.structure["properties"]["questions"]
    assert (listed["minItems"], listed["maxItems"]) == (4, 6)
    many = reply(questions=[f"question {n}?" for n in range(9)])
    done = planned(SOCRATIC, [many, ANSWERS], SEEING, **PICTURED)
    assert done.step.thought.startswith("6 questions")
    assert "2 questions were not answered" in done.step.fallback


def test_without_a_picture_it_searches_and_says_so() -> None:
    done = planned(SOCRATIC, [], SEEING)
    assert done.calls == []
    assert done.searches == [("text", QUESTION)]
    assert "no picture came with the question" in done.step.thought


def test_a_model_that_sees_nothing_asks_about_what_was_noticed() -> None:
    notes = (Note(kind="description", text="a house, red 0.4"),)
    done = planned(SOCRATIC, [QUESTIONS, ANSWERS], STRUCTURED, notes=notes, **PICTURED)
    assert "a house, red 0.4" in done.calls[1].messages[1].text
    assert done.step.notes
    done = planned(SOCRATIC, [], STRUCTURED, **PICTURED)
    assert "sees no pictures" in done.step.fallback
    assert done.step.queries


def test_pictures_that_the_budget_forbids_are_not_shown() -> None:
    done = planned(SOCRATIC, [], SEEING, left=Left(pictures=0), **PICTURED)
    assert done.calls == []
    assert done.step.queries


def test_what_cannot_be_read_is_a_search_that_says_why() -> None:
    done = planned(SOCRATIC, ["no", "no"], SEEING, **PICTURED)
    assert done.searches[0] == ("text", QUESTION)
    assert "did not keep to the form" in done.step.fallback
    script = by_purpose({"Before it is answered": QUESTIONS, "Answer each question": "no"})
    done = planned(SOCRATIC, script, SEEING, **PICTURED)
    assert done.step.queries
    assert not done.step.notes
    assert "nothing answered" in done.step.fallback
