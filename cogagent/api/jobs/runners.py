"""Does the jobs that are due, one after the other, in whatever process it is called."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType

from cogagent.agent import CogAgent
from cogagent.api.jobs.alive import Alive, is_alive, sweep
from cogagent.api.jobs.answering import BatchRun
from cogagent.api.jobs.behalf import restored
from cogagent.api.jobs.fetching import Fetching
from cogagent.api.jobs.holding import Hold
from cogagent.api.jobs.ingesting import IngestRun
from cogagent.api.jobs.tidying import FOLDER, tidy
from cogagent.api.jobs.uploads import Uploads
from cogagent.api.jobs.work import Work
from cogagent.config import Settings
from cogagent.errors import (
    CapabilityError,
    CogAgentError,
    ConfigError,
    MissingPackageError,
    NotFoundError,
    OfflineError,
    UnauthenticatedError,
)
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.job_claims import Claim, Claims, LeaseLostError
from cogagent.indexes.keys import KeyRing
from cogagent.types import Problem

_LASTING = (NotFoundError, ConfigError, CapabilityError, MissingPackageError, OfflineError)
"""Errors that another attempt would meet again."""
_TIDY_SECONDS = 60.0
_REFUSED = "the API key that submitted it is revoked or has expired."
log = logging.getLogger(__name__)


def claims_of(catalogue: Catalogue, home: Path, settings: Settings) -> Claims:
    """The queue of a home, which knows of each worker whether it lives."""
    folder = workers_folder(home)
    return Claims(
        catalogue, settings.service.attempts, is_alive=lambda name: is_alive(folder, name)
    )


def workers_folder(home: Path) -> Path:
    """Where the workers of a home show that they live."""
    return home / "workers"


class Runner:
    """Works on the jobs of a home; a context, for one thread.

    Args:
        catalogue: Of the home.
        home: Its folder.
        settings: Its settings.
        agent: Gives the home itself; asked when there is something to do.
        fetching: Fetches addresses; made if ``None``.
        on_stuck: Called if work goes on long after it was told to end.

    Attributes:
        stopping: Set it to have the job at hand parked.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        home: Path,
        settings: Settings,
        agent: Callable[[], CogAgent],
        fetching: Fetching | None = None,
        on_stuck: Callable[[], None] = lambda: None,
    ) -> None:
        self.stopping = threading.Event()
        self._home = home
        self._settings = settings
        self._agent = agent
        self._claims = claims_of(catalogue, home, settings)
        self._keys = KeyRing(catalogue)
        self._uploads = Uploads(home / "uploads", settings.limits.file_mb)
        self._fetching = fetching or Fetching(settings)
        self._on_stuck = on_stuck
        self._tidied = 0.0

    def __enter__(self) -> Runner:
        self._alive = Alive(workers_folder(self._home))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alive.close()
        self._uploads.close()

    def is_due(self) -> bool:
        """Whether there may be something to do."""
        return self._claims.is_due()

    def reap(self) -> int:
        """Take back the jobs of workers that died; how many."""
        return self._claims.reap()

    def tidy(self) -> None:
        """Forget old jobs and remove files that none needs, once in a while."""
        if time.monotonic() - self._tidied < _TIDY_SECONDS and self._tidied:
            return
        self._tidied = time.monotonic()
        sweep(workers_folder(self._home))
        service = self._settings.service
        tidy(self._claims, self._uploads, self._home, service.jobs_kept, service.retry_hours)

    def run_one(self) -> bool:
        """Work on a job that is due until it is over, or has to wait; whether there was one.

        Raises:
            StorageError: If the catalogue cannot be used.
        """
        agent = self._agent()  # made before a job is taken that would wait for it
        claim = self._claims.claim(self._alive.name)
        if claim is None:
            return False
        may = partial(self._keys.holds, claim.job.owner)
        with Hold(self._claims, claim, self.stopping, self._on_stuck, may) as hold:
            error = self._attempt(agent, claim, hold) if hold.look() != "refuse" else None
        try:
            self._let_go(claim, hold, error)
        except LeaseLostError:
            log.warning("the job %s was taken over by another worker", claim.job.id)
        self.tidy()
        return True

    def _attempt(self, agent: CogAgent, claim: Claim, hold: Hold) -> Exception | None:
        work = Work(agent, self._claims, claim, restored(claim.caller), hold)
        with agent.telemetry.begin("job", job=claim.job.id, job_kind=claim.job.kind) as told:
            error = self._worked(work, claim)
            if error is not None:
                told.fail(error)
            return error

    def _worked(self, work: Work, claim: Claim) -> Exception | None:
        try:
            if claim.job.kind == "ingest":
                IngestRun(work, self._uploads, self._fetching).run()
            else:
                self._require_attempts(claim)
                BatchRun(work, self._home / FOLDER / claim.job.id).run()
        except LeaseLostError as error:
            return error
        except CogAgentError as error:
            log.warning("the job %s did not get on: %s", claim.job.id, error)
            return error
        except Exception as error:
            log.exception("the job %s did not get on", claim.job.id)
            return error
        return None

    def _require_attempts(self, claim: Claim) -> None:
        """Give up a batch over which workers die."""
        if claim.job.attempts > self._settings.service.attempts:
            raise _DeadlyError(
                f"the process that answered it died {claim.job.attempts - 1} times."
            )

    def _let_go(self, claim: Claim, hold: Hold, error: Exception | None) -> None:
        job = claim.job.id
        if isinstance(error, LeaseLostError) or hold.ordered == "lost":
            raise LeaseLostError(job)
        if hold.ordered == "refuse" and self._claims.tasks(claim):
            refused = self._problem(
                UnauthenticatedError(_REFUSED, remedy="Submit it with another key.")
            )
            self._claims.postpone(job, claim.worker, refused, lasting=True)
        elif error is not None:
            lasting = isinstance(error, (*_LASTING, _DeadlyError))
            self._claims.postpone(job, claim.worker, self._problem(error), lasting=lasting)
        elif hold.ordered == "park" and self._claims.tasks(claim):
            self._claims.park(job, claim.worker)
        elif hold.ordered == "go on" and (left := self._claims.tasks(claim)):
            unfinished = Problem(code="error", message=f"{len(left)} of its items were left out.")
            self._claims.postpone(job, claim.worker, unfinished)
        else:
            self._claims.finish(claim)

    def _problem(self, error: Exception) -> Problem:
        """An error as the caller is told of it: without where the home is."""
        if not isinstance(error, CogAgentError):
            return Problem(code="error", message=f"unexpected {type(error).__name__}.")
        message = error.message.replace(str(self._home), "the home")
        return Problem(code=error.code, message=message, remedy=error.remedy)


class _DeadlyError(CogAgentError):
    """Workers die over it."""

    code = "worker_crashed"
