"""Jobs from the desk to their end, in this process."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogagent import CogAgent, Source
from cogagent.api.callers import LOCAL, Caller
from cogagent.api.jobs.desk import JobDesk, Upload
from cogagent.api.jobs.ingesting import IngestRun
from cogagent.api.jobs.runners import Runner, claims_of, workers_folder
from cogagent.errors import (
    CogAgentError,
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    OfflineError,
    QueueFullError,
    StorageError,
    WebRefusedError,
)
from cogagent.types import Budget
from tests.api.conftest import picture
from tests.api.jobs_kit import ANN, BOB, READER, drain, lines, note, notes, upload, with_service


@pytest.fixture
def desk(agent: CogAgent) -> Iterator[JobDesk]:
    opened = JobDesk(agent)
    yield opened
    opened.close()


def files(folder: Path) -> list[str]:
    found = (path.name for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if "-" in name)


def text_of(agent: CogAgent, document: str) -> str:
    return " ".join(element.text for element in agent.documents.elements(document))


# --- ingest ----------------------------------------------------------------


def test_uploads_are_ingested(agent: CogAgent, desk: JobDesk) -> None:
    job = desk.submit_ingest(ANN, "lights", notes(desk, 3))
    assert (job.state, job.items.queued, job.bytes > 0) == ("queued", 3, True)
    assert drain(agent) == 1
    assert desk.job(ANN, job.id).state == "done"
    stored = agent.documents.list("lights")
    assert {item.document for item in desk.items(ANN, job.id)} == {one.id for one in stored}
    assert all(one.uri.startswith("upload:ann/") for one in stored)
    assert [one.title for one in stored] == [Path(one.uri).stem for one in stored]
    assert agent.ask("When was lighthouse 2 lit?", collection="lights").short == "1802"
    assert files(agent.home / "uploads") == []
    assert drain(agent) == 0


def test_equal_bytes_again_are_the_same_document(agent: CogAgent, desk: JobDesk) -> None:
    for _ in range(2):
        job = desk.submit_ingest(ANN, "lights", notes(desk, 2))
        drain(agent)
        assert desk.job(ANN, job.id).state == "done"
    stored = agent.documents.list("lights")
    assert [one.version for one in stored] == [1, 1]


def test_what_a_client_says_of_a_document_is_kept(agent: CogAgent, desk: JobDesk) -> None:
    more = {"uri": "note:9", "title": "Nine", "metadata": {"year": 9}, "principals": ("a",)}
    desk.submit_ingest(ANN, "lights", [upload(desk, note(9), media_type="text/plain", **more)])
    drain(agent)
    (found,) = agent.documents.list("lights")
    assert (found.uri, found.title, found.metadata) == ("note:9", "Nine", {"year": 9})
    assert found.principals == ("a",)


@pytest.mark.parametrize(
    ("data", "name", "said", "kind"),
    [(b"a,b\n1,2\n", "t.csv", "application/vnd.ms-excel", "text/csv"),
     (b"a,b\n1,2\n", "t.csv", None, "text/csv"),
     (b"# A\n\nb", "a.md", "application/octet-stream", "text/markdown"),
     (b"\xe4 is a letter", "a.txt", "text/plain; charset=latin-1", "text/plain"),
     (b"<html><body>hello</body></html>", "x.pdf", "application/pdf", "text/html"),
     (b"a,b\n1,2\n", "t", "text/csv", "text/csv")],
)  # fmt: skip
def test_a_file_is_read_as_what_it_is(
    agent: CogAgent, desk: JobDesk, data: bytes, name: str, said: str | None, kind: str
) -> None:
    given = upload(desk, data, name, uri="note:1", media_type=said)
    job = desk.submit_ingest(ANN, "lights", [given])
    drain(agent)
    assert desk.job(ANN, job.id).state == "done"
    (found,) = agent.documents.list("lights")
    assert found.media_type == kind
    if "charset" in (said or ""):
        assert text_of(agent, found.id).strip().startswith("ä")


def test_one_bad_file_costs_only_itself(agent: CogAgent, desk: JobDesk) -> None:
    given = [*notes(desk, 2), upload(desk, b"%PDF-1.4 and no more", "bad.pdf")]
    given.append(upload(desk, b"", "empty.txt"))
    job = desk.submit_ingest(ANN, "lights", given)
    drain(agent)
    found = desk.job(ANN, job.id)
    assert (found.state, found.items.done, found.items.failed) == ("partial", 2, 2)
    bad, empty = desk.items(ANN, job.id, "failed")
    assert (bad.error.code, empty.error.code) == ("corrupt", "corrupt")
    assert str(agent.home) not in bad.error.message + empty.error.message
    # The files of what failed are kept for a retry, the others are gone.
    assert len(files(agent.home / "uploads")) == 2
    again = desk.retry(ANN, job.id)
    assert (again.state, again.items.queued, again.items.done) == ("queued", 2, 2)
    drain(agent)
    assert desk.job(ANN, job.id).items.failed == 2


def test_a_failure_is_really_tried_again(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = desk.submit_ingest(ANN, "lights", [upload(desk, b"%PDF-1.4 and no more", "bad.pdf")])
    drain(agent)
    parsed = []
    parse = agent._engine.parsers.parse
    monkeypatch.setattr(
        agent._engine.parsers, "parse", lambda source: parsed.append(source.uri) or parse(source)
    )
    desk.retry(ANN, job.id)
    drain(agent)
    assert len(parsed) == 1  # not reported again unread


def test_an_archive_with_bad_files_tells_of_them(agent: CogAgent, desk: JobDesk) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("good.txt", note(1))
        archive.writestr("bad.pdf", b"%PDF-1.4 and no more")
    job = desk.submit_ingest(ANN, "lights", [upload(desk, packed.getvalue(), "both.zip")])
    drain(agent)
    (item,) = desk.items(ANN, job.id)
    assert item.state == "failed"
    assert "1 of its files failed; the first, 'bad.pdf'" in item.error.message
    assert len(agent.documents.list("lights")) == 1


def test_a_new_version_replaces_the_document(agent: CogAgent, desk: JobDesk) -> None:
    for number in (1, 2):  # both wait: the last submitted is the last written
        desk.submit_ingest(ANN, "lights", [upload(desk, note(number), uri="note:x")])
    assert drain(agent) == 2
    (found,) = agent.documents.list("lights")
    assert found.version == 2
    assert "lighthouse 2" in text_of(agent, found.id)


def test_many_items_go_in_groups(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    read = IngestRun._read

    def counted(run, given, tasks):
        sizes.append(len(given))
        return read(run, given, tasks)

    monkeypatch.setattr(IngestRun, "_read", counted)
    job = desk.submit_ingest(ANN, "lights", notes(desk, 70))
    drain(agent)
    assert sizes == [32, 32, 6]
    assert desk.job(ANN, job.id).items.done == 70


# --- what is refused -------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    ["/etc/passwd", "file:///etc/passwd", "FILE:x", "web:1", "tool:x", "upload:bob/1/x", "plain",
     "a:\nb", "1:x", "note:", "x" * 3000, "a:" + "x" * 2000, "", "note:zip!/member"],
)  # fmt: skip
def test_uris_that_are_not_a_clients_to_give(agent: CogAgent, desk: JobDesk, uri: str) -> None:
    with pytest.raises(InputError, match="uri"):
        desk.submit_ingest(ANN, "lights", [upload(desk, note(1), uri=uri)])
    assert (desk.jobs(ANN), files(agent.home / "uploads")) == ([], [])


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../etc/passwd", "passwd"), ("C:\\x\\a.pdf", "a.pdf"), ("", "file"), ("..", "file"),
     ("a\r\nb.txt", "a__b.txt"), ("x" * 300 + ".pdf", "x" * 146 + ".pdf"), ("ü€.txt", "ü€.txt")],
)  # fmt: skip
def test_names_of_files_are_only_names(desk: JobDesk, name: str, kept: str) -> None:
    job = desk.submit_ingest(ANN, "lights", [upload(desk, note(1), name)])
    (item,) = desk.items(ANN, job.id)
    assert item.uri.split("/", 2)[2] == kept


def test_who_may_submit_what(desk: JobDesk) -> None:
    with pytest.raises(ForbiddenError):
        desk.submit_ingest(READER, "dams", notes(desk, 1))
    writer = Caller("d", "D", frozenset({"write"}), frozenset({"dams"}))
    with pytest.raises(NotFoundError):
        desk.submit_ingest(writer, "ships", notes(desk, 1))
    with pytest.raises(ForbiddenError, match="principals"):
        desk.submit_ingest(ANN, "lights", notes(desk, 1, principals=("b",)))
    assert desk.uploads.names() == set()


def test_too_much_at_once(agent: CogAgent) -> None:
    desk = JobDesk(with_service(agent, upload_files=2, upload_mb=1))
    with pytest.raises(InputError, match="too many"):
        desk.submit_ingest(ANN, "lights", notes(desk, 3))
    with pytest.raises(InputError, match="larger"):
        desk.submit_ingest(ANN, "lights", [upload(desk, bytes(1 << 20) + b"x")])
    with pytest.raises(InputError, match="nothing"):
        desk.submit_ingest(ANN, "lights", [])
    with pytest.raises(InputError, match="two files"):
        desk.submit_ingest(ANN, "lights", [upload(desk, note(1)), upload(desk, note(1))])
    with pytest.raises(InputError, match="metadata"):
        desk.submit_ingest(ANN, "lights", [upload(desk, note(1), metadata={"a": [1]})])
    with pytest.raises(InputError, match="not both"):
        desk.submit_ingest(ANN, "lights", [Upload()])
    assert desk.uploads.names() == set()


def test_a_full_queue_refuses(agent: CogAgent) -> None:
    desk = JobDesk(with_service(agent, queue=2))
    for number in range(2):
        desk.submit_ingest(ANN, "lights", notes(desk, number + 1))
    with pytest.raises(QueueFullError) as raised:
        desk.submit_ingest(ANN, "lights", notes(desk, 3))
    assert raised.value.retry_after >= 1
    with pytest.raises(QueueFullError):
        desk.check_room(ANN)
    with pytest.raises(QueueFullError):
        desk.submit_batch(ANN, lines("Who?"), "dams")
    assert len(desk.uploads.names()) == 3
    assert [path.name for path in (agent.home / "jobs").glob("*")] == []


def test_the_same_request_again_is_the_same_job(agent: CogAgent, desk: JobDesk) -> None:
    first = desk.submit_ingest(ANN, "lights", notes(desk, 2), "key")
    assert desk.submit_ingest(ANN, "lights", notes(desk, 2), "key").id == first.id
    assert len(desk.uploads.names()) == 2
    with pytest.raises(ConflictError):
        desk.submit_ingest(ANN, "lights", notes(desk, 3), "key")
    drain(agent)
    after = desk.submit_ingest(ANN, "lights", notes(desk, 2), "key")
    assert (after.id, after.state) == (first.id, "done")
    assert desk.submit_ingest(BOB, "lights", notes(desk, 2), "key").id != first.id
    with pytest.raises(InputError, match="idempotency"):
        desk.submit_ingest(ANN, "lights", notes(desk, 1), "a\nb")


# --- whose it is -----------------------------------------------------------


def test_a_uri_of_a_hidden_document_is_taken(agent: CogAgent, desk: JobDesk) -> None:
    agent.ingest(Source(uri="note:1", data=note(1), principals=("a",)), "lights")
    with pytest.raises(ConflictError, match=r"the uri 'note:1' is taken\."):
        desk.submit_ingest(BOB, "lights", [upload(desk, note(2), uri="note:1")])
    assert desk.submit_ingest(ANN, "lights", [upload(desk, note(2), uri="note:1")])


def test_an_archive_cannot_reach_into_a_hidden_one(agent: CogAgent, desk: JobDesk) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("plan.txt", note(1))
    given = upload(desk, packed.getvalue(), "a.zip", uri="zip:1", principals=("a",))
    desk.submit_ingest(ANN, "lights", [given])
    drain(agent)
    with pytest.raises(ConflictError, match="taken"):
        desk.submit_ingest(BOB, "lights", [upload(desk, packed.getvalue(), uri="zip:1")])


def test_a_uri_that_is_taken_meanwhile_fails_the_item(agent: CogAgent, desk: JobDesk) -> None:
    job = desk.submit_ingest(BOB, "lights", [upload(desk, note(2), uri="note:1")])
    agent.ingest(Source(uri="note:1", data=note(1), principals=("a",)), "lights")
    drain(agent)
    (item,) = desk.items(BOB, job.id)
    assert (item.state, item.error.message) == ("failed", "the uri 'note:1' is taken.")
    (found,) = agent.documents.list("lights")
    assert "lighthouse 1" in text_of(agent, found.id)


def test_jobs_are_for_their_owner(agent: CogAgent, desk: JobDesk) -> None:
    job = desk.submit_batch(ANN, lines("Who finished Kestrel Dam?"), "dams").id
    drain(agent)
    for call in (desk.job, desk.items, desk.cancel, desk.retry, desk.answer_lines):
        with pytest.raises(NotFoundError, match=job):
            call(BOB, job)
    with pytest.raises(NotFoundError):
        asyncio.run(anext(aiter(desk.events(BOB, job))))
    assert desk.jobs(BOB) == []
    assert [one.id for one in desk.jobs(LOCAL)] == [job]
    assert desk.job(LOCAL, job).owner == "ann"


# --- cancelling and dying --------------------------------------------------


def slowed(monkeypatch: pytest.MonkeyPatch, begun: threading.Event) -> None:
    """Let each document take a second, in which it asks whether it is still wanted."""
    from cogagent.pipelines.drafts import Drafter

    parse = Drafter.parse

    def slow(drafter, loaded, heard):
        elements = parse(drafter, loaded, heard)
        begun.set()
        for _ in range(50):
            time.sleep(0.02)
            heard(elements[0])
        return elements

    monkeypatch.setattr(Drafter, "parse", slow)


def test_a_running_job_is_cancelled_within_a_second(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    slowed(monkeypatch, begun)
    job = desk.submit_ingest(ANN, "lights", notes(desk, 40))
    thread = threading.Thread(target=drain, args=(agent,))
    thread.start()
    assert begun.wait(20)
    started = time.monotonic()
    desk.cancel(ANN, job.id)
    while not desk.job(ANN, job.id).is_final:
        assert time.monotonic() - started < 5
        time.sleep(0.02)
    assert time.monotonic() - started < 1.5
    thread.join()
    found = desk.job(ANN, job.id)
    assert found.state == "cancelled"
    assert found.items.done == len(agent.documents.list("lights")) < 40
    monkeypatch.undo()
    desk.retry(ANN, job.id)
    drain(agent)
    assert desk.job(ANN, job.id).state == "done"
    assert len(agent.documents.list("lights")) == 40


def test_a_parked_job_is_gone_on_with(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    slowed(monkeypatch, begun)
    job = desk.submit_ingest(ANN, "lights", notes(desk, 5))
    with Runner(agent.catalogue, agent.home, agent.settings, lambda: agent) as runner:
        thread = threading.Thread(target=runner.run_one)
        thread.start()
        assert begun.wait(20)
        runner.stopping.set()
        thread.join(5)
        assert not thread.is_alive()
    found = desk.job(ANN, job.id)
    assert (found.state, found.attempts, found.error) == ("queued", 0, None)
    monkeypatch.undo()
    drain(agent)
    assert desk.job(ANN, job.id).items.done == 5


def test_a_file_that_is_gone_fails_its_item(agent: CogAgent, desk: JobDesk) -> None:
    given = notes(desk, 2)
    job = desk.submit_ingest(ANN, "lights", given)
    desk.uploads.discard(given[0].file.name)
    drain(agent)
    (item,) = desk.items(ANN, job.id, "failed")
    assert "not there" in item.error.message
    with pytest.raises(ConflictError, match="kept no longer"):
        desk.retry(ANN, job.id)


def test_a_home_that_fails_is_tried_again_and_given_up(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise StorageError(f"cannot write {agent.home}/catalogue.sqlite: no.")

    monkeypatch.setattr(IngestRun, "_read", fail)
    monkeypatch.setattr("cogagent.indexes.job_claims._FIRST_PAUSE", 0.0)
    job = desk.submit_ingest(ANN, "lights", notes(desk, 2))
    drain(agent)
    found = desk.job(ANN, job.id)
    assert (found.state, found.items.failed, found.error.code) == ("failed", 2, "storage")
    assert found.error.message.startswith("given up after 3 attempts: cannot write the home")
    assert str(agent.home) not in found.model_dump_json()
    types = [event.type for event in desk._queue.events(job.id)]
    assert types.count("waiting") == 2
    monkeypatch.undo()
    desk.retry(ANN, job.id)
    drain(agent)
    assert desk.job(ANN, job.id).state == "done"


def test_the_item_that_workers_die_of_is_found(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that kills whoever reads it costs itself, and no other."""

    class Killed(BaseException):
        pass

    read = IngestRun._read

    def deadly(run, sources, tasks):
        if any("poison" in source.uri for source in sources):
            raise Killed
        return read(run, sources, tasks)

    monkeypatch.setattr(IngestRun, "_read", deadly)
    monkeypatch.setattr("cogagent.indexes.job_claims._FIRST_PAUSE", 0.0)
    given = notes(desk, 5)
    given.insert(2, upload(desk, b"poison", "p.txt", uri="note:poison"))
    job = desk.submit_ingest(ANN, "lights", given)
    deaths = 0
    while not desk.job(ANN, job.id).is_final:
        assert deaths < 10
        try:
            drain(agent)  # its lock goes with it, like that of a process
        except Killed:
            deaths += 1
            claims_of(agent.catalogue, agent.home, agent.settings).reap()
    found = desk.job(ANN, job.id)
    assert (found.state, found.items.done, found.items.failed) == ("partial", 5, 1)
    (item,) = desk.items(ANN, job.id, "failed")
    assert (item.uri, item.error.code) == ("note:poison", "worker_crashed")
    assert deaths == 4  # once with others, three times alone


