"""Labels found by their values: at a value, beyond one, the most, the least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cogagent.grid import Cell, Header
from cogagent.reading.grids.asking import Asked
from cogagent.reading.grids.drafts import (
    Draft,
    Operation,
    Pointed,
    View,
    cell_said,
    cell_text,
    in_brackets,
    once,
    places_of,
    plain,
    shown,
)  # fmt: skip
from cogagent.reading.grids.labels import fold
from cogagent.reading.grids.numbers import Stated, magnitude
from cogagent.reading.grids.reading import (
    Target,
    answers_by_rows,
    places_across,
    settle,
)  # fmt: skip
from cogagent.reading.grids.reckoning import tells_change
from cogagent.reading.question import words
from cogagent.reading.values import YEAR

_NEAR = 0.05
"""How far off, as a share, a value may be where none is the one stated."""
_GUESS = 0.4
_STEPPED = 0.7
"""How sure it is that changes from year to year are compared, not values."""
_TIE = 0.7
_MOSTLY = 0.6
_WORDED = 0.7
_YEARS = frozenset({"year", "fy"})


@dataclass(frozen=True, slots=True)
class Scored:
    """A label with the value that it is compared by.

    Attributes:
        at: Its place on the axis of the answer.
        value: What it is compared by.
        cells: Where that comes from.
        across: Their places on the other axis.
        before: The time that it is compared with, on the axis of the answer.
    """

    at: int
    value: float
    cells: tuple[Cell, ...]
    across: tuple[int, ...]
    before: int | None = None


def at_value(asked: Asked, view: View, target: Target) -> Draft | None:
    """The label at a value that the question states."""
    if asked.form not in ("label", "open") or asked.bound or not asked.numbers:
        return None
    numbers = [n for n in asked.numbers if not in_label(asked, target, n)]
    by_rows = answers_by_rows(asked, view, target)
    if not numbers or by_rows is None:
        return None
    number = numbers[0]
    fixed = settle(asked, view, target, by_rows=not by_rows)
    where = fixed.at if fixed.named or len(fixed.at) > 1 else range(len(view.axis(not by_rows)))
    for across, room in ((where, 0.0), (range(len(view.axis(not by_rows))), 0.0), (where, _NEAR)):
        found = _at(view, number, across, by_rows=by_rows, room=room)
        if found:
            break
    else:
        return None
    nearest = min(found, key=lambda one: (abs(abs(one.value) - abs(number.value)), one.at))
    sure = 0.9 if not room else _GUESS
    if len({one.at for one in found}) > 1:
        sure *= _TIE
    return _label(asked, view, nearest, sure, by_rows=by_rows)


def in_label(asked: Asked, target: Target, number: Stated) -> bool:
    """Whether a number is part of a label that is named."""
    at = target.rows.at | target.columns.at
    return any(number.start <= asked.words[n].start < number.end for n in at)


def _at(
    view: View, number: Stated, across: Sequence[int], *, by_rows: bool, room: float
) -> list[Scored]:
    found = []
    for at in range(len(view.axis(by_rows))):
        for n in across:
            cell = view.cell(at, n, by_rows)
            if cell is None or cell.value is None:
                continue
            row, column = (at, n) if by_rows else (n, at)
            meant = number.means(cell.value, magnitude(view.unit(row, column)))
            near = room and abs(cell.value - number.value) <= room * abs(number.value)
            if meant or near or abs(cell.value - number.value) <= cell.error:
                found.append(Scored(at, cell.value, (cell,), (n,)))
    return found


def at_words(asked: Asked, view: View, target: Target) -> Draft | None:
    """The label at words that the question repeats, such as a person's office."""
    if asked.form not in ("label", "open") or asked.pick or asked.bound:
        return None
    named = target.rows.at | target.columns.at
    free = {fold(w.stem) for n, w in enumerate(asked.words) if w.content and n not in named}
    best: tuple[float, tuple[int, int]] | None = None
    for place, cell in view.grid.cells.items():
        if cell.value is not None:
            continue
        held = {fold(word.stem) for word in words(cell.place.text) if word.content}
        share = len(held & free) / (len(held) + 1)
        if len(held & free) > _MOSTLY * len(held) and (best is None or share > best[0]):
            best = share, place
    if best is None:
        return None
    row, column = best[1]
    header = view.grid.rows[row]
    said = f"{header.text}: {view.grid.cells[best[1]].place.text}"
    steps = once(view.pointed(row, column))
    return Draft(label_of(asked, header), None, "label", steps, said, _WORDED)


