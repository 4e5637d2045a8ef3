"""Where lines of text stand beside each other: lanes that no table row may cross."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cogagent.documents.pdf.text import Piece

_BELOW, _ABOVE = 12.0, 0.8
"""How far a gutter between texts reaches below and above them, in font sizes."""


def split_lanes(pieces: list[Piece]) -> list[list[Piece]]:
    """Pieces in groups of which each stands in one column of text.

    A page of one column is one group; tables that span the columns of a page
    stand where no text is beside them, and stay whole.
    """
    texts = [p for p in pieces if _is_text(p)]
    if len(texts) < 4:
        return [pieces]
    width = max(p.x1 for p in pieces) - min(p.x0 for p in pieces)
    full = [p for p in texts if p.x1 - p.x0 > 0.62 * width]
    texts = [p for p in texts if p not in full and not any(_ends(f, p) for f in full)]
    columns = set(map(id, texts))
    lanes: list[list[Piece]] = [[]]
    for stretch in _stretches(pieces, full):
        gutter = _gutter([p for p in stretch if id(p) in columns])
        if gutter is None:
            lanes[0] += stretch
            continue
        x, top, bottom = gutter
        within = [p for p in stretch if top < p.base < bottom and not p.x0 < x < p.x1]
        chosen = set(map(id, within))
        lanes[0] += [p for p in stretch if id(p) not in chosen]
        lanes += [[p for p in within if p.x1 <= x], [p for p in within if p.x0 >= x]]
    return [lane for lane in lanes if lane]


def _is_text(piece: Piece) -> bool:
    """A line of running text, as it stands in a column of a page."""
    if len(piece.words) < 4 or piece.x1 - piece.x0 < 12 * piece.size:
        return False
    letters = sum(any(c.isalpha() for c in word.text) for word in piece.words)
    return letters >= 0.7 * len(piece.words)


def _ends(full: Piece, piece: Piece) -> bool:
    """``piece`` is the last, short line of a paragraph over the full width."""
    drop = piece.base - full.base
    return 0 < drop < 1.7 * full.size and abs(piece.x0 - full.x0) < 2 * full.size


def _stretches(pieces: list[Piece], full: list[Piece]) -> list[list[Piece]]:
    """Pieces between lines over the full width, which stand in a stretch of their own."""
    lines = sorted(p.base for p in full)
    ordered = sorted(pieces, key=lambda p: p.base)
    stretches: list[list[Piece]] = [[]]
    at = 0
    for piece in ordered:
        while at < len(lines) and lines[at] < piece.base - 0.3 * piece.size:
            at += 1
            if stretches[-1]:
                stretches.append([])
        stretches[-1].append(piece)
    return stretches


def _gutter(texts: list[Piece]) -> tuple[float, float, float] | None:
    """Middle of the gap between two columns of text, and where it begins and ends."""
    groups: list[list[Piece]] = []
    right = 0.0
    for piece in sorted(texts, key=lambda p: p.x0):
        if groups and piece.x0 < right:
            groups[-1].append(piece)
        else:
            groups.append([piece])
        right = max(right, piece.x1)
    if len(groups) != 2 or min(map(len, groups)) < 2:
        return None
    left_edge, right_edge = max(p.x1 for p in groups[0]), min(p.x0 for p in groups[1])
    size = texts[0].size
    # Gaps as wide as a column part a label from a remark, not two columns.
    if right_edge - left_edge > 8 * size:
        return None
    top, bottom = min(p.base for p in texts), max(p.base for p in texts)
    return (left_edge + right_edge) / 2, top - _ABOVE * size, bottom + _BELOW * size
