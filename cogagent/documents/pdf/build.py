"""Rows that belong to one table to its columns, header and cells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cogagent.documents.pdf.rows import split_cells
from cogagent.documents.pdf.table import Table

if TYPE_CHECKING:
    from cogagent.documents.pdf.rows import Row
    from cogagent.documents.pdf.table import Lines
    from cogagent.documents.pdf.text import Piece

_CONNECTORS = {
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "including", "less", "net", "of",
    "on", "or", "other", "per", "than", "that", "the", "to", "with",
}  # fmt: skip


Line = tuple[float, float, float]
"""A level rule: left, right and height on the page."""


@dataclass(slots=True)
class Run:
    """Rows that may be a table: data rows with aligned numbers and what stands between."""

    rows: list[Row]
    pending: list[Row] = field(default_factory=list)

    @property
    def data(self) -> list[Row]:
        """The rows that hold numbers."""
        return [row for row in self.rows if row.is_data]

    def columns(self) -> list[tuple[float, float]]:
        """The intervals that the numbers of the last data rows take up."""
        return merge_intervals([(c.x0, c.x1) for row in self.data[-12:] for c in row.numbers])


def merge_intervals(
    spans: list[tuple[float, float]], slack: float = 0.0
) -> list[tuple[float, float]]:
    """The union of intervals, those nearer than ``slack`` joined."""
    merged: list[tuple[float, float]] = []
    for x0, x1 in sorted(spans):
        if merged and x0 < merged[-1][1] + slack:
            merged[-1] = (merged[-1][0], max(merged[-1][1], x1))
        else:
            merged.append((x0, x1))
    return merged


def is_parted(above: Row, below: Row, barriers: list[Piece]) -> bool:
    """A line of prose stands between two rows."""
    x0, x1 = min(above.x0, below.x0), max(above.x1, below.x1)
    return any(
        above.base < p.base < below.base and min(p.x1, x1) - max(p.x0, x0) > 0 for p in barriers
    )


def build_table(
    run: Run, rows: list[Row], barriers: list[Piece], taken: set[int], underlines: list[Line]
) -> tuple[Table, list[Row]]:
    """The table that ``run`` is, with its header, and the rows that went into it."""
    columns, labels = _columns(run)
    heads, groups = _header_above(run, rows, columns, barriers, taken)
    opening = 0
    for row in [] if groups else run.rows:
        if not (
            (row.is_data and row.all_years) or (not row.is_data and _over_numbers(row, columns))
        ):
            break
        opening += 1
    while opening and not run.rows[opening - 1].is_data:
        opening -= 1
    body = [*groups, *run.rows[opening:]]
    tail = _wrapped_tail(run)
    header = [*heads, *run.rows[:opening]]
    cells = []
    for row in header:
        split_cells(row, columns)
        cells.append(_spread(row, columns, _spans(row, columns, labels, underlines), labels))
    cells += _merge_wrapped(body + tail, columns)
    used = [*header, *body, *tail]
    box = (
        min(r.x0 for r in used), min(r.y0 for r in used),
        max(r.x1 for r in used), max(r.y1 for r in used),
    )  # fmt: skip
    title = _title_above(used[0], rows, box)
    return Table(box, cells, len(header), title), used


def _columns(run: Run) -> tuple[list[tuple[float, float]], int]:
    """The table's columns from left to right, and how many of labels come first."""
    data = run.data
    body = [row for row in data if not row.all_years] or data
    size = body[0].size
    numbers = _number_columns(body, size)
    first = numbers[0][0]
    texts = [c for row in body for c in row.cells if not any(c is n for n in row.numbers)]
    left = merge_intervals([(c.x0, c.x1) for c in texts if c.x0 < first])
    left = [(a, min(b, first)) for a, b in left]
    apart = [
        (c.x0, c.x1)
        for c in texts
        if c.x0 >= first and not any(c.x0 < b and c.x1 > a for a, b in numbers)
    ]
    return [*left, *sorted([*numbers, *merge_intervals(apart)])], len(left)


def _number_columns(body: list[Row], size: float) -> list[tuple[float, float]]:
    """Intervals of the columns of numbers; no row has two numbers in one column."""
    found: list[tuple[float, float]] = []
    for x0, x1 in merge_intervals(
        [(c.x0, c.x1) for row in body for c in row.numbers], -0.1 * size
    ):
        within = [[c for c in row.numbers if c.x0 < x1 and c.x1 > x0] for row in body]
        cells = sorted((c for row in within for c in row), key=lambda c: c.x1)
        gaps = sorted(range(1, len(cells)), key=lambda i: cells[i - 1].x1 - cells[i].x1)
        cuts = [0, *sorted(gaps[: max(map(len, within)) - 1]), len(cells)]
        for start, end in pairwise(cuts):
            part = cells[start:end]
            found.append((min(c.x0 for c in part), max(c.x1 for c in part)))
    return sorted(found)


