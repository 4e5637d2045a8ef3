"""Answers that point at cells: a table or chart among the evidence, read as a grid."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from cogagent.checking.checker import Draft, DraftPart
from cogagent.pipelines.charted import NO_LABEL
from cogagent.reading.grids.answerer import GridAnswer, GridAnswerer
from cogagent.reading.grids.tables import table_grid
from cogagent.types import Evidence

READ = 8
"""Pieces of evidence among which tables are read as grids."""
SURE = 0.5
"""Least confidence with which a cell of a table is taken for the answer."""
CHART_SURE, ONLY_CHART_SURE = 0.4, 0.2
"""Likewise of a chart, and of the only one that was found: of several, most are of something
else, and seldom say so. (Of 333 questions about charts that were given, answers from 0.2 on
were right in 0.97; about charts that had to be found among 633, those from 0.4 on in 0.43.)"""
_PLACE = 0.3
"""What the logarithm of its place among the tables takes off a cell's confidence."""
PLAIN = frozenset({"lookup", "label", "extreme", "rank"})
"""Operations whose answer stands in the row that is quoted."""
_OVER_ALL = frozenset({"extreme", "rank", "count", "list", "sum", "average", "trend"})
"""Operations that a part of a table may answer otherwise than the whole."""
MOST_ROWS = 40
"""Rows that one answer quotes."""
_LONGEST_SAID = 800
"""Characters of the working of an answer that rests on more rows than it quotes."""
LONGEST = 120_000
"""Characters of a table that is read as a grid: some 4,000 rows."""
Whole = Callable[[Evidence], Sequence[Evidence]]
"""All pieces of the table that a piece is of, in order; none where it has more than
:data:`LONGEST` characters, or where it ends is not known."""


class Part(NamedTuple):
    """A piece of evidence within the text that was read.

    Attributes:
        evidence: The piece.
        at: Where it begins in that text.
        start: Characters of its own before that: a header that was there already.
    """

    evidence: Evidence
    at: int
    start: int


class CellAnswer(NamedTuple):
    """An answer that points at cells of one table.

    Attributes:
        passage: Number, among the evidence, of the piece that brought the table.
        answer: What was found there; its spans are in the text of all parts.
        parts: What that text was put together from, in order; at least one.
    """

    passage: int
    answer: GridAnswer
    parts: tuple[Part, ...]


def cells_answer(
    question: str,
    evidence: Sequence[Evidence],
    answerer: GridAnswerer,
    whole: Whole | None = None,
) -> CellAnswer | None:
    """The surest answer that the best tables give; ``None`` if none gives one.

    A table that was cut into pieces is read as a whole. Of one that is too long only what a
    few rows say is answered.

    Args:
        question: In plain words.
        evidence: Best first.
        answerer: Finds cells.
        whole: Brings the rest of a table; ``None`` where each piece is one.
    """
    charts = {piece.document_id for piece in evidence if piece.look == "chart"}
    found: list[tuple[float, CellAnswer]] = []
    known: set[str] = set()
    place = 0
    for number, piece in enumerate(evidence[:READ]):
        if piece.modality != "table" or len(piece.text) > LONGEST or piece.id in known:
            continue
        place += 1
        pieces: Sequence[Evidence] = [piece]
        if whole is not None and piece.look != "chart" and not piece.parent:
            pieces = whole(piece)
        known.update(each.id for each in pieces)
        read = _read(question, pieces or [piece], answerer, several=len(charts) > 1)
        if read is None or (not pieces and read[0].operation in _OVER_ALL):
            continue
        one = CellAnswer(number, *read)
        if next(_pointed(one), None) is not None:  # what points at nothing proves nothing
            found.append((one.answer.confidence - _PLACE * math.log(place), one))
    return max(found, key=lambda one: one[0], default=(0.0, None))[1]


def drafts(found: CellAnswer) -> list[Draft]:
    """The rows that an answer rests on, each with the cells that it points at.

    Args:
        found: What was found.

    Returns:
        At most :data:`MOST_ROWS`; the header's lines where only columns are meant. Headers
        are pointed at where they stand in the same piece as the row.
    """
    return [
        Draft(
            number,
            piece.id,
            quote=piece.text[start:end],
            start=start,
            parts=parts,
        )
        for number, (piece, (start, end), parts) in enumerate(_rows(found)[:MOST_ROWS], 1)
    ]


