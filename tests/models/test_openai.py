"""The openai backend against a service on loopback, and against llama.cpp's own server."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cogagent.config import OpenAISettings, Settings, describe, load_settings
from cogagent.errors import (
    CapabilityError,
    ConfigError,
    ContextOverflowError,
    MissingPackageError,
    ModelError,
    ModelLoadError,
    ModelRefusedError,
    ModelServiceError,
    ModelTimeoutError,
    OfflineError,
)
from cogagent.models import factory
from cogagent.models.mllm import (
    DEFAULTS,
    MLLM,
    Generated,
    Message,
    Options,
    PicturePart,
    Piece,
    TextPart,
    said,
)
from cogagent.testing.contracts import MLLMContract
from cogagent.types import Raster
from tests.models.service import CONTEXT, Exchange, choice, serving, tell_a_story, whole

pytest.importorskip("openai", reason="the package openai is not installed")

ASKED = (said("user", "Tell a story."),)
KEY = "sk-secret-0123456789"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def settings(url: str, **changes: object) -> Settings:
    group = {"base_url": url, "retries": 0, "timeout_seconds": 5.0, **changes}
    return Settings(offline=True, openai=OpenAISettings(**group))


class TestStoryteller(MLLMContract):
    @pytest.fixture
    def model(self) -> Iterator[MLLM]:
        with serving(tell_a_story) as server:
            can = {"pictures": True, "probabilities": True, "seed": True, "context": CONTEXT}
            model = factory.mllm("openai:story", settings(server.url, **can))
            yield model
            asyncio.run(model.close())

    def test_any_string_is_a_message(self, model: MLLM) -> None:
        for text in ("", " ", "\x00", "\ud800 half a pair", "日本語", "🙂👩‍👩‍👧"):
            asked = (said("user", text),)
            assert asyncio.run(model.generate(asked, Options(max_tokens=2))).text


@pytest.fixture(scope="module")
def server() -> object:
    xllamacpp = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    from cogagent.config import LlamaCppSettings
    from cogagent.models.backends.llamacpp_load import Setup, find

    try:
        path = find("smollm2")
    except ModelLoadError as error:
        pytest.skip(str(error))
    group = LlamaCppSettings(parallel=2)
    return xllamacpp.Server(Setup(path, group, 512, 1, KEY)(xllamacpp))


class TestLlamaServer(MLLMContract):
    """llama.cpp's server, its address and key."""

    @pytest.fixture
    def model(self, server: object) -> Iterator[MLLM]:
        url = f"{server.listening_address}/v1"
        can = {"api_key": KEY, "probabilities": True, "context": 512, "timeout_seconds": 60}
        model = factory.mllm("openai:model", settings(url, **can))
        yield model
        asyncio.run(model.close())

    def test_a_wrong_key_is_said_to_be_one(self, server: object) -> None:
        url = f"{server.listening_address}/v1"
        with pytest.raises(ModelServiceError, match="OPENAI_API_KEY"):
            ask(settings(url, api_key="sk-wrong"))

    def test_a_picture_is_not_for_a_model_of_words(self, server: object) -> None:
        url = f"{server.listening_address}/v1"
        picture = Raster(np.zeros((20, 20, 3), np.uint8))
        with pytest.raises(CapabilityError, match="sees no pictures"):
            ask(
                settings(url, api_key=KEY, pictures=True),
                messages=(said("user", "What is it?", picture),),
            )


def ask(
    chosen: Settings, options: Options = DEFAULTS, *, stream: bool = False, messages=ASKED
) -> Generated:
    """One text of a model made for it alone."""

    async def run() -> Generated:
        from cogagent.models.backends.openai import make

        model = make("some-model", chosen)
        try:
            if not stream:
                return await model.generate(messages, options)
            pieces = [piece async for piece in model.stream(messages, options)]
            assert "".join(piece.text for piece in pieces) == pieces[-1].whole.text
            return pieces[-1].whole
        finally:
            await model.close()

    return asyncio.run(run())


def both(answer: Callable[[Exchange], None], error: type[Exception], match: str, **more) -> None:
    """Whole or streamed, it is the same error."""
    with serving(answer) as server:
        for stream in (False, True):
            with pytest.raises(error, match=match) as caught:
                ask(settings(server.url, **more), stream=stream)
            assert type(caught.value) is error


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


def test_a_server_that_does_not_stream_is_understood() -> None:
    with serving(lambda exchange: exchange.json(whole("At once."))) as server:
        assert ask(settings(server.url), stream=True).text == "At once."


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


