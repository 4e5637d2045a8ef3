"""Evidence made ready for checking: its sentences and rows, their words, numbers, names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath

from cogagent.checking.fold import Folded, fold
from cogagent.checking.names import Known, Name, months, names
from cogagent.documents.sentences import sentences
from cogagent.reading.quantities import Quantity, dated, quantities, table_unit
from cogagent.reading.question import Word, words
from cogagent.reading.tables import parse
from cogagent.types import Evidence

MOST_SPANS = 400
"""Sentences and rows of one piece that are looked at; evidence is a passage, no book."""
_STANDS_FOR = re.compile(
    r"\b(?:he|she|they|it|his|her|their|its|him|them|who|which|this|these|we|our|us|the (?:company"
    r"|group|firm|team|city|country|band|film|club|party|university|school|state|game|two|latter"
    r"|former))\b",
    re.IGNORECASE,
)
_RESPECTIVELY = re.compile(r"\brespectively\b", re.IGNORECASE)
_OF_YEAR = re.compile(
    r" (?:\) )?(?:(?:%|percent) )?(?:in|for|during|at|as of|of) (?:the )?"
    r"(?:(?:fiscal |calendar |financial )?(?:years? )?(?:ended )?(?:\w+ \d{1,2}, )?|FY )",
    re.IGNORECASE,
)
_NOTE = re.compile(r"\s*(?:\(\w{1,3}\)|:|\*)+$")
_HASHED = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}|[0-9a-f]{16}", re.IGNORECASE)
_CENTURIES = frozenset("15 16 17 18 19 20".split())
_ROW = re.compile(r"\s\|\s|^\||\|$", re.MULTILINE)


What = Quantity | Name | str
"""A number or name, or a word such as "she" that stands for a name."""
_BLANK = Quantity(0, 0, "\u2014", math.nan, 1.0)
"""What a row without numbers holds: it equals nothing."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of a row with the words that say what it is.

    Attributes:
        number: The number, its range counted in the row.
        stems: Content words of the row's label and section and of the column's header.
        column: Header of its column.
    """

    number: Quantity
    stems: frozenset[str]
    column: str


@dataclass(frozen=True)
class Span:
    """A sentence or a table row of a piece of evidence.

    Attributes:
        start: First character in the evidence's text.
        end: One past the last.
        text: These characters.
        head: Of a row: section and headers of the columns; empty for a sentence.
        cells: Of a row: its numbers.
        label: Of a row: its first cell, with its section.
    """

    start: int
    end: int
    text: str
    head: str = ""
    cells: tuple[Cell, ...] = ()
    label: str = ""

    @cached_property
    def words(self) -> list[Word]:
        """Its words, ranges counted in its text."""
        return words(self.text)

    @cached_property
    def stems(self) -> frozenset[str]:
        """Content words, those of a row's head included."""
        own = [word.stem for word in self.words if word.content]
        return frozenset([*own, *content(self.head), *content(self.label)])

    @cached_property
    def numbers(self) -> list[Quantity]:
        """Its numbers, ranges counted in its text."""
        return [cell.number for cell in self.cells] if self.cells else quantities(self.text)

    @cached_property
    def all_numbers(self) -> list[Quantity]:
        """Its numbers and those within the label of a row."""
        return [*self.numbers, *(quantities(self.text.split(" | ")[0]) if self.cells else ())]

    @cached_property
    def names(self) -> list[Name]:
        """Its proper names, ranges counted in its text."""
        return names(self.text)

    @cached_property
    def counted(self) -> list[tuple[What, dict[str, list[int]]]]:
        """Each number with the words around it and their signed distances; see ``named``."""
        if self.cells:
            return [(cell.number, {stem: [0] for stem in cell.stems}) for cell in self.cells]
        dated = years(self.text, self.numbers)
        return [(n, self._around(n.start, n.end, dated.get(n.start))) for n in self.numbers]

    @cached_property
    def named(self) -> list[tuple[What, dict[str, list[int]]]]:
        """Each name with the words around it; a text for a word that stands for a name."""
        found: list[tuple[What, dict[str, list[int]]]] = [
            (name, self._around(name.start, name.end)) for name in self.names
        ]
        if not self.row:
            found += [
                (match[0].lower(), self._around(*match.span()))
                for match in _STANDS_FOR.finditer(self.text)
            ]
        return found

    def _around(self, start: int, end: int, year: str | None = None) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for stem, distance in around(self.words, start, end, year):
            found.setdefault(stem, []).append(distance)
        if self.row:
            for stem in self.stems:
                found.setdefault(stem, [0])
        return found

    @cached_property
    def first(self) -> str:
        """Of a row: its first cell folded, notes left out."""
        return _NOTE.sub("", self.text.split(" | ")[0].strip().casefold()) if self.row else ""

    @property
    def row(self) -> bool:
        """Whether it is a row of a table."""
        return bool(self.head or self.cells or self.label)


