"""What a planner is: the state of a run in, the next step out."""

from __future__ import annotations

from typing import Protocol

from cogagent.types import Evidence, Record, Step


class PlanState(Record):
    """What a planner sees. It never searches itself."""

    question: str
    pictures: int = 0
    """How many pictures came with the question."""
    steps: tuple[Step, ...] = ()
    """The steps taken so far, with their digests."""
    evidence: tuple[Evidence, ...] = ()
    """What they found, best first."""
    max_steps: int | None = None


class Planner(Protocol):
    """Decides what to search for next, or that there is enough."""

    name: str

    async def plan(self, state: PlanState) -> Step:
        """The next step; one with ``done`` set and no queries ends the run."""
        ...
