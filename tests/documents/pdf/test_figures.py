"""Figures, pictures and scanned pages of PDF files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from collections.abc import Callable

PROSE = [
    "The figure shows what came of the sales of the year, of which the text says",
    "little more than that they rose, and that they are expected to go on rising",
    "as long as nobody stops buying what the company makes and sells every year.",
]


def load(
    draw: Callable[[Canvas], None], limits: LimitSettings | None = None, **parse: int
) -> list[Element]:
    return read(draw, limits, **parse)[0]


def read(
    draw: Callable[[Canvas], None], limits: LimitSettings | None = None, **parse: int
) -> tuple[list[Element], list[Raster | None]]:
    """The elements, and the pixels of those that are unseen."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792))
    canvas.setFont("Helvetica", 10)
    draw(canvas)
    canvas.save()
    source = Source(uri="test.pdf", data=buffer.getvalue())
    loader = PdfLoader(limits or LimitSettings(), ParseSettings(**parse))
    elements = list(loader.load(source))
    return elements, list(loader.pixels(source, [e for e in elements if e.unseen]))


def prose(canvas: Canvas, y: float) -> None:
    for number, line in enumerate(PROSE):
        canvas.drawString(72, y - 12 * number, line)


def picture(size: tuple[int, int] = (300, 200)) -> ImageReader:
    image = Image.new("RGB", size, "navy")
    ImageDraw.Draw(image).ellipse((40, 20, 200, 150), fill="orange")
    return ImageReader(image)


def chart(canvas: Canvas) -> None:
    """Bars on an axis with labels, and a curve."""
    canvas.line(150, 400, 450, 400)
    canvas.line(150, 400, 150, 560)
    canvas.setFont("Helvetica", 7)
    for number, (name, height) in enumerate((("North", 60), ("South", 120), ("West", 90))):
        canvas.setFillColorRGB(0.1, 0.3, 0.7)
        canvas.rect(180 + 80 * number, 400, 40, height, stroke=0, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        canvas.drawCentredString(200 + 80 * number, 391, name)
        canvas.drawCentredString(200 + 80 * number, 403 + height, f"{height}%")
    canvas.setFont("Helvetica", 10)
    canvas.drawString(150, 365, "Figure 3: Sales by region in the year 2020.")


def test_a_chart_is_a_figure_with_its_words_and_caption() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 720)
        chart(canvas)
        prose(canvas, 320)

    elements, (raster,) = read(draw, picture_dpi=72)
    (figure,) = [e for e in elements if e.kind == "figure"]
    assert figure.caption == "Figure 3: Sales by region in the year 2020."
    assert {"North", "South", "120%"} <= set(figure.text.split())
    assert figure.words is not None
    assert len(figure.words) == len(figure.text.split())
    x0, y0, x1, y1 = figure.box
    assert x0 * 612 == pytest.approx(150, abs=3)
    assert (1 - y1) * 792 == pytest.approx(390, abs=6)
    assert raster is not None
    width, height = raster.size
    assert (width, height) == pytest.approx(((x1 - x0) * 612, (y1 - y0) * 792), abs=2)
    texts = [e.text for e in elements if e.kind == "text"]
    assert texts == [" ".join(PROSE), figure.caption, " ".join(PROSE)]
    kinds = [e.kind for e in elements]
    assert kinds == ["page", "text", "figure", "text", "text"]


