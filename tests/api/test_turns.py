"""Requests wait in lines of their own, and stop when nobody waits for them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from cogagent import CogAgent
from cogagent.api.app import make_app
from cogagent.api.callers import LOCAL, Caller
from cogagent.api.session import Session, _sliced
from cogagent.api.turns import Turns
from cogagent.api.turnstile import Turnstile
from cogagent.errors import QueueFullError
from cogagent.types import Budget
from tests.api.conftest import QUESTION, picture, running

READER = Caller("a", "a", frozenset({"read"}))


def turns_of(asks: int = 2, waiting: int = 4) -> Turns:
    return Turns(Turnstile(asks, waiting), 4)


def until(there: Callable[[], Any], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Stuck:
    """A call that goes on until it is told to end."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = threading.Event()

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.calls += 1
        assert self.go_on.wait(30)
        raise RuntimeError("nobody waits for this")


def test_pictures_keep_no_other_search_waiting(
    shared: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = Stuck()
    monkeypatch.setattr(shared, "picture", stuck)

    async def work() -> None:
        turns = turns_of()
        session = Session(shared, READER, turns)
        shown = [
            asyncio.create_task(session.asearch(image=picture(), collection="dams"))
            for _ in range(10)
        ]
        await asyncio.to_thread(until, lambda: stuck.calls == 2)
        with pytest.raises(QueueFullError):
            await session.asearch(image=picture(), collection="dams")
        async with asyncio.timeout(10):
            assert await session.asearch("dam", collection="dams")
            assert (await session.aask(QUESTION, collection="dams")).citations
        for task in shown:
            task.cancel()
        await asyncio.gather(*shown, return_exceptions=True)
        stuck.go_on.set()
        await asyncio.to_thread(turns.close)

    asyncio.run(work())
    assert stuck.calls == 2, "what had not begun was not begun"


def test_a_search_ends_when_its_client_left(
    shared: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()

    async def search(*_: Any, **__: Any) -> Any:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            left.set()
            raise

    monkeypatch.setattr(shared, "asearch", search)
    with running(make_app(shared, open_door=True)) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.url}/v1/search", json={"query": "dam", "collection": "dams"}, timeout=0.5
            )
        assert left.wait(10)


def test_a_tool_ends_when_its_client_left(
    shared: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()

    async def ask(*_: Any, **__: Any) -> Any:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            left.set()
            raise

    monkeypatch.setattr(shared, "aask", ask)
    given = {"name": "ask", "arguments": {"question": QUESTION, "collection": "dams"}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": given}
    accept = {"Accept": "application/json, text/event-stream"}
    with running(make_app(shared, open_door=True)) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/mcp", json=asked, headers=accept, timeout=1.0)
        assert left.wait(10)


def test_texts_are_embedded_in_slices_and_no_more_once_nobody_waits(shared: CogAgent) -> None:
    texts = [f"The dam number {number}." for number in range(70)]
    assert [len(some) for some in _sliced(texts)] == [32, 32, 6]
    assert [len(some) for some in _sliced(["a" * 60_000] * 3)] == [1, 1, 1]
    embedder = shared.text_embedder

    async def work() -> None:
        turns = turns_of()
        session = Session(shared, READER, turns)
        vectors, counts = await session.aembed(texts)
        np.testing.assert_allclose(vectors, embedder.embed(texts), atol=1e-5)
        assert counts == embedder.count_tokens(texts)
        assert (await Session(shared, LOCAL).aembed([]))[0].shape == (0, embedder.dim)
        long = asyncio.create_task(session.aembed(texts * 30))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):  # others come in between
            await Session(shared, Caller("b", "b", frozenset({"read"})), turns).aembed(["a"])
        assert not long.done()
        long.cancel()
        begun = time.monotonic()
        await asyncio.gather(long, return_exceptions=True)
        await asyncio.to_thread(turns.close)
        assert time.monotonic() - begun < 5

    asyncio.run(work())


def test_a_replay_takes_a_turn_and_no_more_than_is_allowed(
    shared: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = shared.ask(QUESTION, collection="dams", budget=Budget(steps=10_000)).trace
    assert trace is not None
    seen = []

    async def replay(trace: Any, *_: Any, **__: Any) -> Any:
        seen.append(trace.budget)

    monkeypatch.setattr(shared.traces, "areplay", replay)

    async def work() -> None:
        found = shared.traces.get(trace)
        await Session(shared, READER, turns_of()).areplay(found)
        with pytest.raises(QueueFullError):
            await Session(shared, READER, turns_of(1, -1)).areplay(found)

    asyncio.run(work())
    allowed = shared.settings.service
    assert [(one.seconds, one.steps) for one in seen] == [(allowed.ask_seconds, allowed.ask_steps)]


def test_pictures_are_fetched_in_a_turn_and_not_for_who_may_not_ask(shared: CogAgent) -> None:
    fetched = []

    async def fetch() -> bytes:
        fetched.append(1)
        return picture()

    async def work() -> None:
        no_room = Session(shared, READER, turns_of(1, -1))
        with pytest.raises(QueueFullError):
            await no_room.aask(QUESTION, images=[fetch], collection="dams")
        assert not fetched
        session = Session(shared, READER, turns_of())
        found = await session.aask("Which picture looks so?", images=[fetch], collection="dams")
        assert found.trace
        assert fetched == [1]

    asyncio.run(work())
