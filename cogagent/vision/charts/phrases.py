"""OCR words into phrases: what was set in one go, level, upright or slanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from cogagent.geometry import in_pixels
from cogagent.grid import Place
from cogagent.types import Words
from cogagent.vision.charts.numbers import Number, goes_on, number_of
from cogagent.vision.charts.rects import Rect, around

Tilt = Literal["level", "upright", "rising", "falling"]

_MOST_WORDS = 1200
"""Of a picture with more words only the first are looked at."""
_SPACE = 0.68
"""Widest space between words of a phrase, in heights of a line."""
_CORNER = 1.1
"""How near the corners of slanted words are, in heights of a line."""
_GLUE = 0.16
"""Pieces of an upright word are nearer than words, in heights of a line."""
_SLANTED = 1.6
"""A box so many times as high as a line, and not much narrower, holds a slanted word."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that were set in one go.

    Attributes:
        text: Joined with spaces.
        rect: Around them.
        words: Their indices, in reading order.
        rects: Of each.
        span: First character and end, if they are together in the text.
        tilt: How they run.
        number: If it is one.
    """

    text: str
    rect: Rect
    words: tuple[int, ...]
    rects: tuple[Rect, ...]
    span: tuple[int, int] | None
    tilt: Tilt
    number: Number | None

    @property
    def anchor(self) -> float:
        """The x of the place that it names from below: a slanted one ends, or begins, there."""
        side = min(self.rects[0].height, self.rect.height) * 0.25
        if self.tilt == "rising":
            return self.rect.x1 - side
        return self.rect.x0 + side if self.tilt == "falling" else self.rect.x


@dataclass(frozen=True, slots=True)
class Print:
    """All that is printed in a chart.

    Attributes:
        phrases: In reading order.
        height: Of a usual line, in pixels; 0 if there are none.
        size: Width and height of the picture in pixels.
    """

    phrases: tuple[Phrase, ...]
    height: float
    size: tuple[int, int]

    def place(self, phrases: Phrase | Sequence[Phrase]) -> Place:
        """Phrases, a line each, as a place."""
        lines = [phrases] if isinstance(phrases, Phrase) else list(phrases)
        spans = [line.span for line in lines]
        span = None
        if spans and all(spans):
            ordered = [found for found in spans if found]
            together = all(0 <= b[0] - a[1] <= 1 for a, b in pairwise(ordered))
            span = (ordered[0][0], ordered[-1][1]) if together else None
        text = " ".join(line.text for line in lines)
        return Place(text, tuple(line.rect.fraction(self.size) for line in lines), span)

    def mark(self, rect: Rect) -> Place:
        """A drawn mark as a place."""
        return Place("", (rect.fraction(self.size),))


def read_print(text: str, words: Words, size: tuple[int, int]) -> Print:
    """The phrases of a picture of ``size``."""
    boxes = np.nan_to_num(np.asarray(words.boxes[:_MOST_WORDS], np.float64)).clip(0.0, 1.0)
    rects = [Rect(*box) for box in in_pixels(boxes, size).tolist()]
    spans = words.spans[:_MOST_WORDS].tolist()
    return print_of([text[start:end] for start, end in spans], spans, rects, size)


def print_of(
    texts: list[str], spans: list[list[int]], rects: list[Rect], size: tuple[int, int]
) -> Print:
    """The phrases of words, each with its characters and its place in pixels."""
    if not rects:
        return Print((), 0.0, size)
    height = _line_height(rects)
    tilts = [_tilt(found, rect, height) for found, rect in zip(texts, rects, strict=True)]
    phrases = []
    for group, tilt in _groups(texts, rects, tilts, height):
        phrases += [
            _phrase(part, tilt, texts, rects, spans, height) for part in _split(group, texts)
        ]
    return Print(tuple(phrases), height, size)


def _line_height(rects: Sequence[Rect]) -> float:
    """Of a usual line; boxes of slanted words are higher than their line."""
    level = [rect.height for rect in rects if rect.width > 1.4 * rect.height]
    sides = level if len(level) > 2 else [min(rect.width, rect.height) for rect in rects]
    return max(float(np.median(sides)), 1.0)


def _tilt(text: str, rect: Rect, height: float) -> Tilt:
    narrow = rect.height > 1.5 * rect.width
    if narrow and len(text) > 2 and rect.height > 1.25 * height and rect.width > 0.5 * height:
        return "upright"
    slanted = rect.height > _SLANTED * height and len(text) > 2
    if slanted and rect.height > 0.45 * rect.width:
        return "rising"
    return "level"


def _groups(
    texts: list[str], rects: list[Rect], tilts: list[Tilt], height: float
) -> Iterator[tuple[list[int], Tilt]]:
    """Words that go on, and how: each with the last of a few that were open."""
    steps = [_step(word, after, height) for word, after in pairwise(rects)]
    rare: Tilt = "falling" if steps.count("rising") >= steps.count("falling") else "rising"
    group: list[int] = []
    tilt: Tilt = "level"
    for index in range(len(rects)):
        if group:
            step = steps[index - 1] if steps[index - 1] != rare else None  # one chart, one slant
            same = step is not None and (
                len(group) == 1 or step == tilt or (step == "level" and tilt == "level")
            )
            low = [
                rects[at].height < 1.35 * height and _is_number(texts[at])
                for at in (group[-1], index)
            ]
            if (step == "falling" and any(low)) or (step == "rising" and low[1]):
                same = False  # the last tick of an axis and the first label below
            if same and step is not None and _may(step, tilts[group[-1]], tilts[index]):
                group.append(index)
                tilt = step
                continue
            yield group, tilt if len(group) > 1 else tilts[group[0]]
        group, tilt = [index], tilts[index]
    if group:
        yield group, tilt if len(group) > 1 else tilts[group[0]]


def _may(step: Tilt, before: Tilt, after: Tilt) -> bool:
    """Slanted words go on aslant, level ones level; a short word fits each."""
    if step == "level":
        return before == after == "level"
    if step == "upright":
        return "rising" not in (before, after)
    return "rising" in (before, after)


def _step(word: Rect, after: Rect, height: float) -> Tilt | None:
    """How a word goes on in the next, if it does."""
    corner = _CORNER * height
    shared = min(word.y1, after.y1) - max(word.y0, after.y0)
    smaller = max(min(word.height, after.height), 1e-9)
    space = _SPACE * max(height, min(word.height, after.height) if not _steep(word, after) else 0)
    if shared > 0.5 * smaller and -0.5 * height <= after.x0 - word.x1 <= space:
        return "level"
    if abs(after.x0 - word.x1) < corner:
        if abs(after.y1 - word.y0) < corner:
            return "rising"
        if abs(after.y0 - word.y1) < corner and after.height > _SLANTED * height:
            return "falling"
    across = min(word.x1, after.x1) - max(word.x0, after.x0)
    if across > 0.6 * min(word.width, after.width) and max(word.width, after.width) < 2 * height:
        gap = max(word.y0 - after.y1, after.y0 - word.y1)
        tall = any(rect.height > 1.2 * max(rect.width, 0.7 * height) for rect in (word, after))
        if tall and -0.3 * height <= gap <= _SPACE * height:
            return "upright"
    return None


def _steep(word: Rect, after: Rect) -> bool:
    """Whether two words may be slanted: they are about as high as wide."""
    return word.height > 0.6 * word.width and after.height > 0.6 * after.width


def _split(group: list[int], texts: list[str]) -> Iterator[list[int]]:
    """Numbers side by side are each their own; thousands with a space are one."""
    part: list[int] = []
    for index in group:
        if part and _is_number(texts[index]) and _all_numbers(part, texts):
            joined = " ".join(texts[word] for word in part)
            if not goes_on(joined, texts[index]):
                yield part
                part = []
        part.append(index)
    if part:
        yield part


def _all_numbers(part: list[int], texts: list[str]) -> bool:
    return all(_is_number(texts[word]) for word in part)


def _is_number(text: str) -> bool:
    return number_of(text) is not None


def _phrase(
    part: list[int],
    tilt: Tilt,
    texts: list[str],
    rects: list[Rect],
    spans: list[list[int]],
    height: float,
) -> Phrase:
    text = texts[part[0]]
    for before, after in pairwise(part):
        gap = height
        if tilt == "upright":
            gap = max(rects[before].y0 - rects[after].y1, rects[after].y0 - rects[before].y1)
        text += texts[after] if gap < _GLUE * height else f" {texts[after]}"
    together = all(spans[after][0] - spans[before][1] <= 1 for before, after in pairwise(part))
    span = (spans[part[0]][0], spans[part[-1]][1]) if together else None
    own = tuple(rects[index] for index in part)
    number = None if tilt == "upright" else number_of(text)
    return Phrase(text, around(own), tuple(part), own, span, tilt, number)
