"""The workbook of three sheets, written with XlsxWriter."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import TYPE_CHECKING, Any

import xlsxwriter

from making import prose

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLE = "Station workbook 2024"
_SAVED = dt.datetime(2025, 2, 20, 9, 0)
_FIRST_TRIP = dt.date(2024, 6, 4)

READINGS = {
    "Deep Hole": (7.2, 7.6, 8.0, 8.3, 8.6, 8.9, 8.5, 8.1, 7.7),
    "North Bay": (5.8, 6.0, 6.1, 6.4, 6.5, 6.6, 6.3, 6.1, 6.0),
    "Heron Inlet": (4.4, 4.5, 4.7, 4.9, 5.0, 5.1, 4.8, 4.5, 4.4),
    "Mill Outflow": (5.1, 5.0, 4.9, 3.6, 3.4, 3.5, 4.0, 4.5, 4.7),
}
"""Secchi depths in metres, every second week; their means are those of the report."""
CREWS = ("Vask, Okoro", "Vask, Achterberg", "Vask, Okoro", "Solberg, Okoro", "Vask, Raman",
         "Vask, Okoro", "Vask, Achterberg", "Solberg, Raman", "Vask, Raman")  # fmt: skip
PLANNED = (
    ("Staff", 705_500, "Core grant"),
    ("Field work and vessel", 221_000, "Core grant"),
    ("Laboratory", 147_500, "Project grants"),
    ("Buildings and energy", 95_800, "Core grant"),
    ("New mooring for the buoy", 96_500, "Corwen and Hale Foundation"),
    ("Loggers on the bed of North Bay", 24_800, "Reserve"),
)
"""Dollars in 2025, and what pays for it."""
INSTRUMENTS = (
    ("Buoy Halcyon", "HB-07", dt.date(2016, 4, 11), dt.date(2024, 4, 29), 41_800),
    ("Oxygen probe (lent)", "PA-312", dt.date(2023, 2, 6), dt.date(2024, 3, 18), 0),
    ("Depth profiler", "DP-22", dt.date(2019, 9, 2), dt.date(2024, 3, 20), 18_650),
    ("Secchi disc, 30 cm", "SD-03", dt.date(1994, 6, 1), dt.date(2024, 5, 27), 140),
    ("Water sampler, 2 litres", "WS-11", dt.date(2011, 3, 15), dt.date(2024, 4, 8), 920),
)


def workbook() -> bytes:
    """The file, stored without compression, so that no version of zlib shows in it."""
    packed = io.BytesIO()
    with xlsxwriter.Workbook(packed, {"in_memory": True}) as book:
        book.set_properties({"title": TITLE, "author": prose.STATION, "created": _SAVED})
        styles = {
            "title": book.add_format({"bold": True, "font_size": 14}),
            "head": book.add_format({"bold": True, "bottom": 1}),
            "date": book.add_format({"num_format": "d mmm yyyy", "align": "left"}),
            "metres": book.add_format({"num_format": "0.0"}),
            "dollars": book.add_format({"num_format": '"$"#,##0'}),
            "share": book.add_format({"num_format": "0.0%"}),
        }
        _readings(book.add_worksheet("Secchi readings"), styles)
        _budget(book.add_worksheet("Budget 2025"), styles)
        _instruments(book.add_worksheet("Instruments"), styles)
    return _stored(packed)


def _head(sheet: Any, styles: dict[str, Any], title: str, names: Sequence[str]) -> None:
    sheet.merge_range(0, 0, 0, len(names) - 1, title, styles["title"])
    sheet.write_row(2, 0, names, styles["head"])
    sheet.set_column(0, len(names) - 1, 16)
    sheet.freeze_panes(3, 1)


def _readings(sheet: Any, styles: dict[str, Any]) -> None:
    _head(sheet, styles, "Secchi depth in summer 2024 (m)", ["Date", *READINGS, "Crew"])
    last = 3 + len(CREWS)
    for at, crew in enumerate(CREWS):
        sheet.write_datetime(3 + at, 0, _FIRST_TRIP + dt.timedelta(weeks=2 * at), styles["date"])
        for column, depths in enumerate(READINGS.values(), start=1):
            sheet.write_number(3 + at, column, depths[at], styles["metres"])
        sheet.write_string(3 + at, 1 + len(READINGS), crew)
    sheet.write_string(last, 0, "Mean", styles["head"])
    for column, depths in enumerate(READINGS.values(), start=1):
        letter = "ABCDEF"[column]
        mean = round(sum(depths) / len(depths), 6)
        formula = f"=AVERAGE({letter}4:{letter}{last})"
        sheet.write_formula(last, column, formula, styles["metres"], mean)
    note = "Mill Outflow: the river carried silt from 8 July to 23 August (work on the weir)."
    sheet.write_string(last + 2, 0, note)


def _budget(sheet: Any, styles: dict[str, Any]) -> None:
    names = ["Purpose", "Planned", "Share", "Paid from"]
    _head(sheet, styles, "Budget for 2025, adopted on 20 February 2025", names)
    total, last = sum(planned for _, planned, _ in PLANNED), 3 + len(PLANNED)
    for at, (name, planned, payer) in enumerate(PLANNED, start=3):
        sheet.write_string(at, 0, name)
        sheet.write_number(at, 1, planned, styles["dollars"])
        formula = f"=B{at + 1}/B${last + 1}"
        sheet.write_formula(at, 2, formula, styles["share"], round(planned / total, 6))
        sheet.write_string(at, 3, payer)
    sheet.write_string(last, 0, "Total", styles["head"])
    sheet.write_formula(last, 1, f"=SUM(B4:B{last})", styles["dollars"], total)
    sheet.set_column(0, 0, 34)


def _instruments(sheet: Any, styles: dict[str, Any]) -> None:
    names = ["Instrument", "Number", "Bought", "Last checked", "Price"]
    _head(sheet, styles, "Instruments in use at the end of 2024", names)
    for at, (name, number, bought, checked, price) in enumerate(INSTRUMENTS, start=3):
        sheet.write_row(at, 0, (name, number))
        sheet.write_datetime(at, 2, bought, styles["date"])
        sheet.write_datetime(at, 3, checked, styles["date"])
        sheet.write_number(at, 4, price, styles["dollars"])
    sheet.set_column(0, 0, 26)


def _stored(packed: io.BytesIO) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), old.read(name))
    return out.getvalue()
