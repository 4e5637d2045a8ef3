"""Figures and pictures of a PDF page: what is drawn close together, with the words in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from cogagent.documents.pdf.captions import find_anchors, find_claims
from cogagent.documents.pdf.clusters import (
    figure_parts,
    find_clusters,
    grid_lines,
    holds,
    inside,
    join,
)
from cogagent.documents.pdf.labels import free_room, has_swatch, prose_lines, take_text
from cogagent.documents.pdf.plots import find_plots
from cogagent.documents.pdf.rows import is_number, visual_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogagent.documents.pdf.captions import Claim
    from cogagent.documents.pdf.clusters import Floats, Parts, Rect
    from cogagent.documents.pdf.labels import Placed
    from cogagent.documents.pdf.objects import Drawing
    from cogagent.documents.pdf.text import Piece, Word

Kind = Literal["figure", "image"]

MAX_REGIONS = 20
"""Pictures taken from one page, the largest first."""
_LEAST_AREA = 0.005
"""Smaller parts of the page are logos, icons and bullets."""
_DRAWN = 40
"""So many shapes are a drawing, even where numbers stand in rows."""
_DRAWN_CAPTIONED = 6
"""The same under the caption of a figure, boxes such as bars included."""


@dataclass(slots=True, eq=False)
class Region:
    """A figure or picture; points of the page as shown.

    Attributes:
        box: Around what is drawn and its labels.
        kind: A drawing or an embedded picture.
        anchor: First word of its caption, where that is known.
        room: Where nothing but the figure stands, where that is known.
        pieces: The text that belongs to it.
    """

    box: Rect
    kind: Kind
    anchor: Word | None = None
    room: Rect | None = None
    pieces: list[Piece] = field(default_factory=list)


def find_regions(
    pieces: dict[int, list[Piece]],
    drawing: Drawing,
    size: tuple[float, float],
    body: float,
    seen: set[tuple[int, ...]],
    shown: Callable[[Piece, int], Rect],
    tables: Callable[[set[int]], list[Rect]],
) -> tuple[list[Region], dict[int, list[Piece]]]:
    """The figures and pictures of a page, and the text outside of them.

    Args:
        pieces: Text by quarter turns.
        drawing: What is drawn.
        size: Of the page as shown, points.
        body: Size of body text.
        seen: Pictures of earlier pages; added to.
        shown: Where a piece of a direction stands on the page as shown.
        tables: Finds what would be tables without the pieces of some ids.
    """
    parts = figure_parts(drawing, size, seen)
    if parts is None:
        return [], pieces
    placed = [(piece, t, shown(piece, t)) for t, group in pieces.items() for piece in group]
    clusters, plots = _with_plots(find_clusters(parts, size), find_plots(parts, placed))
    finder = _Finder(parts, placed, plots, size, body)
    anchors = find_anchors(pieces[0], lambda: finder.prose, size[0])
    regions: list[Region] = []
    if anchors:
        for claim in find_claims(anchors, finder.prose, clusters, size):
            regions += finder.claimed(claim)
    for box in clusters:
        if not any(holds(region.box, box) for region in regions):
            regions += finder.unclaimed(box)
    if not regions:
        return [], pieces
    fixed = {id(p) for p in finder.prose}
    if any(region.kind == "figure" for region in regions):
        found = tables(set())
        regions = [r for r in regions if r.kind == "image" or not _is_in_table(r, found, parts)]
        if found:
            # A table beside a figure must not lose its cells as labels of the figure.
            drawn = {id(p) for p, _, at in placed if any(holds(r.box, at) for r in regions)}
            beside = tables(drawn)
            fixed |= {id(p) for p, _, at in placed if any(holds(table, at) for table in beside)}
    regions.sort(key=lambda r: -(r.box[2] - r.box[0]) * (r.box[3] - r.box[1]))
    regions = regions[:MAX_REGIONS]
    captions = {id(p) for anchor in anchors for p in anchor.pieces}
    others = [entry for entry in placed if id(entry[0]) not in captions]
    take_text(regions, others, fixed, finder.legend, body)
    taken = {id(piece) for region in regions for piece in region.pieces}
    rest = {t: [p for p in group if id(p) not in taken] for t, group in pieces.items()}
    return regions, rest


def _with_plots(clusters: list[Rect], plots: list[Rect]) -> tuple[list[Rect], list[Rect]]:
    """The clusters with those of a plot as one, and which of them are plots."""
    grown: list[Rect] = []
    for plot in plots:
        own = [c for c in clusters if holds(plot, c) or holds(c, plot)]
        clusters = [c for c in clusters if c not in own]
        for cluster in own:
            plot = join(plot, cluster)
        grown.append(plot)
    return clusters + grown, grown


def _is_in_table(region: Region, tables: list[Rect], parts: Parts) -> bool:
    """A table covers the region or lies in it, and few shapes are drawn there."""
    box = region.box
    own = (box[2] - box[0]) * (box[3] - box[1])
    shared = inner = 0.0
    for table in tables:
        overlap = _overlap(box, table)
        if overlap:
            shared += overlap
            inner += (table[2] - table[0]) * (table[3] - table[1])
    if shared > 0.4 * own or shared > 0.6 * inner > 0:
        shapes, boxes = (int(inside(p, box).sum()) for p in (parts.shapes, parts.boxes))
        return shapes < _DRAWN and (region.anchor is None or shapes + boxes < _DRAWN_CAPTIONED)
    return False


def _overlap(a: Rect, b: Rect) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


class _Finder:
    """Says of clusters on one page what they are."""

    def __init__(
        self,
        parts: Parts,
        placed: list[Placed],
        plots: list[Rect],
        size: tuple[float, float],
        body: float,
    ) -> None:
        self.parts = parts
        self.placed = placed
        self.plots = plots
        self.size = size
        self.area = size[0] * size[1]
        largest = max((piece.size for piece, _, _ in placed), default=0.0)
        self.title = largest if largest >= 1.35 * body else None
        self.legend: set[int] = set()
        """Ids of entries of legends that are as long as lines of prose."""

    @cached_property
    def prose(self) -> list[Piece]:
        """Lines of running text, which belong to no figure."""
        lines = prose_lines([piece for piece, turns, _ in self.placed if turns == 0])
        self.legend = {id(piece) for piece in lines if has_swatch(piece, self.parts)}
        return [piece for piece in lines if id(piece) not in self.legend]

    def claimed(self, claim: Claim) -> list[Region]:
        """The region that a caption stands at, or several pictures under one caption."""
        word = claim.anchor.word
        if all(b not in self.plots and self._picture(b) == "image" for b in claim.clusters):
            return [Region(box, "image", word) for box in claim.clusters if self._is_large(box)]
        box = claim.clusters[0]
        for other in claim.clusters[1:]:
            box = join(box, other)
        drawn = sum(int(inside(p, box).sum()) for p in (self.parts.shapes, self.parts.boxes))
        drawn += 3 * int(inside(self.parts.pictures, box).sum())
        if drawn < 3 or not self._is_large(box) or self._is_wordy(box):
            return []
        box = self._with_grid(box, claim.room)
        top, bottom = (box[1], claim.room[3]) if claim.side < 0 else (claim.room[1], box[3])
        box = box[0], max(box[1], top), box[2], min(box[3], bottom)
        return [Region(box, "figure", word, claim.room)]

    def unclaimed(self, box: Rect) -> list[Region]:
        """The region that a cluster without caption is, if any."""
        if box in self.plots:
            text = self._text(box)
            if self._is_wordy(box) or self._is_decoration(box, text) or _is_tabular(text):
                return []
            blocks = [(p.x0, p.y0, p.x1, p.y1) for p in self.prose]
            return [Region(box, "figure", room=free_room(box, blocks, self.size))]
        box = self._with_grid(box, None)
        kind = self._kind(box)
        return [Region(box, kind)] if kind is not None else []

    def _with_grid(self, box: Rect, room: Rect | None) -> Rect:
        """``box`` with those lines of its grid beyond which no text but labels stands."""
        lines = grid_lines(self.parts.rules, box)
        for line in sorted(lines.tolist(), key=lambda r: abs(r[1] - box[1])):
            grown = join(box, (line[0], line[1], line[2], line[3]))
            middle = (line[1] + line[3]) / 2
            far = max(box[1] - middle, middle - box[3]) > 0.6 * (box[3] - box[1])
            outside = room is not None and not room[1] - 3 <= middle <= room[3] + 3
            between = any(
                len(p.words) > 4 and holds(grown, at) and not holds(box, at)
                for p, _, at in self.placed
            )
            if not (far or outside or between):
                box = grown
        return box

    def _is_large(self, box: Rect) -> bool:
        width, height = box[2] - box[0], box[3] - box[1]
        return width * height > _LEAST_AREA * self.area and min(width, height) > 18

    def _picture(self, box: Rect) -> Kind | None:
        """What a cluster is that an embedded picture fills: ``figure`` if it is drawn on."""
        width, height = box[2] - box[0], box[3] - box[1]
        pictures = self.parts.pictures[inside(self.parts.pictures, box)]
        sides = pictures[:, 2:] - pictures[:, :2]
        if not len(pictures) or float(sides.prod(axis=1).sum()) <= 0.3 * width * height:
            return None
        # Shapes beside few words on a picture are its frame or its annotation.
        drawn = int(inside(self.parts.shapes, box).sum()) > 3
        return "figure" if drawn or sum(len(p.words) for p in self._text(box)) > 12 else "image"

    def _text(self, box: Rect) -> list[Piece]:
        return [p for p, turns, at in self.placed if turns == 0 and holds(box, at)]

    def _is_wordy(self, box: Rect) -> bool:
        """Running text with a frame or a shade."""
        text = self._text(box)
        wordy = sum(len(p.words) for p in text if len(p.words) > 6)
        words = sum(len(p.words) for p in text)
        shapes = int(inside(self.parts.shapes, box).sum())
        return wordy > 0.5 * words and wordy > 20 and shapes < 5 * words

    def _kind(self, box: Rect) -> Kind | None:
        """What a cluster is; ``None`` for decoration, shaded text and tables."""
        width, height = box[2] - box[0], box[3] - box[1]
        if not self._is_large(box):
            return None
        if sum(_sticks_out(box, at) for _, _, at in self.placed) > 2:
            return None
        picture = self._picture(box)
        if picture is not None:
            return picture
        if width * height < 2 * _LEAST_AREA * self.area or min(width, height) < 36:
            return None
        text = self._text(box)
        if self._is_wordy(box) or self._is_decoration(box, text) or _is_tabular(text):
            return None
        shapes = int(inside(self.parts.shapes, box).sum())
        boxes = self.parts.boxes[inside(self.parts.boxes, box)]
        written = sum((p.x1 - p.x0) * p.size for p in text)
        if written > 0.2 * width * height and shapes < 3 * len(text):
            return None
        if shapes > 2 and any(is_number(piece.text) for piece in text):
            return "figure"
        if shapes >= 4 and 2 * shapes > len(boxes):
            return "figure" if shapes >= 8 or text else None
        return "figure" if _are_bars(boxes) else None

    def _is_decoration(self, box: Rect, text: list[Piece]) -> bool:
        """Strokes behind the title of the page, or running off the page behind other text."""
        width, height = self.size
        bleeds = min(box[0], box[1], width - box[2], height - box[3]) < 2
        titled = self.title is not None and any(piece.size >= self.title for piece in text)
        return titled or (bleeds and bool(text))


def _sticks_out(box: Rect, at: Rect) -> bool:
    """A line of text runs over the edge of the cluster, which is then its background."""
    width = min(box[2], at[2]) - max(box[0], at[0])
    middle = (at[1] + at[3]) / 2
    return box[1] < middle < box[3] and 12 < width < 0.8 * (at[2] - at[0])


def _is_tabular(text: list[Piece]) -> bool:
    """Most lines are a label with numbers: a shaded or decorated table."""
    upright = visual_rows(text)
    data = [row for row in upright if row.is_data or row.all_years]
    labelled = sum(row.label is not None for row in data)
    return labelled >= 2 and len(data) >= 0.4 * len(upright)


def _are_bars(boxes: Floats) -> bool:
    """Rectangles of one thickness and several lengths that rise from one line."""
    if len(boxes) < 3:
        return False
    sides = np.stack([boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1)
    for thick, long in ((0, 1), (1, 0)):
        common = np.abs(sides[:, thick] - np.median(sides[:, thick])) < 1.0
        for start in (long, long + 2):
            edges = np.round(boxes[common, start]).tolist()
            lengths = np.round(sides[common, long]).tolist()
            for edge in set(edges):
                mine = {n for e, n in zip(edges, lengths, strict=True) if e == edge}
                if len(mine) >= 3:
                    return True
    return False
