"""Tables drawn as a grid of rules: every cell has its lines around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cogagent.documents.pdf.rows import is_number, visual_rows
from cogagent.documents.pdf.table import Table
from cogagent.documents.pdf.text import Piece, Word, find_pieces, make_piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cogagent.documents.pdf.objects import Drawing

_MAX_RULES = 1500
_TOUCH = 3.0
"""How near two rules come to count as meeting, points."""


@dataclass(slots=True)
class _Grid:
    xs: list[float]
    ys: list[float]
    horizontal: NDArray[np.float64]
    vertical: NDArray[np.float64]


def find_grids(pieces: list[Piece], drawing: Drawing) -> tuple[list[Table], list[Piece]]:
    """The ruled tables, and the pieces outside of them."""
    tables: list[Table] = []
    for grid in _grids(drawing):
        inside = [p for p in pieces if _inside(p, grid)]
        table = _fill(grid, inside)
        if table is not None:
            tables.append(table)
            taken = set(map(id, inside))
            pieces = [p for p in pieces if id(p) not in taken]
    return tables, pieces


def _inside(piece: Piece, grid: _Grid) -> bool:
    x, y = (piece.x0 + piece.x1) / 2, (piece.y0 + piece.y1) / 2
    return grid.xs[0] < x < grid.xs[-1] and grid.ys[0] < y < grid.ys[-1]


def _grids(drawing: Drawing) -> list[_Grid]:
    """Groups of rules that meet and enclose at least two by two cells."""
    rules = drawing.rules
    frames = drawing.frames
    if len(rules) + 4 * len(frames) > _MAX_RULES or len(rules) + len(frames) < 4:
        return []
    x0, y0, x1, y1 = frames.T
    edges = [
        rules,
        np.stack([x0, y0, x1, y0], axis=1), np.stack([x0, y1, x1, y1], axis=1),
        np.stack([x0, y0, x0, y1], axis=1), np.stack([x1, y0, x1, y1], axis=1),
    ]  # fmt: skip
    lines = np.concatenate(edges)
    size = np.stack([lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1]], axis=1)
    lines = lines[size.max(axis=1) > 6]
    grids = []
    for group in _meeting(lines):
        flat = group[:, 2] - group[:, 0] >= group[:, 3] - group[:, 1]
        horizontal, vertical = group[flat], group[~flat]
        if len(vertical) < 2 or len(horizontal) < 2:
            continue
        # Rules that run on past the outermost crossing one enclose open cells.
        ys = _distinct(
            np.concatenate(
                [(horizontal[:, 1] + horizontal[:, 3]) / 2, vertical[:, [1, 3]].ravel()]
            )
        )
        xs = _distinct(
            np.concatenate([(vertical[:, 0] + vertical[:, 2]) / 2, horizontal[:, [0, 2]].ravel()])
        )
        if len(xs) >= 3 and len(ys) >= 3 and len(xs) * len(ys) < 4000:
            grids.append(_Grid(xs, ys, horizontal, vertical))
    return grids


def _meeting(lines: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Rules in groups that touch."""
    left = np.ones(len(lines), bool)
    groups = []
    while left.any():
        group = np.zeros(len(lines), bool)
        edge = [int(np.flatnonzero(left)[0])]
        left[edge[0]] = False
        while edge:
            at = lines[edge.pop()]
            group |= (lines == at).all(axis=1)
            near = left & (lines[:, 0] <= at[2] + _TOUCH) & (lines[:, 2] >= at[0] - _TOUCH)
            near &= (lines[:, 1] <= at[3] + _TOUCH) & (lines[:, 3] >= at[1] - _TOUCH)
            left &= ~near
            group |= near
            edge += np.flatnonzero(near).tolist()
        groups.append(lines[group])
    return groups


