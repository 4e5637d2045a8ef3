"""Grids of cells: which first rows are a header, and tables cut into pieces of bounded size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cogagent.documents.markdown import table
from cogagent.documents.text import paragraphs
from cogagent.types import Element

Row = Sequence[str]

MOST_ROWS = 500
"""Of one table element, its header not counted; longer tables come in several."""
MOST_COLUMNS = 16_384
"""As many as a spreadsheet has; what is wider is no table to be read."""
_MOST_CELLS = 100_000
_MOST_CHARACTERS = 1_000_000
_LONGEST_CELL = 20_000
_MOST_HEADER = 4
SAMPLE = 200
"""Rows that a header is told by."""
_LONGEST_NAME = 80
"""Characters of a column's name; what is longer is data."""

_CURRENCY = r"(?:[A-Z]{0,3}[$€£¥₹₽₩₺]|[A-Z]{3}|Fr\.?|kr\.?|zł)"
_NUMBER = re.compile(
    rf"[-+\u2212\u2013(]{{0,2}}\s?{_CURRENCY}?\s?[-+\u2212]?(?:\d[\d.,'\u2019\s]*|[.,]\d+)"
    rf"(?:[eE][-+]?\d+)?\s?(?:%|\u2030|{_CURRENCY})?\)?"
)
_DATE = re.compile(
    r"\d{1,4}([-./])\d{1,2}\1\d{1,4}(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
    r"(?:\s?[AaPp][Mm]|Z|[-+]\d{2}:?\d{2})?)?|\d{1,3}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?[AaPp][Mm])?"
)
_PERIOD = re.compile(
    rf"(?:1[89]|20)\d\d|{_DATE.pattern}"
    r"|(?:\d{1,2}[-. ])?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
    r"[-. ]{0,2}\d{2,4}",
    re.IGNORECASE,
)
"""A year, month or day, as it stands over a column."""
_NOTHING = frozenset(
    ("", "-", "\u2013", "\u2014", "n/a", "na", "nan", "null", "none", "#n/a", "?")
)


def is_value(cell: str) -> bool:
    """Whether a cell is a number, an amount, a date or a time, and no word."""
    cell = cell.strip()
    # The length first: a pattern is not let loose on megabytes.
    return len(cell) < 60 and bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def is_nothing(cell: str) -> bool:
    """Whether a cell is empty or says that there is nothing in it."""
    return len(cell) < 8 and cell.strip().casefold() in _NOTHING


def count_header(rows: Sequence[Row], values: Sequence[Sequence[bool]] | None = None) -> int:
    """How many of the first rows name the columns.

    Rows of words over columns of numbers are header; so is a row of years or dates
    over other numbers. In a table of words alone the first row is, if it names every
    column by another short name.

    Args:
        rows: At least the first of a table, equally long or ragged.
        values: For each cell whether it is a number or a date; told by its text
            when ``None``.
    """
    rows = rows[:SAMPLE]
    if len(rows) < 2:
        return 0
    if values is None:
        values = [[is_value(cell) for cell in row] for row in rows]
    numeric = _numeric_columns(rows, values)
    if not numeric:
        return int(_names_all(rows[0], values[0]))
    header = 0
    for row, kinds in zip(rows[:_MOST_HEADER], values, strict=False):
        over = [column for column in numeric if column < len(row) and not is_nothing(row[column])]
        if not over or header == len(rows) - 1:
            break
        if any(kinds) and not _are_periods(row, kinds, rows, numeric):
            break
        header += 1
    return header


def _numeric_columns(rows: Sequence[Row], values: Sequence[Sequence[bool]]) -> list[int]:
    """The columns that below the first row hold mostly numbers."""
    found = []
    for column in range(min(max(map(len, rows)), MOST_COLUMNS)):
        filled = numbers = 0
        for row, kinds in zip(rows[1:], values[1:], strict=False):
            if column < len(row) and not is_nothing(row[column]):
                filled += 1
                numbers += kinds[column]
        if 2 * numbers > filled:
            found.append(column)
    return found


def _are_periods(
    row: Row, kinds: Sequence[bool], rows: Sequence[Row], numeric: Sequence[int]
) -> bool:
    """All values in ``row`` are years or dates, and not all those under them are."""
    if not all(
        _PERIOD.fullmatch(cell.strip()) for cell, kind in zip(row, kinds, strict=False) if kind
    ):
        return False
    under = [
        other[column]
        for other in rows
        if other is not row
        for column in numeric
        if column < min(len(row), len(other)) and kinds[column] and not is_nothing(other[column])
    ]
    return any(not _PERIOD.fullmatch(cell.strip()) for cell in under)


def _names_all(row: Row, kinds: Sequence[bool]) -> bool:
    """Every column but perhaps the first has a short name of its own."""
    names = [cell.strip().casefold() for cell in row]
    rest = names[1:] if names and not names[0] else names
    return (
        len(names) > 1
        and all(rest)
        and len(set(rest)) == len(rest)
        and not any(kinds)
        and max(map(len, rest)) <= _LONGEST_NAME
    )


def table_elements(
    header: Sequence[Row], rows: Sequence[Row], *, caption: str = ""
) -> Iterator[Element]:
    """A table as elements of bounded size, each with the header on top.

    A cell too long for a table is cut there, and follows whole as text.

    Args:
        header: Rows that name the columns; may be empty.
        rows: All others, at least one unless there is a header.
        caption: Of every piece.
    """
    header = [_short(row) for row in header]
    group: list[Row] = []
    width = max(map(len, header), default=0)
    characters = 0
    long: list[str] = []

    def flush() -> Iterator[Element]:
        if group or header:
            # A table of nothing but headers has no header: there is nothing under it.
            heads = len(header) if group else 0
            yield table([*header, *group], header_rows=heads, caption=caption)
        for cell in long:
            for part in paragraphs(cell, wrapped=False):
                yield Element(kind="text", text=part)

    for row in rows:
        size = sum(map(len, row))
        wide = max(width, len(row))
        if group and (
            len(group) >= MOST_ROWS
            or (len(group) + len(header) + 1) * wide > _MOST_CELLS
            or characters + size > _MOST_CHARACTERS
        ):
            yield from flush()
            group, characters, long, wide = [], 0, [], max(len(row), *map(len, header), 0)
        width = wide
        if size > _LONGEST_CELL:
            long += [cell for cell in row if len(cell) > _LONGEST_CELL]
            row = _short(row)
        group.append(row)
        characters += min(size, _LONGEST_CELL * max(1, len(row)))
    yield from flush()


def _short(row: Row) -> list[str]:
    return [
        cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 1].rstrip()}\u2026"
        for cell in row
    ]
