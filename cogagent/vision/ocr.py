"""Reads the words in a picture, each with its rectangle."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.errors import MissingPackageError, ModelError, ModelLoadError
from cogagent.geometry import Box, from_pixels, make_box
from cogagent.types import Raster, Words
from cogagent.vision.layout import reading_order
from cogagent.vision.pixels import is_drawn

_SIDE = 2000
"""Longest side of the first look, in pixels: an A4 page at 150 dpi fits whole."""
_CLOSE_SIDE = 4000
"""Longest side of the closer look at a larger picture with small print."""
_SMALL_PRINT = 16.0
"""Median height of the lines found, in pixels, below which letters get lost."""

_NO_LETTERS = 6
"""No letter is read in a picture that is narrower, in pixels."""
_PLANS = 16
"""Shapes of input that a network stays prepared for."""
_LEAST_SIDE, _MOST_ASPECT = 32, 7.5
"""Pictures are padded to this. The library would enlarge a thin one until its short
side is 30 pixels, and then pad it: 2000 x 3 pixels became 20,000 x 2,500, and 18 GB."""


class TextBlock(NamedTuple):
    """A paragraph, label or row of cells: its characters in the text, and its place."""

    start: int
    end: int
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What is written in a picture.

    Attributes:
        text: Blocks in reading order, a blank line between two; a line a row.
        words: The words of ``text``; page 1, boxes in fractions of the picture.
        blocks: Where each block is.
    """

    text: str
    words: Words
    blocks: tuple[TextBlock, ...]


class _Line(NamedTuple):
    words: list[str]
    boxes: NDArray[np.float64]  # (words, 4), pixels
    box: NDArray[np.float64]  # (4,), pixels


class Reader:
    """PP-OCRv6 through RapidOCR and OpenVINO; the weights come inside the package.

    The model loads at the first picture. Any thread may call; one picture is
    read at a time, on ``models.threads`` cores.
    """

    def __init__(self, settings: Settings) -> None:
        self._threads = settings.threads()
        self._lock = threading.Lock()
        self._engine: Any = None

    def read(self, raster: Raster) -> Reading:
        """The words of a picture.

        Raises:
            MissingPackageError: If RapidOCR is not installed.
            ModelLoadError: If its models do not load.
            ModelError: If reading fails.
        """
        with self._lock:
            if self._engine is None:
                self._engine = _load(self._threads)
            lines = self._lines(raster, _SIDE)
            if max(raster.size) > _SIDE and _may_miss(lines, raster):
                lines = self._lines(raster, _CLOSE_SIDE)
        return _compose(lines if _is_writing(lines) else [], raster.size)

    def _lines(self, raster: Raster, side: int) -> list[_Line]:
        pixels, scale = _padded(raster, side)
        if pixels is None:
            return []
        pixels = np.ascontiguousarray(pixels[:, :, ::-1])  # the models were trained on BGR
        self._engine.max_side_len = side
        try:
            result = self._engine(pixels)
        except Exception as error:  # the library and OpenCV raise what they like
            raise ModelError(f"reading a picture failed: {error}") from error
        if result.txts is None:
            return []
        # The library drops a line's letters when it knows none; then no line can be matched.
        letters = result.word_results
        if len(letters) != len(result.txts):
            letters = [()] * len(result.txts)
        found = zip(result.txts, letters, result.boxes, strict=True)
        return [_line(text, row, quad, scale) for text, row, quad in found if text.strip()]


def _padded(raster: Raster, side: int) -> tuple[NDArray[np.uint8] | None, float]:
    """The pixels, a thin picture shrunk to ``side`` and with a margin right and below.

    Returns:
        The pixels, ``None`` if no letter fits in, and what coordinates in them
        have to be multiplied by.
    """
    width, height = raster.size
    scale = 1.0
    pixels = raster.pixels
    if max(raster.size) > _MOST_ASPECT * min(raster.size):
        scale = max(max(raster.size) / side, 1.0)
        width, height = int(width / scale), int(height / scale)
        if scale > 1.0 and width and height:
            from PIL import Image

            shrunk = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
            pixels = np.asarray(shrunk)
    if min(width, height) < _NO_LETTERS:
        return None, scale
    right = max(width, _LEAST_SIDE, math.ceil(height / _MOST_ASPECT)) - width
    below = max(height, _LEAST_SIDE, math.ceil(width / _MOST_ASPECT)) - height
    if not right and not below:
        return pixels, scale
    # The ground's own colour: a step at the margin would look like a stroke.
    ground = np.median(pixels.reshape(-1, 3), axis=0).astype(np.uint8)
    canvas = np.tile(ground, (height + below, width + right, 1))
    canvas[:height, :width] = pixels
    return canvas, scale


