"""Which words of a question stand in a picture, and how much each tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cogagent.stems import STOPWORDS, words

_MOST_TERMS = 64
"""Different words of a question that are looked for."""
_ALIKE = 0.8
"""How alike two stems are, 0 to 1, if one is the other with a slip of the reader: one
letter in five."""
_JOINED, _JOINED_LONGEST = 7, 40
"""Letters of a word that may be two which the reader ran together."""
_UNKNOWN = 0.5
"""What a word that is nowhere in the picture tells, in parts of what a rare one does."""
_LETTERS = re.compile(r"[^\W\d_]+")

Hits = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """A question's words against a picture's.

    Attributes:
        terms: Stems of the question, each once.
        said: As the question says them.
        hits: Shape ``(words, terms)``: how surely a word is the term, 0 to 1.
        content: Shape ``(words,)``: how many content words each is.
    """

    terms: tuple[str, ...]
    said: tuple[str, ...]
    hits: Hits
    content: NDArray[np.int32]

    def weights(self, rows: Iterable[Sequence[int]]) -> NDArray[np.float32]:
        """What each term tells, shape ``(terms,)``: the more, the fewer rows have it."""
        found = np.array([self.best(row) > 0 for row in rows], np.float32)
        found = found.reshape(-1, len(self.terms))
        count, holding = len(found) + 1, found.sum(axis=0)
        weights = np.log1p(count / np.maximum(holding, 0.5))
        weights[holding == 0] *= _UNKNOWN
        return np.asarray(weights, np.float32)

    def best(self, row: Sequence[int]) -> Hits:
        """How surely each term stands among some words, shape ``(terms,)``."""
        if not len(row):
            return np.zeros(len(self.terms), np.float32)
        return np.asarray(self.hits[list(row)].max(axis=0))


def match(question: str, texts: Sequence[str]) -> Matches:
    """Finds a question's content words among the words of a picture.

    Args:
        question: Any text; its first 64 different words count.
        texts: The words of the picture.
    """
    terms, every = _terms(question)
    stems = list(terms)
    parts = [words(text) for text in texts]
    content = np.array([sum(part.content for part in word) for word in parts], np.int32)
    vocabulary = {part.stem for word in parts for part in word}
    known = _similar(stems, sorted(vocabulary))
    hits = np.zeros((len(texts), len(stems)), np.float32)
    for number, (text, word) in enumerate(zip(texts, parts, strict=True)):
        for part in word:
            if part.stem in known:
                hits[number] = np.maximum(hits[number], known[part.stem])
        if stems and not hits[number].any():
            for stem in _run_together(text, every):
                if stem in terms:
                    hits[number, stems.index(stem)] = _ALIKE
    return Matches(tuple(stems), tuple(terms.values()), hits, content)


def _terms(question: str) -> tuple[dict[str, str], dict[str, str]]:
    """Content stems with how they are said; all words, lower case, with their stems."""
    terms: dict[str, str] = {}
    every: dict[str, str] = {}
    for word in words(question):
        if len(terms) >= _MOST_TERMS:
            break
        said = question[word.start : word.end]
        every[said.lower()] = word.stem
        if word.content and word.stem not in STOPWORDS:
            terms.setdefault(word.stem, said)
    return terms, every


def _similar(terms: list[str], vocabulary: list[str]) -> dict[str, Hits]:
    """For each word of the vocabulary that is like a term: how like it is to each."""
    if not terms or not vocabulary:
        return {}
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    alike = cdist(
        vocabulary,
        terms,
        scorer=Levenshtein.normalized_similarity,
        score_cutoff=_ALIKE,
        dtype=np.float32,
    )
    # One digit makes another number, but one letter rarely another word.
    exact = np.array([not stem.isalpha() for stem in terms])
    alike[:, exact] *= alike[:, exact] == 1.0
    alike **= 2
    return {vocabulary[row]: alike[row] for row in np.flatnonzero(alike.any(axis=1))}


def _run_together(text: str, known: dict[str, str]) -> list[str]:
    """Stems of the words that make up one which the reader ran together; or none."""
    letters = _LETTERS.fullmatch(text)
    if letters is None or not _JOINED <= len(text) <= _JOINED_LONGEST:
        return []
    lowered = text.lower()
    ways: dict[int, list[str]] = {0: []}
    for start in range(len(lowered)):
        if start not in ways:
            continue
        for end in range(start + 2, len(lowered) + 1):
            piece = lowered[start:end]
            if piece in known:
                ways.setdefault(end, [*ways[start], known[piece]])
    return ways.get(len(lowered), [])
