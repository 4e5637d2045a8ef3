"""From sources to a searchable home: read, parse, see, cut, embed, store.

Parsing runs in worker processes, one document a thread; looking at pictures,
embedding and storing run here. Documents are embedded in batches and stored in
one transaction a batch, so memory is bounded by the batch and a kill loses no
document that was reported.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from cogagent.config import Settings
from cogagent.documents.chunking import chunk
from cogagent.documents.pool import ParserPool
from cogagent.documents.reading import LoadedSource, read
from cogagent.errors import (
    CogAgentError,
    DocumentError,
    StorageError,
)
from cogagent.indexes.store import Entry, Store
from cogagent.models.base import TextEmbedder, Vectors
from cogagent.pipelines.seeing import see
from cogagent.types import Chunk, Failure, IngestReport, Progress, Source
from cogagent.vision.eyes import Eyes

PARSE_VERSION = 1
"""Raised when parsing or cutting changes, so that a home's documents are read anew."""

_BATCH_CHUNKS = 512
log = logging.getLogger(__name__)


_BATCH_BYTES = 64 << 20


@dataclass(slots=True)
class _Draft:
    """A document that only lacks vectors."""

    entry: Entry
    known: dict[str, Vectors]
    """Vectors of texts that an earlier version, or an equal document, has."""
    size: int
    """Bytes that it holds in memory, about."""


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a source: a draft, a failure, to wait for an equal one, or nothing to do."""

    source: Source
    draft: _Draft | None = None
    failure: Failure | None = None
    waits: bool = False


class _CancelledError(Exception):
    """The caller does not want the rest."""


class Ingestor:
    """Brings sources into a home.

    Args:
        store: The home.
        parsers: Read the files.
        embedder: Embeds the chunks.
        eyes: Look at pictures.
        settings: Limits and sizes.
    """

    def __init__(
        self,
        store: Store,
        parsers: ParserPool,
        embedder: TextEmbedder,
        eyes: Eyes,
        settings: Settings,
    ) -> None:
        self.store = store
        self.parsers = parsers
        self.embedder = embedder
        self.eyes = eyes
        self.settings = settings

    def run(
        self,
        sources: Sequence[Source | Failure],
        collection: str,
        on_progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> IngestReport:
        """Ingest ``sources``; one that fails costs only itself.

        Args:
            sources: What to read; a failure among them is passed on to the report.
            collection: Made if missing.
            on_progress: Called from this thread and parser threads.
            cancelled: Asked between pages; what is stored stays, the rest is left out.

        Raises:
            DiskFullError: If there is no space left; what was stored before stays.
            StorageError: If the home fails otherwise.
        """
        self.store.create_collection(collection)
        return _Run(self, collection, _Tally(len(sources), on_progress), cancelled).run(sources)


class _Run:
    """One ingest on its way."""

    def __init__(
        self,
        parts: Ingestor,
        collection: str,
        tally: _Tally,
        cancelled: Callable[[], bool],
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._settings = parts.settings
        self._collection = collection
        self._tally = tally
        self._cancelled = cancelled
        self._batch: list[_Draft] = []
        self._failures: list[Failure] = []
        self._in_flight: set[str] = set()
        """Content hashes that are being read; an equal source waits for them."""

    def run(self, sources: Sequence[Source | Failure]) -> IngestReport:
        self._failures += [item for item in sources if isinstance(item, Failure)]
        waiting: list[Source] = []
        for result in self._results([item for item in sources if isinstance(item, Source)]):
            if result.waits:
                waiting.append(result.source)
            else:
                self._take(result)
        self._flush()
        self._in_flight.clear()
        for source in waiting:
            if self._cancelled():
                break
            self._take(self._result(source))
            self._flush()
        self._store.save(self._collection)
        self._store.prune_originals()
        if self._failures:
            self._store.record_failures(self._collection, self._failures)
        return self._tally.report(self._failures)

    def _results(self, sources: list[Source]) -> Iterator[_Result]:
        """Results as they are ready, with a few documents in flight."""
        queue = iter(sources)
        workers = self._settings.workers()
        with ThreadPoolExecutor(workers, thread_name_prefix="cogagent-parse") as threads:
            running: set[Future[_Result]] = set()
            while True:
                room = 0 if self._cancelled() else 2 * workers - len(running)
                running |= {
                    threads.submit(self._result, source) for source in islice(queue, room)
                }
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    # Not suppressed: a storage error ends the ingest.
                    with suppress(_CancelledError):
                        yield future.result()

    def _take(self, result: _Result) -> None:
        if result.draft is not None:
            self._batch.append(result.draft)
            chunks = sum(len(draft.entry.chunks) for draft in self._batch)
            size = sum(draft.size for draft in self._batch)
            if chunks >= _BATCH_CHUNKS or size >= _BATCH_BYTES:
                self._flush()
            return
        if result.failure is not None:
            self._failures.append(result.failure)
        else:
            self._tally.skipped += 1
        self._tally.finished(result.source.uri)

    def _result(self, source: Source) -> _Result:
        try:
            return self._prepare(source)
        except (StorageError, _CancelledError):
            raise
        except CogAgentError as error:
            return _Result(source, failure=_failure(source, error))
        except Exception as error:
            # One document must not cost the batch, whatever a library does over it.
            log.exception("unexpected failure while reading %s", source.uri)
            unexpected = DocumentError(
                f"unexpected {type(error).__name__}: {error}.",
                uri=source.uri,
                remedy="Please report it with the log.",
            )
            return _Result(source, failure=_failure(source, unexpected))

    def _prepare(self, source: Source) -> _Result:
        loaded = read(source, self._settings.limits)
        recipe = self._recipe(loaded)
        known = self._store.known(self._collection, source.uri)
        same = known is not None and (known.content, known.recipe) == (loaded.sha256, recipe)
        if known is not None and same and self._same_labels(known.id, source):
            if (data := self._kept(loaded)) is not None:
                self._store.keep_original(loaded.sha256, data)
            return _Result(source)
        twin = self._store.twin(loaded.sha256, recipe)
        if twin is not None:
            return _Result(source, draft=self._copy(source, loaded, twin))
        if loaded.sha256 in self._in_flight:
            return _Result(source, waits=True)
        self._in_flight.add(loaded.sha256)
        earlier = self._vectors_of(known.id) if known is not None else {}
        return _Result(source, draft=self._parse(source, loaded, recipe, earlier))

    def _parse(
        self, source: Source, loaded: LoadedSource, recipe: str, known: dict[str, Vectors]
    ) -> _Draft:
        """Read a document from its bytes."""
        embedder = self._parts.embedder
        elements = []
        title = source.title or ""
        with closing(self._parts.parsers.parse(loaded.source)) as parsed:
            for element in see(parsed, self._parts.eyes, read=self._settings.parse.ocr):
                if self._cancelled():
                    raise _CancelledError
                if element.kind == "page":
                    self._tally.page(source.uri)
                    title = title or element.caption
                elements.append(element)
        title = title or _file_title(source.uri)
        chunks = list(
            chunk(
                elements,
                title=_heading(title, source.uri),
                max_tokens=self._settings.chunks.tokens,
                count_tokens=embedder.count_tokens,
            )
        )
        images = {
            element.order: element.vector for element in elements if element.vector is not None
        }
        entry = Entry(
            uri=source.uri,
            content=loaded.sha256,
            recipe=recipe,
            title=title,
            media_type=loaded.media_type,
            pages=max((element.page for element in elements), default=1),
            metadata=source.metadata,
            elements=elements,
            chunks=chunks,
            text_vectors=np.zeros((0, embedder.dim), np.float32),
            image_vectors={
                position: images[found.element]
                for position, found in enumerate(chunks)
                if found.kind == "image" and found.element in images
            },
            data=self._kept(loaded),
        )
        return _Draft(entry, known, len(loaded.source.data or b""))

    def _copy(self, source: Source, loaded: LoadedSource, twin: str) -> _Draft:
        """The same bytes under another name: nothing is parsed or seen again."""
        entry = self._store.entry(twin)
        known = dict(zip(map(Chunk.embedded_text, entry.chunks), entry.text_vectors, strict=True))
        title = source.title or (
            _file_title(source.uri) if entry.title == _file_title(entry.uri) else entry.title
        )
        old, new = _heading(entry.title, entry.uri), _heading(title, source.uri)
        entry.chunks = [_retitled(piece, old, new) for piece in entry.chunks]
        entry.uri, entry.title, entry.metadata = source.uri, title, source.metadata
        entry.data = self._kept(loaded)
        return _Draft(entry, known, len(loaded.source.data or b""))

    def _flush(self) -> None:
        """Embed what is new in the batch and store it in one transaction."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        embedder = self._parts.embedder
        texts = {
            text: None
            for draft in batch
            for text in map(Chunk.embedded_text, draft.entry.chunks)
            if text not in draft.known
        }
        fresh = dict(zip(texts, embedder.embed(list(texts)), strict=True))
        for draft in batch:
            vectors = [
                draft.known[text] if text in draft.known else fresh[text]
                for text in map(Chunk.embedded_text, draft.entry.chunks)
            ]
            draft.entry.text_vectors = np.array(vectors, np.float32).reshape(-1, embedder.dim)
        self._store.put(self._collection, [draft.entry for draft in batch])
        for draft in batch:
            self._tally.stored(draft.entry)

    def _recipe(self, loaded: LoadedSource) -> str:
        """All that decides what becomes of the bytes: other settings read them anew."""
        parse = self._settings.parse
        return (
            f"{PARSE_VERSION} {loaded.source.media_type or loaded.media_type} "
            f"tokens={self._settings.chunks.tokens} ocr={parse.ocr}@{parse.ocr_dpi} "
            f"pictures@{parse.picture_dpi}"
        )

    def _kept(self, loaded: LoadedSource) -> bytes | None:
        return loaded.source.data if self._settings.parse.keep_originals else None

    def _vectors_of(self, document: str) -> dict[str, Vectors]:
        entry = self._store.entry(document)
        if len(entry.text_vectors) != len(entry.chunks):
            return {}
        return dict(zip(map(Chunk.embedded_text, entry.chunks), entry.text_vectors, strict=True))

    def _same_labels(self, document: str, source: Source) -> bool:
        kept = self._store.document(document)
        return dict(kept.metadata) == dict(source.metadata) and source.title in (None, kept.title)


