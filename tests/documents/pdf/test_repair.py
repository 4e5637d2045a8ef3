"""PDFs that pdfium refuses and qpdf mends."""

from __future__ import annotations

import io
import re

import pikepdf
import pytest
from pydantic import SecretStr
from reportlab.pdfgen.canvas import Canvas

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import registry
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.documents.pdf.repair import repaired
from cogagent.errors import CorruptDocumentError, PasswordRequiredError
from cogagent.types import Source

PAGES = 3


def sound() -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(400, 200), invariant=1, pageCompression=0)
    for number in range(1, PAGES + 1):
        canvas.drawString(40, 100, f"This is leaf number {number} of the herbarium.")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def encrypted(password: str) -> bytes:
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(sound())) as document:
        document.save(target, encryption=pikepdf.Encryption(user=password, owner="owner"))
    return target.getvalue()


def load(data: bytes, *passwords: str) -> tuple[int, str]:
    """Pages and text."""
    secrets = tuple(map(SecretStr, passwords))
    loader = PdfLoader(LimitSettings(), ParseSettings(passwords=secrets))
    elements = list(loader.load(Source(uri="/leaves.pdf", data=data)))
    return max(e.page for e in elements), " ".join(e.text for e in elements)


def without_table(data: bytes) -> bytes:
    return data[: data.rindex(b"xref\n", 0, data.rindex(b"startxref"))]


DAMAGE = {
    "no first line": lambda data: data.split(b"\n", 1)[1],
    "much before the first line": lambda data: b"x" * 5000 + b"\n" + data,
    "no table": without_table,
    "no table and no trailer's key": lambda data: without_table(data).replace(b"trailer", b""),
    "wrong places": lambda data: re.sub(rb"\d{10} 00000 n", b"0000000042 00000 n", data),
    "wrong start": lambda data: re.sub(rb"startxref\n\d+", b"startxref\n7", data),
    "no line breaks in the table": lambda data: data.replace(b" n \n", b" n"),
    "wrong lengths": lambda data: re.sub(rb"/Length \d+", b"/Length 3", data),
    "mended twice": lambda data: without_table(data) + b"\n99 0 obj <</Type/Nothing>>\nendobj",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_can_be_mended_is_read(damage: object) -> None:
    pages, text = load(damage(sound()))
    assert pages == PAGES
    for number in range(1, PAGES + 1):
        assert f"This is leaf number {number} of the herbarium." in text


def test_a_file_without_its_first_line_is_told_by_its_name() -> None:
    data = DAMAGE["no first line"](sound())
    assert registry.detect(data, "leaves.pdf") == "application/pdf"
    assert registry.detect(b"1 0 obj\n" + data, "leaves.txt") != "application/pdf"
    assert registry.detect(b"Point 1 0 objects to nothing.", "leaves.pdf") == "text/plain"


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7\n", b"%PDF-1.7\n1 0 obj <<>> endobj", b"%PDF-1.4\n" + bytes(5000)]
)
def test_what_cannot_is_refused_as_before(data: bytes) -> None:
    assert repaired(data, []) is None
    with pytest.raises(CorruptDocumentError, match=r"cannot be opened|no pages"):
        load(data)


def test_a_broken_file_with_a_password() -> None:
    data = re.sub(rb"startxref\n\d+", b"startxref\n7", encrypted("leaf"))
    assert load(data, "wrong", "leaf")[0] == PAGES
    with pytest.raises(PasswordRequiredError):
        load(data, "wrong")
    with pytest.raises(PasswordRequiredError):
        load(encrypted("leaf"))


def test_pages_of_a_mended_file_can_be_shown() -> None:
    loader = PdfLoader(LimitSettings(), ParseSettings())
    source = Source(uri="/leaves.pdf", data=DAMAGE["no first line"](sound()))
    raster = loader.render(source, 2, 72)
    assert raster.size == (400, 200)
    assert raster.pixels.min() < 100