def beyond(asked: Asked, view: View, target: Target) -> Draft | None:
    """All labels whose value lies above or below one that is stated."""
    if asked.bound is None or asked.form != "label":
        return None
    by_rows = answers_by_rows(asked, view, target)
    if by_rows is None:
        return None
    met, _, sure = met_bound(asked, view, target, by_rows=by_rows)
    if not met:
        return None
    names = [label_of(asked, view.axis(by_rows).headers[one.at]) for one in met]
    steps = [step for one in met for step in _steps(view, one, by_rows=by_rows)]
    said = "; ".join(
        f"{name}: {cell_text(one.cells[0])}" for name, one in zip(names, met, strict=True)
    )
    return Draft("; ".join(names), None, "label", once(steps), said, sure)


def met_bound(
    asked: Asked, view: View, target: Target, *, by_rows: bool
) -> tuple[list[Scored], list[Scored], float]:
    """The labels beyond the bound, all that were compared, and how sure that it is by these."""
    scored, sure = scores(asked, view, target, by_rows=by_rows)
    if asked.bound is None:
        return [], [], 0.0
    met = []
    for one in scored:
        row, column = (one.at, one.across[0]) if by_rows else (one.across[0], one.at)
        worth = magnitude(view.unit(row, column))
        if asked.bound.met(one.value, worth, costs=all(map(in_brackets, one.cells))):
            met.append(one)
    return met, scored, sure


def extreme(asked: Asked, view: View, target: Target) -> Draft | None:
    """The label, or the value, that is the most, the least, the second most."""
    if not asked.pick or asked.form == "whether":
        return None
    by_rows = answers_by_rows(asked, view, target)
    if by_rows is None:
        return None
    of_value = asked.form == "value" or (asked.form == "open" and _of_value(asked, view))
    if of_value and len(target.aligned(by_rows).named) == 1:
        return None  # "the lowest price in 2020" of a chart of lowest prices
    scored, sure = scores(asked, view, target, by_rows=by_rows)
    if len(scored) < max(2, asked.nth):
        return None
    ranked = sorted(scored, key=lambda one: -_side(asked, scored) * one.value)
    best = ranked[asked.nth - 1]
    if sum(one.value == best.value for one in ranked) > 1:
        sure *= _TIE
    moved = len(best.cells) == 2 and asked.sum in ("difference", "change")
    if moved and not asked.either and _side(asked, scored) * asked.pick * best.value <= 0:
        sure *= _GUESS  # it moved the other way
    draft = _label(asked, view, best, sure, by_rows=by_rows)
    if not of_value:
        return draft
    cell = best.cells[0]
    text = cell_text(cell) if len(best.cells) == 1 else shown(best.value, best.cells)
    return Draft(
        text, best.value, draft.operation, draft.steps, draft.said, 0.9 * draft.sure, cell.error,
        draft.unit,
    )  # fmt: skip


def _side(asked: Asked, scored: Sequence[Scored]) -> int:
    """1 where the largest number is asked for, -1 where the smallest is."""
    cells = [cell for one in scored for cell in one.cells]
    side = -1 if cells and all(map(in_brackets, cells)) else 1  # costs
    fell = asked.down and asked.sum in ("difference", "change")
    if fell and any(side * one.value < 0 for one in scored):
        side = -side  # the largest fall is the lowest change
    return side * asked.pick


def _of_value(asked: Asked, view: View) -> bool:
    """Whether the thing of which the most is asked for is what the values are of."""
    title = view.grid.value_title
    if title is None or not asked.focus:
        return False
    held = {fold(word.stem) for word in words(title.text) if word.content}
    return bool(held & set(asked.focus))


