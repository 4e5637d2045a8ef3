"""What a question leaves out, and what it asks not to be so."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from cogagent.grid import Grid
from cogagent.reading.grids.asking import Asked
from cogagent.reading.grids.drafts import View
from cogagent.reading.grids.hearing import Match
from cogagent.reading.grids.reading import SUMMARY, Target

_EXCEPT = re.compile(
    r"\b(?:excluding|except(?:ing)?(?: for)?|other than|apart from|aside from|besides|leaving out"
    r"|not (?:including|counting)|without counting|ignoring|disregarding)\b",
    re.IGNORECASE,
)
_JOINED = re.compile(r"[\s,&]*(?:\b(?:and|or|nor)\b)?\s*(?:\bthe\b)?\s*", re.IGNORECASE)
_YEAR = re.compile(r"[\d/-]+")
_NOT = re.compile(r"\b(?:not|never|neither|nor)\b|(?<=\w)n[\u2019']t\b", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:no|not|non|none|never|neither|nor)\b|n[\u2019']t\b", re.IGNORECASE)
_IDLE = re.compile(
    r"^\W*\w+n[\u2019']t\b|\b(?:whether )?or not\b|\b(?:no|not) \w+ than\b|\bnot only\b",
    re.IGNORECASE,
)
"""Turns that deny nothing: "wasn't it", "or not", "not more than"."""


def excluded(asked: Asked, view: View, target: Target) -> tuple[str, Grid] | None:
    """The question and the grid without what the question leaves out.

    Args:
        asked: The question.
        view: The grid.
        target: What the question names in it.

    Returns:
        Both, or ``None`` where it is not plain what is left out, or little else is there.
    """
    phrase = _EXCEPT.search(asked.text)
    if phrase is None:
        return None
    for by_rows in (True, False):
        left, end = _left(asked, target.aligned(by_rows).named, phrase.end())
        rest = _kept(view, left, by_rows=by_rows)
        if left and len(rest) > 1:
            text = f"{asked.text[: phrase.start()]} {asked.text[end:]}".strip(" ,;")
            return text, _only(view, rest, by_rows=by_rows)
    return None


def excludes(asked: Asked, view: View) -> bool:
    """Whether the question leaves something out, in words that are no part of a label."""
    phrase = _EXCEPT.search(asked.text)
    return phrase is not None and phrase.group().lower() not in _written(view)


def denies(asked: Asked, view: View) -> bool:
    """Whether it asks what is not so, and the grid says nothing of that kind itself."""
    return bool(_NOT.search(_IDLE.sub("", asked.text))) and not _DENIED.search(_written(view))


def _written(view: View) -> str:
    """All that is written around the values, in lower case."""
    return "\n".join(view.texts).lower()


def _left(asked: Asked, named: Collection[Match], start: int) -> tuple[set[int], int]:
    """The labels that follow a place of the question one upon the other, and where they end."""
    left: set[int] = set()
    spans = []
    for match in named:
        at = match.runs[0] if match.runs else match.at
        if at:
            spans.append((asked.words[min(at)].start, asked.words[max(at)].end, match.index))
        elif match.mention is not None and match.mention < len(asked.mentions):
            first = asked.mentions[match.mention].start
            digits = _YEAR.match(asked.text, first)
            spans.append((first, digits.end() if digits else first, match.index))
    for first, last, index in sorted(spans):
        if first >= start and _JOINED.fullmatch(asked.text[start:first]):
            left.add(index)
            start = last
    return left, start


def _kept(view: View, left: Collection[int], *, by_rows: bool) -> list[int]:
    """What stays on an axis: neither what is left out nor the totals that it is part of."""
    headers = view.axis(by_rows).headers
    return [
        n for n, header in enumerate(headers)
        if n not in left and not header.total and not SUMMARY.search(header.text)
    ]  # fmt: skip


def _only(view: View, kept: Sequence[int], *, by_rows: bool) -> Grid:
    """The grid with some of its rows or columns."""
    headers = tuple(view.axis(by_rows).headers[n] for n in kept)
    place = {old: new for new, old in enumerate(kept)}
    if by_rows:
        cells = {(place[r], c): cell for (r, c), cell in view.grid.cells.items() if r in place}
        return replace(view.grid, rows=headers, cells=cells)
    cells = {(r, place[c]): cell for (r, c), cell in view.grid.cells.items() if c in place}
    return replace(view.grid, columns=headers, cells=cells)
