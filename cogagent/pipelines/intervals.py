"""Means with confidence intervals, over any number of items in bounded memory.

The bootstrap is done while the items pass: each counts in each resample as often as
a Poisson variable of mean one says (Chamandy et al. 2012), so that no item has to be
kept. The draws follow from the item's number: the same items give the same intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cogagent.types import Record

RESAMPLES = 1000
COVERED = 0.95
"""Of the resamples that an interval holds."""

Doubles = NDArray[np.float64]


class Figure(Record):
    """A mean over items, and where it lies with a probability of 0.95."""

    value: float
    low: float
    high: float
    items: int


class Means:
    """The means of named figures, each over the items that have it."""

    def __init__(self) -> None:
        self._sums: dict[str, Doubles] = {}
        self._weights: dict[str, Doubles] = {}
        self._items: dict[str, int] = {}

    def add(self, figures: Mapping[str, float], drawn: Doubles) -> None:
        """Count an item.

        Args:
            figures: Its own, by name.
            drawn: How often it counts, shape ``(1 + RESAMPLES,)``, as :func:`draws` says.
        """
        for name, value in figures.items():
            if name not in self._sums:
                self._sums[name], self._weights[name] = np.zeros_like(drawn), np.zeros_like(drawn)
                self._items[name] = 0
            self._sums[name] += value * drawn
            self._weights[name] += drawn
            self._items[name] += 1

    def figures(self) -> dict[str, Figure]:
        """The means, by name."""
        return {
            name: figure(_ratio(sums, self._weights[name]), self._items[name])
            for name, sums in self._sums.items()
        }


class Confusion:
    """Which class was taken for which; macro-F1 is over the classes that there are.

    Args:
        classes: What may be right. Whatever else is chosen is right for none.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = list(classes)
        size = len(self._classes)
        self._table = np.zeros((1 + RESAMPLES, size, size + 1))
        self._items = 0

    def add(self, right: str, chosen: str, drawn: Doubles) -> None:
        """Count a decision."""
        row = self._classes.index(right)
        column = self._classes.index(chosen) if chosen in self._classes else len(self._classes)
        self._table[:, row, column] += drawn
        self._items += 1

    def macro_f1(self) -> Figure | None:
        """The mean of the classes' F1; ``None`` of nothing."""
        if not self._items:
            return None
        size = len(self._classes)
        hits = self._table[:, range(size), range(size)]
        there, said = self._table.sum(axis=2), self._table[:, :, :size].sum(axis=1)
        scores = _ratio(2 * hits, there + said)[:, there[0] > 0]
        told = ~np.isnan(scores)
        means = _ratio(np.where(told, scores, 0.0).sum(axis=1), told.sum(axis=1))
        return figure(means, self._items)

    def table(self) -> dict[str, dict[str, int]]:
        """How often each was right and which was chosen."""
        names = [*self._classes, "other"]
        return {
            right: {name: int(count) for name, count in zip(names, row, strict=True) if count}
            for right, row in zip(self._classes, self._table[0], strict=True)
            if row.any()
        }


def draws(number: int, seed: int = 0) -> Doubles:
    """How often the item of this number counts: once, and so often in each resample."""
    generator = np.random.default_rng((seed, number))
    return np.concatenate([[1.0], generator.poisson(1.0, RESAMPLES)])


def figure(values: Doubles, items: int) -> Figure:
    """A figure from its value and those of the resamples, shape ``(1 + RESAMPLES,)``.

    Resamples that no item is in do not count.
    """
    resampled = values[1:][~np.isnan(values[1:])]
    tail = (1 - COVERED) / 2
    low, high = (
        np.quantile(resampled, (tail, 1 - tail)) if len(resampled) else (values[0], values[0])
    )
    return Figure(
        value=round(float(values[0]), 6),
        low=round(float(low), 6),
        high=round(float(high), 6),
        items=items,
    )


def _ratio(above: Doubles, below: Doubles) -> Doubles:
    """Quotients; not a number where the divisor is 0."""
    made = np.full(above.shape, np.nan)
    np.divide(above, below, out=made, where=below > 0)
    return made