def axes(canvas: Canvas, x: float, y: float, caption: str) -> None:
    """A curve over grid lines, its labels as large as body text, as plotting libraries draw it."""
    canvas.setStrokeColorRGB(0.8, 0.8, 0.8)
    for number in range(4):
        canvas.line(x, y + 40 * number, x + 240, y + 40 * number)
        canvas.drawRightString(x - 5, y + 40 * number - 3, str(6 * number))
    path = canvas.beginPath()
    path.moveTo(x + 10, y + 20)
    path.lineTo(x + 120, y + 70)
    path.lineTo(x + 230, y + 30)
    canvas.drawPath(path)
    for number, name in enumerate(("April", "June", "August")):
        canvas.drawCentredString(x + 10 + 110 * number, y - 14, name)
        # The white patch that keeps lines off a label.
        canvas.setFillColorRGB(1, 1, 1)
        canvas.rect(x + 105 * number, y + 85, 30, 12, stroke=0, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        canvas.drawString(x + 2 + 105 * number, y + 88, f"{number}.5")
    canvas.drawCentredString(x + 120, y - 32, "Month of the year")
    canvas.saveState()
    canvas.translate(x - 32, y + 60)
    canvas.rotate(90)
    canvas.drawCentredString(0, 0, "Depth (m)")
    canvas.restoreState()
    canvas.rect(x + 160, y + 104, 9, 9, fill=1)
    canvas.drawString(x + 174, y + 105, "Deep Hole")
    if caption:
        canvas.drawString(72, y - 52, caption)


@pytest.mark.parametrize("caption", ["Figure 1: Clarity of the water.", ""])
def test_axis_titles_ticks_and_legend_belong_to_the_figure(caption: str) -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 720)
        canvas.drawString(72, 672, "Figure 1 compares the months of the year, of which the")
        canvas.drawString(72, 660, "last is the one in which the water was as clear as glass.")
        axes(canvas, 150, 480, caption)
        prose(canvas, 390)

    elements = load(draw)
    (figure,) = [e for e in elements if e.kind == "figure"]
    assert figure.caption == caption
    labels = {"0", "18", "April", "August", "0.5", "Month", "Depth", "(m)", "Deep", "Hole"}
    assert labels <= set(figure.text.split())
    x0, y0, x1, y1 = figure.box
    assert x0 * 612 == pytest.approx(110, abs=4)
    assert x1 * 612 == pytest.approx(396, abs=4)
    assert (1 - y0) * 792 == pytest.approx(607, abs=6)
    assert (1 - y1) * 792 == pytest.approx(446, abs=4)
    texts = [e.text for e in elements if e.kind == "text"]
    assert [text[:9] for text in texts] == [
        "The figur",
        "Figure 1 ",
        *[caption[:9]] * bool(caption),
        "The figur",
    ]


def test_charts_side_by_side_have_their_own_captions() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 740)
        for left, name in ((90, "one"), (350, "two")):
            for number in range(5):
                canvas.setFillColorRGB(0.1, 0.3, 0.7)
                canvas.rect(left + 30 * number, 500, 20, 40 + 20 * number, stroke=0, fill=1)
                canvas.setFillColorRGB(0, 0, 0)
            canvas.drawString(left, 480, f"Figure {1 + (left > 90)}. The chart {name}.")
        prose(canvas, 440)

    figures = [e for e in load(draw) if e.kind == "figure"]
    assert [(e.caption, e.box.x0 < 0.5) for e in figures] == [
        ("Figure 1. The chart one.", True),
        ("Figure 2. The chart two.", False),
    ]


def test_parts_of_a_figure_are_one() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 740)
        for left in (90, 350):
            for number in range(5):
                canvas.circle(left + 30 * number, 560 + 9 * number, 8)
            canvas.drawCentredString(left + 60, 530, f"({'a' if left < 100 else 'b'}) A part")
        canvas.drawString(90, 505, "Figure 4 The two parts of a figure.")

    (figure,) = [e for e in load(draw) if e.kind == "figure"]
    assert figure.caption == "Figure 4 The two parts of a figure."
    assert figure.box.width > 0.5


def test_a_table_above_a_figure_keeps_its_cells() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 740)
        for number, name in enumerate(("Deep Hole", "North Bay", "Heron Inlet")):
            y = 670 - 14 * number
            canvas.drawString(120, y, name)
            canvas.drawRightString(300, y, f"{number}.25")
            canvas.drawRightString(400, y, f"{number}.75")
        axes(canvas, 150, 500, "Figure 1: Clarity of the water.")

    elements = load(draw)
    (table,) = [e for e in elements if e.kind == "table"]
    assert table.cells[0] == ("Deep Hole", "0.25", "0.75")
    assert [e.caption for e in elements if e.kind == "figure"] == [
        "Figure 1: Clarity of the water."
    ]


@pytest.mark.parametrize("bleeds", [False, True])
def test_strokes_on_a_cover_swallow_no_text(*, bleeds: bool) -> None:
    lines = ["Edited by Tobias Renn.", "Published in March 2025."]

    def draw(canvas: Canvas) -> None:
        for number in range(12):
            y = 500 + 8 * number
            canvas.bezier(0 if bleeds else 60, y, 200, y + 90, 400, y - 90, 560, y)
        canvas.setFont("Helvetica-Bold", 28)
        canvas.drawString(90, 700 if bleeds else 560, "Annual Report 2024")
        canvas.setFont("Helvetica", 10)
        for number, line in enumerate(lines):
            canvas.drawString(90, 530 - 20 * number, line)

    elements = load(draw)
    assert [e.text for e in elements if e.kind == "text"] == ["Annual Report 2024", *lines]
    assert not [e for e in elements if e.kind == "figure"]


