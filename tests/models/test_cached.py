from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import numpy as np
import pytest

from cogagent.models.cached import CachedMLLM
from cogagent.models.mllm import (
    DEFAULTS,
    Capabilities,
    Generated,
    Message,
    Options,
    Piece,
    said,
)
from cogagent.types import Raster


class CountingModel:
    """Writes how often it was asked."""

    name = "double:counting"

    def __init__(self, **capabilities: bool) -> None:
        self.capabilities = Capabilities(**capabilities)
        self.asked = 0

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        self.asked += 1
        return Generated(text=f"text {self.asked}")

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        whole = await self.generate(messages, options)
        for word in whole.text.split(" "):
            yield Piece(text=word)
        yield Piece(whole=whole)

    async def close(self) -> None:
        self.asked = -1


def ask(model: CachedMLLM, *messages: Message, **options: object) -> Generated:
    return asyncio.run(model.generate(messages, Options(**options)))


def test_the_same_question_is_answered_once() -> None:
    inner = CountingModel()
    model = CachedMLLM(inner, 1, 60)
    first, again = ask(model, said("user", "why?")), ask(model, said("user", "why?"))
    assert (first.text, again.text, inner.asked) == ("text 1", "text 1", 1)
    assert (first.usage.cached, again.usage.cached) == (False, True)
    assert ask(model, said("user", "how?")).text == "text 2"
    assert ask(model, said("system", "why?")).text == "text 3"
    assert ask(model, said("user", "why?"), max_tokens=3).text == "text 4"


def test_pictures_are_told_apart_by_their_pixels() -> None:
    model = CachedMLLM(CountingModel(pictures=True), 1, 60)
    black = Raster(np.zeros((2, 3, 3), np.uint8))
    turned = Raster(np.zeros((3, 2, 3), np.uint8))
    white = Raster(np.full((2, 3, 3), 255, np.uint8))
    texts = [
        ask(model, said("user", "?", raster)).text for raster in (black, turned, white, black)
    ]
    assert texts == ["text 1", "text 2", "text 3", "text 1"]


def test_a_streamed_text_is_kept_and_a_kept_one_streamed() -> None:
    inner = CountingModel()
    model = CachedMLLM(inner, 1, 60)

    async def streamed() -> list[Piece]:
        return [piece async for piece in model.stream([said("user", "why?")])]

    first, again = asyncio.run(streamed()), asyncio.run(streamed())
    assert first[-1].whole == Generated(text="text 1")
    assert "".join(piece.text for piece in again) == "text 1"
    assert again[-1].whole is not None
    assert again[-1].whole.usage.cached
    assert inner.asked == 1


@pytest.mark.parametrize(("heeds", "asked"), [(True, 1), (False, 2)])
def test_chance_is_kept_only_with_a_seed_that_is_heeded(heeds: bool, asked: int) -> None:
    inner = CountingModel(seed=heeds)
    model = CachedMLLM(inner, 1, 60)
    for _ in range(2):
        ask(model, said("user", "why?"), temperature=1.0, seed=7)
    assert inner.asked == asked
    for _ in range(2):
        ask(model, said("user", "why?"), temperature=1.0)
    assert inner.asked == asked + 2


def test_old_texts_and_too_long_ones_go() -> None:
    inner = CountingModel()
    model = CachedMLLM(inner, 0.0006, 60)
    for question in ("a", "b", "a"):
        ask(model, said("user", question))
    assert inner.asked == 3
    spent = CachedMLLM(inner, 1, 0)
    for _ in range(2):
        ask(spent, said("user", "a"))
    assert inner.asked == 5


def test_closing_forgets() -> None:
    inner = CountingModel()
    model = CachedMLLM(inner, 1, 60)
    ask(model, said("user", "why?"))
    asyncio.run(model.close())
    assert inner.asked == -1
    assert ask(model, said("user", "why?")).text == "text 0"
