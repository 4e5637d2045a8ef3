"""Reads pies and rings: sectors by their colour, values and names by where they stand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cogagent.grid import Cell, Header
from cogagent.vision.charts.draft import Draft, header
from cogagent.vision.charts.legend import find_entries, of_colours
from cogagent.vision.charts.numbers import Number, number_of
from cogagent.vision.charts.paint import NONE, Painting
from cogagent.vision.charts.phrases import Phrase, Print
from cogagent.vision.charts.rects import Rect, around

_LEAST = 0.16
"""Least width of a pie, as a part of the picture's shorter side."""
_BINS = 720
_RADII = (0.72, 0.8, 0.87, 0.93)
_ROUND, _FREE = 0.9, 0.7
"""Parts of two circles, just inside and outside the edge, that are painted, and are not."""
_THIN = 3
"""A sector of fewer bins is a line between two."""
_FAR = 1.9
"""How far from the middle a label stands, in radii."""


@dataclass(frozen=True, slots=True)
class Sector:
    """A sector; angles in bins, clockwise from the top."""

    colour: int
    start: int
    count: int

    @property
    def middle(self) -> float:
        """Its middle, in bins."""
        return (self.start + self.count / 2) % _BINS

    @property
    def share(self) -> float:
        """Of the whole, 0 to 1."""
        return self.count / _BINS


@dataclass(frozen=True, slots=True)
class _Value:
    """A printed value with the words that stand by it."""

    phrase: Phrase
    index: int
    number: Number
    names: tuple[Phrase, ...]
    used: tuple[int, ...]


def read_pie(painting: Painting, printed: Print) -> Draft | None:
    """A pie or ring, if the chart is one.

    Args:
        painting: The picture as it is.
        printed: All that is printed.
    """
    circle = _circle(painting)
    if circle is None:
        return None
    words = [rect for phrase in printed.phrases for rect in phrase.rects]
    sectors = _sectors(painting.filled(words), circle)
    if len(sectors) < 2:
        return None
    entries = find_entries(painting, printed, [circle])
    by_colour = of_colours(entries, [sector.colour for sector in sectors], painting)
    if len(by_colour) < 2:
        by_colour = {}
    used = {index for entry in by_colour.values() for index in entry.indices}
    values = _values(printed, circle, used)
    owners = _match(values, sectors, circle)
    draft = Draft("pie", [], [Header("")], {}, used, circle)
    taken = {index for value in values for index in value.used}
    spare = _names_alone(printed, circle, used | taken, sectors, owners)
    for row, sector in enumerate(sectors):
        value = values[owners[row]] if row in owners else None
        names = by_colour[sector.colour].lines if sector.colour in by_colour else ()
        if not names and value is not None:
            names = value.names
        if not names and row in spare:
            names = (printed.phrases[spare[row]],)
            draft.used.add(spare[row])
        draft.rows.append(header(printed, names))
        if value is None:
            error = 100 * 2 / _BINS + 0.3
            mark = printed.mark(_box(circle, sector))
            draft.cells[row, 0] = Cell(mark, round(100 * sector.share, 1), error)
        else:
            draft.cells[row, 0] = Cell(printed.place(value.phrase), value.number.value)
            draft.used |= set(value.used)
    named = sum(bool(row.text) for row in draft.rows) / len(draft.rows)
    draft.fits = [0.3 + 0.7 * named, 0.5 + 0.5 * len(owners) / len(sectors)]
    return draft


def _circle(painting: Painting) -> Rect | None:
    """The square around a large disc or ring that is painted in several colours."""
    import cv2

    mask = (painting.index != 0).view(np.uint8)
    thick = max(int(3 / painting.step), 1) * 2 + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thick, thick))
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    solid = np.asarray(cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel), np.uint8)
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    high, wide = painting.index.shape
    best: Rect | None = None
    for x, y, width, height in map(cv2.boundingRect, outlines):
        even = 0.93 <= width / height <= 1.07
        large = width >= _LEAST * min(high, wide) and width >= 24
        if not (even and large):
            continue
        area = cv2.countNonZero(solid[y : y + height, x : x + width])
        if not 0.25 <= area / (width * height) <= 0.84:
            continue
        rect = Rect(x, y, x + width, y + height)
        if _is_round(painting, solid, rect) and (best is None or rect.width > best.width):
            best = rect
    return Rect(*(value * painting.step for value in best)) if best else None


def _is_round(painting: Painting, solid: NDArray[np.uint8], rect: Rect) -> bool:
    inner = _ring(solid, rect, 0.93) > 0
    outer = _ring(solid, rect, 1.1) == 0
    colours = _ring(painting.index, rect, 0.85)
    several = len(np.unique(colours[(colours != 0) & (colours != NONE)])) > 1
    return bool(several and inner.mean() >= _ROUND and outer.mean() >= _FREE)