@dataclass(frozen=True)
class Piece:
    """A piece of evidence taken apart.

    Attributes:
        evidence: What it was made from.
        about: Title, headings, caption and file name: read with all of its text.
        spans: Its sentences and rows, in order.
    """

    evidence: Evidence
    about: str
    spans: tuple[Span, ...]

    @cached_property
    def known(self) -> Known:
        """The names of it all."""
        return Known(f"{self.about}\n{self.evidence.text}")

    @cached_property
    def titled(self) -> Known:
        """The names of what stands above it."""
        return Known(self.about)

    @cached_property
    def folded(self) -> Folded:
        """Its text as quotes are looked up in."""
        return fold(self.evidence.text)

    @cached_property
    def about_stems(self) -> frozenset[str]:
        """Content words of what stands above it."""
        return frozenset(content(self.about))

    @cached_property
    def stems(self) -> frozenset[str]:
        """Content words of it all."""
        return self.about_stems.union(*(span.stems for span in self.spans))

    @cached_property
    def about_numbers(self) -> list[Quantity]:
        """The numbers of what stands above it."""
        return quantities(self.about)

    @cached_property
    def proper(self) -> frozenset[str]:
        """Words of names that do not merely open a sentence."""
        return frozenset(
            token for span in self.spans for n in span.names if not n.opens for token in n.tokens
        )

    @cached_property
    def labels(self) -> frozenset[str]:
        """The first cells of its rows."""
        return frozenset(span.first for span in self.spans if span.first)

    @cached_property
    def dates(self) -> set[float]:
        """Days, months and years of dates in digits."""
        return dated(f"{self.about}\n{self.evidence.text}")

    @cached_property
    def months(self) -> set[str]:
        """The months that it names."""
        return months(f"{self.about}\n{self.evidence.text}")

    @cached_property
    def unit(self) -> float | None:
        """What its table counts in, such as 1e6; ``None`` if that is not said."""
        text = self.evidence.text
        return table_unit(self.evidence.caption, self.evidence.context, text[:600])

    @cached_property
    def tabular(self) -> bool:
        """Whether it holds rows."""
        return any(span.row for span in self.spans)


def prepare(evidence: Evidence) -> Piece:
    """Take a piece of evidence apart."""
    path = PurePosixPath(evidence.uri)
    # Of a name without an ending, such as an identifier, the digits say nothing.
    name = path.stem.replace("_", " ") if path.suffix and not _HASHED.search(path.stem) else ""
    about = "\n".join(
        dict.fromkeys(
            part
            for part in (
                evidence.title.replace("_", " "),
                evidence.context,
                evidence.caption,
                name,
            )
            if part.strip()
        )
    )
    tabular = evidence.modality == "table" or len(_ROW.findall(evidence.text)) > 2
    spans = _rows(evidence) if tabular else _sentences(evidence.text)
    return Piece(evidence, about, tuple(spans[:MOST_SPANS]))


