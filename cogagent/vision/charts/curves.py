"""Reads charts of lines and areas: where each is at each label of the axis below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cogagent.grid import Cell, Header
from cogagent.vision.charts.axes import Axis, find_axis
from cogagent.vision.charts.draft import Draft, filled_in, header, rounded
from cogagent.vision.charts.labels import first_line, label_columns
from cogagent.vision.charts.legend import Entry, find_entries, in_colour, of_colours
from cogagent.vision.charts.paint import Painting
from cogagent.vision.charts.phrases import Phrase, Print
from cogagent.vision.charts.rects import Extent, Rect
from cogagent.vision.charts.values import Match, Target, match
from cogagent.vision.colours import name_of

_WIDE, _HIGH = 0.012, 0.04
"""Least width, or height, of a piece of a line, as a part of the plot's."""
_COVERED = 0.12
"""Least part of the plot's width that a line covers."""
_AREA = 0.06
"""A line is thinner than this part of the plot's height; an area is not."""
_JUMP = 0.25
"""An area's edge jumps by so much of the plot's height, at most at one in ten columns."""
_MOST_PIECES = 500
_CLOSEST, _MOST_BETWEEN = 4.0, 10
"""Least distance from a point to the next, in pixels; most points from label to label."""
_MARKER = 5
"""How far from a point its marker hides the line, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A line or an area.

    Attributes:
        colour: Index of its colour.
        top: Shape ``(width,)``: its upper edge by column of the plot, pixels; NaN where it is not.
        bottom: Its lower edge.
        solid: It is an area.
    """

    colour: int
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]
    solid: bool

    @property
    def middle(self) -> NDArray[np.float64]:
        """Of the line, by column."""
        return (self.top + self.bottom) / 2


