"""The phrase of a sentence that answers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from cogagent.reading.candidates import Candidate
from cogagent.reading.evidence import Evidence, overlapping
from cogagent.reading.passage import Encoder, FloatArray
from cogagent.reading.phrases import ANY_CHUNK, WANTED, Phrase, phrases
from cogagent.reading.question import QUESTION_WORD, STOPWORDS, AnswerType, words
from cogagent.reading.spans import SPAN_SCALE, best_span, top_spans

SPAN = (
    "typed",  # a phrase of the kind that the question word expects
    "special",  # a name, date or number where the question expects no certain kind
    "name",
    "number",
    "starts",  # begins where a name or a run of content words begins
    "ends",  # ends where one ends
    "inner",  # function words inside
    "length",
    "single",
    "overlap",  # words that the question holds already
    "proximity",  # question words nearby
    "question_word",  # likeness to the question word
    "whole_question",  # likeness to the question's summary token
    "focus_inside",
    "focus_beside",
    "preposition",  # follows a preposition that fits the question
    "aligned_proximity",  # nearness to where the terms align, in other words too
    "aligned_overlap",  # likeness to the terms themselves
    "span",  # how far the span model puts it behind the likeliest
)
EMBEDDED = ("salience",)
"""Computed for the phrases on the short list only, because they have to be embedded."""
SHORTLIST = 12
MAX_WORDS = 8
_LIKELIEST = 3
"""Spans that the model may add."""
_UNREAD = -2.0
"""For a range beyond what the span model read."""
_TYPED = frozenset(WANTED) - {AnswerType.NAME}
_NUMERIC = frozenset({"number", "date", "money", "percent", "measure"})
_NAMED = frozenset({"name", "person"})
_CURRENCIES = frozenset("$\u20ac\u00a3\u00a5\u20b9")
_STOP = re.compile(r"[,;:()\[\]\"\u201c\u201d\u2014]| [-\u2013] |[.!?](?=\s|$)")
_PREPOSITION_WORDS = """
in on at from to by for with of during after before under into near against between among through
"""
_PREPOSITIONS = frozenset(_PREPOSITION_WORDS.split())
_FITTING: dict[AnswerType, frozenset[str]] = {
    AnswerType.PLACE: frozenset({"in", "at", "from", "to", "near"}),
    AnswerType.DATE: frozenset({"in", "on", "since", "from", "until", "during", "by"}),
    AnswerType.PERSON: frozenset({"by"}),
}
STANDS_ALONE = frozenset(
    {AnswerType.REASON, AnswerType.MANNER, AnswerType.YES_NO, AnswerType.DEFINITION}
)
"""Questions that a sentence answers as a whole."""
STRETCHES = STANDS_ALONE - {AnswerType.YES_NO}
"""Those of them that a part of a sentence may answer."""


def spans(text: str, candidate: Candidate) -> tuple[list[tuple[int, int]], list[Phrase]]:
    """Return the ranges that may be the phrase, and the phrases whose kind is known.

    The ranges are those phrases, every run of up to eight words that crosses no punctuation and
    neither begins nor ends with a function word, and what the span model finds likeliest.
    """
    known = phrases(text)
    found = {(phrase.start, phrase.end) for phrase in known}
    for _, first, last in top_spans(candidate.logits, _LIKELIEST):
        found.add((int(candidate.pieces[first, 0]), int(candidate.pieces[last, 1])))
    listed = candidate.words
    plain = [text[word.start : word.end].lower() not in STOPWORDS for word in listed]
    for first in range(len(listed)):
        if not plain[first]:
            continue
        for last in range(first, min(len(listed), first + MAX_WORDS)):
            if last > first and _STOP.search(text[listed[last - 1].end : listed[last].start]):
                break
            if plain[last]:
                found.add((listed[first].start, listed[last].end))
    inside = [(a, b) for a, b in sorted(found) if any(w.start < b and w.end > a for w in listed)]
    return inside, known


def with_sign(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the range with the sign that belongs to its number: "$" before, "%" behind it."""
    if text[start : start + 1].isdigit() and text[start - 1 : start] in _CURRENCIES:
        start -= 1
    if text[end - 1 : end].isdigit() and text[end : end + 1] == "%":
        end += 1
    return start, end


