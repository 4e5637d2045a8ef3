"""The service's log: ids in and out, and nothing of what anybody said."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from cogagent.api import logs


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What is logged, in the form that the test names; afterwards all is as before."""
    root, ours = logging.getLogger(), logging.getLogger("cogagent")
    kept = list(root.handlers), root.level, ours.level
    written = io.StringIO()
    logs.configure(request.param, written)
    yield written
    root.handlers[:], _, _ = kept
    root.setLevel(kept[1])
    ours.setLevel(kept[2])
    for name in logs._LOUD:
        logging.getLogger(name).setLevel(logging.NOTSET)


def ask(path: str, **headers: str) -> httpx.Response:
    async def fine(request: Request) -> PlainTextResponse:
        logging.getLogger("cogagent.test").info("inside")
        return PlainTextResponse("fine", headers={"X-Request-Id": "of a route"})

    async def broken(request: Request) -> PlainTextResponse:
        raise ValueError("the secret of the document")

    app = logs.RequestLog(
        Starlette(routes=[Route("/things/{name}", fine), Route("/broken", broken)])
    )

    async def work() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)

    import asyncio

    return asyncio.run(work())


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_a_request_is_a_line_of_json(lines: io.StringIO) -> None:
    reply = ask("/things/salary-of-ada?question=secret", **{"X-Request-Id": "a.b-c_1"})
    assert reply.headers.get_list("x-request-id") == ["a.b-c_1"]
    inside, told = map(json.loads, lines.getvalue().splitlines())
    assert inside["request_id"] == told["request_id"] == "a.b-c_1"
    wanted = {"method": "GET", "route": "/things/{name}", "status": 200, "key": "-"}
    assert wanted.items() <= told.items()
    assert told["seconds"] >= 0
    assert told["time"].endswith("Z")
    assert "salary" not in lines.getvalue()
    assert "secret" not in lines.getvalue()


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_a_request_is_a_line_of_text(lines: io.StringIO) -> None:
    ask("/things/x", **{"X-Request-Id": "abc"})
    told = lines.getvalue().splitlines()[-1]
    assert " INFO request request_id=abc method=GET route=/things/{name} status=200" in told


@pytest.mark.parametrize("lines", ["text", "json"], indirect=True)
def test_a_traceback_tells_where_but_not_what(lines: io.StringIO) -> None:
    secret = "what the document says"
    try:
        try:
            open("/no/such/" + secret)  # noqa: PTH123, SIM115
        except OSError as error:
            raise KeyError(secret) from error
    except KeyError:
        logging.getLogger("cogagent.test").exception("it broke")
    written = lines.getvalue()
    assert "test_logs.py" in written
    assert "builtins.KeyError" in written
    assert "FileNotFoundError" in written
    assert "says" not in written.replace('secret = "what the document says"', "")


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_nobody_writes_lines_of_their_own(lines: io.StringIO) -> None:
    logging.getLogger("cogagent.test").warning("a %s", "b\n2026 ERROR c\x1b[31m\u2028d")
    (line,) = lines.getvalue().split("\n")[:-1]
    assert "\x1b" not in line
    assert "\u2028" not in line


@pytest.mark.parametrize(
    "given_id", ["", "a" * 65, "a b", "a\tb", "é", "<script>", "a\u2028", "../x"]
)
def test_an_id_that_is_none_is_replaced(given_id: str) -> None:
    scope = {"headers": [(b"x-request-id", given_id.encode())]}
    assert logs._name(scope).startswith("req-")


@given(st.binary())
def test_an_id_is_always_one(text: bytes) -> None:
    name = logs._name({"headers": [(b"x-request-id", text)]})
    assert name.isascii()
    assert 0 < len(name) <= 64
    assert name == text.decode("ascii", "replace") or name.startswith("req-")


def test_a_failing_request_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cogagent")
    assert ask("/broken").status_code == 500
    (told,) = [record for record in caplog.records if record.message == "request"]
    assert (told.route, told.status) == ("/broken", 500)
    assert ask("/nothing-there").status_code == 404
    assert caplog.records[-1].route == "-"
