"""Captions: which lines are some, and what is drawn beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cogagent.documents.pdf.clusters import Rect, holds, join
from cogagent.documents.pdf.text import spell_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogagent.documents.pdf.flow import Paragraph
    from cogagent.documents.pdf.text import Piece, Word

_DRAWN = r"figure|fig\.?|chart|graph|plate|scheme|diagram|abbildung|abb\.?"
_EITHER = "exhibit|box"
_TABLE = r"table|tab\.?|tabelle|tableau"
# After its number a caption has a colon, a stop, nothing or a title: "Figure 1 shows" is prose.
_REST = (
    r"\s*(?:[A-Z]{0,2}\.?\d+(?:[.-]\d+)*[a-z]?|[IVX]+)"
    r"(?:\s*[.:|\u2013—-](?:\s|$)|\s*$|\s*\((?i:cont)|\s+[A-Z“\"])"
)
_ANCHORS = re.compile(rf"^(?i:{_DRAWN}){_REST}")
_FIGURES = re.compile(rf"^(?i:{_DRAWN}|{_EITHER}){_REST}")
_TABLES = re.compile(rf"^(?i:{_TABLE}|{_EITHER}){_REST}")
_PART = re.compile(r"^\([a-z]\)\s")
"""What a part of a figure has as its own caption."""
_REACH = 60.0
"""How far a caption stands from its table or picture, points."""
_FAR = 200.0
"""How far from a drawing, with nothing but its labels in between."""
_APART = 80.0
"""How far parts of one figure stand from each other, points."""
_BELOW = 12.0
"""How much nearer a figure below its caption has to be than one above."""


class Captions:
    """The captions of a page."""

    def __init__(self, paragraphs: list[Paragraph], hyphenated: set[str]) -> None:
        self._all = paragraphs
        self._hyphenated = hyphenated
        self._left = {
            "figure": [p for p in paragraphs if _FIGURES.match(p.lines[0].text)],
            "table": [p for p in paragraphs if _TABLES.match(p.lines[0].text)],
        }

    def at(self, anchor: Word | None) -> str:
        """The figure's caption that begins with the word ``anchor``."""
        for paragraph in self._all if anchor is not None else []:
            for number, line in enumerate(paragraph.lines):
                places = [at for at, word in enumerate(line.words) if word is anchor]
                if places:
                    rest = [line.words for line in paragraph.lines[number + 1 :]]
                    self._use(paragraph)
                    return spell_lines([line.words[places[0] :], *rest], self._hyphenated).text
        return ""

    def near(self, box: Rect, of: Literal["figure", "table"]) -> str:
        """The nearest caption, given out once; figures have theirs below, tables above."""
        best, least = None, _REACH
        for paragraph in self._left[of]:
            x0 = min(line.x0 for line in paragraph.lines)
            x1 = max(line.x1 for line in paragraph.lines)
            y0, y1 = paragraph.lines[0].y0, paragraph.lines[-1].y1
            if min(x1, box[2]) - max(x0, box[0]) <= 0:
                continue
            above, below = box[1] - y1, y0 - box[3]
            distance = max(above, below, 0.0)
            distance += _BELOW if (below > above) != (of == "figure") else 0.0
            if distance < least:
                best, least = paragraph, distance
        if best is None:
            return ""
        self._use(best)
        return spell_lines((line.words for line in best.lines), self._hyphenated).text

    def _use(self, paragraph: Paragraph) -> None:
        for left in self._left.values():
            if paragraph in left:
                left.remove(paragraph)


# --- before the layout: where captions stand among pieces ------------------------


@dataclass(slots=True, eq=False)
class Anchor:
    """A figure's caption on the page, and the column that it stands in."""

    word: Word
    box: Rect
    pieces: list[Piece]
    column: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True, eq=False)
class Claim:
    """Clusters that belong to the caption beside them."""

    anchor: Anchor
    clusters: list[Rect]
    room: Rect
    """Where no other text stands: up to the caption and the next prose."""
    side: int
    """-1: the clusters stand above the caption, 1: below."""
    distance: float


def find_anchors(
    pieces: list[Piece], prose: Callable[[], list[Piece]], width: float
) -> list[Anchor]:
    """The captions of figures among upright pieces; ``prose`` is asked for if there are some."""
    if not any(_ANCHORS.match(piece.text) for piece in pieces):
        return []
    ordered = sorted(pieces, key=lambda p: p.base)
    anchors: list[Anchor] = []
    for at, piece in enumerate(ordered):
        if not _ANCHORS.match(piece.text) or _goes_on(ordered[:at], piece):
            continue
        lines, box = [piece], _box(piece)
        for line in ordered[at + 1 :]:
            drop = line.base - lines[-1].base
            if drop > 1.6 * piece.size or (drop > 0.5 * piece.size and _ANCHORS.match(line.text)):
                break
            even = abs(line.size - piece.size) < 0.12 * piece.size
            if even and min(line.x1, box[2]) > max(line.x0, box[0]) + piece.size:
                lines.append(line)
                box = join(box, _box(line))
        anchors.append(Anchor(piece.words[0], box, lines))
    for anchor in anchors:
        anchor.column = _column(anchor, anchors, prose(), width)
    return anchors


