"""A language model that does not load or answer: what is wrong with it, and what mends it."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cogagent.cli import app
from cogagent.errors import ModelLoadError
from cogagent.models.backends.llamacpp_load import find
from tests.models.gguf_file import write_gguf, write_projector
from tests.models.service import Exchange, serving, whole


class Told:
    """What ``cogagent doctor`` and ``cogagent models --try`` say of the language model."""

    def __init__(self, home: Path, environment: Callable[[str, str], None]) -> None:
        self._home, self._set = home, environment

    def __call__(self, name: str, **settings: object) -> tuple[str, str]:
        """The sentence and the remedy, the same from both."""
        self._set("COGAGENT_MODELS__ANSWER_MODEL", name)
        for key, value in settings.items():
            self._set(f"COGAGENT_{key}".upper(), str(value))
        entries = self._run("models", "--try")
        (entry,) = [entry for entry in entries if entry["role"] == "answer"]
        findings = {finding["check"]: finding for finding in self._run("doctor")}
        finding = findings.pop("answer model")
        assert not entry["ok"]
        assert not finding["ok"]
        assert all(other["ok"] for other in findings.values()), findings
        # Times and numbers of processes may differ from one attempt to the next.
        assert finding["remedy"] == entry["remedy"]
        assert "Traceback" not in finding["detail"]
        assert finding["detail"].count("\n") == 0
        return finding["detail"], finding["remedy"]

    def _run(self, *command: str) -> list[dict[str, object]]:
        done = CliRunner().invoke(app, ["--home", str(self._home), *command, "--json"])
        assert done.exit_code == 1, done.output
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COGAGENT_PARSE__OCR", "0")
    monkeypatch.setenv("COGAGENT_PARSE__OFFICE", "0")
    monkeypatch.setenv("COGAGENT_OPENAI__RETRIES", "0")
    monkeypatch.setenv("COGAGENT_LLAMACPP__THREADS", "1")
    return Told(tmp_path / "kb", monkeypatch.setenv)


@pytest.fixture
def weights() -> Path:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    try:
        return find("smollm2")
    except ModelLoadError as error:
        pytest.skip(str(error))


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as held:  # taken, and nobody listens
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_model_that_works_says_hello(told: Told, weights: Path) -> None:
    told._set("COGAGENT_MODELS__ANSWER_MODEL", "llamacpp:smollm2")
    done = CliRunner().invoke(app, ["--home", str(told._home), "doctor"])
    assert done.exit_code == 0, done.output
    assert "ok   answer model: llamacpp:smollm2 writes, keeps to a JSON schema" in done.stdout
    assert "on trial" in done.stdout


def test_the_reader_needs_nothing(told: Told) -> None:
    done = CliRunner().invoke(app, ["--home", str(told._home), "doctor"])
    assert "ok   answer model: extractive quotes the documents" in done.stdout


class TestFiles:
    def test_the_file_is_missing(self, told: Told) -> None:
        detail, remedy = told("llamacpp:/nowhere/model.gguf")
        assert detail == "there is no model file '/nowhere/model.gguf'."
        assert remedy.startswith("Write llamacpp:FILE.gguf with the path of a GGUF file")

    def test_it_is_no_gguf(self, told: Told, tmp_path: Path) -> None:
        file = tmp_path / "model.gguf"
        file.write_bytes(b"<html>404 not found</html>")
        detail, remedy = told(f"llamacpp:{file}")
        assert detail == f"'{file}' is no sound GGUF file: it does not begin as one."
        assert "Fetch the file again" in remedy

    def test_it_is_cut_short(self, told: Told, weights: Path, tmp_path: Path) -> None:
        file = tmp_path / "short.gguf"
        file.write_bytes(weights.read_bytes()[: 60 << 20])
        detail, remedy = told(f"llamacpp:{file}")
        assert "cut short" in detail
        assert "compare its size" in remedy

    def test_its_architecture_is_not_known(
        self, told: Told, weights: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "odd.gguf"
        file.write_bytes(weights.read_bytes().replace(b"llama", b"lamma"))
        detail, remedy = told(f"llamacpp:{file}")
        assert "unknown model architecture: 'lamma'" in detail
        assert "version of xllamacpp" in remedy

    def test_it_writes_nothing(self, told: Told, tmp_path: Path) -> None:
        file = write_gguf(tmp_path / "bert.gguf", {"general.architecture": "nomic-bert"})
        detail, remedy = told(f"llamacpp:{file}")
        assert detail == f"'{file}' is a nomic-bert model, which writes nothing."
        assert remedy == "Name a model that chats."

    def test_the_mmproj_is_missing(self, told: Told, weights: Path) -> None:
        detail, remedy = told("llamacpp:smollm2", llamacpp__mmproj="/nowhere/mmproj.gguf")
        assert detail == "there is no mmproj file '/nowhere/mmproj.gguf'."
        assert "llamacpp.mmproj" in remedy

    def test_the_mmproj_is_of_another_model(
        self, told: Told, weights: Path, tmp_path: Path
    ) -> None:
        other = write_projector(tmp_path / "other.gguf", 2048)
        detail, remedy = told("llamacpp:smollm2", llamacpp__mmproj=other)
        assert "belongs to another model: it gives 2048 numbers a token" in detail
        assert remedy == "Fetch both files of one model from the same place."

    def test_the_package_is_missing(
        self, told: Told, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "xllamacpp", None)
        detail, remedy = told("llamacpp:smollm2", llamacpp__context=333)
        assert "need the package xllamacpp, which is not installed" in detail
        assert remedy == "Run `pip install 'cogagent[llamacpp]'`."

    def test_the_folder_is_missing(self, told: Told) -> None:
        detail, remedy = told("transformers:/nowhere/model")
        assert detail == "there is no folder '/nowhere/model'."
        assert "transformers:FOLDER" in remedy

    def test_the_folder_is_another_kind_of_model(self, told: Told, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}))
        detail, remedy = told(f"transformers:{tmp_path}")
        assert "of the type 't5', which writes no answers" in detail
        assert "a decoder for chat" in remedy

    def test_it_would_have_to_be_fetched(self, told: Told) -> None:
        detail, remedy = told("transformers:nobody/no-such-model", offline=1)
        assert "is not on this machine and `offline` is on" in detail
        assert "Name a folder that holds it" in remedy


class TestServices:
    def test_nobody_is_there(self, told: Told, closed_port: int) -> None:
        address = f"http://127.0.0.1:{closed_port}/v1"
        detail, remedy = told("openai:x", openai__base_url=address)
        assert detail.startswith(f"{address} cannot be reached")
        assert remedy == "Is the server running, and openai.base_url right?"

    def test_the_key_is_missing(self, told: Told) -> None:
        detail, remedy = told("openai:gpt-x")
        assert detail == "there is no key for OpenAI."
        assert "OPENAI_API_KEY" in remedy

    def test_offline_is_on(self, told: Told) -> None:
        address = "https://models.example.org/v1"
        detail, remedy = told("openai:x", openai__base_url=address, offline=1)
        assert detail == f"{address} is not on this machine and `offline` is on."
        assert "`offline` to false" in remedy

    def test_the_package_is_missing(
        self, told: Told, monkeypatch: pytest.MonkeyPatch, closed_port: int
    ) -> None:
        monkeypatch.setitem(sys.modules, "openai", None)
        address = f"http://127.0.0.1:{closed_port}/v1"
        _, remedy = told("openai:x", openai__base_url=address)
        assert remedy == "Run `pip install 'cogagent[openai]'`."

    @pytest.mark.parametrize(
        ("answer", "detail", "remedy"),
        [
            (lambda exchange: exchange.send(b"<html>Welcome</html>", "text/html"),
             "sent no JSON, but '<html>Welcome", "most end in /v1"),
            (lambda exchange: exchange.fail(404, "model 'x' not found"),
             "knows no model 'x'", "models.answer_model"),
            (lambda exchange: exchange.fail(401, "no"), "does not let us in", "OPENAI_API_KEY"),
            (lambda exchange: exchange.json(whole("")), "openai:x writes nothing",
             "made to be asked"),
            (lambda exchange: time.sleep(1.5), "did not answer within 0.3 s",
             "openai.timeout_seconds"),
        ],
        ids=["a web page", "another model", "no entry", "silence", "hanging"],
    )  # fmt: skip
    def test_it_answers_nothing_of_use(
        self, told: Told, answer: Callable[[Exchange], None], detail: str, remedy: str
    ) -> None:
        with serving(answer) as server:
            said, advice = told(
                "openai:x", openai__base_url=server.url, openai__timeout_seconds=0.3
            )
        assert detail in said
        assert remedy in advice

    def test_a_picture_is_tried_where_one_is_promised(self, told: Told) -> None:
        def answer(exchange: Exchange) -> None:
            if isinstance(exchange.body["messages"][0]["content"], list):
                exchange.fail(400, "image input is not supported")
            else:
                exchange.json(whole("Hello."))

        with serving(answer) as server:
            detail, remedy = told("openai:x", openai__base_url=server.url, openai__pictures=1)
        assert "sees no pictures" in detail
        assert "openai.pictures to false" in remedy

    def test_there_is_no_such_backend(self, told: Told) -> None:
        detail, remedy = told("nobody:x")
        assert detail == "there is no model 'nobody:x'."
        assert "llamacpp, openai, transformers" in remedy

    def test_a_key_in_a_settings_file(self, told: Told) -> None:
        told._home.mkdir()
        (told._home / "cogagent.toml").write_text('[openai]\napi_key = "sk-1"\n')
        done = CliRunner().invoke(app, ["--home", str(told._home), "doctor"])
        assert done.exit_code == 1
        assert "MEND settings" in done.stdout
        assert "api_key_file" in done.stdout
        assert "sk-1" not in done.output


def test_a_backend_of_a_package_that_is_broken(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cogagent.models import factory

    broken = {"broken": "cogagent.no_such_module:make", "odd": "cogagent.errors:make"}
    monkeypatch.setattr(factory, "_BACKENDS", factory._BACKENDS | broken)
    for name in broken:
        detail, remedy = told(f"{name}:x")
        assert detail.startswith(f"the backend {name!r} of models does not load from")
        assert "Install the package that brings it again" in remedy
