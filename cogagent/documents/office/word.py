"""The story of a word processor's document: paragraphs, tables and pictures in reading order.

Tracked changes are read as accepted, hidden text is left out, and so are headers
and footers. python-docx opens the package and knows its parts; the body is walked
here, since it passes over changes, content controls, text boxes and fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cogagent.documents.office.blocks import (
    BREAK,
    SEEN_BREAK,
    Block,
    Cell,
    alternative,
    chart_block,
    paragraphs_of,
    printable,
    settle_captions,
    table_block,
    tidy,
    without_breaks,
)
from cogagent.documents.office.numbering import Numbering, value_of
from cogagent.documents.office.pictures import name_of

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_PIC = "{http://schemas.openxmlformats.org/drawingml/2006/picture}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_V = "{urn:schemas-microsoft-com:vml}"

_THROUGH = {
    f"{_W}{name}"
    for name in ("hyperlink", "smartTag", "ins", "moveTo", "fldSimple", "customXml", "bdo", "dir",
                 "sdtContent", "rubyBase")
}  # fmt: skip
"""Elements that only wrap runs or paragraphs."""
_GONE = {f"{_W}{name}" for name in ("del", "moveFrom", "instrText", "delText", "rt", "pPr", "rPr")}
_SIGNS = {
    "tab": " ", "ptab": " ", "cr": "\n", "noBreakHyphen": "-", "lastRenderedPageBreak": SEEN_BREAK,
}  # fmt: skip
_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_POINT = 12_700
"""EMUs in a point."""
_DEEPEST = 12
"""Text boxes within text boxes."""


class Story:
    """Reads the body of a document that python-docx has opened.

    Args:
        document: A ``docx.document.Document``.
    """

    def __init__(self, document: Any) -> None:
        self._part = document.part
        self._styles = _Styles(document.styles.element)
        self._numbering = Numbering(_related(self._part, "numbering"))
        self._notes = {
            kind: _notes(_related(self._part, f"{kind}s"), kind)
            for kind in ("footnote", "endnote")
        }
        self._sections: Iterator[Any] = iter(())
        self._carried = ""
        self._depth = 0
        self.title = ""
        """The first paragraph in the style of a title."""

    def blocks(self) -> list[Block]:
        """Everything that the body shows."""
        body = self._part.element.find(f"{_W}body")
        sections = [
            node
            for node in self._part.element.iter(f"{_W}sectPr")
            if node.getparent().tag != f"{_W}sectPrChange"  # as it was before a tracked change
        ]
        self._sections = iter(sections[1:])
        return [] if body is None else settle_captions(list(self._blocks(body)))

    def _blocks(self, parent: Any) -> Iterator[Block]:
        for node in parent:
            if node.tag == f"{_W}p":
                yield from self._paragraph(node)
            elif node.tag == f"{_W}tbl":
                yield from self._table(node)
            elif node.tag in _THROUGH or node.tag == f"{_W}sdt":
                yield from self._blocks(node)
            elif node.tag == f"{_MC}AlternateContent":
                yield from self._blocks(_choice(node))

    # --- paragraphs --------------------------------------------------------

    def _paragraph(self, node: Any) -> Iterator[Block]:
        look = node.find(f"{_W}pPr")
        style = self._styles.of(value_of(look, "pStyle"))
        run = _Run(self)
        run.read(node)
        text = "".join(run.pieces)
        if _is_on(look, "pageBreakBefore"):
            text = SEEN_BREAK + text
        if _deleted_mark(look):
            self._carried += text  # the paragraph's end is deleted: the next one goes on
            yield from run.after
            return
        text, self._carried = self._carried + text, ""
        level = _outline(look) or style.level
        if without_breaks(text):
            text = self._marked(look, style, text)
        if not self.title and style.is_title:
            self.title = " ".join(without_breaks(text).split())
        if tidy(text):
            yield Block(kind="text", text=tidy(text), level=level, is_caption=style.is_caption)
        yield from run.after
        if self._ends_page(look):
            yield Block(kind="text", text=BREAK)

    def _marked(self, look: Any, style: _Style, text: str) -> str:
        """The text with the number of its list before it."""
        properties = look.find(f"{_W}numPr") if look is not None else None
        name, level = value_of(properties, "numId"), value_of(properties, "ilvl")
        name, level = name or style.list_name, level or style.list_level
        if not name or name == "0":
            return text
        mark = self._numbering.mark(name, int(level) if level and level.isdecimal() else 0)
        breaks = len(text) - len(text.lstrip(f"{BREAK}{SEEN_BREAK} "))
        return text[:breaks] + mark + text[breaks:]

    def _ends_page(self, look: Any | None) -> bool:
        """Whether a section ends here, and the next one begins on a page of its own."""
        section = look.find(f"{_W}sectPr") if look is not None else None
        if section is None:
            return False
        # How a section begins is written where it ends, with its other properties.
        after = next(self._sections, None)
        return value_of(after, "type") not in ("continuous", "nextColumn")

    # --- tables ------------------------------------------------------------

    def _table(self, node: Any) -> Iterator[Block]:
        rows = list(_rows(node))
        if len(rows) == 1 and len(list(_cells(rows[0]))) == 1:  # a frame around a passage
            yield from self._blocks(next(_cells(rows[0])))
            return
        after: list[Block] = []
        cells: list[list[Cell]] = []
        headers = 0
        for row in rows:
            look = row.find(f"{_W}trPr")
            if look is not None and look.find(f"{_W}del") is not None:
                continue
            if headers == len(cells) and _is_on(look, "tblHeader"):
                headers += 1
            gap = value_of(look, "gridBefore") or ""
            lead = [Cell("", int(gap))] if re.fullmatch(r"[1-9]\d{0,2}", gap) else []
            cells.append(lead + [self._cell(cell, after) for cell in _cells(row)])
        first = headers or (None if _first_row_is_special(node) else 0)
        block = table_block(cells, first)
        if block is not None:
            properties = node.find(f"{_W}tblPr")
            block.caption = alternative(value_of(properties, "tblCaption"))
            yield block
        yield from after

    def _cell(self, node: Any, after: list[Block]) -> Cell:
        """A cell; what is in it besides text comes after the table."""
        look = node.find(f"{_W}tcPr")
        merged = look.find(f"{_W}vMerge") if look is not None else None
        hangs = merged is not None and merged.get(f"{_W}val", "continue") == "continue"
        pieces = []
        for block in self._blocks(node):
            if block.kind == "text":
                pieces.append(block.text)
            elif block.kind == "table":  # a table in a cell, whose rows are lines there
                pieces += [" ".join(filter(None, row)) for row in block.cells]
            else:
                after.append(block)
        span = value_of(look, "gridSpan") or ""
        columns = int(span) if re.fullmatch(r"[1-9]\d{0,3}", span) else 1
        return Cell("\n".join(pieces), columns, hangs)

    # --- what a run can hold -----------------------------------------------

    def note(self, kind: str, name: str) -> str:
        """The text of a foot- or endnote."""
        return self._notes[kind].get(name, "")

    def drawn(self, node: Any) -> Iterator[Block]:
        """Pictures, charts, diagrams and text boxes in a drawing, of the new kind or VML."""
        if self._depth >= _DEEPEST:
            return
        holder = next(node.iter(f"{_WP}docPr"), None)
        described = [holder.get(name) for name in ("descr", "title")] if holder is not None else []
        self._depth += 1
        for inner in _shown(node):
            if inner.tag == f"{_W}txbxContent":
                yield from self._blocks(inner)
            elif inner.tag == f"{_PIC}pic":
                own = next(inner.iter(f"{_PIC}cNvPr"), None)
                alt = [own.get(name) for name in ("descr", "title")] if own is not None else []
                blip = next(inner.iter(f"{_A}blip"), None)
                link = blip.get(f"{_R}embed") if blip is not None else None
                crop = next(inner.iter(f"{_A}srcRect"), None)
                yield from self._picture(link, alternative(*described, *alt), _extent(node), crop)
            elif inner.tag == f"{_V}imagedata":
                shape = inner.getparent()
                alt = [shape.get("alt"), inner.get("title")]
                yield from self._picture(
                    inner.get(f"{_R}id"), alternative(*alt), _css_extent(shape)
                )
            elif inner.tag == f"{_C}chart":
                root = self._root(inner.get(f"{_R}id"))
                block = chart_block(root) if root is not None else None
                if block is not None:
                    block.caption = block.caption or alternative(*described)
                    yield block
            else:
                root = self._root(inner.get(f"{_R}dm"))
                for text in paragraphs_of(root) if root is not None else ():
                    yield Block(kind="text", text=text)
        self._depth -= 1

    def _picture(
        self,
        link: str | None,
        caption: str,
        extent: tuple[float, float] | None,
        crop: Any | None = None,
    ) -> Iterator[Block]:
        target = self._target(link)
        if target is not None:
            name = name_of(str(target.partname).lstrip("/"), crop)
            yield Block(kind="image", picture=name, caption=caption, extent=extent)

    def _target(self, link: str | None) -> Any | None:
        relation = self._part.rels.get(link)
        return None if relation is None or relation.is_external else relation.target_part

    def _root(self, link: str | None) -> Any | None:
        target = self._target(link)
        return None if target is None else _tree(target)


class _Run:
    """The text of one paragraph, and what hangs on it."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.pieces: list[str] = []
        self.after: list[Block] = []

    def read(self, parent: Any) -> None:
        for node in parent:
            tag = node.tag
            if tag in _GONE or not isinstance(tag, str):
                continue
            if tag == f"{_W}r":
                if not _is_on(node.find(f"{_W}rPr"), "vanish"):
                    self._run(node)
            elif tag in _THROUGH or tag in (f"{_W}sdt", f"{_W}ruby"):
                self.read(node)
            elif tag == f"{_MC}AlternateContent":
                self.read(_choice(node))
            elif tag.startswith(_M):
                self.pieces.append(" ".join(printable(part.text) for part in node.iter(f"{_M}t")))

    def _run(self, run: Any) -> None:
        for node in run:
            match _local(node):
                case "t":
                    self.pieces.append(printable(node.text))
                case "br":
                    kind = node.get(f"{_W}type", "textWrapping")
                    self.pieces.append(BREAK if kind == "page" else "\n")
                case "sym":
                    self.pieces.append(_symbol(node))
                case "footnoteReference" | "endnoteReference":
                    self._note(node)
                case "drawing" | "pict" | "object":
                    self.after += self._story.drawn(node)
                case "ruby":
                    self.read(node)
                case "AlternateContent":
                    self._run(_choice(node))
                case name:
                    self.pieces.append(_SIGNS.get(name, ""))

    def _note(self, node: Any) -> None:
        kind = _local(node).removesuffix("Reference")
        text = self._story.note(kind, node.get(f"{_W}id", ""))
        if text:
            self.after.append(Block(kind="text", text=text))


