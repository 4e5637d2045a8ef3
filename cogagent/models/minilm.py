"""The embedded text embedder: MiniLM, whose weights come inside a package."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.models.base import Vectors
from cogagent.models.bert import sentence_encoder
from cogagent.models.runtime import Network
from cogagent.models.texts import encodable
from cogagent.models.wordpieces import (
    CLS,
    HEADS,
    LAYERS,
    PACKAGE,
    SEP,
    batches,
    package_folder,
    padded,
    tokenizer,
)


class TokenStates(NamedTuple):
    """The word pieces of a text as the last layer sees them.

    Attributes:
        states: Shape ``(n, 384)``, float32, not normalised.
        offsets: Shape ``(n, 2)``, int32: first character and end of each in the text.
    """

    states: NDArray[np.float32]
    offsets: NDArray[np.int32]


class _Pieces(NamedTuple):
    ids: list[int]
    offsets: list[tuple[int, int]]


_QUESTIONS = 256
"""Questions whose vectors are kept."""


class MiniLM:
    """all-MiniLM-L6-v2 (Wang et al. 2020; Reimers et al. 2019) through OpenVINO.

    Computes in bfloat16 where the processor has it. Safe to use from any thread.

    Args:
        settings: ``models.threads`` counts.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If the weights or the tokenizer cannot be read.
    """

    dim = 384
    max_tokens = 256

    def __init__(self, settings: Settings) -> None:
        folder = package_folder()
        self.name = f"minilm/{metadata.version(PACKAGE)}"
        self._tokenizer = tokenizer(folder)
        self._network = Network(lambda: _graph(folder), settings.threads())
        self._asked: LRUCache[str, NDArray[np.float32]] = LRUCache(_QUESTIONS)
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Vectors of ``texts``, shape ``(len(texts), 384)``; questions are treated alike.

        Those of the last questions are kept: one is searched for in texts and in pictures.

        Raises:
            ModelError: If the computation fails.
        """
        if not query:
            return self._embedded(texts)
        with self._lock:
            known = {text: self._asked[text] for text in texts if text in self._asked}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known |= zip(new, self._embedded(new), strict=True)
        with self._lock:
            self._asked.update({text: known[text] for text in new})
        return np.array([known[text] for text in texts], np.float32).reshape(-1, self.dim)

    def _embedded(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for batch, (pooled,) in self._run([self._pieces(text) for text in texts], outputs=(0,)):
            vectors[batch] = pooled
        return vectors

    def token_states(self, texts: Sequence[str]) -> list[TokenStates]:
        """The states of every word piece; see :meth:`embed_with_states`."""
        return self.embed_with_states(texts)[1]

    def embed_with_states(self, texts: Sequence[str]) -> tuple[Vectors, list[TokenStates]]:
        """Vectors and word-piece states of ``texts`` for the price of the vectors.

        Returns:
            The vectors as :meth:`embed` gives them, and for each text its pieces,
            special tokens left out, cut at ``max_tokens``.

        Raises:
            ModelError: If the computation fails.
        """
        pieces = [self._pieces(text) for text in texts]
        vectors = np.zeros((len(texts), self.dim), np.float32)
        empty = TokenStates(np.zeros((0, self.dim), np.float32), np.zeros((0, 2), np.int32))
        states = [empty] * len(texts)
        for batch, (pooled, hidden) in self._run(pieces, outputs=(0, 1)):
            vectors[batch] = pooled
            for row, index in enumerate(batch):
                offsets = np.array(pieces[index].offsets, np.int32).reshape(-1, 2)
                states[index] = TokenStates(hidden[row, 1 : len(offsets) + 1].copy(), offsets)
        return vectors, states

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many word pieces each text has, special tokens and cutting left out."""
        return [len(self._encode(text).ids) for text in texts]

    def _encode(self, text: str) -> Any:
        return self._tokenizer.encode(encodable(text), add_special_tokens=False)

    def _pieces(self, text: str) -> _Pieces:
        encoding = self._encode(text)
        room = self.max_tokens - 2
        return _Pieces([CLS, *encoding.ids[:room], SEP], encoding.offsets[:room])

    def _run(
        self, pieces: Sequence[_Pieces], outputs: Sequence[int]
    ) -> Iterator[tuple[list[int], list[NDArray[np.float32]]]]:
        """Batches of indices into ``pieces``, each with the graph's outputs for it."""
        grouped = batches([len(item.ids) for item in pieces], self._network.cores)
        inputs = (padded([pieces[index].ids for index in batch]) for batch in grouped)
        return zip(grouped, self._network.run(inputs, outputs), strict=True)


def _graph(folder: Path) -> Any:
    from safetensors.numpy import load_file

    return sentence_encoder(load_file(str(folder / "model.safetensors")), LAYERS, HEADS)
