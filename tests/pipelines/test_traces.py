"""What is kept of a run, and running it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from cogagent import Budget, CogAgent, Settings, Source
from cogagent.cli import app
from cogagent.config import TraceSettings
from cogagent.errors import InputError, ModelError, ModelTimeoutError, NotFoundError, ToolError
from cogagent.geometry import FULL_PAGE
from cogagent.models.mllm import Capabilities, Message, Options
from cogagent.pipelines import engine
from cogagent.pipelines.recording import Trace
from cogagent.planners.base import PlanState
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import (
    DoneEvent,
    ErrorEvent,
    Evidence,
    Note,
    Query,
    Region,
    Step,
    SubQuestion,
    ToolSpec,
)
from tests.timeless import timeless

DAM = "Kestrel Dam was finished in 1931 by the engineer Ada Lowell. It is 40 m high."
ADA = "Ada Lowell was born in Perth in 1890."
QUESTION = "When was Kestrel Dam finished?"


def sources() -> list[Source]:
    return [
        Source(uri=f"note:{title}", data=text.encode(), media_type="text/plain", title=title)
        for title, text in (("Kestrel Dam", DAM), ("Ada Lowell", ADA))
    ]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[CogAgent]:
    with CogAgent(home=tmp_path / "kb") as made:
        made.ingest(sources())
        yield made


def test_an_answer_names_its_trace_and_the_trace_holds_it(agent: CogAgent) -> None:
    answer = agent.ask(QUESTION)
    assert answer.trace is not None
    trace = agent.traces.get(answer.trace)
    whole = trace.whole_answer()
    assert whole is not None
    assert whole.model_dump() == answer.model_dump()
    assert whole.evidence[0].locate(0, 5) == answer.evidence[0].locate(0, 5)
    assert trace.planner == "rules"
    assert trace.question == QUESTION
    assert {probe.tool for probe in trace.probe} >= {"text", "image"}
    assert trace.searches[0].query.text == QUESTION
    (listed,) = agent.traces.list()
    assert (listed.id, listed.question, listed.outcome) == (answer.trace, QUESTION, "answered")


def test_a_replay_needs_no_documents_and_says_the_same(agent: CogAgent, tmp_path: Path) -> None:
    answer = agent.ask(QUESTION)
    text = agent.traces.get(answer.trace or "").model_dump_json(exclude_defaults=True)
    with CogAgent(home=tmp_path / "empty") as other:
        again = other.traces.replay(Trace.read(text))
        assert timeless(again) == timeless(answer)
        assert again.citations[0].boxes == answer.citations[0].boxes
        assert again.trace != answer.trace  # a replay is a run of its own
        assert timeless(other.traces.replay(again.trace or "")) == timeless(answer)


def test_a_replay_with_another_planner_is_told_what_was_not_recorded(agent: CogAgent) -> None:
    class Other:
        name = "other"

        async def plan(self, state: PlanState, model: object) -> Step:
            if state.steps:
                assert state.steps[0].findings[1].error is not None
                return Step(number=2, done=True, reason="seen")
            queries = (Query(text=QUESTION), Query(text="something else"))
            return Step(number=1, queries=queries)

    answer = agent.ask(QUESTION)
    again = agent.traces.replay(answer.trace or "", planner=Other())
    assert "no search of text for 'something else'" in (again.steps[0].error or "")
    assert again.short == answer.short


def speak(messages: Sequence[Message], options: Options) -> str:
    return "Kestrel Dam was finished in 1931 by Ada Lowell [1]."


def test_a_replay_takes_the_models_words_from_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedMLLM(speak, Capabilities(structured=True, context=4096))
    monkeypatch.setattr(engine, "answer_model", lambda settings: model)
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(sources())
        answer = agent.ask(QUESTION)
        asked = len(model.asked)
        trace = agent.traces.get(answer.trace or "")
        assert [call.purpose for call in trace.calls] == ["answer"]
        assert trace.calls[0].messages[1].text.endswith(f"Question: {QUESTION}")
        again = agent.traces.replay(trace)
        assert len(model.asked) == asked  # nothing was asked of the model itself
        assert timeless(again) == timeless(answer)
        with pytest.raises(ModelError, match="no reply"):
            agent.traces.replay(trace.model_copy(update={"calls": ()}))


def test_a_run_that_failed_leaves_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedMLLM([ModelTimeoutError("too slow.")])
    monkeypatch.setattr(engine, "answer_model", lambda settings: model)
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(sources())
        with pytest.raises(ModelTimeoutError):
            agent.ask(QUESTION)
        (entry,) = agent.traces.list()
        trace = agent.traces.get(entry.id)
        assert trace.error is not None
        assert trace.error.code == "model_timeout"
        assert trace.answer is not None
        assert trace.answer.outcome == "failed"
        assert trace.pieces()


def test_pictures_of_a_question_are_part_of_its_trace(agent: CogAgent) -> None:
    picture = Image.new("RGB", (40, 30), (200, 30, 30))
    answer = agent.ask("Is there more like this?", [picture])
    trace = agent.traces.get(answer.trace or "")
    assert len(trace.pictures) == 1
    assert timeless(agent.traces.replay(trace)) == timeless(answer)


def test_without_content_no_text_is_kept(tmp_path: Path) -> None:
    settings = Settings(traces=TraceSettings(content=False))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:
        agent.ingest(sources())
        answer = agent.ask(QUESTION)
        trace = agent.traces.get(answer.trace or "")
        written = trace.model_dump_json()
        for word in ("Kestrel", "1931", "Lowell", "finished"):
            assert word not in written
        assert trace.usage.searches == answer.usage.searches
        assert trace.outcome == answer.outcome
        assert [len(step.queries) for step in trace.steps] == [
            len(step.queries) for step in answer.steps
        ]
        with pytest.raises(InputError, match="no texts"):
            agent.traces.replay(trace)


def test_none_are_kept_where_the_settings_say_so(tmp_path: Path) -> None:
    with CogAgent(home=tmp_path / "kb", settings=Settings(traces=TraceSettings(keep=0))) as agent:
        agent.ingest(sources())
        assert agent.ask(QUESTION).trace is None
        assert agent.traces.list() == []


def test_what_is_deleted_is_gone_from_traces_too(agent: CogAgent, tmp_path: Path) -> None:
    agent.ask(QUESTION)
    agent.ask("Where was Ada Lowell born?")
    (dam,) = [found for found in agent.documents.list() if found.title == "Kestrel Dam"]
    agent.documents.delete(dam.id)
    for entry in agent.traces.list():
        assert DAM not in agent.traces.get(entry.id).model_dump_json()
    agent.ask("Where was Ada Lowell born?")
    assert len(agent.traces.list()) == 1
    agent.collections.delete("default")
    assert agent.traces.list() == []


def test_an_answer_is_not_lost_with_its_trace(
    agent: CogAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with agent._engine.store.catalogue.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON traces BEGIN SELECT raise(ABORT, 'full'); END"
        )
    answer = agent.ask(QUESTION)
    assert (answer.outcome, answer.trace) == ("answered", None)
    assert "not kept" in caplog.text


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 99}', "\x00", '{"id": "x", "planner": 3}', "[" * 5000],
)
def test_what_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="trace"):
        Trace.read(text)


def test_a_trace_that_was_tampered_with_is_refused(agent: CogAgent) -> None:
    answer = agent.ask(QUESTION)
    plain = json.loads(agent.traces.get(answer.trace or "").model_dump_json())
    plain["evidence"][0]["words"] = "!!"
    with pytest.raises(InputError, match="does not read"):
        agent.traces.replay(Trace.model_validate(plain))


def test_the_commands_show_export_and_replay(agent: CogAgent, tmp_path: Path) -> None:
    answer = agent.ask(QUESTION)
    key = answer.trace or ""
    home = ["--home", str(agent.home)]

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*home, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert key in call("trace", "list")
    shown = call("trace", "show", key[:14])
    assert QUESTION in shown
    assert "step 1" in shown
    assert "text: " in shown
    assert "answered" in shown
    call("trace", "export", key, "-o", str(tmp_path / "run.json"))
    assert Trace.read((tmp_path / "run.json").read_bytes()).id == key
    again = json.loads(call("trace", "replay", str(tmp_path / "run.json"), "--json"))
    assert again["text"] == answer.text
    assert "answered" in call("trace", "show", str(tmp_path / "run.json"))
    call("trace", "delete", key)
    assert key not in call("trace", "list")
    with pytest.raises(NotFoundError):
        agent.traces.get(key)


def test_a_conversation_is_kept_by_its_name(agent: CogAgent) -> None:
    first = agent.ask(QUESTION, conversation="talk")
    assert first.conversation == "talk"
    agent.ask("Where was Ada Lowell born?", conversation="talk")
    agent.ask("Where was Ada Lowell born?", conversation="other")
    turns = agent.conversations.get("talk")
    assert [turn.question for turn in turns] == [QUESTION, "Where was Ada Lowell born?"]
    assert turns[0].short == first.short
    assert turns[0].titles == ("Kestrel Dam",)
    assert agent.conversations.list() == ["other", "talk"]
    agent.conversations.delete("talk")
    assert agent.conversations.get("talk") == []
    with pytest.raises(InputError, match="conversation"):
        agent.ask(QUESTION, conversation="")


def test_a_planner_sees_the_conversation(agent: CogAgent) -> None:
    seen: list[PlanState] = []

    class Watching:
        name = "watching"

        async def plan(self, state: PlanState, model: object) -> Step:
            seen.append(state)
            return Step(number=state.number, done=True, reason="only looking")

    agent.ask(QUESTION, conversation="talk")
    agent.ask("And by whom?", conversation="talk", planner=Watching())
    assert [turn.question for turn in seen[0].turns] == [QUESTION]
    assert seen[0].left.steps == Budget().steps


def test_a_stream_ends_with_the_id_of_its_trace(agent: CogAgent) -> None:
    *_, last = agent.stream(QUESTION, conversation="talk")
    assert isinstance(last, DoneEvent)
    assert last.answer.trace == agent.traces.list()[0].id
    (error,) = agent.stream(QUESTION, conversation="\n")
    assert isinstance(error, ErrorEvent)


def test_a_question_that_is_no_unicode_is_kept_all_the_same(agent: CogAgent) -> None:
    answer = agent.ask(
        "When was Kestrel Dam \ud83d finished?", choices=["in \udc00 1931", "later"]
    )
    assert agent.traces.get(answer.trace or "").question == answer.question


class Planning:
    """A planner of the user's own."""

    name = "own"

    def __init__(self, *steps: Step) -> None:
        self._steps = steps

    async def plan(self, state: PlanState, model: object) -> Step:
        if len(state.steps) < len(self._steps):
            return self._steps[len(state.steps)]
        return Step(number=state.number, done=True, reason="nothing is left to do")


