"""What a planner's model is told of a run, cut to the room that its context has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cogagent.planners.base import PlanState
from cogagent.planners.fencing import fenced, one_line
from cogagent.types import Finding, Note, Query, Record, Step, ToolSpec

NONE = "none"
"""The name of the choice to search with no tool at all."""
REGION = "region"
"""The tool that looks again at a place; only with it are places asked for."""

_QUESTION = 1500
"""Characters of the question that are shown, its beginning and its end."""
_DIGEST = 320
_NOTE = 600
_QUERY = 200
_HIT = 120
_HITS = 3
"""Of each tool's probe."""
_TURNS = 3
_PLACES = 6
"""Pieces of evidence that may be looked at again."""


class Past(Record):
    """A query that was asked."""

    id: str
    query: str
    tool: str
    found: str
    """The digest of what it found, or why it found nothing."""


class Place(Record):
    """A piece of evidence that can be looked at again."""

    alias: str
    """Its short name in the exchange."""
    evidence_id: str
    shown: str


class Request(Record):
    """One side of the exchange with a model."""

    question: str
    choices: tuple[str, ...] = ()
    images: int = 0
    """Pictures that came with the question."""
    turns: tuple[str, ...] = ()
    """The conversation before it, oldest first."""
    history: tuple[Past, ...] = ()
    """What was asked and found, oldest first."""
    tools: tuple[ToolSpec, ...] = ()
    notes: tuple[Note, ...] = ()
    probe: tuple[str, ...] = ()
    """What a quick look for the question brought, a line a hit."""
    places: tuple[Place, ...] = ()
    round: int = 1
    max_rounds: int | None = None

    @staticmethod
    def of(state: PlanState) -> Request:
        """What a state comes to."""
        left = state.left.steps
        history = tuple(_history(state))
        looks = any(tool.name == REGION for tool in state.tools)
        pictures = (
            [piece for piece in state.evidence if piece.modality == "image"] if looks else []
        )
        return Request(
            question=state.question,
            choices=state.choices,
            images=state.pictures,
            turns=tuple(
                f"{turn.resolved or turn.question} - {turn.short or turn.answer}"
                for turn in state.turns[-_TURNS:]
            ),
            history=history,
            tools=offered(state),
            notes=state.notes,
            probe=() if history else tuple(_probed(state)),
            places=tuple(
                Place(
                    alias=f"e{number}",
                    evidence_id=piece.id,
                    shown=f"{piece.title}, page {piece.page}: {piece.caption or piece.text}",
                )
                for number, piece in enumerate(pictures[:_PLACES], 1)
            ),
            round=state.number,
            max_rounds=None if left is None else len(state.steps) + left,
        )

    def text(self, room: int, *, tools: bool = False, queries: Sequence[str] = ()) -> str:
        """The request in words, what matters least left out where the room is small.

        Args:
            room: Bytes that it may have; question and tools are shown all the same.
            tools: Name the tools.
            queries: Lines that say for which queries a tool is to be chosen.
        """
        head = [f"Question: {_middle_out(self.question, min(_QUESTION, room // 2))}"]
        if self.choices:
            listed = "; ".join(one_line(choice, _HIT) for choice in self.choices)
            head.append(f"One of these is the answer: {listed}")
        if self.images:
            head.append(f"Pictures that came with the question: {self.images}")
        of = "" if self.max_rounds is None else f" of {self.max_rounds}"
        head.append(f"Round: {self.round}{of}")
        if tools:
            lines = [f"- {tool.name}: {one_line(tool.description, _QUERY)}" for tool in self.tools]
            head.append("Tools:\n" + "\n".join(lines))
        if queries:
            head.append("Queries:\n" + "\n".join(queries))
        start = "\n".join(head)
        data = self._data(room - len(start.encode()) - _HIT)
        return f"{start}\n\n{fenced(data)}" if data else start

    def _data(self, room: int) -> list[str]:
        """The lines that come from documents: the latest first to be kept, shown in order."""
        history = [
            f"Asked before ({past.tool}): {one_line(past.query, _QUERY)} - "
            f"{one_line(past.found, _DIGEST)}"
            for past in self.history
        ]
        notes = [f"Note ({note.kind}): {one_line(note.text, _NOTE)}" for note in self.notes]
        probe = [f"A quick look found {one_line(line, _HIT)}" for line in self.probe]
        turns = [f"Earlier question: {one_line(turn, _DIGEST)}" for turn in self.turns]
        places = [f"Picture {place.alias}: {one_line(place.shown, _HIT)}" for place in self.places]
        shown: dict[str, None] = {}
        for line in (*reversed(history), *places, *reversed(turns), *notes, *probe):
            size = len(line.encode()) + 1
            if size <= room:
                room -= size
                shown[line] = None
        return [line for line in (*turns, *notes, *history, *probe, *places) if line in shown]


def offered(state: PlanState) -> tuple[ToolSpec, ...]:
    """The tools that a planner may choose of; text search where a state names none."""
    return state.tools or (ToolSpec(name="text", description="Passages of the documents."),)


def nothing_found(finding: Finding) -> bool:
    """Whether a query brought no answer that could be used."""
    return finding.error is not None or not finding.digest.strip()


def asked(steps: Sequence[Step]) -> Iterator[tuple[Query, Finding | None]]:
    """Every query of these steps with its finding, oldest first."""
    for step in steps:
        found = {finding.query: finding for finding in step.findings}
        for query in step.queries:
            yield query, found.get(query.id)


def _history(state: PlanState) -> Iterator[Past]:
    titles = {piece.id: piece.title for piece in state.evidence}
    for query, finding in asked(state.steps):
        if query.picture is not None and finding is None:
            continue
        yield Past(
            id=query.id,
            query=query.text or "the question's picture",
            tool=query.tool,
            found=_found(finding, titles),
        )


def _found(finding: Finding | None, titles: dict[str, str]) -> str:
    if finding is None:
        return "nothing"
    if finding.error is not None:
        return f"failed: {finding.error.message}"
    if finding.digest.strip():
        return finding.digest
    seen = list(dict.fromkeys(titles[key] for key in finding.evidence if key in titles))
    return f"no answer, in {', '.join(seen[:_HITS])}" if seen else "nothing"


def _probed(state: PlanState) -> Iterator[str]:
    for look in state.probe:
        for hit in look.hits[:_HITS]:
            yield f"({look.tool}) {hit.title}: {hit.text}"


def _middle_out(text: str, most: int) -> str:
    """A text on one line; the middle of a long one is left out."""
    line = " ".join(text.split())
    if len(line.encode("utf-8", "replace")) <= most:
        return line
    half = max(most // 2, 40)
    whole = line.encode("utf-8", "replace")
    first, last = whole[:half].decode("utf-8", "ignore"), whole[-half:].decode("utf-8", "ignore")
    return f"{first} … {last}"