def test_a_refusal_is_one() -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}

    def answer(exchange: Exchange) -> None:
        exchange.json({"choices": [{"message": refusal, "finish_reason": "stop"}]})

    both(answer, ModelRefusedError, "cannot help")

    def filtered(exchange: Exchange) -> None:
        exchange.json(whole("Half an", "content_filter"))

    both(filtered, ModelRefusedError, "content filter")


def test_an_overloaded_service_is_asked_again() -> None:
    def answer(exchange: Exchange) -> None:
        if len(exchange.server.received) < 3:
            exchange.fail(429, "slow down", retry_after="0.01")
        else:
            exchange.json(whole("At last."))

    with serving(answer) as server:
        assert ask(settings(server.url, retries=2)).text == "At last."
        assert len(server.received) == 3


def test_it_is_not_asked_for_ever() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.fail(429, "slow down", retry_after="0.01")

    with serving(answer) as server:
        with pytest.raises(ModelServiceError, match=r"wait for 0\.01 s"):
            ask(settings(server.url, retries=2))
        assert len(server.received) == 3

    def later(exchange: Exchange) -> None:
        exchange.fail(429, "slow down", retry_after="60")

    with serving(later) as server, pytest.raises(ModelTimeoutError):
        ask(settings(server.url, retries=5, timeout_seconds=0.3))


def test_what_a_model_does_not_take_is_left_out() -> None:
    """As OpenAI's reasoning models: other names, no temperature, no stop."""

    def answer(exchange: Exchange) -> None:
        for name in ("max_tokens", "temperature", "stop", "seed", "stream_options"):
            if name in exchange.body:
                exchange.fail(400, f"Unsupported parameter: '{name}'", param=name)
                return
        assert exchange.body["max_completion_tokens"] == 50
        exchange.json(whole("One. Two. Three."))

    with serving(answer) as server:
        options = Options(max_tokens=50, stop=("Two",), seed=1)
        written = ask(settings(server.url), options, stream=True)
        assert (written.text, written.finish) == ("One. ", "stop")
        assert len(server.received) == 6


def test_more_stop_texts_than_services_take() -> None:
    def answer(exchange: Exchange) -> None:
        assert len(exchange.body["stop"]) == 4
        exchange.json(whole("One. Two. Three."))

    with serving(answer) as server:
        stop = ("!", "?", ";", ":", "Three")
        assert ask(settings(server.url), Options(stop=stop)).text == "One. Two. "


def test_no_more_at_once_than_allowed() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def answer(exchange: Exchange) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        exchange.json(whole("Yes."))

    async def many(model: MLLM) -> None:
        await asyncio.gather(*(model.generate(ASKED) for _ in range(12)))
        await model.close()

    with serving(answer) as server:
        asyncio.run(many(factory.mllm("openai:x", settings(server.url, concurrency=3))))
    assert most == 3


def test_a_picture_is_sent_no_larger_than_set() -> None:
    picture = Raster(np.zeros((400, 800, 3), np.uint8))
    with serving(lambda exchange: exchange.json(whole("Black."))) as server:
        for changes in ({"picture_side": 100}, {"picture_side": 100, "coordinates": "pixels"}):
            ask(
                settings(server.url, pictures=True, **changes),
                messages=(said("user", "What is it?", picture),),
            )
        sizes = [_size(body) for _, body in server.received]
    assert sizes == [(100, 50), (800, 400)]


def test_words_and_pictures_keep_their_order() -> None:
    picture = PicturePart(raster=Raster(np.zeros((4, 4, 3), np.uint8)))
    parts = (TextPart(text="One:"), picture, TextPart(text="Two:"), picture)
    with serving(lambda exchange: exchange.json(whole("Black."))) as server:
        ask(settings(server.url, pictures=True), messages=(Message(role="user", parts=parts),))
        (message,) = server.received[0][1]["messages"]
    kinds = [part.get("text", part["type"]) for part in message["content"]]
    assert kinds == ["One:", "image_url", "Two:", "image_url"]


def test_the_key_is_sent_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.fail(401, f"Incorrect API key provided: {KEY}", "invalid_api_key")

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    with serving(answer) as server:
        for changes in ({}, {"api_key": KEY}, {"api_key_file": file}):
            chosen = settings(server.url, **changes)
            with pytest.raises(ModelServiceError) as caught:
                ask(chosen)
            assert server.received[-1][0]["authorization"] == f"Bearer {KEY}"
            seen: BaseException | None = caught.value
            while seen is not None:
                assert KEY not in str(seen)
                seen = seen.__cause__
            assert KEY not in repr(chosen) + chosen.model_dump_json()
    monkeypatch.setenv("COGAGENT_OPENAI__API_KEY", KEY)
    rows = describe(load_settings(), None)
    assert KEY not in str(rows)
    assert any(row["name"] == "openai.api_key" and "*" in row["value"] for row in rows)
    assert KEY not in "".join(capfd.readouterr())


