"""/metrics: true counts, for whom they are meant, and with few labels."""

from __future__ import annotations

import asyncio
import json
import os
import random
import string
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from cogagent import CogAgent, Settings, Source
from cogagent.api.app import make_app
from cogagent.api.counting import METHODS, REFUSALS, Counts, Ended
from cogagent.api.jobs.telling import Teller, heard, read
from cogagent.config import ServiceSettings
from cogagent.errors import QueueFullError
from cogagent.indexes.keys import KeyRing
from cogagent.telemetry import Telemetry
from tests.api.conftest import QUESTION, Keys, bearer, pdf, running
from tests.api.service_kit import ELSEWHERE, call

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
WORD = "Quetzalcoatlus"
"""Stands in questions, names and documents, and must stand nowhere else."""


def series(text: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    return series(text).get((name, frozenset(labels.items())), 0.0)


def scraped(app: FastAPI, key: str | None = None) -> str:
    reply = call(app, "/metrics", key)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return reply.text


def with_service(agent: CogAgent, **service: Any) -> CogAgent:
    """The agent, with other settings of the service."""
    changed = agent.settings.service.model_copy(update=service)
    agent.settings = agent.settings.model_copy(update={"service": changed})
    return agent


def counts() -> tuple[Counts, CollectorRegistry]:
    registry = CollectorRegistry()
    return Counts(registry, ("llamacpp:/home/ada/models/qwen.gguf", "")), registry


# --- what is counted -------------------------------------------------------


def test_questions_and_searches_are_counted(agent: CogAgent) -> None:
    app = make_app(agent, open_door=True)
    with running(app) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        asked = {"question": QUESTION, "collection": "dams"}
        assert client.post("/v1/ask", json=asked).json()["outcome"] == "answered"
        with client.stream("POST", "/v1/ask", json=asked | {"stream": True}) as streamed:
            assert "event: done" in "".join(streamed.iter_text())
        assert client.post("/v1/ask", json=asked | {"question": " "}).status_code == 422
        found = client.post("/v1/search", json={"query": "dam", "collection": "dams"})
        assert found.json()["items"]
        text = client.get("/metrics").text
    assert value(text, "cogagent_asks_total", outcome="answered", planner="rules") == 2
    assert value(text, "cogagent_ask_seconds_count", planner="rules") == 2
    posted = {"route": "/v1/ask", "method": "POST"}
    assert value(text, "cogagent_http_requests_total", status="2xx", **posted) == 2
    assert value(text, "cogagent_http_requests_total", status="4xx", **posted) == 1
    assert value(text, "cogagent_http_request_seconds_count", **posted) == 3
    assert value(text, "cogagent_searches_total", tool="all", result="ok") == 1
    assert value(text, "cogagent_searches_total", tool="text", result="ok") >= 2
    assert value(text, "cogagent_embedded_texts_total", of="queries") >= 1
    assert value(text, "cogagent_http_requests_in_progress") == 1  # this one
    for line in ("asks", "searches", "pictures", "texts"):
        assert value(text, "cogagent_inside", line=line) == 0
        assert value(text, "cogagent_waiting", line=line) == 0
    assert value(text, "process_resident_memory_bytes") > 1 << 20
    assert value(text, "process_open_fds") > 0
    assert value(text, "cogagent_catalogue_bytes") > 0
    assert "cogagent_build_info{" in text
    assert "_created" not in text


def test_refusals_are_counted_by_their_reason(agent: CogAgent, keys: Keys) -> None:
    app = make_app(agent)
    assert call(app, "/v1/collections").status_code == 401
    assert call(app, "/v1/audit", keys.reader).status_code == 403
    text = scraped(app, keys.admin)
    assert value(text, "cogagent_http_refusals_total", reason="unauthenticated") == 1
    assert value(text, "cogagent_http_refusals_total", reason="forbidden") == 1


def test_a_line_tells_who_is_in_it(agent: CogAgent) -> None:
    app = make_app(with_service(agent, asks=1, waiting=1), open_door=True)
    line = app.state.parts.turns.asks

    async def crowded() -> tuple[int, int, int]:
        inside = asyncio.Event()

        async def one() -> None:
            async with line.turn():
                await inside.wait()

        tasks = [asyncio.create_task(one()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError):
            line.require_room()
        found = line.inside, line.waiting, line.refused
        inside.set()
        await asyncio.gather(*tasks)
        return found

    assert asyncio.run(crowded()) == (1, 1, 1)
    assert (line.inside, line.waiting) == (0, 0)
    assert value(scraped(app), "cogagent_line_refusals_total", line="asks") == 1


def test_what_a_model_wrote_is_counted() -> None:
    made, registry = counts()
    facts = {"model": "llamacpp:qwen.gguf", "role": "answer"}
    labels = {"role": "answer", "model": "llamacpp:qwen.gguf"}
    made.count(Ended("chat", facts | {"prompt_tokens": 30, "written_tokens": 4}, 1.5, "", False))
    made.count(Ended("chat", facts | {"cached": True, "prompt_tokens": 9}, 0.0, "", False))
    made.count(Ended("chat", facts, 2.0, "model_timeout", False))
    made.count(Ended("chat", facts | {"model": "openai:of-a-trace"}, 2.0, WORD, False))
    get = registry.get_sample_value
    assert get("cogagent_model_tokens_total", labels | {"direction": "in"}) == 30
    assert get("cogagent_model_tokens_total", labels | {"direction": "out"}) == 4
    for result in ("ok", "cached", "failed"):
        assert get("cogagent_model_calls_total", labels | {"result": result}) == 1
    assert get("cogagent_model_errors_total", labels | {"error": "model_timeout"}) == 1
    others = {"role": "answer", "model": "other", "error": "internal"}
    assert get("cogagent_model_errors_total", others) == 1


# --- workers ---------------------------------------------------------------


def test_what_workers_do_is_counted_and_outlives_them(home: Path) -> None:
    settings = Settings(service=ServiceSettings(workers=1))
    with CogAgent(home, settings) as agent:
        app = make_app(agent, open_door=True)
        parts = app.state.parts
        with running(app) as server, httpx.Client(base_url=server.url, timeout=60) as client:

            def upload(name: str) -> None:
                file = {"files": (name, pdf([f"{name} {WORD} holds water."]), "application/pdf")}
                reply = client.post("/v1/collections/dams/documents", files=file)
                assert reply.status_code == 202, reply.text
                eventually(client, reply.json()["job"]["id"])

            upload(f"{WORD}-1.pdf")
            text = client.get("/metrics").text
            assert value(text, "cogagent_ingest_documents_total", result="ingested") == 1
            assert value(text, "cogagent_ingest_pages_total") == 1
            assert value(text, "cogagent_workers_alive") == 1
            assert value(text, "cogagent_workers_resident_memory_bytes") > 1 << 20
            (pid,) = [state.pid for state in parts.workers.states()]
            os.kill(pid, 9)
            upload(f"{WORD}-2.pdf")  # by the next one
            time.sleep(1.1)  # what is found in the home is kept for a second
            text = client.get("/metrics").text
    assert value(text, "cogagent_ingest_documents_total", result="ingested") == 2
    assert value(text, "cogagent_ingest_seconds_total", stage="read") > 0
    assert value(text, "cogagent_ingest_seconds_total", stage="embed") > 0
    assert value(text, "cogagent_embedded_texts_total", of="documents") >= 2
    assert value(text, "cogagent_worker_restarts_total") == 1
    assert value(text, "cogagent_jobs", kind="ingest", state="done") == 2
    assert WORD not in text
    assert "dams" not in text


def eventually(client: httpx.Client, job: str) -> None:
    deadline = time.monotonic() + 60
    while (state := client.get(f"/v1/jobs/{job}").json()["state"]) != "done":
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def test_lines_from_many_threads_are_all_read() -> None:
    made, registry = counts()
    every = threading.Event()
    total = 8 * 250

    def take(line: bytes) -> None:
        told = read(line)
        assert told is not None
        made.count(told)
        if registry.get_sample_value("cogagent_searches_total", labels) == total:
            every.set()

    labels = {"tool": "text", "result": "ok"}
    with heard(take) as descriptor:
        assert descriptor is not None
        own = os.dup(descriptor)
    telemetry = Telemetry(Teller(own))

    def tell() -> None:
        for _ in range(250):
            with telemetry.begin("search", tool="text"):
                pass

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert every.wait(10)
    os.close(own)


@given(st.binary(max_size=60))
def test_a_line_that_does_not_read_is_passed_over(line: bytes) -> None:
    told = read(line)
    assert told is None or len(json.loads(line)) == len(told)


def test_a_worker_outlives_the_service_by_a_line() -> None:
    reading, writing = os.pipe()
    telemetry = Telemetry(Teller(writing))
    os.close(reading)
    for _ in range(2):
        with telemetry.begin("search", tool="text"):
            pass
    os.close(writing)


# --- who may read ----------------------------------------------------------


def test_it_takes_a_key_of_its_own_scope(agent: CogAgent, keys: Keys) -> None:
    app = make_app(agent)
    scraper = KeyRing(agent.catalogue).create("prometheus", ["metrics"])[1]
    assert call(app, "/metrics").status_code == 401
    for ordinary in (keys.reader, keys.dams, keys.ships):
        assert call(app, "/metrics", ordinary).status_code == 403
    for may in (scraper, keys.admin):
        assert call(app, "/metrics", may).status_code == 200
    for path in ("/v1/collections", "/v1/collections/dams/documents", "/v1/jobs", "/v1/audit"):
        assert call(app, path, scraper).status_code == 403


@pytest.mark.parametrize(("client", "status"), [(("127.0.0.1", 5), 200), (ELSEWHERE, 401)])
def test_an_open_door_is_open_to_this_machine(
    agent: CogAgent, client: tuple[str, int], status: int
) -> None:
    app = make_app(agent, open_door=True)
    assert call(app, "/metrics", client=client).status_code == status
    foreign = call(app, "/metrics", headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_it_may_be_open_where_all_else_is_not(agent: CogAgent, keys: Keys) -> None:
    app = make_app(with_service(agent, metrics="open"))
    assert call(app, "/metrics", client=ELSEWHERE).status_code == 200
    assert call(app, "/v1/collections").status_code == 401
    assert call(app, "/metrics/", client=ELSEWHERE).status_code in (200, 401, 404)


def test_it_may_be_off(agent: CogAgent, keys: Keys) -> None:
    app = make_app(with_service(agent, metrics="off"))
    assert app.state.parts.metrics is None
    assert call(app, "/metrics", keys.admin).status_code == 404
    assert call(app, "/v1/collections", keys.admin).status_code == 200


def test_other_methods(agent: CogAgent) -> None:
    app = make_app(agent, open_door=True)
    head = call(app, "/metrics", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    for method in ("POST", "PUT", "DELETE"):
        assert call(app, "/metrics", method=method).status_code == 405


def test_it_is_no_operation_of_the_api_and_not_audited(agent: CogAgent, keys: Keys) -> None:
    app = make_app(agent)
    assert "/metrics" not in app.openapi()["paths"]
    scraped(app, keys.admin)
    assert call(app, "/metrics", keys.reader).status_code == 403
    app.state.parts.audit.flush()
    lines = [line for line in app.state.parts.audit.lines(10) if "metrics" in line.action]
    assert [line.status for line in lines] == [403]


# --- few labels ------------------------------------------------------------


def test_odd_paths_and_methods_make_no_series(agent: CogAgent, keys: Keys) -> None:
    app = make_app(with_service(agent, rate=0))  # nobody is told to come again
    chance = random.Random(8)

    def word(length: int = 12) -> str:
        return "".join(chance.choices(string.ascii_letters, k=length)) + WORD

    async def crowd(count: int) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = bearer(keys.admin)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for number in range(count):
                path = chance.choice([f"/{word()}", f"/v1/documents/{word()}", f"/page/{word()}"])
                method = "GET" if number % 3 else word(4).upper()
                await client.request(method, f"{path}?{word()}={word()}", headers=headers)

    asyncio.run(crowd(60))
    before = {f"{key}" for key in series(scraped(app, keys.admin))}
    asyncio.run(crowd(3000))
    text = scraped(app, keys.admin)
    after = {f"{key}" for key in series(text)}
    assert len(after - before) <= 4 * 18  # a class of status or a method that was not met before
    assert WORD not in text
    assert WORD.upper() not in text
    assert {one for line in text.splitlines() for one in methods(line)} <= {*METHODS, "other"}


def methods(line: str) -> list[str]:
    _, found, rest = line.partition('method="')
    return [rest.partition('"')[0]] if found else []


def test_nothing_that_was_said_is_a_label(home: Path) -> None:
    with CogAgent(home, Settings(service=ServiceSettings(workers=0))) as agent:
        app = make_app(agent, open_door=True)
        agent.ingest(
            Source(uri=f"{WORD}.txt", data=f"{WORD} flew.".encode(), media_type="text/plain"),
            WORD,
        )
        agent.ask(f"Who is {WORD}?", collection=WORD, conversation=WORD, owner=WORD)
        agent.search(WORD, collection=WORD)
        text = scraped(app)
    assert value(text, "cogagent_ingest_documents_total", result="ingested") == 1
    assert value(text, "cogagent_searches_total", tool="all", result="ok") >= 1
    assert WORD.lower() not in text.lower()


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_words_of_no_closed_set_become_other(name: str, other: str, error: str) -> None:
    made, registry = counts()
    made.count(Ended("tool", {"tool": name}, 0.1, error, False))
    made.count(Ended("ask", {"planner": name, "outcome": other}, 0.1, error, False))
    made.count(Ended("chat", {"model": name, "role": other}, 0.1, error, False))
    request = {"route": None, "method": name, "status": 404, "refused": other}
    made.count(Ended("request", request, 0.1, error, False))
    found = {
        each
        for family in registry.collect()
        for sample in family.samples
        for label, each in sample.labels.items()
        if label not in ("le", "error")
    }
    known = {
        "other", "none", "ok", "failed", "refused", "cancelled", "in", "out", "4xx", "rules",
        *METHODS, *REFUSALS,
    }  # fmt: skip
    assert found - known <= {"text", "image", "all", "web", "region", "knowledge"} | {
        one for one in (name, other) if one in ("answered", "partial", "abstained")
    }


def test_it_costs_little(agent: CogAgent) -> None:
    """Under 0.1 ms a request, of which a request has several."""
    app = make_app(agent, open_door=True)
    telemetry, spent = agent.telemetry, []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(500):
            with telemetry.begin("request", method="GET") as told:
                told.set(route="/v1/search", status=200)
        spent.append((time.perf_counter() - began) / 500)
    assert min(spent) < 1e-4
    assert app.state.parts.metrics is not None