class _Style:
    """What a paragraph style says of its paragraphs, with what it inherits."""

    level: int | None = None
    is_title = is_caption = False
    list_name: str | None = None
    list_level: str | None = None


class _Styles:
    def __init__(self, root: Any) -> None:
        self._nodes = {
            node.get(f"{_W}styleId", ""): node
            for node in root.iterchildren(f"{_W}style")
            if node.get(f"{_W}type", "paragraph") == "paragraph"
        }
        self._known: dict[str | None, _Style] = {}

    def of(self, name: str | None) -> _Style:
        """The style of that id; a plain one if there is none."""
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str | None) -> _Style:
        style = _Style()
        seen: set[str] = set()
        while name and name in self._nodes and name not in seen:
            seen.add(name)
            node = self._nodes[name]
            title = (value_of(node, "name") or "").strip().lower()
            look = node.find(f"{_W}pPr")
            heading = _HEADING.fullmatch(title)
            if style.level is None:
                style.level = (
                    1 if title == "title" else int(heading[1]) if heading else _outline(look)
                )
            style.is_title |= title == "title"
            style.is_caption |= title == "caption"
            numbers = look.find(f"{_W}numPr") if look is not None else None
            style.list_name = style.list_name or value_of(numbers, "numId")
            style.list_level = style.list_level or value_of(numbers, "ilvl")
            name = value_of(node, "basedOn")
        return style