def test_what_only_the_probe_has_seen_is_deleted_too(agent: CogAgent) -> None:
    answer = agent.ask(QUESTION, planner=Planning())
    trace = agent.traces.get(answer.trace or "")
    assert DAM in trace.model_dump_json()
    (dam,) = [found for found in agent.documents.list() if found.title == "Kestrel Dam"]
    assert dam.id in trace.documents
    again = agent.traces.replay(trace, planner=Planning())  # it quotes the same
    agent.documents.delete(dam.id)
    kept = {entry.id for entry in agent.traces.list()}
    assert not kept & {answer.trace, again.trace}


def test_a_conversation_forgets_what_quotes_a_deleted_document(agent: CogAgent) -> None:
    agent.ask(QUESTION, conversation="talk")
    born = "Where was Ada Lowell born?"
    agent.ask(born, conversation="talk")
    (dam,) = [found for found in agent.documents.list() if found.title == "Kestrel Dam"]
    agent.documents.delete(dam.id)
    assert [turn.question for turn in agent.conversations.get("talk")] == [born]
    assert agent.traces.list() == []  # the second was told of the first's answer


def test_an_answer_is_not_lost_with_its_turn(
    agent: CogAgent, caplog: pytest.LogCaptureFixture
) -> None:
    with agent._engine.store.catalogue.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT raise(ABORT, 'full'); END"
        )
    answer = agent.ask(QUESTION, conversation="talk")
    assert answer.outcome == "answered"
    assert "not kept in the conversation" in answer.warnings[-1]
    assert "not kept" in caplog.text


