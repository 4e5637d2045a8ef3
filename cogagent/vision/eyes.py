"""Looks at pictures: what is written in them, what they show, and where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.models.base import ImageEmbedder
from cogagent.models.conse import ConSE
from cogagent.models.factory import classifier
from cogagent.types import PictureKind, Raster, Words
from cogagent.vision.colours import colours_of
from cogagent.vision.kinds import kind_of
from cogagent.vision.ocr import Reader, Reading
from cogagent.vision.perception import Perception, perceive
from cogagent.vision.tags import Tag, paper, tags


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
    """

    reading: Reading
    perception: Perception
    tags: tuple[Tag, ...]
    colours: tuple[str, ...]
    kind: PictureKind
    vector: NDArray[np.float32]


class Eyes:
    """Sees pictures with the embedded networks. Safe to use from any thread.

    Args:
        settings: ``models.threads`` and ``parse.ocr`` count.
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
    ) -> list[Sight]:
        """What is in each picture.

        Args:
            rasters: Pictures of any size.
            read: Look for text too, which takes nearly all of the time.
            written: What is known to be written in each, which is then not read;
                ``None`` for a picture of which nothing is known.

        Raises:
            ModelError: If a model fails or does not load.
        """
        if not rasters:
            return []
        if isinstance(self._embedder, ConSE):  # its network is the one that names things
            shown = self._embedder.classifier.probabilities(rasters)
            vectors = self._embedder.combine(shown)
        else:
            shown = classifier(self._settings).probabilities(rasters)
            vectors = self._embedder.embed_images(rasters)
        known = written or [None] * len(rasters)
        reads = read and self._settings.parse.ocr
        return [
            _sight(raster, reading or (self.read(raster) if reads else None), chances, vector)
            for raster, reading, chances, vector in zip(
                rasters, known, shown, vectors, strict=True
            )
        ]

    def read(self, raster: Raster) -> Reading:
        """Only what is written in a picture, as a scanned page needs it.

        Raises:
            ModelError: If the reader fails or does not load.
        """
        return self._reader.read(raster)


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