def read_curves(painting: Painting, printed: Print) -> Draft | None:
    """A chart of lines or areas.

    Args:
        painting: The picture as it is.
        printed: All that is printed.
    """
    height = printed.height
    axis = find_axis(printed.phrases, height, upright=True)
    if axis is None or len(axis.ticks) < 3:
        return None
    plot = _plot(printed, axis)
    if plot is None:
        return None
    ticks = frozenset(
        i for i, phrase in enumerate(printed.phrases) if any(phrase is tick for tick in axis.ticks)
    )
    entries = find_entries(painting, printed, [], ticks)
    curves = _curves(painting, printed, plot, entries)
    if not curves:
        return None
    by_colour = of_colours(entries, [curve.colour for curve in curves], painting)
    named = frozenset(index for entry in by_colour.values() for index in entry.indices)
    solid = sum(curve.solid for curve in curves) > len(curves) / 2
    curves = [curve for curve in curves if curve.solid == solid]
    places, step = _places(printed, curves, plot, ticks | named)
    if len(places) < 2:
        return None
    labels = label_columns(printed, places, step, plot.y1, ticks | named)
    parts = _between(labels.names) if step >= 2 * _CLOSEST else 1
    if parts > 1 and step >= parts * _CLOSEST:
        places = _divided(places, parts)
        step /= parts
        names = [
            labels.names[row // parts] if row % parts == 0 else () for row in range(len(places))
        ]
        labels = replace(labels, names=tuple(names))
    used = set(ticks | named | labels.used)
    targets = _targets(curves, places, step, plot, axis, solid=solid)
    numbers = [
        (index, phrase)
        for index, phrase in enumerate(printed.phrases)
        if phrase.number is not None and index not in used and phrase.tilt != "upright"
    ]
    values = match(numbers, targets, height, axis, upright=True)
    used |= {found.index for found in values.values()}
    draft = Draft("area" if solid else "line", [], [], {}, used, plot, axis)
    draft.stacked = solid and len(curves) > 1
    draft.cells = _cells(printed, targets, values, axis)
    draft.rows = filled_in([header(printed, name) for name in labels.names])
    draft.columns = _columns(painting, printed, curves, by_colour, draft)
    named_rows = sum(bool(row.text) for row in draft.rows) / len(draft.rows)
    told = [found.agrees for found in values.values() if found.agrees is not None]
    agree = (sum(told) + 1) / (len(told) + 1) if told else 0.9
    covered = len(draft.cells) / max(len(places) * len(curves), 1)
    draft.fits = [agree, 0.3 + 0.7 * named_rows, 0.3 + 0.7 * covered]
    return draft if draft.cells else None


def _plot(printed: Print, axis: Axis) -> Rect | None:
    """What lies between the ticks of the axis and the edge of the picture."""
    span = axis.span()
    if span is None:
        return None
    width = printed.size[0]
    height = printed.height
    left, right = (span.x1, float(width)) if span.x < width / 2 else (0.0, span.x0)
    top, bottom = span.y0 - height, span.y1 - 0.3 * height
    if right - left < 4 * height or bottom - top < 2 * height:
        return None
    return Rect(left + 2, max(top, 0.0), right, bottom)


def _curves(
    painting: Painting, printed: Print, plot: Rect, entries: Sequence[Entry]
) -> list[Curve]:
    rows, columns = painting.cut(plot)
    if painting.step > 1 or min(rows.stop - rows.start, columns.stop - columns.start) < 8:
        return []
    index = painting.index[rows, columns]
    words = [rect for phrase in printed.phrases for rect in phrase.rects]
    legend = {entry.colour for entry in entries}
    found: list[Curve] = []
    plain: list[Curve] = []
    named = False
    for colour in range(1, len(painting.colours)):
        vivid = float(np.ptp(painting.colours[colour])) > 40
        if legend and colour not in legend and not vivid:
            continue
        curve = _curve(index == colour, colour, plot, words, vivid=vivid)
        if curve is not None:
            found.append(curve)
            named = named or vivid or colour in legend
            plain += [] if vivid or colour in legend else [curve]
    if named:  # grey is a series where nothing else is
        found = [curve for curve in found if all(curve is not other for other in plain)]
    own = [curve for curve in found if curve.colour in legend]
    return own if len(own) > 1 or (own and len(found) == 1) else found


def _curve(
    mask: NDArray[np.bool_], colour: int, plot: Rect, words: Sequence[Rect], *, vivid: bool
) -> Curve | None:
    """The line or area of one colour, without letters and grid lines."""
    import cv2

    high, wide = mask.shape
    if mask.sum() < _COVERED * wide:
        return None
    pixels = mask.view(np.uint8)
    outlines, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = sorted(outlines, key=len, reverse=True)[:_MOST_PIECES]
    boxes = np.array([cv2.boundingRect(outline) for outline in outlines]).reshape(-1, 4)
    broad, tall = boxes[:, 2], boxes[:, 3]
    flat = (broad > 0.5 * wide) | (not vivid)
    grid = ((tall <= 2) & flat) | ((broad <= 2) & (tall > 0.3 * high))
    large = (broad >= max(_WIDE * wide, 5)) | ((tall >= _HIGH * high) & (broad > 2))
    keep = large & ~grid & ~_is_word(boxes, plot, words)
    if not keep.any():
        return None
    kept = np.zeros_like(pixels)
    chosen = [outlines[place] for place in np.flatnonzero(keep).tolist()]
    cv2.drawContours(kept, chosen, -1, (1,), cv2.FILLED)
    mask = (kept & pixels).astype(np.bool_)
    count = mask.sum(axis=0)
    present = count > 0
    if present.mean() < _COVERED:
        return None
    top = np.where(present, mask.argmax(axis=0), np.nan) + int(plot.y0)
    bottom = np.where(present, high - mask[::-1].argmax(axis=0), np.nan) + int(plot.y0)
    # An area with another's edge across it, and a line that goes steeply up, are told by
    # how many pixels they have by column, not by how far they reach.
    solid = float(np.median(count[present])) > _AREA * high
    if solid:
        jumps = np.abs(np.diff(top)) > _JUMP * high
        if jumps.mean() > 0.01 or present.mean() < 0.5:
            return None
        if np.diff(present.astype(int)).clip(0).sum() > 3:
            return None
    return Curve(colour, top, bottom, solid)


def _is_word(stats: NDArray[np.int32], plot: Rect, words: Sequence[Rect]) -> NDArray[np.bool_]:
    boxes = np.array(words, np.float64).reshape(-1, 4)
    left, top = stats[:, 0] + int(plot.x0), stats[:, 1] + int(plot.y0)
    right, bottom = left + stats[:, 2], top + stats[:, 3]
    inside = (
        (boxes[None, :, 0] - 1 <= left[:, None])
        & (boxes[None, :, 1] - 1 <= top[:, None])
        & (boxes[None, :, 2] + 1 >= right[:, None])
        & (boxes[None, :, 3] + 1 >= bottom[:, None])
    )
    return np.asarray(inside.any(axis=1))


def _places(
    printed: Print, curves: Sequence[Curve], plot: Rect, skip: frozenset[int]
) -> tuple[list[float], float]:
    """Where the points are, x, and the distance from one to the next."""
    found, slanted = first_line(printed, plot.x0, plot.x1 + printed.height, plot.y1, skip)
    places = sorted(found)
    if len(places) < 2:
        return [], 0.0
    step = float(np.median(np.diff(places)))
    present = np.any([~np.isnan(curve.top) for curve in curves], axis=0)
    where = np.flatnonzero(present)
    start, end = plot.x0 + float(where[0]), plot.x0 + float(where[-1])
    if slanted:  # its end is not exactly at its point
        reach = [start + 3 - places[0], end - 3 - places[-1]]
        if abs(reach[0] - reach[1]) < 0.4 * step and abs(reach[0]) < 0.6 * step:
            places = [place + (reach[0] + reach[1]) / 2 for place in places]
    even = float(np.ptp(np.diff(places))) < 0.35 * step
    if even and len(places) > 2:
        slope, origin = np.polyfit(np.arange(len(places)), places, 1)
        places = [float(origin + slope * number) for number in range(len(places))]
    return places, step


def _between(names: Sequence[Sequence[Phrase]]) -> int:
    """How many points a line has from one label to the next, where labels are whole numbers."""
    numbers = [
        name[0].number.value if len(name) == 1 and name[0].number else np.nan for name in names
    ]
    steps = np.diff(numbers)
    even = len(steps) > 1 and np.isfinite(steps).all() and bool(np.all(steps == steps[0]))
    return int(abs(steps[0])) if even and 2 <= abs(steps[0]) <= _MOST_BETWEEN else 1


def _divided(places: Sequence[float], parts: int) -> list[float]:
    known = np.arange(len(places)) * parts
    return [float(x) for x in np.interp(np.arange(known[-1] + 1), known, places)]


def _targets(
    curves: Sequence[Curve],
    places: Sequence[float],
    step: float,
    plot: Rect,
    axis: Axis,
    *,
    solid: bool,
) -> list[Target]:
    targets = []
    tops = [
        [_at(curve.top if solid else curve.middle, x - int(plot.x0)) for x in places]
        for curve in curves
    ]
    floors = [[_at(curve.bottom, x - int(plot.x0)) for x in places] for curve in curves]
    for column in range(len(curves)):
        for row, x in enumerate(places):
            y = tops[column][row]
            if np.isnan(y):
                continue
            value = axis.value(-y)
            if solid and len(curves) > 1:
                value -= axis.value(-floors[column][row])
            reach = min(0.4 * step, 30.0)
            place = Extent(x - reach, x + reach, -y - 2, -y + 2)
            targets.append(Target(place, (row, column), value, axis.error(-y, 1.0), point=True))
    return targets


def _at(edge: NDArray[np.float64], x: float) -> float:
    """The height of a line at a column: there, or between what is seen on both sides."""
    place = round(x)
    near = edge[max(place - 1, 0) : place + 2]
    if np.isfinite(near).any():
        return float(np.nanmedian(near))
    low, high = max(place - _MARKER, 0), place + _MARKER + 1
    known = np.flatnonzero(np.isfinite(edge[low:high])) + low
    return float(np.interp(place, known, edge[known])) if len(known) else float("nan")


def _cells(
    printed: Print,
    targets: Sequence[Target],
    values: dict[tuple[int, int], Match],
    axis: Axis,
) -> dict[tuple[int, int], Cell]:
    cells = {}
    for target in targets:
        found = values.get(target.key)
        if found is not None and found.agrees is not False:
            cells[target.key] = Cell(printed.place(found.phrase), found.value)
            continue
        value = target.measured if target.measured is not None else 0.0
        mark = Rect(
            target.place.c - 3, -target.place.v - 3, target.place.c + 3, -target.place.v + 3
        )
        ticks = tuple(printed.place(tick) for tick in axis.near(value))
        cells[target.key] = Cell(
            printed.mark(mark), rounded(value, target.error), target.error, ticks
        )
    return cells


def _columns(
    painting: Painting,
    printed: Print,
    curves: Sequence[Curve],
    by_colour: dict[int, Entry],
    draft: Draft,
) -> list[Header]:
    names: dict[int, tuple[Phrase, ...]] = {
        column: by_colour[curve.colour].lines
        for column, curve in enumerate(curves)
        if curve.colour in by_colour
    }
    if not names:
        free = [
            (index, phrase)
            for index, phrase in enumerate(printed.phrases)
            if index not in draft.used
            and phrase.number is None
            and phrase.tilt == "level"
            and phrase.rect.touches(draft.plot, printed.height)
        ]
        colours = [curve.colour for curve in curves]
        told = in_colour(painting, free, colours, draft.plot, printed.height)
        for column, curve in enumerate(curves):
            lines = told.get(curve.colour) or _at_end(free, curve, draft.plot, printed.height)
            if lines and len(curves) > 1:
                names[column] = tuple(phrase for _, phrase in lines)
                draft.used |= {index for index, _ in lines}
    if len(curves) == 1 and not names:
        return [Header("")]
    return [
        header(printed, names.get(column, ()), colour=name_of(painting.colours[curve.colour]))
        for column, curve in enumerate(curves)
    ]


def _at_end(
    free: Sequence[tuple[int, Phrase]], curve: Curve, plot: Rect, height: float
) -> tuple[tuple[int, Phrase], ...]:
    """The phrase behind the end of a line, or in front of its beginning."""
    where = np.flatnonzero(np.isfinite(curve.middle))
    for place, behind in ((int(where[-1]), True), (int(where[0]), False)):
        x, y = plot.x0 + place, float(curve.middle[place])
        near = [
            (abs(phrase.rect.y - y), index, phrase)
            for index, phrase in free
            if abs(phrase.rect.y - y) <= height
            and -0.5 * height
            <= (phrase.rect.x0 - x if behind else x - phrase.rect.x1)
            <= 5 * height
        ]
        if near:
            _, index, phrase = min(near, key=lambda found: found[:2])
            return ((index, phrase),)
    return ()
