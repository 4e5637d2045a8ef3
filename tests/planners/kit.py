"""What the tests of the planners that ask a model have in common."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cogagent.models.metered import Meter, MeteredMLLM, ModelCall
from cogagent.models.mllm import MLLM, Capabilities, Message, Options
from cogagent.planners.base import Planner, PlanState
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Budget, Finding, Problem, Raster, Step, ToolSpec

QUESTION = "Who directed the film about the dam, and when was he born?"
TOOLS = (
    ToolSpec(name="text", description="Passages and tables."),
    ToolSpec(name="image", description="Pictures.", pictures=True),
    ToolSpec(name="all", description="Everything in one ranking."),
    ToolSpec(name="knowledge", description="What you know yourself.", notes=True),
)
WEB = ToolSpec(name="web", description="The web.", web=True)
REGION = ToolSpec(name="region", description="Look again.")
STRUCTURED = Capabilities(structured=True)
PLAIN = Capabilities()
SEEING = Capabilities(pictures=True, structured=True)
PICTURE = Raster(np.zeros((32, 48, 3), np.uint8))


def reply(**parts: Any) -> str:
    return json.dumps(parts)


def rewrites(*texts: str, done: bool = False, **more: Any) -> str:
    queries = [{"id": f"q{n}", "text": text, "depends_on": []} for n, text in enumerate(texts, 1)]
    return reply(thought="so", sub_queries=queries, done=done, reason="", **more)


def choices(**tools: str) -> str:
    """The tool of each query by its id."""
    return reply(
        thought="",
        actions=[{"query_id": key, "tool": tool, "top_k": None} for key, tool in tools.items()],
    )


class Planned:
    """One step, and the calls it took."""

    def __init__(self, step: Step, calls: Sequence[ModelCall], model: MLLM) -> None:
        self.step = step
        self.calls = list(calls)
        self.model = model

    @property
    def purposes(self) -> list[str]:
        return [call.purpose for call in self.calls]

    @property
    def searches(self) -> list[tuple[str, str]]:
        return [(query.tool, query.text) for query in self.step.queries]


def planned(
    planner: Planner,
    script: Sequence[object] | Callable[..., str] | MLLM,
    can: Capabilities = STRUCTURED,
    *,
    budget: Budget | None = None,
    delay: float = 0.0,
    **state: Any,
) -> Planned:
    """A step of a planner whose model plays a script."""
    model = script if isinstance(script, MLLM) else ScriptedMLLM(script, can, delay)
    calls: list[ModelCall] = []
    metered = MeteredMLLM(model, Meter(budget or Budget(), on_call=calls.append), "plan")
    given = {"question": QUESTION, "tools": TOOLS} | state
    step = asyncio.run(planner.plan(PlanState(**given), metered))
    return Planned(step, calls, model)


def by_purpose(answers: Mapping[str, Any]) -> Callable[[Sequence[Message], Options], str]:
    """A script that goes by what it is asked to do, for calls that come at once.

    Args:
        answers: By a piece of the order; a text, or texts in turn.
    """
    turns = {key: iter(value) for key, value in answers.items() if not isinstance(value, str)}

    def speak(messages: Sequence[Message], options: Options) -> str:
        order = messages[0].text
        for key, value in answers.items():
            if key in order:
                return value if isinstance(value, str) else next(turns[key])
        raise AssertionError(f"nobody told what to say to: {order[:80]}")

    return speak


def carried_out(step: Step, *digests: str, failed: str = "") -> Step:
    """The step as the loop gives it back."""
    error = Problem(code="model", message=failed) if failed else None
    findings = tuple(
        Finding(query=query.id, digest=digest, error=error)
        for query, digest in zip(step.queries, [*digests, *[""] * 40], strict=False)
    )
    return step.model_copy(update={"findings": findings})
