"""The Python door over real parsers, models and files."""

from __future__ import annotations

import asyncio
import hashlib
import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from cogagent import Budget, CogAgent, Source
from cogagent.errors import InputError, NotFoundError, UnknownFieldError
from cogagent.planners.base import PlanState
from cogagent.types import Progress, Step

LINES = [
    "Kestrel Dam was finished in 1931 by the engineer Ada Lowell.",
    "It holds back forty million cubic metres of water.",
    "The visitors' path is closed in winter.",
]


def write_pdf(path: Path, lines: list[str] = LINES) -> Path:
    canvas = Canvas(str(path), pagesize=(400, 300), invariant=1)
    canvas.setTitle("Kestrel Dam")
    for number, line in enumerate(lines):
        canvas.drawString(40, 240 - 20 * number, line)
    canvas.save()
    return path


def write_picture(path: Path) -> Path:
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, :, 0] = 220
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CogAgent]:
    """An agent over a PDF, a picture and a note; tests only read it."""
    folder = tmp_path_factory.mktemp("documents")
    write_pdf(folder / "dam.pdf")
    write_picture(folder / "red.png")
    with CogAgent(home=tmp_path_factory.mktemp("home") / "kb") as agent:
        report = agent.ingest(
            [
                folder,
                Source(
                    uri="note:1",
                    data=b"The boat is called Sandpiper.",
                    media_type="text/plain",
                    title="A note",
                    metadata={"year": 2020},
                ),
            ]
        )
        assert (report.ingested, report.failed, report.images) == (3, (), 1)
        yield agent


def test_an_answer_points_at_its_line(filled: CogAgent) -> None:
    answer = filled.ask("Who finished Kestrel Dam?")
    assert answer.outcome == "answered"
    assert answer.text == f"{LINES[0]} [1]"
    (citation,) = answer.citations
    assert citation.verified
    assert (citation.title, citation.page) == ("Kestrel Dam", 1)
    # The line's baseline is 240 points up on a page of 300.
    assert citation.box.y0 < 60 / 300 < citation.box.y1 + 0.01
    assert citation.box.height < 0.07
    assert citation.box.x0 == pytest.approx(40 / 400, abs=0.01)


def test_what_is_not_there_is_declined(filled: CogAgent) -> None:
    answer = filled.ask("Which airline flies to Reykjavik on Mondays?")
    assert answer.outcome == "abstained"
    assert not answer.citations
    assert answer.searched


def test_the_stream_is_the_answer_in_pieces(filled: CogAgent) -> None:
    events = list(filled.stream("Who finished Kestrel Dam?"))
    whole = filled.ask("Who finished Kestrel Dam?")
    assert "".join(event.text for event in events if event.type == "token") == whole.text
    last = events[-1]
    assert last.type == "done"
    assert last.answer.citations == whole.citations
    assert [event.citation for event in events if event.type == "citation"] == list(
        whole.citations
    )


def test_a_stream_left_early_can_be_followed_by_another(filled: CogAgent) -> None:
    for _ in filled.stream("Who finished Kestrel Dam?"):
        break
    assert list(filled.stream("Who finished Kestrel Dam?"))[-1].type == "done"


def test_the_cited_place_is_cut_out_and_marked(filled: CogAgent) -> None:
    citation = filled.ask("Who finished Kestrel Dam?").citations[0]
    page, crop = filled.draw(citation), filled.crop(citation)
    assert page.width / page.height == pytest.approx(400 / 300, abs=0.01)
    assert crop.height < 0.2 * crop.width, "a line of it, at full resolution"
    assert np.asarray(crop.convert("L")).min() < 100  # there is ink in it


def test_pictures_are_found_by_picture_and_by_colour(filled: CogAgent, tmp_path: Path) -> None:
    same = write_picture(tmp_path / "query.png")
    for picture in (same, str(same), same.read_bytes(), Image.open(same)):
        (first, *_) = filled.search(image=picture, k=3)
        assert (first.title, first.modality) == ("red", "image")
    assert filled.search("red", modality="image")[0].title == "red"


def test_text_search_leaves_pictures_out(filled: CogAgent) -> None:
    found = filled.search("red water", modality="text", k=50)
    assert found
    assert "image" not in {piece.modality for piece in found}


