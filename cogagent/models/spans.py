"""The embedded span model: where in a text the answer to a question stands, if it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.errors import ModelLoadError
from cogagent.models.bert import span_reader
from cogagent.models.runtime import Network
from cogagent.models.texts import encodable
from cogagent.models.wordpieces import (
    CLS,
    HEADS,
    LAYERS,
    SEP,
    batches,
    package_folder,
    padded,
    tokenizer,
)

FILE = "spans.safetensors"
WORDS = "embeddings.word_embeddings.weight"
"""The one array that training leaves as it is, so that MiniLM's package gives it."""
SCALE = ".scale"
MAX_QUESTION = 64
MAX_TOKENS = 324
"""Room for the longest question and as much text as MiniLM reads."""


class SpanScores(NamedTuple):
    """What speaks for each word piece of a text as the start and as the end of the answer.

    Attributes:
        logits: Shape ``(n, 2)``, float32, less those of there being no answer: above
            nought in sum means that the model would answer.
        offsets: Shape ``(n, 2)``, int32: first character and end of each piece in the text.
    """

    logits: NDArray[np.float32]
    offsets: NDArray[np.int32]


class SpanModel:
    """MiniLM trained further to find the span that answers (Devlin et al. 2019, section 4.3).

    ``benchmarks/train_spans.py`` says how and on what. Safe to use from any thread.

    Args:
        settings: ``models.threads`` counts.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If the weights or the tokenizer cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        folder = package_folder()
        self._tokenizer = tokenizer(folder)
        self._network = Network(
            lambda: span_reader(_weights(folder), LAYERS, HEADS), settings.threads()
        )

    def score(self, question: str, texts: Sequence[str]) -> list[SpanScores]:
        """Read ``texts`` for the answer to ``question``, each of up to 324 pieces with it.

        Raises:
            ModelError: If the computation fails.
        """
        asked = self._encode(question).ids[:MAX_QUESTION]
        room = MAX_TOKENS - len(asked) - 3
        encoded = [self._encode(text) for text in texts]
        rows = [[CLS, *asked, SEP, *encoding.ids[:room], SEP] for encoding in encoded]
        grouped = batches([len(row) for row in rows], self._network.cores)
        first = len(asked) + 2
        inputs = (_inputs([rows[index] for index in batch], first) for batch in grouped)
        scores: dict[int, SpanScores] = {}
        for batch, (logits,) in zip(grouped, self._network.run(inputs), strict=True):
            for row, index in enumerate(batch):
                offsets = np.array(encoded[index].offsets[:room], np.int32).reshape(-1, 2)
                found = logits[row, first : first + len(offsets)] - logits[row, 0]
                scores[index] = SpanScores(found, offsets)
        return [scores[index] for index in range(len(texts))]

    def _encode(self, text: str) -> Any:
        return self._tokenizer.encode(encodable(text), add_special_tokens=False)


def packed(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Weights as they are kept: matrices as 8-bit numbers with a scale a row, the rest as 16-bit.

    MiniLM's own word embeddings are left out.
    """
    kept: dict[str, NDArray[Any]] = {}
    for name, array in weights.items():
        if name == WORDS:
            continue
        if array.ndim == 2 and name.startswith("encoder."):
            scale = np.maximum(np.abs(array).max(axis=1, keepdims=True), 1e-8) / 127
            kept[name] = np.rint(array / scale).astype(np.int8)
            kept[name + SCALE] = scale.astype(np.float32)
        else:
            kept[name] = array.astype(np.float16)
    return kept


def unpacked(kept: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """What :func:`packed` packed, as close as eight bits are."""
    return {
        name: array.astype(np.float32) * kept.get(name + SCALE, np.float32(1))
        for name, array in kept.items()
        if not name.endswith(SCALE)
    }


def _weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import safe_open
    from safetensors.numpy import load

    path = resources.files(__package__).joinpath(FILE)
    try:
        kept = load(path.read_bytes())
    except Exception as error:  # a missing file, or what the library says of a broken one
        raise ModelLoadError(
            f"the reader's weights do not load from {path}: {error}",
            remedy="Install cogagent again: `pip install --force-reinstall cogagent`.",
        ) from error
    with safe_open(folder / "model.safetensors", framework="np") as stored:
        return {**unpacked(kept), WORDS: stored.get_tensor(WORDS)}


def _inputs(rows: Sequence[Sequence[int]], first: int) -> list[NDArray[Any]]:
    """Ids, mask and token types: the text, which begins at ``first``, is the second part."""
    ids, mask = padded(rows)
    kinds = np.zeros_like(ids)
    kinds[:, first:] = 1
    return [ids, mask, kinds]
