"""How documents are written to the catalogue; always inside the caller's transaction."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from cogagent.indexes.lexical import LexicalIndex
from cogagent.indexes.spaces import pack
from cogagent.indexes.vectors import Vectors
from cogagent.types import Chunk, Element, TileVectors

_ADD_ELEMENT = (
    "INSERT INTO elements (document, ord, kind, page, body, words, unseen) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class Space(NamedTuple):
    """A vector space: which embedder, for which kind of thing."""

    name: str
    """``text:`` or ``image:`` and the embedder's name."""
    dim: int


@dataclass(slots=True)
class Entry:
    """Everything about one document, ready to enter a home.

    Attributes:
        text_vectors: Shape ``(len(chunks), dim)``.
        image_vectors: By position in ``chunks``.
        tiles: Those of parts of pictures, by position in ``chunks``.
        data: The bytes, to keep a copy of; ``None`` to keep none.
        principals: Who may see it; none: everybody.
    """

    uri: str
    content: str
    recipe: str
    title: str
    media_type: str
    pages: int
    metadata: Mapping[str, object]
    elements: Sequence[Element]
    chunks: Sequence[Chunk]
    text_vectors: Vectors
    image_vectors: Mapping[int, Vectors] = field(default_factory=dict)
    tiles: Mapping[int, TileVectors] = field(default_factory=dict)
    data: bytes | None = None
    principals: Sequence[str] = ()


@dataclass(slots=True)
class Sighting:
    """What was seen in one element of a stored document that was stored unseen.

    Attributes:
        order: The element's.
        elements: The element as it is now, then the texts that were read in it.
        chunks: Made of ``elements``; they take the place of the unseen element's.
        text_vectors: Shape ``(len(chunks), dim)``.
        image_vectors: By position in ``chunks``.
        tiles: Those of parts of pictures, by position in ``chunks``.
    """

    document: str
    order: int
    elements: Sequence[Element]
    chunks: Sequence[Chunk]
    text_vectors: Vectors
    image_vectors: Mapping[int, Vectors] = field(default_factory=dict)
    tiles: Mapping[int, TileVectors] = field(default_factory=dict)


_PREFIX = "doc-"
"""With which the ids of stored documents begin."""


def document_id(home: str, collection: int, uri: str) -> str:
    """The id that a document of a collection has, or will have when it enters.

    Args:
        home: What the home calls itself: ids of several homes have nothing in common.
        collection: Its key; one that is made again under the same name has another.
        uri: The document's.
    """
    named = json.dumps([home, collection, uri]).encode()
    return f"{_PREFIX}{hashlib.sha256(named).hexdigest()[:16]}"


def is_own(document: str) -> bool:
    """Whether a document's id is of the home's own making."""
    return document.startswith(_PREFIX)


