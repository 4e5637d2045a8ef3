"""From sources to a searchable home, in two stages: all text first, then all pictures.

In the first stage documents are read, parsed in worker processes, cut, embedded
and stored, pictures and scanned pages as they are: unseen. In the second stage
these are looked at, one after the other, and what is seen takes their place.
Both embed in batches and store a batch in one transaction, so memory is bounded
by the batch, and a kill loses nothing that was reported: the same ingest, run
again, skips what is done and looks at what is still unseen.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from contextvars import copy_context
from dataclasses import dataclass
from itertools import islice

import numpy as np

from cogagent import telemetry
from cogagent.config import Settings
from cogagent.documents.archives import is_archive
from cogagent.documents.base import label
from cogagent.documents.office import kinds, libreoffice
from cogagent.documents.pool import ParserPool
from cogagent.documents.reading import LoadedSource, read
from cogagent.errors import (
    CogAgentError,
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    SourceUnreadableError,
    StorageError,
    WorkerCrashedError,
)
from cogagent.indexes.store import Failed, Known, Store
from cogagent.indexes.writing import Entry, Sighting
from cogagent.models.base import TextEmbedder
from cogagent.pipelines.ahead import ahead
from cogagent.pipelines.drafts import Draft, Drafter
from cogagent.pipelines.memory import give_back
from cogagent.pipelines.seeing import see
from cogagent.pipelines.tally import Tally
from cogagent.telemetry import Telemetry
from cogagent.types import Chunk, Element, Failure, IngestReport, Progress, Raster, Source
from cogagent.vision.eyes import Eyes

_BATCH_CHUNKS = 512
_BATCH_BYTES = 64 << 20
_BATCH_DRAFTS = 256
_AHEAD = 2
"""Pictures whose pixels are made while others are looked at."""
_LASTING = (CorruptDocumentError, LimitExceededError, WorkerCrashedError)
"""Errors that the same bytes, read in the same way, are taken to give again."""
log = logging.getLogger(__name__)


class Ingestor:
    """Brings sources into a home.

    Args:
        store: The home.
        parsers: Read the files.
        unpackers: Unpack archives, whose files the parsers read meanwhile.
        embedder: Embeds the chunks.
        eyes: Look at pictures.
        settings: Limits and sizes.
        telemetry: Who watches.
    """

    def __init__(
        self,
        store: Store,
        parsers: ParserPool,
        unpackers: ParserPool,
        embedder: TextEmbedder,
        eyes: Eyes,
        settings: Settings,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.store = store
        self.parsers = parsers
        self.unpackers = unpackers
        self.embedder = embedder
        self.eyes = eyes
        self.settings = settings
        self.telemetry = telemetry or Telemetry()
        self.drafter = Drafter(store, parsers, embedder, settings)

    def run(
        self,
        sources: Sequence[Source | Failure],
        collection: str,
        on_progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        retry: bool = False,
    ) -> IngestReport:
        """Ingest ``sources``; one that fails costs only itself.

        Args:
            sources: What to read; a failure among them is passed on to the report.
            collection: Made if missing.
            on_progress: Called from this thread and parser threads.
            cancelled: Asked between pages; what is stored stays, the rest is left out.
                An error of ``on_progress`` does the same, and is raised at the end.
            retry: Read bytes that failed before once more, instead of reporting it again.

        Raises:
            DiskFullError: If there is no space left; what was stored before stays.
            StorageError: If the home fails otherwise.
        """
        self.store.create_collection(collection)
        tally = Tally(len(sources), on_progress)
        with self.telemetry.begin("ingest", sources=len(sources)) as told:
            told.say(collection=collection)
            report = _Run(self, collection, tally, cancelled, retry=retry).run(sources)
            told.set(
                ingested=report.ingested, skipped=report.skipped, failed=len(report.failed),
                pages=report.pages, chunks=report.chunks, images=report.images,
            )  # fmt: skip
            return report


@dataclass(slots=True)
class _Later:
    """A document whose pictures are to be looked at in the second stage.

    Attributes:
        content: sha256 of its bytes.
        recipe: How they are read.
        document: Its id; ``None`` for a picture file, which enters when it was seen.
    """

    source: Source
    content: str
    recipe: str
    document: str | None = None

    @property
    def held(self) -> int:
        """Bytes that are kept in memory for it."""
        return len(self.source.data or b"")


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a source in the first stage; ``None`` and ``False`` all over: unchanged."""

    source: Source
    draft: Draft | None = None
    failed: Failed | None = None
    later: _Later | None = None
    waits: bool = False
    """For an equal one that is being read."""
    archive: bool = False
    """It is none itself, but has files in it."""

    @property
    def kind(self) -> str:
        """What became of it, in a word."""
        if self.failed is not None:
            return "failed"
        if self.archive or self.waits:
            return "archive" if self.archive else "waits"
        return "unchanged" if self.draft is None and self.later is None else "read"


