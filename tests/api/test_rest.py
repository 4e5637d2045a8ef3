"""The REST door, over a real port: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from cogagent import CogAgent, Settings
from cogagent.api.app import make_app
from cogagent.config import ServiceSettings
from cogagent.types import Answer, BatchAnswer, Evidence
from tests.api.conftest import DAM, QUESTION, SECRET, pdf, running

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def shared(shared_home: Path) -> Iterator[CogAgent]:
    """As elsewhere, but with a worker: these tests wait for jobs."""
    settings = Settings(service=ServiceSettings(workers=1))
    with CogAgent(home=shared_home, settings=settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(shared: CogAgent) -> Iterator[httpx.Client]:
    with (
        running(make_app(shared, open_door=True)) as server,
        httpx.Client(base_url=server.url, timeout=60) as opened,
    ):
        yield opened


def items(client: httpx.Client, path: str, **params: Any) -> list[Any]:
    """A whole list, page by page."""
    found: list[Any] = []
    after = ""
    while True:
        page = client.get(path, params={**params, "after": after}).raise_for_status().json()
        found += page["items"]
        if page["next"] is None:
            return found
        after = page["next"]


def finished(client: httpx.Client, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.get(f"/v1/jobs/{job}").raise_for_status().json()
        if found["state"] in ("done", "partial", "failed", "cancelled"):
            return dict(found)
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a response, which is checked."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    found = response.json()
    assert (found["status"], found["code"]) == (status, code), found
    assert found["type"].endswith(code)
    assert found["instance"] == response.headers["x-request-id"]
    assert found["detail"]
    return dict(found)


# --- collections and documents ---------------------------------------------


def test_collections_come_and_go_under_any_printable_name(client):
    name = "a/b c?#%2F é"
    made = client.post("/v1/collections", json={"name": name})
    assert (made.status_code, made.json()) == (201, {"name": name, "documents": 0, "pages": 0})
    path = "/v1/collections/" + httpx.URL("", params={"n": name}).query.decode()[2:].replace(
        "+", "%20"
    )
    assert client.get(path).json() == made.json()
    assert name in [one["name"] for one in items(client, "/v1/collections", limit=1)]
    assert client.delete(path).status_code == 204
    problem(client.get(path), 404, "not_found")


def test_documents_are_listed_shown_and_taken_out_of_searches(client):
    found = items(client, "/v1/collections/dams/documents", limit=1)
    assert [one["uri"] for one in found] == ["note:1", "test:dam.pdf", "test:red.png"]
    assert "content" not in found[0]
    note = found[0]["id"]
    assert client.get(f"/v1/documents/{note}").json() == found[0]
    search = {"query": "turbines renewed", "collection": "dams"}

    def hits() -> set[str]:
        said = client.post("/v1/search", json=search).raise_for_status().json()
        return {one["document_id"] for one in said["items"]}

    assert note in hits()
    assert client.post(f"/v1/documents/{note}/disable").json()["enabled"] is False
    assert note not in hits()
    assert client.post(f"/v1/documents/{note}/enable").json()["enabled"] is True


def test_a_change_asks_that_nothing_has_changed_meanwhile(client):
    note = items(client, "/v1/collections/dams/documents")[0]["id"]
    shown = client.get(f"/v1/documents/{note}")
    tag = shown.headers["etag"]
    again = client.get(f"/v1/documents/{note}", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"/v1/documents/{note}", headers={"If-None-Match": '"x"'}).status_code == 200
    disabled = client.post(f"/v1/documents/{note}/disable", headers={"If-Match": tag})
    assert disabled.status_code == 200
    refused = client.post(f"/v1/documents/{note}/enable", headers={"If-Match": tag})
    problem(refused, 412, "precondition_failed")
    problem(client.delete(f"/v1/documents/{note}", headers={"If-Match": tag}), 412,
            "precondition_failed")  # fmt: skip
    assert client.post(f"/v1/documents/{note}/enable", headers={"If-Match": "*"}).is_success


def test_a_page_is_a_picture_and_so_is_a_part_of_it(client, shared):
    dam = next(one for one in shared.documents.list("dams") if one.uri == "test:dam.pdf")
    base = f"/v1/documents/{dam.id}/pages"
    (page,) = items(client, base)
    assert (page["kind"], page["page"], page["size"]) == ("page", 1, [400.0, 300.0])
    whole = client.get(f"{base}/1/picture", params={"dpi": 72})
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert "private" in whole.headers["cache-control"]
    assert Image.open(io.BytesIO(whole.content)).size == (400, 300)
    part = client.get(f"{base}/1/picture", params={"dpi": 144, "box": "0,0,0.5,0.5"})
    assert Image.open(io.BytesIO(part.content)).size == (400, 300)
    jpeg = client.get(f"{base}/1/picture", params={"format": "jpeg", "side": 100})
    assert jpeg.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(jpeg.content)).size) == 100
    headers = {"If-None-Match": whole.headers["etag"]}
    assert client.get(f"{base}/1/picture", params={"dpi": 72}, headers=headers).status_code == 304
    assert client.get(f"{base}/1/picture", params={"dpi": 73}, headers=headers).status_code == 200
    problem(client.get(f"{base}/2/picture"), 404, "not_found")
    problem(client.get(f"{base}/0/picture"), 422, "invalid")
    for box in ("0,0,2,1", "1,1,0,0", "0,0,1e999,1"):
        problem(client.get(f"{base}/1/picture", params={"box": box}), 422, "input")
    problem(client.get(f"{base}/1/picture", params={"box": "nan,0,1,1"}), 422, "invalid")


def test_elements_come_in_pages(client, shared):
    dam = next(one for one in shared.documents.list("dams") if one.uri == "test:dam.pdf")
    found = items(client, f"/v1/documents/{dam.id}/elements", limit=1)
    assert found == [one.model_dump(mode="json") for one in shared.documents.elements(dam.id)]


# --- uploads and jobs ------------------------------------------------------


def test_uploads_become_documents_by_a_job(client):
    told = [{"uri": "test:up", "title": "Up", "metadata": {"year": 1999}}, {}]
    sent = client.post(
        "/v1/collections/fresh/documents",
        files=[
            ("files", ("a.pdf", pdf(["The lighthouse was lit in 1812."]), "application/pdf")),
            ("files", ("../../b\r\nX: y.txt", b"A heron nests there.", "text/plain")),
        ],
        data={"documents": json.dumps(told)},
    )
    assert sent.status_code == 202, sent.text
    body = sent.json()
    assert sent.headers["location"] == f"/v1/jobs/{body['job']['id']}"
    assert finished(client, body["job"]["id"])["state"] == "done"
    first, second = (client.get(f"/v1/documents/{one}").json() for one in body["documents"])
    assert (first["uri"], first["title"], first["metadata"]) == ("test:up", "Up", {"year": 1999})
    assert second["uri"].startswith("upload:local/")
    assert second["uri"].count("/") == 2
    answer = client.post(
        "/v1/ask", json={"question": "When was the lighthouse lit?", "collection": "fresh"}
    ).json()
    assert answer["short"] == "1812"
    numbered = items(client, f"/v1/jobs/{body['job']['id']}/items", limit=1)
    assert [one["state"] for one in numbered] == ["done", "done"]


def test_an_upload_that_is_sent_again_is_the_same_job(client):
    def send(text: bytes) -> httpx.Response:
        return client.post(
            "/v1/collections/twice/documents",
            files={"files": ("a.txt", text, "text/plain")},
            headers={"Idempotency-Key": "upload-1"},
        )

    first, second = send(b"one"), send(b"one")
    assert first.json()["job"]["id"] == second.json()["job"]["id"]
    assert first.json()["documents"] == second.json()["documents"]
    problem(send(b"two"), 409, "conflict")


def test_what_cannot_be_read_is_a_failure_of_the_job(client):
    sent = client.post(
        "/v1/collections/broken/documents",
        files=[("files", ("a.pdf", b"%PDF-1.7 nothing", "application/pdf"))],
    )
    job = finished(client, sent.json()["job"]["id"])
    assert (job["state"], job["items"]["failed"]) == ("failed", 1)
    (failed,) = items(client, f"/v1/jobs/{job['id']}/items", state="failed")
    assert failed["error"]["code"] == "corrupt"
    (kept,) = items(client, "/v1/collections/broken/failures")
    assert kept["code"] == "corrupt"
    retried = client.post(f"/v1/jobs/{job['id']}/retry")
    assert retried.status_code == 202
    assert finished(client, job["id"])["state"] == "failed"
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "failed"


def test_events_of_a_job_can_be_taken_up_again(client):
    sent = client.post("/v1/collections/events/documents", files={"files": ("a.txt", b"hello")})
    job = sent.json()["job"]["id"]
    events = list(sse(client, "GET", f"/v1/jobs/{job}/events"))
    assert events[0][1] == "queued"
    assert events[-1][1] == "finished"
    assert [number for number, _, _ in events] == sorted({number for number, _, _ in events})
    headers = {"Last-Event-ID": str(events[0][0])}
    assert list(sse(client, "GET", f"/v1/jobs/{job}/events", headers=headers)) == events[1:]
    problem(client.get("/v1/jobs/job-none/events"), 404, "not_found")
    bad = client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "x"})
    problem(bad, 422, "invalid")


def test_addresses_are_fetched_only_where_that_is_allowed(client):
    url = {"url": "https://example.org/a.pdf"}
    problem(client.post("/v1/collections/urls/documents", json=url), 403, "forbidden")
    nothing: dict[str, Any] = {}
    problem(client.post("/v1/collections/urls/documents", json=nothing), 422, "input")


def test_a_batch_is_uploaded_answered_and_fetched(client):
    lines = [{"question": QUESTION, "id": "q1"}, {"question": "Who built Sandpiper?"}]
    sent = client.post(
        "/v1/batches",
        params={"collection": "dams"},
        content="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/jsonl"},
    )
    assert sent.status_code == 202, sent.text
    job = finished(client, sent.json()["id"])
    assert job["items"]["done"] == 2
    fetched = client.get(f"/v1/batches/{job['id']}/answers")
    assert fetched.headers["content-type"] == "application/jsonl"
    answers = [BatchAnswer.model_validate_json(line) for line in fetched.text.splitlines()]
    assert [one.id for one in answers] == ["q1", "#2"]
    assert answers[0].answer is not None
    assert answers[0].answer.short == "engineer Ada Lowell"
    problem(client.post("/v1/batches", json=lines), 415, "unsupported_media_type")
    jsonl = {"Content-Type": "application/x-ndjson"}
    problem(client.post("/v1/batches", content=b"{}", headers=jsonl), 404, "not_found")


def test_a_batch_with_a_malformed_line_is_refused_and_the_line_named(client):
    sent = client.post(
        "/v1/batches",
        params={"collection": "dams"},
        content=b'{"question": "Who finished Kestrel Dam?"}\n{nope\n',
        headers={"Content-Type": "application/jsonl"},
    )
    assert "line 2" in problem(sent, 422, "input")["detail"]


# --- search and ask --------------------------------------------------------


def test_search_brings_what_the_library_brings(client, shared):
    sent = {"query": "Kestrel Dam", "collection": "dams", "k": 3, "modality": "text"}
    found = client.post("/v1/search", json=sent).json()["items"]
    wanted = shared.search("Kestrel Dam", 3, "text", collection="dams")
    assert found == [one.model_dump(mode="json") for one in wanted]
    assert client.get(f"/v1/evidence/{found[0]['id']}").json()["text"] == found[0]["text"]
    crop = client.get(f"/v1/evidence/{found[0]['id']}/crop")
    assert Image.open(io.BytesIO(crop.content)).size == shared.crop(wanted[0]).size
    problem(client.get("/v1/evidence/chunk-999999"), 404, "not_found")


def test_an_answer_is_that_of_the_library_and_its_trace_can_be_looked_at(client, shared):
    answer = Answer.model_validate_json(
        client.post("/v1/ask", json={"question": QUESTION, "collection": "dams"}).content
    )
    assert answer.short == "engineer Ada Lowell"
    same = shared.ask(QUESTION, collection="dams")
    assert answer.citations == same.citations
    trace = answer.trace
    assert trace in [one["id"] for one in items(client, "/v1/traces", limit=2)]
    assert client.get(f"/v1/traces/{trace}").json()["question"] == QUESTION
    again = client.post(f"/v1/traces/{trace}/replay", json={}).json()
    assert again["text"] == answer.text
    evidence = answer.citations[0].evidence_id
    crop = client.get(f"/v1/traces/{trace}/evidence/{evidence}/crop")
    assert crop.headers["content-type"] == "image/png"
    assert client.delete(f"/v1/traces/{trace}").status_code == 204
    problem(client.get(f"/v1/traces/{trace}"), 404, "not_found")


def test_pictures_of_a_question_come_as_base64(client, shared):
    import base64

    from tests.api.conftest import picture

    encoded = base64.b64encode(picture()).decode()
    for image in (encoded, f"data:image/png;base64,{encoded}"):
        found = client.post("/v1/search", json={"image": image, "collection": "dams"}).json()
        assert found["items"][0]["uri"] == "test:red.png"
    for image in ("http://127.0.0.1/x.png", "/etc/passwd", "data:image/png,xx", ""):
        refused = client.post("/v1/search", json={"image": image, "collection": "dams"})
        problem(refused, 422, "invalid")
    text = base64.b64encode(b"no picture").decode()
    problem(client.post("/v1/search", json={"image": text, "collection": "dams"}), 422, "input")


def test_a_conversation_is_kept_and_forgotten(client):
    for question in (QUESTION, "When was it finished?"):
        sent = {"question": question, "collection": "dams", "conversation": "talk/1"}
        assert client.post("/v1/ask", json=sent).is_success
    assert "talk/1" in [one["name"] for one in items(client, "/v1/conversations", limit=1)]
    kept = client.get("/v1/conversations/talk%2F1").json()
    assert [turn["question"] for turn in kept["turns"]] == [QUESTION, "When was it finished?"]
    assert client.delete("/v1/conversations/talk%2F1").status_code == 204
    problem(client.get("/v1/conversations/talk%2F1"), 404, "not_found")
    history = [{"question": QUESTION, "answer": "Ada Lowell."}]
    sent = {"question": "When was it finished?", "collection": "dams", "history": history}
    assert client.post("/v1/ask", json=sent).json()["short"] == "1931"


def test_an_answer_under_a_key_is_given_once(client, shared):
    sent = {"question": QUESTION, "collection": "dams"}
    headers = {"Idempotency-Key": "ask-1"}
    first = client.post("/v1/ask", json=sent, headers=headers)
    traces = len(shared.traces.list(1000))
    second = client.post("/v1/ask", json=sent, headers=headers)
    assert first.content == second.content
    assert len(shared.traces.list(1000)) == traces
    ((_, kind, data),) = sse(client, "POST", "/v1/ask", json={**sent, "stream": True},
                             headers=headers)  # fmt: skip
    assert (kind, data["answer"]) == ("done", first.json())
    other = {"question": "What else?", "collection": "dams"}
    problem(client.post("/v1/ask", json=other, headers=headers), 409, "conflict")
    assert client.delete(f"/v1/traces/{first.json()['trace']}").status_code == 204
    third = client.post("/v1/ask", json=sent, headers=headers)
    assert third.json()["trace"] != first.json()["trace"]


def test_a_stream_has_the_same_answer_with_its_events_numbered(client):
    sent = {"question": QUESTION, "collection": "dams"}
    events = list(sse(client, "POST", "/v1/ask", json={**sent, "stream": True}))
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    assert all(data["type"] == kind for _, kind, data in events)
    assert events[-1][1] == "done"
    whole = client.post("/v1/ask", json=sent).json()
    answer = events[-1][2]["answer"]
    assert (answer["text"], answer["citations"]) == (whole["text"], whole["citations"])
    assert "".join(data["text"] for _, kind, data in events if kind == "token") == answer["text"]
    accept = {"Accept": "text/event-stream"}
    assert list(sse(client, "POST", "/v1/ask", json=sent, headers=accept))[-1][1] == "done"


def test_what_cannot_be_asked_has_a_status_even_as_a_stream(client):
    sent = {"question": QUESTION, "collection": "none", "stream": True}
    problem(client.post("/v1/ask", json=sent), 404, "not_found")
    sent = {"question": QUESTION, "collection": "dams", "stream": True, "planner": "nobody"}
    problem(client.post("/v1/ask", json=sent), 422, "input")
    problem(client.get("/v1/asks/ask-none/events"), 404, "not_found")


# --- the service itself ----------------------------------------------------


def test_settings_are_shown_without_secrets(client):
    found = {one["name"]: one for one in client.get("/v1/settings").json()["items"]}
    assert found["service.port"]["variable"] == "COGAGENT_SERVICE__PORT"
    assert client.get("/v1/inventory").json()["answer_model"] == "extractive"


def test_the_audit_log_names_operations_not_what_was_said(client):
    client.post("/v1/collections", json={"name": "audited"})
    lines = items(client, "/v1/audit", limit=100)
    line = next(one for one in lines if one["action"] == "create_collection")
    assert line["status"] == 201
    assert SECRET not in json.dumps(lines)
    assert QUESTION not in json.dumps(lines)


def sse(
    client: httpx.Client, method: str, path: str, **options: Any
) -> Iterator[tuple[int, str, Any]]:
    """The events of a stream: number, kind, data."""
    with client.stream(method, path, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                continue
            if line:
                event[name] = value
            elif event:
                yield int(event["id"]), event["event"], json.loads(event["data"])
                event = {}


def test_evidence_and_answers_are_the_librarys_own_types(client):
    found = client.post("/v1/search", json={"query": DAM[0], "collection": "dams"}).json()
    for one in found["items"]:
        Evidence.model_validate(one)
