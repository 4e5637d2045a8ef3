"""Pages of the web: their main text, without menus, notices and advertisements.

Unlike HTML files, which somebody chose to ingest, they come with everything that
surrounds an article; trafilatura tells the two apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogagent.documents.html import read_page, to_text
from cogagent.documents.registry import WEB_PAGE
from cogagent.documents.text import charset_of, clean
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogagent.config import LimitSettings, ParseSettings

_BLOCKS = frozenset(("p", "head", "item", "quote", "list", "fw", "ab", "div", "body", "code"))
_TITLE_LEVEL = 2
"""Of a heading that does not say its own."""


class WebPageLoader:
    """Reads the main text of HTML; the whole page where there is no telling."""

    media_types = (WEB_PAGE,)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        del parse
        self._limits = limits

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element, then headings, paragraphs, list items and tables."""
        assert source.data is not None
        charset = charset_of(source.media_type)
        title, whole = read_page(source.data, charset, lambda _: None, self._limits)
        yield Element(kind="page", caption=title)
        found = list(_main(to_text(source.data, charset)))
        if not any(element.level is None for element in found):
            found = [element for element in whole if element.kind in ("text", "table")]
        for order, element in enumerate(found, start=1):
            yield element.model_copy(update={"order": order})


def _main(text: str) -> Iterator[Element]:
    from trafilatura import bare_extraction

    # Its own limit is of characters and answered by nothing; those of a parser process hold.
    found = bare_extraction(
        text, include_comments=False, include_tables=True, deduplicate=False, with_metadata=False
    )
    body = getattr(found, "body", None)
    if body is not None:
        yield from _elements(body)


def _elements(body: Any) -> Iterator[Element]:
    """The blocks of a tree of TEI, walked without recursion."""
    from lxml.etree import iterwalk

    text: list[str] = []
    walk = iterwalk(body, events=("start", "end"))
    for event, node in walk:
        if node.tag == "table":
            if event == "start":
                yield from _text(text)
                yield from _table(node)
                walk.skip_subtree()
            else:
                text = [_flat(node.tail)]
        elif event == "start":
            if node.tag in _BLOCKS:
                yield from _text(text)
                text = []
            text += ["\n"] if node.tag == "lb" else []
            text.append((node.text or "") if node.tag == "code" else _flat(node.text))
        else:
            if node.tag in _BLOCKS:
                yield from _text(text, node)
                text = []
            text.append(_flat(node.tail))
    yield from _text(text)


def _text(parts: list[str], node: Any = None) -> Iterator[Element]:
    text = _tidy("".join(parts))
    if text:
        level = _level(node) if node is not None and node.tag == "head" else None
        yield Element(kind="text", text=text, level=level)


def _level(node: Any) -> int:
    number = node.get("rend", "")[1:]
    return int(number) if number in ("1", "2", "3", "4", "5", "6") else _TITLE_LEVEL


def _table(node: Any) -> Iterator[Element]:
    rows = [
        tuple(" ".join(_tidy("".join(cell.itertext())).split()) for cell in row.iterfind("cell"))
        for row in node.iterfind("row")
    ]
    rows = [row for row in rows if any(row)]
    width = max(map(len, rows), default=0)
    if not width:
        return
    cells = tuple(row + ("",) * (width - len(row)) for row in rows)
    first = node.find("row")
    headed = first is not None and all(cell.get("role") == "head" for cell in first)
    yield Element(
        kind="table",
        text="\n".join(" | ".join(row) for row in cells),
        cells=cells,
        header_rows=int(headed and len(cells) > 1),
    )


def _flat(text: str | None) -> str:
    """Text of a page's source, where a new line means no more than a space."""
    return (text or "").replace("\n", " ")


def _tidy(text: str) -> str:
    """Lines without the white space of the source around and within them."""
    lines = (" ".join(line.split()) for line in clean(text).split("\n"))
    return "\n".join(line for line in lines if line)
