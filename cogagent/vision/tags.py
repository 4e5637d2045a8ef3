"""Says what a picture shows."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from cogagent.models.imagenet import classes
from cogagent.types import PictureKind

Tag = tuple[str, float]

_PROBABLE = {"photograph": 0.2, "graphic": 0.5}
"""Of ten tags above 0.2 nine are right (200 labelled ImageNet pictures)."""
_PAPER = frozenset({"web site", "menu", "crossword puzzle", "envelope", "book jacket"})
"""What the network, which knows photographs, takes drawings for."""


def tags(probabilities: NDArray[np.float32], kind: PictureKind) -> tuple[Tag, ...]:
    """The things a picture probably shows, by their plainest names, most probable first.

    A page, a chart and a table show nothing but themselves.

    Args:
        probabilities: Shape ``(1000,)``, as the classifier gives them.
        kind: What kind of picture it is.
    """
    least = _PROBABLE.get(kind, np.inf)
    named = [
        (classes()[index].names[0], float(probabilities[index]))
        for index in np.argsort(-probabilities)
        if probabilities[index] >= least
    ]
    return tuple(tag for tag in named if kind == "photograph" or tag[0] not in _PAPER)


def paper(probabilities: NDArray[np.float32]) -> float:
    """How probable it is that the network sees paper or a screen, 0 to 1.

    Args:
        probabilities: Shape ``(1000,)``, as the classifier gives them.
    """
    return float(sum(probabilities[index] for index in _paper_classes()))


@cache
def _paper_classes() -> tuple[int, ...]:
    return tuple(index for index, entry in enumerate(classes()) if entry.names[0] in _PAPER)
