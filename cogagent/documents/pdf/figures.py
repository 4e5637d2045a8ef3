"""Figures and pictures of a PDF page: what is drawn close together, with the words in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cogagent.documents.pdf.rows import is_number, visual_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogagent.documents.pdf.objects import Drawing, Picture
    from cogagent.documents.pdf.text import Piece

Rect = tuple[float, float, float, float]
Mask = NDArray[np.bool_]

MAX_REGIONS = 20
"""Pictures taken from one page, the largest first."""
_LEAST_AREA = 0.005
"""Smaller parts of the page are logos, icons and bullets."""
_TOUCH = 3.0
"""How near a rule comes to what it belongs to, points."""
_DRAWN = 40
"""So many shapes are a drawing, even where numbers stand in rows."""
_CELLS = 160
"""Cells of the occupancy grid along the longer side of the page."""


@dataclass(slots=True, eq=False)
class Region:
    """A figure or picture; points of the page as shown."""

    box: Rect
    kind: Literal["figure", "image"]
    pieces: list[Piece] = field(default_factory=list)


@dataclass(slots=True)
class _Parts:
    """What may belong to a figure."""

    shapes: NDArray[np.float64]
    boxes: NDArray[np.float64]
    rules: NDArray[np.float64]
    pictures: NDArray[np.float64]


def find_regions(
    pieces: dict[int, list[Piece]],
    drawing: Drawing,
    size: tuple[float, float],
    body: float,
    seen: set[tuple[int, ...]],
    shown: Callable[[Piece, int], Rect],
    tables: Callable[[], list[Rect]],
) -> tuple[list[Region], dict[int, list[Piece]]]:
    """The figures and pictures of a page, and the text outside of them.

    Args:
        pieces: Text by quarter turns.
        drawing: What is drawn.
        size: Of the page as shown, points.
        body: Size of body text.
        seen: Pictures of earlier pages; added to.
        shown: Where a piece of a direction stands on the page as shown.
        tables: Finds what would be tables if there were no figures.
    """
    parts = _Parts(
        _not_page_wide(drawing.shapes, size), _not_page_wide(drawing.boxes, size),
        drawing.rules, _pictures(drawing.pictures, size, seen),
    )  # fmt: skip
    if not len(parts.shapes) and len(parts.boxes) < 3 and not len(parts.pictures):
        return [], pieces
    placed = [(piece, t, shown(piece, t)) for t, group in pieces.items() for piece in group]
    regions: list[Region] = []
    for box in _clusters(parts, size):
        kind = _kind(box, parts, placed, size)
        if kind is not None:
            regions.append(Region(box, kind))
    if any(region.kind == "figure" for region in regions):
        found = tables()
        regions = [
            r for r in regions if r.kind == "image" or not _is_in_table(r.box, found, parts)
        ]
    regions.sort(key=lambda r: -(r.box[2] - r.box[0]) * (r.box[3] - r.box[1]))
    regions = regions[:MAX_REGIONS]
    taken = _take_text(regions, placed, body)
    rest = {t: [p for p in group if id(p) not in taken] for t, group in pieces.items()}
    return regions, rest


def _is_in_table(box: Rect, tables: list[Rect], parts: _Parts) -> bool:
    """A table covers the cluster or lies in it, and few shapes are drawn there."""
    own = (box[2] - box[0]) * (box[3] - box[1])
    shared = inner = 0.0
    for table in tables:
        width = min(box[2], table[2]) - max(box[0], table[0])
        height = min(box[3], table[3]) - max(box[1], table[1])
        if width > 0 and height > 0:
            shared += width * height
            inner += (table[2] - table[0]) * (table[3] - table[1])
    if shared > 0.4 * own or shared > 0.6 * inner > 0:
        return int(_inside(parts.shapes, box).sum()) < _DRAWN
    return False


def _not_page_wide(boxes: NDArray[np.float64], size: tuple[float, float]) -> NDArray[np.float64]:
    """Without backgrounds and page frames."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return boxes[area < 0.6 * size[0] * size[1]]


