"""The shapes of a slide in reading order, with their rectangles from the slide's geometry."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cogagent.documents.office.blocks import (
    Block,
    Cell,
    alternative,
    chart_block,
    drawn_text,
    paragraphs_of,
    table_block,
)
from cogagent.documents.office.pictures import name_of
from cogagent.geometry import FULL_PAGE, Box, from_pixels, make_box

_log = logging.getLogger(__name__)

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_SHAPES = {f"{_P}{name}" for name in ("sp", "pic", "graphicFrame", "grpSp")}
_FURNITURE = ("dt", "ftr", "sldNum", "hdr")
"""Placeholders that stand on every slide and say nothing of it."""
_DEEPEST = 16
"""Groups within groups."""

Matrix = NDArray[np.float64]
"""Shape ``(3, 3)``: from a group's own coordinates to the slide's, EMU."""


@dataclass(slots=True)
class Shape:
    """Something on a slide, and where.

    Attributes:
        box: Around it, turned as it is.
        blocks: Its paragraphs, or its table or picture.
        is_title: It is the slide's title.
        cell_boxes: Of a table: for each row and column of the filled-out table.
    """

    box: Box
    blocks: list[Block]
    is_title: bool = False
    cell_boxes: list[list[Box]] = field(default_factory=list)


def read_shapes(slide: Any, size: tuple[int, int]) -> list[Shape]:
    """The shapes of a slide in reading order, the title first.

    A shape that cannot be made sense of costs that shape, and a warning is logged.

    Args:
        slide: A ``pptx.slide.Slide``.
        size: Of the slides, EMU.
    """
    reader = _Reader(slide, size)
    found = list(reader.read(slide.shapes._spTree, np.eye(3), 0))
    titles = [shape for shape in found if shape.is_title]
    others = [shape for shape in found if not shape.is_title]
    order = reading_order([shape.box for shape in others])
    return titles + [others[at] for at in order]


def notes_of(slide: Any) -> list[str]:
    """The paragraphs of the speaker's notes."""
    if not slide.has_notes_slide:
        return []
    frame = slide.notes_slide.notes_text_frame
    if frame is None:
        return []
    texts = (drawn_text(paragraph._p) for paragraph in frame.paragraphs)
    return [text for text in texts if text]


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of ``boxes`` as one reads them: bands from the top, columns within a band.

    Boxes are parted where a straight line passes between them, across if it can
    be, else down; what no line parts is read from the top down.
    """
    waiting = [list(range(len(boxes)))]
    order: list[int] = []
    while waiting:
        group = waiting.pop()
        if len(group) == 1:
            order += group
            continue
        parts = _parted(group, boxes, 1) or _parted(group, boxes, 0)
        if parts is None:
            order += sorted(group, key=lambda at: (boxes[at].y0, boxes[at].x0, at))
        else:
            waiting += reversed(parts)
    return order


def _parted(group: list[int], boxes: Sequence[Box], axis: int) -> list[list[int]] | None:
    """The groups that lines across an axis part; ``None`` if there is only one."""
    tolerance = 0.004
    ranked = sorted(group, key=lambda at: (boxes[at][axis], boxes[at][axis + 2]))
    parts: list[list[int]] = []
    end = -1.0
    for at in ranked:
        if parts and boxes[at][axis] < end - tolerance:
            parts[-1].append(at)
        else:
            parts.append([at])
        end = max(end, boxes[at][axis + 2])
    return [sorted(part) for part in parts] if len(parts) > 1 else None


class _Reader:
    def __init__(self, slide: Any, size: tuple[int, int]) -> None:
        self._slide, self._size = slide, size

    def read(self, tree: Any, matrix: Matrix, depth: int) -> Iterator[Shape]:
        from pptx.exc import PythonPptxError

        for node in tree:
            if node.tag == f"{_MC}AlternateContent":
                yield from self.read(_choice(node), matrix, depth)
            elif node.tag in _SHAPES and not _hidden(node):
                try:
                    if node.tag == f"{_P}grpSp":
                        if depth < _DEEPEST:
                            inner = matrix @ _group_matrix(node)
                            yield from self.read(node, inner, depth + 1)
                        continue
                    shape = self._shape(node, matrix)
                # What python-pptx raises where an element that it counts on is missing.
                except (
                    KeyError,
                    ValueError,
                    IndexError,
                    AttributeError,
                    PythonPptxError,
                ) as error:
                    _log.warning("a shape on a slide cannot be read: %r", error)
                    continue
                if shape is not None:
                    yield shape

    def _shape(self, node: Any, matrix: Matrix) -> Shape | None:
        from pptx.shapes.shapetree import SlideShapeFactory

        shape = SlideShapeFactory(node, self._slide.shapes)
        placeholder = next(node.iter(f"{_P}ph"), None)
        kind = placeholder.get("type", "obj") if placeholder is not None else ""
        if kind in _FURNITURE:
            return None
        rectangle = _rectangle(shape)
        box = self._box(rectangle, _turn(shape), matrix) if rectangle is not None else FULL_PAGE
        named = next(node.iter(f"{_P}cNvPr"), None)
        alt = alternative(named.get("descr"), named.get("title")) if named is not None else ""
        if node.tag == f"{_P}pic":
            return self._picture(node, box, alt)
        if node.tag == f"{_P}graphicFrame":
            return self._graphic(node, box, alt, rectangle, matrix)
        return _text(node, box, is_title=kind in ("title", "ctrTitle"))

    def _box(self, rectangle: Sequence[float], turn: float, matrix: Matrix) -> Box:
        """Around a rectangle (left, top, width, height, EMU), turned about its middle."""
        left, top, width, height = rectangle
        middle = np.array([left + width / 2, top + height / 2])
        angle = np.radians(turn)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
        spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = np.hstack([corners @ spin + middle, np.ones((4, 1))]) @ matrix.T
        around = np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])
        return make_box(*from_pixels(around, self._size)[0].tolist())

    def _picture(self, node: Any, box: Box, alt: str) -> Shape | None:
        fill = node.find(f"{_P}blipFill")
        blip = fill.find(f"{_A}blip") if fill is not None else None
        part = self._target(blip.get(f"{_R}embed")) if blip is not None else None
        if part is None:
            return None
        name = name_of(str(part.partname).lstrip("/"), fill.find(f"{_A}srcRect"))
        return Shape(box, [Block(kind="image", picture=name, caption=alt)])

    def _graphic(
        self, node: Any, box: Box, alt: str, rectangle: Sequence[float] | None, matrix: Matrix
    ) -> Shape | None:
        """A table, chart, diagram, or the picture of an embedded object."""
        table = next(node.iter(f"{_A}tbl"), None)
        if table is not None:
            return self._table(table, box, alt, rectangle, matrix)
        chart = next(node.iter(f"{_C}chart"), None)
        if chart is not None:
            root = self._root(chart.get(f"{_R}id"))
            block = chart_block(root) if root is not None else None
            if block is None:
                return None
            block.caption = block.caption or alt
            return Shape(box, [block])
        diagram = next(node.iter(f"{_DGM}relIds"), None)
        if diagram is not None:
            root = self._root(diagram.get(f"{_R}dm"))
            texts = list(paragraphs_of(root)) if root is not None else []
            return Shape(box, [Block(kind="text", text=text) for text in texts])
        picture = next(node.iter(f"{_P}pic"), None)
        return self._picture(picture, box, alt) if picture is not None else None

    def _table(
        self, table: Any, box: Box, alt: str, rectangle: Sequence[float] | None, matrix: Matrix
    ) -> Shape | None:
        rows = [[_cell(cell) for cell in row.iterchildren(f"{_A}tc")] for row in table.tr_lst]
        look = table.find(f"{_A}tblPr")
        special = look is not None and look.get("firstRow") in ("1", "true", "on")
        block = table_block(rows, 1 if special else 0)
        if block is None:
            return None
        block.caption = alt
        shape = Shape(box, [block])
        if rectangle is not None and len(rows) == len(block.cells):
            shape.cell_boxes = self._cell_boxes(table, rectangle, matrix)
        return shape

    def _cell_boxes(
        self, table: Any, rectangle: Sequence[float], matrix: Matrix
    ) -> list[list[Box]]:
        """The grid's rectangles as the file has them; text that needs more may stretch rows."""
        left, top = rectangle[:2]
        widths = [int(column.get("w", "0")) for column in table.tblGrid.gridCol_lst]
        heights = [int(row.get("h", "0")) for row in table.tr_lst]
        x, y = np.cumsum([left, *widths]), np.cumsum([top, *heights])
        return [
            [
                self._box((x[c], y[r], widths[c], heights[r]), 0.0, matrix)
                for c in range(len(widths))
            ]
            for r in range(len(heights))
        ]

    def _target(self, link: str | None) -> Any | None:
        relations = self._slide.part.rels
        if not link or link not in relations or relations[link].is_external:
            return None
        return relations[link].target_part

    def _root(self, link: str | None) -> Any | None:
        from pptx.oxml import parse_xml

        part = self._target(link)
        if part is None:
            return None
        element = getattr(part, "_element", None)
        return element if element is not None else parse_xml(part.blob)


