from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from cogagent.checking.checker import Checked, Checker, Draft
from cogagent.checking.marking import NOTHING_LEFT
from cogagent.errors import InputError, StorageError
from cogagent.pipelines.answer import MAX_QUESTION, Run
from cogagent.pipelines.choosing import Chooser
from cogagent.pipelines.compose import ExtractiveComposer
from cogagent.reading.passage import Reading
from cogagent.reading.question import AnswerType
from cogagent.testing.doubles import HashTextEmbedder, ListRetriever, ScriptedPlanner
from cogagent.types import Answer, Budget, Claim, DoneEvent, Event, Evidence, Query, Step
from tests.pipelines.test_choices import NoSpans
from tests.test_types import make_evidence


class FirstSentence:
    """Reads the first passage; answers if it speaks of the question's last word."""

    def read(self, question: str, passages: Any) -> Reading:
        text = passages[0].text if passages else ""
        word = question.rstrip("?").split()[-1]
        found = word.lower() in text.lower()
        return Reading(
            answered=found,
            confidence=0.9 if found else 0.1,
            passage=0 if passages else None,
            start=0,
            end=len(text),
            answer_start=text.find(word) if word in text else None,
            answer_end=text.find(word) + len(word) if word in text else None,
            ranked=(),
            expected=AnswerType.PHRASE,
            missing=(),
        )


class Failing:
    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        raise StorageError("the disk is on fire.")


class Slow(ListRetriever):
    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        time.sleep(0.15)
        return super().retrieve(query, k)


def composer(**changes: Any) -> ExtractiveComposer:
    embedder = HashTextEmbedder()
    reader: Any = FirstSentence()
    return ExtractiveComposer(reader, Checker(embedder), Chooser(embedder, NoSpans()), **changes)


async def in_thread(call: Any, *args: Any) -> Any:
    return await asyncio.to_thread(call, *args)


def run(question: str, steps: list[Step], tools: dict[str, Any], **changes: Any) -> list[Event]:
    async def collect() -> list[Event]:
        arguments: dict[str, Any] = {
            "planner": ScriptedPlanner(steps),
            "tools": tools,
            "composer": composer(),
            "blocking": in_thread,
            "budget": Budget(),
        }
        made = Run(question, **(arguments | changes))
        return [event async for event in made.events()]

    return asyncio.run(collect())


def answer(events: list[Event]) -> Answer:
    assert isinstance(events[-1], DoneEvent)
    return events[-1].answer


def step(number: int, *queries: Query) -> Step:
    return Step(number=number, queries=queries or (Query(text="q"),))


LAKE = make_evidence("The lake is deep.", id="chunk-1")
DAM = make_evidence("The dam is old.", id="chunk-2", document_id="doc-2", score=0.5)


def test_the_events_come_in_order_and_the_last_holds_all() -> None:
    events = run("What is deep?", [step(1)], {"text": ListRetriever([LAKE, DAM])})
    kinds = [event.type for event in events]
    assert kinds[:4] == ["plan", "evidence", "evidence", "step"]
    assert kinds[-3:] == ["citation", "usage", "done"]
    result = answer(events)
    assert "".join(event.text for event in events if event.type == "token") == result.text
    assert (result.outcome, result.short) == ("answered", "deep")
    assert result.citations[0].quote == "The lake is deep."
    assert result.citations[0].verified
    assert result.searched == ("text: q",)


def test_evidence_knows_its_step_and_is_listed_once() -> None:
    tools = {"text": ListRetriever([LAKE]), "image": ListRetriever([LAKE, DAM])}
    steps = [step(1), step(2, Query(text="q", tool="image"))]
    result = answer(run("What is deep?", steps, tools))
    assert sorted((piece.id, piece.step) for piece in result.evidence) == [
        ("chunk-1", 1),
        ("chunk-2", 2),
    ]
    assert [entry.evidence for entry in result.steps] == [("chunk-1",), ("chunk-2",)]


def test_an_abstention_says_what_was_searched_and_came_closest() -> None:
    result = answer(run("What is purple?", [step(1)], {"text": ListRetriever([LAKE])}))
    assert result.outcome == "abstained"
    assert result.citations == ()
    assert result.closest is not None
    assert result.closest.quote == "The lake is deep."
    assert result.searched == ("text: q",)


