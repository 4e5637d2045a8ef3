"""Markdown (CommonMark with tables), read without running the HTML in it."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from cogagent.documents.text import charset_of, clean, decode, paragraphs
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from markdown_it.token import Token

    from cogagent.config import LimitSettings, ParseSettings

_FRONT_MATTER = re.compile(r"\A---[^\S\n]*\n(.*?\n)(?:---|\.\.\.)[^\S\n]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title[^\S\n]*:[^\S\n]*(\S.*?)[^\S\n]*$", re.MULTILINE | re.IGNORECASE)


class MarkdownLoader:
    """Reads Markdown; raw HTML is dropped, of a picture its alternative text is kept."""

    media_types = ("text/markdown",)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        del limits, parse  # nothing of it concerns Markdown

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element, then headings, paragraphs, list items, code and tables."""
        assert source.data is not None
        text = clean(decode(source.data, charset_of(source.media_type))).replace("\f", "\n")
        title, text = _front_matter(text)
        parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
        elements = list(_elements(parser.parse(text)))
        if not title:
            first = next((e for e in elements if e.level is not None), None)
            title = first.text if first is not None and first.level == 1 else ""
        for order, element in enumerate([Element(kind="page", caption=title), *elements]):
            yield element.model_copy(update={"order": order})


def _front_matter(text: str) -> tuple[str, str]:
    """The title in YAML front matter, and the text after it."""
    found = _FRONT_MATTER.match(text)
    if found is None:
        return "", text
    title = _TITLE.search(found[1])
    return title[1].strip("\"'") if title else "", text[found.end() :]


class _Lists:
    """The lists that a token stands in, for the numbers of their items."""

    def __init__(self) -> None:
        self._next: list[int | None] = []  # None: bullets
        self._mark = ""

    def take(self, token: Token) -> None:
        """Keep up with a token."""
        if token.type == "ordered_list_open":
            self._next.append(int(token.attrs.get("start", 1)))
        elif token.type == "bullet_list_open":
            self._next.append(None)
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            self._next.pop()
        elif token.type == "list_item_open":
            number = self._next[-1]
            self._mark = "" if number is None else f"{number}. "
            self._next[-1] = None if number is None else number + 1

    def mark(self) -> str:
        """The number of the item that opened last, once."""
        mark, self._mark = self._mark, ""
        return mark


def _elements(tokens: Sequence[Token]) -> Iterator[Element]:
    level: int | None = None
    lists = _Lists()
    rest = iter(tokens)
    for token in rest:
        lists.take(token)
        match token.type:
            case "heading_open" if token.level == 0:
                level = int(token.tag[1:])
            case "heading_close":
                level = None
            case "inline":
                text = lists.mark() + inline_text(token.children or []).strip()
                if level is None:
                    yield from _texts(text)
                elif text:
                    yield Element(kind="text", text=" ".join(text.split()), level=level)
            case "fence" | "code_block":
                yield from _texts(token.content)
            case "table_open":
                inside = takewhile(lambda found: found.type != "table_close", rest)
                yield table(_cells(inside), header_rows=1)


def _texts(text: str) -> Iterator[Element]:
    for part in paragraphs(text, wrapped=False):
        yield Element(kind="text", text=part)


def _cells(tokens: Iterable[Token]) -> list[list[str]]:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(inline_text(token.children or []))
    return rows


def inline_text(tokens: Sequence[Token]) -> str:
    """What a reader sees of inline tokens; a line break of the source is a space."""
    parts = []
    for token in tokens:
        match token.type:
            case "text" | "code_inline" | "text_special":
                parts.append(token.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
            case "image":
                parts.append(inline_text(token.children or []))
    return "".join(parts)


def table(rows: Sequence[Sequence[str]], *, header_rows: int, caption: str = "") -> Element:
    """A table element of ``rows``, made equally long; its text is its cells."""
    width = max((len(row) for row in rows), default=0)
    cells = tuple(
        tuple(" ".join(cell.split()) for cell in row) + ("",) * (width - len(row)) for row in rows
    )
    return Element(
        kind="table",
        text="\n".join(" | ".join(row) for row in cells),
        cells=cells,
        header_rows=min(header_rows, len(cells)),
        caption=caption,
    )
