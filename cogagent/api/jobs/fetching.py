"""Documents from addresses that callers name: judged and fetched like pages of the web."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import cached_property
from ssl import SSLContext

from cogagent.config import Settings
from cogagent.errors import OfflineError, WebRefusedError
from cogagent.retrievers.web import robots
from cogagent.retrievers.web.fetching import Fetched, Fetcher
from cogagent.retrievers.web.guard import Guard
from cogagent.retrievers.web.pace import Pace

_KINDS = ("application/*", "text/*", "image/*", "message/*")
"""What a document may be called by the server; what it is, its loader finds out."""
_LOOK_UP = 0.2
"""Seconds after which a fetch asks whether it is still wanted."""


class Fetching:
    """Fetches documents; at most as large as ``limits.file_mb``.

    Private addresses, redirects to them and names that lead to them are refused by
    the guard of :mod:`cogagent.retrievers.web`, which also pins the connection to
    the address that it judged.

    Args:
        settings: ``offline``, ``limits.file_mb`` and the groups ``service`` and ``web`` count.
        guard: Judges addresses; for tests, which have no other host than this one.
    """

    def __init__(self, settings: Settings, guard: Guard | None = None) -> None:
        self._settings = settings
        self._guard = guard or Guard(settings.web.ports)
        self._pace = Pace(settings.web.host_seconds)
        self._rules = robots.kept_rules()

    @cached_property
    def _context(self) -> SSLContext:
        import httpx

        return httpx.create_ssl_context()

    def get(self, url: str, unwanted: Callable[[], bool] = lambda: False) -> Fetched | None:
        """What is at an address; ``None`` if it became unwanted meanwhile.

        Raises:
            OfflineError: If ``offline`` is on.
            WebRefusedError: If it, or where it leads to, is not to be fetched, or nothing is.
            WebLimitError: If it is too large or too slow.
            WebError: If it is not there.
        """
        if self._settings.offline:
            raise OfflineError("nothing is fetched while `offline` is on.")
        if not self._settings.service.fetch_urls:
            raise WebRefusedError("this service fetches no addresses.")
        return asyncio.run(self._get(url, unwanted))

    async def _get(self, url: str, unwanted: Callable[[], bool]) -> Fetched | None:
        most = self._settings.limits.file_mb << 20
        deadline = time.monotonic() + self._settings.service.fetch_seconds
        async with Fetcher(
            self._settings.web, self._guard, self._pace, self._rules, self._context
        ) as fetcher:
            fetch = asyncio.create_task(fetcher.get(url, _KINDS, most, deadline))
            while not (await asyncio.wait({fetch}, timeout=_LOOK_UP))[0]:
                if unwanted():
                    fetch.cancel()
                    await asyncio.wait({fetch})
                    return None
            return fetch.result()
