"""Embedded models, loaded once, and tiny models of other families made on the spot."""

from __future__ import annotations

import asyncio
import string
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cogagent.config import Settings
from cogagent.models.backends.transformers import TransformersMLLM
from cogagent.models.backends.transformers_rows import Decoder
from cogagent.models.base import ImageEmbedder
from cogagent.models.clip import ClipEmbedder
from cogagent.models.factory import image_embedder, text_embedder
from cogagent.models.minilm import MiniLM
from cogagent.models.sentence_transformer import SentenceTransformerEmbedder
from tests.models import tiny_models
from tests.models.transformers_kit import opened

LETTERS = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture(scope="session")
def minilm() -> MiniLM:
    embedder = text_embedder(Settings())
    assert isinstance(embedder, MiniLM)
    return embedder


@pytest.fixture(scope="session")
def conse() -> ImageEmbedder:
    return image_embedder(Settings())


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised sentence-transformers model with prompts, in a folder."""
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = {word: number for number, word in enumerate(SPECIAL + LETTERS)}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    _save(folder, BertModel(config), BertTokenizerFast(vocab=vocabulary, model_max_length=64))
    model = SentenceTransformer(
        str(folder), device="cpu", prompts={"query": "ask "}, local_files_only=True
    )
    model.save_pretrained(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    folder = tmp_path_factory.mktemp("clip")
    text, vision = _towers()
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    processor = CLIPProcessor(
        CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32), _letter_tokenizer()
    )
    _save(folder, CLIPModel(config), processor)
    return folder


@pytest.fixture(scope="session")
def tiny_siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    folder = tmp_path_factory.mktemp("siglip")
    text, vision = _towers()
    config = SiglipConfig(text_config=text, vision_config=vision)
    processor = SiglipProcessor(
        SiglipImageProcessor(size={"height": 32, "width": 32}), _letter_tokenizer()
    )
    _save(folder, SiglipModel(config), processor)
    return folder


@pytest.fixture(scope="session")
def bert(tiny_bert: Path) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(str(tiny_bert), Settings(offline=True))


@pytest.fixture(scope="session")
def clip(tiny_clip: Path) -> ClipEmbedder:
    return ClipEmbedder(str(tiny_clip), Settings(offline=True))


@pytest.fixture(scope="session")
def siglip(tiny_siglip: Path) -> ClipEmbedder:
    return ClipEmbedder(str(tiny_siglip), Settings(offline=True))


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes a tiny model at its first use, and remembers its folder."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                build = getattr(tiny_models, family)
                made[family] = build(tmp_path_factory.mktemp(family))
        return made[family]

    return folder


@pytest.fixture(scope="module")
def text_model(folders: Any) -> Iterator[TransformersMLLM]:
    model = opened(folders("llama"))
    yield model
    asyncio.run(model.close())


@pytest.fixture(scope="module", params=sorted(tiny_models.MULTIMODAL))
def seeing(request: pytest.FixtureRequest, folders: Any) -> Iterator[TransformersMLLM]:
    model = opened(folders(request.param))
    yield model
    asyncio.run(model.close())


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many prompts each reading takes."""
    seen: list[int] = []
    begin = Decoder.begin

    def counted(self: Decoder, requests: Any) -> Any:
        seen.append(len(requests))
        return begin(self, requests)

    monkeypatch.setattr(Decoder, "begin", counted)
    return seen


def _towers() -> tuple[dict[str, int], dict[str, int]]:
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 16,
    }
    ends = {"vocab_size": len(LETTERS) + 5, "max_position_embeddings": 16}
    ends |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    return tower | ends, tower | {"image_size": 32, "patch_size": 8}


def _letter_tokenizer() -> object:
    from transformers import BertTokenizerFast

    vocabulary = {word: number for number, word in enumerate(SPECIAL + LETTERS)}
    return BertTokenizerFast(vocab=vocabulary, model_max_length=16)


def _save(folder: Path, *parts: object) -> None:
    from transformers.utils import logging

    logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
        for part in parts:
            part.save_pretrained(folder)
