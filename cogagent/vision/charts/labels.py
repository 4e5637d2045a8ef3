"""Labels of categories: which words name which bar, group or point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cogagent.vision.charts.phrases import Phrase, Print
from cogagent.vision.charts.rects import around

_REACH = 0.62
"""How far the middle of a label is from its category, in the pitch of categories."""
_NEXT_LINE = 0.4
"""Widest space between two lines of a label, in heights of a line."""
_FIRST_LINE = 1.0
_EVEN = 0.12
"""Words so evenly spaced, as a part of the space, are each a label."""
_MOST_GAPS = 60
_FAR = 4.0
"""How far the first line stands from the plot, in heights of a line."""


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of categories.

    Attributes:
        names: The lines of each category's label; none where it has none.
        sections: The lines of the heading that each category stands under.
        extra: Labels where no category is: one whose bar is too short to be seen,
            each with its middle.
        used: Phrases that are labels or headings.
    """

    names: tuple[tuple[Phrase, ...], ...]
    sections: tuple[tuple[Phrase, ...], ...]
    extra: tuple[tuple[float, tuple[Phrase, ...]], ...]
    used: frozenset[int]


def label_columns(
    printed: Print, centres: Sequence[float], pitch: float, bottom: float, skip: frozenset[int]
) -> Labels:
    """Labels below categories that stand side by side.

    Args:
        printed: All that is printed.
        centres: Middles of the categories, x.
        pitch: From one to the next.
        bottom: Where the plot ends, y.
        skip: Phrases (by index) that are something else.
    """
    height = printed.height
    below, first = _first(printed, min(centres) - pitch, max(centres) + pitch, bottom, skip)
    if not first:
        return _nothing(len(centres))
    slanted = any(printed.phrases[index].tilt in ("rising", "falling") for index in first)
    lines = [first]
    reach = max(printed.phrases[index].rect.y1 for index in first)
    while not slanted and len(lines) < 5:
        more = [
            index
            for index in below
            if index not in {i for line in lines for i in line}
            and -0.5 * height <= printed.phrases[index].rect.y0 - reach <= _NEXT_LINE * height
        ]
        if not more:
            break
        lines.append(more)
        reach = max(printed.phrases[index].rect.y1 for index in more)
    parts = [
        (index, part)
        for line in lines
        for index in line
        for part in _cut(printed.phrases[index], centres, pitch)
    ]
    places = np.array([part.anchor for _, part in parts])
    shift = _shift(places, np.asarray(centres), pitch) if slanted else 0.0
    return _assign(parts, places - shift, centres, pitch, several=True)


def first_line(
    printed: Print, low: float, high: float, bottom: float, skip: frozenset[int]
) -> tuple[list[float], bool]:
    """Where, x, the labels below a plot stand, and whether they are slanted.

    Args:
        printed: All that is printed.
        low: Left edge of the plot.
        high: Right edge.
        bottom: Where it ends, y.
        skip: Phrases (by index) that are something else.
    """
    _, first = _first(printed, low, high, bottom, skip)
    phrases = [printed.phrases[index] for index in first]
    slanted = any(phrase.tilt in ("rising", "falling") for phrase in phrases)
    if slanted:
        phrases = [phrase for phrase in phrases if phrase.tilt != "level"]
    if not slanted and (even := _evenly(phrases)):
        return even, False
    return [phrase.anchor for phrase in phrases], slanted


def _evenly(phrases: Sequence[Phrase]) -> list[float]:
    """Middles of labels in a line that nearly touch: cut where that makes them most even."""
    words = sorted((rect for phrase in phrases for rect in phrase.rects), key=lambda r: r.x0)
    if len(words) < 4 or len(words) == len(phrases):
        return []
    gaps = np.array([after.x0 - word.x1 for word, after in itertools.pairwise(words)])
    best, least = [], _EVEN
    for width in np.unique(gaps)[:_MOST_GAPS].tolist():
        cuts = [0, *(np.flatnonzero(gaps >= width) + 1).tolist(), len(words)]
        middles = [
            (words[start].x0 + words[end - 1].x1) / 2 for start, end in itertools.pairwise(cuts)
        ]
        if len(middles) < 4 or len(middles) < len(phrases):
            continue
        steps = np.diff(middles)
        uneven = float(np.std(steps)) / max(float(np.mean(steps)), 1e-9)
        if uneven < least:
            best, least = middles, uneven
    return best


