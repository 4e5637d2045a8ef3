"""Jobs that answer batches: a file of questions into one of answers, resumed after a kill."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cogagent.api.jobs import questions
from cogagent.api.jobs.work import Work
from cogagent.api.quoting import documents_of_line
from cogagent.indexes.files import write_whole
from cogagent.indexes.job_claims import Outcome
from cogagent.indexes.job_rows import JobProgress, Task
from cogagent.types import BatchProgress, Problem

_LOOK_UP = 0.25
"""Seconds between two looks for orders."""
_SETTLE = 1.0
"""Seconds between two looks at which answers are there."""
_FULL = "Free some space, then retry the job."


class BatchRun:
    """One batch on its way.

    Args:
        work: The batch.
        folder: Of the job.
    """

    def __init__(self, work: Work, folder: Path) -> None:
        self._agent, self._claims, self._claim, self._caller, self._hold = work
        self._folder = folder

    def run(self) -> None:
        """Answer what is not answered yet, until the end or until told to stop.

        Raises:
            CogAgentError: If the home or a file fails; what was answered stays answered.
        """
        tasks = self._claims.tasks(self._claim)
        if not tasks:
            return
        asked, answers = self._folder / questions.QUESTIONS, self._folder / questions.ANSWERS
        if any(task.retried for task in tasks):
            self._again(tasks, asked, answers)
        else:
            self._answer(asked, answers, _Follower(answers, self._outcome, self._settle))

    def _again(self, tasks: Sequence[Task], asked: Path, answers: Path) -> None:
        """Answer some of the questions once more, and put the answers in place of the old."""
        numbers = [task.number for task in tasks]
        mark = hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:12]
        some, found = self._folder / f"again-{mark}.jsonl", self._folder / f"again-{mark}.answers"
        lines = asked.read_bytes().splitlines(keepends=True)
        write_whole(some, b"".join(lines[number - 1] for number in numbers), _FULL)
        if not self._answer(some, found, None):
            return
        merged = {line: answer for line, answer, _ in _answers(answers)} | {
            numbers[line - 1]: answer | {"line": numbers[line - 1]}
            for line, answer, _ in _answers(found)
        }
        text = "".join(f"{json.dumps(merged[n], ensure_ascii=False)}\n" for n in sorted(merged))
        write_whole(answers, text.encode(), _FULL)
        # Told after the answers are in place: a kill in between does this once more.
        self._settle([self._outcome(n, merged[n]) for n in numbers])
        for path in (some, found):
            path.unlink(missing_ok=True)

    def _answer(self, asked: Path, answers: Path, follower: _Follower | None) -> bool:
        """Answer a file into another; whether to its end."""
        return asyncio.run(self._answered(asked, answers, follower))

    async def _answered(self, asked: Path, answers: Path, follower: _Follower | None) -> bool:
        if follower is not None:
            await asyncio.to_thread(follower.follow)
        batch = asyncio.create_task(
            self._agent.abatch_file(
                asked,
                answers,
                self._claim.job.collection,
                self._claim.body["planner"],
                resume=True,
                on_progress=self._tell,
                strict=self._claim.body["strict"],
                principals=self._caller.seen_as,
                owner=self._caller.owner,
            )
        )
        looked = time.monotonic()
        while not (await asyncio.wait({batch}, timeout=_LOOK_UP))[0]:
            if self._hold.is_over():
                batch.cancel()
                await asyncio.wait({batch})
            elif follower is not None and time.monotonic() - looked > _SETTLE:
                looked = time.monotonic()
                await asyncio.to_thread(follower.follow)
        if follower is not None:
            await asyncio.to_thread(follower.follow)
        if batch.cancelled():
            return False
        batch.result()
        return True

    def _tell(self, progress: BatchProgress) -> None:
        self._hold.progress = JobProgress(
            stage="questions",
            done=progress.done,
            total=progress.total,
            seconds_left=progress.seconds_left,
        )

    def _outcome(self, number: int, line: Mapping[str, Any]) -> Outcome:
        """What became of a question."""
        if line["error"] is not None:
            return Outcome(number, Problem.model_validate(line["error"]))
        answer = line["answer"]
        error = None
        if answer["outcome"] == "failed":
            error = Problem(code="failed", message=answer["stop_reason"])
        return Outcome(number, error, documents_of_line(self._agent, answer))

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        if outcomes:
            self._claims.settle(self._claim, outcomes)
            self._hold.got_on = True


class _Follower:
    """Reads answers as they are appended to a file, and tells what became of the questions.

    Args:
        path: The file; it need not be there yet.
        outcome: What an answer comes to.
        settle: Is told.
    """

    def __init__(
        self,
        path: Path,
        outcome: Callable[[int, Mapping[str, Any]], Outcome],
        settle: Callable[[Sequence[Outcome]], None],
    ) -> None:
        self._path = path
        self._outcome = outcome
        self._settle = settle
        self._end = 0

    def follow(self) -> None:
        """Tell what was appended since the last time; a half-written line is left for the next."""
        outcomes = []
        for line, answer, end in _answers(self._path, self._end):
            outcomes.append(self._outcome(line, answer))
            self._end = end
        self._settle(outcomes)


def _answers(path: Path, start: int = 0) -> Iterator[tuple[int, dict[str, Any], int]]:
    """The whole lines of a file of answers: number of the question, answer, where it ends."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start += len(line)
                answer = json.loads(line)
                yield answer["line"], answer, start
    except FileNotFoundError:
        return