def test_a_collection_that_is_deleted_meanwhile(agent: CogAgent, desk: JobDesk) -> None:
    job = desk.submit_ingest(ANN, "lights", notes(desk, 1))
    agent.collections.delete("lights")
    drain(agent)
    found = desk.job(ANN, job.id)
    assert (found.state, found.error.code) == ("failed", "not_found")
    assert [one.name for one in agent.collections.list()] == ["dams", "ships"]


# --- events ----------------------------------------------------------------


def test_events_are_followed_to_the_end(agent: CogAgent, desk: JobDesk) -> None:
    job = desk.submit_ingest(ANN, "lights", notes(desk, 2)).id

    async def follow(after: int = 0) -> list[tuple[int, str]]:
        return [(event.number, event.type) async for event in desk.events(ANN, job, after)]

    async def both() -> list[tuple[int, str]]:
        following = asyncio.create_task(follow())
        await asyncio.sleep(0.1)
        await asyncio.to_thread(drain, agent)
        return await asyncio.wait_for(following, 10)

    events = asyncio.run(both())
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    assert (events[0][1], events[-1][1]) == ("queued", "finished")
    assert asyncio.run(follow(events[-2][0])) == events[-1:]
    assert asyncio.run(follow(events[-1][0])) == []


def test_events_end_with_the_service(agent: CogAgent) -> None:
    stopping = threading.Event()
    desk = JobDesk(agent, stopping.is_set)
    job = desk.submit_ingest(ANN, "lights", notes(desk, 1)).id

    async def follow() -> int:
        count = 0
        async for _ in desk.events(ANN, job):
            count += 1
            stopping.set()
        return count

    assert asyncio.run(asyncio.wait_for(follow(), 5)) == 1


