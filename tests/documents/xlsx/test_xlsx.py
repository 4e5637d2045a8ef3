from __future__ import annotations

import datetime as dt
import io
import time
import tracemalloc
import zipfile
from decimal import Decimal

import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image as SheetImage
from openpyxl.styles import Font
from openpyxl.worksheet.table import Table
from PIL import Image

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import registry
from cogagent.documents.base import Pictured
from cogagent.documents.chunking import chunk
from cogagent.documents.xlsx.formats import BUILT_IN, is_date, show
from cogagent.documents.xlsx.loader import XlsxLoader
from cogagent.documents.xlsx.regions import blocks
from cogagent.documents.xlsx.rows import Area, Cell, Row, column_of, read_area
from cogagent.errors import CorruptDocumentError, DocumentError, LimitExceededError
from cogagent.testing.contracts import LoaderContract
from cogagent.types import Source

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def saved(book):
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def book_of(*rows, **sheets):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for name, more in sheets.items():
        other = book.create_sheet(name)
        for row in more:
            other.append(row)
    return book


def raw_book(sheet, **parts):
    """A workbook of one sheet, its XML as given; further parts by name."""
    files = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(("r1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{RELATED}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(("r1", "worksheet", "worksheets/s.xml"),
                                                ("r2", "sharedStrings", "sharedStrings.xml")),
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"/>',
        "xl/worksheets/s.xml": sheet,
    } | parts  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def relations(*links):
    found = "".join(f'<Relationship Id="{i}" Type="{RELATED}/{kind}" Target="{target}"/>'
                    for i, kind, target in links)  # fmt: skip
    return f'<Relationships xmlns="{PACKAGE}">{found}</Relationships>'


def cells(rows):
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def load(data, **limits):
    data = data if isinstance(data, bytes) else saved(data)
    source = Source(uri="x.xlsx", data=data)
    loader = XlsxLoader(LimitSettings(**limits), ParseSettings())
    elements = list(loader.load(source))
    assert [element.order for element in elements] == list(range(len(elements)))
    for element in elements:
        assert element.words is None
        if element.kind == "table":
            assert element.text == "\n".join(" | ".join(row) for row in element.cells)
    return elements


def tables(data, **limits):
    return [element for element in load(data, **limits) if element.kind == "table"]


def texts(data):
    return [element.text for element in load(data) if element.kind == "text"][1:]


class TestContract(LoaderContract):
    @pytest.fixture
    def loader(self, limits, parse):
        return XlsxLoader(limits, parse)

    @pytest.fixture
    def source(self):
        return Source(uri="x", data=saved(book_of(["a", "b"], [1, 2], Second=[["c"], ["d"]])))


# --- what is seen -------------------------------------------------------------


def test_sheets_are_pages():
    book = book_of(["a", "b"], [1, 2], Empty=[], Budget=[["c", "d"], ["e", 5]])
    book.active.title = "Readings"
    book.properties.title = "Lake  numbers"
    elements = load(book)
    assert [(e.kind, e.page, e.text, e.level) for e in elements] == [
        ("page", 1, "", None),
        ("text", 1, "Readings", 1),
        ("table", 1, "a | b\n1 | 2", None),
        ("page", 2, "", None),
        ("page", 3, "", None),
        ("text", 3, "Budget", 1),
        ("table", 3, "c | d\ne | 5", None),
    ]
    assert [e.caption for e in elements if e.kind == "page"] == ["Lake numbers", "", ""]


def test_cells_as_a_reader_sees_them():
    book = book_of(["what", "shown"])
    sheet = book.active
    values = [
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (0.125, "0.0%", "12.5%"),
        (-96500, '"$"#,##0;("$"#,##0)', "($96,500)"),
        (1234.5, "#,##0.00 [$€-407]", "1,234.50 €"),
        (dt.date(2024, 10, 19), "d mmmm yyyy", "19 October 2024"),
        (dt.datetime(2024, 10, 19, 14, 30), "yyyy-mm-dd hh:mm", "2024-10-19 14:30"),
        (dt.time(9, 5), "h:mm", "9:05"),
        (dt.timedelta(hours=30), "[h]:mm", "30:00"),
        (True, "General", "TRUE"),
        (0.1 + 0.2, "General", "0.3"),
        ("=1+1", "General", "=1+1"),
        (18.2, '0.0" °C"', "18.2 °C"),
    ]
    for at, (value, code, _) in enumerate(values, start=2):
        sheet.cell(at, 1, "x")
        sheet.cell(at, 2, value).number_format = code
    (table,) = tables(book)
    assert [row[1] for row in table.cells[1:]] == [shown for _, _, shown in values]


