"""The vector indexes of a home: one a collection and embedder, kept true to the catalogue."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.vectors import FaissIndex, Ids, Vectors

TILES = "tiles of "
"""With which the names begin of indexes of parts of pictures; the space's name follows."""

_ABANDONED = 600.0
"""Seconds after which nobody writes a file any more."""
_FILE = re.compile(r"(?P<stem>\d+-[0-9a-f]{12})\.(?P<generation>\d+)\.faiss")


class Owners(NamedTuple):
    """To which chunks the parts of pictures belong; arrays of one length.

    Attributes:
        tiles: Ids of parts, ascending.
        chunks: The chunk of each.
    """

    tiles: Ids
    chunks: Ids

    def of(self, tiles: Ids) -> Ids:
        """The chunks of these parts; 0, which none has, of a part that is gone."""
        at = np.searchsorted(self.tiles, tiles)
        known = at < len(self.tiles)
        known[known] = self.tiles[at[known]] == tiles[known]
        chunks = np.zeros(len(tiles), np.int64)
        chunks[known] = self.chunks[at[known]]
        return chunks


_NO_OWNERS = Owners(np.zeros(0, np.int64), np.zeros(0, np.int64))


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
        self._owners: dict[tuple[int, str], tuple[Owners, int]] = {}
        self._lock = threading.Lock()

    def index(self, collection: int, space: str, dim: int) -> FaissIndex:
        """The index of one collection and space, up to date with the catalogue.

        Args:
            collection: Its key in the catalogue.
            space: Its name; after :data:`TILES`, the index of the parts of its pictures,
                whose ids are those of the table ``tiles`` and not of chunks.
            dim: Width of the vectors.
        """
        connection = self._catalogue.reader()
        with self._lock:
            index, seen = self._open.get((collection, space)) or self._load(collection, space, dim)
            current = generation(connection, collection)
            if seen != current:
                # Read before the rows, so that a change in between is caught next time.
                _follow(index, connection, collection, space)
            self._open[collection, space] = (index, current)
            return index

    def owners(self, collection: int, space: str) -> Owners:
        """To which chunks the parts of pictures belong, up to date with the catalogue.

        Args:
            collection: Its key in the catalogue.
            space: Its name, as in the table ``tiles``.
        """
        connection = self._catalogue.reader()
        current = generation(connection, collection)
        with self._lock:
            found, seen = self._owners.get((collection, space), (_NO_OWNERS, -1))
            if seen != current:
                rows = connection.execute(
                    "SELECT id, chunk FROM tiles WHERE space = ? AND collection = ?",
                    (space, collection),
                )
                pairs = np.array(rows.fetchall(), np.int64).reshape(-1, 2)
                found = Owners(*pairs[np.argsort(pairs[:, 0])].T)
                self._owners[collection, space] = (found, current)
            return found

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
            self._sweep(stem)

    def forget(self, collection: int) -> None:
        """Drop a deleted collection's indexes and files."""
        with self._lock:
            for kept in (self._open, self._owners):
                for key in [key for key in kept if key[0] == collection]:
                    kept.pop(key)
            for path in self._folder.glob(f"{collection}-*.faiss"):
                path.unlink(missing_ok=True)

    def _load(self, collection: int, space: str, dim: int) -> tuple[FaissIndex, int]:
        for saved, path in self._files(_stem(collection, space)):
            index = FaissIndex.load(path, dim)
            if index is not None:
                return index, saved
            path.unlink(missing_ok=True)
        return FaissIndex(dim), -1

    def _sweep(self, stem: str) -> None:
        """Remove what writes left that were killed; younger ones may be under way."""
        for path in self._folder.glob(f"{stem}.*.tmp"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

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
    table, key = ("tiles", "id") if space.startswith(TILES) else ("vectors", "chunk")
    where = (space.removeprefix(TILES), collection)
    rows = connection.execute(
        f"SELECT {key} FROM {table} WHERE space = ? AND collection = ?", where
    )
    wanted = np.fromiter((row[0] for row in rows), np.int64)
    present = index.ids()
    index.remove(np.setdiff1d(present, wanted))
    missing = np.setdiff1d(wanted, present)
    for start in range(0, len(missing), 4096):
        part = missing[start : start + 4096]
        rows = connection.execute(
            f"SELECT {key}, vector FROM {table} WHERE space = ? AND collection = ? "
            f"AND {key} BETWEEN ? AND ?",
            (*where, int(part[0]), int(part[-1])),
        )
        found = dict(rows)
        # A vector may be gone since the ids were read: another process deleted it.
        ids: Ids = np.array([row for row in part.tolist() if row in found], np.int64)
        if len(ids):
            index.add(ids, unpack(b"".join(found[row] for row in ids.tolist()), index.dim))


def pack(vector: Vectors) -> bytes:
    """A vector as the catalogue keeps it: float16, little-endian."""
    return vector.astype("<f2").tobytes()


def unpack(data: bytes, dim: int) -> Vectors:
    """Vectors that :func:`pack` packed, joined; shape ``(n, dim)``."""
    return np.frombuffer(data, "<f2").reshape(-1, dim).astype(np.float32)
