"""The ranking of what was found over a whole run, from its steps alone.

The scores of different searches share no scale, so ranks and links count. What
a run found on the way to an answer comes first: passages on what the question
names, passages on what these name in turn, and the best of each search that
followed from another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from cogagent.planners.naming import evened, plain_words, spotted, title_words
from cogagent.retrievers.fusion import reciprocal_rank
from cogagent.types import Evidence, Query, Step

_READ = 3
"""The best passages whose names count as links."""
_LONGEST = 4_000
"""Characters of a passage in which links are looked for."""
_DEPTH = 0.15
"""What the logarithm of a piece's place in the search for the whole question takes off."""
_AGAIN = 0.3
"""What a further piece under a title has of the gain of being named or linked to."""


def rank(question: str, steps: Sequence[Step], found: Mapping[str, Evidence]) -> list[str]:
    """The ids of all that was found, best first.

    What one search found, or several tools for the same words, stays in the order
    in which it was found.

    Args:
        question: As it was asked.
        steps: With the findings of their queries.
        found: By id.
    """
    searched = {key: piece for key, piece in found.items() if not piece.parent}
    ranked = _ranked(question, steps, searched)
    # What a second look found stands before what it looked at.
    seen: dict[str, list[str]] = {}
    for key, piece in found.items():
        if piece.parent:
            seen.setdefault(piece.parent, []).append(key)
    roots = [*ranked, *(key for key in seen if key not in found)]
    ordered = dict.fromkeys(key for root in roots for key in _lookings(root, seen, found))
    lost = (key for key, piece in found.items() if piece.parent and key not in ordered)
    return [*ordered, *lost]  # what names itself as its parent, as a tool of the user's may


def _lookings(
    root: str, seen: Mapping[str, Sequence[str]], found: Mapping[str, Evidence]
) -> list[str]:
    """A piece behind what was seen in it, and in that."""
    ordered: list[str] = []
    waiting = [(root, iter(seen.get(root, ())))]
    while waiting:  # a planner may look again at what it has looked at, many times over
        key, inside = waiting[-1]
        below = next(inside, None)
        if below is None:
            waiting.pop()
            if key in found:
                ordered.append(key)
        else:
            waiting.append((below, iter(seen.get(below, ()))))
    return ordered


def _ranked(question: str, steps: Sequence[Step], found: Mapping[str, Evidence]) -> list[str]:
    """The ids of what searches found, best first."""
    rankings = _rankings(steps, found)
    if len(rankings) < 2:
        return [key for ranking in rankings.values() for key in ranking]
    asked = {plain_words(question), *(plain_words(step.resolved) for step in steps[:1])}
    whole = next((ranking for text, ranking in rankings.items() if text in asked), None)
    others = [ranking for text, ranking in rankings.items() if text not in asked]
    if whole is None:
        whole = _fused(others)
    nearest = _nearest(others)
    gain = _links(question, whole, found)
    depth = {key: place for place, key in enumerate(whole, 1)}
    last = len(whole) + 1

    def value(key: str) -> float:
        near = max(nearest.get(key, 0.0), 1.0 if key == whole[0] else 0.0)
        return gain.get(key, 0.0) + near - _DEPTH * math.log(depth.get(key, last))

    every = dict.fromkeys(key for ranking in (whole, *others) for key in ranking)
    return sorted(every, key=lambda key: -value(key))


def _rankings(
    steps: Sequence[Step], found: Mapping[str, Evidence]
) -> dict[tuple[str, ...], list[str]]:
    """What was found for each wording, by all tools that were asked; empty ones left out."""
    lists: dict[tuple[str, ...], list[list[str]]] = {}
    for step in steps:
        queries: Mapping[str, Query] = {query.id: query for query in step.queries}
        for finding in step.findings:
            kept = [key for key in finding.evidence if key in found]
            if kept:
                query = queries.get(finding.query)
                text = plain_words(query.text) if query is not None else ()
                lists.setdefault(text, []).append(kept)
    return {text: _fused(each) for text, each in lists.items()}


def _fused(rankings: Sequence[Sequence[str]]) -> list[str]:
    if len(rankings) == 1:
        return list(rankings[0])
    total = reciprocal_rank(rankings)
    return sorted(total, key=lambda key: -total[key])


def _nearest(rankings: Iterable[Sequence[str]]) -> dict[str, float]:
    """The reciprocal of each piece's best place."""
    best: dict[str, float] = {}
    for ranking in rankings:
        for place, key in enumerate(ranking, 1):
            best[key] = max(best.get(key, 0.0), 1.0 / place)
    return best


def _links(question: str, whole: Sequence[str], found: Mapping[str, Evidence]) -> dict[str, float]:
    """What a piece gains by its title: named by the question, or by what is nearest to it."""
    titles = {key: piece.title for key, piece in found.items()}
    named = spotted(evened(question[:_LONGEST]), titles.values())
    read = dict.fromkeys([*whole[:_READ], *(key for key in found if titles[key] in named)])
    texts = {key: f" {' '.join(plain_words(found[key].text[:_LONGEST]))} " for key in read}
    gain: dict[str, float] = {}
    seen: dict[str, int] = {}
    for key, title in titles.items():
        said = f" {' '.join(title_words(title))} "
        linked = any(said in text and titles[other] != title for other, text in texts.items())
        value = float(title in named) + float(linked)
        if value:
            gain[key] = value * (_AGAIN ** seen.get(title, 0))
            seen[title] = seen.get(title, 0) + 1
    return gain
