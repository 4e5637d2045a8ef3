"""What is drawn close together on a page: the places where figures may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cogagent.documents.pdf.objects import Drawing, Picture

Rect = tuple[float, float, float, float]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_TOUCH = 3.0
"""How near a rule comes to what it belongs to, points."""
_SAME_END = 1.5
"""How much the ends of grid lines differ, points."""
_CELLS = 160
"""Cells of the occupancy grid along the longer side of the page."""


@dataclass(slots=True)
class Parts:
    """What may belong to a figure."""

    shapes: Floats
    boxes: Floats
    rules: Floats
    pictures: Floats


def figure_parts(
    drawing: Drawing, size: tuple[float, float], seen: set[tuple[int, ...]]
) -> Parts | None:
    """What is drawn that is no background; ``None`` if that is too little for a figure.

    Args:
        drawing: What is drawn.
        size: Of the page as shown, points.
        seen: Pictures of earlier pages; added to.
    """
    parts = Parts(
        _not_page_wide(drawing.shapes, size), _not_page_wide(drawing.boxes, size),
        drawing.rules, _pictures(drawing.pictures, size, seen),
    )  # fmt: skip
    enough = len(parts.shapes) or len(parts.boxes) > 2 or len(parts.pictures)
    return parts if enough else None


def _not_page_wide(boxes: Floats, size: tuple[float, float]) -> Floats:
    """Without backgrounds and page frames."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return boxes[area < 0.6 * size[0] * size[1]]


def _pictures(
    pictures: list[Picture], size: tuple[float, float], seen: set[tuple[int, ...]]
) -> Floats:
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


def find_clusters(parts: Parts, size: tuple[float, float]) -> list[Rect]:
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


def _with_rules(found: list[Rect], rules: Floats) -> list[Rect]:
    """Clusters grown by the axes and grid lines that touch them, those that then meet joined.

    Rules do not join a cluster by nearness alone, as those of the next table would.
    """
    grown = []
    for cluster in found:
        box = cluster
        for rule in rules[touching(rules, box)].tolist():
            box = join(box, (rule[0], rule[1], rule[2], rule[3]))
        grown.append(box)
    result: list[Rect] = []
    for box in sorted(grown):
        joined = box
        for other in [o for o in result if _meet(o, joined)]:
            result.remove(other)
            joined = join(other, joined)
        result.append(joined)
    return result


def touching(rules: Floats, box: Rect) -> Mask:
    """Which of ``rules`` touch ``box``."""
    near = (rules[:, 0] < box[2] + _TOUCH) & (rules[:, 2] > box[0] - _TOUCH)
    return near & (rules[:, 1] < box[3] + _TOUCH) & (rules[:, 3] > box[1] - _TOUCH)


def grid_lines(rules: Floats, box: Rect) -> Floats:
    """Rules outside of ``box`` that have the ends of one inside: more lines of its grid."""
    inner = touching(rules, box)
    if inner.all() or not inner.any():
        return rules[:0]
    flat = rules[:, 2] - rules[:, 0] > rules[:, 3] - rules[:, 1]
    found = np.zeros(len(rules), bool)
    for axis, level in ((0, flat), (1, ~flat)):
        ends = rules[:, [axis, axis + 2]]
        own = np.unique(np.round(ends[inner & level], 1), axis=0)
        for end in own[:50]:
            found |= level & (np.abs(ends - end) < _SAME_END).all(axis=1)
    return rules[found & ~inner]


def _meet(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def join(a: Rect, b: Rect) -> Rect:
    """The box around two boxes."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def inside(boxes: Floats, box: Rect) -> Mask:
    """Which of ``boxes`` have their middle in ``box``."""
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])


def holds(box: Rect, inner: Rect) -> bool:
    """The middle of ``inner`` lies in ``box``."""
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


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


def _tighten(grid: Rect, boxes: Floats, size: tuple[float, float]) -> Rect:
    """The exact extent of the boxes whose middle lies in a box of whole cells."""
    mine = boxes[inside(boxes, grid)]
    if not len(mine):
        return (0.0, 0.0, 0.0, 0.0)
    x0, y0 = mine[:, :2].min(axis=0).tolist()
    x1, y1 = mine[:, 2:].max(axis=0).tolist()
    return max(x0, 0.0), max(y0, 0.0), min(x1, size[0]), min(y1, size[1])