def _ring(index: NDArray[np.uint8], rect: Rect, radius: float) -> NDArray[np.uint8]:
    """What is on a circle, by bin, clockwise from the top."""
    angle = (np.arange(_BINS) + 0.5) * (2 * np.pi / _BINS)
    x = rect.x + radius * rect.width / 2 * np.sin(angle)
    y = rect.y - radius * rect.height / 2 * np.cos(angle)
    high, wide = index.shape
    rows, columns = np.clip(y, 0, high - 1).astype(int), np.clip(x, 0, wide - 1).astype(int)
    return np.asarray(index[rows, columns])


def _sectors(painting: Painting, circle: Rect) -> list[Sector]:
    scaled = Rect(*(value / painting.step for value in circle))
    rings = np.stack([_ring(painting.index, scaled, radius) for radius in _RADII])
    counts = np.stack([(rings == c).sum(axis=0) for c in range(len(painting.colours))])
    counts[0] = 0
    bins = np.where(counts.max(axis=0) >= 2, counts.argmax(axis=0), 0)
    if not bins.any():
        return []
    runs = [run for run in _runs(bins) if run.colour and run.count >= _THIN]
    return _without_gaps(runs)


def _runs(bins: NDArray[np.intp]) -> list[Sector]:
    edges = np.flatnonzero(bins != np.roll(bins, 1))
    if not len(edges):
        return [Sector(int(bins[0]), 0, _BINS)]
    lengths = np.diff(np.r_[edges, edges[0] + _BINS])
    return [
        Sector(int(bins[start]), int(start), int(length))
        for start, length in zip(edges.tolist(), lengths.tolist(), strict=True)
    ]


def _without_gaps(runs: Sequence[Sector]) -> list[Sector]:
    """The lines between sectors shared by both; the pieces of one put together."""
    joined: list[Sector] = []
    for run in runs:
        last = joined[-1] if joined else None
        gap = run.start - (last.start + last.count) if last else 0
        if last and last.colour == run.colour and gap <= 4 * _THIN:
            joined[-1] = Sector(run.colour, last.start, run.start + run.count - last.start)
        else:
            joined.append(run)
    if len(joined) > 1 and joined[0].colour == joined[-1].colour:
        first, last = joined[0], joined[-1]
        gap = first.start + _BINS - last.start - last.count
        if gap <= 4 * _THIN:
            joined[0] = Sector(first.colour, last.start, last.count + gap + first.count)
            joined.pop()
    whole = sum(run.count for run in joined)
    if whole < 0.8 * _BINS:
        return []
    scaled = []
    for run, after in zip(joined, [*joined[1:], joined[0]], strict=True):
        gap = (after.start - run.start - run.count) % _BINS
        scaled.append(Sector(run.colour, run.start, run.count + (gap if gap < 0.1 * _BINS else 0)))
    scaled.sort(key=lambda run: run.start)
    return scaled


def _values(printed: Print, circle: Rect, skip: set[int]) -> list[_Value]:
    """The values around and on a pie, each with its name."""
    height, radius = printed.height, circle.width / 2
    near = [
        (index, phrase)
        for index, phrase in enumerate(printed.phrases)
        if index not in skip
        and phrase.tilt == "level"
        and abs(phrase.rect.y - circle.y) <= radius + 4 * height
        and (abs(phrase.rect.x - circle.x) <= _FAR * radius + phrase.rect.width / 2)
    ]
    found, lines = [], []
    for index, phrase in near:
        first, number, rest = _parted(phrase)
        if number is not None:
            found.append((index, phrase, number, first, rest))
        elif any(letter.isalpha() for letter in phrase.text):
            lines.append((index, phrase))
    taken: set[int] = set()
    values = []
    for index, phrase, number, value, name in found:
        names = [name] if name else []
        used = [index]
        names, used = _with_lines(phrase, names, used, lines, taken, height)
        values.append(_Value(value, index, number, tuple(names), tuple(used)))
    return values


def _parted(phrase: Phrase) -> tuple[Phrase, Number | None, Phrase | None]:
    """A phrase's value, and its name if it has one before or behind it."""
    if phrase.number is not None:
        return phrase, phrase.number, None
    texts = phrase.text.split(" ")
    if len(texts) != len(phrase.words):
        return phrase, None, None
    for split, value, name in (
        (len(texts) - 1, slice(-1, None), slice(None, -1)),
        (1, slice(0, 1), slice(1, None)),
    ):
        number = number_of(" ".join(texts[value]).strip("()"))
        named = any(letter.isalpha() for text in texts[name] for letter in text)
        if number is not None and named and 0 < split < len(texts) + 1:
            return _part(phrase, texts, value, number), number, _part(phrase, texts, name, None)
    return phrase, None, None


