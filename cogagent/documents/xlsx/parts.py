"""The parts of a workbook file: XML that expands nothing, relations, sheets, strings, styles."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from cogagent.documents.base import label
from cogagent.documents.text import clean
from cogagent.documents.xlsx.formats import BUILT_IN, GENERAL
from cogagent.documents.xmlparts import Node, XmlParts, attribute, local
from cogagent.errors import CorruptDocumentError

_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part refers to.

    Attributes:
        kind: The last word of its type, such as ``worksheet``.
        target: Name of the member.
    """

    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of a workbook that a reader sees."""

    name: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Style:
    """How cells of one style are shown."""

    code: str = GENERAL
    bold: bool = False


@dataclass
class Workbook:
    """What all sheets share.

    Attributes:
        since_1904: Whether days count from 1904 instead of 1900.
        strings: The shared strings.
        styles: By the number that cells refer to.
    """

    title: str
    sheets: list[Sheet]
    since_1904: bool = False
    strings: list[str] = field(default_factory=list)
    styles: list[Style] = field(default_factory=list)


class Parts(XmlParts):
    """The parts of an Office file; namespaces, of which there are two sets, are ignored."""

    def relations(self, name: str) -> dict[str, Relation]:
        """What a part refers to inside the file, by id; ``""`` is the file itself."""
        folder, base = posixpath.split(name)
        root = self.find(posixpath.join(folder, "_rels", f"{base}.rels"))
        found = {}
        for node in root if root is not None else ():
            target = node.get("Target") if local(node) == "Relationship" else None
            if target and node.get("TargetMode") != "External":
                path = posixpath.normpath(posixpath.join("/", folder, unquote(target)))
                kind = node.get("Type", "").rpartition("/")[2]
                found[node.get("Id", "")] = Relation(kind, path.lstrip("/"))
        return found

    def related(self, name: str, kind: str) -> list[str]:
        """The members of one kind that a part refers to, in order."""
        return [found.target for found in self.relations(name).values() if found.kind == kind]


def is_on(value: str | None, *, default: bool = False) -> bool:
    """A truth value of XML Schema."""
    return default if value is None else value in ("1", "true", "on")


def number(value: str | None, default: int = 0) -> int:
    """A whole number, ``default`` if it is none."""
    return int(value) if value and re.fullmatch(r"-?\d{1,9}", value) else default


def text_of(node: Node) -> str:
    """The text of a string: its runs, without the reading aids of East Asian scripts."""
    pieces = []
    for child in node:
        name = local(child)
        if name == "t":
            pieces.append(child.text or "")
        elif name == "r":
            pieces += [inner.text or "" for inner in child if local(inner) == "t"]
    return unescaped("".join(pieces))


def unescaped(text: str) -> str:
    """Text fit to be stored, ``_x000D_`` and the like read as the characters they stand for."""
    if "_x" in text:
        text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return clean(text)


def read_workbook(parts: Parts) -> Workbook:
    """Sheets, strings and styles.

    Raises:
        CorruptDocumentError: If there is no workbook inside, or no sheet.
    """
    main = parts.related("", "officeDocument")
    if not main:
        raise CorruptDocumentError(f"{label(parts.uri)} has no workbook inside.", uri=parts.uri)
    root = parts.root(main[0])
    relations = parts.relations(main[0])
    sheets = []
    for node in root.iterfind("{*}sheets/{*}sheet"):
        relation = relations.get(attribute(node, "id") or "")
        if relation is not None and node.get("state", "visible") == "visible":
            sheets.append(Sheet(clean(node.get("name", "")), relation))
    if not sheets:
        raise CorruptDocumentError(f"{label(parts.uri)} has no sheet to be seen.", uri=parts.uri)
    properties = root.find("{*}workbookPr")
    since_1904 = properties is not None and is_on(properties.get("date1904"))
    book = Workbook(_title(parts), sheets, since_1904)
    for name in parts.related(main[0], "sharedStrings"):
        book.strings += [text_of(node) for node in parts.stream(name, "si")]
    for name in parts.related(main[0], "styles"):
        book.styles += _styles(parts.root(name))
    return book


def _title(parts: Parts) -> str:
    for name in parts.related("", "core-properties"):
        root = parts.find(name)
        title = root.findtext("{*}title") if root is not None else None
        if title and title.strip():
            return " ".join(clean(title).split())
    return ""


def _styles(root: Node) -> Iterator[Style]:
    codes = dict(BUILT_IN)
    for node in root.iterfind("{*}numFmts/{*}numFmt"):
        codes[number(node.get("numFmtId"))] = node.get("formatCode", GENERAL)
    bold = []
    for font in root.iterfind("{*}fonts/{*}font"):
        mark = font.find("{*}b")
        bold.append(mark is not None and is_on(mark.get("val"), default=True))
    for node in root.iterfind("{*}cellXfs/{*}xf"):
        font = number(node.get("fontId"))
        code = codes.get(number(node.get("numFmtId")), GENERAL)
        yield Style(code, 0 <= font < len(bold) and bold[font])
