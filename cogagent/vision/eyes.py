"""Looks at pictures: what is written in them, what they show, and where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.geometry import FULL_PAGE
from cogagent.models.base import ImageEmbedder
from cogagent.models.factory import classifier
from cogagent.types import PictureKind, Raster, TileVectors, Words
from cogagent.vision.colours import colours_of
from cogagent.vision.kinds import kind_of
from cogagent.vision.ocr import Reader, Reading
from cogagent.vision.perception import Perception, perceive
from cogagent.vision.rereading import read_parts, reread
from cogagent.vision.tags import Tag, paper, tags
from cogagent.vision.tiling import Embedded, embed, tile_vectors


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What was seen in one picture.

    Attributes:
        reading: What is written in it, with the words' places; empty if nobody looked.
        perception: What it is, in words; the blocks of what is written.
        tags: What it shows, by plain names with probabilities, most probable first.
        colours: Its main colours, the most striking first.
        kind: What kind of picture it is.
        vector: Shape ``(dim,)``, float32, in the image embedder's space.
        tiles: Vectors of its parts; boxes in fractions of the picture. ``None`` if it has
            none that are worth one, or nobody asked for them.
    """

    reading: Reading
    perception: Perception
    tags: tuple[Tag, ...]
    colours: tuple[str, ...]
    kind: PictureKind
    vector: NDArray[np.float32]
    tiles: TileVectors | None = None


class Eyes:
    """Sees pictures with the embedded networks. Safe to use from any thread.

    Args:
        settings: ``models.threads``, ``parse.ocr`` and ``parse.tiles`` count.
        image_embedder: Makes the vectors.
    """

    def __init__(self, settings: Settings, image_embedder: ImageEmbedder) -> None:
        self._settings = settings
        self._embedder = image_embedder
        self._reader = Reader(settings)

    def look(
        self,
        rasters: Sequence[Raster],
        read: bool = True,
        written: Sequence[Reading | None] = (),
        *,
        parts: bool = False,
    ) -> list[Sight]:
        """What is in each picture.

        Args:
            rasters: Pictures of any size.
            read: Look for text too, which takes nearly all of the time.
            written: What is known to be written in each, which is then not read;
                ``None`` for a picture of which nothing is known.
            parts: Make vectors of their parts too, as ``parse.tiles`` has it.

        Raises:
            ModelError: If a model fails or does not load.
        """
        if not rasters:
            return []
        embedded = embed(rasters, self._embedder)
        shown = self._shown(rasters, embedded)
        known = written or [None] * len(rasters)
        reads = read and self._settings.parse.ocr
        made = self._settings.parse.tiles if parts else "none"
        sights = []
        for raster, reading, chances, seen in zip(rasters, known, shown, embedded, strict=True):
            found = reading or (self.read(raster) if reads else None)
            sight = _sight(raster, found, chances, seen.vector)
            tiles = tile_vectors(raster, sight.kind, seen, self._embedder, made)
            sights.append(replace(sight, tiles=tiles))
        return sights

    def read(self, raster: Raster) -> Reading:
        """Only what is written in a picture, as a scanned page needs it.

        Raises:
            ModelError: If the reader fails or does not load.
        """
        return self._reader.read(raster)

    def reread(self, raster: Raster, height: float = 0.0) -> Reading:
        """What is written in a region at full resolution, enlarged where its print is small.

        Nothing where the setting ``parse.ocr`` is off.

        Args:
            raster: The region.
            height: Of its lines, in pixels; 0 if nobody knows.

        Raises:
            ModelError: If the reader fails or does not load.
        """
        if not self._settings.parse.ocr:
            return _UNREAD
        return reread(raster, FULL_PAGE, self._reader, height=height or None)

    def read_parts(self, raster: Raster) -> Reading:
        """What is written in a large picture, part by part; raises what :meth:`read` does."""
        return read_parts(raster, self._reader) if self._settings.parse.ocr else _UNREAD

    def _shown(
        self, rasters: Sequence[Raster], embedded: Sequence[Embedded]
    ) -> Sequence[NDArray[np.float32]]:
        """The class probabilities of each picture; the embedded embedder's network has them."""
        views = [seen.views for seen in embedded if seen.views is not None]
        if len(views) == len(rasters):
            return [seen.mean(axis=0) for seen in views]
        return list(classifier(self._settings).probabilities(rasters))


def _sight(
    raster: Raster,
    reading: Reading | None,
    probabilities: NDArray[np.float32],
    vector: NDArray[np.float32],
) -> Sight:
    found = reading or _UNREAD
    kind = kind_of(raster, found, paper(probabilities))
    shown, colours = tags(probabilities, kind), colours_of(raster)
    perception = perceive(raster, kind, shown, colours, reading)
    return Sight(found, perception, shown, colours.names, kind, vector)


_UNREAD = Reading("", Words.empty(), ())
