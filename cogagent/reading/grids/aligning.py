"""Which rows and columns the words of a question name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cogagent.reading.grids.asking import Asked
from cogagent.reading.grids.hearing import Heard, Match
from cogagent.reading.grids.labels import Axis
from cogagent.reading.question import stem
from cogagent.reading.values import conflict

_NAMED = 0.5
"""How much of a label must be there for a further one to be named."""
_NEAR = 0.8
_BALANCES = 2
_OPERATIONS = frozenset(
    stem(word)
    for word in "total sum average mean change increase decrease difference growth ratio".split()
)
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Aligned:
    """What a question names on one axis.

    Attributes:
        named: The labels that it names, in the order in which it names them.
        margin: How far the first lies before the next best that is no other operand, 0 to 1.
        other: It names a period, and the labels are of other ones.
        by: How: ``words``, ``meaning``, or ``nothing`` where the axis is not named.
        likest: The label most like the question in meaning, if not like enough to be named.
        rivals: How many other labels it names as well as the first, such as the months of
            the year that it speaks of.
    """

    named: tuple[Match, ...]
    margin: float = 1.0
    other: bool = False
    by: str = "words"
    likest: int | None = None
    rivals: int = 0

    @property
    def at(self) -> frozenset[int]:
        """Places of the question's words that name something here."""
        return frozenset().union(*(match.at for match in self.named))


def align(asked: Asked, axis: Axis, taken: frozenset[int] = frozenset()) -> Aligned:
    """Find the labels of an axis that a question names.

    Args:
        asked: The question.
        axis: Rows or columns.
        taken: Places of words that name something else.
    """
    heard = Heard(asked, axis, taken)
    matches = [found for n in range(len(axis)) if (found := heard.match(n)) is not None]
    if not matches:
        return Aligned((), other=_other_period(asked, axis), by="nothing")
    dated = [match for match in matches if match.mention is not None]
    if flows := _flows(axis, matches, heard):
        return Aligned(tuple(flows), 0.8)
    if dated:
        return _dated(asked, axis, dated)
    if axis.time and asked.mentions and all(label.periods.get("year") for label in axis.labels):
        return Aligned((), other=True, by="nothing")
    return _worded(matches, heard)


def _other_period(asked: Asked, axis: Axis) -> bool:
    """Whether all labels are of periods that were not asked for."""
    return (
        axis.time
        and bool(asked.periods)
        and all(conflict(asked.periods, label.periods) for label in axis.labels if label.periods)
    )


def _dated(asked: Asked, axis: Axis, matches: list[Match]) -> Aligned:
    """One label a year that is named, or all between two years."""
    best: dict[tuple[int, ...], Match] = {}
    finer = [kind for kind, held in asked.periods.items() if kind != "year" and len(held) > 1]
    for match in matches:
        held = axis.labels[match.index].periods
        number = (match.mention or 0, *(n for kind in finer for n in sorted(held.get(kind, ()))))
        if number not in best or match.score > best[number].score:
            best[number] = match
    chosen = {match.index: match for _, match in sorted(best.items())}
    named = list(chosen.values())
    if len(named) == 1 and (asked.sum or asked.many):  # "domestic and foreign rates in 2019"
        first = named[0]
        alike = [m for m in matches if m.mention == first.mention and m.at and first.at]
        free = [m for m in alike if not m.at <= first.at and m.share >= _NAMED]
        named += sorted(free, key=lambda m: (-m.score, m.index))[:1]
        named.sort(key=lambda m: min(m.at, default=0))
    whole = asked.stretch if asked.many else asked.ranged and asked.sum in ("average", "sum")
    if whole and len(named) > 1:
        named = _between(axis, matches, named)
    rest = [m for m in matches if m not in named and m.score > named[0].score - 0.05]
    return Aligned(tuple(named), 0.5 if rest else 1.0, rivals=len(rest))


def _between(axis: Axis, matches: list[Match], ends: list[Match]) -> list[Match]:
    places = [axis.order.index(match.index) for match in ends]
    timely = {n for n, label in enumerate(axis.labels) if "year" in label.periods}
    known = {match.index: match for match in matches}
    alike = max(match.score for match in ends)
    order = axis.order[min(places) : max(places) + 1]
    if places[0] > places[-1]:  # "2019 to 2017"
        order = order[::-1]
    return [known.get(n) or Match(n, alike, 1.0, frozenset()) for n in order if n in timely]


def _flows(axis: Axis, matches: list[Match], heard: Heard) -> list[Match]:
    """What is named between balances: of each year, that above the balance at its end."""
    labels = axis.labels
    taken = [run for match in matches if match.mention is not None for run in match.runs]
    whole = [
        match
        for match in matches
        if match.share == 1.0
        and not labels[match.index].periods
        and any(not any(run <= other for other in taken) for run in match.runs)
    ]
    balances = [n for n, label in enumerate(labels) if "year" in label.periods and label.stems]
    if axis.time or not whole or len(balances) < _BALANCES:
        return []
    best = max(whole, key=lambda match: (match.score, -match.index))
    same = [m for m in whole if labels[m.index].squeezed == labels[best.index].squeezed]
    found = []
    for number, mention in enumerate(heard.mentions):
        for match in same:
            after = [n for n in balances if n > match.index]
            if after and mention.years & labels[after[0]].periods["year"]:
                found.append(replace(match, mention=number))
                break
    return found


def _worded(matches: list[Match], heard: Heard) -> Aligned:
    """The label whose words the question has most of, then others that it names elsewhere."""
    ranked = sorted(matches, key=lambda match: (-match.score, match.index))
    best = _head(ranked)
    used = best.runs[0] if best.runs else best.at
    chosen = {best.index: (min(used), best)}
    phrases = [
        (run, match)
        for match in ranked
        if match is not best and match.share == 1.0
        for run in match.runs
    ]
    for run, match in sorted(phrases, key=lambda pair: -len(pair[0])):
        if match.index in chosen or len(chosen) >= _MOST_NAMED:
            continue
        if heard.asked.sum != "share" and all(heard.stems[n] in _OPERATIONS for n in run):
            continue  # "the total of A and B" names no row of totals
        if not run & used and heard.apart(run, used):
            chosen[match.index] = (min(run), match)
            used |= run
    named = [match for _, match in sorted(chosen.values(), key=lambda pair: pair[0])]
    rivals = [m.score for m in ranked[1:] if m.index not in chosen]
    gap = best.score - max(rivals, default=0.0)
    return Aligned(tuple(named), min(1.0, max(0.0, gap) / max(best.score, 1e-9) + 0.2))


def _head(ranked: list[Match]) -> Match:
    """The best, or the label right behind its words: "gaming hardware" is hardware."""
    best = ranked[0]
    if not best.runs:
        return best
    following = max(best.runs[0]) + 1
    near = [m for m in ranked[1:] if m.share == 1.0 and m.score > _NEAR * best.score]
    return next((m for m in near if any(min(run) == following for run in m.runs)), best)
