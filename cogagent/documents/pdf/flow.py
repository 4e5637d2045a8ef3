"""What a page comes to in reading order: paragraphs, with those over two columns joined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogagent.documents.pdf.text import spell_lines

if TYPE_CHECKING:
    from cogagent.documents.pdf.figures import Region
    from cogagent.documents.pdf.layout import Block
    from cogagent.documents.pdf.table import Table
    from cogagent.documents.pdf.text import Piece

CAPTION = re.compile(
    r"^(figure|fig\.?|table|tab\.?|exhibit|chart|graph|plate|scheme|diagram|box|abbildung|abb\.?"
    r"|tabelle|tableau)\s*([A-Z]?[\d.]+[A-Za-z]?|[IVX]+)\s*([.:|\u2013—-]|\(|$|\s)",
    re.IGNORECASE,
)
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


class Captions:
    """The captions of a page, each given out once."""

    def __init__(self, paragraphs: list[Paragraph]) -> None:
        self.left = [p for p in paragraphs if CAPTION.match(_plain(p))]

    def near(self, box: tuple[float, float, float, float], prefer: str) -> str:
        """The caption nearest to ``box``, above or below; empty when there is none."""
        best, least = None, 60.0
        for paragraph in self.left:
            x0 = min(line.x0 for line in paragraph.lines)
            x1 = max(line.x1 for line in paragraph.lines)
            y0, y1 = paragraph.lines[0].y0, paragraph.lines[-1].y1
            if min(x1, box[2]) - max(x0, box[0]) <= 0:
                continue
            above, below = box[1] - y1, y0 - box[3]
            distance = max(above, below, 0.0)
            distance += 12.0 if (below > above) != (prefer == "below") else 0.0
            if distance < least:
                best, least = paragraph, distance
        if best is None:
            return ""
        self.left.remove(best)
        return spell_lines([line.words for line in best.lines], set()).text


def _plain(paragraph: Paragraph) -> str:
    return paragraph.lines[0].text
