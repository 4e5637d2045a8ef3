"""Makes the example documents; everything in them is invented.

Run ``python examples/make_examples.py [OUT]``; it needs reportlab, Pillow,
python-pptx and XlsxWriter.
The same versions of them make the same bytes every time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from making.deck import deck
from making.pages import SPECIES_NOTES, VISITING_HOURS
from making.report import report
from making.workbook import workbook

DOCUMENTS = Path(__file__).parent / "documents"


def make(out: Path) -> None:
    """Write the documents into a folder, which is made if missing."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "lake-station-report.pdf").write_bytes(report())
    (out / "visiting-hours.html").write_bytes(VISITING_HOURS.encode())
    (out / "species-notes.md").write_bytes(SPECIES_NOTES.encode())
    (out / "mooring-talk.pptx").write_bytes(deck())
    (out / "station-workbook.xlsx").write_bytes(workbook())


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS)
