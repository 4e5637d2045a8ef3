"""Planners that ask a model, through the loop, to the answer and its trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cogagent import Answer, CogAgent, Source
from cogagent.config import ModelSettings, Settings
from cogagent.errors import InputError
from cogagent.models.metered import ModelCall
from cogagent.models.mllm import Message, Options
from cogagent.pipelines import engine
from cogagent.pipelines.prompts import prompt
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Budget
from tests.planners.kit import SEEING, choices, reply, rewrites
from tests.planners.test_lad import REASONING, speak
from tests.planners.test_oneshot import plan
from tests.planners.test_socratic import ANSWERS, QUESTIONS

QUESTION = "Who directed the film about Kestrel Dam, and when was he born?"
TEXTS = {
    "Kestrel Dam": "Kestrel Dam was finished in 1931 by the engineer Ada Lowell. It is 40 m high.",
    "The Long Wall": "The film The Long Wall tells of Kestrel Dam. Bor Arnsen directed it.",
    "Bor Arnsen": "Bor Arnsen was born in 1902 in Oslo. He made four films.",
    "Dragons": "A dragon on a heap of coins stands for greed in satire.",
}
GRAPH = plan(
    ("q1", "Who directed the film about Kestrel Dam?", "text", []),
    ("q2", "When was #q1 born?", "text", ["q1"]),
)
KNOWN = "Dragons hoard gold."


def cog(messages: Sequence[Message], options: Options) -> str:
    """A model that goes over the bridge."""
    order, told = (message.text for message in messages)
    asked = told.partition("<data ")[2]
    if "You plan the searches" in order:
        if "Asked before (text): birth" in asked:
            return reply(thought="", sub_queries=[], done=True, reason="all is known")
        film = "film about Kestrel Dam director"
        return rewrites("birth of Bor Arnsen" if f"{film} - Bor Arnsen" in asked else film)
    if "You choose the tool for each" in order:
        return choices(q1="text")
    if "You choose the tool for the next" in order:
        return choices(all="text")
    if "Evidence was searched" in order:
        return "Bor Arnsen." if "film" in told.rpartition("Question:")[2] else "1902."
    assert "whole plan" in order
    return GRAPH


def lad(messages: Sequence[Message], options: Options) -> str:
    order = messages[0].text
    if order == prompt("knowledge.v1"):
        return KNOWN
    return speak(REASONING | {"Evidence was searched": "Greed."})(messages, options)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned") / "kb"
    with CogAgent(home=folder, settings=Settings(offline=True)) as agent:
        agent.ingest(
            [
                Source(uri=title, data=text.encode(), media_type="text/plain", title=title)
                for title, text in TEXTS.items()
            ]
        )
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "dragon.png"
    pixels = np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


Ask = Callable[..., tuple[Answer, list[ModelCall]]]


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Asks with a scripted planner's model; gives the answer and the calls of its trace."""
    model = ScriptedMLLM([], SEEING)
    monkeypatch.setattr(engine, "mllm", lambda name, settings: model)
    settings = Settings(offline=True, models=ModelSettings(planner_model="scripted:1"))
    with CogAgent(home=home, settings=settings) as agent:

        def asked(script: Any, planner: str, question: str = QUESTION, **more: Any):
            model._script = script
            answer = agent.ask(question, planner=planner, **more)
            return answer, list(agent.traces.get(answer.trace).calls)

        yield asked


@pytest.mark.parametrize("planner", ["cog-sequential", "cog-parallel"])
def test_cog_goes_over_the_bridge(ask: Ask, planner: str) -> None:
    answer, calls = ask(cog, planner)
    assert [query.text for step in answer.steps for query in step.queries] == [
        "film about Kestrel Dam director", "birth of Bor Arnsen",
    ]  # fmt: skip
    assert [finding.digest for step in answer.steps for finding in step.findings] == [
        "Bor Arnsen.", "1902.",
    ]  # fmt: skip
    assert answer.stop_reason == "all is known"
    assert {piece.title for piece in answer.evidence[:3]} >= {"The Long Wall", "Bor Arnsen"}
    rounds = [call for call in calls if call.purpose in ("rewrite", "choose tool")][:2]
    first, second = sorted(rounds, key=lambda call: call.started)
    together = second.started < first.started + first.seconds
    assert together == (planner == "cog-parallel")


def test_one_shot_plans_once_and_its_children_see_their_parents(ask: Ask) -> None:
    answer, calls = ask(cog, "one-shot")
    assert [call.purpose for call in calls] == ["plan", "digest", "digest"]
    assert len(answer.steps[0].plan) == 2
    assert answer.steps[1].queries[0].text == "When was Bor Arnsen born?"
    assert answer.stop_reason == "the plan is carried out"


@pytest.mark.parametrize("given", [None, ["greed", "joy"]])
def test_lad_shows_every_stage_in_the_trace(
    ask: Ask, picture: Path, given: list[str] | None
) -> None:
    answer, calls = ask(lad, "lad", "What does the picture mean?", images=[picture], choices=given)
    purposes = [call.purpose for call in calls]
    assert purposes[:3] == ["perceive", "keywords", "questions"]
    assert purposes[3:8] == ["judge"] * 5
    assert purposes[-2:] == ["rank", "fuse"]
    kinds = [note.kind for note in answer.notes]
    assert kinds == ["description", "keywords", "knowledge", "summary"]
    tools = [query.tool for query in answer.steps[0].queries]
    assert tools == ["knowledge", "all", "all", "all", "all"]
    assert "contradicts itself" in answer.steps[0].fallback
    assert KNOWN not in {citation.quote for citation in answer.citations}


def test_socratic_asks_about_the_picture_first(ask: Ask, picture: Path) -> None:
    answer, calls = ask(
        [QUESTIONS, ANSWERS], "socratic", "What does the picture mean?", images=[picture]
    )
    assert [call.purpose for call in calls] == ["questions", "answers"]
    assert [note.kind for note in answer.notes] == ["dialogue"]
    assert [(q.tool, q.picture) for q in answer.steps[0].queries] == [("text", None), ("image", 0)]


def test_a_spent_budget_leaves_the_best_answer_so_far(ask: Ask) -> None:
    answer, _ = ask(cog, "cog-sequential", budget=Budget(model_calls=0))
    assert answer.outcome == "budget_exhausted"
    assert answer.evidence
    assert "budget" in answer.steps[0].fallback
    answer, _ = ask(cog, "cog-sequential", budget=Budget(steps=1))
    assert answer.outcome == "budget_exhausted"
    assert answer.undone == ("text: birth of Bor Arnsen",)


def test_a_model_that_talks_nonsense_costs_no_answer(ask: Ask) -> None:
    for planner in ("cog-sequential", "cog-parallel", "one-shot"):
        answer, _ = ask(lambda messages, options: "So it is.", planner)
        assert answer.evidence
        assert "did not keep to the form" in answer.steps[0].fallback


def test_without_a_model_only_the_rules_plan(home: Path) -> None:
    with (
        CogAgent(home=home, settings=Settings(offline=True)) as agent,
        pytest.raises(InputError, match=r"models\.planner_model"),
    ):
        agent.ask(QUESTION, planner="cog-parallel")
