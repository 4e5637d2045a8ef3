"""Files of OpenAI's clients, by the official one: uploaded, read by a worker, listed, deleted."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import Iterator

import httpx
import openai
import pytest

from cogagent import CogAgent, Settings
from cogagent.api.app import make_app
from cogagent.api.callers import LOCAL, Caller
from cogagent.api.openai import filing
from cogagent.api.openai.filing import Cabinet, FileList
from cogagent.api.parts import Parts
from cogagent.api.session import Session
from cogagent.config import ServiceSettings
from tests.api.conftest import Keys, Running, bearer, pdf, running
from tests.api.jobs_kit import upload

MAST = b"The mast of the Sandpiper is 9 m high."
BOATS = {"collection": "boats"}


@pytest.fixture(scope="module")
def working(shared_home) -> Iterator[CogAgent]:
    """An agent whose service has a worker."""
    with CogAgent(shared_home, Settings(service=ServiceSettings(workers=1))) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(working: CogAgent) -> Iterator[Running]:
    with running(make_app(working, open_door=True)) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(server: Running, client_of) -> openai.OpenAI:
    return client_of(server)


@pytest.fixture
def idle(agent: CogAgent) -> Iterator[Running]:
    """A service that asks for keys and has no worker: what is uploaded stays as it is."""
    with running(make_app(agent)) as opened:
        yield opened


def settled(client: openai.OpenAI, file: str) -> openai.types.FileObject:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.files.retrieve(file)
        if found.status != "uploaded":
            return found
        time.sleep(0.1)
    raise AssertionError("the file is not read")


def test_a_file_is_read_and_answers(client, working):
    made = client.files.create(file=("mast.txt", MAST), purpose="assistants", extra_body=BOATS)
    assert (made.object, made.bytes, made.filename) == ("file", len(MAST), "mast.txt")
    assert made.purpose == "assistants"
    assert abs(made.created_at - time.time()) < 60
    found = settled(client, made.id)
    assert (found.status, found.bytes, found.purpose) == ("processed", len(MAST), "assistants")
    assert found.created_at == made.created_at
    assert working.documents.get(made.id).uri == found.cogagent["uri"]
    answer = client.chat.completions.create(
        model="cogagent/boats",
        messages=[{"role": "user", "content": "How high is the mast of the Sandpiper?"}],
    )
    (note,) = answer.choices[0].message.annotations
    assert (note.file_id, note.filename) == (made.id, "mast.txt")
    assert client.files.content(made.id).read() == MAST


def test_the_same_bytes_are_the_same_file(client):
    first = client.files.create(file=("mast.txt", MAST), purpose="assistants", extra_body=BOATS)
    settled(client, first.id)
    again = client.files.create(file=("mast.txt", MAST), purpose="assistants", extra_body=BOATS)
    assert again.id == first.id
    assert settled(client, again.id).cogagent["pages"] == 1


def test_the_asynchronous_client_too(server, client_of):
    async def work() -> str:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x") as opened:
            made = await opened.files.create(
                file=("a.pdf", pdf(["A line."])), purpose="user_data", extra_body=BOATS
            )
            await asyncio.to_thread(settled, client_of(server), made.id)
            kept = await opened.files.content(made.id)
            assert kept.read().startswith(b"%PDF")
            return (await opened.files.delete(made.id)).id

    assert asyncio.run(work()).startswith("doc-")


def test_what_cannot_be_read_says_why_and_can_be_deleted(client):
    made = client.files.create(
        file=("broken.pdf", b"%PDF-1.7 and no more"), purpose="user_data", extra_body=BOATS
    )
    found = settled(client, made.id)
    assert found.status == "error"
    assert found.status_details
    assert made.id in [one.id for one in client.files.list()]
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    assert made.id not in [one.id for one in client.files.list()]


def test_an_archive_is_one_file_and_its_members_are_too(client):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("a.txt", "b.txt"):
            archive.writestr(name, f"The note {name} is here.")
    made = client.files.create(
        file=("all.zip", packed.getvalue()), purpose="user_data", extra_body=BOATS
    )
    assert settled(client, made.id).status == "processed"
    listed = [one for one in client.files.list() if "all.zip!/" in one.cogagent["uri"]]
    assert sorted(one.filename for one in listed) == ["a.txt", "b.txt"]
    assert client.files.delete(made.id).deleted
    for file in (made.id, *(one.id for one in listed)):
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(file)


def test_a_list_can_be_emptied_while_it_is_read(client, working):
    texts = [f"Note {number} of many." for number in range(7)]
    for number, text in enumerate(texts):
        client.files.create(
            file=(f"{number}.txt", text.encode()), purpose="batch", extra_body=BOATS
        )
    found = [one.id for one in client.files.list(limit=2, purpose="batch")]
    assert len(found) == 7
    for file in found:
        settled(client, file)
    for one in client.files.list(limit=2, purpose="batch"):
        client.files.delete(one.id)
    assert list(client.files.list(purpose="batch")) == []


def test_a_list_is_of_one_collection_if_that_is_asked(client, working):
    ours = client.files.list(extra_query={"collection": "dams"})
    assert {one.cogagent["collection"] for one in ours} == {"dams"}
    assert {one.id for one in ours} == {one.id for one in working.documents.list("dams")}


def test_bytes_are_saved_and_never_shown(server, client):
    page = b"<html><script>alert(1)</script>Hello</html>"
    made = client.files.create(
        file=('a"\r\nX: y;ö.html', page), purpose="user_data", extra_body=BOATS
    )
    told = httpx.get(f"{server.url}/v1/files/{made.id}/content")
    assert told.content == page
    assert told.headers["content-type"] == "application/octet-stream"
    assert told.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert told.headers["x-content-type-options"] == "nosniff"
    assert "x" not in told.headers


@pytest.mark.parametrize(
    ("files", "data", "status"),
    [
        ({}, {"purpose": "a"}, 400),
        ({"file": ("a.txt", b"a")}, {"purpose": ""}, 400),
        ({"file": ("a.txt", b"a")}, {"collection": "a\nb"}, 400),
        ({"file": ("a.txt", b"a")}, {"collection": "a" * 201}, 400),
    ],
)
def test_bad_forms_are_told_in_the_envelope(server, files, data, status):
    sent = files or {"other": (None, "x")}
    told = httpx.post(f"{server.url}/v1/files", files=sent, data=data)
    assert told.status_code == status, told.text
    assert set(told.json()) == {"error"}


def test_several_files_are_too_many(server):
    sent = [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]
    told = httpx.post(f"{server.url}/v1/files", files=sent)
    assert (told.status_code, told.json()["error"]["code"]) == (413, "too_many_files")


def test_what_waits_can_be_looked_at_and_called_off(idle: Running, keys: Keys, agent, client_of):
    ours = client_of(idle, keys.dams)
    made = ours.files.create(
        file=("mast.txt", MAST), purpose="user_data", extra_body={"collection": "dams"}
    )
    assert made.status == "uploaded"
    assert made.bytes == len(MAST)
    assert ours.files.content(made.id).read() == MAST
    assert made.id in [one.id for one in ours.files.list()]
    others = client_of(idle, keys.ships)
    for look in (others.files.retrieve, others.files.content, others.files.delete):
        with pytest.raises(openai.NotFoundError):
            look(made.id)
    assert made.id not in [one.id for one in others.files.list()]
    assert made.id in [one.id for one in client_of(idle, keys.admin).files.list()]
    with pytest.raises(openai.PermissionDeniedError):
        client_of(idle, keys.reader).files.delete(made.id)
    assert ours.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        ours.files.retrieve(made.id)
    job = httpx.get(f"{idle.url}/v1/jobs/{made.cogagent['job']}", headers=bearer(keys.dams))
    assert job.json()["state"] == "cancelled"


def test_a_key_does_not_bring_back_what_was_deleted(idle: Running, keys: Keys, client_of):
    ours = client_of(idle, keys.dams)
    sent = {
        "file": ("mast.txt", MAST),
        "purpose": "user_data",
        "extra_body": {"collection": "dams"},
        "extra_headers": {"Idempotency-Key": "one"},
    }
    made = ours.files.create(**sent)
    again = ours.files.create(**sent)
    assert (again.id, again.cogagent["job"]) == (made.id, made.cogagent["job"])
    ours.files.delete(made.id)
    with pytest.raises(openai.ConflictError):
        ours.files.create(**sent)
    sent["extra_headers"] = {"Idempotency-Key": "two"}
    assert ours.files.create(**sent).id == made.id


def test_what_came_with_others_is_called_off_alone(idle: Running, keys: Keys, client_of):
    sent = [("files", ("a.txt", b"a")), ("files", ("b.txt", b"b"))]
    told = httpx.post(
        f"{idle.url}/v1/collections/dams/documents", files=sent, headers=bearer(keys.dams)
    )
    document = told.json()["documents"][0]
    ours = client_of(idle, keys.dams)
    assert ours.files.retrieve(document).status == "uploaded"
    ours.files.delete(document)
    job = httpx.get(f"{idle.url}/v1/jobs/{told.json()['job']['id']}", headers=bearer(keys.dams))
    assert (job.json()["state"], job.json()["items"]["cancelled"]) == ("queued", 1)


def test_documents_of_other_principals_are_no_files(agent: CogAgent):
    from cogagent import Source

    source = Source(uri="note:9", data=b"Secret.", media_type="text/plain", principals=("alice",))
    agent.ingest([source], "dams")
    hidden = agent.documents.id("dams", "note:9")
    parts = Parts(agent)
    for principals, there in ((frozenset(), False), (frozenset({"alice"}), True), (None, True)):
        caller = Caller("k", "k", frozenset({"read"}), None, principals)
        assert (hidden in parts.uploaded(caller).ids(limit=1000)) == there


# --- lists, without a port -------------------------------------------------


@pytest.fixture
def parts(agent: CogAgent) -> Iterator[Parts]:
    """What a service without a worker is made of."""
    made = Parts(agent)
    yield made
    made.jobs.close()


def submit(parts: Parts, job: int, count: int, purpose: str = "user_data") -> list[str]:
    """Ids of the files of a new job; they wait."""
    desk, told = parts.jobs, {"metadata": {"purpose": purpose}}
    files = [upload(desk, f"{job}.{n}".encode(), f"{job}-{n}.txt", **told) for n in range(count)]
    made = desk.submit_ingest(LOCAL, "boats", files)
    return [item.document for item in desk.items(LOCAL, made.id)]


def pages(parts: Parts, limit: int, purpose: str | None = None) -> Iterator[FileList]:
    """The list as a client reads it: each page is behind the last id of the one before."""
    after, more = "", True
    while more:
        page = Cabinet(parts, Session(parts.agent, LOCAL)).page(after, limit, purpose, None)
        yield page
        after, more = page.last_id, page.has_more


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 100])
def test_a_list_goes_over_all_pages_and_jobs_in_order(parts, monkeypatch, at_once):
    monkeypatch.setattr(filing, "_AT_ONCE", at_once)
    waiting = [one for job, count in enumerate((4, 1, 3)) for one in submit(parts, job, count)]
    read = [one.id for name in ("dams", "ships") for one in parts.agent.documents.list(name)]
    wanted = sorted(waiting + read)
    for limit in (1, 2, 3, 4, len(wanted) - 1, len(wanted), len(wanted) + 1):
        found = list(pages(parts, limit))
        assert [one.id for page in found for one in page.data] == wanted
        assert [len(page.data) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert len(found) == -(-len(wanted) // limit), "no page is empty"
        for page in found:
            assert (page.first_id, page.last_id) == (page.data[0].id, page.data[-1].id)
            assert {one.id: one.status for one in page.data} == {
                one.id: "uploaded" if one.id in waiting else "processed" for one in page.data
            }


def test_a_list_goes_on_behind_an_id_that_is_gone(parts):
    cabinet = Cabinet(parts, Session(parts.agent, LOCAL))
    first, second, *rest = sorted(submit(parts, 0, 5))
    boats = cabinet.page("", 2, None, "boats")
    assert ([one.id for one in boats.data], boats.has_more) == ([first, second], True)
    cabinet.delete(second)
    boats = cabinet.page(second, 1000, None, "boats")
    assert ([one.id for one in boats.data], boats.has_more) == (rest, False)
    empty = cabinet.page(rest[-1], 1000, None, "boats")
    assert (empty.data, empty.first_id, empty.last_id, empty.has_more) == ((), None, None, False)


def test_files_of_a_purpose_are_found_behind_those_of_others(parts, monkeypatch):
    monkeypatch.setattr(filing, "_AT_ONCE", 2)
    submit(parts, 0, 9)
    wanted = sorted(submit(parts, 1, 3, "batch"))
    found = list(pages(parts, 2, "batch"))
    assert [[one.id for one in page.data] for page in found] == [wanted[:2], wanted[2:]]
    assert [one.id for page in pages(parts, 3, "batch") for one in page.data] == wanted


def test_a_page_is_read_in_one_batch(parts):
    asked: list[str] = []
    cabinet = Cabinet(parts, Session(parts.agent, LOCAL))
    connection = parts.catalogue.reader()

    def statements() -> int:
        """How often the catalogue is asked for the whole list."""
        asked.clear()
        connection.set_trace_callback(asked.append)
        try:
            cabinet.page("", 1000, None, None)
        finally:
            connection.set_trace_callback(None)
        return len(asked)

    submit(parts, 0, 1)
    few = statements()
    submit(parts, 1, 30)
    assert statements() == few > 0
