"""From bytes to what the store takes: elements and chunks that only lack vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from cogagent.config import Settings
from cogagent.documents.base import UPLOAD
from cogagent.documents.chunking import chunk
from cogagent.documents.pool import ParserPool
from cogagent.documents.reading import LoadedSource
from cogagent.indexes.store import Known, Store
from cogagent.indexes.writing import Entry, Sighting
from cogagent.models.base import TextEmbedder, Vectors
from cogagent.types import Chunk, Element, Source, TileVectors

Made = TypeVar("Made")

PARSE_VERSION = 3
"""Raised when parsing or cutting changes, so that a home's documents are read anew."""


@dataclass(slots=True)
class Draft:
    """A document, or what was seen in one of its pictures, that only lacks text vectors."""

    made: Entry | Sighting
    known: Mapping[str, Vectors] = field(default_factory=dict)
    """Vectors of texts that an earlier version, or an equal document, has."""
    source: Source | None = None
    """What a document was read from."""

    @property
    def size(self) -> int:
        """Bytes that it holds in memory, about."""
        return 0 if self.source is None else len(self.source.data or b"")


class Drafter:
    """Makes drafts; safe to use from any thread.

    Args:
        store: Knows what is there already.
        parsers: Read the files.
        embedder: Counts tokens.
        settings: How documents are read and cut.
    """

    def __init__(
        self, store: Store, parsers: ParserPool, embedder: TextEmbedder, settings: Settings
    ) -> None:
        self._store = store
        self._parsers = parsers
        self._embedder = embedder
        self._settings = settings

    def recipe(self, loaded: LoadedSource) -> str:
        """All that decides what becomes of the bytes: other settings read them anew."""
        parse = self._settings.parse
        return (
            f"{PARSE_VERSION} {loaded.source.media_type or loaded.media_type} "
            f"tokens={self._settings.chunks.tokens} ocr={parse.ocr}@{parse.ocr_dpi} "
            f"pictures@{parse.picture_dpi} tiles={parse.tiles}"
        )

    def parse(self, loaded: LoadedSource, heard: Callable[[Element], None]) -> list[Element]:
        """The elements of a document, numbered; ``heard`` is called with each as it comes.

        Raises:
            DocumentError: A subclass that says what is wrong with it.
        """
        elements = []
        with closing(self._parsers.parse(loaded.source)) as parsed:
            for order, element in enumerate(parsed):
                heard(element)
                elements.append(element.model_copy(update={"order": order}))
        return elements

    def document(
        self,
        source: Source,
        loaded: LoadedSource,
        elements: Sequence[Element],
        known: Known | None,
    ) -> Draft:
        """A document from its elements; those that are unseen go in as they are.

        Args:
            source: As it was given.
            loaded: Its bytes.
            elements: Numbered in order.
            known: The version that it replaces, whose vectors serve again.
        """
        title = _title(source, elements)
        contexts: dict[int, str] = {}
        chunks = self._chunks(elements, heading(title, source.uri), contexts)
        entry = Entry(
            uri=source.uri,
            content=loaded.sha256,
            recipe=self.recipe(loaded),
            title=title,
            media_type=loaded.media_type,
            pages=max((element.page for element in elements), default=1),
            metadata=source.metadata,
            principals=source.principals,
            elements=[
                item.model_copy(update={"context": contexts[item.order]}) if item.unseen else item
                for item in elements
            ],
            chunks=chunks,
            text_vectors=self._no_vectors(),
            image_vectors=_of_pictures(chunks, _vectors(elements)),
            tiles=_of_pictures(chunks, _tiles(elements)),
            data=self.kept(loaded),
        )
        return Draft(entry, self._earlier(known), source)

    def sighting(self, document: str, unseen: Element, seen: Sequence[Element]) -> Draft:
        """What was seen in an element of a stored document."""
        chunks = [
            piece.model_copy(update={"element": unseen.order})
            for piece in self._chunks(seen, unseen.context)
        ]
        made = Sighting(
            document=document,
            order=unseen.order,
            elements=seen,
            chunks=chunks,
            text_vectors=self._no_vectors(),
            image_vectors=_of_pictures(chunks, _vectors(seen)),
            tiles=_of_pictures(chunks, _tiles(seen)),
        )
        return Draft(made)

    def copy(self, source: Source, loaded: LoadedSource, twin: str) -> Draft:
        """The same bytes under another name: nothing is parsed or seen again."""
        entry = self._store.entry(twin)
        known = dict(zip(map(Chunk.embedded_text, entry.chunks), entry.text_vectors, strict=True))
        title = _title(source, entry.elements)  # not the other's, which may be a secret
        old, new = heading(entry.title, entry.uri), heading(title, source.uri)
        entry.chunks = [_retitled(piece, old, new) for piece in entry.chunks]
        entry.uri, entry.title, entry.metadata = source.uri, title, source.metadata
        entry.principals = source.principals
        entry.data = self.kept(loaded)
        return Draft(entry, known, source)

    def kept(self, loaded: LoadedSource) -> bytes | None:
        """The bytes, if the settings ask for a copy of them."""
        return loaded.source.data if self._settings.parse.keep_originals else None

    def _chunks(
        self,
        elements: Iterable[Element],
        title: str,
        contexts: dict[int, str] | None = None,
    ) -> list[Chunk]:
        return list(
            chunk(
                elements,
                title=title,
                max_tokens=self._settings.chunks.tokens,
                count_tokens=self._embedder.count_tokens,
                contexts=contexts,
            )
        )

    def _earlier(self, known: Known | None) -> dict[str, Vectors]:
        if known is None:
            return {}
        entry = self._store.entry(known.id)
        if len(entry.text_vectors) != len(entry.chunks):
            return {}
        return dict(zip(map(Chunk.embedded_text, entry.chunks), entry.text_vectors, strict=True))

    def _no_vectors(self) -> Vectors:
        return np.zeros((0, self._embedder.dim), np.float32)


