from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.config import Settings
from cogagent.errors import MissingPackageError, ModelError, ModelLoadError
from cogagent.geometry import Box, from_pixels, make_box
from cogagent.models.runtime import Network
from cogagent.types import Raster
from cogagent.vision.eyes import Eyes
from cogagent.vision.ocr import Reader, _compose, _line
from cogagent.vision.ocr_detect import _cuts
from cogagent.vision.ocr_recognise import Line
from tests.vision.conftest import drawn

LINES = [
    ("Annual revenue by region", 60, 40),
    ("Northern provinces 1250", 60, 200),
    ("Southern islands 84.5%", 60, 260),
    ("Source: statistics office", 60, 420),
]


def test_words_stand_where_they_were_drawn(eyes: Eyes) -> None:
    raster, places = drawn(LINES)
    reading = eyes.read(raster)
    found = {
        reading.text[start:end]: Box(*box)
        for (start, end), box in zip(
            reading.words.spans, reading.words.boxes.tolist(), strict=True
        )
    }
    assert set(found) == set(places)
    for word, place in places.items():
        expected = make_box(*from_pixels(np.array(place), raster.size)[0])
        assert found[word].iou(expected) > 0.4, word
        assert expected.inside(found[word]) > 0.75, word


def test_blocks_come_in_reading_order(eyes: Eyes) -> None:
    raster, _ = drawn(LINES)
    reading = eyes.read(raster)
    texts = [reading.text[block.start : block.end] for block in reading.blocks]
    assert texts[0] == "Annual revenue by region"
    assert texts[-1] == "Source: statistics office"
    assert "\n\n".join(texts) == reading.text
    assert [block.box.y0 for block in reading.blocks] == sorted(b.box.y0 for b in reading.blocks)
    assert set(reading.words.pages.tolist()) == {1}


def test_small_print_in_a_large_picture_is_read(eyes: Eyes) -> None:
    lines = [(f"Serial number 7391{n} of batch twelve", 300, 300 + 40 * n) for n in range(10)]
    raster, places = drawn(lines, (3600, 2400), 22)
    found = set(eyes.read(raster).text.split())
    assert len(set(places) & found) >= 0.9 * len(places)


def test_a_tiny_picture_and_an_empty_one_have_no_text(eyes: Eyes) -> None:
    for size in ((1, 1), (2000, 3), (300, 300)):
        reading = eyes.read(Raster(np.full((size[1], size[0], 3), 255, np.uint8)))
        assert reading.text == ""
        assert reading.blocks == ()
        assert len(reading.words) == 0


def test_thin_pictures_take_little_memory() -> None:
    script = """
import resource
import numpy as np
from cogagent.config import load_settings
from cogagent.types import Raster
from cogagent.vision.ocr import Reader
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
reader = Reader(load_settings())
for width, height in ((2000, 3), (3, 2000), (2000, 31), (30_000, 8), (30_000, 100)):
    reader.read(Raster(np.full((height, width, 3), 255, np.uint8)))
print("read")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "read\n", done.stderr


def test_memory_does_not_grow_with_the_pictures() -> None:
    script = """
import numpy as np, psutil
from cogagent.config import load_settings
from cogagent.types import Raster
from cogagent.vision.ocr import Reader
from tests.vision.conftest import drawn
reader, sizes = Reader(load_settings()), np.random.default_rng(0).integers(300, 900, (36, 2))
grown = []
for number, (width, height) in enumerate(sizes.tolist()):
    lines = [(f"word {number} line {y}" * 2, 10, y) for y in range(10, height - 30, 60)]
    reader.read(drawn(lines, (width, height), 22)[0])
    grown.append(psutil.Process().memory_info().rss >> 20)
print(grown[-1] - grown[17])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 120


def test_a_thin_strip_is_read(eyes: Eyes) -> None:
    strip = drawn([("Kestrel Dam 1931", 4, 2)], (900, 28))[0]
    reading = eyes.read(strip)
    assert reading.text == "Kestrel Dam 1931"
    assert reading.words.boxes.max() <= 1.0


def test_threads_read_at_once(eyes: Eyes) -> None:
    rasters = [drawn([(f"Page {name}", 40, 40)], (300, 120))[0] for name in ("seven", "eight")]
    with ThreadPoolExecutor(2) as pool:
        texts = [reading.text for reading in pool.map(eyes.read, rasters)]
    assert texts == ["Page seven", "Page eight"]


def test_a_word_spans_its_letters() -> None:
    quad = np.array([[0, 0], [110, 0], [110, 10], [0, 10]], np.float32)
    line = _line(read_as("abcd efg hi", quad))
    assert line.words == ["abcd", "efg", "hi"]
    assert line.boxes == pytest.approx(
        np.array([[0, 0, 40, 10], [50, 0, 80, 10], [90, 0, 110, 10]])
    )


def test_a_line_that_runs_up_the_page_has_its_words_one_above_the_other() -> None:
    quad = np.array([[0, 50], [0, 0], [10, 0], [10, 50]], np.float32)
    assert _line(read_as("ab cd", quad)).boxes == pytest.approx(
        np.array([[0, 30, 10, 50], [0, 0, 10, 20]])
    )


