from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cogagent.config import Settings
from cogagent.errors import MissingPackageError, ModelError
from cogagent.geometry import Box, from_pixels, make_box
from cogagent.types import Raster
from cogagent.vision.eyes import Eyes
from cogagent.vision.ocr import Reader, _compose, _line
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


def test_letters_without_places_share_the_line_out() -> None:
    quad = np.array([[0, 0], [110, 0], [110, 10], [0, 10]], np.float32)
    line = _line("abcd efg hi", (), quad)
    assert line.words == ["abcd", "efg", "hi"]
    assert line.boxes.tolist() == [[0, 0, 40, 10], [50, 0, 80, 10], [90, 0, 110, 10]]


def test_an_upright_line_is_shared_out_downwards() -> None:
    quad = np.array([[0, 0], [10, 0], [10, 50], [0, 50]], np.float32)
    assert _line("ab cd", (), quad).boxes.tolist() == [[0, 0, 10, 20], [0, 30, 10, 50]]


def test_pieces_of_a_row_join_one_line() -> None:
    quads = [[[x, 0], [x + 40, 0], [x + 40, 10], [x, 10]] for x in (100, 0)]
    lines = [
        _line(text, (), np.array(quad, float)) for text, quad in zip("ba", quads, strict=True)
    ]
    reading = _compose(lines, (200, 100))
    assert reading.text == "a b"
    assert reading.words.boxes[1].tolist() == pytest.approx([0.5, 0, 0.7, 0.1])


def test_a_letter_or_two_is_texture(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(Settings())
    quad = np.array([[[0, 0], [10, 0], [10, 10], [0, 10]]], np.float32)
    raster = Raster(np.zeros((20, 20, 3), np.uint8))
    for text, expected in (("C", ""), ("7", "7"), ("STOP", "STOP")):
        result = SimpleNamespace(txts=(text,), word_results=(), boxes=quad)
        reader._engine = lambda _, result=result: result
        monkeypatch.setattr(reader._engine, "max_side_len", 0, raising=False)
        assert reader.read(raster).text == expected


def test_failures_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    raster = Raster(np.zeros((20, 20, 3), np.uint8))
    reader = Reader(Settings())

    class Broken:
        def __call__(self, _: object) -> None:
            raise ZeroDivisionError

    reader._engine = Broken()
    with pytest.raises(ModelError, match="reading a picture failed"):
        reader.read(raster)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(MissingPackageError, match="pip install rapidocr"):
        Reader(Settings()).read(raster)