def _distinct(values: NDArray[np.float64]) -> list[float]:
    """Sorted values, those within the width of a rule taken as one."""
    result: list[float] = []
    for value in np.sort(values).tolist():
        if not result or value - result[-1] > _TOUCH:
            result.append(value)
    return result


def _fill(grid: _Grid, pieces: list[Piece]) -> Table | None:
    """The table with the words in its cells; ``None`` if this is no table."""
    height, width = len(grid.ys) - 1, len(grid.xs) - 1
    owner = _merged_cells(grid, height, width)
    words: dict[int, list[Word]] = {}
    for word in (w for piece in pieces for w in piece.words):
        column = int(np.searchsorted(grid.xs, (word.x0 + word.x1) / 2)) - 1
        row = int(np.searchsorted(grid.ys, (word.y0 + word.y1) / 2)) - 1
        cell = owner[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
        words.setdefault(int(cell), []).append(word)
    if any(_holds_rows(cell) for cell in words.values()):
        return None
    used = np.array([[owner[r, c] == r * width + c for c in range(width)] for r in range(height)])
    if len(words) < 4 or len(words) < 0.4 * used.sum():
        return None
    rows = []
    for r in range(height):
        cells = [words.get(r * width + c, []) if used[r, c] else [] for c in range(width)]
        rows.append([_lines(cell) for cell in cells])
    keep_rows = [r for r in range(height) if any(rows[r])]
    keep = [c for c in range(width) if any(rows[r][c] for r in keep_rows)]
    if len(keep_rows) < 2 or len(keep) < 2:
        return None
    table = [[rows[r][c] for c in keep] for r in keep_rows]
    box = (grid.xs[0], grid.ys[0], grid.xs[-1], grid.ys[-1])
    return Table(box, table, _header_rows(table))


def _holds_rows(words: list[Word]) -> bool:
    """Several rows of numbers in one cell: the rules are there for looks alone."""
    rows = visual_rows(find_pieces(words))
    return sum(row.is_data or is_number(row.cells[0].text) for row in rows) > 1


def _merged_cells(grid: _Grid, height: int, width: int) -> NDArray[np.int64]:
    """For each cell of the full grid the first cell of the one it is part of."""
    owner = np.arange(height * width).reshape(height, width)
    for r in range(height):
        middle = (grid.ys[r] + grid.ys[r + 1]) / 2
        for c in range(width):
            across = (grid.xs[c] + grid.xs[c + 1]) / 2
            if c and not _has_edge(grid.vertical, 0, grid.xs[c], middle):
                owner[owner == owner[r, c]] = owner[r, c - 1]
            if r and not _has_edge(grid.horizontal, 1, grid.ys[r], across):
                low, high = sorted((int(owner[r, c]), int(owner[r - 1, c])))
                owner[owner == high] = low
    return owner


def _has_edge(rules: NDArray[np.float64], axis: int, place: float, along: float) -> bool:
    near = np.abs((rules[:, axis] + rules[:, axis + 2]) / 2 - place) <= _TOUCH
    other = 1 - axis
    return bool((near & (rules[:, other] <= along) & (rules[:, other + 2] >= along)).any())


def _lines(words: list[Word]) -> list[list[Word]]:
    """The words of a cell as lines from top to bottom."""
    pieces = sorted(find_pieces(words, gap=1e9), key=lambda p: (p.base, p.x0))
    return [make_piece(p.words).words for p in pieces]


def _header_rows(rows: list[list[list[list[Word]]]]) -> int:
    """1 if the first row is bold or without numbers above rows that have some."""
    first = [word for cell in rows[0] for line in cell for word in line]
    below = [word for row in rows[1:] for cell in row for line in cell for word in line]
    bold = all(w.bold for w in first) and not all(w.bold for w in below)
    texts = [" ".join(w.text for line in cell for w in line) for cell in rows[0] if cell]
    numbers = sum(is_number(text) for text in texts)
    return 1 if first and (bold or (numbers == 0 and any(is_number(w.text) for w in below))) else 0
