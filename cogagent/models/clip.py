"""CLIP or SigLIP, by name or folder, as a picture embedder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cogagent.config import Settings
from cogagent.errors import ModelError, ModelLoadError
from cogagent.models.base import Vectors
from cogagent.models.hub import fingerprint, load
from cogagent.models.texts import encodable
from cogagent.types import Raster

_BATCH = 16


class ClipEmbedder:
    """A two-tower model of pictures and words through Transformers.

    CLIP (Radford et al. 2021), SigLIP (Zhai et al. 2023) and whatever else has
    ``get_image_features`` and ``get_text_features``.

    Args:
        name: ``owner/model`` on the hub, or a folder.
        settings: ``offline`` counts.

    Raises:
        MissingPackageError: If transformers is not installed.
        OfflineError: If the model would have to be fetched and ``offline`` is on.
        ModelLoadError: If it is not found, does not load or is of another kind.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        def make(local_only: bool) -> tuple[Any, Any]:
            from transformers import AutoModel, AutoProcessor

            model = AutoModel.from_pretrained(name, local_files_only=local_only)
            return model.eval(), AutoProcessor.from_pretrained(name, local_files_only=local_only)

        self._model, self._processor = load(name, settings, "transformers", make)
        if not hasattr(self._model, "get_image_features"):
            raise ModelLoadError(
                f"the model {name!r} does not embed pictures.",
                remedy="Name a CLIP or SigLIP model in `models.image_embedder`.",
            )
        # A tokenizer of the Rust kind refuses a second caller while it works.
        self._lock = threading.Lock()
        self.name = fingerprint(name, self._model.config)
        # SigLIP was trained on texts padded to full length and is lost without.
        sigmoid = self._model.config.model_type.startswith("siglip")
        self._padding: bool | str = "max_length" if sigmoid else True
        self._width = int(self._model.config.text_config.max_position_embeddings)
        self.dim = 0
        self.dim = self.embed_texts([""]).shape[1]

    def embed_images(self, images: Sequence[Raster]) -> Vectors:
        """Vectors of ``images``, shape ``(len(images), dim)``.

        Raises:
            ModelError: If the model fails.
        """

        def features(batch: Sequence[Raster]) -> Any:
            from PIL import Image

            pictures = [Image.fromarray(raster.pixels) for raster in batch]
            inputs = self._processor(images=pictures, return_tensors="pt")
            return self._model.get_image_features(**inputs)

        return self._embed(images, features)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Vectors of ``texts`` in the pictures' space, shape ``(len(texts), dim)``.

        Raises:
            ModelError: If the model fails.
        """

        def features(batch: Sequence[str]) -> Any:
            inputs = self._processor(
                text=[encodable(text) for text in batch],
                padding=self._padding,
                truncation=True,
                max_length=self._width,
                return_tensors="pt",
            )
            return self._model.get_text_features(**inputs)

        return self._embed(texts, features)

    def _embed(self, items: Sequence[Any], features: Callable[[Sequence[Any]], Any]) -> Vectors:
        import torch

        rows = [np.zeros((0, self.dim), np.float32)] if not items else []
        try:
            with self._lock, torch.inference_mode():
                for start in range(0, len(items), _BATCH):
                    found = features(items[start : start + _BATCH])
                    # Transformers 5 wraps what Transformers 4 returned bare.
                    found = getattr(found, "pooler_output", found)
                    unit = torch.nn.functional.normalize(found.float(), dim=-1)
                    rows.append(unit.cpu().numpy())
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"the picture embedder {self.name} failed: {error}") from error
        return np.concatenate(rows)