def _first(
    printed: Print, low: float, high: float, bottom: float, skip: frozenset[int]
) -> tuple[list[int], list[int]]:
    """What stands below a plot, and the first line of it."""
    height = printed.height
    below = [
        index
        for index, phrase in enumerate(printed.phrases)
        if index not in skip
        and phrase.tilt != "upright"
        and phrase.rect.y0 >= bottom - 0.5 * height
        and phrase.rect.y0 <= bottom + _FAR * height + 0.1 * printed.size[1]
        and low <= phrase.anchor <= high
    ]
    if not below:
        return [], []
    top = min(printed.phrases[index].rect.y0 for index in below)
    slanted = sum(printed.phrases[index].tilt != "level" for index in below) > len(below) / 2
    reach = top + (2 if slanted else 1) * _FIRST_LINE * height
    return below, [index for index in below if printed.phrases[index].rect.y0 <= reach]


def label_rows(
    printed: Print, centres: Sequence[float], pitch: float, edge: float, skip: frozenset[int]
) -> Labels:
    """Labels on the left of categories that stand below each other.

    Args:
        printed: All that is printed.
        centres: Middles of the categories, y.
        pitch: From one to the next.
        edge: Where the bars begin, x.
        skip: Phrases (by index) that are something else.
    """
    height = printed.height
    low, high = min(centres) - 1.6 * pitch, max(centres) + 0.7 * pitch
    left = [
        index
        for index, phrase in enumerate(printed.phrases)
        if index not in skip
        and phrase.tilt == "level"
        and phrase.rect.x1 <= edge + 0.6 * height
        and low <= phrase.rect.y <= high
    ]
    left = _without_values(printed, left, height)
    parts = [(index, printed.phrases[index]) for index in left]
    places = np.array([part.rect.y for _, part in parts])
    found = _assign(parts, places, centres, pitch, several=False)
    return _with_sections(found, printed, left, centres, edge)


def _without_values(printed: Print, left: Sequence[int], height: float) -> list[int]:
    """Drops a number at the end of a bar whose row has another label further left."""
    kept = []
    for index in left:
        phrase = printed.phrases[index]
        beside = any(
            other != index
            and abs(printed.phrases[other].rect.y - phrase.rect.y) < 0.5 * height
            and printed.phrases[other].rect.x1 <= phrase.rect.x0
            for other in left
        )
        if phrase.number is None or not beside:
            kept.append(index)
    return kept


def _nothing(count: int) -> Labels:
    return Labels(((),) * count, ((),) * count, (), frozenset())


def _shift(places: NDArray[np.float64], centres: NDArray[np.float64], pitch: float) -> float:
    """How far slanted labels stand from their categories, all alike."""
    away = places[:, None] - centres[None]
    nearest = away[np.arange(len(places)), np.abs(away).argmin(axis=1)]
    return float(np.median(nearest)) if np.abs(nearest).max(initial=0) < pitch else 0.0


def _cut(phrase: Phrase, centres: Sequence[float], pitch: float) -> list[Phrase]:
    """A phrase that runs over several categories, cut between its words."""
    if phrase.tilt != "level" or phrase.rect.width < 1.15 * pitch or len(phrase.words) < 2:
        return [phrase]
    middles = np.asarray(centres)
    owners = [int(np.abs(middles - rect.x).argmin()) for rect in phrase.rects]
    if len(set(owners)) < 2:
        return [phrase]
    gaps = [b.x0 - a.x1 for a, b in zip(phrase.rects, phrase.rects[1:], strict=False)]
    parts, start = [], 0
    for owner in range(owners[0], owners[-1]):
        near = [
            (gaps[at - 1] - 0.5 * abs(_border(middles, owner) - _gap_at(phrase, at)), at)
            for at in range(start + 1, len(owners))
        ]
        if not near:
            break
        at = max(near)[1]
        parts.append(_slice(phrase, start, at))
        start = at
    parts.append(_slice(phrase, start, len(owners)))
    return parts


