"""Two spellings of one text laid side by side: the document's words and its pages' words.

Both come in nearly the same order. What differs: running heads and page
numbers that only the pages have, words that are hyphenated or cut in pieces,
and boxes and footnotes that stand elsewhere in the order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Matches = NDArray[np.int32]
"""Shape ``(n, 2)``: for each of our words the first of theirs and the one after the last;
``-1, -1`` where there is none."""

_GRAMS = (5, 3, 2, 1)
"""Words in a row that must occur once on either side to hold the two together there."""
_SMALL = 40_000
"""Pairs of words in a gap up to which every pair is compared."""
_LETTERS = 1_500
_WORK = 60
"""Times that a word may be looked at before the rest is left unmatched."""


def align(ours: Sequence[str], theirs: Sequence[str]) -> Matches:
    """Where each of our words stands among theirs.

    Words match that are equal; in a gap between matches also words whose letters
    are, cut in other places.
    """
    return _Alignment(ours, theirs).run()


class _Alignment:
    def __init__(self, ours: Sequence[str], theirs: Sequence[str]) -> None:
        self._ours, self._theirs = ours, theirs
        self._matches: Matches = np.full((len(ours), 2), -1, np.int32)
        self._work = _WORK * (len(ours) + len(theirs) + 1)

    def run(self) -> Matches:
        gaps = [(0, len(self._ours), 0, len(self._theirs))]
        while gaps and self._work > 0:
            gaps += self._settle(*gaps.pop())
        self._find_moved()
        return self._matches

    def _settle(self, a: int, b: int, c: int, d: int) -> list[tuple[int, int, int, int]]:
        """Match what is plain between ``ours[a:b]`` and ``theirs[c:d]``; the gaps left."""
        ours, theirs = self._ours, self._theirs
        while a < b and c < d and ours[a] == theirs[c]:
            self._pair(a, c)
            a, c = a + 1, c + 1
        while a < b and c < d and ours[b - 1] == theirs[d - 1]:
            b, d = b - 1, d - 1
            self._pair(b, d)
        if a == b or c == d:
            return []
        self._work -= (b - a) + (d - c)
        for size in _GRAMS:
            anchors = _anchors(ours[a:b], theirs[c:d], size)
            if anchors:
                edges = [(a - 1, c - 1), *((a + x, c + y) for x, y in anchors), (b, d)]
                for x, y in edges[1:-1]:
                    self._pair(x, y)
                return [
                    (x + 1, u, y + 1, v)
                    for (x, y), (u, v) in pairwise(edges)
                    if u > x + 1 and v > y + 1
                ]
        self._compare(a, b, c, d)
        return []

    def _compare(self, a: int, b: int, c: int, d: int) -> None:
        """Match a gap in which no word is unique: by every pair, then by letters."""
        if (b - a) * (d - c) > _SMALL:
            return
        self._work -= (b - a) * (d - c) // 100
        matcher = SequenceMatcher(None, self._ours[a:b], self._theirs[c:d], autojunk=False)
        x, y = a, c
        for u, v, size in matcher.get_matching_blocks():
            self._by_letters(x, a + u, y, c + v)
            for step in range(size):
                self._pair(a + u + step, c + v + step)
            x, y = a + u + size, c + v + size

    def _by_letters(self, a: int, b: int, c: int, d: int) -> None:
        """Match words cut in other places: ``half-`` ``way`` is ``halfway``."""
        ours, theirs = "".join(self._ours[a:b]), "".join(self._theirs[c:d])
        if not ours or not theirs or max(len(ours), len(theirs)) > _LETTERS:
            return
        owners = [at for at in range(a, b) for _ in self._ours[at]]
        places = [at for at in range(c, d) for _ in self._theirs[at]]
        found: dict[int, list[int]] = {}
        matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
        for u, v, size in matcher.get_matching_blocks():
            for step in range(size):
                found.setdefault(owners[u + step], []).append(places[v + step])
        for at, hits in found.items():
            # Letters in common by chance are no match: nearly all must be there.
            if len(hits) >= 0.75 * len(self._ours[at]):
                self._matches[at] = hits[0], hits[-1] + 1

    def _find_moved(self) -> None:
        """Match runs that stand elsewhere in the order, among what is left on both sides."""
        taken = np.zeros(len(self._theirs) + 1, bool)
        for start, end in self._matches[self._matches[:, 0] >= 0].tolist():
            taken[start:end] = True
        places: dict[Hashable, list[int]] = {}
        for size in (3, 1):
            for at in _grams_left(taken, size):
                places.setdefault(tuple(self._theirs[at : at + size]), []).append(at)
        at = 0
        while at < len(self._ours) and self._work > 0:
            if self._matches[at, 0] >= 0:
                at += 1
                continue
            at += self._move(at, taken, places)

    def _move(self, at: int, taken: NDArray[np.bool_], places: dict[Hashable, list[int]]) -> int:
        """Match the run that begins at ``at`` if it is found; how far to go on."""
        self._work -= 1
        run = tuple(self._ours[at : at + 3])
        alone = at + 1 >= len(self._ours) or self._matches[at + 1, 0] >= 0
        found = places.get(run) or (places.get(run[:1]) if alone else None) or []
        free = [place for place in found if not taken[place]]
        if not free or (alone and len(free) > 1):
            return 1  # one common word alone may stand anywhere
        place, length = free[0], 0
        while (
            at + length < len(self._ours)
            and place + length < len(self._theirs)
            and self._matches[at + length, 0] < 0
            and not taken[place + length]
            and self._ours[at + length] == self._theirs[place + length]
        ):
            self._pair(at + length, place + length)
            taken[place + length] = True
            length += 1
        return max(length, 1)

    def _pair(self, our: int, their: int) -> None:
        self._matches[our] = their, their + 1


def _grams_left(taken: NDArray[np.bool_], size: int) -> list[int]:
    """Where ``size`` words in a row are left."""
    count = len(taken) - 1
    free = np.concatenate([[0], np.cumsum(~taken[:count])])
    if count < size:
        return []
    return np.flatnonzero(free[size:] - free[:-size] == size).tolist()


def _anchors(ours: Sequence[str], theirs: Sequence[str], size: int) -> list[tuple[int, int]]:
    """Pairs of places of runs that occur once on either side, in ascending order on both."""
    if min(len(ours), len(theirs)) < size:
        return []
    mine, other = _once(ours, size), _once(theirs, size)
    pairs = [(at, other[gram]) for gram, at in mine.items() if gram in other]
    return _ascending(pairs)


def _once(words: Sequence[str], size: int) -> dict[Hashable, int]:
    found: dict[Hashable, int] = {}
    for at in range(len(words) - size + 1):
        gram = tuple(words[at : at + size])
        found[gram] = -1 if gram in found else at
    return {gram: at for gram, at in found.items() if at >= 0}


def _ascending(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs that ascends on the second side too; the first does."""
    tails: list[int] = []
    ends: list[int] = []
    before = [-1] * len(pairs)
    for at, (_, place) in enumerate(pairs):
        rank = bisect_left(tails, place)
        if rank == len(tails):
            tails.append(place)
            ends.append(at)
        else:
            tails[rank], ends[rank] = place, at
        before[at] = ends[rank - 1] if rank else -1
    chain = []
    at = ends[-1] if ends else -1
    while at >= 0:
        chain.append(pairs[at])
        at = before[at]
    return chain[::-1]
