"""PDF text: words where they stand, reading order, broken and encrypted files."""

from __future__ import annotations

import io
import itertools
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.documents.pdf.text import normalise
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    PasswordRequiredError,
)
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

WIDTH, HEIGHT = 612.0, 792.0
FONT, SIZE = "Helvetica", 10.0


def make(draw: Callable[[Canvas], None], **keywords: object) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(WIDTH, HEIGHT), pageCompression=0, **keywords)
    canvas.setFont(FONT, SIZE)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def load(data: bytes, **parse: object) -> list[Element]:
    source = Source(uri="test.pdf", data=data)
    return list(PdfLoader(LimitSettings(), ParseSettings(**parse)).load(source))


def texts(elements: list[Element]) -> list[str]:
    return [element.text for element in elements if element.kind == "text"]


def word_box(elements: list[Element], word: str) -> np.ndarray:
    for element in elements:
        at = element.text.find(word)
        if at >= 0 and element.words is not None:
            return element.words.slice(at, at + len(word)).boxes
    raise AssertionError(f"{word} was not found")


def flow(canvas: Canvas, x: float, y: float, lines: list[str], leading: float = 12.0) -> None:
    for number, line in enumerate(lines):
        canvas.drawString(x, y - number * leading, line)


def test_words_stand_where_they_were_drawn() -> None:
    elements = load(make(lambda c: c.drawString(100, 700, "Alpha beta, gamma.")))
    assert [e.kind for e in elements] == ["page", "text"]
    assert elements[0].size == pytest.approx((WIDTH, HEIGHT), abs=0.01)
    text, words = elements[1].text, elements[1].words
    assert text == "Alpha beta, gamma."
    assert words is not None
    assert [text[a:b] for a, b in words.spans.tolist()] == ["Alpha", "beta,", "gamma."]
    x = 100 + stringWidth("Alpha ", FONT, SIZE)
    left, top, right, bottom = words.boxes[1].tolist()
    assert left * WIDTH == pytest.approx(x, abs=0.6)
    assert right * WIDTH == pytest.approx(x + stringWidth("beta,", FONT, SIZE), abs=0.6)
    assert top * HEIGHT < HEIGHT - 700 - 0.5 * SIZE
    assert HEIGHT - 700 < bottom * HEIGHT < HEIGHT - 700 + 0.4 * SIZE


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        (0, (0.25, 0.25)),
        (90, (0.75, 0.25)),
        (180, (0.75, 0.75)),
        (270, (0.25, 0.75)),
    ],
)
def test_rotation_is_honoured(rotation: int, expected: tuple[float, float]) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(rotation)
        # reportlab turns the media box along, so that the page is shown upright again.
        width, height = (WIDTH, HEIGHT) if rotation % 180 == 0 else (HEIGHT, WIDTH)
        canvas.drawCentredString(0.25 * width, 0.75 * height - 3, "Marker")

    elements = load(make(draw))
    assert elements[0].size == pytest.approx((WIDTH, HEIGHT), abs=0.01)
    x0, y0, x1, y1 = word_box(elements, "Marker")[0].tolist()
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(expected, abs=0.01)


def test_crop_box_is_the_page_and_hides_what_is_outside() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setCropBox((100, 200, 500, 700))
        canvas.drawCentredString(300, 450 - 3, "Middle")
        canvas.drawString(20, 50, "Outside")

    elements = load(make(draw))
    assert elements[0].size == pytest.approx((400, 500), abs=0.01)
    assert texts(elements) == ["Middle"]
    x0, y0, x1, y1 = word_box(elements, "Middle")[0].tolist()
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((0.5, 0.5), abs=0.01)


def test_text_running_upwards_is_read() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(200, 700, "Upright text of the page.")
        canvas.saveState()
        canvas.translate(50, 300)
        canvas.rotate(90)
        canvas.drawString(0, 0, "Running upwards here")
        canvas.restoreState()

    elements = load(make(draw))
    assert texts(elements) == ["Upright text of the page.", "Running upwards here"]
    _, y0, x1, y1 = word_box(elements, "Running")[0].tolist()
    assert x1 * WIDTH == pytest.approx(52, abs=2)
    assert y1 * HEIGHT == pytest.approx(HEIGHT - 300, abs=2)
    assert (y1 - y0) * HEIGHT == pytest.approx(stringWidth("Running", FONT, SIZE), abs=2)


LEFT = [
    "The left column begins with a line that is",
    "followed by others, of which each is as wide",
    "as the column, until the paragraph comes to",
    "an end in the middle of the column.",
]
RIGHT = [
    "The right column speaks of other things and",
    "is read after the left one, never line by line",
    "across the gutter, though both columns stand",
    "on the very same base lines of the page.",
]


