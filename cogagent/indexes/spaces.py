"""The vector indexes of a home: one a collection and embedder, kept true to the catalogue."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
from pathlib import Path

import numpy as np

from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.vectors import FaissIndex, Ids, Vectors

_FILE = re.compile(r"(?P<stem>\d+-[0-9a-f]{12})\.(?P<generation>\d+)\.faiss")


class Spaces:
    """Opens, follows and saves vector indexes.

    A file's name carries the generation of the collection it was written at.
    Ids are never reused, so an index of any age is brought up to date by its
    ids alone: missing ones are appended from the catalogue, surplus ones
    removed. Other processes' changes are followed the same way.
    """

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._open: dict[tuple[int, str], tuple[FaissIndex, int]] = {}
        self._lock = threading.Lock()

    def index(self, collection: int, space: str, dim: int) -> FaissIndex:
        """The index of one collection and space, up to date with the catalogue."""
        connection = self._catalogue.reader()
        with self._lock:
            index, seen = self._open.get((collection, space)) or self._load(collection, space, dim)
            current = generation(connection, collection)
            if seen != current:
                # Read before the rows, so that a change in between is caught next time.
                _follow(index, connection, collection, space)
            self._open[collection, space] = (index, current)
            return index

    def save(self, collection: int, space: str, dim: int) -> None:
        """Write the index to its file, once a batch.

        Raises:
            DiskFullError: If there is no space; the catalogue is not concerned.
        """
        index = self.index(collection, space, dim)
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            reached = self._open[collection, space][1]
            stem = _stem(collection, space)
            path = self._folder / f"{stem}.{reached}.faiss"
            if path.exists():
                return
            index.save(path)
            for other in self._files(stem):
                if other[0] < reached:
                    other[1].unlink(missing_ok=True)

    def forget(self, collection: int) -> None:
        """Drop a deleted collection's indexes and files."""
        with self._lock:
            for key in [key for key in self._open if key[0] == collection]:
                del self._open[key]
            for path in self._folder.glob(f"{collection}-*.faiss"):
                path.unlink(missing_ok=True)

    def _load(self, collection: int, space: str, dim: int) -> tuple[FaissIndex, int]:
        for saved, path in self._files(_stem(collection, space)):
            index = FaissIndex.load(path, dim)
            if index is not None:
                return index, saved
            path.unlink(missing_ok=True)
        return FaissIndex(dim), -1

    def _files(self, stem: str) -> list[tuple[int, Path]]:
        found = []
        for path in self._folder.glob(f"{stem}.*.faiss"):
            match = _FILE.fullmatch(path.name)
            if match:
                found.append((int(match["generation"]), path))
        return sorted(found, reverse=True)


def generation(connection: sqlite3.Connection, collection: int) -> int:
    """How often the collection has changed; -1 if it is gone."""
    row = connection.execute(
        "SELECT generation FROM collections WHERE id = ?", (collection,)
    ).fetchone()
    return -1 if row is None else int(row[0])


def _stem(collection: int, space: str) -> str:
    return f"{collection}-{hashlib.sha256(space.encode()).hexdigest()[:12]}"


def _follow(
    index: FaissIndex, connection: sqlite3.Connection, collection: int, space: str
) -> None:
    """Make the ids of ``index`` those of the catalogue."""
    where = (space, collection)
    rows = connection.execute(
        "SELECT chunk FROM vectors WHERE space = ? AND collection = ?", where
    )
    wanted = np.fromiter((row[0] for row in rows), np.int64)
    present = index.ids()
    index.remove(np.setdiff1d(present, wanted))
    missing = np.setdiff1d(wanted, present)
    for start in range(0, len(missing), 4096):
        part = missing[start : start + 4096]
        rows = connection.execute(
            "SELECT chunk, vector FROM vectors WHERE space = ? AND collection = ? "
            "AND chunk BETWEEN ? AND ?",
            (*where, int(part[0]), int(part[-1])),
        )
        found = dict(rows)
        # A vector may be gone since the ids were read: another process deleted it.
        ids: Ids = np.array([chunk for chunk in part.tolist() if chunk in found], np.int64)
        if len(ids):
            index.add(ids, unpack(b"".join(found[chunk] for chunk in ids.tolist()), index.dim))


def pack(vector: Vectors) -> bytes:
    """A vector as the catalogue keeps it: float16, little-endian."""
    return vector.astype("<f2").tobytes()


def unpack(data: bytes, dim: int) -> Vectors:
    """Vectors that :func:`pack` packed, joined; shape ``(n, dim)``."""
    return np.frombuffer(data, "<f2").reshape(-1, dim).astype(np.float32)
