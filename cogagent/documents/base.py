"""What a loader is: bytes in, elements out, one page after the other."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogagent.geometry import Box
    from cogagent.types import Element, Raster, Source


@runtime_checkable
class Loader(Protocol):
    """Reads one kind of document; built as ``SomeLoader(limits, parse)``.

    Elements come in reading order. A ``page`` element opens each page and
    carries its size; a page whose text is in its pixels has ``needs_ocr`` set.
    Such pages, and pictures, are marked ``unseen``: the loader is a
    :class:`Pictured` one. Loading streams: a page's elements are yielded before
    the next page is read.

    The first ``page`` element's ``caption`` holds the title that the document
    gives itself (PDF metadata, HTML ``<title>``, Markdown front matter); it is
    empty when there is none. Other ``page`` elements have no caption.
    """

    media_types: tuple[str, ...]
    """The media types it reads."""

    def load(self, source: Source) -> Iterator[Element]:
        """The elements of ``source``, whose ``data`` is set.

        Raises:
            DocumentError: A subclass that says what is wrong with the source.
        """
        ...


@runtime_checkable
class Pictured(Protocol):
    """What a loader also is if its documents have pictures, or scanned pages."""

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """The pixels of unseen elements, one raster after the other, made as they are taken.

        Args:
            source: With ``data``.
            elements: Of this source, that :meth:`Loader.load` marked ``unseen``, in
                their order; only kind, page, box, needs_ocr and picture are filled in.

        Returns:
            A raster for each; ``None`` for a picture inside a document that cannot
            be decoded, which costs that picture alone.

        Raises:
            DocumentError: A subclass that says what is wrong with the source.
        """
        ...


@runtime_checkable
class Renderer(Protocol):
    """What a loader also is if its documents have pages to look at."""

    def render(self, source: Source, page: int, dpi: int, box: Box = ...) -> Raster:
        """A page, or a part of one, as a reader sees it: rotated and cropped, so that boxes fit.

        Args:
            source: With ``data``.
            page: From 1.
            dpi: Resolution; a picture comes in its own pixels instead.
            box: The part, in fractions of the page; all of it by default. It is drawn
                anew, so that a small part may have a higher resolution than a page can.

        Raises:
            DocumentError: A subclass that says what is wrong with the source, or
                that there is no such page.
        """
        ...


UPLOAD = "upload:"
"""With which the uris of uploaded files begin; their last part is the name of the file."""
MEMBER = "!/"
"""Stands in a uri between an archive and the path of a file in it."""


def label(uri: str) -> str:
    """A short printable name of a source, for messages: its file name, quoted."""
    name = PurePath(uri).name or uri
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in name)
    return f"'{shown[:117]}...'" if len(shown) > 120 else f"'{shown}'"
