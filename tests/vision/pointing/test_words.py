from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.testing.contracts import PointerContract
from cogagent.types import Raster, Words
from cogagent.vision.ocr import Reader
from cogagent.vision.pointing.base import Picture
from cogagent.vision.pointing.crossing import value_of
from cogagent.vision.pointing.words import WordPointer
from tests.vision.conftest import drawn
from tests.vision.pointing.kit import Line, around, picture, placed

HEADER: list[Line] = [("2021", 500, 60), ("2020", 700, 60)]
TABLE: list[Line] = [
    ("Results of the year, in millions", 40, 10), *HEADER,
    ("Net sales", 40, 100), ("5,210", 490, 100), ("4,870", 690, 100),
    ("Cost of sales", 40, 130), ("2,140", 490, 130), ("1,990", 690, 130),
    ("Operating profit", 40, 160), ("1,105", 490, 160), ("(1,020)", 680, 160),
    ("Interest paid", 40, 190), ("310", 510, 190), ("295", 710, 190),
]  # fmt: skip
pointer = WordPointer()


def value(question: str, shown: Picture) -> str | None:
    word = value_of(question, shown.text, shown.words, shown.raster.size)
    if word is None:
        return None
    start, end = shown.words.spans[word].tolist()
    return shown.text[start:end]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What were net sales in 2020?", "4,870"),
        ("cost of sales 2021", "2,140"),
        ("How much was the operating profit for 2020?", "(1,020)"),
        ("What interest was paid in 2021?", "310"),
    ],
)
def test_the_value_stands_in_the_row_of_the_label_and_under_the_header(
    question: str, expected: str
) -> None:
    assert value(question, picture(TABLE)) == expected


def test_the_row_is_pointed_at_with_its_header_and_then_the_value() -> None:
    row, cell = pointer.places("What were net sales in 2020?", picture(TABLE), 2)
    for line in (TABLE[3], TABLE[5], HEADER[1]):
        assert around(line).inside(row.box) == pytest.approx(1.0)
    assert around(TABLE[5]).inside(cell.box) == pytest.approx(1.0)
    assert cell.box.inside(row.box) > 0.9
    assert around(TABLE[4]).overlap(cell.box) == 0
    assert row.score > cell.score
    assert row.why == "holds 'net sales' under '2020'"


def test_a_header_far_above_is_left_out_of_the_place() -> None:
    lines = [*HEADER, *((f"Filler {n}", 40, 90 + 24 * n) for n in range(20))]
    lines += [("Net sales", 40, 600), ("5,210", 490, 600), ("4,870", 690, 600)]
    shown = picture(lines)
    row = pointer.places("net sales 2020", shown, 1)[0]
    assert row.box.height * 800 < 100
    assert value("net sales 2020", shown) == "4,870"


def test_without_a_column_the_row_is_pointed_at_and_no_value() -> None:
    places = pointer.places("What were the net sales?", picture(TABLE), 3)
    assert around(TABLE[3]).inside(places[0].box) == pytest.approx(1.0)
    assert value("What were the net sales?", picture(TABLE)) is None


def test_a_date_is_a_header() -> None:
    lines = [("January 28, 2017", 420, 60), ("January 30, 2016", 640, 60), *TABLE[3:6]]
    assert value("net sales 2016", picture(lines)) == "4,870"


def test_headers_set_apart_from_their_columns_go_by_their_order() -> None:
    shifted = [("2021", 430, 60), ("2020", 630, 60), *TABLE[3:]]
    assert value("net sales 2021", picture(shifted)) == "5,210"
    assert value("net sales 2020", picture(shifted)) == "4,870"


def test_a_label_over_two_lines_is_one() -> None:
    lines = [
        *HEADER, ("Net cash provided by", 40, 100), ("operating activities", 40, 124),
        ("900", 510, 124), ("800", 710, 124), ("Net cash provided by", 40, 170),
        ("financing activities", 40, 194), ("70", 520, 194), ("60", 720, 194),
    ]  # fmt: skip
    shown = picture(lines)
    assert value("net cash provided by operating activities in 2020", shown) == "800"
    assert value("net cash provided by financing activities in 2021", shown) == "70"


def test_pages_side_by_side_are_read_apart() -> None:
    left = [*TABLE[1:], ("Dividends paid", 40, 220), ("30", 520, 220), ("29", 720, 220)]
    right = [(f"Northern {text}" if x == 40 else text, x + 1000, y) for text, x, y in left]
    right = [(text.replace("5,210", "9,999"), x, y) for text, x, y in right]
    shown = picture([*left, *right], (2000, 800))
    assert value("net sales 2021", shown) == "5,210"
    assert value("northern net sales 2021", shown) == "9,999"
    assert pointer.places("net sales 2021", shown, 1)[0].box.x1 < 0.5


@pytest.mark.parametrize(
    "label", ["Operatlng profit", "Operatingprofit", "OPERATING PROFIT:", "operating profits"]
)
def test_slips_of_the_reader_are_forgiven(label: str) -> None:
    lines = [(label if text == "Operating profit" else text, x, y) for text, x, y in TABLE]
    assert value("operating profit in 2021", picture(lines)) == "1,105"


