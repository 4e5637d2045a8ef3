"""Files that are there wholly or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from pathlib import Path
from typing import Any

from cogagent.errors import DiskFullError, StorageError


def write_whole(path: Path, data: Any, remedy: str) -> None:
    """Write ``data`` to ``path`` in one step: a reader sees the old file or the new.

    Args:
        path: Its folder is made if missing.
        data: Bytes, or anything that is like them.
        remedy: Advice for a full disk.

    Raises:
        DiskFullError: If there is no space; the old file stays.
        StorageError: If the folder cannot be written; the old file stays.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if error.errno == errno.ENOSPC:
            raise DiskFullError(f"there is no space left for {path}.", remedy=remedy) from error
        raise StorageError(f"cannot write {path}: {error}.") from error
