from __future__ import annotations

import contextlib
import http.server
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

import docx
import numpy as np
import psutil
import pytest
import xlsxwriter
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given
from hypothesis import strategies as st
from pptx import Presentation

from cogagent import doctor
from cogagent.config import LimitSettings, ParseSettings, Settings
from cogagent.documents import registry
from cogagent.documents.office import kinds, libreoffice
from cogagent.documents.office.align import align
from cogagent.documents.office.package import OfficePackage
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    PasswordRequiredError,
    UnsupportedFormatError,
)
from cogagent.types import Source

needs_office = pytest.mark.skipif(
    libreoffice.program() is None, reason="LibreOffice is not installed"
)
ALONE = ParseSettings(office=False)
LIMITS = LimitSettings()


@pytest.fixture(autouse=True)
def _forgotten():
    """Nothing is remembered from one test to the next."""
    libreoffice._kept.clear()
    yield
    libreoffice._kept.clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary folders are made; to be empty in the end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    assert list(tmp_path.iterdir()) == []


def word_file(*paragraphs: str, title: str = "") -> bytes:
    document = docx.Document()
    if title:
        document.add_heading(title, 1)
    for text in paragraphs:
        document.add_paragraph(text)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def deck_file(*titles: str) -> bytes:
    presentation = Presentation()
    for title in titles:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text = f"About {title}"
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def sheet_file(*cells: str) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet = book.add_worksheet("Lakes")
    for row, cell in enumerate(cells):
        sheet.write_row(row, 0, (cell, 7.5))
    book.close()
    return file.getvalue()


def rewritten(data: bytes, extra: dict[str, bytes] | None = None, **changes: object) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            for key, change in changes.items():
                if name.replace("/", "_").replace(".", "_").endswith(key):
                    content = change(content.decode()).encode()
            new.writestr(name, content)
        for name, content in (extra or {}).items():
            new.writestr(name, content)
    return file.getvalue()


def load(data: bytes, parse: ParseSettings = ALONE, name: str = "a", limits=LIMITS):
    media_type = registry.detect(data, name)
    return list(registry.load(Source(uri=name, data=data), media_type, limits, parse))


def texts(data: bytes, parse: ParseSettings = ALONE, name: str = "a") -> list[str]:
    return [element.text for element in load(data, parse, name) if element.kind == "text"]


# --- what a container is ---------------------------------------------------


def test_kinds_are_told_by_content():
    word, deck = word_file("x"), deck_file("x")
    for name in ("a.zip", "a.pptx", "a.txt", ""):
        assert registry.detect(word, name) == kinds.DOCX
        assert registry.detect(deck, name.replace("pptx", "docx")) == kinds.PPTX
    # Also where the directory is cut off, or only the beginning is there.
    assert registry.detect(word[:8192], "a") == kinds.DOCX
    assert registry.detect(deck[:-100], "a") == kinds.PPTX


@pytest.mark.parametrize("kind", [kinds.EPUB, kinds.ODT, kinds.ODP, kinds.ODS])
def test_kinds_that_name_themselves(kind):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", "<x/>")
    assert registry.detect(file.getvalue(), "a.docx") == kind
    assert registry.detect(file.getvalue()[:120]) == kind


def test_a_spreadsheet_and_a_plain_archive_are_told_apart():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/workbook.xml", "<x/>")
    assert registry.detect(file.getvalue()) == kinds.XLSX
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
        archive.writestr("letter.docx", word_file("x"))
    assert registry.detect(file.getvalue(), "a.zip") == "application/zip"


def test_old_kinds_are_told_by_their_streams():
    def ole(*streams):
        return kinds.OLE_MAGIC + b"\0".join(name.encode("utf-16-le") for name in streams)

    assert registry.detect(ole("Root Entry", "WordDocument")) == kinds.DOC
    assert registry.detect(ole("PowerPoint Document"), "x.doc") == kinds.PPT
    assert registry.detect(ole("WordDocument", "Workbook"), "x.xls") == kinds.XLS
    assert registry.detect(ole("WordDocument", "Workbook")) == kinds.DOC
    assert registry.detect(ole("EncryptedPackage"), "x.docx") == kinds.PROTECTED
    assert registry.detect(ole("Nothing known")) == "application/x-ole-storage"


