"""The lexical index: passages by their words, stemmed, in FTS5.

Each collection has a table of its own, so that its word statistics are its own
and tell nothing of another's. A row is a passage, which may be several chunks;
its id is that of the first.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cogagent.indexes.filters import Selection
from cogagent.indexes.vectors import Ids, Vectors
from cogagent.types import MetaValue

CONTEXT_WEIGHT = 2.0
"""BM25 weight of a passage's context (title, headings) against its text."""


_AHEAD = 10
"""Passages that are ranked for each that is wanted, where only some may be returned."""


class LexicalIndex:
    """The table of one collection; every call takes the connection to use.

    Args:
        collection: The collection's key in the catalogue.
    """

    def __init__(self, collection: int) -> None:
        self._table = f"fts_{int(collection)}"

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the table; nothing happens if it is there."""
        connection.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {self._table} USING fts5(text, context, "
            "content='', tokenize='porter unicode61 remove_diacritics 2')"
        )

    def drop(self, connection: sqlite3.Connection) -> None:
        """Remove the table."""
        connection.execute(f"DROP TABLE IF EXISTS {self._table}")

    def add(self, connection: sqlite3.Connection, chunks: Sequence[int]) -> None:
        """Index whole passages, by the ids of their chunks, which are in the catalogue."""
        connection.executemany(
            f"INSERT INTO {self._table} (rowid, text, context) VALUES (?, ?, ?)",
            _passages(connection, chunks),
        )

    def remove(self, connection: sqlite3.Connection, chunks: Sequence[int]) -> None:
        """Take whole passages out while their chunks are still in the catalogue."""
        # A contentless FTS5 table is told the old values to delete a row.
        connection.executemany(
            f"INSERT INTO {self._table} ({self._table}, rowid, text, context) "
            "VALUES ('delete', ?, ?, ?)",
            _passages(connection, chunks),
        )

    def search(
        self,
        connection: sqlite3.Connection,
        terms: Sequence[str],
        k: int,
        selection: Selection | None,
    ) -> tuple[Ids, Vectors]:
        """The chunks of the ``k`` best passages by BM25, best first.

        Args:
            connection: To the catalogue.
            terms: Words or phrases, any of which may match; taken literally.
            k: How many passages.
            selection: The chunks that may be returned; ``None`` for all.

        Returns:
            Ids of chunks, and the scores of their passages.
        """
        quoted = ['"' + term.replace('"', '""').replace("\0", " ") + '"' for term in terms]
        if not quoted:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        match = " OR ".join(quoted)
        if selection is None:
            found = self._ranked(connection, match, k)
            return _ids_and_scores(found)
        # The best of all, sifted here, nearly always hold the best of the selected, and
        # are found several times as fast as by a search that joins the selection.
        found = self._ranked(connection, match, _AHEAD * k)
        whole = len(np.unique(found[:, 2])) < _AHEAD * k
        found = found[np.isin(found[:, 0], selection.ids)]
        _, first = np.unique(found[:, 2], return_index=True)
        if not whole and len(first) < k:
            found = self._ranked(connection, match, k, selection)
            found = found[np.isin(found[:, 0], selection.ids)]
        elif len(first) > k:
            kept = found[np.sort(first)[:k], 2]
            found = found[np.isin(found[:, 2], kept)]
        return _ids_and_scores(found)

    def _ranked(
        self,
        connection: sqlite3.Connection,
        match: str,
        k: int,
        selection: Selection | None = None,
    ) -> NDArray[np.float64]:
        """Chunk, score and passage of the ``k`` best passages, shape ``(n, 3)``."""
        params: tuple[MetaValue, ...] = (match,)
        within = ""
        if selection is not None:
            # The plus keeps SQLite from looking each row up in the full-text index.
            within = f"AND +rowid IN (SELECT parent FROM chunks WHERE id IN ({selection.sql}))"
            params += selection.params
        rows = connection.execute(
            f"WITH passages AS (SELECT rowid AS id, -rank AS score FROM {self._table} "
            f"WHERE {self._table} MATCH ? AND rank MATCH 'bm25(1.0, {CONTEXT_WEIGHT})' {within} "
            "ORDER BY rank LIMIT ?) "
            "SELECT c.id, p.score, p.id FROM passages p JOIN chunks c ON c.parent = p.id "
            "ORDER BY p.score DESC, p.id, c.id",
            (*params, k),
        ).fetchall()
        return np.array(rows, np.float64).reshape(-1, 3)


def _ids_and_scores(found: NDArray[np.float64]) -> tuple[Ids, Vectors]:
    return found[:, 0].astype(np.int64), found[:, 1].astype(np.float32)


def _passages(connection: sqlite3.Connection, chunks: Sequence[int]) -> list[tuple[int, str, str]]:
    """The rows for these chunks: parent, text and context of each passage."""
    rows = connection.execute(
        "SELECT parent, text, context FROM chunks "
        "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY ord, id",
        (json.dumps(list(chunks)),),
    )
    passages: dict[int, tuple[list[str], dict[str, None]]] = {}
    for parent, text, context in rows:
        texts, contexts = passages.setdefault(parent, ([], {}))
        texts.append(text)
        contexts[context] = None
    return [
        (parent, "\n".join(texts), "\n".join(contexts))
        for parent, (texts, contexts) in passages.items()
    ]
