"""A table that stands as text, one row a line, cells joined by " | ", taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cogagent.reading.values import kind, periods

_SEPARATOR = re.compile(r"(?<=\s)\|(?=\s)|^\|(?=\s)|(?<=\s)\|$")
_TOTAL = re.compile(r"\s*(?:sub-?)?total\b", re.IGNORECASE)
_NO_VALUE = frozenset({"text", "date", "empty"})
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """A row that holds values.

    Attributes:
        start: First character of its line.
        end: One past the last.
        cells: Character ranges of its cells.
        label: Its first cell, with the lines it was wrapped from.
        section: The headings it stands under within the table.
        columns: Header text above each of its cells; empty for the first.
    """

    start: int
    end: int
    cells: tuple[Range, ...]
    label: str
    section: str
    columns: tuple[str, ...]

    def filled(self) -> list[int]:
        """Return the places of the cells after the label that hold anything."""
        return [n for n, (start, end) in enumerate(self.cells) if n > 0 and end > start]


@dataclass(frozen=True, slots=True)
class Table:
    """A table taken apart.

    Attributes:
        caption: What stands above all columns: caption, units, a header cell over the whole width.
        path: Title and headings of the document above the table.
        corner: The header of the labels.
        header: Character ranges of the header lines.
        heads: The header cell that names each column, the lowest; None where the header is not in
            the text.
        rows: The rows that hold values.
    """

    caption: str
    path: str
    corner: str
    header: tuple[Range, ...]
    heads: tuple[Range | None, ...]
    rows: tuple[Row, ...]


@dataclass(slots=True)
class _Lines:
    """Lines of a table sorted into caption, header and the rest."""

    caption: list[str] = field(default_factory=list)
    path: str = ""
    header: list[str] = field(default_factory=list)
    places: list[Range | None] = field(default_factory=list)
    rest: list[Range] = field(default_factory=list)


def cells(line: str) -> list[Range]:
    """Return the character ranges of a line's cells, without surrounding white space."""
    found, position = [], 0
    for separator in [*_SEPARATOR.finditer(line), None]:
        stop = separator.start() if separator else len(line)
        raw = line[position:stop]
        start = position + len(raw) - len(raw.lstrip())
        found.append((min(start, stop), max(min(start, stop), position + len(raw.rstrip()))))
        position = separator.end() if separator else stop
    return found


def parse(text: str, context: str = "", *, plain: bool = False) -> Table:
    """Take a table apart.

    Args:
        text: Its text, or a piece of it.
        context: What stands above it: title and headings on a line, then lines of its caption and
            header. Without it the header is the first line, unless that holds values.
        plain: Its first line of cells is its header, and each further line is a row with a
            label of its own, whatever they look like: the table of a chart.

    Returns:
        The table. The header goes on with each line that names columns and not a row.
    """
    lines = _sorted(text, context, plain=plain)
    above: list[str] = []
    grid = [[line[a:b] for a, b in cells(line)] for line in lines.header]
    width = max([len(row) for row in grid] + [len(cells(text[a:b])) for a, b in lines.rest] + [1])
    corner = " ".join(row[0] for row in grid if row[0])
    columns = [""] * width
    for number, row in enumerate(grid):
        spread, common = _spread(row, width, last=number == len(grid) - 1)
        above.extend(common)
        columns = [f"{a} {b}".strip() for a, b in zip(columns, spread, strict=True)]
    heads: list[Range | None] = [None] * width
    for place in lines.places:
        for number, (start, end) in enumerate(cells(text[slice(*place)]) if place else ()):
            known = heads[number]
            # A unit below a year does not name the column.
            dated = known is not None and periods(text[slice(*known)])
            if place and end > start and not (dated and not periods(text[place[0] :][start:end])):
                heads[number] = (place[0] + start, place[0] + end)
    caption = "\n".join([*lines.caption, *above])
    header = tuple(place for place in lines.places if place is not None)
    rows = (_plain_rows if plain else _rows)(text, lines.rest, columns)
    return Table(caption, lines.path, corner, header, tuple(heads), rows)