def scores(
    asked: Asked, view: View, target: Target, *, by_rows: bool
) -> tuple[list[Scored], float]:
    """The labels of an axis, each with the value that it is compared by, and how sure that is."""
    other = target.aligned(not by_rows)
    places = places_across(asked, view, target, by_rows=by_rows)
    moves = asked.pick and asked.sum in ("difference", "change")
    if moves and len(other.named) == 2 and (asked.either or view.axis(not by_rows).time):
        # "the largest increase between 2018 and 2019", "the largest gap between men and women"
        order = view.axis(not by_rows).order
        first, last = sorted((match.index for match in other.named), key=order.index)
        return _changes(asked, view, places, (first, last), by_rows=by_rows), 0.85
    fixed = settle(asked, view, target, by_rows=not by_rows)
    if moves and len(fixed.at) == 1 and _since(asked, view, target, by_rows=by_rows):
        return _each(asked, view, places, fixed.at[0], by_rows=by_rows), _STEPPED * fixed.sure
    found = []
    for at in places:
        cells = view.cells(at, fixed.at, by_rows)
        if cells:
            value = sum(cell.value or 0.0 for cell in cells)
            across = tuple(n for n in fixed.at if view.cell(at, n, by_rows) in cells)
            found.append(Scored(at, value, tuple(cells), across))
    if not found and not fixed.named:  # the latest column may be empty
        for n in reversed(view.axis(not by_rows).order):
            found = [
                Scored(at, cell.value, (cell,), (n,))
                for at in places
                for cell in view.cells(at, [n], by_rows)
                if cell.value is not None
            ]
            if len(found) > 1:
                break
    return found, fixed.sure


def _changes(
    asked: Asked, view: View, places: Sequence[int], ends: tuple[int, int], *, by_rows: bool
) -> list[Scored]:
    found = []
    for at in places:
        cells = view.cells(at, ends, by_rows)
        if len(cells) == 2:
            found.append(Scored(at, _moved(asked, *cells), tuple(cells), ends))
    return found


def _since(asked: Asked, view: View, target: Target, *, by_rows: bool) -> bool:
    """Whether the year of the largest change is asked for, and values are no changes."""
    if not (asked.timed and view.axis(by_rows).time) or tells_change(asked, view, target):
        return False
    rates = view.grid.unit == "%" or any((c.value or 0.0) < 0 for c in view.grid.cells.values())
    return not view.says_change and (view.grid.kind == "table" or not rates)


def _each(
    asked: Asked, view: View, places: Sequence[int], across: int, *, by_rows: bool
) -> list[Scored]:
    """Each time with what changed since the one before it."""
    found = []
    for before, at in pairwise(view.axis(by_rows).order):
        cells = [*view.cells(before, [across], by_rows), *view.cells(at, [across], by_rows)]
        if at in places and len(cells) == 2:
            value = _moved(asked, *cells)
            found.append(Scored(at, value, tuple(cells), (across,), before))
    return found


def _moved(asked: Asked, first: Cell, last: Cell) -> float:
    change = (last.value or 0.0) - (first.value or 0.0)
    return abs(change) if asked.either else change


def _label(asked: Asked, view: View, one: Scored, sure: float, *, by_rows: bool) -> Draft:
    row, column = (one.at, one.across[0]) if by_rows else (one.across[0], one.at)
    value = cell_said(one.cells[0]) if len(one.cells) == 1 else shown(one.value, one.cells)
    if len(one.cells) == 2 and asked.sum in ("difference", "change"):
        value = f"{plain(one.cells[0])} to {plain(one.cells[1])}, {value}"
    nth = "" if asked.nth == 1 else f", number {asked.nth}"
    rank = f" (the {'most' if asked.pick > 0 else 'least'}{nth})" if asked.pick else ""
    label = (
        view.path(row, column) if len(one.across) == 1 else view.axis(by_rows).headers[one.at].text
    )
    operation: Operation = "label" if not asked.pick else "extreme" if asked.nth == 1 else "rank"
    return Draft(
        label_of(asked, view.axis(by_rows).headers[one.at]),
        None,
        operation,
        once(_steps(view, one, by_rows=by_rows)),
        f"{label}: {value}{rank}",
        sure,
        unit=view.unit(row, column),
    )


def _steps(view: View, one: Scored, *, by_rows: bool) -> list[Pointed]:
    steps: list[Pointed] = []
    for across in one.across:
        if one.before is not None:
            before = (one.before, across) if by_rows else (across, one.before)
            steps += view.pointed(*before)
        steps += view.pointed(*((one.at, across) if by_rows else (across, one.at)))
    return steps or [
        Pointed("row" if by_rows else "column", place)
        for place in places_of(view.axis(by_rows).headers[one.at])
    ]


def label_of(asked: Asked, header: Header) -> str:
    """A label as an answer: its lowest level without the marks of footnotes.

    Where a year is asked for, and it names one among other things, that year.
    """
    text = header.levels[-1] if header.levels else header.text
    years = list(YEAR.finditer(text))
    if asked.timed and _YEARS & set(asked.focus) and len(years) == 1 and years[0]["full"]:
        return years[0].group()
    return text.rstrip("*\u2020\u2021\u00b9\u00b2\u00b3 ") or text
