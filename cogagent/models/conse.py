"""The embedded picture embedder: pictures placed among words by what they show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cogagent.models.base import TextEmbedder, Vectors
from cogagent.models.classifier import Classifier
from cogagent.models.imagenet import class_vectors
from cogagent.types import Raster

_SHARPNESS = 0.7
"""Power of the probabilities: below one, what is in the background counts for more."""


class ConSE:
    """Convex combination of semantic embeddings (Norouzi et al. 2013, arXiv:1312.5650).

    A picture's vector is the sum of its classes' text vectors, each weighted by its
    probability. Texts and classes are taken relative to the classes' mean, which
    otherwise makes everything look alike.

    Args:
        texts: The text model that the class vectors were made with.
        classifier: Gives the probabilities.
    """

    def __init__(self, texts: TextEmbedder, classifier: Classifier) -> None:
        vectors = class_vectors()
        self.name = f"conse-1/{classifier.name}/{texts.name}"
        self.dim = vectors.shape[1]
        self.classifier = classifier
        self._texts = texts
        self._centre = vectors.mean(axis=0)
        self._classes = vectors - self._centre

    def embed_images(self, images: Sequence[Raster]) -> Vectors:
        """Vectors of ``images``, shape ``(len(images), dim)``.

        Raises:
            ModelError: If the network fails.
        """
        return self.combine(self.classifier.probabilities(images))

    def glance(self, images: Sequence[Raster]) -> Vectors:
        """Vectors of parts of pictures, each seen in one view, shape ``(len(images), dim)``.

        Raises:
            ModelError: If the network fails.
        """
        return self.combine(self.classifier.glance(images))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Vectors of ``texts`` in the pictures' space, shape ``(len(texts), dim)``.

        Raises:
            ModelError: If the text model fails.
        """
        return _unit(self._texts.embed(texts, query=True) - self._centre)

    def likeness(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """How near each text is to each class, shape ``(len(texts), 1000)``, -1 to 1.

        Raises:
            ModelError: If the text model fails.
        """
        return np.asarray(self.embed_texts(texts) @ _unit(self._classes).T, np.float32)

    def combine(self, probabilities: NDArray[np.float32]) -> Vectors:
        """Vectors of pictures whose class probabilities are known, shape ``(n, dim)``.

        Args:
            probabilities: Shape ``(n, 1000)``, as :class:`Classifier` gives them.
        """
        return _unit(probabilities**_SHARPNESS @ self._classes)


def _unit(vectors: NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
