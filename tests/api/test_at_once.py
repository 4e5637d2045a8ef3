"""How much may be open at once: who has too much is told so, and nobody else."""

from __future__ import annotations

import asyncio
import socket
import sys
from http.client import HTTPResponse

import httpx
import pytest

from cogagent import CogAgent
from cogagent.api import access, connections
from cogagent.api.rates import MOST_AT_ONCE, AtOnce
from cogagent.errors import RateLimitError
from tests.api.conftest import LONGEST, Keys, running
from tests.api.service_kit import small_app

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_one_name_has_so_many_open_and_others_none_the_less() -> None:
    at_once = AtOnce(2)
    with at_once.one("a"), at_once.one("b"):
        with at_once.one("a"), at_once.one("b"):
            for _ in range(3):  # what was refused does not count
                with pytest.raises(RateLimitError, match="2 requests of yours") as error:
                    at_once.one("a").__enter__()
                assert error.value.retry_after >= 1
        with at_once.one("a"), at_once.one("c"):
            pass
    assert not at_once._open, "names that have nothing open are forgotten"


def test_what_fails_is_open_no_more() -> None:
    at_once = AtOnce(1)
    for _ in range(3):
        with pytest.raises(KeyError), at_once.one("a"):
            raise KeyError


def test_a_key_with_too_many_requests_open_is_refused_and_others_are_not(
    agent: CogAgent, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_AT_ONCE == 1000, "as it is documented"
    monkeypatch.setattr(access, "MOST_AT_ONCE", 4)
    app = small_app(agent)
    both_inside, go_on = asyncio.Barrier(3), asyncio.Event()

    @app.get("/slow")
    async def slow() -> str:
        await both_inside.wait()
        await go_on.wait()
        return "over"

    async def crowd() -> tuple[list[httpx.Response], list[httpx.Response]]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            def get(path: str, key: str) -> asyncio.Task[httpx.Response]:
                return asyncio.create_task(client.get(path, headers={"x-api-key": key}))

            open_ones = [get("/slow", keys.reader) for _ in range(2)]
            async with asyncio.timeout(LONGEST):
                await both_inside.wait()
            meanwhile = [await get("/who", key) for key in (keys.reader, keys.dams)]
            go_on.set()
            before = [await one for one in open_ones]
            return before, [*meanwhile, await get("/who", keys.reader)]

    before, (refused, others, after) = asyncio.run(crowd())
    assert [one.status_code for one in before] == [200, 200]
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limit")
    assert int(refused.headers["retry-after"]) >= 1
    assert (others.status_code, after.status_code) == (200, 200)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections of one address."""
    monkeypatch.setattr(connections, "MOST_AT_ONCE", 4)


def answers(client: socket.socket) -> bool:
    """Whether a connection is answered, or hung up on."""
    try:
        client.sendall(GET)
        with HTTPResponse(client) as response:
            response.begin()
            response.read()
            return response.status == 200
    except ConnectionError:
        return False


def connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), LONGEST, (source, 0))


@pytest.mark.usefixtures("crowded")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere loopback has one address")
def test_an_address_with_too_many_connections_is_hung_up_on_and_others_are_not(
    agent: CogAgent,
) -> None:
    app = small_app(agent)
    with (
        running(app, http=connections.PatientProtocol, forwarded_allow_ips=[]) as server,
        connected(server.port) as first,
        connected(server.port) as second,
    ):
        assert answers(first)
        assert answers(second)
        with connected(server.port) as third, connected(server.port, "127.0.0.2") as other:
            assert not answers(third)
            assert answers(other)
        assert answers(first), "what was there before stays"


@pytest.mark.usefixtures("crowded")
def test_many_come_through_a_proxy(agent: CogAgent) -> None:
    app = small_app(agent)
    proxies = ["127.0.0.1"]
    with running(app, http=connections.PatientProtocol, forwarded_allow_ips=proxies) as server:
        opened = [connected(server.port) for _ in range(5)]
        assert all(answers(client) for client in opened)
        for client in opened:
            client.close()
