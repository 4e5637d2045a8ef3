"""Answers from tables end to end: ``python -m benchmarks.bench_tables``.

TAT-QA dev's questions whose one answer is a cell of a table, or a word of its
header, from the reports whose tables the reader was not fitted on. Each is
asked in its own report, in its own report without the table, and over all
reports, where few questions say whose figures they mean.

Before that, all questions of these reports are put to the table of their
report by pointing (``GridAnswerer``), by kind of question and by where the answer
stands; and the lookups to the reader, to pointing, and to the reader with what
pointing is not sure of.
"""

from __future__ import annotations

import hashlib
import html
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from benchmarks.common import holds, lines, mean, percentile, report
from cogagent import Answer, CogAgent, Source
from cogagent.config import Settings
from cogagent.models.factory import minilm, span_model
from cogagent.reading.grids.answerer import SURE, GridAnswer, GridAnswerer
from cogagent.reading.grids.numbers import unit_of
from cogagent.reading.grids.tables import table_grid
from cogagent.reading.passage import Passage
from cogagent.reading.reader import ExtractiveReader


def fitted(context: str) -> bool:
    """Whether the reader's table weights are fitted on this report; about half of them."""
    return hashlib.md5(context.encode()).digest()[-1] % 2 == 0


def page(grid: Sequence[Sequence[str]]) -> bytes:
    """A table as a web page; the first row is header, and those after it that begin blank."""
    count = 1
    while count < len(grid) - 1 and not grid[count][0].strip():
        count += 1
    shown = []
    for number, cells in enumerate(grid):
        tag = "th" if number < count else "td"
        shown.append("".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells))
    rows = "".join(f"<tr>{row}</tr>" for row in shown)
    return f"<html><body><table>{rows}</table></body></html>".encode()


def sources(rows: Sequence[dict[str, Any]]) -> list[Source]:
    """A document for each table and paragraph, with its report as metadata."""
    return [
        Source(
            uri=row["_id"],
            data=page(row["table"]) if row["kind"] == "table" else row["text"].encode(),
            media_type="text/html" if row["kind"] == "table" else "text/plain",
            title=" ",
            metadata={"context": row["context"]},
        )
        for row in rows
    ]


def plain(text: str) -> str:
    """A value without the signs that a cell may or may not carry."""
    return re.sub(r"[\s$()%,]", "", text.lower())


