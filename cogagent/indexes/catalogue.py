"""The SQLite database of a home: connections, transactions, schema, errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from cogagent.errors import DiskFullError, HomeVersionError, StorageError

SCHEMA_VERSION = 1
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
        self._all: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writing = threading.RLock()
        with _translated(path):
            self._prepare()

    def reader(self) -> sqlite3.Connection:
        """This thread's connection; use it for reading only."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            with _translated(self.path):
                connection = self._connect()
            self._local.connection = connection
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed at the end, rolled back on any error.

        Raises:
            DiskFullError: If there is no space; nothing was changed.
            StorageError: If the write fails otherwise.
        """
        with self._writing, _translated(self.path):
            connection = self.reader()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                # A full disk may have rolled the transaction back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close every connection; the catalogue cannot be used afterwards."""
        with self._guard:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA mmap_size = 1073741824")
        with self._guard:
            self._all.append(connection)
        return connection

    def _prepare(self) -> None:
        connection = self.reader()
        connection.execute("PRAGMA journal_mode = WAL")
        if self._version(connection) == 0:
            with self.transaction():
                # Another process may have won the race for the lock.
                if self._version(connection) == 0:
                    schema = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
                    for statement in _statements(schema):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        found = self._version(connection)
        if found != SCHEMA_VERSION:
            raise HomeVersionError(
                f"{self.path} has schema version {found}, this package reads {SCHEMA_VERSION}.",
                remedy="Use the version of cogagent that wrote it, or a new home.",
            )

    @staticmethod
    def _version(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; ``executescript`` would commit the open transaction."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def _translated(path: Path) -> Iterator[None]:
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
