"""Batches: order, malformed lines, and files that survive kills and full disks."""

from __future__ import annotations

import asyncio
import errno
import inspect
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent import Answer, BatchAnswer, BatchQuestion, BatchReport, CogAgent, Source
from cogagent.errors import DiskFullError, InputError, NotFoundError, StorageError
from cogagent.models.metered import MeteredMLLM
from cogagent.pipelines.batch import Asked, Batch, Intake, LoopExecutor, Tally
from cogagent.pipelines.batch_files import AnswerFile, QuestionFile, answer_file
from cogagent.pipelines.line_files import MAX_LINE
from cogagent.planners.base import PlanState
from cogagent.planners.rules import RulePlanner
from cogagent.types import BatchProgress, Step
from tests.timeless import timeless

FACTS = {
    "dam": "Kestrel Dam was finished in 1931 by the engineer Ada Lowell.",
    "boat": "The boat of the harbour master is called Sandpiper.",
    "mill": "The old mill was sold to Tom Weaver for forty pounds in 1822.",
}
QUESTIONS = [
    "Who finished Kestrel Dam?",
    "What is the boat of the harbour master called?",
    "Who bought the old mill?",
    "Which airline flies to Reykjavik?",
    "When was Kestrel Dam finished?",
]


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CogAgent]:
    with CogAgent(home=tmp_path_factory.mktemp("batch") / "kb") as made:
        sources = [
            Source(uri=name, data=text.encode(), media_type="text/plain", title=name)
            for name, text in FACTS.items()
        ]
        assert made.ingest(sources).ingested == len(FACTS)
        assert made.ingest(sources[1], collection="boats").ingested == 1
        yield made


class Gated:
    """Plans by rules, but not before the gate is open for questions that speak of it."""

    name = "gated"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked: list[str] = []

    async def plan(self, state: PlanState, model: MeteredMLLM | None) -> Step:
        self.asked.append(state.question)
        while "dam" in state.question.lower() and not self.gate.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return await RulePlanner().plan(state, model)


# --- in Python -------------------------------------------------------------


@pytest.mark.parametrize("jobs", [0, 1, 3, 8])
def test_answers_come_in_order_and_are_those_of_single_questions(
    agent: CogAgent, jobs: int
) -> None:
    alone = [timeless(agent.ask(question)) for question in QUESTIONS]
    for settled in (list(agent.batch(QUESTIONS * 3, jobs=jobs)),):
        assert [entry.line for entry in settled] == list(range(1, 16))
        assert [entry.id for entry in settled] == [f"#{line}" for line in range(1, 16)]
        assert [timeless(entry.answer) for entry in settled] == alone * 3


def test_what_belongs_to_a_question_is_carried_to_its_answer(agent: CogAgent) -> None:
    metadata = {"gold": ["Ada Lowell"], "rank": 1.5, "n": None}
    mapping = {"question": QUESTIONS[0], "id": 7, "choices": ["a", "b"], "metadata": metadata}
    for question in (mapping, BatchQuestion.model_validate(mapping)):
        (settled,) = agent.batch([question])
        assert (settled.id, settled.line, settled.question) == (7, 1, QUESTIONS[0])
        assert (settled.choices, settled.metadata) == (("a", "b"), metadata)
        written = settled.model_dump_json()
        assert BatchAnswer.model_validate_json(written).model_dump_json() == written


def test_each_question_may_have_its_own_collection_planner_budget_and_filters(
    agent: CogAgent,
) -> None:
    boat, strict, none, unknown, filtered = agent.batch(
        [
            {"question": QUESTIONS[1], "collection": "boats"},
            {"question": QUESTIONS[0], "budget": {"seconds": 0.000001}},
            {"question": QUESTIONS[0], "collection": "nowhere"},
            {"question": QUESTIONS[0], "planner": "nonsense"},
            {"question": QUESTIONS[0], "filters": {"title": ["boat", "mill"]}},
        ],
        collection="default",
    )
    assert {piece.title for piece in boat.answer.evidence} == {"boat"}
    assert strict.answer.outcome == "budget_exhausted"
    assert (none.answer, none.error.code) == (None, "not_found")
    assert "nonsense" in unknown.error.message
    assert {piece.title for piece in filtered.answer.evidence} == {"boat", "mill"}


