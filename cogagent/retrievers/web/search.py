"""Search engines: words in, addresses out."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NamedTuple, Protocol

import httpx

from cogagent.config import WebSettings
from cogagent.errors import ConfigError, WebError, WebSearchError
from cogagent.retrievers.web.transport import Wire, body

_MOST_BYTES = 4_000_000
_BUSY = (429, 503)
_FORBIDDEN = 403
_COMMAND = re.compile(r"(?<!\S)[!:?]+(?=\S)")
"""What begins a word that SearXNG takes as an order: to ask another engine, to redirect."""


class Hit(NamedTuple):
    """A result of a search."""

    url: str
    """Of the page; of the page a picture stands on, empty if it is not known."""
    title: str
    picture: str = ""
    """Of the picture itself, where pictures were searched for."""


class SearchEngine(Protocol):
    """Finds pages and pictures by words."""

    name: str
    """Who is asked; searches are kept and paced by it."""

    async def pages(self, text: str, count: int, seconds: float) -> list[Hit]:
        """Up to ``count`` pages, best first, none where nothing is found.

        Raises:
            WebSearchError: If the search fails or takes longer than ``seconds``.
        """
        ...

    async def pictures(self, text: str, count: int, seconds: float) -> list[Hit]:
        """Up to ``count`` pictures; otherwise as :meth:`pages`."""
        ...


def search_engine(settings: WebSettings) -> SearchEngine:
    """The search engine that the settings name.

    Raises:
        ConfigError: If there is none of that name, or its address is none.
    """
    if settings.provider == "searxng":
        return SearxNG(settings.searxng_url)
    return PublicEngines(settings.engines)


class PublicEngines:
    """Public search engines, asked through the package ddgs.

    Args:
        engines: Their names there, with commas; ``auto`` asks several.

    Raises:
        ConfigError: If one of them is not known; ddgs would ask all others instead.
    """

    def __init__(self, engines: str) -> None:
        from ddgs.engines import ENGINES

        names = [name.strip() for name in engines.split(",") if name.strip()]
        known = {*ENGINES["text"], *ENGINES["images"], "auto"}
        if not names or not known.issuperset(names):
            raise ConfigError(
                f"web.engines names no search engine that there is: {engines!r}.",
                remedy=f"Known are: {', '.join(sorted(known))}.",
            )
        self.name = f"ddgs:{','.join(names)}"
        self._names = {
            category: [name for name in names if name in ENGINES[category] or name == "auto"]
            for category in ("text", "images")
        }

    async def pages(self, text: str, count: int, seconds: float) -> list[Hit]:
        """As the protocol says."""
        found = await self._ask("text", text, count, seconds)
        return [Hit(_text(each, "href"), _text(each, "title")) for each in found]

    async def pictures(self, text: str, count: int, seconds: float) -> list[Hit]:
        """As the protocol says."""
        found = await self._ask("images", text, count, seconds)
        return [
            Hit(_text(each, "url"), _text(each, "title"), _text(each, "image")) for each in found
        ]

    async def _ask(
        self, category: str, text: str, count: int, seconds: float
    ) -> list[dict[str, Any]]:
        names = self._names[category]
        if not names:
            raise WebError(
                f"none of the search engines of the settings finds {category}.",
                remedy="Set web.engines to auto, for example.",
            )
        return await asyncio.to_thread(_ddgs, category, text, count, seconds, ",".join(names))


def _ddgs(
    category: str, text: str, count: int, seconds: float, backend: str
) -> list[dict[str, Any]]:
    from ddgs import DDGS
    from ddgs.exceptions import DDGSException, TimeoutException

    engines = DDGS(timeout=max(1, round(seconds)))
    ask = engines.text if category == "text" else engines.images
    try:
        return ask(text, max_results=count, backend=backend, safesearch="moderate")
    except TimeoutException as error:
        raise WebSearchError("the search engines did not answer in time.") from error
    except DDGSException as error:
        if "No results found" in str(error):
            return []
        raise WebSearchError(f"the search engines failed: {str(error)[:300]}.") from error
    except Exception as error:  # what a changed page of results does to ddgs is anyone's guess
        raise WebSearchError(
            f"the search engines failed: {type(error).__name__}: {str(error)[:300]}.",
            remedy="A newer version of the package ddgs may know them better.",
        ) from error


class SearxNG:
    """A SearXNG server, asked by its JSON interface.

    Args:
        address: Its own, such as ``http://localhost:8888``; private ones are fine.

    Raises:
        ConfigError: If it is no address.
    """

    def __init__(self, address: str) -> None:
        try:
            base = httpx.URL(address)
        except (httpx.InvalidURL, ValueError, TypeError):
            base = httpx.URL("")
        if base.scheme not in ("http", "https") or not base.host or base.userinfo:
            raise ConfigError(
                "web.searxng_url is no address.", remedy="Write it like http://localhost:8888."
            )
        self._url = base.copy_with(
            path=f"{base.path.rstrip('/')}/search", query=None, fragment=None
        )
        self._context = httpx.create_ssl_context()
        self.name = f"searxng:{base.host}"

    async def pages(self, text: str, count: int, seconds: float) -> list[Hit]:
        """As the protocol says."""
        found = await self._ask("general", text, seconds)
        return [Hit(_text(each, "url"), _text(each, "title")) for each in found][:count]

    async def pictures(self, text: str, count: int, seconds: float) -> list[Hit]:
        """As the protocol says."""
        found = await self._ask("images", text, seconds)
        return [
            Hit(_text(each, "url"), _text(each, "title"), _absolute(_text(each, "img_src")))
            for each in found
        ][:count]

    async def _ask(self, category: str, text: str, seconds: float) -> list[dict[str, Any]]:
        query = {
            "q": _COMMAND.sub("", text),
            "format": "json",
            "categories": category,
            "safesearch": "1",
        }
        try:
            async with asyncio.timeout(seconds), Wire(None, self._context) as wire:
                response = await wire.get(self._url.copy_with(params=query), "application/json")
                try:
                    self._check(response)
                    data = await body(response, _MOST_BYTES)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise WebSearchError("SearXNG did not answer in time.") from error
        except WebSearchError:
            raise
        except WebError as error:
            raise WebSearchError(
                f"SearXNG fails: {error.message}", remedy="Check web.searxng_url."
            ) from error
        return _results(data)

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in _BUSY:
            raise WebSearchError(f"SearXNG is busy ({status}).")
        if status == _FORBIDDEN:
            raise WebSearchError(
                "SearXNG declines (403).", remedy="Add `json` to search.formats in its settings."
            )
        if status != httpx.codes.OK:
            raise WebSearchError(
                f"SearXNG answers {status} at {self._url}.", remedy="Check web.searxng_url."
            )


def _results(data: bytes) -> list[dict[str, Any]]:
    """The results in SearXNG's JSON; none is an error only where its engines failed."""
    try:
        answer = json.loads(data)
        found, failed = answer["results"], answer.get("unresponsive_engines") or []
        sound = all(isinstance(each, dict) for each in found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WebSearchError(
            "what answers at web.searxng_url does not speak as SearXNG does."
        ) from error
    if not sound:
        raise WebSearchError("what answers at web.searxng_url does not speak as SearXNG does.")
    if not found and failed:
        raise WebSearchError(f"the engines behind SearXNG failed: {str(failed)[:300]}.")
    return list(found)


def _absolute(address: str) -> str:
    """An address that begins with ``//``, as some engines give them, with its scheme."""
    return f"https:{address}" if address.startswith("//") else address


def _text(result: dict[str, Any], name: str) -> str:
    value = result.get(name)
    return value if isinstance(value, str) else ""