def test_nothing_found_is_an_abstention() -> None:
    result = answer(run("What is purple?", [step(1)], {"text": ListRetriever([])}))
    assert result.outcome == "abstained"
    assert result.closest is None


def test_one_failing_search_is_noted_and_the_others_count() -> None:
    tools = {"text": ListRetriever([LAKE]), "image": Failing()}
    steps = [step(1, Query(text="q"), Query(text="q", tool="image"))]
    result = answer(run("What is deep?", steps, tools))
    assert result.outcome == "answered"
    assert "on fire" in (result.steps[0].error or "")


def test_when_every_search_fails_so_does_the_run() -> None:
    with pytest.raises(StorageError, match="fire"):
        run("What is deep?", [step(1)], {"text": Failing()})


def test_a_budget_of_steps_stops_the_run_with_what_it_has() -> None:
    steps = [step(number) for number in range(1, 6)]
    result = answer(
        run("What is deep?", steps, {"text": ListRetriever([LAKE])}, budget=Budget(steps=2))
    )
    assert result.outcome == "budget_exhausted"
    assert result.usage.steps == 2
    assert "2 steps" in result.stop_reason
    assert result.citations[0].quote == "The lake is deep."


def test_a_budget_of_seconds_stops_the_run() -> None:
    steps = [step(number) for number in range(1, 50)]
    result = answer(
        run("What is deep?", steps, {"text": Slow([LAKE])}, budget=Budget(steps=None, seconds=0.2))
    )
    assert result.outcome == "budget_exhausted"
    assert result.usage.steps < 5


def test_two_questions_are_answered_each_with_its_citation() -> None:

    result = answer(
        run("What is purple and what is deep?", [step(1)], {"text": ListRetriever([LAKE])})
    )
    assert result.outcome == "partial"
    assert "Not found: What is purple?" in result.text
    assert len(result.citations) == 1


@pytest.mark.parametrize("question", ["", "  \n", "x" * (MAX_QUESTION + 1)])
def test_empty_and_endless_questions_are_refused(question: str) -> None:
    with pytest.raises(InputError, match="question"):
        run(question, [], {})


def test_a_planner_that_asks_for_an_unknown_tool_is_told() -> None:
    odd = Query.model_construct(text="q", tool="telepathy", kinds=(), picture=None, why="")
    with pytest.raises(InputError, match="telepathy"):
        run("What?", [step(1, odd)], {"text": ListRetriever([LAKE])})


def test_cancelling_returns_at_once() -> None:
    class Stuck(ListRetriever):
        def retrieve(self, query: Query, k: int) -> list[Evidence]:
            time.sleep(1.0)
            return []

    async def cancelled() -> float:
        made = Run(
            "What?",
            planner=ScriptedPlanner([step(1)]),
            tools={"text": Stuck([])},
            composer=composer(),
            blocking=in_thread,
            budget=Budget(),
        )

        async def consume() -> None:
            async for _ in made.events():
                pass

        task = asyncio.create_task(consume())
        await asyncio.sleep(0.1)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    assert asyncio.run(cancelled()) < 0.1


@pytest.mark.parametrize("strict", [False, True])
def test_quotes_go_through_the_checker(strict: bool) -> None:
    def objecting(text: str, *_: Any) -> Checked:
        claim = Claim(text=text, start=0, end=len(text), markers=(1,), verdict="unsupported")
        return replace(checked, text=text, claims=(claim,))

    writer = composer(strict=strict)
    line = "The lake is deep. [1]"
    draft = Draft(1, "chunk-1", quote="The lake is deep.")
    checked = Checker(HashTextEmbedder()).check(line, [LAKE], [draft])
    writer._checker.check = objecting  # type: ignore[assignment,method-assign]
    tools = {"text": ListRetriever([LAKE])}
    result = answer(run("What is deep?", [step(1)], tools, composer=writer))
    assert result.claims[0].verdict == "unsupported"
    if strict:
        assert (result.outcome, result.text, result.short) == ("abstained", NOTHING_LEFT, "")
        assert result.citations == ()
        assert result.closest is not None
    else:
        assert result.outcome == "partial"
        assert result.text == f"{line} [not supported]"
