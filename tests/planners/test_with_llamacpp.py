"""Planners through llama.cpp's own server and a grown model, held to the schema by it.

The model is far too small to plan well; what is tried is the exchange.
"""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

import pytest

from benchmarks.one_model import Server, serving
from cogagent.config import OpenAISettings, Settings
from cogagent.errors import ModelLoadError
from cogagent.models.backends import llamacpp_load
from cogagent.models.backends.openai import make
from cogagent.models.metered import Meter, MeteredMLLM, ModelCall
from cogagent.planners import exchange
from cogagent.planners.base import PlanState
from cogagent.planners.factory import make_planner
from cogagent.types import Budget, Step
from tests.planners.kit import TOOLS

pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")

CONTEXT = 1024
"""Small, so that a reply is too: a third of it at most."""
NAMES = ("cog-sequential", "cog-parallel", "one-shot")


class Ran(NamedTuple):
    """The step that a planner made, and the calls that it took."""

    step: Step
    calls: list[ModelCall]


def run(server: Server, name: str) -> Ran:
    service = OpenAISettings(base_url=server.base_url, api_key=server.key, context=CONTEXT)
    calls: list[ModelCall] = []

    async def planning() -> Step:
        model = make("model", Settings(offline=True, openai=service))
        metered = MeteredMLLM(model, Meter(Budget(), on_call=calls.append), "plan")
        planner = make_planner(name, Settings(), has_model=True)
        try:
            state = PlanState(question="Who directed the film about the dam?", tools=TOOLS[:3])
            return await planner.plan(state, metered)
        finally:
            await model.close()

    return Ran(asyncio.run(planning()), calls)


@pytest.fixture(scope="module")
def ran() -> dict[str, Ran]:
    try:
        weights = llamacpp_load.find("smollm2")
    except ModelLoadError as error:
        pytest.skip(str(error))
    # One thread: two would wait for each other where others use the machine too.
    with serving(weights, CONTEXT, 1) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "MOST_QUERIES", 1)  # such a model fills every place there is
        return {name: run(server, name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_small_model_plans_within_the_schema(ran: dict[str, Ran], name: str) -> None:
    step, calls = ran[name]
    assert step.queries
    assert {query.tool for query in step.queries} <= {"text", "image", "all"}
    assert all(query.text for query in step.queries)
    assert {call.purpose for call in calls} <= {"rewrite", "choose tool", "plan", "repair"}
    for call in calls:
        assert call.error is None
        usage = call.reply.usage
        assert 0 < usage.prompt_tokens < usage.prompt_tokens + usage.written_tokens <= CONTEXT
        if call.reply.finish == "stop":  # held to the schema until it was cut off
            properties = call.options.structure["properties"]
            assert list(json.loads(call.reply.text)) == list(properties)


def test_the_calls_follow_each_other_or_come_together(ran: dict[str, Ran]) -> None:
    calls = ran["cog-sequential"].calls
    ends = [call.started + call.seconds for call in calls]
    assert all(end <= call.started for end, call in zip(ends, calls[1:], strict=False))
    first, second = sorted(ran["cog-parallel"].calls, key=lambda call: call.started)[:2]
    assert second.started - first.started < first.seconds / 2
