from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogagent.geometry import make_box
from cogagent.grid import Grid
from cogagent.types import Raster, Words
from cogagent.vision.charts.chart import read_chart
from cogagent.vision.eyes import Eyes
from tests.vision.charts.drawing import (
    BOTTOM,
    Sheet,
    columns,
    level_bars,
    lines,
    pie,
    reading_of,
)

TENS = (0, 20, 40, 60, 80, 100)
PORTS = ("Wick", "Oban", "Ayr", "Troon", "Lerwick")


def read(sheet: Sheet) -> Grid:
    grid = read_chart(sheet.raster(), *sheet.reading())
    assert grid is not None
    return grid


def rows(grid: Grid) -> list[str]:
    return [row.text for row in grid.rows]


def names(grid: Grid) -> list[str]:
    return [column.text for column in grid.columns]


def values(grid: Grid, column: int = 0) -> list[float | None]:
    return [
        grid.cells[row, column].value if (row, column) in grid.cells else None
        for row in range(len(grid.rows))
    ]


# --- bars ----------------------------------------------------------------------


def test_columns_with_printed_values() -> None:
    sheet = columns(PORTS, [[41, 73.5, 12, 96, 55]], TENS)
    sheet.write_up("Ships in thousands", 30, 240)
    sheet.write("Traffic of five ports", 400, 20, height=20)
    sheet.write("Source: harbour office", 120, 530, "lm")
    grid = read(sheet)
    assert (grid.kind, rows(grid), names(grid)) == ("bar", list(PORTS), [""])
    assert values(grid) == [41, 73.5, 12, 96, 55]
    assert not any(cell.measured or cell.error for cell in grid.cells.values())
    assert grid.value_title is not None
    assert grid.value_title.text == "Ships in thousands"
    assert [place.text for place in grid.title] == ["Traffic of five ports"]
    assert [place.text for place in grid.notes] == ["Source: harbour office"]
    assert grid.certainty > 0.9


def test_places_are_where_the_words_are() -> None:
    sheet = columns(PORTS, [[41, 73.5, 12, 96, 55]], TENS)
    grid = read(sheet)
    text, words = sheet.reading()
    for place in (grid.rows[1].places[0], grid.cells[1, 0].place):
        assert place.span is not None
        assert text[slice(*place.span)] == place.text
        word = next(
            n for n, (start, _) in enumerate(words.spans.tolist()) if start == place.span[0]
        )
        assert place.boxes[0].iou(make_box(*words.boxes[word].tolist())) > 0.9


def test_columns_are_measured_where_nothing_is_printed() -> None:
    truth = [41, 73.5, 12, 96, 55]
    grid = read(columns(PORTS, [truth], TENS, printed=False))
    assert rows(grid) == list(PORTS)
    for row, value in enumerate(truth):
        cell = grid.cells[row, 0]
        assert cell.value is not None
        assert abs(cell.value - value) <= cell.error < 2
        assert cell.measured
        assert cell.place.text == ""
        assert len(cell.ticks) == 2
    assert [tick.text for tick in grid.cells[0, 0].ticks] == ["40", "60"]
    mark = grid.cells[3, 0].place.boxes[0]
    assert mark.y1 * 560 == pytest.approx(BOTTOM, abs=2)
    assert mark.height * 560 == pytest.approx(345.6, abs=2)


def test_groups_with_a_legend() -> None:
    series = [[40, 30, 22, 61], [55, 12, 70, 33], [18, 90, 5, 47]]
    grid = read(columns(PORTS[:4], series, TENS, legend=("Sail", "Steam power", "Ferry")))
    assert rows(grid) == list(PORTS[:4])
    assert names(grid) == ["Sail", "Steam power", "Ferry"]
    assert [values(grid, column) for column in range(3)] == series
    assert grid.columns[0].colour == "blue"
    assert grid.columns[2].colour == "grey"
    assert not grid.stacked


def test_stacks_with_values_inside() -> None:
    series = [[40, 30, 22], [35, 22, 50], [18, 40, 25]]
    sheet = columns(PORTS[:3], series, TENS, legend=("Sail", "Steam", "Ferry"), stacked=True)
    grid = read(sheet)
    assert grid.stacked
    assert names(grid) == ["Sail", "Steam", "Ferry"]
    assert [values(grid, column) for column in range(3)] == series


def test_stacks_are_measured_part_by_part() -> None:
    series = [[40, 30, 22], [35, 22, 50], [18, 40, 25]]
    sheet = columns(
        PORTS[:3], series, TENS, legend=("A b", "C d", "E f"), stacked=True, printed=False
    )
    grid = read(sheet)
    for (row, column), cell in grid.cells.items():
        assert cell.value is not None
        assert abs(cell.value - series[column][row]) <= cell.error
    assert len(grid.cells) == 9


