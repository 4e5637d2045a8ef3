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
from cogagent.indexes.originals import Originals
from cogagent.indexes.store import Entry, Store
from cogagent.models.base import TextEmbedder, Vectors
from cogagent.pipelines.seeing import see
from cogagent.types import Chunk, Failure, IngestReport, Progress, Source
from cogagent.vision.eyes import Eyes

PARSE_VERSION = 1
"""Raised when parsing or cutting changes, so that a home's documents are read anew."""

_BATCH_CHUNKS = 512
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Draft:
    """A document that only lacks vectors."""

    entry: Entry
    data: bytes | None
    known: dict[str, Vectors]
    """Vectors of texts that an earlier version of the document had."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one source: a draft, a failure, or neither when it was unchanged."""

    source: Source
    draft: Draft | None = None
    failure: Failure | None = None
    twin: str | None = None


class Ingestor:
    """Brings sources into one collection of a home.

    Args:
        store: The home.
        originals: Keeps copies of the files.
        parsers: Read the files.
        embedder: Embeds the chunks.
        eyes: Look at pictures.
        settings: Limits and sizes.
    """

    def __init__(
        self,
        store: Store,
        originals: Originals,
        parsers: ParserPool,
        embedder: TextEmbedder,
        eyes: Eyes,
        settings: Settings,
    ) -> None:
        self._store = store
        self._originals = originals
        self._parsers = parsers
        self._embedder = embedder
        self._eyes = eyes
        self._settings = settings
        parse = settings.parse
        self._recipe = (
            f"{PARSE_VERSION} tokens={settings.chunks.tokens} ocr={parse.ocr}@{parse.ocr_dpi} "
            f"pictures@{parse.picture_dpi}"
        )

    def run(
        self,
        sources: Sequence[Source | Failure],
        collection: str,
        on_progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        anew: bool = False,
    ) -> IngestReport:
        """Ingest ``sources``; one that fails costs only itself.

        Args:
            sources: What to read; a failure among them is passed on to the report.
            collection: Made if missing.
            on_progress: Called from this thread and parser threads.
            cancelled: Asked between documents; what is stored stays.
            anew: Read even what has not changed.

        Raises:
            DiskFullError: If there is no space left; what was stored before stays.
            StorageError: If the home fails otherwise.
        """
        self._store.create_collection(collection)
        tally = _Tally(len(sources), on_progress)
        failures = [item for item in sources if isinstance(item, Failure)]
        wanted = [item for item in sources if isinstance(item, Source)]
        batch: list[Draft] = []
        held: list[Source] = []
        for outcome in self._drafts(wanted, collection, tally, cancelled, anew=anew):
            if outcome.failure is not None:
                failures.append(outcome.failure)
            elif outcome.twin is not None:
                held.append(outcome.source)
            elif outcome.draft is None:
                tally.skipped += 1
            else:
                batch.append(outcome.draft)
            tally.finished(outcome.source.uri)
            if sum(len(draft.entry.chunks) for draft in batch) >= _BATCH_CHUNKS:
                self._flush(collection, batch, tally)
        self._flush(collection, batch, tally)
        # Their bytes were in flight under another uri; by now they are stored.
        for source in held:
            outcome = self._draft(source, collection, tally, set(), anew=False)
            if outcome.failure is not None:
                failures.append(outcome.failure)
            elif outcome.draft is not None:
                self._flush(collection, [outcome.draft], tally)
        self._store.save(collection)
        if failures:
            self._store.record_failures(collection, failures)
        return tally.report(failures)

    def _drafts(
        self,
        sources: list[Source],
        collection: str,
        tally: _Tally,
        cancelled: Callable[[], bool],
        *,
        anew: bool,
    ) -> Iterator[Outcome]:
        """Outcomes as they are ready, with a few documents in flight."""
        queue = iter(sources)
        seen: set[str] = set()
        workers = self._settings.workers()
        with ThreadPoolExecutor(workers, thread_name_prefix="cogagent-parse") as threads:
            running: set[Future[Outcome]] = set()
            try:
                while True:
                    room = 0 if cancelled() else 2 * workers - len(running)
                    for source in islice(queue, room):
                        running.add(
                            threads.submit(self._draft, source, collection, tally, seen, anew=anew)
                        )
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            finally:
                for future in running:
                    future.cancel()

    def _draft(
        self, source: Source, collection: str, tally: _Tally, seen: set[str], *, anew: bool
    ) -> Outcome:
        try:
            return self._prepare(source, collection, tally, seen, anew=anew)
        except StorageError:
            raise
        except CogAgentError as error:
            return Outcome(source, failure=_failure(source, error))
        except Exception as error:
            log.exception("unexpected failure while reading %s", source.uri)
            unexpected = DocumentError(
                f"unexpected {type(error).__name__}: {error}.",
                uri=source.uri,
                remedy="Please report it with the log.",
            )
            return Outcome(source, failure=_failure(source, unexpected))

    def _prepare(
        self, source: Source, collection: str, tally: _Tally, seen: set[str], *, anew: bool
    ) -> Outcome:
        loaded = read(source, self._settings.limits)
        known = self._store.known(collection, source.uri)
        same = known is not None and (known.content, known.recipe) == (loaded.sha256, self._recipe)
        if known is not None and same and not anew and self._same_labels(known.id, source):
            return Outcome(source)
        twin = None if anew else self._store.twin(loaded.sha256, self._recipe)
        if twin is not None:
            return Outcome(source, draft=self._copy(source, loaded, twin))
        if loaded.sha256 in seen:
            return Outcome(source, twin=loaded.sha256)
        seen.add(loaded.sha256)
        earlier = self._vectors_of(known.id) if known is not None else {}
        return Outcome(source, draft=self._parse(source, loaded, tally, earlier))

    def _parse(
        self, source: Source, loaded: LoadedSource, tally: _Tally, known: dict[str, Vectors]
    ) -> Draft:
        """Read a document from its bytes."""
        elements = []
        title = source.title or ""
        for element in see(
            self._parsers.parse(loaded.source), self._eyes, read=self._settings.parse.ocr
        ):
            if element.kind == "page":
                tally.page(source.uri)
                title = title or element.caption
            elements.append(element)
        pages = max((element.page for element in elements), default=1)
        title = title or _file_title(source.uri)
        chunks = list(
            chunk(
                elements,
                title=title,
                max_tokens=self._settings.chunks.tokens,
                count_tokens=self._embedder.count_tokens,
            )
        )
        images = {
            element.order: element.vector for element in elements if element.vector is not None
        }
        entry = Entry(
            uri=source.uri,
            content=loaded.sha256,
            recipe=self._recipe,
            title=title,
            media_type=loaded.media_type,
            pages=pages,
            metadata=source.metadata,
            # What is kept needs no pixels and vectors beside the text.
            elements=elements,
            chunks=chunks,
            text_vectors=np.zeros((0, self._embedder.dim), np.float32),
            image_vectors={
                position: images[found.element]
                for position, found in enumerate(chunks)
                if found.kind == "image" and found.element in images
            },
        )
        return Draft(entry, loaded.source.data, known)

    def _copy(self, source: Source, loaded: LoadedSource, twin: str) -> Draft:
        """The same bytes under another name: nothing is parsed or seen again."""
        entry = self._store.entry(twin)
        known = dict(zip(map(Chunk.embedded_text, entry.chunks), entry.text_vectors, strict=True))
        title = source.title or (
            _file_title(source.uri) if entry.title == _file_title(entry.uri) else entry.title
        )
        entry.chunks = [_retitled(piece, entry.title, title) for piece in entry.chunks]
        entry.uri, entry.title, entry.metadata = source.uri, title, source.metadata
        return Draft(entry, loaded.source.data, known)

    def _flush(self, collection: str, batch: list[Draft], tally: _Tally) -> None:
        """Embed what is new in the batch and store it in one transaction."""
        if not batch:
            return
        texts = {
            text: None
            for draft in batch
            for text in map(Chunk.embedded_text, draft.entry.chunks)
            if text not in draft.known
        }
        fresh = dict(zip(texts, self._embedder.embed(list(texts)), strict=True))
        for draft in batch:
            vectors = [
                draft.known[text] if text in draft.known else fresh[text]
                for text in map(Chunk.embedded_text, draft.entry.chunks)
            ]
            draft.entry.text_vectors = np.array(vectors, np.float32).reshape(
                -1, self._embedder.dim
            )
            if draft.data is not None and self._settings.parse.keep_originals:
                self._originals.keep(draft.entry.content, draft.data)
        self._store.put(collection, [draft.entry for draft in batch])
        for draft in batch:
            tally.stored(draft.entry)
        batch.clear()

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


def _file_title(uri: str) -> str:
    """A title from a name: its last part, without ending, underscores as spaces."""
    return Path(uri).stem.replace("_", " ").strip() or uri


def _failure(source: Source, error: CogAgentError) -> Failure:
    stage = error.stage if isinstance(error, DocumentError) else "see"
    return Failure(
        uri=source.uri, error=error.message, stage=stage, code=error.code, remedy=error.remedy
    )
