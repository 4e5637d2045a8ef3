"""The SQLite database of a home: connections, transactions, schema, errors."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from cogagent.errors import DiskFullError, HomeVersionError, StorageError

SCHEMA_VERSION = 5
_UPGRADES = {1: ["from_1.sql"], 2: ["runs.sql"], 3: ["tiles.sql"], 4: ["service.sql"]}
"""The scripts that bring a catalogue from one version to the next."""
_ALL = ["schema.sql", "runs.sql", "tiles.sql", "service.sql"]
"""Those that make a new one."""
_BUSY_SECONDS = 60.0


class Catalogue:
    """One SQLite file in WAL mode: many readers, one writer at a time.

    Each thread reads through a connection of its own; writes of this process
    queue on a lock, those of other processes on SQLite's.

    Raises:
        StorageError: If the file cannot be opened or is not a catalogue.
        HomeVersionError: If a newer version of this package wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._all: weakref.WeakSet[_Handle] = weakref.WeakSet()
        self._closed = False
        self._guard = threading.Lock()
        self._writing = threading.RLock()
        with translated(path):
            self._prepare()

    def reader(self) -> sqlite3.Connection:
        """This thread's connection; use it for reading only."""
        handle: _Handle | None = getattr(self._local, "handle", None)
        if handle is None:
            with self._guard:
                if self._closed:
                    raise StorageError(f"the catalogue {self.path} is closed.")
            with translated(self.path):
                handle = _Handle(self._connect())
            self._local.handle = handle
            with self._guard:
                self._all.add(handle)
        return handle.connection

    @contextmanager
    def transaction(self, *, lasting: bool = False) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed at the end, rolled back on any error.

        What is committed outlives the process; a loss of power may take the last commits.

        Args:
            lasting: This one, and all before it, outlive a loss of power too: the disk is
                waited for.

        Raises:
            DiskFullError: If there is no space; nothing was changed.
            StorageError: If the write fails otherwise.
        """
        with self._writing, translated(self.path):
            connection = self.reader()
            if lasting:  # within the transaction it would have no effect
                connection.execute("PRAGMA synchronous = FULL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                # A full disk may have rolled the transaction back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if lasting:
                    connection.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        """Close every connection; the catalogue cannot be used afterwards."""
        with self._guard:
            self._closed = True
            handles = list(self._all)
        for handle in handles:
            handle.connection.close()
        self._local = threading.local()

    def _connect(self) -> _Connection:
        connection: _Connection = sqlite3.connect(
            self.path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        connection.path = self.path
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is gone
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA mmap_size = 1073741824")
        return connection

    def _prepare(self) -> None:
        connection = self.reader()
        connection.execute("PRAGMA journal_mode = WAL")
        if self._version(connection) in (0, *_UPGRADES):
            with self.transaction():
                self._bring_up_to_date(connection)
        found = self._version(connection)
        if found != SCHEMA_VERSION:
            raise HomeVersionError(
                f"{self.path} has schema version {found}, this package reads {SCHEMA_VERSION}.",
                remedy="Use the version of cogagent that wrote it, or a new home.",
            )

    def _bring_up_to_date(self, connection: sqlite3.Connection) -> None:
        # Asked again under the lock: another process may have been faster.
        while (version := self._version(connection)) in (0, *_UPGRADES):
            if version == 0:
                scripts, reached = _ALL, SCHEMA_VERSION
            else:
                scripts, reached = _UPGRADES[version], version + 1
            for statement in _statements(scripts):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {reached}")

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(scripts: Sequence[str]) -> Iterator[str]:
    """The statements of scripts, given by file name; ``executescript`` would commit."""
    folder = resources.files(__package__)
    pending = ""
    for script in scripts:
        for line in folder.joinpath(script).read_text("utf-8").splitlines():
            pending += line + "\n"
            if sqlite3.complete_statement(pending):
                yield pending
                pending = ""


class _Connection(sqlite3.Connection):
    """A connection whose statements raise this package's errors."""

    path: Path

    def cursor(self, *_: Any) -> _Cursor:  # type: ignore[override]
        with translated(self.path):
            made = super().cursor(_Cursor)
        made.path = self.path
        return made

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        return self.cursor().executemany(*arguments)


class _Cursor(sqlite3.Cursor):
    """Likewise, also of what goes wrong only as rows are read."""

    path: Path

    def execute(self, *arguments: Any) -> _Cursor:
        with translated(self.path):
            super().execute(*arguments)
        return self

    def executemany(self, *arguments: Any) -> _Cursor:
        with translated(self.path):
            super().executemany(*arguments)
        return self

    def fetchone(self) -> Any:
        with translated(self.path):
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        with translated(self.path):
            return super().fetchall()

    def __next__(self) -> Any:
        with translated(self.path):
            return super().__next__()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        with translated(self.path):  # once for all rows
            yield from iter(super().fetchone, None)


class _Handle:
    """Closes a thread's connection when the thread ends and lets go of it."""

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors of SQLite as those of this package."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            raise DiskFullError(
                f"there is no space left for {path}; nothing was changed.",
                remedy="Free some space and run the same command again.",
            ) from error
        if "locked" in str(error):
            raise StorageError(
                f"another process has been writing to {path} for over {_BUSY_SECONDS:.0f} s.",
                remedy="Wait for it, then try again.",
            ) from error
        raise StorageError(
            f"the catalogue {path} cannot be used: {error}.",
            remedy="Run `cogagent doctor`.",
        ) from error
