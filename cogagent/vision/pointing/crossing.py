"""Rows that a question is about, and in them the values that stand under its other words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, takewhile

import numpy as np

from cogagent.types import Words
from cogagent.vision.pointing.matching import Hits, Matches, match
from cogagent.vision.pointing.rows import Print, Row

_LEAST = 0.25
"""Part of what a question says that a place must hold."""
_SURE = 0.8
"""A value is taken from a place that scores so much of the best; it may lack one itself."""
_PLAIN = 0.8
"""Score of a place full of other words, in parts of that of one with no other."""
_ROWS = 24
"""Rows in which values are looked for: those that hold most of the question."""
_JOINED, _JOINED_GAP, _JOINED_SCORE = 3, 0.9, 0.97
"""Most lines of prose taken together, white space between them in line heights, and what a
further line costs."""
_HEADERS, _HEADER_GAP = 4, 2.0
"""Lines of a column's header, and white space between them, in line heights."""
_TABLE_ROWS, _ROW_VALUES = 120, 64
"""Rows above a value in which its header is looked for; values of a row that are looked at."""
_BESIDE, _HEADER_WORDS = 3.0, 8
"""How far from the middle of its column a header may stand at least, in line heights; it may
in any case by half of what the columns are apart. Longer lines are prose."""
_ABOVE, _WRAPPED, _SECTION = 40, 0.9, 0.5
"""Rows above a value that may be the first line of its label, or the heading of its
section, and what their words count."""
_SECTIONS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A place that holds words of a question.

    Attributes:
        score: 0 to 1: which part of what the question says is there, less for other words.
        rows: One, or a few lines that follow each other.
        words: Those of ``rows`` that the question names.
        value: Number of the word that is the value asked for; ``None`` where there is none,
            or where nothing tells which.
        headers: Words above the value that name its column.
        in_rows: Shape ``(terms,)``: how surely each term of the question is in the rows.
        in_headers: Above the value, likewise.
    """

    score: float
    rows: tuple[Row, ...]
    words: tuple[int, ...]
    value: int | None
    headers: tuple[int, ...]
    in_rows: Hits
    in_headers: Hits


def find(question: str, known: Print) -> tuple[Matches, list[Found]]:
    """The places of a picture that hold a question's words, the best first.

    Args:
        question: Any text.
        known: The words of the picture.
    """
    matches = match(question, known.texts)
    if not matches.terms or not matches.hits.any():
        return matches, []
    return matches, _Search(known, matches).places()


def value_of(question: str, text: str, words: Words, size: tuple[int, int]) -> int | None:
    """Which word is the value in the row and under the header that a question names.

    Args:
        question: Any text.
        text: What is written in a picture.
        words: The words of ``text``; boxes in fractions of the picture.
        size: Width and height of the picture in pixels.

    Returns:
        Its number in ``words``; ``None`` if there is no such value, or no telling which.
    """
    _, found = find(question, Print.of(text, words, size))
    sure = [place for place in found if place.score >= _SURE * found[0].score]
    return next((place.value for place in sure if place.value is not None), None)


class _Search:
    def __init__(self, known: Print, matches: Matches) -> None:
        self._known = known
        self._matches = matches
        self._rows = known.rows
        self._weights = matches.weights(row.words for row in self._rows)
        self._named = np.asarray(matches.hits.any(axis=1), np.bool_)

    def places(self) -> list[Found]:
        hits = [self._matches.best(row.words) for row in self._rows]
        rough = np.array([float(self._weights @ row) for row in hits])
        likely = np.argsort(-rough, kind="stable")[:_ROWS]
        found = [
            place
            for number in likely.tolist()
            if rough[number] > 0
            for place in (*self._values(number), *self._joined(number, hits))
        ]
        found = [place for place in found if place.score >= _LEAST]
        # Of places as good the one with a value, then that at the left.
        return sorted(found, key=lambda place: (-round(place.score, 4), place.value is None))

    def _joined(self, number: int, hits: Sequence[Hits]) -> Iterator[Found]:
        """A row alone, and with the lines of its paragraph that follow it."""
        rows: list[Row] = []
        together = np.zeros(len(self._weights), np.float32)
        for at in range(number, min(number + _JOINED, len(self._rows))):
            row = self._rows[at]
            if rows and not _follows(rows[-1], row, self._known.height * _JOINED_GAP):
                return
            rows.append(row)
            together = np.maximum(together, hits[at])
            words = [word for part in rows for word in part.words]
            score = self._score(together, words) * _JOINED_SCORE ** (len(rows) - 1)
            nothing = np.zeros_like(together)
            said = tuple(word for word in words if self._named[word])
            yield Found(score, tuple(rows), said, None, (), together, nothing)

    def _values(self, number: int) -> Iterator[Found]:
        """The best value of each label in a row."""
        row = self._rows[number]
        groups = groupby(row.values[:_ROW_VALUES], lambda value: _label(row, value))
        for label, group in groups:
            values = tuple(group)
            places = [self._value(number, label, values, value) for value in values]
            best = max(places, key=lambda place: place.score)  # the leftmost of equals
            named = sum(place.score >= best.score - 1e-4 for place in places) == 1
            yield best if named else _undecided(best)

    def _value(
        self, number: int, label: tuple[int, ...], values: tuple[int, ...], value: int
    ) -> Found:
        row = self._rows[number]
        in_row = np.maximum(self._matches.best(label), self._above(number, row))
        headers = self._headers(number, values, value)
        in_headers = self._matches.best(headers)
        score = self._score(np.maximum(in_row, in_headers), label)
        said = tuple(word for word in label if self._named[word])
        over = tuple(word for word in headers if self._named[word])
        return Found(score, (row,), said, value, over, in_row, in_headers)

    def _score(self, hits: Hits, words: Sequence[int]) -> float:
        held = float(self._weights @ hits) / float(self._weights.sum())
        content = self._matches.content[list(words)]
        named = float(content[self._named[list(words)]].sum()) / max(float(content.sum()), 1.0)
        return min(held * (_PLAIN + (1 - _PLAIN) * named), 1.0)

    def _above(self, number: int, row: Row) -> Hits:
        """What the first line of a label that goes on, and headings of sections, say."""
        found = np.zeros(len(self._weights), np.float32)
        below, sections = row, 0
        for at in range(number - 1, max(number - 1 - _ABOVE, -1), -1):
            above = self._rows[at]
            if above.column != row.column or sections == _SECTIONS:
                break
            if above.values or len(list(above.cells())) > 1:
                continue
            sections += 1
            wrapped = _follows(above, below, self._known.height * _JOINED_GAP) and at == number - 1
            share = _WRAPPED if wrapped else _SECTION
            found = np.maximum(found, share * self._matches.best(above.words))
        return found

    def _headers(self, number: int, values: tuple[int, ...], value: int) -> tuple[int, ...]:
        """The words that stand over the column of one of a label's values, the nearest first."""
        row, known = self._rows[number], self._known
        found: list[int] = []
        lines, top = 0, float(row.edges[1])
        for at in range(number - 1, max(number - 1 - _TABLE_ROWS, -1), -1):
            above = self._rows[at]
            if above.column != row.column or lines == _HEADERS:
                break
            if lines and top - above.edges[3] > _HEADER_GAP * known.height:
                break
            over = self._over(above, values, value)
            if over and self._is_value(over):
                if lines:  # the rows of another table
                    break
            elif over:
                found += over
                lines, top = lines + 1, float(above.edges[1])
        return tuple(found)

    def _is_value(self, cell: Sequence[int]) -> bool:
        """Whether a cell is a number; ``January 28, 2017`` is none, nor is a year."""
        known = self._known
        numbers = any(known.numbers[word] and not known.years[word] for word in cell)
        return numbers and not any(map(known.is_label, cell))

    def _over(self, above: Row, values: tuple[int, ...], value: int) -> tuple[int, ...]:
        """The cell of a row above that belongs to a value's column; none if none does."""
        middles = [self._middle((other,)) for other in values]
        apart = min(np.diff(middles), default=0.0)
        reach = max(apart / 2, _BESIDE * self._known.height)
        left, right = middles[0] - reach, middles[-1] + reach
        boxes = self._known.boxes
        cells = [
            cell
            for cell in self._cells[above]
            if boxes[cell[-1], 2] > left and boxes[cell[0], 0] < right
        ]
        if len(cells) == len(middles) > 1:  # each has its own, however they are set
            return cells[values.index(value)]
        middle = self._middle((value,))
        over = [cell for cell in cells if self._reaches(cell, middle, reach)]
        return min(over, key=lambda cell: abs(self._middle(cell) - middle), default=())

    def _reaches(self, cell: Sequence[int], middle: float, reach: float) -> bool:
        """Whether a cell stands over a column's middle: it may span several."""
        boxes = self._known.boxes
        spans = boxes[cell[0], 0] <= middle <= boxes[cell[-1], 2]
        return bool(spans) or abs(self._middle(cell) - middle) <= reach

    def _middle(self, cell: Sequence[int]) -> float:
        boxes = self._known.boxes
        return float(boxes[cell[0], 0] + boxes[cell[-1], 2]) / 2

    @cached_property
    def _cells(self) -> dict[Row, list[tuple[int, ...]]]:
        """Of each row what may be a header or a value; close years are cells of their own."""
        years = self._known.years
        return {
            row: [
                part
                for cell in row.cells()
                for part in ([(word,) for word in cell] if years[list(cell)].all() else [cell])
                if len(part) <= _HEADER_WORDS
                and any(map(self._known.tells, part))
                and not (row.values and self._known.is_sign(part))
            ]
            for row in self._rows
        }


def _label(row: Row, value: int) -> tuple[int, ...]:
    """The words at the left of a value, up to the values of another label."""
    known = row.print
    cells = list(takewhile(lambda cell: value not in cell, row.cells()))
    own = next(cell for cell in row.cells() if value in cell)
    words = list(own[: own.index(value)])
    cells.append(tuple(words))
    label: list[int] = []
    for cell in reversed(cells):
        if any(map(known.is_label, cell)) and not (
            cell[0] != row.words[0] and known.is_sign(cell)
        ):
            label = [*cell, *label]
        elif label and any(known.numbers[word] for word in cell):
            break
    return tuple(label)


def _undecided(place: Found) -> Found:
    """A row of which nothing tells which value is meant."""
    return Found(
        place.score, place.rows, place.words, None, (), place.in_rows, place.in_headers * 0
    )


def _follows(row: Row, after: Row, gap: float) -> bool:
    """Whether a row is the next line of the same paragraph."""
    below = after.edges[1] - row.edges[3]
    beside = min(row.edges[2], after.edges[2]) - max(row.edges[0], after.edges[0])
    return row.column == after.column and below <= gap and beside > 0
