"""Whether the process that made something still lives: a lock that the kernel lets go."""

from __future__ import annotations

import fcntl
import os
import uuid
from contextlib import suppress
from pathlib import Path

from cogagent.closing import Closing
from cogagent.errors import StorageError


class Alive(Closing):
    """A file that is locked while this process lives, whatever ends it.

    Args:
        folder: Where the file is; made if missing.

    Attributes:
        name: Of the file; no other has it.

    Raises:
        StorageError: If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.name = uuid.uuid4().hex[:12]
        self._path = folder / self.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._locked()
        except OSError as error:
            raise StorageError(f"cannot lock {self._path}: {error}.") from error

    def close(self) -> None:
        """Count as dead from now on."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _locked(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # somebody took it for that of a dead process


def is_alive(folder: Path, name: str) -> bool:
    """Whether the process lives that has an :class:`Alive` of this name.

    What a dead one left is removed.
    """
    path = folder / name
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what dead processes left in a folder."""
    with suppress(FileNotFoundError):
        for entry in folder.iterdir():
            is_alive(folder, entry.name)