# --- batches ---------------------------------------------------------------


def answered(desk: JobDesk, caller: Caller, job: str) -> list[dict]:
    return [json.loads(line) for line in desk.answer_lines(caller, job)]


def test_a_batch_is_answered(agent: CogAgent, desk: JobDesk) -> None:
    asked = lines({"question": "Who finished Kestrel Dam?", "id": "x"}, "What color is it?")
    asked = asked.replace(b"\n", b"\n \n", 1)  # a blank line counts as a line, as in a file
    job = desk.submit_batch(READER, b"\xef\xbb\xbf" + asked + b"\n\n", "dams")
    assert (job.kind, job.items.total) == ("batch", 2)
    assert [item.uri for item in desk.items(READER, job.id)] == ["x", "#3"]
    assert answered(desk, READER, job.id) == []
    drain(agent)
    assert desk.job(READER, job.id).state == "done"
    first, second = answered(desk, READER, job.id)
    assert (first["id"], first["answer"]["short"]) == ("x", "engineer Ada Lowell")
    assert second["line"] == 3
    assert [entry.owner for entry in agent.traces.list()] == ["cid", "cid"]


def test_a_batch_sees_what_its_caller_sees(agent: CogAgent, desk: JobDesk) -> None:
    agent.ingest(
        Source(uri="note:s", data=b"The password of the vault is Gneiss.", principals=("a",)),
        "dams",
    )
    for caller, outcome in ((ANN, "answered"), (BOB, "abstained")):
        job = desk.submit_batch(caller, lines("What is the password of the vault?"), "dams")
        drain(agent)
        (answer,) = answered(desk, caller, job.id)
        assert answer["answer"]["outcome"] == outcome
        assert ("Gneiss" in json.dumps(answer)) == (outcome == "answered")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"no json", "JSON"),
        (b"[1]", "object"),
        (b'{"q": 1}', "question"),
        (b'{"question": "q", "images": ["/etc/passwd"]}', "data: URI"),
        (b'{"question": "q", "images": ["http://x/y.png"]}', "data: URI"),
        (b'{"question": "q", "images": [7]}', "data: URI"),
        (b'{"question": "q", "images": ["data:image/png;base64,%%%"]}', "base64"),
        (b'{"question": "q", "images": ["data:text/html;base64,aaaa"]}', "data: URI"),
        (b'{"question": "q", "collection": "ships"}', "no collection"),
        (b'{"question": "q", "planner": "none such"}', "planner"),
        (b'{"question": "q", "id": "first"}', "first"),
        (b'{"question": "q", "extra": 1}', "extra"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_lines_that_are_refused(agent: CogAgent, desk: JobDesk, line: bytes, why: str) -> None:
    good = lines({"question": "Who?", "id": "first"})
    with pytest.raises(InputError, match=why) as raised:
        desk.submit_batch(READER, good + b"\n" + line, "dams")
    assert raised.value.message.startswith("line 2: ")
    assert desk.jobs(READER) == []
    assert list((agent.home / "jobs").glob("*")) == []


def test_batches_that_are_refused(agent: CogAgent, desk: JobDesk) -> None:
    for asked in (b"", b"\n\n", []):
        with pytest.raises(InputError, match="no questions"):
            desk.submit_batch(READER, asked, "dams")
    for collection in ("ships", "not there"):
        with pytest.raises(NotFoundError):
            desk.submit_batch(READER, lines("Who?"), collection)
    with pytest.raises(InputError, match="planner"):
        desk.submit_batch(READER, lines("Who?"), "dams", planner="none such")


def test_pictures_of_a_batch_are_files_of_the_job(agent: CogAgent, desk: JobDesk) -> None:
    data = "data:image/png;base64," + base64.b64encode(picture()).decode()
    asked = lines({"question": "Where is there a picture like this?", "images": [data]})
    job = desk.submit_batch(READER, asked, "dams")
    folder = agent.home / "jobs" / job.id
    assert (folder / "pictures" / "1").read_bytes() == picture()
    drain(agent)
    (answer,) = answered(desk, READER, job.id)
    assert answer["error"] is None
    assert str(agent.home) not in json.dumps(answer)


def test_budgets_are_cut_to_the_services(agent: CogAgent) -> None:
    desk = JobDesk(with_service(agent, ask_seconds=7.0, ask_steps=2))
    asked = lines("a", {"question": "b", "budget": {"steps": 1, "seconds": 999}})
    job = desk.submit_batch(READER, asked, "dams", budget=Budget(steps=19, model_calls=3))
    kept = (agent.home / "jobs" / job.id / "questions.jsonl").read_text().splitlines()
    first, second = (json.loads(line)["budget"] for line in kept)
    assert (first["steps"], first["seconds"], first["model_calls"]) == (2, 7.0, 3)
    assert (second["steps"], second["seconds"]) == (1, 7.0)


def test_a_batch_resumes_and_asks_nothing_twice(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    asked: list[str] = []
    ask = CogAgent.aask

    async def slow(self: CogAgent, question: str, *given: object, **more: object):
        if len(asked) > 5:
            begun.set()
        await asyncio.sleep(0.05)
        answer = await ask(self, question, *given, **more)
        asked.append(question)
        return answer

    monkeypatch.setattr(CogAgent, "aask", slow)
    job = desk.submit_batch(ANN, lines(*(f"Who finished dam {n}?" for n in range(30))), "dams")
    with Runner(agent.catalogue, agent.home, agent.settings, lambda: agent) as runner:
        thread = threading.Thread(target=runner.run_one)
        thread.start()
        assert begun.wait(20)
        runner.stopping.set()
        thread.join(10)
        assert not thread.is_alive()
    parked = desk.job(ANN, job.id)
    assert (parked.state, 0 < parked.items.done < 30) == ("queued", True)
    before = [answer["id"] for answer in answered(desk, ANN, job.id)]
    assert len(before) == parked.items.done
    drain(agent)
    assert desk.job(ANN, job.id).state == "done"
    assert [answer["id"] for answer in answered(desk, ANN, job.id)] == [
        f"#{n}" for n in range(1, 31)
    ]
    kept = {f"Who finished dam {n}?" for n in range(len(before))}
    assert all(asked.count(question) == 1 for question in kept)


def test_failed_questions_alone_are_asked_again(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = CogAgent.aask
    asked: list[str] = []

    async def failing(self: CogAgent, question: str, *given: object, **more: object):
        asked.append(question)
        if "3" in question or "1" in question:
            raise CogAgentError("the model is down.")
        return await ask(self, question, *given, **more)

    monkeypatch.setattr(CogAgent, "aask", failing)
    job = desk.submit_batch(ANN, lines(*(f"Who finished dam {n}?" for n in range(5))), "dams").id
    drain(agent)
    found = desk.job(ANN, job)
    assert (found.state, found.items.failed) == ("partial", 2)
    failed = desk.items(ANN, job, "failed")
    assert [(item.uri, item.error.message) for item in failed] == [
        ("#2", "the model is down."), ("#4", "the model is down."),
    ]  # fmt: skip
    monkeypatch.setattr(CogAgent, "aask", ask)
    before = answered(desk, ANN, job)
    desk.retry(ANN, job)
    drain(agent)
    assert desk.job(ANN, job).state == "done"
    after = answered(desk, ANN, job)
    assert [(answer["id"], answer["line"]) for answer in after] == [
        (f"#{n}", n) for n in range(1, 6)
    ]
    assert all(answer["error"] is None for answer in after)
    assert [after[n] for n in (0, 2, 4)] == [before[n] for n in (0, 2, 4)]
    assert sorted(path.name for path in (agent.home / "jobs" / job).iterdir()) == [
        "answers.jsonl", "questions.jsonl",
    ]  # fmt: skip


def test_a_batch_over_which_workers_die_is_given_up(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = desk.submit_batch(ANN, lines("Who?"), "dams").id
    claims = claims_of(agent.catalogue, agent.home, agent.settings)
    monkeypatch.setattr("cogagent.indexes.job_claims._FIRST_PAUSE", 0.0)
    for _ in range(3):
        assert claims.claim("nobody") is not None
        assert claims.reap() == 1
    drain(agent)
    found = desk.job(ANN, job)
    assert (found.state, found.error.message) == (
        "failed", "the process that answered it died 3 times.",
    )  # fmt: skip


# --- addresses -------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "http://[::1]/", "http://169.254.169.254/latest", "file:///etc/passwd",
     "http://0x7f.1/", "http://localhost/", "ftp://example.org/x", "http://u:p@example.org/",
     "http://example.org:22/", "gopher://x", "", "http://[::ffff:10.0.0.1]/"],
)  # fmt: skip
def test_addresses_are_judged_when_they_are_submitted(agent: CogAgent, url: str) -> None:
    desk = JobDesk(with_service(agent, fetch_urls=True))
    try:
        job = desk.submit_ingest(ANN, "lights", [Upload(url=url)])
    except WebRefusedError:
        return
    drain(agent)  # an address is judged when it is connected to; its spelling was sound
    (item,) = desk.items(ANN, job.id)
    assert (item.state, item.error.code) == ("failed", "web_refused")


def test_addresses_are_for_services_that_allow_them(agent: CogAgent, desk: JobDesk) -> None:
    with pytest.raises(ForbiddenError, match="fetches no addresses"):
        desk.submit_ingest(ANN, "lights", [Upload(url="https://example.org/a.pdf")])
    with_service(agent, fetch_urls=True)
    agent.settings = agent.settings.model_copy(update={"offline": True})
    with pytest.raises(OfflineError):
        desk.submit_ingest(ANN, "lights", [Upload(url="https://example.org/a.pdf")])
    assert desk.jobs(ANN) == []


def test_no_worker_is_left_behind(agent: CogAgent, desk: JobDesk) -> None:
    desk.submit_ingest(ANN, "lights", notes(desk, 1))
    drain(agent)
    assert list(workers_folder(agent.home).iterdir()) == []