# --- the package -----------------------------------------------------------

EXTERNAL = (
    '<Relationship Id="rId90" TargetMode="External" Target="http://127.0.0.1:1/{0}" Type="http://'
    'schemas.openxmlformats.org/officeDocument/2006/relationships/{0}"/>'
)


def test_nothing_that_reaches_out_is_left():
    document = docx.Document()
    field = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText>{}</w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>shown</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )
    for inner in (
        field.format(' INCLUDEPICTURE "http://127.0.0.1:1/x.png" \\d '),
        field.format(" PAGE "),
        '<w:fldSimple w:instr="INCLUDETEXT &quot;/etc/passwd&quot;"><w:r><w:t>kept</w:t></w:r>'
        "</w:fldSimple>",
        '<w:r><w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml" href="http://127.0.0.1:1/">'
        '<v:imagedata src="http://127.0.0.1:1/y.png"/></v:shape></w:pict></w:r>',
    ):
        document.element.body.insert(0, parse_xml(f"<w:p {nsdecls('w')}>{inner}</w:p>"))
    file = io.BytesIO()
    document.save(file)
    links = "".join(EXTERNAL.format(kind) for kind in ("image", "attachedTemplate"))
    data = rewritten(
        file.getvalue(),
        {"word/vbaProject.bin": b"macro", "word/embeddings/x.bin": b"program"},
        word__rels_document_xml_rels=lambda text: text.replace("</Relat", links + "</Relat"),
    )
    package = OfficePackage(data, "a.docx", LIMITS)
    with zipfile.ZipFile(package.lean()) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".bin")]
        for name in archive.namelist():
            content = archive.read(name).decode("utf-8", "replace")
            assert "127.0.0.1" not in content, name
            assert "passwd" not in content
        assert " PAGE " in archive.read("word/document.xml").decode()
    assert texts(data) == ["kept", "shown", "shown"]


def test_names_are_found_whatever_their_case():
    data = rewritten(
        word_file("Here."),
        _rels__rels=lambda text: text.replace("word/document.xml", "/Word/Document.XML"),
    )
    assert texts(data) == ["Here."]


@given(st.binary(max_size=200))
def test_any_bytes_as_a_part_are_a_typed_error_or_text(content):
    data = word_file("x")
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name == "word/document.xml" else old.read(name))
    with contextlib.suppress(DocumentError):
        load(file.getvalue())


# --- words side by side ----------------------------------------------------


def paired(ours: str, theirs: str) -> list[str]:
    words = theirs.split()
    matches = align(ours.split(), words).tolist()
    return ["+".join(words[first:last]) if first >= 0 else "-" for first, last in matches]


def test_equal_texts_match_word_for_word():
    assert paired("a b c", "a b c") == ["a", "b", "c"]
    assert paired("", "a") == []
    assert paired("a", "") == ["-"]


def test_running_heads_hyphens_and_moved_notes():
    ours = "the quick fox jumps over the dog and the note says so indeed then it goes on"
    theirs = (
        "head 1 the quick fox jum- ps over the dog and then it goes on the note says so indeed 2"
    )
    assert paired(ours, theirs) == (
        "the quick fox jum-+ps over the dog and the note says so indeed then it goes on".split()
    )


