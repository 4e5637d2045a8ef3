"""Evaluation: many questions asked, each compared with what would have been right.

Items are read, asked and counted as they pass, so that there may be any number of
them; each leaves a line in a file, and figures come with confidence intervals.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import aclosing, closing, nullcontext
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from cogagent.errors import CogAgentError, InputError, ModelError
from cogagent.models.base import TextEmbedder
from cogagent.pipelines.batch import Executor, LoopExecutor, explained, problem
from cogagent.pipelines.batch_files import translated
from cogagent.pipelines.eval_items import TOOLS, EvalItem
from cogagent.pipelines.intervals import Confusion, Doubles, Figure, Means, draws
from cogagent.pipelines.line_files import LineFile, parsed
from cogagent.pipelines.mark_files import MarkFile
from cogagent.pipelines.marking import Mark, mark
from cogagent.types import Answer, Problem, Record

_LISTED = 20
"""Failures that a report lists."""
_MOST_GROUPS = 50
"""Groups that have figures of their own; what comes after them is counted with all alone."""
log = logging.getLogger(__name__)

Ask = Callable[[EvalItem], Awaitable[Answer]]


class Numbered(NamedTuple):
    """An item with its place, or what is wrong with what stands there."""

    line: int
    item: EvalItem | None
    error: Problem | None = None


class EvalFailure(Record):
    """An item that could not be asked, or whose run failed."""

    line: int
    id: str | int
    error: Problem


class EvalGroup(Record):
    """The figures of some of the items."""

    items: int
    outcomes: Mapping[str, int]
    figures: Mapping[str, Figure]
    """By name; each over the items that it applies to."""
    chosen: Mapping[str, Mapping[str, int]]
    """For each right tool, how often each was chosen, a step at a time."""


class EvalReport(Record):
    """What an evaluation found."""

    items: int
    """That were asked, those of an earlier run included."""
    kept: int = 0
    """From an earlier run."""
    malformed: int = 0
    """Lines that are no item."""
    failed: int = 0
    """Items whose run failed; their figures count as they are, mostly 0."""
    seconds: float
    all: EvalGroup
    groups: Mapping[str, EvalGroup]
    """By what ``metadata`` says, such as ``set=hotpot``."""
    failures: tuple[EvalFailure, ...] = ()
    """The first of them, malformed lines included."""


async def evaluate(
    ask: Ask,
    items: Iterable[Numbered],
    *,
    embedder: TextEmbedder | None = None,
    depth: int = 10,
    executor: Executor | None = None,
    on_mark: Callable[[Mark], None] | None = None,
    kept: Iterable[Mark | Numbered] = (),
) -> EvalReport:
    """Ask every item, compare what comes of it, and say how good it was.

    An item that fails costs nothing else. Leaving early cancels those under way.

    Args:
        ask: Answers one; what it raises that is a :class:`CogAgentError` is counted.
        items: See :func:`numbered` and :class:`Dataset`.
        embedder: Tells how near rewrites are in meaning; ``None`` leaves that out.
        depth: Distinct documents of the evidence among which the right ones count.
        executor: How many are asked at once; one at a time if ``None``.
        on_mark: Called for each item, in their order.
        kept: Marks of an earlier run and the malformed lines it met, which are counted.

    Raises:
        ModelError: If the embedder fails.
    """
    started, tally = time.monotonic(), _Tally()
    for before in kept:
        if isinstance(before, Mark):
            tally.add(before, kept=True)
        else:
            tally.refuse(before)

    async def one(numbered: Numbered) -> Mark | Numbered:
        if numbered.item is None:
            return numbered
        answer, error = await _asked(ask, numbered.item)
        return await asyncio.to_thread(
            mark, numbered.item, numbered.line, answer,
            embedder=embedder, depth=depth, error=error,
        )  # fmt: skip

    async with aclosing((executor or LoopExecutor(1)).map(one, items)) as marks:
        async for made in marks:
            if not isinstance(made, Mark):
                tally.refuse(made)
                continue
            tally.add(made)
            if on_mark is not None:
                on_mark(made)
    return tally.report(time.monotonic() - started)


async def evaluate_file(
    ask: Ask,
    dataset: str | Path,
    *,
    marks: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    made_with: str = "",
    embedder: TextEmbedder | None = None,
    depth: int = 10,
    jobs: int = 1,
    on_progress: Callable[[int, int | None, float, float | None], object] | None = None,
) -> EvalReport:
    """Evaluate with the items of a file; a malformed line costs that line.

    Args:
        ask: Answers one.
        dataset: An :class:`EvalItem` a line, JSON in UTF-8; pictures are paths beside it.
        marks: A :class:`Mark` a line is written here as soon as it and all before it are
            there; ``None`` for no such file.
        resume: Keep the marks that are there and go on behind them.
        overwrite: Forget what is there.
        made_with: How ``ask`` asks, such as the planner's name; marks that were made
            otherwise are not gone on with.
        embedder: As for :func:`evaluate`, like ``depth``.
        depth: See there.
        jobs: How many items are asked at once.
        on_progress: Called with how many are done, how many there are, how many are done
            a second and the seconds left, as far as that is known.

    Raises:
        InputError: If a file cannot be used as asked, or the marks are of other items.
        DiskFullError: If there is no space left; what was written stays.
        StorageError: If the marks cannot be written.
        ModelError: If the embedder fails.
    """
    if resume and overwrite:
        raise InputError("to resume is to keep the marks, to overwrite is to lose them.")
    if marks is None and (resume or overwrite):
        raise InputError("there is no file of marks to resume or overwrite.")
    source = Dataset(Path(dataset))
    started, total, done, asked = time.monotonic(), source.count(), 0, 0
    opened = (
        nullcontext(None)
        if marks is None
        else MarkFile(
            Path(marks), source.status, resume=resume, overwrite=overwrite, made_with=made_with
        )
    )

    def settle(made: Mark) -> None:
        nonlocal done, asked
        done, asked = done + 1, asked + 1
        if file is not None:
            file.append(made)
        if on_progress is not None:
            rate = asked / max(time.monotonic() - started, 1e-6)
            on_progress(done, total, rate, None if total is None else (total - done) / rate)

    def before() -> Iterator[Mark | Numbered]:
        nonlocal done
        for made in file.keep(items) if file is not None else ():
            done += isinstance(made, Mark)
            yield made

    with opened as file, closing(source.items()) as items:
        return await evaluate(
            ask,
            items,
            embedder=embedder,
            depth=depth,
            executor=LoopExecutor(jobs),
            on_mark=settle,
            kept=before(),
        )


def write_report(report: EvalReport, path: str | Path) -> None:
    """Write a report as JSON.

    Raises:
        DiskFullError: If there is no space left.
        StorageError: If the file cannot be written.
    """
    path = Path(path)
    with translated(path):
        path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")


def numbered(items: Iterable[EvalItem]) -> Iterator[Numbered]:
    """Items that are no file's, counted from 1."""
    for line, item in enumerate(items, 1):
        yield Numbered(line, item)