def _over_numbers(row: Row, columns: list[tuple[float, float]]) -> bool:
    """Every cell of the row stands right of the labels."""
    return (
        len(columns) > 1
        and row.x0 > columns[0][0] + 4 * row.size
        and row.x0 >= columns[0][1] - (0.7 * (columns[0][1] - columns[0][0]))
    )


def _header_above(
    run: Run, rows: list[Row], columns: list[tuple[float, float]], barriers: list[Piece],
    taken: set[int],
) -> tuple[list[Row], list[Row]]:  # fmt: skip
    """The rows above the first data row that name its columns, and group labels under them."""
    top = run.rows[0]
    at = next(i for i, row in enumerate(rows) if row is top)
    heads: list[Row] = []
    groups: list[Row] = []
    x0, x1 = columns[0][0], columns[-1][1]
    first = columns[min(1, len(columns) - 1)][0]
    for row in reversed(rows[max(at - 8, 0) : at]):
        below = (heads or groups or [top])[0]
        if below.y0 - row.y1 > 1.6 * row.size or is_parted(row, below, barriers):
            break
        if any(id(p) in taken for p in row.pieces) or row.size > 1.35 * top.size:
            break
        if row.x0 < x0 - 3 * row.size or row.x1 > x1 + 4 * row.size:
            break
        lone = len(row.cells) == 1
        if (row.x1 > first and not (lone and not _over_numbers(row, columns))) or (
            lone and (heads or row.cells[0].text.startswith("(")) and row.x1 <= first
        ):
            heads.insert(0, row)
        elif lone and not heads and len(groups) < 2 and len(row.cells[0].words) < 9:
            groups.insert(0, row)
        else:
            break
    while heads and heads[0].x1 <= first:
        heads.pop(0)
    return heads, groups if heads else []


def _title_above(first: Row, rows: list[Row], box: tuple[float, float, float, float]) -> str:
    """A heading right above the table: bold, in capitals, or a short line on its own."""
    above = [r for r in rows if r.base < first.base - 0.5 * r.size and len(r.cells) == 1]
    title: list[str] = []
    top = first.y0
    for row in reversed(above):
        text = row.cells[0].text
        strong = (
            row.bold or text.upper() == text or bool(re.match(r"(table|exhibit)\s", text, re.I))
        )
        if top - row.y1 > 2.2 * row.size or not strong or row.x1 < box[0] or row.x0 > box[2]:
            break
        title.insert(0, text)
        top = row.y0
        if len(title) == 3:
            break
    return " ".join(title)


def _wrapped_tail(run: Run) -> list[Row]:
    """The rest of the last row's label, where it runs on below."""
    last = run.rows[-1]
    if not run.pending:
        return []
    row = run.pending[0]
    near = row.y0 - last.y1 < 0.7 * row.size and len(row.cells) == 1
    starts = row.cells[0].text[0].islower() and last.label is not None
    return [row] if near and starts and row.x0 < run.columns()[0][0] else []


def _spans(
    row: Row, columns: list[tuple[float, float]], labels: int, underlines: list[Line]
) -> dict[int, int]:
    """The first column of each heading over several columns, by the heading's place in ``row``.

    A heading's own extent does not tell what it spans: that is where the line
    under it reaches to, or an even share of the columns around its middle.
    """
    over = [i for i, cell in enumerate(row.cells) if cell.x1 > columns[labels][0]]
    count, share = len(columns) - labels, 0
    if over and count > len(over) and count % len(over) == 0:
        share = count // len(over)
        for n, i in enumerate(over):
            first, last = columns[labels + n * share], columns[labels + (n + 1) * share - 1]
            cell = row.cells[i]
            if abs(cell.x0 + cell.x1 - first[0] - last[1]) > 4.5 * row.size:
                share = 0
                break
    if share:
        return {i: labels + n * share for n, i in enumerate(over)}
    found: dict[int, int] = {}
    for i in over if len(over) < count else []:
        cell = row.cells[i]
        for x0, x1, y in underlines:
            near = -0.3 * row.size < y - row.base < 0.9 * row.size
            alone = not any(o is not cell and o.x1 > x0 and o.x0 < x1 for o in row.cells)
            centred = abs(x0 + x1 - cell.x0 - cell.x1) < 3 * row.size
            if near and alone and centred and x0 <= cell.x0 + 2 and x1 >= cell.x1 - 2:
                under = [n for n, (a, b) in enumerate(columns) if x0 <= (a + b) / 2 <= x1]
                if len(under) > 1:
                    found[i] = max(under[0], labels)
    return found