def test_what_is_missing_is_not_made_up():
    assert paired("one two lost three four", "one two three four") == (
        ["one", "two", "-", "three", "four"]
    )


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.lists(st.integers(0, 59), max_size=9))
def test_matches_are_valid_and_equal_words_are_found(words, dropped):
    theirs = [word for at, word in enumerate(words) if at not in dropped]
    matches = align(words, theirs)
    assert matches.shape == (len(words), 2)
    for word, (first, last) in zip(words, matches.tolist(), strict=True):
        assert (first == last == -1) or 0 <= first < last <= len(theirs)
        if last - first == 1:
            assert theirs[first] == word
    if not set(dropped) & set(range(len(words))):
        assert (matches[:, 0] == np.arange(len(words))).all()


def test_a_long_text_of_few_words_ends_in_time():
    words = ["a", "b", "a", "a"] * 20_000
    start = time.monotonic()
    align(words, [*words[7:], "c"])
    assert time.monotonic() - start < 20


# --- the converter ---------------------------------------------------------


@needs_office
def test_nothing_is_left_behind_and_it_converts_once(folder, monkeypatch):
    data = word_file("Some text.")
    assert load(data, ParseSettings())[1].words is not None
    assert list(folder.iterdir()) == []
    monkeypatch.setattr(libreoffice, "_run", None)  # a second conversion would fail
    raster = registry.render(
        Source(uri="a", data=data), kinds.DOCX, 1, 50, LIMITS, ParseSettings()
    )
    assert raster.pixels.min() < 128
    with pytest.raises(CorruptDocumentError, match="page 2"):
        registry.render(Source(uri="a", data=data), kinds.DOCX, 2, 50, LIMITS, ParseSettings())


@needs_office
def test_what_takes_too_long_is_ended_and_read_without_rectangles(folder, caplog):
    data = word_file("Some text.")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    elements = load(data, ParseSettings(), limits=LimitSettings(parse_seconds=0.2))
    assert [element.text for element in elements] == ["", "Some text."]
    assert "took longer" in caplog.text
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_a_converter_that_fails_costs_the_rectangles_alone(folder, monkeypatch, caplog, tmp_path):
    program = tmp_path / "soffice"
    program.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(libreoffice, "program", lambda: str(program))
    data = word_file("Some text.")
    try:
        assert load(data, ParseSettings())[1].text == "Some text."
        assert "out of order" in caplog.text
        with pytest.raises(UnsupportedFormatError, match="out of order"):
            registry.render(Source(uri="a", data=data), kinds.DOCX, 1, 50, LIMITS, ParseSettings())
    finally:
        program.unlink()


KILLED = """
import sys, pathlib
from cogagent.config import LimitSettings
from cogagent.documents.office import libreoffice
from cogagent.types import Source
libreoffice.program = lambda: sys.argv[1]
libreoffice.convert(Source(uri="a", data=b"x"), lambda path: path.write_bytes(b"x"), "a.docx",
                    "pdf", LimitSettings())
"""


