"""A home: documents enter and leave in one transaction, and are searched by word and vector."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cogagent.documents.base import MEMBER
from cogagent.errors import (
    EmbedderMismatchError,
    ForbiddenError,
    InputError,
    NotFoundError,
    StorageError,
)
from cogagent.geometry import Box
from cogagent.indexes import rows
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.filters import Filters, Principals, Selection, select, visible
from cogagent.indexes.lexical import LexicalIndex
from cogagent.indexes.originals import Originals
from cogagent.indexes.runs import RunLog, forget_documents
from cogagent.indexes.spaces import TILES, Spaces, generation, unpack
from cogagent.indexes.vectors import FaissIndex, Ids, Vectors
from cogagent.indexes.writing import Entry, Sighting, Space, Writer, document_id
from cogagent.types import (
    Collection,
    Document,
    Element,
    Evidence,
    Failure,
    Words,
)

_SELECTIONS = 32
"""How many results of filters are remembered."""


class Known(NamedTuple):
    """What the catalogue holds of a uri."""

    id: str
    content: str
    recipe: str
    version: int


class Failed(NamedTuple):
    """A source that failed.

    Attributes:
        content: sha256 of its bytes if they would fail again, read in the same way.
        recipe: That way.
    """

    failure: Failure
    content: str | None = None
    recipe: str | None = None


class NearTile(NamedTuple):
    """A part of a picture that is near to what was searched for.

    Attributes:
        tile: Its id.
        cosine: Of the two.
    """

    tile: int
    cosine: float


class Store:
    """The catalogue, lexical index and vector indexes of one home directory.

    Args:
        home: The directory; made if missing.
        text: The space of the text embedder in use.
        image: The space of the picture embedder in use.
        adopt: Take the embedders as new ones instead of refusing a home that
            was built with others; ``reindex`` does.

    Raises:
        EmbedderMismatchError: If the home was built with other embedders.
        StorageError: If the home cannot be read or written.
    """

    def __init__(self, home: Path, *, text: Space, image: Space, adopt: bool = False) -> None:
        try:
            home.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise StorageError(
                f"cannot make the home {str(home)!r}: {error}.",
                remedy="Choose another with --home.",
            ) from error
        self.home = home
        self.text = text
        self.image = image
        self.catalogue = Catalogue(home / "catalogue.sqlite")
        self._spaces = Spaces(home / "indexes", self.catalogue)
        self._selections: dict[tuple[int, int, str], Selection | None] = {}
        self._guard = threading.Lock()
        self.originals = Originals(home / "originals")
        self.runs = RunLog(self.catalogue)
        if not adopt:
            self._check_spaces()

    def close(self) -> None:
        """Release the files; the store cannot be used afterwards."""
        self.catalogue.close()

    # --- collections -------------------------------------------------------

    def collections(self, principals: Principals | None = None) -> list[Collection]:
        """All collections by name, with how much each holds.

        Args:
            principals: In whose name documents are counted; ``None`` for all documents.
        """
        where, params = visible(principals)
        rows = self.catalogue.reader().execute(
            "SELECT c.name, count(d.id), coalesce(sum(d.pages), 0) FROM collections c "
            f"LEFT JOIN documents d ON d.collection = c.id AND {where} "
            "GROUP BY c.id ORDER BY c.name",
            params,
        )
        return [Collection(name=name, documents=count, pages=pages) for name, count, pages in rows]

    def has_collection(self, name: str) -> bool:
        """Whether there is a collection of that name."""
        return self._find_collection(name) is not None

    def create_collection(self, name: str) -> None:
        """Make a collection; nothing happens if it is there.

        Raises:
            InputError: If the name is empty, over 200 characters or has control characters.
        """
        if not name.strip() or len(name) > 200 or not name.isprintable():
            raise InputError(
                f"{name!r} cannot name a collection.",
                remedy="Use 1 to 200 printable characters.",
            )
        if self._find_collection(name) is None:
            with self.catalogue.transaction() as connection:
                connection.execute("INSERT OR IGNORE INTO collections (name) VALUES (?)", (name,))
                LexicalIndex(self.collection_id(name)).create(connection)

    def delete_collection(self, name: str, principals: Principals | None = None) -> None:
        """Delete a collection with all its documents.

        Args:
            name: Its name.
            principals: In whose name; ``None`` for everybody's.

        Raises:
            NotFoundError: If there is none of that name.
            ForbiddenError: If it holds what they may not see; nothing was deleted.
        """
        with self.catalogue.transaction() as connection:
            collection = self.collection_id(name)
            self._require_all_seen(connection, collection, name, principals)
            LexicalIndex(collection).drop(connection)
            rows_of = connection.execute(
                "SELECT id FROM documents WHERE collection = ?", (collection,)
            )
            forget_documents(connection, [document for (document,) in rows_of])
            connection.execute("DELETE FROM collections WHERE id = ?", (collection,))
        self._spaces.forget(collection)
        self.prune_originals()

    @staticmethod
    def _require_all_seen(
        connection: sqlite3.Connection, collection: int, name: str, principals: Principals | None
    ) -> None:
        where, params = visible(principals)
        hidden = connection.execute(
            f"SELECT 1 FROM documents d WHERE d.collection = ? AND NOT {where} LIMIT 1",
            (collection, *params),
        ).fetchone()
        if hidden is not None:
            raise ForbiddenError(
                f"the collection {name!r} holds documents that are not yours to delete.",
                remedy="Delete yours one by one, or ask somebody with the scope admin.",
            )

    def collection_id(self, name: str) -> int:
        """The catalogue's key of a collection.

        Raises:
            NotFoundError: If there is none of that name; the message lists those there are.
        """
        found = self._find_collection(name)
        if found is None:
            names = ", ".join(entry.name for entry in self.collections())
            raise NotFoundError(
                f"there is no collection {name!r} in {self.home}.",
                remedy=f"Collections there: {names}." if names else "Ingest something first.",
            )
        return found

    # --- documents ---------------------------------------------------------

    def known(self, collection: str, uri: str) -> Known | None:
        """What is stored of ``uri``, or ``None``."""
        row = (
            self.catalogue.reader()
            .execute(
                "SELECT d.id, d.content, d.recipe, d.version FROM documents d "
                "JOIN collections c ON c.id = d.collection WHERE c.name = ? AND d.uri = ?",
                (collection, uri),
            )
            .fetchone()
        )
        return Known(*row) if row else None

    def twin(self, content: str, recipe: str) -> str | None:
        """A document of any collection that was made from the same bytes in the same way."""
        row = (
            self.catalogue.reader()
            .execute(
                "SELECT id FROM documents WHERE content = ? AND recipe = ? LIMIT 1",
                (content, recipe),
            )
            .fetchone()
        )
        return row[0] if row else None

    def put(self, collection: str, entries: Sequence[Entry]) -> list[str]:
        """Add documents, each replacing the one of the same uri; all in one transaction.

        Returns:
            Their ids.

        Raises:
            DiskFullError: If there is no space; nothing was changed.
            NotFoundError: If there is no such collection.
        """
        ids = []
        with self._writer(collection) as (connection, key, writer):
            for entry in entries:
                if entry.data is not None:
                    self.originals.keep(entry.content, entry.data)
                ids.append(writer.insert(entry))
                connection.execute(
                    "DELETE FROM failures WHERE collection = ? AND uri = ?", (key, entry.uri)
                )
            self._claim(connection)
        return ids

    def see(self, collection: str, sightings: Sequence[Sighting]) -> int:
        """Put what was seen in the place of unseen elements; all in one transaction.

        What is no longer there, or was seen by another process meanwhile, is left out.

        Returns:
            How many chunks there are more than before.

        Raises:
            DiskFullError: If there is no space; nothing was changed.
            NotFoundError: If there is no such collection.
        """
        with self._writer(collection) as (_, _, writer):
            return sum(map(writer.see, sightings))

    def unseen(self, document: str) -> list[Element]:
        """The pages and pictures of a document that have not been looked at yet, in order."""
        found = self.catalogue.reader().execute(
            f"SELECT {rows.ELEMENT} FROM elements e WHERE e.document = ? AND e.unseen "
            "ORDER BY e.ord, e.id",
            (document,),
        )
        return list(map(rows.element, found))

    def delete(self, documents: Iterable[str]) -> None:
        """Delete documents by id, in one transaction.

        Raises:
            NotFoundError: If one is not there; nothing was deleted.
        """
        gone = list(documents)
        with self.catalogue.transaction() as connection:
            forget_documents(connection, gone)
            for document in gone:
                collection = self._collection_of(connection, document)
                Writer(connection, collection, self.text, self.image).remove(document)
                _touch(connection, collection)
        self.prune_originals()

    def seen(self, documents: Iterable[str], principals: Principals | None) -> set[str]:
        """Those of some documents, given by id, that are there and may be seen.

        Args:
            documents: Their ids.
            principals: In whose name; ``None`` for those of everybody.
        """
        where, bound = visible(principals)
        found = self.catalogue.reader().execute(
            "SELECT d.id FROM documents d "
            f"WHERE d.id IN (SELECT value FROM json_each(?)) AND {where}",
            (json.dumps(sorted(documents)), *bound),
        )
        return {document for (document,) in found}

    def set_enabled(self, document: str, enabled: bool) -> None:
        """Include a document in searches, or leave it out without forgetting it.

        Raises:
            NotFoundError: If it is not there.
        """
        with self.catalogue.transaction() as connection:
            collection = self._collection_of(connection, document)
            connection.execute(
                "UPDATE documents SET enabled = ? WHERE id = ?", (enabled, document)
            )
            _touch(connection, collection)

    def documents(
        self,
        collection: str,
        *,
        after: str = "",
        limit: int = -1,
        principals: Principals | None = None,
    ) -> list[Document]:
        """The documents of a collection by uri.

        Args:
            collection: Its name.
            after: Only those whose uris come after this.
            limit: How many; -1 for all.
            principals: In whose name; ``None`` for those of everybody.
        """
        key = self.collection_id(collection)
        where, params = visible(principals)
        return list(
            rows.documents(
                self.catalogue.reader(),
                f"d.collection = ? AND d.uri > ? AND {where}",
                (key, after, *params),
                limit,
            )
        )

    def document_id(self, collection: str, uri: str) -> str:
        """The id that a document has, or will have when it enters.

        Raises:
            NotFoundError: If there is no such collection.
        """
        known = self.known(collection, uri)
        if known is not None:
            return known.id
        home = self.catalogue.reader().execute("SELECT value FROM meta WHERE key = 'home'")
        return document_id(home.fetchone()[0], self.collection_id(collection), uri)

    def document(self, document: str, principals: Principals | None = None) -> Document:
        """One document by id.

        Args:
            document: Its id.
            principals: In whose name; ``None`` for anybody's.

        Raises:
            NotFoundError: If it is not there, or not theirs to see.
        """
        where, params = visible(principals)
        bound = (document, *params)
        for found in rows.documents(self.catalogue.reader(), f"d.id = ? AND {where}", bound):
            return found
        raise NotFoundError(
            f"there is no document {document!r}.", remedy="See `cogagent documents list`."
        )

    def documents_by_id(
        self, documents: Iterable[str], principals: Principals | None = None
    ) -> dict[str, Document]:
        """Those of some documents that are there and theirs to see, by id."""
        where, params = visible(principals)
        found = rows.documents(
            self.catalogue.reader(),
            f"d.id IN (SELECT value FROM json_each(?)) AND {where}",
            (json.dumps(list(documents)), *params),
        )
        return {document.id: document for document in found}

    def elements(self, document: str) -> Iterator[Element]:
        """What was found in a document, in reading order; only pictures bring their words."""
        found = self.catalogue.reader().execute(
            f"SELECT {rows.ELEMENT} FROM elements e WHERE e.document = ? ORDER BY e.ord, e.id",
            (document,),
        )
        yield from map(rows.element, found)

    def picture(self, document: str, page: int, box: Box) -> Element | None:
        """The picture that stands there, with all words that were read in it."""
        found = self.catalogue.reader().execute(
            f"SELECT {rows.ELEMENT} FROM elements e WHERE e.document = ? AND e.page = ? "
            "AND e.words IS NOT NULL ORDER BY e.ord, e.id",
            (document, page),
        )
        return next((one for one in map(rows.element, found) if one.box == box), None)

    def entry(self, document: str) -> Entry:
        """A stored document as it would enter again; vectors included."""
        found = self.document(document)
        connection = self.catalogue.reader()
        found_rows = connection.execute(
            f"SELECT c.id, c.parent, {rows.CHUNK} FROM chunks c "
            "WHERE c.document = ? ORDER BY c.ord, c.id",
            (document,),
        ).fetchall()
        recipe = connection.execute(
            "SELECT recipe FROM documents WHERE id = ?", (document,)
        ).fetchone()[0]
        vectors = {
            space: dict(
                connection.execute(
                    "SELECT v.chunk, v.vector FROM vectors v JOIN chunks c ON c.id = v.chunk "
                    "WHERE c.document = ? AND v.space = ?",
                    (document, space.name),
                )
            )
            for space in (self.text, self.image)
        }
        position = {row[0]: order for order, row in enumerate(found_rows)}
        tiles = rows.tiles(connection, self.image.name, self.image.dim, document)
        text = b"".join(vectors[self.text].get(key, b"") for key in position)
        return Entry(
            uri=found.uri,
            content=found.content,
            recipe=recipe,
            title=found.title,
            media_type=found.media_type,
            pages=found.pages,
            metadata=found.metadata,
            principals=found.principals,
            elements=list(self.elements(document)),
            chunks=[rows.chunk(row[2:], position[row[1]]) for row in found_rows],
            text_vectors=unpack(text, self.text.dim),
            image_vectors={
                position[key]: unpack(vector, self.image.dim)[0]
                for key, vector in vectors[self.image].items()
            },
            tiles={position[key]: made for key, made in tiles.items()},
        )

    def keep_original(self, content: str, data: bytes) -> None:
        """Keep a copy that was left out when its document entered."""
        if not self.originals.has(content):
            with self.catalogue.transaction():
                self.originals.keep(content, data)

    def prune_originals(self) -> None:
        """Remove the copies of documents that are gone.

        Copies are written and removed under the catalogue's write lock, so none
        is removed that another process is about to refer to.
        """
        with self.catalogue.transaction() as connection:
            rows = connection.execute("SELECT DISTINCT content FROM documents")
            self.originals.prune({row[0] for row in rows})

    # --- failures ----------------------------------------------------------

    def record_failures(self, collection: str, failures: Iterable[Failed]) -> None:
        """Keep why sources failed, until they are ingested."""
        key = self.collection_id(collection)
        with self.catalogue.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO failures (collection, uri, failure, content, recipe) "
                "VALUES (?, ?, ?, ?, ?)",
                [
                    (key, failed.failure.uri, failed.failure.model_dump_json(), failed.content,
                     failed.recipe)
                    for failed in failures
                ],
            )  # fmt: skip

    def forget_failures(self, collection: str, uris: Sequence[str]) -> None:
        """Forget why these sources failed: they did not, after all."""
        if uris:
            key = self.collection_id(collection)
            with self.catalogue.transaction() as connection:
                connection.executemany(
                    "DELETE FROM failures WHERE collection = ? AND uri = ?",
                    [(key, uri) for uri in uris],
                )

    def failed(self, content: str, recipe: str) -> Failure | None:
        """Why these bytes, read in this way, failed before; ``None`` if they did not."""
        row = (
            self.catalogue.reader()
            .execute(
                "SELECT failure FROM failures WHERE content = ? AND recipe = ? LIMIT 1",
                (content, recipe),
            )
            .fetchone()
        )
        return Failure.model_validate_json(row[0]) if row else None

    def failures(self, collection: str) -> list[Failure]:
        """The sources that could not be ingested, and why."""
        rows = self.catalogue.reader().execute(
            "SELECT failure FROM failures WHERE collection = ? ORDER BY uri",
            (self.collection_id(collection),),
        )
        return [Failure.model_validate_json(row[0]) for row in rows]

    def failed_files(self, collection: str) -> list[str]:
        """The files and folders that could not be ingested, or hold what could not be."""
        if self._find_collection(collection) is None:
            return []
        uris = (failure.uri.partition(MEMBER)[0] for failure in self.failures(collection))
        return list(dict.fromkeys(uri for uri in uris if Path(uri).is_absolute()))

    # --- search ------------------------------------------------------------

    def select(
        self,
        collection: str,
        filters: Filters | None,
        principals: Principals | None = None,
    ) -> Selection | None:
        """The chunks a search may return; ``None`` when that is all of them.

        Args:
            collection: Its name.
            filters: What they have to fulfil.
            principals: In whose name; ``None`` for anybody's.

        Raises:
            UnknownFieldError: If a filter names an unknown field.
        """
        key = self.collection_id(collection)
        connection = self.catalogue.reader()
        seen_as = None if principals is None else sorted(principals)
        asked = repr((sorted((filters or {}).items()), seen_as))
        wanted = (key, generation(connection, key), asked)
        with self._guard:
            if wanted in self._selections:
                return self._selections[wanted]
        found = select(connection, key, filters, principals)
        with self._guard:
            while len(self._selections) >= _SELECTIONS:
                self._selections.pop(next(iter(self._selections)))
            self._selections[wanted] = found
        return found

    def lexical(
        self, collection: str, terms: Sequence[str], k: int, selection: Selection | None
    ) -> tuple[Ids, Vectors]:
        """The chunks of the ``k`` best passages by their words; see :class:`LexicalIndex`."""
        index = LexicalIndex(self.collection_id(collection))
        return index.search(self.catalogue.reader(), terms, k, selection)

    def nearest(
        self, collection: str, space: Space, vector: Vectors, k: int, allowed: Ids | None
    ) -> tuple[Ids, Vectors]:
        """The ``k`` chunks whose vectors are nearest: ids and cosines, best first."""
        index = self._spaces.index(self.collection_id(collection), space.name, space.dim)
        return index.search(vector, k, allowed)

    def near_tiles(
        self, collection: str, vector: Vectors, k: int, allowed: Ids | None
    ) -> dict[int, NearTile]:
        """The pictures, by chunk id, that the ``k`` nearest parts of pictures belong to.

        Args:
            collection: Its name.
            vector: In the picture space.
            k: How many parts; a picture may have several of them, and comes with the nearest.
            allowed: The chunks that may be returned; ``None`` for all.
        """
        key = self.collection_id(collection)
        index = self._tiles(key)
        if not len(index):
            return {}
        owners = self._spaces.owners(key, self.image.name)
        among = None if allowed is None else owners.tiles[np.isin(owners.chunks, allowed)]
        tiles, cosines = index.search(vector, k, among)
        chunks = owners.of(tiles)
        _, best = np.unique(chunks, return_index=True)  # the first of each is the nearest
        return {
            int(chunks[at]): NearTile(int(tiles[at]), float(cosines[at]))
            for at in np.sort(best)
            if chunks[at]
        }

    def tile_boxes(self, tiles: Iterable[int]) -> dict[int, Box]:
        """Where parts of pictures are on their pages, by id; those that are gone are left out."""
        return rows.tile_boxes(self.catalogue.reader(), tiles)

    def evidence(self, ids: Sequence[int]) -> dict[int, Evidence]:
        """Chunks as evidence without score, by id; ids that are gone are left out."""
        return rows.evidence(self.catalogue.reader(), ids)

    def piece(self, evidence: str) -> Evidence:
        """A chunk by its id as evidence.

        Raises:
            NotFoundError: If it is none of this home, or gone.
        """
        key = _chunk(evidence)
        for found in self.evidence([key]).values() if key else ():
            return found
        raise NotFoundError(
            f"there is no evidence {evidence!r}.", remedy="Search again: its document may be new."
        )

    def table(self, evidence: str, longest: int) -> list[Evidence]:
        """The whole table that a piece of evidence is of, in order and without score.

        Args:
            evidence: Its id.
            longest: Characters of the longest table that is brought.

        Returns:
            Its pieces; none if it is longer, may go on in another table, or is gone.
        """
        key = _chunk(evidence)
        ids = rows.table(self.catalogue.reader(), key, longest) if key else []
        found = self.evidence(ids)
        return [found[key] for key in ids if key in found]

    def word_counts(self, ids: Iterable[int]) -> dict[int, int]:
        """How many words each of the chunks has on the page and in its caption, by id."""
        rows = self.catalogue.reader().execute(
            "SELECT id, length(words), caption FROM chunks "
            "WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(ids)),),
        )
        return {key: size // Words.NBYTES + len(caption.split()) for key, size, caption in rows}

    def size(self, collection: str, space: Space) -> int:
        """How many vectors a collection has in a space."""
        return len(self._spaces.index(self.collection_id(collection), space.name, space.dim))

    def save(self, collection: str) -> None:
        """Write the derived index files, once a batch.

        Raises:
            DiskFullError: If there is no space; the documents are safe all the same.
        """
        key = self.collection_id(collection)
        for space in (self.text, self.image):
            self._spaces.save(key, space.name, space.dim)
        if len(self._tiles(key)):
            self._spaces.save(key, TILES + self.image.name, self.image.dim)

    def _tiles(self, collection: int) -> FaissIndex:
        """The index of the parts of a collection's pictures."""
        return self._spaces.index(collection, TILES + self.image.name, self.image.dim)

    # --- embedders ---------------------------------------------------------

    def stale_spaces(self) -> list[str]:
        """Names of the spaces that the home was built with and that are not in use now."""
        kept = dict(self.catalogue.reader().execute("SELECT key, value FROM meta"))
        return [
            kept[_kind(space)]
            for space in (self.text, self.image)
            if kept.get(_kind(space), space.name) != space.name
        ]

    def _claim(self, connection: sqlite3.Connection) -> None:
        """Make an empty home that of the embedders in use; another's is refused."""
        for space in (self.text, self.image):
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES (?, ?)", (_kind(space), space.name)
            )
        self._check_spaces()

    def _check_spaces(self) -> None:
        stale = self.stale_spaces()
        if stale:
            raise EmbedderMismatchError(
                f"the home {self.home} was built with {', '.join(stale)}; "
                f"the settings ask for {self.text.name} and {self.image.name}.",
                remedy="Run `cogagent reindex`, or set the embedder back.",
            )

    # --- rows --------------------------------------------------------------

    @contextmanager
    def _writer(self, collection: str) -> Iterator[tuple[sqlite3.Connection, int, Writer]]:
        """A transaction that changes a collection's documents."""
        key = self.collection_id(collection)
        with self.catalogue.transaction() as connection:
            yield connection, key, Writer(connection, key, self.text, self.image)
            _touch(connection, key)

    def _find_collection(self, name: str) -> int | None:
        row = (
            self.catalogue.reader()
            .execute("SELECT id FROM collections WHERE name = ?", (name,))
            .fetchone()
        )
        return row[0] if row else None

    def _collection_of(self, connection: sqlite3.Connection, document: str) -> int:
        row = connection.execute(
            "SELECT collection FROM documents WHERE id = ?", (document,)
        ).fetchone()
        if row is None:
            raise NotFoundError(
                f"there is no document {document!r}.", remedy="See `cogagent documents list`."
            )
        return int(row[0])


def _chunk(evidence: str) -> int:
    """The key of the chunk that a piece of evidence is; 0 if it is none."""
    number = re.fullmatch(r"chunk-([0-9]{1,18})", evidence)
    return 0 if number is None else int(number[1])


def _kind(space: Space) -> str:
    return space.name.partition(":")[0]


def _touch(connection: sqlite3.Connection, collection: int) -> None:
    connection.execute(
        "UPDATE collections SET generation = generation + 1 WHERE id = ?", (collection,)
    )
