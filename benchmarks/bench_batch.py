"""What a batch saves: ``python -m benchmarks.bench_batch [--questions N]``.

The first questions of squad_xquad dev are asked over its 240 paragraphs three
times: by one ``cogagent batch``, by a process each, and in a loop in one
process that has answered some already.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import lines, report
from cogagent import Answer, CogAgent, Source

SET = "squad_xquad_en"
WARM_UP = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    questions = asked(options.questions)
    fill(folder / "home")
    write_questions(folder / "questions.jsonl", questions)

    start = time.perf_counter()
    run(
        folder / "home", "batch", str(folder / "questions.jsonl"), "-o",
        str(folder / "answers.jsonl"), "--jobs", str(options.jobs),
    )  # fmt: skip
    batch_seconds = time.perf_counter() - start
    batch = [comparable(row["answer"]) for row in read(folder / "answers.jsonl")]

    with CogAgent(home=folder / "home") as agent:
        for question in questions[-WARM_UP:]:
            agent.ask(question)
        start = time.perf_counter()
        warm = [plain(agent.ask(question)) for question in questions]
        warm_seconds = time.perf_counter() - start

    start = time.perf_counter()
    single = [
        json.loads(run(folder / "home", "--json", "ask", question)) for question in questions
    ]
    single_seconds = time.perf_counter() - start

    report(
        f"{len(questions)} questions, 240 paragraphs",
        {
            "batch s": batch_seconds,
            "single processes s": single_seconds,
            "warm loop s": warm_seconds,
            "single / batch": single_seconds / batch_seconds,
            "warm loop / batch": warm_seconds / batch_seconds,
            "same as single": sum(map(equal, batch, single)),
            "same as warm loop": sum(map(equal, batch, warm)),
        },
    )


def asked(count: int) -> list[str]:
    """The first questions of the set."""
    return [row["question"] for row in lines(SET, "dev", "qa.jsonl")][:count]


def fill(home: Path) -> None:
    """Ingest the paragraphs."""
    with CogAgent(home=home) as agent:
        agent.ingest(
            [
                Source(
                    uri=row["_id"],
                    data=row["text"].encode(),
                    media_type="text/plain",
                    title=row.get("title") or None,
                )
                for row in lines(SET, "corpus.jsonl")
            ]
        )


def write_questions(path: Path, questions: list[str]) -> None:
    """A line for each, with an id and metadata."""
    rows = [
        {"id": f"q{number}", "question": question, "metadata": {"number": number}}
        for number, question in enumerate(questions)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file of answers; every line has to be whole."""
    data = path.read_bytes()
    assert data.endswith(b"\n"), "the last line is cut"
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def command(home: Path, *arguments: str) -> list[str]:
    """The command line of a process."""
    return [sys.executable, "-m", "cogagent.cli", "--home", str(home), *arguments]


def run(home: Path, *arguments: str) -> bytes:
    """What a process prints; the end of the program if it fails."""
    return subprocess.run(command(home, *arguments), check=True, stdout=subprocess.PIPE).stdout


def plain(answer: Answer) -> dict[str, Any]:
    """An answer as ``--json`` prints it."""
    return answer.model_dump(mode="json")


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs from run to run: its times."""
    steps = [{**step, "seconds": 0} for step in answer["steps"]]
    return {**answer, "steps": steps, "usage": {**answer["usage"], "seconds": 0}}


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers are the same but for their times."""
    return comparable(one) == comparable(other)


if __name__ == "__main__":
    main()
