"""Who has a model, and who closes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cogagent import CogAgent
from cogagent.config import LlamaCppSettings, ModelSettings, ParseSettings, Settings
from cogagent.errors import ModelError, ModelLoadError
from cogagent.models import factory
from cogagent.models.mllm import Capabilities, Options, said
from cogagent.models.shared import SharedModels, close_now
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Source

ASKED = (said("user", "Say something."),)
NOTE = Source(
    uri="note:dam",
    data=b"Kestrel Dam was finished in 1931 by Ada Lowell.",
    media_type="text/plain",
)
QUESTION = "When was Kestrel Dam finished?"


class Maker:
    """Makes scripted models, and remembers them."""

    def __init__(self) -> None:
        self.made: list[ScriptedMLLM] = []

    def __call__(self) -> ScriptedMLLM:
        self.made.append(ScriptedMLLM(lambda messages, options: "It was finished in 1931 [1]."))
        return self.made[-1]


def test_the_last_who_closes_it_closes_it() -> None:
    shared, make = SharedModels(), Maker()
    one, other = shared.take("key", make), shared.take("key", make)
    assert len(make.made) == 1
    close_now(one)
    close_now(one)
    assert make.made[0].closed == 0
    assert asyncio.run(other.generate(ASKED)).text
    with pytest.raises(ModelError, match="was closed"):
        asyncio.run(one.generate(ASKED))
    with pytest.raises(ModelError, match="was closed"):
        asyncio.run(anext(aiter(one.stream(ASKED))))
    close_now(other)
    assert make.made[0].closed == 1


def test_one_that_was_closed_is_not_lent_again() -> None:
    shared, make = SharedModels(), Maker()
    close_now(shared.take("key", make))
    again = shared.take("key", make)
    assert [model.closed for model in make.made] == [1, 0]
    assert asyncio.run(again.generate(ASKED)).text


def test_equal_keys_share_and_others_do_not() -> None:
    shared, make = SharedModels(), Maker()
    for key in ("a", "b", "a"):
        shared.take(key, make)
    assert len(make.made) == 2


def test_one_loads_it_while_others_wait() -> None:
    shared, make = SharedModels(), Maker()
    together = threading.Barrier(4)

    def take() -> None:
        together.wait(5)
        shared.take("key", make)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(make.made) == 1


def test_one_that_does_not_load_is_tried_again() -> None:
    shared, make = SharedModels(), Maker()

    def fail() -> ScriptedMLLM:
        raise ModelLoadError("it is not there.")

    for _ in range(2):
        with pytest.raises(ModelLoadError):
            shared.take("key", fail)
    close_now(shared.take("key", make))
    assert make.made[0].closed == 1


def test_what_it_offers_beside_the_seam_is_lent_too() -> None:
    class Seeing(ScriptedMLLM):
        def seen_size(self, width: int, height: int) -> tuple[int, int]:
            return width // 2, height // 2

    lent = SharedModels().take("key", lambda: Seeing([], Capabilities(pictures=True)))
    assert lent.seen_size(8, 6) == (4, 3)  # type: ignore[attr-defined]
    assert lent.capabilities.pictures
    with pytest.raises(AttributeError):
        _ = lent.nothing_like_it  # type: ignore[attr-defined]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Maker:
    """The backend ``scripted``, as a package outside would bring it."""
    make = Maker()
    monkeypatch.setattr(factory, "_BACKENDS", factory._BACKENDS | {"scripted": "tests:none"})
    monkeypatch.setattr(factory, "_backend", lambda name, place: lambda model, settings: make())
    return make


def agent(home: Path, name: str, **groups: object) -> CogAgent:
    models = ModelSettings(answer_model=name)
    parse = ParseSettings(ocr=False, office=False)
    return CogAgent(home, Settings(offline=True, models=models, parse=parse, **groups))


def test_agents_one_after_the_other(scripted: Maker, tmp_path: Path) -> None:
    for _ in range(2):
        with agent(tmp_path / "kb", "scripted:1") as one:
            one.ingest(NOTE)
            assert one.ask(QUESTION).outcome == "answered"
    assert [model.closed for model in scripted.made] == [1, 1]


def test_agents_at_once_share_a_model(scripted: Maker, tmp_path: Path) -> None:
    one, other = (agent(tmp_path / name, "scripted:1") for name in ("one", "other"))
    for each in (one, other):
        each.ingest(NOTE)
        assert each.ask(QUESTION).outcome == "answered"
    assert len(scripted.made) == 1
    one.close()
    assert scripted.made[0].closed == 0
    assert other.ask("By whom was Kestrel Dam finished?").text
    other.close()
    assert scripted.made[0].closed == 1


def test_an_agent_is_closed_within_an_event_loop(scripted: Maker, tmp_path: Path) -> None:
    async def run() -> None:
        async with agent(tmp_path / "kb", "scripted:1") as one:
            await one.aingest(NOTE)
            await one.aask(QUESTION)
        closed = agent(tmp_path / "kb", "scripted:1")
        await closed.aask(QUESTION)
        closed.close()  # as from a notebook

    asyncio.run(run())
    assert [model.closed for model in scripted.made] == [1, 1]


def test_an_agent_that_asked_nothing_loads_nothing(scripted: Maker, tmp_path: Path) -> None:
    agent(tmp_path / "kb", "scripted:1").close()
    assert scripted.made == []


class TestSmolLM:
    """The same with a model whose memory can be seen to go."""

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Callable[[str], CogAgent]:
        from cogagent.models.backends import llamacpp_load

        pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
        try:
            llamacpp_load.find("smollm2")
        except ModelLoadError as error:
            pytest.skip(str(error))
        group = LlamaCppSettings(threads=1, parallel=1, context=1777)

        def make(home: str) -> CogAgent:
            return agent(
                tmp_path / home, "llamacpp:smollm2", llamacpp=group,
                answers={"max_tokens": 16, "cache_mb": 0},
            )  # fmt: skip

        return make

    def test_one_after_the_other(self, opened: Callable[[str], CogAgent]) -> None:
        from cogagent.models.backends import llamacpp

        before = len(llamacpp._engines)
        for _ in range(2):
            with opened("kb") as one:
                one.ingest(NOTE)
                assert one.ask(QUESTION).usage.model_calls == 1
                assert len(llamacpp._engines) == before + 1
                held = psutil.Process().memory_info().rss
            assert len(llamacpp._engines) == before
            assert held - psutil.Process().memory_info().rss > 60 << 20

    def test_two_at_once(self, opened: Callable[[str], CogAgent]) -> None:
        from cogagent.models.backends import llamacpp

        before = len(llamacpp._engines)
        one, other = opened("one"), opened("other")
        for each in (one, other):
            each.ingest(NOTE)
            each.ask(QUESTION)
        assert len(llamacpp._engines) == before + 1
        one.close()
        assert other.ask("By whom?").usage.model_calls == 1
        other.close()
        assert len(llamacpp._engines) == before


def test_half_written_texts_of_others_go_on() -> None:
    shared = SharedModels()
    slow = ScriptedMLLM(lambda messages, options: "word " * 30, delay=0.002)
    one, other = shared.take("key", lambda: slow), shared.take("key", lambda: slow)

    async def run() -> str:
        writing = asyncio.create_task(other.generate(ASKED, Options(max_tokens=30)))
        await asyncio.sleep(0.01)
        await one.close()
        return (await writing).text

    assert asyncio.run(run()).count("word") == 30
