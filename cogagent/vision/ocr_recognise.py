"""Reads lines of text: PP-OCRv6's recogniser (SVTR with CTC, Du et al. 2022) in OpenVINO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cogagent.models.runtime import Network

_HEIGHT = 48
"""Pixels that every line is scaled to."""
_COLUMN = 8
"""Pixels of a scaled line for each column of the network's answer."""
_WIDTH_STEP = 64
"""Lines are padded to a multiple, so that few shapes are planned."""
_WIDEST = 4096
"""Pixels a scaled line is squeezed to if it is longer: 180 letters."""
_GREY = 127
"""What the network was trained to see beyond a line's end."""
_UPRIGHT = 1.5
"""A line so many times as high as wide runs up or down the page."""
_ROWS = 64
"""Columns that are compared with all 18,710 letters at a time: the table fits the cache."""
_PLANS = 16
"""Of what the network prepares for past shapes, so much is kept."""
_BLANK = 0


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """What a line says.

    Attributes:
        text: Its letters and spaces.
        middles: For each character of ``text`` how far along the line it stands, 0 to 1.
        quad: Shape ``(4, 2)``: the line's corners clockwise; it runs from the first to the second.
        certainty: Mean probability of the letters, 0 to 1.
    """

    text: str
    middles: NDArray[np.float64]
    quad: NDArray[np.float32]
    certainty: float


