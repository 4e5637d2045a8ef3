"""Which evidence goes into a prompt that cannot hold all of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cogagent.types import Evidence

_REDUNDANCY = 0.5
"""How much a piece loses that says what a chosen one says already."""


class Packed(NamedTuple):
    """What was chosen, in the order of the evidence, and how many pieces were left out."""

    chosen: list[Evidence]
    dropped: int


def pack(
    evidence: Sequence[Evidence], room: int, count_tokens: Callable[[Sequence[str]], list[int]]
) -> Packed:
    """Choose evidence by relevance minus redundancy, as much as fits.

    Maximal marginal relevance (Carbonell and Goldstein 1998, section 2): the piece
    is taken next whose relevance, less half of its likeness to the nearest chosen
    one, is highest. Relevance falls with the rank, from 1 to 0; likeness is the
    share of its words that the other one has too. A piece that does not fit is
    passed over for shorter ones.

    Args:
        evidence: Best first.
        room: Tokens that may be used.
        count_tokens: Counts for many texts at once.
    """
    shown = [shown_text(piece) for piece in evidence]
    sizes = count_tokens(shown)
    words = [frozenset(re.findall(r"\w+", text.casefold())) for text in shown]
    worth = [1.0 - place / max(len(evidence), 1) for place in range(len(evidence))]
    nearest = [0.0] * len(evidence)
    waiting = set(range(len(evidence)))
    chosen: list[int] = []
    while waiting:
        best = max(
            waiting, key=lambda place: (worth[place] - _REDUNDANCY * nearest[place], -place)
        )
        waiting.discard(best)
        if sizes[best] > room:
            continue
        room -= sizes[best]
        chosen.append(best)
        for place in waiting:
            shared = len(words[place] & words[best]) / max(len(words[place]), 1)
            nearest[place] = max(nearest[place], shared)
    return Packed([evidence[place] for place in sorted(chosen)], len(evidence) - len(chosen))


def shown_text(piece: Evidence) -> str:
    """A piece of evidence as a prompt shows it: what it stands under, its caption, its text."""
    return "\n".join(
        part for part in (piece.context or piece.title, piece.caption, piece.text) if part
    )