def working(found: CellAnswer) -> str:
    """How an answer follows from the rows that are quoted; empty where it stands in one."""
    if found.answer.operation in PLAIN:
        return ""
    said = found.answer.said
    more = len(_rows(found)) - MOST_ROWS
    if more <= 0:
        return said
    if len(said) > _LONGEST_SAID:
        said = f"{said[: _LONGEST_SAID * 3 // 4]} \u2026 {said[-_LONGEST_SAID // 4 :]}"
    return f"{said} (and {more} more rows, which are not quoted)"


def _read(
    question: str, pieces: Sequence[Evidence], answerer: GridAnswerer, *, several: bool
) -> tuple[GridAnswer, tuple[Part, ...]] | None:
    """What a table answers, if it is sure enough; ``several`` charts were found."""
    text, parts = _joined(pieces)
    first = pieces[0]
    chart = first.look == "chart"
    # A caption is no header, whatever it holds.
    above = [first.context or first.title, first.caption.replace("|", "/")]
    grid = table_grid(text, "\n".join(filter(None, above)), charted=chart)
    if grid is None:
        return None
    least = SURE
    if chart:
        grid = replace(grid, kind="bar")  # how it was drawn does not matter to what it says
        least = CHART_SURE if several else ONLY_CHART_SURE
    answer = answerer.answer(question, grid)
    if not isinstance(answer, GridAnswer) or answer.confidence < least:
        return None
    if chart and NO_LABEL in answer.short.split("; "):
        return None
    return answer, parts


def _joined(pieces: Sequence[Evidence]) -> tuple[str, tuple[Part, ...]]:
    """The text of a table, and where in it each of its pieces begins."""
    text = ""
    parts: list[Part] = []
    for piece in pieces:
        start = _behind_header(piece) if parts else 0
        text += "\n" if parts else ""
        parts.append(Part(piece, len(text), start))
        text += piece.text[start:]
    return text, tuple(parts)


def _behind_header(piece: Evidence) -> int:
    """Where the rows of a piece begin that repeats the caption and header above it."""
    repeated = {"".join(line.split()) for line in piece.context.split("\n")[1:]}
    repeated.add("".join(piece.caption.split()))
    start = 0
    while (end := piece.text.find("\n", start)) >= 0:
        if "".join(piece.text[start:end].split()) not in repeated:
            break
        start = end + 1
    return start


_Row = tuple[Evidence, tuple[int, int], tuple[DraftPart, ...]]


def _rows(found: CellAnswer) -> list[_Row]:
    """The lines that an answer rests on, each with what is meant in it."""
    rows: dict[tuple[int, tuple[int, int]], list[DraftPart]] = {}
    heads: dict[tuple[int, tuple[int, int]], list[DraftPart]] = {}
    for n, part in _pointed(found):
        line = n, _line(found.parts[n].evidence.text, part.start)
        above = part.role in ("column", "unit", "title")
        (heads if above else rows).setdefault(line, []).append(part)
    return [
        (
            found.parts[n].evidence,
            line,
            (*(part for (m, _), each in heads.items() if m == n and rows for part in each), *own),
        )
        for (n, line), own in (rows or heads).items()
    ]


def _pointed(found: CellAnswer) -> Iterator[tuple[int, DraftPart]]:
    """What an answer points at, by the number of its part and the characters in its piece."""
    begins = [part.at for part in found.parts]
    for step in found.answer.steps:
        if step.place.span is None or step.place.span[0] == step.place.span[1]:
            continue
        n = bisect_right(begins, step.place.span[0]) - 1
        shift = found.parts[n].start - found.parts[n].at
        start, end = (edge + shift for edge in step.place.span)
        yield n, DraftPart(step.role, start, end)


def _line(text: str, place: int) -> tuple[int, int]:
    """The line of a text that a character stands in, without white space around it."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    line = text[start : end if end >= 0 else len(text)]
    start += len(line) - len(line.lstrip())
    return start, start + len(line.strip())
