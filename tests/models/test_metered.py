from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from cogagent.errors import BudgetError, ModelTimeoutError
from cogagent.models.cached import CachedMLLM
from cogagent.models.metered import Meter, MeteredMLLM, ModelCall
from cogagent.models.mllm import Capabilities, Options, said
from cogagent.testing.contracts import MLLMContract
from cogagent.testing.doubles import HANG, ScriptedMLLM
from cogagent.types import Budget, Raster

ASKED = [said("user", "Tell me of the lake.")]


class TestMetered(MLLMContract):
    @pytest.fixture
    def model(self) -> MeteredMLLM:
        def speak(messages: object, options: Options) -> str:
            if options.structure is not None:
                return '{"answer": true}'
            return "a fox went down to the lake and drank " * 50

        return MeteredMLLM(ScriptedMLLM(speak), Meter(Budget()), "plan")


def test_calls_and_tokens_are_counted_and_named() -> None:
    calls: list[ModelCall] = []
    meter = Meter(Budget(), on_call=calls.append)
    model = MeteredMLLM(ScriptedMLLM(["one two", "three"]), meter, "plan")
    asyncio.run(model.generate(ASKED))
    asyncio.run(model.named("repair").generate(ASKED))
    assert [call.purpose for call in calls] == ["plan", "repair"]
    assert [call.reply.text for call in calls if call.reply] == ["one two", "three"]
    assert meter.calls == 2
    assert meter.tokens > 5
    assert calls[0].started <= calls[1].started


def test_a_spent_budget_refuses_before_the_model_is_asked() -> None:
    inner = ScriptedMLLM(["one", "two", "three"])
    meter = Meter(Budget(model_calls=2))
    model = MeteredMLLM(inner, meter, "answer")
    planner = MeteredMLLM(inner, meter, "plan", reserve_calls=1)
    asyncio.run(planner.generate(ASKED))
    with pytest.raises(BudgetError, match="model calls"):
        asyncio.run(planner.generate(ASKED))  # the last is the answer's
    asyncio.run(model.generate(ASKED))
    with pytest.raises(BudgetError):
        asyncio.run(model.generate(ASKED))
    assert len(inner.asked) == 2


def test_no_more_tokens_are_written_than_are_left() -> None:
    meter = Meter(Budget(tokens=20))
    model = MeteredMLLM(ScriptedMLLM(["w " * 500, "w"]), meter, "plan")
    reply = asyncio.run(model.generate(ASKED, Options(max_tokens=400)))
    assert reply.finish == "length"
    assert reply.usage.written_tokens <= 20
    with pytest.raises(BudgetError, match="tokens"):
        asyncio.run(model.generate(ASKED))


def test_what_was_cached_costs_nothing() -> None:
    meter = Meter(Budget(model_calls=1))
    model = MeteredMLLM(CachedMLLM(ScriptedMLLM(["one"]), 1.0, 60.0), meter, "plan")
    asyncio.run(model.generate(ASKED))
    spent = meter.tokens
    again = CachedMLLM(ScriptedMLLM(["one"]), 1.0, 60.0)
    asyncio.run(again.generate(ASKED))
    other = Meter(Budget(model_calls=1))
    asyncio.run(MeteredMLLM(again, other, "plan").generate(ASKED))
    assert (meter.calls, other.calls, other.tokens) == (1, 0, 0)
    assert spent > 0


def test_what_failed_or_was_cut_short_is_recorded() -> None:
    calls: list[ModelCall] = []
    meter = Meter(Budget(), on_call=calls.append)
    model = MeteredMLLM(ScriptedMLLM([ModelTimeoutError("too slow."), HANG]), meter, "plan")
    with pytest.raises(ModelTimeoutError):
        asyncio.run(model.generate(ASKED))

    async def given_up() -> None:
        async with asyncio.timeout(0.05):
            await model.generate(ASKED)

    with pytest.raises(TimeoutError):
        asyncio.run(given_up())
    assert [call.error.code if call.error else None for call in calls] == ["model_timeout", None]
    assert meter.calls == 2


def test_calls_at_once_do_not_exceed_the_budget() -> None:
    inner = ScriptedMLLM(["one two three"] * 5, delay=0.01)
    model = MeteredMLLM(inner, Meter(Budget(model_calls=2)), "plan")

    async def together() -> list[object]:
        calls = (model.generate(ASKED) for _ in range(5))
        return await asyncio.gather(*calls, return_exceptions=True)

    refused = [one for one in asyncio.run(together()) if isinstance(one, BudgetError)]
    assert (len(refused), len(inner.asked)) == (3, 2)


def test_pictures_at_once_do_not_exceed_the_budget() -> None:
    shown = [said("user", "What is this?", Raster(np.zeros((8, 8, 3), np.uint8)))]
    inner = ScriptedMLLM(["one"] * 3, Capabilities(pictures=True), delay=0.01)
    meter = Meter(Budget(pictures=2))
    model = MeteredMLLM(inner, meter, "plan")

    async def together() -> list[object]:
        calls = (model.generate(shown) for _ in range(3))
        return await asyncio.gather(*calls, return_exceptions=True)

    refused = [one for one in asyncio.run(together()) if isinstance(one, BudgetError)]
    assert (len(refused), len(inner.asked), meter.pictures) == (1, 2, 2)
    assert model.pictures_left == 0


def test_what_was_written_before_a_call_was_given_up_is_recorded() -> None:
    calls: list[ModelCall] = []
    model = MeteredMLLM(
        ScriptedMLLM(["one two three"]), Meter(Budget(), on_call=calls.append), "p"
    )

    async def first() -> str:
        async with aclosing(model.stream(ASKED)) as pieces:
            async for piece in pieces:
                return piece.text
        return ""

    begun = asyncio.run(first())
    assert begun
    assert (calls[0].written, calls[0].reply) == (begun, None)
