"""What floats over a sheet: pictures, text boxes, charts; and the comments on its cells."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cogagent.documents import pixels
from cogagent.documents.markdown import table
from cogagent.documents.office.blocks import chart_block
from cogagent.documents.text import clean, paragraphs
from cogagent.documents.xlsx.parts import Parts, Relation, text_of
from cogagent.documents.xmlparts import Node, attribute, local
from cogagent.errors import DocumentError
from cogagent.types import Element

if TYPE_CHECKING:
    from cogagent.config import LimitSettings

_log = logging.getLogger(__name__)

_LEAST_SIDE = 16
"""Pixels; what is smaller is an icon."""
_ANCHORS = ("oneCellAnchor", "twoCellAnchor", "absoluteAnchor")
_SHAPES = ("pic", "graphicFrame", "sp")
_OLD_FORM = "[Threaded comment]"
"""Begins the copy of a comment that old programs are shown instead."""


def drawn(parts: Parts, sheet: str, limits: LimitSettings) -> Iterator[Element]:
    """Pictures, charts as tables, and text boxes, in the order of the file."""
    for name in parts.related(sheet, "drawing"):
        root = parts.find(name)
        if root is None:
            continue
        relations = parts.relations(name)
        for node in root.iter():
            # What stands twice, in a new form and an old one, is read in the new one.
            if local(node) in _SHAPES and not _is_fallback(node):
                yield from _shape(parts, node, relations, limits)


def _is_fallback(node: Node) -> bool:
    return any(local(above) == "Fallback" for above in node.iterancestors())


def _shape(
    parts: Parts, node: Node, relations: dict[str, Relation], limits: LimitSettings
) -> Iterator[Element]:
    match local(node):
        case "pic":
            blip = next((inner for inner in node.iter() if local(inner) == "blip"), None)
            relation = relations.get(attribute(blip, "embed") or "") if blip is not None else None
            if relation is not None:
                yield from _picture(parts, relation.target, _description(node), limits)
        case "graphicFrame":
            for inner in node.iter():
                relation = relations.get(attribute(inner, "id") or "")
                if local(inner) == "chart" and relation is not None:
                    yield from _chart(parts, relation.target)
        case "sp":
            lines = [
                "".join(run.text or "" for run in inner.iter() if local(run) == "t")
                for inner in node.iter()
                if local(inner) == "p"
            ]
            for part in paragraphs(clean("\n".join(lines)), wrapped=False):
                yield Element(kind="text", text=part)


def _description(node: Node) -> str:
    """The alternative text that an author gave a picture."""
    for inner in node.iter():
        if local(inner) == "cNvPr":
            return " ".join(clean(inner.get("descr") or inner.get("title") or "").split())
    return ""


def _picture(parts: Parts, name: str, caption: str, limits: LimitSettings) -> Iterator[Element]:
    """A picture that can be looked at; of any other its description as text."""
    try:
        image = pixels.open_picture(parts.read(name), name, limits)
        size = pixels.shown_size(image, name)
    except DocumentError as error:
        _log.info("a picture is left out: %s", error)
        size = (0.0, 0.0)
    if min(size) >= _LEAST_SIDE:
        yield Element(kind="image", caption=caption, size=size, unseen=True, picture=name)
    elif caption and not any(size):
        yield Element(kind="text", text=caption)


def _chart(parts: Parts, name: str) -> Iterator[Element]:
    root = parts.find(name)
    block = chart_block(root) if root is not None else None
    if block is not None:
        yield table(block.cells, header_rows=block.header_rows, caption=block.caption)


def commented(parts: Parts, sheet: str) -> Iterator[Element]:
    """Comments on cells and the answers to them, each as a text that says where it stands."""
    threads = parts.related(sheet, "threadedComment")
    for name in threads or parts.related(sheet, "comments"):
        root = parts.find(name)
        for node in root.iter() if root is not None else ():
            text = ""
            if local(node) == "threadedComment":
                text = clean("".join(inner.text or "" for inner in node if local(inner) == "text"))
            elif local(node) == "comment":
                text = "".join(text_of(inner) for inner in node if local(inner) == "text")
            if text.strip() and not text.startswith(_OLD_FORM):
                where = clean(node.get("ref", ""))[:20]
                yield from (
                    Element(kind="text", text=part)
                    for part in paragraphs(f"Comment on {where}: {text.strip()}", wrapped=False)
                )
