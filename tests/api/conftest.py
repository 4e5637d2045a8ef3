"""A small home, keys to it, and an app behind a real port."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas

from cogagent import CogAgent, Settings, Source
from cogagent.config import ServiceSettings

if TYPE_CHECKING:
    import openai
    from starlette.types import ASGIApp

DAM = [
    "Kestrel Dam was finished in 1931 by the engineer Ada Lowell.",
    "It holds back forty million cubic metres of water.",
    "The visitors' path is closed in winter.",
]
SHIP = "The boat of the expedition is called Sandpiper and was built in Hull."
QUESTION = "Who finished Kestrel Dam?"
"""Answered from the collection ``dams`` with one citation, of the first line of its PDF."""
SECRET = "Sandpiper"
"""A word of the collection ``ships`` alone."""
SETTINGS = Settings(service=ServiceSettings(workers=0))
"""No worker processes: tests of jobs start their own."""
LONGEST = 30.0
"""Seconds after which a server that does not start or stop has failed."""


def pdf(lines: list[str], title: str = "Kestrel Dam") -> bytes:
    """A page of 400 by 300 points with a line for each text."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(400, 300), invariant=1)
    canvas.setTitle(title)
    for number, line in enumerate(lines):
        canvas.drawString(40, 240 - 20 * number, line)
    canvas.save()
    return buffer.getvalue()


def picture(colour: str = "red", size: tuple[int, int] = (160, 120)) -> bytes:
    """A PNG: a white field with a coloured rectangle in the middle."""
    image = Image.new("RGB", size, "white")
    box = (size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4)
    ImageDraw.Draw(image).rectangle(box, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def fill(agent: CogAgent) -> None:
    """Two collections: ``dams`` (a PDF, a picture and a note) and ``ships`` (a PDF, a note)."""
    note = {"media_type": "text/plain"}
    dams = [
        Source(uri="test:dam.pdf", data=pdf(DAM), media_type="application/pdf"),
        Source(uri="test:red.png", data=picture(), media_type="image/png", title="Red"),
        Source(
            uri="note:1",
            data=b"The turbines of the dam were renewed in 1974.",
            title="A note",
            metadata={"year": 1974},
            **note,
        ),
    ]
    ships = [
        Source(uri="test:ship.pdf", data=pdf([SHIP], "A ship"), media_type="application/pdf"),
        Source(uri="note:1", data=SHIP.encode(), title="A boat", **note),
    ]
    for collection, sources in (("dams", dams), ("ships", ships)):
        report = agent.ingest(sources, collection)
        assert (report.ingested, report.failed) == (len(sources), ())


@pytest.fixture(scope="session")
def built_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that the others are copied from; nobody opens it."""
    home = tmp_path_factory.mktemp("built") / "kb"
    with CogAgent(home, SETTINGS) as agent:
        fill(agent)
    return home


@pytest.fixture
def home(built_home: Path, tmp_path: Path) -> Path:
    """A copy that one test may change."""
    return Path(shutil.copytree(built_home, tmp_path / "kb"))


@pytest.fixture
def agent(home: Path) -> Iterator[CogAgent]:
    """An agent over a home that one test may change."""
    with CogAgent(home, SETTINGS) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_home(built_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for the tests of a module; they leave its documents alone."""
    return Path(shutil.copytree(built_home, tmp_path_factory.mktemp("shared") / "kb"))


@pytest.fixture(scope="module")
def shared(shared_home: Path) -> Iterator[CogAgent]:
    """An agent over a home that the tests of a module share."""
    with CogAgent(shared_home, SETTINGS) as opened:
        yield opened


@dataclass(frozen=True)
class Keys:
    """API keys, whole, for who they are."""

    admin: str
    dams: str
    """Reads and writes ``dams`` alone."""
    reader: str
    """Reads ``dams`` alone."""
    ships: str
    """Reads and writes ``ships`` alone."""


def make_keys(agent: CogAgent) -> Keys:
    """New keys to a home."""
    from cogagent.indexes.keys import KeyRing

    ring = KeyRing(agent.catalogue)
    return Keys(
        admin=ring.create("admin", ["admin"])[1],
        dams=ring.create("dams", ["read", "write"], ["dams"])[1],
        reader=ring.create("reader", ["read"], ["dams"])[1],
        ships=ring.create("ships", ["read", "write"], ["ships"])[1],
    )


def bearer(key: str) -> dict[str, str]:
    """The headers of a request with an API key."""
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def keys(agent: CogAgent) -> Keys:
    """Keys to the home that one test may change."""
    return make_keys(agent)


@pytest.fixture(scope="module")
def shared_keys(shared: CogAgent) -> Keys:
    """Keys to the home that the tests of a module share."""
    return make_keys(shared)


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    """Such as ``http://127.0.0.1:41234``, without a slash at the end."""
    port: int


@contextmanager
def running(app: ASGIApp, **settings: Any) -> Iterator[Running]:
    """Serve ``app`` by uvicorn on a free port of loopback, in a thread.

    Args:
        app: Its lifespan is run, too.
        settings: More for ``uvicorn.Config``.
    """
    import uvicorn

    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, lifespan="on", **settings
    )
    server = uvicorn.Server(config)
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            server.run()
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failed.append(error)

    thread = threading.Thread(target=serve, name="server", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + LONGEST
        while not server.started:
            assert thread.is_alive(), f"the server ended: {failed}"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(f"http://127.0.0.1:{port}", port)
    finally:
        server.should_exit = True
        thread.join(LONGEST)
        if thread.is_alive():
            server.force_exit = True
            thread.join(LONGEST)
        assert not thread.is_alive(), "the server does not stop"
    assert not failed, failed


@pytest.fixture(scope="module")
def client_of() -> Iterator[Callable[..., openai.OpenAI]]:
    """Makes OpenAI's client of a server, for a key; closed after the module's tests."""
    import openai

    with ExitStack() as opened:

        def client(server: Running, key: str = "none") -> openai.OpenAI:
            made = openai.OpenAI(
                base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=60
            )
            return opened.enter_context(made)

        yield client


def eventually_ready(server: Running) -> httpx.Response:
    """What it says once it is ready."""
    deadline = time.monotonic() + LONGEST
    while (reply := httpx.get(f"{server.url}/readyz")).status_code != 200:
        assert time.monotonic() < deadline, reply.text
        time.sleep(0.1)
    return reply