def _box(piece: Piece) -> Rect:
    return piece.x0, piece.y0, piece.x1, piece.y1


def _goes_on(above: list[Piece], piece: Piece) -> bool:
    """``piece`` is a further line of the paragraph above it."""
    return any(
        0.5 * piece.size < piece.base - p.base < 1.35 * piece.size
        and abs(p.size - piece.size) < 0.06 * piece.size
        and abs(p.x0 - piece.x0) < 2 * piece.size
        and len(p.words) > 5
        for p in above[-6:]
    )


def _column(
    anchor: Anchor, anchors: list[Anchor], prose: list[Piece], width: float
) -> tuple[float, float]:
    """Left and right end of the column of text that the caption stands in."""
    x0, y0, x1, y1 = anchor.box
    middle = (x0 + x1) / 2
    over = [p for p in prose if p.x0 < middle < p.x1 and not any(p is o for o in anchor.pieces)]
    over.sort(key=lambda p: abs(p.base - y0))
    left = min([x0, *(p.x0 for p in over[:8])]) if over else 0.0
    right = max([x1, *(p.x1 for p in over[:8])]) if over else width
    # Other columns may hold text alone; captions side by side share one column.
    blocks = [_box(p) for p in prose] + [
        o.box for o in anchors if o.box[1] < y1 + 10 and o.box[3] > y0 - 10
    ]
    left = max([left, *((x0 + b[2]) / 2 for b in blocks if b[2] <= x0)])
    right = min([right, *((x1 + b[0]) / 2 for b in blocks if b[0] >= x1)])
    return left, right


def find_claims(
    anchors: list[Anchor], prose: list[Piece], clusters: list[Rect], size: tuple[float, float]
) -> list[Claim]:
    """Which clusters belong to which caption, each to one."""
    blocks = [
        _box(p)
        for p in prose
        if not (_PART.match(p.text) or any(holds(cluster, _box(p)) for cluster in clusters))
    ]
    found: list[Claim] = []
    for anchor in anchors:
        others = [*blocks, *(o.box for o in anchors if o is not anchor)]
        for side in (-1, 1):
            room = _room(anchor, others, side, size[1])
            chain = _chain(anchor.box, room, clusters)
            if chain:
                gap = min(_gap(anchor.box, cluster) for cluster in chain)
                found.append(Claim(anchor, chain, room, side, gap + _BELOW * (side > 0)))
    return max((_assign(found, first) for first in (-1, 1)), key=_served)


def _assign(found: list[Claim], first: int) -> list[Claim]:
    """Claims that share no cluster: those on the side ``first``, then the others."""
    claims: list[Claim] = []
    taken: set[Rect] = set()
    for claim in sorted(found, key=lambda c: (c.side != first, c.distance)):
        served = any(c.anchor is claim.anchor for c in claims)
        if not served and taken.isdisjoint(claim.clusters):
            claims.append(claim)
            taken |= set(claim.clusters)
    return claims


def _served(claims: list[Claim]) -> tuple[int, float]:
    """A page has its captions above or below: what serves more of them is right."""
    return len(claims), -sum(claim.distance for claim in claims)


def _room(anchor: Anchor, others: list[Rect], side: int, height: float) -> Rect:
    """The column above (-1) or below (1) the caption as far as no other text stands there."""
    left, right = anchor.column
    _, y0, _, y1 = anchor.box
    beside = [o for o in others if min(o[2], right) - max(o[0], left) > 10]
    if side < 0:
        top = max((o[3] for o in beside if o[3] < y0 + 3), default=0.0)
        return left, top, right, y0
    bottom = min((o[1] for o in beside if o[1] > y1 - 3), default=height)
    return left, y1, right, bottom


def _gap(a: Rect, b: Rect) -> float:
    """How much white stands between two boxes from top to bottom."""
    return max(a[1] - b[3], b[1] - a[3], 0.0)


def _chain(caption: Rect, room: Rect, clusters: list[Rect]) -> list[Rect]:
    """The clusters in ``room`` that follow on each other, from the caption on."""
    inside = [
        c
        for c in clusters
        if room[1] - 6 <= (c[1] + c[3]) / 2 <= room[3] + 6
        and min(c[2], room[2]) - max(c[0], room[0]) > 0.6 * (c[2] - c[0])
    ]
    chain: list[Rect] = []
    for cluster in sorted(inside, key=lambda c: _gap(caption, c)):
        near = min((_gap(cluster, c) for c in chain), default=None)
        if (near is None and _gap(caption, cluster) > _FAR) or (near or 0.0) > _APART:
            break
        chain.append(cluster)
    return chain
