"""The service as a process: who may come in, how it starts, how signals stop it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cogagent import CogAgent
from cogagent.api import serving
from cogagent.config import ServiceSettings
from cogagent.errors import ConfigError
from tests.api.conftest import LONGEST, bearer, make_keys

SLOW = """
import asyncio, sys, time
from pathlib import Path
from cogagent.api import serving
from cogagent.config import load_settings

made = serving.make_app

def with_slow(agent, *, open_door):
    app = made(agent, open_door=open_door)

    @app.get("/slow", include_in_schema=False)
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @app.get("/stuck", include_in_schema=False)
    async def stuck(seconds: float) -> str:
        await asyncio.to_thread(time.sleep, seconds)
        return "done"

    return app

serving.make_app = with_slow
home = Path(sys.argv[1])
serving.serve(home, load_settings(home), lambda url: print(url, flush=True))
"""
"""The service with two more routes, which take as long as they are told to."""


@dataclass
class Process:
    """A service that runs."""

    url: str
    popen: subprocess.Popen[str]

    def ended(self, seconds: float = LONGEST) -> tuple[int, str]:
        """Its exit code and what it wrote to stderr, once it has ended by itself."""
        _, said = self.popen.communicate(timeout=seconds)
        return self.popen.returncode, said


@contextmanager
def service(*command: str, **settings: object) -> Iterator[Process]:
    """A process of its own, killed at the end if it still runs."""
    given = {"port": 0, "workers": 0, **settings}
    names = {f"COGAGENT_SERVICE__{name.upper()}": str(value) for name, value in given.items()}
    popen = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **names},
    )
    try:
        assert popen.stdout is not None
        url = popen.stdout.readline().strip()
        if not url:
            raise AssertionError(popen.communicate(timeout=LONGEST)[1])
        yield Process(url, popen)
    finally:
        if popen.poll() is None:
            popen.kill()
        popen.communicate()


def test_it_serves_logs_and_stops(shared_home: Path) -> None:
    command = ("-m", "cogagent.cli", "--home", str(shared_home), "serve")
    with service(*command, log="json") as running:
        assert httpx.get(f"{running.url}/healthz").json() == {"status": "ok"}
        deadline = time.monotonic() + LONGEST
        while httpx.get(f"{running.url}/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        asked = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        accept = {"Accept": "application/json, text/event-stream", "X-Request-Id": "mine"}
        reply = httpx.post(f"{running.url}/mcp", json=asked, headers=accept)
        assert reply.status_code == 200
        assert reply.headers["x-request-id"] == "mine"
        assert "server" not in reply.headers
        running.popen.send_signal(signal.SIGTERM)
        code, said = running.ended()
    assert code == 0, said
    lines = [json.loads(line) for line in said.splitlines()]
    (told,) = [line for line in lines if line.get("route") == "/mcp"]
    assert (told["message"], told["status"], told["request_id"]) == ("request", 200, "mine")
    assert [line["message"] for line in lines][-1] == "stopped"


def test_what_is_under_way_is_finished(shared_home: Path) -> None:
    with service("-c", SLOW, str(shared_home)) as running, under_way(running, 1.5) as replies:
        begun = time.monotonic()
        running.popen.send_signal(signal.SIGTERM)
        code, said = running.ended()
    assert code == 0, said
    assert time.monotonic() - begun < 10
    assert [reply.json() for reply in replies] == ["done"]


def test_what_takes_too_long_is_cut_and_told_so(shared_home: Path) -> None:
    home = str(shared_home)
    with (
        service("-c", SLOW, home, shutdown_seconds=0.5) as running,
        under_way(running, 60) as replies,
    ):
        begun = time.monotonic()
        running.popen.send_signal(signal.SIGINT)
        code, said = running.ended()
    assert code == 0, said
    assert time.monotonic() - begun < 10
    (reply,) = replies
    assert (reply.status_code, reply.json()["code"]) == (503, "stopping")


def test_a_thread_that_does_not_end_is_not_waited_for_for_ever(shared_home: Path) -> None:
    home = str(shared_home)
    with (
        service("-c", SLOW, home, shutdown_seconds=0.2) as running,
        under_way(running, 60, "stuck"),
    ):
        begun = time.monotonic()
        running.popen.send_signal(signal.SIGTERM)
        code, said = running.ended()
    assert code == 128 + signal.SIGTERM, said
    assert "does not end" in said
    assert time.monotonic() - begun < 12


def test_nothing_more_is_taken_while_it_stops(shared_home: Path) -> None:
    with service("-c", SLOW, str(shared_home)) as running, under_way(running, 2):
        running.popen.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{running.url}/healthz")
        assert running.ended()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_it_at_once(shared_home: Path, number: int) -> None:
    with service("-c", SLOW, str(shared_home)) as running, under_way(running, 60):
        running.popen.send_signal(number)
        time.sleep(0.5)
        begun = time.monotonic()
        running.popen.send_signal(number)
        code, said = running.ended()
    assert code == 128 + number, said
    assert time.monotonic() - begun < 5


def test_a_taken_port_is_a_message(shared_home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run("--home", str(shared_home), "serve", "--port", str(port))
    assert ended.returncode == 2
    assert f"port {port} of 127.0.0.1 is taken. Name another with --port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_open_to_others_it_wants_keys(home: Path) -> None:
    serve = ("--home", str(home), "serve", "--host", "0.0.0.0", "--port", "0")
    ended = run(*serve)
    assert ended.returncode == 2
    assert "cogagent keys create" in ended.stderr
    with CogAgent(home) as agent:
        keys = make_keys(agent)
    with service("-m", "cogagent.cli", *serve) as running:
        url = running.url.replace("0.0.0.0", "127.0.0.1")
        asked = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        accept = {"Accept": "application/json, text/event-stream"}
        assert httpx.post(f"{url}/mcp", json=asked, headers=accept).status_code == 401
        accept |= bearer(keys.reader)
        assert httpx.post(f"{url}/mcp", json=asked, headers=accept).status_code == 200


@pytest.mark.parametrize(
    ("settings", "opens"),
    [
        ({}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"auth": "required"}, False),
        ({"auth": "off"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "::"}, False),
        ({"host": "127.0.0.1.example.org"}, False),
        ({"host": "10.0.0.1", "auth": "off", "hosts": ("kb.example.org",)}, True),
    ],
)
def test_who_comes_in_without_a_key(settings: dict[str, object], opens: bool) -> None:
    assert serving.may_be_open(ServiceSettings(**settings)) is opens


def test_to_be_open_to_everybody_takes_a_name_and_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ConfigError, match="COGAGENT_SERVICE__HOSTS"):
        serving.may_be_open(ServiceSettings(host="0.0.0.0", auth="off"))
    serving.may_be_open(ServiceSettings(host="0.0.0.0", auth="off", hosts=("kb.example.org",)))
    assert "EVERYBODY" in caplog.text


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("203.0.113.7", "no address of this machine"),
        ("no.such.host.invalid", "there is no address"),
        ("a" * 300, "there is no address"),
    ],
)
def test_an_address_that_is_not_ours_is_a_message(host: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        serving.listen(host, 0)


def test_ipv6_is_listened_on() -> None:
    try:
        bound = serving.listen("[::1]", 0)
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert serving.url_of(bound).startswith("http://[::1]:")


def test_who_does_not_finish_the_head_of_a_request_is_hung_up_on(
    shared: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cogagent.api import connections
    from cogagent.api.app import make_app
    from tests.api.conftest import running

    monkeypatch.setattr(connections, "_HEADER_SECONDS", 0.5)
    app = make_app(shared, open_door=True)
    with running(app, http=connections.PatientProtocol) as server:
        for said in (b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=LONGEST) as client:
                begun = time.monotonic()
                client.sendall(said)
                assert client.recv(1000) == b""
                assert 0.3 < time.monotonic() - begun < 5
        # Who drips is cut off, too; who asks and asks again is not.
        with socket.create_connection(("127.0.0.1", server.port), timeout=LONGEST) as client:
            client.settimeout(0.1)
            begun, over = time.monotonic(), False
            while not over and time.monotonic() - begun < 5:
                try:
                    client.sendall(b"G")
                    over = client.recv(1000) == b""
                except TimeoutError:
                    continue
                except ConnectionError:
                    over = True
            assert over
        with httpx.Client() as client:
            for _ in range(3):
                assert client.get(f"{server.url}/healthz").status_code == 200
                time.sleep(0.4)


@contextmanager
def under_way(
    running: Process, seconds: float, route: str = "slow"
) -> Iterator[list[httpx.Response]]:
    """A request that has reached the service; its reply, once it has come."""
    replies: list[httpx.Response] = []

    def ask() -> None:
        with suppress(httpx.TransportError):  # the process may be ended
            replies.append(
                httpx.get(f"{running.url}/{route}", params={"seconds": seconds}, timeout=LONGEST)
            )

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.7)
    yield replies
    thread.join(LONGEST)
    assert not thread.is_alive()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cogagent.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
