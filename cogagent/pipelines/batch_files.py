"""A batch from file to file: questions are read as they are needed, answers appended."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from cogagent.closing import Closing
from cogagent.errors import DiskFullError, InputError, StorageError
from cogagent.pipelines.batch import Asked, Batch, Intake, Item, Tally, problem
from cogagent.pipelines.line_files import LineFile, parsed
from cogagent.types import BatchAnswer, BatchProgress, BatchQuestion, BatchReport

_MAX_ANSWER = 256_000_000
"""Bytes of a line that are read to see whether it is an answer."""
_START = b'{"id":'
"""What every line of answers starts with."""
_SYNC_SECONDS = 1.0
"""The most work that a power cut costs."""


async def answer_file(
    batch: Batch,
    questions: Path,
    answers: Path,
    *,
    resume: bool,
    overwrite: bool,
    blocking: Callable[..., Awaitable[Any]],
    on_progress: Callable[[BatchProgress], None] | None,
) -> BatchReport:
    """Answer the questions of one file into another.

    Args:
        batch: Answers them.
        questions: JSON Lines, see :class:`QuestionFile`.
        answers: A line for each question, in their order, see :class:`AnswerFile`.
        resume: Go on where an earlier run was stopped.
        overwrite: Forget what ``answers`` holds.
        blocking: Runs a blocking call elsewhere.
        on_progress: Called for each question.

    Raises:
        InputError: If a file cannot be used as asked, or ``answers`` are those of
            other questions.
        DiskFullError: If there is no space left; what was written stays.
        StorageError: If ``answers`` cannot be written.
    """
    if resume and overwrite:
        raise InputError("to resume is to keep the answers, to overwrite is to lose them.")
    source = QuestionFile(questions)
    total = await blocking(source.count)
    with AnswerFile(answers, source, overwrite=overwrite, resume=resume) as file:
        tally = Tally(total)
        items = source.items()
        await blocking(file.keep, items, tally)
        tally.start()
        async with aclosing(batch.answers(items, tally, on_progress)) as settled:
            async for answer in settled:
                await blocking(file.append, answer)
    return tally.report()


class QuestionFile(LineFile):
    """Questions as JSON Lines in UTF-8; blank lines do not count.

    Args:
        path: The file; a pipe will do, which then can be read only once.

    Raises:
        InputError: If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "questions")

    def items(self) -> Iterator[Item]:
        """The questions, each read when it is asked for; a malformed line is an error."""
        intake, folder = Intake(), self.path.parent
        with closing(self.lines()) as lines:
            for number, line in lines:
                try:
                    item = parsed(line)
                except InputError as error:
                    yield BatchAnswer(id=None, line=number, error=problem(error))
                else:
                    yield _placed(intake.take(number, item), folder)


