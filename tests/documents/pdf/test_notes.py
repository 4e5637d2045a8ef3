"""Annotations: what they draw, what they say, and where."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, Stream, String

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.types import Element, Source

SHIFTED = Dictionary(  # shows and means the letter after the one that the file holds
    Type=Name.Font,
    Subtype=Name.Type1,
    BaseFont=Name.Helvetica,
    FirstChar=65,
    LastChar=71,
    Widths=[700] * 7,
    Encoding=Dictionary(
        Differences=[65, *(Name("/" + letter) for letter in "BCDEFGH")],
    ),
)
PLAIN = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)


def document(notes: Iterable[Dictionary], *, form: bool = False) -> bytes:
    """A page of 400 x 300 points whose fonts stand in the tree of pages, as many writers do."""
    file = pikepdf.new()
    file.add_blank_page(page_size=(400, 300))
    page = file.pages[0]
    content = b"BT /F1 20 Tf 40 250 Td (AFAD) Tj ET"
    page.obj.Contents = Stream(file, content)
    del page.obj.Resources
    file.Root.Pages.Resources = Dictionary(Font=Dictionary(F1=SHIFTED))
    made = [file.make_indirect(note) for note in notes]
    for note in made:
        if "/Look" in note:
            text = str(note.Look)
            del note["/Look"]
            look = Stream(file, f"BT /H 12 Tf 2 4 Td ({text}) Tj ET".encode())
            look.Type, look.Subtype = Name.XObject, Name.Form
            look.BBox = Array([0, 0, 200, 20])
            look.Resources = Dictionary(Font=Dictionary(H=PLAIN))
            note.AP = Dictionary(N=look)
    page.obj.Annots = Array(made)
    if form:
        fields = [note for note in made if note.Subtype == Name.Widget]
        file.Root.AcroForm = Dictionary(Fields=Array(fields))
    target = io.BytesIO()
    file.save(target)
    return target.getvalue()


def note(kind: str, place: tuple[int, int, int, int] = (40, 100, 240, 120), **more: object):
    return Dictionary(Type=Name.Annot, Subtype=Name("/" + kind), Rect=Array(place), F=4, **more)


def load(data: bytes) -> list[Element]:
    loader = PdfLoader(LimitSettings(), ParseSettings())
    return list(loader.load(Source(uri="/form.pdf", data=data)))


def texts(data: bytes) -> list[str]:
    return [element.text for element in load(data) if element.kind == "text"]


def test_drawing_annotations_leaves_the_page_its_fonts() -> None:
    assert texts(document([])) == ["BGBE"]
    typed = note("FreeText", Contents=String("typed onto it"), Look="typed onto it")
    assert texts(document([typed])) == ["BGBE", "typed onto it"]


def test_a_comment_is_read_where_it_hangs() -> None:
    comment = note("Text", (200, 150, 220, 165), Contents=String("Ask the\rkeeper, please"))
    page, shown, found = load(document([comment]))
    assert (page.kind, shown.text) == ("page", "BGBE")
    assert found.text == "Ask the\nkeeper, please"
    assert found.page == 1
    assert found.box == pytest.approx((200 / 400, 135 / 300, 220 / 400, 150 / 300), abs=1e-3)
    assert found.words is not None
    assert [found.text[start:end] for start, end in found.words.spans.tolist()] == [
        "Ask", "the", "keeper,", "please",
    ]  # fmt: skip
    assert [line.box for line in found.words.lines(0, len(found.text))] == [
        pytest.approx(found.box, abs=1e-5)
    ]


@pytest.mark.parametrize("kind", ["Highlight", "StrikeOut", "Stamp", "Ink", "Square", "Caret"])
def test_every_kind_of_comment(kind: str) -> None:
    assert texts(document([note(kind, Contents=String("Not so"))])) == ["BGBE", "Not so"]


def test_what_is_hidden_or_no_comment_is_left_out() -> None:
    hidden = note("Text", Contents=String("nobody sees this"))
    hidden.F = 2
    link = note("Link", Contents=String("where it leads"))
    popup = note("Popup", Contents=String("the same again"))
    assert texts(document([hidden, link, popup])) == ["BGBE"]


def test_values_of_fields() -> None:
    shown = note("Widget", FT=Name.Tx, T=String("a"), V=String("Herons"), Look="Herons")
    bare = note("Widget", (40, 60, 240, 80), FT=Name.Tx, T=String("b"), V=String("seventeen"))
    chosen = note(
        "Widget", (40, 30, 240, 50), FT=Name.Ch, Ff=1 << 17, T=String("c"), V=String("grey"),
        Opt=Array([String("grey"), String("white")]),
    )  # fmt: skip
    secret = note("Widget", (40, 10, 240, 20), FT=Name.Tx, Ff=1 << 13, T=String("d"))
    secret.V = String("open sesame")
    box = note("Widget", (300, 10, 310, 20), FT=Name.Btn, T=String("e"), V=Name.Off)
    found = texts(document([shown, bare, chosen, secret, box], form=True))
    assert found[:2] == ["BGBE", "Herons"]
    # Fields without a look are given one, and a password the look of a password.
    assert set(found[2:]) == {"seventeen", "grey", "*" * 11}


def test_an_annotation_without_a_place_does_no_harm() -> None:
    odd = Dictionary(Type=Name.Annot, Subtype=Name.Text, Contents=String("lost"))
    assert texts(document([odd]))[0] == "BGBE"
    wild = note("Text", Contents=String("far out"))
    wild.Rect = Array([-1e30, 5, "x", 1e30])
    assert texts(document([wild]))[0] == "BGBE"
