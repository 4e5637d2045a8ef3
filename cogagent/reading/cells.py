"""Which cell of a row a question asks for: a value, the row's label, or the header of a column."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cogagent.reading.question import AnswerType, words
from cogagent.reading.tables import Row, Table
from cogagent.reading.values import YEAR, Periods, conflict, fits, found_in, kind, number, periods
from cogagent.reading.wishes import Wish

_SUMMARY = re.compile(r"\b(?:sub-?)?total\b|\b(?:sum|mean|average|all|overall)\b", re.IGNORECASE)
_LABELS = frozenset({AnswerType.NAME, AnswerType.PERSON, AnswerType.PLACE, AnswerType.DATE})
_TYPE_WEIGHT = 0.4
_PERIOD_WEIGHT = 3.0
_EXTRA_WEIGHT = 0.05
_COMMON = 0.1
"""What a word of all headers counts."""
_CLEAR = 0.3
"""How far a column has to lie before the others."""
_MOSTLY = 0.6


@dataclass(frozen=True, slots=True)
class Choice:
    """A cell of a row.

    Attributes:
        column: Its column; None when several go equally well with the question.
        part: "value", "label" (the row's first cell) or "head" (the column's header).
        named: How many of the question's words chose the column.
        rivals: How many other columns go equally well.
        winner: Whether a comparison chose this row or column; -1 if it chose another row.
        given: The column's value stands in the question.
        other: The columns are of other years, quarters, months or days than those asked for.
    """

    column: int | None
    part: str = "value"
    named: float = 0.0
    rivals: int = 0
    winner: int = 0
    given: bool = False
    other: bool = False


def choose(text: str, table: Table, asked: Wish) -> list[Choice]:
    """Choose a cell in each row of a table."""
    choices = [choose_in_row(text, row, asked) for row in table.rows]
    if not asked.compares or any(choice.part == "head" for choice in choices):
        return choices
    best: tuple[float, int] | None = None
    met: list[int] = []
    for place, (row, choice) in enumerate(zip(table.rows, choices, strict=True)):
        value = None if choice.column is None else number(_cell(text, row, choice.column))
        if value is None or _SUMMARY.search(row.label) or not row.label:
            continue
        if asked.bound:
            if asked.bound[0] * (value - asked.bound[1]) > 0:
                met.append(place)
        elif best is None or asked.picks * value > best[0]:
            best = (asked.picks * value, place)
    won = met[0] if len(met) == 1 else best[1] if best else None
    return [
        Choice(c.column, "label", c.named, c.rivals, 1 if n == won else -1)
        for n, c in enumerate(choices)
    ]


def choose_in_row(text: str, row: Row, asked: Wish) -> Choice:
    """Choose the cell of one row that a question asks for."""
    filled = row.filled()
    if not filled:
        return Choice(None)
    given = _given(text, row, filled, asked)
    dated = [n for n in filled if periods(row.columns[n])]
    if asked.of_period and len(dated) > 1:
        if asked.compares:
            return _extreme(text, row, dated, asked)
        if given is not None:
            return Choice(given, "head", given=True)
    if given is not None and row.label and asked.expected in _LABELS:
        return Choice(given, "label", given=True)
    return _named(text, row, filled, asked)


def _given(text: str, row: Row, filled: Sequence[int], asked: Wish) -> int | None:
    """Return the column whose value the question states."""
    for n in filled:
        value = number(_cell(text, row, n))
        if value is not None and abs(value) in asked.numbers:
            return n
    if asked.expected not in _LABELS - {AnswerType.DATE}:
        return None
    label = _stems(row.label)
    for n in filled:  # a name or the like, in words
        held = _stems(_cell(text, row, n))
        shared = len(held & (asked.asked - label))
        if held and shared > _MOSTLY * len(held) and kind(_cell(text, row, n)) == "text":
            return n
    return None


def _extreme(text: str, row: Row, dated: Sequence[int], asked: Wish) -> Choice:
    """Choose the period in which a row's value is the most or the least, or beyond a bound."""
    named = [n for n in dated if any(
        asked.periods[k] & v for k, v in periods(row.columns[n]).items() if k in asked.periods
    )]  # fmt: skip
    values = {n: number(_cell(text, row, n)) for n in (named if len(named) > 1 else dated)}
    known = {n: value for n, value in values.items() if value is not None}
    if all(value <= 0 for value in known.values()):  # costs in brackets
        known = {n: -value for n, value in known.items()}
    if asked.bound:
        side, limit = asked.bound
        met = [n for n, value in known.items() if side * (value - limit) > 0]
        return Choice(met[0], "head", winner=1) if len(met) == 1 else Choice(None, "head")
    ranked = sorted(known, key=lambda n: -asked.picks * known[n])
    if not ranked or (len(ranked) > 1 and known[ranked[0]] == known[ranked[1]]):
        return Choice(None, "head")
    return Choice(ranked[0], "head", winner=1)


