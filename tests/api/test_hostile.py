"""Requests that mean harm, and files that do: each ends in a typed refusal or failure."""

from __future__ import annotations

import io
import json
import logging
import socket
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cogagent import CogAgent, Settings
from cogagent.api.app import make_app
from cogagent.config import LimitSettings, ServiceSettings
from tests.api.conftest import Running, pdf, picture, running
from tests.api.test_rest import finished, items, problem

SMALL = Settings(
    service=ServiceSettings(
        workers=1, body_mb=1, upload_mb=3, upload_files=5, body_seconds=1.0, queue=30
    ),
    limits=LimitSettings(file_mb=2, unpacked_mb=4, pixels=1_000_000, members=50, parse_seconds=20),
)
UPLOADS = "/v1/collections/up/documents"
HAND_MADE = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def server(shared_home: Path) -> Iterator[Running]:
    with (
        CogAgent(home=shared_home, settings=SMALL) as agent,
        running(make_app(agent, open_door=True)) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as opened:
        yield opened


# --- JSON ------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"\xef\xbb\xbf{}", b"{}",
        b'{"query": NaN}', b'{"query": "a", "k": 1e999}', b'{"query": "a", "k": -Infinity}',
        b'{"query": "\\ud800"}', b'{"query": "a\\u0000b"}', b'{"que\\u0000ry": "a"}',
        b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"query": "a", "k": ' + b"9" * 10_000 + b"}",
        b'{"query": "a", "k": 1.5}', b'{"query": "a", "k": true}',
        b'{"query": "a", "k": "1 or 1"}',
        b'{"query": "a", "filters": {"page": {"$gt": 1}}}',
        b'{"query": "a", "filters": {"\'; DROP TABLE documents; --": 1}}',
        b'{"query": "a", "surprise": 1}',
        b'{"query": "a", "collection": "' + b"x" * 201 + b'"}',
        b'{"query": "' + b"x" * 20_001 + b'"}',
        b'{"query": "a", "filters": {"page": ' + b"1" * 400 + b"}}",
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_and_never_breaks_anything(client, body) -> None:
    answered = client.post(
        "/v1/search", content=body, headers={"Content-Type": "application/json"}
    )
    assert answered.status_code in (200, 400, 404, 422), answered.text
    if answered.status_code != 200:
        problem(answered, answered.status_code, answered.json()["code"])


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["question", "collection", "filters", "budget", "choices", "history", "stream"]
                )
                | st.text(max_size=5),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_no_json_breaks_the_door_for_questions(client, body) -> None:
    text = json.dumps(body)
    answered = client.post("/v1/ask", content=text, headers={"Content-Type": "application/json"})
    assert answered.status_code < 500, (text, answered.text)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "x", "application/jsonl"])
def test_a_body_of_another_type_is_not_read(client, kind) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answered = client.post("/v1/search", content=b'{"query": "a"}', headers=headers)
    problem(answered, 415, "unsupported_media_type")


def test_a_large_body_is_refused_before_it_is_sent_and_while_it_is(client, server) -> None:
    body = b'{"query": "' + b"x" * (1 << 20) + b'"}'
    headers = {"Content-Type": "application/json"}
    problem(client.post("/v1/search", content=body, headers=headers), 413, "content_too_large")
    problem(
        client.post("/v1/search", content=iter([body[:1000], body]), headers=headers), 413,
        "content_too_large",
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(
            b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert b" 413 " in raw.recv(100)


def test_a_body_that_drips_is_given_up(server) -> None:
    for pause, piece in ((0.0, b""), (0.3, b"x")):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            raw.sendall(
                b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
            )
            started = time.monotonic()
            raw.settimeout(0.01)
            answered = b""
            while not answered:
                assert time.monotonic() - started < 8
                try:
                    answered = raw.recv(100)
                except TimeoutError:
                    if piece:
                        raw.sendall(piece)
                        time.sleep(pause)
            assert b" 408 " in answered


# --- addresses, names and headers ------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1/documents/../../etc/passwd", "/v1/documents/..%2f..%2fetc%2fpasswd",
        "/v1/documents/%2e%2e%2f%2e%2e%2fcatalogue.sqlite", "/v1/documents/doc-%00",
        "/v1/documents/%ff%fe", "/v1/documents/a%0d%0aX-Evil:%201", "/v1/documents/" + "x" * 5000,
        "/v1/collections/%2e%2e%2foriginals/documents", "/v1/batches/..%2f..%2fx/answers",
        "/v1/jobs/..%2f/items", "/v1/evidence/chunk-%2e%2e/crop", "/v1/evidence/chunk-0/crop",
        "/v1/evidence/chunk-99999999999999999999", "/v1/evidence/chunk--1", "/v1/traces/",
        "/v1/traces/..", "/v1/traces/a%0d%0ab/evidence/x/crop", "/v1/documents/'%20OR%201=1--",
        "//v1/collections", "/v1//collections", "/V1/collections", "/v1/collections/",
        "/v1/conversations/%ee%80%80", "/.git/config", "/docs", "/uploads/x",
    ],
)  # fmt: skip
def test_an_address_that_leads_elsewhere_leads_nowhere(server, path) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        answered = b"".join(iter(lambda: raw.recv(65536), b""))
    status = int(answered.split(b" ", 2)[1])
    assert status in (404, 405, 414, 422), answered
    head = answered.split(b"\r\n\r\n", 1)[0].lower()
    assert b"x-evil" not in head
    assert b"location" not in head
    assert b"application/problem+json" in head


