"""Reads pictures: each is a page with one image on it; a TIFF may have many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import picture_kinds, pixels
from cogagent.documents.base import label
from cogagent.errors import CorruptDocumentError, LimitExceededError
from cogagent.geometry import FULL_PAGE, Box
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from PIL.Image import Image

_PAGED = ("TIFF", "DCX")


class ImageLoader:
    """Every kind of :mod:`.picture_kinds`, as a viewer shows it.

    Turned as the camera says (EXIF), transparent parts on white, any depth and
    colour model as 8-bit RGB. Every frame of a TIFF or a DCX, which are how faxes
    are kept, is a page; of an animation the first frame is, which is what one sees
    before it plays.

    Args:
        limits: ``pixels`` and ``pages`` count.
        parse: Not used; loaders are built alike.
    """

    media_types = picture_kinds.MEDIA_TYPES

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:  # noqa: ARG002
        self._limits = limits

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element and an ``image`` element for each frame; nothing is decoded.

        Raises:
            CorruptDocumentError: If the bytes are no picture.
            LimitExceededError: If a frame has too many pixels, or there are too many.
        """
        for page, image in self._frames(source):
            order = 2 * (page - 1)
            size = pixels.shown_size(image, source.uri)
            yield Element(kind="page", page=page, order=order, size=size)
            yield Element(kind="image", page=page, order=order + 1, unseen=True)

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """Frames with no more pixels than are worth looking at.

        Raises:
            CorruptDocumentError: If the bytes are damaged or there is no such frame.
            LimitExceededError: If a frame has too many pixels.
        """
        frames = self._frames(source)
        for element in elements:
            yield pixels.to_raster(
                _frame(frames, element.page, source.uri), source.uri, reduce=True
            )

    def render(
        self,
        source: Source,
        page: int,
        dpi: int,  # noqa: ARG002
        box: Box = FULL_PAGE,
    ) -> Raster:
        """A frame, or a part of it, in its own pixels.

        Raises:
            CorruptDocumentError: If the bytes are damaged or there is no such frame.
            LimitExceededError: If it has too many pixels.
        """
        image = _frame(self._frames(source), page, source.uri)
        return pixels.to_raster(image, source.uri, reduce=False).part(box)

    def _frames(self, source: Source) -> Iterator[tuple[int, Image]]:
        """The frames with their numbers, not decoded yet, each checked against the limits."""
        assert source.data is not None, "the reader fills in the bytes"
        image = pixels.open_picture(source.data, source.uri, self._limits)
        yield 1, image
        if image.format not in _PAGED:
            return
        for number in range(1, self._limits.pages + 1):
            with pixels.translated(source.uri):
                try:
                    image.seek(number)
                except EOFError:
                    return
            if number == self._limits.pages:
                break
            pixels.check_pixels(image, source.uri, self._limits)
            yield number + 1, image
        raise LimitExceededError(
            f"{label(source.uri)} has more than {self._limits.pages} frames.",
            uri=source.uri,
            remedy="Raise the setting `limits.pages`.",
        )


def _frame(frames: Iterator[tuple[int, Image]], page: int, uri: str) -> Image:
    """The frame of that number, from frames that come in order."""
    for number, image in frames:
        if number == page:
            return image
    raise CorruptDocumentError(f"{label(uri)} has no page {page}.", uri=uri)
