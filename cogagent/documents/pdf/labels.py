"""Which text belongs to a figure: what stands in it, and its labels around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogagent.documents.pdf.clusters import holds, join
from cogagent.documents.pdf.layout import heading_level
from cogagent.documents.pdf.rows import is_number

if TYPE_CHECKING:
    from cogagent.documents.pdf.clusters import Parts, Rect
    from cogagent.documents.pdf.figures import Region
    from cogagent.documents.pdf.text import Piece

Placed = tuple["Piece", int, "Rect"]
"""A piece, its quarter turns, and where it stands on the page as shown."""
_WORDS = 8
"""Words of a label, at most."""
_ROUNDS = 4
"""Labels stand beside labels: ticks, then the title of the axis."""


def prose_lines(pieces: list[Piece]) -> list[Piece]:
    """Lines of running text, and the short last lines of its paragraphs."""
    ordered = sorted(pieces, key=lambda p: p.base)
    found: list[Piece] = []
    for piece in ordered:
        if _is_running(piece) or any(_ends(last, piece) for last in found[-6:]):
            found.append(piece)
    return found


def _is_running(piece: Piece) -> bool:
    letters = sum(word.text[-1:].isalpha() or word.text[0].isalpha() for word in piece.words)
    return (
        len(piece.words) > 6
        and piece.x1 - piece.x0 > 16 * piece.size
        and letters > 0.7 * len(piece.words)
    )


def _ends(last: Piece, piece: Piece) -> bool:
    return (
        0.5 * piece.size < piece.base - last.base < 1.6 * piece.size
        and abs(piece.size - last.size) < 0.06 * piece.size
        and abs(piece.x0 - last.x0) < 2 * piece.size
    )


def free_room(box: Rect, blocks: list[Rect], size: tuple[float, float]) -> Rect:
    """How far around ``box`` no prose stands."""
    over = [b for b in blocks if min(b[2], box[2]) - max(b[0], box[0]) > 0]
    beside = [b for b in blocks if min(b[3], box[3]) - max(b[1], box[1]) > 0]
    return (
        max((b[2] for b in beside if b[2] <= box[0] + 3), default=0.0),
        max((b[3] for b in over if b[3] <= box[1] + 3), default=0.0),
        min((b[0] for b in beside if b[0] >= box[2] - 3), default=size[0]),
        min((b[1] for b in over if b[1] >= box[3] - 3), default=size[1]),
    )


def has_swatch(piece: Piece, parts: Parts) -> bool:
    """A sample of a line or colour stands in front of it, as in a legend."""
    for drawn in (parts.rules, parts.boxes, parts.shapes):
        gap = piece.x0 - drawn[:, 2]
        near = (gap > -1) & (gap < 1.5 * piece.size)
        near &= drawn[:, 2] - drawn[:, 0] < 5 * piece.size
        near &= (drawn[:, 1] + drawn[:, 3] > 2 * piece.y0) & (drawn[:, 3] < piece.y1 + 2)
        if bool((near & (drawn[:, 1] > piece.y0 - 2)).any()):
            return True
    return False


def take_text(
    regions: list[Region], placed: list[Placed], fixed: set[int], legend: set[int], body: float
) -> None:
    """Hand text to the regions that it stands in or that it labels.

    Args:
        regions: The figures and pictures; their boxes grow by their labels.
        placed: The text of the page, without captions.
        fixed: Ids of pieces that are no labels: lines of prose, tables.
        legend: Ids of entries of legends, which are labels of any length.
        body: Size of body text.
    """
    taken: set[int] = set()

    def take(region: Region, piece: Piece, at: Rect) -> None:
        region.pieces.append(piece)
        region.box = join(region.box, at)
        taken.add(id(piece))

    for region in regions:
        for piece, _, at in placed:
            if id(piece) not in taken and holds(region.box, at):
                take(region, piece, at)
    figures = [region for region in regions if region.kind == "figure"]
    free = [
        entry
        for entry in placed
        if id(entry[0]) not in fixed and (len(entry[0].words) <= _WORDS or id(entry[0]) in legend)
    ]
    for _ in range(_ROUNDS if figures else 0):
        free = [entry for entry in free if id(entry[0]) not in taken]
        for region in figures:
            for piece, turns, at in free:
                if id(piece) not in taken and _is_label(region, piece, turns, at, body):
                    take(region, piece, at)


def _is_label(region: Region, piece: Piece, turns: int, at: Rect, body: float) -> bool:
    """A short text right beside the figure: a tick, an axis title, a legend."""
    box = region.box
    width, height = at[2] - at[0], at[3] - at[1]
    if width > box[2] - box[0] or height > box[3] - box[1]:
        return False
    across = max(at[0] - box[2], box[0] - at[2], 0.0)
    down = max(at[1] - box[3], box[1] - at[3], 0.0)
    if across and down:
        return False
    if region.room is not None and holds(region.room, at):
        # Nothing but the figure stands up to its caption and to the next prose.
        if not turns and _is_heading(piece, box, body):
            return False
        return piece.size < 1.3 * body and max(across, down) < 2.5 * piece.size
    if turns:
        return piece.size < 1.1 * body and across < 3 * piece.size and down == 0
    # Without caption or axes, the size alone tells labels from text.
    small = piece.size <= 0.92 * body or (piece.size < 1.1 * body and is_number(piece.text))
    centred = abs(at[0] + at[2] - box[0] - box[2]) < 0.15 * (box[2] - box[0])
    return small and max(across, down) < (2.5 if centred and down else 1.3) * piece.size


def _is_heading(piece: Piece, box: Rect, body: float) -> bool:
    """It may head the text, and is not set over the middle of the figure as its title is."""
    centred = abs(piece.x0 + piece.x1 - box[0] - box[2]) < 0.2 * (box[2] - box[0])
    strong = piece.bold and piece.size >= 0.95 * body
    return (strong or heading_level([piece], body) is not None) and not centred