def test_what_goes_back_in_headers_was_checked(client) -> None:
    named = client.get("/v1/collections", headers={"X-Request-Id": "a b\tc"})
    assert named.headers["x-request-id"] != "a b\tc"
    odd = {"Idempotency-Key": "a b"}
    sent = {"question": "x", "collection": "dams"}
    problem(client.post("/v1/ask", json=sent, headers=odd), 422, "invalid")
    long = {"Idempotency-Key": "x" * 201}
    problem(client.post("/v1/ask", json=sent, headers=long), 422, "invalid")


def test_a_cursor_is_one_of_its_list(client) -> None:
    for after in ("x", "AA", "WyJqb2JzIiwiYSJd", "W10", "e30", "=", "%00", "x" * 5000):
        for path in ("/v1/collections", "/v1/audit", "/v1/traces", "/v1/conversations"):
            answered = client.get(path, params={"after": after})
            assert answered.status_code == 422, (path, after, answered.text)
    for limit in ("0", "-1", "201", "1e3", "x"):
        problem(client.get("/v1/traces", params={"limit": limit}), 422, "invalid")


# --- forms -----------------------------------------------------------------


def part(headers: str, body: bytes = b"x") -> bytes:
    return b"--b\r\n" + headers.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body + b"\r\n"


FILE = 'Content-Disposition: form-data; name="files"; filename="a.txt"'


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", HAND_MADE, 400),
        (b"nothing", HAND_MADE, 400),
        (part(FILE), HAND_MADE, 400),  # it breaks off
        (part("Content-Disposition: form-data") + b"--b--\r\n", HAND_MADE, 400),
        (part("X: y") + b"--b--\r\n", HAND_MADE, 400),
        (part("X" * 10_000 + ": y") + b"--b--\r\n", HAND_MADE, 400),
        (part("\r\n".join(f"X{n}: y" for n in range(100))) + b"--b--\r\n", HAND_MADE, 400),
        (part(FILE) + b"--b--\r\n", "multipart/form-data", 400),
        (part(FILE) + b"--b--\r\n", "multipart/form-data; boundary=" + "b" * 1000, 400),
        (part(FILE) + b"--b--\r\n", "multipart/mixed; boundary=b", 415),
        (part(FILE) * 6 + b"--b--\r\n", HAND_MADE, 413),
        (part('Content-Disposition: form-data; name="x"') * 101 + b"--b--\r\n", HAND_MADE, 413),
        (
            part('Content-Disposition: form-data; name="documents"', b"x" * (1 << 20) + b"x")
            + b"--b--\r\n", HAND_MADE, 413,
        ),
        (part(FILE, b"x" * (2 << 20) + b"x") + b"--b--\r\n", HAND_MADE, 413),
        (part(FILE, b"x" * (3 << 20) + b"x") + b"--b--\r\n", HAND_MADE, 413),
        (part('Content-Disposition: form-data; name="other"') + b"--b--\r\n", HAND_MADE, 422),
        (b"--b--\r\n", HAND_MADE, 422),
        (
            part('Content-Disposition: form-data; name="documents"', b"\xff") + b"--b--\r\n",
            HAND_MADE, 400,
        ),
        (
            part(FILE) + part('Content-Disposition: form-data; name="documents"', b"[{},{}]")
            + b"--b--\r\n", HAND_MADE, 422,
        ),
        (
            part(FILE)
            + part('Content-Disposition: form-data; name="documents"', b'[{"uri": "file:///x"}]')
            + b"--b--\r\n", HAND_MADE, 422,
        ),
        (
            part(FILE)
            + part('Content-Disposition: form-data; name="documents"', b'[{"uri": "/etc/passwd"}]')
            + b"--b--\r\n", HAND_MADE, 422,
        ),
    ],
)  # fmt: skip
def test_a_bad_form_is_refused_and_leaves_nothing_behind(
    client, shared_home, body, kind, status
) -> None:
    answered = client.post(UPLOADS, content=body, headers={"Content-Type": kind})
    problem(answered, status, answered.json()["code"])
    left = [one for one in (shared_home / "uploads").glob("*") if one.is_file()]
    assert left == []


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/cron.d/x", "..\\..\\x.txt", "/abs/x.txt", "C:\\x.txt", "a\x00b.txt",
        "a%0d%0aSet-Cookie: x.txt", "\u202egpj.exe", "x" * 900, ".", "..", "", "con", "a\"b.txt",
    ],
)  # fmt: skip
def test_a_files_name_is_a_name_and_no_path(client, shared_home, name) -> None:
    quoted = name.replace('"', "%22")
    head = f'Content-Disposition: form-data; name="files"; filename="{quoted}"'
    unique = b"text " + name.encode()
    body = part(head, unique) + b"--b--\r\n"
    sent = client.post(UPLOADS, content=body, headers={"Content-Type": HAND_MADE})
    assert sent.status_code in (202, 400), sent.text
    if sent.status_code == 400:
        return
    job = finished(client, sent.json()["job"]["id"])
    (item,) = items(client, f"/v1/jobs/{job['id']}/items")
    scheme, owner, rest = item["uri"].partition("/")[0], *item["uri"].split("/")[1:]
    assert scheme == "upload:local"
    assert "/" not in rest
    assert rest.isprintable()
    assert len(rest) <= 200
    assert owner
    assert not list(shared_home.parent.glob("x.txt"))


