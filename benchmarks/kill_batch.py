"""Kill a batch at random moments: ``python -m benchmarks.kill_batch [--rounds N]``.

A round starts ``cogagent batch --resume`` as a process and kills it (SIGKILL)
after a random time, a few times over, then lets it end. Its answers have to be
those of an uninterrupted run: the same ids in the same order, none missing,
none twice, each answer equal but for its times. Exits with 1 if one is not.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.bench_batch import asked, command, comparable, fill, read, run, write_questions
from benchmarks.common import report

MOST_KILLS = 4
"""In one round."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp())
    questions = folder / "questions.jsonl"
    fill(folder / "home")
    write_questions(questions, asked(options.questions))
    start = time.perf_counter()
    run(folder / "home", "batch", str(questions), "-o", str(folder / "whole.jsonl"))
    longest = time.perf_counter() - start
    whole = read(folder / "whole.jsonl")

    seen: Counter[str] = Counter()
    wrong = 0
    for number in range(options.rounds):
        answers = folder / f"{number}.jsonl"
        arguments = ("batch", str(questions), "-o", str(answers), "--resume")
        for _ in range(chance.randint(1, MOST_KILLS)):
            seen[
                killed_after(chance.uniform(0, longest), folder / "home", arguments, answers)
            ] += 1
        run(folder / "home", *arguments)
        wrong += differs(whole, read(answers), number)
        answers.unlink()
    report(
        f"{options.rounds} rounds of {len(whole)} questions",
        {
            "kills": sum(seen.values()) - seen["too late"],
            "before the first answer": seen["no answer"],
            "between two lines": seen["whole lines"],
            "within a line": seen["half a line"],
            "rounds with other answers": wrong,
        },
    )
    if wrong:
        sys.exit(1)


def killed_after(seconds: float, home: Path, arguments: tuple[str, ...], answers: Path) -> str:
    """Kill a process after that time; in what state the answers are."""
    with subprocess.Popen(command(home, *arguments), stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        else:
            return "too late"
    left = answers.read_bytes() if answers.exists() else b""
    if not left:
        return "no answer"
    return "whole lines" if left.endswith(b"\n") else "half a line"


def differs(whole: list[dict[str, object]], pieces: list[dict[str, object]], number: int) -> bool:
    """Whether the answers of a round are not those of the uninterrupted run; says how."""
    ids, expected = [row["id"] for row in pieces], [row["id"] for row in whole]
    if ids != expected:
        print(f"round {number}: ids differ: {ids}")
        return True
    other = [
        row["id"]
        for row, one in zip(pieces, whole, strict=True)
        if {**row, "answer": comparable(row["answer"])}
        != {**one, "answer": comparable(one["answer"])}
    ]
    if other:
        print(f"round {number}: other answers to {other}")
    return bool(other)


if __name__ == "__main__":
    main()
