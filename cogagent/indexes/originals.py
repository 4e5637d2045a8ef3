"""Copies of the ingested files, by content hash, so that pages can be shown later."""

from __future__ import annotations

import contextlib
import errno
import uuid
from collections.abc import Collection
from pathlib import Path

from cogagent.errors import DiskFullError, NotFoundError, StorageError



class Originals:
    """A folder of files named by the sha256 of their bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, content: str, data: bytes) -> None:
        """Keep ``data``; nothing happens if it is there.

        Raises:
            DiskFullError: If there is no space; nothing was changed.
            StorageError: If the folder cannot be written.
        """
        path = self._path(content)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            if path.exists():
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if error.errno == errno.ENOSPC:
                raise DiskFullError(
                    f"there is no space left for the copy {path}.",
                    remedy="Free some space, or set parse.keep_originals to false.",
                ) from error
            raise StorageError(f"cannot write {path}: {error}.") from error

    def fetch(self, content: str) -> bytes:
        """The bytes that were kept.

        Raises:
            NotFoundError: If they were not.
        """
        try:
            return self._path(content).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(
                "the home has no copy of this document.",
                remedy="Ingest it again with parse.keep_originals on.",
            ) from error

    def has(self, content: str) -> bool:
        """Whether the bytes are kept."""
        return self._path(content).exists()

    def prune(self, used: Collection[str]) -> None:
        """Remove the copies that are not among ``used``."""
        for path in self._folder.glob("??/*"):
            if path.name not in used:
                path.unlink(missing_ok=True)

    def _path(self, content: str) -> Path:
        return self._folder / content[:2] / content
