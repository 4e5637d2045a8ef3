"""Reads pictures: each is a page with one image on it; a TIFF may have many."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.base import label
from cogagent.errors import CorruptDocumentError, DocumentError, LimitExceededError
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")
_MOST_PIXELS = 16_000_000
"""Larger pictures are reduced for looking at; no network sees more of them."""


class ImageLoader:
    """PNG, JPEG, WebP, TIFF, GIF and BMP, as a viewer shows them.

    Turned as the camera says (EXIF), transparent parts on white, any depth and
    colour model as 8-bit RGB. Every frame of a TIFF is a page; of an animation
    the first frame is, which is what one sees before it plays.

    Args:
        limits: ``pixels`` and ``pages`` count.
        parse: Not used; loaders are built alike.
    """

    media_types = ("image/png", "image/jpeg", "image/webp", "image/tiff", "image/gif", "image/bmp")

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:  # noqa: ARG002
        self._limits = limits

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element and an ``image`` element for each frame.

        Raises:
            CorruptDocumentError: If the bytes are damaged or no picture.
            LimitExceededError: If a frame has too many pixels, or there are too many.
        """
        page = 0
        for page, image in enumerate(self._frames(source), 1):
            size, raster = _decode(image, source.uri, reduce=True)
            order = 2 * (page - 1)
            yield Element(kind="page", page=page, order=order, size=size)
            yield Element(kind="image", page=page, order=order + 1, raster=raster)

    def render(self, source: Source, page: int, dpi: int) -> Raster:  # noqa: ARG002
        """A frame in its own pixels.

        Raises:
            CorruptDocumentError: If the bytes are damaged or there is no such frame.
            LimitExceededError: If it has too many pixels.
        """
        for number, image in enumerate(self._frames(source), 1):
            if number == page:
                return _decode(image, source.uri, reduce=False)[1]
        raise CorruptDocumentError(f"{label(source.uri)} has no page {page}.", uri=source.uri)

    def _frames(self, source: Source) -> Iterator[Image]:
        """The frames, not decoded yet, each checked against the limits."""
        assert source.data is not None, "the reader fills in the bytes"
        with _translated(source.uri):
            image = _open(source.data)
        self._check(image, source.uri)
        yield image
        if image.format != "TIFF":
            return
        for number in range(1, self._limits.pages + 1):
            with _translated(source.uri):
                try:
                    image.seek(number)
                except EOFError:
                    return
            if number == self._limits.pages:
                break
            self._check(image, source.uri)
            yield image
        raise LimitExceededError(
            f"{label(source.uri)} has more than {self._limits.pages} frames.",
            uri=source.uri,
            remedy="Raise the setting `limits.pages`.",
        )

    def _check(self, image: Image, uri: str) -> None:
        width, height = image.size
        if width * height > self._limits.pixels:
            raise LimitExceededError(
                f"{label(uri)} has {width} x {height} pixels, "
                f"more than the {self._limits.pixels} allowed.",
                uri=uri,
                remedy="Raise the setting `limits.pixels`.",
            )


def _open(data: bytes) -> Image:
    """The picture with its size known and its pixels not decoded."""
    from PIL import Image as Pillow

    # Pillow's own limit is a constant of the process and stands below the setting's.
    limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        return Pillow.open(io.BytesIO(data), formats=_FORMATS)
    finally:
        Pillow.MAX_IMAGE_PIXELS = limit


def _decode(image: Image, uri: str, *, reduce: bool) -> tuple[tuple[float, float], Raster]:
    """Width and height as shown, and the pixels, fewer of them if ``reduce``."""
    from PIL import ImageOps

    with _translated(uri):
        width, height = image.size
        factor = (width * height / _MOST_PIXELS) ** 0.5
        if reduce and factor > 1:  # JPEG then decodes at a half, a quarter or an eighth
            image.draft(image.mode, (int(width / factor), int(height / factor)))
        shown = _rgb(ImageOps.exif_transpose(image))
        factor = (shown.width * shown.height / _MOST_PIXELS) ** 0.5
        if reduce and factor > 1:
            shown = shown.resize(
                (max(1, int(shown.width / factor)), max(1, int(shown.height / factor))),
                reducing_gap=2.0,
            )
        if (shown.width > shown.height) != (width > height):  # turned by a quarter
            width, height = height, width
        return (float(width), float(height)), Raster(np.array(shown, np.uint8))


def _rgb(image: Image) -> Image:
    """Any mode of Pillow as 8-bit RGB on white paper."""
    from PIL import Image as Pillow
    from PIL import ImageCms

    if image.mode.startswith(("I", "F")):
        return Pillow.fromarray(_eight_bits(np.asarray(image), image.mode)).convert("RGB")
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
        assert converted is not None, "only an in-place conversion returns nothing"
        return converted
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Pillow.new("RGBA", image.size, "white")
        return Pillow.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: NDArray[Any], mode: str) -> NDArray[np.uint8]:
    """Deep grey values as 8 bits: 16-bit ones by their scale, others by their range."""
    if mode.startswith("I;16") or (values.min() >= 0 and 255 < values.max() <= 65_535):
        return (values.astype(np.uint32) >> 8).astype(np.uint8)
    finite = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 255 and mode == "I":
        return finite.astype(np.uint8)
    return ((finite - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


@contextmanager
def _translated(uri: str) -> Iterator[None]:
    """Pillow's many errors as ours; its warnings, which nobody can act on, unheard."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DocumentError:
        raise
    except MemoryError as error:
        raise LimitExceededError(
            f"{label(uri)} needs more memory than there is.",
            uri=uri,
            remedy="Lower the setting `limits.pixels` to refuse such pictures early.",
        ) from error
    except Exception as error:  # damaged files raise whatever their decoder trips over
        unknown = type(error).__name__ == "UnidentifiedImageError"  # names our buffer, no file
        reason = "its format is unknown" if unknown else str(error) or type(error).__name__
        raise CorruptDocumentError(
            f"{label(uri)} is not a picture that can be read: {reason}",
            uri=uri,
            remedy="Open it in a viewer; if it shows, save it again as PNG.",
        ) from error
