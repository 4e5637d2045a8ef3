"""The tables of a sheet: blocks of filled cells with empty rows and columns around them.

Rows come in runs without an empty one between; a run is cut at empty columns, the
parts at their empty rows, and so on. Runs are bounded, so that a sheet of a
million rows never is in memory whole: a block that a run ends in goes on in the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cogagent.documents import grids
from cogagent.documents.text import paragraphs
from cogagent.documents.xlsx.rows import Cell, Outline, Row
from cogagent.types import Element

_MOST_CELLS = 100_000
_MOST_TITLES = 3
_LONGEST_TITLE = 200
_MOST_HEADER = 4
_ALIKE = 0.8
"""Share of rows that two blocks side by side must have in common to be one table."""


@dataclass(frozen=True, slots=True)
class Block:
    """Connected cells.

    Attributes:
        rows: One or more, all with cells.
        columns: That something stands in, in order.
        goes_on: Whether it touches the end of its run, where the next one begins.
    """

    rows: list[Row]
    columns: list[int]
    goes_on: bool = False

    @property
    def top(self) -> int:
        """Place of its first row."""
        return self.rows[0].place

    @property
    def bottom(self) -> int:
        """Place of its last row."""
        return self.rows[-1].place


@dataclass(frozen=True, slots=True)
class _Table:
    """What a later block may need to know of one that was a table."""

    columns: list[int]
    header: list[Row]
    caption: str
    bottom: int
    goes_on: bool


def elements(rows: Iterable[Row], outline: Outline) -> Iterator[Element]:
    """Tables, and the texts that stand apart from them, from the top; no page or order is set."""
    writer = _Writer(outline)
    for block in blocks(rows):
        yield from writer.take(block)
    yield from writer.finish()


def blocks(rows: Iterable[Row]) -> Iterator[Block]:
    """The blocks of a sheet; those of a run from the top, then from the left."""
    run: list[Row] = []
    cells = 0
    for row in rows:
        ended = bool(run) and row.place > run[-1].place + 1
        if ended or len(run) == grids.MOST_ROWS or cells > _MOST_CELLS:
            yield from _cut(run, goes_on=not ended)
            run, cells = [], 0
        run.append(row)
        cells += len(row.cells)
    if run:
        yield from _cut(run, goes_on=False)


def _cut(run: list[Row], *, goes_on: bool) -> list[Block]:
    found: list[Block] = []
    waiting = [run]
    while waiting:
        rows = waiting.pop()
        parts = _by_rows(rows)
        if len(parts) == 1:
            parts = _by_columns(rows)
        if len(parts) == 1:
            columns = sorted({column for row in rows for column in row.cells})
            at_end = goes_on and rows[-1].place == run[-1].place
            found.append(Block(rows, columns, at_end))
        else:
            waiting += parts
    return sorted(found, key=lambda block: (block.top, block.columns[0]))


def _by_rows(rows: list[Row]) -> list[list[Row]]:
    parts = [[rows[0]]]
    for before, row in pairwise(rows):
        if row.place > before.place + 1:
            parts.append([])
        parts[-1].append(row)
    return parts


def _by_columns(rows: list[Row]) -> list[list[Row]]:
    """Parted at empty columns, but for one that only spaces the columns of a table."""
    columns = sorted({column for row in rows for column in row.cells})
    groups = [[columns[0]]]
    for before, column in pairwise(columns):
        if column > before + 1:
            groups.append([])
        groups[-1].append(column)
    if len(groups) == 1:
        return [rows]
    place = {column: at for at, group in enumerate(groups) for column in group}
    parts: list[list[Row]] = [[] for _ in groups]
    for row in rows:
        split: dict[int, dict[int, Cell]] = {}
        for column, cell in row.cells.items():
            split.setdefault(place[column], {})[column] = cell
        for at_group, cells in split.items():
            parts[at_group].append(Row(row.number, row.place, cells))
    joined = [(groups[0], parts[0])]
    for group, part in zip(groups[1:], parts[1:], strict=True):
        last, left = joined[-1]
        if group[0] == last[-1] + 2 and _belong(last, left, group, part):
            joined[-1] = last + group, _beside(left, part)
        else:
            joined.append((group, part))
    return [part for _, part in joined]


def _belong(left: list[int], before: list[Row], right: list[int], after: list[Row]) -> bool:
    """One of two neighbours is a lone column with something in the same rows: a spaced table."""
    if min(len(left), len(right)) > 1:
        return False
    a, b = ({row.place for row in part} for part in (before, after))
    return len(a) > 1 and len(a & b) >= _ALIKE * max(len(a), len(b))


def _beside(left: list[Row], right: list[Row]) -> list[Row]:
    merged = {row.place: row for row in left}
    for row in right:
        before = merged.get(row.place)
        cells = row.cells if before is None else before.cells | row.cells
        merged[row.place] = Row(row.number, row.place, cells)
    return [merged[place] for place in sorted(merged)]


class _Writer:
    """Blocks as elements; knows what came before, for headers and titles."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._tables: list[_Table] = []  # that end where the next run begins, or just ended
        self._title: Block | None = None  # a short text that may turn out to be one

    def take(self, block: Block) -> Iterator[Element]:
        """The elements of the next block; a text is held back, as it may be a title."""
        before = self._continued(block)
        if before is not None:
            yield from self._write(block, block.rows, before.header, before.caption)
            return
        titles, rest = _titles(block)
        if not rest:
            yield from self.finish()
            if len(block.rows) <= _MOST_TITLES and sum(map(len, _lines(block))) < _LONGEST_TITLE:
                self._title = block
            else:
                yield from _text(block)
            return
        above = self._title
        if above is not None and not titles and _is_over(above, block):
            titles, self._title = _lines(above), None
        yield from self.finish()
        caption = " ".join(titles)
        count = _count_header(rest, block.columns, self._outline)
        header = rest[:count]
        if not header and not titles:
            header = self._header_above(block)
        yield from self._write(block, rest[count:], header, caption)

    def finish(self) -> Iterator[Element]:
        """What was held back."""
        if self._title is not None:
            title, self._title = self._title, None
            yield from _text(title)

    def _write(
        self, block: Block, rows: list[Row], header: list[Row], caption: str
    ) -> Iterator[Element]:
        columns = sorted({*block.columns, *(column for row in header for column in row.cells)})
        known = _Table(columns, header, caption, block.bottom, block.goes_on)
        keep = [table for table in self._tables if table.bottom >= block.top - 2]
        self._tables = [*keep, known]
        yield from grids.table_elements(
            _grid(header, columns), _grid(rows, columns), caption=caption
        )

    def _continued(self, block: Block) -> _Table | None:
        """The table that was cut where this block begins."""
        for table in self._tables:
            touches = table.bottom == block.top - 1 and table.goes_on
            a, b = table.columns, block.columns
            if touches and a[0] <= b[-1] and b[0] <= a[-1]:
                return table
        return None

    def _header_above(self, block: Block) -> list[Row]:
        """The header of a table of the same columns from which one empty row parts this block."""
        for table in self._tables:
            if table.bottom == block.top - 2 and table.columns == block.columns:
                return table.header
        return []


