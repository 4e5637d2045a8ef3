"""Letters by their names and numbers: what a page says whose font is odd."""

from __future__ import annotations

import io

import pikepdf
import pytest
from pikepdf import Dictionary, Name, Stream

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.types import Element, Source


def load(names: list[str], content: bytes, **parse: bool) -> list[Element]:
    """The elements of a page whose font's letters 1, 2, 3 have these names."""
    font = Dictionary(
        Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Symbol,
        Encoding=Dictionary(Differences=[1, *(Name("/" + name) for name in names)]),
    )  # fmt: skip
    file = pikepdf.new()
    file.add_blank_page(page_size=(4000, 100))
    page = file.pages[0].obj
    page.Resources = Dictionary(Font=Dictionary(F1=font))
    page.Contents = Stream(file, b"BT /F1 20 Tf 40 50 Td (" + content + b") Tj ET")
    target = io.BytesIO()
    file.save(target)
    loader = PdfLoader(LimitSettings(), ParseSettings(**parse))
    return list(loader.load(Source(uri="/letters.pdf", data=target.getvalue())))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["Hsmall", "Esmall", "Rsmall", "Osmall", "Nsmall"], "heron"),
        (["oneoldstyle", "nineoldstyle", "threeoldstyle", "zerooldstyle"], "1930"),
        (["Eacutesmall", "Tsmall", "Eacutesmall"], "\u00e9t\u00e9"),
        (["bracelefttp", "braceleftmid", "braceleftbt"], "\u23a7\u23a8\u23a9"),
        (
            ["parenrighttp", "parenrightbt", "bracketrighttp", "bracerightbt"],
            "\u239e\u23a0\u23a4\u23ad",
        ),
        (["trademarksans", "integralex"], "\u2122\u23ae"),
    ],
)
def test_variants_in_private_use_are_plain_letters(names: list[str], text: str) -> None:
    page, element = load(names, bytes(range(1, len(names) + 1)))
    assert not page.needs_ocr
    assert element.text == text


def test_letters_that_are_only_numbers_are_read_from_the_pixels() -> None:
    (page,) = load(["g1", "g2", "g3"], b"\x01\x02\x03\x01")
    assert page.needs_ocr
    assert page.unseen


def test_a_doubtful_text_is_kept_where_it_is_short_or_all_there_is() -> None:
    names = [f"g{number}" for number in range(1, 91)]
    letters = bytes(range(0x41, 0x5B))
    for content, ocr, kept in (
        (letters, True, letters),
        (letters * 4, True, b""),
        (letters * 4, False, letters * 4),
    ):
        page, *rest = load(names, content, ocr=ocr)
        assert page.needs_ocr
        assert "".join(element.text for element in rest) == kept.decode()
