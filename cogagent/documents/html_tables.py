"""HTML tables as rows of cells, spans filled out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogagent.documents.markdown import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogagent.types import Element

Node = Any
_MOST_COLUMNS = 1000
_MOST_CELLS = 1_000_000


def is_layout(node: Node) -> bool:
    """Whether a table only arranges a page: marked so, nesting others, or a single cell."""
    if node.get("role") in ("presentation", "none"):
        return True
    if next(node.iterdescendants("table"), None) is not None:
        return True
    cells = node.iterdescendants("td", "th")
    next(cells, None)
    return next(cells, None) is None


def read_table(node: Node, text_of: Callable[[Node], str]) -> Element | None:
    """A data table; ``None`` if nothing is written in it.

    Args:
        node: A ``table`` without tables inside.
        text_of: The visible text of a node.
    """
    rows: list[list[str]] = []
    header_rows = 0
    hanging: dict[int, tuple[int, str]] = {}  # column: rows left to fill, text
    budget = _MOST_CELLS
    group = None
    for row, part in _rows(node):
        if part is not group:  # no cell hangs down from the head into the body
            group = part
            hanging.clear()
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        filled = _fill(cells, hanging, text_of)
        budget -= len(filled)
        if budget < 0:
            break
        if header_rows == len(rows) and cells and (part.tag == "thead" or _all_headers(cells)):
            header_rows += 1
        rows.append(filled)
    rows, header_rows = _without_blank(rows, header_rows)
    if not rows:
        return None
    caption = find_caption(node)[:1]
    return table(
        rows,
        # A table of nothing but headers has no header: there is nothing under it.
        header_rows=header_rows if header_rows < len(rows) else 0,
        caption=text_of(caption[0]) if caption else "",
    )


def find_caption(node: Node) -> list[Node]:
    """The caption of a table, or of the figure around a table or picture; first is best."""
    figure = next(node.iterancestors("figure"), None)
    return [
        *node.iterchildren("caption"),
        *(figure.iterdescendants("figcaption") if figure is not None else ()),
    ]


def _rows(node: Node) -> Iterator[tuple[Node, Node]]:
    """Rows in the order they are shown, each with its head, body, foot or table."""
    parts = [child for child in node if child.tag in ("thead", "tbody", "tfoot", "tr")]
    rank = {"thead": 0, "tfoot": 2}
    for part in sorted(parts, key=lambda child: rank.get(child.tag, 1)):
        if part.tag == "tr":
            yield part, node
        else:
            for row in part:
                if row.tag == "tr":
                    yield row, part


def _all_headers(cells: list[Node]) -> bool:
    return all(cell.tag == "th" and cell.get("scope") != "row" for cell in cells)


def _fill(
    cells: list[Node], hanging: dict[int, tuple[int, str]], text_of: Callable[[Node], str]
) -> list[str]:
    """One row's texts, with what hangs down from the rows above."""
    filled: list[str] = []

    def take_hanging() -> None:
        while len(filled) in hanging:
            left, text = hanging.pop(len(filled))
            if left > 1:
                hanging[len(filled)] = (left - 1, text)
            filled.append(text)

    for cell in cells:
        take_hanging()
        text = text_of(cell)
        rows = _span(cell.get("rowspan"), 65534)
        for _ in range(min(_span(cell.get("colspan"), 1000), _MOST_COLUMNS - len(filled))):
            if rows > 1:
                hanging[len(filled)] = (rows - 1, text)
            filled.append(text)
    take_hanging()
    while any(column >= len(filled) for column in hanging):
        filled.append("")
        take_hanging()
    return filled


def _span(value: str | None, most: int) -> int:
    digits = (value or "").strip()
    if not digits.isdecimal():
        return 1
    return min(max(int(digits[:6]), 1), most)


def _without_blank(rows: list[list[str]], header_rows: int) -> tuple[list[list[str]], int]:
    kept = [(row, at < header_rows) for at, row in enumerate(rows) if any(row)]
    return [row for row, _ in kept], sum(head for _, head in kept)
