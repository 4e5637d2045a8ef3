"""PDF files: text with word boxes, tables, figures, pictures and scanned pages."""

from __future__ import annotations

import contextlib
import logging
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pypdfium2 as pdfium

from cogagent.documents.pdf.frame import UNREADABLE, open_page, page_frame
from cogagent.documents.pdf.page import PageReader
from cogagent.documents.pdf.repair import repaired
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    PasswordRequiredError,
)
from cogagent.geometry import FULL_PAGE, Box
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogagent.config import LimitSettings, ParseSettings

_log = logging.getLogger(__name__)
_FALLBACK_SIZE = (612.0, 792.0)


def _title(document: Any) -> str:
    """The title that the PDF gives itself, on one line; a number alone is none.

    Those who file with authorities put the number of the filing there.
    """
    with contextlib.suppress(pdfium.PdfiumError, UnicodeError):
        text = str(document.get_metadata_value("Title"))
        printable = "".join(c if c.isprintable() else " " for c in text)
        if any(map(str.isalpha, printable)):
            return " ".join(printable.split())[:300]
    return ""


class PdfLoader:
    """Loads PDF files through pdfium.

    Args:
        limits: Pages and pixels that one file may cost.
        parse: Passwords and resolutions.
    """

    media_types: tuple[str, ...] = ("application/pdf",)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        self.limits = limits
        self.parse = parse

    def load(self, source: Source) -> Iterator[Element]:
        """The elements of a PDF, page by page.

        A page that cannot be read yields its ``page`` element alone, and a warning is logged.
        Running heads and page numbers are left out.

        Raises:
            PasswordRequiredError: It is encrypted and no configured password fits.
            CorruptDocumentError: It is no PDF, has no pages, or no page can be read.
            LimitExceededError: It has more pages than allowed.
        """
        document = self._open(source)
        try:
            pages = len(document)
            if pages > self.limits.pages:
                raise LimitExceededError(
                    f"the PDF has {pages} pages, and {self.limits.pages} are allowed.",
                    uri=source.uri,
                    remedy="Raise limits.pages (COGAGENT_LIMITS__PAGES).",
                )
            yield from self._pages(document, pages, source.uri)
        finally:
            document.close()

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """Scanned pages at ``parse.ocr_dpi``, pictures and figures at ``parse.picture_dpi``.

        Raises:
            PasswordRequiredError: It is encrypted and no configured password fits.
            CorruptDocumentError: It is no PDF.
        """
        document = self._open(source)
        try:
            reader = PageReader(self.limits, self.parse)
            for number, group in groupby(elements, key=attrgetter("page")):
                wanted = list(group)
                try:
                    with contextlib.closing(open_page(document, number - 1)) as page:
                        yield from reader.pixels(page.shown, wanted)
                except UNREADABLE as error:
                    _log.warning("%s: page %d cannot be shown: %s", source.uri, number, error)
                    yield from [None] * len(wanted)
        finally:
            document.close()

    def render(self, source: Source, page: int, dpi: int, box: Box = FULL_PAGE) -> Raster:
        """A page, or a part of it, as a reader sees it.

        It has ``dpi``, or as many as ``limits.pixels`` allows.

        Raises:
            PasswordRequiredError: It is encrypted and no configured password fits.
            CorruptDocumentError: It is no PDF, or has no such page.
        """
        document = self._open(source)
        try:
            with contextlib.closing(open_page(document, page - 1)) as opened:
                reader = PageReader(self.limits, self.parse)
                return reader.render(opened.shown, page_frame(opened.shown), dpi, box)
        except (pdfium.PdfiumError, ValueError, IndexError) as error:
            raise CorruptDocumentError(
                f"page {page} of the PDF cannot be shown: {error}.", uri=source.uri
            ) from error
        finally:
            document.close()

    def _pages(self, document: Any, pages: int, uri: str) -> Iterator[Element]:
        reader = PageReader(self.limits, self.parse)
        reader.look_ahead(document, pages)
        order = failed = 0
        for number in range(1, pages + 1):
            try:
                with contextlib.closing(open_page(document, number - 1)) as page:
                    elements = reader.read(page, number)
            except UNREADABLE as error:
                # One page that pdfium or the layout cannot make sense of costs that page.
                failed += 1
                _log.warning("%s: page %d cannot be read: %s", uri, number, error)
                elements = [Element(kind="page", page=number, size=_FALLBACK_SIZE)]
                if failed == pages:
                    raise CorruptDocumentError(
                        "no page of the PDF can be read.", uri=uri
                    ) from None
            if number == 1:
                title = _title(document)
                elements[0] = elements[0].model_copy(update={"caption": title})
            for element in elements:
                yield element.model_copy(update={"order": order})
                order += 1

    def _open(self, source: Source) -> Any:
        """The document with its forms, as it is or repaired; it has at least one page."""
        data = source.data or b""
        secrets = [secret.get_secret_value() for secret in self.parse.passwords]
        try:
            document = _opened(data, secrets, source.uri)
        except DocumentError:
            document = _mended(data, secrets, source.uri)
            if document is None:
                raise
        with contextlib.suppress(pdfium.PdfiumError):  # then its fields have no values
            document.init_forms()
        return document


def _mended(data: bytes, secrets: Sequence[str], uri: str) -> Any | None:
    """The document repaired, ``None`` if it cannot be."""
    mended = repaired(data, secrets)
    if mended is None:
        return None
    with contextlib.suppress(DocumentError):
        document = _opened(mended, [], uri)
        _log.info("%s was repaired", uri)
        return document
    return None


def _opened(data: bytes, secrets: Sequence[str], uri: str) -> Any:
    """The document as pdfium opens it, with the first password that fits."""
    for password in [None, *secrets]:
        try:
            document = pdfium.PdfDocument(data, password=password)
        except pdfium.PdfiumError as error:
            if getattr(error, "err_code", None) == pdfium.raw.FPDF_ERR_PASSWORD:
                continue
            raise _broken(error, uri) from error
        if len(document):
            return document
        document.close()
        raise CorruptDocumentError("the PDF has no pages.", uri=uri)
    tried = f"none of the {len(secrets)} configured passwords" if secrets else "no password"
    raise PasswordRequiredError(
        f"the PDF is encrypted and {tried} opens it.",
        uri=uri,
        remedy="Add its password to parse.passwords (COGAGENT_PARSE__PASSWORDS).",
    )


def _broken(error: Exception, uri: str) -> DocumentError:
    """What an error of pdfium on opening a file comes to."""
    code = getattr(error, "err_code", None)
    if code == pdfium.raw.FPDF_ERR_SECURITY:
        return PasswordRequiredError(
            "the PDF is encrypted in a way that pdfium does not support.",
            uri=uri,
            remedy="Save it without encryption.",
        )
    if code == pdfium.raw.FPDF_ERR_SUCCESS:
        return CorruptDocumentError("the PDF has no pages.", uri=uri)
    return CorruptDocumentError(f"the PDF cannot be opened: {error}", uri=uri)
