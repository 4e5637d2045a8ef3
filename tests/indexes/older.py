"""Catalogues as earlier versions of this package left them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_UNDO = {
    4: """
        DROP TABLE idempotent; DROP TABLE audit; DROP TABLE keys;
        DROP TABLE job_events; DROP TABLE item_documents; DROP TABLE job_items; DROP TABLE jobs;
        DROP TABLE document_principals;
        CREATE TABLE old_turns (
            conversation TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL,
            body TEXT NOT NULL, PRIMARY KEY (conversation, number)
        ) WITHOUT ROWID;
        INSERT INTO old_turns SELECT conversation, number, at, body FROM turns;
        DROP TABLE turns;
        ALTER TABLE old_turns RENAME TO turns;
        DROP INDEX traces_owner; DROP INDEX traces_asked;
        ALTER TABLE traces DROP COLUMN asked;
        ALTER TABLE traces DROP COLUMN owner;
        ALTER TABLE documents DROP COLUMN added;
        DELETE FROM meta WHERE key = 'home';
    """,
    3: "DROP TABLE tiles;",
    2: "DROP TABLE turns; DROP TABLE trace_documents; DROP TABLE traces;",
}
"""What takes a catalogue back to a version, from the one after it."""


def make_older(path: Path, version: int) -> None:
    """Take a closed catalogue back to an earlier version."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for reached in sorted(_UNDO, reverse=True):
            if reached >= version:
                connection.executescript(_UNDO[reached])
        connection.execute(f"PRAGMA user_version = {version}")
