"""Finds the lines of text in a picture: PP-OCRv6's detector (Liao et al. 2020) in OpenVINO."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.models.runtime import Network

_STEP = 32
"""The network halves its input five times."""
LEAST_SIDE = 736
_MOST_ENLARGED = 2.0
"""A small picture's short side is enlarged to this, but no more than so many times."""
_THIN = 192
"""A thin strip gets a margin until it is as wide: letters are seen by what is around them."""
_TILE, _MARGIN = 2016, 64
"""A closer look is taken in tiles, each with so much of its neighbours around it: a whole
poster took 1.6 GB. Smaller tiles would not do: where there is no text at all, the network
sees some in what is blank."""
_BLANK = 12
"""A tile is blank if no two pixels differ by more, of 255."""
_PLANS = 16
"""Of what the network prepares for past shapes, so much is kept."""

_INK, _CERTAIN = 0.3, 0.5
"""Least chance of a pixel that belongs to a line, and least mean of a line's."""
_GROWN = 1.6
"""The network marks the core of a line; its area over its outline, times this, is missing."""
_LEAST_CORE, _LEAST_LINE = 3.0, 5.0
"""Pixels that a line's core, and the whole line, must be wide."""
_MOST_LINES = 3000
_INSET = 0.5
"""Pixels by which lines are made less high than they were found."""


class Detector:
    """Finds lines of text, at any angle. Any thread may call.

    Args:
        weights: The network's ONNX file.
        threads: Cores to use.

    Raises:
        MissingPackageError: If OpenVINO is not installed.
        ModelLoadError: If the network does not load.
    """

    def __init__(self, weights: Path, threads: int) -> None:
        self._network = Network(lambda: _graph(weights), threads, plans=_PLANS, together=True)

    def lines(
        self, pixels: NDArray[np.uint8], side: int, least: int = LEAST_SIDE
    ) -> NDArray[np.float32]:
        """Where lines of text are.

        Args:
            pixels: Shape ``(height, width, 3)``, red first; both at least 1.
            side: Pixels the longest side is shrunk to if it is longer.
            least: Pixels the shortest side is enlarged to, at most twice, if it is shorter.

        Returns:
            Shape ``(n, 4, 2)``: corners in pixels of the picture, from the one that is top
            left clockwise.

        Raises:
            ModelError: If the computation fails.
        """
        canvas, scale = _fitted(pixels, side, least)
        found = _quads(self._chances(canvas)) / np.array(scale)
        quads = _tightened(found.astype(np.float32))
        return np.clip(quads, 0, np.array(pixels.shape[1::-1], np.float32))

    def _chances(self, canvas: NDArray[np.uint8]) -> NDArray[np.float32]:
        """How likely each pixel belongs to a line, in the shape of ``canvas``."""
        height, width = canvas.shape[:2]
        tiles = [
            (across, down)
            for down, across in itertools.product(_cuts(height), _cuts(width))
            if not is_blank(canvas[down.start : down.end, across.start : across.end])
        ]
        found = self._network.run(
            [np.ascontiguousarray(canvas[None, down.start : down.end, across.start : across.end])]
            for across, down in tiles
        )
        chances = np.zeros((height, width), np.float32)
        for (across, down), (part,) in zip(tiles, found, strict=True):
            chances[down.kept, across.kept] = part[0, 0, down.inner, across.inner]
        return chances


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Whether no letter can be in a picture, so that no network need look."""
    return int(pixels.max()) - int(pixels.min()) <= _BLANK


def _graph(weights: Path) -> Any:
    """The network with its input as bytes, ``(1, height, width, 3)``, red first."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(openvino.Core().read_model(weights))
    steps.input().tensor().set_element_type(openvino.Type.u8)
    steps.input().tensor().set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    numbers = steps.input().preprocess().convert_element_type(openvino.Type.f32)
    numbers.mean(127.5).scale(127.5).reverse_channels()
    return steps.build()


