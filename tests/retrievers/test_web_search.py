"""Search engines: what they answer, and every way in which they fail."""

from __future__ import annotations

import asyncio
import time

import pytest

from cogagent.config import WebSettings
from cogagent.errors import ConfigError, WebError, WebSearchError
from cogagent.retrievers.web.search import Hit, PublicEngines, SearxNG, search_engine
from tests.retrievers.web_kit import searx, searx_answer, serving


def ask(answer, what: str = "pages", count: int = 5, seconds: float = 5.0) -> list[Hit]:
    with serving(searx(answer)) as site:
        engine = SearxNG(site.at("", "127.0.0.2"))
        return asyncio.run(getattr(engine, what)("kestrel dam", count, seconds))


def test_searxng_is_asked_in_its_own_way() -> None:
    asked = []

    def answer(query):
        asked.append(query)
        return searx_answer(
            {"url": "https://a.example/", "title": "A", "content": "about a"},
            {"url": "https://b.example/", "title": "B"},
            {"url": None, "title": 3},
        )

    assert ask(answer, count=2) == [Hit("https://a.example/", "A"), Hit("https://b.example/", "B")]
    assert ask(answer)[2] == Hit("", "")
    assert asked[0] == {
        "q": "kestrel dam", "format": "json", "categories": "general", "safesearch": "1",
    }  # fmt: skip


def test_searxng_is_given_no_orders() -> None:
    asked = []
    with serving(searx(lambda query: asked.append(query["q"]) or searx_answer())) as site:
        engine = SearxNG(site.at("", "127.0.0.2"))
        asyncio.run(engine.pages("!!g :fr !images dam! at 10:30 ?x", 3, 2.0))
    assert asked == ["g fr images dam! at 10:30 x"]


def test_searxng_finds_pictures() -> None:
    def answer(query):
        assert query["categories"] == "images"
        return searx_answer(
            {"url": "https://a.example/", "title": "A", "img_src": "//a.example/a.png"}
        )

    assert ask(answer, "pictures") == [
        Hit("https://a.example/", "A", "https://a.example/a.png")
    ]  # fmt: skip


def test_nothing_found_is_no_error_but_failing_engines_are() -> None:
    assert ask(lambda query: searx_answer()) == []
    with pytest.raises(WebSearchError, match="brave"):
        ask(lambda query: searx_answer(failed=[["brave", "timeout"]]))
    found = searx_answer({"url": "https://a.example/", "title": "A"}, failed=[["brave", "x"]])
    assert len(ask(lambda query: found)) == 1


@pytest.mark.parametrize("status", [429, 503, 403, 404, 500, 302])
def test_statuses_of_searxng(status: int) -> None:
    with pytest.raises(WebSearchError, match=str(status)) as caught:
        ask(lambda query: status)
    assert ("json" in caught.value.remedy) == (status == 403)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"results": 3}', b'{"results": [3]}', b"null",
             b"[" * 100_000, b"\xff\xfe\x00", b"x" * 5_000_000]
)  # fmt: skip
def test_what_is_not_searxng_is_a_typed_error(body: bytes) -> None:
    with pytest.raises(WebSearchError):
        ask(lambda query: body)


def test_a_searxng_that_is_not_there_or_slow() -> None:
    with pytest.raises(WebSearchError, match="SearXNG fails"):
        asyncio.run(SearxNG("http://127.0.0.2:9").pages("x", 3, 2.0))
    with pytest.raises(WebSearchError, match="in time"):
        ask(lambda query: time.sleep(1) or 200, seconds=0.2)


@pytest.mark.parametrize(
    "address", ["", "localhost:8888", "ftp://x/", "http://u:p@host/", "http://"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigError, match="searxng_url"):
        SearxNG(address)


def test_a_path_is_kept() -> None:
    with serving({"/sub/search": lambda e: e.send('{"results": []}', "application/json")}) as site:
        engine = SearxNG(site.at("/sub/", "127.0.0.2"))
        assert asyncio.run(engine.pages("x", 3, 2.0)) == []


# --- ddgs, which cannot reach the web from here: doubled at its own door ---


class FakeDDGS:
    def __init__(self, timeout: int) -> None:
        assert timeout == 4

    def text(self, query: str, *, max_results: int, backend: str, safesearch: str):
        outcome = FakeDDGS.outcome
        FakeDDGS.asked = (query, max_results, backend, safesearch)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    images = text


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch):
    import ddgs

    monkeypatch.setattr(ddgs, "DDGS", FakeDDGS)

    def ask(outcome, what: str = "pages") -> list[Hit]:
        FakeDDGS.outcome = outcome
        engine = search_engine(WebSettings())
        assert isinstance(engine, PublicEngines)
        return asyncio.run(getattr(engine, what)("kestrel dam", 3, 4.2))

    return ask


def test_ddgs(engines) -> None:
    found = [{"title": "A", "href": "https://a.example/", "body": "about a"}]
    assert engines(found) == [Hit("https://a.example/", "A")]
    assert FakeDDGS.asked == ("kestrel dam", 3, "duckduckgo", "moderate")
    found = [{"title": "A", "image": "https://a.example/a.png", "url": "https://a.example/"}]
    assert engines(found, "pictures") == [
        Hit("https://a.example/", "A", "https://a.example/a.png")
    ]  # fmt: skip


def test_failures_of_ddgs(engines) -> None:
    from ddgs.exceptions import DDGSException, RatelimitException, TimeoutException

    assert engines(DDGSException("No results found.")) == []
    for error in (
        DDGSException("ConnectError: 'dns'"), RatelimitException("202"), TimeoutException("slow"),
        KeyError("vqd"), ValueError("x"),
    ):  # fmt: skip
        with pytest.raises(WebSearchError):
            engines(error)


def test_the_real_ddgs_takes_what_it_is_given() -> None:
    import inspect

    from ddgs import DDGS

    asked = inspect.signature(DDGS(timeout=4)._search_sync).parameters
    assert {"query", "max_results", "backend", "safesearch"} <= asked.keys()


@pytest.mark.parametrize("names", ["", ",", "altavista", "duckduckgo, altavista"])
def test_an_engine_that_is_not_known_is_refused(names: str) -> None:
    # ddgs itself would ask every other engine instead.
    with pytest.raises(ConfigError, match="no search engine"):
        search_engine(WebSettings(engines=names))


def test_an_engine_that_finds_no_pictures_says_so() -> None:
    with pytest.raises(WebError, match="images"):
        asyncio.run(PublicEngines("mojeek").pictures("x", 3, 2.0))
