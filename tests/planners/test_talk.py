"""Small talk: what is said to the assistant, and what only looks like it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.planners.talk import is_small_talk


@pytest.mark.parametrize(
    "text",
    [
        "Hi", "hello!!", "HELLO", "Good morning", "Hey there, how are you today?",
        "How's it going?", "What\u2019s up?", "Thanks a lot!", "thank you for your help, bye",
        "See you later", "Have a nice weekend!", "Who are you?", "what can you do",
        "Are you a robot?", "Do you like music?", "What is your favourite colour?",
        "Tell me a joke", "I'm bored", "I am very happy today", "you are great",
        "Sorry about that",
        "Nice to meet you too", "ok", "lol", "That's all, thanks", "Can you help me?",
        "Happy birthday", "hi :)",
    ],
)  # fmt: skip
def test_small_talk_is_known(text: str) -> None:
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "?", "Who is he?", "Thanks, and who directed it?",
        "Hi! What was Germany's GDP in 2019?",
        "What are your opening hours?", "What is your refund policy?", "Good Morning America",
        "Hello Dolly", "Can you tell me the age of the universe?", "Do you know who wrote Hamlet?",
        "Tell me about Paris", "When did they meet?", "What is love?", "Help with the tax form",
        "Who are The Who?", "What is happening in the second chapter?", "How are you, Route 66?",
        "What does the report say?", "Say what the third figure shows",
        "Could you find the population of Norway?", "A black dog and a spotted dog are fighting",
    ],
)  # fmt: skip
def test_what_documents_may_answer_is_none(text: str) -> None:
    assert not is_small_talk(text)


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    is_small_talk(text)


@pytest.mark.parametrize("piece", ["hi ", "so ", "i'm so ", "bye-", "test ", "thanks a ", "you "])
def test_long_texts_cost_nothing(piece: str) -> None:
    started = time.perf_counter()
    is_small_talk((piece * 300)[:299] + "x")
    assert time.perf_counter() - started < 0.5
