"""Values and labels as they stand: one, or several that are asked for together."""

from __future__ import annotations

from cogagent.grid import Cell
from cogagent.reading.grids.asking import Asked
from cogagent.reading.grids.drafts import (
    Draft,
    Pointed,
    Role,
    View,
    cell_said,
    cell_text,
    once,
    places_of,
    shown,
)  # fmt: skip
from cogagent.reading.grids.picking import label_of
from cogagent.reading.grids.reading import Settled, Target, best_of, places_across, settle
from cogagent.reading.grids.reckoning import tells_change

_LABEL = 0.4
_FROM_TOP = 0.5
_UNRECKONED = 0.5


def lookup(asked: Asked, view: View, target: Target) -> Draft | None:
    """The value where a row and a column meet."""
    row = settle(asked, view, target, by_rows=True)
    column = settle(asked, view, target, by_rows=False)
    if asked.form == "label" and not _words_at(view, row, column):
        return _unasked(asked, view, target)
    if row.guessed and _unknown_name(asked, view, target):
        return None
    if len(row.at) > 1 or len(column.at) > 1:
        return _stack(view, row, column)
    found = _filled(view, row, column)
    if found is None:
        return None
    place, cell, sure = found
    if asked.form in ("open", "whether"):
        sure *= _FROM_TOP
    if _unreckoned(asked, view, target, place):
        sure *= _UNRECKONED
    return Draft(
        cell_text(cell), cell.value, "lookup", once(view.pointed(*place)),
        f"{view.path(*place)}: {cell_said(cell)}" if view.path(*place) else cell_said(cell),
        sure, cell.error, view.unit(*place),
    )  # fmt: skip


def _unreckoned(asked: Asked, view: View, target: Target, place: tuple[int, int]) -> bool:
    """Whether a sum was asked of a table that does not have the result as it stands."""
    if view.grid.kind != "table" or asked.sum in ("", "sum", "average"):
        return False
    share = asked.sum == "share" and view.unit(*place) == "%"
    return not share and not tells_change(asked, view, target)


def _unknown_name(asked: Asked, view: View, target: Target) -> bool:
    """Whether the question has a name that stands nowhere, where the rows are other names."""
    missing = target.unheard(asked, view)
    return any(asked.words[n].strong and not asked.in_number(n) for n in missing)


def _words_at(view: View, row: Settled, column: Settled) -> bool:
    """Whether words stand there, which may be the label that is asked for."""
    cell = view.grid.cells.get((row.at[0], column.at[0]))
    return cell is not None and cell.value is None


def _stack(view: View, row: Settled, column: Settled) -> Draft | None:
    """The height of a stack: its parts together."""
    places = [(r, c) for r in row.at for c in column.at]
    cells = [(place, cell) for place in places if (cell := view.grid.cells.get(place))]
    known = [(place, cell) for place, cell in cells if cell.value is not None]
    if not known:
        return None
    total = sum(cell.value or 0.0 for _, cell in known)
    text = shown(total, [cell for _, cell in known])
    steps = [step for place, _ in known for step in view.pointed(*place)]
    said = " + ".join(cell_text(cell) for _, cell in known)
    return Draft(
        text, total, "sum", once(steps), f"{said} = {text} ({view.grid.rows[row.at[0]].text})",
        row.sure * column.sure, max(cell.error for _, cell in known), view.unit(*known[0][0]),
    )  # fmt: skip


def _filled(
    view: View, row: Settled, column: Settled
) -> tuple[tuple[int, int], Cell, float] | None:
    """The cell, or where one of its labels is not named the next that holds something."""
    sure = row.sure * column.sure
    cell = view.grid.cells.get((row.at[0], column.at[0]))
    if cell is not None:
        return (row.at[0], column.at[0]), cell, sure
    if row.named and not column.named:
        for n in reversed(view.columns.order):
            if (cell := view.grid.cells.get((row.at[0], n))) is not None:
                return (row.at[0], n), cell, 0.8 * sure
    if column.named and not row.named:
        for n in reversed(view.rows.order):
            if (cell := view.grid.cells.get((n, column.at[0]))) is not None:
                return (n, column.at[0]), cell, 0.8 * sure
    return None


def _unasked(asked: Asked, view: View, target: Target) -> Draft | None:
    """A label that nothing tells from others: the one that is most, or the first in time."""
    by_rows = len(view.rows) > 1
    axis = view.axis(by_rows)
    places = places_across(asked, view, target, by_rows=by_rows)
    across = settle(asked, view, target, by_rows=not by_rows).at[0]
    values = {
        at: cell.value
        for at in places
        if axis.headers[at].text
        and (cell := view.cell(at, across, by_rows)) is not None
        and cell.value is not None
    }
    if not values:
        return None
    if axis.time and asked.when == "first":
        best = min(values, key=axis.order.index)
    else:
        best = max(values, key=lambda at: (values[at], -at))
    place = (best, across) if by_rows else (across, best)
    header = axis.headers[best]
    return Draft(
        label_of(asked, header), None, "label", once(view.pointed(*place)),
        f"{view.path(*place)}: {cell_said(view.grid.cells[place])}", _LABEL,
    )  # fmt: skip


def listed(asked: Asked, view: View, target: Target) -> Draft | None:
    """Several values of one row or column, in the order in which they are asked for."""
    if not asked.many or asked.form == "label":
        return None
    rows = [match.index for match in target.rows.named]
    columns = [match.index for match in target.columns.named]
    if max(len(rows), len(columns)) < 2:
        return None
    if len(rows) > 1 and len(columns) > 1:  # of one thing at several times
        dated = any(match.mention is not None for match in target.columns.named)
        rows, columns = ([best_of(target.rows).index], columns) if dated else (rows, columns)
    sure = 0.8
    if len(rows) < 2:
        settled = settle(asked, view, target, by_rows=True)
        rows, sure = list(settled.at), sure * settled.sure
    if len(columns) < 2:
        settled = settle(asked, view, target, by_rows=False)
        columns, sure = list(settled.at), sure * settled.sure
    places = [(r, c) for r in rows for c in columns if (r, c) in view.grid.cells]
    if len(places) < 2:
        return None
    steps = [step for place in places for step in view.pointed(*place)]
    texts = [cell_text(view.grid.cells[place]) for place in places]
    said = "; ".join(
        f"{view.path(*place)}: {text}" for place, text in zip(places, texts, strict=True)
    )
    return Draft(
        "; ".join(texts), None, "list", once(steps), said, sure, 0.0, view.unit(*places[0])
    )


def label_list(asked: Asked, view: View, target: Target) -> Draft | None:
    """The years, or what else of time there is, that the grid has something for."""
    if not (asked.timed and asked.many) or asked.pick or asked.bound or asked.numbers:
        return None
    for by_rows in (False, True):
        axis = view.axis(by_rows)
        if not axis.time:
            continue
        named = target.aligned(not by_rows).named
        across = [best_of(target.aligned(not by_rows)).index] if named else None
        held = [
            n
            for n in range(len(axis))
            if across is None or view.cell(n, across[0], by_rows) is not None
        ]
        names = list(dict.fromkeys(label_of(asked, axis.headers[n]) for n in held))
        role: Role = "row" if by_rows else "column"
        steps = [Pointed(role, place) for n in held for place in places_of(axis.headers[n])]
        said = f"It shows {', '.join(names)}"
        return Draft("; ".join(names), None, "list", once(steps), said, 0.8)
    return None
