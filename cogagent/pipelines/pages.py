"""Pages and regions of stored documents as pixels, and citations drawn on them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from cogagent.documents.pool import ParserPool
from cogagent.errors import NotFoundError
from cogagent.geometry import FULL_PAGE, Box, pad, to_pixels
from cogagent.indexes.store import Store
from cogagent.types import Citation, Element, Evidence, Raster, Source
from cogagent.vision.rereading import dpi_for

if TYPE_CHECKING:
    from PIL.Image import Image

_DPI = 150
_MARGIN = 0.01
"""Of the page, around a cropped cited."""
_SIDE = 2000
"""Pixels of the longer side of a region that is drawn to be read."""
_PAGE_INCHES = 11.0
"""Longer side of a page, about: all that is asked is a resolution that is high enough."""
_LEAST_DPI, _MOST_DPI = 150, 400

_THIN = 800
"""Longer side of a page, in line widths of what is drawn on it."""
_VALUE = (255, 200, 0, 70), (220, 60, 0, 255)
"""Fill and outline of what is cited."""
_LABEL = (80, 160, 255, 60), (0, 90, 200, 255)
"""Likewise of what names it."""
_FOREIGN = ("web:", "tool:")
"""How the ids begin of documents that are not the home's."""


def is_foreign(document: str) -> bool:
    """Whether a document is not the home's: a page of the web, or what a tool brought."""
    return document.startswith(_FOREIGN)


class HasPictures(Protocol):
    """A tool that keeps the pictures that it brought, for a while."""

    def picture(self, document: str) -> Raster:
        """The pixels of one, by its ``document_id``.

        Raises:
            NotFoundError: If it is none of the tool's, or was brought too long ago.
        """
        ...


class PageView:
    """Shows what was ingested.

    Args:
        store: Knows the documents and has their bytes.
        parsers: Render them, in their own processes.
        outside: Tools that have the pixels of what they brought from outside the home.
    """

    def __init__(
        self, store: Store, parsers: ParserPool, outside: Sequence[HasPictures] = ()
    ) -> None:
        self.store = store
        self._parsers = parsers
        self._outside = outside

    def page(self, document: str, page: int, dpi: int = _DPI) -> Raster:
        """One page as a reader sees it; see :meth:`region`."""
        return self.region(document, page, FULL_PAGE, dpi)

    def native(
        self, document: str, page: int, box: Box = FULL_PAGE, print_height: float = 0.0
    ) -> Raster:
        """A rectangle of a page with all that there is to be seen in it; as :meth:`region`.

        A picture has its own pixels; a page is drawn so large that small print is legible.

        Args:
            document: Its id.
            page: From 1.
            box: In fractions of the page.
            print_height: Of its lines, as a part of the page's height; 0 if nobody knows.
        """
        if print_height > 0:
            dpi = dpi_for(print_height * _PAGE_INCHES * 72)
        else:
            side = max(box.width, box.height, 1e-3)
            dpi = int(min(max(_SIDE / (_PAGE_INCHES * side), _LEAST_DPI), _MOST_DPI))
        return self.region(document, page, box, max(dpi, _LEAST_DPI))

    def picture(self, document: str, page: int, box: Box) -> Element | None:
        """A picture of a stored document, with all words that were read in it."""
        return self.store.picture(document, page, box)

    def content(self, document: str) -> str:
        """The hash of a stored document's bytes.

        Raises:
            NotFoundError: If there is no such document.
        """
        return self.store.document(document).content

    def region(self, document: str, page: int, box: Box = FULL_PAGE, dpi: int = _DPI) -> Raster:
        """A rectangle of a page as a reader sees it, at least one pixel.

        Args:
            document: Its id.
            page: From 1.
            box: In fractions of the page.
            dpi: Of a PDF page, drawn anew; a picture comes in its own pixels.

        Raises:
            NotFoundError: If there is no such document or page, or no copy of it.
            DocumentError: If it cannot be shown.
        """
        if is_foreign(document):
            return self._foreign(document).part(box)
        found = self.store.document(document)
        if not 1 <= page <= found.pages:
            raise NotFoundError(f"{found.title!r} has {found.pages} pages, none numbered {page}.")
        source = Source(
            uri=found.uri,
            data=self.store.originals.fetch(found.content),
            media_type=found.media_type,
        )
        return self._parsers.render(source, page, dpi, box)

    def crop(self, cited: Citation | Evidence) -> Image:
        """The cited place at full resolution, with a little around it."""
        from PIL import Image

        box = pad(cited.box, _MARGIN, _MARGIN)
        return Image.fromarray(self.native(cited.document_id, cited.page, box).pixels)

    def draw(self, cited: Citation | Evidence, dpi: int = _DPI) -> Image:
        """The cited page with its rectangles drawn on it: values in red, labels in blue."""
        from PIL import Image

        raster = self.page(cited.document_id, cited.page, dpi)
        boxes = [entry.box for entry in cited.boxes if entry.page == cited.page] or [cited.box]
        parts = cited.parts if isinstance(cited, Citation) else ()
        labels = {part.box for part in parts if part.role != "value" and part.page == cited.page}
        return _marked(Image.fromarray(raster.pixels), boxes, labels)

    def _foreign(self, document: str) -> Raster:
        """A picture that a tool brought."""
        for tool in self._outside:
            try:
                return tool.picture(document)
            except NotFoundError:
                continue
        raise NotFoundError(
            f"{document!r} is not stored here: it was brought by a tool, and no pixels of it "
            "are kept.",
            remedy="Open its address.",
        )


def _marked(page: Image, boxes: Sequence[Box], labels: Collection[Box] = ()) -> Image:
    from PIL import Image, ImageDraw

    layer = Image.new("RGBA", page.size)
    pen = ImageDraw.Draw(layer)
    width = max(2, round(max(page.size) / _THIN))
    for box in boxes:
        left, top, right, bottom = to_pixels(box, page.size)
        fill, outline = _LABEL if box in labels else _VALUE
        pen.rectangle(
            (left - width, top - width, right - 1 + width, bottom - 1 + width),
            fill=fill,
            outline=outline,
            width=width,
        )
    return Image.alpha_composite(page.convert("RGBA"), layer).convert("RGB")