def test_an_embedded_picture_is_an_image_with_its_pixels() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 720)
        canvas.drawImage(picture(), 100, 400, 300, 200)
        canvas.drawString(100, 380, "Fig. 2. An orange disc.")

    elements, (raster,) = read(draw)
    (image,) = [e for e in elements if e.kind == "image"]
    assert image.caption == "Fig. 2. An orange disc."
    expected = (100 / 612, 1 - 600 / 792, 400 / 612, 1 - 400 / 792)
    assert tuple(image.box) == pytest.approx(expected, abs=0.003)
    assert raster is not None
    middle = raster.pixels[raster.size[1] // 2, raster.size[0] // 3]
    assert middle[0] > 200
    assert middle[2] < 60


def test_small_and_repeated_pictures_are_decoration() -> None:
    stamp = picture((120, 80))

    def draw(canvas: Canvas) -> None:
        for _ in range(3):
            canvas.setFont("Helvetica", 10)
            prose(canvas, 600)
            canvas.drawImage(stamp, 450, 700, 120, 80)
            canvas.drawImage(picture((20, 20)), 72, 740, 12, 12)
            canvas.showPage()

    images = [e for e in load(draw) if e.kind == "image"]
    assert [e.page for e in images] == [1]


def test_a_background_under_text_is_no_picture() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawImage(picture(), 0, 0, 612, 792)
        for y in (720, 600, 480):
            prose(canvas, y)

    elements = load(draw)
    assert {e.kind for e in elements} == {"page", "text"}
    assert not elements[0].needs_ocr


def test_mixed_pages_keep_text_and_picture() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 740)
        canvas.drawImage(picture(), 40, 60, 530, 600)

    elements = load(draw)
    assert [e.kind for e in elements] == ["page", "text", "image"]
    assert not elements[0].needs_ocr


def scan(canvas: Canvas) -> None:
    image = Image.new("L", (850, 1100), 255)
    ImageDraw.Draw(image).text((100, 100), "Words in pixels", fill=0)
    canvas.drawImage(ImageReader(image), 0, 0, 612, 792)


def test_a_scanned_page_needs_ocr() -> None:
    (page,), (raster,) = read(scan, ocr_dpi=100)
    assert page.needs_ocr
    assert page.unseen
    assert raster is not None
    assert raster.size == pytest.approx((850, 1100), abs=1)
    assert raster.pixels.dtype == np.uint8


def test_rasters_keep_within_the_limit_of_pixels() -> None:
    _, (raster,) = read(scan, LimitSettings(pixels=10_000), ocr_dpi=600)
    assert raster is not None
    width, height = raster.size
    assert width * height <= 10_500


def test_a_hidden_text_layer_of_a_scan_is_used() -> None:
    def draw(canvas: Canvas) -> None:
        scan(canvas)
        for number, line in enumerate(PROSE):
            text = canvas.beginText(72, 720 - 12 * number)
            text.setTextRenderMode(3)
            text.textOut(line)
            canvas.drawText(text)

    elements = load(draw)
    assert not elements[0].needs_ocr
    assert elements[1].text == " ".join(PROSE)


def test_an_empty_page_is_not_scanned() -> None:
    (page,) = load(lambda canvas: canvas.line(72, 72, 500, 72))
    assert not page.needs_ocr
    assert not page.unseen


def test_pictures_of_a_page_are_capped() -> None:
    def draw(canvas: Canvas) -> None:
        for row in range(7):
            for column in range(5):
                canvas.drawImage(
                    picture((50 + row, 50 + column)), 30 + 110 * column, 20 + 105 * row, 80, 80
                )

    images = [e for e in load(draw) if e.kind == "image"]
    # Without a word on it, the page is looked at as a whole.
    assert len(images) <= 20


def test_many_paths_take_bounded_time() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 740)
        path = canvas.beginPath()
        canvas.drawPath(path)
        for number in range(30_000):
            x, y = 100 + number % 300, 100 + number // 300
            canvas.bezier(x, y, x + 1, y + 2, x + 2, y + 1, x + 3, y)

    figures = [e for e in load(draw) if e.kind == "figure"]
    assert len(figures) == 1
