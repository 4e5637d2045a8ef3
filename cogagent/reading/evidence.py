"""The sentences and table rows of the passages, seen through the text model beside the question.

Each passage is run through the model once. A sentence's token states are cut out of its passage's,
so that a pronoun or a shortened name has been read together with what it stands for, and no
sentence has to be embedded
on its own. A table row is seen as its label with the headings that belong to it; the model makes
nothing of its
figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cogagent.reading.candidates import Candidate, Window, best_rows, best_windows, cut
from cogagent.reading.passage import Encoder, FloatArray, IntArray, Passage
from cogagent.reading.question import Question
from cogagent.reading.wishes import Wish, wish


@dataclass(slots=True)
class Evidence:
    """All that the features are computed from.

    Attributes:
        question: The question, taken apart.
        wish: What it asks of a table.
        passages: The passages that were read.
        states: States of the question's tokens.
        offsets: Character ranges of the question's tokens.
        vector: The question's vector, of length one.
        stems: The question's different content stems, in order.
        weights: How much each of them tells sentences apart; they sum to one.
        pooling: One row a stem: the mean over its tokens.
        candidates: The sentences and rows.
        title_similarity: One row a passage: the best similarity of each question token to what
            stands above it.
        passage_stems: Stems of each passage and what stands above it.
    """

    question: Question
    wish: Wish
    passages: Sequence[Passage]
    states: FloatArray
    offsets: IntArray
    vector: FloatArray
    stems: list[str]
    weights: FloatArray
    pooling: FloatArray
    candidates: list[Candidate]
    title_similarity: FloatArray
    passage_stems: list[frozenset[str]]


def unit(vectors: FloatArray) -> FloatArray:
    """Scale vectors to length one."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-9), dtype=np.float32)


def gather(question: Question, passages: Sequence[Passage], encoder: Encoder) -> Evidence:
    """Cut the passages into sentences and rows and look at them through the model.

    Args:
        question: The question, taken apart.
        passages: What was retrieved, best first.
        encoder: The text model.

    Returns:
        The evidence; ``candidates`` is empty when the passages hold no text.
    """
    states, offsets = encoder.token_states([question.text])[0]
    if not len(states):  # white space and the like: it asks nothing
        states, offsets, passages = np.zeros((1, states.shape[1]), np.float32), offsets[:0], ()
    stems = list(dict.fromkeys(term.stem for term in question.terms))
    asked = wish(question)
    candidates, passage_stems, windows = cut(passages, asked)
    weights = _weights(stems, candidates)
    weight = dict(zip(stems, weights.tolist(), strict=True))
    windows = [
        *best_windows([w for w in windows if w.members], candidates, weight),
        *(w for w in windows if not w.members),
    ]
    candidates, windows = _kept(candidates, windows, best_rows(candidates, weight))
    evidence = Evidence(
        question=question,
        wish=asked,
        passages=passages,
        states=unit(states),
        offsets=offsets,
        vector=unit(states.mean(axis=0)),
        stems=stems,
        weights=weights,
        pooling=_pooling(question, stems, offsets),
        candidates=candidates,
        title_similarity=np.zeros((len(passages), len(states)), dtype=np.float32),
        passage_stems=passage_stems,
    )
    _look(evidence, windows, encoder)
    return evidence


def _weights(stems: list[str], candidates: list[Candidate]) -> FloatArray:
    """Weigh a stem by how few of the sentences hold it: what all hold does not tell them apart."""
    total = len(candidates)
    raw = [
        math.log(1 + total / (0.5 + sum(stem in c.stems for c in candidates))) for stem in stems
    ]
    return np.asarray(raw, dtype=np.float32) / (sum(raw) or 1.0)


def _kept(
    candidates: list[Candidate], windows: list[Window], rows: list[int]
) -> tuple[list[Candidate], list[Window]]:
    """Leave out the candidates that are not looked at, and number the others anew."""
    places = sorted([*(place for window in windows for place in window.members), *rows])
    number = {old: new for new, old in enumerate(places)}
    for place in places:
        previous = candidates[place].previous
        candidates[place].previous = None if previous is None else number.get(previous)
    renamed = [
        replace(window, members=tuple(number[place] for place in window.members))
        for window in windows
    ]
    return [candidates[place] for place in places], renamed


def _pooling(question: Question, stems: list[str], offsets: IntArray) -> FloatArray:
    pooling = np.zeros((len(stems), len(offsets)), dtype=np.float32)
    for term in question.terms:
        pooling[stems.index(term.stem), overlapping(offsets, term.start, term.end)] = 1.0
    return np.asarray(
        pooling / np.maximum(pooling.sum(axis=1, keepdims=True), 1.0), dtype=np.float32
    )


def overlapping(offsets: IntArray, start: int, end: int) -> IntArray:
    """Return the places of the tokens that overlap a character range."""
    found = (offsets[:, 1] > start) & (offsets[:, 0] < end) & (offsets[:, 1] > offsets[:, 0])
    return np.nonzero(found)[0]


def _look(evidence: Evidence, windows: list[Window], encoder: Encoder) -> None:
    rows = [(c, c.view.text) for c in evidence.candidates if c.view]
    texts = [w.prefix + evidence.passages[w.passage].text[w.start : w.end] for w in windows]
    texts += [text for _, text in rows]
    seen = encoder.token_states(texts) if texts else ()
    for window, (states, offsets) in zip(windows, seen[: len(windows)], strict=True):
        similarity = evidence.states @ unit(states).T
        title = overlapping(offsets, 0, len(window.prefix))
        if len(title):
            best = similarity[:, title].max(axis=1)
            evidence.title_similarity[window.passage] = np.maximum(
                evidence.title_similarity[window.passage], best
            )
        shift = len(window.prefix) - window.start
        for place in window.members:
            candidate = evidence.candidates[place]
            tokens = overlapping(offsets, candidate.start + shift, candidate.end + shift)
            candidate.states = states[tokens]
            candidate.offsets = offsets[tokens] - (candidate.start + shift)
            candidate.similarity = similarity[:, tokens]
    for (candidate, _), (states, offsets) in zip(rows, seen[len(windows) :], strict=True):
        if len(states):
            candidate.states, candidate.offsets = states, offsets
            candidate.similarity = evidence.states @ unit(states).T