def test_stored_results_go_before_formulas():
    (table,) = tables(raw_book(cells(
        '<row r="1"><c r="A1" t="str"><f>B1</f><v>done</v></c>'
        '<c r="B1"><f>1+1</f><v>2</v></c></row>'
        '<row r="2"><c r="A2" t="e"><v>#N/A</v></c><c r="B2"><f>SUM(B1:B1)</f></c></row>'
    )))  # fmt: skip
    assert table.cells == (("done", "2"), ("#N/A", "=SUM(B1:B1)"))


def test_strings_of_every_kind():
    shared = (
        f'<sst xmlns="{MAIN}"><si><t>plain</t></si><si><r><t>ri</t></r><r><t>ch</t></r>'
        "<rPh><t>reading aid</t></rPh></si><si><t>a_x000D_b_x0041_</t></si></sst>"
    )
    sheet = cells(
        '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row>'
        '<row><c t="inlineStr"><is><t>in</t></is></c><c t="s"><v>99</v></c><c t="d"><v>2024-05-01'
        "T00:00:00</v></c></row>"
    )
    (table,) = tables(raw_book(sheet, **{"xl/sharedStrings.xml": shared}))
    assert table.cells == (("plain", "rich", "a bA"), ("in", "", "2024-05-01 00:00:00"))


def test_dates_since_1904():
    book = book_of(["when", "n"], [dt.date(2024, 5, 1), 1])
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active["A2"] = dt.date(2024, 5, 1)
    assert tables(book)[0].cells[1] == ("2024-05-01", "1")


def test_strict_files_are_read():
    strict = "http://purl.oclc.org/ooxml"
    data = raw_book(cells("<row><c><v>1</v></c><c><v>2</v></c></row>"))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            part = old.read(name).replace(MAIN.encode(), f"{strict}/spreadsheetml/main".encode())
            kinds = f"{strict}/officeDocument/relationships".encode()
            new.writestr(name, part.replace(RELATED.encode(), kinds))
    assert tables(out.getvalue())[0].text == "1 | 2"


def test_what_is_hidden_is_not_shown():
    book = book_of(["a", "secret", "c"], [1, 2, 3], [4, 5, 6], [7, 8, 9], Hidden=[["hidden"]])
    sheet = book.active
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[3].hidden = True
    book["Hidden"].sheet_state = "veryHidden"
    elements = load(book)
    assert max(element.page for element in elements) == 1
    assert elements[2].cells == (("a", "c"), ("1", "3"), ("7", "9"))
    assert len(elements) == 3
    sheet.column_dimensions.group("A", "A", hidden=True)  # folded: comes and goes
    sheet.column_dimensions.group("C", "XFD", hidden=False)
    sheet.row_dimensions.group(4, 4, hidden=True)
    assert tables(book)[0].cells[-1] == ("7", "9")


def test_rows_that_a_filter_hides_are_kept():
    book = book_of(["a", "b"], ["x", 1], ["y", 2])
    book.active.auto_filter.ref = "A1:B3"
    book.active.auto_filter.add_filter_column(0, ["x"])
    book.active.row_dimensions[3].hidden = True
    assert tables(book)[0].cells[-1] == ("y", "2")


def test_merged_cells_are_filled():
    book = book_of(["site", "depth", None], [None, "mean", "most"], ["Bay", 1, 2], [None, 3, 4])
    for area in ("A1:A2", "B1:C1", "A3:A4"):
        book.active.merge_cells(area)
    (table,) = tables(book)
    assert table.cells == (
        ("site", "depth", "depth"),
        ("site", "mean", "most"),
        ("Bay", "1", "2"),
        ("Bay", "3", "4"),
    )
    assert table.header_rows == 2


# --- tables -------------------------------------------------------------------


