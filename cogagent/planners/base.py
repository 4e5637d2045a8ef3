"""What a planner is: the state of a run in, the next step out."""

from __future__ import annotations

from typing import Protocol

from pydantic import Field

from cogagent.models.metered import MeteredMLLM
from cogagent.types import Evidence, Modality, Note, Raster, Record, Step, ToolSpec


class ProbeHit(Record):
    """A piece of evidence that a tool would bring for the question as it was asked."""

    evidence_id: str
    title: str
    modality: Modality
    text: str
    """Its beginning."""
    cosine: float | None = None
    """Of question and evidence, as the text embedder sees them; -1 to 1."""
    shown: float | None = None
    """Of question and picture, as the picture embedder sees them; -1 to 1."""
    words: float = 0.0
    """Share of the question's content words, by weight, that the evidence has; 0 to 1."""


class Probe(Record):
    """A cheap look at what a tool would find: its best hits and how good they are."""

    tool: str
    hits: tuple[ProbeHit, ...] = ()
    part: str = ""
    """Which of the questions in the question it is for; empty for all of it."""


class Turn(Record):
    """An earlier question of the conversation and what was answered."""

    question: str
    resolved: str = ""
    """As it was read, standing alone."""
    answer: str = ""
    short: str = ""
    titles: tuple[str, ...] = ()
    """Of the documents that the answer cites."""
    documents: tuple[str, ...] = ()
    """Ids of those that it quotes: with one of them the home forgets the turn."""


class Left(Record):
    """What is left of the budget; ``None`` is no limit."""

    steps: int | None = None
    seconds: float | None = None
    model_calls: int | None = None
    tokens: int | None = None
    pictures: int | None = None
    web_searches: int | None = None
    regions: int | None = None


class PlanState(Record):
    """What a planner sees. It never searches itself."""

    question: str
    choices: tuple[str, ...] = ()
    """Of which one is the answer; none of an open question."""
    pictures: int = 0
    """How many pictures came with the question."""
    rasters: tuple[Raster, ...] = Field(default=(), exclude=True, repr=False)
    """Those pictures, for models that see."""
    tools: tuple[ToolSpec, ...] = ()
    """What can be asked."""
    probe: tuple[Probe, ...] = ()
    """What each tool would find for the question as it stands."""
    turns: tuple[Turn, ...] = ()
    """The conversation so far, oldest first."""
    steps: tuple[Step, ...] = ()
    """The steps taken so far, with what each query found and its digest."""
    evidence: tuple[Evidence, ...] = ()
    """What they found, best first."""
    notes: tuple[Note, ...] = ()
    left: Left = Left()

    @property
    def number(self) -> int:
        """That of the step to plan, from 1."""
        return len(self.steps) + 1


class Planner(Protocol):
    """Decides what to search for next, or that there is enough.

    One planner serves many runs at once: what it has to remember of a run stands
    in the steps of the state.
    """

    name: str

    async def plan(self, state: PlanState, model: MeteredMLLM | None) -> Step:
        """The next step; one with ``done`` set and no queries ends the run.

        Args:
            state: All that is known.
            model: Counts what it costs, and refuses with a ``BudgetError`` what is not
                allowed; ``None`` where no language model is configured.

        Raises:
            BudgetError: If the model may not be asked any more.
            ModelError: If the model fails and the planner cannot do without.
        """
        ...
