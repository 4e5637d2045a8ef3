from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from cogagent.config import Settings
from cogagent.errors import ModelLoadError
from cogagent.models.base import ImageEmbedder
from cogagent.models.clip import ClipEmbedder
from cogagent.models.conse import ConSE
from cogagent.models.efficientnet import read_checkpoint
from cogagent.models.imagenet import class_vectors, classes, make_class_vectors
from cogagent.models.minilm import MiniLM
from cogagent.testing.contracts import ImageEmbedderContract
from cogagent.types import Raster


class TestConSE(ImageEmbedderContract):
    @pytest.fixture
    def embedder(self, conse: ImageEmbedder) -> ImageEmbedder:
        return conse


class TestClip(ImageEmbedderContract):
    @pytest.fixture
    def embedder(self, clip: ImageEmbedder) -> ImageEmbedder:
        return clip


class TestSiglip(ImageEmbedderContract):
    @pytest.fixture
    def embedder(self, siglip: ImageEmbedder) -> ImageEmbedder:
        return siglip


def test_a_text_model_embeds_no_pictures(tiny_bert: Path) -> None:
    with pytest.raises(ModelLoadError):
        ClipEmbedder(str(tiny_bert), Settings())


def test_there_are_a_thousand_classes_with_plain_names() -> None:
    assert len(classes()) == 1000
    assert classes()[0].names == ("tench", "Tinca tinca")
    assert all(entry.names[0] and entry.definition for entry in classes())


def test_the_kept_class_vectors_are_what_the_text_model_makes(minilm: MiniLM) -> None:
    fresh = make_class_vectors(minilm)
    assert (fresh * class_vectors()).sum(axis=1).min() > 0.999


def test_a_sure_class_is_found_by_its_name(conse: ImageEmbedder) -> None:
    assert isinstance(conse, ConSE)
    vectors = conse.combine(np.eye(1000, dtype=np.float32))
    names = ["goldfish", "golden retriever", "airliner", "pizza", "volcano"]
    scores = conse.embed_texts(names) @ vectors.T
    assert [classes()[index].names[0] for index in scores.argmax(axis=1)] == names


def test_probabilities_are_of_what_is_seen(conse: ImageEmbedder) -> None:
    from sklearn.datasets import load_sample_images

    assert isinstance(conse, ConSE)
    china = Raster(np.ascontiguousarray(load_sample_images().images[0]))
    (shown,) = conse.classifier.probabilities([china])
    assert shown.shape == (1000,)
    assert shown.sum() == pytest.approx(1, abs=1e-3)
    assert classes()[int(shown.argmax())].names[0] == "palace"
    found = conse.embed_texts(["an old palace by a lake", "a plate of pasta", "a dog"])
    assert (found @ conse.embed_images([china])[0]).argmax() == 0


def test_a_checkpoint_may_not_bring_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("trapped",)

    file = tmp_path / "weights.pth"
    file.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(pickle.UnpicklingError, match="may not name"):
        read_checkpoint(file)
    file.write_bytes(pickle.dumps(1))
    with pytest.raises(pickle.UnpicklingError, match="not a torch checkpoint"):
        read_checkpoint(file)
