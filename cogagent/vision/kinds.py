"""Tells what kind of picture a picture is, by its pixels and by how its words stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry import in_pixels
from cogagent.types import PictureKind, Raster
from cogagent.vision.ocr import Reading
from cogagent.vision.pixels import is_drawn

Edge = Literal["left", "right", "top", "bottom", "middle"]

_PAGE_WORDS, _PROSE_ROW, _PROSE_SHARE, _PROSE_NUMBERS = 200, 6, 0.6, 0.25
"""A page has so many words, most of them in rows of at least six, and fewer numbers."""
_NUMBER = re.compile(r"[^\w\s]{0,2}\d[\d.,:/\u2013\u2212-]{0,14}[^\w\s]{0,2}[^\W\d_]{0,2}[^\w\s]?")
"""A number with its signs and a short unit: ``$1,250``, ``(3.5)``, ``80%``, ``2000s``."""
_VALUE = re.compile(r"[-\u2212\u2013]?\d+(?:\.\d+)?")
_ALIKE = 0.4
"""Edges this near, in line heights, are in line with each other."""
_SCALE = 4
"""So many numbers that go up by equal steps at equal distances are a scale; twice as
many, or two scales, leave no doubt."""
_NUMBERS, _NUMBER_SHARE, _PERCENTAGES = 5, 0.08, 2
"""What a chart without a scale has at least: numbers, of all words; or percentages."""
_INK, _FAINT_INK, _COLOUR = 0.02, 0.008, 0.01
"""Part of a chart that is drawn and no letters, beside a scale or two, and its colours."""
_TABLE_INK, _TABLE_WORDS, _TABLE_NUMBERS, _IN_LINE = 0.03, 0.2, 0.15, 2
"""Most of a table that is rules and no letters; least that its words cover; least
numbers of its words; least numbers in a row and in a column."""
_PAPER, _PAPER_WORDS = 0.1, 10
"""A picture with so many words that the network takes for paper was drawn, however
its colours run into each other; of 697 photographs none is."""
_CONTRAST, _VIVID = 40, 40
_GROUND = 0.3
"""A scale in a photograph is a ruler's unless so much of the picture has one colour."""
_SAMPLE = 512


