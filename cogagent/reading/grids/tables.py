"""The text of a table as a grid: labels, values, units, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from cogagent.geometry import Box
from cogagent.grid import Cell, Grid, Header, Place
from cogagent.reading.grids.numbers import unit_of
from cogagent.reading.tables import Range, Row, Table, cells, parse
from cogagent.reading.values import kind, number
from cogagent.types import Words

_TOTAL = re.compile(r"\s*(?:sub-?|grand )?totals?\b|.{1,60}\btotals?\s*$", re.IGNORECASE)
_NIL = frozenset("-\u2013\u2014\u2212")
_NOTE = re.compile(r"\s*(?:\(\s?(?:\d{1,2}|[a-z]|\*+)\s?\)|\[\d{1,2}\]|[*\u2020\u2021]+)\s*$")
_MEASURED = re.compile(r"(?P<about>\u2248 (?P<value>[^\u00b1]{1,40})) (?P<error>\u00b1 .{1,40})")
"""A value that was read off a chart's axis, as ``pipelines/charted.py`` writes it."""
_COLOURED = re.compile(r"(?P<name>.*\S) \([a-z][a-z ]{0,30}\)")
"""A series and its colour in the legend, likewise."""
_RANGE = re.compile(
    r"\d\s?(?:to|[\u2013\u2014])\s?\d|\d\s-\s\d"
    r"|(?<![\d.,-])(?!(?:1[5-9]|20)\d\d-)\d[\d.,]*%?-[$\u20ac\u00a3]?\d"
)
"""From one number to another: words, not a value. (2018-19 is a year.)"""
_LONGEST = 4000
"""Rows that are read; who asks for one value means no longer table."""


def table_grid(
    text: str, context: str = "", words: Words | None = None, *, charted: bool = False
) -> Grid | None:
    """Read a table as a grid.

    Args:
        text: Its text, one row a line, cells joined by " | ".
        context: What stands above it: title and headings, then caption and header.
        words: Where the words of ``text`` stand; ``None`` if it has no places.
        charted: ``pipelines/charted.py`` wrote it: the first line of cells is its header, and
            each further line is a row.

    Returns:
        The grid; every place has its span in ``text`` where it stands there, and boxes where
        ``words`` has them. ``None`` if the text holds no table.
    """
    table = parse(text, context, plain=charted)
    rows = [row for row in table.rows[:_LONGEST] if row.filled()]
    if not rows:
        return None
    place = _Placing(text, words)
    columns: dict[tuple[int, str], int] = {}
    headers: list[Header] = []
    found: dict[tuple[int, int], Cell] = {}
    for number_, row in enumerate(rows):
        for n in row.filled():
            if n >= len(row.columns):
                continue
            key = (n, row.columns[n])
            if key not in columns:
                columns[key] = len(headers)
                header = _column(table, n, row.columns[n], text, place)
                headers.append(_uncoloured(header) if charted else header)
            cell = _cell(row.cells[n], text, place)
            if cell is not None:
                found[number_, columns[key]] = cell
    if not found:
        return None
    return Grid(
        kind="table",
        rows=tuple(_row(row, text, place) for row in rows),
        columns=tuple(headers),
        cells=found,
        title=tuple(Place(line) for line in [table.path, *table.caption.split("\n")] if line),
        row_title=Place(table.corner) if table.corner else None,
        unit=_unit(table),
    )


class _Placing:
    """Finds the boxes of a span."""

    def __init__(self, text: str, words: Words | None) -> None:
        self._text = text
        self._words = words if words is not None and len(words) else None

    def __call__(self, span: Range) -> Place:
        boxes: Sequence[Box] = ()
        if self._words is not None:
            boxes = [line.box for line in self._words.lines(*span)]
        return Place(self._text[slice(*span)], tuple(boxes), span)


def _cell(span: Range, text: str, place: _Placing) -> Cell | None:
    said = text[slice(*span)]
    if (measured := _MEASURED.fullmatch(said)) is not None:
        about = (span[0], span[0] + measured.end("about"))
        within = (span[0] + measured.start("error"), span[1])
        error = number(measured["error"][1:])
        return Cell(place(about), number(measured["value"]), error or 0.0, (place(within),))
    bare = said.strip("$\u20ac\u00a3% \u00a0")
    if bare in _NIL:
        return Cell(place(span), 0.0)  # a dash in accounts is nil
    held = kind(said)
    if held == "empty":
        return None
    return Cell(place(span), None if held == "text" else _value(said))


def _value(said: str) -> float | None:
    """The number of a cell that is one, not of words that begin with a figure."""
    if _RANGE.search(said):
        return None
    value = number(said)
    letters = sum(char.isalpha() for char in said)
    return None if letters > sum(char.isdigit() for char in said) + 3 else value


def _row(row: Row, text: str, place: _Placing) -> Header:
    own = text[slice(*row.cells[0])]
    label = _NOTE.sub("", row.label) or row.label
    places = (place(row.cells[0]),) if own else ()
    return Header(
        text=f"{row.section} {label}".strip(),
        places=places,
        levels=tuple(level for level in (row.section, label) if level),
        unit=unit_of(label),
        total=bool(_TOTAL.match(label)) or not label,
    )


def _column(table: Table, n: int, name: str, text: str, place: _Placing) -> Header:
    """The header of a column, with each line of it that belongs to it."""
    levels: list[str] = []
    places: list[Place] = []
    for number_, line in enumerate(table.header):
        spans = [(line[0] + a, line[0] + b) for a, b in cells(text[slice(*line)])]
        filled = [m for m in range(1, len(spans)) if spans[m][1] > spans[m][0]]
        last = number_ == len(table.header) - 1
        above = [m for m in filled if m == n or (m < n and not last)]
        if above and text[slice(*spans[above[-1]])] in name:
            levels.append(text[slice(*spans[above[-1]])])
            places.append(place(spans[above[-1]]))
    plain = _NOTE.sub("", name) or name
    known = " ".join(levels) == name
    return Header(
        text=plain,
        places=tuple(places),
        levels=(plain,) if not known or _unit_last(levels) else tuple(levels),
        unit=unit_of(name),
        total=bool(_TOTAL.match(plain)),
    )


def _uncoloured(header: Header) -> Header:
    """A series of a chart that stands where its name stands; its colour is not printed."""
    places = []
    for place in header.places:
        named = _COLOURED.fullmatch(place.text)
        if named is not None and place.span is not None:
            span = (place.span[0], place.span[0] + named.end("name"))
            place = replace(place, text=named["name"], span=span)
        places.append(place)
    return replace(header, places=tuple(places))


def _unit_last(levels: Sequence[str]) -> bool:
    """Whether the lowest line of a header is a unit, which names nothing."""
    return not levels or kind(levels[-1]) == "empty" or bool(unit_of(levels[-1]))


def _unit(table: Table) -> str:
    texts = [table.corner, table.caption, table.path]
    return next((unit for text in texts if (unit := unit_of(text)) and unit != "%"), "")
