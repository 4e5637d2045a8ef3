"""Follow-ups are made to stand alone, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.planners.base import Turn
from cogagent.planners.followups import standalone


def read(question: str, before: str, short: str = "") -> str:
    return standalone(question, (Turn(question=before, short=short),))[0]


@pytest.mark.parametrize(
    ("before", "short", "question", "expected"),
    [
        ("Who built the Aswan Dam?", "Nasser", "When was it finished?",
         "When was the Aswan Dam finished?"),
        ("Who directed Heat?", "Michael Mann", "Where was he born?",
         "Where was Michael Mann born?"),
        ("Who directed Heat?", "Michael Mann", "What is his nationality?",
         "What is Michael Mann's nationality?"),
        ("Who wrote Frankenstein?", "Mary Shelley", "When did her husband die?",
         "When did Mary Shelley's husband die?"),
        ("Who is Marie Curie?", "a physicist", "Did she win?", "Did Marie Curie win?"),
        ("What was the revenue of Apple in 2018?", "$1", "And in 2019?",
         "What was the revenue of Apple in 2019?"),
        ("What was the revenue of Apple in 2018?", "$1", "What about the net income?",
         "What was the net income of Apple in 2018?"),
        ("What is the population of Paris?", "2m", "What about Lyon?",
         "What is the population of Lyon?"),
        ("How many cars were sold?", "", "how about 2020", "How many cars were sold in 2020?"),
        ("When was Ada Lovelace born?", "1815", "Where?", "Where was Ada Lovelace born?"),
        ("Who directed Heat?", "Michael Mann", "And who wrote it?", "Who wrote Heat?"),
        ("Where was Ada Lovelace born?", "London", "How many people live there?",
         "How many people live in London?"),
        ("What is the capital of France?", "Paris", "How many people live there?",
         "How many people live in Paris?"),
        ("When was the Battle of Hastings?", "1066", "What happened after that?",
         "What happened after the Battle of Hastings?"),
        ("Which bands played at Woodstock?", "", "Tell me more about them",
         "Tell me more about Woodstock"),
    ],
)  # fmt: skip
def test_follow_ups(before: str, short: str, question: str, expected: str) -> None:
    assert read(question, before, short) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is the tallest mountain in Peru?",
        "Is it true that water boils at 100 degrees?",
        "How long does it take to boil an egg?",
        "Who built the dam and when was it finished?",
        "How old was John when he died?",
        "Are there any exceptions?",
        "How many kinds of trout are there?",
        "Why is it common for boilers to rust?",
        "Which painter of lakes was praised for his blue skies?",
        "Who may demand that its members vote?",
        "What does the report say about trout that live in lakes?",
        "Which of these statements is about the sea?",
        "Thanks!",
        "ok",
    ],
)
def test_what_stands_alone_is_not_touched(question: str) -> None:
    assert read(question, "Who directed Heat?", "Michael Mann") == ""


def test_without_a_conversation_nothing_is_read_into_a_question() -> None:
    assert standalone("When was it finished?", ()) == ("", "")


def test_what_is_meant_may_lie_further_back() -> None:
    turns = (
        Turn(question="Who built the Aswan Dam?", short="Nasser"),
        Turn(question="how high?", resolved="how high?", short="111 metres"),
    )
    assert standalone("When was it finished?", turns)[0] == "When was the Aswan Dam finished?"


def test_a_follow_up_of_a_follow_up_uses_what_that_was_read_as() -> None:
    turns = (
        Turn(question="Who built the Aswan Dam?"),
        Turn(question="When was it begun?", resolved="When was the Aswan Dam begun?"),
    )
    assert standalone("And who paid for it?", turns)[0] == "Who paid for the Aswan Dam?"


def test_it_says_why() -> None:
    turns = (Turn(question="Who directed Heat?", short="Michael Mann"),)
    assert "Who directed Heat?" in standalone("Where was he born?", turns)[1]


@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=80))
def test_anything_can_be_asked_after_anything(question: str, before: str, short: str) -> None:
    result, why = standalone(question, (Turn(question=before, short=short),))
    assert bool(result) == bool(why)


def test_it_beside_somebody_is_no_person() -> None:
    turns = [Turn(question="Who founded the station?", short="Edith Marrow")]
    read, _ = standalone("And when did she do it?", turns)
    assert "do Edith Marrow" not in read
    assert "Edith Marrow" in read
