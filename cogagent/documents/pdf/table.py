"""A table of a PDF page: words in rows and columns, spelled out with their spans."""

from __future__ import annotations

from dataclasses import dataclass

from cogagent.documents.pdf.text import Spelled, Word, spell_lines

Lines = list[list[Word]]


@dataclass(slots=True, eq=False)
class Table:
    """A table: its cells hold lines of words.

    Attributes:
        box: ``x0, y0, x1, y1`` in points of the page turned upright.
        rows: Rows of cells, each cell a list of lines.
        header_rows: How many of the first rows name the columns.
        title: The heading right above it; empty when there is none.
    """

    box: tuple[float, float, float, float]
    rows: list[list[Lines]]
    header_rows: int
    title: str = ""

    def spelled(self) -> Spelled:
        """The text, a line a row and cells joined by `` | ``, with the words in it."""
        out = Spelled("", [], [], [])
        lines: list[str] = []
        length = 0
        for row in self.rows:
            parts: list[str] = []
            for cell in row:
                at = length + sum(map(len, parts)) + 3 * len(parts)
                one = spell_lines(cell, set())
                out.spans += [(start + at, end + at) for start, end in one.spans]
                out.boxes += one.boxes
                out.turns += one.turns
                parts.append(one.text)
            line = " | ".join(parts)
            lines.append(line)
            length += len(line) + 1
        out.text = "\n".join(lines)
        return out

    def cells(self) -> list[list[str]]:
        """The text of each cell."""
        return [[spell_lines(cell, set()).text for cell in row] for row in self.rows]
