from __future__ import annotations

import io
import zipfile
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pptx import Presentation
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.oxml import parse_xml
from pptx.oxml.ns import nsdecls
from pptx.util import Emu, Inches, Pt

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import registry
from cogagent.documents.base import Pictured, Renderer
from cogagent.documents.office import libreoffice
from cogagent.documents.office.kinds import PPTX
from cogagent.documents.office.pptx import PptxLoader
from cogagent.documents.office.slides import _group_matrix, _Reader, reading_order
from cogagent.errors import CorruptDocumentError, LimitExceededError, UnsupportedFormatError
from cogagent.geometry import FULL_PAGE, make_box
from cogagent.testing.contracts import LoaderContract
from cogagent.types import Source

ALONE = ParseSettings(office=False)
needs_office = pytest.mark.skipif(
    libreoffice.program() is None, reason="LibreOffice is not installed"
)
TITLE_ONLY, BLANK = 5, 6


def saved(presentation) -> bytes:
    file = io.BytesIO()
    presentation.save(file)
    return file.getvalue()


def source_of(data: bytes) -> Source:
    return Source(uri="/files/a.pptx", data=data, media_type=PPTX)


def load(data, parse=ALONE, **limits):
    data = data if isinstance(data, bytes) else saved(data)
    return list(registry.load(source_of(data), PPTX, LimitSettings(**limits), parse))


def one_slide(layout=BLANK):
    presentation = Presentation()
    return presentation, presentation.slides.add_slide(presentation.slide_layouts[layout])


def box_of(inches: tuple[float, float, float, float], size=(10.0, 7.5)):
    left, top, width, height = inches
    return make_box(
        left / size[0], top / size[1], (left + width) / size[0], (top + height) / size[1]
    )


def add_text(slide, text, left, top, width=2.0, height=0.6):
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(height))
    box.text_frame.word_wrap = True
    box.text_frame.text = text
    return box


def picture(colour=(200, 10, 10), size=(60, 40)) -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    file.seek(0)
    return file


@cache
def deck() -> bytes:
    presentation = Presentation()
    for number in range(3):
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = f"Slide number {number}"
        slide.placeholders[1].text = f"First point of {number}\nSecond point of {number}"
    presentation.slides[1].notes_slide.notes_text_frame.text = "Breathe.\nThen speak."
    return saved(presentation)


class TestAlone(LoaderContract):
    """Without LibreOffice."""

    @pytest.fixture
    def loader(self):
        return PptxLoader(LimitSettings(), ALONE)

    @pytest.fixture
    def source(self):
        return source_of(deck())


@needs_office
class TestDrawn(LoaderContract):
    """With LibreOffice."""

    @pytest.fixture
    def loader(self):
        return PptxLoader(LimitSettings(), ParseSettings())

    @pytest.fixture
    def source(self):
        return source_of(deck())


def test_it_has_pictures_and_pages():
    loader = PptxLoader(LimitSettings(), ALONE)
    assert isinstance(loader, Pictured)
    assert isinstance(loader, Renderer)


def test_slides_are_pages_with_titles_texts_and_notes():
    elements = load(deck())
    assert [(element.page, element.kind, element.level, element.text) for element in elements] == [
        (1, "page", None, ""), (1, "text", 1, "Slide number 0"),
        (1, "text", None, "First point of 0"), (1, "text", None, "Second point of 0"),
        (2, "page", None, ""), (2, "text", 1, "Slide number 1"),
        (2, "text", None, "First point of 1"), (2, "text", None, "Second point of 1"),
        (2, "text", 2, "Speaker notes"), (2, "text", None, "Breathe."),
        (2, "text", None, "Then speak."),
        (3, "page", None, ""), (3, "text", 1, "Slide number 2"),
        (3, "text", None, "First point of 2"), (3, "text", None, "Second point of 2"),
    ]  # fmt: skip
    assert [element.size for element in elements if element.kind == "page"] == [(720.0, 540.0)] * 3
    assert elements[0].caption == "Slide number 0"
    notes = [element for element in elements if element.text == "Breathe."]
    assert notes[0].box == FULL_PAGE
    assert notes[0].words is None