def _named(text: str, row: Row, filled: Sequence[int], asked: Wish) -> Choice:
    """Choose the column that the question names, in words that do not label the row."""
    free = asked.asked - _stems(row.label)
    kinds = {n: kind(_cell(text, row, n), row.columns[n]) for n in filled}
    if asked.expected is AnswerType.PERCENT and "percent" in kinds.values():
        filled = [n for n in filled if kinds[n] == "percent"]
    if asked.periods and not found_in(asked.periods, periods(f"{row.section} {row.label}")):
        named = [periods(row.columns[n]) for n in filled]
        clash = any(conflict(asked.periods, each) for each in named)
        if clash and all(conflict(asked.periods, each) for each in named if each):
            return Choice(None, rivals=len(filled), other=True)
    heads = {n: _stems(row.columns[n]) for n in filled}
    often = Counter(name for head in heads.values() for name in head)
    scores: dict[int, float] = {}
    hits: dict[int, float] = {}
    for n in filled:
        shared = heads[n] & free
        hits[n] = sum(max(_COMMON, math.log(len(filled) / often[name])) for name in shared)
        hits[n] += _period(asked.periods, periods(row.columns[n]))
        scores[n] = hits[n] + _TYPE_WEIGHT * fits(asked.expected, kinds[n])
        scores[n] -= _EXTRA_WEIGHT * len(heads[n] - free)
    ordered = sorted(filled, key=lambda n: (-scores[n], n))
    best = ordered[0]
    rivals = [n for n in ordered[1:] if scores[n] > scores[best] - _CLEAR]
    if asked.compares and not rivals and hits[best] <= 0 and len(filled) > 1:
        return Choice(None, rivals=len(filled) - 1)
    column = best if not rivals else None
    return Choice(column, named=hits[best], rivals=len(rivals))


def _period(asked: Periods, named: Periods) -> float:
    """Return what the periods of a header speak for its column, or against it."""
    if not asked or not named:
        return 0.0
    if conflict(asked, named):
        return -2 * _PERIOD_WEIGHT
    shared = [(asked[name], named[name]) for name in asked if name in named]
    if not shared or any(not wanted <= held for wanted, held in shared):
        return 0.0
    return _PERIOD_WEIGHT / (1 if all(wanted == held for wanted, held in shared) else 2)


def place_of(
    text: str, table: Table, row: Row, choice: Choice, asked: Wish
) -> tuple[int, int] | None:
    """Return the character range of a chosen cell in the table's text, None if it is not there."""
    if choice.column is None:
        return None
    if choice.part == "head":
        place = table.heads[choice.column] if choice.column < len(table.heads) else None
        if place is not None and asked.of_years:
            years = [m for m in YEAR.finditer(text[slice(*place)]) if m["full"]]
            if len(years) == 1:
                return place[0] + years[0].start(), place[0] + years[0].end()
        return place
    start, end = row.cells[0 if choice.part == "label" else choice.column]
    return (start, end) if end > start else None


def _cell(text: str, row: Row, column: int) -> str:
    return text[slice(*row.cells[column])]


def _stems(text: str) -> frozenset[str]:
    return frozenset(word.stem for word in words(text) if word.content)