def _border(middles: NDArray[np.float64], owner: int) -> float:
    return float(middles[owner] + middles[owner + 1]) / 2


def _gap_at(phrase: Phrase, at: int) -> float:
    return (phrase.rects[at - 1].x1 + phrase.rects[at].x0) / 2


def _slice(phrase: Phrase, start: int, end: int) -> Phrase:
    texts = phrase.text.split(" ")
    rects = phrase.rects[start:end]
    text = " ".join(texts[start:end]) if len(texts) == len(phrase.rects) else phrase.text
    span = None
    if phrase.span and len(texts) == len(phrase.rects):
        begin = phrase.span[0] + sum(len(word) + 1 for word in texts[:start])
        span = (begin, begin + len(text))
    return Phrase(text, around(rects), phrase.words[start:end], rects, span, phrase.tilt, None)


def _assign(
    parts: Sequence[tuple[int, Phrase]],
    places: NDArray[np.float64],
    centres: Sequence[float],
    pitch: float,
    *,
    several: bool,
) -> Labels:
    middles = np.asarray(centres)
    names: list[list[Phrase]] = [[] for _ in centres]
    used: set[int] = set()
    extra: list[tuple[float, tuple[Phrase, ...]]] = []
    for (index, part), place in zip(parts, places.tolist(), strict=True):
        nearest = int(np.abs(middles - place).argmin())
        if abs(middles[nearest] - place) <= _REACH * pitch:
            names[nearest].append(part)
            used.add(index)
        elif several or (min(centres) < place < max(centres)):
            extra.append((place, (part,)))
    return Labels(tuple(map(_ordered, names)), ((),) * len(centres), tuple(extra), frozenset(used))


def _ordered(name: list[Phrase]) -> tuple[Phrase, ...]:
    """The parts of a label line by line."""
    lines: list[list[Phrase]] = []
    for part in sorted(name, key=lambda part: part.rect.y):
        if lines and part.rect.y - lines[-1][0].rect.y < 0.5 * part.rect.height:
            lines[-1].append(part)
        else:
            lines.append([part])
    return tuple(p for line in lines for p in sorted(line, key=lambda part: part.rect.x0))


def _with_sections(
    found: Labels, printed: Print, left: Sequence[int], centres: Sequence[float], edge: float
) -> Labels:
    """Lines between rows that name no row are headings of the rows below."""
    sections: list[tuple[Phrase, ...]] = [()] * len(centres)
    extra = []
    used = set(found.used)
    for place, lines in found.extra:
        of_row = _in_line(lines[0], found.names, printed.height)
        if lines[0].number is not None or of_row or _has_value(printed, lines[0], edge):
            extra.append((place, lines))
            continue
        used |= {index for index in left if printed.phrases[index] is lines[0]}
        for row, centre in enumerate(centres):
            if centre > place:
                sections[row] = lines
    return Labels(found.names, tuple(sections), tuple(extra), frozenset(used))


def _in_line(label: Phrase, names: Sequence[Sequence[Phrase]], height: float) -> bool:
    """Whether a label is set to the same edge as those of the rows; a heading is not."""
    lines = [line.rect for name in names for line in name]
    if len(lines) < 3:
        return False
    right, left = ([rect.x1 for rect in lines], [rect.x0 for rect in lines])
    edge, own = (right, label.rect.x1) if np.std(right) <= np.std(left) else (left, label.rect.x0)
    return bool(np.std(right) < np.std(left)) and abs(float(np.median(edge)) - own) <= 0.3 * height


def _has_value(printed: Print, label: Phrase, edge: float) -> bool:
    """Whether a value stands where a label's bar would begin: it is too short to be seen."""
    height = printed.height
    return any(
        phrase.number is not None
        and abs(phrase.rect.y - label.rect.y) < 1.2 * height
        and -0.5 * height <= phrase.rect.x0 - edge <= 3 * height
        for phrase in printed.phrases
    )
