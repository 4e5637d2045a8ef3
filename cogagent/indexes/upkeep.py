"""Giving a home new vectors: which chunks lack one, and when all are done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cogagent.indexes import rows, writing
from cogagent.indexes.spaces import pack
from cogagent.indexes.store import Store
from cogagent.indexes.vectors import Vectors
from cogagent.indexes.writing import Space
from cogagent.types import Chunk, PictureKind, TileVectors

_SELECT = (
    f"SELECT c.id, d.collection, d.id, {rows.LOOK}, {rows.CHUNK} FROM chunks c "
    "JOIN documents d ON d.id = c.document"
)


class Unembedded(NamedTuple):
    """A chunk that lacks a vector."""

    id: int
    collection: int
    document: str
    chunk: Chunk
    look: PictureKind | None = None
    """What kind of picture it was made from."""


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
        f"{_SELECT} "
        "WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.chunk = c.id AND v.space = ?) "
        f"AND {needs} ORDER BY c.id LIMIT ?",
        (space.name, limit),
    )
    return list(map(_unembedded, found))


def untiled(
    store: Store, made: str, kinds: Iterable[str], after: int, limit: int
) -> list[Unembedded]:
    """Pictures of some kinds whose parts have no vectors of a certain making, by id.

    Args:
        store: The home.
        made: How the parts are to be made: the setting ``parse.tiles``.
        kinds: Of pictures that have parts.
        after: The last id that was looked at; some pictures have no parts.
        limit: At most so many.
    """
    found = store.catalogue.reader().execute(
        f"{_SELECT} JOIN vectors v ON v.chunk = c.id AND v.space = ? "
        "WHERE c.id > ? AND NOT EXISTS (SELECT 1 FROM tiles t "
        "WHERE t.chunk = c.id AND t.space = v.space AND t.made = ?) "
        f"AND {rows.LOOK} IN (SELECT value FROM json_each(?)) ORDER BY c.id LIMIT ?",
        (store.image.name, after, made, json.dumps(sorted(kinds)), limit),
    )
    return list(map(_unembedded, found))


def add_tiles(store: Store, tiles: Iterable[tuple[Unembedded, TileVectors | None]]) -> None:
    """Give pictures the vectors of their parts, in place of those they have; ``None`` for none."""
    space = store.image
    with store.catalogue.transaction() as connection:
        for row, made in tiles:
            gone = connection.execute(
                "DELETE FROM tiles WHERE chunk = ? AND space = ?", (row.id, space.name)
            ).rowcount
            if made is not None:
                writing.add_tiles(connection, space, row.collection, row.id, made)
            if gone or made is not None:
                connection.execute(
                    "UPDATE collections SET generation = generation + 1 WHERE id = ?",
                    (row.collection,),
                )


def drop_tiles(store: Store) -> None:
    """Let no picture's parts have vectors."""
    with store.catalogue.transaction() as connection:
        if connection.execute("DELETE FROM tiles").rowcount:
            connection.execute("UPDATE collections SET generation = generation + 1")


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
        connection.executemany("DELETE FROM tiles WHERE chunk = ?", [(row.id,) for row in chunks])


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
        connection.execute("DELETE FROM tiles WHERE space <> ?", (store.image.name,))
        for kind, space in (("text", store.text), ("image", store.image)):
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (kind, space.name))
        connection.execute("UPDATE collections SET generation = generation + 1")
        return True


def _unembedded(row: Sequence[Any]) -> Unembedded:
    """A row that ``_SELECT`` gave."""
    return Unembedded(row[0], row[1], row[2], rows.chunk(row[4:]), row[3])