@dataclass(frozen=True, slots=True)
class _Look:
    """Something to look at, or the end of a document: ``element`` is ``None`` then."""

    later: _Later
    element: Element | None = None
    raster: Raster | None = None
    loaded: LoadedSource | None = None
    elements: Sequence[Element] = ()
    """All elements of a picture file, which comes with ``loaded``."""
    error: CogAgentError | None = None


class _CancelledError(Exception):
    """The caller does not want the rest."""


class _Run:
    """One ingest on its way."""

    def __init__(
        self,
        parts: Ingestor,
        collection: str,
        tally: Tally,
        cancelled: Callable[[], bool],
        *,
        retry: bool,
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._drafter = parts.drafter
        self._settings = parts.settings
        self._collection = collection
        self._tally = tally
        self._cancelled = cancelled
        self._retry = retry
        self._batch: list[Draft] = []
        self._failed: list[Failed] = []
        self._in_flight: set[str] = set()
        """Content hashes that are being read; an equal source waits for them."""
        self._guard = threading.Lock()
        self._patient = True
        """Equal bytes are still being read, or looked at, and are worth waiting for."""
        self._later: list[_Later] = []
        self._unplaced = 0
        """Documents that flow, and were not laid out."""
        self._recovered: list[str] = []
        """Uris of documents whose last picture was seen; why one was not, is past."""

    def run(self, sources: Sequence[Source | Failure]) -> IngestReport:
        self._failed += [Failed(item) for item in sources if isinstance(item, Failure)]
        waiting: list[Source] = []
        for result in self._results([item for item in sources if isinstance(item, Source)]):
            if result.waits:
                waiting.append(result.source)
            else:
                self._take(result)
            if sum(item.held for item in self._later) > _BATCH_BYTES:
                self._flush()
                self._look_at_pictures()
        self._flush()
        self._store.save(self._collection)
        self._tally.searchable()
        self._look_at_pictures()
        self._record_failures()  # equal bytes are then known to fail
        self._patient = False
        for source in waiting:
            if self._stopped():
                break
            self._in_flight.clear()
            with suppress(_CancelledError):
                self._take(self._result(source))
            self._flush()
            self._look_at_pictures()
        self._store.save(self._collection)
        self._store.prune_originals()
        self._record_failures()
        if self._tally.error is not None:
            raise self._tally.error
        report = self._tally.report(failed.failure for failed in self._failed)
        return report.model_copy(update={"notes": tuple(self._notes())})

    def _notes(self) -> Iterator[str]:
        if self._unplaced:
            why = "could not lay them out" if libreoffice.program() else "is not installed"
            yield (
                f"{self._unplaced} word processor documents were read without rectangles, "
                f"because LibreOffice {why}."
            )

    def _stopped(self) -> bool:
        return self._cancelled() or self._tally.error is not None

    def _record_failures(self) -> None:
        if self._failed:
            self._store.record_failures(self._collection, self._failed)

    # --- first stage: text -------------------------------------------------

    def _results(self, sources: list[Source]) -> Iterator[_Result]:
        """Results as they are ready, with a few documents in flight."""
        upcoming: Iterator[Source] = iter(sources)
        archives: deque[Source] = deque()
        workers = self._settings.workers()
        with ThreadPoolExecutor(workers, thread_name_prefix="cogagent-parse") as threads:
            running: set[Future[_Result]] = set()
            while True:
                room = 0 if self._stopped() else 2 * workers - len(running)
                next_ones = list(islice(upcoming, room))
                while len(next_ones) < room and archives:
                    # One at a time, and not before its turn, so that no more than one is held.
                    upcoming = self._members(archives.popleft())
                    next_ones += islice(upcoming, room - len(next_ones))
                running |= {
                    threads.submit(copy_context().run, self._result, source)
                    for source in next_ones
                }
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    # Not suppressed: a storage error ends the ingest.
                    with suppress(_CancelledError):
                        result = future.result()
                        if result.archive:
                            archives.append(result.source)
                        else:
                            yield result

    def _members(self, archive: Source) -> Iterator[Source]:
        """The files in an archive, as they are unpacked."""
        self._tally.found(-1)
        try:
            loaded = read(archive, self._settings.limits)
            with closing(self._parts.unpackers.unpack(loaded.source)) as members:
                for member in members:
                    if isinstance(member, Failure):
                        self._failed.append(Failed(member))
                    else:
                        self._tally.found(1)
                        yield member
        except StorageError:
            raise
        except CogAgentError as error:
            self._failed.append(Failed(_failure(archive, error)))

    def _take(self, result: _Result) -> None:
        uri = result.source.uri
        if result.draft is not None:
            self._add(result.draft)
            return
        if result.failed is not None:
            self._failed.append(result.failed)
            self._tally.failed(uri)
        elif result.later is None or result.later.document is not None:
            self._tally.skipped(uri)
        if result.later is not None:
            self._later.append(result.later)

    def _result(self, source: Source) -> _Result:
        with telemetry.child("document") as told:
            told.say(uri=source.uri)
            result = self._tried(source)
            told.set(result=result.kind)
            if result.failed is not None:
                told.fail(result.failed.failure.code)
            return result

    def _tried(self, source: Source) -> _Result:
        try:
            return self._prepare(source)
        except (StorageError, _CancelledError):
            raise
        except CogAgentError as error:
            return _Result(source, failed=Failed(_failure(source, error)))
        except Exception as error:  # noqa: BLE001 - logged by _unexpected
            return _Result(source, failed=Failed(_failure(source, _unexpected(source, error))))

    def _prepare(self, source: Source) -> _Result:
        loaded = read(source, self._settings.limits)
        if is_archive(loaded.media_type):
            return _Result(source, archive=True)
        recipe = self._drafter.recipe(loaded)
        known = self._store.known(self._collection, source.uri)
        same = known is not None and (known.content, known.recipe) == (loaded.sha256, recipe)
        if known is not None and same and self._same_labels(known.id, source):
            return self._unchanged(source, loaded, known)
        twin = self._store.twin(loaded.sha256, recipe)
        if twin is not None and self._patient and self._store.unseen(twin):
            return _Result(source, waits=True)
        if twin is not None:
            return _Result(source, draft=self._drafter.copy(source, loaded, twin))
        if not self._begins(loaded.sha256):
            return _Result(source, waits=True)
        before = None if self._retry else self._store.failed(loaded.sha256, self._trial(recipe))
        if before is not None:
            # By its own name: the other may be somebody else's.
            told = before.error.replace(label(before.uri), label(source.uri))
            again = before.model_copy(update={"uri": source.uri, "error": told})
            return _Result(source, failed=Failed(again, loaded.sha256, self._trial(recipe)))
        if loaded.media_type.startswith("image/"):  # there is nothing but a picture
            return _Result(source, later=_Later(source, loaded.sha256, recipe))
        try:
            elements = self._drafter.parse(loaded, self._watch(source))
        except _LASTING as error:
            failed = Failed(_failure(source, error), loaded.sha256, self._trial(recipe))
            return _Result(source, failed=failed)
        return _Result(source, draft=self._drafter.document(source, loaded, elements, known))

    def _begins(self, content: str) -> bool:
        """Whether nobody reads equal bytes at present; if so, the caller does from now on."""
        with self._guard:
            free = content not in self._in_flight
            self._in_flight.add(content)
        return free

    def _trial(self, recipe: str) -> str:
        """All that decides whether the bytes can be read: other limits try them anew."""
        return f"{recipe} {self._settings.limits.model_dump_json()}"

    def _unchanged(self, source: Source, loaded: LoadedSource, known: Known) -> _Result:
        if (data := self._drafter.kept(loaded)) is not None:
            self._store.keep_original(loaded.sha256, data)
        if self._store.unseen(known.id):  # an ingest was cut short
            return _Result(source, later=_Later(source, loaded.sha256, known.recipe, known.id))
        return _Result(source)

    def _watch(self, source: Source) -> Callable[[Element], None]:
        """To be called with each page or picture of a document: ends what takes too long."""
        started = time.monotonic()
        limit = self._settings.limits.source_seconds

        def watch(element: Element) -> None:
            if self._stopped():
                raise _CancelledError
            if time.monotonic() - started > limit:
                raise LimitExceededError(
                    f"{label(source.uri)} took more than {limit:g} seconds.",
                    uri=source.uri,
                    remedy="Raise the setting limits.source_seconds if the file is sound.",
                )
            if element.kind == "page" and not element.unseen:
                self._tally.page(source.uri)

        return watch

    def _same_labels(self, document: str, source: Source) -> bool:
        kept = self._store.document(document)
        return (
            dict(kept.metadata) == dict(source.metadata)
            and kept.principals == source.principals
            and source.title in (None, kept.title)
        )

    # --- second stage: pictures --------------------------------------------

    def _look_at_pictures(self) -> None:
        """Look at all that is still unseen, with the pixels of the next made meanwhile."""
        later, self._later = self._later, []
        if not later:
            return
        self._tally.to_look(sum(self._count(item) for item in later))
        self._parts.parsers.rest()  # they were for the text; one is enough for pixels
        give_back()
        seen: dict[int, list[Element]] = {}
        skipped: _Later | None = None
        with suppress(_CancelledError), closing(ahead(self._looks(later), _AHEAD)) as looks:
            for look in looks:
                if self._stopped():
                    break
                if look.later is skipped:
                    continue
                try:
                    self._look(look, seen)
                except (StorageError, _CancelledError):
                    raise
                except Exception as error:  # noqa: BLE001 - logged by _unexpected
                    skipped = look.later
                    seen.clear()
                    self._fail(look.later, error)
        self._flush()
        self._store.forget_failures(self._collection, self._recovered)
        self._recovered.clear()

    def _look(self, look: _Look, seen: dict[int, list[Element]]) -> None:
        """Take up one look; ``seen`` collects what was seen in a picture file."""
        item = look.later
        if look.error is not None:
            raise look.error
        if look.element is not None:
            with telemetry.child("see") as told:
                told.say(uri=item.source.uri)
                read_too = self._settings.parse.ocr
                found = see(look.element, look.raster, self._parts.eyes, read=read_too)
            give_back()
            self._tally.looked(item.source.uri)
            if item.document is None:
                seen[look.element.order] = found
            else:
                self._add(self._drafter.sighting(item.document, look.element, found))
            return
        if look.loaded is not None:
            elements = [part for item in look.elements for part in seen.get(item.order, [item])]
            seen.clear()
            known = self._store.known(self._collection, item.source.uri)
            self._add(self._drafter.document(item.source, look.loaded, elements, known))
        self._recovered.append(item.source.uri)

    def _looks(self, later: Sequence[_Later]) -> Iterator[_Look]:
        for item in later:
            try:
                yield from self._looks_at(item)
            except (StorageError, _CancelledError):
                raise
            except CogAgentError as error:
                yield _Look(item, error=error)
            except Exception as error:  # noqa: BLE001 - logged by _unexpected
                yield _Look(item, error=_unexpected(item.source, error))

    def _looks_at(self, item: _Later) -> Iterator[_Look]:
        watch = self._watch(item.source)
        loaded = self._again(item)
        whole = item.document is None
        elements = self._drafter.parse(loaded, watch) if whole else ()
        unseen = (
            self._store.unseen(item.document)
            if item.document is not None
            else [element for element in elements if element.unseen]
        )
        with closing(self._parts.parsers.pixels(loaded.source, unseen)) as pixels:
            for element, raster in zip(unseen, pixels, strict=True):
                watch(element)
                yield _Look(item, element, raster)
        yield _Look(item, loaded=loaded if whole else None, elements=elements)

    def _again(self, item: _Later) -> LoadedSource:
        """The bytes once more, from where they are to be had."""
        source = item.source
        if source.data is None and self._store.originals.has(item.content):
            data = self._store.originals.fetch(item.content)
            source = source.model_copy(update={"data": data})
        loaded = read(source, self._settings.limits)
        if loaded.sha256 != item.content:
            raise SourceUnreadableError(
                f"{label(source.uri)} was changed while it was read.",
                uri=source.uri,
                stage="read",
                remedy="Ingest it again.",
            )
        return loaded

    def _count(self, item: _Later) -> int:
        return 1 if item.document is None else self._store.document(item.document).unseen

    def _fail(self, item: _Later, error: Exception) -> None:
        if not isinstance(error, CogAgentError):
            error = _unexpected(item.source, error)
        lasting = item.document is None and isinstance(error, _LASTING)
        failure = _failure(item.source, error)
        trial = self._trial(item.recipe)
        self._failed.append(Failed(failure, item.content, trial) if lasting else Failed(failure))
        if item.document is None:
            self._tally.failed(item.source.uri)

    # --- both --------------------------------------------------------------

    def _add(self, draft: Draft) -> None:
        self._batch.append(draft)
        chunks = sum(len(draft.made.chunks) for draft in self._batch)
        size = sum(draft.size for draft in self._batch)
        if chunks >= _BATCH_CHUNKS or size >= _BATCH_BYTES or len(self._batch) >= _BATCH_DRAFTS:
            self._flush()

    def _flush(self) -> None:
        """Embed what is new in the batch and store it in one transaction a stage."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        embedder = self._parts.embedder
        texts = {
            text: None
            for draft in batch
            for text in map(Chunk.embedded_text, draft.made.chunks)
            if text not in draft.known
        }
        with telemetry.child(
            "embeddings", model=embedder.name, dimensions=embedder.dim, inputs=len(texts)
        ):
            fresh = dict(zip(texts, embedder.embed(list(texts)), strict=True))
        for draft in batch:
            vectors = [
                draft.known[text] if text in draft.known else fresh[text]
                for text in map(Chunk.embedded_text, draft.made.chunks)
            ]
            draft.made.text_vectors = np.array(vectors, np.float32).reshape(-1, embedder.dim)
        with telemetry.child("store", documents=len(batch)):
            self._store_batch(batch)
        batch.clear()
        give_back()

    def _store_batch(self, batch: Sequence[Draft]) -> None:
        self._store_documents([(d.source, d.made) for d in batch if isinstance(d.made, Entry)])
        sightings = [draft.made for draft in batch if isinstance(draft.made, Sighting)]
        if sightings:
            more = self._store.see(self._collection, sightings)
            self._tally.seen(more, sum(len(sighting.image_vectors) for sighting in sightings))

    def _store_documents(self, documents: Sequence[tuple[Source | None, Entry]]) -> None:
        if not documents:
            return
        ids = self._store.put(self._collection, [entry for _, entry in documents])
        for document, (source, entry) in zip(ids, documents, strict=True):
            self._tally.stored(entry.uri, entry.pages, len(entry.chunks), len(entry.image_vectors))
            self._unplaced += entry.media_type == kinds.DOCX and not any(
                element.words is not None for element in entry.elements
            )
            if source is not None and any(element.unseen for element in entry.elements):
                if entry.data is not None:  # the home has a copy now
                    source = source.model_copy(update={"data": None})
                self._later.append(_Later(source, entry.content, entry.recipe, document))


def _unexpected(source: Source, error: Exception) -> DocumentError:
    # One document must not cost the batch, whatever a library does over it.
    log.exception("unexpected failure while reading %s", source.uri, exc_info=error)
    return DocumentError(
        f"unexpected {type(error).__name__}: {error}.",
        uri=source.uri,
        remedy="Please report it with the log.",
    )


def _failure(source: Source, error: CogAgentError) -> Failure:
    stage = error.stage if isinstance(error, DocumentError) else "see"
    return Failure(
        uri=source.uri, error=error.message, stage=stage, code=error.code, remedy=error.remedy
    )