def test_filters_and_their_errors(filled: CogAgent) -> None:
    assert [piece.uri for piece in filled.search("boat", filters={"year": 2020})] == ["note:1"]
    with pytest.raises(UnknownFieldError, match="colour"):
        filled.search("boat", filters={"colour": "red"})
    answer = filled.ask("What is the boat called?", filters={"media_type": "application/pdf"})
    assert "Sandpiper" not in answer.text


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda agent: agent.ask(""), InputError),
        (lambda agent: agent.ask("What?", collection="nowhere"), NotFoundError),
        (lambda agent: agent.ask("What?", images=[b"no picture"]), InputError),
        (lambda agent: agent.ask("What?", images=[3]), InputError),
        (lambda agent: agent.ask("What?", planner="oracle"), InputError),
        (lambda agent: agent.search(""), InputError),
        (lambda agent: agent.search("x", k=0), InputError),
        (lambda agent: agent.ingest([3]), InputError),
        (lambda agent: agent.documents.get("doc-none"), NotFoundError),
        (lambda agent: agent.documents.delete("doc-none"), NotFoundError),
    ],
)
def test_wrong_use_is_a_typed_error(filled: CogAgent, call: object, error: type) -> None:
    with pytest.raises(error):
        call(filled)  # type: ignore[operator]


def test_async_twins_do_the_same(filled: CogAgent) -> None:
    async def both() -> None:
        question = "Who finished Kestrel Dam?"
        answers = await asyncio.gather(*(filled.aask(question) for _ in range(4)))
        assert {answer.text for answer in answers} == {filled_answer.text}
        assert [piece.uri for piece in await filled.asearch("boat", 1)] == ["note:1"]
        events = [event async for event in filled.astream(question)]
        assert events[-1].type == "done"

    filled_answer = filled.ask("Who finished Kestrel Dam?")
    asyncio.run(both())


def test_many_threads_share_one_agent(filled: CogAgent) -> None:
    answers: list[str] = []

    def work() -> None:
        answers.append(filled.ask("Who finished Kestrel Dam?").text)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert len(answers) == 8


def test_a_spent_budget_still_answers(filled: CogAgent) -> None:
    answer = filled.ask("Who finished Kestrel Dam?", budget=Budget(steps=1))
    assert answer.outcome == "answered"
    assert answer.usage.steps == 1


def test_an_edited_file_is_replaced_and_an_unchanged_one_skipped(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "dam.pdf")
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(path)
        assert agent.ingest(path).skipped == 1
        write_pdf(path, ["Kestrel Dam was finished in 1947 by Ida Quill."])
        assert agent.ingest(path).ingested == 1
        (document,) = agent.documents.list()
        assert document.version == 2
        answer = agent.ask("When was Kestrel Dam finished?")
        assert "1947" in answer.text
        assert not any("1931" in piece.text for piece in agent.search("Kestrel Dam finished"))


