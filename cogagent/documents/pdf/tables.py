"""Tables on a PDF page: rows of a label and aligned numbers, and grids of rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from cogagent.documents.pdf.build import Run, build_table, merge_intervals
from cogagent.documents.pdf.grid import find_grids
from cogagent.documents.pdf.lanes import split_lanes
from cogagent.documents.pdf.rows import (
    Row,
    TableCell,
    is_parted,
    prose_pieces,
    visual_rows,
)
from cogagent.documents.pdf.text import Piece, make_piece

if TYPE_CHECKING:
    from cogagent.documents.pdf.header import Line
    from cogagent.documents.pdf.objects import Drawing
    from cogagent.documents.pdf.table import Table

_NAMED = re.compile(r"(table|exhibit|figure|schedule)\s+\w{1,4}\b", re.IGNORECASE)
_LEADERS = re.compile(r"(\.\s?){4,}|…{2,}")
_MAX_RULES = 3000
_MAX_GAP = 3.2
"""Widest white space between two rows of a table, in font sizes."""


@dataclass(slots=True)
class Found:
    """The tables of a page and the pieces that belong to none."""

    found: list[Table]
    rest: list[Piece]


def find_tables(pieces: list[Piece], drawing: Drawing) -> Found:
    """Find the tables among ``pieces``, which all run in one direction."""
    grids, rest = find_grids(pieces, drawing)
    found = Found(grids, [])
    underlines = _underlines(drawing)
    for lane in split_lanes(rest):
        _find_in_lane(lane, found, underlines)
    return found


def _underlines(drawing: Drawing) -> list[Line]:
    """Level rules, those that go on from each other joined."""
    rules = drawing.rules[:_MAX_RULES]
    flat = rules[rules[:, 2] - rules[:, 0] > 3 * (rules[:, 3] - rules[:, 1])]
    joined: list[Line] = []
    for x0, y0, x1, y1 in sorted(flat.tolist(), key=lambda r: (round(r[1]), r[0])):
        y = (y0 + y1) / 2
        if joined and abs(joined[-1][2] - y) < 1.5 and x0 < joined[-1][1] + 2:
            joined[-1] = (joined[-1][0], max(joined[-1][1], x1), joined[-1][2])
        else:
            joined.append((x0, x1, y))
    return joined


def _find_in_lane(pieces: list[Piece], found: Found, underlines: list[Line]) -> None:
    """Add the tables among ``pieces`` and what is left of them to ``found``."""
    prose = prose_pieces(pieces)
    rows = visual_rows([p for p in pieces if p not in prose])
    barriers = sorted(prose, key=lambda p: p.base)
    taken: set[int] = set()
    for run in _runs(rows, barriers):
        if _is_contents(run):
            for row in run.data:
                taken |= {id(piece) for piece in row.pieces}
                found.rest.append(make_piece([w for c in row.cells for w in c.words]))
            continue
        if not _is_table(run):
            continue
        table, used = build_table(run, rows, barriers, taken, underlines)
        found.found.append(table)
        taken |= {id(piece) for row in used for piece in row.pieces}
    found.rest += [p for p in pieces if id(p) not in taken]


def _runs(rows: list[Row], barriers: list[Piece]) -> list[Run]:
    """Stretches of rows whose numbers stand in the same columns."""
    runs: list[Run] = []
    run: Run | None = None
    for row in rows:
        if run is not None:
            last = (run.pending or run.rows)[-1]
            if row.y0 - last.y1 > _MAX_GAP * row.size or is_parted(last, row, barriers):
                run = None
        if run is None:
            if row.is_data:
                run = Run([row])
                runs.append(run)
            continue
        if row.is_data:
            if _fits(run, row) and not _reopens(run, row):
                run.rows += [*run.pending, row]
                run.pending = []
            else:
                run = Run([row])
                runs.append(run)
        elif len(run.pending) >= 5 or _crosses(run, row) or _NAMED.match(row.cells[0].text):
            run = None
        else:
            run.pending.append(row)
    return runs


def _fits(run: Run, row: Row) -> bool:
    """The numbers of ``row`` stand in the columns of ``run``."""
    columns = run.columns()
    hits = sum(any(c.x0 < b and c.x1 > a for a, b in columns) for c in row.numbers)
    # A row of years opens the next table when its columns are others.
    return hits >= 0.5 * len(row.numbers) and row.size < 1.5 * run.rows[-1].size


def _reopens(run: Run, row: Row) -> bool:
    """A row of years after a gap heads the next table, though its columns be the same."""
    last = (run.pending or run.rows)[-1]
    body = any(not data.all_years for data in run.data)
    gap = max(row.y0 - last.y1, (run.pending or [row])[0].y0 - run.rows[-1].y1)
    return row.all_years and body and gap > 0.9 * row.size


def _crosses(run: Run, row: Row) -> bool:
    """A line of text that starts with the labels and runs on through the numbers."""
    columns = run.columns()
    first = row.cells[0]
    if len(row.cells) > 2 or first.x0 > columns[0][0] - row.size:
        return False
    through = sum(first.x1 > (a + b) / 2 for a, b in columns)
    return through >= 2 or (through == 1 and len(columns) == 1 and len(first.words) > 6)


def _is_contents(run: Run) -> bool:
    """A table of contents or an index: one column of page numbers."""
    data = run.data
    if len(data) < 2:
        return False
    leaders = sum(any(_LEADERS.search(c.text) for c in row.cells) for row in data)
    if leaders > 0.4 * len(data):
        return True
    lasts = [row.cells[-1].text for row in data]
    if len(merge_intervals([(n.x0, n.x1) for row in data for n in row.numbers])) > 1:
        return False
    if not all(re.fullmatch(r"[A-Z]?-?\d{1,3}", text) for text in lasts):
        return False
    pages = [int(re.sub(r"\D", "", text)) for text in lasts]
    rising = sum(a <= b for a, b in pairwise(pages))
    return len(pages) > 2 and rising >= 0.85 * (len(pages) - 1) and pages[-1] > pages[0]


def _is_table(run: Run) -> bool:
    data = run.data
    columns = run.columns()
    cells = [cell for row in data for cell in row.numbers]
    body = [row for row in data if not row.all_years]
    if len(data) < 2 or (len(cells) < 4 and len(data) < 3) or not body:
        return False
    labels = sum(row.label is not None for row in body)
    if len(columns) == 1:
        return len(body) >= 3 and labels >= 0.7 * len(body) and _aligned(cells, data[0].size)
    words = sum(len(row.label.words) for row in body if row.label is not None)
    return words < 14 * len(body) and len(data) >= 0.34 * len(run.rows)


def _aligned(cells: list[TableCell], size: float) -> bool:
    """Most cells share their right edge or their left edge."""
    best = 0
    for edges in ([c.x1 for c in cells], [c.x0 for c in cells]):
        best = max(best, *(sum(abs(e - edge) < 0.6 * size for e in edges) for edge in edges))
    return best >= 0.7 * len(cells)
