"""A talk of six slides on the new mooring of the buoy: a table, a chart and a picture."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from typing import Any

from PIL import Image, ImageDraw
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE, XL_LEGEND_POSITION
from pptx.util import Inches, Pt

TITLE = "A new mooring for Halcyon"
SUBTITLE = "Priya Raman, head of the workshop\nTalk to the friends of the station, 9 May 2025"
BROKE = (
    "On 19 October 2024 gusts of 131 km/h pulled for five hours at a mooring made for 110 km/h.",
    "The swivel between chain and rope broke, 38 metres under the buoy.",
    "The rope itself was sound: it will be used for the loggers in North Bay.",
)
PARTS = (
    ("Part", "Size", "Weight"),
    ("Anchor block of concrete", "0.8 m wide", "1,150 kg"),
    ("Chain on the lake bed", "30 m", "310 kg"),
    ("Rope of braided polyester", "112 m", "96 kg"),
    ("Swivel of stainless steel", "32 mm", "7 kg"),
)
WINDS = ("40 km/h", "60 km/h", "80 km/h", "100 km/h", "120 km/h")
PULLS = {"Old mooring": (1.4, 3.2, 5.9, 9.3, 14.2), "New mooring": (1.2, 2.6, 4.8, 7.7, 11.9)}
CHART = "Pull on the swivel in kilonewtons, by wind"
PICTURE = "Chart of Lake Velmora from above; a red mark shows the buoy over the Deep Hole"
NEXT = (
    "3 June 2025: Sandpiper lays the anchor block, if the wind is under 20 km/h.",
    "10 June 2025: the buoy returns to the Deep Hole.",
    "Every October from now on a diver looks at the swivel.",
)
NOTES = "Thank the Corwen and Hale Foundation. Show the broken swivel; it is in the blue crate."

_BLUE, _ORANGE = RGBColor(0x1F, 0x4E, 0x6B), RGBColor(0xC9, 0x70, 0x2B)
_WHEN = dt.datetime(2025, 5, 2, 9, 0)
_COVER, _BULLETS, _TITLE_ONLY = 0, 1, 5


def deck() -> bytes:
    """The talk as a presentation; the same bytes each time."""
    show = Presentation()
    show.core_properties.title = TITLE
    show.core_properties.author = "Priya Raman"
    show.core_properties.created = show.core_properties.modified = _WHEN
    cover = _slide(show, _COVER, TITLE)
    cover.placeholders[1].text = SUBTITLE
    _slide(show, _BULLETS, "What broke").placeholders[1].text = "\n".join(BROKE)
    _table(_slide(show, _TITLE_ONLY, "What the new mooring is made of"))
    _chart(_slide(show, _TITLE_ONLY, "Why it will hold"))
    _picture(_slide(show, _TITLE_ONLY, "Where it will lie"))
    last = _slide(show, _BULLETS, "What comes next")
    last.placeholders[1].text = "\n".join(NEXT)
    last.notes_slide.notes_text_frame.text = NOTES
    packed = io.BytesIO()
    show.save(packed)
    return _stored(packed.getvalue())


def _slide(show: Any, layout: int, title: str) -> Any:
    slide = show.slides.add_slide(show.slide_layouts[layout])
    slide.shapes.title.text = title
    slide.shapes.title.text_frame.paragraphs[0].runs[0].font.color.rgb = _BLUE
    return slide


def _table(slide: Any) -> None:
    place = map(Inches, (0.8, 1.9, 8.4, 3.0))
    table = slide.shapes.add_table(len(PARTS), 3, *place).table
    for row, cells in enumerate(PARTS):
        for column, cell in enumerate(cells):
            table.cell(row, column).text = cell


def _chart(slide: Any) -> None:
    data = CategoryChartData()
    data.categories = WINDS
    for name, values in PULLS.items():
        data.add_series(name, values)
    place = map(Inches, (0.8, 1.6, 8.4, 5.2))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, *place, data).chart
    chart.has_title = chart.has_legend = True
    chart.chart_title.text_frame.text = CHART
    chart.chart_title.text_frame.paragraphs[0].runs[0].font.size = Pt(16)
    chart.legend.position = XL_LEGEND_POSITION.BOTTOM
    chart.legend.include_in_layout = False
    for series, colour in zip(chart.series, (_ORANGE, _BLUE), strict=True):
        series.format.fill.solid()
        series.format.fill.fore_color.rgb = colour
    chart.plots[0].has_data_labels = True


def _picture(slide: Any) -> None:
    shape = slide.shapes.add_picture(_lake(), Inches(2), Inches(1.7), Inches(6), Inches(4.5))
    shape._element.nvPicPr.cNvPr.set("descr", PICTURE)
    caption = slide.shapes.add_textbox(Inches(2), Inches(6.3), Inches(6), Inches(0.5))
    caption.text_frame.text = "The block comes to lie 40 metres east of the old one."


def _lake() -> io.BytesIO:
    """A lake with lines of depth, three rivers and a red mark, without any lettering."""
    image = Image.new("P", (480, 360), 0)
    image.putpalette([0xE9, 0xEF, 0xE2, 0x9B, 0xBF, 0xD3, 0x6E, 0x9F, 0xBA, 0x1F, 0x4E, 0x6B,
                      0xC0, 0x20, 0x20])  # fmt: skip
    draw = ImageDraw.Draw(image)
    for river in ((0, 40, 130, 120), (470, 10, 350, 110), (20, 350, 140, 250)):
        draw.line(river, fill=1, width=7)
    for step, colour in enumerate((1, 2, 3)):
        inset = 42 * step
        draw.ellipse((70 + inset, 70 + inset * 0.7, 420 - inset, 300 - inset * 0.7), fill=colour)
    draw.ellipse((252, 172, 276, 196), fill=4)
    file = io.BytesIO()
    image.save(file, "GIF")  # which no version of zlib has a hand in
    file.seek(0)
    return file


def _stored(data: bytes) -> bytes:
    """The package with no time of making in it, its chart's workbook included."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".xlsx"):
                content = _stored(content)
            elif name.endswith("core.xml"):
                content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]{8}", b"2025-05-02T09:00:00", content)
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return out.getvalue()
