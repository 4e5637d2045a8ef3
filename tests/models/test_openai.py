"""The openai backend against a service on loopback, and against llama.cpp's own server."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from cogagent.errors import (
    CapabilityError,
    MissingPackageError,
    ModelError,
    ModelLoadError,
    ModelServiceError,
    ModelTimeoutError,
)
from cogagent.models import factory
from cogagent.models.mllm import (
    MLLM,
    Generated,
    Message,
    Options,
    PicturePart,
    Piece,
    TextPart,
    said,
)
from cogagent.models.sight import picture_tokens, seen_size
from cogagent.testing.contracts import MLLMContract
from cogagent.types import Raster
from tests.models.openai_kit import ASKED, KEY, ask, settings
from tests.models.service import CONTEXT, Exchange, choice, serving, tell_a_story, whole

pytest.importorskip("openai", reason="the package openai is not installed")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


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


def test_a_server_that_does_not_stream_is_understood() -> None:
    with serving(lambda exchange: exchange.json(whole("At once."))) as server:
        assert ask(settings(server.url), stream=True).text == "At once."


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


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((800, 600), (812, 588)),
        ((3, 2), (84, 56)),
        ((600, 2), (812, 28)),  # slimmer than its processor takes: filled up first
        ((4000, 3000), (1568, 1176)),
    ],
)
def test_a_picture_is_sent_at_the_size_that_places_are_named_in(
    size: tuple[int, int], sent: tuple[int, int]
) -> None:
    picture = Raster(np.zeros((size[1], size[0], 3), np.uint8))
    chosen = {"pictures": True, "coordinates": "resized-pixels"}
    with serving(lambda exchange: exchange.json(whole("Black."))) as server:
        model = factory.mllm("openai:x", settings(server.url, **chosen))
        ask(settings(server.url, **chosen), messages=(said("user", "What is it?", picture),))
        assert [_size(body) for _, body in server.received] == [sent]
    assert seen_size(size, model.capabilities) == sent
    # A server of the same rule, whatever its roundings, leaves it as it is.
    assert model.capabilities.resize.size(sent) == sent
    assert picture_tokens(model, [size]) == sent[0] * sent[1] // 28**2
    asyncio.run(model.close())


def test_words_and_pictures_keep_their_order() -> None:
    picture = PicturePart(raster=Raster(np.zeros((4, 4, 3), np.uint8)))
    parts = (TextPart(text="One:"), picture, TextPart(text="Two:"), picture)
    with serving(lambda exchange: exchange.json(whole("Black."))) as server:
        ask(settings(server.url, pictures=True), messages=(Message(role="user", parts=parts),))
        (message,) = server.received[0][1]["messages"]
    kinds = [part.get("text", part["type"]) for part in message["content"]]
    assert kinds == ["One:", "image_url", "Two:", "image_url"]


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
    from cogagent.models.backends.openai import make

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
            found, again = asyncio.run(run(make("x", settings(server.url))))
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