@given(
    st.text("ab \u4e00", min_size=1, max_size=30).filter(str.strip),
    st.lists(st.floats(0, 1), min_size=30, max_size=30),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500), st.floats(5, 500), st.floats(5, 40)),
    st.floats(-3.2, 3.2),
)
def test_words_stay_within_their_line(
    text: str,
    places: list[float],
    shape: tuple[float, float, float, float],
    angle: float,
) -> None:
    x, y, wide, high = shape
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]]) @ turn + (x, y)
    middles = np.sort(np.array(places[: len(text)]))
    line = _line(Line(text, middles, corners.astype(np.float32), 1.0))
    assert line.words == text.split()
    assert len(line.boxes) == len(line.words)
    assert (line.boxes[:, :2] >= line.box[:2] - 0.01).all()
    assert (line.boxes[:, 2:] <= line.box[2:] + 0.01).all()
    assert (line.boxes[:, :2] <= line.boxes[:, 2:]).all()


def test_pieces_of_a_row_join_one_line() -> None:
    quads = [[[x, 0], [x + 40, 0], [x + 40, 10], [x, 10]] for x in (100, 0)]
    lines = [
        _line(read_as(text, np.array(quad, np.float32)))
        for text, quad in zip("ba", quads, strict=True)
    ]
    reading = _compose(lines, (200, 100))
    assert reading.text == "a b"
    assert reading.words.boxes[1].tolist() == pytest.approx([0.5, 0, 0.7, 0.1])


def test_a_letter_or_two_is_texture() -> None:
    quad = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], np.float32)
    for text, certainty, expected in (
        ("C", 0.9, ""),
        ("7", 0.9, "7"),
        ("STOP", 0.9, "STOP"),
        ("STOP", 0.3, ""),
    ):
        found = read_as(text, quad, certainty)
        assert fake_reader(lambda *_, found=found: [found]).read(SPECKLED).text == expected


def test_upright_lines_are_read_upwards_and_downwards(eyes: Eyes) -> None:
    flat = drawn([("Litres per household", 20, 6)], (330, 44))[0].pixels
    for turns in (1, 3):
        canvas = np.full((420, 300, 3), 255, np.uint8)
        canvas[40:370, 100:144] = np.rot90(flat, turns)
        reading = eyes.read(Raster(canvas))
        assert reading.text == "Litres per household"
        tops = reading.words.boxes[:, 1].tolist()
        assert tops == sorted(tops, reverse=turns == 1)


def test_lines_read_together_say_what_they_say_alone(eyes: Eyes) -> None:
    together, _ = drawn(LINES)
    texts = [eyes.read(drawn([(text, 60, 40)], (900, 120))[0]).text for text, *_ in LINES]
    assert eyes.read(together).text.split() == " ".join(texts).split()


def test_a_picture_without_contrast_is_not_looked_at() -> None:
    def look(*_: object) -> list[Line]:
        raise AssertionError

    reader = fake_reader(look)
    noise = np.random.default_rng(0).integers(240, 250, (90, 90, 3), np.uint8)
    assert reader.read(Raster(noise)).text == ""


def test_a_blank_page_is_not_sent_to_the_recogniser(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(Settings())
    pixels = np.full((700, 500, 3), 250, np.uint8)
    pixels[::50, ::50] = 150  # specks of dust
    monkeypatch.setattr(Network, "run", counted(Network.run, calls := []))
    assert reader.read(Raster(pixels)).text == ""
    assert len(calls) == 1


def test_nothing_is_seen_in_the_blank_part_of_a_poster(eyes: Eyes) -> None:
    lines = [(f"Serial number 7391{n}", 300, 300 + 40 * n) for n in range(10)]
    raster, _ = drawn(lines, (3600, 2400), 22)
    assert eyes.read(raster).text.count("Serial number 7391") == 10


def test_tiles_are_seamless() -> None:
    for length in range(32, 8100, 32):
        cuts = list(_cuts(length))
        assert [cuts[0].kept.start, cuts[-1].kept.stop] == [0, length]
        assert all(a.kept.stop == b.kept.start for a, b in itertools.pairwise(cuts))
        for start, end, kept in cuts:
            assert 0 <= start <= kept.start < kept.stop <= end <= length
            assert (end - start) % 32 == 0
            assert end - start <= 2016 + 2 * 64


def test_a_line_across_tiles_is_one_line(eyes: Eyes) -> None:
    text = "seven wizards watch the lazy dog " * 6
    raster, _ = drawn([(text, 40, y) for y in range(40, 2300, 150)], (3000, 2400), 26)
    lines = eyes.read(raster).text.split()
    assert lines == text.split() * 16


def test_failures_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[Line]:
        raise cv2.error("out of memory")

    with pytest.raises(ModelError, match="reading a picture failed"):
        fake_reader(broken).read(SPECKLED)
    monkeypatch.setattr("cogagent.vision.ocr._WEIGHTS", ("gone.onnx", "gone.onnx"))
    with pytest.raises(ModelLoadError, match=r"no models gone\.onnx"):
        Reader(Settings()).read(SPECKLED)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(MissingPackageError, match="pip install rapidocr"):
        Reader(Settings()).read(SPECKLED)


SPECKLED = Raster(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8))


def read_as(text: str, quad: np.ndarray, certainty: float = 1.0) -> Line:
    """A line whose letters are all of one width."""
    return Line(text, (np.arange(len(text)) + 0.5) / len(text), quad, certainty)


def fake_reader(recognise: Callable[..., list[Line]]) -> Reader:
    reader = Reader(Settings())
    detector = SimpleNamespace(lines=lambda *_: np.zeros((1, 4, 2), np.float32))
    reader._networks = (detector, SimpleNamespace(read=recognise))  # type: ignore[assignment]
    return reader


def counted(run: Callable[..., object], calls: list[object]) -> Callable[..., object]:
    """A network that notes each batch it is given."""

    def noted(network: Network, batches: Iterable[object], **options: object) -> object:
        def passing() -> Iterator[object]:
            for batch in batches:
                calls.append(batch)
                yield batch

        return run(network, passing(), **options)

    return noted
