from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from cogagent.checking.checker import Checked, Checker, Draft
from cogagent.checking.marking import NOTHING_LEFT
from cogagent.errors import BudgetError, InputError, ModelError, StorageError, WebSearchError
from cogagent.models.metered import Meter
from cogagent.pipelines.answer import MAX_QUESTION, OUT_OF_BUDGET, Inquiry, Run
from cogagent.pipelines.choosing import Chooser
from cogagent.pipelines.compose import ExtractiveComposer
from cogagent.pipelines.toolbox import Toolbox
from cogagent.planners.base import PlanState
from cogagent.reading.passage import Reading
from cogagent.reading.question import AnswerType
from cogagent.testing.doubles import HashTextEmbedder, ListRetriever, ScriptedPlanner
from cogagent.types import (
    Answer,
    Budget,
    Claim,
    DoneEvent,
    Event,
    Evidence,
    Note,
    Query,
    Step,
    ToolSpec,
)
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


def begun(
    question: str,
    steps: list[Step],
    tools: dict[str, Any],
    budget: Budget | None = None,
    inquiry: dict[str, Any] | None = None,
    **changes: Any,
) -> Run:
    started = time.monotonic()
    meter = Meter(budget or Budget(), started)
    arguments: dict[str, Any] = {
        "planner": ScriptedPlanner(steps),
        "toolbox": Toolbox(tools, in_thread, meter.budget, started),
        "composer": composer(),
        "meter": meter,
        "blocking": in_thread,
    }
    return Run(Inquiry(question, **(inquiry or {})), **(arguments | changes))


def run(question: str, steps: list[Step], tools: dict[str, Any], **changes: Any) -> list[Event]:
    async def collect() -> list[Event]:
        made = begun(question, steps, tools, **changes)
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
    steps = [step(number, Query(text=f"q{number}")) for number in range(1, 6)]
    result = answer(
        run("What is deep?", steps, {"text": ListRetriever([LAKE])}, budget=Budget(steps=2))
    )
    assert result.outcome == "budget_exhausted"
    assert result.usage.steps == 2
    assert "2 steps" in result.stop_reason
    assert result.citations[0].quote == "The lake is deep."


def test_a_budget_of_seconds_stops_the_run() -> None:
    steps = [step(number, Query(text=f"q{number}")) for number in range(1, 50)]
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


def test_a_tool_that_is_not_there_is_an_observation() -> None:
    odd = Query(text="q", tool="telepathy")
    tools = {"text": ListRetriever([LAKE])}
    with pytest.raises(InputError, match="telepathy"):  # nothing else was asked
        run("What?", [step(1, odd)], tools)
    result = answer(run("What is deep?", [step(1, odd), step(2)], tools))
    assert result.outcome == "answered"
    (finding,) = result.steps[0].findings
    assert finding.error is not None
    assert (finding.error.code, finding.error.remedy) == ("input", "Tools: text.")


def test_findings_tell_what_each_query_brought() -> None:
    tools = {"text": ListRetriever([LAKE, DAM]), "image": Failing()}
    steps = [step(1, Query(text="a"), Query(text="b", tool="image", id="mine"))]
    (done,) = answer(run("What is deep?", steps, tools)).steps
    assert [finding.query for finding in done.findings] == ["1.1", "mine"]
    assert done.findings[0].evidence == ("chunk-1", "chunk-2")
    assert done.findings[0].scores == (LAKE.score, DAM.score)
    assert done.usage.searches == 2


def test_a_query_is_searched_once_in_a_run() -> None:
    class Counting(ListRetriever):
        asked = 0

        def retrieve(self, query: Query, k: int) -> list[Evidence]:
            Counting.asked += 1
            return super().retrieve(query, k)

    steps = [step(1), step(2, Query(text="Q "), Query(text="new")), step(3, Query(text="NEW"))]
    result = answer(run("What is deep?", steps, {"text": Counting([LAKE])}))
    assert Counting.asked == 2
    assert result.usage.searches == 2
    assert result.stop_reason == "there was nothing new to ask"
    assert result.usage.steps == 2