@pytest.mark.parametrize("interleaved", [False, True])
def test_columns_are_read_one_after_the_other(*, interleaved: bool) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawCentredString(WIDTH / 2, 740, "A Title Over Both Of The Columns Of This Page")
        canvas.setFont(FONT, SIZE)
        if interleaved:
            for number, (left, right) in enumerate(zip(LEFT, RIGHT, strict=True)):
                canvas.drawString(72, 700 - 12 * number, left)
                canvas.drawString(320, 700 - 12 * number, right)
        else:
            flow(canvas, 72, 700, LEFT)
            flow(canvas, 320, 700, RIGHT)
        canvas.drawCentredString(WIDTH / 2, 30, "17")

    found = texts(load(make(draw)))
    assert found == [
        "A Title Over Both Of The Columns Of This Page",
        " ".join(LEFT),
        " ".join(RIGHT),
        "17",
    ]


def test_a_paragraph_over_two_columns_is_one() -> None:
    left = [*LEFT[:3], "nothing but a comma in the middle of it,"]
    right = ["and goes on at the top of the second column", *RIGHT[1:]]

    def draw(canvas: Canvas) -> None:
        flow(canvas, 72, 700, left)
        flow(canvas, 320, 724, right)

    assert texts(load(make(draw))) == [" ".join(left + right)]


def test_paragraphs_end_at_gaps_and_indents() -> None:
    def draw(canvas: Canvas) -> None:
        flow(canvas, 72, 700, LEFT)
        flow(canvas, 72, 630, RIGHT)
        canvas.drawString(90, 582, "An indented line opens the third paragraph, and it")
        canvas.drawString(72, 570, "returns to the margin on its second line of text.")

    found = texts(load(make(draw)))
    assert [text.split()[0] for text in found] == ["The", "The", "An"]


def test_headings_have_levels() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 20)
        canvas.drawString(72, 720, "Annual Report")
        canvas.setFont("Helvetica-Bold", 10)
        canvas.drawString(72, 690, "1. Overview of the year")
        canvas.setFont(FONT, SIZE)
        flow(canvas, 72, 670, LEFT * 3)

    levels = [(e.text, e.level) for e in load(make(draw)) if e.kind == "text"][:3]
    assert [level for _, level in levels] == [1, 3, None]


def test_hyphenated_words_are_joined_and_keep_both_boxes() -> None:
    def draw(canvas: Canvas) -> None:
        flow(
            canvas,
            72,
            700,
            ["A line that ends in the middle of a trans-", "former model, and on."],
        )

    elements = load(make(draw))
    assert texts(elements) == ["A line that ends in the middle of a transformer model, and on."]
    words = elements[1].words
    assert words is not None
    at = elements[1].text.index("transformer")
    found = words.slice(at, at + len("transformer"))
    assert found.spans.tolist() == [[0, 5], [5, 11]]
    assert found.boxes[1, 1] > found.boxes[0, 3] - 0.002
    assert len(words.lines(at, at + 11)) == 2


def test_hyphens_of_compounds_stay() -> None:
    def draw(canvas: Canvas) -> None:
        flow(
            canvas, 72, 700,
            ["Here well-known is written out in one line of", "the text, and later it is a well-",
             "known thing that a state-of-the-", "art system has to know."],
        )  # fmt: skip

    (text,) = texts(load(make(draw)))
    assert "a well-known thing" in text
    assert "state-of-the-art system" in text


def test_raised_marks_stay_on_their_word() -> None:
    def draw(canvas: Canvas) -> None:
        text = canvas.beginText(72, 700)
        text.setFont(FONT, SIZE)
        text.textOut("A claim with a note")
        text.setFont(FONT, 6)
        text.setRise(4)
        text.textOut("1")
        text.setFont(FONT, SIZE)
        text.setRise(0)
        text.textOut(" goes on.")
        canvas.drawText(text)

    elements = load(make(draw))
    assert texts(elements) == ["A claim with a note1 goes on."]
    assert elements[1].words is not None
    assert len(elements[1].words.lines(0, 29)) == 1


def test_compatibility_characters_are_folded_and_superscripts_stay() -> None:
    found = normalise("\ufb01ve \u00b5g at \u2126, \uff26ull, 10\u00b2 and \u00bd")
    assert found == "five \u03bcg at \u03a9, Full, 10\u00b2 and \u00bd"
    elements = load(make(lambda c: c.drawString(72, 700, "Phosphorus: 8.6 \u00b5g/L")))
    assert texts(elements) == ["Phosphorus: 8.6 \u03bcg/L"]


def test_every_page_opens_with_a_page_element_and_order_rises() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setTitle("A  title\nof two lines")
        for number in range(3):
            canvas.setFont(FONT, SIZE)
            canvas.drawString(72, 700, f"Text of page number {number + 1}.")
            canvas.showPage()

    elements = load(make(draw))
    pages = [e for e in elements if e.kind == "page"]
    assert [e.page for e in pages] == [1, 2, 3]
    assert [e.order for e in elements] == list(range(len(elements)))
    assert [e.caption for e in pages] == ["A title of two lines", "", ""]


