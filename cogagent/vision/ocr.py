"""Reads the words in a picture, each with its rectangle."""

from __future__ import annotations

import importlib.util
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.errors import MissingPackageError, ModelError, ModelLoadError
from cogagent.geometry import Box, from_pixels, make_box
from cogagent.types import Raster, Words
from cogagent.vision import ocr_recognise
from cogagent.vision.layout import reading_order
from cogagent.vision.ocr_detect import LEAST_SIDE, Detector, is_blank
from cogagent.vision.ocr_recognise import Recogniser
from cogagent.vision.pixels import is_drawn

_SIDE = 2000
"""Longest side of the first look, in pixels: an A4 page at 150 dpi fits whole."""
_CLOSE_SIDE = 4000
"""Longest side of the closer look at a larger picture with small print."""
SMALL_PRINT = 16.0
"""Median height of the lines found, in pixels, below which letters get lost."""

_NO_LETTERS = 6
"""No letter is read in a picture that is narrower, in pixels."""
_CERTAIN = 0.5
"""Lines whose letters are less certain, on average, are texture."""
_WORD = re.compile(r"\S+")
_WEIGHTS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")


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
    """PP-OCRv6 through OpenVINO; the weights come inside the package RapidOCR.

    The networks load at the first picture. Any thread may call; one picture is
    read at a time, on ``models.threads`` cores.
    """

    def __init__(self, settings: Settings) -> None:
        self._threads = settings.threads()
        self._lock = threading.Lock()
        self._networks: tuple[Detector, Recogniser] | None = None

    def read(self, raster: Raster, *, least: int = LEAST_SIDE) -> Reading:
        """The words of a picture.

        Args:
            raster: Its pixels.
            least: Pixels its shortest side is enlarged to, at most twice, to find the lines
                in; 1 for a picture whose print is known to be large enough.

        Raises:
            MissingPackageError: If RapidOCR, OpenCV or OpenVINO is not installed.
            ModelLoadError: If the networks do not load.
            ModelError: If reading fails.
        """
        if min(raster.size) < _NO_LETTERS or is_blank(raster.pixels):
            return _compose([], raster.size)
        with self._lock:
            lines = self._lines(raster, _SIDE, least)
            if max(raster.size) > _SIDE and _may_miss(lines, raster):
                lines = self._lines(raster, _CLOSE_SIDE, least)
        return _compose(lines if _is_writing(lines) else [], raster.size)

    def print_height(self, raster: Raster) -> float:
        """Median height of the lines in a picture, in pixels; 0 if there are none.

        They are found and not read, which takes a tenth of the time.

        Raises:
            MissingPackageError: If RapidOCR, OpenCV or OpenVINO is not installed.
            ModelLoadError: If the networks do not load.
            ModelError: If looking fails.
        """
        if min(raster.size) < _NO_LETTERS or is_blank(raster.pixels):
            return 0.0
        with self._lock:
            quads = self._loaded()[0].lines(raster.pixels, _SIDE, 1)
        heights = np.linalg.norm(np.roll(quads, -1, axis=1) - quads, axis=2).min(axis=1)
        return float(np.median(heights)) if len(heights) else 0.0

    def _loaded(self) -> tuple[Detector, Recogniser]:
        if self._networks is None:
            self._networks = _load(self._threads)
        return self._networks

    def _lines(self, raster: Raster, side: int, least: int) -> list[_Line]:
        import cv2

        detector, recogniser = self._loaded()
        try:
            found = recogniser.read(raster.pixels, detector.lines(raster.pixels, side, least))
        except cv2.error as error:
            raise ModelError(f"reading a picture failed: {error}") from error
        return [_line(line) for line in found if line.certainty >= _CERTAIN and line.text.strip()]


def _load(threads: int) -> tuple[Detector, Recogniser]:
    # The library's own code stays out: with it a page took 1.3 times the work, and the
    # process held 340 MB more.
    for package, module in (("rapidocr", "rapidocr"), ("opencv-python-headless", "cv2")):
        if importlib.util.find_spec(module) is None:
            raise MissingPackageError(
                f"reading pictures needs the package {package}, which is not installed.",
                remedy=f"Run `pip install {package}`, or set `parse.ocr` to false.",
            )
    spec = importlib.util.find_spec("rapidocr")
    assert spec is not None
    assert spec.origin is not None
    detector, recogniser = (Path(spec.origin).parent / "models" / name for name in _WEIGHTS)
    if not (detector.is_file() and recogniser.is_file()):
        raise ModelLoadError(
            f"the package rapidocr has no models {' and '.join(_WEIGHTS)}.",
            remedy="Run `pip install --force-reinstall rapidocr==3.10.0`.",
        )
    return Detector(detector, threads), Recogniser(recogniser, threads)


def _may_miss(lines: list[_Line], raster: Raster) -> bool:
    """Whether a shrunk picture's print was too small: for the reader, or to be seen at all.

    A photograph in which nothing was seen is left: most have no text, and a closer
    look takes seconds.
    """
    if not lines:
        return is_drawn(raster)
    heights = [min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (line.box for line in lines)]
    return bool(np.median(heights) * _SIDE / max(raster.size) < SMALL_PRINT)


def _is_writing(lines: list[_Line]) -> bool:
    """Not the letter or two that the reader sees in the texture of a photograph."""
    characters = "".join(word for line in lines for word in line.words)
    return sum(map(str.isalnum, characters)) > 2 or any(map(str.isdigit, characters))


def _line(line: ocr_recognise.Line) -> _Line:
    """A line's words, each with the rectangle around its letters, in pixels."""
    spans = [(match.start(), match.end()) for match in _WORD.finditer(line.text)]
    starts, ends = np.array(spans).T
    half = _letter_width(line.middles, spans) / 2
    near = np.maximum(line.middles[starts] - half, 0.0)
    far = np.minimum(line.middles[ends - 1] + half, 1.0)
    # Where two words meet, as around a narrow space, each gives way.
    border = (far[:-1] + near[1:]) / 2
    far[:-1], near[1:] = np.minimum(far[:-1], border), np.maximum(near[1:], border)
    left, right, below, above = line.quad[0], line.quad[1], line.quad[2], line.quad[3]
    corners = np.stack(
        [
            start + share[:, None] * (end - start)
            for start, end in ((left, right), (above, below))
            for share in (near, far)
        ],
        axis=1,
    )
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    around = np.concatenate([line.quad.min(axis=0), line.quad.max(axis=0)])
    words = [line.text[start:end] for start, end in spans]
    return _Line(words, boxes.astype(np.float64), around.astype(np.float64))


def _letter_width(middles: NDArray[np.float64], spans: list[tuple[int, int]]) -> float:
    """How wide a letter is on average, in parts of the line."""
    steps = [
        (middles[end - 1] - middles[start]) / (end - start - 1)
        for start, end in spans
        if end - start > 1
    ]
    return float(np.mean(steps)) if steps else 1 / len(middles)


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
