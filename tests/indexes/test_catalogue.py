"""Transactions that last, and errors of SQLite, wherever they come up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cogagent.errors import StorageError
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.job_rows import rows
from cogagent.indexes.jobs import JobQueue, NewItem, NewJob
from cogagent.indexes.keys import KeyRing

NORMAL, FULL = 1, 2


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue(tmp_path / "catalogue.sqlite")
    yield opened
    opened.close()


def level(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA synchronous").fetchone()[0])


def test_what_is_to_last_waits_for_the_disk(catalogue: Catalogue) -> None:
    with catalogue.transaction() as connection:
        assert level(connection) == NORMAL
    with catalogue.transaction(lasting=True) as connection:
        assert level(connection) == FULL
    assert level(catalogue.reader()) == NORMAL


def test_also_after_an_error_the_next_does_not(catalogue: Catalogue) -> None:
    with pytest.raises(ZeroDivisionError), catalogue.transaction(lasting=True):
        raise ZeroDivisionError
    assert level(catalogue.reader()) == NORMAL


def test_jobs_and_keys_last(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    transaction = Catalogue.transaction

    def watched(self: Catalogue, *, lasting: bool = False) -> Any:
        asked.append(lasting)
        return transaction(self, lasting=lasting)

    monkeypatch.setattr(Catalogue, "transaction", watched)
    JobQueue(catalogue, 10, 1000).submit(NewJob("batch", "", "{}", "dams", [NewItem("#1")], {}))
    ring = KeyRing(catalogue)
    ring.revoke(ring.create("bot")[0].id)
    assert asked == [True, True, True]


def failing_late(connection: sqlite3.Connection) -> sqlite3.Cursor:
    """A statement that fails only at its second row."""
    return connection.execute("SELECT json(value) FROM json_each(?) ORDER BY key", ('["1", "{"]',))


@pytest.mark.parametrize(
    "use",
    [
        lambda c: rows(c, "SELECT * FROM nowhere", ()),
        lambda c: c.executemany("INSERT INTO nowhere VALUES (?)", [(1,)]),
        lambda c: c.cursor().execute("SELECT"),
        lambda c: failing_late(c).fetchall(),
        lambda c: [*failing_late(c)],
        lambda c: [cursor := failing_late(c), cursor.fetchone(), cursor.fetchone()],
        lambda c: [cursor := failing_late(c), next(cursor), next(cursor)],
    ],
)
def test_errors_are_those_of_this_package(
    catalogue: Catalogue, use: Callable[[sqlite3.Connection], object]
) -> None:
    with pytest.raises(StorageError):
        use(catalogue.reader())


def test_rows_come_as_ever(catalogue: Catalogue) -> None:
    cursor = catalogue.reader().execute("SELECT value FROM json_each('[1, 2, 3]')")
    assert next(cursor) == (1,)
    assert list(cursor) == [(2,), (3,)]
    assert next(cursor, None) is None
    assert dict(catalogue.reader().execute("SELECT 1, 2")) == {1: 2}
