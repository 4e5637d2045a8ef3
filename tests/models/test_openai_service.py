"""Services that fail, hang, lie or talk nonsense, on loopback: each is a typed error."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from cogagent.errors import (
    CapabilityError,
    ContextOverflowError,
    ModelError,
    ModelRefusedError,
    ModelServiceError,
    ModelTimeoutError,
)
from cogagent.models.mllm import (
    Options,
)
from tests.models.openai_kit import ask, both, settings
from tests.models.service import Exchange, choice, serving, whole

pytest.importorskip("openai", reason="the package openai is not installed")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("status", "message", "code", "error", "match"),
    [
        (401, "Incorrect API key", "invalid_api_key", ModelServiceError, "OPENAI_API_KEY"),
        (403, "not in your country", None, ModelServiceError, "let us in"),
        (404, "no such model", "model_not_found", ModelServiceError, "some-model"),
        (429, "slow down", "rate_limit_exceeded", ModelServiceError, "no more requests"),
        (500, "oops", None, ModelServiceError, r"failed|take the request"),
        (503, "loading model", None, ModelServiceError, "503"),
        (400, "This model's maximum context length is 8192 tokens. However, you requested 9000",
         "context_length_exceeded", ContextOverflowError, "longer"),
        (400, "request (6031 tokens) exceeds the available context size (1024 tokens)",
         None, ContextOverflowError, "longer"),
        (400, "The decoder prompt (length 9000) is longer than the maximum model length "
         "of 8192. Make sure that max_model_len is enough", None, ContextOverflowError, "longer"),
        (400, "filtered due to our content management policy", "content_filter",
         ModelRefusedError, "declined"),
        (400, "text-only is not a multimodal model", None, CapabilityError, "pictures"),
        (400, "image input is not supported", None, CapabilityError, "pictures"),
        (400, "something odd", None, ModelServiceError, "something odd"),
        (418, "teapot", None, ModelServiceError, "418"),
    ],
)  # fmt: skip
def test_errors_of_the_service(
    status: int, message: str, code: str | None, error: type[ModelError], match: str
) -> None:
    both(lambda exchange: exchange.fail(status, message, code), error, match)


def test_a_schema_that_is_not_taken() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.fail(400, "Invalid schema for response_format", param="response_format")

    with serving(answer) as server, pytest.raises(CapabilityError, match="JSON schema"):
        ask(settings(server.url), Options(structure={"type": "object"}))


@pytest.mark.parametrize("page", [b"<html><body>Welcome</body></html>", b"", b"\xff\xfe", b"[]"])
def test_a_web_page_instead_of_an_answer(page: bytes) -> None:
    both(lambda exchange: exchange.send(page, "text/html"), ModelServiceError, "base_url")
    both(lambda exchange: exchange.send(page, status=502), ModelServiceError, "502")


@pytest.mark.parametrize(
    "value",
    [
        None, 5, "text", [], {}, {"choices": None}, {"choices": []}, {"choices": [3]},
        {"choices": [{"message": "x"}]}, {"choices": [{"message": {"content": [1]}}]},
        {"error": {"message": "out of memory"}},
    ],
)  # fmt: skip
def test_json_that_is_no_answer(value: object) -> None:
    both(lambda exchange: exchange.json(value), ModelServiceError, "sent|failed")


def test_nobody_is_there() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        with pytest.raises(ModelServiceError, match="cannot be reached"):
            ask(settings(address))


def test_it_hangs_up_before_it_answers() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.connection.shutdown(socket.SHUT_RDWR)
        exchange.close_connection = True

    both(answer, ModelServiceError, "cannot be reached")


def test_it_hangs_up_in_the_midst() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.body["stream"]:
            exchange.begin_stream()
            exchange.event(choice("Once upon"))
            return
        exchange.send_response(200)
        exchange.send_header("Content-Type", "application/json")
        exchange.send_header("Content-Length", "5000")
        exchange.end_headers()
        exchange.wfile.write(b'{"choices": [')
        exchange.close_connection = True

    both(answer, ModelServiceError, "hung up|hang|hung")


@pytest.mark.parametrize("late", ["before", "after a word"])
def test_it_never_answers(late: str) -> None:
    gone = threading.Event()

    def answer(exchange: Exchange) -> None:
        if late != "before" and exchange.body["stream"]:
            exchange.begin_stream()
            exchange.event(choice("Once"))
        gone.wait(5)

    try:
        start = time.perf_counter()
        both(answer, ModelTimeoutError, "within 0.3 s", timeout_seconds=0.3)
        assert time.perf_counter() - start < 4
    finally:
        gone.set()


def test_drops_of_water_are_no_stream() -> None:
    """A server that sends a comment now and then is alive, and yet too late."""

    def answer(exchange: Exchange) -> None:
        exchange.begin_stream()
        for _ in range(100):
            exchange.wfile.write(b": still here\n\n")
            exchange.wfile.flush()
            time.sleep(0.05)

    with serving(answer) as server, pytest.raises(ModelTimeoutError):
        ask(settings(server.url, timeout_seconds=0.4), stream=True)


def test_a_stream_without_end_is_cut() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin_stream()
        while True:
            exchange.event(choice("on and "))

    with serving(answer) as server:
        written = ask(settings(server.url), Options(max_tokens=10), stream=True)
    assert written.finish == "length"
    assert len(written.text) < 2000


def test_a_line_without_end_is_cut() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.wfile.write(b"data: ")
        while True:
            exchange.wfile.write(b"x" * (1 << 20))

    with serving(answer) as server, pytest.raises(ModelServiceError, match="does not end"):
        ask(settings(server.url), stream=True)


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    def answer(exchange: Exchange) -> None:
        text = json.dumps(choice("caf@", "stop")).encode().replace(b"@", b"\xe9")
        if exchange.body["stream"]:
            exchange.begin_stream()
            exchange.event(text)
        else:
            exchange.send(json.dumps(whole("caf@")).encode().replace(b"@", b"\xe9"))

    with serving(answer) as server:
        for stream in (False, True):
            assert ask(settings(server.url), stream=stream).text == "caf\ufffd"


def test_odd_but_lawful_streams_are_read() -> None:
    parts = [
        b": comment\r\n\r\nevent: message\r\nid: 4\r\n",
        b'data:{"choices":[{"delta":{"content":"one \xe2\x80\xa8',
        b'two"}}]}\r\n\r\n',
        b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":" \\ud83d\\ude00 \\ud800"}}]}\n\n',
        b'data: {"choices":[]}\n\ndata: {"choices":[{"finish_reason":"stop"}]}',
    ]

    def answer(exchange: Exchange) -> None:
        exchange.begin_stream()
        for part in parts:
            for byte in part:
                exchange.wfile.write(bytes([byte]))
                exchange.wfile.flush()

    with serving(answer) as server:
        assert ask(settings(server.url), stream=True).text == "one \u2028two 😀 ?"


@pytest.mark.parametrize(
    "usage",
    [
        None, 3, {}, {"prompt_tokens": -5, "completion_tokens": -1},
        {"prompt_tokens": 10**30, "completion_tokens": "many"}, {"prompt_tokens": True},
        {"prompt_tokens": 1.5, "completion_tokens": None},
    ],
)  # fmt: skip
def test_what_is_said_of_the_cost_may_be_nonsense(usage: object) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.body["stream"]:
            exchange.begin_stream()
            exchange.event(choice("Twelve chars", "stop") | {"usage": usage})
            exchange.event(b"[DONE]")
        else:
            exchange.json(whole("Twelve chars", usage=usage))

    with serving(answer) as server:
        for stream in (False, True):
            cost = ask(settings(server.url), stream=stream).usage
            assert (cost.prompt_tokens, cost.written_tokens) == (4, 3)


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        ({"cached_tokens": 30}, 30), ({"cached_tokens": 900}, 40), ({"cached_tokens": -1}, 0),
        ({"cached_tokens": True}, 0), ({"cached_tokens": "9"}, 0), ({}, 0), (None, 0), (7, 0),
    ],
)  # fmt: skip
def test_what_a_service_had_read_before(details: object, cached: int) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": 3, "prompt_tokens_details": details}

    with serving(lambda exchange: exchange.json(whole("Yes.", usage=usage))) as server:
        cost = ask(settings(server.url)).usage
    assert (cost.prompt_tokens, cost.cached_tokens) == (40, cached)


def test_a_refusal_is_one() -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}

    def answer(exchange: Exchange) -> None:
        exchange.json({"choices": [{"message": refusal, "finish_reason": "stop"}]})

    both(answer, ModelRefusedError, "cannot help")

    def filtered(exchange: Exchange) -> None:
        exchange.json(whole("Half an", "content_filter"))

    both(filtered, ModelRefusedError, "content filter")
