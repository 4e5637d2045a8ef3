"""What a page comes to in reading order: paragraphs, with those over two columns joined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogagent.documents.pdf.figures import Region
    from cogagent.documents.pdf.layout import Block
    from cogagent.documents.pdf.table import Table
    from cogagent.documents.pdf.text import Piece

_OPEN_END = re.compile(r"[\w,\-\u2013—)\]%\u2019'\"”]$")


@dataclass(slots=True, eq=False)
class Item:
    """Something with a place in the reading order of a page."""

    x0: float
    y0: float
    x1: float
    y1: float
    block: Block | None = None
    table: Table | None = None
    region: Region | None = None


@dataclass(slots=True)
class Paragraph:
    """A paragraph, heading or list item before it becomes an element."""

    lines: list[Piece]
    level: int | None
    item: Item


def join_columns(entries: list[Paragraph | Item]) -> list[Paragraph | Item]:
    """Join a paragraph that goes on at the top of the next column."""
    result: list[Paragraph | Item] = []
    pending: Paragraph | None = None
    for entry in entries:
        if not isinstance(entry, Paragraph) or entry.level is not None:
            result.append(entry)
            continue
        size, words = entry.lines[0].size, sum(len(line.words) for line in entry.lines)
        if pending is not None and _goes_on(pending, entry):
            pending.lines = pending.lines + entry.lines
        else:
            result.append(entry)
            if pending is not None and size < 0.92 * pending.lines[0].size:
                continue
            pending = entry if words > 4 else pending
        if pending is not None and not _OPEN_END.search(pending.lines[-1].words[-1].text):
            pending = None
    return result


def _goes_on(first: Paragraph, second: Paragraph) -> bool:
    last, line = first.lines[-1], second.lines[0]
    apart = second.item is not first.item and (line.x0 > last.x1 or line.base < last.base)
    start = line.words[0].text[0]
    even = abs(last.size - line.size) < 0.06 * last.size
    return apart and even and start.islower()
