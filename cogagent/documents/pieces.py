"""The units that chunks are made of: sentences, rows, and parts of overlong ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cogagent.documents.sentences import sentences
from cogagent.geometry import FULL_PAGE, Box
from cogagent.types import Element, Words

Counter = Callable[[Sequence[str]], list[int]]

_CLAUSE = re.compile(r"(?<=[;:,\u2014\u3001\uff0c\uff1b)\]|])\s+|\s+(?=[(\[\u2014|])|\n")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of text that stays in one piece.

    Attributes:
        text: Begins and ends with no white space.
        words: Its words, spans counted from its own start.
        pages: The pages it stands on, one or two.
        gap: What stands between it and the unit before, in the same chunk.
        tokens: Its length for the embedder.
        box: Where it stands if it has no words.
    """

    text: str
    words: Words
    pages: tuple[int, ...]
    gap: str = ""
    tokens: int = 0
    box: Box = FULL_PAGE

    @staticmethod
    def of(element: Element, start: int, end: int) -> Unit:
        """Characters ``start`` to ``end`` of an element."""
        words = element.words if element.words is not None else Words.empty()
        return Unit(
            element.text[start:end], _cut(words, start, end), (element.page,), box=element.box
        )

    def slice(self, start: int, end: int) -> Unit:
        """A part of it; pages are those of its words, or its own where it has none."""
        words = _cut(self.words, start, end)
        pages = tuple(sorted(set(words.pages.tolist()))) if len(words) else self.pages
        return replace(self, text=self.text[start:end], words=words, pages=pages)

    def stripped(self) -> Unit:
        """Without white space around it."""
        start = len(self.text) - len(self.text.lstrip())
        return (
            self.slice(start, len(self.text.rstrip())) if self.text.strip() else self.slice(0, 0)
        )

    def join(self, other: Unit) -> Unit:
        """One sentence made of this, its beginning, and ``other``, which goes on."""
        # A hyphen at the break stays: only the loader knows whether it was the writer's.
        glue = "" if self.text.endswith("-") else " "
        offset = len(self.text) + len(glue)
        return Unit(
            self.text + glue + other.text,
            Words.concat([(0, self.words), (offset, other.words)]),
            tuple(sorted({*self.pages, *other.pages})),
            gap=self.gap,
            box=self.box,
        )


def _cut(words: Words, start: int, end: int) -> Words:
    part = words.slice(start, end)
    # A word that reaches over the cut belongs to both sides, as far as it is there.
    return Words(np.clip(part.spans, 0, max(end - start, 0)), part.pages, part.boxes)


def units_of(element: Element, most: int, count: Counter) -> list[Unit]:
    """The sentences of a text element, none longer than ``most`` tokens.

    Args:
        element: Its text is not blank.
        most: Tokens.
        count: Counts for many texts at once.
    """
    text = element.text
    spans = sentences(text)
    tokens = count([text[start:end] for start, end in spans])
    units: list[Unit] = []
    last = 0
    for (start, end), length in zip(spans, tokens, strict=True):
        unit = Unit.of(element, start, end)
        units.append(replace(unit, gap=text[last:start] if units else "", tokens=length))
        last = end
    return split_long(units, most, count)


def split_long(units: list[Unit], most: int, count: Counter) -> list[Unit]:
    """The same units, those over ``most`` tokens cut: at clauses, else words, else anywhere."""
    if all(unit.tokens <= most for unit in units):
        return units
    return [
        piece
        for unit in units
        for piece in (_split(unit, most, count) if unit.tokens > most else [unit])
    ]


def _split(unit: Unit, most: int, count: Counter) -> Iterator[Unit]:
    for bounds in (_spans(unit.text, _CLAUSE), _spans(unit.text, _SPACE)):
        if len(bounds) > 1:
            break
    else:
        # One character may be several tokens, hence pieces of a quarter.
        step = max(1, most // 4)
        bounds = [(at, min(at + step, len(unit.text))) for at in range(0, len(unit.text), step)]
        if len(bounds) == 1:
            yield unit
            return
    tokens = count([unit.text[start:end] for start, end in bounds])
    first, total, last = 0, 0, 0
    groups: list[tuple[int, int, int]] = []
    for (start, end), length in zip(bounds, tokens, strict=True):
        if groups and total + length <= most:
            groups[-1] = (first, end, total + length)
            total += length
        else:
            groups.append((start, end, length))
            first, total = start, length
    for start, end, length in groups:
        gap = unit.gap if start == groups[0][0] else unit.text[last:start]
        piece = replace(unit.slice(start, end), gap=gap, tokens=length)
        last = end
        if length > most:
            yield from _split(piece, most, count)
        else:
            yield piece


def _spans(text: str, separator: re.Pattern[str]) -> list[tuple[int, int]]:
    found, start = [], 0
    for match in separator.finditer(text):
        if match.start() > start:
            found.append((start, match.start()))
        start = match.end()
    if start < len(text):
        found.append((start, len(text)))
    return found
