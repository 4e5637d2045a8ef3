"""From evidence to an answer whose every claim is quoted and cited."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from cogagent.checking.checker import Checked, Checker, Draft, DraftPart
from cogagent.checking.injection import warnings
from cogagent.checking.marking import NOTHING_LEFT, mark, outcome, strip
from cogagent.pipelines.choices import level
from cogagent.pipelines.choosing import Chooser
from cogagent.pipelines.pointed import CellAnswer, Whole, cells_answer
from cogagent.pipelines.pointed import drafts as cell_drafts
from cogagent.pipelines.pointed import working as cell_working
from cogagent.reading.grids.answerer import GridAnswerer
from cogagent.reading.passage import Passage, Reading
from cogagent.reading.pictures import read_pictures
from cogagent.reading.reader import ExtractiveReader
from cogagent.types import Citation, Claim, Evidence, Note, Outcome, Raster, first_page_box


@dataclass(frozen=True, slots=True)
class Composed:
    """The parts of an answer that come from reading."""

    outcome: Outcome
    text: str
    short: str = ""
    citations: tuple[Citation, ...] = ()
    closest: Citation | None = None
    confidence: float = 0.0
    claims: tuple[Claim, ...] = ()
    warnings: tuple[str, ...] = ()
    distribution: Mapping[str, float] = field(default_factory=dict)
    """Of the choices, if there were any."""

    exhausted: str = ""
    """What of the budget was spent before it was whole."""
    brought: tuple[Evidence, ...] = ()
    """Cited pieces that no search had brought: the rest of a table."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer has to answer.

    Attributes:
        question: As it is to be read: standing alone.
        parts: The questions in it, each answered by itself; a comparison's sides have
            been searched for but are no questions.
        choices: One of which is the answer, two or more; none for an open question.
        pictures: That came with the question.
        notes: What was seen, known or worked out on the way; no source.
        deadline: ``time.monotonic()`` at which the time is over.
        unsearched: Why nothing was searched for, where nothing was.
    """

    question: str
    parts: Sequence[str] = ()
    choices: Sequence[str] = ()
    pictures: Sequence[Raster] = ()
    notes: Sequence[Note] = ()
    deadline: float | None = None
    unsearched: str = ""


NOT_SEARCHED = "The documents were not searched: nothing is asked of them"
NOTHING_THERE = "There is nothing in this collection to answer from."


RunBlocking = Callable[..., Awaitable[Any]]
"""Runs a blocking call on the bounded pool of threads."""


class Composer(Protocol):
    """Writes the answer from the evidence."""

    def compose(
        self, asked: Asked, evidence: Sequence[Evidence], blocking: RunBlocking
    ) -> AsyncGenerator[str | Composed, None]:
        """The answer: its text piece by piece, then the whole of it.

        The pieces, joined, are the whole's text.

        Args:
            asked: What to answer.
            evidence: Best first.
            blocking: Runs a blocking call elsewhere.

        Raises:
            BudgetError: If the budget does not allow the model that writes.
            ModelError: If it fails.
        """
        ...


def pieces(text: str) -> list[str]:
    """A text as a stream carries it: word by word, each with the space behind it."""
    return re.findall(r"\S+\s*|\s+", text)


class ExtractiveComposer:
    """Writes answers by quoting: the embedded answerer.

    Args:
        reader: Finds the sentence, row or tag that answers.
        cells: Finds the cells of charts and tables that answer; ``None`` to do without.
        checker: Checks the quotes like any answer.
        chooser: Tells choices apart.
        whole: Brings the rest of a table that was cut into pieces; ``None`` to do without.
        strict: Leave out what is not borne out, instead of marking it.
    """

    def __init__(
        self,
        reader: ExtractiveReader,
        checker: Checker,
        chooser: Chooser,
        cells: GridAnswerer | None = None,
        *,
        whole: Whole | None = None,
        strict: bool = False,
    ) -> None:
        self._reader = reader
        self._whole = whole
        self._cells = cells
        self._checker = checker
        self._chooser = chooser
        self._strict = strict

    async def compose(
        self, asked: Asked, evidence: Sequence[Evidence], blocking: RunBlocking
    ) -> AsyncGenerator[str | Composed, None]:
        """The answer; see :class:`Composer`."""
        composed: Composed = await blocking(self._compose, asked, evidence)
        for piece in pieces(composed.text):
            yield piece
        yield composed

    def _compose(self, asked: Asked, evidence: Sequence[Evidence]) -> Composed:
        if not evidence and (worked := _worked_out(asked)) is not None:
            return worked
        if asked.unsearched:
            text = f"{NOT_SEARCHED} ({asked.unsearched})."
            return Composed("abstained", text, distribution=level(asked.choices))
        if asked.choices:
            return self._chosen(asked.question, evidence, asked.choices)
        questions = [part for part in asked.parts if part.endswith("?")]
        if len(questions) < 2:
            questions = [asked.question]
        passages = _passages(evidence)
        findings = [(part, self._found(part, passages, evidence)) for part in questions]
        answered = [
            _quote(found, evidence) if isinstance(found, Reading) else found
            for _, found in findings
            if isinstance(found, CellAnswer) or (found is not None and found.answered)
        ]
        if not answered:
            nearest = findings[0][1]
            return _abstention(evidence, nearest if isinstance(nearest, Reading) else None)
        missed = [
            part
            for part, found in findings
            if found is None or (isinstance(found, Reading) and not found.answered)
        ]
        return self._quoted(answered, missed, evidence)

    def _chosen(
        self, question: str, evidence: Sequence[Evidence], choices: Sequence[str]
    ) -> Composed:
        """The most probable choice, under the words that speak for it."""
        passages = _passages(evidence)
        reading = self._find(question, passages)
        if reading is None:
            return replace(_abstention(evidence, None), distribution=level(choices))
        chosen = self._chooser.choose(question, choices, reading, passages)
        distribution = dict(zip(choices, chosen.probabilities, strict=True))
        place = chosen.sentence
        if place is None or not reading.answered:
            composed = _abstention(evidence, reading)
        else:
            speaking = replace(reading, passage=place.passage, start=place.start, end=place.end)
            quote = _Quote(speaking, choices[chosen.best])
            composed = self._quoted([quote], [], evidence)
        return replace(composed, distribution=distribution)

    def _found(
        self, question: str, passages: Sequence[Passage], evidence: Sequence[Evidence]
    ) -> Reading | CellAnswer | None:
        """The sentence, row or cells that answer ``question``."""
        seen = read_pictures(question, passages)
        if seen is not None:
            return seen
        reading = self._find(question, passages)
        if reading is not None and _of_a_chart(reading, evidence) and not _read(reading, evidence):
            reading = replace(reading, answered=False)
        cells = None
        if self._cells is not None:
            cells = cells_answer(question, evidence, self._cells, self._whole)
        if cells is None or reading is None or not reading.answered:
            return cells or reading
        surer = cells.answer.confidence >= reading.confidence
        # The words of a chart are in no order that a reader of sentences knows.
        surer = surer or reading.passage == cells.passage or _of_a_chart(reading, evidence)
        return cells if surer else reading

    def _find(self, question: str, passages: Sequence[Passage]) -> Reading | None:
        """What answers ``question``; its passage number counts in the evidence."""
        seen = read_pictures(question, passages)
        reading = seen or self._reader.read(question, passages)
        return reading if reading.passage is not None else None

    def _quoted(
        self,
        found: Sequence[_Quote | CellAnswer],
        missed: Sequence[str],
        evidence: Sequence[Evidence],
    ) -> Composed:
        """A line for each place that answers, checked; then what was not found."""
        drafts: dict[tuple[str, int, tuple[DraftPart, ...]], Draft] = {}
        answers: list[_Written] = []
        searched = {piece.id for piece in evidence}
        pieces = {piece.id: piece for piece in evidence}
        for one in found:
            if isinstance(one, _Quote):
                wanted = [_draft(1, one.reading, evidence)]
            else:
                wanted = cell_drafts(one)
                pieces = {part.evidence.id: part.evidence for part in one.parts} | pieces
            markers = []
            for draft in wanted:
                key = (draft.evidence_id, draft.start, draft.parts)
                kept = drafts.setdefault(key, replace(draft, marker=len(drafts) + 1))
                markers.append(kept.marker)
            answers.append(_Written(tuple(markers), one))
        ids = {draft.evidence_id for draft in drafts.values()}
        cited = [piece for piece in pieces.values() if piece.id in ids]
        lines = [f"{' '.join(draft.quote.split())} [{draft.marker}]" for draft in drafts.values()]
        checked = _worked(self._checker.check("\n".join(lines), cited, drafts.values()), answers)
        reached = outcome(checked.claims, strict=self._strict)
        text = strip(checked) if self._strict else mark(checked)
        if missed:
            text = "\n".join([text or NOTHING_LEFT, "Not found: " + " ".join(missed)])
        stand = {
            marker
            for claim in checked.claims
            for marker in claim.markers
            if claim.verdict == "supported" or not self._strict
        }
        return Composed(
            outcome="partial" if missed and stand else reached,
            text=text or NOTHING_LEFT,
            short="; ".join(
                dict.fromkeys(
                    one.short for one in answers if one.short and stand.issuperset(one.markers)
                )
            ),
            citations=tuple(c for c in checked.citations if c.marker in stand),
            closest=checked.citations[0] if checked.citations and not stand else None,
            confidence=min(one.confidence for one in answers),
            claims=checked.claims,
            warnings=tuple(warnings(cited)),
            brought=tuple(piece for piece in cited if piece.id not in searched),
        )


class _Quote(NamedTuple):
    """A sentence or row that answers, and the answer in it."""

    reading: Reading
    short: str


class _Written(NamedTuple):
    """An answer with the markers of what it rests on."""

    markers: tuple[int, ...]
    found: _Quote | CellAnswer

    @property
    def short(self) -> str:
        found = self.found
        return found.short if isinstance(found, _Quote) else found.answer.short

    @property
    def confidence(self) -> float:
        found = self.found
        return found.reading.confidence if isinstance(found, _Quote) else found.answer.confidence

    @property
    def working(self) -> str:
        """How it follows from more than is quoted; empty where it stands in a quote."""
        found = self.found
        return "" if isinstance(found, _Quote) else cell_working(found)


def _worked(checked: Checked, answers: Sequence[_Written]) -> Checked:
    """The answer with a line for each that was worked out from what it quotes.

    The program has done that itself, from numbers that stand in the quotes: what is left
    to check is whether the quotes are there.
    """
    text, claims = checked.text, list(checked.claims)
    stand = {
        marker for claim in claims for marker in claim.markers if claim.verdict == "supported"
    }
    stand &= {citation.marker for citation in checked.citations if citation.verified}
    for answer in answers:
        if not answer.working:
            continue
        line = f"{answer.working} [{', '.join(map(str, answer.markers))}]"
        text = f"{text}\n{line}"
        claims.append(
            Claim(
                text=line, start=len(text) - len(line), end=len(text), markers=answer.markers,
                verdict=(
                    "supported"
                    if answer.markers and stand.issuperset(answer.markers)
                    else "unsupported"
                ),
                derived=(answer.working,),
            )
        )  # fmt: skip
    return replace(checked, text=text, claims=tuple(claims))


def _quote(reading: Reading, evidence: Sequence[Evidence]) -> _Quote:
    return _Quote(reading, _short(reading, evidence))


def _passages(evidence: Sequence[Evidence]) -> list[Passage]:
    return [
        Passage(piece.text, piece.modality, piece.title, piece.score, piece.context)
        for piece in evidence
    ]


def _worked_out(asked: Asked) -> Composed | None:
    """The answer where none has to be looked up: a sum, say."""
    computed = [note.text for note in asked.notes if note.kind == "computed"]
    if not computed:
        return None
    text = f"{computed[-1]} (worked out, not from a document)"
    return Composed("answered", text, short=computed[-1].rpartition("= ")[2], confidence=1.0)


def _abstention(evidence: Sequence[Evidence], reading: Reading | None) -> Composed:
    """Say that nothing answers, how much was read, and what came closest."""
    if reading is None:
        return Composed("abstained", NOTHING_THERE)
    closest = _cite(reading, evidence)
    documents = len({piece.document_id for piece in evidence})
    return Composed(
        outcome="abstained",
        text=(
            f"Not found: the {len(evidence)} best passages, from {documents} documents, do "
            f"not answer this. Closest: \u201c{' '.join(closest.quote.split())}\u201d "
            f"({closest.title}, page {closest.page})."
        ),
        closest=closest,
        confidence=reading.confidence,
        warnings=tuple(warnings([_piece(reading, evidence)])),
    )


def _of_a_chart(reading: Reading, evidence: Sequence[Evidence]) -> bool:
    piece = _piece(reading, evidence)
    return piece.modality == "image" and piece.look == "chart"


def _read(reading: Reading, evidence: Sequence[Evidence]) -> bool:
    """Whether a reading of a chart may answer: words that stand in it, and no number.

    What the program says of its looks answers nothing, and which label a number belongs to
    is no matter of sentences.
    """
    start, end = reading.answer_start, reading.answer_end
    if start is None or end is None:
        start, end = reading.start, reading.end
    piece = _piece(reading, evidence)
    numbers = any(char.isdigit() for char in piece.text[start:end])
    return not numbers and bool(len(piece.words.slice(start, end)))


def _draft(marker: int, reading: Reading, evidence: Sequence[Evidence]) -> Draft:
    piece = _piece(reading, evidence)
    quote = piece.text[reading.start : reading.end]
    return Draft(marker, piece.id, quote=quote, start=reading.start)


def _cite(reading: Reading, evidence: Sequence[Evidence]) -> Citation:
    piece = _piece(reading, evidence)
    boxes = piece.locate(reading.start, reading.end)
    first = first_page_box(boxes)
    return Citation(
        marker=1, evidence_id=piece.id, document_id=piece.document_id, uri=piece.uri,
        title=piece.title, modality=piece.modality, page=first.page, box=first.box, boxes=boxes,
        quote=piece.text[reading.start : reading.end], verified=reading.end > reading.start,
    )  # fmt: skip


def _short(reading: Reading, evidence: Sequence[Evidence]) -> str:
    if reading.answer_start is None or reading.answer_end is None:
        return ""
    text = _piece(reading, evidence).text
    return " ".join(text[reading.answer_start : reading.answer_end].split())


def _piece(reading: Reading, evidence: Sequence[Evidence]) -> Evidence:
    if reading.passage is None:
        raise ValueError("a reading of nothing cites nothing")
    return evidence[reading.passage]
