"""What is asked is noted; what changes something, before the response."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from fastapi import Request

from cogagent import CogAgent
from cogagent.api import auditing
from cogagent.errors import DiskFullError
from cogagent.indexes.audit import AuditLog, NumberedLine
from tests.api.conftest import Keys, running
from tests.api.service_kit import ELSEWHERE, call, small_app


def written(app: Any) -> Sequence[NumberedLine]:
    """The lines on disk, the oldest first."""
    return app.state.parts.audit.lines()[::-1]


def noted(app: Any) -> Sequence[NumberedLine]:
    """Those in memory, too."""
    app.state.parts.audit.flush()
    return written(app)


def test_a_change_is_written_and_a_look_waits(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)
    call(app, "/who?secret=1", keys.reader)
    assert written(app) == []
    changed = call(app, "/things/doc-1", keys.dams, "POST", client=ELSEWHERE)
    look, change = written(app)
    assert (look.action, look.target, look.status) == ("who", "", 200)
    assert (change.action, change.target, change.status) == ("change_thing", "doc-1", 200)
    assert (look.address, change.address) == ("127.0.0.1", "192.0.2.7")
    owners = {key.id: key.name for key in app.state.parts.keys.list()}
    assert [owners[line.owner] for line in (look, change)] == ["reader", "dams"]
    assert changed.status_code == 200
    assert change.request.startswith("req-")
    assert "secret" not in look.model_dump_json()


def test_what_is_refused_is_noted_too(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent, rate=2)
    call(app, "/who")
    call(app, "/all", keys.reader)
    call(app, "/nowhere/at/all", keys.reader)
    call(app, "/who", keys.reader)
    call(app, "/things/1", keys.admin, "POST", headers={"authorization": "Basic x"})
    lines = noted(app)
    assert [line.status for line in lines] == [401, 403, 404, 429, 401]
    assert [bool(line.owner) for line in lines] == [False, True, True, True, False]
    assert lines[0].action == "GET /who"
    assert lines[2].action == "GET /nowhere/at/all"


def test_probes_are_not_noted_and_errors_are(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)
    call(app, "/healthz")
    assert noted(app) == []
    failed = call(app, "/breaks", keys.reader)
    assert failed.status_code == 500
    assert "the inside" not in failed.text
    assert [line.status for line in noted(app)] == [500]


def test_a_change_that_cannot_be_noted_is_told(
    agent: CogAgent, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = small_app(agent)
    store = AuditLog._store

    def full(self: AuditLog, lines: object) -> None:
        raise DiskFullError("there is no space left.")

    monkeypatch.setattr(AuditLog, "_store", full)
    told = call(app, "/things/1", keys.dams, "POST")
    assert (told.status_code, told.json()["code"]) == (503, "disk_full")
    assert "changed" not in told.text
    assert call(app, "/who", keys.reader).status_code == 200, "looking goes on"
    monkeypatch.setattr(AuditLog, "_store", store)
    assert [line.action for line in noted(app)] == ["change_thing", "who"], "and nothing is lost"


def test_routes_may_say_what_it_was_about(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)

    @app.post("/tool")
    def tool(request: Request) -> str:
        request.state.action, request.state.target = "mcp:open_page", "doc-1"
        return ""

    call(app, "/tool", keys.reader, "POST")
    assert [(line.action, line.target) for line in noted(app)] == [("mcp:open_page", "doc-1")]


def test_who_goes_away_before_a_response_is_noted(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)
    begun = asyncio.Event()

    @app.get("/slow")
    async def slow() -> str:
        begun.set()
        await asyncio.sleep(60)
        return ""

    async def impatient() -> None:
        transport = httpx.ASGITransport(app)
        headers = {"x-api-key": keys.reader}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            asking = asyncio.create_task(client.get("/slow"))
            await begun.wait()
            asking.cancel()
            await asyncio.wait([asking])

    asyncio.run(impatient())
    assert [line.status for line in noted(app)] == [499]


def test_a_service_writes_what_waits_now_and_then_and_at_its_end(
    agent: CogAgent, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "_SECONDS", 0.05)
    app = small_app(agent)
    with running(app) as server:
        httpx.get(f"{server.url}/who", headers={"x-api-key": keys.reader})
        deadline = time.monotonic() + 20
        while not written(app):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        monkeypatch.setattr(auditing, "_SECONDS", 3600.0)
        time.sleep(0.2)
        httpx.get(f"{server.url}/who", headers={"x-api-key": keys.reader})
        assert len(written(app)) == 1
    assert len(written(app)) == 2


def test_a_log_that_cannot_be_written_is_told_in_the_services_log(
    agent: CogAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: AuditLog) -> None:
        raise DiskFullError("there is no space left.")

    monkeypatch.setattr(AuditLog, "flush", full)
    monkeypatch.setattr(auditing, "_SECONDS", 0.01)
    with running(small_app(agent)):
        deadline = time.monotonic() + 20
        while "audit log cannot be written" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.02)