class AnswerFile(Closing):
    """The answers of one batch, appended a line at a time.

    One process at a time has it: the lock is the kernel's, and goes with the
    process. A kill leaves at most the last line half written.

    Args:
        path: The file; made if missing.
        questions: What is answered.
        resume: Keep what it holds.
        overwrite: Forget what it holds.

    Raises:
        InputError: If it holds something and neither is said, another batch is
            writing to it, or it is no file that can be written.
    """

    def __init__(
        self, path: Path, questions: QuestionFile, *, resume: bool, overwrite: bool
    ) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._closing = False
        self._lines = self._end = 0
        self._synced = time.monotonic()
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write {str(path)!r}: {error}.") from error
        try:
            self._claim(questions, resume, overwrite)
        except BaseException:
            os.close(self._descriptor)
            raise

    def keep(self, items: Iterator[Item], tally: Tally) -> None:
        """Pass over the questions that are answered, and cut off a half-written line.

        Args:
            items: The questions; those that are answered are taken from it.
            tally: Counts them.

        Raises:
            InputError: If there are answers to other questions, or lines that are none.
        """
        with self._guard, translated(self._path):
            if self._closing:
                return
            with os.fdopen(os.dup(self._descriptor), "rb") as file:
                line = b""
                while not self._closing and (line := file.readline(_MAX_ANSWER)).endswith(b"\n"):
                    kept = self._kept(line)
                    self._compare(kept, next(items, None))
                    tally.add(kept, kept=True)
                    self._lines += 1
                    self._end += len(line)
            # What is cut off must be ours: the start of an answer, or what a power cut left.
            if not (line.startswith(_START) or _START.startswith(line) or not line.strip(b"\0")):
                self._refuse("is no answer of a batch")
            if not self._closing:
                os.ftruncate(self._descriptor, self._end)

    def append(self, answer: BatchAnswer) -> None:
        """Write a line.

        Raises:
            DiskFullError: If there is no space; the lines before it stay.
            StorageError: If it cannot be written.
        """
        data = answer.model_dump_json().encode() + b"\n"
        with self._guard, translated(self._path):
            if self._closing:
                return
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(self._descriptor, data[written:], self._end + written)
            except OSError:
                with suppress(OSError):  # half a line does no harm: to resume cuts it off
                    os.ftruncate(self._descriptor, self._end)
                raise
            self._end += len(data)
            if time.monotonic() - self._synced >= _SYNC_SECONDS:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()

    def close(self) -> None:
        """Bring everything to the disk and let go of the file."""
        self._closing = True
        with self._guard, translated(self._path):
            try:
                os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)

    def _claim(self, questions: QuestionFile, resume: bool, overwrite: bool) -> None:
        """Lock the file and see that it may be written."""
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{str(self._path)!r} is no regular file; answers go to one.")
        if os.path.samestat(status, questions.status):
            raise InputError(
                "the answers would be written over the questions.", remedy="Name another file."
            )
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another batch is writing to {str(self._path)!r}.",
                remedy="Wait for it, or name another file.",
            ) from error
        except OSError as error:
            raise StorageError(
                f"cannot lock {str(self._path)!r}: {error}.", remedy="Use a local disk."
            ) from error
        if overwrite:
            with translated(self._path):
                os.ftruncate(self._descriptor, 0)
        elif not resume and os.fstat(self._descriptor).st_size:
            raise InputError(
                f"{str(self._path)!r} holds something already.",
                remedy="Go on where it ends with `resume`, start anew with `overwrite`, "
                "or name another file.",
            )

    def _kept(self, line: bytes) -> BatchAnswer:
        try:
            return BatchAnswer.model_validate_json(line)
        except ValidationError:
            self._refuse("is no answer of a batch")

    def _compare(self, kept: BatchAnswer, item: Item | None) -> None:
        """See that an answer is that of the question in its place."""
        if item is None:
            self._refuse(f"answers {_name(kept)}, which is not asked any more")
        asked = item.question if isinstance(item, Asked) else item
        if (asked.id, asked.question) != (kept.id, kept.question):
            self._refuse(f"answers {_name(kept)}, but asked in its place is {_name(asked)}")

    def _refuse(self, reason: str) -> NoReturn:
        raise InputError(
            f"line {self._lines + 1} of {str(self._path)!r} {reason}.",
            remedy="Resume with the questions it was made from, or write to another file.",
        )


def _placed(item: Item, folder: Path) -> Item:
    """The question with its pictures looked for beside the file."""
    if isinstance(item, BatchAnswer) or not item.question.images:
        return item
    images = tuple(
        str(folder / image) if isinstance(image, str) else image for image in item.question.images
    )
    return Asked(item.line, item.question.model_copy(update={"images": images}))


def _name(asked: BatchQuestion | BatchAnswer) -> str:
    text = asked.question or ""
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    return f"{asked.id!r} ({shown!r})" if asked.id is not None else "a malformed line"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of the disk as those of this package."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(
                f"there is no space left for {str(path)!r}; what was written so far stays.",
                remedy="Free some space and resume.",
            ) from error
        raise StorageError(f"cannot write {str(path)!r}: {error}.") from error