def test_the_title_is_the_presentations_own():
    presentation = Presentation(io.BytesIO(deck()))
    presentation.core_properties.title = "Its own\ttitle"
    assert load(presentation)[0].caption == "Its own title"


def test_a_text_stands_where_its_shape_is():
    presentation, slide = one_slide()
    add_text(slide, "Here it is", 1.0, 2.0, 3.0, 0.5)
    (_, element) = load(presentation)
    assert element.box == pytest.approx(box_of((1.0, 2.0, 3.0, 0.5)), abs=1e-5)
    assert element.words.lines(0, 4) == element.words.lines(5, 10)
    (place,) = element.words.lines(0, 10)
    assert (place.page, place.box) == (1, pytest.approx(element.box, abs=1e-5))


def test_a_placeholder_inherits_its_place():
    presentation, slide = one_slide(1)
    slide.shapes.title.text = "Inherited"
    layout = slide.slide_layout.placeholders[0]
    (_, element) = load(presentation)
    wanted = [layout.left, layout.top, layout.width, layout.height]
    assert element.box == pytest.approx(box_of([side / 914_400 for side in wanted]), abs=1e-5)


def test_turned_shapes_and_groups():
    presentation, slide = one_slide()
    add_text(slide, "Turned", 3.0, 3.0, 4.0, 1.0).rotation = 90
    group = slide.shapes.add_group_shape()
    box = group.shapes.add_textbox(Inches(1), Inches(1), Inches(2), Inches(1))
    box.text_frame.text = "In a group"
    # The group is shown at half the size, elsewhere.
    group.left, group.top, group.width, group.height = map(Inches, (5.0, 0.5, 1.0, 0.5))
    _, *elements = load(presentation)
    found = {element.text: element.box for element in elements}
    assert found["Turned"] == pytest.approx(box_of((4.5, 1.5, 1.0, 4.0)), abs=1e-5)
    assert found["In a group"] == pytest.approx(box_of((5.0, 0.5, 1.0, 0.5)), abs=1e-5)
    group.rotation = 90.0
    found = {element.text: element.box for element in load(presentation)}
    assert found["In a group"] == pytest.approx(box_of((5.25, 0.25, 0.5, 1.0)), abs=1e-5)


SIDES = st.integers(1, 2_000_000)


@given(SIDES, SIDES, SIDES, SIDES, st.floats(-720, 720), st.floats(0.1, 3))
def test_turning_keeps_the_middle_and_a_group_its_scale(left, top, width, height, turn, scale):
    size = (20_000_000, 20_000_000)
    reader = _Reader(None, size)
    placed = (left + 5_000_000, top + 5_000_000, width, height)
    plain, turned = (reader._box(placed, angle, np.eye(3)) for angle in (0.0, turn))
    for low, high in ((0, 2), (1, 3)):
        assert turned[low] + turned[high] == pytest.approx(plain[low] + plain[high], abs=1e-5)
    assert turned.width + turned.height >= max(plain.width, plain.height) - 1e-5
    quarter = reader._box(placed, 90.0, np.eye(3))
    assert (quarter.width, quarter.height) == pytest.approx((plain.height, plain.width), abs=1e-5)
    group = parse_xml(
        f"<p:grpSp {nsdecls('p', 'a')}><p:grpSpPr><a:xfrm><a:off x='0' y='0'/>"
        f"<a:ext cx='{int(1e6 * scale)}' cy='{int(1e6 * scale)}'/><a:chOff x='0' y='0'/>"
        "<a:chExt cx='1000000' cy='1000000'/></a:xfrm></p:grpSpPr></p:grpSp>"
    )
    inner = reader._box((left, top, width, height), 0.0, np.eye(3))
    outer = reader._box((left, top, width, height), 0.0, _group_matrix(group))
    assert tuple(outer) == pytest.approx([side * scale for side in inner], abs=1e-5)