def test_killing_the_group_leaves_neither_process_nor_folder(folder):
    program = folder / "soffice"
    program.write_text("#!/bin/sh\ntouch started\nexec sleep 600\n")
    program.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(program)],
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    found: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 60
        while not list(folder.glob("cogagent-office-*/started")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        found = psutil.Process(process.pid).children(recursive=True)
        assert found
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        program.unlink()
    psutil.wait_procs(found, timeout=20)
    assert not [one for one in found if one.is_running() and one.status() != "zombie"]
    while list(folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_parent_that_dies_alone_takes_the_converter_along(folder):
    program = folder / "soffice"
    program.write_text("#!/bin/sh\ntouch started\nexec sleep 600\n")
    program.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(program)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("cogagent-office-*/started")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    program.unlink()
    psutil.wait_procs(found, timeout=20)
    assert not [one for one in found if one.is_running() and one.status() != "zombie"]
    while list(folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_doctor_tells_without_calling_it_amiss(monkeypatch, tmp_path):
    checks = doctor._Checks(tmp_path, Settings())
    monkeypatch.setattr(libreoffice, "program", lambda: None)
    assert checks._office().startswith("not there; with it")
    monkeypatch.setattr(libreoffice, "program", lambda: "/opt/soffice")
    assert "/opt/soffice" in checks._office()
    assert "switched off" in doctor._Checks(tmp_path, Settings(parse=ALONE))._office()


# --- nothing is fetched ----------------------------------------------------


@pytest.fixture
def server():
    """Counts who asks a server on loopback for anything."""
    hits: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(404)
            self.end_headers()

        do_HEAD = do_OPTIONS = do_PROPFIND = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *args):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", hits
    running.shutdown()
    thread.join()
    running.server_close()


def linked_word_file(address: str) -> bytes:
    """A picture by relationship, one by field, and a template, all from elsewhere."""
    document = docx.Document()
    blank = io.BytesIO()
    from PIL import Image

    Image.new("RGB", (30, 30)).save(blank, "PNG")
    blank.seek(0)
    document.add_picture(blank)
    document.add_paragraph("Text beside it.")
    document.element.body.insert(0, parse_xml(
        f"<w:p {nsdecls('w')}>"
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve">'
        f' INCLUDEPICTURE "{address}/field.png" \\* MERGEFORMAT </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>result</w:t></w:r>'
        '<w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'
    ))  # fmt: skip
    file = io.BytesIO()
    document.save(file)

    def link(text):
        text = re.sub(
            r'Target="media/image1\.png"',
            f'Target="{address}/picture.png" TargetMode="External"',
            text,
        )
        return text.replace("</Relat", EXTERNAL.format("frame").replace(
            "http://127.0.0.1:1", address) + "</Relat")  # fmt: skip

    return rewritten(
        file.getvalue(),
        word__rels_document_xml_rels=link,
        word_document_xml=lambda text: text.replace("r:embed=", "r:link="),
    )


@needs_office
def test_a_linked_picture_is_not_fetched(server, folder):
    address, hits = server
    elements = load(linked_word_file(address), ParseSettings())
    assert [element.text for element in elements if element.text] == ["result", "Text beside it."]
    assert hits == []


FLAT = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content office:version="1.2"
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"
 xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
 xmlns:xlink="http://www.w3.org/1999/xlink"><office:body><office:text>
<text:h text:outline-level="2">A heading</text:h>
<text:p>{}Text of the page.</text:p></office:text></office:body></office:document-content>"""
MANIFEST = """<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">
<manifest:file-entry manifest:full-path="/"
 manifest:media-type="application/vnd.oasis.opendocument.text"/>
<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml">{}
</manifest:file-entry></manifest:manifest>"""


def open_document(inner: str = "", encryption: str = "") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", kinds.ODT)
        archive.writestr("content.xml", FLAT.format(inner))
        archive.writestr("META-INF/manifest.xml", MANIFEST.format(encryption))
    return file.getvalue()


@needs_office
def test_links_in_formats_that_libreoffice_reads_itself_are_not_followed(server, folder):
    address, hits = server
    frame = (
        '<draw:frame svg:width="5cm" svg:height="5cm"><draw:image xlink:type="simple" '
        f'xlink:href="{address}/odt.png" xlink:actuate="onLoad"/></draw:frame>'
    )
    assert texts(open_document(frame), ParseSettings())[0] == "A heading"
    rich = (
        r"{\rtf1 {\field{\*\fldinst INCLUDEPICTURE "
        rf'"{address}/rtf.png" \\d}}{{\fldrslt x}}}} Plain text.\par}}'
    )
    assert "Plain text." in texts(rich.encode(), ParseSettings())[0]
    assert hits == []


# --- other formats ---------------------------------------------------------


@needs_office
def test_an_open_document_has_its_structure_and_pages():
    elements = load(open_document(), ParseSettings(), "a.odt")
    assert [(element.kind, element.level, element.text) for element in elements] == [
        ("page", None, ""), ("text", 2, "A heading"), ("text", None, "Text of the page."),
    ]  # fmt: skip
    assert elements[1].words is not None
    source = Source(uri="a", data=open_document())
    raster = registry.render(source, kinds.ODT, 1, 50, LIMITS, ParseSettings())
    assert raster.pixels.min() < 128


@needs_office
@pytest.mark.parametrize(
    ("make", "name", "target", "kind"),
    [
        (word_file, "a.docx", "doc:MS Word 97", kinds.DOC),
        (word_file, "a.docx", "rtf:Rich Text Format", kinds.RTF),
        (deck_file, "a.pptx", "ppt:MS PowerPoint 97", kinds.PPT),
        (deck_file, "a.pptx", "odp:impress8", kinds.ODP),
        (sheet_file, "a.xlsx", "xls:MS Excel 97", kinds.XLS),
        (sheet_file, "a.xlsx", "ods:calc8", kinds.ODS),
    ],
)
def test_older_formats_are_read(make, name, target, kind):
    new = Source(uri=name, data=make("Deep lakes", "Shallow lakes"))
    old = libreoffice.convert(new, lambda path: path.write_bytes(new.data), name, target, LIMITS)
    assert registry.detect(old, "no name") == kind
    elements = load(old, ParseSettings())
    assert any("Shallow lakes" in element.text for element in elements)
    if make is not sheet_file:  # whose pages are sheets, and not paper
        assert all(element.words is not None for element in elements if element.kind == "text")


def test_without_libreoffice_they_say_what_reads_them(monkeypatch):
    monkeypatch.setattr(libreoffice, "program", lambda: None)
    with pytest.raises(UnsupportedFormatError, match="Install LibreOffice"):
        load(open_document(), ParseSettings())
    with pytest.raises(UnsupportedFormatError, match=r"parse\.office"):
        load(rb"{\rtf1 text}", ALONE)


@needs_office
def test_hostile_open_documents():
    with pytest.raises(PasswordRequiredError):
        load(open_document(encryption="<manifest:encryption-data/>"), ParseSettings())
    limits = LimitSettings(unpacked_mb=1)
    with pytest.raises(LimitExceededError):
        load(open_document(" " * (2 << 20)), ParseSettings(), limits=limits)
    with pytest.raises(CorruptDocumentError):
        load(open_document()[:-40], ParseSettings())


# --- passwords -------------------------------------------------------------


def protected(data: bytes, password: str) -> bytes:
    from msoffcrypto.format.ooxml import OOXMLFile

    file = io.BytesIO()
    OOXMLFile(io.BytesIO(data)).encrypt(password, file)
    return file.getvalue()


def test_a_protected_file_opens_with_its_password():
    data = protected(word_file("A secret."), "sesame")
    assert registry.detect(data, "a.docx") == kinds.PROTECTED
    with pytest.raises(PasswordRequiredError, match="no password"):
        load(data)
    with pytest.raises(PasswordRequiredError, match="none of the 1 configured passwords"):
        load(data, ParseSettings(office=False, passwords=("wrong",)))
    opening = ParseSettings(office=False, passwords=("wrong", "sesame"))
    assert texts(data, opening) == ["A secret."]
    # Also where the kind was given.
    source = Source(uri="a.docx", data=data, media_type=kinds.DOCX)
    found = list(registry.load(source, kinds.DOCX, LIMITS, opening))
    assert found[1].text == "A secret."


def test_a_protected_presentation_is_read_as_what_it_is():
    data = protected(deck_file("Hidden slide"), "sesame")
    opening = ParseSettings(office=False, passwords=("sesame",))
    assert texts(data, opening, "odd.docx")[0] == "Hidden slide"


def test_damaged_containers_are_typed_errors():
    data = protected(word_file("A secret."), "sesame")
    opening = ParseSettings(office=False, passwords=("sesame",))
    for size in range(8, len(data), len(data) // 11):
        with pytest.raises(DocumentError):
            load(data[:size], opening)
    with pytest.raises(DocumentError):
        load(kinds.OLE_MAGIC + bytes(4000), opening)