def span_features(
    evidence: Evidence,
    candidate: Candidate,
    text: str,
    ranges: Sequence[tuple[int, int]],
    known: Sequence[Phrase],
) -> FloatArray:
    """Return one row of features (``SPAN``) for each range of the sentence."""
    question = evidence.question
    listed = candidate.words
    lower = [text[word.start : word.end].lower() for word in listed]
    asked, focus = set(evidence.stems), set(question.focus)
    held = np.array([word.content and word.stem in asked for word in listed], dtype=bool)
    gain = np.array([0.5 if word.stem in focus else 1.0 for word in listed]) * held
    spots = np.nonzero(held)[0]
    by_word = _by_word(evidence, candidate)
    terms, aligned = _aligned(evidence, by_word)
    where, strength, likest = aligned.argmax(axis=1), aligned.max(axis=1), aligned.max(axis=0)
    asking, asking_word = _question_word(evidence, by_word)
    summary = by_word[0] - by_word[0].mean()
    fitting = _fitting(question.text, asking_word) | _FITTING.get(question.expected, frozenset())
    kinds = {(phrase.start, phrase.end): phrase.kinds for phrase in known}
    begins = {p.start for p in known if p.kinds & {"chunk", "name"}}
    stops = {p.end for p in known if p.kinds & {"chunk", "name"}}
    typed = question.expected in _TYPED
    wanted = WANTED.get(question.expected, ANY_CHUNK)
    starts = np.array([word.start for word in listed])
    ends = np.array([word.end for word in listed])
    likeliest = best_span(candidate.logits)[0]
    rows = []
    for start, end in ranges:
        i, j = (
            int(np.searchsorted(ends, start, side="right")),
            int(np.searchsorted(starts, end, side="left")) - 1,
        )
        kind = kinds.get((start, end), frozenset())
        content = [n for n in range(i, j + 1) if listed[n].content]
        outside = (spots < i) | (spots > j)
        gap = np.minimum(abs(spots - i), abs(spots - j))
        away = np.maximum(0, np.maximum(i - where, where - j))
        lead = (
            lower[i - 2]
            if i > 1 and lower[i - 1] in {"the", "a", "an"}
            else lower[i - 1]
            if i
            else ""
        )
        rows.append(
            (
                typed and bool(kind & wanted),
                not typed and bool(kind - ANY_CHUNK),
                bool(kind & _NAMED),
                bool(kind & _NUMERIC),
                start in begins,
                end in stops,
                sum(lower[n] in STOPWORDS for n in range(i, j + 1)),
                math.log(j - i + 1),
                i == j,
                sum(held[n] for n in content) / max(1, len(content)),
                float((gain[spots] / (1 + gap))[outside].sum()),
                asking[i : j + 1].mean(),
                summary[i : j + 1].mean(),
                any(listed[n].stem in focus for n in range(i, j + 1)),
                (j + 1 < len(listed) and listed[j + 1].stem in focus)
                or (i > 0 and listed[i - 1].stem in focus),
                lead in fitting,
                float((strength * (away > 0) / (1 + away)).sum()) / max(1, terms),
                likest[content or list(range(i, j + 1))].mean(),
                _behind(candidate, start, end, likeliest),
            )
        )
    return np.array(rows, dtype=np.float32).reshape(-1, len(SPAN))


def salience(text: str, chosen: Sequence[str], encoder: Encoder) -> FloatArray:
    """Return how much of a sentence's meaning each phrase carries alone, as a column."""
    vectors = encoder.embed([text, *chosen])
    return np.asarray(vectors[1:] @ vectors[:1].T, dtype=np.float32)


def _behind(candidate: Candidate, start: int, end: int, likeliest: float) -> float:
    """Return how far a range's logits lie behind the likeliest span's."""
    inside = overlapping(candidate.pieces, start, end)
    if not len(inside):
        return _UNREAD
    both = candidate.logits[inside[0], 0] + candidate.logits[inside[-1], 1]
    return max(_UNREAD, (float(both) - likeliest) / SPAN_SCALE)


def _by_word(evidence: Evidence, candidate: Candidate) -> FloatArray:
    """Return the best similarity of each question token to each word of the sentence."""
    found = np.full((len(evidence.states), len(candidate.words)), 0.3, dtype=np.float32)
    for place, word in enumerate(candidate.words):
        tokens = overlapping(candidate.offsets, word.start, word.end)
        if len(tokens):
            found[:, place] = candidate.similarity[:, tokens].max(axis=1)
    return found


def _aligned(evidence: Evidence, by_word: FloatArray) -> tuple[int, FloatArray]:
    """Return how many terms besides the focus there are, and how well each goes with each word."""
    rows = [
        by_word[overlapping(evidence.offsets, term.start, term.end)].mean(axis=0)
        for term in evidence.question.terms
        if term.stem not in evidence.question.focus
        and len(overlapping(evidence.offsets, term.start, term.end))
    ]
    return len(rows), np.stack(rows) if rows else np.zeros((1, by_word.shape[1]), dtype=np.float32)


def _question_word(
    evidence: Evidence, by_word: FloatArray
) -> tuple[FloatArray, tuple[int, int] | None]:
    """Return each word's likeness to the question word, centred, and where that stands."""
    match = QUESTION_WORD.search(evidence.question.text)
    tokens = (
        overlapping(evidence.offsets, *match.span())
        if match
        else overlapping(evidence.offsets, 0, 0)
    )
    row = (
        by_word[tokens].max(axis=0)
        if len(tokens)
        else np.zeros(by_word.shape[1], dtype=np.float32)
    )
    return row - row.mean(), match.span() if match else None


def _fitting(question: str, asking: tuple[int, int] | None) -> frozenset[str]:
    """Return the prepositions that stand before the question word or close the question."""
    lower = [(question[w.start : w.end].lower(), w.end) for w in words(question)]
    near = {word for word, end in lower if asking and asking[0] - 2 <= end <= asking[0]}
    return frozenset((near | {word for word, _ in lower[-1:]}) & _PREPOSITIONS)
