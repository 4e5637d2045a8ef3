from __future__ import annotations

import pytest

from cogagent.reading.passage import Passage
from cogagent.reading.pictures import read_pictures

PALACE = Passage("Shows: palace.\nColours: grey, blue.\nEntrance", "image", "china")
FLOWER = Passage("Colours: green, orange.\n", "image", "flower")
TEXT = Passage("The palace is grey.", "text", "Guide")


def read(question: str, *passages: Passage) -> str | None:
    reading = read_pictures(question, passages)
    if reading is None or reading.passage is None:
        return None
    assert reading.answered
    assert reading.answer_start is not None
    return passages[reading.passage].text[reading.answer_start : reading.answer_end]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which picture shows a palace?", "palace"),
        ("What does the photograph show?", "palace"),
        ("What is in the picture?", "palace"),
        ("What colours does the picture of the palace have?", "grey, blue"),
        ("What colours does the picture of the flower have?", "green, orange"),
        ("Which picture shows an orange flower?", "green, orange"),
    ],
)
def test_the_picture_that_is_meant_says_what_it_shows(question: str, answer: str) -> None:
    assert read(question, TEXT, PALACE, FLOWER) == answer


@pytest.mark.parametrize("question", ["Who built the palace?", "How much is a ticket?", ""])
def test_other_questions_are_left_alone(question: str) -> None:
    assert read(question, TEXT, PALACE) is None


def test_without_pictures_there_is_nothing_to_say() -> None:
    assert read("What does the picture show?", TEXT) is None