def test_tables_on_a_sheet_are_told_apart():
    book = book_of()
    sheet = book.active
    for at, row in enumerate([["a", "b"], [1, 2], [3, 4]]):
        for column, value in enumerate(row):
            sheet.cell(2 + at, 2 + column, value)
            sheet.cell(3 + at, 6 + column, f"r{value}")
            sheet.cell(20 + at, 2 + column, value)
    sheet["J30"] = "A note far away"
    assert [(e.kind, e.text) for e in load(book)[2:]] == [
        ("table", "a | b\n1 | 2\n3 | 4"),
        ("table", "ra | rb\nr1 | r2\nr3 | r4"),
        ("table", "a | b\n1 | 2\n3 | 4"),
        ("text", "A note far away"),
    ]


def test_a_column_that_only_spaces_does_not_part():
    book = book_of(["Item", None, 2023, None, 2024], ["Salaries", None, 10, None, 20],
                   ["Boats", None, 30, None, 40])  # fmt: skip
    (table,) = tables(book)
    assert table.cells[0] == ("Item", "2023", "2024")
    assert table.header_rows == 1


def test_titles():
    over = book_of(["Readings of 2024"], ["a", "b"], [1, 2])
    apart = book_of(["Readings of 2024"], [], ["a", "b"], [1, 2])
    merged = book_of(["Readings of 2024", None], ["a", "b"], [1, 2])
    merged.active.merge_cells("A1:B1")
    for book in (over, apart, merged):
        (table,) = tables(book)
        assert table.caption == "Readings of 2024"
        assert table.cells == (("a", "b"), ("1", "2"))
        assert texts(book) == []
    assert texts(book_of(["Readings"], [], [], [], ["a", "b"], [1, 2])) == ["Readings"]
    assert texts(book_of(["First line"], ["second"])) == ["First line\nsecond"]


def test_headers_by_their_look():
    assert tables(book_of(["a", "b"], [1, 2]))[0].header_rows == 1
    assert tables(book_of([1, 2], [3, 4]))[0].header_rows == 0
    bold = book_of(["x", 5], ["y", 6], ["z", 7])
    for cell in bold.active[1]:
        cell.font = Font(bold=True)
    assert tables(bold)[0].header_rows == 1
    months = [dt.date(2024, month, 1) for month in (1, 2)]
    dates = book_of(["Site", *months], ["Bay", 1.5, 2.5])
    for cell in dates.active[1]:
        cell.number_format = "mmm-yy"
    (table,) = tables(dates)
    assert table.cells[0] == ("Site", "Jan-24", "Feb-24")
    assert table.header_rows == 1


def test_headers_that_the_author_marked():
    frozen = book_of([1, 2], [3, 4], [5, 6], [7, 8])
    frozen.active.freeze_panes = "A3"
    assert tables(frozen)[0].header_rows == 2
    listed = book_of(["1", "2"], [3, 4])
    listed.active.add_table(Table(displayName="T", ref="A1:B2"))
    assert tables(listed)[0].header_rows == 1
    filtered = book_of([1, 2], [3, 4])
    filtered.active.auto_filter.ref = "A1:B2"
    assert tables(filtered)[0].header_rows == 1


def test_the_part_under_an_empty_row_keeps_the_header():
    first, second = tables(book_of(["a", "b"], ["x", 1], ["y", 2], [], ["z", 3], ["w", 4]))
    assert first.cells[0] == second.cells[0] == ("a", "b")
    assert second.cells[1:] == (("z", "3"), ("w", "4"))
    assert second.header_rows == 1


def test_long_tables_come_in_pieces():
    rows = [["Readings of 2024"], ["n", "text"], *([n, f"row {n}"] for n in range(1700))]
    pieces = tables(book_of(*rows))
    assert len(pieces) == 4
    assert all(piece.cells[0] == ("n", "text") for piece in pieces)
    assert all(piece.caption == "Readings of 2024" for piece in pieces)
    assert [row[0] for p in pieces for row in p.cells[1:]] == [str(n) for n in range(1700)]
    chunks = list(chunk(pieces, title="T", max_tokens=100,
                        count_tokens=lambda ts: [len(t.split()) for t in ts]))  # fmt: skip
    assert all("n | text" in piece.context for piece in chunks)