def test_an_endless_planner_without_a_budget_ends_when_nothing_new_is_asked() -> None:
    class Endless:
        name = "endless"

        async def plan(self, state: PlanState, model: object) -> Step:
            return Step(number=state.number, queries=(Query(text=f"q{state.number % 5}"),))

    tools = {"text": ListRetriever([LAKE])}
    result = answer(run("What is deep?", [], tools, planner=Endless(), budget=Budget(steps=None)))
    assert result.usage.steps == 5
    assert result.outcome == "answered"


def test_what_the_budget_did_not_allow_is_told() -> None:
    steps = [step(1), step(2, Query(text="more"), Query(text="and more", tool="image"))]
    result = answer(
        run("What is deep?", steps, {"text": ListRetriever([LAKE])}, budget=Budget(steps=1))
    )
    assert result.outcome == "budget_exhausted"
    assert result.undone == ("text: more", "image: and more")


def test_a_search_that_the_time_cuts_off_is_undone() -> None:
    tools = {"text": ListRetriever([LAKE]), "image": Slow([DAM])}
    steps = [step(1, Query(text="a"), Query(text="b", tool="image"))]
    result = answer(run("What is deep?", steps, tools, budget=Budget(seconds=0.1)))
    assert result.outcome == "budget_exhausted"
    assert result.undone == ("image: b",)
    assert result.short == "deep"


def test_web_searches_have_a_budget_of_their_own() -> None:
    class Web(ListRetriever):
        spec = ToolSpec(name="web", description="The web.", web=True)

    steps = [step(1, *(Query(text=f"w{n}", tool="web") for n in range(3)))]
    result = answer(
        run("What is deep?", steps, {"web": Web([LAKE])}, budget=Budget(web_searches=2))
    )
    assert result.usage.web_searches == 2
    assert result.undone == ("web: w2",)
    assert result.outcome == "budget_exhausted"


def test_independent_queries_run_at_once() -> None:
    steps = [step(1, *(Query(text=f"q{n}") for n in range(4)))]
    begun_at = time.monotonic()
    run("What is deep?", steps, {"text": Slow([LAKE])})
    assert time.monotonic() - begun_at < 4 * 0.15


def test_an_asynchronous_tool_is_awaited_and_a_note_is_no_evidence() -> None:
    class Waiting:
        spec = ToolSpec(name="slow", description="Waits.")

        async def aretrieve(self, query: Query, k: int) -> list[Evidence]:
            await asyncio.sleep(0)
            return [LAKE][:k]

    class Knowing:
        spec = ToolSpec(name="knowledge", description="Knows.", notes=True)

        async def anote(self, query: Query) -> str:
            return f"I know of {query.text}."

    tools = {"slow": Waiting(), "knowledge": Knowing()}
    steps = [step(1, Query(text="a", tool="slow"), Query(text="lakes", tool="knowledge"))]
    result = answer(run("What is deep?", steps, tools))
    (note,) = result.notes
    assert (note.kind, note.text, note.query) == ("knowledge", "I know of lakes.", "1.2")
    assert [piece.id for piece in result.evidence] == ["chunk-1"]


def test_a_failing_planner_falls_back_to_the_question() -> None:
    class Broken:
        name = "broken"

        async def plan(self, state: PlanState, model: object) -> Step:
            raise ModelError("the model is ill.")

    result = answer(run("What is deep?", [], {"text": ListRetriever([LAKE])}, planner=Broken()))
    assert result.outcome == "answered"
    assert "ill" in result.steps[0].fallback
    assert result.searched == ("text: What is deep?",)


