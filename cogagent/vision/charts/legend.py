"""Names of series: words behind swatches, words in a series' colour, words at its marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.vision.charts.paint import NONE, Painting
from cogagent.vision.charts.phrases import Phrase, Print
from cogagent.vision.charts.rects import Rect, around

_BEFORE = 3.5
"""How far in front of a phrase its swatch is looked for, in heights of the line."""
_LEAST, _MOST = 0.2, 3.0
"""Width of a swatch, in heights of the line."""
_NEAR = 1.3
"""Widest space between a swatch and its words, in heights of the line."""
_LIKE = 45.0
"""Of 255, in any channel: a swatch this near to a series has its colour."""
_GREY = 25.0
"""Least difference of the channels of a colour that names a series; most print is grey."""
_NEXT_LINE = 0.5
_FILLED = 0.55
"""Least part of its rectangle that a swatch fills; a ring or letter has less."""
_RUNS = 6
_BULLETS = "\u25cf\u2022\u25a0\u25aa\u00b7\u25cb\u25c6\u25c7\u25a1 "


class Entry(NamedTuple):
    """A name in a legend.

    Attributes:
        colour: Index of its swatch's colour.
        swatch: Where that is.
        lines: Of the name.
        indices: Of the phrases.
    """

    colour: int
    swatch: Rect
    lines: tuple[Phrase, ...]
    indices: tuple[int, ...]


def find_entries(
    painting: Painting, printed: Print, marks: Sequence[Rect], skip: frozenset[int] = frozenset()
) -> list[Entry]:
    """Phrases with a free-standing swatch in front, in reading order.

    Args:
        painting: The picture as it is.
        printed: All that is printed.
        marks: Bars and the like, which are no swatches.
        skip: Phrases that are ticks or labels of categories.
    """
    found: list[Entry] = []
    level = [(i, phrase) for i, phrase in enumerate(printed.phrases) if phrase.tilt == "level"]
    edges = np.array([phrase.rect for _, phrase in level], np.float64).reshape(-1, 4)
    inside = around(marks) if marks else None
    for index, phrase in level:
        if index in skip:
            continue
        if phrase.number is not None and inside is not None and phrase.rect.touches(inside):
            continue  # a value beside a bar that is as small as a swatch
        phrase = _without_bullet(phrase)
        swatch = _swatch(painting, phrase, edges)
        if swatch and not any(swatch[1].touches(mark) for mark in marks):
            found.append(Entry(swatch[0], swatch[1], (phrase,), (index,)))
    taken = {entry.indices[0] for entry in found} | skip
    return [_whole(entry, level, taken, printed.height) for entry in found]


def _without_bullet(phrase: Phrase) -> Phrase:
    """A phrase whose first letter is a swatch that was read as a dot, without it."""
    text = phrase.text.lstrip(_BULLETS)
    if text == phrase.text or not text:
        return phrase
    first = phrase.rects[0]
    left = min(first.x0 + 0.95 * first.height, first.x1)
    rects = (first._replace(x0=left), *phrase.rects[1:])
    span = (phrase.span[1] - len(text), phrase.span[1]) if phrase.span else None
    return replace(phrase, text=text, rect=phrase.rect._replace(x0=left), rects=rects, span=span)


def _swatch(
    painting: Painting, phrase: Phrase, edges: NDArray[np.float64]
) -> tuple[int, Rect] | None:
    """Colour and place of the swatch in front of a phrase, if there is one."""
    rect = phrase.rect
    height = phrase.rects[0].height
    beside = (edges[:, 1] < rect.y1) & (edges[:, 3] > rect.y0) & (edges[:, 2] <= rect.x0 + 1)
    before = edges[beside, 2]
    reach = max(rect.x0 - _BEFORE * height, float(before.max(initial=-np.inf)) + 1, 0.0)
    strip = Rect(reach, rect.y0 - 0.4 * height, rect.x0 - 0.05 * height, rect.y1 + 0.4 * height)
    if strip.width < 3:
        return None
    rows, columns = painting.cut(strip)
    part = painting.index[rows, columns]
    if min(part.shape) < 3:
        return None
    counts = np.bincount(part.ravel(), minlength=256)
    counts[0] = counts[NONE] = 0
    colour = int(counts.argmax())
    if counts[colour] < 4:
        return None
    mask = part == colour
    used = np.flatnonzero(mask.any(axis=0))
    # The run of columns that is nearest to the words; a line with a marker is one.
    breaks = np.flatnonzero(np.diff(used) > 2)
    starts, ends = np.r_[used[0], used[breaks + 1]], np.r_[used[breaks], used[-1]]
    for first, last in list(zip(starts.tolist(), ends.tolist(), strict=True))[:-_RUNS:-1]:
        found = _solid(mask[:, first : last + 1], height / painting.step)
        free = first > 0 or columns.start == 0
        near = (part.shape[1] - last) * painting.step <= _NEAR * height
        if found and free and near:
            step = painting.step
            left, top = (columns.start + first) * step, (rows.start + found[0]) * step
            right, bottom = (columns.start + last + 1) * step, (rows.start + found[1]) * step
            return colour, Rect(left, top, right, bottom)
    return None


def _solid(mask: NDArray[np.bool_], height: float) -> tuple[int, int] | None:
    """First row and end of a run of columns, if it is a swatch: a spot, or a line."""
    inked = np.flatnonzero(mask.any(axis=1))
    top, bottom = int(inked[0]), int(inked[-1]) + 1
    wide, high = mask.shape[1], bottom - top
    free = top > 0 and bottom < len(mask)
    if not (free and _LEAST * height <= wide <= _MOST * height):
        return None
    through = wide > 1.2 * high and bool(mask.any(axis=0).all())  # a line, maybe with a marker
    return (top, bottom) if through or mask[top:bottom].mean() >= _FILLED else None


def _whole(
    entry: Entry, level: Sequence[tuple[int, Phrase]], taken: set[int], height: float
) -> Entry:
    """An entry with the lines below that go on with it."""
    lines, indices = list(entry.lines), list(entry.indices)
    for index, phrase in level:
        last = lines[-1].rect
        under = -0.3 * height <= phrase.rect.y0 - last.y1 <= _NEXT_LINE * height
        if (
            index not in taken
            and under
            and abs(phrase.rect.x0 - last.x0) <= 0.5 * height
            and phrase.number is None
            and len(lines) < 4
        ):
            lines.append(phrase)
            indices.append(index)
    return entry._replace(lines=tuple(lines), indices=tuple(indices))


def of_colours(
    entries: Sequence[Entry], colours: Sequence[int], painting: Painting
) -> dict[int, Entry]:
    """The entry of each colour, one to one, the most alike first."""
    pairs = sorted(
        (
            float(np.abs(painting.colours[entry.colour] - painting.colours[colour]).max()),
            place,
            colour,
        )
        for place, entry in enumerate(entries)
        for colour in set(colours)
    )
    found: dict[int, Entry] = {}
    taken: set[int] = set()
    for apart, place, colour in pairs:
        if apart <= _LIKE and place not in taken and colour not in found:
            found[colour] = entries[place]
            taken.add(place)
    return found


def ink(painting: Painting, phrase: Phrase) -> NDArray[np.float64] | None:
    """The colour that a phrase is printed in."""
    colour = painting.main_colour(phrase.rect)
    return None if colour is None else painting.colours[colour]


def in_colour(
    painting: Painting,
    phrases: Sequence[tuple[int, Phrase]],
    colours: Sequence[int],
    plot: Rect,
    height: float,
) -> dict[int, tuple[tuple[int, Phrase], ...]]:
    """Phrases printed in the colour of a series: its name, as far as they stand together."""
    alike: dict[int, list[tuple[int, Phrase]]] = {}
    for index, phrase in phrases:
        own = ink(painting, phrase)
        if own is None or float(np.ptp(own)) < _GREY:
            continue
        apart = [float(np.abs(painting.colours[colour] - own).max()) for colour in colours]
        best = int(np.argmin(apart))
        if apart[best] <= _LIKE:
            alike.setdefault(colours[best], []).append((index, phrase))
    found = {}
    for colour, lines in alike.items():
        # From the line that is nearest to the marks, away from them.
        rest = sorted(lines, key=lambda line: _away(line[1].rect, plot))
        name = [rest[0]]
        for line in rest[1:]:
            if any(_goes_on(line[1], other, height) for _, other in name) or any(
                _goes_on(other, line[1], height) for _, other in name
            ):
                name.append(line)
        found[colour] = tuple(sorted(name, key=lambda line: line[1].rect.y))
    return found


def _away(rect: Rect, plot: Rect) -> float:
    """How far a line stands above or below a plot."""
    return max(plot.y0 - rect.y1, rect.y0 - plot.y1, 0.0)


def _goes_on(line: Phrase, after: Phrase, height: float) -> bool:
    gap = after.rect.y0 - line.rect.y1
    across = min(line.rect.x1, after.rect.x1) - max(line.rect.x0, after.rect.x0)
    return -0.5 * height <= gap <= 0.5 * height and across > 0
