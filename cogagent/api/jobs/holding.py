"""A job is held while a worker is at it: the lease renewed, progress told, orders heard."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal

from cogagent.errors import CogAgentError
from cogagent.indexes.job_claims import LEASE_SECONDS, Claim, Claims, LeaseLostError
from cogagent.indexes.job_rows import JobProgress

_LOOK = 0.25
"""Seconds between two looks for orders."""
_TELL = 1.0
"""Seconds between two tellings of progress."""
_SLICE = 30.0
"""Seconds after which a job that has got on lets those of others go first."""
_PATIENCE = 10.0
"""Seconds that work may go on after it was told to end."""
log = logging.getLogger(__name__)

Ordered = Literal["go on", "cancel", "park", "lost", "refuse"]


class Hold:
    """Keeps a claim from its own thread; a context.

    Args:
        claims: The queue.
        claim: What is held.
        stopping: The worker is to end: the job is parked.
        on_stuck: Called if the work goes on long after it was told to end; a job that was
            to be parked is parked by then.
        may: Whether the job's owner may still have work done.

    Attributes:
        ordered: What is to become of the job.
        progress: How far it is; set by who works on it.
        got_on: Something was settled since it was claimed.
    """

    def __init__(
        self,
        claims: Claims,
        claim: Claim,
        stopping: threading.Event,
        on_stuck: Callable[[], None] = lambda: None,
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        self.ordered: Ordered = "go on"
        self.progress: JobProgress | None = None
        self.got_on = False
        self._claims = claims
        self._claim = claim
        self._stopping = stopping
        self._on_stuck = on_stuck
        self._may = may
        self._over = threading.Event()
        self._begun = self._told = time.monotonic()
        self._to_end_since: float | None = None
        self._thread = threading.Thread(target=self._keep, name="cogagent-lease", daemon=True)

    def is_over(self) -> bool:
        """Whether the work is to end, for one reason or another."""
        return self.ordered != "go on"

    def look(self) -> Ordered:
        """What is to become of the job, as of now."""
        if not self.is_over():
            self._order(self._wanted())
        return self.ordered

    def __enter__(self) -> Hold:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(_LOOK):
            try:
                self._turn()
            except CogAgentError as error:
                # The catalogue may be back in a moment; if not, the lease ends by itself.
                log.warning("the lease of %s was not renewed: %s", self._claim.job.id, error)
            except Exception:
                log.exception("the lease of %s was not renewed", self._claim.job.id)

    def _turn(self) -> None:
        now = time.monotonic()
        if self.ordered in ("go on", "park"):
            self._order(self._wanted())
        if self._is_to_end():
            self._to_end_since = self._to_end_since or now
            if now - self._to_end_since > _PATIENCE:
                self._give_up()
        quiet = self.progress is None
        if now - self._told > (LEASE_SECONDS / 6 if quiet else _TELL):
            self._told = now
            told, self.progress = self.progress, None
            ordered = self._claims.beat(self._claim, told)
            if ordered == "lost":
                self._order("lost")

    def _wanted(self) -> Ordered:
        ordered = self._claims.orders(self._claim)
        if ordered != "go on":
            return ordered
        if not self._may():
            return "refuse"
        if self._stopping.is_set():
            return "park"
        long = self.got_on and time.monotonic() - self._begun > _SLICE
        return "park" if long and self._claims.others_wait(self._claim.job.owner) else "go on"

    def _order(self, ordered: Ordered) -> None:
        if ordered != "go on":
            self.ordered = ordered

    def _is_to_end(self) -> bool:
        """Whether there is somebody who waits; to let others go first, the work has time."""
        return self.ordered in ("cancel", "lost", "refuse") or self._stopping.is_set()

    def _give_up(self) -> None:
        """Have the work ended that does not end; its job is parked first, if that was all."""
        if self.ordered == "park":
            with suppress(LeaseLostError):
                self._claims.park(self._claim.job.id, self._claim.worker)
        self._on_stuck()