def _text(node: Any, box: Box, *, is_title: bool) -> Shape | None:
    body = node.find(f"{_P}txBody")
    if body is None:
        return None
    texts = [drawn_text(paragraph) for paragraph in body.iterchildren(f"{_A}p")]
    if is_title:
        whole = " ".join(" ".join(texts).split())
        return Shape(box, [Block(kind="text", text=whole, level=1)], True) if whole else None
    blocks = [Block(kind="text", text=text) for text in texts if text]
    return Shape(box, blocks) if blocks else None


def _cell(node: Any) -> Cell:
    body = node.find(f"{_A}txBody")
    paragraphs = body.iterchildren(f"{_A}p") if body is not None else ()
    text = "\n".join(filter(None, map(drawn_text, paragraphs)))
    # The cells that a merged one covers are written as well, empty.
    if node.get("hMerge") in ("1", "true"):
        return Cell("", 0)
    span = node.get("gridSpan", "1")
    columns = int(span) if span.isdecimal() and len(span) < 5 else 1
    return Cell(text, columns, node.get("vMerge") in ("1", "true"))


def _hidden(node: Any) -> bool:
    named = next(node.iter(f"{_P}cNvPr"), None)
    return named is not None and named.get("hidden") in ("1", "true")


def _choice(node: Any) -> Any:
    for name in ("Choice", "Fallback"):
        found = node.find(f"{_MC}{name}")
        if found is not None and len(found):
            return found
    return ()