def _sorted(text: str, context: str, *, plain: bool) -> _Lines:
    ranges = [
        (m.start(), m.end())
        for m in re.finditer(r"[^\n]+", text)
        if m.group().replace("|", "").strip()
    ]
    width = max((len(cells(text[a:b])) for a, b in ranges), default=0)
    lines = _Lines()
    known: list[str] = []
    for line in filter(str.strip, context.split("\n")):
        if not lines.path:  # the title of a web page may well hold a bar
            lines.path = line.strip()
        elif _SEPARATOR.search(line) and len(cells(line)) <= width and not plain:
            known.append(line)
        else:
            lines.caption.append(line.strip())
    if any(_SEPARATOR.search(text[a:b]) for a, b in ranges):
        while not _SEPARATOR.search(text[slice(*ranges[0])]):
            lines.caption.append(text[slice(*ranges.pop(0))].strip())
    count = 1 if plain else _header(text, ranges, known)
    if known and not count:  # a later piece: its header is in the context only
        lines.header, lines.places, lines.rest = known, [None] * len(known), ranges
        return lines
    lines.header = [text[a:b] for a, b in ranges[:count]]
    lines.places = list(ranges[:count])
    lines.rest = ranges[count:]
    return lines


def _header(text: str, ranges: list[Range], known: list[str]) -> int:
    """How many of a table's first lines are its header; ``known`` are those of its context."""
    count = 0
    while count < min(len(known), len(ranges)) and _same(
        known[count], text[slice(*ranges[count])]
    ):
        count += 1
    if known and not count:
        return 0
    if not known and len(ranges) > 1 and not _holds_values(text[slice(*ranges[0])]):
        count = 1
    while 0 < count < len(ranges) - 1 and _goes_on(
        text[slice(*ranges[count - 1])], text[slice(*ranges[count])]
    ):
        count += 1
    return count


def _same(known: str, line: str) -> bool:
    a, b = "".join(known.split()), "".join(line.split())
    return bool(a) and (a == b or b.startswith(a))


def _goes_on(above: str, line: str) -> bool:
    """Whether a header goes on: no label, or no values and more cells than the line above."""
    start, end = cells(line)[0]
    wider = sum(b > a for a, b in cells(line)[1:]) > sum(b > a for a, b in cells(above)[1:])
    return end == start or (wider and not _holds_values(line))


def _holds_values(line: str) -> bool:
    return any(
        kind(line[a:b]) in ("number", "money", "percent") for a, b in cells(line)[1:] if b > a
    )


def _spread(row: list[str], width: int, *, last: bool) -> tuple[list[str], list[str]]:
    """Return what a header line says of each column, and what it says of all.

    A lone cell stands for all columns; in a line that others follow, a cell stands for the blank
    ones after it.
    """
    padded = ["", *row[1:], *[""] * (width - len(row))][:width]
    filled = [text for text in padded if text]
    if len(filled) == 1 and width > 2:
        return [""] * width, filled
    if not last and filled:
        current = filled[0]
        for number in range(1, width):
            current = padded[number] = padded[number] or current
    return padded, []


def _plain_rows(text: str, ranges: list[Range], columns: list[str]) -> tuple[Row, ...]:
    """Each line as a row."""
    found: list[Row] = []
    for start, end in ranges:
        spans = tuple((start + a, start + b) for a, b in cells(text[start:end]))
        above = tuple(columns[: len(spans)])
        found.append(Row(start, end, spans, text[slice(*spans[0])], "", above))
    return tuple(found)


def _rows(text: str, ranges: list[Range], columns: list[str]) -> tuple[Row, ...]:
    found: list[Row] = []
    sections: list[str] = []
    was_section = False
    for start, end in ranges:
        spans = [(start + a, start + b) for a, b in cells(text[start:end])]
        label = text[slice(*spans[0])]
        filled = [n for n, (a, b) in enumerate(spans) if n > 0 and b > a]
        if label and not filled and len(columns) > 1:
            sections = [*sections, label] if was_section else [label]
            was_section = True
            continue
        bare = not label or label.startswith("(")
        if bare and filled and _names_columns([text[slice(*spans[n])] for n in filled]):
            columns = columns.copy()
            for n in filled:
                columns[n] = text[slice(*spans[n])]
            continue
        if not label and len(filled) == 1 and kind(text[slice(*spans[filled[0]])]) in _NO_VALUE:
            sections = [text[slice(*spans[filled[0]])]]
            continue
        if was_section and label[:1].islower():  # it was the upper line of this label
            label = f"{sections.pop()} {label}"
        was_section = False
        above = tuple(columns[: len(spans)])
        found.append(Row(start, end, tuple(spans), label, " ".join(sections), above))
        if _TOTAL.match(label) and sections:
            sections = sections[:-1]
    return tuple(found)


def _names_columns(texts: list[str]) -> bool:
    return len(texts) > 1 and all(
        kind(text) in ("text", "empty") or "year" in periods(text) for text in texts
    )