def _spread(
    row: Row,
    columns: list[tuple[float, float]],
    spans: dict[int, int] | None = None,
    labels: int = 0,
) -> list[Lines]:
    """The row's cells in its columns, each as lines of words."""
    edge = columns[labels - 1][1] if labels else 0.0
    result: list[Lines] = [[] for _ in columns]
    for place, cell in enumerate(row.cells):
        overlaps = [min(cell.x1, b) - max(cell.x0, a) for a, b in columns]
        best = max(overlaps)
        if spans and place in spans:
            target = spans[place]
        elif best > 0 and not cell.is_number:
            # A text over several columns stands in the first that it covers.
            enough = 0.3 * min(best, cell.x1 - cell.x0)
            target = next(i for i, o in enumerate(overlaps) if o > 0 and o >= enough)
        else:
            least = labels if cell.x0 > edge else 0
            target = overlaps.index(max(overlaps[least:]), least)
        result[target].append(cell.words)
    return [[[w for words in parts for w in words]] if parts else [] for parts in result]


def _merge_wrapped(rows: list[Row], columns: list[tuple[float, float]]) -> list[list[Lines]]:
    """Rows with labels that run over several lines put together."""
    result: list[list[Lines]] = []
    carried = False
    last: Row | None = None
    pitch = _pitch(rows)
    for at, row in enumerate(rows):
        cells = _spread(row, columns)
        alone = _is_alone(row) and bool(cells[0])
        begins = alone and _begins(row, rows[at + 1 : at + 3], pitch)
        rest = alone and not carried and last is not None and _goes_on(last, row, pitch)
        if begins and not row.cells[0].text[0].islower():
            rest = False
        if last is not None and (rest or _completes(last, row)):
            for into, cell in zip(result[-1], cells, strict=True):
                into += cell
            last = last if alone else row
            continue
        if carried:
            # The label began on the line above.
            cells[0] = [*result.pop()[0], *cells[0]]
        carried = begins
        result.append(cells)
        last = row
    return result


def _pitch(rows: list[Row]) -> float:
    """How far rows of numbers stand apart; the lines of a wrapped label stand nearer."""
    steps = [
        b.base - a.base
        for a, b in pairwise(rows)
        if a.is_data and b.is_data and a.label and b.label
    ]
    return float(np.median(steps)) if len(steps) > 2 else 0.0


def _is_alone(row: Row) -> bool:
    """A label without numbers."""
    return not row.is_data and len(row.cells) == 1


def _completes(last: Row, row: Row) -> bool:
    """``row`` holds the numbers of the label ``last``, set a little lower."""
    bare = row.is_data and row.label is None and not row.all_years
    return bare and _is_alone(last) and row.base - last.base < 1.4 * row.size


def _goes_on(last: Row, row: Row, pitch: float) -> bool:
    """``row`` is the rest of the label of ``last``."""
    if last.label is None or row.y0 - last.y1 > 0.6 * row.size:
        return False
    first, end = row.cells[0].text, last.label.words[-1].text
    heading = row.bold or row.cells[0].text.isupper()
    tight = row.base - last.base < 0.88 * pitch and row.y0 - last.y1 < 0.35 * row.size
    if tight and not heading and not end.endswith(":"):
        return True
    return not end.endswith(":") and (first[0].islower() or end.lower().rstrip(",") in _CONNECTORS)


def _begins(row: Row, following: list[Row], pitch: float) -> bool:
    """``row`` is the start of the label of the first of the ``following`` rows."""
    if not following or following[0].label is None:
        return False
    after, label = following[0], following[0].label
    if after.y0 - row.y1 > 0.6 * row.size:
        return False
    text = row.cells[0].text
    end = row.cells[0].words[-1].text
    if end.endswith(":") or (row.bold and not after.bold):
        return False
    if after.base - row.base < 0.88 * pitch and after.is_data:
        return True
    if label.text[0].islower() or end.lower() in _CONNECTORS or end.endswith((",", "-")):
        return True
    # One indented line under it, and back out: a hanging label, not a group of one.
    indented = label.x0 > row.x0 + 0.4 * row.size and text.upper() != text
    back = len(following) > 1 and following[1].x0 <= row.x0 + 0.2 * row.size
    return indented and back and after.is_data