def test_a_planner_that_takes_too_long_is_cut_off() -> None:
    class Sleepy:
        name = "sleepy"

        async def plan(self, state: PlanState, model: object) -> Step:
            if not state.steps:
                return step(1)
            await asyncio.sleep(30)
            raise AssertionError("not reached")

    result = answer(
        run(
            "What is deep?", [], {"text": ListRetriever([LAKE])}, planner=Sleepy(),
            budget=Budget(seconds=0.3),
        )
    )  # fmt: skip
    assert (result.outcome, result.short) == ("budget_exhausted", "deep")


def test_the_planner_sees_what_is_left() -> None:
    seen: list[PlanState] = []

    class Watching:
        name = "watching"

        async def plan(self, state: PlanState, model: object) -> Step:
            seen.append(state)
            return step(state.number, Query(text=f"q{state.number}"))

    budget = Budget(steps=2, seconds=60, model_calls=7, tokens=900, pictures=3, web_searches=4)
    run("What?", [], {"text": ListRetriever([LAKE])}, planner=Watching(), budget=budget)
    assert [state.left.steps for state in seen] == [2, 1, 0]
    left = seen[0].left
    assert (left.model_calls, left.tokens, left.pictures, left.web_searches) == (7, 900, 3, 4)
    assert left.seconds is not None
    assert 0 < left.seconds <= 60
    assert [tool.name for tool in seen[0].tools] == ["text"]


def test_what_was_worked_out_needs_no_evidence() -> None:
    noted = Step(
        number=1, notes=(Note(kind="computed", text="7 x 12 = 84"),), done=True, reason="a sum"
    )
    result = answer(run("What is 7 times 12?", [noted], {"text": ListRetriever([LAKE])}))
    assert (result.outcome, result.short, result.citations) == ("answered", "84", ())
    assert result.usage.searches == 0


def test_the_question_is_read_as_the_planner_resolved_it() -> None:
    steps = [step(1).model_copy(update={"resolved": "What is deep?"})]
    result = answer(run("And that?", steps, {"text": ListRetriever([LAKE])}))
    assert (result.question, result.resolved, result.short) == (
        "And that?", "What is deep?", "deep",
    )  # fmt: skip


def test_where_the_model_may_not_write_the_reader_does() -> None:
    class Refused:
        async def compose(self, *given: Any) -> Any:
            raise BudgetError("the budget of model calls is spent.")
            yield ""

    result = answer(
        run(
            "What is deep?", [step(1)], {"text": ListRetriever([LAKE])},
            composer=Refused(), fallback=composer(),
        )
    )  # fmt: skip
    assert (result.outcome, result.short) == ("budget_exhausted", "deep")
    assert "model calls" in result.stop_reason


def test_cancelling_returns_at_once() -> None:
    class Stuck(ListRetriever):
        def retrieve(self, query: Query, k: int) -> list[Evidence]:
            time.sleep(1.0)
            return []

    async def cancelled() -> float:
        made = begun("What?", [step(1)], {"text": Stuck([])})

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


def test_where_nothing_is_asked_of_the_documents_the_answer_says_so() -> None:
    talk = Step(number=1, done=True, reason="small talk")
    result = answer(run("Good morning!", [talk], {"text": ListRetriever([LAKE])}))
    assert result.outcome == "abstained"
    assert "not searched" in result.text
    assert "small talk" in result.text


class Giving:
    """A planner that gives, or raises, whatever it is told to."""

    name = "giving"

    def __init__(self, given: Any) -> None:
        self._given = given

    async def plan(self, state: PlanState, model: object) -> Any:
        if isinstance(self._given, Exception):
            raise self._given
        return self._given


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(InputError, match="NoneType, not a Step"):
        run("What is deep?", [], {"text": ListRetriever([LAKE])}, planner=Giving(None))


def test_a_timeout_of_the_planners_own_is_no_spent_budget() -> None:
    tools = {"text": ListRetriever([LAKE])}
    result = answer(run("What is deep?", [], tools, planner=Giving(TimeoutError())))
    assert (result.outcome, result.stop_reason) == ("answered", "planning failed")
    assert "in time" in result.steps[0].fallback


