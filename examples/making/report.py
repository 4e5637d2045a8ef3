"""The annual report, typeset with reportlab: five pages of vectors and one scan."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from reportlab import rl_config
from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import (
    BalancedColumns,
    BaseDocTemplate,
    Frame,
    NextPageTemplate,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from making import charts, prose
from making.letter import scanned_letter

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = A4
MARGIN = 23 * mm
TEXT = WIDTH - 2 * MARGIN
BLUE, PALE, GREY, INK = charts.BLUE, HexColor("#e9f0f4"), charts.GREY, charts.INK

BODY = ParagraphStyle(
    "body", fontName="Times-Roman", fontSize=10.5, leading=14.6, alignment=TA_JUSTIFY,
    spaceAfter=7, textColor=INK,
)  # fmt: skip
HEADING = ParagraphStyle(
    "heading", fontName="Helvetica-Bold", fontSize=14, leading=18, spaceBefore=8, spaceAfter=7,
    textColor=BLUE,
)  # fmt: skip
CAPTION = ParagraphStyle(
    "caption", fontName="Helvetica", fontSize=9, leading=12, spaceBefore=4, spaceAfter=12,
    textColor=INK,
)  # fmt: skip
TABLE_CAPTION = ParagraphStyle("table caption", CAPTION, spaceBefore=8, spaceAfter=5)
CELL = ParagraphStyle("cell", fontName="Helvetica", fontSize=9, leading=11.5, textColor=INK)
HEAD = ParagraphStyle("head", CELL, fontName="Helvetica-Bold", alignment=TA_CENTER)
FINE = ParagraphStyle("fine", BODY, fontSize=8.5, leading=11, spaceAfter=0)


def report() -> bytes:
    """The report as a PDF."""
    rl_config.useA85 = 0  # binary streams: a fifth smaller
    pdf = io.BytesIO()
    BaseDocTemplate(
        pdf,
        pagesize=A4,
        pageTemplates=_templates(),
        title=f"{prose.STATION}: {prose.TITLE}",
        author=prose.STATION,
        subject="An invented report, made as an example for cogagent",
        invariant=1,
        pageCompression=1,
        lang="en",
    ).build(_story())
    return pdf.getvalue()


def _templates() -> list[Any]:
    foot, head = 24 * mm, 27 * mm
    height = HEIGHT - foot - head
    whole = Frame(MARGIN, foot, TEXT, height, 0, 0, 0, 0, id="whole")
    cover = Frame(MARGIN, foot, TEXT, 172 * mm, 0, 0, 0, 0, id="cover")
    return [
        PageTemplate("cover", [cover], onPage=_cover),
        PageTemplate("plain", [whole], onPage=_furniture),
        PageTemplate("footnote", [whole], onPage=_footnote),
        PageTemplate("scan", [whole], onPage=_scan),
    ]


def _story() -> list[Any]:
    clarity, temperature = prose.CLARITY, prose.TEMPERATURE
    bars = charts.bars(
        (TEXT, 310), range(0, 10, 3), ("Sampling site", "Secchi depth (m)"),
        prose.SITES, prose.SECCHI,
    )  # fmt: skip
    lines = charts.lines(
        (TEXT, 300), range(0, 25, 6), ("Month of 2024", "Water temperature (°C)"),
        prose.MONTHS, prose.DEGREES,
    )  # fmt: skip
    return [
        *_cover_story(),
        *_turn("plain"),
        BalancedColumns(
            [_heading(*part) if isinstance(part, tuple) else _body(part) for part in prose.STORY],
            innerPadding=8 * mm,
        ),
        *_turn("plain"),
        _heading("3", "Water clarity"),
        *map(_body, clarity[:2]),
        Spacer(0, 6),
        bars,
        Paragraph(prose.FIGURE_1, CAPTION),
        *map(_body, clarity[2:]),
        *_turn("plain"),
        _heading("4", "Water chemistry"),
        _body(prose.CHEMISTRY),
        Paragraph(prose.TABLE_1, TABLE_CAPTION),
        _ruled(),
        Spacer(0, 12),
        _heading("5", "Accounts"),
        _body(prose.ACCOUNTS),
        Paragraph(prose.TABLE_2, TABLE_CAPTION),
        _unruled(),
        *_turn("footnote"),
        _heading("6", "Water temperature"),
        _body(_marked(temperature[0])),
        Spacer(0, 6),
        lines,
        Paragraph(prose.FIGURE_2, CAPTION),
        *map(_body, temperature[1:]),
        _body(prose.OUTLOOK),
        *_turn("scan"),
        Spacer(1, 1),
    ]


def _turn(template: str) -> list[Any]:
    return [NextPageTemplate(template), PageBreak()]


def _body(text: str) -> Paragraph:
    return Paragraph(text, BODY)


def _marked(text: str) -> str:
    return text.replace("{mark}", "<super size='7' rise='3.5'>1</super>")


def _heading(number: str, title: str) -> Paragraph:
    return Paragraph(f"{number}&nbsp;&nbsp;{title}", HEADING)


# --- the cover -------------------------------------------------------------


def _cover_story() -> list[Any]:
    contents = Table(
        [[number, title, str(page)] for number, title, page in prose.CONTENTS],
        colWidths=[8 * mm, TEXT - 20 * mm, 12 * mm],
        rowHeights=15,
        style=[
            ("FONT", (0, 0), (-1, -1), "Times-Roman", 10.5),
            ("TEXTCOLOR", (0, 0), (-1, -1), INK),
            ("ALIGN", (2, 0), (2, -1), "RIGHT"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ],
    )
    return [
        Paragraph("Abstract", HEADING),
        _body(prose.ABSTRACT),
        Spacer(0, 10),
        Paragraph("Contents", HEADING),
        contents,
        Spacer(0, 112),
        *(Paragraph(line, FINE) for line in prose.IMPRINT),
    ]


def _cover(canvas: Any, document: Any) -> None:
    """A blue band with the depth lines of a lake and the title on it."""
    del document
    bottom = HEIGHT - 88 * mm
    canvas.saveState()
    canvas.setFillColor(BLUE)
    canvas.rect(0, bottom, WIDTH, HEIGHT - bottom, stroke=0, fill=1)
    clip = canvas.beginPath()
    clip.rect(0, bottom, WIDTH, HEIGHT - bottom)
    canvas.clipPath(clip, stroke=0, fill=0)
    canvas.setStrokeColor(HexColor("#47738e"))
    canvas.setLineWidth(0.7)
    canvas.translate(WIDTH - 38 * mm, bottom + 47 * mm)
    canvas.rotate(24)
    rings = canvas.beginPath()
    for ring in range(1, 12):
        across, up = ring * 8.5 * mm, ring * 5 * mm
        rings.ellipse(-across * 0.9, -up, across * 2.05, up * 2.08)
    canvas.drawPath(rings)
    canvas.restoreState()
    canvas.saveState()
    canvas.setFillColor(white)
    canvas.setFont("Helvetica", 15)
    canvas.drawString(MARGIN, bottom + 45 * mm, prose.STATION)
    canvas.setFont("Helvetica-Bold", 34)
    canvas.drawString(MARGIN, bottom + 28 * mm, prose.TITLE)
    canvas.restoreState()


# --- the furniture of the other pages --------------------------------------


def _furniture(canvas: Any, document: Any) -> None:
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.setFillColor(GREY)
    canvas.setStrokeColor(GREY)
    canvas.setLineWidth(0.4)
    top = HEIGHT - 17 * mm
    canvas.drawString(MARGIN, top, prose.STATION)
    canvas.drawRightString(WIDTH - MARGIN, top, prose.TITLE)
    canvas.line(MARGIN, top - 5, WIDTH - MARGIN, top - 5)
    canvas.drawCentredString(WIDTH / 2, 13 * mm, str(document.page))
    canvas.restoreState()


def _footnote(canvas: Any, document: Any) -> None:
    _furniture(canvas, document)
    note = Paragraph(_marked(prose.FOOTNOTE), FINE)
    _, height = note.wrapOn(canvas, TEXT, HEIGHT)
    canvas.saveState()
    canvas.setStrokeColor(GREY)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, 24 * mm + height, MARGIN + 45 * mm, 24 * mm + height)
    canvas.restoreState()
    note.drawOn(canvas, MARGIN, 22.5 * mm)


def _scan(canvas: Any, document: Any) -> None:
    del document
    canvas.drawImage(ImageReader(io.BytesIO(scanned_letter())), 0, 0, WIDTH, HEIGHT)


# --- the tables ------------------------------------------------------------


def _ruled() -> Table:
    head, *rows = prose.WATER
    return Table(
        [[Paragraph(cell, HEAD) for cell in head], *map(list, rows)],
        colWidths=[part * TEXT for part in (0.2, 0.13, 0.22, 0.14, 0.09, 0.22)],
        style=[
            ("FONT", (0, 1), (-1, -1), "Helvetica", 9),
            ("TEXTCOLOR", (0, 0), (-1, -1), INK),
            ("BACKGROUND", (0, 0), (-1, 0), PALE),
            ("GRID", (0, 0), (-1, -1), 0.5, GREY),
            ("ALIGN", (1, 0), (-1, -1), "CENTER"),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ],
    )


def _unruled() -> Table:
    """Numbers under each other, no lines; spending and losses in parentheses."""
    income, spent = _sums(prose.INCOME), _sums(prose.EXPENDITURE)
    result = [got - paid for got, paid in zip(income, spent, strict=True)]
    end = [start + change for start, change in zip(prose.RESERVE, result, strict=True)]
    assert end[1] == prose.RESERVE[0], "2023 must end where 2024 starts"
    rows = [
        ["Year ended 31 December", "2024", "2023"],
        ["", "$", "$"],
        ["Income"],
        *([name, _money(now), _money(before)] for name, now, before in prose.INCOME),
        ["Total income", *map(_dollars, income)],
        ["Expenditure"],
        *([name, _money(-now), _money(-before)] for name, now, before in prose.EXPENDITURE),
        ["Total expenditure", *(_dollars(-n) for n in spent)],
        ["Surplus (deficit) for the year", *map(_dollars, result)],
        ["Reserve at 1 January", *map(_money, prose.RESERVE)],
        ["Reserve at 31 December", *map(_dollars, end)],
    ]
    bold = [0, 1, *(i for i, row in enumerate(rows) if len(row) == 1 or "$" in row[1])]
    groups = [i for i, row in enumerate(rows) if len(row) == 1]
    entries = [i for i in range(groups[0], len(rows)) if i not in bold]
    return Table(
        [row + [""] * (3 - len(row)) for row in rows],
        colWidths=[TEXT - 70 * mm, 35 * mm, 35 * mm],
        rowHeights=[16 if i in groups else 13.6 for i in range(len(rows))],
        style=[
            ("FONT", (0, 0), (-1, -1), "Helvetica", 9),
            ("TEXTCOLOR", (0, 0), (-1, -1), INK),
            ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
            ("TOPPADDING", (0, 0), (-1, -1), 0),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ("VALIGN", (0, 0), (-1, -1), "BOTTOM"),
            *(("FONT", (0, i), (-1, i), "Helvetica-Bold", 9) for i in bold),
            *(("LEFTPADDING", (0, i), (0, i), 16) for i in entries if i < len(rows) - 2),
        ],
    )


def _sums(rows: Sequence[tuple[str, int, int]]) -> list[int]:
    return [sum(row[1] for row in rows), sum(row[2] for row in rows)]


def _money(amount: int) -> str:
    if amount == 0:
        return "\N{EN DASH}"
    return f"{amount:,}" if amount > 0 else f"({-amount:,})"


def _dollars(amount: int) -> str:
    return f"${amount:,}" if amount >= 0 else f"$({-amount:,})"
