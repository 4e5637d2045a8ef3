"""A real browser before a real server; skipped where there is no Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from cogagent import CogAgent, Settings
from cogagent.api.app import make_app
from cogagent.config import ServiceSettings
from tests.api.conftest import eventually_ready, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EXAMPLES = Path(__file__).parents[2] / "examples" / "documents"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip
PATIENCE = 30_000.0
"""Milliseconds: other tests run on the same machine."""
WIDE = {"width": 1360, "height": 850}
PHONE = {"width": 360, "height": 740}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium that runs until the end of the context.

    Raises:
        FileNotFoundError: If there is none on this machine.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise FileNotFoundError("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; not for longer than a module, since its event loop would stop others' tests."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with ExitStack() as stack:
        try:
            started = stack.enter_context(chromium())
        except FileNotFoundError as error:
            pytest.skip(str(error))
        yield started


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the example documents, to be copied."""
    home = tmp_path_factory.mktemp("examples") / "kb"
    with CogAgent(home) as agent:
        agent.ingest([EXAMPLES])
    return home


@dataclass(frozen=True)
class Served:
    """A service and the home behind it."""

    url: str
    agent: CogAgent


@contextmanager
def served(home: Path, *, open_door: bool = True, **service: Any) -> Iterator[Served]:
    """Serve a home, with one worker, until the end of the context."""
    settings = Settings(service=ServiceSettings(**service))
    with (
        CogAgent(home, settings) as agent,
        running(make_app(agent, open_door=open_door)) as server,
    ):
        eventually_ready(server)
        yield Served(server.url, agent)


@pytest.fixture(scope="session")
def service(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The example documents, served; tests leave the documents of ``default`` alone."""
    home = Path(shutil.copytree(built, tmp_path_factory.mktemp("served") / "kb"))
    with served(home) as found:
        yield found


@dataclass
class Watch:
    """What a page did beside what it was asked to."""

    origin: str
    faults: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def over(self, page: Page) -> None:
        """Watch a page from now on."""
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)
        page.on("request", lambda request: self._asked(request.url))
        page.on("dialog", lambda dialog: dialog.accept())

    def _said(self, message: Any) -> None:
        # A status that is no success is said by the browser, and shown by the page.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.origin, "blob:" + self.origin)):
            self.elsewhere.append(url)


Visit = Callable[..., "Page"]


@pytest.fixture
def visit(browser: Browser, service: Served) -> Iterator[Visit]:
    """Opens the page in a browser that knows nothing; in the end nothing may have gone wrong.

    ``visit(url, **context)``: by default the service of the examples, in a wide window.
    """
    with ExitStack() as stack:

        def opened(url: str = "", **context: Any) -> Page:
            url = url or service.url
            found = browser.new_context(**{"viewport": WIDE, **context})
            stack.callback(found.close)
            found.set_default_timeout(PATIENCE)
            page = found.new_page()
            watch = Watch("{0.scheme}://{0.netloc}/".format(urlsplit(url)))
            watch.over(page)
            watches.append(watch)
            page.goto(url)
            return page

        watches: list[Watch] = []
        yield opened
        assert [watch.faults for watch in watches if watch.faults] == []
        assert [watch.elsewhere for watch in watches if watch.elsewhere] == []


def ask(page: Page, question: str) -> None:
    """Ask, and wait until the answer is there."""
    before = page.locator(".run").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    page.locator(".run").nth(before).locator(".foot button").first.wait_for()