def _rectangle(shape: Any) -> tuple[float, float, float, float] | None:
    """Left, top, width and height, inherited from the layout where a placeholder has none."""
    found = (shape.left, shape.top, shape.width, shape.height)
    if any(side is None for side in found):
        return None
    left, top, width, height = map(float, found)
    return left, top, width, height


def _turn(shape: Any) -> float:
    return float(getattr(shape, "rotation", 0.0) or 0.0)


def _group_matrix(group: Any) -> Matrix:
    """From the coordinates that a group gives its members to those around it."""
    frame = group.find(f"{_P}grpSpPr/{_A}xfrm")
    if frame is None:
        return np.eye(3)
    offset, extent = _pair(frame, "off", "x", "y"), _pair(frame, "ext", "cx", "cy")
    inner, span = _pair(frame, "chOff", "x", "y"), _pair(frame, "chExt", "cx", "cy")
    if offset is None or extent is None or inner is None or span is None:
        return np.eye(3)
    scale = [out / own if own else 1.0 for out, own in zip(extent, span, strict=True)]
    flips = [-1.0 if frame.get(name) in ("1", "true") else 1.0 for name in ("flipH", "flipV")]
    angle = np.radians(float(frame.get("rot", "0")) / 60_000)
    middle = [place + size / 2 for place, size in zip(offset, extent, strict=True)]
    sized = np.array([
        [scale[0], 0, offset[0] - inner[0] * scale[0]],
        [0, scale[1], offset[1] - inner[1] * scale[1]],
        [0, 0, 1],
    ])  # fmt: skip
    away, back = np.eye(3), np.eye(3)
    away[:2, 2], back[:2, 2] = [-place for place in middle], middle
    spin = np.array([
        [np.cos(angle) * flips[0], -np.sin(angle) * flips[1], 0],
        [np.sin(angle) * flips[0], np.cos(angle) * flips[1], 0],
        [0, 0, 1],
    ])  # fmt: skip
    return np.asarray(back @ spin @ away @ sized)


def _pair(frame: Any, name: str, *attributes: str) -> tuple[float, float] | None:
    node = frame.find(f"{_A}{name}")
    if node is None:
        return None
    first, second = (float(node.get(attribute, "0")) for attribute in attributes)
    return first, second
