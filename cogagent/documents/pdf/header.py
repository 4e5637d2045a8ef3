"""The header of a table: which rows above the first numbers name its columns, and how."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cogagent.documents.pdf.rows import is_parted, split_cells

if TYPE_CHECKING:
    from cogagent.documents.pdf.rows import Row, TableCell
    from cogagent.documents.pdf.text import Piece

Line = tuple[float, float, float]
"""A level rule: left, right and height on the page."""
Columns = list[tuple[float, float]]

_UNIT = re.compile(r"^(US|C|A|HK|NZ|R)?[$€£¥₹%]\W*(0{3}|m|mn|bn|k)?\W*$|^(EUR|USD|GBP|bps)$", re.I)
_TIGHT = 1.45
"""Most that baselines of one wrapped heading stand apart, in font sizes."""


def header_above(
    top: Row, rows: list[Row], columns: Columns, barriers: list[Piece], taken: set[int]
) -> tuple[list[Row], list[Row]]:
    """The rows above the first data row that name its columns, and group labels under them."""
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
        apart = below.base - row.base > _TIGHT * row.size
        if lone and apart and _over_all(row, columns):
            break
        if (row.x1 > first and not (lone and not over_numbers(row, columns))) or (
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


def _over_all(row: Row, columns: Columns) -> bool:
    """It is set over the middle of the whole table, labels included: its title."""
    if len(columns) < 3:
        return False
    middle = row.x0 + row.x1
    whole = abs(middle - columns[0][0] - columns[-1][1])
    numbers = abs(middle - columns[1][0] - columns[-1][1])
    return whole < 3 * row.size and numbers > 3 * whole


def over_numbers(row: Row, columns: Columns) -> bool:
    """Every cell of the row stands right of the labels."""
    return (
        len(columns) > 1
        and row.x0 > columns[0][0] + 4 * row.size
        and row.x0 >= columns[0][1] - (0.7 * (columns[0][1] - columns[0][0]))
    )


def opening_rows(rows: list[Row], columns: Columns) -> int:
    """How many of the first rows of numbers are header: years and what stands under them."""
    opening = 0
    for row in rows:
        years = row.is_data and row.all_years
        if not (years or (not row.is_data and over_numbers(row, columns))):
            break
        opening += 1
    while opening and not (
        rows[opening - 1].is_data or _names_columns(rows[opening - 1], columns)
    ):
        opening -= 1
    return opening if any(row.is_data for row in rows[:opening]) else 0


def _names_columns(row: Row, columns: Columns) -> bool:
    """It says something of the columns, and is no title of a group of rows."""
    if len(row.cells) > 1:
        return True
    text = row.cells[0].text
    covered = sum(min(row.x1, b) - max(row.x0, a) > 0 for a, b in columns)
    return text.startswith("(") or bool(_UNIT.match(text)) or covered == 1


def title_above(first: Row, rows: list[Row], box: tuple[float, float, float, float]) -> str:
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


def find_spans(row: Row, columns: Columns, labels: int, underlines: list[Line]) -> dict[int, int]:
    """The first column of headings, by their place in ``row``, where the extent misleads.

    A heading's own extent does not tell what it spans: that is where the line
    under it reaches to, or an even share of the columns around its middle.
    """
    edge = columns[labels - 1][1] if labels else 0.0
    over = [i for i, c in enumerate(row.cells) if c.x1 > columns[labels][0] or c.x0 > edge]
    found: dict[int, int] = {}
    count, share = len(columns) - labels, 0
    for i in over if len(over) < count else []:
        under = _underlined(row, row.cells[i], columns, underlines)
        if len(under) > 1:
            found[i] = max(under[0], labels)
    if over and len(found) == len(over):
        return found
    if over and count % len(over) == 0:
        share = count // len(over)
        for n, i in enumerate(over if share > 1 else []):
            first, last = columns[labels + n * share], columns[labels + (n + 1) * share - 1]
            cell = row.cells[i]
            if abs(cell.x0 + cell.x1 - first[0] - last[1]) > 4.5 * row.size:
                share = 0
                break
    if share:
        return {i: labels + n * share for n, i in enumerate(over)}
    return found


def _underlined(row: Row, cell: TableCell, columns: Columns, underlines: list[Line]) -> list[int]:
    """The columns that the line under a heading reaches over."""
    for x0, x1, y in underlines:
        near = -0.3 * row.size < y - row.base < 0.9 * row.size
        alone = not any(o is not cell and o.x1 > x0 and o.x0 < x1 for o in row.cells)
        centred = abs(x0 + x1 - cell.x0 - cell.x1) < 3 * row.size
        if near and alone and centred and x0 <= cell.x0 + 2 and x1 >= cell.x1 - 2:
            under = [n for n, (a, b) in enumerate(columns) if x0 <= (a + b) / 2 <= x1]
            if len(under) > 1:
                return under
    return []


def header_levels(
    header: list[Row], columns: Columns, labels: int, underlines: list[Line]
) -> list[list[Row]]:
    """The header's lines in groups of which each is one row: its headings wrap."""
    for row in header:
        split_cells(row, columns)
    levels: list[list[Row]] = []
    for row in reversed(header):
        spans = find_spans(row, columns, labels, underlines)
        spanning = bool(spans) and len(spans) < len(columns) - labels
        # A heading over several columns goes on in one over the same columns alone.
        if (
            levels
            and (not spanning or is_even(row, levels[0][0]))
            and _wraps(row, levels[0], underlines)
        ):
            levels[0].insert(0, row)
        else:
            levels.insert(0, [row])
    return levels


def _wraps(row: Row, below: list[Row], underlines: list[Line]) -> bool:
    """Every cell of ``row`` is the line above one of the headings ``below``, or starts its own."""
    if below[0].base - row.base > _TIGHT * row.size or _is_units(below[0]) or _is_units(row):
        return False
    under = [cell for other in below for cell in other.cells]
    for cell in row.cells:
        if any(
            row.base < y < below[0].base and x0 < cell.x1 and x1 > cell.x0
            for x0, x1, y in underlines
        ):
            return False
        mates = [c for c in under if min(c.x1, cell.x1) - max(c.x0, cell.x0) > 0]
        crowded = any(
            c not in mates and max(c.x0 - cell.x1, cell.x0 - c.x1) < 0.4 * row.size for c in under
        )
        if crowded or not all(_stacks(cell, c, row.size) for c in mates):
            return False
    return True


def is_even(row: Row, below: Row) -> bool:
    """Two lines of the same headings: each cell stands over one of the other's."""
    return len(row.cells) == len(below.cells) and all(
        _stacks(a, b, row.size) for a, b in zip(row.cells, below.cells, strict=True)
    )


def _is_units(row: Row) -> bool:
    return all(_UNIT.match(cell.text) for cell in row.cells)


def _stacks(upper: TableCell, lower: TableCell, size: float) -> bool:
    """Two lines of one heading: they share an edge or their middle."""
    left, right = abs(upper.x0 - lower.x0), abs(upper.x1 - lower.x1)
    middle = abs(upper.x0 + upper.x1 - lower.x0 - lower.x1) / 2
    return min(left, right, middle) < 0.6 * size
