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

import pytest
import yaml
from typer.testing import CliRunner

from cogagent import CogAgent
from cogagent.api.app import make_app
from cogagent.cli import app
from cogagent.config import Settings
from cogagent.errors import ModelLoadError
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
    chosen = re.search(r"ARG EXTRAS=(\S+)", text("Dockerfile"))
    assert chosen is not None
    assert set(chosen[1].split(",")) <= set(extras)


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
    command = services["model"]["command"]
    port = command[command.index("--port") + 1]
    assert services["cogagent"]["environment"]["COGAGENT_OPENAI__BASE_URL"] == (
        f"http://model:{port}/v1"
    )


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


def health_check() -> list[str]:
    found = re.search(
        r"^HEALTHCHECK .*?CMD (\[.*?\])$", text("Dockerfile"), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    command: list[str] = json.loads(found[1])
    assert command[0] == "python"
    return [sys.executable, *command[1:]]


def checked(port: int) -> int:
    named = os.environ | {"COGAGENT_SERVICE__PORT": str(port)}
    return subprocess.run(health_check(), env=named, capture_output=True, check=False).returncode


def test_the_health_check_tells_whether_it_can_work(agent: CogAgent) -> None:
    with running(make_app(agent)) as server:
        eventually_ready(server)
        assert checked(server.port) == 0
    assert checked(server.port) != 0, "nobody listens"


def test_the_health_check_fails_while_it_cannot_work(
    agent: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> None:
        raise ModelLoadError("the file is damaged.")

    monkeypatch.setattr(agent, "warm", failing)
    with running(make_app(agent)) as server:
        assert checked(server.port) != 0