class Recogniser:
    """Reads lines. Any thread may call.

    Args:
        weights: The network's ONNX file, which holds its alphabet too.
        threads: Cores to use.

    Raises:
        MissingPackageError: If OpenVINO is not installed.
        ModelLoadError: If the network does not load.
    """

    def __init__(self, weights: Path, threads: int) -> None:
        self._alphabet: list[str] = []
        self._body = Network(lambda: self._without_head(weights), threads, plans=_PLANS)
        self._head = Network(lambda: _head(weights), threads, plans=_PLANS)

    def read(self, pixels: NDArray[np.uint8], quads: NDArray[np.float32]) -> list[Line]:
        """What stands in each of ``quads``, in their order; empty texts included.

        Args:
            pixels: Shape ``(height, width, 3)``, red first.
            quads: Shape ``(n, 4, 2)``, corners in pixels, clockwise from the top left.

        Raises:
            ModelError: If the computation fails.
        """
        ways = [(index, way) for index, quad in enumerate(quads) for way in _ways(quad)]
        widths = [_scaled_width(way) for _, way in ways]
        # The longest first: the last to finish is a short one, and equal shapes meet.
        order = sorted(range(len(ways)), key=lambda number: -widths[number])
        columns = self._columns(pixels, [ways[n][1] for n in order], [widths[n] for n in order])
        best: dict[int, Line] = {}
        for number, (letters, chances) in zip(order, columns, strict=True):
            index, way = ways[number]
            line = self._decoded(letters, chances, way, widths[number])
            if index not in best or line.certainty > best[index].certainty:
                best[index] = line
        return [best[index] for index in range(len(quads))]

    def _columns(
        self,
        pixels: NDArray[np.uint8],
        quads: Sequence[NDArray[np.float32]],
        widths: Sequence[int],
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """For each line the likeliest letter of each column and its probability."""
        seen = self._body.run(
            [_strip(pixels, quad, width)] for quad, width in zip(quads, widths, strict=True)
        )
        counts = [math.ceil(width / _COLUMN) for width in widths]
        rows = [part[0, :count] for (part,), count in zip(seen, counts, strict=True)]
        if not rows:
            return []
        joined = np.concatenate(rows)
        joined = np.pad(joined, ((0, -len(joined) % _ROWS), (0, 0)))
        found = self._head.run(
            ([joined[None, start : start + _ROWS]] for start in range(0, len(joined), _ROWS)),
            outputs=(0, 1),
        )
        chances = np.concatenate([part for part, _ in found], axis=1)[0, :, 0]
        letters = np.concatenate([part for _, part in found], axis=1)[0, :, 0].astype(np.int64)
        ends = np.cumsum(counts)
        return [
            (letters[end - count : end], chances[end - count : end])
            for end, count in zip(ends, counts, strict=True)
        ]

    def _decoded(
        self,
        letters: NDArray[np.int64],
        chances: NDArray[np.float32],
        quad: NDArray[np.float32],
        width: int,
    ) -> Line:
        kept = letters != _BLANK
        kept[1:] &= letters[1:] != letters[:-1]
        places = np.flatnonzero(kept)
        return Line(
            "".join(self._alphabet[letter] for letter in letters[places]),
            np.minimum((places + 0.5) * _COLUMN / width, 1.0),
            quad,
            float(chances[places].mean()) if len(places) else 0.0,
        )

    def _without_head(self, weights: Path) -> Any:
        """The network up to its last layer, its input as bytes ``(1, 48, width, 3)``."""
        import openvino
        from openvino.preprocess import PrePostProcessor

        model = openvino.Core().read_model(weights)
        written = model.get_rt_info()["framework"]["character"].value
        self._alphabet = ["", *written.splitlines(), " "]
        body = openvino.Model([_last_layer(model).input_value(0)], model.get_parameters())
        steps = PrePostProcessor(body)
        steps.input().tensor().set_element_type(openvino.Type.u8)
        steps.input().tensor().set_layout(openvino.Layout("NHWC"))
        steps.input().model().set_layout(openvino.Layout("NCHW"))
        numbers = steps.input().preprocess().convert_element_type(openvino.Type.f32)
        numbers.mean(127.5).scale(127.5).reverse_channels()
        return steps.build()


def _head(weights: Path) -> Any:
    """The network's last layer: columns ``(1, 64, n)`` to probability and number of a letter."""
    import openvino
    from openvino import opset13 as op

    model = openvino.Core().read_model(weights)
    layer = _last_layer(model)
    width = layer.input_value(0).get_partial_shape()[2].get_length()
    columns = op.parameter([1, _ROWS, width], np.float32)
    layer.input(0).replace_source_output(columns.output(0))
    likely = model.get_results()[0].input_value(0)
    best = op.topk(likely, op.constant(np.int64(1)), -1, "max", "none")
    return openvino.Model([best.output(0), best.output(1)], [columns])


def _last_layer(model: Any) -> Any:
    """The matrix product from which the letters' probabilities come."""
    node = model.get_results()[0].input_value(0).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    return node


def _ways(quad: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """How a line may run: to the right; or, if it is upright, down or up the page."""
    wide, high = _size(quad)
    if high < _UPRIGHT * wide:
        return [quad]
    return [np.roll(quad, -1, axis=0), np.roll(quad, 1, axis=0)]


def _size(quad: NDArray[np.float32]) -> tuple[float, float]:
    edges = np.linalg.norm(quad - np.roll(quad, -1, axis=0), axis=1)
    return max(edges[0], edges[2]), max(edges[1], edges[3])


def _scaled_width(quad: NDArray[np.float32]) -> int:
    wide, high = _size(quad)
    return min(max(math.ceil(_HEIGHT * wide / max(high, 1.0)), _COLUMN), _WIDEST)


def _strip(pixels: NDArray[np.uint8], quad: NDArray[np.float32], width: int) -> NDArray[np.uint8]:
    """A line cut out, set upright, scaled to ``width`` and padded: ``(1, 48, n, 3)``."""
    import cv2

    wide, high = (max(int(length), 1) for length in _size(quad))
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    straight = cv2.warpPerspective(
        pixels,
        cv2.getPerspectiveTransform(quad, corners),
        (wide, high),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    how = cv2.INTER_AREA if high > _HEIGHT else cv2.INTER_LINEAR
    padded = _WIDTH_STEP * math.ceil(width / _WIDTH_STEP)
    strip = np.full((1, _HEIGHT, padded, 3), _GREY, np.uint8)
    strip[0, :, :width] = cv2.resize(straight, (width, _HEIGHT), interpolation=how)
    return strip