def test_a_long_sheet_is_never_in_memory_whole():
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Long")
    sheet.append(["id", "name", "value"])
    for n in range(10_000):
        sheet.append([n, "name", n / 7])
    data = saved(book)
    loader = XlsxLoader(LimitSettings(), ParseSettings())
    rows = 0
    tracemalloc.start()
    for element in loader.load(Source(uri="x", data=data)):
        rows += max(0, len(element.cells) - element.header_rows)
    assert tracemalloc.get_traced_memory()[1] < 6 << 20
    tracemalloc.stop()
    assert rows == 10_000


def test_cells_at_the_ends_of_a_sheet():
    book = book_of(["a", "b"], [1, 2])
    book.active["XFD1048576"] = "far"
    book.active["XFD1"] = "right"
    started = time.monotonic()
    assert [e.text for e in load(book)[2:]] == ["a | b\n1 | 2", "right", "far"]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("areas", [["A1:XFD1048576"], ["A1:A1048576", "B1:XFD1", "A1:XFD1"]])
def test_absurd_merges(areas):
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in (1, 2, 5000))
    merges = "".join(f'<mergeCell ref="{area}"/>' for area in areas)
    sheet = cells(rows).replace("</sheetData>", f"</sheetData><mergeCells>{merges}</mergeCells>")
    started = time.monotonic()
    load(raw_book(sheet))
    assert time.monotonic() - started < 5


# --- what floats --------------------------------------------------------------


def test_pictures_and_comments():
    book = book_of(["a", "b"], [1, 2])
    book.active["B2"].comment = Comment("Too low?", "Ann")
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, "PNG")
    book.active.add_image(SheetImage(out), "D4")
    small = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(small, "PNG")
    book.active.add_image(SheetImage(small), "D9")
    data = saved(book)
    elements = load(data)
    assert [e.text for e in elements if e.kind == "text"][1:] == ["Comment on B2: Too low?"]
    (picture,) = (e for e in elements if e.kind == "image")
    assert picture.unseen
    assert picture.size == (40, 30)
    loader = XlsxLoader(LimitSettings(), ParseSettings())
    assert isinstance(loader, Pictured)
    missing = picture.model_copy(update={"picture": "xl/media/none.png"})
    source = Source(uri="x", data=data)
    seen, nothing = loader.pixels(source, [picture, missing])
    assert (seen.pixels == np.array([255, 0, 0])).all()
    assert nothing is None


def test_charts_are_tables():
    name = "http://schemas.openxmlformats.org/drawingml/2006/chart"
    draw = "http://schemas.openxmlformats.org/drawingml/2006/main"
    points = "".join(f'<c:pt idx="{n}"><c:v>{n}.5</c:v></c:pt>' for n in range(2))
    words = "".join(f'<c:pt idx="{n}"><c:v>Site {n}</c:v></c:pt>' for n in range(2))
    chart = (
        f'<c:chartSpace xmlns:c="{name}" xmlns:a="{draw}"><c:chart><c:title><c:tx><c:rich><a:p>'
        "<a:r><a:t>Depth by site</a:t></a:r></a:p></c:rich></c:tx></c:title>"
        "<c:plotArea><c:barChart><c:ser>"
        "<c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>Depth</c:v></c:pt></c:strCache>"
        f"</c:strRef></c:tx><c:cat><c:strRef><c:strCache>{words}</c:strCache></c:strRef></c:cat>"
        f"<c:val><c:numRef><c:numCache>{points}</c:numCache></c:numRef></c:val></c:ser>"
        "</c:barChart></c:plotArea></c:chart></c:chartSpace>"
    )
    drawing = (
        f'<w xmlns:a="{draw}" xmlns:c="{name}" xmlns:r="{RELATED}"><graphicFrame>'
        '<c:chart r:id="r1"/></graphicFrame><sp><txBody><a:p><a:r><a:t>In a box</a:t></a:r></a:p>'
        "</txBody></sp></w>"
    )
    found = load(raw_book(cells(""), **{
        "xl/worksheets/_rels/s.xml.rels": relations(("r1", "drawing", "../drawings/d.xml")),
        "xl/drawings/d.xml": drawing,
        "xl/drawings/_rels/d.xml.rels": relations(("r1", "chart", "/xl/charts/c.xml")),
        "xl/charts/c.xml": chart,
    }))  # fmt: skip
    assert [e.kind for e in found] == ["page", "text", "table", "text"]
    assert found[2].caption == "Depth by site"
    assert found[2].cells == (("", "Depth"), ("Site 0", "0.5"), ("Site 1", "1.5"))
    assert found[3].text == "In a box"


