"""The extractive reader: it finds the sentence that answers and quotes it, or says that the passages do not answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cogagent.reading import narrowing, tables
from cogagent.reading.evidence import Evidence, gather
from cogagent.reading.features import decision_features, sentence_features
from cogagent.reading.passage import Encoder, FloatArray, Passage, RankedSentence, Reading
from cogagent.reading.question import Question, analyse
from cogagent.reading.weights import Weights

MAX_PASSAGES = 6
"""How many passages are read: the answer stands in the first three for all but a few questions."""


class ExtractiveReader:
    """Reads retrieved passages for the sentence that answers a question.

    Example:
        >>> reader = ExtractiveReader(encoder)
        >>> passages = [Passage("The mill was built by Ada Byron in 1843.")]
        >>> reading = reader.read("Who built the mill?", passages)
        >>> passages[reading.passage].text[reading.start : reading.end]
        'The mill was built by Ada Byron in 1843.'
    """

    def __init__(self, encoder: Encoder, weights: Weights | None = None) -> None:
        """Make a reader.

        Args:
            encoder: The text model.
            weights: Fitted weights; the packaged ones by default.
        """
        self._encoder = encoder
        self._weights = weights or Weights.packaged()

    def read(self, question: str, passages: Sequence[Passage]) -> Reading:
        """Find the sentence that answers a question.

        Args:
            question: The question; any string is allowed.
            passages: What was retrieved, best first; the first six are read.

        Returns:
            The best sentence, the phrase in it, the ranking, and whether the sentence is offered as the answer. Every
            range quotes a passage exactly.
        """
        asked = analyse(question)
        evidence = gather(asked, passages[:MAX_PASSAGES], self._encoder)
        if not evidence.candidates:
            missing = tuple(dict.fromkeys(question[term.start : term.end] for term in asked.terms))
            return Reading(False, 0.0, None, 0, 0, None, None, (), asked.expected, missing)
        features = sentence_features(evidence)
        scores = features @ self._weights.sentence
        order = np.argsort(-scores, kind="stable")
        best = evidence.candidates[int(order[0])]
        confidence = self._confidence(evidence, features, scores)
        phrase = self._narrow(evidence, int(order[0]))
        held = evidence.passage_stems[best.passage]
        return Reading(
            answered=confidence >= self._weights.threshold,
            confidence=confidence,
            passage=best.passage,
            start=best.start,
            end=best.end,
            answer_start=phrase[0] if phrase else None,
            answer_end=phrase[1] if phrase else None,
            ranked=tuple(
                RankedSentence(c.passage, c.start, c.end, float(scores[place]))
                for place in order.tolist()
                for c in (evidence.candidates[place],)
            ),
            expected=asked.expected,
            missing=tuple(
                dict.fromkeys(question[t.start : t.end] for t in asked.terms if t.stem not in held)
            ),
        )

    def _confidence(self, evidence: Evidence, features: FloatArray, scores: FloatArray) -> float:
        row = decision_features(evidence, features, scores, self._weights.neutral_standout)
        return 1.0 / (
            1.0 + math.exp(-float(row @ self._weights.decision) - self._weights.decision_bias)
        )

    def _narrow(self, evidence: Evidence, place: int) -> tuple[int, int] | None:
        best = evidence.candidates[place]
        passage = evidence.passages[best.passage]
        question = evidence.question
        if passage.kind == "table":
            return tables.cell_for(
                question, passage.text, tables.parse(passage.text), (best.start, best.end)
            )
        if question.expected in narrowing.STANDS_ALONE:
            return None
        return self._phrase(evidence, place, question, passage.text[best.start : best.end])

    def _phrase(
        self, evidence: Evidence, place: int, question: Question, text: str
    ) -> tuple[int, int] | None:
        best = evidence.candidates[place]
        ranges, known = narrowing.spans(text, best)
        if not ranges or not best.similarity.size:
            return None
        rows = narrowing.span_features(evidence, best, text, ranges, known)
        short = np.argsort(-(rows @ self._weights.span), kind="stable")[: narrowing.SHORTLIST]
        chosen = [text[slice(*ranges[n])] for n in short]
        embedded = narrowing.salience(text, chosen, self._encoder)
        start, end = ranges[
            int(short[np.argmax(np.hstack([rows[short], embedded]) @ self._weights.span_embedded)])
        ]
        return best.start + start, best.start + end
