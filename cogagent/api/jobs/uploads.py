"""Uploaded files, streamed to the disk and kept until the job that needs them is over."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn

from cogagent.api.jobs.alive import Alive, is_alive, sweep
from cogagent.closing import Closing
from cogagent.errors import DiskFullError, LimitExceededError, StorageError

_PIECE = 1 << 20
_MIB = 1 << 20
_NAME = re.compile(r"(?P<sha256>[0-9a-f]{64})-(?P<maker>[0-9a-f]{12})-[0-9a-f]{8}")
_HALF = re.compile(r"(?P<maker>[0-9a-f]{12})-[0-9a-f]{8}\.tmp")
_GRACE = 6 * 3600.0
"""Seconds that a file may lie before it is submitted, while the process lives that took it."""
_MAKERS = ".makers"


class Spooled(NamedTuple):
    """A file that was uploaded.

    Attributes:
        name: Of the file in the folder: its hash, and a mark that makes it this upload's own.
        sha256: Of its bytes, in hex.
        size: In bytes.
    """

    name: str
    sha256: str
    size: int


class Uploads:
    """The folder of the files that were uploaded for jobs.

    Each upload has a file of its own, so that one job's end takes no other's away.

    Args:
        folder: Made when first needed.
        most_mb: Size of a file, MiB.
    """

    def __init__(self, folder: Path, most_mb: int) -> None:
        self._folder = folder
        self._most_mb = most_mb
        self._guard = threading.Lock()
        self._maker: Alive | None = None

    def receive(self, file: BinaryIO) -> Spooled:
        """Take a file from its current position to its end; raises what writing it does."""
        with self.begin() as writing:
            while piece := file.read(_PIECE):
                writing.write(piece)
            return writing.finish()

    def begin(self) -> Writing:
        """Start on a file that comes in pieces; a context that leaves nothing half done."""
        with self._guard:
            self._maker = self._maker or Alive(self._folder / _MAKERS)
        return Writing(self._folder, self._maker.name, self._most_mb)

    def path(self, name: str) -> Path:
        """Where a file is.

        Raises:
            StorageError: If that is no name of an upload.
        """
        if _NAME.fullmatch(name) is None:
            raise StorageError(f"{name!r} names no uploaded file.")
        return self._folder / name

    def names(self) -> set[str]:
        """All that are there."""
        with contextlib.suppress(FileNotFoundError):
            return {entry.name for entry in self._folder.iterdir() if _NAME.fullmatch(entry.name)}
        return set()

    def discard(self, *names: str) -> None:
        """Remove files that nobody needs; those that are gone do not matter."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def prune(self, needed: Callable[[Collection[str]], Mapping[str, bool]]) -> int:
        """Remove what no job needs: of jobs that are over, and leftovers of crashes.

        Args:
            needed: Tells of names whether a job needs the file; leaves out those of no job.

        Returns:
            How many files were removed.
        """
        left = {
            entry.name: entry
            for entry in (self._folder.iterdir() if self._folder.is_dir() else ())
            if _NAME.fullmatch(entry.name) or _HALF.fullmatch(entry.name)
        }
        known = needed(left) if left else {}
        gone = [
            entry
            for name, entry in left.items()
            if (not known[name] if name in known else self._is_over(entry))
        ]
        for entry in gone:
            entry.unlink(missing_ok=True)
        sweep(self._folder / _MAKERS)
        return len(gone)

    def close(self) -> None:
        """What was taken and not submitted may be removed from now on."""
        with self._guard:
            if self._maker is not None:
                self._maker.close()
            self._maker = None

    def _is_over(self, entry: Path) -> bool:
        """Whether nobody can be about to submit a file."""
        found = _NAME.fullmatch(entry.name) or _HALF.fullmatch(entry.name)
        assert found is not None
        try:
            age = time.time() - entry.stat().st_mtime
        except FileNotFoundError:
            return False
        return age > _GRACE or not is_alive(self._folder / _MAKERS, found["maker"])


class Writing(Closing):
    """A file on its way to the disk.

    Args:
        folder: Where it goes.
        maker: Name of this process.
        most_mb: Its most size, MiB.
    """

    def __init__(self, folder: Path, maker: str, most_mb: int) -> None:
        self._mark = f"{maker}-{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self._half = folder / f"{self._mark}.tmp"
        self._most_mb = most_mb
        self._hash = hashlib.sha256()
        self._size = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._half.open("xb", buffering=0)
        except OSError as error:
            self._fail(error)

    def write(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            LimitExceededError: If the file is too large.
            DiskFullError: If there is no space.
            StorageError: If it cannot be written otherwise.
        """
        self._size += len(data)
        if self._size > self._most_mb * _MIB:
            raise LimitExceededError(
                f"the file is larger than {self._most_mb} MiB.",
                stage="read",
                remedy="Raise the setting limits.file_mb to take it.",
            )
        self._hash.update(data)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._fail(error)

    def finish(self) -> Spooled:
        """Bring it to the disk for good, and under its name."""
        sha256 = self._hash.hexdigest()
        name = f"{sha256}-{self._mark}"
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            self._half.rename(self._folder / name)
            _sync(self._folder)
        except OSError as error:
            self._fail(error)
        return Spooled(name, sha256, self._size)

    def close(self) -> None:
        """Leave nothing half done; what is finished stays."""
        self._file.close()
        self._half.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> NoReturn:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(
                "there is no space left for the upload.", remedy="Free some space, send it again."
            ) from error
        raise StorageError(f"the upload cannot be written: {error}.") from error


def _sync(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