def test_the_trace_of_a_failed_run_has_its_steps(agent: CogAgent) -> None:
    odd = Step(number=1, queries=(Query(text="q", tool="telepathy"),))
    with pytest.raises(InputError, match="telepathy"):
        agent.ask(QUESTION, planner=Planning(odd))
    trace = agent.traces.get(agent.traces.list()[0].id)
    assert [query.tool for query in trace.steps[0].queries] == ["telepathy"]


def test_a_planner_that_breaks_leaves_a_trace(agent: CogAgent) -> None:
    class Broken:
        name = "broken"

        async def plan(self, state: PlanState, model: object) -> Step:
            raise ZeroDivisionError("one over none")

    with pytest.raises(ZeroDivisionError):
        agent.ask(QUESTION, planner=Broken())
    trace = agent.traces.get(agent.traces.list()[0].id)
    assert trace.error is not None
    assert trace.error.message == "ZeroDivisionError: one over none"


@pytest.mark.parametrize("planner", [5, object()])
def test_what_is_no_planner_is_refused(agent: CogAgent, planner: Any) -> None:
    with pytest.raises(InputError, match="no planner"):
        agent.ask(QUESTION, planner=planner)
    with pytest.raises(InputError, match="no question"):
        agent.ask(None)  # type: ignore[arg-type]


def test_a_text_that_was_stopped_is_replayed_as_far_as_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedMLLM(
        lambda messages, options: "Kestrel Dam was finished in 1931 [1]. " * 50,
        Capabilities(structured=True, context=4096),
    )
    monkeypatch.setattr(engine, "answer_model", lambda settings: model)
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(sources())
        answer = agent.ask(QUESTION)
        assert any("again and again" in warning for warning in answer.warnings)
        assert timeless(agent.traces.replay(answer.trace or "")) == timeless(answer)


