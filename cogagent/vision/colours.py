"""Names the colours of a picture with the eleven words that English has for colours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.types import Raster

_SHARE = 0.12
"""Least part of the picture, vivid pixels counting for more, for a colour to be named."""
_VIVID = 40.0
"""CIELAB chroma at which a pixel counts twice."""
_MOST = 3
_SAMPLE = 128
"""Rows and columns of pixels looked at."""
_GREY, _NEARLY_ALL = 8.0, 99.0
"""CIELAB chroma below which nearly all pixels, in percent, of a grey picture lie."""

# The basic colour terms (Berlin and Kay 1969), each by some of its shades (sRGB).
_SHADES = {
    "black": ("000000", "1c1c1c"),
    "grey": ("404040", "696969", "808080", "a9a9a9", "c8c8c8", "708090"),
    "white": ("ffffff", "f0f0f0", "fffaf0", "f0f8ff"),
    "red": ("ff0000", "dc143c", "b22222", "8b0000", "cd5c5c", "e34234"),
    "orange": ("ffa500", "ff8c00", "ff6a00", "f4a460", "f7b27a", "e8875a"),
    "yellow": ("ffff00", "ffd700", "f0e68c", "e6c229", "fff59d"),
    "green": (
        "008000",
        "00ff00",
        "228b22",
        "2e8b57",
        "6b8e23",
        "90ee90",
        "1f3d1f",
        "556b2f",
        "0e3b3a",
        "008080",
        "6f7f4f",
    ),
    "blue": (
        "0000ff",
        "00008b",
        "191970",
        "4169e1",
        "4682b4",
        "87ceeb",
        "00bfff",
        "1f3a5f",
        "b9d3ea",
        "5b7a99",
    ),
    "purple": ("800080", "8a2be2", "9370db", "4b0082", "ba55d3", "663399"),
    "pink": ("ffc0cb", "ff69b4", "ff1493", "db7093", "ffb6c1"),
    "brown": ("8b4513", "a0522d", "654321", "3d2b1f", "d2b48c", "bc9a6c", "7b5a3a"),
}


class Colours(NamedTuple):
    """The colours of a picture.

    Attributes:
        shares: Those that cover most of it, the most striking first; three at most,
            each with the part of the picture that it covers, 0 to 1.
        lightness: Mean, as the eye sees it: 0 is black, 100 white.
        grey: It has no colours but black, white and greys.
    """

    shares: tuple[tuple[str, float], ...]
    lightness: float
    grey: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The colours alone."""
        return tuple(name for name, _ in self.shares)


def colours_of(raster: Raster) -> Colours:
    """The colours of a picture, from a sample of its pixels."""
    height, width = raster.pixels.shape[:2]
    rows = np.linspace(0, height - 1, min(height, _SAMPLE)).astype(np.intp)
    columns = np.linspace(0, width - 1, min(width, _SAMPLE)).astype(np.intp)
    pixels = _lab(raster.pixels[rows][:, columns].reshape(-1, 3))
    names, shades = _prototypes()
    # |a - b|² without the |a|² that all distances share
    nearest = names[np.argmin((shades**2).sum(axis=1) - 2 * pixels @ shades.T, axis=1)]
    # A vivid colour strikes the eye more than its area: so does it count.
    chroma = np.hypot(pixels[:, 1], pixels[:, 2])
    weights = 1 + chroma / _VIVID
    strength = np.bincount(nearest, weights, len(_SHADES)) / weights.sum()
    area = np.bincount(nearest, minlength=len(_SHADES)) / len(nearest)
    terms = tuple(_SHADES)
    ranked = np.argsort(-strength, kind="stable")[:_MOST]
    return Colours(
        tuple((terms[index], float(area[index])) for index in ranked if strength[index] >= _SHARE),
        float(pixels[:, 0].mean()),
        bool(np.percentile(chroma, _NEARLY_ALL) < _GREY),
    )


def name_of(colour: Sequence[float] | NDArray[np.floating]) -> str:
    """The word for one colour.

    Args:
        colour: Red, green and blue, 0 to 255.
    """
    pixel = np.clip(np.round(np.asarray(colour, np.float64)), 0, 255).astype(np.uint8)
    names, shades = _prototypes()
    apart = ((shades - _lab(pixel.reshape(1, 3))) ** 2).sum(axis=1)
    return tuple(_SHADES)[int(names[int(apart.argmin())])]


@cache
def _prototypes() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The index of each shade's name, and the shade in CIELAB."""
    shades = [list(bytes.fromhex(code)) for codes in _SHADES.values() for code in codes]
    names = np.repeat(np.arange(len(_SHADES)), [len(codes) for codes in _SHADES.values()])
    return names, _lab(np.array(shades, np.uint8))


def _lab(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIELAB (D65) of sRGB, in which distances are as the eye sees them; shape ``(n, 3)``."""
    value = pixels / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
