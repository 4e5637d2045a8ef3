"""What runs the service elsewhere: its files name what exists, and its health check tells."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from cogagent import CogAgent
from cogagent.api.app import make_app
from cogagent.cli import app
from cogagent.config import Settings
from cogagent.errors import ModelLoadError
from cogagent.models.backends.llamacpp_load import find
from tests.api.conftest import eventually_ready, running

ROOT = Path(__file__).parents[2]
FILES = ("Dockerfile", "compose.yaml", "deploy/cogagent.service", "docs/running.md")


def text(name: str) -> str:
    return (ROOT / name).read_text()


def settings() -> set[str]:
    """Environment variables of all settings."""
    found = {
        "COGAGENT_HOME",
        "COGAGENT_OFFLINE",
        "COGAGENT_ANSWER_MODEL",
    }  # the last: compose's own
    for group, field in Settings.model_fields.items():
        fields: Any = getattr(field.annotation, "model_fields", {})
        found |= {f"COGAGENT_{group}__{name}".upper() for name in fields}
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_setting_that_is_named_exists(name: str) -> None:
    named = set(re.findall(r"COGAGENT_[A-Z_]+[A-Z]", text(name)))
    assert named
    assert named <= settings()


def test_the_image_has_the_extras_that_exist() -> None:
    extras = re.findall(r"^([a-z]+) = \[", text("pyproject.toml"), re.MULTILINE)
    chosen = re.search(r'ARG EXTRAS="([^"]+)"', text("Dockerfile"))
    assert chosen is not None
    assert set(chosen[1].split()) <= set(extras)


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names <= allowed
    assert all((ROOT / name).exists() for name in names)


def test_the_image_is_not_run_by_root() -> None:
    final = text("Dockerfile").rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["cogagent"\]$', final, re.MULTILINE)
    assert re.search(r'^CMD \["serve"\]$', final, re.MULTILINE)


def test_the_ports_agree() -> None:
    port = str(Settings().service.port)
    assert f"EXPOSE {port}" in text("Dockerfile")
    assert f"COGAGENT_SERVICE__PORT={port}" in text("Dockerfile")
    (published,) = yaml.safe_load(text("compose.yaml"))["services"]["cogagent"]["ports"]
    assert published == f"127.0.0.1:{port}:{port}"


def test_stopping_waits_for_the_service() -> None:
    longest = Settings().service.shutdown_seconds
    service = yaml.safe_load(text("compose.yaml"))["services"]["cogagent"]
    assert float(service["stop_grace_period"].removesuffix("s")) > longest
    assert float(unit()["Service"]["TimeoutStopSec"]) > longest


def test_the_model_is_started_only_when_wanted() -> None:
    services = yaml.safe_load(text("compose.yaml"))["services"]
    assert services["model"]["profiles"] == ["model"]
    assert "profiles" not in services["cogagent"]
    assert "ports" not in services["model"]
    assert f"FROM base AS {services['model']['build']['target']}\n" in text("Dockerfile")
    port = re.search(r"^    PORT +\((\d+)\)$", text("deploy/model_server.py"), re.MULTILINE)
    assert port is not None
    assert services["cogagent"]["environment"]["COGAGENT_OPENAI__BASE_URL"] == (
        f"http://model:{port[1]}/v1"
    )


def model_server(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, ROOT / "deploy" / "model_server.py"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_model_server_answers_by_the_protocol_and_stops() -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    try:
        path = find("smollm2")
    except ModelLoadError as error:
        pytest.skip(str(error))
    environment = {"HOST": "127.0.0.1", "PORT": "0", "CONTEXT": "512", "THREADS": "1"}
    with model_server(MODEL=str(path), **environment) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[-1]
            port = address.rpartition(":")[2]
            assert checked(health_check("model"), PORT=port) == 0
            body = {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 4}
            told = httpx.post(f"{address}/v1/chat/completions", json=body, timeout=60).json()
            assert told["usage"]["completion_tokens"] > 0
        finally:
            process.terminate()
            process.communicate(timeout=30)
    assert process.returncode == 0
    assert checked(health_check("model"), PORT=port) != 0


def test_the_model_server_says_which_file_is_missing(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    with model_server(MODEL=str(tmp_path / "no.gguf")) as process:
        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "no.gguf" in told
    assert "Traceback" not in told


def unit() -> ConfigParser:
    found = ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment,method-assign] # names keep their case
    found.read_string(text("deploy/cogagent.service"))
    return found


def commands() -> list[list[str]]:
    """What is started, without the path of the program."""
    shown = re.findall(r"cogagent ((?:serve|keys) ?[^\n`#]*)", text("docs/running.md"))
    started = [unit()["Service"]["ExecStart"].partition(" ")[2], *shown]
    return [shlex.split(line) for line in started]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_the_commands_exist(command: list[str]) -> None:
    told = CliRunner().invoke(app, [*command, "--help"])
    assert told.exit_code == 0, told.output


def health_check(stage: str) -> list[str]:
    """Of the image that a stage begins with its name, or of the last."""
    begin = f"\nFROM base AS {stage}\n" if stage else "\nFROM base\n"
    instructions = text("Dockerfile").partition(begin)[2].partition("\nFROM ")[0]
    found = re.search(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", instructions, re.MULTILINE)
    assert found is not None
    command: list[str] = json.loads(found[1])
    assert command[0] == "python"
    return [sys.executable, *command[1:]]


def checked(command: list[str], **environment: str) -> int:
    named = os.environ | environment
    return subprocess.run(command, env=named, capture_output=True, check=False).returncode


def ready(port: int) -> bool:
    return checked(health_check(""), COGAGENT_SERVICE__PORT=str(port)) == 0


def test_the_health_check_tells_whether_it_can_work(agent: CogAgent) -> None:
    with running(make_app(agent)) as server:
        eventually_ready(server)
        assert ready(server.port)
    assert not ready(server.port), "nobody listens"


def test_the_health_check_fails_while_it_cannot_work(
    agent: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise ModelLoadError("the file is damaged.")

    monkeypatch.setattr(agent, "warm", failing)
    with running(make_app(agent)) as server:
        assert not ready(server.port)