def test_the_same_bytes_are_parsed_once_and_are_two_documents(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    data = write_pdf(folder / "a.pdf").read_bytes()
    (folder / "b.pdf").write_bytes(data)
    pages: list[int] = []
    with CogAgent(home=tmp_path / "kb") as agent:
        report = agent.ingest(folder, on_progress=lambda p: pages.append(p.pages))
        assert report.ingested == 2
        assert max(pages) == 1
        assert len({piece.document_id for piece in agent.search("Kestrel Dam")}) == 2
        one = agent.documents.list()[0]
        agent.documents.delete(one.id)
        assert agent.ask("Who finished Kestrel Dam?").citations


def test_what_fails_costs_only_itself(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_pdf(folder / "good.pdf")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 this is not one")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "program.bin").write_bytes(bytes(range(256)) * 10)
    with CogAgent(home=tmp_path / "kb") as agent:
        report = agent.ingest([folder, tmp_path / "missing.pdf"])
        assert report.ingested == 1
        failed = {Path(failure.uri).name: failure.code for failure in report.failed}
        assert failed == {
            "broken.pdf": "corrupt",
            "empty.txt": "corrupt",
            "program.bin": "unsupported_format",
            "missing.pdf": "unreadable",
        }
        assert {Path(failure.uri).name for failure in agent.documents.failures()} == failed.keys()
        (folder / "broken.pdf").write_bytes(write_pdf(folder / "x.pdf").read_bytes())
        agent.ingest(folder / "broken.pdf")
        assert "broken.pdf" not in {
            Path(failure.uri).name for failure in agent.documents.failures()
        }


def test_progress_tells_pages_and_ends_complete(tmp_path: Path) -> None:
    told: list[Progress] = []
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(write_pdf(tmp_path / "dam.pdf"), on_progress=told.append)
    assert told[-1].documents == told[-1].total == 1
    assert told[-1].pages == 1


def test_thousands_of_short_sources_go_in_together(tmp_path: Path) -> None:
    sources = [
        Source(uri=f"s{n}", data=f"Fact {n}: value {n * n}.".encode(), media_type="text/plain")
        for n in range(300)
    ]
    with CogAgent(home=tmp_path / "kb") as agent:
        assert agent.ingest(sources).ingested == 300
        assert agent.search("Fact 217 value", k=1)[0].uri == "s217"


def test_collections_are_made_listed_and_deleted(tmp_path: Path) -> None:
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(write_pdf(tmp_path / "dam.pdf"), collection="dams")
        agent.collections.create("empty")
        assert [(c.name, c.documents) for c in agent.collections.list()] == [
            ("dams", 1),
            ("empty", 0),
        ]
        assert agent.ask("Anything?", collection="empty").outcome == "abstained"
        agent.collections.delete("dams")
        with pytest.raises(NotFoundError):
            agent.search("dam", collection="dams")


def test_it_works_from_stdin_without_a_guard(tmp_path: Path) -> None:
    write_pdf(tmp_path / "dam.pdf")
    script = f"""
from cogagent import CogAgent
with CogAgent(home={str(tmp_path / "kb")!r}) as agent:
    agent.ingest({str(tmp_path)!r})
    print(agent.ask("Who finished Kestrel Dam?").text)
"""
    done = subprocess.run(
        [sys.executable, "-"], input=script, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{LINES[0]} [1]"


def test_no_process_is_left_after_close(tmp_path: Path) -> None:
    import psutil

    def others() -> set[int]:
        return {child.pid for child in psutil.Process().children()} - before

    before: set[int] = set()
    before = others()
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(write_pdf(tmp_path / "dam.pdf"))
        assert others()
    assert not others()


def test_naughty_text_is_stored_and_asked(tmp_path: Path) -> None:
    naughty = [
        "<script>alert(1)</script>",
        "'; DROP TABLE documents; --",
        "\u202etest",
        "\U0001f642" * 50,
        "\u03a9\u2248\xe7\u221a\u02dc\xb5\u2264",
        "NULL",
        "\u0000x",
        "%s%n",
        "{{7*7}}",
    ]
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(
            [
                Source(uri=f"n{n}", data=f"Value {n} is {text}.".encode(), media_type="text/plain")
                for n, text in enumerate(naughty)
            ]
        )
        for text in naughty:
            assert agent.ask(text).outcome in ("answered", "partial", "abstained")


def test_a_picture_with_a_question_is_searched_by(filled: CogAgent) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 80), (210, 10, 10)).save(buffer, "PNG")
    answer = filled.ask("Which picture looks like this?", images=[buffer.getvalue()])
    assert "image: your picture" in answer.searched
    assert any(piece.modality == "image" for piece in answer.evidence)


def test_names_that_are_no_text_are_failures(tmp_path: Path) -> None:
    odd = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
    with CogAgent(home=tmp_path / "kb") as agent:
        report = agent.ingest([Source(uri=odd, data=b"x"), str(tmp_path / odd), "\ud800"])
    assert [failure.code for failure in report.failed] == ["unreadable"] * 3
    assert report.model_dump_json()


def test_a_closed_agent_says_so(tmp_path: Path) -> None:
    agent = CogAgent(home=tmp_path / "kb")
    agent.close()
    agent.close()
    with pytest.raises(InputError, match="closed"):
        agent.ask("Anyone there?")
    with pytest.raises(InputError, match="closed"):
        asyncio.run(agent.asearch("anyone"))


def two_notes(agent: CogAgent) -> None:
    agent.ingest(
        [
            Source(
                uri="a",
                data=b"The lighthouse was built in 1889 by Piet Hann.",
                media_type="text/plain",
            ),
            Source(
                uri="b",
                data=b"Radium was discovered by Marie Curie in 1898.",
                media_type="text/plain",
            ),
        ]
    )


def test_two_answers_from_two_documents_cite_both(tmp_path: Path) -> None:
    with CogAgent(home=tmp_path / "kb") as agent:
        two_notes(agent)
        answer = agent.ask("When was the lighthouse built and who discovered radium?")
        assert [citation.uri for citation in answer.citations] == ["a", "b"]


def test_a_long_strange_question_does_not_stall(filled: CogAgent) -> None:
    for question in ("a," + " " * 15_000 + "b?", "compare a " * 1999, "what? " * 3000):
        started = time.monotonic()
        filled.ask(question)
        assert time.monotonic() - started < 20


class SlowPlanner:
    """Never comes to an end by itself; says when it has begun."""

    name = "slow"

    def __init__(self) -> None:
        self.begun = threading.Event()

    async def plan(self, state: PlanState, model: object) -> Step:
        self.begun.set()
        await asyncio.sleep(60)
        raise AssertionError("not reached")


def test_closing_lets_go_of_who_is_asking(tmp_path: Path) -> None:
    agent = CogAgent(home=tmp_path / "kb")
    two_notes(agent)
    caught: list[Exception] = []
    planner = SlowPlanner()

    def asking() -> None:
        try:
            agent.ask("Who?", planner=planner)
        except InputError as error:
            caught.append(error)

    thread = threading.Thread(target=asking)
    thread.start()
    assert planner.begun.wait(timeout=30)
    agent.close()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert "closed" in str(caught[0])


def test_a_cancelled_ingest_stops_between_pages(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "long.pdf"))
    for page in range(3000):
        canvas.drawString(72, 700, f"Page {page} of a long book about rivers.")
        canvas.showPage()
    canvas.save()

    async def cancel() -> float:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def tell(progress: Progress) -> None:
            if progress.pages:
                loop.call_soon_threadsafe(begun.set)

        task = asyncio.create_task(agent.aingest(tmp_path / "long.pdf", on_progress=tell))
        await asyncio.wait_for(begun.wait(), timeout=30)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - started

    with CogAgent(home=tmp_path / "kb") as agent:
        assert asyncio.run(cancel()) < 0.5
        started = time.monotonic()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1], {"a": 1}])
