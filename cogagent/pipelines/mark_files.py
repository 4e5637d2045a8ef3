"""The marks of an evaluation in a file: appended a line at a time, taken up again after a kill."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pydantic import ValidationError

from cogagent.closing import Closing
from cogagent.errors import InputError
from cogagent.pipelines.batch_files import translated
from cogagent.pipelines.marking import Mark

if TYPE_CHECKING:
    from cogagent.pipelines.evaluate import Numbered

_MAX_MARK = 16_000_000
"""Bytes of a line that are read to see whether it is a mark."""
_START = b'{"id":'
"""What every line of marks starts with."""


class MarkFile(Closing):
    """Marks as JSON Lines. One process at a time has it; a kill leaves half a line at most.

    Args:
        path: The file; made if missing.
        dataset: The status of the file of items, which must be another.
        resume: Keep what it holds.
        overwrite: Forget what it holds.
        made_with: How the items are asked; marks that were made otherwise are refused.

    Raises:
        InputError: If it holds something and neither is said, another evaluation is
            writing to it, or it cannot be written.
    """

    def __init__(
        self,
        path: Path,
        dataset: os.stat_result,
        *,
        resume: bool,
        overwrite: bool,
        made_with: str = "",
    ) -> None:
        self._path = path
        self._made_with = made_with
        try:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        except (OSError, ValueError) as error:
            raise InputError(f"cannot write {str(path)!r}: {error}.") from error
        try:
            self._claim(dataset, resume=resume, overwrite=overwrite)
        except BaseException:
            self._file.close()
            raise

    def keep(self, items: Iterator[Numbered]) -> Iterator[Mark | Numbered]:
        """The marks that are there, and the malformed lines between their items.

        A half-written line at the end is cut off.

        Raises:
            InputError: If there are marks of other items, or lines that are none.
        """
        end = number = 0
        with translated(self._path):
            while (line := self._file.readline(_MAX_MARK)).endswith(b"\n"):
                number += 1
                made = self._mark(line, number)
                for one in items:
                    if one.item is not None:
                        break
                    yield one
                else:
                    self._refuse(number, "is of an item that is not there any more")
                if (one.item.id, one.item.question) != (made.id, made.question):
                    self._refuse(number, "is of another item")
                if made.made_with != self._made_with:
                    self._refuse(number, f"was made with {made.made_with or 'other settings'}")
                end += len(line)
                yield made
            # What is cut off must be ours: the start of a mark, or what a power cut left.
            if not (line.startswith(_START) or _START.startswith(line) or not line.strip(b"\0")):
                self._refuse(number + 1, "is no mark")
            self._file.truncate(end)
            self._file.seek(end)

    def append(self, made: Mark) -> None:
        """Write a line.

        Raises:
            DiskFullError: If there is no space; the lines before it stay.
            StorageError: If it cannot be written.
        """
        with translated(self._path):
            told = made.model_copy(update={"made_with": self._made_with})
            self._file.write(told.model_dump_json().encode() + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        with translated(self._path):
            self._file.close()

    def _claim(self, dataset: os.stat_result, *, resume: bool, overwrite: bool) -> None:
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{str(self._path)!r} is no regular file; marks go to one.")
        if os.path.samestat(status, dataset):
            raise InputError(
                "the marks would be written over the items.", remedy="Name another file."
            )
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"another evaluation is writing to {str(self._path)!r}, or it is on a disk "
                "that locks nothing.",
                remedy="Wait for it, or name another file on a local disk.",
            ) from error
        if overwrite:
            with translated(self._path):
                self._file.truncate(0)
        elif not resume and status.st_size:
            raise InputError(
                f"{str(self._path)!r} holds something already.",
                remedy="Go on where it ends with `resume`, start anew with `overwrite`, "
                "or name another file.",
            )

    def _mark(self, line: bytes, number: int) -> Mark:
        try:
            return Mark.model_validate_json(line)
        except ValidationError:
            self._refuse(number, "is no mark")

    def _refuse(self, number: int, reason: str) -> NoReturn:
        raise InputError(
            f"line {number} of {str(self._path)!r} {reason}.",
            remedy="Resume with the items it was made from, or write to another file.",
        )
