"""How many there are, yes or no, up or down."""

from __future__ import annotations

from cogagent.reading.grids.aligning import Aligned
from cogagent.reading.grids.asking import Asked
from cogagent.reading.grids.drafts import (
    Draft,
    Pointed,
    Role,
    View,
    cell_text,
    in_brackets,
    once,
    places_of,
)  # fmt: skip
from cogagent.reading.grids.labels import fold
from cogagent.reading.grids.numbers import Stated, magnitude
from cogagent.reading.grids.picking import in_label, met_bound
from cogagent.reading.grids.reading import SUMMARY, Target, settle
from cogagent.reading.question import stem, words

_DRAWN = {
    "bar": ("bar", "column"), "line": ("line", "point"), "pie": ("slice", "sector", "segment"),
    "area": ("area",), "scatter": ("point", "dot"), "table": ("row", "item"),
}  # fmt: skip
_SERIES = frozenset(stem(word) for word in ("series", "lines", "colors", "colours", "groups"))
_LISTED = frozenset(
    stem(word)
    for word in "categories items labels entries values countries types kinds components".split()
)
_TIMES = frozenset(stem(word) for word in "years quarters months periods days".split())
_SHOWN = frozenset(
    stem(word) for word in "shown listed included chart graph table there compared given".split()
)
_TOLD = 24
"""Compared values that an answer writes out."""


def count(asked: Asked, view: View, target: Target) -> Draft | None:
    """How many labels there are, or lie beyond a value."""
    if not asked.counted or asked.form == "label":
        return None
    by_rows = _counted(asked, view)
    if by_rows is None:
        return None
    if asked.bound is None:
        return _shown(asked, view, by_rows=by_rows)
    met, held, sure = met_bound(asked, view, target, by_rows=by_rows)
    if not held:
        return None
    steps: list[Pointed] = []
    for one in met or held:  # that there is none shows in all that were compared
        row, column = (one.at, one.across[0]) if by_rows else (one.across[0], one.at)
        steps += view.pointed(row, column)
    names = [view.axis(by_rows).headers[one.at].text for one in met or held]
    values = [
        f"{name}: {cell_text(one.cells[0])}" for name, one in zip(names, met or held, strict=True)
    ]
    said = f"{len(met)}: {'' if met else 'none of '}{'; '.join(values[:_TOLD])}"
    said += f"; and {len(values) - _TOLD} more" if len(values) > _TOLD else ""
    return Draft(str(len(met)), float(len(met)), "count", once(steps), said, 0.9 * sure)


def _counted(asked: Asked, view: View) -> bool | None:
    """Whether rows or columns are counted, by the noun of "how many"; ``None`` if neither."""
    focus = asked.counted
    if focus & _TIMES:
        return True if view.rows.time else False if view.columns.time else None
    if focus & _SERIES and len(view.columns) > 1:
        return False
    titles = view.grid.row_title
    held = {fold(w.stem) for w in words(titles.text) if w.content} if titles else set()
    if focus & held:
        return True
    drawn = {stem(name) for name in _DRAWN[view.grid.kind]}
    if focus & drawn or (focus & _LISTED and (asked.bound or _about_chart(asked))):
        return True
    if asked.bound and view.grid.value_title is not None:
        # "How many states had more than 50?": of what is not what the values are of.
        counted = {fold(w.stem) for w in words(view.grid.value_title.text)}
        named = not view.rows.time and len(view.rows) > 1
        return True if named and focus and not focus & counted else None
    return None


def _about_chart(asked: Asked) -> bool:
    return any(word.stem in _SHOWN for word in asked.words)


def _shown(asked: Asked, view: View, *, by_rows: bool) -> Draft | None:
    if any(asked.mentions) or not (_about_chart(asked) or view.grid.kind != "table"):
        return None
    axis = view.axis(by_rows)
    headers = [h for h in axis.headers if not h.total and not SUMMARY.search(h.text)]
    role: Role = "row" if by_rows else "column"
    steps = tuple(Pointed(role, place) for h in headers for place in places_of(h))
    if not steps:
        return None
    names = ", ".join(h.text for h in headers)
    said = f"{len(headers)}: {names}"
    return Draft(str(len(headers)), float(len(headers)), "count", once(steps), said, 0.7)