class Scale(NamedTuple):
    """Numbers that go up by equal steps, or equal factors, at equal distances.

    Attributes:
        edge: The side of the picture that they stand nearest to.
        length: How many numbers.
        years: They look like years.
    """

    edge: Edge
    length: int
    years: bool


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """The words of a picture as shapes.

    Attributes:
        texts: The words.
        boxes: Shape ``(n, 4)``: where each stands, in pixels.
        size: Width and height of the picture in pixels.
        height: Median height of the words in pixels; 0 if there are none.
        numbers: Shape ``(n,)``: which are numbers.
    """

    texts: tuple[str, ...]
    boxes: NDArray[np.float64]
    size: tuple[int, int]
    height: float
    numbers: NDArray[np.bool_]

    @staticmethod
    def of(reading: Reading, size: tuple[int, int]) -> Writing:
        """The words of a reading of a picture of ``size``."""
        texts = tuple(reading.text[start:end] for start, end in reading.words.spans.tolist())
        boxes = in_pixels(reading.words.boxes, size)
        sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        height = float(np.median(sides)) if len(sides) else 0.0
        numbers = np.array([is_number(text) for text in texts], np.bool_)
        return Writing(texts, boxes, size, max(height, 1.0) if texts else 0.0, numbers)

    def in_line(self, *, down: bool) -> int:
        """Most numbers that stand in one column (``down``) or in one row."""
        return max((len(group) for group in self._groups(down=down)), default=0)

    def scales(self) -> list[Scale]:
        """The scales of axes, at most one for each edge, the longest."""
        found: dict[Edge, Scale] = {}
        for down in (True, False):
            for group in self._groups(down=down):
                scale = self._scale(group, down=down)
                if scale and scale.length > found.get(scale.edge, _NO_SCALE).length:
                    found[scale.edge] = scale
        return list(found.values())

    def _groups(self, *, down: bool) -> Iterator[NDArray[np.intp]]:
        """Numbers that are in line, in the order in which they stand."""
        found = np.flatnonzero(self.numbers)
        first, second = self.boxes[found].reshape(-1, 2, 2)[:, :, 0 if down else 1].T
        middles = self._middles(found, down=down)
        # Columns are set left, right or centred; rows have one height.
        for edge in (first, second, (first + second) / 2) if down else ((first + second) / 2,):
            order = np.argsort(edge, kind="stable")
            breaks = np.flatnonzero(np.diff(edge[order]) > _ALIKE * self.height) + 1
            for group in np.split(order, breaks):
                ordered = group[np.argsort(middles[group], kind="stable")]
                apart = np.diff(middles[ordered]) > self.height / 2
                yield found[ordered[np.r_[True, apart]] if len(ordered) else ordered]

    def _middles(self, which: NDArray[np.intp], *, down: bool) -> NDArray[np.float64]:
        axis = 1 if down else 0
        return np.asarray((self.boxes[which, axis] + self.boxes[which, axis + 2]) / 2)

    def _scale(self, group: NDArray[np.intp], *, down: bool) -> Scale | None:
        values = np.array([_value(self.texts[index]) for index in group])
        known = np.isfinite(values)
        values, group = values[known], group[known]
        start, count = _even(values, self._middles(group, down=down), self.height)
        if count < _SCALE:
            return None
        part = group[start : start + count]
        across = float(self._middles(part, down=not down).mean()) / self.size[0 if down else 1]
        edges: tuple[Edge, Edge] = ("left", "right") if down else ("top", "bottom")
        edge: Edge = edges[0] if across < 1 / 3 else edges[1] if across > 2 / 3 else "middle"
        run = values[start : start + count]
        whole = bool(np.all(run == np.round(run)))
        return Scale(edge, count, whole and bool(np.all((run >= 1800) & (run <= 2100))))


_NO_SCALE = Scale("middle", 0, years=False)


def is_number(word: str) -> bool:
    """Whether a word is a number, its signs and unit included."""
    return len(word) <= 24 and _NUMBER.fullmatch(word) is not None


def kind_of(raster: Raster, reading: Reading, paper: float = 0.0) -> PictureKind:
    """Whether it is a page of prose, a chart, a table, another graphic or a photograph.

    A page is told by its text, since a scan has a photograph's noise; a chart by
    a scale, or by numbers among coloured shapes; a table by numbers in
    rows and columns with hardly a stroke between them. A graphic is anything
    else that was drawn: a diagram, a drawing, a screenshot, a logo.

    Args:
        raster: Its pixels.
        reading: What is written in it.
        paper: How probable the picture network holds paper or a screen.
    """
    writing = Writing.of(reading, raster.size)
    if _is_prose(reading, writing):
        return "page"
    shaded = len(writing.texts) >= _PAPER_WORDS and paper >= _PAPER
    drawn = shaded or is_drawn(raster)
    if int(writing.numbers.sum()) >= _IN_LINE:
        strokes = _strokes(raster, writing)
        if _is_table(writing, strokes):
            return "table"
        if _is_chart(writing, strokes, drawn=drawn):
            return "chart"
    return "graphic" if drawn else "photograph"


def _is_table(writing: Writing, strokes: _Strokes) -> bool:
    if strokes.ink > _TABLE_INK or strokes.colour >= _COLOUR:
        return False
    width, height = writing.size
    wide, high = (writing.boxes[:, 2:] - writing.boxes[:, :2]).T
    covered = float((wide * high).sum()) / (width * height)
    return (
        covered >= _TABLE_WORDS
        and float(writing.numbers.mean()) >= _TABLE_NUMBERS
        and writing.in_line(down=True) >= _IN_LINE
        and writing.in_line(down=False) >= _IN_LINE
    )