def _is_over(title: Block, table: Block) -> bool:
    near = 0 < table.top - title.bottom <= 2
    return near and table.columns[0] <= title.columns[0] <= table.columns[-1]


def _titles(block: Block) -> tuple[list[str], list[Row]]:
    """The lines at the top with one text over the whole table, and the table's own rows.

    There are none of the latter if the block is no table: one column without
    numbers, or a single row of one cell.
    """
    rows = block.rows
    if len(block.columns) == 1:
        cells = [cell for row in rows for cell in row.cells.values()]
        is_list = len(rows) > 2 and sum(cell.is_value for cell in cells) >= len(rows) - 1
        return [], rows if is_list else []
    wide = [len({cell.text for cell in row.cells.values()}) > 1 for row in rows]
    if not any(wide):  # one cell merged over several columns, or words far apart
        return [], []
    titles: list[str] = []
    for row in rows[: min(wide.index(True), _MOST_TITLES)]:
        cell = next(iter(row.cells.values()))
        over_all = block.columns[0] in row.cells or len(row.cells) >= len(block.columns) - 1
        if cell.is_value or not over_all or len(cell.text) > _LONGEST_TITLE:
            break
        titles.append(" ".join(cell.text.split()))
    return titles, rows[len(titles) :]


def _lines(block: Block) -> list[str]:
    return [
        " ".join(dict.fromkeys(cell.text for cell in row.cells.values())) for row in block.rows
    ]


def _text(block: Block) -> Iterator[Element]:
    for part in paragraphs("\n".join(_lines(block)), wrapped=False):
        yield Element(kind="text", text=part)


def _count_header(rows: Sequence[Row], columns: list[int], outline: Outline) -> int:
    """Rows of a table that name its columns: as its author marked them, else as they look."""
    if len(rows) < 2:
        return 0
    marked = outline.headers.get(rows[0].number)
    if marked is not None:
        return min(marked, len(rows) - 1)
    frozen = sum(row.number <= outline.frozen for row in rows[: _MOST_HEADER + 1])
    if 0 < frozen <= min(_MOST_HEADER, len(rows) - 1):
        return frozen
    bold = next(
        (at for at, row in enumerate(rows) if not all(c.bold for c in row.cells.values())),
        len(rows),
    )
    if 0 < bold <= min(_MOST_HEADER, len(rows) - 1):
        return bold
    cells = [[_cell(row, column) for column in columns] for row in rows[: grids.SAMPLE]]
    # Numbers may be stored as text, by programs that do not care.
    values = [[cell.is_value or grids.is_value(cell.text) for cell in row] for row in cells]
    return grids.count_header([[cell.text for cell in row] for row in cells], values)


_EMPTY = Cell("")


def _cell(row: Row, column: int) -> Cell:
    return row.cells.get(column, _EMPTY)


def _grid(rows: Sequence[Row], columns: list[int]) -> list[list[str]]:
    return [[_cell(row, column).text for column in columns] for row in rows]
