"""Evaluation: metrics against values worked out by hand, intervals, files and bad lines."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent import CogAgent, Source
from cogagent.errors import InputError, ModelError, StorageError
from cogagent.pipelines.batch import LoopExecutor
from cogagent.pipelines.eval_items import TOOLS, EvalItem, EvalStep
from cogagent.pipelines.evaluate import (
    Dataset,
    EvalReport,
    Numbered,
    evaluate,
    evaluate_file,
    numbered,
    write_report,
)
from cogagent.pipelines.intervals import RESAMPLES, Confusion, Means, draws
from cogagent.pipelines.marking import Mark, mark, states
from cogagent.pipelines.metrics import holds, ndcg, recall, says, token_f1
from cogagent.testing.doubles import HashTextEmbedder
from cogagent.types import Answer, Evidence, Query, Step, Usage


def evidence(uri: str) -> Evidence:
    return Evidence(
        id=uri, document_id=uri, uri=uri, title=uri, media_type="text/plain", page=1,
        box=(0, 0, 1, 1), modality="text", text=uri, score=1.0,
    )  # fmt: skip


def answered(
    question: str,
    *queries: tuple[str, str],
    text: str = "",
    found: Iterable[str] = (),
    **fields: Any,
) -> Answer:
    asked = tuple(Query(tool=tool, text=words) for tool, words in queries)
    return Answer(
        question=question, outcome=fields.pop("outcome", "answered"), text=text,
        steps=(Step(number=1, queries=asked),) if asked else (),
        evidence=tuple(map(evidence, found)),
        usage=Usage(searches=len(asked), model_calls=2, tokens=70, seconds=0.5), **fields,
    )  # fmt: skip


def item(question: str, *steps: tuple[str, str, str], **fields: Any) -> EvalItem:
    return EvalItem(
        question=question,
        steps=tuple(
            EvalStep(rewrite=rewrite, tool=tool, gold=(gold,) if gold else ())
            for rewrite, tool, gold in steps
        ),
        **fields,
    )


# --- measures --------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "gold", "f1"),
    [
        ("the red boat", "Red boat!", 1.0),
        ("a red boat", "blue boat", 0.5),
        ("red red boat", "red boat boat", 2 / 3),
        ("", "boat", 0.0),
        ("boat", "", 0.0),
        ("the", "a", 0.0),
    ],
)
def test_token_f1(said: str, gold: str, f1: float) -> None:
    assert token_f1(said, gold) == pytest.approx(f1)


def test_other_measures() -> None:
    assert ndcg(["x", "a", "b"], {"a", "b"}) == pytest.approx(
        (1 / np.log2(3) + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    )
    assert (ndcg([], {"a"}), ndcg(["a"], set())) == (0, 0)
    assert (recall(["a", "x", "b"], {"a", "b"}, 2), recall(["a"], set(), 3)) == (0.5, 0)
    assert holds("It was 42, in all", ["42"])
    assert not holds("It was 420", ["42"])
    assert says("the boat sank in 1931", "boat sank quickly") == pytest.approx(2 / 3)
    assert says("anything", "the") == 0


@given(st.text(max_size=60), st.text(max_size=60))
def test_measures_stay_within_bounds(first: str, second: str) -> None:
    assert 0 <= token_f1(first, second) <= 1
    assert token_f1(first, second) == token_f1(second, first)
    assert 0 <= says(first, second) <= 1


@pytest.mark.parametrize(
    ("text", "claim", "said"),
    [
        ("The dam was finished in 1931 by Ada Lowell", "Ada Lowell", True),
        ("The dam was finished by Ada", "Ada Lowell", False),
        (
            "The dam was finished in 1931 by Ada Lowell",
            "Ada Lowell finished the dam in 1931",
            True,
        ),
        (
            "The dam was finished in 1931 by Ada Lowell",
            "Ada Lowell finished the dam in 1932",
            False,
        ),
        ("Nothing of the sort", "Ada Lowell finished the dam in 1931", False),
    ],
)
def test_what_a_text_says(text: str, claim: str, said: bool) -> None:
    assert states(text, claim) is said


# --- one item --------------------------------------------------------------


def test_a_right_run_is_right_in_everything() -> None:
    asked = item(
        "Who finished the dam?", ("Who finished the dam?", "text", "dam"),
        answer="Ada Lowell", claims=("Ada Lowell",),
    )  # fmt: skip
    made = mark(
        asked, 1,
        answered(
            asked.question, ("text", "Who finished the dam?"), found=["x", "dam"],
            text="It was finished by Ada Lowell. [1]", short="Ada Lowell",
        ),
        embedder=HashTextEmbedder(),
    )  # fmt: skip
    assert made.figures == {
        "tool accuracy": 1, "plan exact": 1, "extra tool": 0, "under-search": 0,
        "rewrite F1": 1, "rewrite cosine": 1, "evidence recall@10": 1, "all evidence@10": 1,
        "answer F1": 1, "claim recall": 1, "claim precision": 1, "model calls": 2, "tokens": 70,
        "searches": 1, "steps": 0, "seconds": 0.5,
    }  # fmt: skip


def test_a_plan_is_compared_step_by_step() -> None:
    asked = item("q", ("director of Jaws", "text", "a"), ("a shark poster", "image", "b"))
    run = answered("q", ("image", "shark poster"), ("text", "music of Jaws"), found=["a", "z"])
    made = mark(asked, 1, run)
    assert [(one.tool, one.chosen, one.rewrite) for one in made.steps] == [
        ("text", "text", "music of Jaws"), ("image", "image", "shark poster"),
    ]  # fmt: skip
    assert made.figures["tool accuracy"] == 1
    assert made.figures["plan exact"] == 0  # the other way round
    assert made.figures["rewrite F1"] == pytest.approx((2 / 3 + 1) / 2)
    assert made.figures["evidence recall@10"] == 0.5
    assert made.figures["all evidence@10"] == 0


@pytest.mark.parametrize(
    ("steps", "queries", "over", "under", "extra"),
    [
        ([("q", "none", "")], [], 0, None, 0),
        ([("q", "none", "")], [("text", "q")], 1, None, 1),
        ([("q", "none", "")], [("knowledge", "q")], 0, None, 0),
        ([("q", "text", "")], [], None, 1, 0),
        ([("q", "text", "")], [("image", "q")], None, 1, 1),
        ([("q", "text", "")], [("text", "q"), ("image", "q")], None, 0, 1),
        ([("q", "text", ""), ("r", "image", "")], [("text", "q")], None, 1, 0),
        ([("q", "image", "")], [("region", "q")], None, 0, 0),
        ([("q", "text", "")], [("all", "q")], None, 1, 1),
    ],
)
def test_searching_too_much_and_too_little(
    steps: list[tuple[str, str, str]],
    queries: list[tuple[str, str]],
    over: float | None,
    under: float | None,
    extra: float,
) -> None:
    figures = mark(item("q", *steps), 1, answered("q", *queries)).figures
    assert figures.get("over-search") == over
    assert figures.get("under-search") == under
    assert figures["extra tool"] == extra


def test_evidence_counts_by_distinct_documents() -> None:
    asked = item("q", ("q", "text", "gold"))
    run = answered("q", ("text", "q"), found=["a", "a", "a", "b", "gold"])
    assert mark(asked, 1, run, depth=3).figures["evidence recall@3"] == 1
    assert mark(asked, 1, run, depth=2).figures["evidence recall@2"] == 0


def test_claims_are_counted_both_ways() -> None:
    asked = item("q", answer="", claims=("The dam was finished in 1931.", "The mill was sold."))
    run = answered(
        "q", text="The dam was finished in 1931. [1]\nTrout are fish of cold rivers. [2]"
    )
    figures = mark(asked, 1, run).figures
    assert (figures["claim recall"], figures["claim precision"]) == (0.5, 0.5)
    none = mark(asked, 1, answered("q", text="Nothing was found.", outcome="abstained")).figures
    assert (none["claim recall"], none["claim precision"]) == (0, 0)


# --- intervals -------------------------------------------------------------


def test_means_and_their_intervals() -> None:
    means = Means()
    values = [1.0] * 30 + [0.0] * 10
    for number, value in enumerate(values):
        means.add({"hit": value}, draws(number))
    means.add({"other": 3.0}, draws(40))
    hit, other = means.figures()["hit"], means.figures()["other"]
    assert (hit.value, hit.items) == (0.75, 40)
    # the normal approximation: 0.75 ± 1.96 · sqrt(0.75 · 0.25 / 40)
    assert hit.low == pytest.approx(0.616, abs=0.03)
    assert hit.high == pytest.approx(0.884, abs=0.03)
    assert (other.value, other.low, other.high, other.items) == (3, 3, 3, 1)


def test_macro_f1_is_that_of_the_classes_there_are() -> None:
    confusion = Confusion(TOOLS)
    chosen = [("text", "text")] * 3 + [("text", "image")] + [("image", "image")] * 2
    chosen += [("image", "web"), ("image", "none")]
    for number, (right, said) in enumerate(chosen):
        confusion.add(right, said, draws(number))
    # text: precision 3/3, recall 3/4; image: precision 2/3, recall 2/4
    made = confusion.macro_f1()
    assert made is not None
    assert made.value == pytest.approx((6 / 7 + 4 / 7) / 2, abs=1e-6)
    assert made.low <= made.value <= made.high
    assert confusion.table() == {
        "text": {"text": 3, "image": 1}, "image": {"image": 2, "none": 1, "other": 1},
    }  # fmt: skip
    assert Confusion(TOOLS).macro_f1() is None


@given(st.lists(st.tuples(st.sampled_from(TOOLS), st.sampled_from([*TOOLS, "web"])), min_size=1))
def test_macro_f1_stays_within_bounds(decisions: list[tuple[str, str]]) -> None:
    confusion = Confusion(TOOLS)
    for number, (right, said) in enumerate(decisions):
        confusion.add(right, said, draws(number))
    made = confusion.macro_f1()
    assert made is not None
    assert 0 <= made.low <= made.high <= 1
    assert 0 <= made.value <= 1
    assert (made.value == 1) == all(right == said for right, said in decisions)


def test_draws_repeat_and_differ() -> None:
    assert (draws(3) == draws(3)).all()
    assert (draws(3) != draws(4)).any()
    assert draws(3).shape == (1 + RESAMPLES,)
    assert draws(3)[0] == 1


# --- many items ------------------------------------------------------------

LINES = [
    {"question": "Who finished the dam?", "id": "dam", "answer": "Ada",
     "steps": [{"rewrite": "who finished the dam", "tool": "text", "gold": ["dam"]}],
     "metadata": {"set": "facts", "kind": "one"}},
    {"question": "hello", "steps": [{"rewrite": "hello", "tool": "none"}],
     "metadata": {"set": "talk"}},
    {"question": "What fails?", "answer": "it"},
]  # fmt: skip


async def ask(asked: EvalItem) -> Answer:
    if asked.question == "What fails?":
        raise ModelError("the model is gone.", remedy="Mend it.")
    if asked.question == "hello":
        return answered("hello", text="Hi.")
    return answered(asked.question, ("text", asked.question), short="Ada", found=["dam"])


def dataset(folder: Path, *lines: object) -> Path:
    path = folder / "items.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def run(path: Path, **keywords: Any) -> EvalReport:
    return asyncio.run(evaluate_file(ask, path, **keywords))


def test_a_file_of_items_is_asked_and_counted(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    report = run(
        dataset(tmp_path, *LINES),
        marks=tmp_path / "marks.jsonl",
        embedder=HashTextEmbedder(),
        on_progress=lambda done, total, *_: seen.append((done, total)),
    )
    assert (report.items, report.failed, report.malformed) == (3, 1, 0)
    assert report.all.figures["tool macro-F1"].value == 1
    assert report.all.figures["answer F1"].value == 0.5
    assert report.all.outcomes == {"answered": 2, "failed": 1}
    assert set(report.groups) == {"set=facts", "kind=one", "set=talk"}
    assert report.groups["set=facts"].figures["evidence recall@10"].items == 1
    assert [(one.line, one.id, one.error.code) for one in report.failures] == [(3, "#3", "model")]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    written = (tmp_path / "marks.jsonl").read_text().splitlines()
    marks = [Mark.model_validate_json(line) for line in written]
    assert [made.id for made in marks] == ["dam", "#2", "#3"]
    write_report(report, tmp_path / "report.json")
    assert EvalReport.model_validate_json((tmp_path / "report.json").read_text()) == report
    with pytest.raises(StorageError):
        write_report(report, tmp_path)


@pytest.mark.parametrize("jobs", [1, 4])
def test_the_figures_do_not_depend_on_how_many_are_asked_at_once(
    tmp_path: Path, jobs: int
) -> None:
    report = run(dataset(tmp_path, *LINES), jobs=jobs)
    again = asyncio.run(
        evaluate(ask, numbered(map(EvalItem.model_validate, LINES)), executor=LoopExecutor(2))
    )
    assert report.all == again.all


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ("{}", "`question` is missing"),
        ({"question": ""}, "`question`"),
        ({"question": "q", "steps": [{"rewrite": "q", "tool": "video"}]}, "'text', 'image' or"),
        ({"question": "q", "steps": [{"tool": "text"}]}, "`steps.0.rewrite` is missing"),
        ({"question": "q", "gold": ["x"]}, "there is no field `gold`"),
        ({"question": "q" * 20_001}, "at most 20000"),
        ({"question": "q", "id": ""}, "`id`"),
        ({"question": "q", "id": "dam"}, "id 'dam' already"),
        ('{"question": "q", "answer": NaN}', "is not JSON"),
        ('{"question": "\\ud800"}', "is not JSON"),
    ],
)
def test_a_malformed_line_costs_that_line(tmp_path: Path, line: object, reason: str) -> None:
    report = run(dataset(tmp_path, LINES[0], line, "", LINES[1]))
    assert (report.items, report.malformed, report.failed) == (2, 1, 0)
    (failure,) = report.failures
    assert (failure.line, failure.id) == (2, "#2")
    assert reason in failure.error.message


def test_pictures_stand_beside_the_file(tmp_path: Path) -> None:
    path = dataset(tmp_path, {"question": "q", "picture": "a/b.png"})
    (one,) = Dataset(path).items()
    assert one.item is not None
    assert one.item.picture == str(tmp_path / "a" / "b.png")


def test_an_evaluation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, marks = dataset(tmp_path, LINES[0], "nonsense", *LINES[1:]), tmp_path / "marks.jsonl"
    whole = run(path, marks=marks)
    lines = marks.read_bytes().splitlines(keepends=True)
    marks.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    asked: list[str] = []

    async def counted(one: EvalItem) -> Answer:
        asked.append(one.question)
        return await ask(one)

    again = asyncio.run(evaluate_file(counted, path, marks=marks, resume=True))
    assert asked == ["What fails?"]
    assert (again.kept, again.malformed, again.items) == (2, 1, 3)
    assert again.all == whole.all
    assert marks.read_bytes().splitlines(keepends=True)[:2] == lines[:2]
    assert run(path, marks=marks, resume=True).kept == 3


def test_marks_are_not_lost_by_mistake(tmp_path: Path) -> None:
    path, marks = dataset(tmp_path, *LINES), tmp_path / "marks.jsonl"
    run(path, marks=marks)
    with pytest.raises(InputError, match="holds something already"):
        run(path, marks=marks)
    with pytest.raises(InputError, match="written over the items"):
        run(path, marks=path, overwrite=True)
    with pytest.raises(InputError, match="to lose them"):
        run(path, marks=marks, resume=True, overwrite=True)
    with pytest.raises(InputError, match="no file of marks"):
        run(path, resume=True)
    other = dataset(tmp_path, *LINES[1:])
    with pytest.raises(InputError, match="of another item"):
        run(other, marks=marks, resume=True)
    fewer = dataset(tmp_path, LINES[0])
    with pytest.raises(InputError, match="not there any more"):
        run(fewer, marks=marks, resume=True)
    marks.write_text("a text of mine\n")
    with pytest.raises(InputError, match="is no mark"):
        run(path, marks=marks, resume=True)
    assert marks.read_text() == "a text of mine\n"
    assert run(dataset(tmp_path, *LINES), marks=marks, overwrite=True).items == 3


def test_marks_of_another_planner_are_not_gone_on_with(tmp_path: Path) -> None:
    path, marks = dataset(tmp_path, *LINES), tmp_path / "marks.jsonl"
    run(path, marks=marks, made_with="planner rules")
    before = marks.read_bytes()
    with pytest.raises(InputError, match="was made with planner rules"):
        run(path, marks=marks, resume=True, made_with="planner lad")
    assert marks.read_bytes() == before
    assert run(path, marks=marks, resume=True, made_with="planner rules").kept == 3


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        run(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        run(tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        run(dataset(tmp_path, *LINES), marks=tmp_path / "no" / "marks.jsonl")


def test_nothing_to_ask_is_a_report_of_nothing(tmp_path: Path) -> None:
    report = run(dataset(tmp_path))
    assert (report.items, report.all.figures) == (0, {})


def test_what_failed_in_a_run_is_told_whatever_it_was() -> None:
    async def broken(asked: EvalItem) -> Answer:
        if asked.question == "half":
            error = ModelError("cut short.")
            error.answer = answered("half", ("text", "half"), found=["dam"])
            raise error
        raise RuntimeError("a bug")

    items = [item("half", ("half", "text", "dam")), item("bug", ("bug", "text", "dam"))]
    report = asyncio.run(evaluate(broken, numbered(items)))
    assert [one.error.code for one in report.failures] == ["model", "error"]
    assert report.all.figures["evidence recall@10"].value == 0.5
    assert report.failed == 2


def test_many_groups_are_bounded() -> None:
    items = (item("hello", metadata={"set": f"s{n}"}) for n in range(80))
    report = asyncio.run(evaluate(ask, numbered(items)))
    assert report.items == 80
    assert len(report.groups) == 50


def test_a_malformed_item_needs_no_reason() -> None:
    report = asyncio.run(evaluate(ask, [Numbered(1, None)]))
    assert report.malformed == 1


def test_the_command_prints_figures_and_writes_a_report(tmp_path: Path) -> None:
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(Source(uri="dam", data=b"Ada Lowell finished it.", media_type="text/plain"))
    path = dataset(tmp_path, *LINES[:2], "nonsense")
    command = [sys.executable, "-m", "cogagent.cli", "--home", str(tmp_path / "kb"), "eval"]
    files = ["-o", str(tmp_path / "report.json"), "--marks", str(tmp_path / "marks.jsonl")]

    def called(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=120, check=False
        )

    done = called(str(path), *files)
    assert done.returncode == 3, done.stderr
    assert "tool macro-F1" in done.stdout
    assert "failed: line 3: the line is not JSON" in done.stderr
    report = EvalReport.model_validate_json((tmp_path / "report.json").read_text())
    assert (report.items, report.malformed) == (2, 1)
    assert report.all.figures["tool macro-F1"].value == 1
    again = called(str(path), *files, "--resume", "--json")
    assert EvalReport.model_validate_json(again.stdout).kept == 2
    assert called(str(path), "--collection", "none").returncode == 2
