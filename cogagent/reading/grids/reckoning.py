"""Sums over several cells: differences, totals, averages, ratios, shares, changes in per cent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cogagent.grid import Cell
from cogagent.reading.grids.aligning import Aligned
from cogagent.reading.grids.asking import Asked, Sum
from cogagent.reading.grids.drafts import (
    CHANGES,
    Draft,
    Operation,
    Pointed,
    View,
    in_brackets,
    once,
    plain,
    shown,
)  # fmt: skip
from cogagent.reading.grids.numbers import written
from cogagent.reading.grids.reading import SUMMARY, Target, settle

_MOST = 24
"""Cells that one sum may be of."""
_NAMED = 0.5
_ADDED = 0.8
"""How sure it is that all rows together are the total that a question speaks of."""
_WANTED = {"difference": 2, "change": 2, "ratio": 2, "share": 2}


@dataclass(frozen=True, slots=True)
class Operand:
    """A value that goes into a sum."""

    row: int
    column: int
    cell: Cell
    value: float


def reckon(asked: Asked, view: View, target: Target) -> Draft | None:
    """Work out what the question asks for, where it names more than one value."""
    if not asked.sum or asked.form == "label" or (asked.many and asked.sum == "sum"):
        return None
    found = _operands(asked, view, target)
    if found is None:
        return _of_whole(asked, view, target) if asked.sum == "share" and asked.whole else None
    operands, sure = found
    if asked.versus and all(
        in_brackets(one.cell) for one in operands
    ):  # costs: more is more negative
        operands = [_without_brackets(one) for one in operands]
    done = _worked(asked, operands)
    if done is None:
        return None
    value, sign, operation = done
    fell = asked.down and operation in ("difference", "change") and value < 0
    if fell:  # "by how much did it fall"
        value = -value
        if operation == "difference":
            operands.reverse()
    cells = [one.cell for one in operands]
    steps: list[Pointed] = []
    for one in operands:
        steps += view.pointed(one.row, one.column)
    percent = operation in ("change", "share")
    unit = "%" if percent else "" if operation == "ratio" else _unit(view, operands)
    text = written(round(value, 2), 2) if percent or operation == "ratio" else shown(
        value, cells, 2 if operation == "average" else 0
    )  # fmt: skip
    error = max(cell.error for cell in cells)
    parts = sign.join(plain(cell) for cell in cells)
    if operation == "average":
        parts = f"({parts}) / {len(cells)}"
    elif operation == "change":
        to, since = (cells[0], cells[1]) if fell else (cells[1], cells[0])
        parts = f"({plain(to)} - {plain(since)}) / {plain(cells[0])}"
    said = f"{parts} = {text}{' %' if percent else ''} ({_names(view, operands)})"
    return Draft(
        f"{text} %" if percent else text, value, operation, once(steps), said, sure,
        0.0 if percent or operation == "ratio" else error, unit,
    )  # fmt: skip


def _operands(asked: Asked, view: View, target: Target) -> tuple[list[Operand], float] | None:
    rows, columns = target.rows, target.columns
    # Two things of one year: the year before is no part of their sum.
    several = (
        _several(asked, view, rows, by_rows=True, alone=len(columns.named) < 2),
        _several(asked, view, columns, by_rows=False, alone=len(rows.named) < 2),
    )
    wanted = _WANTED.get(asked.sum, 0)
    row_places, row_sure = several[0] or ([], 0.0)
    column_places, column_sure = several[1] or ([], 0.0)
    if tells_change(asked, view, target):
        return None
    if wanted and len(row_places) > 1 and len(column_places) > 1:
        # "The change in A, as of B, from 2018 to 2019": the time is what is compared.
        if view.columns.time or not view.rows.time:
            row_places = []
        else:
            column_places = []
    if not row_places and not column_places:
        return None
    if not row_places:
        settled = settle(asked, view, target, by_rows=True)
        row_places, row_sure = list(settled.at), settled.sure
    if not column_places:
        settled = settle(asked, view, target, by_rows=False)
        column_places, column_sure = list(settled.at), settled.sure
    operands = []
    for row in row_places:
        for column in column_places:
            cell = view.grid.cells.get((row, column))
            if cell is None or cell.value is None:
                if wanted:
                    return None
                continue
            operands.append(Operand(row, column, cell, cell.value))
    if not 1 < len(operands) <= _MOST or (wanted and len(operands) != wanted):
        return None
    return operands, row_sure * column_sure


def _of_whole(asked: Asked, view: View, target: Target) -> Draft | None:
    """The share of one row in a total that has no row of its own: of all rows together."""
    for by_rows in (True, False):
        axis, aligned = view.axis(by_rows), target.aligned(by_rows)
        across = settle(asked, view, target, by_rows=not by_rows)
        if axis.time or len(aligned.named) != 1 or aligned.by != "words" or len(across.at) > 1:
            continue
        totals = [n for n, h in enumerate(axis.headers) if h.total or SUMMARY.search(h.text)]
        parts = range(len(axis)) if len(totals) != 1 else totals
        cells = [cell for n in parts if (cell := view.cell(n, across.at[0], by_rows))]
        part = view.cell(aligned.named[0].index, across.at[0], by_rows)
        values = [cell.value for cell in cells if cell.value is not None]
        if len(totals) > 1 or part is None or part.value is None or not 0 < len(cells) <= _MOST:
            continue
        at = aligned.named[0].index
        place = (at, across.at[0]) if by_rows else (across.at[0], at)
        # What does not add up to a whole: gaps, losses among gains, and shares as they stand.
        whole = sum(values)
        if len(values) < len(cells) or min(values) < 0 or not whole or view.unit(*place) == "%":
            continue
        value = 100 * part.value / whole
        text = f"{written(round(value, 2), 2)} %"
        added = " + ".join(map(plain, cells))
        steps = view.pointed(*place)
        for n in parts:
            steps += view.pointed(*((n, across.at[0]) if by_rows else (across.at[0], n)))
        said = f"{plain(part)} / {f'({added})' if len(cells) > 1 else added} = {text}"
        sure = (_ADDED if len(cells) > 1 else 1.0) * across.sure * (0.5 + 0.5 * aligned.margin)
        return Draft(
            text, value, "share", once(steps), f"{said} ({view.path(*place)})", sure, 0.0, "%"
        )
    return None


def tells_change(asked: Asked, view: View, target: Target) -> bool:
    """Whether the row is of changes itself, so that its value is the answer."""
    if asked.sum not in ("difference", "change") or len(asked.mentions) > 1:
        return False
    labels = [
        (view.rows if n == 0 else view.columns).labels[match.index]
        for n, aligned in enumerate((target.rows, target.columns))
        for match in aligned.named[:1]
    ]
    return any(not CHANGES.isdisjoint(label.stems) for label in labels)


def _several(
    asked: Asked, view: View, aligned: Aligned, *, by_rows: bool, alone: bool
) -> tuple[list[int], float] | None:
    """The places of an axis that go into a sum, in its order; ``None`` for less than two.

    Args:
        asked: The question.
        view: The grid.
        aligned: What it names on this axis.
        by_rows: Which that is.
        alone: It names no two things on the other one.
    """
    axis = view.axis(by_rows)
    places = [match.index for match in aligned.named]
    if aligned.by == "meaning":
        return None
    if len(places) > 1:
        timed = all(axis.labels[place].periods for place in places)
        if asked.versus and asked.sum == "difference":
            return places[:2][:: asked.versus], 0.6 + 0.4 * aligned.margin
        if timed and asked.sum in ("difference", "change"):
            # What came less what was; a change is told from the first.
            places.sort(
                key=lambda place: axis.labels[place].moment, reverse=asked.sum == "difference"
            )
        if asked.sum in _WANTED:
            places = places[:2] if not timed else [places[0], places[-1]]
        return places, 0.6 + 0.4 * aligned.margin
    if not alone and not asked.every:
        return None
    if places:
        return _since(asked, view, aligned, by_rows=by_rows)
    return _all(asked, view, by_rows=by_rows)


def _since(
    asked: Asked, view: View, aligned: Aligned, *, by_rows: bool
) -> tuple[list[int], float] | None:
    """The change in one year of a table: from the year before."""
    axis, named = view.axis(by_rows), aligned.named[0]
    if view.grid.kind != "table" or asked.sum not in ("difference", "change") or not axis.time:
        return None
    order = [n for n in axis.order if axis.labels[n].periods]
    if named.mention is None or named.index not in order or not order.index(named.index):
        return None
    places = [named.index, order[order.index(named.index) - 1]]
    return (places if asked.sum == "difference" else places[::-1]), _NAMED


def _all(asked: Asked, view: View, *, by_rows: bool) -> tuple[list[int], float] | None:
    """All places of a time, where the question speaks of the whole of it."""
    axis = view.axis(by_rows)
    if not asked.sum or not 1 < len(axis) <= _MOST or not axis.time:
        return None
    if asked.sum in ("difference", "change"):
        whole = view.grid.kind == "table" and not asked.periods and not asked.when
        ends = [axis.order[-1], axis.order[0]]
        return (ends if asked.sum == "difference" else ends[::-1], _NAMED) if whole else None
    if asked.sum not in ("average", "sum"):
        return None
    if not asked.every and (asked.periods or asked.when or view.grid.kind != "table"):
        return None
    if not asked.every and asked.sum == "sum":
        return None
    places = [n for n in axis.order if axis.labels[n].periods]
    return (places, 0.8 if asked.every else _NAMED) if len(places) > 1 else None


def _worked(asked: Asked, operands: list[Operand]) -> tuple[float, str, Operation] | None:
    values = [one.value for one in operands]
    kind: Sum = asked.sum
    if kind == "sum":
        return sum(values), " + ", "sum"
    if kind == "average":
        return sum(values) / len(values), " + ", "average"
    first, second = values
    if kind == "difference":
        return first - second, " - ", "difference"
    if kind == "change":
        if first == 0:
            return None
        # Costs that stand in brackets grow when they become more negative.
        base = first if (first < 0) == (second < 0) else abs(first)
        return 100 * (second - first) / base, " - ", "change"
    if second == 0:
        return None
    if kind == "share":
        if not asked.as_of and abs(first) > abs(second):  # "what percentage of the whole was A"
            operands.reverse()
            first, second = second, first
        return 100 * first / second, " / ", "share"
    return first / second, " / ", "ratio"


def _without_brackets(one: Operand) -> Operand:
    return replace(one, value=-one.value, cell=replace(one.cell, value=-one.value))


def _unit(view: View, operands: list[Operand]) -> str:
    return view.unit(operands[0].row, operands[0].column)


def _names(view: View, operands: list[Operand]) -> str:
    rows = list(dict.fromkeys(view.grid.rows[one.row].text for one in operands))
    columns = list(dict.fromkeys(view.grid.columns[one.column].text for one in operands))
    parts = [" and ".join(filter(None, names)) for names in (rows, columns)]
    return ", ".join(part for part in parts if part)