def test_the_next_questions_do_not_wait_for_a_slow_first(agent: CogAgent) -> None:
    planner, order = Gated(), []
    answers = agent.batch(QUESTIONS, planner=planner, jobs=2)
    waiting = threading.Thread(target=lambda: order.extend(answers))
    waiting.start()
    until(lambda: QUESTIONS[3] in planner.asked)  # one job is stuck, the other goes on
    assert order == []
    planner.gate.set()
    waiting.join(10)
    assert [entry.question for entry in order] == QUESTIONS


def test_questions_are_taken_as_needed_and_leaving_early_ends_the_batch(agent: CogAgent) -> None:
    taken = itertools.count()
    endless = (QUESTIONS[0] for _ in taken)
    answers = agent.batch(endless, jobs=2)
    assert next(answers).line == 1
    assert next(answers).line == 2
    answers.close()
    assert next(taken) < 100


def test_progress_tells_the_rate_and_the_time_left(agent: CogAgent) -> None:
    seen: list[BatchProgress] = []
    list(agent.batch([*QUESTIONS, {"id": 1}], on_progress=seen.append))
    assert [entry.done for entry in seen] == [1, 2, 3, 4, 5, 6]
    assert {entry.total for entry in seen} == {6}
    assert seen[-1].failed == 1
    assert seen[0].seconds_left > 0
    assert seen[-1].seconds_left == 0
    seen.clear()
    list(agent.batch(iter(QUESTIONS[:1]), on_progress=seen.append))
    assert (seen[0].total, seen[0].seconds_left) == (None, None)


@pytest.mark.parametrize("questions", ["Who?", b"Who?", {"question": "Who?"}, 5, None])
def test_one_question_is_no_batch(agent: CogAgent, questions: Any) -> None:
    with pytest.raises(InputError, match="takes many"):
        list(agent.batch(questions))


