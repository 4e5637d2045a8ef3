"""HTML: what a reader sees of a page, without running or fetching anything."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

from lxml import etree

from cogagent.documents import pixels
from cogagent.documents.html_tables import find_caption, is_layout, read_table
from cogagent.documents.text import charset_of, clean, decode, paragraphs
from cogagent.errors import DocumentError
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cogagent.config import LimitSettings, ParseSettings

_log = logging.getLogger(__name__)

Node = Any
"""An lxml element; lxml has no types of its own."""


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_DROPPED = _tags(
    "script style nav template noscript head svg canvas video audio iframe object embed map "
    "button select textarea input dialog datalist"
)
_INLINE = _tags(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark meter nobr "
    "output progress q rp rt ruby s samp small span strike strong sub sup time tt u var wbr "
    "img br math picture source"
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_CHARSET = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
_NESTING = re.compile(r"</?(?!(?:p|h[1-6]|br|title|script|style)\b)[a-zA-Z][^<>]*>")
_HEAD = 4096
_PICTURE_BYTES = 8 << 20
_LEAST_SIDE = 16
"""Pixels; what is smaller is an icon or a tracker."""


class Picture(NamedTuple):
    """A picture that a page shows: a name to find it again by, and its bytes."""

    name: str
    data: bytes


class HtmlLoader:
    """Reads HTML: the main content where it is marked, else the whole body."""

    media_types = ("text/html",)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        del parse
        self._limits = limits

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element, then headings, paragraphs, list items, tables and pictures."""
        assert source.data is not None
        title, found = read_page(
            source.data, charset_of(source.media_type), _embedded, self._limits
        )
        yield Element(kind="page", caption=title)
        for order, element in enumerate(found, start=1):
            yield element.model_copy(update={"order": order})

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """Pictures that are in the page itself, as ``data:`` addresses."""
        assert source.data is not None
        tree = _tree(source.data, charset_of(source.media_type))
        found = (_embedded(node.get("src", "")) for node in tree.iter("img"))
        pictures = {picture.name: picture.data for picture in found if picture is not None}
        for element in elements:
            yield pixels.seen(pictures.get(element.picture), source.uri, self._limits)


def read_page(
    data: bytes, charset: str | None, find: Callable[[str], Picture | None], limits: LimitSettings
) -> tuple[str, Iterator[Element]]:
    """The title of a page of HTML, and its elements but for the ``page`` one.

    Args:
        data: The page.
        charset: That it was declared to have elsewhere, if it was.
        find: The picture at an address, if there is one to be had without fetching.
        limits: ``pixels`` counts.
    """
    tree = _tree(data, charset)
    return _title(tree), _Reader(find, limits).read(_content(tree))


def to_text(data: bytes, declared: str | None) -> str:
    """The source of a page as text, in the charset that it or ``declared`` names."""
    head = data[:_HEAD]
    found = _META_CHARSET.search(head) or _XML_CHARSET.search(head)
    text = decode(data, declared or (found[1].decode("ascii") if found else None))
    # A declaration inside would contradict the text being decoded already.
    return re.sub(r"^\s*<\?xml[^>]*>", "", clean(text))


def _tree(data: bytes, declared: str | None) -> Node:
    text = to_text(data, declared)
    tree, whole = _parsed(text)
    if not whole:
        # libxml2 stops at a depth of 2048; the words matter more than how they nest.
        tree, _ = _parsed(_NESTING.sub("<p>", text))
    return tree


def _parsed(text: str) -> tuple[Node, bool]:
    """The tree, and whether it was built to the end."""
    # huge_tree: pages that forget to close their tags nest deeper than 256.
    parser = etree.HTMLParser(
        huge_tree=True, no_network=True, remove_comments=True, remove_pis=True
    )
    tree = etree.fromstring(text or " ", parser)
    whole = not any(entry.level == etree.ErrorLevels.FATAL for entry in parser.error_log)
    return etree.Element("html") if tree is None else tree, whole


def _title(tree: Node) -> str:
    for path in (".//head/title", ".//title", ".//h1"):
        for node in tree.iterfind(path):
            title = " ".join("".join(node.itertext()).split())
            if title:
                return title
    return ""


def _content(tree: Node) -> Node:
    """The part marked as main content; the body if none, or several, are."""
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = [node for node in tree.iterfind(path) if not _hidden(node)]
        if len(found) == 1:
            return found[0]
    body = tree.find(".//body")
    return tree if body is None else body


def _hidden(node: Node) -> bool:
    return (
        node.tag in _DROPPED
        or node.get("hidden") is not None
        or node.get("aria-hidden") == "true"
        or bool(_HIDDEN_STYLE.search(node.get("style", "")))
    )