class Dataset(LineFile):
    """Items as JSON Lines in UTF-8; blank lines do not count.

    Args:
        path: The file.

    Raises:
        InputError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "items")

    def items(self) -> Generator[Numbered, None, None]:
        """The items, each read when it is asked for; a malformed line is an error.

        Ids are settled: that of an item without one is its line, and one that was there
        before is refused.
        """
        taken: set[str | int] = set()
        with closing(self.lines()) as lines:
            for number, line in lines:
                try:
                    item = self._item(number, line, taken)
                except InputError as error:
                    yield Numbered(number, None, problem(error))
                else:
                    yield Numbered(number, item)

    def _item(self, number: int, line: bytes | None, taken: set[str | int]) -> EvalItem:
        try:
            item = EvalItem.model_validate(dict(parsed(line)))
        except ValidationError as error:
            raise explained(error, EvalItem) from error
        key = f"#{number}" if item.id is None else item.id
        if key in taken:
            raise InputError(
                f"an earlier item has the id {key!r} already.",
                remedy="Give each item an id of its own, or none.",
            )
        taken.add(key)
        picture = None if item.picture is None else str(self.path.parent / item.picture)
        return item.model_copy(update={"id": key, "picture": picture})


async def _asked(ask: Ask, item: EvalItem) -> tuple[Answer, Problem | None]:
    """The answer, or as much of one as there is and why."""
    empty = Answer(question=item.question, outcome="failed", text="")
    try:
        return await ask(item), None
    except ModelError as error:
        found = error.answer if isinstance(error.answer, Answer) else empty
        return found, problem(error)
    except CogAgentError as error:
        return empty, problem(error)
    except Exception as error:
        log.exception("item %s of an evaluation failed", item.id)
        return empty, Problem(code="error", message=f"{type(error).__name__}: {error}")


class _Group:
    """Counts some of the items."""

    def __init__(self) -> None:
        self.items = 0
        self._outcomes: Counter[str] = Counter()
        self._means = Means()
        self._chosen = Confusion(TOOLS)

    def add(self, made: Mark, drawn: Doubles) -> None:
        self.items += 1
        self._outcomes[made.outcome] += 1
        self._means.add(made.figures, drawn)
        for step in made.steps:
            self._chosen.add(step.tool, step.chosen, drawn)

    def report(self) -> EvalGroup:
        macro = self._chosen.macro_f1()
        return EvalGroup(
            items=self.items,
            outcomes=dict(self._outcomes),
            figures=({"tool macro-F1": macro} if macro else {}) | self._means.figures(),
            chosen=self._chosen.table(),
        )


class _Tally:
    """Counts what became of the items, all together and by group."""

    def __init__(self) -> None:
        self._all = _Group()
        self._groups: dict[str, _Group] = {}
        self._kept = self._failed = self._malformed = 0
        self._failures: list[EvalFailure] = []

    def add(self, made: Mark, *, kept: bool = False) -> None:
        """Count one; ``kept`` if an earlier run had made it."""
        drawn = draws(made.line)
        self._all.add(made, drawn)
        for name in made.groups:
            if name in self._groups or len(self._groups) < _MOST_GROUPS:
                self._groups.setdefault(name, _Group()).add(made, drawn)
        self._kept += kept
        if made.error is not None:
            self._failed += 1
            self._list(EvalFailure(line=made.line, id=made.id, error=made.error))

    def refuse(self, line: Numbered) -> None:
        """Count a malformed line."""
        self._malformed += 1
        error = line.error or Problem(code="input", message="there is no item.")
        self._list(EvalFailure(line=line.line, id=f"#{line.line}", error=error))

    def report(self, seconds: float) -> EvalReport:
        """All that was counted."""
        return EvalReport(
            items=self._all.items,
            kept=self._kept,
            malformed=self._malformed,
            failed=self._failed,
            seconds=round(seconds, 3),
            all=self._all.report(),
            groups={name: group.report() for name, group in self._groups.items()},
            failures=tuple(self._failures),
        )

    def _list(self, failure: EvalFailure) -> None:
        if len(self._failures) < _LISTED:
            self._failures.append(failure)
