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
from cogagent.types import Raster, Words
from cogagent.vision.colours import dominant_colours
from cogagent.vision.ocr import Reader, Reading, TextBlock
from cogagent.vision.tags import Kind, Tag, kind_of, tags


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What was seen in one picture.

    Attributes:
        text: What is written in it, blocks in reading order, a blank line between two.
        words: The words of ``text``; page 1, boxes in fractions of the picture.
        blocks: Character range and place of each block of ``text``.
        tags: What it shows, by plain names with probabilities, most probable first.
        colours: Its main colours, the widest spread first.
        kind: A photograph, a graphic (chart, drawing, screenshot) or a page of prose.
        vector: Shape ``(dim,)``, float32, in the image embedder's space.
    """

    text: str
    words: Words
    blocks: tuple[TextBlock, ...]
    tags: tuple[Tag, ...]
    colours: tuple[str, ...]
    kind: Kind
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

    def look(self, rasters: Sequence[Raster], read: bool = True) -> list[Sight]:
        """What is in each picture.

        Args:
            rasters: Pictures of any size.
            read: Look for text too, which takes nearly all of the time.

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
        sights = []
        for raster, probabilities, vector in zip(rasters, shown, vectors, strict=True):
            reading = self.read(raster) if read and self._settings.parse.ocr else _UNREAD
            kind = kind_of(raster, reading)
            sights.append(
                Sight(
                    text=reading.text,
                    words=reading.words,
                    blocks=reading.blocks,
                    tags=tags(probabilities, kind),
                    colours=dominant_colours(raster),
                    kind=kind,
                    vector=vector,
                )
            )
        return sights

    def read(self, raster: Raster) -> Reading:
        """Only what is written in a picture, as a scanned page needs it.

        Raises:
            ModelError: If the reader fails or does not load.
        """
        return self._reader.read(raster)


_UNREAD = Reading("", Words.empty(), ())
