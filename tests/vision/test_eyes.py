from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cogagent.config import ParseSettings, Settings
from cogagent.models.factory import image_embedder
from cogagent.testing.doubles import ColourImageEmbedder
from cogagent.types import Raster, Words
from cogagent.vision.colours import colours_of
from cogagent.vision.eyes import Eyes
from cogagent.vision.ocr import Reading
from cogagent.vision.tags import tags
from tests.vision.conftest import drawn


def _photograph(index: int) -> Raster:
    from sklearn.datasets import load_sample_images

    return Raster(np.ascontiguousarray(load_sample_images().images[index]))


def test_a_photograph_is_named_and_placed(eyes: Eyes) -> None:
    china, flower = eyes.look([_photograph(0), _photograph(1)])
    assert china.kind == flower.kind == "photograph"
    assert [name for name, _ in china.tags] == ["palace"]
    assert all(0 < probability <= 1 for _, probability in china.tags)
    assert set(flower.colours) == {"green", "orange"}
    embedder = image_embedder(Settings())
    assert china.vector == pytest.approx(embedder.embed_images([_photograph(0)])[0], abs=1e-2)
    texts = embedder.embed_texts(["a temple with a tiled roof", "a bowl of soup"])
    assert texts[0] @ china.vector > texts[1] @ china.vector


def test_a_chart_is_a_graphic_with_words(eyes: Eyes) -> None:
    raster, _ = drawn([("Sales by year", 60, 30), ("2019", 60, 400), ("2020", 300, 400)])
    image = Image.fromarray(raster.pixels)
    pen = ImageDraw.Draw(image)
    pen.rectangle((60, 150, 160, 390), fill="blue")
    pen.rectangle((300, 100, 400, 390), fill="red")
    (sight,) = eyes.look([Raster(np.asarray(image))])
    assert sight.kind == "graphic"  # two numbers are no scale
    assert {"Sales", "2019", "2020"} <= set(sight.reading.text.split())
    assert "web site" not in [name for name, _ in sight.tags]


def test_a_page_of_prose_is_a_page(eyes: Eyes) -> None:
    sentence = "the quick brown fox jumps over the lazy dog again and again"
    raster, _ = drawn([(sentence, 60, 60 + 50 * row) for row in range(20)], (1000, 1200), 30)
    (sight,) = eyes.look([raster])
    assert sight.kind == "page"
    assert sight.tags == ()
    assert len(sight.reading.words) == 240


def test_text_is_left_alone_when_not_asked_for() -> None:
    raster, _ = drawn([("Some words here", 60, 60)])
    embedder = ColourImageEmbedder()
    (unread,) = Eyes(Settings(), embedder).look([raster], read=False)
    (unset,) = Eyes(Settings(parse=ParseSettings(ocr=False)), embedder).look([raster])
    assert unread.reading.text == unset.reading.text == ""
    assert unread.perception.blocks == ()
    # Nobody looked for words: nothing is said of them.
    assert "words" not in unread.perception.whole
    assert unread.vector.shape == (embedder.dim,)


def test_nothing_to_look_at(eyes: Eyes) -> None:
    assert eyes.look([]) == []


def test_a_page_shows_nothing_however_sure_the_network() -> None:
    sure = np.zeros(1000, np.float32)
    sure[1] = 0.9
    assert tags(sure, "photograph") == tags(sure, "graphic") == (("goldfish", pytest.approx(0.9)),)
    assert tags(sure, "page") == tags(sure, "chart") == tags(sure, "table") == ()


def test_words_that_are_known_are_not_read_again(eyes: Eyes) -> None:
    raster, _ = drawn([("Some words here", 60, 60)])
    known = Reading("other", Words.empty(), ())
    (sight,) = eyes.look([raster], written=[known])
    assert sight.reading is known


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 255, 255), "white"),
        ((5, 5, 5), "black"),
        ((128, 128, 128), "grey"),
        ((200, 20, 30), "red"),
        ((255, 150, 20), "orange"),
        ((250, 230, 40), "yellow"),
        ((40, 140, 60), "green"),
        ((30, 60, 200), "blue"),
        ((130, 40, 150), "purple"),
        ((255, 170, 190), "pink"),
        ((120, 70, 30), "brown"),
    ],
)
def test_colours_have_their_names(rgb: tuple[int, int, int], name: str) -> None:
    pixels = np.full((7, 9, 3), rgb, np.uint8)
    assert colours_of(Raster(pixels)).names == (name,)


def test_the_widest_colour_comes_first_and_specks_are_left_out() -> None:
    pixels = np.full((100, 100, 3), 255, np.uint8)
    pixels[:40] = (30, 60, 200)
    pixels[40:42] = (200, 20, 30)
    found = colours_of(Raster(pixels))
    assert found.names == ("blue", "white")
    assert [share for _, share in found.shares] == pytest.approx([0.4, 0.58], abs=0.02)
    assert not found.grey


def test_a_grey_picture_is_told_from_a_pale_one() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    grey = colours_of(Raster(np.repeat(ramp, 20, axis=0)))
    assert grey.grey
    assert grey.lightness == pytest.approx(53, abs=5)
    pale = np.full((20, 20, 3), (220, 220, 255), np.uint8)
    assert not colours_of(Raster(pale)).grey
