from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cogagent.config import Settings
from cogagent.errors import CapabilityError, ConfigError, ContextOverflowError, ModelError
from cogagent.models import factory
from cogagent.models.backends.ending import Ending
from cogagent.models.mllm import MLLM, Capabilities, Message, Options, said
from cogagent.testing.contracts import MLLMContract
from cogagent.testing.doubles import HANG, ScriptedMLLM
from cogagent.types import Raster

STORY = "Once upon a time, a fox lived by a lake. It was deep, and cold, and full of fish."


def story(messages: tuple[Message, ...], options: Options) -> str:
    return json.dumps({"answer": True}) if options.structure else STORY


class TestScripted(MLLMContract):
    @pytest.fixture
    def model(self) -> MLLM:
        return ScriptedMLLM(story)


class TestScriptedSlowAndPoor(MLLMContract):
    @pytest.fixture
    def model(self) -> MLLM:
        return ScriptedMLLM(story, Capabilities(context=100), delay=0.001)

    def test_any_string_is_a_message(self, model: MLLM) -> None:
        super().test_any_string_is_a_message(ScriptedMLLM(story))


def test_a_script_is_played_in_order() -> None:
    model = ScriptedMLLM(["one", ModelError("no"), "three"])
    asked = (said("user", "?"),)
    assert asyncio.run(model.generate(asked)).text == "one"
    with pytest.raises(ModelError, match="no"):
        asyncio.run(model.generate(asked))
    assert asyncio.run(model.generate(asked, Options(seed=4))).text == "three"
    with pytest.raises(ModelError, match="over"):
        asyncio.run(model.generate(asked))
    assert model.asked[2] == (asked, Options(seed=4))


def test_a_script_may_hang() -> None:
    async def wait() -> None:
        async with asyncio.timeout(0.05):
            await ScriptedMLLM([HANG]).generate((said("user", "?"),))

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


def test_a_script_overflows() -> None:
    model = ScriptedMLLM(["text"], Capabilities(context=10))
    with pytest.raises(ContextOverflowError):
        asyncio.run(model.generate((said("user", "word " * 20),)))
    assert model.asked == []


def test_half_a_pair_is_no_text() -> None:
    assert said("user", "a \ud800 b").text == "a \ufffd b"
    assert said("user", "\ud83d\ude00").text == "😀"


def test_pictures_stand_before_the_words() -> None:
    picture = Raster(np.zeros((2, 3, 3), np.uint8))
    message = said("user", "What is it?", picture, picture)
    assert (message.text, len(message.pictures)) == ("What is it?", 2)
    assert "raster" not in message.model_dump_json()


@pytest.mark.parametrize("wrong", [{"stop": ("",)}, {"max_tokens": 0}, {"temperature": -1.0}])
def test_options_that_mean_nothing(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options(**wrong)


def test_a_refusal_names_the_model() -> None:
    model = ScriptedMLLM(["x"], Capabilities())
    with pytest.raises(CapabilityError, match="scripted:1"):
        asyncio.run(model.generate((said("user", "?"),), Options(probabilities=True)))


@pytest.mark.parametrize("name", ["nobody:x", "openai:", "openai", ":", ""])
def test_there_is_no_such_backend(name: str) -> None:
    with pytest.raises(ConfigError, match="BACKEND:MODEL"):
        factory.mllm(name, Settings())


@given(
    st.text("abc.", max_size=40),
    st.lists(st.text("abc.", min_size=1, max_size=4), max_size=3),
    st.integers(1, 5),
)
def test_a_stop_text_ends_it_wherever_pieces_part(text: str, stop: list[str], size: int) -> None:
    ending, at_once = Ending(stop), Ending(stop)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    shown = "".join(map(ending.feed, pieces)) + ending.rest()
    assert shown == at_once.feed(text) + at_once.rest()
    assert text.startswith(shown)
    assert not any(each in shown for each in stop)
    assert ending.done == any(each in text for each in stop)
    assert ending.done or shown == text
