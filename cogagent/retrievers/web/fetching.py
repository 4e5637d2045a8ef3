"""Fetching pages and pictures: judged, paced, limited."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Collection
from types import TracebackType
from typing import NamedTuple

import httpx

from cogagent.config import WebSettings
from cogagent.documents.registry import base_type
from cogagent.errors import WebError, WebLimitError, WebRefusedError
from cogagent.models.kept import Kept
from cogagent.retrievers.web import robots
from cogagent.retrievers.web.guard import Guard, shown
from cogagent.retrievers.web.pace import Pace, retry_after
from cogagent.retrievers.web.robots import Robots, Rules
from cogagent.retrievers.web.transport import Wire, body

_log = logging.getLogger(__name__)

REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_BUSY = (429, 503)
_PATIENCE = 5.0
"""Seconds that a busy host is waited for; one that asks for more is left alone."""


class Fetched(NamedTuple):
    """What was at an address."""

    url: str
    """Where it was in the end."""
    media_type: str
    """As the server says, parameters included; empty if it does not."""
    data: bytes


class Fetcher:
    """Fetches for one search; for one event loop, in a context of its own.

    Args:
        settings: ``robots`` counts.
        guard: Judges addresses.
        pace: Shared by all searches.
        rules: What is known of robots.txt, shared too.
        context: Checks certificates.
    """

    def __init__(
        self,
        settings: WebSettings,
        guard: Guard,
        pace: Pace,
        rules: Kept[Rules],
        context: ssl.SSLContext,
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._pace = pace
        self._wire = Wire(guard, context)
        self._robots = Robots(self._read_rules, rules)

    async def __aenter__(self) -> Fetcher:
        await self._wire.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._wire.__aexit__(kind, error, trace)

    async def get(
        self, address: str, kinds: Collection[str], most: int, deadline: float
    ) -> Fetched:
        """What is at an address that a search engine gave.

        Args:
            address: http or https.
            kinds: Media types to take, or their part before the slash; others are not read.
            most: Bytes, once unpacked.
            deadline: ``time.monotonic()`` at which it is given up.

        Raises:
            WebRefusedError: If it, or where it leads to, is not to be fetched.
            WebLimitError: If it is too large, too slow, of another kind, or leads in circles.
            WebError: If it is not there.
        """
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await self._follow(self._guard.check(address), kinds, most, deadline)
        except TimeoutError as error:
            raise WebLimitError(f"{shown(address)} took too long.") from error

    async def _follow(
        self, url: httpx.URL, kinds: Collection[str], most: int, deadline: float
    ) -> Fetched:
        for _ in range(REDIRECTS + 1):
            response = await self._polite(url, ", ".join(kinds), deadline)
            try:
                if response.status_code in _MOVED:
                    url = self._led_to(url, response)
                    continue
                if response.status_code != httpx.codes.OK:
                    raise WebError(f"{shown(str(url))} answers {response.status_code}.")
                kind = response.headers.get("Content-Type", "")
                if kind.strip() and not _wanted(base_type(kind), kinds):
                    raise WebLimitError(
                        f"{shown(str(url))} is {shown(base_type(kind))}, which is not read."
                    )
                return Fetched(str(url), kind, await body(response, most))
            finally:
                await response.aclose()
        raise WebLimitError(f"{shown(str(url))} leads on more than {REDIRECTS} times.")

    def _led_to(self, url: httpx.URL, response: httpx.Response) -> httpx.URL:
        try:
            led = url.join(response.headers.get("Location", ""))
        except (httpx.InvalidURL, ValueError) as error:
            raise WebRefusedError(f"{shown(str(url))} leads to no address.") from error
        return self._guard.check(led)

    async def _polite(self, url: httpx.URL, accept: str, deadline: float) -> httpx.Response:
        """Asks when it is our turn and once more where the host was busy."""
        delay = 0.0
        if self._settings.robots:
            rules = await self._robots.of(url)
            if not rules.allow(url):
                raise WebRefusedError(
                    f"{shown(str(url))} is not fetched: the site's robots.txt asks not to, "
                    "or cannot be read."
                )
            delay = rules.delay
        for last in (False, True):
            await self._pace.turn(url.host, deadline - time.monotonic(), delay)
            response = await self._wire.get(url, accept)
            if response.status_code not in _BUSY:
                break
            await response.aclose()
            wait = retry_after(response.headers.get("Retry-After"))
            self._pace.block(url.host, wait)
            if last or wait > _PATIENCE:
                raise WebError(
                    f"{url.host} is busy ({response.status_code}) and left alone for {wait:.0f} s."
                )
            _log.info("%s is busy; asked again in %.1f s", url.host, wait)
        return response

    async def _read_rules(self, url: httpx.URL) -> tuple[int, bytes]:
        """Status and body of a robots.txt, redirects followed."""
        for _ in range(REDIRECTS + 1):
            response = await self._wire.get(self._guard.check(url), "text/plain")
            try:
                if response.status_code not in _MOVED:
                    found = response.status_code == httpx.codes.OK
                    data = await body(response, robots.MOST_BYTES, cut=True) if found else b""
                    return response.status_code, data
                url = self._led_to(url, response)
            finally:
                await response.aclose()
        return httpx.codes.NOT_FOUND, b""


def _wanted(kind: str, kinds: Collection[str]) -> bool:
    return kind in kinds or f"{kind.partition('/')[0]}/*" in kinds