class _Reader:
    """Walks a tree without recursion, so that no depth of nesting is too deep."""

    def __init__(self, find: Callable[[str], Picture | None], limits: LimitSettings) -> None:
        self._find = find
        self._limits = limits
        self._pieces: list[str] = []
        self._level: int | None = None
        self._preserve = 0
        self._numbers: list[int | None] = []
        self._mark = ""
        self._captions: set[Node] = set()  # that a picture or table has taken

    def read(self, root: Node) -> Iterator[Element]:
        walk = etree.iterwalk(root, events=("start", "end"))
        for event, node in walk:
            if event == "start":
                if node is not root and (_hidden(node) or node in self._captions):
                    walk.skip_subtree()
                    continue
                if node.tag == "table" and not is_layout(node):
                    walk.skip_subtree()
                    yield from self._flush()
                    yield from self._table(node)
                    continue
                yield from self._enter(node)
                self._add(node.text)
            else:
                if node.tag == "table" or not _hidden(node):
                    yield from self._leave(node)
                if node is not root:
                    self._add(node.tail)
        yield from self._flush()

    def _add(self, text: str | None) -> None:
        if text:
            self._pieces.append(text if self._preserve else re.sub(r"\s+", " ", text))

    def _enter(self, node: Node) -> Iterator[Element]:
        tag = node.tag
        if tag == "br":
            self._pieces.append("\n")
        elif tag == "img":
            yield from self._image(node)
        elif tag not in _INLINE:
            yield from self._flush()
            if tag in _HEADINGS:
                self._level = _HEADINGS[tag]
            elif tag == "pre":
                self._preserve += 1
            elif tag in ("ul", "ol", "menu"):
                self._numbers.append(_number(node.get("start")) if tag == "ol" else None)
            elif tag == "li" and self._numbers:
                self._item(node)

    def _item(self, node: Node) -> None:
        number = self._numbers[-1]
        if number is not None:
            number = _number(node.get("value"), number)
            self._mark = f"{number}. "
            self._numbers[-1] = number + 1

    def _leave(self, node: Node) -> Iterator[Element]:
        tag = node.tag
        if tag in _INLINE:
            return
        yield from self._flush()
        if tag in _HEADINGS:
            self._level = None
        elif tag == "pre":
            self._preserve -= 1
        elif tag in ("ul", "ol", "menu") and self._numbers:
            self._numbers.pop()

    def _flush(self) -> Iterator[Element]:
        text = "".join(self._pieces)
        self._pieces.clear()
        if not self._preserve:
            text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", text)).strip()
        if not text.strip():
            return
        if self._level is not None:
            yield Element(kind="text", text=" ".join(text.split()), level=self._level)
            return
        mark, self._mark = self._mark, ""
        for part in paragraphs(mark + text, wrapped=False):
            yield Element(kind="text", text=part)

    def _table(self, node: Node) -> Iterator[Element]:
        element = read_table(node, _visible_text)
        if element is not None:
            self._captions.update(find_caption(node)[:1])
            yield element
        for image in node.iter("img"):
            yield from self._image(image, inside=False)

    def _image(self, node: Node, *, inside: bool = True) -> Iterator[Element]:
        """A picture that is in the page itself; of any other only its alternative text."""
        alternative = " ".join(node.get("alt", "").split())
        picture = self._find(node.get("src", ""))
        size = None if picture is None else self._size(picture)
        if picture is not None and size is not None:
            yield from self._flush()
            caption = find_caption(node)[:1]
            self._captions.update(caption)
            yield Element(
                kind="image",
                caption=_visible_text(caption[0]) if caption else alternative,
                size=size,
                unseen=True,
                picture=picture.name,
            )
        elif inside and alternative:
            self._pieces.append(f" {alternative} ")

    def _size(self, picture: Picture) -> tuple[float, float] | None:
        """Width and height, ``None`` if there is nothing worth looking at."""
        try:
            image = pixels.open_picture(picture.data, picture.name, self._limits)
            size = pixels.shown_size(image, picture.name)
        except DocumentError as error:
            _log.info("a picture is left out: %s", error)
            return None
        return size if min(size) >= _LEAST_SIDE else None


def _visible_text(node: Node) -> str:
    """The text of a node in one line, alternative texts of its pictures included."""
    pieces: list[str] = []
    walk = etree.iterwalk(node, events=("start", "end"))
    for event, inner in walk:
        if event == "start":
            if inner is not node and _hidden(inner):
                walk.skip_subtree()
                continue
            if inner.tag == "img":
                pieces.append(inner.get("alt", ""))
            elif inner.tag not in _INLINE or inner.tag == "br":
                pieces.append(" ")
            pieces.append(inner.text or "")
        elif inner is not node:
            pieces.append(" " if inner.tag not in _INLINE else "")
            pieces.append(inner.tail or "")
    return " ".join("".join(pieces).split())


def _number(value: str | None, default: int = 1) -> int:
    return int(value) if value and re.fullmatch(r"\s*-?\d{1,9}\s*", value) else default


def _embedded(address: str) -> Picture | None:
    """The picture of a ``data:`` address; ``None`` for any other, which is never fetched."""
    head, comma, body = address.partition(",")
    if not (comma and head[:11].lower() == "data:image/") or len(body) > _PICTURE_BYTES:
        return None
    raw = unquote_to_bytes(body)
    try:
        data = base64.b64decode(raw) if head.lower().rstrip().endswith("base64") else raw
    except binascii.Error:
        return None
    return Picture(hashlib.sha256(data).hexdigest()[:16], data)
