"""The classes that the embedded picture network tells apart, and what they mean.

``python -m cogagent.models.imagenet`` writes the vectors of their descriptions
anew; a test fails when the file no longer fits the text model.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.models.base import TextEmbedder, Vectors

_WORDS = "imagenet_classes.txt"
_VECTORS = "imagenet_vectors.npy"


class PictureClass(NamedTuple):
    """One class: its WordNet id, its names (the plainest first) and its definition."""

    synset: str
    names: tuple[str, ...]
    definition: str


@cache
def classes() -> tuple[PictureClass, ...]:
    """The 1,000 classes of ImageNet, in the order of the network's outputs."""
    text = resources.files("cogagent.models").joinpath(_WORDS).read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        PictureClass(synset, tuple(names.split(", ")), definition)
        for synset, names, definition in rows
    )


@cache
def class_vectors() -> Vectors:
    """The classes' places in the text model's space, shape ``(1000, dim)``, read-only."""
    with resources.files("cogagent.models").joinpath(_VECTORS).open("rb") as file:
        vectors: NDArray[np.float32] = np.load(file).astype(np.float32)
    vectors.flags.writeable = False
    return vectors


def make_class_vectors(embedder: TextEmbedder) -> Vectors:
    """What :func:`class_vectors` holds: the mean direction of names and definition.

    Definitions speak the language of captions ("worn by", "a dog used for") where
    names are often jargon; with both, more captions find their picture.
    """
    names = embedder.embed([f"a photo of a {', '.join(entry.names)}" for entry in classes()])
    meanings = embedder.embed([entry.definition for entry in classes()])
    total = names + meanings
    return np.asarray(total / np.linalg.norm(total, axis=1, keepdims=True), np.float32)


def _write() -> None:
    from pathlib import Path

    from cogagent.config import Settings
    from cogagent.models.minilm import MiniLM

    vectors = make_class_vectors(MiniLM(Settings()))
    np.save(Path(__file__).with_name(_VECTORS), vectors.astype(np.float16))


if __name__ == "__main__":
    _write()
