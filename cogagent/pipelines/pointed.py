"""Answers that point at cells: a table or chart among the evidence, read as a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from cogagent.checking.checker import Draft, DraftPart
from cogagent.reading.grids.answerer import GridAnswer, GridAnswerer
from cogagent.reading.grids.tables import table_grid
from cogagent.types import Evidence, Words

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
MOST_ROWS = 12
"""Rows that one answer quotes."""
_LONGEST = 60_000
"""Characters of a table that is read as a grid."""


class CellAnswer(NamedTuple):
    """An answer that points at cells of one piece of evidence.

    Attributes:
        passage: Its number among the evidence.
        answer: What was found there.
    """

    passage: int
    answer: GridAnswer


def cells_answer(
    question: str, evidence: Sequence[Evidence], answerer: GridAnswerer
) -> CellAnswer | None:
    """The surest answer that the best tables give; ``None`` if none gives one.

    Args:
        question: In plain words.
        evidence: Best first.
        answerer: Finds cells.
    """
    charts = {piece.document_id for piece in evidence if piece.look == "chart"}
    tables = [
        (number, piece)
        for number, piece in enumerate(evidence[:READ])
        if piece.modality == "table" and len(piece.text) <= _LONGEST
    ]
    found: list[tuple[float, CellAnswer]] = []
    for place, (number, piece) in enumerate(tables, 1):
        words = piece.words
        here = words.pages == piece.page
        grid = table_grid(
            piece.text,
            "\n".join(filter(None, (piece.context, piece.caption))),
            Words(words.spans[here], words.pages[here], words.boxes[here]),
        )
        if grid is None:
            continue
        least = SURE
        if piece.look == "chart":
            grid = replace(grid, kind="bar")  # how it was drawn does not matter to what it says
            least = CHART_SURE if len(charts) > 1 else ONLY_CHART_SURE
        answer = answerer.answer(question, grid)
        if isinstance(answer, GridAnswer) and answer.confidence >= least:
            value = answer.confidence - _PLACE * math.log(place)
            found.append((value, CellAnswer(number, answer)))
    return max(found, key=lambda one: one[0], default=(0.0, None))[1]


def drafts(found: CellAnswer, evidence: Sequence[Evidence]) -> list[Draft]:
    """The rows that an answer rests on, each with the cells that it points at.

    Args:
        found: What was found.
        evidence: As it was found in.
    """
    piece = evidence[found.passage]
    rows: dict[tuple[int, int], list[DraftPart]] = {}
    above: list[DraftPart] = []
    for step in found.answer.steps:
        if step.place.span is None:
            continue
        start, end = step.place.span
        part = DraftPart(step.role, start, end)
        if step.role in ("column", "unit", "title"):
            above.append(part)
        else:
            rows.setdefault(_line(piece.text, start), []).append(part)
    kept = list(rows.items())[:MOST_ROWS]
    return [
        Draft(
            number,
            piece.id,
            quote=piece.text[start:end],
            start=start,
            parts=(*above, *parts),
        )
        for number, ((start, end), parts) in enumerate(kept, 1)
    ]


def _line(text: str, place: int) -> tuple[int, int]:
    """The line of a text that a character stands in, without white space around it."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    line = text[start : end if end >= 0 else len(text)]
    start += len(line) - len(line.lstrip())
    return start, start + len(line.strip())
