"""A small pool of long-lived parser processes.

They are started as plain subprocesses, not by ``multiprocessing``, which
imports the caller's script again and so breaks unguarded scripts, notebooks and
programs read from stdin. A hostile file costs one process, and one file.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from cogagent.closing import Closing
from cogagent.documents import reading, registry, wire
from cogagent.documents.base import label
from cogagent.documents.process import WorkerGoneError, WorkerProcess, WorkerSilentError
from cogagent.errors import (
    ConfigError,
    InputError,
    LimitExceededError,
    UnsupportedFormatError,
    WorkerCrashedError,
)
from cogagent.geometry import FULL_PAGE, Box
from cogagent.types import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from cogagent.config import Settings
    from cogagent.types import Element, Failure, Raster

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
_DOCUMENTS_PER_WORKER = 200
_MARKDOWN_HERE = 1 << 20
"""Bytes; more takes seconds, and only a process can be given a limit."""
_MEMORY, _CLOSED = "memory", "closed"

Reply = TypeVar("Reply")
Job = Future[WorkerProcess] | None
"""A wish for a new process; ``None`` only wakes the supervisor."""


class ParserPool(Closing):
    """Parses sources in processes of their own; safe to use from many threads.

    Processes start when first needed and are replaced after a failure or 200
    documents. Close the pool, or use it as a context manager.
    """

    def __init__(self, settings: Settings) -> None:
        self._limits, self._parse = settings.limits, settings.parse
        # An iterator that the garbage collector ends gives its worker back in the midst of
        # anything; both of these bear that, which a semaphore does not.
        self._lock = threading.RLock()
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(settings.workers()):
            self._slots.put(None)
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._supervisor: threading.Thread | None = None
        self._closed = False
        self._owner = os.getpid()

    def close(self) -> None:
        """End all processes; a parse under way fails with ``WorkerCrashedError``."""
        if os.getpid() != self._owner:
            return  # a fork's copy: the processes are not its own
        with self._lock:
            self._closed = True
            workers = [*self._idle, *self._busy]
            idle, self._idle = self._idle, []
        for worker in workers:
            worker.kill(_CLOSED)
            worker.wait()
        for worker in idle:  # a busy one's pipes belong to the thread that reads them
            worker.dispose()
        if self._supervisor is not None:
            self._jobs.put(None)
            self._supervisor.join()
        atexit.unregister(self.close)

    def rest(self) -> None:
        """End the processes that have nothing to do; new ones start when they are needed."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.dispose()

    def parse(self, source: Source) -> Generator[Element, None, None]:
        """The elements of ``source``, as they are found.

        Text and Markdown are read in this process. Any other kind occupies one
        parser process from the first element until the iterator ends or is
        closed; closing it early ends the process. A thread that holds as many
        open iterators as there are processes waits for ever for one more.

        Raises:
            SourceUnreadableError: If the file is missing or not permitted.
            LimitExceededError: If it takes more bytes, time, memory, pages or
                pixels than the settings allow.
            WorkerCrashedError: If the process died over it.
            DocumentError: Another subclass, from the loader.
        """
        source, media_type = self._prepared(source)
        if _here(media_type, source):
            yield from registry.load(source, media_type, self._limits, self._parse)
        else:
            request = {"type": "parse", "media_type": media_type}
            yield from self._converse(source, request, wire.to_element)

    def pixels(
        self, source: Source, elements: Sequence[Element]
    ) -> Generator[Raster | None, None, None]:
        """The pixels of unseen elements of ``source``, each made while the one before is used.

        Occupies a parser process as :meth:`parse` does, and raises what it raises.

        Args:
            source: As for :meth:`parse`.
            elements: That :meth:`parse` gave as ``unseen``, in their order.

        Returns:
            A raster for each, ``None`` for one that cannot be decoded.
        """
        source, media_type = self._prepared(source)
        wanted = [wire.from_element(wire.to_find(element)) for element in elements]
        request = {"type": "pixels", "media_type": media_type, "elements": wanted}
        count = 0
        for raster in self._converse(source, request, wire.to_raster):
            count += 1
            yield raster
        if count != len(elements):
            raise self._nonsense(source, f"{count} pictures instead of {len(elements)}")

    def unpack(self, source: Source) -> Generator[Source | Failure, None, None]:
        """The files in an archive, each with its bytes; see :func:`archives.unpack`.

        Occupies a parser process as :meth:`parse` does, and raises what it raises.
        """
        request = {"type": "unpack", "media_type": source.media_type}
        for member in self._converse(source, request, wire.to_member):
            if isinstance(member, Source):
                member = member.model_copy(
                    update={"metadata": source.metadata, "principals": source.principals}
                )
            yield member

    def render(self, source: Source, page: int, dpi: int, box: Box = FULL_PAGE) -> Raster:
        """A page of ``source``, or a part of it, as a reader sees it.

        Args:
            source: As for :meth:`parse`.
            page: From 1.
            dpi: Resolution; a picture comes in its own pixels instead.
            box: The part, in fractions of the page as shown.

        Raises:
            UnsupportedFormatError: If documents of this kind have no pages to look at.
            DocumentError: Another subclass, as from :meth:`parse`.
        """
        source, media_type = self._prepared(source)
        request = {
            "type": "render", "media_type": media_type, "page": page, "dpi": dpi, "box": list(box),
        }  # fmt: skip
        replies = self._converse(source, request, wire.to_raster)
        raster = next(replies, None)
        if raster is None or next(replies, None) is not None:
            replies.close()
            raise self._nonsense(source, "not one picture")
        return raster

    def _prepared(self, source: Source) -> tuple[Source, str]:
        """The source with its bytes, and a media type that some loader reads."""
        if source.data is None or not source.media_type:
            loaded = reading.read(source, self._limits)
            source, media_type = loaded.source, loaded.media_type
        else:
            reading.check_size(len(source.data), source.uri, self._limits)
            media_type = registry.base_type(source.media_type)
        try:
            registry.place_of(media_type)
        except UnsupportedFormatError as error:
            error.uri = source.uri
            raise
        return source, media_type

    def _converse(
        self, source: Source, request: dict[str, Any], decode: Callable[[dict[str, Any]], Reply]
    ) -> Generator[Reply, None, None]:
        """The replies to a request, without the last, which says that it is done."""
        assert source.data is not None
        request["source"] = source.model_dump(exclude={"data", "path", "metadata", "principals"})
        seconds = self._limits.parse_seconds
        worker = self._borrow(source.uri)
        sound = False
        try:
            worker.request(request, source.data, seconds)
            while (reply := worker.receive(seconds))["type"] != "done":
                if reply["type"] == "error":
                    error = wire.to_error(reply)
                    sound = not isinstance(error, LimitExceededError)
                    _log.debug("%s: %s", source.uri, worker.stderr())
                    error.uri = source.uri
                    raise error
                yield decode(reply)
            sound = True
        except WorkerSilentError as error:
            raise LimitExceededError(
                f"{label(source.uri)} kept a parser silent for more than {seconds:g} seconds.",
                uri=source.uri,
                remedy="Raise the setting limits.parse_seconds if the file is sound.",
            ) from error
        except WorkerGoneError as error:
            raise self._failure(worker, source) from error
        except wire.ProtocolError as error:
            raise self._nonsense(source, str(error)) from error
        finally:
            self._give_back(worker, sound=sound)

    @staticmethod
    def _nonsense(source: Source, what: str) -> WorkerCrashedError:
        return WorkerCrashedError(
            f"the process that read {label(source.uri)} sent nonsense ({what}).", uri=source.uri
        )

    def _failure(self, worker: WorkerProcess, source: Source) -> Exception:
        worker.kill()  # it may have closed its pipe and live on
        if worker.verdict == _MEMORY:
            return LimitExceededError(
                f"{label(source.uri)} took more memory than {self._limits.parse_memory_mb} MiB.",
                uri=source.uri,
                remedy="Raise the setting limits.parse_memory_mb if the file is sound.",
            )
        if worker.verdict == _CLOSED:
            return WorkerCrashedError(
                f"the pool was closed while {label(source.uri)} was read.", uri=source.uri
            )
        if not worker.greeted:
            return WorkerCrashedError(
                f"the process that was to read {label(source.uri)} did not start: it "
                f"{worker.obituary()}.",
                uri=source.uri,
                remedy="`cogagent doctor` may tell what is amiss.",
            )
        return WorkerCrashedError(
            f"the process that read {label(source.uri)} {worker.obituary()}.", uri=source.uri
        )

    def _borrow(self, uri: str) -> WorkerProcess:
        self._slots.get()
        try:
            with self._lock:
                self._check_open()
                idle, self._idle = self._idle, []
                living = [worker for worker in idle if worker.alive()]
                worker = living.pop() if living else None
                self._idle = living
            for dead in set(idle).difference(living, [worker]):
                dead.dispose()
            worker = worker or self._start(uri)
            with self._lock:
                self._busy.add(worker)
                closed = self._closed
            if closed:  # meanwhile, and without seeing this worker
                worker.kill(_CLOSED)
            self._jobs.put(None)
        except BaseException:
            self._slots.put(None)
            raise
        return worker

    def _give_back(self, worker: WorkerProcess, *, sound: bool) -> None:
        fit = sound and not (
            worker.documents >= _DOCUMENTS_PER_WORKER
            or worker.resident_mb() > self._limits.parse_memory_mb / 2
        )
        with self._lock:
            self._busy.discard(worker)
            keep = fit and not self._closed and worker.alive()
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.dispose()
        self._slots.put(None)

    def _start(self, uri: str) -> WorkerProcess:
        if not sys.executable:
            raise ConfigError("this Python does not know its own program, to start parsers with.")
        with self._lock:
            self._check_open()
            if self._supervisor is None:
                self._supervisor = threading.Thread(
                    target=self._supervise, name="cogagent-parsers", daemon=True
                )
                self._supervisor.start()
                atexit.register(self.close)
            job: Future[WorkerProcess] = Future()
            self._jobs.put(job)
        try:
            return job.result()
        except OSError as error:
            raise WorkerCrashedError(
                f"no process could be started to read {label(uri)}: {error.strerror}.",
                uri=uri,
                remedy="`cogagent doctor` may tell what is amiss.",
            ) from error

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("the parser pool is closed.")
        if os.getpid() != self._owner:
            raise InputError("the parser pool belongs to the process before the fork.")

    def _supervise(self) -> None:
        """Start processes and watch their memory.

        One thread that lives as long as the pool has to start them all: Linux
        counts the end of the thread that started a process as its parent's death.
        """
        while True:
            try:
                job = self._jobs.get(timeout=_POLL_SECONDS if self._busy else None)
            except queue.Empty:
                job = None
            if job is not None:
                try:
                    job.set_result(WorkerProcess(self._limits, self._parse))
                except BaseException as error:  # noqa: BLE001 - handed to who waits for it
                    job.set_exception(error)
            with self._lock:
                busy = tuple(self._busy)
                if self._closed and self._jobs.empty():
                    return
            for worker in busy:
                if worker.resident_mb() > self._limits.parse_memory_mb:
                    worker.kill(_MEMORY)


def _here(media_type: str, source: Source) -> bool:
    """Whether a source is read in this process: text, unless much Markdown."""
    small = media_type == registry.TEXT or len(source.data or b"") <= _MARKDOWN_HERE
    return small and registry.is_plain_text(media_type)