def test_shapes_off_the_slide_keep_valid_boxes():
    presentation, slide = one_slide()
    add_text(slide, "Beside it", -30.0, 2.0)
    (_, element) = load(presentation)
    assert element.box.x0 == element.box.x1 == 0.0


def test_reading_order_is_by_bands_and_columns():
    presentation, slide = one_slide(TITLE_ONLY)
    add_text(slide, "right below", 6.0, 4.0)
    add_text(slide, "foot", 1.0, 6.5, 8.0)
    add_text(slide, "right above", 6.0, 2.0)
    add_text(slide, "left below", 1.0, 4.2, 4.0, 1.5)
    add_text(slide, "left above", 1.0, 2.0, 4.0, 2.5)
    slide.shapes.title.text = "Title"
    texts = [element.text for element in load(presentation)[1:]]
    assert texts == [
        "Title", "left above", "left below", "right above", "right below", "foot",
    ]  # fmt: skip


def test_columns_are_read_through_where_bands_are_not_parted():
    left = [make_box(0.0, 0.1, 0.4, 0.5), make_box(0.0, 0.5, 0.4, 0.9)]
    right = [make_box(0.5, 0.1, 0.9, 0.3), make_box(0.5, 0.3, 0.9, 0.9)]
    boxes = [right[1], left[1], right[0], left[0]]
    assert [boxes[at] for at in reading_order(boxes)] == left + right


NUMBERS = st.floats(0, 1)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS).map(lambda n: make_box(*n))))
def test_reading_order_holds_each_box_once(boxes):
    assert sorted(reading_order(boxes)) == list(range(len(boxes)))


def test_furniture_and_hidden_shapes_are_left_out():
    presentation, slide = one_slide(1)
    slide.shapes.title.text = "Title"
    layout = slide.slide_layout
    for holder in layout.placeholders:
        if holder.placeholder_format.type in (13, 15, 16):  # number, footer, date
            slide.shapes.clone_placeholder(holder)
    for shape in slide.placeholders:
        if shape.placeholder_format.idx >= 10:
            shape.text_frame.text = "every slide"
    hidden = add_text(slide, "hidden", 1, 1)
    hidden._element.nvSpPr.cNvPr.set("hidden", "1")
    assert [element.text for element in load(presentation)] == ["", "Title"]


# --- tables, charts, pictures ----------------------------------------------


def table_slide():
    presentation, slide = one_slide()
    frame = slide.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(6), Inches(1.5))
    table = frame.table
    for row, cells in enumerate((("Fish", "2023", "2024"), ("Char", "412", "389"),
                                 ("", "958", "1207"))):  # fmt: skip
        for column, cell in enumerate(cells):
            table.cell(row, column).text = cell
    table.cell(1, 0).merge(table.cell(2, 0))
    return presentation


def test_a_table_has_cells_and_each_its_place():
    (_, element) = load(table_slide())
    assert element.kind == "table"
    assert element.cells == (
        ("Fish", "2023", "2024"), ("Char", "412", "389"), ("Char", "958", "1207"),
    )  # fmt: skip
    assert element.header_rows == 1
    assert element.box == pytest.approx(box_of((1, 2, 6, 1.5)), abs=1e-5)
    at = element.text.index("389")
    (place,) = element.words.lines(at, at + 3)
    assert place.box == pytest.approx(box_of((5, 2.5, 2, 0.5)), abs=1e-5)
    first, second = (
        element.words.lines(at, at + 4)
        for at in (element.text.index("Char"), element.text.rindex("Char"))
    )
    assert first == second
    assert first[0].box == pytest.approx(box_of((1, 2.5, 2, 0.5)), abs=1e-5)


def chart_slide(kind, data, title=""):
    presentation, slide = one_slide()
    place = map(Inches, (1, 1, 6, 4))
    chart = slide.shapes.add_chart(kind, *place, data).chart
    if title:
        chart.has_title = True
        chart.chart_title.text_frame.text = title
    return presentation


