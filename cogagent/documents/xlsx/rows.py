"""The rows of a sheet, streamed, with what a reader sees in their cells.

Hidden columns and rows are left out, as a reader does not see them; rows that
only a filter or a folded outline hides are kept, since those come and go.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from cogagent.documents.xlsx.formats import is_date, show
from cogagent.documents.xlsx.parts import (
    Parts,
    Style,
    Workbook,
    is_on,
    number,
    text_of,
    unescaped,
)
from cogagent.documents.xmlparts import Node, local

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_LAST_COLUMN, _LAST_ROW = 16_384, 1_048_576
_WIDEST_MERGE = 256
"""Columns; a cell merged over more is a title, and stands once."""
_MOST_FILLED = 2_000_000
"""Cells of a sheet that merged ones may fill."""
_MOST_MERGES = 100_000
_BOOLEANS = {"1": "TRUE", "0": "FALSE"}


class Cell(NamedTuple):
    """What is seen in a cell.

    Attributes:
        text: Not blank.
        is_value: A number, date or time, no word.
        bold: Of its whole text.
    """

    text: str
    is_value: bool = False
    bold: bool = False


class Row(NamedTuple):
    """A row that has something in it.

    Attributes:
        number: From 1.
        place: Among the rows that are not hidden, from 1.
        cells: By column, from 1, of those that are not hidden.
    """

    number: int
    place: int
    cells: dict[int, Cell]


class Area(NamedTuple):
    """A rectangle of cells: first and last column and row, from 1."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass
class Outline:
    """What is known of a sheet before its rows are read.

    Attributes:
        merged: Sorted by their first row.
        filtered: The area whose rows a filter hides or shows.
        frozen: Rows at the top that do not scroll, which are a header then.
        headers: First row of a table that the author marked as one, to its header's height.
        hidden: First and last of each run of hidden columns.
    """

    merged: list[Area] = field(default_factory=list)
    filtered: list[Area] = field(default_factory=list)
    frozen: int = 0
    headers: dict[int, int] = field(default_factory=dict)
    hidden: list[tuple[int, int]] = field(default_factory=list)


def read_area(reference: str | None) -> Area | None:
    """``B2:D9`` or ``B2`` as an area; ``None`` if it is neither."""
    first, _, last = (reference or "").upper().partition(":")
    a, b = _PLACE.fullmatch(first), _PLACE.fullmatch(last or first)
    if a is None or b is None:
        return None
    area = Area(column_of(a[1]), int(a[2]), column_of(b[1]), int(b[2]))
    return area if area.left <= area.right and area.top <= area.bottom else None


def column_of(letters: str) -> int:
    """``A`` is 1, ``XFD`` is 16,384."""
    column = 0
    for letter in letters:
        column = 26 * column + ord(letter) - 64
    return column


def read_outline(parts: Parts, name: str) -> Outline:
    """Everything about a sheet but its rows, which stands before and after them."""
    outline = Outline()
    tags = "mergeCell", "autoFilter", "pane", "col", "row"
    for node in parts.stream(name, *tags):
        match local(node):
            case "mergeCell" if len(outline.merged) < _MOST_MERGES:
                area = read_area(node.get("ref"))
                if area is not None and (area.right, area.bottom) != (area.left, area.top):
                    outline.merged.append(area)
            case "autoFilter":
                _filter(outline, node)
            case "pane" if node.get("state", "").startswith("frozen"):
                outline.frozen = number((node.get("ySplit") or "0").partition(".")[0])
            case "col" if is_on(node.get("hidden")) and not number(node.get("outlineLevel")):
                first, last = number(node.get("min")), number(node.get("max"))
                if 0 < first <= last and len(outline.hidden) < _LAST_COLUMN:
                    outline.hidden.append((first, last))
    for target in parts.related(name, "table"):
        root = parts.find(target)
        area = read_area(root.get("ref")) if root is not None else None
        if root is not None and area is not None:
            outline.headers[area.top] = number(root.get("headerRowCount"), 1)
            for node in root.iterfind("{*}autoFilter"):
                _filter(outline, node)
    outline.merged.sort(key=lambda area: area.top)
    return outline


def _filter(outline: Outline, node: Node) -> None:
    area = read_area(node.get("ref"))
    if area is not None:
        outline.headers.setdefault(area.top, 1)
        if any(local(child) == "filterColumn" for child in node):
            outline.filtered.append(area)


def read_rows(parts: Parts, name: str, book: Workbook, outline: Outline) -> Iterator[Row]:
    """The rows in which something is seen, from top to bottom, merged cells filled.

    A row that stands out of order, as only a program gone wrong writes, is left out.
    """
    show_cell = _Shower(book)
    merges, columns = _Merges(outline.merged), _Columns(outline.hidden)
    last = hidden = 0
    for node in parts.stream(name, "row"):
        at = number(node.get("r"), last + 1)
        if not last < at <= _LAST_ROW:
            continue
        last = at
        cells = _cells(node, at, show_cell)
        merges.fill(at, cells)
        if is_on(node.get("hidden")) and not _comes_and_goes(node, at, outline):
            hidden += 1
        elif seen := columns.seen(cells):
            yield Row(at, at - hidden, seen)


