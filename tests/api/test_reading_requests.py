"""What requests are read for: large bodies, cursors, HEAD, Accept and If-None-Match."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError

from cogagent import CogAgent
from cogagent.api import payloads, streaming
from cogagent.api.app import make_app
from cogagent.api.paging import cursor
from cogagent.api.problems import SHOWN, RequestError
from cogagent.api.views import SearchRequest
from tests.api.conftest import QUESTION, SETTINGS, Running, running

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def opened(shared_home: Path) -> Iterator[CogAgent]:
    with CogAgent(shared_home, SETTINGS) as agent:
        yield agent


@pytest.fixture(scope="module")
def server(opened: CogAgent) -> Iterator[Running]:
    with running(make_app(opened, open_door=True)) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as found:
        yield found


# --- bodies ----------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "x", "filters": {'
        + b",".join(b'"%x": {}' % n for n in range(300_000)) + b"}}",
        b'{"query": "x", ' + b",".join(b'"%x": 0' % n for n in range(300_000)) + b"}",
        b'{"query": "x", "filters": [' + b"0," * 4_000_000 + b"0]}",
        b"[" + b"[]," * 4_000_000 + b"[]]",
        b'["' + b'\\",[' * 200_000 + b'", ' + b"{}," * 200_000 + b"{}]",
    ],
)  # fmt: skip
def test_a_crowded_body_is_refused_before_it_is_read(client, server, body):
    longest, over = 0.0, threading.Event()

    def others() -> None:
        nonlocal longest
        with httpx.Client(base_url=server.url, timeout=60) as other:
            while not over.is_set():
                begun = time.monotonic()
                other.get("/healthz").raise_for_status()
                longest = max(longest, time.monotonic() - begun)

    watching = threading.Thread(target=others)
    watching.start()
    try:
        answered = client.post("/v1/search", content=body, headers=JSON)
    finally:
        over.set()
        watching.join()
    assert (answered.status_code, answered.json()["code"]) == (400, "bad_json")
    assert "more values" in answered.json()["detail"]
    assert longest < 2.0


def test_an_object_of_very_many_names_is_refused(client):
    body = {"query": "x", "filters": {str(n): n for n in range(1001)}}
    answered = client.post("/v1/search", json=body)
    assert (answered.status_code, answered.json()["code"]) == (400, "bad_json")


@pytest.mark.parametrize("sign", [",", "[", '"', "\\", '\\"', '\\\\",'])
def test_what_a_text_holds_is_not_counted(sign):
    text = sign * 300_000
    assert payloads.parsed(json.dumps({"a": text, sign: 1}).encode()) == {"a": text, sign: 1}


@pytest.mark.parametrize("inner", ["[]", "{}", "0", '""', "[[]]", '{"a":0}'])
def test_values_are_counted_however_they_are_written(inner):
    with pytest.raises(RequestError, match="more values"):
        payloads.parsed(f"[{','.join([inner] * 200_000)},[]]".encode())


def test_of_many_faults_the_first_are_shown():
    with pytest.raises(RequestValidationError) as some:
        payloads.checked(SearchRequest, {f"x{n}": 0 for n in range(500)})
    assert len(some.value.errors()) == SHOWN
    with pytest.raises(RequestValidationError) as many:
        payloads.checked(SearchRequest, {f"x{n}": 0 for n in range(50_000)})
    (told,) = many.value.errors()
    assert told["loc"] == ("body",)
    assert "50001 faults" in told["msg"] or "50000 faults" in told["msg"]


def test_a_large_body_is_read_on_a_thread(client, monkeypatch):
    seen: list[str] = []
    parsed = payloads.parsed

    def watched(body: bytes) -> object:
        seen.append(threading.current_thread().name)
        return parsed(body)

    monkeypatch.setattr(payloads, "parsed", watched)
    for size in (10, 400_000):
        client.post("/v1/search", json={"query": "x" * size, "collection": "dams"})
    assert seen[0] == "server"
    assert seen[1] != "server"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/collections", 413), ("/v1/embeddings", 413), ("/v1/search", 422), ("/v1/ask", 422),
     ("/v1/chat/completions", 400)],
)  # fmt: skip
def test_only_where_pictures_may_come_bodies_may_be_very_large(client, path, status):
    body = b'{"surprise": "' + b"x" * (9 << 20) + b'"}'
    answered = client.post(path, content=body, headers=JSON)
    assert answered.status_code == status


# --- cursors ---------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["-5", "9" * 30, "9" * 4000, "x", "1.5", "٣", str(2**53 + 1), " 1"]
)
def test_a_forged_cursor_is_refused(client, opened, key):
    document = opened.documents.list("dams")[0].id
    for kind, path in (
        ("conversations", "/v1/conversations"),
        ("audit", "/v1/audit"),
        ("jobs", "/v1/jobs"),
        ("elements", f"/v1/documents/{document}/elements"),
        ("pages", f"/v1/documents/{document}/pages"),
        ("items", "/v1/jobs/job-none/items"),
        ("traces", "/v1/traces"),
    ):
        answered = client.get(path, params={"after": cursor(kind, key)})
        assert answered.status_code == 422, (path, answered.text)
        assert "cursor" in answered.json()["detail"] or "after" in answered.json()["detail"]


@pytest.mark.parametrize("number", [0, 1, 2**53])
def test_any_number_that_a_cursor_may_hold_is_read(client, number):
    for kind, path in (
        ("conversations", "/v1/conversations"), ("audit", "/v1/audit"), ("jobs", "/v1/jobs"),
    ):  # fmt: skip
        assert client.get(path, params={"after": cursor(kind, str(number))}).status_code == 200


def test_a_page_goes_on_where_an_entry_was_deleted(client, opened):
    for number in range(4):
        client.post("/v1/ask", json={"question": f"Dam {number}?", "collection": "dams"})
    first = client.get("/v1/traces", params={"limit": 2}).json()
    client.delete(f"/v1/traces/{first['items'][-1]['id']}").raise_for_status()
    rest = client.get("/v1/traces", params={"after": first["next"]}).json()["items"]
    assert [one["question"] for one in rest][:2] == ["Dam 1?", "Dam 0?"]
    for number in range(4):
        line = json.dumps({"question": f"Dam {number}?"})
        client.post(
            "/v1/batches?collection=dams", content=line,
            headers={"Content-Type": "application/jsonl"},
        ).raise_for_status()  # fmt: skip
    jobs = client.get("/v1/jobs").json()["items"]
    first = client.get("/v1/jobs", params={"limit": 2}).json()
    with opened.catalogue.transaction() as connection:
        connection.execute("DELETE FROM jobs WHERE id = ?", (jobs[1]["id"],))
    rest = client.get("/v1/jobs", params={"after": first["next"]}).json()["items"]
    assert rest == jobs[2:]
    assert "number" not in jobs[0]


# --- methods and headers ---------------------------------------------------


def test_get_routes_answer_head(client, opened, caplog):
    caplog.set_level(logging.INFO, "cogagent.api.logs")
    document = next(one for one in opened.documents.list("dams") if one.uri == "test:dam.pdf").id
    for path in (
        "/healthz", "/readyz", "/v1/collections", "/v1/models", "/openapi.json",
        f"/v1/documents/{document}/pages/1/picture", f"/v1/files/{document}/content",
        f"/v1/documents/{document}/pages/999/picture", "/v1/documents/none", "/none",
    ):  # fmt: skip
        seen, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (seen.status_code, b""), path
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == seen.headers.get(name), (path, name)
    told = {(one.method, one.route) for one in caplog.records if one.message == "request"}
    assert ("HEAD", "/v1/collections") in told
    assert client.head("/v1/ask").status_code == 405
    operations = client.get("/openapi.json").json()["paths"].values()
    assert not any("head" in one for one in operations)


def test_the_head_of_a_stream_is_not_waited_for(client):
    line = json.dumps({"question": QUESTION}).encode()
    job = client.post(
        "/v1/batches?collection=dams",
        content=line,
        headers={"Content-Type": "application/jsonl"},
    ).json()["id"]  # nobody works on it: its events go on
    begun = time.monotonic()
    head = client.head(f"/v1/jobs/{job}/events")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
    assert time.monotonic() - begun < 10
    assert client.get("/healthz").status_code == 200


def test_a_star_is_only_of_what_is_there(client, opened):
    document = next(one for one in opened.documents.list("dams") if one.uri == "test:dam.pdf").id
    star = {"If-None-Match": "*"}
    for page, status in ((1, 304), (999, 404)):
        for what in ("picture", "crop"):
            path = f"/v1/documents/{document}/pages/{page}/{what}"
            assert client.get(path, headers=star).status_code == status
    tag = client.get(f"/v1/documents/{document}/pages/1/picture").headers["etag"]
    held = {"If-None-Match": f"W/{tag}"}
    found = client.get(f"/v1/documents/{document}/pages/1/picture", headers=held)
    assert found.status_code == 304


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (["text/event-stream"], True),
        (["Text/Event-Stream; charset=utf-8; q=0.5"], True),
        (["application/json, text/event-stream"], True),
        (["application/json", "text/event-stream"], True),
        (["application/json, text/event-stream;q=0"], False),
        (["application/json, text/event-stream;q=0.0"], False),
        (["application/json, text/event-stream;q=0.9"], False),
        (["application/json;q=0.1, text/event-stream;q=0.9"], True),
        (["text/event-stream;q=nan"], False),
        (["text/event-stream;q=2"], False),
        (["text/event-streams"], False),
        (["*/*"], False),
        ([""], False),
        ([], False),
    ],
)
def test_a_stream_is_sent_to_who_likes_it(accept, wanted):
    headers = [(b"accept", value.encode()) for value in accept]
    assert streaming.is_wanted(Request({"type": "http", "headers": headers})) is wanted


def test_the_log_names_the_routes_of_openai_whole(client, caplog):
    caplog.set_level(logging.INFO, "cogagent.api.logs")
    client.get("/v1/models")
    client.get("/v1/models/cogagent%2Fdams")
    deadline = time.monotonic() + 10
    told: list[str] = []
    while len(told) < 2 and time.monotonic() < deadline:  # a line comes after its response
        told = [one.route for one in caplog.records if one.message == "request"]
    assert told == ["/v1/models", "/v1/models/{model:path}"]


# --- files -----------------------------------------------------------------


def test_a_file_is_sent_bit_by_bit(tmp_path, monkeypatch):
    from cogagent.api.openai import files

    data = bytes(range(256)) * 4096
    monkeypatch.setattr(files, "_BLOCK", len(data) // 4)
    path = tmp_path / "file"
    path.write_bytes(data)
    with path.open("rb") as file:
        blocks = list(files._blocks(file))
    assert b"".join(blocks) == data
    assert len(blocks) == 4


def test_the_bytes_of_a_file_come_whole(client, opened):
    document = next(one for one in opened.documents.list("dams") if one.uri == "test:dam.pdf").id
    found = client.get(f"/v1/files/{document}/content")
    assert found.content == opened.documents.original(document)
    assert found.headers["content-length"] == str(len(found.content))