def _related(part: Any, kind: str) -> Any | None:
    """The root of the part that ``part`` names as its numbering, footnotes or endnotes."""
    for relation in part.rels.values():
        if relation.reltype.endswith(f"/{kind}") and not relation.is_external:
            return _tree(relation.target_part)
    return None


def _tree(part: Any) -> Any:
    from docx.oxml.parser import parse_xml

    element = getattr(part, "element", None)
    return element if element is not None else parse_xml(part.blob)


def _notes(root: Any | None, kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for note in root.iterchildren(f"{_W}{kind}") if root is not None else ():
        if note.get(f"{_W}type") in (None, "normal"):
            texts = (
                "".join(printable(node.text) for node in paragraph.iter(f"{_W}t"))
                for paragraph in note.iter(f"{_W}p")
            )
            found[note.get(f"{_W}id", "")] = tidy("\n".join(texts))
    return found


def _choice(node: Any) -> Any:
    """The newer of the ways to show something, or the only one there is."""
    for name in ("Choice", "Fallback"):
        found = node.find(f"{_MC}{name}")
        if found is not None and len(found):
            return found
    return ()


def _shown(node: Any) -> Iterator[Any]:
    """What a drawing holds, from outside in; not what its text boxes hold."""
    wanted = {
        f"{_W}txbxContent", f"{_PIC}pic", f"{_V}imagedata", f"{_C}chart", f"{_DGM}relIds",
    }  # fmt: skip
    waiting = [node]
    while waiting:
        found = waiting.pop()
        if found.tag in wanted:
            yield found
        elif found.tag == f"{_MC}AlternateContent":
            waiting += reversed(list(_choice(found)))
        else:
            waiting += reversed(list(found))


def _rows(node: Any) -> Iterator[Any]:
    for child in node:
        if child.tag == f"{_W}tr":
            yield child
        elif child.tag in _THROUGH or child.tag == f"{_W}sdt":
            yield from _rows(child)


def _cells(node: Any) -> Iterator[Any]:
    for child in node:
        if child.tag == f"{_W}tc":
            yield child
        elif child.tag in _THROUGH or child.tag == f"{_W}sdt":
            yield from _cells(child)


def _first_row_is_special(table: Any) -> bool:
    look = table.find(f"{_W}tblPr/{_W}tblLook")
    if look is None:
        return False
    flag = look.get(f"{_W}firstRow")
    if flag is not None:
        return flag not in ("0", "false", "off")
    bits = look.get(f"{_W}val", "0")
    return bool(re.fullmatch(r"[0-9a-fA-F]{1,8}", bits)) and bool(int(bits, 16) & 0x20)


def _is_on(look: Any | None, name: str) -> bool:
    found = look.find(f"{_W}{name}") if look is not None else None
    return found is not None and found.get(f"{_W}val") not in ("0", "false", "off")


def _outline(look: Any | None) -> int | None:
    level = value_of(look, "outlineLvl") or ""
    return int(level) + 1 if re.fullmatch(r"[0-8]", level) else None


def _deleted_mark(look: Any | None) -> bool:
    return look is not None and look.find(f"{_W}rPr/{_W}del") is not None


def _symbol(node: Any) -> str:
    code = node.get(f"{_W}char", "")
    number = int(code, 16) if re.fullmatch(r"[0-9a-fA-F]{1,6}", code) else 0
    # Symbol fonts keep their signs in the private area, where they are no letters.
    private = number < 32 or 0xE000 <= number < 0xF900 or 0xD800 <= number < 0xE000
    return "" if private or number > 0x10FFFF else chr(number)


def _extent(node: Any) -> tuple[float, float] | None:
    found = next(node.iter(f"{_WP}extent"), None)
    if found is None:
        return None
    width, height = (found.get(name, "") for name in ("cx", "cy"))
    if not (re.fullmatch(r"\d{1,10}", width) and re.fullmatch(r"\d{1,10}", height)):
        return None
    return int(width) / _POINT, int(height) / _POINT


def _css_extent(shape: Any) -> tuple[float, float] | None:
    found = dict(re.findall(r"(width|height)\s*:\s*([\d.]{1,8})pt", shape.get("style", "")))
    try:
        return float(found["width"]), float(found["height"])
    except (KeyError, ValueError):
        return None


def _local(node: Any) -> str:
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
