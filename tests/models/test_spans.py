from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cogagent.config import Settings
from cogagent.errors import ModelLoadError
from cogagent.models import spans
from cogagent.models.factory import minilm, span_model
from cogagent.models.spans import MAX_TOKENS, SpanModel, packed, unpacked

QUESTION = "Who designed the mill bridge?"
TEXT = "It stands near an old weir. The mill bridge was designed by Ada Byron in 1843."


@pytest.fixture(scope="module")
def model() -> SpanModel:
    return span_model(Settings())


def best(scores: spans.SpanScores, text: str) -> str:
    sums = np.triu(scores.logits[:, :1] + scores.logits[None, :, 1])
    first, last = np.unravel_index(np.argmax(np.where(sums == 0, -np.inf, sums)), sums.shape)
    return text[scores.offsets[first, 0] : scores.offsets[last, 1]]


def test_it_points_at_the_answer(model: SpanModel) -> None:
    (scores,) = model.score(QUESTION, [TEXT])
    assert best(scores, TEXT) == "Ada Byron"
    assert float(scores.logits[:, 0].max() + scores.logits[:, 1].max()) > 0


def test_it_would_not_answer_from_a_text_about_something_else(model: SpanModel) -> None:
    (scores,) = model.score(QUESTION, ["Roses grow along the wall. Gulls visit the pond."])
    assert float(scores.logits[:, 0].max() + scores.logits[:, 1].max()) < 0


def test_each_text_is_read_by_itself(model: SpanModel) -> None:
    texts = ["Roses grow along the wall.", TEXT, TEXT + " Nine ferries served the river." * 20]
    together = model.score(QUESTION, texts)
    for text, scores in zip(texts, together, strict=True):
        (alone,) = model.score(QUESTION, [text])
        np.testing.assert_array_equal(alone.offsets, scores.offsets)
        # Batches of other lengths are padded otherwise, which bfloat16 shows.
        np.testing.assert_allclose(alone.logits, scores.logits, atol=0.5)


def test_its_pieces_are_those_of_the_text_model(model: SpanModel) -> None:
    long = TEXT * 40
    (scores,) = model.score("why " * 100, [long])
    states = minilm(Settings()).token_states([long])[0]
    assert len(states.offsets) <= len(scores.offsets) < MAX_TOKENS
    np.testing.assert_array_equal(scores.offsets[: len(states.offsets)], states.offsets)


@pytest.mark.parametrize("text", ["", " ", "\x00", "\ud800", "[SEP] [PAD]", "é" * 3000])
def test_any_text_can_be_read(model: SpanModel, text: str) -> None:
    (scores,) = model.score(text, [text])
    assert np.isfinite(scores.logits).all()
    assert len(scores.logits) == len(scores.offsets)
    assert model.score(text, []) == []


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_packing_is_as_close_as_eight_bits_are(matrix: np.ndarray) -> None:
    name = "encoder.layer.0.intermediate.dense.weight"
    kept = packed({name: matrix, spans.WORDS: matrix})
    assert kept[name].dtype == np.int8
    back = unpacked(kept)
    assert list(back) == [name]
    step = np.abs(matrix).max(axis=1, keepdims=True) / 127
    assert (np.abs(back[name] - matrix) <= 0.51 * step + 1e-6).all()


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, None])
def test_damaged_weights_are_a_typed_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / spans.FILE).write_bytes(content)
    monkeypatch.setattr(spans.resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelLoadError, match="reader's weights"):
        SpanModel(Settings())