def test_bars_that_go_below_zero() -> None:
    truth = [30, -20, 44, -35, 10]
    grid = read(columns(PORTS, [truth], (-60, -40, -20, 0, 20, 40, 60)))
    assert rows(grid) == list(PORTS)
    assert values(grid) == truth
    grid = read(columns(PORTS, [truth], (-60, -40, -20, 0, 20, 40, 60), printed=False))
    for row, value in enumerate(truth):
        cell = grid.cells[row, 0]
        assert cell.value is not None
        assert abs(cell.value - value) <= cell.error


def test_level_bars_with_labels_of_two_lines() -> None:
    ports = ("Wick", "Oban and\nthe islands", "Ayr", "Troon\nferry", "Lerwick")
    grid = read(
        level_bars(ports, [[4100, 7350, 1200, 9600, 5500]], (0, 2000, 4000, 6000, 8000, 10000))
    )
    assert rows(grid) == [port.replace("\n", " ") for port in ports]
    assert values(grid) == [4100, 7350, 1200, 9600, 5500]


def test_level_bars_in_pairs() -> None:
    series = [[41, 73, 12, 96], [20, 33, 64, 88]]
    grid = read(level_bars(PORTS[:4], series, TENS, legend=("2012", "2013")))
    assert names(grid) == ["2012", "2013"]
    assert [values(grid, column) for column in range(2)] == series


def test_years_beside_bars_are_labels_and_no_axis() -> None:
    years = [str(year) for year in range(2010, 2018)]
    truth = [135.5, 142.1, 147.3, 152.2, 156.5, 161.2, 165.6, 169.5]
    grid = read(level_bars(years, [truth], (0, 50, 100, 150, 200)))
    assert rows(grid) == years
    assert values(grid) == truth


def test_slanted_labels_of_several_words() -> None:
    ports = ("North Wick", "South Oban", "Old Ayr", "Troon Bay", "Great Lerwick")
    grid = read(columns(ports, [[41, 73, 12, 96, 55]], TENS, slanted=True))
    assert rows(grid) == list(ports)
    assert values(grid) == [41, 73, 12, 96, 55]


def test_a_bar_too_short_to_be_drawn_has_its_value() -> None:
    series = [[41, 73, 0, 96], [20, 33, 64, 88]]
    grid = read(columns(PORTS[:4], series, TENS, legend=("Sail", "Steam")))
    assert [values(grid, column) for column in range(2)] == series


def test_one_bar_in_another_colour_is_no_series() -> None:
    sheet = columns(PORTS, [[41, 73, 12, 96, 55]], TENS)
    pixels = np.array(sheet.image)
    middle = pixels[:, 300:400]
    middle[(middle == (40, 117, 221)).all(axis=2)] = (186, 186, 186)
    grid = read_chart(Raster(pixels), *sheet.reading())
    assert grid is not None
    assert len(grid.columns) == 1
    assert values(grid) == [41, 73, 12, 96, 55]


def test_thousands_with_a_space_and_a_lost_decimal_point() -> None:
    sheet = columns(PORTS, [[1100, 2400, 1900, 2950, 800]], (0, 1000, 2000, 3000), printed=False)
    for number, text in enumerate(("1 100", "2 400.5", "190025", "2 950", "800")):
        x = 120 + 128 * (number + 0.5)
        sheet.write(text, x, 420 - (1100, 2400, 1900, 2950, 800)[number] * 0.12 - 8, "ms")
    grid = read(sheet)
    assert values(grid) == [1100, 2400.5, 1900.25, 2950, 800]


def test_a_misread_value_gives_way_to_its_bar() -> None:
    sheet = columns(PORTS, [[41, 73, 52, 96, 55]], TENS)
    sheet.words = [("89" if word == "52" else word, box) for word, box in sheet.words]
    cell = read(sheet).cells[2, 0]
    assert cell.value is not None
    assert abs(cell.value - 52) <= cell.error
    assert cell.measured


def test_decorations_have_no_part() -> None:
    sheet = columns(PORTS, [[41, 73, 12, 96, 55]], TENS)
    for number, mark in enumerate(("99", "B", "*")):
        sheet.write(mark, 785, 40 + 40 * number)
    sheet.write("More about this", 60, 545, "lm")
    grid = read(sheet)
    assert rows(grid) == list(PORTS)
    assert values(grid) == [41, 73, 12, 96, 55]


# --- lines, pies ---------------------------------------------------------------


def test_lines_are_measured_at_each_label() -> None:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")
    series = [[12, 30, 55, 48, 71, 90], [60, 52, 49, 30, 22, 8]]
    grid = read(lines(months, series, TENS, legend=("Sail", "Steam")))
    assert grid.kind == "line"
    assert rows(grid) == list(months)
    assert names(grid) == ["Sail", "Steam"]
    for (row, column), cell in grid.cells.items():
        assert cell.value is not None
        assert abs(cell.value - series[column][row]) <= 1.5 * cell.error
    assert len(grid.cells) == 12


def test_values_printed_at_points() -> None:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")
    grid = read(lines(months, [[12, 30, 55, 48.5, 71, 90]], TENS, printed=True))
    assert values(grid) == [12, 30, 55, 48.5, 71, 90]
    assert not any(cell.measured for cell in grid.cells.values())