class Writer:
    """Writes documents of one collection through one connection.

    Args:
        connection: In a transaction.
        collection: The collection's key in the catalogue.
        text: The space of the text vectors.
        image: The space of the picture vectors.
    """

    def __init__(
        self, connection: sqlite3.Connection, collection: int, text: Space, image: Space
    ) -> None:
        self._connection = connection
        self._collection = collection
        self._text, self._image = text, image
        self._lexical = LexicalIndex(collection)

    def insert(self, entry: Entry) -> str:
        """Add a document, in place of the one of the same uri; its id."""
        old = self._connection.execute(
            "SELECT id, version, enabled FROM documents WHERE collection = ? AND uri = ?",
            (self._collection, entry.uri),
        ).fetchone()
        document, version, enabled = old or (self._new_id(entry.uri), 0, 1)
        if old:
            self.remove(document)
        self._connection.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document, self._collection, entry.uri, entry.content, entry.recipe, entry.title,
                entry.media_type, entry.pages, json.dumps(dict(entry.metadata)), version + 1,
                enabled, datetime.now(UTC).isoformat(timespec="milliseconds"),
            ),
        )  # fmt: skip
        self._connection.executemany(
            "INSERT INTO document_principals VALUES (?, ?)",
            [(document, principal) for principal in dict.fromkeys(entry.principals)],
        )
        self._add_elements(document, entry.elements)
        self._add_chunks(document, range(len(entry.chunks)), entry)
        return str(document)

    def _new_id(self, uri: str) -> str:
        home = self._connection.execute("SELECT value FROM meta WHERE key = 'home'").fetchone()[0]
        return document_id(home, self._collection, uri)

    def remove(self, document: str) -> None:
        """Take a document out."""
        self._lexical.remove(self._connection, self._chunks("document = ?", document))
        self._connection.execute("DELETE FROM documents WHERE id = ?", (document,))

    def see(self, sighting: Sighting) -> int:
        """Put what was seen in the place of an element, if that is there and still unseen.

        Returns:
            How many chunks there are more than before.
        """
        place = (sighting.document, sighting.order)
        row = self._connection.execute(
            "SELECT id FROM elements WHERE document = ? AND ord = ? AND unseen", place
        ).fetchone()
        if row is None:
            return 0
        first, *texts = sighting.elements
        self._connection.execute(
            "UPDATE elements SET body = ?, words = ?, unseen = 0 WHERE id = ?",
            (*_packed(first), row[0]),
        )
        self._add_elements(sighting.document, texts)
        old = self._chunks("document = ? AND element = ?", *place)
        at = self._position(sighting.document, sighting.order)
        self._lexical.remove(self._connection, old)
        self._connection.executemany(
            "DELETE FROM chunks WHERE id = ?", [(chunk,) for chunk in old]
        )
        self._add_chunks(sighting.document, [at] * len(sighting.chunks), sighting)
        return len(sighting.chunks) - len(old)

    def _add_elements(self, document: str, elements: Iterable[Element]) -> None:
        rows = (
            (document, item.order, item.kind, item.page, *_packed(item), item.unseen)
            for item in elements
        )
        self._connection.executemany(_ADD_ELEMENT, rows)

    def _add_chunks(self, document: str, orders: Sequence[int], made: Entry | Sighting) -> None:
        ids: list[int] = []
        for position, (order, chunk) in enumerate(zip(orders, made.chunks, strict=True)):
            row = self._connection.execute(
                "INSERT INTO chunks (document, ord, kind, page, x0, y0, x1, y1, text, context, "
                "caption, words, element) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "RETURNING id",
                (
                    document, order, chunk.kind, chunk.page, *chunk.box, chunk.text,
                    chunk.context, chunk.caption, chunk.words.to_bytes(), chunk.element,
                ),
            ).fetchone()[0]  # fmt: skip
            ids.append(row)
            self._connection.execute(
                "UPDATE chunks SET parent = ? WHERE id = ?",
                (row if chunk.parent is None else ids[chunk.parent], row),
            )
            vectors = [(self._text.name, made.text_vectors[position])]
            if position in made.image_vectors:
                vectors.append((self._image.name, made.image_vectors[position]))
            self._connection.executemany(
                "INSERT INTO vectors (space, collection, chunk, vector) VALUES (?, ?, ?, ?)",
                [(space, self._collection, row, pack(vector)) for space, vector in vectors],
            )
            if position in made.tiles:
                tiles = made.tiles[position]
                add_tiles(self._connection, self._image, self._collection, row, tiles)
        self._lexical.add(self._connection, ids)

    def _chunks(self, where: str, *params: object) -> list[int]:
        rows = self._connection.execute(f"SELECT id FROM chunks WHERE {where}", params)
        return [row[0] for row in rows]

    def _position(self, document: str, order: int) -> int:
        """The ``ord`` of the chunk that an element's chunks stand at, or after."""
        row = self._connection.execute(
            "SELECT max(ord) FROM chunks WHERE document = ? AND element <= ?", (document, order)
        ).fetchone()
        return int(row[0] or 0)


def add_tiles(
    connection: sqlite3.Connection, space: Space, collection: int, chunk: int, tiles: TileVectors
) -> None:
    """Give a picture's chunk the vectors of its parts; nothing happens if it is gone."""
    connection.executemany(
        "INSERT INTO tiles (space, collection, chunk, made, x0, y0, x1, y1, vector) "
        "SELECT ?, ?, id, ?, ?, ?, ?, ?, ? FROM chunks WHERE id = ?",
        [
            (space.name, collection, tiles.made, *box, pack(vector), chunk)
            for box, vector in zip(tiles.boxes.tolist(), tiles.vectors, strict=True)
        ],
    )


def _packed(element: Element) -> tuple[str, bytes | None]:
    """An element's columns ``body`` and ``words``; chunks keep the words of texts and tables."""
    words = element.words if element.kind in ("figure", "image") else None
    return element.model_dump_json(), words.to_bytes() if words is not None else None
