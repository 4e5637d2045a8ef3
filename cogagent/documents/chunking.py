"""Elements into chunks: whole sentences and table rows, as many as fit, with their words.

What never happens: a chunk over a heading of level 1 or 2, over a page break
that no sentence crosses, or over two page breaks; a sentence or row cut, unless
it alone is longer than a chunk may be; a word without its box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cogagent.documents.pieces import Unit, split_long, units_of
from cogagent.geometry import FULL_PAGE, Box, make_box, union
from cogagent.types import Chunk, ChunkKind, Element, Words

Counter = Callable[[Sequence[str]], list[int]]

PATH = " \u203a "
"""Between title and headings in a context."""
_PARAGRAPH = "\n\n"
_CHAPTER = 2
"""Headings down to this level always end a chunk."""
_LONGEST_HEADING = 300
"""Characters; what is longer is a paragraph that only looks like a heading."""
_SMALL = 4
"""A chunk under ``max_tokens / _SMALL`` goes on past a heading of a lower level."""
_PASSAGE_TOKENS = 512
"""Text is searched by words in passages of up to so many tokens, and embedded in
the chunks that a passage is cut into, of about equal length. Over 509 SciFact
claims, words matched better in passages of this length than in chunks of half
of it, while a vector tells more of a shorter text."""


def chunk(
    elements: Iterable[Element],
    *,
    title: str,
    max_tokens: int,
    count_tokens: Counter,
    contexts: dict[int, str] | None = None,
) -> Iterator[Chunk]:
    """Chunks in reading order, made while the elements come.

    Args:
        elements: Of one document, from its loader.
        title: Begins every context; the document's or its file name.
        max_tokens: Most that a chunk's text may count, its context not included.
        count_tokens: Counts for many texts at once.
        contexts: Filled in: what each unseen element stands under, by its order.
    """
    chunker = _Chunker(title.strip(), max_tokens, count_tokens)
    for element in elements:
        for made in chunker.take(element):
            chunker.made += 1
            yield made
        if element.unseen and contexts is not None:
            contexts[element.order] = chunker.context()
    yield from chunker.finish()


@dataclass
class _Heading:
    element: Element
    used: bool = False
    """Some chunk carries it in its context."""


@dataclass
class _Open:
    """The passage under construction."""

    context: str = ""
    units: list[Unit] = field(default_factory=list)
    tokens: int = 0

    def pages(self) -> set[int]:
        return {page for unit in self.units for page in unit.pages}


class _Chunker:
    def __init__(self, title: str, max_tokens: int, count_tokens: Counter) -> None:
        self._title, self._max, self._count = title, max_tokens, count_tokens
        self._path: list[_Heading] = []
        self._open = _Open()
        self._passage = max(_PASSAGE_TOKENS, max_tokens)
        self.made = 0
        """Chunks that were taken from this one so far."""

    def take(self, element: Element) -> Iterator[Chunk]:
        if element.kind == "text" and element.text.strip():
            if element.level is None or len(element.text) > _LONGEST_HEADING:
                yield from self._text(element)
            else:
                yield from self._heading(element)
        elif element.kind == "table" and element.text.strip():
            yield from self._table(element)
        elif element.kind in ("figure", "image"):
            yield from self._picture(element)

    def finish(self) -> Iterator[Chunk]:
        yield from self._flush()
        yield from self._leave(0)

    def context(self, *more: str) -> str:
        """Title and headings, each once, then further lines; marks the headings as used."""
        names = [self._title] if self._title else []
        for heading in self._path:
            heading.used = True
            name = " ".join(heading.element.text.split())
            if name and name.casefold() not in (known.casefold() for known in names[-1:]):
                names.append(name)
        return "\n".join(line for line in (PATH.join(names), *more) if line)

    # --- text --------------------------------------------------------------

    def _text(self, element: Element) -> Iterator[Chunk]:
        units = units_of(element, self._max, self._count)
        units[0] = replace(units[0], gap=_PARAGRAPH)
        before = self._open.units[-1] if self._open.units else None
        if before is not None and _goes_on(before, units[0]):
            self._open.units.pop()
            self._open.tokens -= before.tokens
            joined = before.join(units.pop(0))
            tokens = self._count([joined.text])[0]
            for unit in split_long([replace(joined, tokens=tokens)], self._max, self._count):
                yield from self._add(unit, keep=True)
        for unit in units:
            yield from self._add(unit)

    def _add(self, unit: Unit, *, keep: bool = False) -> Iterator[Chunk]:
        """Adds a sentence; ``keep`` lets it cross the page break before it."""
        pages = self._open.pages()
        crosses = bool(pages) and not (set(unit.pages) <= pages)
        # Two pages at most, and those only for the sentence that stands on both.
        allowed = not crosses or (keep and len(pages | set(unit.pages)) <= 2)
        # Once the sentence over the break is complete, so is the chunk that it ends.
        over = len(pages) > 1 and len(self._open.units[0].pages) == 1
        if self._open.units and (
            not allowed or over or self._open.tokens + unit.tokens > self._passage
        ):
            yield from self._flush()
        if not self._open.units:
            self._open.context = self.context()
        self._open.units.append(unit)
        self._open.tokens += unit.tokens

    def _flush(self) -> Iterator[Chunk]:
        units, context = self._open.units, self._open.context
        self._open = _Open()
        first = self.made
        for part in _balanced(units, self._max):
            yield _assemble(part, "text", context).model_copy(update={"parent": first})

    # --- headings ----------------------------------------------------------

    def _heading(self, element: Element) -> Iterator[Chunk]:
        assert element.level is not None
        small = self._open.units and self._open.tokens * _SMALL < self._max
        if small and element.level > _CHAPTER and element.page in self._open.pages():
            # What comes now shares a chunk whose context does not name it.
            self._enter(element, used=True)
            for unit in self._heading_units(element):
                yield from self._add(unit)
            return
        yield from self._flush()
        yield from self._leave(element.level)
        self._enter(element)

    def _enter(self, element: Element, *, used: bool = False) -> None:
        level = element.level or 0
        self._path = [item for item in self._path if (item.element.level or 0) < level]
        self._path.append(_Heading(element, used))

    def _leave(self, level: int) -> Iterator[Chunk]:
        """Headings of ``level`` and below end; one that no chunk stands under is its own."""
        while self._path and (self._path[-1].element.level or 0) >= level:
            last = self._path[-1]
            if not last.used:
                self._path.pop()
                # Its parents are named by this chunk's context.
                context = self.context()
                for unit in self._heading_units(last.element):
                    yield _assemble([unit], "text", context)
            else:
                self._path.pop()

    def _heading_units(self, element: Element) -> list[Unit]:
        whole = Unit.of(element, 0, len(element.text)).stripped()
        whole = replace(whole, gap=_PARAGRAPH, tokens=self._count([whole.text])[0])
        return split_long([whole], self._max, self._count)

    # --- tables and pictures -----------------------------------------------

    def _table(self, element: Element) -> Iterator[Chunk]:
        rows = _rows(element)
        tokens = self._count([row.text for row in rows])
        rows = [replace(row, tokens=n) for row, n in zip(rows, tokens, strict=True)]
        header = self._short("\n".join(row.text for row in rows[: element.header_rows]))
        yield from self._pieces(element, "table", rows, header)

    def _short(self, line: str) -> str:
        """As much of a line as fits a context."""
        if not line:
            return ""
        whole = Unit(line, Words.empty(), (1,), tokens=self._count([line])[0])
        return split_long([whole], max(1, self._max // 2), self._count)[0].text

    def _picture(self, element: Element) -> Iterator[Chunk]:
        units: list[Unit] = []
        element = _cut(element)
        if element.text.strip():
            units = units_of(element, self._max, self._count)
        elif not element.caption.strip():
            # Nothing to read, but the picture itself may be found by its vector.
            if element.vector is not None:
                yield Chunk(
                    kind="image",
                    text="",
                    page=element.page,
                    context=self.context(),
                    box=element.box,
                    element=element.order,
                )
            return
        yield from self._pieces(element, "image", units, "")

    def _pieces(
        self, element: Element, kind: ChunkKind, units: list[Unit], header: str
    ) -> Iterator[Chunk]:
        """Chunks of one table or picture; the caption begins the first and heads the rest."""
        caption = element.caption.strip()
        if caption and not element.text.lstrip().startswith(caption):
            first = Unit(caption, Words.empty(), (element.page,), box=element.box)
            units = [replace(first, tokens=self._count([caption])[0]), *units]
            if len(units) > 1:
                units[1] = replace(units[1], gap="\n")
        context = self.context(header)
        units = split_long(units, self._max, self._count)
        group: list[Unit] = []
        for unit in units:
            if group and sum(item.tokens for item in group) + unit.tokens > self._max:
                yield _assemble(group, kind, context, element)
                context = self.context(self._short(caption), header)
                group = []
            group.append(unit)
        yield _assemble(group, kind, context, element)


def _cut(picture: Element) -> Element:
    """A picture with as much of its text as stands for it in searches."""
    end = picture.stands_for
    if end is None:
        return picture
    words = picture.words.slice(0, end) if picture.words is not None else None
    return picture.model_copy(update={"text": picture.text[:end], "words": words})


def _balanced(units: list[Unit], most: int) -> Iterator[list[Unit]]:
    """Runs of ``units`` of up to ``most`` tokens, as few and as equally long as may be."""
    total = sum(unit.tokens for unit in units)
    target = total / max(-(-total // most), 1)
    part: list[Unit] = []
    tokens = 0
    for unit in units:
        if part and (tokens + unit.tokens > most or tokens + unit.tokens / 2 > target):
            yield part
            part, tokens = [], 0
        part.append(unit)
        tokens += unit.tokens
    if part:
        yield part


def _rows(element: Element) -> list[Unit]:
    rows, at = [], 0
    for line in element.text.split("\n"):
        row = Unit.of(element, at, at + len(line)).stripped()
        at += len(line) + 1
        if row.text:
            rows.append(replace(row, gap="\n"))
    return rows


def _goes_on(before: Unit, after: Unit) -> bool:
    """Whether a sentence that stops at the end of a page, column or box goes on in ``after``.

    Elsewhere, as in Markdown, the author ends paragraphs, and no layout does.
    """
    by_layout = before.pages[-1] != after.pages[0] or (len(before.words) and len(after.words))
    return bool(
        by_layout
        and after.pages[0] - before.pages[-1] <= 1
        and len(before.pages) == 1
        and not before.text.endswith((".", "!", "?", ":", ";", "\u2026", "\u3002", "\u201d", '"'))
        and after.text[0].islower()
    )


def _assemble(
    units: list[Unit], kind: ChunkKind, context: str, element: Element | None = None
) -> Chunk:
    text, parts = "", []
    for unit in units:
        text += unit.gap if text else ""
        parts.append((len(text), unit.words))
        text += unit.text
    words = Words.concat(parts)
    page = units[0].pages[0]
    return Chunk(
        kind=kind,
        text=text,
        page=page,
        context=context,
        words=words,
        box=element.box if element is not None else _box(units, words, page),
        element=element.order if element is not None else None,
    )


def _box(units: list[Unit], words: Words, page: int) -> Box:
    boxes = words.boxes[words.pages == page]
    if len(boxes):
        return make_box(*np.min(boxes[:, :2], axis=0), *np.max(boxes[:, 2:], axis=0))
    return union(unit.box for unit in units if unit.pages[0] == page) if units else FULL_PAGE