def _is_chart(writing: Writing, strokes: _Strokes, *, drawn: bool) -> bool:
    scales = writing.scales()
    sure = len(scales) > 1 or any(scale.length >= 2 * _SCALE for scale in scales)
    if scales and (drawn or strokes.ground >= _GROUND):
        return strokes.ink >= (_FAINT_INK if sure else _INK)
    numbers = int(writing.numbers.sum())
    percentages = sum(is_number(text) and "%" in text for text in writing.texts)
    in_line = max(writing.in_line(down=True), writing.in_line(down=False)) >= _IN_LINE
    enough = numbers >= _NUMBERS and numbers >= _NUMBER_SHARE * len(writing.texts) and in_line
    shapes = strokes.ink >= _INK and strokes.colour >= _COLOUR
    return drawn and shapes and (enough or percentages >= _PERCENTAGES)


class _Strokes(NamedTuple):
    """Shares of a picture: its ground, what is drawn and no letter, what has a colour."""

    ground: float
    ink: float
    colour: float


def _strokes(raster: Raster, writing: Writing) -> _Strokes:
    width, height = raster.size
    step = -(-max(width, height) // _SAMPLE)
    sample = raster.pixels[::step, ::step]
    codes = (sample >> 4).astype(np.int32) @ np.array([256, 16, 1], np.int32)
    counts = np.bincount(codes.ravel(), minlength=4096)
    commonest = int(counts.argmax())
    ground = np.array([commonest >> 8, commonest >> 4 & 15, commonest & 15], np.int16) * 16 + 8
    ink = _channels(np.maximum, np.abs(sample.astype(np.int16) - ground)) > _CONTRAST
    colour = _channels(np.maximum, sample) - _channels(np.minimum, sample) > _VIVID
    margin = 0.15 * writing.height
    places = (writing.boxes + np.array([-margin, -margin, margin, margin])) / step
    for left, top, right, bottom in np.maximum(places, 0).astype(int).tolist():
        ink[top : bottom + 1, left : right + 1] = False
    return _Strokes(float(counts[commonest]) / codes.size, float(ink.mean()), float(colour.mean()))


def _channels(which: np.ufunc, pixels: NDArray[Any]) -> NDArray[Any]:
    """The most or least of the three channels; many times as fast as along the axis."""
    return np.asarray(which(which(pixels[..., 0], pixels[..., 1]), pixels[..., 2]))


def _value(word: str) -> float:
    """The number that a word begins with; NaN if it is no plain one."""
    match = _VALUE.search(word.replace(",", ""))
    return float(match[0].replace("\u2212", "-").replace("\u2013", "-")) if match else np.nan


def _even(
    values: NDArray[np.float64], middles: NDArray[np.float64], height: float
) -> tuple[int, int]:
    """Start and length of the longest run with equal steps, or factors, at equal distances."""
    if len(values) < _SCALE:
        return 0, 0
    gaps = np.diff(middles)
    regular = np.abs(np.diff(gaps)) <= 0.15 * gaps[1:] + 0.3 * height
    steps = np.diff(values)
    even = np.isclose(steps[1:], steps[:-1], rtol=1e-6, atol=0.0) & (steps[1:] != 0)
    if np.all(values > 0):
        factors = np.diff(np.log(values))
        even |= np.isclose(factors[1:], factors[:-1], rtol=1e-3, atol=0.0) & (factors[1:] != 0)
    best, run = (0, 0), 0
    for place, fits in enumerate((even & regular).tolist()):
        run = run + 1 if fits else 0
        best = max(best, (run + 2, place - run + 1)) if run else best
    return best[1], best[0]


def _is_prose(reading: Reading, writing: Writing) -> bool:
    rows = [len(row.split()) for row in reading.text.splitlines()]
    return (
        sum(rows) >= _PAGE_WORDS
        and sum(count for count in rows if count >= _PROSE_ROW) >= _PROSE_SHARE * sum(rows)
        and float(writing.numbers.mean()) <= _PROSE_NUMBERS
    )
