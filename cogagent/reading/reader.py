"""The extractive reader: it quotes the sentence or row that answers, or says that none does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cogagent.reading import narrowing
from cogagent.reading.candidates import Candidate, RowView
from cogagent.reading.cells import place_of
from cogagent.reading.closer import look_closer
from cogagent.reading.evidence import Evidence, gather
from cogagent.reading.features import decision_features, first_features, with_spans
from cogagent.reading.passage import (
    Encoder,
    FloatArray,
    Passage,
    RankedSentence,
    Reading,
    SpanScorer,
)
from cogagent.reading.question import Question, analyse
from cogagent.reading.spans import best_span
from cogagent.reading.table_features import (
    TABLE_DECISION,
    row_features,
    table_decision_features,
)
from cogagent.reading.values import periods
from cogagent.reading.weights import Weights

MAX_PASSAGES = 6
"""How many passages are read: the answer stands in the first three for all but a few questions."""
_OTHER_PERIOD = -3.0
"""Most that speaks for a row of another year, month or day than was asked for."""
_CLEAR = 0.03
"""How much more alike the question a column has to be that it names in other words."""


class ExtractiveReader:
    """Reads retrieved passages for the sentence that answers a question.

    Example:
        >>> reader = ExtractiveReader(encoder, scorer)
        >>> passages = [Passage("The mill was built by Ada Byron in 1843.")]
        >>> reading = reader.read("Who built the mill?", passages)
        >>> passages[reading.passage].text[reading.start : reading.end]
        'The mill was built by Ada Byron in 1843.'
    """

    def __init__(
        self, encoder: Encoder, scorer: SpanScorer, weights: Weights | None = None
    ) -> None:
        """Make a reader.

        Args:
            encoder: The text model.
            scorer: The model that looks for answers.
            weights: Fitted weights; the packaged ones by default.
        """
        self._encoder = encoder
        self._scorer = scorer
        self._weights = weights or Weights.packaged()

    def read(self, question: str, passages: Sequence[Passage]) -> Reading:
        """Find the sentence that answers a question.

        Args:
            question: The question; any string is allowed.
            passages: What was retrieved, best first; the first six are read.

        Returns:
            The best sentence, the phrase in it, the ranking, and whether the sentence is offered
            as the answer. Every range quotes a passage exactly.
        """
        asked = analyse(question)
        evidence = gather(asked, passages[:MAX_PASSAGES], self._encoder)
        if not evidence.candidates:
            missing = tuple(dict.fromkeys(question[term.start : term.end] for term in asked.terms))
            return Reading(False, 0.0, None, 0, 0, None, None, (), asked.expected, missing)
        features = examine(evidence, self._scorer, self._weights.first)
        rows = row_features(evidence)
        scores = candidate_scores(features, rows, self._weights)
        order = np.argsort(-scores, kind="stable")
        best = evidence.candidates[int(order[0])]
        confidence = self._confidence(evidence, features, rows, scores)
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

    def _confidence(
        self, evidence: Evidence, features: FloatArray, rows: FloatArray, scores: FloatArray
    ) -> float:
        weights = self._weights
        if evidence.candidates[int(np.argmax(scores))].view is None:
            row = decision_features(evidence, features, scores, weights.neutral_standout)
            margin = float(row @ weights.decision) + weights.decision_bias
        else:
            row = table_decision_features(evidence, rows, scores)
            margin = float(row @ weights.table_decision) + weights.table_decision_bias
            if row[TABLE_DECISION.index("period_other")]:
                margin = min(margin, _OTHER_PERIOD)
        return 1.0 / (1.0 + math.exp(-margin))

    def _narrow(self, evidence: Evidence, place: int) -> tuple[int, int] | None:
        best = evidence.candidates[place]
        passage = evidence.passages[best.passage]
        question = evidence.question
        if best.view is not None:
            choice = best.view.choice
            if choice.column is None and choice.part == "value":
                choice = replace(choice, column=self._column(question, best.view))
            return place_of(passage.text, best.view.table, best.view.row, choice, evidence.wish)
        if question.expected in narrowing.STANDS_ALONE:
            return self._stretch(best) if question.expected in narrowing.STRETCHES else None
        return self._phrase(evidence, place, passage.text[best.start : best.end])

    @staticmethod
    def _stretch(best: Candidate) -> tuple[int, int] | None:
        """The part of a sentence that tells why or how, where the span model is sure of one."""
        score, first, last = best_span(best.logits)
        if score <= 0:
            return None
        return best.start + int(best.pieces[first, 0]), best.start + int(best.pieces[last, 1])

    def _column(self, question: Question, view: RowView) -> int | None:
        """Choose among columns that the question names in other words, if at all."""
        columns = [n for n in view.row.filled() if view.row.columns[n]]
        if len(columns) < 2 or any(periods(view.row.columns[n]) for n in columns):
            return None
        shown = [f"{view.row.label}, {view.row.columns[n]}" for n in columns]
        vectors = self._encoder.embed([question.text, *shown])
        alike = vectors[1:] @ vectors[0]
        order = np.argsort(-alike, kind="stable")
        return columns[order[0]] if alike[order[0]] > alike[order[1]] + _CLEAR else None

    def _phrase(self, evidence: Evidence, place: int, text: str) -> tuple[int, int] | None:
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
        start, end = narrowing.with_sign(text, start, end)
        return best.start + start, best.start + end


def examine(evidence: Evidence, scorer: SpanScorer, first: FloatArray) -> FloatArray:
    """Look at the sentences, at the best of them twice, and return their features.

    Args:
        evidence: Its candidates get what the span model says of them.
        scorer: The span model.
        first: Weights of the features at first sight.
    """
    seen = first_features(evidence)
    look_closer(evidence, seen @ first, scorer)
    return with_spans(evidence, seen)


def candidate_scores(features: FloatArray, rows: FloatArray, weights: Weights) -> FloatArray:
    """Return the ranking scores of all candidates.

    Args:
        features: Rows of :func:`examine`, zeros for a table row.
        rows: Rows of ``row_features``, zeros for a sentence.
        weights: Fitted weights.
    """
    return np.asarray(features @ weights.sentence + rows @ weights.row, dtype=np.float32)
