"""Multiple choice: which choices are allowed, and how probable each is held to be."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from cogagent.errors import InputError, ModelError
from cogagent.models.mllm import (
    DEFAULTS,
    Capabilities,
    Generated,
    Message,
    Options,
    Token,
    said,
)
from cogagent.pipelines.choices import LETTERS, checked_choices, level, likeliest, listed
from cogagent.pipelines.choosing import FEATURES, Chooser, packaged
from cogagent.pipelines.weighing import NONE_NAMED, UNKNOWN, Weighed, weigh
from cogagent.reading.passage import Passage, RankedSentence, Reading
from cogagent.reading.question import AnswerType
from cogagent.testing.doubles import HashTextEmbedder, ScriptedMLLM

CHOICES = ("Ada Lowell", "1931", "40 m", "in winter")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([], "there are 0 choices"),
        (["one"], "there are 1 choices"),
        ([str(n) for n in range(27)], "there are 27 choices"),
        (["a", ""], "choice 2 is empty"),
        (["a", " \n"], "choice 2 is empty"),
        (["a", "b", "A "], "choices 1 and 3 are the same"),
        (["New  York", "new york"], "choices 1 and 2 are the same"),
        (["a", "x" * 1001], "choice 2 has 1001 characters"),
        (["a", 3], "choice 2 is a int"),
        ("ab", "the choices are a str"),
        (b"ab", "the choices are a bytes"),
        (7, "the choices are a int"),
    ],
)
def test_choices_that_cannot_be_told_apart_are_refused(choices: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked_choices(choices)


def test_choices_keep_their_order_and_words() -> None:
    assert checked_choices(None) == ()
    assert checked_choices(iter([" b\n", "A  a"])) == ("b", "A  a")
    assert listed(["x\ny", "z"]) == "A. x y\nB. z"
    assert len(checked_choices(list(LETTERS))) == 26
    assert level(["a", "b"]) == {"a": 0.5, "b": 0.5}
    assert likeliest({"a": 0.2, "b": 0.4, "c": 0.4}) == "b"


# --- the extractive reader -------------------------------------------------

PASSAGES = [
    Passage("Kestrel Dam was finished in 1931 by Ada Lowell. It cost $1.2 million."),
    Passage("The path is closed in winter. Nobody swims there."),
]


def reading(*scores: float, phrase: str = "") -> Reading:
    """A ranking of the four sentences, with a phrase of the first."""
    places = [(0, 0, 47), (0, 48, 69), (1, 0, 29), (1, 30, 49)]
    ranked = sorted(
        (RankedSentence(*place, score) for place, score in zip(places, scores, strict=True)),
        key=lambda sentence: -sentence.score,
    )
    start = PASSAGES[0].text.find(phrase) if phrase else None
    return Reading(
        answered=True, confidence=0.9, passage=ranked[0].passage, start=ranked[0].start,
        end=ranked[0].end, answer_start=start,
        answer_end=None if start is None else start + len(phrase), ranked=tuple(ranked),
        expected=AnswerType.PHRASE, missing=(),
    )  # fmt: skip


class NoSpans:
    """Finds every word as likely an answer as none."""

    def score(self, question: str, texts: Sequence[str]) -> list[Any]:
        found = []
        for text in texts:
            places = [match.span() for match in re.finditer(r"\w+", text)]
            found.append((np.zeros((len(places), 2), np.float32), np.array(places)))
        return found


def choose(question: str, choices: Sequence[str], found: Reading) -> tuple[list[float], str]:
    chosen = Chooser(HashTextEmbedder(), NoSpans()).choose(question, choices, found, PASSAGES)
    assert sum(chosen.probabilities) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in chosen.probabilities)
    assert chosen.probabilities[chosen.best] == max(chosen.probabilities)
    place = chosen.sentence
    text = "" if place is None else PASSAGES[place.passage].text[place.start : place.end]
    return list(chosen.probabilities), text


def test_the_choice_that_the_best_sentence_holds_is_the_most_probable() -> None:
    found = reading(5, 0, 0, 0, phrase="Ada Lowell")
    (ada, winter, other), text = choose(
        "Who finished Kestrel Dam?", ["Ada Lowell", "in winter", "Grace Hopper"], found
    )
    assert ada > winter > other
    assert text == "Kestrel Dam was finished in 1931 by Ada Lowell."


def test_doubt_about_the_sentence_is_doubt_about_the_choice() -> None:
    choices = ["Ada Lowell", "winter"]
    sure, _ = choose("Which?", choices, reading(6, 0, 0, 0))
    unsure, _ = choose("Which?", choices, reading(1, 0, 0.9, 0))
    assert sure[0] > unsure[0] > 0.5


@pytest.mark.parametrize("number", ["$1,200,000", "1.2 million dollars", "1.2m"])
def test_equal_numbers_are_one_choice_however_they_are_written(number: str) -> None:
    found = reading(0, 5, 0, 0)
    (right, wrong), text = choose("What did it cost?", [number, "$3,100,000"], found)
    assert right > 0.5 > wrong
    assert text == "It cost $1.2 million."


def test_where_nothing_stands_for_any_choice_they_are_equal() -> None:
    shares, text = choose("Who?", ["Grace Hopper", "Alan Turing", "no"], reading(5, 0, 0, 0))
    assert shares == pytest.approx([1 / 3] * 3)
    assert text == ""


def test_odd_choices_and_empty_readings_do_no_harm() -> None:
    choices = ["\u2014", "\U0001f600", "it", "\u6c34", "x" * 1000]
    assert choose("?", choices, reading(1, 1, 1, 1))[0] == pytest.approx([0.2] * 5)
    nothing = Reading(False, 0.0, None, 0, 0, None, None, (), AnswerType.PHRASE, ())
    assert choose("?", ["a", "b"], nothing)[0] == [0.5, 0.5]


def test_the_packaged_weights_name_every_feature() -> None:
    assert packaged().shape == (len(FEATURES),)


# --- language models -------------------------------------------------------

MESSAGES = [said("user", "Which? Reply with its letter as JSON.")]


class Weighing(ScriptedMLLM):
    """Writes the letter that the schema asks for, as probable as it is told."""

    def __init__(self, chances: Mapping[str, float], **can: bool) -> None:
        able = Capabilities(**{"structured": True, "probabilities": True, **can})
        super().__init__(self._write, able)
        self.chances = chances

    def _write(self, messages: Sequence[Message], options: Options) -> str:
        if options.structure is None:
            return f"I think {max(self.chances, key=lambda letter: self.chances[letter])}."
        letters = options.structure["properties"]["choice"]["enum"]
        return json.dumps({"choice": max(letters, key=lambda letter: self.chances[letter])})

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        made = await super().generate(messages, options)
        letter = made.text.split('"')[-2] if options.structure else "A"
        chance = math.log(self.chances[letter])
        tokens = (Token(text=made.text, logprob=chance),) if options.probabilities else ()
        return made.model_copy(update={"tokens": tokens})


def weighed(model: ScriptedMLLM, choices: Sequence[str] = CHOICES) -> Weighed:
    return asyncio.run(weigh(model, MESSAGES, choices))


def test_a_models_probabilities_are_scaled_to_one() -> None:
    model = Weighing({"A": 0.1, "B": 0.2, "C": 0.05, "D": 0.05})
    found = weighed(model)
    assert found.distribution == pytest.approx(
        dict(zip(CHOICES, (0.25, 0.5, 0.125, 0.125), strict=True))
    )
    assert (found.named, found.warnings, len(found.usage)) == (True, (), 4)
    assert all(messages == tuple(MESSAGES) for messages, _ in model.asked)


@pytest.mark.parametrize("able", [{"probabilities": False}, {"structured": False}, {}])
def test_without_probabilities_the_named_choice_has_it_all(able: dict[str, bool]) -> None:
    # Without a restriction these are told among what the schema allows: no distribution.
    found = weighed(Weighing({"A": 0.9, "B": 0.99, "C": 0.9, "D": 0.9}, **able))
    assert found.distribution == dict(zip(CHOICES, (0.0, 1.0, 0.0, 0.0), strict=True))
    assert found.warnings == (UNKNOWN,)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"choice": "C"}', 2),
        ('{"choice": " C "}', 2),
        ("The answer is C.", 2),
        ("(C)", 2),
        ("I would say C, and not a shade less.", 2),
        ("A or C", None),
        ('{"choice": "E"}', None),
        ("CAD", None),
        ("I cannot tell.", None),
        ("", None),
        ('["C"]', 2),
        ("[" * 5000, None),
    ],
)
def test_the_letter_is_found_or_not(text: str, named: int | None) -> None:
    found = weighed(ScriptedMLLM([text], Capabilities()))
    assert found.named is (named is not None)
    if named is None:
        assert found.distribution == level(CHOICES)
        assert found.warnings == (NONE_NAMED,)
    else:
        assert found.distribution[CHOICES[named]] == 1.0


def test_a_model_that_fails_is_an_error() -> None:
    with pytest.raises(ModelError, match="out of breath"):
        weighed(ScriptedMLLM([ModelError("out of breath.")] * 4))
