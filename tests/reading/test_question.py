from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.question import AnswerType, analyse, stem, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who built the bridge?", AnswerType.PERSON),
        ("Which engineer designed it?", AnswerType.PERSON),
        ("When did the war end?", AnswerType.DATE),
        ("In what year did it open?", AnswerType.DATE),
        ("Where is the museum?", AnswerType.PLACE),
        ("What city hosts the fair?", AnswerType.PLACE),
        ("How many goals were scored?", AnswerType.NUMBER),
        ("How much money did it cost?", AnswerType.MONEY),
        ("What percentage of voters agreed?", AnswerType.PERCENT),
        ("How long is the river?", AnswerType.MEASURE),
        ("Why did the bank fail?", AnswerType.REASON),
        ("How does a pump work?", AnswerType.MANNER),
        ("Is the tower open?", AnswerType.YES_NO),
        ("What is photosynthesis?", AnswerType.DEFINITION),
        ("What powers the engine?", AnswerType.PHRASE),
        ("tower height keywords", AnswerType.PHRASE),
    ],
)
def test_wording_tells_the_expected_answer(text: str, expected: AnswerType) -> None:
    assert analyse(text).expected is expected


def test_the_noun_of_the_question_word_is_the_focus() -> None:
    assert analyse("How many goals did she score?").focus == ("goal",)
    assert analyse("Which river crosses the city?").focus[:1] == ("river",)


def test_words_keep_numbers_whole_and_drop_possessives() -> None:
    text = "Ada's 1,496.5 engines"
    assert [(text[w.start : w.end], w.stem) for w in words(text)] == [
        ("Ada's", "ada"),
        ("1,496.5", "1496.5"),
        ("engines", "engin"),
    ]


@given(st.text())
def test_any_string_can_be_taken_apart(text: str) -> None:
    question = analyse(text)
    assert all(0 <= term.start < term.end <= len(text) for term in question.terms)


@pytest.mark.parametrize(
    ("question", "defines"),
    [
        ("What is an aquifer?", True),
        ("Who was Ada Byron?", True),
        ("What was the revenue in 2018?", False),
        ("What is the capital of Norway?", False),
    ],
)
def test_only_questions_for_a_meaning_ask_for_a_definition(question: str, defines: bool) -> None:
    assert (analyse(question).expected is AnswerType.DEFINITION) is defines


def test_threads_do_not_get_in_each_other_s_way() -> None:
    every = [f"{first}{ending}" for first in _BEGINNINGS for ending in ("ing", "ies", "edly", "s")]
    alone = [stem(word) for word in every]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        stem.cache_clear()
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda part: [stem(w) for w in part], [every, every[::-1]] * 4))
    finally:
        sys.setswitchinterval(interval)
    assert all(part in (alone, alone[::-1]) for part in found)


_BEGINNINGS = [a + b + c for a in "bdfklm" for b in "aeiou" for c in ("ck", "rt", "mm", "st")]