# --- files that do harm ----------------------------------------------------


def zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"0" * (30 << 20))
    return buffer.getvalue()


def many_members() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(100):
            archive.writestr(f"{number}.txt", b"x")
    return buffer.getvalue()


def outside() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../../../evil.txt", b"an evil text")
    return buffer.getvalue()


def picture_bomb() -> bytes:
    """A PNG that says it has 30,000 by 30,000 pixels, and nearly does."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return len(data).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")

    head = (30_000).to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    data = zlib.compress(b"\0" * 3_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def laughing_xml() -> bytes:
    entities = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
    )
    return f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><x>&a11;</x>'.encode()


HARMFUL = {
    "bomb.zip": zip_bomb,
    "many.zip": many_members,
    "bomb.png": picture_bomb,
    "not.pdf": lambda: b"MZ\x90\x00 a program",
    "cut.pdf": lambda: pdf(["half of it"])[:200],
    "cut.png": lambda: picture()[:60],
    "empty.pdf": lambda: b"",
    "book.docx": zip_bomb,
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_file_is_a_failure_with_a_reason(client, name) -> None:
    sent = client.post(UPLOADS, files={"files": (name, HARMFUL[name]())})
    assert sent.status_code == 202, sent.text
    job = finished(client, sent.json()["job"]["id"])
    assert job["state"] in ("failed", "partial"), job
    for item in items(client, f"/v1/jobs/{job['id']}/items", state="failed"):
        assert item["error"]["code"] in ("limit_exceeded", "corrupt", "unsupported_format")
        assert item["error"]["message"]


def test_an_archive_cannot_write_outside_itself(client, shared_home) -> None:
    sent = client.post(UPLOADS, files={"files": ("outside.zip", outside())})
    finished(client, sent.json()["job"]["id"])
    assert not list(shared_home.parents[1].rglob("evil.txt"))


def test_entities_of_xml_do_not_grow(client) -> None:
    sent = client.post(UPLOADS, files={"files": ("x.xml", laughing_xml(), "application/xml")})
    job = finished(client, sent.json()["job"]["id"])
    assert job["state"] in ("done", "failed")


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a/*<script>alert(1)</script>*/=0;",
        b"<html><script>alert(1)</script><body>Polyglots are read as text.</body></html>",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><text>Hi</text></svg>",
        pdf(["A polyglot."]) + zip_bomb()[:1000],
        picture() + b"<script>alert(1)</script>",
    ],
)
def test_an_upload_never_comes_back_as_a_page_that_a_browser_runs(client, data) -> None:
    sent = client.post(UPLOADS, files={"files": ("x.html", data, "text/html")})
    body = sent.json()
    finished(client, body["job"]["id"])
    (document,) = body["documents"]
    for path in ("", "/elements", "/pages", "/pages/1/picture"):
        answered = client.get(f"/v1/documents/{document}{path}")
        kind = answered.headers["content-type"]
        assert kind in ("application/json", "application/problem+json", "image/png"), path
        assert answered.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answered.headers["content-security-policy"]


# --- what nobody expected --------------------------------------------------


def test_what_nobody_expected_is_a_500_that_tells_nothing(
    agent: CogAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("cogagent.api.session.Session.collections", broken)
    with running(make_app(agent, open_door=True)) as server, caplog.at_level(logging.ERROR):
        answered = httpx.get(f"{server.url}/v1/collections")
        told = problem(answered, 500, "internal")
    assert "secret" not in answered.text
    (record,) = [one for one in caplog.records if one.name == "cogagent.api.problems"]
    assert told["instance"] in record.getMessage()
    assert record.exc_info is not None
