"""Planners through real HTTP: a scripted service on loopback that fails in every way."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cogagent.models.backends.openai import make
from cogagent.models.metered import Meter, MeteredMLLM, ModelCall
from cogagent.planners.base import Left, Planner, PlanState
from cogagent.planners.cog import ParallelCogPlanner, SequentialCogPlanner
from cogagent.planners.oneshot import OneShotPlanner
from cogagent.types import Budget, Query, Step
from tests.models.openai_kit import settings
from tests.models.service import Exchange, choice, serving
from tests.planners.kit import QUESTION, TOOLS, carried_out, choices, reply, rewrites

COG = SequentialCogPlanner()


def stream(exchange: Exchange, text: str, pause: float = 0.0) -> None:
    exchange.begin_stream()
    for start in range(0, len(text), 12):
        exchange.event(choice(text[start : start + 12]))
        time.sleep(pause)
    exchange.event(choice(None, "stop"))
    exchange.event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}})
    exchange.event(b"[DONE]")


def in_turn(*answers: str | Callable[[Exchange], None]) -> Callable[[Exchange], None]:
    """A service that gives one answer after the other, the last one ever after."""
    turns: Iterator[Any] = iter(answers)
    last: list[Any] = []

    def answer(exchange: Exchange) -> None:
        last[:] = [next(turns, *last)]
        if callable(last[0]):
            last[0](exchange)
        else:
            stream(exchange, last[0])

    return answer


def through(
    answer: Callable[[Exchange], None], planner: Planner = COG, **more: Any
) -> tuple[Step, list[ModelCall], list[dict[str, Any]]]:
    """A step, its calls, and the requests that the service received."""
    state = {"question": QUESTION, "tools": TOOLS} | more.pop("state", {})
    calls: list[ModelCall] = []

    async def run(url: str) -> Step:
        model = make("some-model", settings(url, **more))
        try:
            metered = MeteredMLLM(model, Meter(Budget(), on_call=calls.append), "plan")
            return await planner.plan(PlanState(**state), metered)
        finally:
            await model.close()

    with serving(answer) as server:
        step = asyncio.run(run(server.url))
        return step, calls, [body for _, body in server.received]


def searches(step: Step) -> list[tuple[str, str]]:
    return [(query.tool, query.text) for query in step.queries]


def falls_back(step: Step, why: str) -> None:
    assert searches(step) == [("text", QUESTION)]
    assert why in step.fallback
    assert not step.done


def test_an_exact_plan_with_its_schema() -> None:
    step, calls, bodies = through(in_turn(rewrites("the film"), choices(q1="image")))
    assert searches(step) == [("image", "the film")]
    assert [call.purpose for call in calls] == ["rewrite", "choose tool"]
    assert all(call.reply.usage.prompt_tokens == 9 for call in calls)
    schemas = [body["response_format"]["json_schema"]["schema"] for body in bodies]
    assert [list(schema["properties"]) for schema in schemas] == [
        ["thought", "sub_queries", "done", "reason"], ["thought", "actions"],
    ]  # fmt: skip


def test_a_service_without_schemas_is_asked_in_words() -> None:
    script = in_turn(f"Of course:\n```json\n{rewrites('the film')}\n```", choices(q1="text"))
    step, _, bodies = through(script, structured=False)
    assert searches(step) == [("text", "the film")]
    assert not any("response_format" in body for body in bodies)


def test_a_service_that_claims_schemas_and_has_none() -> None:
    def refusing(text: str) -> Callable[[Exchange], None]:
        def answer(exchange: Exchange) -> None:
            if "response_format" in exchange.body:
                exchange.fail(400, "response_format is not supported", param="response_format")
            else:
                stream(exchange, text)

        return answer

    rewrite, choose = refusing(rewrites("the film")), refusing(choices(q1="text"))
    step, _, _ = through(in_turn(rewrite, rewrite, choose, choose))
    assert searches(step) == [("text", "the film")]


def test_malformed_json_is_repaired_and_then_given_up() -> None:
    script = in_turn('{"sub_queries": [', rewrites("the film"), choices(q1="text"))
    step, calls, _ = through(script)
    assert [call.purpose for call in calls] == ["rewrite", "repair", "choose tool"]
    assert searches(step) == [("text", "the film")]
    step, calls, _ = through(in_turn('{"sub_queries": ['))
    assert [call.purpose for call in calls] == ["rewrite", "repair"]
    falls_back(step, "did not keep to the form")


def test_a_tool_that_is_not_there() -> None:
    wrong = choices(q1="rm -rf")
    step, calls, _ = through(in_turn(rewrites("the film"), wrong))
    assert [call.purpose for call in calls] == ["rewrite", "choose tool", "repair"]
    assert searches(step) == [("text", "the film")]
    assert "no tool 'rm -rf'" in step.fallback


def test_an_endless_plan_ends() -> None:
    nodes = [{"id": f"q{n}", "text": f"step {n}", "depends_on": []} for n in range(200)]
    endless = reply(thought="", sub_queries=nodes, actions=[], done=False)
    step, _, _ = through(in_turn(endless), OneShotPlanner())
    assert len(step.plan) == 5
    assert "sub-queries were left out" in step.fallback


@pytest.mark.parametrize(("status", "why"), [(429, "no more requests"), (500, "too much")])
def test_a_service_that_fails_is_tried_again_and_then_given_up(status: int, why: str) -> None:
    def fail(exchange: Exchange) -> None:
        exchange.fail(status, "that is too much", retry_after="0")

    step, calls, bodies = through(in_turn(fail), retries=1)
    falls_back(step, why)
    assert len(bodies) >= 2
    assert [call.error is not None for call in calls] == [True]
    script = in_turn(fail, rewrites("the film"), choices(q1="text"))
    step, _, _ = through(script, retries=1)
    assert searches(step) == [("text", "the film")]
    assert step.fallback == ""


def test_a_slow_trickle_is_given_up_in_time() -> None:
    def trickle(exchange: Exchange) -> None:
        stream(exchange, rewrites("word " * 400), pause=0.1)

    began = time.monotonic()
    step, _, _ = through(in_turn(trickle), state={"left": Left(seconds=1.0)})
    assert time.monotonic() - began < 3.0
    falls_back(step, "did not plan within 0.5 s")
    began = time.monotonic()
    step, _, _ = through(in_turn(trickle), timeout_seconds=0.5)
    assert time.monotonic() - began < 3.0
    falls_back(step, "did not answer within 0.5 s")


def test_a_cut_connection() -> None:
    def cut(exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.event(choice('{"sub_queries": [{"id": "q1", '))
        exchange.close_connection = True

    step, _, _ = through(in_turn(cut))
    falls_back(step, "hung up")


def test_nobody_is_there() -> None:
    with serving(in_turn("never")) as server:
        gone = server.url

    async def run() -> Step:
        model = make("some-model", settings(gone))
        try:
            metered = MeteredMLLM(model, Meter(Budget()), "plan")
            return await COG.plan(PlanState(question=QUESTION, tools=TOOLS), metered)
        finally:
            await model.close()

    falls_back(asyncio.run(run()), "cannot be reached")


def test_a_failure_in_a_later_round_ends_the_run_with_what_was_found() -> None:
    first = carried_out(Step(number=1, queries=(Query(id="1.1", text=QUESTION),)), "Ada Lowell.")
    fail = in_turn(lambda exchange: exchange.fail(500, "that is too much"))
    step, _, _ = through(fail, state={"steps": (first,)})
    assert step.done
    assert not step.queries
    assert "too much" in step.fallback


def test_parallel_calls_are_in_the_service_at_once() -> None:
    both = threading.Barrier(2, timeout=20)

    def answer(exchange: Exchange) -> None:
        both.wait()  # nobody is answered before both have asked
        parts = exchange.body["response_format"]["json_schema"]["schema"]["properties"]
        stream(exchange, choices(all="text") if "actions" in parts else rewrites("the film"))

    step, calls, _ = through(answer, ParallelCogPlanner())
    assert searches(step) == [("text", "the film")]
    first, second = sorted(calls, key=lambda call: call.started)
    assert second.started < first.started + first.seconds
    step, calls, _ = through(in_turn(rewrites("the film"), choices(q1="text")))
    first, second = calls
    assert first.started + first.seconds <= second.started


def test_a_reply_in_latin_letters_that_are_none_is_a_step_all_the_same() -> None:
    odd = json.dumps({"sub_queries": [{"id": "q1", "text": "a\ud800b\u202e"}], "done": False})
    step, _, _ = through(in_turn(odd, choices(q1="text")))
    assert step.queries
    step.model_dump_json()
