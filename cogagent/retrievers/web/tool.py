"""The tool ``web``: searches, reads the best pages, brings their passages as evidence.

What is fetched is what the search engine named, nothing else: no link of a page,
no address in a document, a question or a plan is ever followed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from cogagent.config import Settings
from cogagent.documents import registry
from cogagent.documents.chunking import chunk
from cogagent.documents.pool import ParserPool
from cogagent.errors import (
    CogAgentError,
    DocumentError,
    NotFoundError,
    WebError,
    WebLimitError,
    WebSearchError,
)
from cogagent.geometry import FULL_PAGE
from cogagent.models.base import TextEmbedder
from cogagent.models.kept import Kept
from cogagent.retrievers.web import robots
from cogagent.retrievers.web.fetching import Fetched, Fetcher
from cogagent.retrievers.web.guard import Guard, shown
from cogagent.retrievers.web.pace import Pace
from cogagent.retrievers.web.passages import Page, digest, document_id, ranked
from cogagent.retrievers.web.search import Hit, SearchEngine
from cogagent.types import Chunk, Element, Evidence, Query, Raster, Source, ToolSpec, Words, clean
from cogagent.vision.eyes import Sight

_log = logging.getLogger(__name__)

_Found = TypeVar("_Found")
Look = Callable[[Sequence[Raster]], list[Sight]]

LONGEST_QUERY = 300
"""Characters of a query that leave this machine."""
_PAGES = ("text/html", "application/xhtml+xml", "text/plain", "application/pdf")
_PICTURES = ("image/*",)
_SEARCH_SHARE = 0.5
"""Of the time for all, that the search alone may take."""
_TITLE = 200
_MOST_PASSAGES = 1000
"""Of one page."""
_ATTEMPTS = 2
"""Searches for one query, where the first fails."""
_PAUSE, _REST = 1.0, 30.0
"""Seconds before the second attempt, and before the next search where that fails too."""


class _Picture(NamedTuple):
    """A picture that was fetched, what it was and when."""

    raster: Raster
    media_type: str
    retrieved: str


class WebTool:
    """Searches the web. Safe to use from several event loops.

    Args:
        settings: The group ``web`` and ``chunks.tokens`` count.
        engine: Finds the addresses.
        embedder: Ranks passages.
        parsers: Read pages and decode pictures.
        look: Sees what is in pictures; without it they are known by their titles alone.
        guard: Judges addresses; for tests, which have no other host than this one.
    """

    spec = ToolSpec(
        name="web",
        description="Pages of the public web, by words: for what is recent or not in the "
        "documents. Pictures of the web where pictures are asked for.",
        web=True,
    )

    def __init__(
        self,
        settings: Settings,
        engine: SearchEngine,
        embedder: TextEmbedder,
        parsers: ParserPool,
        look: Look | None = None,
        guard: Guard | None = None,
    ) -> None:
        self._settings = settings.web
        self._tokens = settings.chunks.tokens
        self._engine = engine
        self._embedder = embedder
        self._parsers = parsers
        self._look = look
        self._guard = guard or Guard(self._settings.ports)
        self._pace = Pace(self._settings.host_seconds)
        self._rules = robots.kept_rules()
        self._context = httpx.create_ssl_context()
        most, seconds = self._settings.cache_mb, self._settings.cache_seconds
        self._hits: Kept[tuple[Hit, ...]] = Kept(most / 4, seconds, lambda hits: 500 * len(hits))
        self._pages: Kept[Page] = Kept(most, seconds, lambda page: page.size)
        self._shown: Kept[_Picture] = Kept(most, seconds, lambda each: each.raster.pixels.nbytes)

    async def aretrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` passages, or pictures, of the web that match a query best.

        Pictures come where ``query.kinds`` has ``image``, passages where it has
        another kind or none. Of the query its first 300 characters leave this machine.

        Raises:
            WebSearchError: If the search fails.
            WebError: If none of the pages found can be read.
            ModelError: If the embedder fails.
        """
        text = _one_line(query.text)[:LONGEST_QUERY].strip()
        if not text:
            return []
        deadline = time.monotonic() + self._settings.timeout_seconds
        kinds = set(query.kinds)
        searches: list[Awaitable[list[Evidence]]] = []
        if not kinds or kinds - {"image"}:
            searches.append(self._passages(text, query, k, deadline))
        if "image" in kinds:
            searches.append(self._pictures(text, query, k, deadline))
        found = await _all(searches)
        return sorted((piece for each in found for piece in each), key=lambda e: -e.score)[:k]

    def picture(self, document: str) -> Raster:
        """The pixels of a picture that was found, by its ``document_id``.

        Raises:
            NotFoundError: If it is none, or was found too long ago.
        """
        found = self._shown.find(document)
        if found is None:
            raise NotFoundError(
                f"of {document!r}, which is on the web, no copy is kept.",
                remedy="Open its address.",
            )
        return found.raster

    def close(self) -> None:
        """Forget what was fetched."""
        for kept in (self._hits, self._pages, self._shown, self._rules):
            kept.clear()

    # --- passages ----------------------------------------------------------

    async def _passages(self, text: str, query: Query, k: int, deadline: float) -> list[Evidence]:
        hits = await self._search("pages", text, deadline)

        async def read(fetcher: Fetcher, hit: Hit) -> Page:
            return await self._page(fetcher, hit, deadline)

        pages = await self._fetch(hits, self._settings.pages, read, deadline)
        return await asyncio.to_thread(ranked, pages, query, k, self._embedder)

    async def _page(self, fetcher: Fetcher, hit: Hit, deadline: float) -> Page:
        page = self._pages.find(hit.url)
        if page is None:
            most = int(self._settings.page_mb * 1e6)
            fetched = await fetcher.get(hit.url, _PAGES, most, deadline)
            kind = _kind(fetched)
            title, passages = await _stoppable(
                lambda stop: self._read(fetched, kind, hit.title, stop)
            )
            page = Page(
                url=fetched.url,
                asked=hit.url,
                title=title,
                media_type=kind,
                retrieved=_now(),
                passages=passages,
            )
            self._pages.keep(hit.url, page)
        return page

    def _read(
        self, fetched: Fetched, kind: str, title: str, stop: threading.Event
    ) -> tuple[str, tuple[Chunk, ...]]:
        """Title and passages of a page, made in a parser process."""
        charset = fetched.media_type.partition(";")[2]
        loader = registry.WEB_PAGE if kind == registry.HTML else kind
        source = Source(
            uri=fetched.url,
            data=fetched.data,
            media_type=f"{loader};{charset}" if charset else loader,
        )
        found = self._parsers.parse(source)
        try:
            first = next(found, None)
            own = _heading(first.caption) if first is not None else ""
            named = own or _heading(title) or shown(fetched.url)
            passages: list[Chunk] = []
            for each in chunk(
                _until(stop, found),
                title=named,
                max_tokens=self._tokens,
                count_tokens=self._embedder.count_tokens,
            ):
                if each.kind != "image" and each.text.strip():
                    passages.append(each)
                if len(passages) >= _MOST_PASSAGES:
                    break
        except DocumentError as error:
            raise WebError(f"{shown(fetched.url)} cannot be read: {error.message}") from error
        finally:
            found.close()
        if not passages:
            raise WebError(f"{shown(fetched.url)} has no text.")
        return named, tuple(passages)

    # --- pictures ----------------------------------------------------------

    async def _pictures(self, text: str, query: Query, k: int, deadline: float) -> list[Evidence]:
        hits = [hit for hit in await self._search("pictures", text, deadline) if hit.picture]

        async def fetch(fetcher: Fetcher, hit: Hit) -> tuple[Hit, _Picture]:
            return hit, await self._picture(fetcher, hit.picture, deadline)

        wanted = min(self._settings.pictures, k)
        found = await self._fetch(hits, wanted, fetch, deadline)
        sights: list[Sight] = []
        if self._look is not None and found:
            sights = await asyncio.to_thread(self._look, [picture.raster for _, picture in found])
        pieces = [
            _to_evidence(hit, picture, query, sights[place] if sights else None)
            for place, (hit, picture) in enumerate(found)
        ]
        return [  # the search engine's order is all that is known of how good they are
            piece.model_copy(update={"score": round(1.0 - place / len(pieces), 6)})
            for place, piece in enumerate(pieces)
        ]

    async def _picture(self, fetcher: Fetcher, address: str, deadline: float) -> _Picture:
        key = document_id(address)
        picture = self._shown.find(key)
        if picture is None:
            most = int(2 * self._settings.page_mb * 1e6)
            fetched = await fetcher.get(address, _PICTURES, most, deadline)
            # What it is its own bytes tell; the name could tell a loader that guesses more.
            kind = registry.detect(fetched.data)
            if not kind.startswith("image/"):
                raise WebLimitError(f"{shown(address)} is no picture.")
            source = Source(uri=address, data=fetched.data, media_type=kind)
            try:
                raster = await asyncio.to_thread(self._parsers.render, source, 1, 150)
            except DocumentError as error:
                raise WebError(f"{shown(address)} cannot be shown: {error.message}") from error
            picture = _Picture(raster, kind, _now())
            self._shown.keep(key, picture)
        return picture

    # --- searching and fetching --------------------------------------------

    async def _search(self, what: str, text: str, deadline: float) -> list[Hit]:
        """What the search engine gives, asked once more where it fails."""
        key = (self._engine.name, what, text, self._settings.results)
        hits = self._hits.find(key)
        if hits is None:
            hits = tuple(_usable(await self._ask(what, text, deadline), self._guard))
            self._hits.keep(key, hits)
        return list(hits)

    async def _ask(self, what: str, text: str, deadline: float) -> list[Hit]:
        ask = self._engine.pages if what == "pages" else self._engine.pictures
        for attempt in range(1, _ATTEMPTS + 1):
            left = (deadline - time.monotonic()) * _SEARCH_SHARE
            await self._pace.turn(self._engine.name, left)
            try:
                async with asyncio.timeout(left):
                    return await ask(text, self._settings.results, left)
            except TimeoutError as error:
                raise WebSearchError("the search engine did not answer in time.") from error
            except WebSearchError as error:
                if attempt == _ATTEMPTS:
                    # Whoever is overloaded, or has had enough of us, is left alone for longer.
                    self._pace.block(self._engine.name, _REST)
                    raise
                _log.info("the search is tried again: %s", error)
                self._pace.block(self._engine.name, _PAUSE)
        raise AssertionError("the last attempt returns or raises")

    async def _fetch(
        self,
        hits: Sequence[Hit],
        wanted: int,
        fetch: Callable[[Fetcher, Hit], Awaitable[_Found]],
        deadline: float,
    ) -> list[_Found]:
        """The first ``wanted`` of the hits that can be had, in their order.

        Raises:
            WebError: If there are hits and none can be had; the first one's reason.
        """
        found: dict[int, _Found] = {}
        failed: dict[int, CogAgentError] = {}
        waiting = iter(enumerate(hits))

        async def work(fetcher: Fetcher) -> None:
            for place, hit in waiting:
                try:
                    found[place] = await fetch(fetcher, hit)
                except CogAgentError as error:
                    _log.info("a page is left out: %s", error)
                    failed[place] = error
                else:
                    return

        async with Fetcher(
            self._settings, self._guard, self._pace, self._rules, self._context
        ) as fetcher:
            works = [asyncio.create_task(work(fetcher)) for _ in range(min(wanted, len(hits)))]
            try:
                if works:  # what is there when the time is over counts
                    await asyncio.wait(works, timeout=max(0.0, deadline - time.monotonic()))
            finally:
                for task in works:
                    task.cancel()
                ended = await asyncio.gather(*works, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome
        if hits and not found:
            first = failed[min(failed)] if failed else None
            reason = first.message if first else "the time was over."
            raise WebError(f"of {len(hits)} results none can be read; the first: {reason}")
        return [found[place] for place in sorted(found)]


def _usable(hits: Sequence[Hit], guard: Guard) -> Iterator[Hit]:
    """The hits that may be fetched as far as one can see, each address once."""
    seen = set()
    for hit in hits:
        address = hit.picture or hit.url
        try:
            key = str(guard.check(address))
        except WebError as error:
            _log.info("a result is left out: %s", error)
            continue
        if key not in seen:
            seen.add(key)
            yield hit


def _kind(fetched: Fetched) -> str:
    """What a page is to be read as: what the server says, unless its bytes say otherwise.

    Raises:
        WebLimitError: If it is nothing that is read.
    """
    declared = registry.base_type(fetched.media_type)
    path = urlsplit(fetched.url).path
    found = registry.detect(fetched.data, path if not declared else "")
    if found == registry.PDF:
        return registry.PDF
    if fetched.data and registry.looks_like_text(fetched.data[:8192]):
        html = registry.HTML in (declared, found if not declared else "")
        return registry.HTML if html else registry.TEXT
    raise WebLimitError(f"{shown(fetched.url)} is not what it says, or empty.")


def _to_evidence(hit: Hit, picture: _Picture, query: Query, sight: Sight | None) -> Evidence:
    title = _heading(hit.title) or shown(hit.picture)
    written, words = "", Words.empty()
    if sight is not None:
        said = "".join(f"{sentence}\n" for sentence in sight.perception.sentences)
        written = said + sight.reading.text
        words = Words.concat([(len(said), sight.reading.words)])
    return Evidence(
        id=f"web-{digest(hit.picture, written or title)}",
        document_id=document_id(hit.picture),
        uri=hit.picture,
        title=title,
        media_type=picture.media_type,
        page=1,
        box=FULL_PAGE,
        boxes=tuple(words.lines(0, len(written))),
        modality="image",
        text=written or title,
        caption=title if written else "",
        score=0.0,
        query=query.text,
        metadata={
            "kind": "web",
            "url": hit.picture,
            "page_url": _one_line(hit.url),
            "retrieved": picture.retrieved,
        },
        words=words,
    )


def _until(stop: threading.Event, elements: Iterator[Element]) -> Iterator[Element]:
    """The elements, as long as somebody waits for them."""
    for element in elements:
        if stop.is_set():
            return
        yield element


async def _stoppable(work: Callable[[threading.Event], _Found]) -> _Found:
    """Blocking work in a thread, told when nobody waits for it any more."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()


async def _all(searches: Sequence[Awaitable[list[Evidence]]]) -> list[list[Evidence]]:
    """What the searches bring; an error counts only where none brings anything."""
    outcomes = await asyncio.gather(*searches, return_exceptions=True)
    found = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not (
            isinstance(outcome, CogAgentError) and any(found)
        ):
            raise outcome
    return found


def _heading(text: str) -> str:
    """A title on one line, none too long."""
    return _one_line(text)[:_TITLE].strip()


def _one_line(text: str) -> str:
    """A text without breaks and characters that are not seen."""
    return clean(" ".join("".join(c if c.isprintable() else " " for c in text).split()))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