class _Columns:
    """Columns by their places among those that are not hidden.

    Args:
        hidden: First and last of runs, in any order.
    """

    def __init__(self, hidden: list[tuple[int, int]]) -> None:
        self._runs: list[tuple[int, int]] = []
        for first, last in sorted(hidden):
            start = max(first, self._runs[-1][1] + 1) if self._runs else first
            if start <= last:
                self._runs.append((start, last))
        self._firsts = [first for first, _ in self._runs]
        self._gone = [0, *accumulate(last - first + 1 for first, last in self._runs)]

    def seen(self, cells: dict[int, Cell]) -> dict[int, Cell]:
        """The cells that are not hidden, by place, in order."""
        found = {}
        for column, cell in sorted(cells.items()):
            before = bisect_right(self._firsts, column)
            if not before or column > self._runs[before - 1][1]:
                found[column - self._gone[before]] = cell
        return found


def _comes_and_goes(node: Node, at: int, outline: Outline) -> bool:
    folded = number(node.get("outlineLevel")) > 0
    return folded or any(area.top < at <= area.bottom for area in outline.filtered)


def _cells(row: Node, at: int, show_cell: Callable[[Node], Cell | None]) -> dict[int, Cell]:
    cells: dict[int, Cell] = {}
    column = 0
    for node in row:
        if local(node) != "c":
            continue
        place = _PLACE.fullmatch(node.get("r") or "")
        column = column_of(place[1]) if place and int(place[2]) == at else column + 1
        if column <= _LAST_COLUMN and (cell := show_cell(node)) is not None:
            cells[column] = cell
    return cells


class _Shower:
    """Makes cells of what is stored of them."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._plain = Style()

    def __call__(self, node: Node) -> Cell | None:
        """``None`` for an empty cell."""
        kind = node.get("t", "n")
        stored, formula = None, None
        for child in node:
            match local(child):
                case "v":
                    stored = child.text
                case "f":
                    formula = child.text
                case "is":
                    stored, kind = text_of(child), "inlineStr"
        style = self._style(node)
        if stored is None:  # a formula that no program has worked out yet
            text, is_value = f"={formula}" if formula else "", False
        else:
            text, is_value = self._text(kind, stored, style)
        text = text.strip()
        return Cell(text, is_value, style.bold) if text else None

    def _style(self, node: Node) -> Style:
        at = number(node.get("s"))
        return self._book.styles[at] if 0 <= at < len(self._book.styles) else self._plain

    def _text(self, kind: str, stored: str, style: Style) -> tuple[str, bool]:
        match kind:
            case "s":
                at = number(stored.strip(), -1)
                strings = self._book.strings
                return (strings[at] if 0 <= at < len(strings) else ""), False
            case "b":
                return _BOOLEANS.get(stored.strip(), unescaped(stored)), True
            case "d":
                return self._day(stored, style)
            case "n":
                return self._number(stored, style)
        return unescaped(stored), False  # a string, or the name of an error

    def _number(self, stored: str, style: Style) -> tuple[str, bool]:
        try:
            value = float(stored)
        except ValueError:
            return unescaped(stored), False
        if not math.isfinite(value):
            return unescaped(stored), False
        return show(value, style.code, since_1904=self._book.since_1904), True

    def _day(self, stored: str, style: Style) -> tuple[str, bool]:
        """A date in ISO 8601, as some programs store it, in the cell's format."""
        try:
            moment = datetime.fromisoformat(stored.strip()).replace(tzinfo=None)
        except ValueError:
            return unescaped(stored), True
        if not is_date(style.code):
            return unescaped(stored).replace("T", " "), True
        start = datetime(1904, 1, 1) if self._book.since_1904 else datetime(1899, 12, 30)
        days = (moment - start).total_seconds() / 86_400
        return show(days, style.code, since_1904=self._book.since_1904), True


class _Merges:
    """Fills merged cells with what is seen in them, row by row."""

    def __init__(self, areas: list[Area]) -> None:
        self._waiting = areas
        self._next = 0
        self._open: dict[int, tuple[Area, Cell]] = {}  # by first column
        self._left = _MOST_FILLED

    def fill(self, at: int, cells: dict[int, Cell]) -> None:
        """Fill in the cells of row ``at``, the next one."""
        while self._next < len(self._waiting) and self._waiting[self._next].top <= at:
            area = self._waiting[self._next]
            self._next += 1
            cell = cells.get(area.left)
            # Of a merged area only the first cell counts, so its row must be there.
            if area.top == at and cell is not None:
                self._open[area.left] = area, cell
        for left, (area, cell) in list(self._open.items()):
            if at > area.bottom:
                del self._open[left]
                continue
            wide = area.right - area.left < _WIDEST_MERGE
            for column in range(left, area.right + 1 if wide else left + 1):
                if self._left > 0:
                    self._left -= 1
                    cells[column] = cell
