"""Jobs that ingest: items in groups, settled group by group."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from cogagent.api.jobs.fetching import Fetching
from cogagent.api.jobs.naming import kind_of
from cogagent.api.jobs.uploads import Uploads
from cogagent.api.jobs.work import Work
from cogagent.documents.base import MEMBER
from cogagent.errors import CogAgentError
from cogagent.indexes.job_claims import Outcome
from cogagent.indexes.job_rows import JobProgress, Task
from cogagent.indexes.taken import is_taken
from cogagent.types import Failure, Problem, Progress, Source

_GROUP = 32
_GROUP_BYTES = 64 << 20
"""Items and uploaded bytes that are ingested, and settled, at once."""
log = logging.getLogger(__name__)


class IngestRun:
    """One ingest job on its way.

    Args:
        work: The job.
        uploads: The uploaded files.
        fetching: Fetches addresses.
    """

    def __init__(self, work: Work, uploads: Uploads, fetching: Fetching) -> None:
        self._agent, self._claims, self._claim, self._caller, self._hold = work
        self._uploads = uploads
        self._fetching = fetching
        self._collection = self._claim.job.collection
        self._most = self._agent.settings.service.attempts

    def run(self) -> None:
        """Ingest what is not settled yet, until the end or until told to stop.

        Raises:
            NotFoundError: If the collection was deleted meanwhile.
            CogAgentError: If the home fails; what was settled stays settled.
        """
        self._agent.collections.require(self._collection)
        tasks = self._claims.tasks(self._claim)
        # Somebody may have died over one of them: it is found out which.
        alone = self._claim.job.attempts > 1
        for group in self._groups(tasks, alone=alone):
            if self._hold.look() != "go on":
                return
            outcomes = self._ingest(group)
            self._claims.settle(self._claim, outcomes)
            self._hold.got_on = self._hold.got_on or bool(outcomes)
            done = {one.number for one in outcomes if one.error is None}
            self._uploads.discard(
                *(task.upload for task in group if task.upload and task.number in done)
            )

    def _groups(self, tasks: Sequence[Task], *, alone: bool) -> Iterator[list[Task]]:
        group: list[Task] = []
        held = 0
        for task in tasks:
            size = self._size(task)
            if group and (alone or len(group) >= _GROUP or held + size > _GROUP_BYTES):
                yield group
                group, held = [], 0
            group.append(task)
            held += size
        if group:
            yield group

    def _size(self, task: Task) -> int:
        if task.upload is None:
            return 0
        try:
            return self._uploads.path(task.upload).stat().st_size
        except FileNotFoundError:
            return 0  # told when it is read

    # --- one group ---------------------------------------------------------

    def _ingest(self, group: Sequence[Task]) -> list[Outcome]:
        """What became of the items of a group; of those that were not reached, nothing."""
        outcomes: list[Outcome] = []
        sources: dict[int, Source] = {}
        if len(group) == 1:
            died = self._claims.begin_alone(self._claim, group[0])
            if died >= self._most:
                return [Outcome(group[0].number, _deadly(died))]
        for task in group:
            found = self._source(task)
            if isinstance(found, Problem):
                outcomes.append(Outcome(task.number, found))
            elif found is not None:
                sources[task.number] = found
        begun = [task for task in group if task.number in sources]
        if begun:
            failed = self._read([sources[task.number] for task in begun], begun)
            outcomes += self._outcomes(begun, failed)
        return outcomes

    def _source(self, task: Task) -> Source | Problem | None:
        """What is to be ingested, or why it cannot be; ``None`` if it is wanted no longer."""
        body = dict(task.body)
        url, name, said = body.pop("url"), body.pop("name"), body.pop("media_type")
        # The catalogue may have changed since the job was submitted.
        catalogue = self._agent.catalogue.reader()
        if is_taken(catalogue, self._collection, task.uri, self._caller.seen_as):
            return Problem(code="conflict", message=f"the uri {task.uri!r} is taken.")
        if url is not None:
            return self._fetched(task, url, said, body)
        assert task.upload is not None
        path = self._uploads.path(task.upload)
        if not path.is_file():
            return Problem(
                code="unreadable", message="its file is not there.", remedy="Upload it again."
            )
        kind = kind_of(path, name or task.uri, said)
        return Source(uri=task.uri, path=path, media_type=kind, **body)

    def _fetched(
        self, task: Task, url: str, said: str | None, body: Mapping[str, Any]
    ) -> Source | Problem | None:
        self._hold.progress = JobProgress(stage="fetching", uri=task.uri)
        try:
            found = self._fetching.get(url, self._hold.is_over)
        except CogAgentError as error:
            return Problem(code=error.code, message=error.message, remedy=error.remedy)
        if found is None:
            return None
        name = urlsplit(found.url).path
        kind = kind_of(found.data, name, said or found.media_type)
        return Source(uri=task.uri, data=found.data, media_type=kind, **body)

    def _read(self, sources: Sequence[Source], tasks: Sequence[Task]) -> Sequence[Failure]:
        """Ingest sources; what failed."""
        report = self._agent.ingest_read(
            sources,
            self._collection,
            self._tell,
            self._hold.is_over,
            retry_failed=any(task.retried for task in tasks),
        )
        return report.failed

    def _tell(self, progress: Progress) -> None:
        pictures = progress.stage == "pictures"
        self._hold.progress = JobProgress(
            stage=progress.stage,
            done=progress.pictures if pictures else progress.documents,
            total=progress.pictures_total if pictures else progress.total,
            pages=progress.pages,
            seconds_left=progress.seconds_left,
            uri=progress.uri,
        )

    def _outcomes(self, tasks: Sequence[Task], failed: Sequence[Failure]) -> Iterator[Outcome]:
        cut_short = self._hold.is_over()
        for task in tasks:
            failures = [
                failure
                for failure in failed
                if failure.uri == task.uri or failure.uri.startswith(task.uri + MEMBER)
            ]
            if failures:
                yield Outcome(task.number, _problem(task, failures))
            elif not cut_short or self._is_whole(task):
                yield Outcome(task.number)

    def _is_whole(self, task: Task) -> bool:
        """Whether the bytes of an upload are in the home, looked at and all."""
        if task.upload is None:
            return False
        content = task.upload.partition("-")[0]
        return self._agent.documents.is_whole(self._collection, task.uri, content)


def _problem(task: Task, failures: Sequence[Failure]) -> Problem:
    """Why an item failed; of an archive, why the first of its files did."""
    first = failures[0]
    message = first.error
    if first.uri != task.uri:
        name = first.uri.removeprefix(task.uri + MEMBER)
        message = f"{len(failures)} of its files failed; the first, {name[:200]!r}: {message}"
    return Problem(code=first.code, message=message, remedy=first.remedy)


def _deadly(died: int) -> Problem:
    return Problem(
        code="worker_crashed",
        message=f"the process that ingested it died {died} times.",
        remedy="Look at the service's log; it may take more memory than there is.",
    )
