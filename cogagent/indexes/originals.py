"""Copies of the ingested files, by content hash, so that pages can be shown later."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from cogagent.errors import NotFoundError
from cogagent.indexes.files import write_whole


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
        if not path.exists():
            remedy = "Free some space, or set parse.keep_originals to false."
            write_whole(path, data, remedy)

    def fetch(self, content: str) -> bytes:
        """The bytes that were kept.

        Raises:
            NotFoundError: If they were not.
        """
        with self.open(content) as file:
            return file.read()

    def open(self, content: str) -> BinaryIO:
        """The file of the bytes that were kept; the caller closes it.

        Raises:
            NotFoundError: If they were not.
        """
        try:
            return self._path(content).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(
                "the home has no copy of this document.",
                remedy="Ingest it again with parse.keep_originals on.",
            ) from error

    def size(self, content: str) -> int | None:
        """How many bytes they are; ``None`` if they are not kept."""
        try:
            return self._path(content).stat().st_size
        except FileNotFoundError:
            return None

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
