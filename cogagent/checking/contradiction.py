"""Words of a claim that turn round what its evidence says: "not", "fell" for "rose"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cogagent.reading.question import Word, stem

_PAIRS = (
    "increase decrease", "increased decreased", "rise fall", "rose fell", "grew shrank",
    "growth decline", "gain loss", "profit loss", "higher lower", "highest lowest", "more fewer",
    "most least", "larger smaller", "largest smallest", "above below", "before after",
    "earlier later", "win lose", "won lost", "victory defeat", "north south", "northern southern",
    "east west", "eastern western", "northeast southwest", "northwest southeast", "first last",
    "oldest youngest", "older younger", "maximum minimum", "accept reject", "accepted rejected",
    "approve reject", "approved rejected", "allow forbid", "allowed forbidden", "begin end",
    "began ended", "start end", "buy sell", "bought sold", "purchase sale", "asset liability",
    "income expense", "credit debit", "import export", "success failure", "support oppose",
    "supported opposed", "strengthen weaken", "expand contract", "expanded contracted",
    "longer shorter", "longest shortest", "upper lower", "favorable unfavorable",
    "favourable unfavourable", "legal illegal", "possible impossible", "male female",
    "positive negative", "up down", "increase decline", "increased declined", "rose declined",
    "increase reduction", "grew declined", "grew fell", "offense defense", "ancestor descendant",
)  # fmt: skip
_OPPOSITES: dict[str, frozenset[str]] = {}
for _pair in _PAIRS:
    _one, _other = (stem(word) for word in _pair.split())
    _OPPOSITES[_one] = _OPPOSITES.get(_one, frozenset()) | {_other}
    _OPPOSITES[_other] = _OPPOSITES.get(_other, frozenset()) | {_one}
_NOT = frozenset("not no never none nor neither without cannot".split())
_PAUSE = re.compile(r"[,;:.()\[\]|\u2013\u2014]")
_REACH = 3
"""Words behind a negation that it may deny."""
_COMPARED = re.compile(r"\bthan\b|\bcompared\b|\bversus\b|\bfrom\b.*\bto\b", re.IGNORECASE)
_ALIKE = 0.5
"""Least share of the claim's words that the evidence's sentence must have."""


def contradiction(claim: str, claimed: Sequence[Word], text: str, given: Sequence[Word]) -> str:
    """What of a claim the evidence's sentence says the other way round; empty if nothing.

    Only between sentences that otherwise say much the same: half of the
    claim's content words have to stand in the other.

    Args:
        claim: The claim.
        claimed: Its words.
        text: The sentence or row of the evidence.
        given: Its words, a row's head left out.
    """
    said = {word.stem for word in claimed if word.content}
    there = {word.stem for word in given if word.content}
    if not said or len(said & there) < _ALIKE * len(said):
        return ""
    denied = _denied(claim, claimed), _denied(text, given)
    for which, other in ((denied[0], there), (denied[1], said)):
        mine = denied[0] if which is denied[0] else denied[1]
        theirs = denied[1] if which is denied[0] else denied[0]
        for key in mine - theirs:
            if key in other:
                return f"not {key}"
    if _COMPARED.search(claim) or _COMPARED.search(text):
        return ""
    for key in sorted(said - there):
        opposite = _OPPOSITES.get(key, frozenset()) & (there - said)
        if opposite:
            return f"{key} for {min(opposite)}"
    return ""


def _denied(text: str, every: Sequence[Word]) -> frozenset[str]:
    """The first content word behind each negation."""
    found: set[str] = set()
    for place, word in enumerate(every):
        raw = text[word.start : word.end].lower().replace("\u2019", "'")
        if raw not in _NOT and not raw.endswith("n't"):
            continue
        if raw == "not" and every[place + 1 : place + 2] and _only(text, every[place + 1]):
            continue  # "not only"
        for following in every[place + 1 : place + 1 + _REACH]:
            if _PAUSE.search(text, word.end, following.start):
                break
            if following.content:
                found.add(following.stem)
                break
    return frozenset(found)


def _only(text: str, word: Word) -> bool:
    return text[word.start : word.end].lower() in ("only", "just", "merely")
