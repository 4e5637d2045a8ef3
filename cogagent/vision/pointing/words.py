"""Points by reading: at the words of a picture that a question speaks of."""

from __future__ import annotations

import asyncio

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry import union
from cogagent.vision.lines import around
from cogagent.vision.pointing.base import Picture, Pointed
from cogagent.vision.pointing.crossing import Found, find
from cogagent.vision.pointing.matching import Matches
from cogagent.vision.pointing.rows import Print

_TALL = 14.0
"""A row is shown with its column's header if both fit into so many line heights."""
_ACROSS, _DOWN = 1.0, 0.6
"""White space around a place, in line heights."""
_CELL_SCORE = 0.9
"""A value alone, without what names it, counts so much of its row."""
_SAME = 0.5
"""Places of which one lies so far inside the other are one."""
_WORTH = 0.6
"""A place that scores less of the best is not worth a look."""
_PHRASE = 6
"""Words of a question that a reason names."""


class WordPointer:
    """Scores rows, paragraphs and cells by the words of the question that they hold.

    Words that few rows have tell more than others; a word with a slip of the reader counts
    nearly as much as a whole one. Where the question names a row and a column, the row is
    pointed at, with the column's header if it is near, and after it the value.
    """

    name = "words"

    async def point(self, question: str, picture: Picture, k: int) -> list[Pointed]:
        """The ``k`` places that hold most of what the question says; none if none does."""
        return await asyncio.to_thread(self.places, question, picture, k)

    def places(self, question: str, picture: Picture, k: int) -> list[Pointed]:
        """What :meth:`point` gives, for callers that do not wait."""
        if k < 1:
            return []
        known = Print.of(picture.text, picture.words, picture.raster.size)
        matches, found = find(question, known)
        rows, values = list[Pointed](), list[Pointed]()
        for place in found:
            if len(rows) == k or place.score < _WORTH * found[0].score:
                break
            row = _row(known, matches, place)
            if any(_is_same(row, other) for other in rows):
                continue
            _add(rows, row, known)
            if place.value is not None:
                values.append(_value(known, matches, place))
        return sorted(rows + values, key=lambda place: -place.score)[:k]


def _row(known: Print, matches: Matches, place: Found) -> Pointed:
    edges = around(np.array([row.edges for row in place.rows]))
    if place.headers:
        together = around(np.stack([edges, around(known.boxes[list(place.headers)])]))
        if together[3] - together[1] <= _TALL * known.height:
            edges = together
    return _pointed(known, edges, place.score, _why(matches, place))


def _value(known: Print, matches: Matches, place: Found) -> Pointed:
    assert place.value is not None
    why = f"the value there: {_why(matches, place)}"
    return _pointed(known, known.boxes[place.value], place.score * _CELL_SCORE, why)


def _pointed(known: Print, edges: NDArray[np.floating], score: float, why: str) -> Pointed:
    margin = known.height * np.array([-_ACROSS, -_DOWN, _ACROSS, _DOWN])
    return Pointed(box=known.place(edges + margin), score=score, why=why)


def _add(places: list[Pointed], place: Pointed, known: Print) -> None:
    """Adds a place, or joins it to one that it touches above or below."""
    for number, other in enumerate(places):
        beside = min(place.box.x1, other.box.x1) - max(place.box.x0, other.box.x0)
        if beside <= 0 or place.box.overlap(other.box) <= 0:
            continue
        joined = union([place.box, other.box])
        if joined.height * known.size[1] <= _TALL * known.height:
            best = max(place, other, key=lambda entry: entry.score)
            places[number] = best.model_copy(update={"box": joined})
            return
    places.append(place)


def _is_same(place: Pointed, other: Pointed) -> bool:
    return max(place.box.inside(other.box), other.box.inside(place.box)) >= _SAME


def _why(matches: Matches, place: Found) -> str:
    """``holds 'net sales' under '2019'``."""
    rows = _phrase(matches, place.in_rows)
    headers = _phrase(matches, np.where(place.in_rows > 0, 0.0, place.in_headers))
    return " ".join(filter(None, ("holds", rows, "under" if rows and headers else "", headers)))


def _phrase(matches: Matches, hits: NDArray[np.floating]) -> str:
    said = [matches.said[term] for term in np.flatnonzero(hits > 0)[:_PHRASE].tolist()]
    return f"'{' '.join(said)}'" if said else ""
