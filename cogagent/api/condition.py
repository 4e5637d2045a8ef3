"""How a running service is: are its models loaded, does it end."""

from __future__ import annotations

import asyncio
import logging
import threading

from cogagent.agent import CogAgent
from cogagent.errors import CogAgentError

log = logging.getLogger(__name__)


class Condition:
    """What changes once while a service runs.

    Attributes:
        loading: Why questions would have to wait or fail; empty once all models are loaded.
        ending: Set when the service is told to stop: what only waits, such as the events of
            a job, ends then.
    """

    def __init__(self) -> None:
        self.loading = "the models are being loaded"
        self._ended = threading.Event()
        self._ending: asyncio.Event | None = None

    @property
    def ends(self) -> bool:
        """Whether the service is being stopped; may be asked on any thread."""
        return self._ended.is_set()

    @property
    def ending(self) -> asyncio.Event:
        """The same, to be awaited on the service's loop."""
        if self._ending is None:
            self._ending = asyncio.Event()
            if self.ends:
                self._ending.set()
        return self._ending

    def end(self) -> None:
        """Note that the service stops; to be called on its loop."""
        self._ended.set()
        self.ending.set()

    def begin(self) -> None:
        """Note that it runs, for an application that is started again."""
        self._ended.clear()
        self._ending = None

    def warm(self, agent: CogAgent) -> None:
        """Load what questions need; what does not load is told by :attr:`loading`."""
        try:
            agent.warm()
        except CogAgentError as error:
            log.error("a model does not load: %s", error)  # noqa: TRY400 - it says all
            self.loading = f"a model does not load ({error.code})"
        except Exception:
            log.exception("a model does not load")
            self.loading = "a model does not load"
        else:
            self.loading = ""
            log.info("the models are loaded")
