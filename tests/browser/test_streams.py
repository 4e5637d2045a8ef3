"""An answer on its way: stopped, and cut off between the service and the browser."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from cogagent import CogAgent
from cogagent.types import Event
from tests.browser.conftest import Served, Visit, ask

FIRST = re.compile(rb"event: \w+\nid: 1\ndata: .*\n\n")
DEPTH = "How deep is Lake Velmora?"


def test_stop_ends_it_here_and_at_the_service(
    visit: Visit, service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()
    streamed = CogAgent.astream

    async def endless(agent: CogAgent, question: str, **more: Any) -> AsyncIterator[Event]:
        try:
            async for event in streamed(agent, question, **more):
                yield event
                begun.set()
                await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(CogAgent, "astream", endless)
    page = visit()
    page.fill("#question", DEPTH)
    page.press("#question", "Enter")
    assert begun.wait(30)
    page.locator("#stop").click()
    page.locator(".run .state", has_text="Stopped.").wait_for()
    assert ended.wait(30), "the service does not go on for nobody"
    assert page.locator(".run [aria-busy=true]").count() == 0
    monkeypatch.undo()
    ask(page, DEPTH)
    assert "118 metres" in page.locator(".answer").last.inner_text()


def test_a_stream_that_is_cut_is_taken_up_again(visit: Visit, service: Served) -> None:
    with cutting(service) as proxy:
        page = visit(proxy.url)
        ask(page, DEPTH)
    assert proxy.cut.is_set()
    # 0, if the browser threw away what it had when the connection broke.
    assert any(re.search(rb"last-event-id: [01]\r", sent, re.IGNORECASE) for sent in proxy.asked)
    assert "118 metres" in page.locator(".answer").inner_text()
    steps = page.locator(".step")
    assert steps.count() == 1, "nothing is told twice"
    assert page.locator(".run .bad").count() == 0


class Proxy:
    """Passes bytes on, and closes the connection behind the first event of the first stream.

    Attributes:
        url: Where it listens.
        asked: What browsers sent.
        cut: Set when it has cut.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self.asked: list[bytes] = []
        self.cut = threading.Event()
        self._open: list[socket.socket] = [self._listening]

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listening.accept()
                there = socket.create_connection(("127.0.0.1", self._port))
                self._open += [browser, there]
                for pair in ((browser, there, self._heard), (there, browser, self._passed)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def close(self) -> None:
        for one in self._open:
            _shut(one)

    def _pump(self, here: socket.socket, there: socket.socket, look: Any) -> None:
        with suppress(OSError):
            while data := here.recv(1 << 16):
                kept = look(data)
                there.sendall(kept)
                if kept != data:
                    break
        _shut(here)
        _shut(there)

    def _heard(self, data: bytes) -> bytes:
        self.asked.append(data)
        return data

    def _passed(self, data: bytes) -> bytes:
        """What of it goes on to the browser."""
        first = FIRST.search(data)
        if self.cut.is_set() or first is None:
            return data
        self.cut.set()
        return data[: first.end()]


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def cutting(service: Served) -> Iterator[Proxy]:
    proxy = Proxy(int(service.url.rstrip("/").rpartition(":")[2]))
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(10)