def _pictures(
    pictures: list[Picture], size: tuple[float, float], seen: set[tuple[int, ...]]
) -> NDArray[np.float64]:
    """Picture boxes without backgrounds and without stamps that earlier pages have too."""
    page = size[0] * size[1]
    kept = []
    for picture in pictures:
        x0, y0, x1, y1 = picture.box
        area = (x1 - x0) * (y1 - y0)
        key = (*picture.key, round(x0), round(y0))
        repeated = key in seen and area < 0.15 * page
        seen.add(key)
        if not repeated and area < 0.85 * page and min(x1 - x0, y1 - y0) > 4:
            kept.append(picture.box)
    return np.array(kept, np.float64).reshape(-1, 4)


def _clusters(parts: _Parts, size: tuple[float, float]) -> list[Rect]:
    """Boxes around everything that is drawn close together."""
    boxes = np.concatenate([parts.shapes, parts.boxes, parts.pictures])
    step = max(size) / _CELLS
    columns, rows = int(size[0] / step) + 3, int(size[1] / step) + 3
    cells = np.floor(boxes / step).astype(np.int64) + 1
    # Count box corners and sum them up: cells covered by any box become positive.
    marks = np.zeros((rows + 2, columns + 2), np.int64)
    x0, y0, x1, y1 = np.clip(cells, 0, np.array([columns, rows, columns, rows]) - 1).T
    for sign, y, x in ((1, y0, x0), (-1, y1 + 1, x0), (-1, y0, x1 + 1), (1, y1 + 1, x1 + 1)):
        np.add.at(marks, (y, x), sign)
    filled = marks.cumsum(axis=0).cumsum(axis=1) > 0
    wide = filled.copy()
    wide[1:] |= filled[:-1]
    wide[:, 1:] |= wide[:, :-1].copy()
    labels = _components(wide)
    found = []
    for label in range(1, int(labels.max()) + 1):
        own = filled & (labels == label)
        ys, xs = np.nonzero(own)
        if len(ys):
            grid = ((xs.min() - 1) * step, (ys.min() - 1) * step, xs.max() * step, ys.max() * step)
            found.append(_tighten(grid, boxes, size))
    found = [box for box in found if box[2] > box[0] and box[3] > box[1]]
    length = np.max(parts.rules[:, 2:] - parts.rules[:, :2], axis=1, initial=0.0)
    return _with_rules(found, parts.rules[length < 0.75 * size[0]])


def _with_rules(found: list[Rect], rules: NDArray[np.float64]) -> list[Rect]:
    """Clusters grown by the axes and grid lines that touch them, those that then meet joined.

    Rules do not join a cluster by nearness alone, as those of the next table would.
    """
    grown = []
    for cluster in found:
        box = cluster
        near = (rules[:, 0] < box[2] + _TOUCH) & (rules[:, 2] > box[0] - _TOUCH)
        near &= (rules[:, 1] < box[3] + _TOUCH) & (rules[:, 3] > box[1] - _TOUCH)
        for rule in rules[near].tolist():
            box = _join(box, (rule[0], rule[1], rule[2], rule[3]))
        grown.append(box)
    result: list[Rect] = []
    for box in sorted(grown):
        joined = box
        for other in [o for o in result if _meet(o, joined)]:
            result.remove(other)
            joined = _join(other, joined)
        result.append(joined)
    return result