def test_what_is_wrong_with_all_questions_costs_the_batch(agent: CogAgent, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no planner 'nonsense'"):
        list(agent.batch(QUESTIONS, planner="nonsense"))
    with pytest.raises(InputError, match="jobs cannot be -1"):
        list(agent.batch(QUESTIONS, jobs=-1))
    with pytest.raises(NotFoundError, match="nowhere"):
        list(agent.batch(QUESTIONS, collection="nowhere"))
    (own,) = agent.batch([{"question": "Who?", "collection": "boats"}], collection="nowhere")
    assert own.answer is not None
    with CogAgent(home=tmp_path / "kb") as closed:
        pass
    with pytest.raises(InputError, match="closed"):
        list(closed.batch(QUESTIONS))


def test_a_cancelled_batch_returns_at_once(agent: CogAgent) -> None:
    planner = Gated()

    async def ask() -> None:
        async with asyncio.timeout(0.3):
            async for _ in agent.abatch(QUESTIONS, planner=planner):
                pass

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    assert time.monotonic() - started < 2


def test_asynchronous_twins_take_the_same_arguments() -> None:
    for name in ("batch", "batch_file"):
        one, two = (inspect.signature(getattr(CogAgent, n)).parameters for n in (name, f"a{name}"))
        assert [(p.name, p.default) for p in one.values()] == [
            (p.name, p.default) for p in two.values()
        ]


# --- the executor ----------------------------------------------------------


def collect(executor: LoopExecutor, work: Any, items: Any) -> list[Any]:
    async def run() -> list[Any]:
        return [result async for result in executor.map(work, items)]

    return asyncio.run(run())


@given(st.lists(st.floats(0, 0.002), max_size=20), st.integers(1, 5))
def test_results_come_in_the_order_of_the_items(delays: list[float], jobs: int) -> None:
    under_way = most = 0

    async def work(item: tuple[int, float]) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(item[1])
        under_way -= 1
        return item[0]

    items = enumerate(delays)
    assert collect(LoopExecutor(jobs), work, items) == list(range(len(delays)))
    assert most <= jobs


def test_a_result_is_there_before_the_next_item_is() -> None:
    more = threading.Event()

    def slowly() -> Iterator[int]:
        yield 1
        assert more.wait(5)
        yield 2

    async def run() -> list[int]:
        found = []
        async for result in LoopExecutor(2).map(itself, slowly()):
            found.append(result)
            more.set()
        return found

    assert asyncio.run(run()) == [1, 2]


@pytest.mark.parametrize("place", ["items", "work"])
def test_an_error_comes_after_the_results_before_it(place: str) -> None:
    def items() -> Iterator[int]:
        yield from (1, 2)
        if place == "items":
            raise KeyError("three")
        yield 3

    async def work(item: int) -> int:
        if item == 3:
            raise KeyError("three")
        return item

    found: list[int] = []

    async def run() -> None:
        async for result in LoopExecutor(2).map(work, items()):
            found.append(result)

    with pytest.raises(KeyError, match="three"):
        asyncio.run(run())
    assert found == [1, 2]


async def itself(item: Any) -> Any:
    return item


# --- malformed questions ---------------------------------------------------


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (5, "not a int"),
        (None, "not a null"),
        ({}, "`question` is missing"),
        ({"question": 5}, "`question`: input should be a valid string"),
        ({"question": "Q", "image": "a.png"}, "no field `image`"),
        ({"question": "Q", "images": "a.png"}, "`images`: input should be a valid tuple"),
        ({"question": "Q", "id": True}, "`id`: it has to be"),
        ({"question": "Q", "id": ""}, "`id`: it has to be"),
        ({"question": "Q", "id": "x" * 1001}, "`id`: it has to be"),
        ({"question": "Q", "id": 1.5}, "`id`: it has to be"),
        ({"question": "Q", "budget": {"steps": 0}}, "`budget.steps`"),
        ({"question": "Q", "choices": [1]}, "`choices.0`"),
        ({"question": "Q", "metadata": {"a": object()}}, "`metadata.a"),
        ({"question": "Q", "filters": [1]}, "`filters`"),
        ({"question": "Q", "metadata": {"a": float("inf")}}, "`metadata`: out of range"),
        ({"question": "Q", "metadata": {"a": ["\ud800"]}}, "surrogates not allowed"),
    ],
)
def test_a_malformed_question_is_an_error_that_says_why(item: Any, said: str) -> None:
    refused = Intake().take(3, item)
    assert isinstance(refused, BatchAnswer)
    assert refused.line == 3
    assert refused.answer is None
    assert said in refused.error.message


def test_a_malformed_question_carries_what_is_well_formed() -> None:
    intake = Intake()
    refused = intake.take(1, {"id": "a", "question": "Q", "metadata": {"k": 1}, "choices": 3})
    assert isinstance(refused, BatchAnswer)
    assert (refused.id, refused.question, refused.metadata) == ("a", "Q", {"k": 1})
    assert refused.choices == ()
    again = intake.take(2, {"id": "a", "question": "Q2"})
    assert isinstance(again, BatchAnswer)
    assert (again.id, again.question) == (None, "Q2")
    assert "the id 'a' already" in again.error.message
    twice = intake.take(3, {"id": "a", "question": 5})
    assert isinstance(twice, BatchAnswer)
    assert twice.id is None


def test_ids_that_look_alike_are_two() -> None:
    intake = Intake()
    for line, key in enumerate((1, "1", "#9"), 1):
        assert isinstance(intake.take(line, {"question": "Q", "id": key}), Asked)
    assert isinstance(intake.take(9, "the ninth has a name that is taken"), BatchAnswer)


@given(st.lists(st.one_of(st.none(), st.integers(0, 3), st.sampled_from("ab")), max_size=12))
def test_ids_are_unique_whatever_is_asked(keys: list[Any]) -> None:
    items = list(Intake().number({"question": "Q", "id": key} for key in keys))
    ids = [item.question.id if isinstance(item, Asked) else item.id for item in items]
    given_ids = [key for key in ids if key is not None]
    assert len(set(given_ids)) == len(given_ids)
    assert [item.line for item in items] == list(range(1, len(keys) + 1))


