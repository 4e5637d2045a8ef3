from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from cogagent.geometry import from_pixels, in_pixels, make_box, place, within
from cogagent.types import Raster, Words
from cogagent.vision.eyes import Eyes, Sight
from cogagent.vision.kinds import Writing, is_number, kind_of
from cogagent.vision.ocr import Reading
from cogagent.vision.perception import arranged, blocks_of
from tests.vision.conftest import drawn


def bar_chart(*, legend: bool = False) -> Raster:
    """A title, numbers up the left side, years along the bottom, bars between them."""
    image = Image.new("RGB", (900, 640), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(22)
    pen.text((120, 16), "Visitors to the harbour museum", "black", ImageFont.load_default(34))
    for step in range(6):
        pen.text((40, 510 - 80 * step), str(20 * step), "black", font)
        pen.line((90, 524 - 80 * step, 860, 524 - 80 * step), "lightgrey")
    for number, height in enumerate((120, 300, 220, 390, 340)):
        left = 130 + 150 * number
        pen.rectangle(
            (left, 524 - height, left + 70, 524), "royalblue" if number % 2 else "orange"
        )
        pen.text((left + 10, 540), str(2018 + number), "black", font)
    if legend:
        for left, colour, name in ((260, "royalblue", "Adults"), (480, "orange", "Children")):
            pen.rectangle((left, 597, left + 16, 613), colour)
            pen.text((left + 26, 592), name, "black", font)
    return Raster(np.asarray(image))


def table() -> Raster:
    rows = [
        "Port     Ships     Crews",
        "Wick     14     96",
        "Ayr     23     71",
        "Oban     8     30",
    ]
    raster, _ = drawn(
        [(cell, 20 + 200 * x, 10 + 44 * y) for y, row in enumerate(rows)
         for x, cell in enumerate(row.split())],
        (560, 190), 36,
    )  # fmt: skip
    return raster


def look(eyes: Eyes, raster: Raster) -> Sight:
    (sight,) = eyes.look([raster])
    return sight


def test_a_bar_chart_is_described_by_its_parts(eyes: Eyes) -> None:
    sight = look(eyes, bar_chart())
    assert sight.kind == "chart"
    assert sight.perception.sentences[0] == "A chart, wider than high."
    layout = sight.perception.sentences[-1]
    assert layout.startswith("Layout: title at the top, ")
    assert "a scale of numbers at the left" in layout
    assert "years at the bottom" in layout
    assert "legend" not in layout
    assert "mostly white" in sight.perception.whole
    # Nothing that is written is said again: a quotation stands where it was read.
    assert "2018" not in sight.perception.whole
    title = sight.perception.blocks[0]
    assert (title.role, title.text) == ("title", "Visitors to the harbour museum")
    assert title.box.x0 == pytest.approx(120 / 900, abs=0.02)
    assert title.box.y1 < 0.1
    assert {block.role for block in sight.perception.blocks[1:]} == {"numbers"}


def test_a_legend_is_seen_by_its_swatches(eyes: Eyes) -> None:
    assert "legend" in look(eyes, bar_chart(legend=True)).perception.sentences[-1]


def test_a_table_is_numbers_in_rows_and_columns(eyes: Eyes) -> None:
    sight = look(eyes, table())
    assert sight.kind == "table"
    assert sight.perception.whole.startswith("A table, wider than high.")


def test_noise_is_taken_for_a_photograph(eyes: Eyes) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    sight = look(eyes, Raster(noise))
    assert sight.kind == "photograph"
    assert sight.perception.sentences[0] == "A photograph, wider than high."
    assert sight.perception.absent == "No words found in it."
    assert sight.perception.whole.endswith("No words found in it.")
    assert sight.perception.blocks == ()


def test_a_dark_photograph_without_colour_is_called_so(eyes: Eyes) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (240, 320, 1), np.uint8)
    sight = look(eyes, Raster(np.repeat(noise, 3, axis=2)))
    assert sight.perception.sentences[0] == "A dark black-and-white photograph, wider than high."


def test_a_page_of_text_has_paragraphs(eyes: Eyes) -> None:
    sentence = "the quick brown fox jumps over the lazy dog again and again"
    rows = [(sentence, 60, 60 + 36 * row + 40 * (row // 5)) for row in range(20)]
    sight = look(eyes, drawn(rows, (1000, 1200), 30)[0])
    assert sight.perception.sentences[0] == "A page of text, higher than wide."
    assert [block.role for block in sight.perception.blocks] == ["paragraph"] * 4
    assert all(block.text.count("\n") == 4 for block in sight.perception.blocks)


def test_an_empty_picture_is_blank(eyes: Eyes) -> None:
    for colour, name in (((255, 255, 255), "white"), ((200, 20, 30), "red")):
        blank = look(eyes, Raster(np.full((300, 200, 3), colour, np.uint8))).perception
        assert blank.sentences[0] == "A blank picture, higher than wide."
        assert f"Colours: mostly {name}." in blank.sentences
        assert blank.blocks == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 2), (16, 16)])
def test_a_tiny_picture_is_described_too(eyes: Eyes, size: tuple[int, int]) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[0, 0] = 255
    sight = look(eyes, Raster(pixels))
    assert sight.perception.whole.endswith("No words found in it.")
    assert sight.perception.blocks == ()


def test_thirds_without_words_are_said_last(eyes: Eyes) -> None:
    rows = [(f"berth {number} of the inner harbour", 40, 20 + 40 * number) for number in range(6)]
    perception = look(eyes, drawn(rows, (1600, 900), 30)[0]).perception
    assert perception.absent == "No words in the right third and the lower third."
    assert perception.absent not in perception.sentences


