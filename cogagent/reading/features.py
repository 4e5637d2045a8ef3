"""Numbers that tell an answering sentence from another, and whether it answers at all."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cogagent.reading.candidates import Candidate
from cogagent.reading.evidence import Evidence, unit
from cogagent.reading.passage import FloatArray
from cogagent.reading.phrases import ANY_CHUNK, WANTED, phrases
from cogagent.reading.spans import SPAN_SCALE, best_span

FIRST_SIGHT = (
    "similarity",  # the sentence's tokens, pooled, against the whole question
    "alignment",  # each term's best token in the sentence
    "alignment_before",  # the same, in the sentence or the one before it
    "alignment_title",  # the same, in either of them or the title
    "alignment_passage",  # the same, anywhere in the passage
    "alignment_all",  # every question token, question words included
    "coverage",  # terms found as words in the sentence or its context
    "pairs",  # neighbouring terms that are neighbours here too
    "focus",  # the noun after "which" or "how many" is here
    "type",  # a phrase of the expected kind that the question does not hold already
    "lag",  # how far the passage's retrieval score lies behind the best
)
SENTENCE = (
    *FIRST_SIGHT,
    "span",  # what speaks for its best span; least for a sentence that is not looked at again
    "span_share",  # how probable that makes it among all sentences, and no answer at all
)
DECISION = (
    "similarity",
    "alignment_passage",
    "coverage",
    "coverage_passage",
    "standout",
    "span",
    "span_share",
)
"""What the decision to answer looks at: the best sentence, and how far it stands out from the
other passages."""


def first_features(evidence: Evidence) -> FloatArray:
    """Return one row of features (``FIRST_SIGHT``) for each candidate; zeros for a table row."""
    question, weights = evidence.question, evidence.weights
    asked = set(evidence.stems)
    pairs = [(a.stem, b.stem) for a, b in pairwise(question.terms)]
    worded = evidence.offsets[:, 1] > evidence.offsets[:, 0]
    top = max((passage.score for passage in evidence.passages), default=0.0)

    best = np.zeros((len(evidence.candidates), len(evidence.states)), dtype=np.float32)
    for place, candidate in enumerate(evidence.candidates):
        if candidate.similarity.size:
            best[place] = candidate.similarity.max(axis=1)
    term_best = best @ evidence.pooling.T
    title_best = evidence.title_similarity @ evidence.pooling.T
    passage_of = np.array([candidate.passage for candidate in evidence.candidates], dtype=np.int64)
    passage_best = title_best.copy()
    np.maximum.at(passage_best, passage_of, term_best)

    rows: list[tuple[float, ...]] = []
    for place, candidate in enumerate(evidence.candidates):
        if candidate.view is not None:
            rows.append((0.0,) * len(FIRST_SIGHT))
            continue
        own = term_best[place]
        before = (
            own if candidate.previous is None else np.maximum(own, term_best[candidate.previous])
        )
        titled = np.maximum(before, title_best[candidate.passage])
        content = [word.stem for word in candidate.words if word.content]
        neighbours = set(pairwise(content))
        pooled = (
            unit(candidate.states.mean(axis=0)) @ evidence.vector if len(candidate.states) else 0.0
        )
        rows.append(
            (
                float(pooled),
                weights @ own,
                weights @ before,
                weights @ titled,
                weights @ passage_best[candidate.passage],
                best[place][worded].mean() if worded.any() else 0.0,
                _share(evidence, candidate.stems | candidate.context),
                sum(pair in neighbours for pair in pairs) / max(1, len(pairs)),
                0.5
                if not question.focus
                else float(any(stem in candidate.stems for stem in question.focus)),
                float(_holds_type(evidence, candidate, asked)),
                max(-1.0, evidence.passages[candidate.passage].score - top),
            )
        )
    return np.array(rows, dtype=np.float32).reshape(-1, len(FIRST_SIGHT))


def with_spans(evidence: Evidence, first: FloatArray) -> FloatArray:
    """Return rows of ``SENTENCE``: those of ``first_features`` and what the closer look found."""
    prose = np.array([candidate.view is None for candidate in evidence.candidates])
    spans = np.array([best_span(candidate.logits)[0] for candidate in evidence.candidates])
    columns = np.stack([spans / SPAN_SCALE, _probable(spans)], axis=1) * prose[:, None]
    return np.hstack([first, columns]).astype(np.float32)


def decision_features(
    evidence: Evidence, features: FloatArray, scores: FloatArray, neutral: float
) -> FloatArray:
    """Return the features (``DECISION``) of the best sentence.

    Args:
        evidence: The evidence.
        features: Rows of ``with_spans``.
        scores: Ranking scores of the same candidates; there is at least one.
        neutral: What stands for "standout" when fewer than two other passages give no measure.

    Returns:
        One row. "standout" is the best score less the median of the other passages' best; a
        median, so that a second document that says the same does not speak against the first.
    """
    place = int(np.argmax(scores))
    passage = evidence.candidates[place].passage
    others: dict[int, float] = {}
    for candidate, score in zip(evidence.candidates, scores.tolist(), strict=True):
        if candidate.passage != passage:
            others[candidate.passage] = max(score, others.get(candidate.passage, -math.inf))
    standout = (
        float(scores[place]) - float(np.median(list(others.values())))
        if len(others) > 1
        else neutral
    )
    row = features[place]
    named = dict(zip(SENTENCE, row.tolist(), strict=True))
    named["coverage_passage"] = _share(evidence, evidence.passage_stems[passage])
    named["standout"] = standout
    return np.array([named[name] for name in DECISION], dtype=np.float32)


def _probable(spans: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the sentences' best spans and the logit 0, which is no answer's."""
    top = max(0.0, float(spans.max(initial=0.0)))
    odds = np.exp(spans - top)
    return np.asarray(odds / (odds.sum() + math.exp(-top)), dtype=np.float64)


def _share(evidence: Evidence, stems: frozenset[str]) -> float:
    weighed: list[float] = evidence.weights.tolist()
    return sum(
        weight for stem, weight in zip(evidence.stems, weighed, strict=True) if stem in stems
    )


def _holds_type(evidence: Evidence, candidate: Candidate, asked: set[str]) -> bool:
    wanted = WANTED.get(evidence.question.expected, ANY_CHUNK)
    text = evidence.passages[candidate.passage].text[candidate.start : candidate.end]
    for phrase in phrases(text):
        if phrase.kinds & wanted:
            inside = [
                w.stem
                for w in candidate.words
                if w.content and w.start >= phrase.start and w.end <= phrase.end
            ]
            if inside and not asked.issuperset(inside):
                return True
    return False
