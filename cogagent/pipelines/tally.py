"""How far an ingest is, counted and told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from cogagent.types import Failure, IngestReport, Progress


class Tally:
    """Counts what is done, and tells; safe to use from any thread.

    Args:
        total: Documents known of at the start.
        on_progress: Called at every change.

    Attributes:
        error: What ``on_progress`` raised; it is not called again.
    """

    def __init__(self, total: int, on_progress: Callable[[Progress], None] | None) -> None:
        self._tell = on_progress
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._total = total
        self._done = 0
        self._read = 0
        self._looked = 0
        self._to_look = 0
        self._seeing_since: float | None = None
        self._report = IngestReport()
        self.error: Exception | None = None

    def found(self, documents: int) -> None:
        """More documents, in an archive; less than none for the archive itself."""
        self._total += documents

    def page(self, uri: str) -> None:
        """A page was read."""
        self._change(uri, read=1)

    def skipped(self, uri: str) -> None:
        """A document has not changed."""
        self._add(skipped=1)
        self._change(uri, done=1)

    def failed(self, uri: str) -> None:
        """A document cannot be had."""
        self._change(uri, done=1)

    def stored(self, uri: str, pages: int, chunks: int, images: int) -> None:
        """A document can be searched."""
        self._add(ingested=1, pages=pages, chunks=chunks, images=images)
        self._change(uri, done=1)

    def searchable(self) -> None:
        """All text can be searched."""
        self._report = self._report.model_copy(update={"text_seconds": self._spent()})

    def to_look(self, pictures: int) -> None:
        """So many pictures and scanned pages more are to be looked at, from now on."""
        self._seeing_since = self._seeing_since or time.monotonic()
        self._to_look += pictures

    def looked(self, uri: str) -> None:
        """A picture or scanned page was looked at."""
        self._change(uri, looked=1)

    def seen(self, chunks: int, images: int) -> None:
        """What was seen can be searched; ``chunks`` more than before."""
        self._add(chunks=chunks, images=images)

    def report(self, failures: Iterable[Failure]) -> IngestReport:
        """All of it."""
        return self._report.model_copy(
            update={"failed": tuple(failures), "seconds": self._spent()}
        )

    def _spent(self) -> float:
        return round(time.monotonic() - self._start, 3)

    def _add(self, **more: int) -> None:
        with self._lock:
            counts = {name: getattr(self._report, name) + count for name, count in more.items()}
            self._report = self._report.model_copy(update=counts)

    def _change(self, uri: str, *, read: int = 0, done: int = 0, looked: int = 0) -> None:
        with self._lock:
            self._read += read
            self._done += done
            self._looked += looked
        if self._tell is None or self.error is not None:
            return
        now = time.monotonic()
        if self._seeing_since is None:
            since, finished, all_ = self._start, self._done, self._total
        else:
            since, finished, all_ = self._seeing_since, self._looked, self._to_look
        left = (now - since) / finished * max(all_ - finished, 0) if finished else None
        progress = Progress(
            stage="text" if self._seeing_since is None else "pictures",
            documents=self._done,
            total=self._total,
            pictures=self._looked,
            pictures_total=self._to_look,
            pages=self._read,
            pages_per_second=self._read / max(now - self._start, 1e-6),
            seconds_left=left,
            uri=uri,
        )
        try:
            self._tell(progress)
        except Exception as error:  # noqa: BLE001 - the ingest ends, and raises it
            self.error = error
