"""Small, fast, deterministic stand-ins for the parts behind the seams."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cogagent.models.base import Vectors
from cogagent.planners.base import PlanState
from cogagent.types import Element, Evidence, Query, Raster, Source, Step


class HashTextEmbedder:
    """A bag of hashed words: texts that share words are near."""

    name = "hash-1"
    dim = 64
    max_tokens = 256

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:  # noqa: ARG002
        """One unit vector a text; an empty text points along the first axis."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(word.encode()) % self.dim] += 1.0
            if not vectors[row].any():
                vectors[row, 0] = 1.0
        return _unit(vectors)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words and punctuation marks."""
        return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


class HashEncoder:
    """The reader's text model: a word's state depends on the word alone, so like words align."""

    def token_states(self, texts: Sequence[str]) -> list[tuple[Vectors, NDArray[np.int32]]]:
        """States of up to 256 words and marks, and their character ranges."""
        found = []
        for text in texts:
            spans = [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)][:256]
            states = [self._state(text[start:end].lower()) for start, end in spans]
            found.append(
                (
                    np.array(states, np.float32).reshape(-1, 384),
                    np.array(spans, np.int32).reshape(-1, 2),
                )
            )
        return found

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The mean state of each text, of length one."""
        pooled = [
            states.mean(axis=0) if len(states) else np.ones(384, np.float32)
            for states, _ in self.token_states(texts)
        ]
        return _unit(np.array(pooled, np.float32).reshape(-1, 384))

    @staticmethod
    def _state(word: str) -> Vectors:
        generator = np.random.default_rng(zlib.crc32(word[:5].encode("utf-8", "replace")))
        return generator.standard_normal(384).astype(np.float32)


class ColourImageEmbedder:
    """Mean colour in RGB; a text is near the colours it names."""

    name = "colour-1"
    dim = 3
    _NAMED: ClassVar = {"red": 0, "green": 1, "blue": 2}

    def embed_images(self, images: Sequence[Raster]) -> Vectors:
        """One unit vector a picture."""
        means = [image.pixels.reshape(-1, 3).mean(axis=0) + 1.0 for image in images]
        return _unit(np.array(means, np.float32).reshape(-1, 3))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text."""
        vectors = np.full((len(texts), 3), 0.1, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                if word in self._NAMED:
                    vectors[row, self._NAMED[word]] += 1.0
        return _unit(vectors)


class ListLoader:
    """Yields the elements it was given, whatever the source."""

    media_types = ("application/x-list",)

    def __init__(self, elements: Sequence[Element]) -> None:
        self._elements = elements

    def load(self, source: Source) -> Iterator[Element]:  # noqa: ARG002
        """The elements, in order."""
        yield from self._elements


class ListRetriever:
    """Returns the evidence it was given and remembers what it was asked."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self.asked: list[Query] = []
        self._evidence = list(evidence)

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The first ``k``."""
        self.asked.append(query)
        return [piece.model_copy(update={"query": query.text}) for piece in self._evidence[:k]]


class ScriptedPlanner:
    """Plays steps in order, then stops."""

    name = "scripted"

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps

    async def plan(self, state: PlanState) -> Step:
        """The next step of the script."""
        done = len(state.steps)
        if done < len(self._steps):
            return self._steps[done]
        return Step(number=done + 1, done=True, reason="the script is over")


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)
