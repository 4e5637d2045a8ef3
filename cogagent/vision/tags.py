"""Says what a picture shows, and what kind of picture it is."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cogagent.models.imagenet import classes
from cogagent.types import Raster
from cogagent.vision.ocr import Reading
from cogagent.vision.pixels import is_drawn

Kind = Literal["photograph", "graphic", "page"]
Tag = tuple[str, float]

_PROBABLE = {"photograph": 0.2, "graphic": 0.5}
"""Of ten tags above 0.2 nine are right (200 labelled ImageNet pictures)."""
_PAPER = frozenset({"web site", "menu", "crossword puzzle", "envelope", "book jacket"})
"""What the network, which knows photographs, takes charts and drawings for."""
_PAGE_WORDS, _PROSE_ROW, _PROSE_SHARE = 200, 6, 0.6
"""A page has so many words, most of them in rows of at least six; no chart of 30 did."""


def tags(probabilities: NDArray[np.float32], kind: Kind) -> tuple[Tag, ...]:
    """The things a picture probably shows, by their plainest names, most probable first.

    A page of prose shows nothing but itself.

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


def kind_of(raster: Raster, reading: Reading) -> Kind:
    """Whether it is a page of prose, a graphic (chart, drawing, screenshot) or a photograph.

    A page is told by its text, since a scan has a photograph's noise.
    """
    if _is_prose(reading):
        return "page"
    return "graphic" if is_drawn(raster) else "photograph"


def _is_prose(reading: Reading) -> bool:
    rows = [len(row.split()) for row in reading.text.splitlines()]
    return sum(rows) >= _PAGE_WORDS and (
        sum(count for count in rows if count >= _PROSE_ROW) >= _PROSE_SHARE * sum(rows)
    )
