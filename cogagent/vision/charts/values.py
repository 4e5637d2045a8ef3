"""Printed values to marks: by place, and by whether the mark is as long as the value says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cogagent.vision.charts.axes import Axis
from cogagent.vision.charts.phrases import Phrase
from cogagent.vision.charts.rects import Extent, extent

_BESIDE = 0.9
"""How far the middle of a value is from that of its mark, beyond it, in heights of a line."""
_BEYOND = 2.2
"""Widest space between a mark's end and its value, in heights of a line."""
_LOOSE = 0.04
"""Part of a value by which a mark may differ from it before it counts."""
_STRONG = 2.5
"""A disagreement so many times what is allowed is strong."""


@dataclass(frozen=True, slots=True)
class Target:
    """A mark that a value may be printed at.

    Attributes:
        place: Where it is.
        key: Its row and column.
        measured: Its value by the axis, if there is one.
        error: Half the interval that the value lies in.
        point: It is a point of a line, not a bar.
        empty: Nothing was seen there: a bar too short to be drawn.
    """

    place: Extent
    key: tuple[int, int]
    measured: float | None
    error: float
    point: bool = False
    empty: bool = False
    end: float | None = None
    inner: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A value and its mark.

    Attributes:
        phrase: As printed.
        index: Of the phrase.
        value: As meant: a lost decimal point is put back where the mark shows it.
        agrees: As the mark has it; ``None`` where that cannot be told.
    """

    phrase: Phrase
    index: int
    value: float
    agrees: bool | None


def match(
    phrases: Sequence[tuple[int, Phrase]],
    targets: Sequence[Target],
    height: float,
    axis: Axis | None,
    *,
    upright: bool,
) -> dict[tuple[int, int], Match]:
    """The value of each mark that has one printed, each value once.

    Args:
        phrases: Numbers, each with its index among all phrases.
        targets: The marks.
        height: Of a line, in pixels.
        axis: Of the values, for what a mark says.
        upright: Values go up, or to the right.
    """
    if not phrases or not targets:
        return {}
    costs = _distances([phrase for _, phrase in phrases], targets, height, upright=upright)
    values = np.array([_value(phrase) for _, phrase in phrases])
    if axis is not None:
        costs = costs + _disagreement(values, targets)
    found: dict[tuple[int, int], Match] = {}
    taken: set[int] = set()
    for flat in np.argsort(costs, axis=None, kind="stable").tolist():
        row, column = divmod(flat, len(targets))
        if not np.isfinite(costs[row, column]):
            break
        target = targets[column]
        if row in taken or target.key in found:
            continue
        index, phrase = phrases[row]
        result = _meant(float(values[row]), target)
        if target.empty and result[1] is False:
            continue
        taken.add(row)
        found[target.key] = Match(phrase, index, *result)
    return found


def _value(phrase: Phrase) -> float:
    return phrase.number.value * phrase.number.factor if phrase.number else np.nan


def _distances(
    phrases: Sequence[Phrase], targets: Sequence[Target], height: float, *, upright: bool
) -> NDArray[np.float64]:
    """How badly each value stands at each mark; infinite where it does not."""
    own = np.array([extent(phrase.rect, upright=upright) for phrase in phrases])[:, None, :]
    marks = np.array([target.place for target in targets])[None]
    points = np.array([target.point for target in targets])[None]
    ends = np.array([np.nan if target.end is None else target.end for target in targets])[None]
    thick = marks[..., 1] - marks[..., 0]
    aside = np.abs((own[..., 0] + own[..., 1]) / 2 - (marks[..., 0] + marks[..., 1]) / 2)
    beside = np.maximum(aside - thick / 2, 0.0) / height
    middle = (own[..., 2] + own[..., 3]) / 2
    above = (own[..., 2] - marks[..., 3]) / height
    below = (marks[..., 2] - own[..., 3]) / height
    inside = (middle > marks[..., 2]) & (middle < marks[..., 3])
    gap = np.maximum(np.maximum(above, below), 0.0)
    # Past its base a bar has no value, unless it has no length; points have no base.
    wrong = np.where(np.isnan(ends), False, np.where(ends >= 0, below > -0.3, above > -0.3))
    cost = np.where(inside, 0.1, 0.3 + gap) + 0.6 * (wrong & ~inside & ~points)
    cost = cost + 0.5 * aside / np.maximum(thick, height) + beside
    off = (beside > _BESIDE) | (~inside & (gap > _BEYOND))
    inner = np.array([target.inner for target in targets])[None]
    off |= inner & ~inside & (gap > 0.6)
    return np.asarray(np.where(off, np.inf, cost), np.float64)


def _disagreement(values: NDArray[np.float64], targets: Sequence[Target]) -> NDArray[np.float64]:
    measured = np.array([np.nan if t.measured is None else t.measured for t in targets])
    errors = np.array([target.error for target in targets])
    allowed = 2 * errors[None] + _LOOSE * np.abs(values)[:, None]
    away = np.abs(values[:, None] - measured[None]) / np.maximum(allowed, 1e-12)
    return np.asarray(np.nan_to_num(np.minimum(np.maximum(away - 0.5, 0.0), 4.0)) * 0.4)


def _meant(value: float, target: Target) -> tuple[float, bool | None]:
    """A printed value with the sign and decimal point that its mark shows, and if they agree."""
    if target.measured is None:
        return value, None
    if _agree(value, target):
        return value, True
    tries = [value / 10**power for power in (1, 2, 3, 4)] + [value * 10, value * 100]
    likely = [other for other in (*tries, -value) if _agree(other, target)]
    if likely and abs(target.measured) > 3 * target.error:
        return likely[0], True
    allowed = 2 * target.error + _LOOSE * abs(value)
    return value, False if abs(value - target.measured) > _STRONG * allowed else None


def _agree(value: float, target: Target) -> bool:
    measured = target.measured if target.measured is not None else value
    return abs(value - measured) <= 2 * target.error + _LOOSE * abs(value)
