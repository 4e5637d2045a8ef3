from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.config import Settings
from cogagent.geometry import FULL_PAGE, make_box, place
from cogagent.types import Raster
from cogagent.vision.ocr import Reader
from cogagent.vision.rereading import PRINT, dpi_for, read_parts, reread
from tests.vision.conftest import drawn

SMALL = [("Station Kestrel 1931", 40, 30), ("Litres per household 4,870", 40, 60)]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Settings())


def test_small_print_is_enlarged_and_its_boxes_stay_right(reader: Reader) -> None:
    raster, places = drawn(SMALL, (1200, 900), 10)
    region = make_box(0.0, 0.0, 0.25, 0.1)
    reading = reread(raster, region, reader)
    assert reading.text.split() == "Station Kestrel 1931 Litres per household 4,870".split()
    on_page = place(reading.words.boxes, region)
    for (start, end), box in zip(reading.words.spans.tolist(), on_page.tolist(), strict=True):
        x0, y0, x1, y1 = places[reading.text[start:end]]
        assert box == pytest.approx([x0 / 1200, y0 / 900, x1 / 1200, y1 / 900], abs=0.012)


@pytest.mark.parametrize("height", [None, 9.0, 30.0, 0.0])
def test_a_region_is_read_whatever_is_known_of_its_print(
    reader: Reader, height: float | None
) -> None:
    raster, _ = drawn([("Kestrel Dam 1931", 20, 20)], (500, 70), 24)
    assert reread(raster, FULL_PAGE, reader, height=height).text == "Kestrel Dam 1931"


def test_what_holds_no_print_says_nothing(reader: Reader) -> None:
    blank = Raster(np.full((300, 400, 3), 255, np.uint8))
    for box in (FULL_PAGE, make_box(0.1, 0.1, 0.1, 0.1), make_box(0.5, 0.5, 0.9, 0.52)):
        assert reread(blank, box, reader).text == ""


def test_parts_are_read_and_no_word_twice(reader: Reader) -> None:
    lines = [(f"Reading {number} of many on a sheet", 60, 40 + 90 * number) for number in range(9)]
    raster, _ = drawn(lines, (1000, 900), 24)
    reading = read_parts(raster, reader)
    said = sorted(reading.text.split())
    assert said == sorted(" ".join(text for text, *_ in lines).split())
    assert len(reading.words) == len(said)
    assert reading.blocks


@given(st.floats(0.5, 200))
def test_print_is_drawn_high_enough(height: float) -> None:
    dpi = dpi_for(height)
    assert 72 <= dpi <= 600
    assert dpi == 600 or height * dpi / 72 >= PRINT - 1e-6


@pytest.mark.parametrize("height", [0.0, -3.0, math.nan])
def test_print_of_no_height_is_drawn_as_large_as_can_be(height: float) -> None:
    assert dpi_for(height) == 600
