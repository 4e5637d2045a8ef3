"""What sites ask of programs: robots.txt, as RFC 9309 has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from protego import Protego

from cogagent.errors import WebError
from cogagent.models.kept import Kept
from cogagent.retrievers.web.transport import AGENT

MOST_BYTES = 512 * 1024
_SLOWEST = 30.0
"""Seconds between two requests that a site can ask for."""
_KEPT_SECONDS = 3600.0
_KEPT_MB = 8.0
_OVERHEAD = 4
"""Bytes in memory a byte of robots.txt, roughly."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one site; ``None`` where it could not say, so that nothing is allowed."""

    rules: Protego | None
    size: int = 0

    def allow(self, url: httpx.URL) -> bool:
        """Whether this program may fetch a url."""
        return self.rules is not None and bool(self.rules.can_fetch(str(url), AGENT))

    @property
    def delay(self) -> float:
        """Seconds between two requests that the site asks for."""
        asked = self.rules.crawl_delay(AGENT) if self.rules is not None else None
        return min(max(asked or 0.0, 0.0), _SLOWEST)


def kept_rules() -> Kept[Rules]:
    """A cache of rules by site."""
    return Kept(_KEPT_MB, _KEPT_SECONDS, lambda rules: 1000.0 + _OVERHEAD * rules.size)


class Robots:
    """The rules of sites, each fetched once; for one event loop.

    Args:
        fetch: Gives status and body of a url.
        kept: Those known from before.
    """

    def __init__(
        self, fetch: Callable[[httpx.URL], Awaitable[tuple[int, bytes]]], kept: Kept[Rules]
    ) -> None:
        self._fetch = fetch
        self._kept = kept
        self._turns: dict[str, asyncio.Lock] = {}

    async def of(self, url: httpx.URL) -> Rules:
        """The rules of a url's site."""
        site = f"{url.scheme}://{url.netloc.decode('ascii')}"
        async with self._turns.setdefault(site, asyncio.Lock()):
            rules = self._kept.find(site)
            if rules is None:
                rules = await self._read(url.copy_with(raw_path=b"/robots.txt"))
                if rules.rules is not None:  # a site that is down for a minute is not kept so
                    self._kept.keep(site, rules)
            return rules

    async def _read(self, url: httpx.URL) -> Rules:
        try:
            status, data = await self._fetch(url)
        except WebError:
            return Rules(None)
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Rules(None)
        if status != httpx.codes.OK:  # there are no rules
            return Rules(Protego.parse(""))
        return Rules(Protego.parse(data.decode("utf-8", "replace")), len(data))
