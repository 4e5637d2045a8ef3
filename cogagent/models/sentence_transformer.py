"""Any sentence-transformers model, by name or folder, as a text embedder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from cogagent.config import Settings
from cogagent.errors import ModelError
from cogagent.models.base import Vectors
from cogagent.models.hub import fingerprint, load
from cogagent.models.texts import encodable


class SentenceTransformerEmbedder:
    """A bi-encoder (Reimers and Gurevych 2019), with its own prompts for questions and texts.

    Args:
        name: ``owner/model`` on the hub, or a folder.
        settings: ``offline`` and ``models.threads`` count.

    Raises:
        MissingPackageError: If sentence-transformers is not installed.
        OfflineError: If the model would have to be fetched and ``offline`` is on.
        ModelLoadError: If it is not found or does not load.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        def make(local_only: bool) -> Any:
            from sentence_transformers import SentenceTransformer

            return SentenceTransformer(name, local_files_only=local_only)

        self._model = load(name, settings, "sentence-transformers", make)
        # A tokenizer of the Rust kind refuses a second caller while it works.
        self._lock = threading.Lock()
        self.name = fingerprint(name, self._model[0].auto_model.config)
        self.max_tokens = int(self._model.max_seq_length or 512)
        self.dim = self.embed([""]).shape[1]

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Vectors of ``texts``, shape ``(len(texts), dim)``.

        Args:
            texts: Any strings.
            query: They are questions; the model's prompt for those goes before them.

        Raises:
            ModelError: If the model fails.
        """
        if not texts:
            return np.zeros((0, self.dim), np.float32)
        encode = self._model.encode_query if query else self._model.encode_document
        try:
            with self._lock:
                vectors = encode(
                    [encodable(text) for text in texts],
                    normalize_embeddings=True,
                    show_progress_bar=False,
                )
        except RuntimeError as error:
            raise ModelError(f"the text embedder {self.name} failed: {error}") from error
        return np.asarray(vectors, np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many of the model's tokens each text has, special ones and cutting left out."""
        if not texts:
            return []
        with self._lock:
            encoded = self._model.tokenizer(
                [encodable(text) for text in texts],
                add_special_tokens=False,
                truncation=False,
                verbose=False,
            )
        return [len(ids) for ids in encoded["input_ids"]]
