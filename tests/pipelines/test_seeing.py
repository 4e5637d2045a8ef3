from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cogagent.config import load_settings
from cogagent.geometry import make_box
from cogagent.models.factory import image_embedder
from cogagent.pipelines.seeing import see
from cogagent.types import Element, Raster
from cogagent.vision.eyes import Eyes


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    settings = load_settings()
    return Eyes(settings, image_embedder(settings))


def sign(text: str = "Harbour 1897") -> Raster:
    picture = Image.new("RGB", (500, 200), "white")
    ImageDraw.Draw(picture).text((40, 60), text, "black", ImageFont.load_default(48))
    return Raster(np.asarray(picture))


def test_a_scanned_page_is_followed_by_its_text(eyes: Eyes) -> None:
    page = Element(
        kind="page", page=3, order=7, needs_ocr=True, unseen=True, context="A", size=(500, 200)
    )
    first, second = see(page, sign(), eyes)
    assert (first.kind, first.unseen, first.context) == ("page", False, "")
    assert (second.kind, second.page, second.text) == ("text", 3, "Harbour 1897")
    assert (first.order, second.order) == (7, 7)
    assert second.words is not None
    assert second.words.pages.tolist() == [3, 3]


def test_a_picture_on_a_page_has_its_words_where_they_stand(eyes: Eyes) -> None:
    place = make_box(0.5, 0.5, 1.0, 1.0)
    (seen,) = see(Element(kind="image", page=2, box=place, unseen=True), sign(), eyes)
    assert "Harbour 1897" in seen.text
    assert seen.vector is not None
    assert seen.colours
    assert seen.words is not None
    assert len(seen.words) == 2
    for start, end in seen.words.spans.tolist():
        assert seen.text[start:end] in ("Harbour", "1897")
    left, top, right, bottom = seen.words.boxes[0]
    # 40 of 500 and 60 of 200 pixels, in the lower right quarter of the page.
    assert left == pytest.approx(0.5 + 40 / 1000, abs=0.01)
    assert 0.5 + 60 / 400 - 0.02 < top < bottom < 0.85
    assert right < 0.85


def test_a_figure_keeps_the_words_of_its_document(eyes: Eyes) -> None:
    figure = Element(kind="figure", text="axis title", unseen=True)
    (seen,) = see(figure, sign(), eyes)
    assert seen.text.endswith("axis title")
    assert "Harbour" not in seen.text


def test_reading_can_be_left_out(eyes: Eyes) -> None:
    (seen,) = see(Element(kind="image", unseen=True), sign(), eyes, read=False)
    assert "Harbour" not in seen.text
    page = Element(kind="page", needs_ocr=True, unseen=True)
    assert [element.kind for element in see(page, sign(), eyes, read=False)] == ["page"]


def test_a_picture_that_cannot_be_had_stays_as_it_is(eyes: Eyes) -> None:
    picture = Element(kind="image", caption="A buoy", unseen=True)
    assert see(picture, None, eyes) == [picture.model_copy(update={"unseen": False})]