def _fitted(
    pixels: NDArray[np.uint8], side: int, least: int
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The picture as the network wants it, and by what x and y were multiplied."""
    import cv2

    height, width = pixels.shape[:2]
    wanted = min(max(1.0, least / min(height, width)), _MOST_ENLARGED)
    scale = min(wanted, side / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    if size != (width, height):
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
    right, below = (_STEP * math.ceil(max(length, _THIN) / _STEP) - length for length in size)
    if right or below:
        # The ground's own colour: a step at the margin would look like a stroke.
        rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        ground = np.median(rim, axis=0).astype(int).tolist()
        padded = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=ground)
        pixels = np.asarray(padded, np.uint8)
    return pixels, (size[0] / width, size[1] / height)


class _Cut(NamedTuple):
    """A piece of a side: what is looked at, and what is kept of that."""

    start: int
    end: int
    kept: slice

    @property
    def inner(self) -> slice:
        """``kept``, counted from ``start``."""
        return slice(self.kept.start - self.start, self.kept.stop - self.start)


def _cuts(length: int) -> Iterator[_Cut]:
    steps = length // _STEP
    pieces = math.ceil(length / _TILE)
    edges = [_STEP * (steps * piece // pieces) for piece in range(pieces + 1)]
    for start, end in itertools.pairwise(edges):
        yield _Cut(max(start - _MARGIN, 0), min(end + _MARGIN, length), slice(start, end))


def _quads(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rectangles around what is likely text, shape ``(n, 4, 2)``, in its pixels."""
    import cv2

    ink = cv2.dilate((chances > _INK).astype(np.uint8), np.ones((2, 2), np.uint8))
    outlines, _ = cv2.findContours(ink, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines[:_MOST_LINES]:
        centre, (wide, high), angle = cv2.minAreaRect(outline)
        if min(wide, high) < _LEAST_CORE:
            continue
        if _mean_inside(chances, _corners(centre, (wide, high), angle)) < _CERTAIN:
            continue
        grown = _GROWN * wide * high / (wide + high)  # both sides: twice area over outline
        wide, high = wide + grown, high + grown
        if min(wide, high) >= _LEAST_LINE:
            found.append(_clockwise(_corners(centre, (wide, high), angle)))
    return np.array(found, np.float32).reshape(-1, 4, 2)


def _tightened(quads: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half a pixel less above and below each line, and corners on whole pixels.

    The letters are then cut out as they are, not blended with their neighbours, and
    fill the height the recogniser expects: of the words of small print a fifth fewer
    are misread.
    """
    following = np.roll(quads, -1, axis=1)
    lengths = np.linalg.norm(following - quads, axis=2, keepdims=True)
    steps = _INSET * (following - quads) / np.maximum(lengths, 1.0)  # along each side
    wide, high = lengths[:, [0, 2]].max(axis=1), lengths[:, [1, 3]].max(axis=1)
    right, down, left, up = np.moveaxis(steps, 1, 0)
    flat = np.stack([down, down, up, up], axis=1)
    upright = np.stack([right, left, left, right], axis=1)
    return np.round(quads + np.where((high > wide)[:, None], upright, flat))


def _corners(
    centre: Sequence[float], size: tuple[float, float], angle: float
) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.boxPoints((centre, size, angle)), np.float32)


def _mean_inside(chances: NDArray[np.float32], corners: NDArray[np.float32]) -> float:
    import cv2

    height, width = chances.shape
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, (width - 1, height - 1)).astype(int)
    inside = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(inside, [(corners - (left, top)).astype(np.int32)], (1,))
    return float(cv2.mean(chances[top : bottom + 1, left : right + 1], inside)[0])


def _clockwise(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """A rectangle's corners, the upper of the two leftmost first."""
    ordered = corners[np.argsort(corners[:, 0], kind="stable")]
    (top_left, bottom_left), (top_right, bottom_right) = (
        side[np.argsort(side[:, 1], kind="stable")] for side in (ordered[:2], ordered[2:])
    )
    return np.array([top_left, top_right, bottom_right, bottom_left], np.float32)
