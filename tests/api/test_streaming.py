"""Streams that are cut: taken up again without loss or repetition, or given up."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cogagent import CogAgent, Settings
from cogagent.api import following, streaming
from cogagent.api.app import make_app
from cogagent.api.session import Session
from cogagent.api.streaming import Frame, Run, Runs, frames_stream
from cogagent.config import ServiceSettings
from cogagent.errors import InputError, NotFoundError
from cogagent.types import Answer, DoneEvent, ErrorEvent, Event, TokenEvent
from tests.api.conftest import QUESTION, running

WORDS = [f"word{number} " for number in range(20)]
DONE = DoneEvent(answer=Answer(question="?", outcome="answered", text="".join(WORDS)))


async def told(pause: float = 0.0, fails: Exception | None = None) -> AsyncIterator[Event]:
    for word in WORDS:
        await asyncio.sleep(pause)
        yield TokenEvent(text=word)
    if fails is not None:
        raise fails
    yield DONE


async def read(run: Run, after: int = 0, most: int = 1000) -> list[Frame]:
    found: list[Frame] = []
    async for frame in run.follow(after):
        found.append(frame)
        if len(found) == most:
            break
    return found


# --- runs ------------------------------------------------------------------


def test_a_reader_who_comes_back_misses_and_repeats_nothing() -> None:
    async def tried() -> None:
        runs = Runs(grace=5.0)
        run = runs.start("a", told(0.005))
        run.enter()
        first = await read(run, most=7)
        run.leave()
        run.enter()
        rest = await read(run, first[-1].number)
        assert [frame.number for frame in first + rest] == list(range(1, 22))
        assert [json.loads(frame.data)["type"] for frame in rest][-1] == "done"
        assert await read(run, 21) == []
        with pytest.raises(InputError):
            run.require(22)
        await runs.close()

    asyncio.run(tried())


def test_two_readers_see_the_same() -> None:
    async def tried() -> None:
        run = Runs(grace=5.0).start("a", told(0.002))
        one, two = await asyncio.gather(read(run), read(run))
        assert one == two
        assert len(one) == 21

    asyncio.run(tried())


def test_an_answer_that_nobody_reads_is_given_up_after_a_while() -> None:
    cancelled = asyncio.Event()

    async def endless() -> AsyncIterator[Event]:
        try:
            while True:
                await asyncio.sleep(0.005)
                yield TokenEvent(text="x")
        finally:
            cancelled.set()

    async def tried() -> None:
        runs = Runs(grace=0.1)
        run = runs.start("a", endless())
        run.enter()
        await read(run, most=2)
        run.leave()
        assert runs.get(run.id, "a") is run
        await asyncio.wait_for(cancelled.wait(), 5)
        with pytest.raises(NotFoundError):
            runs.get(run.id, "a")

    asyncio.run(tried())


def test_an_answer_is_its_owners_alone() -> None:
    async def tried() -> None:
        runs = Runs(grace=1.0)
        run = runs.start("a", told())
        with pytest.raises(NotFoundError):
            runs.get(run.id, "b")
        await runs.close()

    asyncio.run(tried())


@pytest.mark.parametrize(
    ("error", "code"), [(InputError("no."), "input"), (RuntimeError("inside"), "internal")]
)
def test_what_goes_wrong_is_the_last_event(error: Exception, code: str) -> None:
    async def tried() -> None:
        run = Runs(grace=1.0).start("a", told(fails=error))
        last = json.loads((await read(run))[-1].data)
        assert (last["type"], last["code"]) == ("error", code)
        assert "inside" not in last["message"]

    asyncio.run(tried())


def test_what_fails_at_once_is_raised_before_a_stream_begins() -> None:
    async def failing() -> AsyncIterator[Event]:
        yield ErrorEvent(code="not_found", message="there is none.")

    async def tried() -> None:
        runs = Runs(grace=1.0)
        run = runs.start("a", failing())
        with pytest.raises(NotFoundError):
            await run.begun(5.0)
        with pytest.raises(NotFoundError):
            runs.get(run.id, "a")

    asyncio.run(tried())


def test_a_run_that_was_cancelled_says_so_to_its_readers() -> None:
    async def tried() -> None:
        runs = Runs(grace=1.0)
        run = runs.start("a", told(0.01))
        reading = asyncio.create_task(read(run))
        await asyncio.sleep(0.05)
        await run.closed()
        last = (await reading)[-1]
        assert json.loads(last.data)["code"] == "cancelled"

    asyncio.run(tried())


def test_silence_is_filled_with_heartbeats() -> None:
    async def late() -> AsyncIterator[Frame]:
        await asyncio.sleep(0.1)
        yield Frame(1, "done", "{}")

    async def tried() -> None:
        response = frames_stream(late(), 0.02)
        pieces = [piece async for piece in response.body_iterator]
        assert pieces[0] == b": still here\n\n"
        assert pieces[-1] == b"event: done\nid: 1\ndata: {}\n\n"

    asyncio.run(tried())


def test_a_slow_reader_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_AHEAD", 8)
    made = 0

    async def many() -> AsyncIterator[Frame]:
        nonlocal made
        for made in range(1, 101):
            yield Frame(made, "word", "{}")

    async def tried() -> None:
        events = following.following(many(), 5.0)
        for number in range(1, 51):
            assert await anext(events) == Frame(number, "word", "{}")
            await asyncio.sleep(0.001)
            assert number + 8 <= made <= number + 9
        assert [event.number async for event in events if event] == list(range(51, 101))

    asyncio.run(tried())


def test_a_stream_ends_once_its_reader_may_read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_ASK_AGAIN", 0.02)
    answers = iter((True, True, False))
    ended: list[bool] = []

    async def silent() -> AsyncIterator[Frame]:
        try:
            yield Frame(1, "word", "{}")
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def tried() -> None:
        response = frames_stream(silent(), 50.0, lambda: next(answers))
        async with asyncio.timeout(10):
            pieces = [piece async for piece in response.body_iterator]
        assert pieces == [b"event: word\nid: 1\ndata: {}\n\n"], "no heartbeat was due"
        assert ended == [True]
        assert next(answers, None) is None

    asyncio.run(tried())


# --- over a port -----------------------------------------------------------


class Slow(Session):
    """Answers with pauses, and counts."""

    started = 0
    finished = 0
    cancelled = threading.Event()

    def astream(self, question: str, **keywords: Any) -> AsyncIterator[Event]:
        return self._slowly()

    async def aask(self, question: str, **keywords: Any) -> Answer:
        async for event in self._slowly():
            if isinstance(event, DoneEvent):
                return event.answer
        raise AssertionError

    async def _slowly(self) -> AsyncIterator[Event]:
        Slow.started += 1
        try:
            async for event in told(0.02):
                yield event
                if isinstance(event, DoneEvent):
                    Slow.finished += 1
        except (asyncio.CancelledError, GeneratorExit):
            Slow.cancelled.set()
            raise


@pytest.fixture
def slow(agent: CogAgent, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr("cogagent.api.access.Session", Slow)
    Slow.started = Slow.finished = 0
    Slow.cancelled = threading.Event()
    service = ServiceSettings(workers=0, resume_seconds=0.3, heartbeat_seconds=0.1)
    agent.settings = Settings(service=service)
    return make_app(agent, open_door=True)


@contextmanager
def asking(url: str, **headers: str) -> Iterator[httpx.Response]:
    sent = {"question": QUESTION, "stream": True}
    with (
        httpx.Client(base_url=url, timeout=30) as client,
        client.stream("POST", "/v1/ask", json=sent, headers=headers) as response,
    ):
        assert response.status_code == 200
        yield response


def numbers(lines: Iterator[str], most: int = 10_000) -> list[int]:
    found: list[int] = []
    for line in lines:
        if line.startswith("id: "):
            found.append(int(line[4:]))
        if len(found) == most:
            break
    return found


def test_a_cut_stream_is_resumed_by_the_last_id(slow: FastAPI) -> None:
    with running(slow) as server:
        with asking(server.url) as response:
            path = response.headers["location"]
            first = numbers(response.iter_lines(), most=5)
        with (
            httpx.Client(base_url=server.url, timeout=30) as client,
            client.stream("GET", path, headers={"Last-Event-ID": str(first[-1])}) as response,
        ):
            rest = numbers(response.iter_lines())
        assert first + rest == list(range(1, 22))
        assert (Slow.started, Slow.finished) == (1, 1)
        again = httpx.get(server.url + path, headers={"Last-Event-ID": "99"})
        assert again.status_code == 422
        time.sleep(0.5)
        assert httpx.get(server.url + path).status_code == 404


def test_an_answer_whose_reader_stays_away_is_cancelled(slow: FastAPI) -> None:
    with running(slow) as server:
        with asking(server.url) as response:
            numbers(response.iter_lines(), most=1)
        # 0.3 s of grace, and of the 0.42 s of the answer the rest.
        assert Slow.cancelled.wait(5) or Slow.finished


def test_a_whole_answer_is_cancelled_with_its_client(slow: FastAPI) -> None:
    with running(slow) as server, httpx.Client(base_url=server.url, timeout=0.1) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/ask", json={"question": QUESTION})
        assert Slow.cancelled.wait(5)
        assert Slow.finished == 0


def test_an_answer_under_a_key_is_there_for_a_client_that_comes_back(slow: FastAPI) -> None:
    slow.state.asks.runs._grace = 5.0
    with running(slow) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        headers = {"Idempotency-Key": "k"}
        sent = {"question": QUESTION}
        slow.state.parts.agent.settings = Settings(
            service=ServiceSettings(workers=0, resume_seconds=5.0)
        )
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v1/ask", json=sent, headers=headers, timeout=0.1)
        busy = client.post("/v1/ask", json=sent, headers=headers)
        assert (busy.status_code, busy.json()["code"]) == (409, "in_progress")
        assert int(busy.headers["retry-after"]) >= 1
        other = client.post("/v1/ask", json={"question": "?"}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        deadline = time.monotonic() + 10
        while busy.status_code == 409 and time.monotonic() < deadline:
            time.sleep(0.05)
            busy = client.post("/v1/ask", json=sent, headers=headers)
        assert busy.json()["text"] == DONE.answer.text
        assert Slow.started == 1


def test_a_stream_can_be_given_up(slow: FastAPI) -> None:
    with running(slow) as server, asking(server.url) as response:
        path = response.headers["location"].removesuffix("/events")
        lines = response.iter_lines()
        numbers(lines, most=2)
        assert httpx.delete(server.url + path).status_code == 204
        assert any('"code":"cancelled"' in line for line in lines)
        assert httpx.delete(server.url + path).status_code == 404


def test_a_closed_service_ends_its_answers(slow: FastAPI) -> None:
    with running(slow, timeout_graceful_shutdown=1) as server, asking(server.url) as response:
        numbers(response.iter_lines(), most=1)
    assert Slow.cancelled.wait(5) or Slow.finished
