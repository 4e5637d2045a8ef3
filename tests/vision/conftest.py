"""The embedded eyes, loaded once, and pictures with known words."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cogagent.config import Settings
from cogagent.models.factory import image_embedder
from cogagent.types import Raster
from cogagent.vision.eyes import Eyes


@pytest.fixture(scope="session")
def eyes() -> Eyes:
    return Eyes(Settings(), image_embedder(Settings()))


def drawn(
    lines: list[tuple[str, int, int]],
    size: tuple[int, int] = (900, 500),
    height: int = 30,
) -> tuple[Raster, dict[str, tuple[int, int, int, int]]]:
    """A white picture with lines of text, and where each word of it was drawn (pixels)."""
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(height)
    places: dict[str, tuple[int, int, int, int]] = {}
    for text, x, y in lines:
        pen.text((x, y), text, fill="black", font=font)
        for index, word in enumerate(text.split()):
            before = "".join(f"{earlier} " for earlier in text.split()[:index])
            left = x + pen.textlength(before, font=font)
            box = pen.textbbox((left, y), word, font=font)
            places[word] = tuple(int(edge) for edge in box)
    return Raster(np.asarray(image)), places
