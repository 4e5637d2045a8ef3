"""Rows of a table that stands as text: one row a line, cells joined by " | ", header lines first."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cogagent.reading.question import AnswerType, Question, words

_SEPARATOR = re.compile(r"(?<=\s)\|(?=\s)|^\|(?=\s)|(?<=\s)\|$")
_ASKS_LABEL = frozenset({AnswerType.NAME, AnswerType.PERSON, AnswerType.PLACE})


@dataclass(frozen=True, slots=True)
class Table:
    """A table taken apart.

    Attributes:
        header: Character ranges of the header lines.
        rows: Character ranges of the other lines that hold anything.
    """

    header: tuple[tuple[int, int], ...]
    rows: tuple[tuple[int, int], ...]


def parse(text: str) -> Table:
    """Find a table's header and rows.

    The first line is header, and so is each line after it whose first cell is empty, since such a line names columns
    and not a row. A table of one line has a row and no header.
    """
    lines = [
        (m.start(), m.end())
        for m in re.finditer(r"[^\n]+", text)
        if m.group().replace("|", "").strip()
    ]
    count = min(1, len(lines) - 1) if lines else 0
    while 0 < count < len(lines) - 1 and not _first_cell(text[slice(*lines[count])]):
        count += 1
    return Table(tuple(lines[:count]), tuple(lines[count:]))


def _first_cell(line: str) -> str:
    start, end = cells(line)[0]
    return line[start:end]


def cells(line: str) -> list[tuple[int, int]]:
    """Return the character ranges of a line's cells, without surrounding white space; an empty cell is empty."""
    found, position = [], 0
    for separator in [*_SEPARATOR.finditer(line), None]:
        stop = separator.start() if separator else len(line)
        raw = line[position:stop]
        start = position + len(raw) - len(raw.lstrip())
        found.append((min(start, stop), max(min(start, stop), position + len(raw.rstrip()))))
        position = separator.end() if separator else stop
    return found


def cell_for(
    question: Question, text: str, table: Table, row: tuple[int, int]
) -> tuple[int, int] | None:
    """Find the cell of a row that a question asks for.

    It is the cell under the header that shares most of the question's words; when the row has one value only, that
    one; when the question asks for a name and a value of the row stands in the question, the row's first cell.

    Args:
        question: The question, taken apart.
        text: Text of the table.
        table: The table, from ``parse``.
        row: Character range of the row.

    Returns:
        A character range of ``text``, or None when the question names no column or names two equally well.
    """
    line = text[slice(*row)]
    spans = cells(line)
    filled = [i for i, (start, end) in enumerate(spans) if i > 0 and end > start]
    asked = {term.stem for term in question.terms}
    column = None
    if question.expected in _ASKS_LABEL and any(
        _stems(line[slice(*spans[i])]) & asked for i in filled
    ):
        column = 0 if spans[0][1] > spans[0][0] else None
    elif len(filled) == 1:
        column = filled[0]
    elif filled:
        names: dict[int, set[str]] = {}
        for header in table.header:
            head = text[slice(*header)]
            for i, span in enumerate(cells(head)):
                names.setdefault(i, set()).update(_stems(head[slice(*span)]))
        # A word that labels the row does not choose a column as well.
        asked -= _stems(line[slice(*spans[0])])
        shared = sorted(((len(names.get(i, set()) & asked), i) for i in filled), reverse=True)
        if shared[0][0] > 0 and (len(shared) == 1 or shared[0][0] > shared[1][0]):
            column = shared[0][1]
    if column is None:
        return None
    return row[0] + spans[column][0], row[0] + spans[column][1]


def _stems(text: str) -> set[str]:
    return {word.stem for word in words(text) if word.content}