@pytest.mark.parametrize(
    ("title", "told"), [("0001564590-19-004807", ""), ("10-K 2019", "10-K 2019"), ("年報", "年報")]
)
def test_a_number_alone_is_no_title(title: str, told: str) -> None:
    elements = load(make(lambda canvas: canvas.setTitle(title)))
    assert elements[0].caption == told


# --- files that are not as they should be ---------------------------------------


def encrypted() -> bytes:
    return make(
        lambda c: c.drawString(72, 700, "Secret words."),
        encrypt=StandardEncryption("sesame", strength=128),
    )


def test_encrypted_without_password_names_the_setting() -> None:
    with pytest.raises(PasswordRequiredError, match="COGAGENT_PARSE__PASSWORDS") as caught:
        load(encrypted())
    assert "parse.passwords" in caught.value.remedy
    with pytest.raises(PasswordRequiredError):
        load(encrypted(), passwords=(SecretStr("wrong"), SecretStr("wrong too")))


def test_encrypted_opens_with_one_of_the_passwords() -> None:
    elements = load(encrypted(), passwords=(SecretStr("wrong"), SecretStr("sesame")))
    assert texts(elements) == ["Secret words."]


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"not a pdf at all" * 50, bytes(4096)])
def test_what_is_no_pdf_is_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptDocumentError):
        load(data)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_truncated_files_load_or_are_typed(share: float) -> None:
    data = make(lambda c: flow(c, 72, 700, LEFT))
    try:
        elements = load(data[: int(share * len(data))])
    except DocumentError:
        return
    assert elements[0].kind == "page"


def test_no_pages_is_typed() -> None:
    data = make(lambda c: c.drawString(72, 700, "x"))
    empty = re.sub(
        rb"/Count 1 /Kids \[ \d+ 0 R \]",
        lambda found: b"/Count 0 /Kids [ ]".ljust(len(found[0])),
        data,
    )
    assert empty != data
    with pytest.raises(CorruptDocumentError):
        load(empty)


def test_too_many_pages_is_typed() -> None:
    def draw(canvas: Canvas) -> None:
        for _ in range(4):
            canvas.drawString(72, 700, "x")
            canvas.showPage()

    loader = PdfLoader(LimitSettings(pages=3), ParseSettings())
    with pytest.raises(LimitExceededError, match="COGAGENT_LIMITS__PAGES"):
        list(loader.load(Source(uri="test.pdf", data=make(draw))))


def test_a_bad_page_does_not_cost_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(3):
            canvas.drawString(72, 700, f"Page {number + 1} is here.")
            canvas.showPage()

    data = make(draw)
    read = __import__("cogagent.documents.pdf.page", fromlist=["x"]).PageReader.read

    def failing(self: object, page: object, number: int) -> list[Element]:
        if number == 2:
            raise ValueError("no sense can be made of it")
        return read(self, page, number)

    monkeypatch.setattr("cogagent.documents.pdf.page.PageReader.read", failing)
    elements = load(data)
    assert [e.page for e in elements if e.kind == "page"] == [1, 2, 3]
    assert texts(elements) == ["Page 1 is here.", "Page 3 is here."]
    assert "test.pdf: page 2 cannot be read" in caplog.text


def test_no_readable_page_is_corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: object, page: object, number: int) -> list[Element]:
        raise ValueError("no sense can be made of it")

    monkeypatch.setattr("cogagent.documents.pdf.page.PageReader.read", failing)
    with pytest.raises(CorruptDocumentError):
        load(make(lambda c: c.drawString(72, 700, "x")))


# --- properties -----------------------------------------------------------------

LINE = st.text(st.sampled_from("abcXYZ019 .,;:-()$%&éß€—"), max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 560), st.integers(0, 780), LINE), max_size=12))
def test_spans_and_boxes_hold_for_any_page(lines: list[tuple[int, int, str]]) -> None:
    def draw(canvas: Canvas) -> None:
        for x, y, line in lines:
            canvas.drawString(x, y, line)

    for element in load(make(draw)):
        if element.words is None:
            continue
        spans, boxes = element.words.spans.tolist(), element.words.boxes
        assert ((boxes >= 0) & (boxes <= 1)).all()
        assert (boxes[:, :2] <= boxes[:, 2:]).all()
        assert all(a <= b for (_, a), (b, _) in itertools.pairwise(spans))
        for start, end in spans:
            word = element.text[start:end]
            assert word
            assert not re.search(r"\s", word)
        covered = "".join(element.text[a:b] for a, b in spans)
        assert covered == re.sub(r"[\s|]", "", element.text)


def test_filled_in_forms_are_read() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Name of the applicant:")
        canvas.acroForm.textfield(
            name="name", value="Ada Lovelace", x=72, y=660, width=200, height=20, fontSize=10
        )

    assert "Ada Lovelace" in texts(load(make(draw)))
