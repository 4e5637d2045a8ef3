"""Tables of PDF pages: which are found, and their cells."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from reportlab.lib import colors
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table, TableStyle

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.documents.pdf.rows import is_number, is_year
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Callable

PROSE = [
    "Net sales rose in every quarter of the year, and costs rose with them, as the",
    "company had expected and as it had told its shareholders in the year before,",
    "when 3,210 people worked for it and sales of $4.5 billion had been reached by",
    "all of its segments together, which none of them had thought to be possible.",
]


def load(draw: Callable[[Canvas], None]) -> list[Element]:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(612, 792))
    canvas.setFont("Helvetica", 9)
    draw(canvas)
    canvas.save()
    source = Source(uri="test.pdf", data=buffer.getvalue())
    return list(PdfLoader(LimitSettings(), ParseSettings()).load(source))


def flow(canvas: Canvas, x: float, y: float, lines: list[str]) -> None:
    for number, line in enumerate(lines):
        canvas.drawString(x, y - 11 * number, line)


def statement(canvas: Canvas) -> None:
    """An income statement as annual reports print it, its signs apart from the numbers."""
    canvas.setFont("Helvetica-Bold", 10)
    canvas.drawString(72, 660, "CONSOLIDATED STATEMENT OF INCOME")
    canvas.setFont("Helvetica", 9)
    canvas.drawCentredString(430, 640, "Year ended December 31,")
    for x, year in ((380, "2018"), (440, "2017"), (500, "2016")):
        canvas.drawRightString(x, 628, year)
    canvas.drawString(72, 628, "(Millions)")
    rows = [
        ("Net sales", "32,765", "31,657", "30,109"),
        ("Operating expenses", None, None, None),
        ("   Cost of sales", "16,682", "16,055", "15,118"),
        ("   Gain on sale of businesses", "(547)", "(586)", "(111)"),
        ("Net income including", None, None, None),
        ("   noncontrolling interest", "5,363", "4,869", "5,058"),
    ]
    for number, (label, *values) in enumerate(rows):
        y = 614 - 12 * number
        canvas.drawString(72 + 8 * label.startswith(" "), y, label.strip())
        for x, value in zip((380, 440, 500), values, strict=True):
            if value is None:
                continue
            canvas.drawRightString(x, y, value.rstrip(")"))
            if value.endswith(")"):
                canvas.drawString(x, y, ")")
            if number == 0:
                canvas.drawString(x - 45, y, "$")


def only_table(elements: list[Element]) -> Element:
    (table,) = [e for e in elements if e.kind == "table"]
    return table


def check_words(table: Element) -> None:
    """``text`` spells ``cells``, and the words spell ``text``."""
    assert table.text == "\n".join(" | ".join(row) for row in table.cells)
    assert table.words is not None
    spelled = "".join(table.text[a:b] for a, b in table.words.spans.tolist())
    assert spelled == "".join("".join(row) for row in table.cells).replace(" ", "")


def test_a_financial_statement() -> None:
    def draw(canvas: Canvas) -> None:
        flow(canvas, 72, 740, PROSE)
        statement(canvas)
        flow(canvas, 72, 500, PROSE)

    elements = load(draw)
    table = only_table(elements)
    assert table.header_rows == 2
    assert table.cells[:2] == (
        ("", "Year ended December 31,", "", ""),
        ("(Millions)", "2018", "2017", "2016"),
    )
    assert table.cells[2:] == (
        ("Net sales", "$32,765", "$31,657", "$30,109"),
        ("Operating expenses", "", "", ""),
        ("Cost of sales", "16,682", "16,055", "15,118"),
        ("Gain on sale of businesses", "(547)", "(586)", "(111)"),
        ("Net income including noncontrolling interest", "5,363", "4,869", "5,058"),
    )
    assert table.caption == "CONSOLIDATED STATEMENT OF INCOME"
    check_words(table)
    bodies = [e.text for e in elements if e.kind == "text" and e.level is None]
    assert bodies == [" ".join(PROSE)] * 2


def columns(canvas: Canvas, heads: list[tuple[float, list[tuple[float, str]]]]) -> None:
    """Lines of headings over a table of three columns of numbers."""
    for y, cells in heads:
        for x, text in cells:
            canvas.drawCentredString(x, y, text)
    for number, name in enumerate(("Deep Hole", "North Bay", "Heron Inlet", "Mill Outflow")):
        y = 600 - 15 * number
        canvas.drawString(72, y, name)
        for x in (300, 400, 500):
            canvas.drawRightString(x + 15, y, f"1,{x + number}")


def header(heads: list[tuple[float, list[tuple[float, str]]]]) -> tuple[tuple[str, ...], ...]:
    table = only_table(load(lambda canvas: columns(canvas, heads)))
    check_words(table)
    assert table.cells[table.header_rows][0] == "Deep Hole"
    return table.cells[: table.header_rows]


YEARS = [(300, "2024"), (400, "2023"), (500, "2022")]


def test_a_row_of_units_is_header() -> None:
    units = [(x, "$") for x, _ in YEARS]
    assert header([(632, YEARS), (617, units)]) == (
        ("", "2024", "2023", "2022"),
        ("", "$", "$", "$"),
    )
    assert header([(632, YEARS), (617, [(400, "(in thousands)")])])[1:] == (
        ("", "(in thousands)", "", ""),
    )


def test_headings_that_wrap_are_one_row() -> None:
    """Shorter headings stand in the middle of the longer ones, on half lines."""
    heads = [
        (640, [(300, "Total"), (400, "Accumulated")]),
        (635, [(500, "Other")]),
        (630, [(300, "number"), (400, "income")]),
        (625, [(500, "items")]),
        (620, [(300, "of shares"), (400, "(loss)")]),
    ]
    assert header(heads) == (
        ("", "Total number of shares", "Accumulated income (loss)", "Other items"),
    )


def test_a_period_over_years_stays_a_row_of_its_own() -> None:
    dates = [(x, "June 30,") for x, _ in YEARS]
    assert header([(630, [(400, "Year ended December 31,")]), (619, YEARS)]) == (
        ("", "Year ended December 31,", "", ""),
        ("", "2024", "2023", "2022"),
    )
    assert header([(630, dates), (619, YEARS)]) == (
        ("", "June 30, 2024", "June 30, 2023", "June 30, 2022"),
    )


def test_years_with_notes_and_comparisons_are_header() -> None:
    heads = [(300, "2024 (1)"), (400, "2023 (2)"), (500, "2024 vs. 2023")]
    assert header([(620, heads)]) == (("", "2024 (1)", "2023 (2)", "2024 vs. 2023"),)


def test_titles_over_the_whole_table_are_no_header() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 9)
        canvas.drawCentredString(293, 652, "LAKE STATION")
        canvas.drawCentredString(293, 636, "STATEMENT OF CATCHES")
        columns(canvas, [(618, YEARS)])

    table = only_table(load(draw))
    assert table.header_rows == 1
    assert table.caption == "LAKE STATION STATEMENT OF CATCHES"


def test_words_of_a_cell_stand_in_its_row() -> None:
    table = only_table(load(statement))
    at = table.text.index("16,055")
    assert table.words is not None
    (box,) = table.words.slice(at, at + 6).boxes.tolist()
    assert box[2] * 612 == pytest.approx(440, abs=1)
    assert box[1] * 792 < 792 - 590 < box[3] * 792


def test_a_grid_of_rules() -> None:
    data = [
        ["Name of column", "Data type", "Description"],
        ["status", "string", "Whether it was accepted,\nor an error"],
        ["memory", "int", "Kilobytes used"],
    ]

    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 722, "Table 2: All columns of the file.")
        grid = Table(data)
        grid.setStyle(
            TableStyle(
                [
                    ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
                    ("FONT", (0, 0), (-1, 0), "Helvetica-Bold", 10),
                ]
            )
        )
        _, height = grid.wrapOn(canvas, 400, 400)
        grid.drawOn(canvas, 72, 710 - height)

    table = only_table(load(draw))
    assert table.cells == (
        ("Name of column", "Data type", "Description"),
        ("status", "string", "Whether it was accepted, or an error"),
        ("memory", "int", "Kilobytes used"),
    )
    assert table.header_rows == 1
    assert table.caption == "Table 2: All columns of the file."
    check_words(table)


def test_merged_cells_of_a_grid() -> None:
    data = [["Results of both", "", "Note"], ["one", "two", "x"], ["1", "2", "y"]]

    def draw(canvas: Canvas) -> None:
        grid = Table(data, colWidths=[80, 80, 80])
        style = [("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("SPAN", (0, 0), (1, 0))]
        grid.setStyle(TableStyle(style))
        grid.wrapOn(canvas, 400, 400)
        grid.drawOn(canvas, 72, 600)

    assert only_table(load(draw)).cells[0] == ("Results of both", "", "Note")


def test_shading_makes_no_figure() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColorRGB(0.8, 0.9, 1.0)
        for row in range(0, 6, 2):
            for x, width in ((72, 240), (312, 70), (385, 60), (450, 60)):
                canvas.rect(x, 612 - 12 * row, width, 12, stroke=0, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        statement(canvas)

    elements = load(draw)
    assert {e.kind for e in elements} == {"page", "text", "table"}
    assert only_table(elements).cells[-1][1] == "5,363"


def contents(canvas: Canvas) -> None:
    entries = [("Business", 4), ("Risk factors", 10), ("Properties", 12), ("Legal matters", 12)]
    for number, (title, page) in enumerate(entries):
        canvas.drawString(72, 700 - 14 * number, f"Item {number + 1}.")
        canvas.drawString(120, 700 - 14 * number, title)
        canvas.drawRightString(540, 700 - 14 * number, str(page))


def two_columns(canvas: Canvas) -> None:
    lines = ["In 2018 sales of 32,765 were seen", "in 31 countries, where 5,000 of the"] * 6
    flow(canvas, 72, 700, lines)
    flow(canvas, 320, 700, lines)


def references(canvas: Canvas) -> None:
    for number in range(6):
        canvas.drawString(72, 700 - 26 * number, f"[{number + 1}]")
        flow(
            canvas, 95, 700 - 26 * number, ["A. Author. A title of a paper. In", "Proc. of 2019."]
        )


def numbered(canvas: Canvas) -> None:
    for number in range(6):
        canvas.drawString(72, 700 - 14 * number, f"{number + 1}.")
        canvas.drawString(95, 700 - 14 * number, "An item of the list that says a thing")


@pytest.mark.parametrize("draw", [contents, two_columns, references, numbered])
def test_what_is_no_table(draw: Callable[[Canvas], None]) -> None:
    elements = load(draw)
    assert not [e for e in elements if e.kind == "table"]


def test_entries_of_the_contents_stay_apart() -> None:
    found = [e.text for e in load(contents) if e.kind == "text"]
    assert found[0] == "Item 1. Business 4"
    assert len(found) == 4


@pytest.mark.parametrize(
    "text", ["1,234", "$32,765", "(5.2)%", "—", "84.6 ± 0.2", "82.3/81.4", "110M", "N/A", "-3"]
)
def test_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "1.", "[12]", "Note 3", "December 31", "abc", "(a)"])
def test_no_numbers(text: str) -> None:
    assert not is_number(text)


def test_years() -> None:
    assert is_year("2018")
    assert is_year("FY 22")
    assert not is_year("2,018")


def test_a_shaded_column_of_a_statement_stays_in_its_table() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFillColorRGB(1.0, 0.9, 0.8)
        for row in range(8):
            canvas.rect(330, 610 - 12 * row, 55, 11 + row % 3, stroke=0, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        statement(canvas)

    elements = load(draw)
    assert not [e for e in elements if e.kind == "figure"]
    assert only_table(elements).cells[2] == ("Net sales", "$32,765", "$31,657", "$30,109")
