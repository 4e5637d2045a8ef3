"""What was answered or is being done does not outlive rights, documents and keys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cogagent import CogAgent, Source
from cogagent.api import asks
from cogagent.api.app import make_app
from cogagent.api.jobs.desk import JobDesk
from cogagent.errors import DiskFullError
from cogagent.indexes.keys import KeyRing
from tests.api.conftest import DAM, QUESTION, pdf, running
from tests.api.jobs_kit import ANN, drain, upload, with_service

JSONL = {"content-type": "application/jsonl"}


class Door:
    """A service, with a key of Bob's and one of the admin's."""

    def __init__(self, agent: CogAgent, url: str) -> None:
        self.agent, self.ring = agent, KeyRing(agent.catalogue)
        self.key, secret = self.ring.create("bob", ["read", "write"], ["dams"], ["bob"])
        _, admin = self.ring.create("admin", ["admin"])
        self.bob = httpx.Client(
            base_url=url, timeout=60, headers={"authorization": f"Bearer {secret}"}
        )
        self.admin = httpx.Client(
            base_url=url, timeout=60, headers={"authorization": f"Bearer {admin}"}
        )
        listed = self.admin.get("/v1/collections/dams/documents").json()["items"]
        self.dam = next(one["id"] for one in listed if one["uri"] == "test:dam.pdf")

    def ask(self, key: str = "", **more: Any) -> httpx.Response:
        asked = {"question": QUESTION, "collection": "dams", **more}
        headers = {"Idempotency-Key": key} if key else {}
        return self.bob.post("/v1/ask", json=asked, headers=headers)

    def batch(self) -> str:
        told = self.bob.post(
            "/v1/batches?collection=dams",
            content=json.dumps({"question": QUESTION}),
            headers=JSONL,
        )
        return str(told.raise_for_status().json()["id"])

    def answers(self, job: str) -> list[Any]:
        text = self.bob.get(f"/v1/batches/{job}/answers").text
        return [json.loads(line) for line in text.splitlines()]

    def hide(self) -> None:
        """The dam becomes Alice's alone."""
        source = Source(
            uri="test:dam.pdf", data=pdf(DAM), media_type="application/pdf", principals=("alice",)
        )
        self.agent.ingest([source], "dams")

    def upload(self, data: bytes, uri: str = "note:9") -> dict[str, Any]:
        told = self.bob.post(
            "/v1/collections/dams/documents",
            files={"files": ("n.txt", data, "text/plain")},
            data={"documents": json.dumps([{"uri": uri}])},
        )
        return dict(told.raise_for_status().json())


@pytest.fixture
def door(agent: CogAgent) -> Iterator[Door]:
    with running(make_app(agent)) as server:
        made = Door(agent, server.url)
        yield made
        made.bob.close()
        made.admin.close()


def test_answers_of_a_batch_do_not_quote_what_is_hidden_by_now(door: Door) -> None:
    job = door.batch()
    drain(door.agent)
    assert "Lowell" in door.answers(job)[0]["answer"]["text"]
    door.hide()
    (line,) = door.answers(job)
    assert (line["answer"], line["error"]["code"]) == (None, "not_found")


def test_answers_of_a_batch_are_scrubbed_of_what_is_deleted(door: Door) -> None:
    job = door.batch()
    drain(door.agent)
    door.admin.delete(f"/v1/documents/{door.dam}").raise_for_status()
    # The same document again does not bring them back.
    again = Source(uri="test:dam.pdf", data=pdf(DAM), media_type="application/pdf")
    door.agent.ingest([again], "dams")
    assert door.answers(job)[0]["error"]["code"] == "not_found"
    path = door.agent.home / "jobs" / job / "answers.jsonl"
    assert "Lowell" in path.read_text()
    door.batch()
    drain(door.agent)
    assert "Lowell" not in path.read_text()
    assert door.answers(job)[0]["error"]["code"] == "not_found"


def test_a_conversation_leaves_out_what_is_hidden_by_now(door: Door) -> None:
    door.ask(conversation="c")
    assert len(door.bob.get("/v1/conversations/c").json()["turns"]) == 1
    door.hide()
    assert door.bob.get("/v1/conversations/c").json()["turns"] == []
    followed = door.ask(question="And what did she renew in 1974?", conversation="c").json()
    assert "Lowell" not in json.dumps(followed)


def test_a_kept_answer_goes_with_what_its_conversation_quoted(door: Door) -> None:
    door.ask(conversation="c")
    asked = {
        "question": "And what did she renew in 1974?",
        "conversation": "c",
        "filters": {"uri": "note:1"},
    }
    first = door.ask("k", **asked).json()
    assert "Kestrel" in first["resolved"]
    door.admin.delete(f"/v1/documents/{door.dam}").raise_for_status()
    again = door.ask("k", **asked).json()
    assert again["trace"] != first["trace"]
    assert "Kestrel" not in again["resolved"]
    assert "Lowell" not in door.bob.get("/v1/conversations/c").text


def test_an_answer_that_cannot_be_kept_is_given_and_not_made_twice(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bytes:
        raise DiskFullError("no space left.")

    with monkeypatch.context() as patched:
        patched.setattr(asks.Asks, "_keep", full)
        first = door.ask("k", conversation="c")
    again = door.ask("k", conversation="c")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert len(door.bob.get("/v1/conversations/c").json()["turns"]) == 1
    assert len(door.bob.get("/v1/traces").json()["items"]) == 1


def test_jobs_end_with_the_key_that_submitted_them(door: Door) -> None:
    jobs = [door.batch(), door.upload(b"Late words.")["job"]["id"]]
    door.ring.revoke(door.key.id)
    drain(door.agent)
    for job in jobs:
        found = door.admin.get(f"/v1/jobs/{job}").json()
        assert (found["state"], found["error"]["code"]) == ("failed", "unauthenticated")


def test_events_of_a_job_end_with_the_key(door: Door) -> None:
    job = door.batch()
    seen = threading.Event()

    def follow() -> None:
        with door.bob.stream("GET", f"/v1/jobs/{job}/events") as reply:
            for _ in reply.iter_lines():
                seen.set()

    reader = threading.Thread(target=follow)
    reader.start()
    assert seen.wait(10)
    door.ring.revoke(door.key.id)
    began = time.monotonic()
    reader.join(20)
    assert not reader.is_alive()
    assert time.monotonic() - began < 15


def test_a_deleted_document_does_not_come_back_by_an_upload_that_waited(door: Door) -> None:
    (document,) = door.upload(b"One marmalade.")["documents"]
    drain(door.agent)
    job = door.upload(b"Two marmalades.")["job"]["id"]
    door.bob.delete(f"/v1/documents/{document}").raise_for_status()
    drain(door.agent)
    assert door.bob.get(f"/v1/documents/{document}").status_code == 404
    assert door.bob.get(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    assert door.bob.post(f"/v1/jobs/{job}/retry").status_code == 409


def test_files_that_failed_count_and_make_room(agent: CogAgent) -> None:
    desk = JobDesk(with_service(agent, queue_mb=2))
    broken = b"%PDF-1.4 and no more" + bytes(700_000)
    jobs = []
    for number in range(4):
        given = upload(desk, broken + str(number).encode(), "bad.pdf")
        jobs.append(desk.submit_ingest(ANN, "lights", [given]).id)
        drain(agent)
    assert [desk.job(ANN, job).bytes > 0 for job in jobs] == [False, False, True, True]
    assert len(desk.uploads.names()) == 2
    assert 1_400_000 < sum(desk.job(ANN, job).bytes for job in jobs) < 2 << 20
    desk.close()