# --- files -----------------------------------------------------------------


class Echo:
    """Answers with the question, and fails at those that ask for it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, question: BatchQuestion) -> Answer:
        self.asked.append(question.question)
        if "fail" in question.question:
            raise StorageError("it failed.", remedy="Try again.")
        if "crash" in question.question:
            raise ZeroDivisionError("a bug")
        return Answer(question=question.question, outcome="answered", text=question.question)


async def always(question: BatchQuestion) -> None:
    """The batch is ready."""


def run_files(
    questions: Path, answers: Path, ask: Any = None, jobs: int = 3, **options: Any
) -> BatchReport:
    async def blocking(call: Any, *args: Any) -> Any:
        return await asyncio.to_thread(call, *args)

    keywords = {"resume": False, "overwrite": False, "on_progress": None} | options
    batch = Batch(ask or Echo(), always, LoopExecutor(jobs))
    return asyncio.run(answer_file(batch, questions, answers, blocking=blocking, **keywords))


def records(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.splitlines()]


def write_questions(path: Path, count: int = 6) -> Path:
    rows = [{"id": f"q{n}", "question": f"Question {n}?"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_malformed_line_costs_that_line(tmp_path: Path) -> None:
    lines = [
        b"\xef\xbb\xbf" + b'{"question": "one"}\r',
        b"not JSON",
        b"",
        b"   \r",
        b'"a text"',
        b'{"question": "\xff"}',
        b'{"question": "a\x00b"}',
        b'{"question": "a\\u0000b"}',
        b"\x00\x00\x00",
        b"[" * 100_000,
        b'{"question": "' + b"x" * (MAX_LINE * 3) + b'"}',
        b'{"question": "half',
        b'{"question": "\\ud800"}',
        b'{"question": "two", "metadata": {"a": 1e999}}',
        '{"question": "zwölf ✓"}'.encode(),
        b'{"question": "fail"}',
        b'{"question": "crash"}',
        b'{"question": "last"}',
    ]
    (tmp_path / "q").write_bytes(b"\n".join(lines))
    report = run_files(tmp_path / "q", tmp_path / "a")
    found = {row["line"]: row for row in records(tmp_path / "a")}
    assert list(found) == [n for n in range(1, 19) if n not in (3, 4)]
    fine = {n: row["question"] for n, row in found.items() if row["error"] is None}
    assert fine == {1: "one", 8: "a\0b", 15: "zwölf ✓", 18: "last"}
    assert found[16]["error"] == {
        "code": "storage", "message": "it failed.", "remedy": "Try again."
    }  # fmt: skip
    assert found[17]["error"]["message"] == "ZeroDivisionError: a bug"
    said = {n: row["error"]["message"] for n, row in found.items() if row["error"]}
    assert "not JSON" in said[2]
    assert "not a JSON object" in said[5]
    assert "not UTF-8" in said[6]
    assert "control character" in said[7]
    assert "over 4000000 bytes" in said[11]
    assert (report.questions, report.answered, report.failed) == (16, 4, 12)
    assert [failure.line for failure in report.failures] == list(said)


def test_a_question_file_may_be_empty_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert run_files(tmp_path / "empty", tmp_path / "a").questions == 0
    assert records(tmp_path / "a") == []
    os.mkfifo(tmp_path / "pipe")
    lines = write_questions(tmp_path / "q").read_bytes()
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(lines,))
    writer.start()
    seen: list[BatchProgress] = []
    assert run_files(tmp_path / "pipe", tmp_path / "a", on_progress=seen.append).answered == 6
    writer.join()
    assert seen[0].total is None


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n"])
def test_the_last_line_needs_no_end(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / "q").write_bytes(b'{"question": "Q"}' + tail)
    assert run_files(tmp_path / "q", tmp_path / "a").answered == 1


def test_pictures_are_looked_for_beside_the_questions(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    row = {"question": "Q", "images": ["a.png", "../b.png", "/c.png", 5]}
    (tmp_path / "deep" / "q").write_text(json.dumps(row))
    (item,) = QuestionFile(tmp_path / "deep" / "q").items()
    assert isinstance(item, Asked)
    folder = tmp_path / "deep"
    assert item.question.images == (f"{folder}/a.png", f"{folder}/../b.png", "/c.png", 5)


@pytest.mark.parametrize("count", [1])
def test_resume_after_a_cut_at_any_byte_gives_the_same_file(tmp_path: Path, count: int) -> None:
    questions = write_questions(tmp_path / "q", count)
    with questions.open("a") as file:
        file.write("malformed\n" + json.dumps({"question": "fail", "id": "é"}) + "\n")
    run_files(questions, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    ends = [0, *(place + 1 for place, byte in enumerate(whole) if byte == 10)]
    for cut in range(len(whole) + 1):
        (tmp_path / "a").write_bytes(whole[:cut])
        ask = Echo()
        report = run_files(questions, tmp_path / "a", ask, resume=True)
        assert (tmp_path / "a").read_bytes() == whole
        kept = sum(end <= cut for end in ends) - 1
        assert (report.kept, report.questions) == (kept, count + 2)
        assert len(ask.asked) == (count + 1 - kept if kept <= count else count + 2 - kept)


def test_resume_cuts_off_what_a_power_cut_leaves(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "q")
    run_files(questions, tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    for tail in (b"\0" * 5000, whole[:10] + b"\0" * 5000):
        (tmp_path / "a").write_bytes(whole[: whole.index(b"\n") + 1] + tail)
        assert run_files(questions, tmp_path / "a", resume=True).kept == 1
        assert (tmp_path / "a").read_bytes() == whole


def test_resume_goes_on_where_questions_were_added(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "q", 3)
    run_files(questions, tmp_path / "a")
    write_questions(questions, 5)
    report = run_files(questions, tmp_path / "a", resume=True)
    assert (report.kept, report.questions) == (3, 5)
    assert [row["id"] for row in records(tmp_path / "a")] == ["q0", "q1", "q2", "q3", "q4"]


def changed(rows: list[dict[str, Any]], how: str) -> list[dict[str, Any]]:
    return {
        "other words": [{**rows[0], "question": "Else?"}, *rows[1:]],
        "other id": [{**rows[0], "id": "else"}, *rows[1:]],
        "one less": rows[1:],
        "one more": [{"question": "New?"}, *rows],
        "other order": rows[::-1],
        "fewer": rows[:2],
        "malformed": [{"id": 1}, *rows[1:]],
    }[how]


@pytest.mark.parametrize(
    "how",
    ["other words", "other id", "one less", "one more", "other order", "fewer", "malformed"],
)
def test_answers_to_other_questions_are_refused_and_left_alone(tmp_path: Path, how: str) -> None:
    questions = write_questions(tmp_path / "q")
    run_files(questions, tmp_path / "a")
    before = (tmp_path / "a").read_bytes()
    rows = changed([json.loads(line) for line in questions.read_text().splitlines()], how)
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"line \d of .* answers 'q"):
        run_files(questions, tmp_path / "a", resume=True)
    assert (tmp_path / "a").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"precious", b"precious\n", b'{"a": 1}\n', b'{"id": 1}\n', b"\n", b"\xff\n"]
)
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    questions = write_questions(tmp_path / "q")
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="holds something already"):
        run_files(questions, tmp_path / "a")
    with pytest.raises(InputError, match="is no answer of a batch"):
        run_files(questions, tmp_path / "a", resume=True)
    assert (tmp_path / "a").read_bytes() == content
    assert run_files(questions, tmp_path / "a", overwrite=True).answered == 6


def test_files_that_cannot_be_used_are_wrong_use(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "q")
    for bad in (tmp_path / "none", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(InputError):
            run_files(bad, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    for bad in (tmp_path, tmp_path / "none" / "a", Path("/dev/null"), tmp_path / "a\0b"):
        with pytest.raises(InputError):
            run_files(questions, bad)
    (tmp_path / "link").symlink_to(questions)
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="over the questions"):
            run_files(questions, tmp_path / "link", **options)
    assert len(questions.read_bytes().splitlines()) == 6
    with pytest.raises(InputError, match="to lose them"):
        run_files(questions, tmp_path / "a", resume=True, overwrite=True)


def test_one_batch_at_a_time_writes_to_a_file(tmp_path: Path) -> None:
    questions = QuestionFile(write_questions(tmp_path / "q"))
    with AnswerFile(tmp_path / "a", questions, resume=False, overwrite=False):
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(InputError, match="another batch is writing"):
                run_files(tmp_path / "q", tmp_path / "a", **options)
    assert run_files(tmp_path / "q", tmp_path / "a").answered == 6


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EIO, StorageError)]
)
def test_a_write_that_fails_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    questions = write_questions(tmp_path / "q")
    run_files(questions, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    room, real = len(whole) // 2, os.pwrite

    def writing(descriptor: int, data: bytes, place: int) -> int:
        if place >= room:
            raise OSError(number, "as planned")
        return real(descriptor, data[: min(room - place, 100)], place)

    monkeypatch.setattr(os, "pwrite", writing)
    with pytest.raises(kind):
        run_files(questions, tmp_path / "a")
    monkeypatch.undo()
    left = (tmp_path / "a").read_bytes()
    assert whole.startswith(left)
    assert len(records(tmp_path / "a")) in (2, 3)
    run_files(questions, tmp_path / "a", resume=True)
    assert (tmp_path / "a").read_bytes() == whole


def test_answers_are_written_as_they_come(tmp_path: Path) -> None:
    questions = write_questions(tmp_path / "q", 50)
    seen: list[int] = []

    async def ask(question: BatchQuestion) -> Answer:
        if question.id == "q40":
            await asyncio.to_thread(until, lambda: lines_of(tmp_path / "a") == 40)
            seen.append(len(records(tmp_path / "a")))
        return await Echo()(question)

    run_files(questions, tmp_path / "a", ask, jobs=3)
    assert seen == [40]


def test_a_cancelled_file_is_whole_and_free_to_resume(tmp_path: Path, agent: CogAgent) -> None:
    questions = tmp_path / "q"
    questions.write_text("".join(json.dumps({"question": q}) + "\n" for q in QUESTIONS[1:] * 2))
    planner = Gated()

    async def ask() -> None:
        running = asyncio.create_task(
            agent.abatch_file(questions, tmp_path / "a", planner=planner)
        )
        await asyncio.to_thread(until, lambda: lines_of(tmp_path / "a") == 3)
        started = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - started < 1

    asyncio.run(ask())
    assert len(records(tmp_path / "a")) == 3
    report = agent.batch_file(questions, tmp_path / "a", resume=True)
    assert (report.kept, report.questions) == (3, 8)


def test_a_report_lists_twenty_failures_and_counts_all() -> None:
    tally = Tally()
    for item in Intake().number([{} for _ in range(30)]):
        assert isinstance(item, BatchAnswer)
        tally.add(item)
    failed = Answer(question="Q", outcome="failed", text="", stop_reason="why")
    tally.add(BatchAnswer(id=1, line=31, answer=failed))
    report = tally.report()
    assert (report.failed, len(report.failures)) == (31, 20)


# --- the command -----------------------------------------------------------


def command(agent: CogAgent, *arguments: object) -> list[str]:
    return [
        sys.executable, "-m", "cogagent.cli", "--home", str(agent.home), "batch",
        *map(str, arguments),
    ]  # fmt: skip


def cogagent(
    agent: CogAgent, *arguments: object, **changes: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(agent, *arguments), capture_output=True, text=True, timeout=120, **changes
    )


def test_the_command_says_what_it_did(agent: CogAgent, tmp_path: Path) -> None:
    write_lines(tmp_path / "q", 5)
    done = cogagent(agent, tmp_path / "q", "-o", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 questions: ")
    rows = records(tmp_path / "a")
    single = [timeless(agent.ask(question)) for question in QUESTIONS]
    assert [timeless(Answer.model_validate(row["answer"])) for row in rows] == single
    again = cogagent(agent, tmp_path / "q", "-o", tmp_path / "a")
    assert (again.returncode, again.stdout) == (2, "")
    assert "holds something already" in again.stderr
    resumed = cogagent(agent, tmp_path / "q", "-o", tmp_path / "a", "--resume", "--json")
    assert BatchReport.model_validate_json(resumed.stdout).kept == 5


def test_the_command_lists_what_failed(agent: CogAgent, tmp_path: Path) -> None:
    lines = ["nonsense"] * 25 + [json.dumps({"question": QUESTIONS[0], "images": ["none.png"]})]
    (tmp_path / "q").write_text("\n".join(lines))
    done = cogagent(agent, tmp_path / "q", "-o", tmp_path / "a", "--overwrite", "--json")
    assert done.returncode == 3
    assert BatchReport.model_validate_json(done.stdout).failed == 26
    assert done.stderr.count("failed: line ") == 20
    assert "and 6 more" in done.stderr
    assert "cannot be read" in records(tmp_path / "a")[-1]["error"]["message"]
    missing = cogagent(agent, tmp_path / "none", "-o", tmp_path / "b")
    assert missing.returncode == 2
    assert "Traceback" not in missing.stderr


def test_a_killed_command_goes_on_where_it_was(agent: CogAgent, tmp_path: Path) -> None:
    write_lines(tmp_path / "q", 60)
    assert cogagent(agent, tmp_path / "q", "-o", tmp_path / "whole").returncode == 0
    arguments = (tmp_path / "q", "-o", tmp_path / "a", "--resume")
    for size in (1, 30_000):
        process = subprocess.Popen(command(agent, *arguments), stdout=subprocess.DEVNULL)
        until(lambda size=size: size_of(tmp_path / "a") >= size)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert 0 < size_of(tmp_path / "a") < size_of(tmp_path / "whole")
    assert cogagent(agent, *arguments).returncode == 0
    whole, pieces = records(tmp_path / "whole"), records(tmp_path / "a")
    assert [row["id"] for row in pieces] == [row["id"] for row in whole]
    for one, other in zip(whole, pieces, strict=True):
        assert timeless(Answer.model_validate(one["answer"])) == timeless(
            Answer.model_validate(other["answer"])
        )


def test_an_interrupted_command_leaves_whole_lines(agent: CogAgent, tmp_path: Path) -> None:
    write_lines(tmp_path / "q", 5000)
    process = subprocess.Popen(
        command(agent, tmp_path / "q", "-o", tmp_path / "a"),
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONFAULTHANDLER": "1"},
        # A shell that runs these tests in the background has them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until(lambda: size_of(tmp_path / "a") > 0)
    process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # it says where each thread stands
        pytest.fail(f"it does not end: {process.communicate()[1]}")
    assert process.returncode == 130
    assert "Traceback" not in said
    assert 0 < len(records(tmp_path / "a")) < 5000


def test_a_full_disk_is_said_and_what_was_written_stays(agent: CogAgent, tmp_path: Path) -> None:
    write_lines(tmp_path / "q", 20)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = cogagent(agent, tmp_path / "q", "-o", tmp_path / "a", preexec_fn=limit)
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert "Traceback" not in done.stderr
    kept = len(records(tmp_path / "a"))
    assert 0 < kept < 20
    done = cogagent(agent, tmp_path / "q", "-o", tmp_path / "a", "--resume", "--json")
    report = BatchReport.model_validate_json(done.stdout)
    assert (report.kept, report.questions, report.failed) == (kept, 20, 0)


def write_lines(path: Path, count: int) -> None:
    """Questions in turn, each with an id and metadata."""
    asked = itertools.islice(itertools.cycle(QUESTIONS), count)
    rows = [
        {"question": question, "id": number, "metadata": {"n": number}}
        for number, question in enumerate(asked)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def until(holds: Any, seconds: float = 30) -> None:
    """Wait for an event, not for a time."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.005)
