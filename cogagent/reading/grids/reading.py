"""Which rows and columns a question means, and which axis its answer is on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cogagent.reading.grids.aligning import Aligned, align
from cogagent.reading.grids.asking import Asked
from cogagent.reading.grids.drafts import View
from cogagent.reading.grids.hearing import Match
from cogagent.reading.grids.labels import Axis, fold
from cogagent.reading.grids.meaning import by_meaning
from cogagent.reading.passage import Encoder
from cogagent.reading.question import stem, words

SUMMARY = re.compile(r"\b(?:sub-?)?totals?\b|\b(?:sum|mean|average|all|overall)\b", re.IGNORECASE)
RESIDUAL = re.compile(
    r"\s*(?:(?:all )?others?\b|rest\b|unknown\b|unspecified\b|undisclosed\b|miscellaneous\b"
    r"|not (?:known|specified|stated|sure)\b|don.?t know\b|no (?:answer|opinion|response)\b)",
    re.IGNORECASE,
)
"""Labels of what is left over, which are never the most or the least of their kind."""
_MEAN = re.compile(r"(?:mean|average|avg\.?)", re.IGNORECASE)
_UNNAMED = 0.35
_GUESSED = 0.5
_AVERAGED = 0.9
"""How sure it is that a row of means holds the mean that is asked for."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Places of an axis that are looked at.

    Attributes:
        at: The places; more than one are added up.
        sure: How sure that they are meant, 0 to 1.
        named: The question names them.
        guessed: Nothing speaks for them.
    """

    at: tuple[int, ...]
    sure: float
    named: bool = False
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What a question means on both axes.

    Attributes:
        rows: Rows that it names.
        columns: Columns that it names.
        other: What it names that is not there, where others of that kind are.
    """

    rows: Aligned
    columns: Aligned
    other: str = ""

    def aligned(self, by_rows: bool) -> Aligned:
        """What is named on an axis."""
        return self.rows if by_rows else self.columns

    def unheard(self, asked: Asked, view: View) -> frozenset[int]:
        """Places of the question's words that stand nowhere in the grid."""
        named = self.rows.at | self.columns.at
        return frozenset(
            n
            for n, word in enumerate(asked.words)
            if word.content and n not in named and fold(word.stem) not in view.known
        )


def target_of(asked: Asked, view: View, encoder: Encoder | None) -> Target:
    """Find the rows and columns that a question names."""
    rows, columns = align(asked, view.rows), align(asked, view.columns)
    shared = {n for n in rows.at & columns.at if not asked.in_number(n)}
    if shared and rows.named and columns.named:
        if _strength(columns) > _strength(rows):
            rows = align(asked, view.rows, columns.at)
        else:
            columns = align(asked, view.columns, rows.at)
    dated = any(m.mention is not None for m in (*rows.named, *columns.named))
    if (rows.other or columns.other) and not dated and asked.periods:
        return Target(rows, columns, "value of that time")
    target = Target(rows, columns)
    if encoder is None:
        return target
    # The axis that the answer is on is not named by it.
    searched = asked.form in ("label", "open")
    answer = answers_by_rows(asked, view, target) if searched else None
    axes = [None if answer is by_rows else view.axis(by_rows) for by_rows in (True, False)]
    return Target(*by_meaning(asked, axes, (rows, columns), encoder))


def _strength(aligned: Aligned) -> float:
    return max(match.score * (0.5 + match.share) for match in aligned.named)


def best_of(aligned: Aligned) -> Match:
    """The label that most speaks for."""
    return max(aligned.named, key=lambda match: (match.score, -match.index))


def settle(asked: Asked, view: View, target: Target, *, by_rows: bool) -> Settled:
    """The place of an axis to look at: the one named, or the one that goes without saying."""
    axis, aligned = view.axis(by_rows), target.aligned(by_rows)
    means = [n for n, header in enumerate(axis.headers) if _MEAN.fullmatch(header.text.strip())]
    if asked.sum == "average" and len(means) == 1:
        return Settled((means[0],), _AVERAGED, named=True)
    if aligned.named:
        best = best_of(aligned)
        if asked.ranged and axis.time and best.mention is not None and len(aligned.named) > 1:
            last = max(aligned.named, key=lambda match: axis.order.index(match.index))
            return Settled((last.index,), _GUESSED, named=True)
        sure = 0.5 + 0.5 * aligned.margin
        if aligned.rivals > 1:  # one of the months of a year is as good as another
            sure /= aligned.rivals
        if aligned.by == "meaning":
            sure *= 0.8
        elif best.mention is None:
            sure *= 0.6 + 0.4 * best.share
        return Settled((best.index,), sure, named=True)
    if len(axis) == 1:
        return Settled((0,), 1.0)
    if axis.time:
        return _in_time(asked, axis)
    totals = [n for n, h in enumerate(axis.headers) if h.total or SUMMARY.search(h.text)]
    if len(totals) == 1:
        return Settled((totals[0],), _GUESSED)
    if not by_rows and view.grid.stacked and view.grid.unit != "%":
        return Settled(tuple(range(len(axis))), _GUESSED)
    blank = [n for n, header in enumerate(axis.headers) if not header.text]
    if len(blank) == 1 and by_rows:  # the one whose label could not be read
        return Settled((blank[0],), _UNNAMED)
    return Settled((aligned.likest or 0,), _UNNAMED / 2, guessed=True)


def _in_time(asked: Asked, axis: Axis) -> Settled:
    order = axis.order
    if asked.when == "previous":
        return Settled((order[-2],), 0.6)
    if asked.when == "first":
        return Settled((order[0],), 0.7)
    return Settled((order[-1],), 0.8 if asked.when == "last" else _UNNAMED)


def answers_by_rows(asked: Asked, view: View, target: Target) -> bool | None:
    """Whether the answer is a row or a column; ``None`` if it can be neither."""
    long = [by_rows for by_rows in (True, False) if len(view.axis(by_rows)) > 1]
    if not long:
        return None
    if asked.timed:
        timed = [by_rows for by_rows in long if view.axis(by_rows).time]
        return timed[0] if timed else long[0]
    several = [
        by_rows
        for by_rows in long
        if len(target.aligned(by_rows).named) > 1 and not view.axis(by_rows).time
    ]
    apart = asked.pick and asked.either and asked.sum in ("difference", "change")
    if len(several) == 1 and not (apart and len(target.aligned(several[0]).named) == 2):
        return several[0]
    untimed = [by_rows for by_rows in long if not view.axis(by_rows).time] or long
    if view.grid.row_title is not None and True in untimed:
        held = {word.stem for word in words(view.grid.row_title.text)}
        if held & {stem(word) for word in asked.focus}:
            return True
    free = [by_rows for by_rows in untimed if not target.aligned(by_rows).named]
    return (free or untimed)[0]


def places_across(asked: Asked, view: View, target: Target, *, by_rows: bool) -> Sequence[int]:
    """The labels of an axis that a search goes over: those named if several are, no totals."""
    axis, aligned = view.axis(by_rows), target.aligned(by_rows)
    named = [match.index for match in aligned.named]
    if len(named) > 1 and aligned.by == "words":
        if asked.ranged and axis.time:
            ends = sorted(axis.order.index(n) for n in named)
            return axis.order[ends[0] : ends[-1] + 1]
        return named
    every = [
        n for n, header in enumerate(axis.headers)
        if not header.total
        and not SUMMARY.search(header.text)
        and not (asked.pick and RESIDUAL.match(header.text))
    ]  # fmt: skip
    return every or range(len(axis))
