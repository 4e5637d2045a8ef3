"""What a loader is: bytes in, elements out, one page after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from cogagent.types import Element, Source


@runtime_checkable
class Loader(Protocol):
    """Reads one kind of document.

    Elements come in reading order. A ``page`` element opens each page and
    carries its size; a page whose text is in its pixels has ``needs_ocr`` and
    ``raster`` set, and a picture found on a page brings its ``raster``. Loading
    streams: a page's elements are yielded before the next page is read.
    """

    media_types: tuple[str, ...]
    """The media types it reads."""

    def load(self, source: Source) -> Iterator[Element]:
        """The elements of ``source``, whose ``data`` is set.

        Raises:
            DocumentError: A subclass that says what is wrong with the source.
        """
        ...