def _load(threads: int) -> Any:
    try:
        from rapidocr import EngineType, RapidOCR
    except ImportError as error:
        raise MissingPackageError(
            f"reading pictures needs the package {error.name}, which is not installed.",
            remedy="Run `pip install rapidocr`, or set `parse.ocr` to false.",
        ) from error
    options = {
        "Global.log_level": "critical",
        # Telling lines from upside-down lines mistakes short numbers, and costs a tenth.
        "Global.use_cls": False,
        "Global.return_word_box": True,
        "Global.return_single_char_box": True,
        "Det.engine_type": EngineType.OPENVINO,
        "Rec.engine_type": EngineType.OPENVINO,
        "EngineConfig.openvino.inference_num_threads": threads,
        "EngineConfig.openvino.enable_cpu_pinning": "NO",
        # Lines are padded to the longest of their batch.
        "Rec.rec_batch_num": 3,
    }
    try:
        engine = RapidOCR(params=options)
        for part in (engine._load_det_model(), engine._load_rec_model()):
            _bound_memory(part.session, threads)
    except Exception as error:  # the library raises what it likes
        raise ModelLoadError(
            f"the models that read pictures do not load: {error}",
            remedy="Run `pip install --force-reinstall rapidocr`.",
        ) from error
    return engine


def _bound_memory(session: Any, threads: int) -> None:
    """Compile a network again so that it keeps few plans for past shapes of input.

    Every picture has a shape of its own; with the default, memory grew by 15 MB
    a picture. RapidOCR passes this setting of OpenVINO's on from nowhere.
    """
    import openvino

    settings = {
        "CPU_RUNTIME_CACHE_CAPACITY": _PLANS,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": "NO",
    }
    compiled = openvino.Core().compile_model(session.model, "CPU", settings)
    session.session = compiled.create_infer_request()


def _may_miss(lines: list[_Line], raster: Raster) -> bool:
    """Whether a shrunk picture's print was too small: for the reader, or to be seen at all.

    A photograph in which nothing was seen is left: most have no text, and a closer
    look takes seconds.
    """
    if not lines:
        return is_drawn(raster)
    heights = [min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (line.box for line in lines)]
    return bool(np.median(heights) * _SIDE / max(raster.size) < _SMALL_PRINT)


def _is_writing(lines: list[_Line]) -> bool:
    """Not the letter or two that the reader sees in the texture of a photograph."""
    characters = "".join(word for line in lines for word in line.words)
    return sum(map(str.isalnum, characters)) > 2 or any(map(str.isdigit, characters))


def _line(text: str, letters: Any, quad: NDArray[np.floating], scale: float = 1.0) -> _Line:
    """A line's words, each with the rectangle around its letters, in pixels times ``scale``."""
    box = scale * np.concatenate([quad.min(axis=0), quad.max(axis=0)]).astype(np.float64)
    places = np.array([corners for _, _, corners in letters], np.float64).reshape(-1, 4, 2) * scale
    words = text.split()
    count = sum(map(len, words))
    if len(places) == count:
        cells = np.concatenate([places.min(axis=1), places.max(axis=1)], axis=1)
        kept = [character for word in words for character in word]
        starts = np.cumsum([0] + [len(word) for word in words])
    else:  # share the line out evenly, spaces included
        kept = list(" ".join(words))
        cells = _shared_out(box, len(kept))
        starts = np.cumsum([0] + [len(word) + 1 for word in words])
    assert len(cells) == len(kept)
    boxes = [
        np.concatenate([part[:, :2].min(axis=0), part[:, 2:].max(axis=0)])
        for part in (
            cells[start : start + len(word)] for start, word in zip(starts, words, strict=False)
        )
    ]
    return _Line(words, np.array(boxes), box)


def _shared_out(box: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """``box`` cut into ``count`` equal parts along its longer side, shape ``(count, 4)``."""
    cells = np.tile(box, (count, 1))
    axis = 0 if box[2] - box[0] >= box[3] - box[1] else 1
    edges = np.linspace(box[axis], box[axis + 2], count + 1)
    cells[:, axis], cells[:, axis + 2] = edges[:-1], edges[1:]
    return cells


def _compose(lines: list[_Line], size: tuple[int, int]) -> Reading:
    """Lines as one text in reading order, with the places of its words and blocks."""
    text = ""
    spans: list[tuple[int, int]] = []
    boxes: list[NDArray[np.float64]] = []
    blocks: list[TextBlock] = []
    for rows in reading_order(np.array([line.box for line in lines]).reshape(-1, 4)):
        text += "\n\n" if text else ""
        first, start = len(boxes), len(text)
        for number, row in enumerate(rows):
            text += "\n" if number else ""
            words = [word for index in row for word in lines[index].words]
            boxes += [box for index in row for box in lines[index].boxes]
            for place, word in enumerate(words):
                text += " " if place else ""
                spans.append((len(text), len(text) + len(word)))
                text += word
        around = np.array(boxes[first:])
        edges = from_pixels(np.r_[around[:, :2].min(0), around[:, 2:].max(0)], size)[0]
        blocks.append(TextBlock(start, len(text), make_box(*edges)))
    words_found = Words(
        np.array(spans, np.int32).reshape(-1, 2),
        np.ones(len(spans), np.int32),
        np.clip(from_pixels(np.array(boxes), size), 0, 1).astype(np.float32),
    )
    return Reading(text, words_found, tuple(blocks))
