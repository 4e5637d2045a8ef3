"""Plots: the area that axes or grid lines span, with ticks beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cogagent.documents.pdf.clusters import inside, join
from cogagent.documents.pdf.rows import is_number

if TYPE_CHECKING:
    from cogagent.documents.pdf.clusters import Floats, Parts, Rect
    from cogagent.documents.pdf.labels import Placed

_LEAST = 40.0
"""Shortest side of a plot, points."""
_MOST_RULES = 400
_TOUCH = 2.5
_TICKS = 3


def find_plots(parts: Parts, placed: list[Placed]) -> list[Rect]:
    """Areas of a page that are plots: something is drawn in them, numbers stand along a side."""
    rules = parts.rules[np.max(parts.rules[:, 2:] - parts.rules[:, :2], axis=1) > _LEAST]
    if len(rules) < 2 or len(rules) > _MOST_RULES:
        return []
    flat = rules[:, 2] - rules[:, 0] > rules[:, 3] - rules[:, 1]
    areas = [area for area in _corners(rules[flat], rules[~flat]) if _is_drawn(area, parts)]
    grids = [grid for grid in _grids(rules[flat]) if _is_drawn(_around(grid), parts)]
    if not areas and not grids:
        return []
    numbers = [
        (word.x0, word.y0, word.x1, word.y1)
        for piece, turns, _ in placed
        for word in piece.words
        if turns == 0 and is_number(word.text)
    ]
    ticks = np.array(numbers, np.float64).reshape(-1, 4)
    areas = [area for area in areas if _has_ticks(area, ticks)]
    areas += [_around(grid) for grid in grids if _is_level(grid, ticks)]
    found: list[Rect] = []
    for area in areas:
        _add(found, area)
    return found


def _corners(flat: Floats, steep: Floats) -> list[Rect]:
    """What two axes that meet at the bottom span."""
    found = []
    for x0, y0, x1, y1 in flat.tolist():
        low = np.abs(steep[:, 3] - y1) < _TOUCH
        ends = (np.abs(steep[:, 0] - x0) < _TOUCH) | (np.abs(steep[:, 2] - x1) < _TOUCH)
        for a0, b0, a1, b1 in steep[low & ends].tolist():
            found.append(join((x0, y0, x1, y1), (a0, b0, a1, b1)))
    return found


def _grids(flat: Floats) -> list[Floats]:
    """Level rules with the same ends, as grid lines have them."""
    groups: dict[tuple[int, int], list[list[float]]] = {}
    for rule in flat.tolist():
        groups.setdefault((round(rule[0]), round(rule[2])), []).append(rule)
    return [np.array(lines) for lines in groups.values() if len(lines) >= _TICKS]


def _around(rules: Floats) -> Rect:
    x0, y0, x1, y1 = rules.T
    return float(x0.min()), float(y0.min()), float(x1.max()), float(y1.max())


def _is_level(grid: Floats, ticks: Floats) -> bool:
    """Numbers stand at the very height of the lines; in tables they stand over them."""
    area = _around(grid)
    beside = (ticks[:, 2] < area[0] + _TOUCH) | (ticks[:, 0] > area[2] - _TOUCH)
    height = ticks[:, 3] - ticks[:, 1]
    near = (ticks[:, 2] > area[0] - 2.5 * height) & (ticks[:, 0] < area[2] + 2.5 * height)
    middle = (ticks[:, 1] + ticks[:, 3]) / 2
    off = np.abs(middle[:, None] - (grid[:, 1] + grid[:, 3])[None] / 2)
    level = off < 0.3 * height[:, None]
    return int(level[beside & near].any(axis=0).sum()) >= _TICKS


def _is_drawn(area: Rect, parts: Parts) -> bool:
    if area[3] - area[1] < _LEAST:
        return False
    shapes, boxes = inside(parts.shapes, area).sum(), inside(parts.boxes, area).sum()
    return bool(shapes or boxes > 2 or inside(parts.pictures, area).any())


def _has_ticks(area: Rect, ticks: Floats) -> bool:
    """Numbers stand in a row right outside of the left, the right or the lower side."""
    x, y = (ticks[:, 0] + ticks[:, 2]) / 2, (ticks[:, 1] + ticks[:, 3]) / 2
    reach = 2.5 * (ticks[:, 3] - ticks[:, 1])
    beside = (y > area[1] - _TOUCH) & (y < area[3] + _TOUCH)
    left = beside & (ticks[:, 2] < area[0] + _TOUCH) & (ticks[:, 2] > area[0] - reach)
    right = beside & (ticks[:, 0] > area[2] - _TOUCH) & (ticks[:, 0] < area[2] + reach)
    under = (x > area[0] - _TOUCH) & (x < area[2] + _TOUCH)
    below = under & (ticks[:, 1] > area[3] - _TOUCH) & (ticks[:, 1] < area[3] + reach)
    rows = ((left, y), (right, y), (below, x))
    return max(len(np.unique(np.round(along[side]))) for side, along in rows) >= _TICKS


def _add(found: list[Rect], area: Rect) -> None:
    """Add an area, joined with those that it overlaps."""
    for other in list(found):
        if area[0] < other[2] and other[0] < area[2] and area[1] < other[3] and other[1] < area[3]:
            found.remove(other)
            area = join(area, other)
    found.append(area)