def test_a_chart_is_a_table_of_its_data():
    data = CategoryChartData()
    data.categories = ["North", "South"]
    data.add_series("2023", (1.5, 18.2))
    data.add_series("2024", (3, None))
    (_, element) = load(chart_slide(XL_CHART_TYPE.COLUMN_CLUSTERED, data, "Sales by region"))
    assert element.kind == "table"
    assert element.caption == "Sales by region"
    assert element.cells == (("", "2023", "2024"), ("North", "1.5", "3"), ("South", "18.2", ""))
    assert element.header_rows == 1
    assert element.box == pytest.approx(box_of((1, 1, 6, 4)), abs=1e-5)


def test_charts_of_levels_and_of_points():
    data = CategoryChartData()
    for name in ("2023", "2024"):
        year = data.add_category(name)
        year.add_sub_category("Q1")
        year.add_sub_category("Q2")
    data.add_series("Visitors", (1, 2, 3, 4))
    (_, element) = load(chart_slide(XL_CHART_TYPE.LINE, data))
    assert [row[-1] for row in element.cells] == ["Visitors", "1", "2", "3", "4"]
    assert element.cells[1][0] == "2023 Q1"
    assert element.cells[2][0].endswith("Q2")
    assert element.caption == "Visitors"
    points = XyChartData()
    series = points.add_series("Depth")
    series.add_data_point(0.5, 7)
    series.add_data_point(1.5, 9)
    (_, element) = load(chart_slide(XL_CHART_TYPE.XY_SCATTER, points))
    assert element.cells == (("", "Depth"), ("0.5", "7"), ("1.5", "9"))


def test_pictures_have_boxes_pixels_and_a_crop():
    presentation, slide = one_slide()
    image = Image.new("RGB", (80, 40), (255, 0, 0))
    image.paste((0, 0, 255), (40, 0, 80, 40))
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    shape = slide.shapes.add_picture(file, Inches(1), Inches(1), Inches(2), Inches(1))
    shape.crop_left = 0.5
    shape._element.nvPicPr.cNvPr.set("descr", "A blue\nfield")
    slide.shapes.add_picture(picture(), Inches(5), Inches(1))
    source = source_of(saved(presentation))
    loader = PptxLoader(LimitSettings(), ALONE)
    unseen = [element for element in loader.load(source) if element.unseen]
    first, second = loader.pixels(source, unseen)
    assert [element.kind for element in unseen] == ["image", "image"]
    assert unseen[0].caption == "A blue field"
    assert unseen[0].box == pytest.approx(box_of((1, 1, 2, 1)), abs=1e-5)
    assert (first.pixels == (0, 0, 255)).all()
    assert first.size == (40, 40)
    assert (second.pixels == (200, 10, 10)).all()


# --- with LibreOffice ------------------------------------------------------