def _sentences(text: str) -> list[Span]:
    return [Span(start, end, text[start:end]) for start, end in sentences(text)]


def _rows(evidence: Evidence) -> list[Span]:
    text = evidence.text
    table = parse(text, evidence.context)
    rows = {row.start: row for row in table.rows}
    found: list[Span] = []
    for line in re.finditer(r"[^\n]+", text):
        row = rows.get(line.start())
        if row is None:
            if line[0].strip():
                found.append(Span(line.start(), line.end(), line[0]))
            continue
        label = f"{row.section} {row.label}".strip()
        named = frozenset(content(label))
        cells = []
        for place, (start, end) in enumerate(row.cells):
            column = row.columns[place] if place < len(row.columns) else ""
            for number in quantities(text[start:end]) if place else ():
                moved = _moved(number, start - row.start)
                stems = named | frozenset(content(column))
                cells.append(Cell(moved, stems, column))
        if not cells and label:
            cells.append(Cell(_BLANK, named, ""))
        head = " ".join(dict.fromkeys(column for column in row.columns if column))
        found.append(
            Span(row.start, row.end, text[row.start : row.end], head, tuple(cells), label)
        )
    return found


def _moved(number: Quantity, by: int) -> Quantity:
    return replace(number, start=number.start + by, end=number.end + by)


def around(
    every: Sequence[Word], start: int, end: int, year: str | None = None
) -> tuple[tuple[str, int], ...]:
    """The content words outside ``start`` to ``end``, each with its signed distance in words.

    Args:
        every: The words of a text.
        start: First character of what they stand around.
        end: One past its last.
        year: The year that it is of, if that is known: it counts as next to it, others not.
    """
    first = sum(word.end <= start for word in every)
    last = sum(word.start < end for word in every)
    found = []
    for place, word in enumerate(every):
        if not word.content or first <= place < last:
            continue
        distance = place - first if place < first else place - last + 1
        if year is not None and is_year(word.stem):
            if word.stem != year:
                continue
            distance = 1 if distance > 0 else -1
        found.append((word.stem, distance))
    return tuple(found)


def is_year(stem: str) -> bool:
    """Whether a stem is a year in digits."""
    return len(stem) == 4 and stem.isdigit() and stem[:2] in _CENTURIES


def years(text: str, found: Sequence[Quantity]) -> dict[int, str]:
    """The year that each number of a text is of, by where the number starts.

    A year right behind it ("5 in 2018", "5 for fiscal 2018"), or the one of
    its place where as many numbers as years stand in a row: "5 and 7 in 2018
    and 2019, respectively". Numbers whose year is not so clear are left out.
    """
    dates = [number for number in found if number.kind == "year"]
    values = [number for number in found if number.kind not in ("year", "ordinal")]
    if len(dates) == len(values) > 1 and _RESPECTIVELY.search(text):
        return {v.start: d.text[:4] for v, d in zip(values, dates, strict=True)}
    paired: dict[int, str] = {}
    for value in values:
        following = next((date for date in dates if date.start >= value.end), None)
        between = " ".join(text[value.end : following.start].split()) if following else ""
        if following and _OF_YEAR.fullmatch(f" {between} "):
            paired[value.start] = following.text[:4]
    return paired


def content(text: str) -> list[str]:
    """Stems of the content words of ``text``."""
    return [word.stem for word in words(text) if word.content]


def rarity(pieces: Iterable[Piece]) -> Mapping[str, float]:
    """How telling each word is: rarer among the sentences and rows, higher; about 0.2 to 1."""
    spans: Sequence[Span] = [span for piece in pieces for span in piece.spans]
    counts = Counter(stem for span in spans for stem in span.stems)
    top = math.log(len(spans) + 1.5) or 1.0
    return {
        stem: 1.0
        if is_year(stem)
        else 0.2 + 0.8 * math.log((len(spans) + 1) / (count + 0.5)) / top
        for stem, count in counts.items()
    }
