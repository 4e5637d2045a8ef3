"""The web as a tool: off unless the settings enable it; see ``docs/web.md``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from cogagent.config import Settings
from cogagent.documents.pool import ParserPool
from cogagent.errors import ConfigError, MissingPackageError, OfflineError
from cogagent.models.base import TextEmbedder

if TYPE_CHECKING:
    from cogagent.retrievers.web.tool import Look, WebTool

_PACKAGES = ("httpx", "protego", "trafilatura")


def web_tool(
    settings: Settings, embedder: TextEmbedder, parsers: ParserPool, look: Look | None = None
) -> WebTool | None:
    """The tool ``web``, or ``None`` where the settings do not enable it.

    Args:
        settings: The group ``web``, ``offline`` and ``chunks.tokens`` count.
        embedder: Ranks the passages of pages.
        parsers: Read pages and decode pictures, in their own processes.
        look: Sees what is in pictures; such as ``Eyes.look``.

    Raises:
        OfflineError: If ``offline`` is on: every page leaves this machine.
        ConfigError: If the settings name no search engine that there is.
        MissingPackageError: If a package is missing.
    """
    web = settings.web
    if not web.enabled:
        return None
    if settings.offline:
        raise OfflineError(
            "`web.enabled` and `offline` are both on; the web is not on this machine.",
            remedy="Set one of them to false.",
        )
    needed = (*_PACKAGES, "ddgs") if web.provider == "ddgs" else _PACKAGES
    if missing := [name for name in needed if find_spec(name) is None]:
        raise MissingPackageError(
            f"searching the web needs the packages {', '.join(missing)}, not installed here.",
            remedy="Run `pip install 'cogagent[web]'`.",
        )
    if web.provider == "searxng" and not web.searxng_url:
        raise ConfigError(
            "web.provider is searxng and no address of one is set.",
            remedy="Set web.searxng_url, for example to http://localhost:8888.",
        )
    from cogagent.retrievers.web.search import search_engine
    from cogagent.retrievers.web.tool import WebTool

    return WebTool(settings, search_engine(web), embedder, parsers, look)