def whether(asked: Asked, view: View, target: Target) -> Draft | None:
    """Yes or no: one value against another, against a number, or over time."""
    if asked.form != "whether":
        return None
    if asked.bound is not None:
        return _against_number(asked, view, target)
    for by_rows in (True, False):
        aligned = target.aligned(by_rows)
        if len(aligned.named) == 2 and asked.pick:
            return _against(asked, view, target, aligned, by_rows=by_rows)
    numbers = [number for number in asked.numbers if not in_label(asked, target, number)]
    single = all(len(target.aligned(by_rows).named) < 2 for by_rows in (True, False))
    if len(numbers) == 1 and single and not asked.sum and not asked.pick:
        return _is_number(asked, view, target, numbers[0])
    return None


def _is_number(asked: Asked, view: View, target: Target, number: Stated) -> Draft | None:
    """Whether a value is the one that the question states."""
    row = settle(asked, view, target, by_rows=True)
    column = settle(asked, view, target, by_rows=False)
    place = row.at[0], column.at[0]
    cell = view.grid.cells.get(place)
    if cell is None or cell.value is None:
        return None
    holds = number.means(cell.value, magnitude(view.unit(*place)))
    short = "Yes" if holds or abs(cell.value - number.value) <= cell.error else "No"
    said = f"{short}: {view.path(*place)}: {cell_text(cell)}"
    sure = row.sure * column.sure
    return Draft(short, None, "comparison", once(view.pointed(*place)), said, sure)


def _against_number(asked: Asked, view: View, target: Target) -> Draft | None:
    row = settle(asked, view, target, by_rows=True)
    column = settle(asked, view, target, by_rows=False)
    cell = view.grid.cells.get((row.at[0], column.at[0]))
    if cell is None or cell.value is None or asked.bound is None:
        return None
    unit = magnitude(view.unit(row.at[0], column.at[0]))
    holds = asked.bound.met(cell.value, unit, costs=in_brackets(cell))
    short = "Yes" if holds else "No"
    said = f"{short}: {view.path(row.at[0], column.at[0])}: {cell_text(cell)}"
    steps = once(view.pointed(row.at[0], column.at[0]))
    return Draft(short, None, "comparison", steps, said, row.sure * column.sure)


def _against(
    asked: Asked, view: View, target: Target, aligned: Aligned, *, by_rows: bool
) -> Draft | None:
    fixed = settle(asked, view, target, by_rows=not by_rows)
    places = [match.index for match in aligned.named]
    found = [view.cell(at, fixed.at[0], by_rows) for at in places]
    first, second = found
    if first is None or second is None or first.value is None or second.value is None:
        return None
    holds = asked.pick * (first.value - second.value) > 0
    names = [view.axis(by_rows).headers[at].text for at in places]
    short = "Yes" if holds else "No"
    said = f"{short}: {names[0]}: {cell_text(first)}; {names[1]}: {cell_text(second)}"
    steps: list[Pointed] = []
    for at in places:
        steps += view.pointed(*((at, fixed.at[0]) if by_rows else (fixed.at[0], at)))
    sure = fixed.sure * (0.5 + 0.5 * aligned.margin)
    return Draft(short, None, "comparison", once(steps), said, sure)


def trend(asked: Asked, view: View, target: Target) -> Draft | None:
    """Whether something rose or fell between the ends of a time."""
    asks = asked.form == "whether" and asked.sum == "difference"
    timed = [by_rows for by_rows in (True, False) if view.axis(by_rows).time]
    if not (asked.trend or asks) or not timed or asked.form == "label":
        return None
    if any(
        len(target.aligned(by_rows).named) > 1 for by_rows in (True, False) if by_rows != timed[0]
    ):
        return None  # "did both rise": of which?
    by_rows = timed[0]
    axis, named = view.axis(by_rows), target.aligned(by_rows).named
    order = [n for n in axis.order if axis.labels[n].periods]
    at = sorted((match.index for match in named), key=axis.order.index)
    ends = (at[0], at[-1]) if len(at) > 1 else (order[0], order[-1])
    fixed = settle(asked, view, target, by_rows=not by_rows)
    first, last = (view.cell(n, fixed.at[0], by_rows) for n in ends)
    if first is None or last is None or first.value is None or last.value is None:
        return None
    change = last.value - first.value
    short = "increase" if change > 0 else "decrease" if change < 0 else "no change"
    if not asked.trend:
        short = "Yes" if (-change if asked.down else change) > 0 else "No"
    names = [axis.headers[n].text for n in ends]
    said = f"{short}: {names[0]}: {cell_text(first)}; {names[1]}: {cell_text(last)}"
    steps: list[Pointed] = []
    for n in ends:
        steps += view.pointed(*((n, fixed.at[0]) if by_rows else (fixed.at[0], n)))
    return Draft(short, None, "trend", once(steps), said, 0.9 * fixed.sure)