def _part(phrase: Phrase, texts: list[str], which: slice, number: Number | None) -> Phrase:
    start, end, _ = which.indices(len(texts))
    while number is None and end - start > 1 and not any(c.isalnum() for c in texts[start]):
        start += 1  # the dot at the end of a leader line
    rects = phrase.rects[start:end]
    text = " ".join(texts[start:end])
    span = None
    if phrase.span:
        begin = phrase.span[0] + sum(len(word) + 1 for word in texts[:start])
        span = (begin, begin + len(text))
    return Phrase(text, around(rects), phrase.words[start:end], rects, span, phrase.tilt, number)


def _with_lines(
    value: Phrase,
    names: list[Phrase],
    used: list[int],
    lines: Sequence[tuple[int, Phrase]],
    taken: set[int],
    height: float,
) -> tuple[list[Phrase], list[int]]:
    """A name with the lines right above it, or, if it has none, below."""
    for above in (True, False):
        edge = value.rect
        grown = bool(names)
        for _ in range(4):
            best = None
            for index, line in lines:
                gap = edge.y0 - line.rect.y1 if above else line.rect.y0 - edge.y1
                across = min(edge.x1, line.rect.x1) - max(edge.x0, line.rect.x0)
                if index not in taken and -0.5 * height <= gap <= 0.7 * height and across > 0:
                    best = index, line
            if best is None or (grown and not above):
                break
            taken.add(best[0])
            used.append(best[0])
            names = [best[1], *names] if above else [*names, best[1]]
            edge = best[1].rect
        if names:
            break
    return names, used


def _match(values: Sequence[_Value], sectors: Sequence[Sector], circle: Rect) -> dict[int, int]:
    """Which value each sector has, by its angle and its share."""
    total = sum(abs(value.number.value) for value in values)
    parts = 100.0 if 80 <= total <= 125 or any(v.number.unit == "%" for v in values) else total
    costs = []
    for number, value in enumerate(values):
        rect = around([value.phrase.rect, *(name.rect for name in value.names)])
        bearing = _bearing(rect, circle)
        for row, sector in enumerate(sectors):
            turn = _turn(bearing, sector)
            beyond = max(turn - sector.count / 2, 0.0) / (_BINS / 12)
            share = abs(abs(value.number.value) / max(parts, 1e-9) - sector.share)
            cost = beyond + 0.2 * turn / (_BINS / 12) + share / 0.02
            if beyond < 1.5 and share < 0.12:
                costs.append((cost, row, number))
    owners: dict[int, int] = {}
    taken: set[int] = set()
    for _, row, number in sorted(costs):
        if row not in owners and number not in taken:
            owners[row] = number
            taken.add(number)
    return owners


def _bearing(rect: Rect, circle: Rect) -> float:
    """The angle, in bins, at which something stands around a pie."""
    x, y = rect.x - circle.x, rect.y - circle.y
    if abs(x) > circle.width / 2:  # beside the pie: the edge that is next to it
        x = math.copysign(max(abs(x) - rect.width / 2, circle.width / 2), x)
    return (math.atan2(x, -y) / (2 * math.pi) * _BINS) % _BINS


def _turn(bearing: float, sector: Sector) -> float:
    """How far an angle is from the middle of a sector, in bins."""
    return abs((bearing - sector.middle + _BINS / 2) % _BINS - _BINS / 2)


def _names_alone(
    printed: Print,
    circle: Rect,
    used: set[int],
    sectors: Sequence[Sector],
    owners: dict[int, int],
) -> dict[int, int]:
    """Names without values, each at the sector it stands by that has no other."""
    pairs = []
    for index, phrase in enumerate(printed.phrases):
        away = max(abs(phrase.rect.x - circle.x) - phrase.rect.width / 2, 0.0)
        near = (
            away <= 1.4 * circle.width / 2 and abs(phrase.rect.y - circle.y) <= circle.height / 2
        )
        if index in used or not near or sum(map(str.isalpha, phrase.text)) < 3:
            continue
        bearing = _bearing(phrase.rect, circle)
        pairs += [
            (_turn(bearing, sector), row, index)
            for row, sector in enumerate(sectors)
            if row not in owners and _turn(bearing, sector) <= sector.count / 2 + _BINS / 24
        ]
    found: dict[int, int] = {}
    for _, row, index in sorted(pairs):
        if row not in found and index not in found.values():
            found[row] = index
    return found


def _box(circle: Rect, sector: Sector) -> Rect:
    """Around a sector's outer part."""
    bins = np.linspace(sector.start, sector.start + sector.count, 9)
    angle = bins * (2 * np.pi / _BINS)
    radius = circle.width / 2
    x = circle.x + np.outer([0.5, 1.0], np.sin(angle)).ravel() * radius
    y = circle.y - np.outer([0.5, 1.0], np.cos(angle)).ravel() * radius
    return Rect(float(x.min()), float(y.min()), float(x.max()), float(y.max()))
