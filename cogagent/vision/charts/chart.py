"""Understands a chart: from its words and pixels to values in rows and columns.

No language: which words name what is told by where they stand, which value belongs
to which mark by place and by the mark's length on the axis.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from cogagent.grid import Grid
from cogagent.types import Raster, Words
from cogagent.vision.charts.bars import find_bars
from cogagent.vision.charts.columns import read_bars
from cogagent.vision.charts.curves import read_curves
from cogagent.vision.charts.draft import Draft, grid_of
from cogagent.vision.charts.numbers import number_of
from cogagent.vision.charts.paint import Painting
from cogagent.vision.charts.phrases import Print, read_print
from cogagent.vision.charts.pies import read_pie
from cogagent.vision.charts.surroundings import surroundings

_LEAST_WORDS = 2
_SURE = 0.75
"""Bars that are so sure are not lines."""
_SMALL = 32
"""A picture with a shorter side, in pixels, is no chart."""


def read_chart(raster: Raster, text: str, words: Words) -> Grid | None:
    """The rows, columns and values of a chart; ``None`` if it cannot be made out.

    Args:
        raster: Its pixels.
        text: All that is written in it.
        words: The words of ``text``, with boxes in fractions of the picture.
    """
    if len(words) < _LEAST_WORDS or min(raster.size) < _SMALL:
        return None
    printed = _in_one_unit(read_print(text, words, raster.size))
    if not any(letter.isdigit() for phrase in printed.phrases for letter in phrase.text):
        return None
    draft = _draft(Painting.of(raster), printed)
    if draft is None:
        return None
    found = surroundings(printed, draft)
    return grid_of(
        draft,
        title=found.title,
        row_title=found.row_title,
        value_title=found.value_title,
        notes=found.notes,
        unit=_unit(printed, draft),
    )


def _draft(painting: Painting, printed: Print) -> Draft | None:
    """The chart as what it most looks like."""
    if (pie := read_pie(painting, printed)) is not None:
        return pie
    rects = [rect for phrase in printed.phrases for rect in phrase.rects]
    bars = find_bars(painting.filled(rects), printed.height, rects)
    drawn = read_bars(painting, printed, bars) if bars else None
    if drawn is not None and _sureness(drawn) >= _SURE:
        return drawn
    curves = read_curves(painting, printed)
    found = [draft for draft in (drawn, curves) if draft is not None]
    return max(found, key=_weight, default=None)


def _weight(draft: Draft) -> float:
    return _sureness(draft) * math.sqrt(len(draft.cells))


def _sureness(draft: Draft) -> float:
    return float(math.prod(draft.fits))


def _in_one_unit(printed: Print) -> Print:
    """Where all numbers with a ``k`` or ``M`` have the same, it is their unit."""
    suffixes = {p.number.suffix for p in printed.phrases if p.number and p.number.suffix}
    if len(suffixes) != 1:
        return printed
    (suffix,) = suffixes
    phrases = tuple(
        replace(p, number=p.number._replace(factor=1.0, unit=p.number.unit or suffix))
        if p.number and p.number.suffix
        else p
        for p in printed.phrases
    )
    return replace(printed, phrases=phrases)


def _unit(printed: Print, draft: Draft) -> str:
    """The unit that most values are printed with, or the ticks."""
    if draft.axis is not None and draft.axis.unit:
        return draft.axis.unit
    texts = [cell.place.text for cell in draft.cells.values()]
    suffixes = {phrase.text: phrase.number.unit for phrase in printed.phrases if phrase.number}
    numbers = [(text, number_of(text)) for text in texts]
    units = Counter(suffixes.get(text, number.unit) for text, number in numbers if number)
    units.pop("", None)
    return units.most_common(1)[0][0] if units else ""
