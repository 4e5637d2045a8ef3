"""Alive, ready, and if not, why."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from cogagent import CogAgent, Settings
from cogagent.api import probes
from cogagent.api.app import make_app
from cogagent.api.parts import Parts
from cogagent.config import ModelSettings, ServiceSettings
from cogagent.errors import ModelLoadError
from tests.api.conftest import SETTINGS, Running, eventually_ready, running

Disk = namedtuple("Disk", "total used free")


@pytest.fixture
def parts(agent: CogAgent) -> Parts:
    """The parts of a service that is ready."""
    found = Parts(agent)
    found.condition.loading = ""
    return found


def reasons(parts: Parts) -> dict[str, str]:
    return {str(fault.at[0]): fault.message for fault in probes.Readying(parts).faults()}


def test_a_service_becomes_ready(agent: CogAgent) -> None:
    with running(make_app(agent)) as server:
        assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
        assert eventually_ready(server).json() == {"status": "ready"}


def test_it_says_what_is_amiss(agent: CogAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise ModelLoadError("the file /home/ada/model.gguf is damaged.")

    monkeypatch.setattr(agent, "warm", failing)
    with running(make_app(agent)) as server:
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        time.sleep(0.2)
        reply = httpx.get(f"{server.url}/readyz")
    assert reply.status_code == 503
    assert reply.headers["content-type"] == "application/problem+json"
    assert int(reply.headers["retry-after"]) > 0
    body = reply.json()
    assert body["code"] == "not_ready"
    assert [fault["at"] for fault in body["faults"]] == [["models"]]
    assert "a model does not load (model_load)" in body["detail"]
    assert "/home/ada" not in reply.text


def test_nothing_is_amiss(parts: Parts) -> None:
    assert reasons(parts) == {}


def test_models_that_are_being_loaded(agent: CogAgent) -> None:
    assert reasons(Parts(agent)) == {"models": "the models are being loaded"}


def test_models_that_do_not_load(tmp_path: Path) -> None:
    missing = ModelSettings(answer_model=f"llamacpp:{tmp_path / 'none.gguf'}")
    settings = SETTINGS.model_copy(update={"models": missing})
    with CogAgent(tmp_path / "kb", settings) as agent:
        parts = Parts(agent)
        parts.condition.warm(agent)
        assert reasons(parts)["models"].startswith("a model does not load")


def test_a_full_disk(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1 << 40, 1 << 40, 9 << 20))
    assert reasons(parts) == {"disk": "only 9 MiB are free"}


def test_a_home_that_is_gone(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: object) -> Disk:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    assert reasons(parts) == {"disk": "the home cannot be reached"}


def test_a_catalogue_that_cannot_be_written(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def reading_only(path: Path, **options: object) -> sqlite3.Connection:
        return connect(f"file:{path}?mode=ro", uri=True, **options)

    monkeypatch.setattr(probes.sqlite3, "connect", reading_only)
    assert reasons(parts) == {"catalogue": "the catalogue cannot be written"}


def test_another_who_writes_is_no_fault(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_PATIENCE", 0.1)
    with parts.catalogue.transaction():
        assert reasons(parts) == {}


def test_workers_that_died(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Parts, "settings", property(lambda _: ServiceSettings(workers=3)), raising=True
    )
    monkeypatch.setattr(Parts, "workers", SimpleNamespace(alive=1), raising=False)
    assert reasons(parts) == {"workers": "1 of 3 worker processes run"}


def test_a_full_queue(home: Path) -> None:
    settings = Settings(service=ServiceSettings(workers=0, queue=1))
    with CogAgent(home, settings) as agent:
        parts = Parts(agent)
        parts.condition.loading = ""
        assert reasons(parts) == {}
        with parts.catalogue.transaction() as connection:
            connection.execute(
                "INSERT INTO jobs (id, kind, owner, caller, collection, state, body, created, due)"
                " VALUES ('job-1', 'ingest', '', '{}', 'dams', 'queued', '{}', '', 0)"
            )
        assert reasons(parts) == {"queue": "the queue of jobs is full"}


def test_a_service_that_ends(parts: Parts) -> None:
    parts.condition._ended.set()
    assert reasons(parts) == {"service": "the service is being stopped"}


def test_it_looks_once_a_second_however_often_it_is_asked(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: looked.append(1) or Disk(1 << 40, 0, 1 << 40)
    )
    readying = probes.Readying(parts)
    for _ in range(50):
        readying.faults()
    assert len(looked) <= 2


@pytest.fixture
def guarded(agent: CogAgent) -> Iterator[Running]:
    """The service with keys."""
    with running(make_app(agent)) as server:
        yield server


def test_no_key_is_asked_for_and_nothing_else_is_open(guarded: Running) -> None:
    assert httpx.get(f"{guarded.url}/healthz").status_code == 200
    assert eventually_ready(guarded).status_code == 200
    for path in ("/healthz/", "/readyz/x", "//healthz", "/healthz%2f", "/healthz/../v1/models"):
        assert httpx.get(f"{guarded.url}{path}").status_code in (401, 404)
