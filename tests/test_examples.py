"""The example documents are what their script makes, and hold what their questions ask."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pypdfium2
import pytest

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.office.pptx import PptxLoader
from cogagent.documents.xlsx.loader import XlsxLoader
from cogagent.types import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXAMPLES = Path(__file__).parents[1] / "examples"
DOCUMENTS = EXAMPLES / "documents"
REPORT = "lake-station-report.pdf"
SCANNED_PAGE = 6
PICTURES = ("china.jpg", "flower.jpg")
WORKBOOK = "station-workbook.xlsx"
DECK = "mooring-talk.pptx"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documents, made anew, twice."""
    pytest.importorskip("reportlab")
    folder = tmp_path_factory.mktemp("examples")
    for name in ("first", "second"):
        subprocess.run(
            [sys.executable, str(EXAMPLES / "make_examples.py"), str(folder / name)], check=True
        )
    return folder


def texts(path: Path) -> list[str]:
    with pypdfium2.PdfDocument(path) as pdf:
        return [" ".join(page.get_textpage().get_text_bounded().split()) for page in pdf]


def pixels(path: Path) -> list[NDArray[np.float64]]:
    with pypdfium2.PdfDocument(path) as pdf:
        return [page.render(scale=0.7, grayscale=True).to_numpy().astype(float) for page in pdf]


def sheets(path: Path) -> list[tuple[int, str, str]]:
    """Page, kind and text of everything on a workbook's sheets."""
    loader = XlsxLoader(LimitSettings(), ParseSettings())
    elements = loader.load(Source(uri=path.name, data=path.read_bytes()))
    return [(element.page, element.kind, element.text) for element in elements]


def slides(path: Path) -> list[tuple[int, str, str]]:
    """Page, kind and text of everything on a presentation's slides."""
    loader = PptxLoader(LimitSettings(), ParseSettings(office=False))
    elements = loader.load(Source(uri=path.name, data=path.read_bytes()))
    return [(element.page, element.kind, element.text) for element in elements]


def questions() -> list[tuple[str, str, str, int]]:
    """Question, answer, document and page of each row of the table."""
    rows = []
    for line in (EXAMPLES / "QUESTIONS.md").read_text("utf-8").splitlines():
        cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[3].isdigit():
            rows.append((cells[0], cells[1], cells[2], int(cells[3])))
    return rows


def test_the_script_makes_the_same_bytes_each_time(made: Path) -> None:
    for path in DOCUMENTS.iterdir():
        assert (made / "first" / path.name).read_bytes() == (
            made / "second" / path.name
        ).read_bytes()


def test_the_script_makes_the_documents_that_are_kept(made: Path) -> None:
    kept = {path.name for path in DOCUMENTS.iterdir()}
    assert kept == {path.name for path in (made / "first").iterdir()}
    for name in kept - {REPORT, WORKBOOK, DECK}:
        assert (made / "first" / name).read_bytes() == (DOCUMENTS / name).read_bytes()


def test_the_report_reads_and_looks_like_the_one_that_is_kept(made: Path) -> None:
    # Not by bytes: zlib, libjpeg and FreeType may write them otherwise in another version.
    kept, new = DOCUMENTS / REPORT, made / "first" / REPORT
    assert texts(kept) == texts(new)
    for a, b in zip(pixels(kept), pixels(new), strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).mean() < 1.5


def test_the_workbook_reads_like_the_one_that_is_kept(made: Path) -> None:
    # Not by bytes: XlsxWriter may write them otherwise in another version.
    kept = sheets(DOCUMENTS / WORKBOOK)
    assert sheets(made / "first" / WORKBOOK) == kept
    assert [page for page, kind, _ in kept if kind == "page"] == [1, 2, 3]


def test_the_slides_read_like_those_that_are_kept(made: Path) -> None:
    # Not by bytes: python-pptx may write them otherwise in another version.
    kept = slides(DOCUMENTS / DECK)
    assert slides(made / "first" / DECK) == kept
    assert [page for page, kind, _ in kept if kind == "page"] == [1, 2, 3, 4, 5, 6]
    assert {kind for _, kind, _ in kept} == {"page", "text", "table", "image"}


def test_one_page_is_a_picture_without_text() -> None:
    pages = texts(DOCUMENTS / REPORT)
    assert len(pages) == 6
    assert [number for number, text in enumerate(pages, start=1) if not text] == [SCANNED_PAGE]


def test_the_documents_are_small() -> None:
    assert sum(path.stat().st_size for path in DOCUMENTS.iterdir()) < 600_000


@pytest.mark.parametrize(("question", "answer", "document", "page"), questions())
def test_the_answer_stands_on_its_page(
    question: str, answer: str, document: str, page: int
) -> None:
    if document in PICTURES:
        sklearn = find_spec("sklearn")  # found, not imported: that takes seconds
        assert sklearn is not None
        assert sklearn.origin is not None
        assert (Path(sklearn.origin).parent / "datasets" / "images" / document).is_file()
    elif document == REPORT and page == SCANNED_PAGE:
        assert answer in (EXAMPLES / "making" / "letter.py").read_text("utf-8")
    elif document == REPORT:
        assert re.search(rf"(?<![\d.,]){re.escape(answer)}\b", texts(DOCUMENTS / REPORT)[page - 1])
    elif document == WORKBOOK:
        assert any(answer in text for at, _, text in sheets(DOCUMENTS / WORKBOOK) if at == page)
    elif document == DECK:
        assert any(answer in text for at, _, text in slides(DOCUMENTS / DECK) if at == page)
    else:
        assert page == 1
        assert answer in (DOCUMENTS / document).read_text("utf-8")


def test_there_are_questions_of_every_kind() -> None:
    rows = questions()
    assert {document for _, _, document, _ in rows} == {
        *PICTURES, *(path.name for path in DOCUMENTS.iterdir()),
    }  # fmt: skip
    assert {page for _, _, document, page in rows if document == REPORT} == set(range(1, 7))