@needs_office
def test_words_are_where_they_are_drawn():
    presentation, slide = one_slide()
    add_text(slide, "one two three " * 12, 1.0, 2.0, 3.0, 2.0)
    box = add_text(slide, "BLACK", 5.5, 5.0, 4.0, 1.0)
    box.text_frame.paragraphs[0].runs[0].font.size = Pt(60)
    data = saved(presentation)
    found = {element.text[:5]: element for element in load(data, ParseSettings())}
    long = found["one t"]
    assert len(long.words) == 36
    assert len(long.words.lines(0, len(long.text))) > 2
    assert long.box == pytest.approx(box_of((1, 2, 3, 2)), abs=1e-5)
    page = registry.render(source_of(data), PPTX, 1, 72, LimitSettings(), ParseSettings())
    (place,) = found["BLACK"].words.lines(0, 5)
    width = page.pixels.shape[1]
    dark = np.argwhere(page.pixels.min(axis=2) < 128)
    dark = dark[dark[:, 1] > width // 2]
    # A letter of that size has some points of air on its sides.
    assert place.box.x0 * width == pytest.approx(dark[:, 1].min(), abs=8)
    assert place.box.x1 * width == pytest.approx(dark[:, 1].max(), abs=8)


@needs_office
def test_cells_and_hidden_slides_are_drawn_too():
    presentation = table_slide()
    slide = presentation.slides.add_slide(presentation.slide_layouts[TITLE_ONLY])
    slide.shapes.title.text = "Hidden but there"
    slide._element.set("show", "0")
    elements = load(presentation, ParseSettings())
    table = elements[1]
    at = table.text.index("389")
    (place,) = table.words.lines(at, at + 3)
    cell = box_of((5, 2.5, 2, 0.5))
    assert place.box.inside(cell) > 0.9
    assert place.box.area < 0.5 * cell.area
    hidden = elements[-1]
    assert hidden.text == "Hidden but there"
    assert len(hidden.words) == 3


def test_a_slide_cannot_be_shown_without_libreoffice():
    with pytest.raises(UnsupportedFormatError, match=r"parse\.office"):
        registry.render(source_of(deck()), PPTX, 1, 72, LimitSettings(), ALONE)


# --- hostile ---------------------------------------------------------------


def rewritten(data: bytes, name: str, change) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == name:
                content = change(content)
            if content is not None:
                new.writestr(member, content)
    return file.getvalue()


def test_too_many_slides_are_refused_at_once():
    with pytest.raises(LimitExceededError, match="3 slides, and 2 are allowed"):
        load(deck(), pages=2)
    with pytest.raises(LimitExceededError, match="more than 20 members"):
        load(deck(), members=20)


def test_a_missing_slide_costs_that_slide(caplog):
    data = rewritten(deck(), "ppt/slides/slide2.xml", lambda content: None)
    elements = load(data)
    assert [element.text for element in elements if element.level == 1] == [
        "Slide number 0", "Slide number 2",
    ]  # fmt: skip
    assert [element.page for element in elements if element.kind == "page"] == [1, 2, 3]
    assert "slide 2 cannot be read" in caplog.text


def test_a_shape_without_sense_costs_that_shape(caplog):
    presentation, slide = one_slide()
    slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(6), Inches(1.5))
    add_text(slide, "Sound", 1, 5)
    data = rewritten(
        saved(presentation),
        "ppt/slides/slide1.xml",
        lambda content: content.replace(b"<a:off x=", b"<a:off x='' z=", 1),
    )
    assert [element.text for element in load(data) if element.kind == "text"] == ["Sound"]


def test_entities_missing_parts_and_cut_bytes_are_typed_errors():
    trap = b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    for name in ("ppt/slides/slide1.xml", "ppt/presentation.xml", "ppt/theme/theme1.xml"):
        data = rewritten(deck(), name, lambda content: content.replace(b"?>", b"?>" + trap, 1))
        with pytest.raises(CorruptDocumentError, match="document type"):
            load(data)
    for name in ("ppt/presentation.xml", "[Content_Types].xml"):
        with pytest.raises(CorruptDocumentError):
            load(rewritten(deck(), name, lambda content: None))
    for size in range(0, len(deck()), len(deck()) // 11):
        with pytest.raises(CorruptDocumentError):
            load(deck()[:size])


def test_a_presentation_without_slides_says_so():
    with pytest.raises(CorruptDocumentError, match="no slides"):
        load(Presentation())


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
        "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
        "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    ],
)
def test_macro_show_and_template_kinds_are_read(kind):
    plain = b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    data = rewritten(
        deck(), "[Content_Types].xml", lambda content: content.replace(plain, kind.encode())
    )
    assert registry.detect(data, "a.pptm") == PPTX
    assert len(load(data)) == len(load(deck()))


def test_odd_sizes_do_not_hurt():
    presentation, slide = one_slide()
    presentation.slide_width = Emu(914_400)
    add_text(slide, "Wide", 0, 0, 50.0, 50.0)
    (page, element) = load(presentation)
    assert page.size == (72.0, 540.0)
    assert element.box == FULL_PAGE