def test_metadata_that_is_no_json_scalar_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="metadata"):
        Source(uri="x", data=b"x", metadata={"key": value})


def test_errors_of_a_stream_are_events(filled: CogAgent) -> None:
    (event,) = filled.stream("What?", collection="nowhere")
    assert (event.type, event.code) == ("error", "not_found")

    class Broken:
        name = "broken"

        async def plan(self, state: PlanState, model: object) -> Step:
            raise RuntimeError("boom")

    (event,) = filled.stream("What?", planner=Broken())
    assert (event.type, event.code) == ("error", "error")


def test_the_time_budget_ends_a_slow_search(filled: CogAgent) -> None:
    answer = filled.ask("Who finished Kestrel Dam?", budget=Budget(seconds=1e-6))
    assert answer.outcome == "budget_exhausted"


def test_dots_in_a_path_name_no_second_document(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = write_pdf(tmp_path / "dam.pdf")
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(path)
        assert agent.ingest(f"{tmp_path}/sub/../dam.pdf").skipped == 1


def test_equal_bytes_of_another_kind_are_read_as_that_kind(tmp_path: Path) -> None:
    data = b"# Heading\n\nSome words."
    with CogAgent(home=tmp_path / "kb") as agent:
        for uri, media_type in (("a", "text/plain"), ("b", "text/markdown")):
            agent.ingest(Source(uri=uri, data=data, media_type=media_type))
        plain, markdown = (
            [e.level for e in agent.documents.elements(d.id) if e.kind == "text"]
            for d in agent.documents.list()
        )
        assert plain != markdown


def test_deleted_documents_leave_no_copy_behind(tmp_path: Path) -> None:
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(write_pdf(tmp_path / "dam.pdf"))
        copies = list((tmp_path / "kb" / "originals").glob("??/*"))
        assert len(copies) == 1
        agent.documents.delete(agent.documents.list()[0].id)
        assert not copies[0].exists()


def test_threads_that_end_close_their_connections(tmp_path: Path) -> None:
    import psutil

    with CogAgent(home=tmp_path / "kb") as agent:
        two_notes(agent)
        files = len(psutil.Process().open_files())
        for _ in range(30):
            thread = threading.Thread(target=agent.documents.list)
            thread.start()
            thread.join()
        assert len(psutil.Process().open_files()) <= files + 4


def test_a_picture_and_words_search_together(filled: CogAgent, tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "query.png")
    assert filled.search("red", image=picture, k=1)[0].title == "red"
    with pytest.raises(InputError, match="picture"):
        filled.search("red", image=picture, modality="text")
    with pytest.raises(InputError, match="modality"):
        filled.search("red", modality="smell")


def test_the_name_of_a_file_is_searched_beside_its_title(tmp_path: Path) -> None:
    names = ("ACME_2018_10K", "ACME_2019_10K")
    for name in names:
        write_pdf(tmp_path / f"{name}.pdf", ["Total revenue was as expected.", name[::-1]])
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(tmp_path)
        for name in names:
            found = agent.search(f"ACME FY{name[5:9]} revenue", k=1)
            assert Path(found[0].uri).stem == name
            assert found[0].title == "Kestrel Dam"


# --- for jobs --------------------------------------------------------------

BROKEN = b"%PDF-1.7 this is not one"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def two_pages(path: Path) -> bytes:
    """A PDF of two pages that are pictures of words: looked at after all text."""
    canvas = Canvas(str(path), pagesize=(400, 300), invariant=1)
    for colour in ("red", "blue"):
        canvas.drawImage(ImageReader(Image.new("RGB", (200, 150), colour)), 100, 75)
        canvas.showPage()
    canvas.save()
    return path.read_bytes()


def test_what_was_read_is_ingested_as_it_is_and_in_this_thread(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_pdf(folder / "dam.pdf")
    threads: list[int] = []

    def wanted_no_more() -> bool:
        threads.append(threading.get_ident())
        return False

    with CogAgent(home=tmp_path / "kb") as agent:
        sources = [
            Source(uri=str(folder)),
            Source(uri="note:1", path=write_pdf(tmp_path / "other.pdf")),
        ]
        report = agent.ingest_read(sources, "dams", cancelled=wanted_no_more)
        assert (report.ingested, [one.uri for one in report.failed]) == (1, [str(folder)])
        assert [one.uri for one in agent.documents.list("dams")] == ["note:1"], (
            "no folder is walked"
        )
    assert threading.get_ident() in threads


def test_what_was_read_before_the_cancellation_stays(tmp_path: Path) -> None:
    sources = [
        Source(uri=f"note:{n}", path=write_pdf(tmp_path / f"{n}.pdf", [f"Fact {n}."]))
        for n in range(60)
    ]
    told: list[Progress] = []

    def enough() -> bool:
        return bool(told) and told[-1].pages >= 3

    with CogAgent(home=tmp_path / "kb") as agent:
        report = agent.ingest_read(sources, "facts", told.append, enough)
        assert 0 < report.ingested == len(agent.documents.list("facts")) < 60
        assert report.failed == ()
        assert agent.ingest_read(sources, "facts").ingested == 60 - report.ingested


def test_what_failed_is_read_again_only_where_it_is_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CogAgent(home=tmp_path / "kb") as agent:
        read: list[str] = []
        parse = agent._engine.parsers.parse
        monkeypatch.setattr(
            agent._engine.parsers, "parse", lambda source: read.append(source.uri) or parse(source)
        )
        source = Source(uri="note:1", data=BROKEN, media_type="application/pdf")
        for retry, reads in ((False, 1), (False, 1), (True, 2)):
            report = agent.ingest_read([source], "dams", retry_failed=retry)
            assert [one.code for one in report.failed] == ["corrupt"]
            assert len(read) == reads


def test_a_document_is_whole_when_it_is_of_these_bytes(tmp_path: Path) -> None:
    data, other = (write_pdf(tmp_path / f"{n}.pdf", [str(n)]).read_bytes() for n in range(2))
    with CogAgent(home=tmp_path / "kb") as agent:

        def whole(data: bytes, collection: str = "dams") -> bool:
            return agent.documents.is_whole(collection, "note:1", sha256(data))

        assert not whole(data), "no collection"
        agent.ingest_read([Source(uri="note:2", data=data)], "dams")
        assert not whole(data), "of another name"
        agent.ingest_read([Source(uri="note:1", data=data)], "dams")
        assert whole(data)
        assert not whole(other)
        assert not whole(data, "ships")
        agent.ingest_read([Source(uri="note:1", data=other)], "dams")
        assert (whole(data), whole(other)) == (False, True)


def test_a_document_is_whole_when_all_of_it_was_looked_at(tmp_path: Path) -> None:
    data = two_pages(tmp_path / "scan.pdf")
    source = Source(uri="note:1", data=data)
    told: list[Progress] = []

    def looked_at_one() -> bool:
        return bool(told) and told[-1].pictures >= 1

    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest_read([source], "scans", told.append, looked_at_one)
        assert len(agent.documents.list("scans")) == 1
        assert not agent.documents.is_whole("scans", "note:1", sha256(data))
        agent.ingest_read([source], "scans")
        assert agent.documents.is_whole("scans", "note:1", sha256(data))