def _title(source: Source, elements: Iterable[Element]) -> str:
    """The title that was given, else the document's own, else the file's name."""
    own = (item.caption for item in elements if item.kind == "page" and item.caption)
    return source.title or next(own, "") or file_title(source.uri)


def file_title(uri: str) -> str:
    """A title from a name: its last part, without ending, underscores as spaces."""
    return Path(uri).stem.replace("_", " ").strip() or uri


def heading(title: str, uri: str) -> str:
    """What every context begins with: the title, and the file's name where that says more.

    Names such as ``ACME_2018_10K.pdf`` tell whose document it is and of when, which
    the titles inside often do not.
    """
    name = file_title(uri)
    is_file = Path(uri).is_absolute() or uri.startswith(UPLOAD)
    if not is_file or name.casefold() in title.casefold():
        return title
    return f"{title} ({name})"


def _vectors(elements: Iterable[Element]) -> dict[int, Vectors]:
    """The pictures' vectors, by their order."""
    return {item.order: item.vector for item in elements if item.vector is not None}


def _tiles(elements: Iterable[Element]) -> dict[int, TileVectors]:
    """Those of their parts, by their order."""
    return {item.order: item.tiles for item in elements if item.tiles is not None}


def _of_pictures(chunks: Sequence[Chunk], made: Mapping[int, Made]) -> dict[int, Made]:
    """What was made of pictures, by the position of their chunks instead of their order."""
    return {
        position: made[piece.element]
        for position, piece in enumerate(chunks)
        if piece.kind == "image" and piece.element is not None and piece.element in made
    }


def _retitled(piece: Chunk, old: str, new: str) -> Chunk:
    if old == new or not piece.context.startswith(old):
        return piece
    return piece.model_copy(update={"context": new + piece.context.removeprefix(old)})