# --- hostile ------------------------------------------------------------------


def bomb(unit, size):
    """A part that unpacks to ``size`` bytes."""
    return (unit * (size // len(unit) + 1))[:size]


def test_bombs():
    rows = bomb("<row/>", 3 << 20)
    for part in (bytes(3 << 20), cells(rows)):
        with pytest.raises(DocumentError) as caught:
            load(raw_book(part), unpacked_mb=1)
        assert caught.value.code in ("limit_exceeded", "corrupt")
    # The directory says 10 bytes: it is the bytes that are counted.
    data = bytearray(raw_book(cells(rows)))
    at = data.rindex(b"xl/worksheets/s.xml") - 46 + 24
    data[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(DocumentError):
        load(bytes(data), unpacked_mb=1)


LAUGHS = (
    '<!DOCTYPE w [<!ENTITY a "lol">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + ' <!ENTITY x SYSTEM "file:///etc/passwd">]>'
)


@pytest.mark.parametrize("entity", ["i", "x", "a", "b"])
@pytest.mark.parametrize("place", ["sheet", "attribute", "strings", "workbook"])
def test_entities_are_not_expanded(entity, place):
    inline = '<row><c t="inlineStr"><is><t>[{}]</t></is></c><c t="s"><v>0</v></c></row>'
    sheet, strings = cells(inline.format("")), f'<sst xmlns="{MAIN}"><si><t>s</t></si></sst>'
    parts = {}
    if place == "sheet":
        sheet = LAUGHS + cells(inline.format(f"&{entity};"))
    elif place == "attribute":
        sheet = LAUGHS + cells(inline.format("").replace("<row>", f'<row a="&{entity};">'))
    elif place == "strings":
        strings = LAUGHS + strings.replace(">s<", f">&{entity};<")
    else:
        parts["xl/workbook.xml"] = (
            f'{LAUGHS}<workbook xmlns="{MAIN}" xmlns:r="{RELATED}"><sheets>'
            f'<sheet name="S" r:id="r1"/>&{entity};</sheets></workbook>'
        )
    tracemalloc.start()
    try:
        found = load(raw_book(sheet, **{"xl/sharedStrings.xml": strings, **parts}))
    except CorruptDocumentError:
        return
    finally:
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
        tracemalloc.stop()
    assert not any("lollol" in e.text or "root" in e.text for e in found)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_cut_files(keep):
    data = saved(book_of(["a", "b"], [1, 2]))
    with pytest.raises(DocumentError):
        load(data[: int(len(data) * keep)])


def test_files_that_are_no_workbooks():
    for data in (b"", b"a,b\n1,2", raw_book("<not closed"), raw_book(""),
                 raw_book(cells(""), **{"xl/workbook.xml": "<workbook/>"}),
                 raw_book(cells(""), **{"_rels/.rels": "<x/>"})):  # fmt: skip
        with pytest.raises(CorruptDocumentError):
            load(data)


def test_too_many_sheets():
    book = book_of(**{f"S{n}": [[n]] for n in range(5)})
    source = Source(uri="x", data=saved(book))
    with pytest.raises(LimitExceededError):
        list(
            registry.load(
                source, XlsxLoader.media_types[0], LimitSettings(pages=3), ParseSettings()
            )
        )


def test_an_empty_workbook_has_a_page():
    assert [e.kind for e in load(book_of())] == ["page"]


def test_rows_gone_wrong():
    (table,) = tables(raw_book(cells(
        '<row r="5"><c r="B5"><v>1</v></c><c><v>2</v></c></row><row r="4"><c><v>no</v></c></row>'
        '<row r="x"><c r="B6"><v>3</v></c><c r="ZZZZ9"><v>4</v></c></row>'
        '<row r="99999999"><c><v>no</v></c></row><row><c r="B7" s="7"><v>NaN</v></c></row>'
    )))  # fmt: skip
    assert table.cells == (("1", "2"), ("3", "4"), ("NaN", ""))


def test_detection():
    data = saved(book_of(["a"]))
    for name in ("x.xlsx", "x.zip", "x"):
        assert registry.detect(data, name) == XlsxLoader.media_types[0]


# --- parts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (-5, "#,##0;(#,##0)", "(5)"),
        (0, '#,##0;(#,##0);"-"', "-"),
        (1234.5, '_("$"* #,##0.00_);_("$"* (#,##0.00);_("$"* "-"??_);_(@_)', "$1,234.50"),
        (45413.5, "d mmmm yyyy h:mm AM/PM", "1 May 2024 12:00 PM"),
        (45413, "[$-409]dddd, mmmm dd, yyyy;@", "Wednesday, May 01, 2024"),
        (1.5, "[h]:mm:ss", "36:00:00"),
        (0.5, "mm:ss.0", "00:00.0"),
        (12345, "0.00E+00", "1.23E+04"),
        (0.00012, "0.0E+0", "1.2E-4"),
        (1.5, "# ?/?", "1 1/2"),
        (0.25, "# ?/8", "2/8"),
        (2, "# ?/?", "2"),
        (5551234, "000-0000", "555-1234"),
        (7, "000", "007"),
        (1234567, "#,##0,", "1,235"),
        (1234567, '0.0,,"M"', "1.2M"),
        (2.675, "0.00", "2.68"),
        (3, "0.##", "3"),
        (150, '[>100]"big";[<=100]"small"', "big"),
        (50, '[Red][>100]"big";[<=100]"small"', "small"),
        (3, '0" km"', "3 km"),
        (-0.001, "0.00", "0.00"),
        (1, ";;;", ""),
        (61, "d/m/yyyy", "1/3/1900"),
        (1, "d/m/yyyy", "1/1/1900"),
        (-1, "d/m/yyyy", "-1"),
        (1e-5, "General", "0.00001"),
        (123456789012, "General", "123456789012"),
        (1e300, "General", "1E+300"),
        (12, 'General" pcs"', "12 pcs"),
        (5, "@", "5"),
    ],
)
def test_number_formats(value, code, shown):
    assert show(value, code) == shown


