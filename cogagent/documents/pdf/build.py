"""Rows that belong to one table to its columns, header and cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from cogagent.documents.pdf.header import (
    find_spans,
    header_above,
    header_levels,
    is_even,
    opening_rows,
    title_above,
)
from cogagent.documents.pdf.table import Table

if TYPE_CHECKING:
    from cogagent.documents.pdf.header import Line
    from cogagent.documents.pdf.rows import Row
    from cogagent.documents.pdf.table import Lines
    from cogagent.documents.pdf.text import Piece

_CONNECTORS = {
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "including", "less", "net", "of",
    "on", "or", "other", "per", "than", "that", "the", "to", "with",
}  # fmt: skip


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


def build_table(
    run: Run, rows: list[Row], barriers: list[Piece], taken: set[int], underlines: list[Line]
) -> tuple[Table, list[Row]]:
    """The table that ``run`` is, with its header, and the rows that went into it."""
    columns, labels = _columns(run)
    heads, groups = header_above(run.rows[0], rows, columns, barriers, taken)
    opening = 0 if groups else opening_rows(run.rows, columns)
    body = [*groups, *run.rows[opening:]]
    tail = _wrapped_tail(run)
    header = [*heads, *run.rows[:opening]]
    cells = []
    for level in header_levels(header, columns, labels, underlines):
        lines = []
        for row in level:
            # The line under a heading stands under its last line.
            whole = level[-1] if is_even(row, level[-1]) else row
            spans = find_spans(whole, columns, labels, underlines)
            lines.append(_spread(row, columns, spans, labels))
        cells.append([[words for row in lines for words in row[at]] for at in range(len(columns))])
    header_rows = len(cells)
    cells += _merge_wrapped(body + tail, columns)
    used = [*header, *body, *tail]
    box = (
        min(r.x0 for r in used), min(r.y0 for r in used),
        max(r.x1 for r in used), max(r.y1 for r in used),
    )  # fmt: skip
    title = title_above(used[0], rows, box)
    return Table(box, cells, header_rows, title), used


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


def _wrapped_tail(run: Run) -> list[Row]:
    """The rest of the last row's label, where it runs on below."""
    last = run.rows[-1]
    if not run.pending:
        return []
    row = run.pending[0]
    near = row.y0 - last.y1 < 0.7 * row.size and len(row.cells) == 1
    starts = row.cells[0].text[0].islower() and last.label is not None
    return [row] if near and starts and row.x0 < run.columns()[0][0] else []


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
