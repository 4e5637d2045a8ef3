"""What every embedder must hold to; a test class inherits and gives the embedder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cogagent.models.base import ImageEmbedder, TextEmbedder
from cogagent.types import Raster

ODD_TEXTS = ["", " ", "\x00", "\ud800 half a pair", "é" * 40, "word " * 2000, "日本語", "🙂👩‍👩‍👧"]


def _are_unit_rows(vectors: np.ndarray, rows: int, dim: int) -> None:
    assert vectors.shape == (rows, dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(rows), abs=1e-4)


class TextEmbedderContract:
    """Inherit, and give a fixture ``embedder``."""

    @pytest.fixture
    def embedder(self) -> TextEmbedder:
        raise NotImplementedError

    def test_is_a_text_embedder(self, embedder: TextEmbedder) -> None:
        assert isinstance(embedder, TextEmbedder)
        assert embedder.name
        assert embedder.max_tokens > 0

    def test_vectors_have_length_one(self, embedder: TextEmbedder) -> None:
        _are_unit_rows(embedder.embed(["one", "two words", "three"]), 3, embedder.dim)
        _are_unit_rows(embedder.embed(["a question?"], query=True), 1, embedder.dim)

    def test_no_texts_give_no_rows(self, embedder: TextEmbedder) -> None:
        assert embedder.embed([]).shape == (0, embedder.dim)
        assert embedder.count_tokens([]) == []

    def test_any_string_is_a_text(self, embedder: TextEmbedder) -> None:
        _are_unit_rows(embedder.embed(ODD_TEXTS), len(ODD_TEXTS), embedder.dim)
        assert len(embedder.count_tokens(ODD_TEXTS)) == len(ODD_TEXTS)

    def test_order_and_company_do_not_matter(self, embedder: TextEmbedder) -> None:
        texts = ["a", "a much longer text than the others are", "bc", "a"]
        together = embedder.embed(texts)
        alone = np.concatenate([embedder.embed([text]) for text in texts])
        assert (together * alone).sum(axis=1).min() > 0.999

    def test_tokens_are_counted_past_the_limit(self, embedder: TextEmbedder) -> None:
        few, many = embedder.count_tokens(["ab", "ab " * (2 * embedder.max_tokens)])
        assert 0 < few < 5
        assert many >= 2 * embedder.max_tokens

    def test_threads_do_not_disturb_each_other(self, embedder: TextEmbedder) -> None:
        texts = [f"text number {number} " * (number + 1) for number in range(8)]
        expected = embedder.embed(texts)
        with ThreadPoolExecutor(4) as pool:
            rows = list(pool.map(lambda text: embedder.embed([text])[0], texts))
        assert (np.array(rows) * expected).sum(axis=1).min() > 0.999


class ImageEmbedderContract:
    """Inherit, and give a fixture ``embedder``."""

    @pytest.fixture
    def embedder(self) -> ImageEmbedder:
        raise NotImplementedError

    def test_is_an_image_embedder(self, embedder: ImageEmbedder) -> None:
        assert isinstance(embedder, ImageEmbedder)
        assert embedder.name

    def test_pictures_of_any_shape(self, embedder: ImageEmbedder) -> None:
        random = np.random.default_rng(0)
        sizes = [(40, 60), (1, 1), (3, 500), (700, 30)]
        images = [Raster(random.integers(0, 256, (h, w, 3), np.uint8)) for h, w in sizes]
        _are_unit_rows(embedder.embed_images(images), len(sizes), embedder.dim)

    def test_texts_share_the_space(self, embedder: ImageEmbedder) -> None:
        _are_unit_rows(embedder.embed_texts(["a dog", *ODD_TEXTS]), 9, embedder.dim)

    def test_nothing_gives_no_rows(self, embedder: ImageEmbedder) -> None:
        assert embedder.embed_images([]).shape == (0, embedder.dim)
        assert embedder.embed_texts([]).shape == (0, embedder.dim)

    def test_order_and_company_do_not_matter(self, embedder: ImageEmbedder) -> None:
        images = [Raster(np.full((50, 50, 3), value, np.uint8)) for value in (0, 128, 255)]
        together = embedder.embed_images(images)
        alone = np.concatenate([embedder.embed_images([image]) for image in images])
        assert (together * alone).sum(axis=1).min() > 0.999
