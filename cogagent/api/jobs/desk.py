"""Where jobs are submitted and asked after: what one caller may do with the queue."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from cogagent.agent import CogAgent
from cogagent.api.callers import Caller
from cogagent.api.jobs import questions
from cogagent.api.jobs.behalf import require_own, stored
from cogagent.api.jobs.naming import Upload, uri_of
from cogagent.api.jobs.tidying import FOLDER
from cogagent.api.jobs.uploads import Uploads
from cogagent.api.jobs.withdrawing import shown
from cogagent.api.quoting import sight
from cogagent.api.session import Session
from cogagent.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    OfflineError,
)
from cogagent.indexes.jobs import (
    ItemState,
    Job,
    JobEvent,
    JobItem,
    JobQueue,
    NewItem,
    NewJob,
    new_id,
    no_job,
)
from cogagent.indexes.taken import is_taken
from cogagent.pipelines.batch import explained
from cogagent.retrievers.web.guard import Guard
from cogagent.types import Budget, Source

_LONGEST_KEY = 255
_PAUSES = (0.05, 0.1, 0.2, 0.4)
"""Seconds between two looks for events, while nothing happens."""


class JobDesk:
    """The jobs of a home, for whoever is at one of the doors.

    All methods but :meth:`events` read or write the catalogue and belong on threads.

    Args:
        agent: The home.
        stop: Tells :meth:`events` that the service ends.
    """

    def __init__(self, agent: CogAgent, stop: Callable[[], bool] = lambda: False) -> None:
        service = agent.settings.service
        self._agent = agent
        self._stop = stop
        self._folder = agent.home / FOLDER
        self.uploads = Uploads(agent.home / "uploads", agent.settings.limits.file_mb)
        self._queue = JobQueue(
            agent.catalogue, service.queue, service.queue_mb << 20, service.workers,
            self.uploads.discard,
        )  # fmt: skip
        self._guard = Guard(agent.settings.web.ports)

    def close(self) -> None:
        """Let go of what was uploaded and not submitted."""
        self.uploads.close()

    # --- submitting --------------------------------------------------------

    def check_room(self, caller: Caller, size: int = 0) -> None:
        """Refuse an upload that there is no room for, before it is sent.

        Raises:
            QueueFullError: If there is none.
        """
        self._queue.check_room(caller.owner, size)

    def submit_ingest(
        self,
        caller: Caller,
        collection: str,
        uploads: Sequence[Upload],
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue documents to be ingested; the collection is made if missing.

        Their files are the job's from here on, or removed if there is none.

        Args:
            caller: In whose name.
            collection: Its name.
            uploads: What to ingest.
            idempotency_key: The same key with the same request again gives the same job.

        Raises:
            InputError: If one of them cannot be taken as it is.
            ConflictError: If a uri is taken by a document that the caller cannot see, or the
                key was used for another request.
            ForbiddenError: If the caller may not write, or names principals that are not its.
            NotFoundError: If it may not use the collection.
            OfflineError: If an address is to be fetched, and ``offline`` is on.
            QueueFullError: If there is no room.
        """
        files = [upload.file for upload in uploads if upload.file is not None]
        kept = False
        try:
            new = self._ingest(caller, collection, uploads, idempotency_key)
            job = self._queue.earlier(caller.owner, new.idempotency, new.request)
            if job is None:
                self._queue.check_room(caller.owner, new.bytes)
                items = self._items(caller, collection, uploads)
                job, kept = self._queue.submit(_with(new, items))
            return job
        finally:
            if not kept:
                self.uploads.discard(*(file.name for file in files))

    def submit_batch(
        self,
        caller: Caller,
        lines: bytes | Iterable[bytes | None],
        collection: str = "default",
        planner: str | None = None,
        budget: Budget | None = None,
        strict: bool = False,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue questions to be answered.

        Args:
            caller: In whose name.
            lines: JSON Lines as ``cogagent batch`` takes them, or the lines of such; pictures
                are data: URIs.
            collection: For questions that name none; likewise what follows.
            planner: See :meth:`CogAgent.ask`.
            budget: Cut to what the service allows.
            strict: See :meth:`CogAgent.ask`.
            idempotency_key: As for :meth:`submit_ingest`.

        Raises:
            InputError: If a line cannot be answered as it is; nothing was queued.
            ConflictError: If the key was used for another request.
            NotFoundError: If the caller may not use the collection.
            QueueFullError: If there is no room.
        """
        caller.require("read")
        key = _checked_key(idempotency_key)
        held = list(questions.split(lines) if isinstance(lines, bytes) else lines)
        session = Session(self._agent, caller)
        if planner is not None:
            self._agent.require_planner(planner)
        asked = [collection, planner, budget and budget.model_dump(), strict]
        request = _hash("batch", asked, [_digest(line) for line in held])
        if (job := self._queue.earlier(caller.owner, key, request)) is not None:
            return job
        self._queue.check_room(caller.owner)
        job_id = new_id()
        folder = self._folder / job_id
        checker = questions.Checker(
            folder, lambda name: _ignore(session.collection(name)),
            self._agent.require_planner, session.budget,
        )  # fmt: skip
        kept = False
        try:
            checked = checker.check(held, collection, budget)
            questions.write(folder / questions.QUESTIONS, checked)
            new = NewJob(
                "batch", caller.owner, stored(caller), collection,
                [
                    NewItem(str(question.id), number=line)
                    for line, question in enumerate(checked, 1)
                    if question is not None
                ],
                {"planner": planner, "strict": strict}, _size(folder), key, request, job_id,
            )  # fmt: skip
            job, kept = self._queue.submit(new)
            return job
        finally:
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)

    # --- looking -----------------------------------------------------------

    def job(self, caller: Caller, job: str) -> Job:
        """A job of the caller's.

        Raises:
            NotFoundError: If there is none.
        """
        caller.require("read")
        found = self._queue.get(job)
        if not caller.owns(found.owner):
            raise no_job(job)
        return found

    def jobs(self, caller: Caller, after: int = 0, limit: int = 50) -> list[Job]:
        """The caller's jobs, the newest first.

        Args:
            caller: Whose; all for the scope admin.
            after: Number of the job that the last list ended with; 0 for none.
            limit: How many.
        """
        caller.require("read")
        return self._queue.newest(None if caller.is_admin else caller.owner, after, limit)

    def items(
        self,
        caller: Caller,
        job: str,
        state: ItemState | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[JobItem]:
        """The documents or questions of a job in their order; ``after`` that number."""
        return self._queue.items(self.job(caller, job).id, state, after, limit)

    async def events(self, caller: Caller, job: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """What happened to a job since the event of that number, and happens until it is over.

        Raises:
            NotFoundError: With the first event, if there is no such job.
        """
        await asyncio.to_thread(self.job, caller, job)
        quiet = 0
        while True:
            found = await asyncio.to_thread(self._queue.events, job, after)
            for event in found:
                after = event.number
                yield event
            if found:
                quiet = 0
                continue
            # Asked after the events: what ended it is among those that were told.
            if self._stop() or await asyncio.to_thread(self._is_over, job, after):
                return
            await asyncio.sleep(_PAUSES[min(quiet, len(_PAUSES) - 1)])
            quiet += 1

    def answer_lines(self, caller: Caller, job: str) -> Iterator[bytes]:
        """The answers of a batch, a line each with its end; none of one that has none yet.

        In place of an answer that quotes what was deleted, or what the caller may no longer
        see, there is an error ``not_found``.

        Raises:
            NotFoundError: At once, if there is no such batch.
        """
        if self.job(caller, job).kind != "batch":
            raise NotFoundError(f"the job {job!r} is no batch.")
        lines = _whole_lines(self._folder / job / questions.ANSWERS)
        withdrawn, quoted = self._queue.withdrawn(job), self._queue.quoted(job)
        return shown(lines, withdrawn, quoted, sight(Session(self._agent, caller)))

    # --- steering ----------------------------------------------------------

    def cancel(self, caller: Caller, job: str) -> Job:
        """End a job; what was done stays. One that is over stays as it is."""
        return self._queue.cancel(self.job(caller, job).id)

    def call_off(self, caller: Caller, document: str) -> None:
        """Cancel the caller's uploads that wait to write a document.

        Raises:
            ConflictError: If a worker is at one; nothing was cancelled.
        """
        caller.require("write")
        self._queue.call_off(document, None if caller.is_admin else caller.owner)

    def delete_document(self, caller: Caller, document: str) -> None:
        """Delete a document, what quotes it, and what the caller has uploaded to replace it.

        Raises:
            NotFoundError: If it is not there.
            ConflictError: If a worker is replacing it; it was not deleted.
        """
        session = Session(self._agent, caller)
        session.document(document)
        self.call_off(caller, document)
        session.delete_document(document)

    def retry(self, caller: Caller, job: str) -> Job:
        """Try what failed or was cancelled once more, and nothing else.

        Raises:
            ConflictError: If the job is not over, nothing failed, or its files are kept no
                longer.
            QueueFullError: If there is no room.
        """
        found = self.job(caller, job)
        if found.kind == "ingest":
            caller.require("write")
        return self._queue.retry(job, self.uploads.names())

    # --- inside ------------------------------------------------------------

    def _ingest(
        self, caller: Caller, collection: str, uploads: Sequence[Upload], key: str | None
    ) -> NewJob:
        """The job, without items: its request is judged before anything is changed."""
        caller.require("write")
        caller.require_collection(collection)
        service = self._agent.settings.service
        if not uploads:
            raise InputError("there is nothing to ingest.", remedy="Send a file.")
        if len(uploads) > service.upload_files:
            raise InputError(
                f"{len(uploads)} files are too many.",
                remedy=f"Send at most {service.upload_files} at once.",
            )
        size = sum(upload.file.size for upload in uploads if upload.file is not None)
        if size > service.upload_mb << 20:
            raise InputError(
                f"the files are larger than {service.upload_mb} MiB together.",
                remedy="Send fewer at once.",
            )
        parts = [
            [u.file and u.file.sha256, u.url, u.name, u.uri, u.media_type, u.title,
             dict(u.metadata), u.principals]
            for u in uploads
        ]  # fmt: skip
        request = _hash("ingest", [collection], parts)
        return NewJob(
            "ingest", caller.owner, stored(caller), collection, (), {}, size, _checked_key(key),
            request,
        )  # fmt: skip

    def _items(self, caller: Caller, collection: str, uploads: Sequence[Upload]) -> list[NewItem]:
        sources = [self._source(caller, upload) for upload in uploads]
        uris = [source.uri for source in sources]
        if len(set(uris)) < len(uris):
            twice = next(uri for uri in uris if uris.count(uri) > 1)
            raise InputError(f"two files have the uri {twice!r}.", remedy="Send one of them.")
        Session(self._agent, caller).create_collection(collection)
        catalogue = self._agent.catalogue.reader()
        items = []
        for source, upload in zip(sources, uploads, strict=True):
            if is_taken(catalogue, collection, source.uri, caller.seen_as):
                raise ConflictError(
                    f"the uri {source.uri!r} is taken.", remedy="Choose another one."
                )
            document = self._agent.documents.id(collection, source.uri)
            body = source.model_dump(mode="json", exclude={"uri", "data", "path"})
            name = upload.file.name if upload.file is not None else None
            items.append(
                NewItem(
                    source.uri,
                    document,
                    name,
                    body | {"url": upload.url, "name": upload.name},
                    upload.file.size if upload.file is not None else 0,
                )
            )
        return items

    def _source(self, caller: Caller, upload: Upload) -> Source:
        if (upload.file is None) == (upload.url is None):
            raise InputError("a document is a file or an address, not both and not neither.")
        if upload.url is not None:
            self._require_fetching(upload.url)
        require_own(caller, upload.principals)
        try:
            return Source(
                uri=uri_of(caller, upload),
                media_type=upload.media_type,
                title=upload.title,
                metadata=upload.metadata,
                principals=upload.principals,
            )
        except ValidationError as error:
            raise explained(error, Source) from error

    def _require_fetching(self, url: str) -> None:
        settings = self._agent.settings
        if not settings.service.fetch_urls:
            raise ForbiddenError(
                "this service fetches no addresses.",
                remedy="Upload the file, or turn service.fetch_urls on.",
            )
        if settings.offline:
            raise OfflineError(
                "nothing is fetched while `offline` is on.", remedy="Upload the file."
            )
        self._guard.check(url)

    def _is_over(self, job: str, after: int) -> bool:
        try:
            found = self._queue.get(job)
        except NotFoundError:
            return True  # it was forgotten meanwhile
        return found.is_final and not self._queue.events(job, after, 1)


def _checked_key(key: str | None) -> str | None:
    if key is not None and (not 0 < len(key) <= _LONGEST_KEY or not key.isprintable()):
        raise InputError(
            "that is no idempotency key.",
            remedy=f"Use 1 to {_LONGEST_KEY} printable characters, such as a UUID.",
        )
    return key


def _hash(kind: str, *parts: object) -> str:
    return hashlib.sha256(json.dumps([kind, *parts], sort_keys=True).encode()).hexdigest()


def _digest(line: bytes | None) -> str:
    return hashlib.sha256(line or b"").hexdigest()


def _with(new: NewJob, items: Sequence[NewItem]) -> NewJob:
    return NewJob(
        new.kind, new.owner, new.caller, new.collection, items, new.body, new.bytes,
        new.idempotency, new.request,
    )  # fmt: skip


def _size(folder: Path) -> int:
    return sum(entry.stat().st_size for entry in folder.rglob("*") if entry.is_file())


def _whole_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
    except FileNotFoundError:
        return


def _ignore(_: object) -> None:
    """Of a check only its refusal matters."""
