"""A chart as it was understood: ``python -m benchmarks.show_charts FILE… [--out FOLDER]``.

Reads each chart with the embedded eyes and prints what it was understood as: a table,
with ``±`` at what was measured, titles and notes. With ``--out`` the chart is written
as a PNG with a rectangle around each label (of a row green, of a column blue), title
(grey) and value (red; orange if it was measured), and the row and column of each value
beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

from cogagent.config import Settings
from cogagent.geometry import to_pixels
from cogagent.grid import Cell, Grid, Place
from cogagent.models.factory import image_embedder
from cogagent.types import Raster
from cogagent.vision.charts.chart import read_chart
from cogagent.vision.eyes import Eyes

ROW, COLUMN, TITLE, PRINTED, MEASURED = "#1a9641", "#2b6cdf", "#888888", "#d7191c", "#f08a00"


def main(arguments: Sequence[str] | None = None) -> int:
    """Show charts; 1 if none of them was understood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, help="folder for the pictures")
    options = parser.parse_args(arguments)
    eyes = Eyes(Settings(), image_embedder(Settings()))
    console = Console()
    understood = 0
    for path in options.files:
        with Image.open(path) as image:
            raster = Raster(np.asarray(image.convert("RGB")))
        sight = next(iter(eyes.look([raster])))
        start = time.perf_counter()
        grid = read_chart(raster, sight.reading.text, sight.reading.words)
        console.rule(f"{path.name}: {1000 * (time.perf_counter() - start):.0f} ms")
        if grid is None:
            console.print("not understood")
            continue
        understood += 1
        show(console, grid)
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            drawn(raster, grid).save(options.out / f"{path.stem}.png")
    return 0 if understood else 1


def show(console: Console, grid: Grid) -> None:
    """Print a grid as a table."""
    stacked = ", stacked" if grid.stacked else ""
    console.print(f"{grid.kind}{stacked}, certainty {grid.certainty:.2f}, unit {grid.unit!r}")
    for name, places in (
        ("title", grid.title),
        ("of rows", (grid.row_title,)),
        ("of values", (grid.value_title,)),
        ("notes", grid.notes),
    ):
        said = " / ".join(place.text for place in places if place is not None)
        if said:
            console.print(f"  {name}: {said}", markup=False)
    table = Table()
    for title in ("", *(f"{column.text} ({column.colour or '-'})" for column in grid.columns)):
        table.add_column(title)
    for number, row in enumerate(grid.rows):
        cells = [grid.cells.get((number, column)) for column in range(len(grid.columns))]
        table.add_row(row.text, *map(said_of, cells))
    console.print(table)


def said_of(cell: Cell | None) -> str:
    """A value as text; a measured one with its error."""
    if cell is None:
        return ""
    if cell.value is None:
        return cell.place.text
    return f"{cell.value:g}" + (f" ±{cell.error:.2g}" if cell.error else "")


def drawn(raster: Raster, grid: Grid) -> Image.Image:
    """The chart with what was found in it."""
    image = Image.fromarray(raster.pixels).resize((2 * raster.size[0], 2 * raster.size[1]))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)

    def mark(place: Place, colour: str, said: str = "") -> None:
        for box in place.boxes:
            edges = to_pixels(box, image.size)
            pen.rectangle(edges, outline=colour, width=2)
            if said:
                pen.text((edges[2] + 2, edges[1]), said, colour, font, stroke_width=1,
                         stroke_fill="white")  # fmt: skip

    for title in (*grid.title, *grid.notes, grid.row_title, grid.value_title):
        if title is not None:
            mark(title, TITLE)
    for headers, colour, letter in ((grid.rows, ROW, "r"), (grid.columns, COLUMN, "c")):
        for number, header in enumerate(headers):
            for place in header.places:
                mark(place, colour, f"{letter}{number}")
    for (row, column), cell in grid.cells.items():
        where = f"{row},{column}" if len(grid.columns) > 1 else str(row)
        mark(cell.place, MEASURED if cell.measured else PRINTED, where)
    return image


if __name__ == "__main__":
    sys.exit(main())