@given(
    st.floats(),
    st.text(st.sampled_from('0#?.,%E+-/;"\\_*[]<>=$@GeneralyymmddhhssAMPM: ()€'), max_size=30)
    | st.text(max_size=10)
    | st.sampled_from(sorted(BUILT_IN.values())),
    st.booleans(),
)
def test_any_number_in_any_format(value, code, since_1904):
    assert isinstance(show(value, code, since_1904=since_1904), str)
    assert isinstance(is_date(code), bool)


@given(st.datetimes(dt.datetime(1900, 3, 1), dt.datetime(9999, 12, 30)))
def test_dates_come_back(moment):
    moment = moment.replace(microsecond=0)
    value = (moment - dt.datetime(1899, 12, 30)).total_seconds() / 86_400
    assert show(value, "yyyy-mm-dd hh:mm:ss") == moment.isoformat(" ")


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
def test_numbers_are_rounded_as_people_do(value, places):
    shown = show(value, "#,##0" + ("." + "0" * places if places else ""))
    # In decimals, since floats of this size are rounded themselves; a sheet has 15 digits.
    off = abs(Decimal(shown.replace(",", "")) - Decimal(value))
    assert off <= Decimal("0.5") * Decimal(10) ** -places + abs(Decimal(value)) * Decimal("1e-14")


def test_areas():
    assert read_area("$B$2:D9") == Area(2, 2, 4, 9)
    assert read_area("xfd1") == Area(16384, 1, 16384, 1)
    assert column_of("AA") == 27
    for wrong in ("", None, "B", "D9:B2", "A1:B2:C3", "AAAA1"):
        assert read_area(wrong) is None


@given(st.sets(st.tuples(st.integers(1, 30), st.integers(1, 12)), max_size=60))
def test_every_cell_is_in_one_block(places):
    rows = [
        Row(
            at, at, {column: Cell(f"{at},{column}") for row, column in sorted(places) if row == at}
        )
        for at in sorted({row for row, _ in places})
    ]
    found = [
        (row.number, column)
        for block in blocks(rows)
        for row in block.rows
        for column in row.cells
    ]
    assert len(found) == len(places)
    assert set(found) == places
