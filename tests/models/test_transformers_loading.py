"""Which folders and names load as Transformers models, and what is said of the others."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cogagent.config import Settings
from cogagent.errors import (
    MissingPackageError,
    ModelLoadError,
    OfflineError,
)
from cogagent.models.backends.transformers import make
from tests.models import tiny_models
from tests.models.transformers_kit import (
    ask,
    engine,
    opened,
)


class TestLoading:
    def test_by_the_factory(self, folders: Any) -> None:
        model = make(str(folders("llama")), Settings())
        assert model.name == f"transformers:{folders('llama')}"
        asyncio.run(model.close())

    def test_not_on_this_machine(self) -> None:
        with pytest.raises(OfflineError):
            make("nobody/no-such-model", Settings(offline=True))

    @pytest.mark.parametrize("name", ["/no/such/folder", "./none", "~/none"])
    def test_no_such_folder(self, name: str) -> None:
        with pytest.raises(ModelLoadError, match="no folder"):
            make(name, Settings())

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ModelLoadError):
            make(str(tmp_path), Settings())

    def test_a_model_of_another_kind(self, tiny_bert: Path, tiny_clip: Path) -> None:
        for folder in (tiny_clip, tiny_bert):
            with pytest.raises(ModelLoadError):
                make(str(folder), Settings())

    def test_a_model_that_needs_its_own_code(self, tmp_path: Path) -> None:
        described = {
            "model_type": "stranger",
            "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
        }
        (tmp_path / "config.json").write_text(json.dumps(described))
        (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
        with pytest.raises(ModelLoadError):
            make(str(tmp_path), Settings())

    @pytest.mark.parametrize(
        ("family", "file"),
        [
            ("llama", "model.safetensors"),
            ("llama", "config.json"),
            ("llama", "tokenizer.json"),
            ("qwen2_vl", "preprocessor_config.json"),
            ("idefics3", "preprocessor_config.json"),
        ],
    )
    def test_a_file_is_missing(self, folders: Any, tmp_path: Path, family: str, file: str) -> None:
        copied = shutil.copytree(folders(family), tmp_path / "copy")
        (copied / file).unlink()
        with pytest.raises(ModelLoadError):
            make(str(copied), Settings())

    @pytest.mark.parametrize("damage", ["a weight less", "cut off"])
    def test_weights_are_missing(self, folders: Any, tmp_path: Path, damage: str) -> None:
        from safetensors.torch import load_file, save_file

        copied = shutil.copytree(folders("llama"), tmp_path / "copy")
        file = copied / "model.safetensors"
        if damage == "cut off":
            file.write_bytes(file.read_bytes()[:-1000])
        else:
            weights = load_file(file)
            del weights["model.layers.1.mlp.up_proj.weight"]
            save_file(weights, file, metadata={"format": "pt"})
        with pytest.raises(ModelLoadError, match="weights" if damage == "a weight less" else None):
            make(str(copied), Settings())

    def test_a_model_that_was_not_made_to_be_asked(self, tmp_path: Path) -> None:
        with pytest.raises(ModelLoadError, match="chat template"):
            make(str(tiny_models.llama(tmp_path, template=None)), Settings())

    def test_a_template_that_fails(self, tmp_path: Path) -> None:
        folder = tiny_models.llama(tmp_path, template="{{ raise_exception('never') }}")
        with pytest.raises(ModelLoadError, match="never"):
            make(str(folder), Settings())

    def test_a_card_that_is_not_there(self, folders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(ModelLoadError, match="cuda"):
            opened(folders("llama"), device_map="cuda")

    def test_quantized_without_the_packages(
        self, folders: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cogagent.models.backends import transformers_loading

        monkeypatch.setattr(transformers_loading, "find_spec", lambda name: None)
        with pytest.raises(MissingPackageError, match="bitsandbytes"):
            opened(folders("llama"), quantize="4bit")

    @pytest.mark.parametrize(
        ("chosen", "stored", "expected"),
        [
            ("auto", "float32", "float32"),
            ("auto", "bfloat16", "bfloat16"),
            ("auto", "float16", "float32"),
            ("bfloat16", "float32", "bfloat16"),
        ],
    )
    def test_the_kind_of_numbers(
        self, folders: Any, tmp_path: Path, chosen: str, stored: str, expected: str
    ) -> None:
        copied = shutil.copytree(folders("llama"), tmp_path / "copy")
        described = json.loads((copied / "config.json").read_text())
        (copied / "config.json").write_text(json.dumps(described | {"dtype": stored}))
        model = opened(copied, dtype=chosen, device_map="cpu")
        assert str(engine(model)._model.dtype) == f"torch.{expected}"
        assert ask(model, "tell").text
        asyncio.run(model.close())
