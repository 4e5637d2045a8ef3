"""How probable each choice is by what the extractive reader found."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from cogagent.models.base import TextEmbedder
from cogagent.reading.passage import Passage, RankedSentence, Reading, SpanScorer
from cogagent.reading.quantities import equal, quantities
from cogagent.reading.question import analyse, words

FEATURES = (
    "stands",  # log of the probability that a sentence which answers holds the choice
    "words",  # the share of its words that such a sentence holds
    "span",  # what the span model says of it as the answer, where it stands
    "near",  # how near words of the question stand to it, in the sentence that speaks for it most
    "asked",  # the share of its words that the question holds already
    "alike",  # likeness in meaning to the phrase that the reader would answer with
)
SENTENCES = 30
"""Sentences that are looked at, best first; behind them hardly any probability is left."""
_READ = 6
"""Sentences that the span model reads, the best of those that hold a choice."""
_BEFORE = 400
"""Characters before a sentence that it reads, too: "he" stands for somebody."""
_UNSEEN = 0.01
"""Probability that an answer stands where it was not seen: keeps the logarithm finite."""
_SPAN_SCALE = 10.0
_NO_SPAN = -2.0
"""What the span model says, so scaled, of words that are certainly no answer."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The choices against the evidence.

    Attributes:
        probabilities: One a choice; equal where nothing of any was found.
        best: Number of the most probable choice, the first of equals.
        sentence: What speaks for it most; ``None`` where nothing of it was found.
    """

    probabilities: tuple[float, ...]
    best: int
    sentence: RankedSentence | None


class Chooser:
    """Tells choices apart by a reading of the evidence.

    A sentence answers with the probability that the reader's ranking gives it (it was
    fitted to be one); a choice is as probable as the sentences that hold it, in words
    or in equal numbers, and as the span model finds it there. The features, weighed as
    ``benchmarks/fit_choices.py`` fitted them, go through a softmax.

    Args:
        embedder: Tells likeness in meaning.
        scorer: The model that looks for answers.
        weights: One a feature; those that come with the package by default.
    """

    def __init__(
        self, embedder: TextEmbedder, scorer: SpanScorer, weights: Floats | None = None
    ) -> None:
        self._embedder = embedder
        self._scorer = scorer
        self._weights = packaged() if weights is None else weights

    def choose(
        self, question: str, choices: Sequence[str], reading: Reading, passages: Sequence[Passage]
    ) -> Chosen:
        """How probable each of ``choices`` is, if one of them is right.

        Args:
            question: As it was asked.
            choices: At least one.
            reading: What the reader found for the question.
            passages: What it read.
        """
        rows, spoken = self.features(question, choices, reading, passages)
        if all(sentence is None for sentence in spoken):
            return Chosen((1 / len(choices),) * len(choices), 0, None)
        scores = rows @ self._weights
        raised = np.exp(scores - scores.max())
        probabilities = raised / raised.sum()
        best = int(np.argmax(probabilities))
        return Chosen(tuple(probabilities.tolist()), best, spoken[best])

    def features(
        self, question: str, choices: Sequence[str], reading: Reading, passages: Sequence[Passage]
    ) -> tuple[Floats, list[RankedSentence | None]]:
        """One row of ``FEATURES`` for each choice, and the sentence that speaks for it most."""
        ranked = _ranked(reading)
        if not ranked:
            return np.zeros((len(choices), len(FEATURES))), [None] * len(choices)
        scores = np.array([sentence.score for sentence in ranked])
        chance = np.exp(scores - scores.max())
        chance = (chance / chance.sum())[:SENTENCES]
        texts = [_Text(_quoted(sentence, passages)) for sentence in ranked[:SENTENCES]]
        asked = frozenset(term.stem for term in analyse(question).terms)
        held = _Text(question).every
        offered = [_Text(choice) for choice in choices]
        places = [[choice.place_in(text) for text in texts] for choice in offered]
        spans = self._spans(question, places, ranked, passages)
        likeness = self._likeness(choices, reading, passages)
        rows: list[tuple[float, ...]] = []
        spoken: list[RankedSentence | None] = []
        for number, choice in enumerate(offered):
            whole = np.array([place is not None for place in places[number]])
            shares = np.array([choice.share_in(text.every) for text in texts])
            speaking = chance * np.maximum(whole, shares)
            most = int(np.argmax(speaking))
            spoken.append(ranked[most] if speaking[most] > 0 else None)
            rows.append(
                (
                    math.log(float(chance @ whole) + _UNSEEN),
                    float(chance @ shares),
                    spans[number],
                    choice.nearness(texts[most], asked),
                    choice.share_in(held),
                    likeness[number],
                )
            )
        return np.array(rows, np.float64), spoken

    def _spans(
        self,
        question: str,
        places: Sequence[Sequence[tuple[int, int] | None]],
        ranked: Sequence[RankedSentence],
        passages: Sequence[Passage],
    ) -> list[float]:
        """What the span model says of each choice, in the best of the sentences that hold any."""
        holding = [n for n, there in enumerate(zip(*places, strict=True)) if any(there)][:_READ]
        texts, leads = [], []
        for number in holding:
            sentence = ranked[number]
            passage = passages[sentence.passage]
            lead = f"{passage.title}\n" if passage.title.strip() else ""
            before = max(0, sentence.start - _BEFORE)
            texts.append(lead + passage.text[before : sentence.end])
            leads.append(len(lead) + sentence.start - before)
        found = [_NO_SPAN] * len(places)
        scored = self._scorer.score(question, texts) if texts else ()
        for sentence_number, lead_length, (logits, offsets) in zip(
            holding, leads, scored, strict=True
        ):
            for choice, there in enumerate(places):
                place = there[sentence_number]
                if place is None:
                    continue
                start, end = place[0] + lead_length, place[1] + lead_length
                inside = np.nonzero((offsets[:, 1] > start) & (offsets[:, 0] < end))[0]
                if len(inside):
                    total = float(logits[inside[0], 0] + logits[inside[-1], 1]) / _SPAN_SCALE
                    found[choice] = max(found[choice], min(total, -_NO_SPAN))
        return found

    def _likeness(
        self, choices: Sequence[str], reading: Reading, passages: Sequence[Passage]
    ) -> list[float]:
        start, end = reading.answer_start, reading.answer_end
        if reading.passage is None or start is None or end is None:
            return [0.0] * len(choices)
        phrase = passages[reading.passage].text[start:end]
        vectors = self._embedder.embed([phrase, *choices])
        return [float(value) for value in vectors[1:] @ vectors[0]]


@lru_cache(maxsize=1)
def packaged() -> Floats:
    """The weights that come with the package, one a feature."""
    text = resources.files("cogagent.pipelines").joinpath("choosing.json").read_text("utf-8")
    stored = json.loads(text)
    return np.array([stored[feature] for feature in FEATURES], np.float64)


class _Text:
    """A choice or a sentence: its words and numbers."""

    def __init__(self, text: str) -> None:
        self.words = words(text)
        self.every = frozenset(word.stem for word in self.words)
        self.telling = [word for word in self.words if word.content or word.stem[0].isdigit()]
        self.stems = [word.stem for word in self.telling]
        self.numbers = quantities(text)

    def place_in(self, text: _Text) -> tuple[int, int] | None:
        """Where its words stand in a row in ``text``, or numbers equal to each of its own."""
        size = len(self.stems)
        for place in range(len(text.stems) - size + 1 if size else 0):
            if text.stems[place : place + size] == self.stems:
                return text.telling[place].start, text.telling[place + size - 1].end
        equals = [
            next((there for there in text.numbers if equal(number, there, tabular=True)), None)
            for number in self.numbers
        ]
        found = [there for there in equals if there is not None]
        if not found or len(found) < len(equals):
            return None
        return min(there.start for there in found), max(there.end for there in found)

    def share_in(self, stems: frozenset[str]) -> float:
        """The share of its telling words that are among ``stems``."""
        own = set(self.stems)
        return len(own & stems) / len(own) if own else 0.0

    def nearness(self, text: _Text, asked: frozenset[str]) -> float:
        """How near words of the question stand to its own in ``text``; 0 if none does."""
        own = set(self.stems)
        places = [n for n, word in enumerate(text.words) if word.stem in own]
        return sum(
            1 / (1 + min(abs(n - place) for place in places))
            for n, word in enumerate(text.words)
            if places and word.content and word.stem in asked - own
        )


def _ranked(reading: Reading) -> Sequence[RankedSentence]:
    if reading.ranked or reading.passage is None:
        return reading.ranked
    return (RankedSentence(reading.passage, reading.start, reading.end, 0.0),)  # of a picture


def _quoted(sentence: RankedSentence, passages: Sequence[Passage]) -> str:
    return passages[sentence.passage].text[sentence.start : sentence.end]