def test_one_digit_makes_another_number() -> None:
    assert not pointer.places("2012 1,900", picture(TABLE), 3)


@pytest.mark.parametrize("sign", ["$", "S", "SA"])
def test_a_sign_is_neither_a_header_nor_a_label(sign: str) -> None:
    signs = [(sign, x, y) for x in (440, 640) for y in (80, 100)]
    lines = [*HEADER, ("Drop", 40, 80), ("14", 520, 80), ("11", 720, 80), *TABLE[3:6], *signs]
    assert value("net sales 2020", picture(lines)) == "4,870"
    assert value("net sales 2021", picture(lines)) == "5,210"


def test_rows_that_follow_each_other_are_one_place() -> None:
    places = pointer.places("net sales and cost of sales", picture(TABLE), 2)
    assert around(TABLE[3]).inside(places[0].box) == pytest.approx(1.0)
    assert around(TABLE[6]).inside(places[0].box) == pytest.approx(1.0)


def test_prose_is_pointed_at_by_its_lines() -> None:
    lines = [
        ("The station was moved to the island in spring.", 40, 40),
        ("It rained.", 40, 300),
        ("Observers count kestrels at dawn, when the wind", 40, 500),
        ("is still weak and the dam is closed.", 40, 524),
    ]
    best = pointer.places("When do observers count kestrels near the dam?", picture(lines), 1)[0]
    assert around(lines[2]).inside(best.box) == pytest.approx(1.0)
    assert around(lines[3]).inside(best.box) == pytest.approx(1.0)
    assert around(lines[0]).overlap(best.box) == 0


@pytest.mark.parametrize(
    "question", ["", "   ", "?", "of the and", "Which kestrel nests highest?", "\x00\u202e"]
)
def test_nothing_is_pointed_at_where_nothing_matches(question: str) -> None:
    assert pointer.places(question, picture(TABLE), 5) == []
    assert value(question, picture(TABLE)) is None


def test_a_picture_without_words_has_no_places() -> None:
    empty = Picture(Raster(np.zeros((10, 10, 3), np.uint8)))
    assert asyncio.run(pointer.point("net sales", empty, 3)) == []
    assert pointer.places("net sales", picture(TABLE), 0) == []


def test_it_is_quick_with_many_words_and_a_long_question() -> None:
    rows = [(f"Net item {n} 12 34 5,6 78 9", 20, 22 * n) for n in range(1250)]
    wide = [("Net item " + "12 " * 1248, 20, 20)]
    question = "net item 2020 " + "revenue of the dam " * 1100
    pointer.places("net", picture(TABLE), 1)
    for lines, size in ((rows, (1000, 28000)), (wide, (40_000, 100))):
        shown = picture(lines, size)
        for asked in ("net item 2020", question):
            start = time.process_time()
            pointer.places(asked, shown, 3)
            assert time.process_time() - start < 5


edge = st.floats(0, 1, width=32)


@given(
    st.lists(
        st.tuples(st.sampled_from("net sales 2020 2021 5,210 $ 17 (3) Total S \u4e00".split()),
                  edge, edge, edge, edge),
        max_size=30,
    ),
    st.sampled_from(["net sales 2020", "Total 2021?", "17", "sales of \u4e00"]),
    st.integers(1, 6),
)  # fmt: skip
def test_places_are_valid_and_the_best_first(
    words: list[tuple[str, float, float, float, float]], question: str, k: int
) -> None:
    text, spans, boxes = "", [], []
    for word, x0, y0, x1, y1 in words:
        spans.append((len(text), len(text) + len(word)))
        boxes.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
        text += f"{word} "
    shown = placed(text, spans, boxes, (1, 1))
    shown = Picture(Raster(np.zeros((300, 400, 3), np.uint8)), text, shown.words)
    places = pointer.places(question, shown, k)
    assert len(places) <= k
    scores = [place.score for place in places]
    assert scores == sorted(scores, reverse=True)
    for place in places:
        assert 0 <= place.box.x0 < place.box.x1 <= 1
        assert 0 <= place.box.y0 < place.box.y1 <= 1
        assert place.why


def test_words_as_the_reader_reads_them(reader: Reader) -> None:
    raster, drawn_at = drawn([line for line in TABLE if line[1] < 720], (1000, 260), 22)
    reading = reader.read(raster)
    shown = Picture(raster, reading.text, reading.words)
    assert value("What were net sales in 2020?", shown) == "4,870"
    cell = pointer.places("What were net sales in 2020?", shown, 2)[1].box
    x0, y0, x1, y1 = drawn_at["4,870"]
    assert cell.x0 * 1000 < x0 < x1 < cell.x1 * 1000
    assert cell.y0 * 260 < y0 < y1 < cell.y1 * 260


def test_words_without_places_are_none() -> None:
    raster = Raster(np.zeros((50, 50, 3), np.uint8))
    assert pointer.places("net sales", Picture(raster, "net sales", Words.empty()), 2) == []


class TestWords(PointerContract):
    @pytest.fixture
    def pointer(self) -> WordPointer:
        return WordPointer()

    @pytest.fixture
    def asked(self) -> tuple[str, Picture]:
        return "What were net sales in 2020?", picture(TABLE)
