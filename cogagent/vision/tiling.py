"""Vectors of parts of pictures, so that small things in them are found.

The vector of a whole picture says what most of it shows. What stands small in a
corner is lost in it, and is found again by the vector of a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry import FULL_PAGE, Box, Boxes, make_box
from cogagent.models.base import ImageEmbedder, Vectors
from cogagent.models.classifier import view_boxes
from cogagent.models.conse import ConSE
from cogagent.types import PictureKind, Raster, TileVectors
from cogagent.vision.crops import crop_plan

KINDS: frozenset[PictureKind] = frozenset({"photograph", "graphic"})
"""Pictures whose parts get vectors; pages, tables and charts are found by their words."""
_LEAST = 64
"""Shorter side, in pixels, of a picture that has parts worth a look."""
_SMALLEST = 32
"""Shorter side, in pixels, of a tile that is worth one."""


class Embedded(NamedTuple):
    """A picture as an embedder sees it.

    Attributes:
        vector: Of the whole, shape ``(dim,)``.
        views: The class probabilities of the views that the embedded network has taken,
            shape ``(8, 1000)``; ``None`` with another embedder.
    """

    vector: NDArray[np.float32]
    views: NDArray[np.float32] | None


def embed(rasters: Sequence[Raster], embedder: ImageEmbedder) -> list[Embedded]:
    """Pictures as ``embedder`` sees them.

    Raises:
        ModelError: If it fails.
    """
    if not isinstance(embedder, ConSE):
        return [Embedded(vector, None) for vector in embedder.embed_images(rasters)]
    views = embedder.classifier.views(rasters)
    means = np.array([seen.mean(axis=0) for seen in views], np.float32).reshape(-1, 1000)
    return [Embedded(*pair) for pair in zip(embedder.combine(means), views, strict=True)]


def tile_vectors(
    raster: Raster,
    kind: PictureKind | None,
    seen: Embedded,
    embedder: ImageEmbedder,
    made: str,
) -> TileVectors | None:
    """The vectors of a picture's parts; ``None`` if it has none that are worth one.

    Args:
        raster: The picture.
        kind: What kind it looks like, where that is known.
        seen: The picture as ``embedder`` sees it.
        embedder: Makes the vectors.
        made: The setting ``parse.tiles``.

    Returns:
        Boxes in fractions of the picture.

    Raises:
        ModelError: If the embedder fails.
    """
    if made == "none" or kind is None or kind not in KINDS or min(raster.size) < _LEAST:
        return None
    parts = [_of_views(raster.size, seen.views, embedder)]
    if made == "grids":
        parts.append(_of_grids(raster, kind, embedder))
    boxes = np.concatenate([found for found, _ in parts])
    vectors = np.concatenate([found for _, found in parts])
    return TileVectors(made, boxes, vectors) if len(boxes) else None


def _of_views(
    size: tuple[int, int], views: NDArray[np.float32] | None, embedder: ImageEmbedder
) -> tuple[Boxes, Vectors]:
    """The views of the embedded network that are parts of the picture, each once."""
    if views is None or not isinstance(embedder, ConSE):
        return _boxes(()), np.zeros((0, embedder.dim), np.float32)
    places = [make_box(*edges) for edges in view_boxes(size).tolist()]
    first = {box: number for number, box in reversed(list(enumerate(places)))}
    kept = [box for box in dict.fromkeys(places) if box != FULL_PAGE]
    return _boxes(kept), embedder.combine(views[[first[box] for box in kept]])


def _of_grids(raster: Raster, kind: PictureKind, embedder: ImageEmbedder) -> tuple[Boxes, Vectors]:
    """The tiles of both grids that are large enough."""
    plan = crop_plan(raster.size, kind)
    found = [(box, raster.part(box)) for box in (*plan.detailed_boxes, *plan.adaptive_boxes)]
    found = [(box, tile) for box, tile in found if min(tile.size) >= _SMALLEST]
    tiles = [tile for _, tile in found]
    look = embedder.glance if isinstance(embedder, ConSE) else embedder.embed_images
    return _boxes([box for box, _ in found]), look(tiles)


def _boxes(boxes: Sequence[Box]) -> Boxes:
    return np.array(boxes, np.float32).reshape(-1, 4)