def _meet(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _components(filled: Mask) -> NDArray[np.int64]:
    """Numbers the connected parts of a mask from 1."""
    labels = np.zeros(filled.shape, np.int64)
    width = filled.shape[1]
    left = set(np.flatnonzero(filled).tolist())
    flat = labels.reshape(-1)
    label = 0
    while left:
        label += 1
        edge = [left.pop()]
        while edge:
            at = edge.pop()
            flat[at] = label
            for near in (at - 1, at + 1, at - width, at + width):
                if near in left:
                    left.remove(near)
                    edge.append(near)
    return labels


def _tighten(grid: Rect, boxes: NDArray[np.float64], size: tuple[float, float]) -> Rect:
    """The exact extent of the boxes whose middle lies in a box of whole cells."""
    mine = boxes[_inside(boxes, grid)]
    if not len(mine):
        return (0.0, 0.0, 0.0, 0.0)
    x0, y0 = mine[:, :2].min(axis=0).tolist()
    x1, y1 = mine[:, 2:].max(axis=0).tolist()
    return max(x0, 0.0), max(y0, 0.0), min(x1, size[0]), min(y1, size[1])


def _inside(boxes: NDArray[np.float64], box: Rect) -> Mask:
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])


def _kind(
    box: Rect, parts: _Parts, placed: list[tuple[Piece, int, Rect]], size: tuple[float, float]
) -> Literal["figure", "image"] | None:
    """What a cluster is; ``None`` for decoration, shaded text and tables."""
    width, height = box[2] - box[0], box[3] - box[1]
    area = width * height / (size[0] * size[1])
    if area < _LEAST_AREA or min(width, height) < 18:
        return None
    if sum(_sticks_out(box, at) for _, _, at in placed) > 2:
        return None
    shapes = int(_inside(parts.shapes, box).sum())
    boxes = parts.boxes[_inside(parts.boxes, box)]
    pictures = parts.pictures[_inside(parts.pictures, box)]
    text = [p for p, turns, at in placed if turns == 0 and _holds(box, at)]
    wordy = sum(len(p.words) for p in text if len(p.words) > 6)
    words = sum(len(p.words) for p in text)
    covered = float(((pictures[:, 2] - pictures[:, 0]) * (pictures[:, 3] - pictures[:, 1])).sum())
    if len(pictures) and covered > 0.3 * width * height:
        # Shapes beside few words on a picture are its frame or its annotation.
        return "figure" if shapes > 3 or words > 12 else "image"
    if wordy > 0.5 * words and wordy > 20 and shapes < 5 * words:
        return None
    if area < 2 * _LEAST_AREA or min(width, height) < 36:
        return None
    if _is_tabular(text):
        return None
    written = sum((p.x1 - p.x0) * p.size for p in text)
    if written > 0.2 * width * height and shapes < 3 * len(text):
        return None
    if shapes >= 4 and 2 * shapes > len(boxes):
        return "figure" if shapes >= 8 or words else None
    return "figure" if _are_bars(boxes) else None


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


def _are_bars(boxes: NDArray[np.float64]) -> bool:
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


def _holds(box: Rect, inner: Rect) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _take_text(
    regions: list[Region], placed: list[tuple[Piece, int, Rect]], body: float
) -> set[int]:
    """Hand the text inside a region and its labels around it to the region."""
    taken: set[int] = set()
    for region in regions:
        for piece, _, at in placed:
            if id(piece) not in taken and _holds(region.box, at):
                region.pieces.append(piece)
                taken.add(id(piece))
    for region in regions:
        if region.kind == "image":
            continue
        for _ in range(2):
            for piece, _turns, at in placed:
                if id(piece) not in taken and _labels(region.box, piece, at, body):
                    region.pieces.append(piece)
                    taken.add(id(piece))
                    region.box = _join(region.box, at)
    return taken


def _labels(box: Rect, piece: Piece, at: Rect, body: float) -> bool:
    """A short small text right beside the figure: a tick, an axis title, a legend."""
    small = piece.size <= 0.92 * body or is_number(piece.text)
    if not small or len(piece.words) > 8 or at[2] - at[0] > box[2] - box[0]:
        return False
    reach = 1.3 * piece.size
    across = max(at[0] - box[2], box[0] - at[2], 0.0)
    down = max(at[1] - box[3], box[1] - at[3], 0.0)
    return across < reach and down < reach and (across == 0 or down == 0)


def _join(a: Rect, b: Rect) -> Rect:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
