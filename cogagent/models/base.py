"""The protocols of the embedders.

Vectors are float32, one row an input, of length one, so that a dot product is
a cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cogagent.types import Raster

Vectors = NDArray[np.float32]


@runtime_checkable
class TextEmbedder(Protocol):
    """Turns texts into vectors."""

    name: str
    """Identifies model and version; recorded in the home."""
    dim: int
    """Width of a vector."""
    max_tokens: int
    """Longer texts are cut here."""

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Vectors of ``texts``, shape ``(len(texts), dim)``.

        Args:
            texts: Any strings; an empty one is allowed.
            query: The texts are questions, for models that prompt the two apart.

        Raises:
            ModelError: If the model fails.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many of the model's tokens each text has, without cutting."""
        ...


@runtime_checkable
class ImageEmbedder(Protocol):
    """Turns pictures, and words that describe them, into vectors of one space."""

    name: str
    dim: int

    def embed_images(self, images: Sequence[Raster]) -> Vectors:
        """Vectors of ``images``, shape ``(len(images), dim)``.

        Raises:
            ModelError: If the model fails.
        """
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Vectors of ``texts`` in the pictures' space, shape ``(len(texts), dim)``.

        Raises:
            ModelError: If the model fails.
        """
        ...
