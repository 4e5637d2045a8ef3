"""Fetching from a hostile web: what is refused, cut, waited for."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ssl
import time
import zlib
from pathlib import Path

import httpx
import pytest

from cogagent.config import WebSettings
from cogagent.errors import WebError, WebLimitError, WebRefusedError
from cogagent.retrievers.web.fetching import Fetched, Fetcher
from cogagent.retrievers.web.guard import Guard
from cogagent.retrievers.web.pace import Pace, retry_after
from cogagent.retrievers.web.robots import kept_rules
from tests.retrievers.web_kit import HERE, Site, guard_of, serving

KINDS = ("text/html", "text/plain")
PLAIN = WebSettings(robots=False, host_seconds=0)


class Web:
    """Fetches as a search does, with what several searches share."""

    def __init__(self, site: Site, settings: WebSettings = PLAIN, **guard) -> None:
        self.settings = settings
        self.guard = guard_of(site, **guard)
        self.pace, self.rules = Pace(settings.host_seconds), kept_rules()
        self.context = httpx.create_ssl_context()

    def get(self, url: str, most: int = 100_000, seconds: float = 5.0, kinds=KINDS) -> Fetched:
        return self.together([url], most, seconds, kinds)[0]

    def together(self, urls: list[str], most=100_000, seconds=5.0, kinds=KINDS) -> list[Fetched]:
        async def work() -> list[Fetched]:
            deadline = time.monotonic() + seconds
            async with Fetcher(
                self.settings, self.guard, self.pace, self.rules, self.context
            ) as fetcher:
                return await asyncio.gather(
                    *(fetcher.get(url, kinds, most, deadline) for url in urls)
                )

        return asyncio.run(work())


def test_a_page_comes_with_its_type_and_where_it_was() -> None:
    pages = {
        "/": lambda e: e.lead("/moved"),
        "/moved": lambda e: e.lead("http://other.test:" + e.headers["Host"].split(":")[1] + "/a"),
        "/a": lambda e: e.send("Käse".encode("latin-1"), "text/html; charset=latin-1"),
    }
    with serving(pages) as site:
        found = Web(site).get(site.at("/#part"))
        assert found == Fetched(
            site.at("/a", "other.test"), "text/html; charset=latin-1", b"K\xe4se"
        )
        assert site.asked == ["site.test/", "site.test/moved", "other.test/a"]
        for headers in site.headers:
            assert headers["user-agent"].startswith("cogagent/")
            assert "cookie" not in headers
            assert "referer" not in headers
            assert "authorization" not in headers


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:{port}/secret", "http://localhost:{port}/secret",
        "http://2130706433:{port}/secret", "http://[::1]:{port}/secret",
        "http://[::ffff:127.0.0.1]:{port}/secret", "http://169.254.169.254:{port}/latest/meta-data",
        "http://rebound.test:{port}/secret", "http://0.0.0.0:{port}/secret",
        "//127.1:{port}/secret", "file:///etc/passwd", "ftp://site.test/", "gopher://127.0.0.1/",
        "http://site.test:22/", "http://user:pw@site.test:{port}/secret", "http://[",
        "data:text/html,x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [301, 307])
def test_no_redirect_leads_inside(to: str, status: int) -> None:
    pages = {
        "/": lambda e: e.lead(to.format(port=e.server.server_port), status),
        "/secret": "the secret",
    }
    with serving(pages) as site:
        web = Web(site, names={"rebound.test": ["127.0.0.1"]})
        with pytest.raises(WebRefusedError):
            web.get(site.at("/"))
        assert site.asked == ["site.test/"]


def test_the_address_that_was_judged_is_the_one_that_is_reached() -> None:
    """A name server that changes its mind between the check and the connection gains nothing."""
    answers = [[HERE], ["127.0.0.1"]]
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    with serving({"/": "hello"}) as site:
        web = Web(site)
        web.guard = Guard((site.server_port,), resolve, guard_of(site)._allowed)
        assert web.get(site.at("/", "rebinding.test")).data == b"hello"
        assert asked == ["rebinding.test"]
        with pytest.raises(WebRefusedError):
            web.get(site.at("/", "rebinding.test"))


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with serving({"/": "hello"}) as site:
        web = Web(site, names={"two.test": ["127.0.0.3", HERE]})
        web.guard._allowed = lambda address: str(address) in ("127.0.0.3", HERE)
        assert web.get(site.at("/", "two.test")).data == b"hello"


def test_circles_end() -> None:
    with serving({"/": lambda e: e.lead("/")}) as site:
        with pytest.raises(WebLimitError, match="more than 5 times"):
            Web(site).get(site.at("/"))
        assert len(site.asked) == 6


# --- sizes ---------------------------------------------------------------


def endless(exchange) -> None:
    exchange.send_response(200)
    exchange.send_header("Content-Type", "text/html")
    exchange.send_header("Transfer-Encoding", "chunked")
    exchange.end_headers()
    while True:
        exchange.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def bomb(packing: str, wrap=gzip.compress):
    packed = wrap(b"\0" * 50_000_000)
    return lambda e: e.send(packed, Content_Encoding=packing)


@pytest.mark.parametrize(
    "page",
    [
        endless,
        bomb("gzip"),
        bomb("x-gzip"),
        bomb("deflate", zlib.compress),
        lambda e: e.send("x" * 100_001),
        lambda e: e.send(b"x" * 10, Content_Length="99999999999"),
        lambda e: e.send(b"".join(gzip.compress(b"x" * 50_000) for _ in range(3)),
                         Content_Encoding="gzip"),
    ],
)  # fmt: skip
def test_what_is_too_large_is_cut(page) -> None:
    with serving({"/": page}) as site, pytest.raises(WebLimitError, match=r"longer than 0\.1 MB"):
        Web(site).get(site.at("/"))


def test_a_bomb_is_not_held_in_memory() -> None:
    import tracemalloc

    page = bomb("gzip", lambda data: gzip.compress(data * 4))
    with serving({"/": page}) as site:
        web = Web(site)
        tracemalloc.start()
        try:
            with pytest.raises(WebLimitError):
                web.get(site.at("/"))
            assert tracemalloc.get_traced_memory()[1] < 5_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "zstd", "compress"])
def test_what_is_packed_in_another_way_is_refused(packing: str) -> None:
    with serving({"/": bomb(packing)}) as site, pytest.raises(WebError, match="packed"):
        Web(site).get(site.at("/"))


def test_packed_pages_are_unpacked() -> None:
    with serving({
        "/one": lambda e: e.send(gzip.compress(b"one" * 900), Content_Encoding="gzip"),
        "/two": lambda e: e.send(gzip.compress(b"a") + gzip.compress(b"b"),
                                 Content_Encoding="gzip"),
    }) as site:  # fmt: skip
        web = Web(site)
        assert web.get(site.at("/one")).data == b"one" * 900
        assert web.get(site.at("/two")).data == b"ab"


@pytest.mark.parametrize(
    "page",
    [
        lambda e: e.send(gzip.compress(b"x" * 1000)[:-9], Content_Encoding="gzip"),
        lambda e: e.send(b"not gzip at all", Content_Encoding="gzip"),
        lambda e: e.send(b"half", Content_Length="1000", Connection="close"),
        lambda e: e.connection.close(),
        lambda e: e.wfile.write(b"this is no HTTP\r\n\r\n"),
        lambda e: e.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 500_000 + b"\r\n\r\n"),
        lambda e: e.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc"),
    ],
)
def test_what_breaks_is_a_typed_error(page) -> None:
    def respond(exchange) -> None:
        exchange.close_connection = True
        page(exchange)

    with serving({"/": respond}) as site, pytest.raises(WebError):
        Web(site).get(site.at("/"))


def test_a_slow_trickle_ends_in_time() -> None:
    def trickle(exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Type", "text/html")
        exchange.send_header("Content-Length", "1000")
        exchange.end_headers()
        for _ in range(1000):
            exchange.wfile.write(b"x")
            time.sleep(0.05)

    with serving({"/": trickle}) as site:
        began = time.monotonic()
        with pytest.raises(WebLimitError, match="too long"):
            Web(site).get(site.at("/"), seconds=0.4)
        assert time.monotonic() - began < 5


def test_cancelling_ends_at_once() -> None:
    with serving({"/": lambda e: time.sleep(3)}) as site:
        web = Web(site)

        async def work() -> float:
            async with Fetcher(
                web.settings, web.guard, web.pace, web.rules, web.context
            ) as fetcher:
                task = asyncio.create_task(
                    fetcher.get(site.at("/"), KINDS, 100, time.monotonic() + 30)
                )
                await asyncio.sleep(0.2)
                began = time.monotonic()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            return time.monotonic() - began

        assert asyncio.run(work()) < 0.5


# --- kinds and statuses --------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["application/zip", "image/png", "application/octet-stream", "video/mp4", "text/css"]
)
def test_other_kinds_are_not_read(kind: str) -> None:
    with (
        serving({"/": lambda e: e.send(b"PK", kind)}) as site,
        pytest.raises(WebLimitError, match="not read"),
    ):
        Web(site).get(site.at("/"))


def test_a_kind_that_is_not_said_is_left_to_the_reader() -> None:
    with serving({"/": lambda e: e.send("x", None)}) as site:
        assert Web(site).get(site.at("/")).media_type == ""


@pytest.mark.parametrize("status", [204, 206, 401, 403, 404, 410, 500, 502, 600])
def test_statuses(status: int) -> None:
    with (
        serving({"/": lambda e: e.send("x", status=status)}) as site,
        pytest.raises(WebError, match=str(status)),
    ):
        Web(site).get(site.at("/"))


# --- pace ----------------------------------------------------------------


def busy_once(retry: str | None):
    asked = []

    def respond(exchange) -> None:
        asked.append(time.monotonic())
        if len(asked) == 1:
            exchange.send("wait", status=429, **({"Retry_After": retry} if retry else {}))
        else:
            exchange.send("here")

    return asked, respond


def test_a_busy_host_is_asked_again_when_it_says() -> None:
    asked, respond = busy_once("1")
    with serving({"/": respond}) as site:
        assert Web(site).get(site.at("/")).data == b"here"
    assert asked[1] - asked[0] >= 1.0


@pytest.mark.parametrize("retry", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT", "99999999999999999"])
def test_a_host_that_wants_to_be_left_alone_is(retry: str) -> None:
    asked, respond = busy_once(retry)
    with serving({"/": respond, "/other": "there"}) as site:
        web = Web(site)
        with pytest.raises(WebError, match="left alone"):
            web.get(site.at("/"))
        with pytest.raises(WebError, match=r"not asked again for (899|900)"):  # bounded
            web.get(site.at("/other"))
        assert web.get(site.at("/other", "another.test")).data == b"there"
        assert len(asked) == 1


def test_a_host_that_stays_busy_is_asked_twice() -> None:
    with serving({"/": lambda e: e.send("no", status=503, Retry_After="0")}) as site:
        with pytest.raises(WebError, match="503"):
            Web(site).get(site.at("/"))
        assert len(site.asked) == 2


def test_one_host_is_asked_at_intervals_and_others_meanwhile() -> None:
    with serving({"/": "x"}) as site:
        web = Web(site, PLAIN.model_copy(update={"host_seconds": 0.3}))
        began = time.monotonic()
        web.together([site.at("/"), site.at("/"), site.at("/", "b.test"), site.at("/", "c.test")])
        assert time.monotonic() - began >= 0.3
        assert web.pace._next.keys() == {"site.test", "b.test", "c.test"}
        with pytest.raises(WebError, match="not asked again"):
            web.together([site.at("/")] * 5, seconds=0.5)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("", 2.0), (None, 2.0), ("soon", 2.0), ("-5", 2.0), ("1.5", 2.0),
     ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("9" * 400, 999999999.0), ("٣", 2.0)],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float) -> None:
    assert retry_after(value) == seconds


# --- robots.txt ----------------------------------------------------------

ROBOTS = PLAIN.model_copy(update={"robots": True})


def rules(text: str, **more):
    return {"/robots.txt": lambda e: e.send(text, "text/plain", **more), "/a/b": "x", "/c": "y"}


@pytest.mark.parametrize(
    "text",
    ["User-agent: *\nDisallow: /a",
     "User-agent: cogagent\nDisallow: /*b$\n\nUser-agent: *\nAllow: /",
     "user-agent: CogAgent\r\ndisallow: /a/b\r\n"],
)  # fmt: skip
def test_what_a_site_asks_not_to_fetch_is_not(text: str) -> None:
    with serving(rules(text)) as site:
        web = Web(site, ROBOTS)
        with pytest.raises(WebRefusedError, match=r"robots\.txt"):
            web.get(site.at("/a/b"))
        assert web.get(site.at("/c")).data == b"y"
        assert site.asked == ["site.test/robots.txt", "site.test/c"]  # asked for once
        assert Web(site).get(site.at("/a/b")).data == b"x"  # where the settings say so


@pytest.mark.parametrize("text", ["", "User-agent: other\nDisallow: /", "\0\xff<html>nonsense"])
def test_no_rules_forbid_nothing(text: str) -> None:
    with serving(rules(text)) as site:
        assert Web(site, ROBOTS).get(site.at("/a/b")).data == b"x"


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_site_without_rules_forbids_nothing(status: int) -> None:
    with serving(rules("Disallow: /", status=status)) as site:
        assert Web(site, ROBOTS).get(site.at("/a/b")).data == b"x"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_site_that_cannot_say_forbids_all(status: int) -> None:
    with (
        serving(rules("", status=status)) as site,
        pytest.raises(WebRefusedError, match="cannot be read"),
    ):
        Web(site, ROBOTS).get(site.at("/a/b"))


def test_rules_are_read_through_the_guard_and_cut() -> None:
    pages = {
        "/robots.txt": lambda e: e.lead(f"http://127.0.0.1:{e.server.server_port}/inside"),
        "/inside": "User-agent: *\nAllow: /",
        "/a": "x",
    }
    with serving(pages) as site:
        with pytest.raises(WebRefusedError):
            Web(site, ROBOTS).get(site.at("/a"))
        assert site.asked == ["site.test/robots.txt"]
    long = "User-agent: *\nDisallow: /a\n" + "# much\n" * 500_000
    with serving(rules(long)) as site, pytest.raises(WebRefusedError):
        Web(site, ROBOTS).get(site.at("/a/b"))


def test_where_a_redirect_leads_its_own_rules_hold() -> None:
    def robots(exchange) -> None:
        other = exchange.headers["Host"].startswith("other.test")
        exchange.send("User-agent: *\nDisallow: /" if other else "", "text/plain")

    def away(exchange) -> None:
        exchange.lead(f"http://other.test:{exchange.server.server_port}/a")

    with serving({"/robots.txt": robots, "/": away, "/a": "x"}) as site:
        with pytest.raises(WebRefusedError):
            Web(site, ROBOTS).get(site.at("/"))
        assert "other.test/a" not in site.asked


def test_a_delay_that_a_site_asks_for_is_kept_within_reason() -> None:
    with serving(rules("User-agent: *\nCrawl-delay: 0.3")) as site:
        began = time.monotonic()
        Web(site, ROBOTS).together([site.at("/c"), site.at("/a/b")])
        assert time.monotonic() - began >= 0.3


def test_rules_made_to_be_slow_are_not() -> None:
    text = "User-agent: *\n" + "".join(f"Disallow: /{'*a' * 200}{n}$\n" for n in range(400))
    with serving(rules(text) | {"/" + "a" * 1500: "x"}) as site:
        began = time.monotonic()
        assert Web(site, ROBOTS).get(site.at("/" + "a" * 1500)).data == b"x"
        assert time.monotonic() - began < 5


# --- certificates --------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of ``site.test``, signed by itself, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "site.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("site.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_certificates_are_those_of_the_name_not_of_the_address(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    named = []
    server.sni_callback = lambda connection, name, context: named.append(name)
    with serving({"/": "private talk"}, server) as site:
        web = Web(site)
        with pytest.raises(WebError, match="certificate"):
            web.get(site.at("/", scheme="https"))
        web.context = ssl.create_default_context(cafile=certificate)
        assert web.get(site.at("/", scheme="https")).data == b"private talk"
        assert named[-1] == "site.test"
        with pytest.raises(WebError, match="certificate"):
            web.get(site.at("/", "other.test", "https"))
