"""Pages and regions of stored documents as pixels, and citations drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from cogagent.documents.pool import ParserPool
from cogagent.errors import NotFoundError
from cogagent.geometry import FULL_PAGE, Box, pad, to_pixels
from cogagent.indexes.store import Store
from cogagent.types import Citation, Evidence, Raster, Source

if TYPE_CHECKING:
    from PIL.Image import Image

_DPI = 150
_MARGIN = 0.01
"""Of the page, around a cropped cited."""


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
        """One page as a reader sees it.

        Args:
            document: Its id.
            page: From 1.
            dpi: Of a PDF page; a picture comes in its own pixels.

        Raises:
            NotFoundError: If there is no such document or page, or no copy of it.
            DocumentError: If it cannot be shown.
        """
        if is_foreign(document):
            return self._foreign(document)
        found = self.store.document(document)
        if not 1 <= page <= found.pages:
            raise NotFoundError(f"{found.title!r} has {found.pages} pages, none numbered {page}.")
        source = Source(
            uri=found.uri,
            data=self.store.originals.fetch(found.content),
            media_type=found.media_type,
        )
        return self._parsers.render(source, page, dpi)

    def region(self, document: str, page: int, box: Box = FULL_PAGE, dpi: int = _DPI) -> Raster:
        """A rectangle of a page, at least one pixel; raises what :meth:`page` does."""
        raster = self.page(document, page, dpi)
        left, top, right, bottom = to_pixels(box, raster.size)
        return Raster(raster.pixels[top:bottom, left:right])

    def crop(self, cited: Citation | Evidence) -> Image:
        """The cited place on its page, with a little around it."""
        from PIL import Image

        box = pad(cited.box, _MARGIN, _MARGIN)
        return Image.fromarray(self.region(cited.document_id, cited.page, box).pixels)

    def draw(self, cited: Citation | Evidence) -> Image:
        """The cited page with the its rectangles drawn on it."""
        from PIL import Image

        raster = self.page(cited.document_id, cited.page)
        boxes = [entry.box for entry in cited.boxes if entry.page == cited.page] or [cited.box]
        return _marked(Image.fromarray(raster.pixels), boxes)

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


def _marked(page: Image, boxes: Sequence[Box]) -> Image:
    from PIL import Image, ImageDraw

    layer = Image.new("RGBA", page.size)
    pen = ImageDraw.Draw(layer)
    for box in boxes:
        left, top, right, bottom = to_pixels(box, page.size)
        pen.rectangle(
            (left - 2, top - 2, right + 1, bottom + 1),
            fill=(255, 200, 0, 70),
            outline=(220, 60, 0, 255),
            width=2,
        )
    return Image.alpha_composite(page.convert("RGBA"), layer).convert("RGB")
