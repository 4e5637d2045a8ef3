from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cogagent.cli import app
from cogagent.config import ModelSettings, Settings
from cogagent.inventory import inventory
from cogagent.models import factory
from cogagent.models.mllm import Capabilities
from cogagent.testing.doubles import ScriptedMLLM


def test_what_is_embedded_works() -> None:
    entries = inventory(Settings(), attempt=True)
    assert [entry.role for entry in entries] == ["text", "picture", "answer", "ocr"]
    assert all(entry.ok and entry.try_seconds is not None for entry in entries)
    assert "2047" in entries[3].tried


def test_a_language_model_tells_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    can = Capabilities(pictures=True, context=512, coordinates="thousandths")
    model = ScriptedMLLM(["Hello."], can)
    monkeypatch.setattr(factory, "answer_model", lambda settings: model)
    chosen = Settings(models=ModelSettings(answer_model="scripted:1"))
    entry = inventory(chosen, attempt=True)[2]
    assert entry.detail == "writes, sees pictures, names places in thousandths, reads 512 tokens"
    assert entry.tried == "'Hello.'"
    again = inventory(chosen, attempt=True)[2]
    assert (again.ok, again.detail) == (False, "the script is over.")


@pytest.mark.parametrize(
    "name", ["llamacpp:nowhere.gguf", "nobody:x", "openai:gpt", "transformers:/nowhere"]
)
def test_a_model_that_does_not_load_is_listed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COGAGENT_MODELS__ANSWER_MODEL", name)
    monkeypatch.setenv("COGAGENT_PARSE__OCR", "0")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("COGAGENT_OFFLINE", "1")
    done = CliRunner().invoke(app, ["models"])
    assert done.exit_code == 1
    assert f"MEND answer: {name}: " in done.stdout
    assert "ok   text: minilm" in done.stdout
    assert "switched off" in done.stdout
    done = CliRunner().invoke(app, ["models", "--json"])
    assert done.exit_code == 1
    (wrong,) = [entry for entry in json.loads(done.stdout) if not entry["ok"]]
    assert wrong["remedy"]


def test_the_command_tries_them() -> None:
    done = CliRunner().invoke(app, ["models", "--try"])
    assert done.exit_code == 0
    assert done.stdout.count(" s\n") == 4


def test_a_model_of_its_own_for_planning_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedMLLM(["Hello."])
    monkeypatch.setattr(factory, "mllm", lambda name, settings: model)
    chosen = Settings(models=ModelSettings(planner_model="scripted:small"))
    entries = inventory(chosen, attempt=True)
    assert [entry.role for entry in entries] == ["text", "picture", "answer", "planner", "ocr"]
    assert (entries[3].name, entries[3].tried, model.closed) == ("scripted:small", "'Hello.'", 1)
