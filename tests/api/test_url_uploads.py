"""Documents from addresses: a hostile web, seen through a job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cogagent import CogAgent
from cogagent.api.jobs.desk import JobDesk, Upload
from cogagent.api.jobs.fetching import Fetching
from cogagent.api.jobs.runners import Runner
from cogagent.indexes.jobs import JobItem
from tests.api.conftest import DAM, pdf
from tests.api.jobs_kit import ANN, with_service
from tests.retrievers.web_kit import Exchange, Site, guard_of, serving


class Service:
    """A home that fetches from sites of this machine, as if they were public."""

    def __init__(self, agent: CogAgent, site: Site, **names: list[str]) -> None:
        web = agent.settings.web.model_copy(update={"robots": False, "host_seconds": 0.0})
        agent.settings = agent.settings.model_copy(update={"web": web})
        self.agent, self.site = agent, site
        self.desk = JobDesk(agent)
        guard = guard_of(site, {name.replace("_", "."): at for name, at in names.items()})
        self.desk._guard = guard
        self.fetching = Fetching(agent.settings, guard)

    def run(self) -> None:
        runner = Runner(
            self.agent.catalogue, self.agent.home, self.agent.settings, lambda: self.agent,
            self.fetching,
        )  # fmt: skip
        with runner:
            while runner.run_one():
                pass

    def take(self, *urls: str, **more: Any) -> list[JobItem]:
        """Ingest what is at some addresses."""
        job = self.desk.submit_ingest(ANN, "web", [Upload(url=url, **more) for url in urls])
        self.run()
        assert self.desk.job(ANN, job.id).is_final
        return self.desk.items(ANN, job.id)


@pytest.fixture
def fetching_agent(agent: CogAgent) -> CogAgent:
    limits = agent.settings.limits.model_copy(update={"file_mb": 1})
    agent.settings = agent.settings.model_copy(update={"limits": limits})
    return with_service(agent, fetch_urls=True, fetch_seconds=3.0)


Serve = Callable[..., Service]


@pytest.fixture
def serve(fetching_agent: CogAgent) -> Iterator[Serve]:
    opened = []

    def start(pages: dict[str, Any], **names: list[str]) -> Service:
        context = serving(pages)
        opened.append(context)
        return Service(fetching_agent, context.__enter__(), **names)

    yield start
    for context in opened:
        context.__exit__(None, None, None)


def test_a_document_is_fetched_and_read(serve: Serve) -> None:
    pages = {
        "/dam.pdf": lambda e: e.send(pdf(DAM), "application/octet-stream"),
        "/page": "<title>Piers</title><p>The pier of Selsea was opened in 1888.</p>",
    }
    service = serve(pages)
    items = service.take(service.site.at("/dam.pdf"), service.site.at("/page"))
    assert [item.state for item in items] == ["done", "done"]
    stored = {one.uri: one for one in service.agent.documents.list("web")}
    assert stored[service.site.at("/dam.pdf")].media_type == "application/pdf"
    assert stored[service.site.at("/page")].title == "Piers"
    answer = service.agent.ask("When was the pier opened?", collection="web")
    assert answer.short == "1888"
    assert answer.citations[0].uri == service.site.at("/page")


def redirect(to: str) -> Callable[[Exchange], None]:
    return lambda exchange: exchange.lead(to)


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1/", "http://127.1:{port}/", "http://[::1]:{port}/", "http://10.0.0.1/",
     "http://169.254.169.254/latest/meta-data", "http://[::ffff:127.0.0.1]:{port}/",
     "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://[fd00::1]/",
     "http://[fe80::1%25eth0]/", "http://0.0.0.0:{port}/", "http://2130706433:{port}/",
     "http://0x7f000001:{port}/", "http://017700000001:{port}/", "http://localhost:{port}/",
     "http://site.test:1/", "file:///etc/passwd", "gopher://site.test/", "//127.0.0.1/",
     "http://user@site.test:{port}/secret", "http://metadata.internal/"],
)  # fmt: skip
def test_private_places_are_not_reached_by_redirect(serve: Serve, target: str) -> None:
    service = serve({"/secret": "<p>secret</p>"})
    port = service.site.server_port
    service.site.pages["/go"] = redirect(target.format(port=port))
    (item,) = service.take(service.site.at("/go"))
    assert (item.state, item.error.code) == ("failed", "web_refused")
    assert service.site.asked == ["site.test/go"]
    assert service.agent.documents.list("web") == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "::1", "fd00::1", "::ffff:127.0.0.1"]
)
def test_names_that_lead_to_private_places(serve: Serve, address: str) -> None:
    service = serve({"/": "<p>secret</p>"}, evil_test=[address], half_test=["127.0.0.2", address])
    for host in ("evil.test", "half.test"):
        (item,) = service.take(service.site.at("/", host))
        assert (item.state, item.error.code) == ("failed", "web_refused")
        assert address not in item.error.message
    assert service.site.asked == []


def test_a_name_that_changes_its_mind_gains_nothing(serve: Serve) -> None:
    """DNS rebinding: judged once, connected to what was judged."""
    service = serve({"/": "<p>The mole of Selsea is long.</p>"})
    answers = [["127.0.0.2"], ["127.0.0.1"]]
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked) - 1, 1)]

    service.fetching._guard._resolve = resolve
    (item,) = service.take(service.site.at("/", "rebind.test"))
    assert (item.state, asked) == ("done", ["rebind.test"])
    (item,) = service.take(service.site.at("/again", "rebind.test"))
    assert (item.state, item.error.code) == ("failed", "web_refused")


def test_what_is_too_large_too_slow_or_not_there(serve: Serve) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.send(b"", "text/plain", Content_Length="1000")
        for _ in range(100):
            exchange.wfile.write(b"x")
            exchange.wfile.flush()
            time.sleep(0.1)

    pages = {
        "/big": lambda e: e.send(bytes((1 << 20) + 1), "text/plain"),
        "/said": lambda e: e.send(b"x", "text/plain", Content_Length=str(1 << 40)),
        "/slow": drip,
        "/film": lambda e: e.send(b"x", "video/mp4"),
        "/round": redirect("/round"),
    }
    service = serve(pages)
    started = time.monotonic()
    items = service.take(*(service.site.at(path) for path in (*pages, "/gone")))
    assert time.monotonic() - started < 20
    assert [item.state for item in items] == ["failed"] * 6
    assert [item.error.code for item in items] == ["web_limit"] * 5 + ["web"]


def test_a_fetch_is_cancelled(serve: Serve) -> None:
    waiting, over = threading.Event(), threading.Event()

    def hang(exchange: Exchange) -> None:
        waiting.set()
        over.wait(20)

    service = serve({"/": hang})
    with_service(service.agent, fetch_seconds=60.0)
    service.fetching._settings = service.agent.settings
    job = service.desk.submit_ingest(ANN, "web", [Upload(url=service.site.at("/"))])
    thread = threading.Thread(target=service.run)
    thread.start()
    assert waiting.wait(20)
    started = time.monotonic()
    service.desk.cancel(ANN, job.id)
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - started < 2
    over.set()
    assert service.desk.job(ANN, job.id).state == "cancelled"


def test_a_setting_that_changes_holds_for_jobs_that_wait(serve: Serve) -> None:
    for change, code in (({"offline": True}, "offline"), ({}, "web_refused")):
        service = serve({"/": "<p>x</p>"})
        with_service(service.agent, fetch_urls=True)
        job = service.desk.submit_ingest(ANN, "web", [Upload(url=service.site.at("/"))])
        settings = service.agent.settings.model_copy(update=change)
        if not change:
            settings = with_service(service.agent, fetch_urls=False).settings
        service.fetching._settings = settings
        service.run()
        (item,) = service.desk.items(ANN, job.id)
        assert (item.state, item.error.code) == ("failed", code)
        assert service.site.asked == []
