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
from cogagent.types import Element, Source

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
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792))
    canvas.setFont("Helvetica", 10)
    draw(canvas)
    canvas.save()
    source = Source(uri="test.pdf", data=buffer.getvalue())
    return list(PdfLoader(limits or LimitSettings(), ParseSettings(**parse)).load(source))


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

    elements = load(draw, picture_dpi=72)
    (figure,) = [e for e in elements if e.kind == "figure"]
    assert figure.caption == "Figure 3: Sales by region in the year 2020."
    assert {"North", "South", "120%"} <= set(figure.text.split())
    assert figure.words is not None
    assert len(figure.words) == len(figure.text.split())
    x0, y0, x1, y1 = figure.box
    assert x0 * 612 == pytest.approx(150, abs=3)
    assert (1 - y1) * 792 == pytest.approx(390, abs=6)
    assert figure.raster is not None
    width, height = figure.raster.size
    assert (width, height) == pytest.approx(((x1 - x0) * 612, (y1 - y0) * 792), abs=2)
    texts = [e.text for e in elements if e.kind == "text"]
    assert texts == [" ".join(PROSE), figure.caption, " ".join(PROSE)]
    kinds = [e.kind for e in elements]
    assert kinds == ["page", "text", "figure", "text", "text"]


def test_an_embedded_picture_is_an_image_with_its_pixels() -> None:
    def draw(canvas: Canvas) -> None:
        prose(canvas, 720)
        canvas.drawImage(picture(), 100, 400, 300, 200)
        canvas.drawString(100, 380, "Fig. 2. An orange disc.")

    elements = load(draw)
    (image,) = [e for e in elements if e.kind == "image"]
    assert image.caption == "Fig. 2. An orange disc."
    expected = (100 / 612, 1 - 600 / 792, 400 / 612, 1 - 400 / 792)
    assert tuple(image.box) == pytest.approx(expected, abs=0.003)
    assert image.raster is not None
    middle = image.raster.pixels[image.raster.size[1] // 2, image.raster.size[0] // 3]
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
    (page,) = load(scan, ocr_dpi=100)
    assert page.needs_ocr
    assert page.raster is not None
    assert page.raster.size == pytest.approx((850, 1100), abs=1)
    assert page.raster.pixels.dtype == np.uint8


def test_rasters_keep_within_the_limit_of_pixels() -> None:
    (page,) = load(scan, LimitSettings(pixels=10_000), ocr_dpi=600)
    assert page.raster is not None
    width, height = page.raster.size
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
    assert page.raster is None


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
