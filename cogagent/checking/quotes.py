"""Where a quote stands in evidence: letter for letter, folded, or nearly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from cogagent.checking.fold import Folded, fold
from cogagent.documents.sentences import sentences
from cogagent.reading.question import STOPWORDS
from cogagent.types import MatchKind

FUZZY = 0.9
"""Least share of characters that a fuzzy match has in common with the quote."""
_MAGNITUDES = frozenset("thousand thousands million millions billion billions trillion".split())
_LONG_WORD = 10
"""Letters of which one may be misread; in shorter words one, too."""
_SHORT_WORD = 4
"""Letters of the shortest word that may be misread at all."""
_LONGEST = 2_000
"""Characters of a quote that are compared fuzzily; a longer one has to stand as it is."""
_ELLIPSIS = re.compile(r"\s*(?:\[?(?:\.\s?){3,}\]?|\[?\u2026\]?)\s*")
_MARKS = " \"'.,;:!?-"
_NEGATION = re.compile(r"\b(?:not|no|never|none|nor|neither|without|cannot)\b|n't\b")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Match:
    """Where a quote stands.

    Attributes:
        kind: How it was found; "none" if it does not stand there.
        score: Likeness, 0 to 1; of a quote not found, that of the nearest words.
        start: First character in the evidence.
        end: One past the last; equal to ``start`` if it does not stand there.
    """

    kind: MatchKind
    score: float
    start: int = 0
    end: int = 0


def find(quote: str, text: str, folded: Folded | None = None) -> Match:
    """Look for ``quote`` in ``text``.

    Letter for letter first; then both folded, where pieces around an ellipsis
    stand in order; then fuzzily, where no number, negation or whole word may
    differ.

    Args:
        quote: What is said to stand there; an empty one stands nowhere.
        text: The evidence.
        folded: ``fold(text)`` where the caller has it.
    """
    if match := exact(quote, text):
        return match
    hay = folded or fold(text)
    pieces = [p for part in _ELLIPSIS.split(quote) if (p := fold(part).text.strip(_MARKS))]
    if not pieces or not hay.text:
        return Match("none", 0.0)
    place, first = 0, None
    for piece in pieces:
        at = _whole(piece, hay.text, place)
        if at < 0:
            return _fuzzy(" ".join(pieces), hay)
        first = at if first is None else first
        place = at + len(piece)
    start, end = hay.range(first or 0, place)
    return Match("normalised", 1.0, start, end)


def exact(quote: str, text: str, start: int = 0) -> Match | None:
    """Where ``quote`` stands letter for letter: from ``start`` on, else anywhere."""
    if not quote.strip():
        return None
    at = _whole(quote, text, start)
    if at < 0 < start:
        at = _whole(quote, text, 0)
    return Match("exact", 1.0, at, at + len(quote)) if at >= 0 else None


def alone(text: str, start: int, end: int, *, lines: bool) -> bool:
    """Whether whole sentences stand between two places of ``text``.

    Args:
        text: The evidence.
        start: First character.
        end: One past the last.
        lines: Whole lines will do, as in tables.
    """
    cut = sentences(text)
    before, behind = text[:start].rstrip(" \t"), text[end:].lstrip(" \t")
    opens = any(first == start for first, _ in cut) or (lines and before[-1:] in ("", "\n"))
    closes = any(last == end for _, last in cut) or (lines and behind[:1] in ("", "\n"))
    return opens and closes


def _whole(piece: str, text: str, start: int) -> int:
    """Where ``piece`` stands in ``text`` as whole words, or -1."""
    at = text.find(piece, start)
    while at >= 0:
        before = text[at - 1 : at] if piece[:1].isalnum() else ""
        after = text[at + len(piece) : at + len(piece) + 1] if piece[-1:].isalnum() else ""
        if not before.isalnum() and not after.isalnum() and not _digits_go_on(text, at, piece):
            return at
        at = text.find(piece, at + 1)
    return -1


def _digits_go_on(text: str, at: int, piece: str) -> bool:
    """Whether a number of the text is cut: "1,234" is no quote of "51,234.5"."""
    end = at + len(piece)
    ahead = piece[-1:].isdigit() and re.match(r"[.,]\d", text[end : end + 2])
    behind = piece[:1].isdigit() and re.search(r"\d[.,]$", text[max(0, at - 2) : at])
    return bool(ahead or behind)


def _fuzzy(quote: str, hay: Folded) -> Match:
    if len(quote) > _LONGEST or len(quote) < 8:
        return Match("none", 0.0)
    from rapidfuzz import fuzz

    found = fuzz.partial_ratio_alignment(quote, hay.text)
    if found is None or found.dest_end <= found.dest_start or len(hay.text) < len(quote) / 2:
        return Match("none", 0.0)
    start, end = _to_words(quote, hay.text, found.dest_start, found.dest_end)
    words = hay.text[start:end]
    score = fuzz.ratio(quote, words) / 100
    if score < FUZZY or not _same_facts(quote, words):
        return Match("none", round(score, 4))
    first, last = hay.range(start, end)
    return Match("fuzzy", round(score, 4), first, last)


def _to_words(quote: str, text: str, start: int, end: int) -> tuple[int, int]:
    """The run of whole words most like ``quote`` that begins and ends near the given places."""
    from rapidfuzz import fuzz

    bounds = [match.span() for match in re.finditer(r"[^ ]+", text)]
    first = next((n for n, (_, stop) in enumerate(bounds) if stop > start), 0)
    last = next((n for n, (_, stop) in enumerate(bounds) if stop >= end), len(bounds) - 1)
    best, at = -1.0, (start, end)
    for one in range(max(0, first - 1), min(first + 2, len(bounds))):
        for other in range(max(one, last - 1), min(last + 2, len(bounds))):
            words = text[bounds[one][0] : bounds[other][1]]
            bare = words.strip(_MARKS)
            likeness = fuzz.ratio(quote, bare)
            if bare and likeness > best:
                place = bounds[one][0] + words.index(bare)
                best, at = likeness, (place, place + len(bare))
    return at


def _same_facts(quote: str, words: str) -> bool:
    """Whether numbers and negations are the same, and each word is there, misread at most."""
    if re.findall(r"\d+", quote) != re.findall(r"\d+", words):
        return False
    if len(_NEGATION.findall(quote)) != len(_NEGATION.findall(words)):
        return False
    return _same_words(_WORD.findall(quote), _WORD.findall(words))


def _same_words(said: list[str], there: list[str]) -> bool:
    """Whether the words are the same in order, misread at most; small words may go missing."""
    from rapidfuzz.distance import Levenshtein

    for change, a, b, c, d in SequenceMatcher(None, said, there, autojunk=False).get_opcodes():
        scales = [any(w in _MAGNITUDES for w in side) for side in (said[a:b], there[c:d])]
        if change != "equal" and all(scales):
            return False  # a letter apart, and a thousand times as much
        if change == "equal" or all(word in STOPWORDS for word in (*said[a:b], *there[c:d])):
            continue
        one, other = "".join(said[a:b]), "".join(there[c:d])
        room = max(1, len(one) // _LONG_WORD)
        if min(len(one), len(other)) < _SHORT_WORD:
            return False
        if Levenshtein.distance(one, other, score_cutoff=room) > room:
            return False
    return True
