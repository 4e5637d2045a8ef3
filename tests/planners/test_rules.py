from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.planners.base import PlanState
from cogagent.planners.rules import RulePlanner, split_question


def plan(question: str, **state: object):
    return asyncio.run(RulePlanner().plan(PlanState(question=question, **state)))


def test_a_plain_question_is_one_text_search() -> None:
    step = plan("When was the dam finished?")
    assert [(query.tool, query.text) for query in step.queries] == [
        ("text", "When was the dam finished?")
    ]


@pytest.mark.parametrize(
    "question",
    ["Which flower is in the photograph?", "What does the bar chart show?", "Whose logo is this?"],
)
def test_a_question_about_a_picture_searches_pictures_too(question: str) -> None:
    assert [query.tool for query in plan(question).queries] == ["text", "image"]


def test_a_question_about_a_table_searches_tables_and_everything() -> None:
    queries = plan("What does the table say about trout?").queries
    assert [query.kinds for query in queries] == [("table",), ()]


def test_the_questions_own_pictures_are_searched_by() -> None:
    queries = plan("Is there more like this?", pictures=2).queries
    assert [query.picture for query in queries] == [None, 0, 1]


def test_it_stops_after_one_round() -> None:
    first = plan("Who is she?")
    second = plan("Who is she?", steps=(first,))
    assert second.done
    assert not second.queries


def test_two_questions_come_apart() -> None:
    assert split_question("Who built the dam and when was it finished?") == [
        "Who built the dam?",
        "when was it finished?",
    ]


def test_a_comparison_searches_for_each_side() -> None:
    parts = split_question("Which of Lake Arn and Lake Bor is deeper?")
    assert parts[0] == "Which of Lake Arn and Lake Bor is deeper?"
    assert any("Lake Arn" in part for part in parts[1:])
    assert any("Lake Bor" in part for part in parts[1:])


@given(st.text(max_size=300))
def test_any_question_is_planned_and_none_is_lost(question: str) -> None:
    parts = split_question(question)
    assert parts
    assert plan(question).queries
