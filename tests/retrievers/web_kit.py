"""A web of one machine: sites and a SearXNG on loopback, behind a guard that lets them through.

The server listens at 127.0.0.2, the only address besides public ones that the guard
of these tests allows: 127.0.0.1 is as private to it as to any other.
"""

from __future__ import annotations

import contextlib
import io
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from cogagent.errors import WebSearchError
from cogagent.retrievers.web.guard import Address, Guard, is_public
from cogagent.retrievers.web.search import Hit

HERE = "127.0.0.2"


class Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.server.respond(self)

    def send(self, data: bytes | str, kind: str | None = "text/html", status=200, **more) -> None:
        data = data.encode() if isinstance(data, str) else data
        self.send_response(status)
        if kind is not None:
            self.send_header("Content-Type", kind)
        if "Content_Length" not in more:
            self.send_header("Content-Length", str(len(data)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def lead(self, to: str, status: int = 302) -> None:
        self.send(b"", status=status, Location=to, Set_Cookie="seen=yes; Path=/")

    def log_message(self, *given: object) -> None:
        pass


class Site(ThreadingHTTPServer):
    """Answers a path with a text of HTML, or by a function of the exchange."""

    daemon_threads = True

    def __init__(self, pages: dict[str, str | Callable[[Exchange], None]]) -> None:
        super().__init__((HERE, 0), Exchange)
        self.pages = pages
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    def respond(self, exchange: Exchange) -> None:
        path = urlsplit(exchange.path).path
        self.asked.append(f"{exchange.headers['Host'].partition(':')[0]}{path}")
        self.headers.append({k.lower(): v for k, v in exchange.headers.items()})
        page = self.pages.get(path)
        if page is None:
            exchange.send("not here", status=404)
        elif callable(page):
            page(exchange)
        else:
            exchange.send(page)

    def at(self, path: str, host: str = "site.test", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients hang up in the midst: that is what is tried


@contextlib.contextmanager
def serving(pages: dict, context: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site(pages)
    if context is not None:
        site.socket = context.wrap_socket(site.socket, server_side=True)
    thread = threading.Thread(target=site.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.shutdown()
        site.server_close()
        thread.join()


def guard_of(site: Site, names: dict[str, list[str]] | None = None) -> Guard:
    """Lets through the site's port and address; every ``.test`` name leads there."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        if names and host in names:
            return names[host]
        if host.endswith(".test"):
            return [HERE]
        raise OSError("there is no such name here")

    def allowed(address: Address) -> bool:
        return address == ip_address(HERE) or is_public(address)

    return Guard((site.server_port,), resolve, allowed)


class Listed:
    """A search engine that always gives the same, and counts."""

    name = "listed"

    def __init__(self, *urls: str, pictures: Sequence[str] = (), fail: int = 0) -> None:
        self.urls, self.shown, self.fail = urls, pictures, fail
        self.asked: list[str] = []

    async def pages(self, text: str, count: int, seconds: float) -> list[Hit]:
        self._ask(text)
        return [Hit(url, f"Result {n}") for n, url in enumerate(self.urls, 1)][:count]

    async def pictures(self, text: str, count: int, seconds: float) -> list[Hit]:
        self._ask(text)
        return [Hit("", f"Picture {n}", url) for n, url in enumerate(self.shown, 1)][:count]

    def _ask(self, text: str) -> None:
        self.asked.append(text)
        if self.fail:
            self.fail -= 1
            raise WebSearchError("the search engine is down.")


def searx(answer: Callable[[dict[str, str]], object]) -> dict[str, Callable[[Exchange], None]]:
    """The page of a SearXNG: ``answer`` makes its JSON, or a status, of the query."""

    def respond(exchange: Exchange) -> None:
        asked = {k: v[0] for k, v in parse_qs(urlsplit(exchange.path).query).items()}
        made = answer(asked)
        if isinstance(made, int):
            exchange.send("no", status=made)
        elif isinstance(made, bytes):
            exchange.send(made, "application/json")
        else:
            exchange.send(json.dumps(made), "application/json")

    return {"/search": respond}


def searx_answer(*results: dict, failed: Sequence = ()) -> dict:
    """What SearXNG 2024 and later answer with ``format=json``."""
    return {
        "query": "q", "number_of_results": 0, "answers": [], "corrections": [], "infoboxes": [],
        "suggestions": [], "unresponsive_engines": list(failed),
        "results": [
            {"engine": "brave", "template": "default.html", "parsed_url": ["http", "x", "/"],
             "img_src": "", "thumbnail": "", "priority": "", "engines": ["brave"],
             "positions": [1], "score": 1.0, "category": "general", "publishedDate": None}
            | result
            for result in results
        ],
    }  # fmt: skip


def png(colour=(200, 30, 30), size=(80, 60), kind: str = "PNG", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, kind)
    return buffer.getvalue()


def pdf(line: str) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(400, 300), invariant=1)
    canvas.drawString(40, 240, line)
    canvas.save()
    return buffer.getvalue()
