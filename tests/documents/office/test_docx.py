from __future__ import annotations

import io
import re
import zipfile
from copy import deepcopy
from functools import cache

import docx
import numpy as np
import pytest
from docx.enum.section import WD_SECTION
from docx.enum.text import WD_BREAK
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Inches, Pt
from PIL import Image

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import registry
from cogagent.documents.base import Pictured, Renderer
from cogagent.documents.office import libreoffice, pictures
from cogagent.documents.office.docx import DocxLoader
from cogagent.documents.office.kinds import DOCX
from cogagent.documents.office.package import OfficePackage
from cogagent.errors import CorruptDocumentError, LimitExceededError, UnsupportedFormatError
from cogagent.geometry import FULL_PAGE, make_box
from cogagent.testing.contracts import LoaderContract
from cogagent.types import Element, Raster, Source

ALONE = ParseSettings(office=False)
needs_office = pytest.mark.skipif(
    libreoffice.program() is None, reason="LibreOffice is not installed"
)
SENTENCE = "Paragraph {} tells of matter {} and goes on for so long that it takes two lines."


def saved(document) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def changed(data: bytes, **parts: object) -> bytes:
    """A package with some members changed, each by a function from text to text."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            for key, change in parts.items():
                if key in name.replace("/", "_").replace(".", "_"):
                    content = change(content.decode()).encode()
            new.writestr(name, content)
    return file.getvalue()


def picture(colour=(200, 10, 10), size=(60, 40)) -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    file.seek(0)
    return file


def source_of(data: bytes) -> Source:
    return Source(uri="/files/a.docx", data=data, media_type=DOCX)


def load(data, parse=ALONE, **limits):
    if not isinstance(data, bytes):
        data = saved(data)
    return list(registry.load(source_of(data), DOCX, LimitSettings(**limits), parse))


def texts(data, parse=ALONE):
    return [element.text for element in load(data, parse) if element.kind == "text"]


def long_document():
    document = docx.Document()
    document.core_properties.title = "The long one"
    document.add_heading("First chapter", 1)
    for number in range(20):
        document.add_paragraph(SENTENCE.format(number, number * 7))
    document.add_page_break()
    document.add_heading("Second chapter", 1)
    for number in range(20, 40):
        document.add_paragraph(SENTENCE.format(number, number * 7))
    return document


@cache
def long_bytes() -> bytes:
    """Always the same bytes, so that they are converted once."""
    return saved(long_document())


class TestAlone(LoaderContract):
    """Without LibreOffice."""

    @pytest.fixture
    def loader(self):
        return DocxLoader(LimitSettings(), ALONE)

    @pytest.fixture
    def source(self):
        return source_of(long_bytes())


@needs_office
class TestLaidOut(LoaderContract):
    """With LibreOffice."""

    @pytest.fixture
    def loader(self):
        return DocxLoader(LimitSettings(), ParseSettings())

    @pytest.fixture
    def source(self):
        return source_of(long_bytes())


def test_it_has_pictures_and_pages():
    loader = DocxLoader(LimitSettings(), ALONE)
    assert isinstance(loader, Pictured)
    assert isinstance(loader, Renderer)


# --- what it says ----------------------------------------------------------


def test_headings_have_levels_and_the_title_is_told():
    document = docx.Document()
    document.add_heading("On Lakes", 0)
    document.add_heading("Water", 1)
    document.add_paragraph("Text.")
    document.add_heading("Depth", 3)
    own = document.styles.add_style("Chapter", 1)
    own.base_style = document.styles["Heading 2"]
    document.add_paragraph("By inheritance", "Chapter")
    paragraph = document.add_paragraph("By outline")
    paragraph._p.get_or_add_pPr().append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="3"/>'))
    elements = load(document)
    assert elements[0].caption == "On Lakes"
    assert elements[0].size == (612.0, 792.0)
    assert [(element.text, element.level) for element in elements[1:]] == [
        ("On Lakes", 1), ("Water", 1), ("Text.", None), ("Depth", 3), ("By inheritance", 2),
        ("By outline", 4),
    ]  # fmt: skip
    document.core_properties.title = "  Its own \n title "
    assert load(document)[0].caption == "Its own title"


def test_lists_have_their_numbers():
    document = docx.Document()
    numbering = document.part.numbering_part.element
    numbering.insert(0, parse_xml(
        f'<w:abstractNum {nsdecls("w")} w:abstractNumId="90">'
        '<w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="decimal"/>'
        '<w:lvlText w:val="%1."/></w:lvl>'
        '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerRoman"/>'
        '<w:lvlText w:val="%1.%2)"/></w:lvl>'
        '<w:lvl w:ilvl="2"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>'
        "</w:abstractNum>"
    ))  # fmt: skip
    anew = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>'
    for name, inner in ((90, ""), (91, anew)):
        numbering.append(parse_xml(
            f'<w:num {nsdecls("w")} w:numId="{name}"><w:abstractNumId w:val="90"/>{inner}</w:num>'
        ))  # fmt: skip
    for text, name, level in (
        ("a", 90, 0), ("b", 90, 1), ("c", 90, 1), ("d", 90, 2), ("e", 90, 0), ("f", 90, 1),
        ("g", 91, 0), ("h", 91, 0), ("i", 77, 0), ("j", 0, 0),
    ):  # fmt: skip
        paragraph = document.add_paragraph(text)
        paragraph._p.get_or_add_pPr().append(parse_xml(
            f'<w:numPr {nsdecls("w")}><w:ilvl w:val="{level}"/><w:numId w:val="{name}"/></w:numPr>'
        ))  # fmt: skip
    assert texts(document) == [
        "3. a", "3.i) b", "3.ii) c", "d", "4. e", "4.i) f", "1. g", "2. h", "i", "j",
    ]  # fmt: skip


def test_tracked_changes_count_as_accepted_and_hidden_text_is_hidden():
    document = docx.Document()
    paragraph = document.add_paragraph("We paid ")
    for inner in (
        '<w:del w:id="1"><w:r><w:delText>nothing</w:delText></w:r></w:del>',
        '<w:ins w:id="2"><w:r><w:t>fifty</w:t></w:r></w:ins>',
        '<w:moveFrom w:id="3"><w:r><w:t> moved away</w:t></w:r></w:moveFrom>',
        '<w:r><w:rPr><w:vanish/></w:rPr><w:t> hidden</w:t></w:r>',
        '<w:hyperlink w:anchor="x"><w:r><w:t xml:space="preserve"> linked</w:t></w:r>'
        "</w:hyperlink>",
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
        '<w:r><w:instrText> DATE </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
        '<w:r><w:t xml:space="preserve"> today</w:t></w:r>',
        '<w:sdt><w:sdtContent><w:r><w:t xml:space="preserve"> chosen</w:t></w:r>'
        "</w:sdtContent></w:sdt>",
        '<w:r><w:noBreakHyphen/><w:t>soft</w:t><w:softHyphen/><w:t>ly</w:t>'
        '<w:tab/><w:t>tab</w:t><w:br/><w:t>line</w:t></w:r>',
    ):  # fmt: skip
        for node in parse_xml(f"<w:p {nsdecls('w')}>{inner}</w:p>"):
            paragraph._p.append(node)
    assert texts(document) == ["We paid fifty linked today chosen-softly tab\nline"]


def test_a_paragraph_whose_end_was_deleted_goes_on():
    document = docx.Document()
    first = document.add_paragraph("One ")
    first._p.get_or_add_pPr().append(parse_xml(f'<w:rPr {nsdecls("w")}><w:del w:id="1"/></w:rPr>'))
    document.add_paragraph("sentence.")
    assert texts(document) == ["One sentence."]


def test_blocks_in_content_controls_are_read_and_headers_are_not():
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Running head"
    document.sections[0].footer.paragraphs[0].text = "Page 1"
    document.add_paragraph("Outside.")
    body = document.element.body
    body.insert(0, parse_xml(
        f'<w:sdt {nsdecls("w")}><w:sdtPr/><w:sdtContent><w:p><w:r><w:t>Inside.</w:t></w:r></w:p>'
        "</w:sdtContent></w:sdt>"
    ))  # fmt: skip
    assert texts(document) == ["Inside.", "Outside."]


def with_footnote():
    document = docx.Document()
    paragraph = document.add_paragraph("Deep water.")
    paragraph._p.append(parse_xml(f'<w:r {nsdecls("w")}><w:footnoteReference w:id="2"/></w:r>'))
    document.add_paragraph("Next.")
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    notes = (
        f'<w:footnotes {nsdecls("w")}><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote>'
        '<w:footnote w:id="2"><w:p><w:r><w:footnoteRef/></w:r><w:r><w:t>Measured in May.</w:t>'
        "</w:r></w:p></w:footnote></w:footnotes>"
    )
    part = Part(PackURI("/word/footnotes.xml"), kind, notes.encode(), document.part.package)
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    document.part.relate_to(part, relation)
    return document


def test_footnotes_follow_their_paragraph():
    assert texts(with_footnote()) == ["Deep water.", "Measured in May.", "Next."]


@needs_office
def test_a_footnote_points_at_the_foot_of_the_page():
    _, text, note, after = load(with_footnote(), ParseSettings())
    assert note.text == "Measured in May."
    assert note.box.y0 > 0.8 > after.box.y1 > text.box.y1


def text_box(inner: str) -> str:
    names = (
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
        'xmlns:v="urn:schemas-microsoft-com:vml"'
    )
    box = f"<w:txbxContent>{inner}</w:txbxContent>"
    return (
        f"<w:r {nsdecls('w', 'wp', 'a')} {names}><mc:AlternateContent><mc:Choice Requires='wps'>"
        "<w:drawing><wp:anchor><a:graphic><a:graphicData>"
        f"<wps:wsp><wps:txbx>{box}</wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:anchor>"
        f"</w:drawing></mc:Choice><mc:Fallback><w:pict><v:shape><v:textbox>{box}</v:textbox>"
        "</v:shape></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )


def test_a_text_box_is_read_once_after_its_paragraph():
    document = docx.Document()
    paragraph = document.add_paragraph("Anchor.")
    paragraph._p.append(parse_xml(text_box("<w:p><w:r><w:t>In the box.</w:t></w:r></w:p>")))
    document.add_paragraph("After.")
    assert texts(document) == ["Anchor.", "In the box.", "After."]


def test_an_odd_page_size_costs_only_the_size():
    data = changed(long_bytes(), word_document_xml=lambda text: text.replace('"12240"', '"wide"'))
    elements = load(data)
    assert elements[0].size is None
    assert len(elements) > 40


# --- tables ----------------------------------------------------------------


def test_tables_with_merged_cells_and_captions():
    document = docx.Document()
    document.add_paragraph("Table 1: Counts", "Caption")
    table = document.add_table(4, 3)
    for row, cells in enumerate((("Fish", "2023", "2024"), ("Char", "412", "389"),
                                 ("", "958", "1,207"), ("Total", "1,370", ""))):  # fmt: skip
        for column, cell in enumerate(cells):
            table.cell(row, column).text = cell
    table.cell(1, 0).merge(table.cell(2, 0))
    table.cell(3, 1).merge(table.cell(3, 2))
    document.add_paragraph("After it.")
    elements = load(document)
    (found,) = [element for element in elements if element.kind == "table"]
    assert found.cells == (
        ("Fish", "2023", "2024"), ("Char", "412", "389"), ("Char", "958", "1,207"),
        ("Total", "1,370", "1,370"),
    )  # fmt: skip
    assert found.header_rows == 1
    assert found.caption == "Table 1: Counts"
    assert found.text == "\n".join(" | ".join(row) for row in found.cells)
    assert [element.text for element in elements if element.kind == "text"] == ["After it."]


def test_captions_in_a_row_find_each_its_own():
    def small_table(text):
        table = document.add_table(2, 2)
        for row in range(2):
            table.cell(row, 0).text = f"{text} {row}"

    document = docx.Document()
    document.add_paragraph("Table 1: First", "Caption")
    small_table("first")
    document.add_picture(picture())
    document.add_paragraph("Figure 1: Red", "Caption")
    document.add_paragraph()
    document.add_paragraph("Table 2: Second", "Caption")
    small_table("second")
    document.add_paragraph("A lone caption", "Caption")
    document.add_paragraph("Text.")
    document.add_paragraph("Nobody's caption", "Caption")
    found = [
        (element.kind, element.caption or element.text)
        for element in load(document)
        if element.kind != "page"
    ]
    assert found == [
        ("table", "Table 1: First"), ("image", "Figure 1: Red"), ("table", "Table 2: Second"),
        ("text", "A lone caption"), ("text", "Text."), ("text", "Nobody's caption"),
    ]  # fmt: skip


def test_header_rows_are_those_marked_or_a_first_row_without_numbers():
    document = docx.Document()
    marked = document.add_table(3, 2)
    for row in range(3):
        marked.cell(row, 0).text = f"a{row}"
    for row in list(marked.rows)[:2]:
        row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    numbers = document.add_table(2, 2)
    numbers.cell(0, 0).text, numbers.cell(0, 1).text, numbers.cell(1, 0).text = "x", "12.5", "y"
    plain = document.add_table(2, 2)
    plain.cell(0, 0).text = plain.cell(1, 0).text = "z"
    plain._tbl.tblPr.find(qn("w:tblLook")).set(qn("w:firstRow"), "0")
    headers = [element.header_rows for element in load(document) if element.kind == "table"]
    assert headers == [2, 0, 0]


def test_a_table_of_one_cell_is_a_frame_and_inner_tables_are_lines():
    document = docx.Document()
    frame = document.add_table(1, 1)
    frame.cell(0, 0).text = "A framed remark."
    outer = document.add_table(2, 2)
    outer.cell(0, 0).text, outer.cell(0, 1).text = "Name", "Sizes"
    outer.cell(1, 0).text = "Boat"
    inner = outer.cell(1, 1).add_table(2, 2)
    for row in range(2):
        for column in range(2):
            inner.cell(row, column).text = f"{row}{column}"
    elements = load(document)
    assert [element.text for element in elements if element.kind == "text"] == ["A framed remark."]
    (table,) = [element for element in elements if element.kind == "table"]
    assert table.cells == (("Name", "Sizes"), ("Boat", "00 01 10 11"))


def test_a_row_deleted_in_tracking_is_gone():
    document = docx.Document()
    table = document.add_table(3, 2)
    for row in range(3):
        table.cell(row, 0).text = f"row {row}"
    table.rows[1]._tr.get_or_add_trPr().append(OxmlElement("w:del"))
    (found,) = [element for element in load(document) if element.kind == "table"]
    assert [row[0] for row in found.cells] == ["row 0", "row 2"]


def test_a_huge_table_is_read_and_a_bomb_of_spans_is_cut():
    document = docx.Document()
    table = document.add_table(1, 4)
    row = table.rows[0]._tr
    for number, cell in enumerate(table.rows[0].cells):
        cell.text = f"cell {number}"
    for _ in range(2999):
        table._tbl.append(deepcopy(row))
    (found,) = [element for element in load(document) if element.kind == "table"]
    assert len(found.cells) == 3000
    for cell in row.tc_lst:
        cell.get_or_add_tcPr().append(parse_xml(f'<w:gridSpan {nsdecls("w")} w:val="9999"/>'))
    (found,) = [element for element in load(document) if element.kind == "table"]
    assert len(found.cells[0]) == 1000


# --- pictures --------------------------------------------------------------


def described(document, text):
    properties = next(document.element.body.iter(qn("wp:docPr")))
    properties.set("descr", text)


def rasters(data: bytes, parse=ALONE):
    loader = DocxLoader(LimitSettings(), parse)
    source = source_of(data)
    unseen = [element for element in loader.load(source) if element.unseen]
    return unseen, list(loader.pixels(source, unseen))


def test_pictures_have_pixels_captions_and_a_crop():
    document = docx.Document()
    image = Image.new("RGB", (80, 40), (255, 0, 0))
    image.paste((0, 0, 255), (40, 0, 80, 40))
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    document.add_picture(file, Inches(2))
    described(document, "Two fields. Description automatically generated with low confidence")
    document.add_paragraph("Figure 1: Red and blue", "Caption")
    document.add_picture(picture())
    fill = next(document.element.body.iter(qn("pic:blipFill")))
    fill.insert(1, parse_xml(f'<a:srcRect {nsdecls("a")} r="50000"/>'))
    unseen, (first, second) = rasters(saved(document))
    assert [element.kind for element in unseen] == ["image", "image"]
    assert unseen[0].caption == "Figure 1: Red and blue"
    assert unseen[1].caption == ""
    assert unseen[0].picture.startswith("word/media/image1.png")
    assert first.pixels.shape == (40, 40, 3)
    assert (first.pixels == (255, 0, 0)).all()
    assert second.pixels.shape == (40, 60, 3)
    assert (second.pixels == (200, 10, 10)).all()


def test_the_alternative_text_stands_in_for_a_caption():
    document = docx.Document()
    document.add_picture(picture())
    described(document, "A red\nfield. Description automatically generated")
    document.add_paragraph("Body.")
    unseen, _ = rasters(saved(document))
    assert unseen[0].caption == "A red field."


def test_a_broken_picture_costs_itself_alone():
    document = docx.Document()
    document.add_picture(picture())
    document.add_picture(picture((0, 200, 0)))
    document.add_paragraph("Text.")
    data = saved(document)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"no picture" if "image1" in name else old.read(name))
    unseen, (first, second) = rasters(file.getvalue())
    assert len(unseen) == 2
    assert first is None
    assert (second.pixels == (0, 200, 0)).all()


def test_what_nobody_decodes_is_cut_from_the_page():
    package = OfficePackage(changed(long_bytes()), "a.docx", LimitSettings())
    page = Raster(np.arange(100 * 50 * 3, dtype=np.uint8).reshape(50, 100, 3))
    asked = []

    def show(number):
        asked.append(number)
        return page

    elements = [
        Element(kind="image", page=3, picture="x.emf", box=make_box(0.1, 0.2, 0.5, 0.6)),
        Element(kind="image", page=4, picture="x.emf"),  # nobody knows where it is
    ]
    cut, nothing = pictures.rasters(package, elements, "a.docx", LimitSettings(), show)
    assert (cut.pixels == page.pixels[10:30, 10:50]).all()
    assert nothing is None
    assert asked == [3]


def test_an_old_drawing_has_its_picture():
    document = docx.Document()
    document.add_picture(picture((0, 200, 0)))
    blip = next(document.element.body.iter(qn("a:blip")))
    link = blip.get(qn("r:embed"))
    document.element.body.insert(0, parse_xml(
        f"<w:p {nsdecls('w', 'r')} xmlns:v='urn:schemas-microsoft-com:vml'><w:r><w:pict>"
        "<v:shape style='width:90pt;height:60pt' alt='A green field'>"
        f"<v:imagedata r:id='{link}'/></v:shape></w:pict></w:r></w:p>"
    ))  # fmt: skip
    unseen, (first, second) = rasters(saved(document))
    assert unseen[0].caption == "A green field"
    assert (first.pixels == (0, 200, 0)).all()
    assert (first.pixels == second.pixels).all()


def test_a_chart_is_a_table_of_its_data():
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE

    data = CategoryChartData()
    data.categories = ["May", "June"]
    data.add_series("Rain", (1, 2.5))
    content = data.xml_bytes(XL_CHART_TYPE.COLUMN_CLUSTERED)
    document = docx.Document()
    kind = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml"
    part = Part(PackURI("/word/charts/chart1.xml"), kind, content, document.part.package)
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/chart"
    link = document.part.relate_to(part, relation)
    document.element.body.insert(0, parse_xml(
        f"<w:p {nsdecls('w', 'wp', 'a', 'r')}><w:r><w:drawing><wp:inline>"
        "<wp:docPr id='1' name='Chart 1' descr='Rain by month'/><a:graphic><a:graphicData>"
        "<c:chart xmlns:c='http://schemas.openxmlformats.org/drawingml/2006/chart' "
        f"r:id='{link}'/></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"
    ))  # fmt: skip
    document.add_paragraph("Figure 2: Rain", "Caption")
    (_, table) = load(document)
    assert table.cells == (("", "Rain"), ("May", "1"), ("June", "2.5"))
    assert table.header_rows == 1
    assert table.caption == "Figure 2: Rain"


# --- pages without LibreOffice ---------------------------------------------


def pages(data):
    return [(element.page, element.text) for element in load(data) if element.kind == "text"]


def test_pages_are_counted_by_breaks():
    document = docx.Document()
    document.add_paragraph("one")
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("two")
    document.add_paragraph("three").paragraph_format.page_break_before = True
    document.add_section(WD_SECTION.NEW_PAGE)
    document.add_paragraph("four")
    document.add_section(WD_SECTION.CONTINUOUS)
    document.add_paragraph("still four")
    assert pages(document) == [
        (1, "one"), (2, "two"), (3, "three"), (4, "four"), (4, "still four"),
    ]  # fmt: skip
    assert all(element.box == FULL_PAGE for element in load(document))
    assert all(element.words is None for element in load(document))


def test_breaks_seen_at_saving_count_and_do_not_repeat_those_set():
    document = docx.Document()
    seen = f"<w:lastRenderedPageBreak {nsdecls('w')}/>"
    paragraph = document.add_paragraph("one")
    paragraph._p.append(parse_xml(f"<w:r {nsdecls('w')}>{seen}<w:t>two</w:t></w:r>"))
    paragraph.add_run().add_break(WD_BREAK.PAGE)
    paragraph._p.append(parse_xml(f"<w:r {nsdecls('w')}>{seen}<w:t>three</w:t></w:r>"))
    table = document.add_table(3, 2)
    for row in range(3):
        table.cell(row, 0).text = f"row {row}"
    table.cell(2, 0).paragraphs[0].runs[0]._r.insert(0, parse_xml(seen))
    document.add_paragraph("end")
    assert pages(document) == [(1, "one"), (2, "two"), (3, "three"), (4, "end")]
    tables = [element for element in load(document) if element.kind == "table"]
    assert [(table.page, table.cells, table.header_rows) for table in tables] == [
        (3, (("row 0", ""), ("row 1", "")), 1),
        (4, (("row 0", ""), ("row 2", "")), 1),
    ]


def test_a_page_cannot_be_shown_without_libreoffice(monkeypatch):
    data = long_bytes()
    with pytest.raises(UnsupportedFormatError, match=r"parse\.office"):
        registry.render(source_of(data), DOCX, 1, 72, LimitSettings(), ALONE)
    monkeypatch.setattr(libreoffice, "program", lambda: None)
    libreoffice._kept.clear()
    with pytest.raises(UnsupportedFormatError, match="Install LibreOffice"):
        registry.render(source_of(data), DOCX, 1, 72, LimitSettings(), ParseSettings())


def test_without_libreoffice_it_is_read_and_a_warning_says_how(monkeypatch, caplog):
    monkeypatch.setattr(libreoffice, "program", lambda: None)
    libreoffice._kept.clear()
    elements = load(long_bytes(), ParseSettings())
    assert elements[-1].page == 2
    assert "without rectangles: LibreOffice is not installed" in caplog.text
    libreoffice._kept.clear()


# --- with LibreOffice ------------------------------------------------------


@needs_office
def test_words_get_their_page_and_rectangle():
    elements = load(long_bytes(), ParseSettings())
    pages = [element for element in elements if element.kind == "page"]
    assert len(pages) == max(element.page for element in elements) >= 3
    assert pages[0].caption == "The long one"
    assert all(page.size == (612.0, 792.0) for page in pages)
    bodies = [element for element in elements if element.kind == "text"]
    assert bodies[0].text == "First chapter"
    assert bodies[0].level == 1
    for element in bodies:
        assert element.words is not None
        spans = element.words.spans.tolist()
        assert [element.text[start:end] for start, end in spans] == element.text.split()
        assert set(element.words.pages.tolist()) == {element.page}
        assert element.box != FULL_PAGE
        assert element.box.height < 0.08
    tops = [(element.page, element.box.y0) for element in bodies]
    assert tops == sorted(tops)
    joined = " ".join(element.text for element in bodies)
    assert re.findall(r"Paragraph (\d+)", joined) == [str(number) for number in range(40)]


@needs_office
def test_the_rectangles_are_where_the_ink_is():
    document = docx.Document()
    document.add_paragraph("Over it.")
    run = document.add_paragraph().add_run("BLACK")
    run.font.size = Pt(60)
    data = saved(document)
    (element,) = [found for found in load(data, ParseSettings()) if found.text == "BLACK"]
    page = registry.render(source_of(data), DOCX, 1, 72, LimitSettings(), ParseSettings())
    dark = np.argwhere(page.pixels.min(axis=2) < 128)
    height, width = page.pixels.shape[:2]
    inside = dark[dark[:, 0] > element.box.y0 * height - 1]
    assert element.box.x0 * width == pytest.approx(inside[:, 1].min(), abs=4)
    assert element.box.x1 * width == pytest.approx(inside[:, 1].max(), abs=4)
    assert inside[:, 0].max() <= element.box.y1 * height


@needs_office
def test_a_table_over_two_pages_is_cut_there_under_its_header():
    document = docx.Document()
    table = document.add_table(70, 2)
    for row in range(70):
        table.cell(row, 0).text, table.cell(row, 1).text = f"item{row}", f"value{row}"
    table.cell(0, 0).text, table.cell(0, 1).text = "Item", "Value"
    tables = [element for element in load(document, ParseSettings()) if element.kind == "table"]
    assert [table.page for table in tables] == list(range(1, len(tables) + 1))
    assert len(tables) >= 2
    assert all(table.cells[0] == ("Item", "Value") for table in tables)
    assert all(table.header_rows == 1 for table in tables)
    rows = [row[0] for table in tables for row in table.cells[1:]]
    assert rows == [f"item{row}" for row in range(1, 70)]
    for table in tables:
        spans = table.words.spans.tolist()
        assert set(table.words.pages.tolist()) == {table.page}
        last = table.text[slice(*spans[-1])]
        assert last == table.cells[-1][1]


@needs_office
def test_a_merged_cell_points_at_its_place_wherever_it_was_filled_out():
    document = docx.Document()
    table = document.add_table(3, 2)
    for row in range(3):
        for column in range(2):
            table.cell(row, column).text = f"cell{row}{column}"
    table.cell(1, 0).merge(table.cell(2, 0)).text = "both"
    (found,) = [element for element in load(document, ParseSettings()) if element.kind == "table"]
    assert found.cells[1][0] == found.cells[2][0] == "both"
    starts = [match.start() for match in re.finditer("both", found.text)]
    first, second = (found.words.slice(start, start + 4).boxes.tolist() for start in starts)
    assert first == second
    assert len(first) == 1


@needs_office
def test_a_picture_is_found_on_its_page():
    document = long_document()
    document.add_picture(picture(size=(300, 200)), Inches(3), Inches(2))
    document.add_paragraph("Figure 1: Red", "Caption")
    data = saved(document)
    (image,) = [element for element in load(data, ParseSettings()) if element.kind == "image"]
    assert image.page >= 3
    assert image.caption == "Figure 1: Red"
    assert image.box.width == pytest.approx(3 / 8.5, abs=0.01)
    assert image.box.height == pytest.approx(2 / 11, abs=0.01)
    page = registry.render(source_of(data), DOCX, image.page, 72, LimitSettings(), ParseSettings())
    height, width = page.pixels.shape[:2]
    middle = page.pixels[
        int((image.box.y0 + image.box.y1) / 2 * height),
        int((image.box.x0 + image.box.x1) / 2 * width),
    ]
    assert np.abs(middle.astype(int) - (200, 10, 10)).max() < 12


@needs_office
def test_a_paragraph_over_two_pages_is_cut_where_the_page_ends():
    document = docx.Document()
    words = [f"word{number}" for number in range(900)]
    document.add_paragraph(" ".join(words))
    found = [element for element in load(document, ParseSettings()) if element.kind == "text"]
    assert len(found) >= 2
    assert [element.page for element in found] == list(range(1, len(found) + 1))
    assert " ".join(element.text for element in found).split() == words
    for element in found:
        assert set(element.words.pages.tolist()) == {element.page}


# --- hostile ---------------------------------------------------------------


def test_entities_are_refused_in_every_part():
    data = long_bytes()
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    for part in ("word_document_xml", "word_styles_xml", "_rels__rels", "Content_Types"):
        for trap in (bomb, outside):
            odd = changed(data, **{part: lambda text, trap=trap: re.sub(
                r"(<\?xml[^>]*>)?", lambda m: (m[0] or "") + trap, text, count=1)})  # fmt: skip
            with pytest.raises(CorruptDocumentError, match="document type"):
                load(odd)


def test_a_part_in_another_charset_hides_no_entities():
    data = long_bytes()
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "word/document.xml":
                text = re.sub(r"<\?xml[^>]*>", "", content.decode())
                text = (
                    '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x [<!ENTITY a "b">]>' + text
                )
                content = text.encode("utf-16")
            new.writestr(name, content)
    with pytest.raises(CorruptDocumentError, match="document type"):
        load(file.getvalue())


def test_a_bomb_is_refused_before_it_is_unpacked():
    data = long_bytes()
    file = io.BytesIO()
    file.write(data)
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/media/image9.png", "w") as member,
    ):
        for _ in range(64):
            member.write(bytes(1 << 20))
    with pytest.raises(LimitExceededError, match="unpacks to more than 32 MiB"):
        load(file.getvalue(), unpacked_mb=32)


def test_missing_parts_are_typed_errors_or_left_out():
    data = long_bytes()
    for name in ("[Content_Types].xml", "word/document.xml", "_rels/.rels"):
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
            for member in old.namelist():
                if member != name:
                    new.writestr(member, old.read(member))
        with pytest.raises(CorruptDocumentError):
            load(file.getvalue())
    for name in ("word/styles.xml", "word/theme/theme1.xml", "docProps/core.xml"):
        file = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
            for member in old.namelist():
                if member != name:
                    new.writestr(member, old.read(member))
        assert "Paragraph 39" in texts(file.getvalue())[-1]


def test_a_relationship_to_nowhere_is_left_out():
    data = changed(
        saved(long_document()),
        document_xml_rels=lambda text: text.replace(
            "</Relationships>",
            '<Relationship Id="rId99" Target="NULL" Type="http://schemas.openxmlformats.org/'
            'officeDocument/2006/relationships/image"/></Relationships>',
        ),
    )
    assert len(texts(data)) == 42


def test_strict_documents_are_read():
    def strict(text):
        return re.sub(
            r"http://schemas\.openxmlformats\.org/(\w+)/2006/(main|relationships)",
            r"http://purl.oclc.org/ooxml/\1/\2",
            text,
        )

    data = changed(saved(long_document()), xml=strict, rels=strict)
    assert len(texts(data)) == 42


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.ms-word.document.macroEnabled.main+xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    ],
)
def test_macro_and_template_kinds_are_read(kind):
    plain = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    data = changed(saved(long_document()), Content_Types=lambda text: text.replace(plain, kind))
    assert registry.detect(data, "a.docm") == DOCX
    assert len(texts(data)) == 42


def test_pages_over_the_limit_are_refused():
    document = docx.Document()
    for number in range(12):
        document.add_paragraph(f"page {number}")
        document.add_page_break()
    with pytest.raises(LimitExceededError):
        load(document, pages=10)


def test_cut_off_bytes_are_a_typed_error():
    data = long_bytes()
    for size in range(0, len(data), len(data) // 23):
        with pytest.raises(CorruptDocumentError):
            load(data[:size])
