"""Running heads and page numbers of PDF files are no part of their text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from reportlab.pdfgen.canvas import Canvas

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.pdf.edges import sample_pages
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.types import Source

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = ["alder", "birch", "cedar", "elm", "fir", "hazel", "juniper", "larch", "maple", "oak"]


def load(pages: int, draw: Callable[[Canvas, int], None]) -> list[tuple[int, str]]:
    """Page and text of each text element."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792))
    for page in range(1, pages + 1):
        canvas.setFont("Helvetica", 10)
        draw(canvas, page)
        canvas.showPage()
    canvas.save()
    source = Source(uri="test.pdf", data=buffer.getvalue())
    elements = PdfLoader(LimitSettings(), ParseSettings()).load(source)
    return [(e.page, e.text) for e in elements if e.kind == "text"]


def body(canvas: Canvas, page: int, top: float = 700) -> str:
    """Prose of three lines; returns it."""
    tree = WORDS[page % len(WORDS)]
    lines = [
        f"The {tree} of this page is described in a few lines of running text, which",
        f"go on to the end of the {tree} without any break between one line and the",
        f"next, so that a head or foot that came in between of {tree} would be seen.",
    ]
    for number, line in enumerate(lines):
        canvas.drawString(72, top - 12 * number, line)
    return " ".join(lines)


def test_heads_and_numbers_are_left_out_and_the_text_runs_on() -> None:
    bodies: list[str] = []

    def draw(canvas: Canvas, page: int) -> None:
        if page > 1:
            canvas.drawString(72, 760, "Lake Station" if page % 2 else "Annual Report 2024")
            canvas.drawRightString(540, 760, f"Chapter {WORDS[page // 3]}")
        bodies.append(body(canvas, page, 745))
        canvas.drawCentredString(306, 30, f"Page {page} of 9")

    assert load(9, draw) == list(enumerate(bodies, 1))


def test_page_numbers_follow_the_last_line_of_filings() -> None:
    bodies: list[str] = []

    def draw(canvas: Canvas, page: int) -> None:
        canvas.drawString(72, 770, "Table of Contents")
        bodies.append(body(canvas, page))
        canvas.drawCentredString(306, 640 - 17 * (page % 7), str(page + 4))

    assert load(20, draw) == list(enumerate(bodies, 1))


def test_a_single_page_loses_nothing() -> None:
    def draw(canvas: Canvas, page: int) -> None:
        canvas.drawString(72, 770, "Lake Station")
        body(canvas, page)
        canvas.drawCentredString(306, 30, "1")

    assert [text for _, text in load(1, draw)][::2] == ["Lake Station", "1"]


@pytest.mark.parametrize("y", [765, 560])
def test_repeated_titles_stay(y: float) -> None:
    """In the body at any size, and at the top where a head would not be as large."""

    def draw(canvas: Canvas, page: int) -> None:
        canvas.setFont("Helvetica-Bold", 14)
        canvas.drawString(72, y, "Questions")
        canvas.setFont("Helvetica", 10)
        body(canvas, page)

    assert [text for _, text in load(5, draw)].count("Questions") == 5


def test_what_changes_from_page_to_page_is_no_head() -> None:
    amounts = [412, 93, 77, 1250, 8, 660]

    def draw(canvas: Canvas, page: int) -> None:
        canvas.drawString(72, 770, f"Amount due: {amounts[page - 1]}")
        body(canvas, page)

    found = [text for _, text in load(6, draw)]
    assert found[::2] == [f"Amount due: {amount}" for amount in amounts]


def test_pages_are_sampled_in_pairs() -> None:
    assert sample_pages(3) == [0, 1, 2]
    found = sample_pages(100)
    assert len(found) == 12
    assert (found[:2], found[-2:]) == ([0, 1], [98, 99])
    assert all(b - a == 1 for a, b in zip(found[::2], found[1::2], strict=True))
