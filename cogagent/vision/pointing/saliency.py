"""Points by what things look like: where the picture network sees what a question names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.geometry import FULL_PAGE, Box, from_pixels, make_box, to_pixels
from cogagent.models.conse import ConSE
from cogagent.models.factory import classifier, minilm
from cogagent.models.imagenet import classes
from cogagent.stems import words
from cogagent.types import PictureKind
from cogagent.vision.pointing.base import Picture, Pointed

_TILES, _TILE = 3, 0.42
"""The picture is seen whole and in so many tiles a side, each this part of it: they overlap
by half, so that what is cut by the edge of one is whole in another."""
_CELLS = 60
"""Width and height of the map that is put together from them."""
_NAMED, _WORD_NAMED = 0.38, 0.5
"""How near a question, or a word of it alone, is to a class that it names; -1 to 1."""
_NEAR = 0.7
"""Classes that are named too, by their nearness in parts of the nearest one's."""
_SEEN = 0.1
"""Least score of a place. Composites asked for what they show reach it nine times in ten, for
what they do not show once in ten or less."""
_PART = 0.4
"""A place goes as far as its probability is this part of its peak's."""
_SAME = 0.5
_WORDS = 12
"""Words of a question that are looked at alone."""
_SHOW_NOTHING: frozenset[PictureKind] = frozenset({"page", "table", "chart"})
"""Kinds of picture that show nothing but themselves."""


class SaliencyPointer:
    """Class activation maps (Zhou et al. 2016, arXiv:1512.04150) of the embedded network.

    The classes that the question names are found by the nearness of their texts, as
    pictures are by :class:`ConSE`. The network ends in a mean and one layer, so what it
    makes of each place of a view is known exactly; the maps of the whole and of tiles are
    laid over each other. A place scores the mean (geometric) of how probable what was
    named is there and in its tile.

    Args:
        settings: ``models.threads`` counts; the network is the embedded one whichever
            embedder they name.
    """

    name = "saliency"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def point(self, question: str, picture: Picture, k: int) -> list[Pointed]:
        """The ``k`` places that look most like what the question names.

        None if it names nothing that the network knows, or the picture shows none of it.

        Raises:
            MissingPackageError: If a package that a network needs is not installed.
            ModelLoadError: If a network does not load.
            ModelError: If it fails.
        """
        return await asyncio.to_thread(self.places, question, picture, k)

    def places(self, question: str, picture: Picture, k: int) -> list[Pointed]:
        """What :meth:`point` gives, for callers that do not wait; it raises the same."""
        if k < 1 or picture.kind in _SHOW_NOTHING:
            return []
        network = classifier(self._settings)
        named = _named(question, ConSE(minilm(self._settings), network))
        if not named.any():
            return []
        tiles = [FULL_PAGE, *_tiles()]
        chances, maps = network.maps(picture.raster, tiles)
        tile_chances = np.minimum(chances @ named, 1.0)
        shown = np.sqrt(np.minimum(maps @ named, 1.0) * tile_chances[:, None, None])
        salient = _laid(tiles, shown)
        # What is seen most where it is seen best, for the reason.
        tile, row, column = np.unravel_index(int(shown.argmax()), shown.shape)
        likest = int((maps[tile, row, column] * named).argmax())
        return _places(salient, f"looks like '{classes()[likest].names[0]}'", k)


def _named(question: str, space: ConSE) -> NDArray[np.float32]:
    """How surely a question names each class, shape ``(1000,)``, 0 to 1."""
    content = [word for word in words(question) if word.content]
    alone = [question[word.start : word.end] for word in content[:_WORDS]]
    if not alone:
        return np.zeros(len(classes()), np.float32)
    near = space.likeness([question, *alone])
    least = np.array([_NAMED] + [_WORD_NAMED] * len(alone), np.float32)[:, None]
    best = near.max(axis=1, keepdims=True)
    kept = np.where(near >= np.maximum(least, _NEAR * best), near / np.maximum(best, 1e-6), 0.0)
    return np.asarray(kept.max(axis=0), np.float32)


def _tiles() -> list[Box]:
    starts = [step * (1 - _TILE) / (_TILES - 1) for step in range(_TILES)]
    return [make_box(x, y, x + _TILE, y + _TILE) for y in starts for x in starts]


def _laid(tiles: Sequence[Box], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The maps of tiles as one of the picture; where they overlap the highest counts."""
    import cv2

    whole = np.zeros((_CELLS, _CELLS), np.float32)
    for box, values in zip(tiles, maps, strict=True):
        left, top, right, bottom = to_pixels(box, (_CELLS, _CELLS))
        size = (right - left, bottom - top)
        part = whole[top:bottom, left:right]
        smooth = cv2.resize(np.ascontiguousarray(values), size, interpolation=cv2.INTER_LINEAR)
        np.maximum(part, smooth, out=part)
    return whole


def _places(salient: NDArray[np.float32], why: str, k: int) -> list[Pointed]:
    """The peaks of a map, each with what is around it, the highest first."""
    import cv2

    left = salient.copy()
    found: list[Pointed] = []
    while len(found) < k:
        peak = float(left.max())
        if peak < _SEEN:
            break
        high = (left >= _PART * peak).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(high)
        own = int(labels.flat[int(left.argmax())])
        x, y, width, height = stats[own, :4].tolist()
        (edges,) = from_pixels(np.array([[x, y, x + width, y + height]]), (_CELLS, _CELLS))
        box = make_box(*edges.tolist())
        if not any(box.iou(other.box) > _SAME for other in found):
            found.append(Pointed(box=box, score=min(peak, 1.0), why=why))
        left[labels == own] = 0.0
    return found
