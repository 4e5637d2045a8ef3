"""What may answer: sentences, in stretches that fit the model, and table rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cogagent.documents.sentences import sentences
from cogagent.reading.cells import Choice, choose
from cogagent.reading.passage import FloatArray, IntArray, Passage
from cogagent.reading.question import Word, words
from cogagent.reading.tables import Row, Table, parse
from cogagent.reading.wishes import Wish

WINDOW = 1200
"""Characters run through the model at once, so that the tokens stay below its 256."""
MAX_WINDOWS = 5
"""Most stretches run through the model for one question; more cost time and gain nothing."""
MAX_ROWS = 32
"""Most table rows looked at for one question."""
MAX_TITLE = 120
_MAX_HEADING = 300
_MAX_LABEL = 160


@dataclass(frozen=True, slots=True)
class RowView:
    """A table row as the model and the features see it.

    Attributes:
        table: Its table.
        row: The row.
        choice: The cell that the question asks for, if it asks for this row.
        text: What the model is shown: section, label, then the header of the chosen column.
        label: Character range of the label in ``text``.
    """

    table: Table
    row: Row
    choice: Choice
    text: str
    label: tuple[int, int]


@dataclass(slots=True)
class Candidate:
    """A sentence, or a row of a table, that may answer.

    Attributes:
        passage: Number of its passage.
        start: First character in the passage's text.
        end: One past the last character.
        words: Its words; ranges count from its first character.
        stems: Stems of all its words.
        context: Stems of the title and of the sentence before it, or of what stands above and
            before a row.
        previous: Place of the sentence before it in the list of candidates, or None.
        view: How a row is seen; None for a sentence.
        states: Its tokens' states.
        offsets: Its tokens' character ranges, from its first character; those of ``view.text`` for
            a row.
        similarity: Cosine of each question token with each of its tokens.
        logits: What speaks for each of its pieces as the answer's first and last; empty if it
            was not looked at again.
        pieces: Character ranges of those pieces, from its first character.
    """

    passage: int
    start: int
    end: int
    words: list[Word]
    stems: frozenset[str]
    context: frozenset[str]
    previous: int | None
    view: RowView | None
    states: FloatArray
    offsets: IntArray
    similarity: FloatArray
    logits: FloatArray
    pieces: IntArray


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a passage that the model reads at once, or what stands above a table."""

    passage: int
    prefix: str
    start: int
    end: int
    members: tuple[int, ...]


def cut(
    passages: Sequence[Passage], asked: Wish
) -> tuple[list[Candidate], list[frozenset[str]], list[Window]]:
    """Cut passages into candidates.

    Returns:
        The candidates, the stems of each passage and what stands above it, and the windows of the
        sentences; a table has one, of what stands above it, without members.
    """
    candidates: list[Candidate] = []
    passage_stems: list[frozenset[str]] = []
    windows: list[Window] = []
    for number, passage in enumerate(passages):
        title = title_of(passage)
        above = frozenset(word.stem for word in words(title))
        if passage.kind == "table":
            table = parse(passage.text, passage.context)
            heading = "\n".join(part for part in (table.path or title, table.caption) if part)
            heads = " ".join(dict.fromkeys(h for row in table.rows[:1] for h in row.columns if h))
            shown = f"{heading}\n{table.corner} {heads}"[:_MAX_HEADING]
            above |= _stems(f"{heading} {table.corner}")
            found = _rows(number, passage, table, choose(passage.text, table, asked), above)
            stems = above | _stems(f"{heads} {passage.text}")
            windows.append(Window(number, shown, 0, 0, ()))
            candidates.extend(found)
        else:
            first = len(candidates)
            candidates.extend(_sentences(number, passage, above, first))
            stems = above.union(*(candidate.stems for candidate in candidates[first:]))
            windows.extend(_windows(number, title + "\n" if title else "", candidates, first))
        passage_stems.append(stems)
    return candidates, passage_stems, windows


def title_of(passage: Passage) -> str:
    """The title as the models are shown it."""
    return passage.title.replace("_", " ")[:MAX_TITLE]


def _candidate(
    number: int,
    passage: Passage,
    span: tuple[int, int],
    context: frozenset[str],
    previous: int | None = None,
    view: RowView | None = None,
) -> Candidate:
    found = words(passage.text[slice(*span)])
    stems = frozenset(word.stem for word in found)
    empty = np.zeros((0, 0), dtype=np.float32)
    places = np.zeros((0, 2), dtype=np.int64)
    return Candidate(
        number, *span, found, stems, context, previous, view, empty, places, empty,
        np.zeros((0, 2), dtype=np.float32), places,
    )  # fmt: skip


def _sentences(
    number: int, passage: Passage, above: frozenset[str], first: int
) -> list[Candidate]:
    found: list[Candidate] = []
    before: frozenset[str] = frozenset()
    for span in sentences(passage.text):
        previous = first + len(found) - 1 if found else None
        found.append(_candidate(number, passage, span, above | before, previous))
        before = found[-1].stems
    return found


def _rows(
    number: int,
    passage: Passage,
    table: Table,
    choices: Sequence[Choice],
    above: frozenset[str],
) -> list[Candidate]:
    found = []
    for row, choice in zip(table.rows, choices, strict=True):
        section = f"{row.section}: " if row.section else ""
        label = row.label[:_MAX_LABEL]
        head = "" if choice.column is None else row.columns[choice.column]
        shown = f"{section}{label}, {head}" if head else section + label
        view = RowView(table, row, choice, shown, (len(section), len(section) + len(label)))
        context = above | _stems(shown)
        found.append(_candidate(number, passage, (row.start, row.end), context, view=view))
    return found


def _windows(number: int, prefix: str, candidates: list[Candidate], first: int) -> list[Window]:
    """Group a passage's sentences, in order, into stretches that fit the model."""
    groups: list[list[int]] = []
    for place in range(first, len(candidates)):
        if not groups or candidates[place].end - candidates[groups[-1][0]].start > WINDOW:
            groups.append([])
        groups[-1].append(place)
    return [
        Window(number, prefix, candidates[g[0]].start, candidates[g[-1]].end, tuple(g))
        for g in groups
    ]


def best_windows(
    windows: list[Window], candidates: list[Candidate], weight: Mapping[str, float]
) -> list[Window]:
    """Keep the windows that share most with the question, and the first: a bound on the cost."""
    if len(windows) <= MAX_WINDOWS:
        return windows

    def shared(window: Window) -> float:
        held = frozenset[str]().union(*(candidates[place].stems for place in window.members))
        return sum(value for stem, value in weight.items() if stem in held)

    order = sorted(
        range(len(windows)), key=lambda place: (place > 0, -shared(windows[place]), place)
    )
    return [windows[place] for place in sorted(order[:MAX_WINDOWS])]


def best_rows(candidates: list[Candidate], weight: Mapping[str, float]) -> list[int]:
    """Keep the rows whose label, headings and given values share most with the question."""

    def shared(place: int) -> float:
        candidate = candidates[place]
        view = candidate.view
        won = view is not None and (view.choice.given or view.choice.winner > 0)
        held = candidate.stems | candidate.context
        return won + sum(value for stem, value in weight.items() if stem in held)

    places = [place for place, candidate in enumerate(candidates) if candidate.view]
    kept = sorted(places, key=lambda place: -shared(place))[:MAX_ROWS]
    return sorted(kept)


def _stems(text: str) -> frozenset[str]:
    return frozenset(word.stem for word in words(text))