def test_a_text_that_the_time_cut_off_is_replayed_as_far_as_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedMLLM(
        ["Kestrel Dam was finished in 1931 [1]. It is old. " * 50],
        Capabilities(structured=True, context=4096),
        delay=0.05,
    )
    monkeypatch.setattr(engine, "answer_model", lambda settings: model)
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(sources())
        agent.ask("What is this?", budget=Budget(model_calls=0))  # all is loaded
        answer = agent.ask(QUESTION, budget=Budget(seconds=2))
        trace = agent.traces.get(answer.trace or "")
        assert answer.outcome == "budget_exhausted"
        assert trace.calls[0].written
        again = agent.traces.replay(trace)
        assert (again.text, again.outcome) == (answer.text, answer.outcome)


def test_a_search_that_failed_and_was_asked_again_is_replayed_so(agent: CogAgent) -> None:
    class Fickle:
        spec = ToolSpec(name="fickle", description="Fails at first.")
        asked = 0

        def retrieve(self, query: Query, k: int) -> list[Evidence]:
            Fickle.asked += 1
            if Fickle.asked == 1:
                raise ToolError("not now.")
            return []

    first = Step(number=1, queries=(Query(text=QUESTION), Query(text="a", tool="fickle")))
    second = Step(number=2, queries=(Query(text="born"), Query(text="a", tool="fickle")))
    planner = Planning(first, second)
    with CogAgent(home=agent.home, tools=[Fickle()]) as other:
        answer = other.ask(QUESTION, planner=planner)
        assert [step.error for step in answer.steps] == ["fickle: not now.", None]
        again = other.traces.replay(answer.trace or "", planner=planner)
        assert timeless(again) == timeless(answer)


def test_a_trace_with_other_numbers_of_scores_is_refused(agent: CogAgent) -> None:
    answer = agent.ask(QUESTION)
    plain = json.loads(agent.traces.get(answer.trace or "").model_dump_json())
    plain["searches"][0]["scores"] = []
    with pytest.raises(InputError, match="scores"):
        Trace.read(json.dumps(plain))


def test_a_trace_from_elsewhere_does_not_steer_the_terminal(
    agent: CogAgent, tmp_path: Path
) -> None:
    answer = agent.ask(QUESTION)
    plain = json.loads(agent.traces.get(answer.trace or "").model_dump_json())
    plain |= {"id": "[/bold]", "at": "[/]\x1b[2J", "question": "", "planner": "[/red]\ud83d"}
    plain["evidence"][0]["page"] = 1
    del plain["evidence"][-1]["id"]
    plain["error"] = {"code": "[/]", "message": "[/]\x1b]0;x\x07", "remedy": ""}
    plain["calls"] = [
        {"purpose": "[/]", "model": "[/]", "key": "", "written": "\x1b[2J",
         "messages": [{"role": "[/]", "text": "[/x]\x1b[2J"}]}
    ]  # fmt: skip
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(plain), "utf-8")
    arguments = ["--home", str(agent.home), "trace", "show", str(path), "--prompts"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "[/bold]" in result.stdout
    assert "\x1b" not in result.stdout


def test_deleting_a_trace_that_is_not_there_says_so(agent: CogAgent) -> None:
    key = agent.ask(QUESTION).trace or ""
    with pytest.raises(NotFoundError, match="no trace"):
        agent.traces.delete(key, key[:8])
    assert len(agent.traces.list()) == 1  # all or none
    agent.traces.delete(key)
    assert agent.traces.list() == []


def test_without_content_a_planners_own_words_are_not_kept(tmp_path: Path) -> None:
    region = Region(evidence_id="chunk-1", box=FULL_PAGE, why="Kestrel")
    wordy = Query(id="Kestrel", text="Kestrel", why="Kestrel", region=region)
    step = Step(
        number=1, thought="Kestrel", queries=(wordy,), resolved="Kestrel?", fallback="Kestrel",
        plan=(SubQuestion(id="Kestrel", text="Kestrel"),),
        notes=(Note(kind="summary", text="Kestrel"),),
    )  # fmt: skip
    settings = Settings(traces=TraceSettings(content=False))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:
        agent.ingest(sources())
        answer = agent.ask(QUESTION, planner=Planning(step))
        trace = agent.traces.get(answer.trace or "")
        assert "Kestrel" not in trace.model_dump_json()
        (query,), (finding,) = trace.steps[0].queries, trace.steps[0].findings
        assert query.id == finding.query == trace.searches[0].query.id != ""