def of_cells(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The questions whose one answer stands in a cell of their report's table."""
    grids = {row["context"]: row["table"] for row in rows if row["kind"] == "table"}
    found = []
    for q in lines("tatqa", "dev", "qa.jsonl"):
        if q["answer_type"] == "span" and q["answer_from"] != "text":
            (answer,) = q["answer"]
            grid = grids[q["context"]]
            cells = [cell for row in grid for cell in row]
            headed = any(holds(cell, [answer]) for row in grid[:4] for cell in row)
            if headed or plain(answer) in map(plain, cells):
                found.append(q)
    return found


def right_row(answer: Answer, question: dict[str, Any]) -> bool:
    """Whether the first citation, from the right report, holds the answer."""
    if not answer.citations or answer.citations[0].uri not in question["gold"]:
        return False
    quote, gold = answer.citations[0].quote, question["answer"]
    in_cell = plain(gold[0]) in [plain(cell) for cell in quote.split("|")]
    return in_cell or holds(quote, gold) or right_cell(answer, question)


def right_cell(answer: Answer, question: dict[str, Any]) -> bool:
    """Whether the short answer is the right one and comes from the right table."""
    cited = answer.citations and answer.citations[0].uri in question["gold"]
    return bool(cited) and plain(answer.short) == plain(question["answer"][0])


def show(name: str, asked: Sequence[dict[str, Any]], answers: Sequence[Answer]) -> None:
    """A line of figures, each a share of the questions."""
    rows = [right_row(a, q) for a, q in zip(answers, asked, strict=True)]
    declined = [not a.citations for a in answers]
    report(
        name,
        {
            "questions": len(asked),
            "row right": mean(rows),
            "cell exact": mean(right_cell(a, q) for a, q in zip(answers, asked, strict=True)),
            "declined": mean(declined),
            "wrong": mean(not r and not d for r, d in zip(rows, declined, strict=True)),
        },
    )


def exact(answer: GridAnswer, question: dict[str, Any]) -> bool:
    """Whether an answer is the gold one, but for sign, per cent sign and separators."""
    gold = question["answer"]
    if isinstance(gold, list):
        said = answer.short.split("; ") if len(gold) > 1 else [answer.short]
        return sorted(map(plain, said)) == sorted(map(plain, gold))
    if answer.value is None:
        return False
    value = abs(float(str(gold).replace(",", "")))
    return abs(round(abs(answer.value), 2) - value) <= max(0.0101, 1e-6 * value)


def scaled(answer: GridAnswer, question: dict[str, Any]) -> bool:
    """Whether it also says what the gold one counts in."""
    said = unit_of(answer.unit)
    return bool(("percent" if said == "%" else said) == question["scale"])


def point(questions: Sequence[dict[str, Any]], texts: dict[str, str]) -> dict[str, GridAnswer]:
    """What pointing at the table of its report says to each question, by its id."""
    answerer = GridAnswerer(minilm(Settings()))
    found, spent = {}, []
    for question in questions:
        grid = table_grid(texts[question["context"]])
        start = time.perf_counter()
        answer = None if grid is None else answerer.answer(question["question"], grid)
        spent.append(1000 * (time.perf_counter() - start))
        if isinstance(answer, GridAnswer):
            found[question["id"]] = answer
    times = {"p50": percentile(spent, 0.5), "p95": percentile(spent, 0.95)}
    report("pointing, ms a question", times)
    return found


def given(rows: Sequence[dict[str, Any]]) -> None:
    """Pointing at the right table, by kind of question and by where the answer stands."""
    texts = {row["context"]: row["text"] for row in rows if row["kind"] == "table"}
    questions = [q for q in lines("tatqa", "dev", "qa.jsonl") if not fitted(q["context"])]
    found = point(questions, texts)
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for question in questions:
        kinds[f"{question['answer_type']} from {question['answer_from']}"].append(question)
        kinds[f"all from {question['answer_from']}"].append(question)
    for name, asked in sorted(kinds.items()):
        pairs = [(found[q["id"]], q) for q in asked if q["id"] in found]
        sure = [(a, q) for a, q in pairs if a.confidence >= SURE]
        report(
            f"pointing, {name}",
            {
                "questions": len(asked),
                "exact": sum(exact(a, q) for a, q in pairs) / len(asked),
                "with its scale": sum(exact(a, q) and scaled(a, q) for a, q in pairs) / len(asked),
                "declined": 1 - len(pairs) / len(asked),
                "sure": len(sure) / len(asked),
                "exact where sure": mean(exact(a, q) for a, q in sure),
            },
        )
    together(rows, texts, found)


def together(
    rows: Sequence[dict[str, Any]], texts: dict[str, str], found: dict[str, GridAnswer]
) -> None:
    """Lookups given the table: the reader, pointing, and both."""
    reader = ExtractiveReader(minilm(Settings()), span_model(Settings()))
    asked = [q for q in of_cells(rows) if not fitted(q["context"])]
    reads, points, both = [], [], []
    for question in asked:
        text = texts[question["context"]]
        reading = reader.read(question["question"], [Passage(text, "table")])
        start, end = reading.answer_start, reading.answer_end
        said = "" if start is None or end is None else text[start:end]
        reads.append(plain(said) == plain(question["answer"][0]))
        answer = found.get(question["id"])
        points.append(answer is not None and exact(answer, question))
        sure = answer is not None and answer.confidence >= SURE
        both.append(points[-1] if sure else reads[-1])
    figures = {"reader": mean(reads), "pointing": mean(points), "both": mean(both)}
    report("lookups given the table, exact", {"questions": len(asked), **figures})


def main() -> None:
    rows = lines("tatqa", "dev", "corpus.jsonl")
    given(rows)
    asked = [q for q in of_cells(rows) if not fitted(q["context"])]
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        agent.ingest(sources(rows))
        ids = {document.uri: document.id for document in agent.documents.list()}
        own, without, everywhere, spent = [], [], [], []
        for q in asked:
            filters = {"context": q["context"]}
            own.append(agent.ask(q["question"], filters=filters))
            start = time.perf_counter()
            everywhere.append(agent.ask(q["question"]))
            spent.append(1000 * (time.perf_counter() - start))
            for name in q["gold"]:
                agent.documents.disable(ids[name])
            without.append(agent.ask(q["question"], filters=filters))
            for name in q["gold"]:
                agent.documents.enable(ids[name])
    show("tatqa dev, own report", asked, own)
    show("tatqa dev, all reports", asked, everywhere)
    declined = mean(not answer.citations for answer in without)
    report("tatqa dev, own report without its table", {"declined": declined})
    report("tatqa dev, all reports", {"ask p50 ms": percentile(spent, 0.5)})


if __name__ == "__main__":
    main()
