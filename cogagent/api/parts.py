"""Everything that requests to the service share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

from cogagent.agent import CogAgent
from cogagent.api.callers import Caller
from cogagent.api.condition import Condition
from cogagent.api.jobs.desk import JobDesk
from cogagent.api.jobs.fetching import Fetching
from cogagent.api.jobs.supervisor import Supervisor
from cogagent.api.metrics import Metrics
from cogagent.api.probes import Readying
from cogagent.api.rates import Rates
from cogagent.api.turns import Turns
from cogagent.api.turnstile import Turnstile
from cogagent.config import ServiceSettings
from cogagent.indexes.audit import AuditLog
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.idempotent import Idempotent
from cogagent.indexes.keys import KeyRing
from cogagent.indexes.uploaded import UploadLog


@dataclass
class Parts:
    """What is made once and serves all requests.

    Attributes:
        agent: The home.
        open_door: Whoever comes from this machine without an API key may do everything.
        condition: How the service is.
    """

    agent: CogAgent
    open_door: bool = field(default=False, kw_only=True)
    condition: Condition = field(default_factory=Condition, init=False)

    @property
    def settings(self) -> ServiceSettings:
        """Those of the service."""
        return self.agent.settings.service

    @property
    def catalogue(self) -> Catalogue:
        """Of the home."""
        return self.agent.catalogue

    @cached_property
    def keys(self) -> KeyRing:
        """The API keys."""
        return KeyRing(self.catalogue)

    def may(self, caller: Caller) -> Callable[[], bool]:
        """A function that tells whether a caller who came in may still be here."""
        return partial(self.keys.holds, caller.owner)

    @cached_property
    def readying(self) -> Readying:
        """Finds out whether the service is ready."""
        return Readying(self)

    @cached_property
    def jobs(self) -> JobDesk:
        """Where jobs are submitted and asked after."""
        return JobDesk(self.agent, lambda: self.condition.ends)

    @cached_property
    def workers(self) -> Supervisor:
        """The processes that do the jobs."""
        metrics = self.metrics
        return Supervisor(
            self.catalogue, self.agent.home, self.agent.settings,
            on_line=None if metrics is None else metrics.take,
        )  # fmt: skip

    @cached_property
    def metrics(self) -> Metrics | None:
        """What is counted; ``None`` if nobody may read it."""
        return None if self.settings.metrics == "off" else Metrics(self)

    @cached_property
    def rates(self) -> Rates:
        """How often each key may come."""
        return Rates(self.settings.rate)

    @cached_property
    def turnstile(self) -> Turnstile:
        """Where questions wait for their turn."""
        return Turnstile(self.settings.asks, self.settings.waiting)

    @cached_property
    def turns(self) -> Turns:
        """All lines to wait in: that of questions, and the others."""
        return Turns(self.turnstile, max(4, self.agent.settings.threads()))

    def uploaded(self, caller: Caller) -> UploadLog:
        """What a caller sees of documents and of uploads that are not documents yet."""
        admin = caller.is_admin
        return UploadLog(
            self.catalogue,
            None if admin else caller.owner,
            None if admin else caller.collections,
            caller.seen_as,
        )

    @cached_property
    def fetching(self) -> Fetching:
        """Fetches from addresses that callers name, if that is allowed."""
        return Fetching(self.agent.settings)

    @cached_property
    def audit(self) -> AuditLog:
        """Who did what."""
        return AuditLog(self.catalogue, self.settings.audit_kept)

    @cached_property
    def idempotent(self) -> Idempotent:
        """Answers that were given under a key of the caller's."""
        return Idempotent(self.catalogue)
