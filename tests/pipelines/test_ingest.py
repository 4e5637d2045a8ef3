"""Ingest through the Python door: two stages, resuming, archives, remembered failures."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from cogagent import CogAgent, Settings, Source
from cogagent.config import LimitSettings, ParseSettings
from cogagent.errors import ModelError
from cogagent.indexes.check import faults
from cogagent.types import Evidence, Progress
from cogagent.vision.eyes import Eyes

SENTENCE = "The lighthouse keeper of Ansel Point wrote his log in green ink."


def sign(text: str, size: tuple[int, int] = (600, 200)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).text((40, 60), text, "black", ImageFont.load_default(48))
    return picture


def write_pdf(path: Path, *pictures: str, scanned: str = "") -> Path:
    """A page with a sentence and captioned pictures of words, then perhaps a scanned page."""
    canvas = Canvas(str(path), pagesize=(600, 800), invariant=1)
    canvas.drawString(60, 740, SENTENCE)
    for number, text in enumerate(pictures):
        top = 500 - 240 * number
        canvas.drawImage(ImageReader(sign(text)), 60, top, 450, 150)
        canvas.drawString(60, top - 20, f"Figure {number + 1}: A plate from the tower.")
    if scanned:
        canvas.showPage()
        canvas.drawImage(ImageReader(sign(scanned, (800, 1000))), 0, 0, 600, 800)
    canvas.save()
    return path


def found(agent: CogAgent, query: str) -> list[Evidence]:
    return [piece for piece in agent.search(query, k=20) if query.split()[0] in piece.text]


def is_sound(agent: CogAgent) -> bool:
    """Catalogue, word index and vector indexes agree."""
    store = agent._engine.store
    assert list(faults(store.catalogue)) == []
    (chunks,) = store.catalogue.reader().execute("SELECT count(*) FROM chunks").fetchone()
    return store.size("default", store.text) == int(chunks)


class HaltError(Exception):
    pass


def stop_at_picture(number: int) -> Callable[[Progress], None]:
    """A progress callback that fails as a killed process would: nothing after it happens."""

    def tell(progress: Progress) -> None:
        if progress.pictures == number:
            raise HaltError

    return tell


def test_all_text_is_searchable_before_the_first_picture_is_looked_at(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", "Harbour 1897")
    write_pdf(tmp_path / "b.pdf", "Garden 44", scanned="Telegram 12")
    sign("Foghorn 3").save(tmp_path / "c.png")
    stages: list[str] = []
    with CogAgent(home=tmp_path / "kb") as agent:

        def tell(progress: Progress) -> None:
            if progress.stage == "pictures" and "pictures" not in stages:
                assert len(found(agent, "lighthouse keeper")) == 2
                assert found(agent, "Harbour") == []
                # Captions are text; so are the pictures' places.
                places = [piece.modality for piece in found(agent, "Figure 1 plate")]
                assert places.count("image") == 2
            stages.append(progress.stage)

        report = agent.ingest(
            [tmp_path / "a.pdf", tmp_path / "b.pdf", tmp_path / "c.png"], on_progress=tell
        )
        assert (report.ingested, report.images, report.failed) == (3, 3, ())
        assert 0 < report.text_seconds < report.seconds
        assert stages == sorted(stages, reverse=True)
        for word in ("Harbour", "Garden", "Telegram", "Foghorn"):
            assert len(found(agent, word)) == 1, word
        assert [document.unseen for document in agent.documents.list()] == [0, 0, 0]
        assert is_sound(agent)


def test_progress_counts_pictures(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", "One 1", "Two 2", scanned="Three 3")
    last: list[Progress] = []
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(tmp_path / "a.pdf", on_progress=last.append)
    assert (last[-1].stage, last[-1].pictures, last[-1].pictures_total) == ("pictures", 3, 3)
    assert last[-1].documents == last[-1].total == 1


def test_an_ingest_that_was_cut_short_goes_on_where_it_stopped(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", "Harbour 1897", scanned="Telegram 12")
    write_pdf(tmp_path / "b.pdf", "Garden 44")
    sign("Foghorn 3").save(tmp_path / "c.png")
    sources = sorted(tmp_path.glob("*.???"))
    with CogAgent(home=tmp_path / "whole") as agent:
        agent.ingest(sources)
        expected = everything(agent)
    for number in (1, 3):
        with CogAgent(home=tmp_path / f"cut{number}") as agent:
            with pytest.raises(HaltError):
                agent.ingest(sources, on_progress=stop_at_picture(number))
            assert len(found(agent, "lighthouse keeper")) == 2
            assert sum(document.unseen for document in agent.documents.list()) > 0
            assert is_sound(agent)
            report = agent.ingest(sources)
            assert report.failed == ()
            assert everything(agent) == expected
            assert is_sound(agent)
            assert agent.ingest(sources).skipped == 3


def everything(agent: CogAgent) -> list[Any]:
    """All documents, elements and chunks, without ids."""
    rows = agent._engine.store.catalogue.reader().execute(
        "SELECT d.uri, c.kind, c.page, c.text, c.context, c.words FROM chunks c "
        "JOIN documents d ON d.id = c.document"
    )
    elements = [
        (document.uri, document.version, element.model_dump_json())
        for document in agent.documents.list()
        for element in agent.documents.elements(document.id)
    ]
    return [sorted(rows), elements]


def test_a_cancelled_ingest_leaves_pictures_for_later(tmp_path: Path) -> None:
    write_pdf(tmp_path / "a.pdf", "Harbour 1897", "Garden 44")
    with CogAgent(home=tmp_path / "kb") as agent:
        seen = 0

        def tell(progress: Progress) -> None:
            nonlocal seen
            seen = progress.pictures

        agent._engine.ingestor().run(
            [Source(uri=str(tmp_path / "a.pdf"))], "default", tell, lambda: seen == 1
        )
        assert [document.unseen for document in agent.documents.list()] == [1]
        assert agent.ingest(tmp_path / "a.pdf").images == 1
        assert [document.unseen for document in agent.documents.list()] == [0]


def test_eyes_that_fail_cost_the_pictures_and_not_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pdf(tmp_path / "a.pdf", "Harbour 1897")
    write_pdf(tmp_path / "b.pdf")
    look = Eyes.look

    def broken(*_: object, **__: object) -> None:
        raise ModelError("the network is not there.")

    with CogAgent(home=tmp_path / "kb") as agent:
        monkeypatch.setattr(Eyes, "look", broken)
        report = agent.ingest(tmp_path)
        assert report.ingested == 2
        (failure,) = report.failed
        assert (Path(failure.uri).name, failure.stage) == ("a.pdf", "see")
        assert len(found(agent, "lighthouse keeper")) == 2
        assert [document.unseen for document in agent.documents.list()] == [1, 0]
        monkeypatch.setattr(Eyes, "look", look)
        assert agent.ingest(retry_failed=True).failed == ()
        assert agent.documents.failures() == []
        assert len(found(agent, "Harbour")) == 1


def test_a_file_that_changes_between_the_stages_is_not_mixed_up(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", "Harbour 1897")
    settings = Settings(parse=ParseSettings(keep_originals=False))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:

        def tell(progress: Progress) -> None:
            if progress.documents == 1 and progress.pictures == 0:
                write_pdf(path, "Garden 44")

        (failure,) = agent.ingest(path, on_progress=tell).failed
        assert "changed while it was read" in failure.error
        assert found(agent, "Garden") == []
        assert agent.ingest(path).failed == ()
        assert len(found(agent, "Garden")) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_pictures_of_sources_in_memory_are_looked_at(tmp_path: Path, keep: bool) -> None:
    data = write_pdf(tmp_path / "a.pdf", "Harbour 1897").read_bytes()
    settings = Settings(parse=ParseSettings(keep_originals=keep))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:
        assert agent.ingest(Source(uri="memory:1", data=data)).images == 1
        assert len(found(agent, "Harbour")) == 1
    kept = [path for path in (tmp_path / "kb" / "originals").glob("*/*") if path.is_file()]
    assert len(kept) == int(keep)


def test_a_broken_picture_file_does_not_enter(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    (tmp_path / "cut.png").write_bytes(buffer.getvalue()[:50_000])
    (tmp_path / "copy.png").write_bytes(buffer.getvalue()[:50_000])
    sign("Foghorn 3").save(tmp_path / "sound.png")
    with CogAgent(home=tmp_path / "kb") as agent:
        report = agent.ingest(tmp_path)
        assert report.ingested == 1
        assert sorted(Path(failure.uri).name for failure in report.failed) == [
            "copy.png", "cut.png",
        ]  # fmt: skip
        assert {failure.code for failure in report.failed} == {"corrupt"}
        assert [Path(document.uri).name for document in agent.documents.list()] == ["sound.png"]


def test_bytes_that_failed_are_not_parsed_again_until_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-1.7\nnothing more")
    with CogAgent(home=tmp_path / "kb") as agent:
        parsed: list[str] = []
        parse = agent._engine.parsers.parse

        def spy(source: Source) -> Any:
            parsed.append(Path(source.uri).name)
            return parse(source)

        monkeypatch.setattr(agent._engine.parsers, "parse", spy)
        assert len(agent.ingest(tmp_path).failed) == 2
        assert len(parsed) == 1, "equal bytes"
        again = agent.ingest(tmp_path).failed
        assert sorted(Path(failure.uri).name for failure in again) == ["a.pdf", "b.pdf"]
        assert len(parsed) == 1
        write_pdf(tmp_path / "b.pdf")
        assert len(agent.ingest(retry_failed=True).failed) == 1
        assert sorted(parsed[1:]) == ["a.pdf", "b.pdf"]
        assert [Path(failure.uri).name for failure in agent.documents.failures()] == ["a.pdf"]


def test_other_limits_try_failed_bytes_again(tmp_path: Path) -> None:
    sign("Foghorn 3").save(tmp_path / "a.png")
    small = Settings(limits=LimitSettings(pixels=1000))
    with CogAgent(home=tmp_path / "kb", settings=small) as agent:
        (failure,) = agent.ingest(tmp_path / "a.png").failed
        assert failure.code == "limit_exceeded"
        assert "limits.pixels" in failure.remedy
    with CogAgent(home=tmp_path / "kb") as agent:
        assert agent.ingest(tmp_path / "a.png").ingested == 1


def test_a_source_may_take_only_so_long(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 30), (value, 0, 0)) for value in range(0, 250, 10)]
    frames[0].save(tmp_path / "many.tiff", save_all=True, append_images=frames[1:])
    settings = Settings(limits=LimitSettings(source_seconds=0.01))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:
        (failure,) = agent.ingest(tmp_path / "many.tiff").failed
        assert "limits.source_seconds" in failure.remedy
        assert agent.documents.list() == []


# --- archives --------------------------------------------------------------


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_files_in_archives_are_documents(tmp_path: Path) -> None:
    pdf = write_pdf(tmp_path / "a.pdf", "Harbour 1897").read_bytes()
    buffer = io.BytesIO()
    sign("Foghorn 3").save(buffer, "PNG")
    inner = zipped({"in/a.pdf": pdf, "c.png": buffer.getvalue(), "bad.pdf": b"%PDF-1.7 no"})
    path = tmp_path / "x.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("deep/inner.zip")
        info.size = len(inner)
        archive.addfile(info, io.BytesIO(inner))
    last: list[Progress] = []
    settings = Settings(parse=ParseSettings(workers=1))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:
        report = agent.ingest(path, on_progress=last.append)
        assert (report.ingested, report.images) == (2, 2)
        (failure,) = report.failed
        assert failure.uri == f"{path}!/deep/inner.zip!/bad.pdf"
        assert (last[-1].documents, last[-1].total) == (3, 3)
        assert len(found(agent, "Harbour")) == len(found(agent, "Foghorn")) == 1
        assert agent.ingest(path).skipped == 2
        assert [item.uri for item in agent.ingest(retry_failed=True).failed] == [failure.uri]


def test_a_broken_archive_gives_what_is_sound(tmp_path: Path) -> None:
    whole = zipped({f"{n}.txt": f"Note number {n} of the log.".encode() for n in range(5)})
    (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
    with CogAgent(home=tmp_path / "kb") as agent:
        report = agent.ingest(tmp_path / "x.zip")
        assert report.ingested >= 1
        assert {failure.stage for failure in report.failed} == {"unpack"}


def test_an_archive_bomb_is_a_failure_and_costs_no_memory(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("first.txt", "A note that is sound.")
        for number in range(40):
            archive.writestr(f"{number}.txt", b"\0" * (1 << 20))
    (tmp_path / "bomb.zip").write_bytes(buffer.getvalue())
    settings = Settings(limits=LimitSettings(unpacked_mb=20))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:
        report = agent.ingest(tmp_path / "bomb.zip")
        assert any("limits.unpacked_mb" in failure.remedy for failure in report.failed)
        assert len(found(agent, "note")) == 1


def test_many_archives_are_unpacked_one_after_the_other(tmp_path: Path) -> None:
    for number in range(6):
        files = {f"{n}.txt": f"Buoy {number} {n} was seen.".encode() for n in range(5)}
        (tmp_path / f"{number}.zip").write_bytes(zipped(files))
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + bytes(300))
    settings = Settings(parse=ParseSettings(workers=1))
    with CogAgent(home=tmp_path / "kb", settings=settings) as agent:
        report = agent.ingest(tmp_path)
        assert report.ingested == 30
        assert report.failed
        assert all("broken.zip" in failure.uri for failure in report.failed)


def test_equal_bytes_of_several_kinds_all_go_in(tmp_path: Path) -> None:
    kinds = ("text/plain", "text/markdown", "text/csv")
    sources = [Source(uri=f"s:{kind}", data=b"Buoy, 7", media_type=kind) for kind in kinds]
    with CogAgent(home=tmp_path / "kb") as agent:
        report = agent.ingest(sources)
        assert (report.ingested, report.skipped, report.failed) == (3, 0, ())


def test_pictures_left_by_another_ingest_are_looked_at_for_a_copy_too(tmp_path: Path) -> None:
    data = write_pdf(tmp_path / "a.pdf", "Harbour 1897").read_bytes()
    with CogAgent(home=tmp_path / "kb") as agent:

        def tell(progress: Progress) -> None:
            if progress.documents:
                raise HaltError

        with pytest.raises(HaltError):
            agent.ingest(Source(uri="one", data=data), on_progress=tell)
        assert agent.documents.list()[0].unseen == 1
        assert agent.ingest(Source(uri="two", data=data)).images == 1
        assert [document.unseen for document in agent.documents.list()] == [1, 0]


# --- who may see it --------------------------------------------------------


def test_files_of_folders_and_archives_are_for_whom_the_whole_is(tmp_path: Path) -> None:
    inner = zipped({"in/a.txt": b"The harbour was dredged in 1897."})
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "b.txt").write_text("The quay was built in 1844.")
    (tmp_path / "papers" / "c.zip").write_bytes(inner)
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(
            [
                Source(uri=str(tmp_path / "papers"), principals=("ann",)),
                Source(uri="upload:x/y.zip", data=inner, principals=("bob", "ann")),
            ]
        )
        for_whom = {(Path(one.uri).name, one.principals) for one in agent.documents.list()}
        assert for_whom == {
            ("b.txt", ("ann",)), ("a.txt", ("ann",)), ("a.txt", ("ann", "bob")),
        }  # fmt: skip
        assert agent.documents.list(principals=["eve"]) == []
        assert agent.search("harbour", principals=["eve"]) == []
        assert {piece.title for piece in agent.search("harbour", principals=["bob"])} == {"a"}


def test_another_owners_title_is_not_taken_over_with_equal_bytes(tmp_path: Path) -> None:
    data = b"The harbour was dredged in 1897."
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(Source(uri="note:1", data=data, title="Project Nightjar"))
        agent.ingest(Source(uri="note:2", data=data))
        assert [one.title for one in agent.documents.list()] == ["Project Nightjar", "note:2"]
        (piece,) = agent.search("harbour", filters={"uri": "note:2"})
        assert "Nightjar" not in piece.model_dump_json()


def test_a_failure_of_equal_bytes_is_told_by_its_own_name(tmp_path: Path) -> None:
    data = b"%PDF-1.7\nnothing more"
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(Source(uri="upload:ann/1/nightjar.pdf", data=data))
        (failure,) = agent.ingest(Source(uri="upload:bob/1/b.pdf", data=data)).failed
        assert failure.code == "corrupt"
        assert "nightjar" not in failure.model_dump_json()


def test_who_may_see_it_can_be_changed_without_reading_it_again(tmp_path: Path) -> None:
    def note(*principals: str) -> Source:
        return Source(uri="note:1", data=b"The harbour.", principals=principals)

    with CogAgent(home=tmp_path / "kb") as agent:
        agent.ingest(note("ann"))
        assert agent.search("harbour", principals=["bob"]) == []
        assert agent.ingest(note("bob")).ingested == 1
        assert len(agent.search("harbour", principals=["bob"])) == 1
        assert agent.search("harbour", principals=["ann"]) == []
        assert agent.ingest(note("bob")).skipped == 1
