"""What is printed around a plot: title, titles of axes, notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cogagent.grid import Place
from cogagent.vision.charts.draft import Draft
from cogagent.vision.charts.phrases import Phrase, Print

_AXIS_TITLE = 3.2
"""How far the title of an axis stands from its labels, in heights of a line."""


class Surroundings(NamedTuple):
    """Words around a plot.

    Attributes:
        title: Lines above.
        row_title: Of the axis of categories.
        value_title: Of the axis of values.
        notes: Lines below.
    """

    title: tuple[Place, ...]
    row_title: Place | None
    value_title: Place | None
    notes: tuple[Place, ...]


def surroundings(printed: Print, draft: Draft) -> Surroundings:
    """Sorts what has no other part into titles and notes, by where it stands."""
    free = [(i, p) for i, p in enumerate(printed.phrases) if i not in draft.used]
    height, plot = printed.height, draft.plot
    side = _beside(free, draft, height)
    below = _below(printed, free, draft, height) if draft.kind != "pie" else ()
    used = {id(phrase) for phrase in (*side, *below)}
    above = [
        phrase
        for _, phrase in free
        if phrase.tilt == "level" and phrase.rect.y1 <= plot.y0 + 0.5 * height
    ]
    rest = [
        phrase
        for _, phrase in free
        if phrase.tilt == "level" and phrase.rect.y0 >= plot.y1 and id(phrase) not in used
    ]
    first = printed.place(side) if side else None
    second = printed.place(below) if below else None
    return Surroundings(
        tuple(printed.place(phrase) for phrase in above if len(phrase.text) > 2),
        second if draft.upright else first,
        first if draft.upright else second,
        tuple(printed.place(phrase) for phrase in rest if len(phrase.text) > 2),
    )


def _beside(free: Sequence[tuple[int, Phrase]], draft: Draft, height: float) -> tuple[Phrase, ...]:
    """Upright words at the left or right of the plot, the first line of them."""
    plot = draft.plot
    upright = [
        phrase
        for _, phrase in free
        if phrase.tilt == "upright"
        and plot.y0 - 4 * height <= phrase.rect.y <= plot.y1 + 4 * height
        and (phrase.rect.x1 <= plot.x0 + height or phrase.rect.x0 >= plot.x1 - height)
    ]
    if upright:
        upright.sort(key=lambda phrase: (round(phrase.rect.x / height), -phrase.rect.y))
        return tuple(upright[:6])
    # A short one may be set level, beside the ticks.
    if draft.axis is None or not draft.upright or not (span := draft.axis.span()):
        return ()
    level = [
        phrase
        for _, phrase in free
        if phrase.number is None
        and len(phrase.text) > 1
        and phrase.rect.x1 <= span.x0 + 0.5 * height
        and span.y0 - 2 * height <= phrase.rect.y <= span.y1
    ]
    return tuple(level[:2])


def _below(
    printed: Print, free: Sequence[tuple[int, Phrase]], draft: Draft, height: float
) -> tuple[Phrase, ...]:
    """A line below the labels of an axis, in the middle of it."""
    used = [printed.phrases[i].rect for i in draft.used]
    plot = draft.plot
    near = [
        rect
        for rect in used
        if rect.y0 <= plot.y1 + 2 * height and rect.x1 > plot.x0 and rect.x0 < plot.x1
    ]
    bottom = max([plot.y1, *(rect.y1 for rect in near)])
    middle = (plot.x0 + plot.x1) / 2
    found = [
        phrase
        for _, phrase in free
        if phrase.tilt == "level"
        and phrase.number is None
        and bottom - 0.5 * height <= phrase.rect.y0 <= bottom + _AXIS_TITLE * height
        and abs(phrase.rect.x - middle) <= 0.15 * max(plot.x1 - plot.x0, 1.0)
    ]
    return tuple(found[:1])
