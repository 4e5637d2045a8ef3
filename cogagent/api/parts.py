"""Everything that requests to the service share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from cogagent.agent import CogAgent
from cogagent.api.rates import Rates
from cogagent.api.turnstile import Turnstile
from cogagent.config import ServiceSettings
from cogagent.indexes.audit import AuditLog
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.idempotent import Idempotent
from cogagent.indexes.keys import KeyRing


@dataclass
class Parts:
    """What is made once and serves all requests.

    Attributes:
        agent: The home.
        open_door: Whoever comes from this machine without an API key may do everything.
    """

    agent: CogAgent
    open_door: bool = field(default=False, kw_only=True)

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

    @cached_property
    def rates(self) -> Rates:
        """How often each key may come."""
        return Rates(self.settings.rate)

    @cached_property
    def turnstile(self) -> Turnstile:
        """Where questions wait for their turn."""
        return Turnstile(self.settings.asks, self.settings.waiting)

    @cached_property
    def audit(self) -> AuditLog:
        """Who did what."""
        return AuditLog(self.catalogue, self.settings.audit_kept)

    @cached_property
    def idempotent(self) -> Idempotent:
        """Answers that were given under a key of the caller's."""
        return Idempotent(self.catalogue)