def test_what_a_planner_writes_can_be_written_down() -> None:
    odd = step(1, Query(text="lake \ud83d", why="\udc00")).model_copy(
        update={"thought": "\ud800", "notes": (Note(kind="keywords", text="\udfff"),)}
    )
    result = answer(run("What is deep?", [odd], {"text": ListRetriever([LAKE])}))
    assert result.searched == ("text: lake ?",)
    result.model_dump_json()


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError("its socket")])
def test_a_tool_may_raise_anything(error: Exception) -> None:
    class Odd:
        spec = ToolSpec(name="odd", description="Fails.")

        def retrieve(self, query: Query, k: int) -> list[Evidence]:
            raise error

    tools = {"text": ListRetriever([LAKE]), "odd": Odd()}
    steps = [step(1, Query(text="a"), Query(text="b", tool="odd"))]
    result = answer(run("What is deep?", steps, tools))
    assert result.outcome == "answered"
    failed = result.steps[0].findings[1].error
    assert failed is not None
    assert failed.code == "tool"
    assert str(error) in failed.message


def test_what_a_tool_brings_is_looked_at() -> None:
    class Rubbish:
        spec = ToolSpec(name="rubbish", description="Brings texts.")

        def retrieve(self, query: Query, k: int) -> Any:
            return ["The lake is deep."]

    class Endless:
        spec = ToolSpec(name="endless", description="Brings too much, and no Unicode.")

        def retrieve(self, query: Query, k: int) -> list[Evidence]:
            return [make_evidence(f"half \ud83d {n}", id=f"piece-{n}") for n in range(k + 99)]

    tools = {"rubbish": Rubbish(), "endless": Endless()}
    steps = [step(1, Query(text="a", tool="rubbish"), Query(text="b", tool="endless", top_k=5))]
    result = answer(run("What is deep?", steps, tools))
    assert "no Evidence" in (result.steps[0].error or "")
    assert [piece.text for piece in result.evidence] == [f"half ? {n}" for n in range(5)]


def test_the_same_query_twice_at_once_is_one_search() -> None:
    class Web(ListRetriever):
        spec = ToolSpec(name="web", description="The web.", web=True)

    web = Web([LAKE])
    twice = step(1, Query(text="a", tool="web"), Query(text="A ", tool="web"))
    result = answer(run("What is deep?", [twice], {"web": web}))
    assert (len(web.asked), result.usage.web_searches, result.usage.searches) == (1, 1, 1)
    assert [finding.evidence for finding in result.steps[0].findings] == [("chunk-1",)] * 2


def test_a_budget_that_allows_no_search_is_not_an_empty_collection() -> None:
    tools = {"text": ListRetriever([LAKE])}
    result = answer(run("What is deep?", [step(1)], tools, budget=Budget(seconds=1e-6)))
    assert (result.outcome, result.text) == ("budget_exhausted", OUT_OF_BUDGET)


def test_leaving_a_stream_early_closes_what_writes() -> None:
    closed: list[bool] = []

    class Writing:
        async def compose(self, *given: Any) -> Any:
            try:
                yield "Word "
                await asyncio.sleep(30)
            finally:
                closed.append(True)

    async def left() -> None:
        tools = {"text": ListRetriever([LAKE])}
        events = begun("What is deep?", [step(1)], tools, composer=Writing()).events()
        async for event in events:
            if event.type == "token":
                break
        await events.aclose()
        assert closed == [True]

    asyncio.run(left())


def test_a_tool_of_ones_own_that_fails_ends_a_search_and_not_the_run() -> None:
    class Down:
        spec = ToolSpec(name="tide", description="The tide.")

        async def aretrieve(self, query: Query, k: int) -> list[Evidence]:
            raise WebSearchError("the search engine is down.")

    result = answer(
        run("What is deep?", [step(1, Query(text="q", tool="tide"))], {"tide": Down()})
    )
    assert result.outcome == "abstained"
    assert result.warnings == ("a search of tide failed: the search engine is down.",)
