"""Answers from tables end to end: ``python -m benchmarks.bench_tables``.

TAT-QA dev's questions whose one answer is a cell of a table, or a word of its
header, from the reports whose tables the reader was not fitted on. Each is
asked in its own report, in its own report without the table, and over all
reports, where few questions say whose figures they mean.
"""

from __future__ import annotations

import hashlib
import html
import re
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.common import holds, lines, mean, percentile, report
from cogagent import Answer, CogAgent, Source


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


def main() -> None:
    rows = lines("tatqa", "dev", "corpus.jsonl")
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
