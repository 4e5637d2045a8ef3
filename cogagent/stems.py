"""Words of a text by their stems: how questions, passages and pictures are compared.

English; the words of other languages are compared as they are.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)?|\w", re.UNICODE)
_STEMMER = snowballstemmer.stemmer("english")
_STEMMING = threading.Lock()
"""The stemmer keeps the word it is at in itself: one thread at a time."""

_FUNCTION_WORDS = """
a about after all also am an and any are as at be because been before being between but by can
could did do does doing done during each for from get gets give given had has have having he her
hers him his how i if in into is it its itself many may me might more most much must my no nor
not of off often on once one or other our over own she should so some such than that the their
them then there these they this those through to too under until up upon us very was we were what
when where which while who whom whose why will with within would you your according name named
call called kind type sort long far tall old
"""
STOPWORDS = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text: its stem, and where it stands."""

    stem: str
    start: int
    end: int
    content: bool
    strong: bool


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """Return the English Snowball stem of a word, lower case, without a possessive ending."""
    lowered = word.lower().replace("\u2019", "'")
    if lowered.endswith("'s"):
        lowered = lowered[:-2]
    if lowered.isascii() and lowered.isalpha():
        with _STEMMING:
            return str(_STEMMER.stemWord(lowered))
    return lowered.replace(",", "") if lowered[:1].isdigit() else lowered


def words(text: str) -> list[Word]:
    """Return the words of a text in order, with their character ranges.

    A word is *strong* when a passage that answers should hardly do without it: a number, or a
    word with a capital that does not merely open the text.
    """
    found = []
    for match in _WORD.finditer(text):
        raw = match.group()
        lowered = raw.lower()
        content = lowered not in STOPWORDS and (
            len(raw) > 1 or raw.isdigit() or raw.isupper() or not raw.isascii()
        )
        strong = content and (raw[0].isdigit() or (raw[0].isupper() and match.start() > 0))
        found.append(Word(stem(raw), match.start(), match.end(), content, strong))
    return found