def test_a_word_on_a_sign_is_said_where_it_is(eyes: Eyes) -> None:
    sight = look(eyes, drawn([("EXIT", 760, 430)])[0])
    assert sight.perception.sentences[-1] == "Layout: words at the bottom right."


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("12", True), ("$1,250", True), ("(3.5)", True), ("80%", True), ("\u22125", True),
        ("2019/20", True), ("2000s", True), ("Q3", False), ("the", False), ("", False),
        ("12345678901234567890123456", False), ("3rd", True), ("covid19", False),
    ],
)  # fmt: skip
def test_numbers_are_told_from_words(word: str, number: bool) -> None:
    assert is_number(word) == number


def written(values: list[str], xs: list[float], ys: list[float]) -> Reading:
    """Words 40 pixels wide and 20 high at these middles, in a picture of 1000 by 1000."""
    boxes = [(x - 20, y - 10, x + 20, y + 10) for x, y in zip(xs, ys, strict=True)]
    text, spans = "", []
    for value in values:
        spans.append((len(text), len(text) + len(value)))
        text += value + "\n"
    fractions = from_pixels(np.array(boxes), (1000, 1000)).astype(np.float32)
    pages = np.ones(len(values), np.int32)
    return Reading(text, Words(np.array(spans, np.int32), pages, fractions), ())


@pytest.mark.parametrize(
    ("values", "edge", "years"),
    [
        (["0", "20", "40", "60"], "left", False),
        (["60", "40", "20", "0", "-20"], "left", False),
        (["1", "10", "100", "1,000"], "left", False),
        (["0%", "5%", "10%", "15%"], "left", False),
        (["2001", "2002", "2003", "2004"], "left", True),
    ],
)
def test_even_steps_at_even_distances_are_a_scale(
    values: list[str], edge: str, years: bool
) -> None:
    count = len(values)
    along = [200.0 + 120 * number for number in range(count)]
    down = Writing.of(written(values, [60.0] * count, along), (1000, 1000))
    assert [(s.edge, s.length, s.years) for s in down.scales()] == [(edge, count, years)]
    across = Writing.of(written(values, along, [900.0] * count), (1000, 1000))
    assert [(s.edge, s.length, s.years) for s in across.scales()] == [("bottom", count, years)]


@given(
    st.lists(st.integers(-(10**13), 10**13), max_size=12),
    st.lists(st.integers(0, 1000), min_size=12, max_size=12),
)
def test_a_scale_is_even(values: list[int], places: list[int]) -> None:
    found = written(
        list(map(str, values)), [60.0] * len(values), [float(y) for y in places][: len(values)]
    )
    for scale in Writing.of(found, (1000, 1000)).scales():
        assert 4 <= scale.length <= len(values)


def test_uneven_numbers_are_no_scale() -> None:
    ys = [200.0, 320.0, 440.0, 560.0]
    uneven = written(["5", "9", "30", "31"], [60.0] * 4, ys)
    assert Writing.of(uneven, (1000, 1000)).scales() == []
    crooked = written(["0", "20", "40", "60"], [60.0] * 4, [200.0, 230.0, 560.0, 900.0])
    assert Writing.of(crooked, (1000, 1000)).scales() == []


WORDS = st.lists(st.sampled_from(["Wick", "14", "96%", "a", "harbour"]), min_size=1, max_size=20)


@given(WORDS, st.randoms(use_true_random=False))
def test_arranging_keeps_each_word_and_its_place(words: list[str], random: object) -> None:
    shuffle = random.random  # type: ignore[attr-defined]
    found = written(words, [1000 * shuffle() for _ in words], [1000 * shuffle() for _ in words])
    reading = arranged(found.text, found.words, (1000, 1000))
    said = [
        (reading.text[start:end], tuple(box))
        for (start, end), box in zip(
            reading.words.spans.tolist(), reading.words.boxes.tolist(), strict=True
        )
    ]
    given_words = [
        (word, tuple(box)) for word, box in zip(words, found.words.boxes.tolist(), strict=True)
    ]
    assert sorted(said) == sorted(given_words)
    assert reading.text.split() == [word for word, _ in said]
    assert "\n\n".join(block.text for block in blocks_of(reading, (1000, 1000))) == reading.text


def test_no_words_are_arranged_to_nothing() -> None:
    assert arranged("", Words.empty(), (10, 10)).blocks == ()


EDGES = st.floats(0, 1, width=32)


@given(st.tuples(EDGES, EDGES, EDGES, EDGES), st.tuples(EDGES, EDGES, EDGES, EDGES))
def test_a_region_and_its_page_convert_into_each_other(
    inner: tuple[float, ...], outer: tuple[float, ...]
) -> None:
    box, region = make_box(*inner), make_box(*outer)
    back = within(place(np.array([box]), region), region)[0]
    assert np.all((back >= 0) & (back <= 1))
    if region.width > 0.01 and region.height > 0.01:
        assert back == pytest.approx(np.array(box), abs=1e-4)


@given(st.tuples(EDGES, EDGES, EDGES, EDGES))
def test_pixels_and_fractions_convert_into_each_other(edges: tuple[float, ...]) -> None:
    box = np.array([make_box(*edges)])
    assert from_pixels(in_pixels(box, (317, 211)), (317, 211)) == pytest.approx(box)


def test_ten_thousand_words_take_no_time() -> None:
    random = np.random.default_rng(0)
    words = [str(number) for number in random.integers(0, 100, 10_000)]
    reading = written(words, *(random.uniform(20, 980, (2, 10_000)).tolist()))
    blank = Raster(np.full((1000, 1000, 3), 255, np.uint8))
    start = time.perf_counter()
    kind_of(blank, reading)
    assert time.perf_counter() - start < 5  # 0.3 s alone
