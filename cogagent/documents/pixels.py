"""From the bytes of a picture to its pixels, with the size checked before anything is decoded."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cogagent.documents import picture_kinds
from cogagent.documents.base import label
from cogagent.errors import CorruptDocumentError, DocumentError, LimitExceededError
from cogagent.types import Raster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

    from cogagent.config import LimitSettings

_log = logging.getLogger(__name__)

_HEAD = 8192
_MOST_PIXELS = 16_000_000
"""Larger pictures are reduced for looking at; no network sees more of them."""
_ORIENTATION = 0x0112
_TURNED = range(5, 9)
"""Values of EXIF's orientation that turn by a quarter."""


def decode(data: bytes, uri: str, limits: LimitSettings) -> Raster:
    """A picture inside a document as pixels to be looked at, its first frame.

    Raises:
        CorruptDocumentError: If the bytes are damaged or no picture.
        LimitExceededError: If it has too many pixels.
    """
    image = open_picture(data, uri, limits)
    return to_raster(image, uri, reduce=True)


def seen(data: bytes | None, uri: str, limits: LimitSettings) -> Raster | None:
    """A picture inside a document as pixels; ``None`` for a broken one, as in a browser."""
    try:
        return None if data is None else decode(data, uri, limits)
    except DocumentError as error:
        _log.info("a picture of %s is left out: %s", uri, error)
        return None


def open_picture(data: bytes, uri: str, limits: LimitSettings) -> Image:
    """A picture with its size known, and within the limits, and its pixels not decoded.

    Raises:
        CorruptDocumentError: If the bytes are damaged or no picture.
        LimitExceededError: If it has too many pixels.
    """
    with translated(uri):
        image = _open(data)
    check_pixels(image, uri, limits)
    return image


def check_pixels(image: Image, uri: str, limits: LimitSettings) -> None:
    """Refuse a picture of more than ``limits.pixels``.

    Raises:
        LimitExceededError: If it has more.
    """
    width, height = image.size
    if width * height > limits.pixels:
        raise LimitExceededError(
            f"{label(uri)} has {width} x {height} pixels, more than the {limits.pixels} allowed.",
            uri=uri,
            remedy="Raise the setting `limits.pixels`.",
        )


def shown_size(image: Image, uri: str) -> tuple[float, float]:
    """Width and height in pixels as a viewer shows it, turned as the camera says."""
    with translated(uri):
        width, height = image.size
        # Pillow turns a TIFF by itself, and would decode a PNG to look behind its pixels.
        told = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        turned = told and image.getexif().get(_ORIENTATION) in _TURNED
    return (float(height), float(width)) if turned else (float(width), float(height))


def to_raster(image: Image, uri: str, *, reduce: bool) -> Raster:
    """The pixels of an opened picture as a viewer shows it, fewer of them if ``reduce``.

    Raises:
        CorruptDocumentError: If the bytes are damaged.
        LimitExceededError: If there is not memory enough.
    """
    from PIL import ImageOps

    with translated(uri):
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
        return Raster(np.array(shown, np.uint8))


@contextmanager
def translated(uri: str) -> Iterator[None]:
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
        kind = type(error).__name__  # Pillow is not imported to ask
        if kind == "DecompressionBombError":  # a picture inside the picture, as in an icon
            raise LimitExceededError(
                f"{label(uri)} holds a picture too large to be decoded: {error}", uri=uri
            ) from error
        unknown = kind == "UnidentifiedImageError"  # its message names our buffer, no file
        reason = "its format is unknown" if unknown else str(error) or kind
        raise CorruptDocumentError(
            f"{label(uri)} is not a picture that can be read: {reason}",
            uri=uri,
            remedy="Open it in a viewer; if it shows, save it again as PNG.",
        ) from error


def _open(data: bytes) -> Image:
    """The picture with its size known and its pixels not decoded."""
    from PIL import Image as Pillow

    # Pillow's own limit is a constant of the process and stands below the setting's.
    limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        return Pillow.open(io.BytesIO(data), formats=picture_kinds.readers(data[:_HEAD]))
    finally:
        Pillow.MAX_IMAGE_PIXELS = limit


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
