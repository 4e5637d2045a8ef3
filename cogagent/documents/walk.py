"""From what a user names to the files to ingest."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cogagent.documents.base import label
from cogagent.types import Failure, Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def walk(source: Source, home: Path | None = None) -> Iterator[Source | Failure]:
    """The files that a source stands for: itself, or all files in its folder.

    Folders are entered to the bottom, names in order. Hidden files and folders
    are left out unless named themselves; a folder reached twice, by links, is
    entered once. What cannot be read is a failure in its place, not an error.

    Args:
        source: Without ``data`` and ``path``, ``uri`` is a path. Files in a folder take
            over its metadata and principals, not its title.
        home: A folder that is left out: where what is read is kept.
    """
    if source.data is None and source.path is None and _is_folder(source.uri):
        entered = set()
        if home is not None and _is_folder(str(home)):
            status = os.stat(home)  # noqa: PTH116 - as below
            entered.add((status.st_dev, status.st_ino))
        yield from _folder(source, source.uri, entered)
    else:
        yield _named(source)  # a missing file is found out, and reported, by who reads it


def _folder(source: Source, top: str, entered: set[tuple[int, int]]) -> Iterator[Source | Failure]:
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            status = os.stat(path)  # noqa: PTH116 - a path may be no valid string
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                found = sorted(
                    (entry for entry in entries if not entry.name.startswith(".")),
                    key=lambda entry: entry.name,
                )
        except OSError as error:
            yield _failure(path, error)
            continue
        folders = []
        for entry in found:
            if _is_folder(entry.path):
                folders.append(entry.path)
            else:
                yield from _file(source, entry)
        waiting.extend(reversed(folders))


def _file(source: Source, entry: os.DirEntry[str]) -> Iterator[Source | Failure]:
    # Sockets, pipes and devices are no documents; a link to nothing should have been one.
    try:
        if not stat.S_ISREG(os.stat(entry.path).st_mode):  # noqa: PTH116 - as above
            return
    except FileNotFoundError:
        pass
    except OSError as error:
        yield _failure(entry.path, error)
        return
    yield _named(Source(uri=entry.path, metadata=source.metadata, principals=source.principals))


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - as above
    except (OSError, ValueError):
        return False  # whoever reads it finds out why


def _named(source: Source) -> Source | Failure:
    """The source, if its name is text that can be stored."""
    try:
        source.uri.encode()
    except UnicodeEncodeError as error:
        return _failure(source.uri, error)
    return source


def _failure(path: str, error: OSError | UnicodeEncodeError) -> Failure:
    # A name that is no valid text cannot be stored or printed; show it escaped.
    try:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        shown = ascii(path)[1:-1]
    if isinstance(error, UnicodeEncodeError):
        reason, remedy = "its name is not valid UTF-8", "Rename it."
    else:
        reason = error.strerror or str(error)
        remedy = "Check that it is there and may be read."
    return Failure(
        uri=shown,
        error=f"{label(shown)} cannot be read: {reason}.",
        stage="read",
        code="unreadable",
        remedy=remedy,
    )