def test_a_logarithmic_axis() -> None:
    months = ("Jan", "Feb", "Mar", "Apr")
    grid = read(lines(months, [[3, 40, 700, 5000]], (1, 10, 100, 1000, 10000), log=True))
    for row, value in enumerate((3, 40, 700, 5000)):
        cell = grid.cells[row, 0]
        assert cell.value == pytest.approx(value, rel=0.06)
        assert cell.error > 0


@pytest.mark.parametrize("hole", [0, 80])
def test_pies_and_rings(hole: int) -> None:
    grid = read(pie(("Sail", "Steam power", "Ferry", "Row"), (48, 27, 18, 7), hole=hole))
    assert grid.kind == "pie"
    assert grid.unit == "%"
    assert rows(grid) == ["Sail", "Steam power", "Ferry", "Row"]
    assert values(grid) == [48, 27, 18, 7]


# --- any bars -------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=3, max_size=9), st.booleans())
def test_printed_values_come_back_in_their_rows(truth: list[int], upright: bool) -> None:
    ports = [f"Port{chr(65 + number)}" for number in range(len(truth))]
    grid = read((columns if upright else level_bars)(ports, [truth], TENS))
    assert rows(grid) == ports
    for row, value in enumerate(truth):
        cell = grid.cells[row, 0]
        assert cell.value is not None
        assert abs(cell.value - value) <= cell.error


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(3, 100), min_size=3, max_size=9), st.booleans())
def test_measured_values_are_within_their_error(truth: list[int], upright: bool) -> None:
    ports = [f"Port{chr(65 + number)}" for number in range(len(truth))]
    grid = read((columns if upright else level_bars)(ports, [truth], TENS, printed=False))
    assert rows(grid) == ports
    for row, value in enumerate(truth):
        cell = grid.cells[row, 0]
        assert cell.value is not None
        assert abs(cell.value - value) <= cell.error < 2.5


# --- through OCR, and what is no chart ---------------------------------------------


def test_through_the_embedded_ocr(eyes: Eyes) -> None:
    sheet = columns(
        PORTS, [[41, 73, 12, 96, 55], [20, 33, 64, 88, 70]], TENS, legend=("Sail", "Steam")
    )
    sight = next(iter(eyes.look([sheet.raster()])))
    grid = read_chart(sheet.raster(), sight.reading.text, sight.reading.words)
    assert grid is not None
    assert rows(grid) == list(PORTS)
    assert names(grid) == ["Sail", "Steam"]
    assert values(grid) == [41, 73, 12, 96, 55]
    assert values(grid, 1) == [20, 33, 64, 88, 70]


def boxes_of(count: int, spread: float) -> list[tuple[float, float, float, float]]:
    random = np.random.default_rng(count)
    corners = 100 + random.random((count, 2)) * spread
    return [(x, y, x + 20, y + 12) for x, y in corners.tolist()]


@pytest.mark.parametrize("count", [0, 1, 10_000])
@pytest.mark.parametrize("spread", [0.0, 400.0])
@pytest.mark.parametrize("size", [(1, 1), (33, 2000), (800, 600)])
def test_hostile_words_are_bounded(count: int, spread: float, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    text, words = reading_of(
        [(str(n % 977), b) for n, b in enumerate(boxes_of(count, spread))], size
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_chart(Raster(pixels), text, words)
        read_chart(Raster(np.full_like(pixels, 255)), text, words)
    assert time.perf_counter() - start < 20


def test_a_huge_picture_is_bounded() -> None:
    sheet = columns(PORTS, [[41, 73, 12, 96, 55]], TENS)
    pixels = np.asarray(sheet.image.resize((10_000, 7_000), 0))
    start = time.perf_counter()
    grid = read_chart(Raster(pixels), *sheet.reading())
    assert time.perf_counter() - start < 20
    assert grid is not None
    assert values(grid) == [41, 73, 12, 96, 55]


def test_boxes_that_are_no_numbers() -> None:
    words = Words(
        np.array([[0, 1], [2, 3], [4, 5]], np.int32),
        np.ones(3, np.int32),
        np.array([[np.nan] * 4, [0, 0, np.inf, 1], [1, 1, 0, 0]], np.float32),
    )
    assert read_chart(Raster(np.zeros((200, 200, 3), np.uint8)), "1 2 3", words) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_blocks_of_any_colour_and_place_raise_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = np.full((240, 320, 3), 255, np.uint8)
    for _ in range(int(random.integers(0, 12))):
        x, y = random.integers(0, 300), random.integers(0, 220)
        pixels[y : y + random.integers(1, 200), x : x + random.integers(1, 200)] = random.integers(
            0, 255, 3
        )
    found = [
        (str(random.choice(["1 000", "2", "30%", "Wick", "2019", "-5", "1e", "."])),
         (x, y, x + random.integers(0, 60), y + random.integers(0, 60)))
        for x, y in random.integers(0, 300, (int(random.integers(0, 30)), 2)).tolist()
    ]  # fmt: skip
    text, words = reading_of([(word.split()[0], box) for word, box in found], (320, 240))
    read_chart(Raster(pixels), text, words)
