"""Axes of values: numbers in line that go up evenly, fitted robustly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cogagent.vision.charts.phrases import Phrase
from cogagent.vision.charts.rects import Rect, around, extent

_IN_LINE = 0.7
"""Edges this near, in heights of a line, are in line with each other."""
_ON = 0.4
"""How far a number stands from where its value is, in heights of a line."""
_MOST = 60
"""Numbers of a column or row that are looked at."""
_PIXELS = 1.5
"""How exactly the end of a mark is seen, and where the axis is, in pixels."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where values stand along one direction of a chart.

    Attributes:
        slope: Of value, or of its logarithm, by ``v``.
        origin: Of it at ``v`` 0.
        log: The axis is logarithmic (base 10).
        ticks: The numbers it was fitted to; none if it was told by printed values.
        apart: Root mean square distance of the ticks from the fit, in pixels.
        upright: Values go up, ``v`` is minus y; to the right, ``v`` is x, if not.
        unit: Printed with the ticks: ``%``, ``$``.
    """

    slope: float
    origin: float
    log: bool
    ticks: tuple[Phrase, ...]
    apart: float
    upright: bool
    unit: str = ""

    def value(self, v: float) -> float:
        """The value at a place."""
        raw = self.origin + self.slope * v
        return float(10.0 ** min(max(raw, -300.0), 300.0)) if self.log else raw

    def at(self, value: float) -> float:
        """The place of a value; NaN where there is none."""
        if self.log and value <= 0:
            return math.nan
        return ((math.log10(value) if self.log else value) - self.origin) / self.slope

    def error(self, v: float, pixels: float = 0.0) -> float:
        """Half the interval that the value at a place lies in.

        Args:
            v: The place.
            pixels: How exactly it is known beyond what is usual.
        """
        reach = _PIXELS + self.apart + pixels
        return abs(self.value(v + reach) - self.value(v - reach)) / 2

    def span(self) -> Rect | None:
        """Around its ticks."""
        if not self.ticks:
            return None
        return around(tick.rect for tick in self.ticks)

    def near(self, value: float, count: int = 2) -> tuple[Phrase, ...]:
        """The ticks next to a value."""
        ordered = sorted(self.ticks, key=lambda tick: abs(_value(tick) - value))
        return tuple(sorted(ordered[:count], key=_value))

    def based(self, v: float) -> Axis:
        """Moved so that the value 0 stands where the bars begin, if that is near by."""
        if self.log or abs(self.at(0.0) - v) > 4.0:
            return self
        return replace(self, origin=-self.slope * v)


def find_axis(
    phrases: Iterable[Phrase], height: float, *, upright: bool, marks: Sequence[Rect] = ()
) -> Axis | None:
    """The axis of values that most numbers fit, if there is one.

    Args:
        phrases: All that is printed.
        height: Of a line.
        upright: Whether values go up, or to the right.
        marks: Bars and the like: numbers on them are no ticks.
    """
    numbers = [
        phrase
        for phrase in phrases
        if phrase.number is not None and phrase.tilt != "upright" and not _on(phrase, marks)
    ]
    best: Axis | None = None
    for group in _in_line(numbers, height, upright=upright):
        axis = _fit(group, height, upright=upright)
        if axis and (best is None or _rank(axis) > _rank(best)):
            best = axis
    return best


def _rank(axis: Axis) -> tuple[int, float]:
    return len(axis.ticks), -axis.apart


def _on(phrase: Phrase, marks: Sequence[Rect]) -> bool:
    x, y = phrase.rect.x, phrase.rect.y
    return any(mark.x0 < x < mark.x1 and mark.y0 < y < mark.y1 for mark in marks)


def _value(phrase: Phrase) -> float:
    return phrase.number.value * phrase.number.factor if phrase.number else math.nan


def _in_line(
    numbers: Sequence[Phrase], height: float, *, upright: bool
) -> Iterator[Sequence[Phrase]]:
    """Numbers in one column (``upright``) or one row."""
    places = [extent(number.rect, upright=upright) for number in numbers]
    # Columns are set left, right or centred; rows have one height.
    edges = ("c1", "c0", "c") if upright else ("c",)
    for edge in edges:
        positions = np.array([getattr(place, edge) for place in places])
        order = np.argsort(positions, kind="stable")
        breaks = np.flatnonzero(np.diff(positions[order]) > _IN_LINE * height) + 1
        for group in np.split(order, breaks):
            if len(group) >= 2:
                yield [numbers[index] for index in group[:_MOST].tolist()]


def _fit(group: Sequence[Phrase], height: float, *, upright: bool) -> Axis | None:
    values = np.array([_value(phrase) for phrase in group])
    places = np.array([-phrase.rect.y if upright else phrase.anchor for phrase in group])
    linear = _consensus(values, places, height)
    keep, log = linear, False
    if np.all(values >= 0) and int((values > 0).sum()) >= 3:
        positive = values > 0
        logs = np.log10(np.where(positive, values, 1.0))
        steps = _consensus(logs, places, height) & positive
        if steps.sum() > linear.sum():
            keep, log = steps, True
    if len(np.unique(values[keep])) < (3 if log else 2) or keep.sum() < 2:
        return None
    raw = np.log10(values[keep]) if log else values[keep]
    slope, origin = np.polyfit(places[keep], raw, 1)
    if slope <= 0:
        return None
    apart = float(np.sqrt(np.mean((places[keep] - (raw - origin) / slope) ** 2)))
    chosen = [phrase for phrase, kept in zip(group, keep.tolist(), strict=True) if kept]
    units = [phrase.number.unit for phrase in chosen if phrase.number and phrase.number.unit]
    return Axis(
        float(slope), float(origin), log, tuple(chosen), apart, upright, units[0] if units else ""
    )


def _consensus(
    values: NDArray[np.float64], places: NDArray[np.float64], height: float
) -> NDArray[np.bool_]:
    """The largest set of numbers that one straight line goes through."""
    first, second = np.triu_indices(len(values), 1)
    run, rise = places[second] - places[first], values[second] - values[first]
    fine = (np.abs(run) > height) & (rise * run > 0)
    first, run, rise = first[fine], run[fine], rise[fine]
    if not len(first):
        return np.zeros(len(values), np.bool_)
    slope = run / rise
    away = np.abs(
        places[first][:, None] + slope[:, None] * (values[None] - values[first][:, None]) - places
    )
    on = away <= _ON * height
    fits = on.sum(axis=1) - (away * on).sum(axis=1) / (1e-9 + 10 * height * len(values))
    return np.asarray(on[int(fits.argmax())])


def told_by(
    lengths: Sequence[float], values: Sequence[float], base: float, *, upright: bool
) -> Axis | None:
    """An axis from printed values and the lengths of their marks, if most agree.

    Args:
        lengths: In pixels, from the base.
        values: Printed at each.
        base: Where the marks begin.
        upright: As of :class:`Axis`.
    """
    pairs = [
        (length, abs(value))
        for length, value in zip(lengths, values, strict=True)
        if length > 3 and value
    ]
    if len(pairs) < 3:
        return None
    ratios = np.array([value / length for length, value in pairs])
    slope = float(np.median(ratios))
    loose = np.array([3.0 * slope / value + 0.04 for _, value in pairs])
    if np.mean(np.abs(ratios / slope - 1.0) <= loose) < 0.6:
        return None
    return Axis(slope, -slope * base, log=False, ticks=(), apart=0.5, upright=upright)