class _Tally:
    """Counts what is done, and tells."""

    def __init__(self, total: int, on_progress: Callable[[Progress], None] | None) -> None:
        self._total = total
        self._tell = on_progress
        self._start = time.monotonic()
        self._pages = 0
        self._done = 0
        self.skipped = 0
        self._ingested = 0
        self._stored_pages = 0
        self._chunks = 0
        self._images = 0

    def page(self, uri: str) -> None:
        self._pages += 1
        self._report(uri)

    def finished(self, uri: str) -> None:
        self._done += 1
        self._report(uri)

    def stored(self, entry: Entry) -> None:
        self.finished(entry.uri)
        self._ingested += 1
        self._stored_pages += entry.pages
        self._chunks += len(entry.chunks)
        self._images += len(entry.image_vectors)

    def report(self, failures: Iterable[Failure]) -> IngestReport:
        return IngestReport(
            ingested=self._ingested,
            skipped=self.skipped,
            failed=tuple(failures),
            pages=self._stored_pages,
            chunks=self._chunks,
            images=self._images,
            seconds=round(time.monotonic() - self._start, 3),
        )

    def _report(self, uri: str) -> None:
        if self._tell is None:
            return
        spent = max(time.monotonic() - self._start, 1e-6)
        left = spent / self._done * (self._total - self._done) if self._done else None
        self._tell(
            Progress(
                documents=self._done,
                total=self._total,
                pages=self._pages,
                pages_per_second=self._pages / spent,
                seconds_left=left,
                uri=uri,
            )
        )


def _retitled(chunk: Chunk, old: str, new: str) -> Chunk:
    if old == new or not chunk.context.startswith(old):
        return chunk
    return chunk.model_copy(update={"context": new + chunk.context.removeprefix(old)})


def _heading(title: str, uri: str) -> str:
    """What every context begins with: the title, and the file's name where that says more.

    Names such as ``ACME_2018_10K.pdf`` tell whose document it is and of when, which
    the titles inside often do not.
    """
    name = _file_title(uri)
    if not Path(uri).is_absolute() or name.casefold() in title.casefold():
        return title
    return f"{title} ({name})"


def _file_title(uri: str) -> str:
    """A title from a name: its last part, without ending, underscores as spaces."""
    return Path(uri).stem.replace("_", " ").strip() or uri


def _failure(source: Source, error: CogAgentError) -> Failure:
    stage = error.stage if isinstance(error, DocumentError) else "see"
    return Failure(
        uri=source.uri, error=error.message, stage=stage, code=error.code, remedy=error.remedy
    )
