"""The sentences of the passages, seen through the text model beside the question.

Each passage is run through the model once. A sentence's token states are cut out of its passage's, so that a pronoun or
a shortened name has been read together with what it stands for, and no sentence has to be embedded on its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cogagent.documents.sentences import sentences
from cogagent.reading import tables
from cogagent.reading.passage import Encoder, FloatArray, IntArray, Passage
from cogagent.reading.question import Question, Word, words

WINDOW = {"text": 1200, "table": 600, "image": 1200}
"""Characters run through the model at once, so that the tokens stay below its 256; digits take more tokens."""
MAX_WINDOWS = 5
"""Most stretches run through the model for one question; more cost time and gain nothing measurable."""
MAX_TITLE = 120


@dataclass(slots=True)
class Candidate:
    """A sentence, or a row of a table, that may answer.

    Attributes:
        passage: Number of its passage.
        start: First character in the passage's text.
        end: One past the last character.
        words: Its words; ranges count from its first character.
        stems: Stems of all its words.
        context: Stems of the title and of the sentence before it, or of the table's header.
        previous: Place of the sentence before it in the list of candidates, or None.
        states: Its tokens' states.
        offsets: Its tokens' character ranges, from its first character.
        similarity: Cosine of each question token with each of its tokens.
    """

    passage: int
    start: int
    end: int
    words: list[Word]
    stems: frozenset[str]
    context: frozenset[str]
    previous: int | None
    states: FloatArray
    offsets: IntArray
    similarity: FloatArray


@dataclass(slots=True)
class Evidence:
    """All that the features are computed from.

    Attributes:
        question: The question, taken apart.
        passages: The passages that were read.
        states: States of the question's tokens.
        offsets: Character ranges of the question's tokens.
        vector: The question's vector, of length one.
        stems: The question's different content stems, in order.
        weights: How much each of them tells sentences apart; they sum to one.
        pooling: One row a stem: the mean over its tokens.
        candidates: The sentences.
        title_similarity: One row a passage: the best similarity of each question token to the title.
        passage_stems: Stems of each passage and its title.
    """

    question: Question
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


@dataclass(frozen=True, slots=True)
class _Window:
    passage: int
    prefix: str
    start: int
    end: int
    members: tuple[int, ...]


def unit(vectors: FloatArray) -> FloatArray:
    """Scale vectors to length one."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-9), dtype=np.float32)


def gather(question: Question, passages: Sequence[Passage], encoder: Encoder) -> Evidence:
    """Cut the passages into sentences and look at them through the model.

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
    candidates, passage_stems, windows = _cut(passages)
    weights = _weights(stems, candidates)
    windows = _best_windows(windows, candidates, dict(zip(stems, weights.tolist(), strict=True)))
    candidates, windows = _kept(candidates, windows)
    evidence = Evidence(
        question=question,
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


def _cut(
    passages: Sequence[Passage],
) -> tuple[list[Candidate], list[frozenset[str]], list[_Window]]:
    candidates: list[Candidate] = []
    passage_stems: list[frozenset[str]] = []
    windows: list[_Window] = []
    for number, passage in enumerate(passages):
        title = passage.title.replace("_", " ")[:MAX_TITLE]
        title_stems = frozenset(word.stem for word in words(title))
        prefix = title + "\n" if title else ""
        before: frozenset[str] = frozenset()
        header = ""
        if passage.kind == "table":
            table = tables.parse(passage.text)
            ranges = list(table.rows)
            header = "\n".join(passage.text[a:b] for a, b in table.header)[: WINDOW["table"] // 2]
            before = frozenset(word.stem for word in words(header))
            prefix += header + "\n" if header else ""
        else:
            ranges = sentences(passage.text)
        everything = set(title_stems | before)
        first = len(candidates)
        for start, end in ranges:
            found = words(passage.text[start:end])
            stems = frozenset(word.stem for word in found)
            previous = (
                len(candidates) - 1
                if len(candidates) > first and passage.kind != "table"
                else None
            )
            empty = np.zeros((0, 0), dtype=np.float32)
            candidates.append(
                Candidate(
                    number,
                    start,
                    end,
                    found,
                    stems,
                    title_stems | before,
                    previous,
                    empty,
                    np.zeros((0, 2), dtype=np.int64),
                    empty,
                )
            )
            everything |= stems
            before = before if passage.kind == "table" else stems
        passage_stems.append(frozenset(everything))
        windows.extend(_windows(number, prefix, candidates, first, WINDOW[passage.kind]))
    return candidates, passage_stems, windows


def _windows(
    number: int, prefix: str, candidates: list[Candidate], first: int, limit: int
) -> list[_Window]:
    """Group a passage's sentences, in order, into stretches that fit the model."""
    found: list[_Window] = []
    members: list[int] = []
    for place in range(first, len(candidates)):
        if members and candidates[place].end - candidates[members[0]].start > limit:
            found.append(
                _Window(
                    number,
                    prefix,
                    candidates[members[0]].start,
                    candidates[members[-1]].end,
                    tuple(members),
                )
            )
            members = []
        members.append(place)
    if members:
        found.append(
            _Window(
                number,
                prefix,
                candidates[members[0]].start,
                candidates[members[-1]].end,
                tuple(members),
            )
        )
    return found


def _weights(stems: list[str], candidates: list[Candidate]) -> FloatArray:
    """Weigh a stem by how few of the retrieved sentences hold it: what they all hold does not tell them apart."""
    total = len(candidates)
    raw = [
        math.log(1 + total / (0.5 + sum(stem in c.stems for c in candidates))) for stem in stems
    ]
    return np.asarray(raw, dtype=np.float32) / (sum(raw) or 1.0)


def _best_windows(
    windows: list[_Window], candidates: list[Candidate], weight: dict[str, float]
) -> list[_Window]:
    """Keep the windows that share most with the question, and the first, so that a question's cost is bounded."""
    if len(windows) <= MAX_WINDOWS:
        return windows

    def shared(window: _Window) -> float:
        held = frozenset[str]().union(*(candidates[place].stems for place in window.members))
        return sum(value for stem, value in weight.items() if stem in held)

    order = sorted(
        range(len(windows)), key=lambda place: (place > 0, -shared(windows[place]), place)
    )
    return [windows[place] for place in sorted(order[:MAX_WINDOWS])]


def _kept(
    candidates: list[Candidate], windows: list[_Window]
) -> tuple[list[Candidate], list[_Window]]:
    """Leave out the candidates that no window holds, and number the others anew."""
    places = [place for window in windows for place in window.members]
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


def _look(evidence: Evidence, windows: list[_Window], encoder: Encoder) -> None:
    texts = [w.prefix + evidence.passages[w.passage].text[w.start : w.end] for w in windows]
    for window, (states, offsets) in zip(
        windows, encoder.token_states(texts) if texts else (), strict=True
    ):
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
