"""Giving a home new vectors: which chunks lack one, and when all are done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cogagent.indexes import rows
from cogagent.indexes.spaces import pack
from cogagent.indexes.store import Store
from cogagent.indexes.vectors import Vectors
from cogagent.indexes.writing import Space
from cogagent.types import Chunk


class Unembedded(NamedTuple):
    """A chunk that lacks a vector."""

    id: int
    collection: int
    document: str
    chunk: Chunk


def unembedded(store: Store, space: Space, limit: int) -> list[Unembedded]:
    """Chunks that have no vector in ``space`` yet and need one.

    A chunk needs a picture vector if it has one in another picture space.
    """
    needs = (
        "TRUE"
        if space == store.text
        else "EXISTS (SELECT 1 FROM vectors o WHERE o.chunk = c.id AND o.space LIKE 'image:%')"
    )
    found = store.catalogue.reader().execute(
        f"SELECT c.id, d.collection, d.id, {rows.CHUNK} FROM chunks c "
        "JOIN documents d ON d.id = c.document "
        "WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.chunk = c.id AND v.space = ?) "
        f"AND {needs} ORDER BY c.id LIMIT ?",
        (space.name, limit),
    )
    return [Unembedded(row[0], row[1], row[2], rows.chunk(row[3:])) for row in found]


def add_vectors(store: Store, space: Space, vectors: Iterable[tuple[Unembedded, Vectors]]) -> None:
    """Give chunks their vectors in a space; chunks that are gone are left out."""
    with store.catalogue.transaction() as connection:
        connection.executemany(
            "INSERT OR REPLACE INTO vectors (space, collection, chunk, vector) "
            "SELECT ?, ?, id, ? FROM chunks WHERE id = ?",
            [(space.name, row.collection, pack(vector), row.id) for row, vector in vectors],
        )


def drop_pictures(store: Store, chunks: Iterable[Unembedded]) -> None:
    """Let these chunks be without picture vectors: their pictures cannot be had."""
    with store.catalogue.transaction() as connection:
        connection.executemany(
            "DELETE FROM vectors WHERE chunk = ? AND space LIKE 'image:%'",
            [(row.id,) for row in chunks],
        )


def settle(store: Store) -> bool:
    """Make the embedders in use the home's, if every chunk has its vectors.

    Returns:
        Whether it was done; if not, there are chunks to embed first.
    """
    with store.catalogue.transaction() as connection:
        if unembedded(store, store.text, 1) or unembedded(store, store.image, 1):
            return False
        connection.execute(
            "DELETE FROM vectors WHERE space NOT IN (?, ?)", (store.text.name, store.image.name)
        )
        for kind, space in (("text", store.text), ("image", store.image)):
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (kind, space.name))
        connection.execute("UPDATE collections SET generation = generation + 1")
        return True