def test_without_a_key_none_is_sent() -> None:
    with serving(lambda exchange: exchange.json(whole("Open."))) as server:
        ask(settings(server.url))
        assert "authorization" not in server.received[0][0]


def test_a_key_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    with pytest.warns(UserWarning, match="chmod 600"):
        factory.mllm("openai:x", settings("http://localhost:1/v1", api_key_file=file))


@pytest.mark.parametrize("key", ["two words", "smart“quotes”", "new\nline", "\x07"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ConfigError, match="is no key"):
        factory.mllm("openai:x", settings("http://localhost:1/v1", api_key=key))


def test_a_file_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        factory.mllm("openai:x", settings("http://localhost:1/v1", api_key_file=tmp_path / "no"))
    for data in (b"", b"\n", b"x" * 5000):
        (tmp_path / "key").write_bytes(data)
        (tmp_path / "key").chmod(0o600)
        with pytest.raises(ConfigError, match="holds no key"):
            factory.mllm(
                "openai:x", settings("http://localhost:1/v1", api_key_file=tmp_path / "key")
            )


def test_a_settings_file_is_no_place_for_a_key(tmp_path: Path) -> None:
    (tmp_path / "cogagent.toml").write_text('[openai]\napi_key = "sk-1"\n')
    with pytest.raises(ConfigError, match="holds an API key") as caught:
        load_settings(tmp_path)
    assert "sk-1" not in str(caught.value)


def test_openai_itself_wants_a_key() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        factory.mllm("openai:x", Settings())


@pytest.mark.parametrize(
    "address", ["", "localhost", "ftp://x/v1", "http://", "http://[::1", "/v1"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        factory.mllm("openai:x", settings(address))


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0/v1",
        "http://[2001:db8::1]/",
    ],
)
def test_offline_only_this_machine_is_asked(address: str) -> None:
    with pytest.raises(OfflineError, match="offline"):
        factory.mllm("openai:x", settings(address, api_key=KEY))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_offline_this_machine_may_be_asked(host: str) -> None:
    assert factory.mllm("openai:x", settings(f"http://{host}:9/v1")).name == "openai:x"


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    with serving(lambda exchange: exchange.json(whole("Here."))) as server:
        assert ask(settings(server.url)).text == "Here."


def test_a_redirect_is_not_followed() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.json({}, 307, Location="http://192.0.2.1/v1/chat/completions")

    both(answer, ModelServiceError, r"sends us to http://192\.0\.2\.1")


def test_leaving_hangs_up() -> None:
    noticed = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.begin_stream()
        try:
            while True:
                exchange.event(choice("on "))
                time.sleep(0.01)
        except OSError:
            noticed.set()

    async def leave(model: MLLM) -> Piece:
        pieces = model.stream(ASKED, Options(max_tokens=10_000))
        first = await anext(pieces)
        await pieces.aclose()
        return first

    with serving(answer) as server:
        model = factory.mllm("openai:x", settings(server.url))
        assert asyncio.run(leave(model)).text == "on "
        assert noticed.wait(2)
        asyncio.run(model.close())


def test_closing_ends_what_is_under_way_and_a_call_begins_anew() -> None:
    asked, gone = threading.Event(), threading.Event()

    def answer(exchange: Exchange) -> None:
        asked.set()
        if len(exchange.server.received) == 1:
            gone.wait(5)
        exchange.json(whole("Again."))

    async def run(model: MLLM) -> tuple[object, Generated]:
        waiting = asyncio.create_task(model.generate(ASKED))
        await asyncio.to_thread(asked.wait, 5)
        await model.close()
        await model.close()
        (found,) = await asyncio.gather(waiting, return_exceptions=True)
        again = await model.generate(ASKED)
        await model.close()
        return found, again

    with serving(answer) as server:
        try:
            found, again = asyncio.run(run(factory.mllm("openai:x", settings(server.url))))
        finally:
            gone.set()
    assert isinstance(found, ModelError)
    assert again.text == "Again."


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingPackageError, match=r"cogagent\[openai\]"):
        factory.mllm("openai:x", settings("http://localhost:2/v1"))


def _size(body: dict[str, object]) -> tuple[int, int]:
    import base64
    from io import BytesIO

    from PIL import Image

    url = body["messages"][0]["content"][0]["image_url"]["url"]
    with Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) as picture:
        return picture.size
