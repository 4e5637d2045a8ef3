"""What docs/service.md shows is what the service does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cogagent import CogAgent, Source
from cogagent.api.app import make_app
from cogagent.config import ServiceSettings, Settings
from tests.api.conftest import SETTINGS, Running, bearer, make_keys, running

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8600"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def key_and_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Running]]:
    """A service over a collection that knows of the station."""
    with CogAgent(tmp_path_factory.mktemp("docs") / "kb", SETTINGS) as agent:
        data = b"The station was founded by Edith Marrow in 1926."
        agent.ingest([Source(uri="note:1", data=data, media_type="text/plain", title="Report")])
        with running(make_app(agent)) as server:
            yield make_keys(agent).admin, server


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_examples_for_curl_work(key_and_server: tuple[str, Running], tmp_path: Path) -> None:
    key, server = key_and_server
    (tmp_path / "examples").symlink_to(Path(__file__).parents[2] / "examples")
    examples = blocks("sh")
    (tmp_path / "questions.jsonl").write_text('{"question": "Who founded the station?"}\n')
    assert len(examples) == 7
    for example in examples:
        assert ADDRESS in example
        if "/asks/ID/" in example:  # of a stream that was cut
            continue
        # Proxies of the surroundings know nothing of this machine's own ports.
        command = example.replace(ADDRESS, server.url).replace(
            "curl ", "curl --noproxy '*' --fail "
        )
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "KEY": key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, (example, ended.stdout, ended.stderr)
        if '"stream": true' in example:
            assert "event: done" in ended.stdout
        elif "/v1/ask" in example:
            assert json.loads(ended.stdout)["short"] == "Edith Marrow"
        else:
            json.loads(ended.stdout)


def test_the_places_that_it_names_are_there(key_and_server: tuple[str, Running]) -> None:
    key, server = key_and_server
    described = httpx.get(f"{server.url}/openapi.json", headers=bearer(key)).json()["paths"]
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    named = {*re.findall(r"[\s`\d](/v1/[\w/{}]+)", PAGE + readme)}
    assert len(named) > 8
    for path in named:
        pattern = (
            path.replace("asks/ID", "asks/{ask}")
            .replace("ID", "{job}")
            .replace("/default/", "/{collection}/")
        )
        assert pattern in described, path


def test_the_example_for_openai_works(
    key_and_server: tuple[str, Running], capsys: pytest.CaptureFixture[str]
) -> None:
    key, server = key_and_server
    (example,) = blocks("python")
    code = example.replace(ADDRESS, server.url).replace('"none"', repr(key))
    names: dict[str, Any] = {}
    try:
        exec(compile(code, "service.md", "exec"), names)
    finally:
        names["client"].close()
    assert "Edith Marrow" in capsys.readouterr().out


def test_the_settings_that_it_names_are_settings() -> None:
    for text in blocks("toml"):
        given = tomllib.loads(text)["service"]
        ServiceSettings.model_validate(given)
    for name in re.findall(r"`service\.(\w+)`", PAGE):
        assert name in ServiceSettings.model_fields, name
    assert Settings.model_fields["service"]


def test_the_clients_configurations_are_json() -> None:
    stdio, http = map(json.loads, blocks("json"))
    assert stdio["mcpServers"]["documents"]["args"][-1] == "mcp"
    assert http["mcpServers"]["documents"]["url"] == f"{ADDRESS}/mcp"
    assert http["mcpServers"]["documents"]["headers"].keys() == bearer("").keys()
