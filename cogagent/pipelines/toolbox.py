"""The tools of one run: what was asked of them is remembered, counted and recorded."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from cogagent import telemetry
from cogagent.errors import BudgetError, CogAgentError, InputError, ToolError
from cogagent.geometry import Box
from cogagent.pipelines.compose import RunBlocking
from cogagent.pipelines.sound import sound
from cogagent.telemetry import NOTHING, Operation
from cogagent.types import (
    Budget,
    Evidence,
    Note,
    Problem,
    Query,
    Record,
    Region,
    ToolSpec,
    clean,
)

log = logging.getLogger(__name__)

PER_QUERY = 24
"""Pieces of evidence that one query brings, where it does not say."""
PLACES = 3
"""Places that one look may point at by itself."""
_SAME_PLACE = 0.8
"""Regions that share so much, intersection over union, are one place."""

SPECS = {
    "text": ToolSpec(
        name="text", description="Passages and tables of the documents, by words and meaning."
    ),
    "image": ToolSpec(
        name="image",
        description="Pictures of the documents (photographs, charts, figures), by what they "
        "show and the words in them, or by a picture of the question's.",
        pictures=True,
    ),
    "all": ToolSpec(name="all", description="Passages, tables and pictures in one ranking."),
}
"""The tools that every home has."""
OWN = frozenset({*SPECS, "region", "knowledge", "web"})
"""Names of tools that are the program's own."""


class ToolCall(Record):
    """One search of a run, as it is recorded."""

    query: Query
    evidence: tuple[Evidence, ...] = ()
    note: Note | None = None
    error: Problem | None = None
    started: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0
    repeated: bool = False
    """It had been asked before in this run; nothing was searched."""


class Brought(NamedTuple):
    """What a query brought, or why it brought nothing."""

    evidence: Sequence[Evidence]
    note: Note | None
    error: CogAgentError | None
    seconds: float


class Toolbox:
    """Carries out the queries of one run.

    Args:
        tools: By name; each has ``retrieve`` or ``aretrieve``, or ``anote`` if it brings notes.
        blocking: Runs a blocking call elsewhere.
        budget: The most the run may cost.
        started: ``time.monotonic()`` of the beginning of the run.
        on_call: Told of every search when it is over.
        operation: The run, to whoever watches.

    Attributes:
        searches: How many different ones were asked for.
        web_searches: Those of them that left this machine.
        regions: Places that were looked at again.
    """

    def __init__(
        self,
        tools: Mapping[str, Any],
        blocking: RunBlocking,
        budget: Budget,
        started: float,
        on_call: Callable[[ToolCall], None] | None = None,
        operation: Operation = NOTHING,
    ) -> None:
        self._operation = operation
        self._tools = tools
        self._blocking = blocking
        self._budget = budget
        self._started = started
        self._on_call = on_call
        self._known: dict[tuple[object, ...], Brought] = {}
        self._asked: set[tuple[object, ...]] = set()
        self._busy: defaultdict[tuple[object, ...], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._places: dict[str, list[Box]] = {}
        self.searches = 0
        self.web_searches = 0
        self.regions = 0

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What planners are told of the tools."""
        return tuple(_spec(name, tool) for name, tool in self._tools.items())

    def asked(self, query: Query) -> bool:
        """Whether it was asked before in this run."""
        return query_key(self._placed(query)) in self._asked

    def remember(self, query: Query, evidence: Sequence[Evidence]) -> None:
        """Take what another search, such as the probe's, found for a query."""
        self._known[query_key(query)] = Brought(evidence, None, None, 0.0)

    def documents_of(self, evidence: Collection[str]) -> set[str]:
        """The documents of pieces of evidence, given by id, that this run has seen."""
        return {
            piece.document_id
            for brought in self._known.values()
            for piece in brought.evidence
            if piece.id in evidence
        }

    def piece(self, key: str) -> Evidence | None:
        """A piece of evidence that this run has seen, by its id."""
        every = (piece for brought in self._known.values() for piece in brought.evidence)
        return next((piece for piece in every if piece.id == key), None)

    async def ask(self, query: Query) -> Brought:
        """Carry out a query; what goes wrong in it is told, not raised."""
        key = query_key(self._placed(query))
        async with self._busy[key]:  # the same query twice at once is one search
            return await self._ask(key, query)

    async def _ask(self, key: tuple[object, ...], query: Query) -> Brought:
        began = time.monotonic()
        known = self._known.get(key)
        self.searches += key not in self._asked
        self._asked.add(key)
        if known is not None:
            self._record(query, known, began, repeated=True)
            return known
        evidence: Sequence[Evidence] = ()
        note, failed = None, None
        with self._told(query) as told:
            try:
                evidence, note = await self._within(self._carry_out(query))
            except CogAgentError as error:
                failed = error
                told.fail(error)
            told.set(found=len(evidence))
        brought = Brought(evidence, note, failed, time.monotonic() - began)
        if failed is None:
            self._known[key] = brought
        self._record(query, brought, began, repeated=False)
        return brought

    def _told(self, query: Query) -> Operation:
        told = telemetry.under(self._operation).child(
            "tool",
            # A model may ask for any name.
            tool=query.tool if query.tool in self._tools else "unknown",
            outside=query.tool not in OWN,
            top_k=query.top_k or PER_QUERY,
        )
        told.say(query=query.text)
        return told

    async def _carry_out(self, query: Query) -> tuple[Sequence[Evidence], Note | None]:
        tool = self._tools.get(query.tool)
        if tool is None:
            raise InputError(
                f"the planner asked for the tool {query.tool!r}, which is not there.",
                remedy=f"Tools: {', '.join(self._tools)}.",
            )
        spec = _spec(query.tool, tool)
        if spec.web:
            self._count_web()
        try:
            if spec.notes:
                text = clean(await tool.anote(query))
                return (), Note(kind="knowledge", text=text, query=query.id)
            if spec.regions:
                return await self._looked_at(tool, query), None
            return await self._found(tool, query), None
        except (CogAgentError, TimeoutError):
            raise
        except Exception as error:  # a tool of the user's may raise anything
            log.warning("the tool %r failed", query.tool, exc_info=True)
            raise ToolError(
                f"the tool {query.tool!r} fails: {type(error).__name__}: {error}"
            ) from error

    async def _found(self, tool: Any, query: Query) -> Sequence[Evidence]:
        k = query.top_k or PER_QUERY
        if hasattr(tool, "aretrieve"):
            found = await tool.aretrieve(query, k)
        else:
            found = await self._blocking(tool.retrieve, query, k)
        return _kept(found, k)

    async def _looked_at(self, tool: Any, query: Query) -> Sequence[Evidence]:
        """What a second look at a piece of evidence finds."""
        if query.region is None:
            raise InputError(f"the tool {query.tool!r} needs a region of a piece of evidence.")
        parent = self.piece(query.region.evidence_id)
        if parent is None:
            raise InputError(
                f"there is no evidence {query.region.evidence_id!r} to look at again.",
                remedy="Name one that was found before.",
            )
        allowed = self._budget.regions
        if allowed is not None and self.regions >= allowed:
            raise BudgetError(f"the budget of {allowed} regions to look at again is spent.")
        self.regions += 1
        places = PLACES if allowed is None else min(PLACES, 1 + allowed - self.regions)
        k = query.top_k or PER_QUERY
        found = _kept(await tool.alook(query, parent, k, places), k)
        seen: dict[Box, list[Evidence]] = {}
        for piece in found:
            seen.setdefault(piece.box, []).append(piece)
        self.regions += max(len(seen) - 1, 0)
        if query.region.box is None:  # who names one of these places has it already
            for box, pieces in seen.items():
                place = Region(evidence_id=parent.id, box=box)
                named = self._placed(query.model_copy(update={"region": place}))
                self._known.setdefault(query_key(named), Brought(pieces, None, None, 0.0))
        return found

    def _placed(self, query: Query) -> Query:
        """A query for a region that was looked at before, in nearly the same place, as that."""
        if query.region is None or query.region.box is None:
            return query
        known = self._places.setdefault(query.region.evidence_id, [])
        box = query.region.box
        same = next((other for other in known if other.iou(box) >= _SAME_PLACE), None)
        if same is None:
            known.append(box)
            return query
        return query.model_copy(update={"region": query.region.model_copy(update={"box": same})})

    def _count_web(self) -> None:
        allowed = self._budget.web_searches
        if allowed is not None and self.web_searches >= allowed:
            raise BudgetError(f"the budget of {allowed} web searches is spent.")
        self.web_searches += 1

    async def _within(self, search: Awaitable[Any]) -> Any:
        """The search, given up when the time is over; what others found counts."""
        seconds = self._budget.seconds
        left = None if seconds is None else seconds - (time.monotonic() - self._started)
        try:
            async with asyncio.timeout(left) as limit:
                return await search
        except TimeoutError as error:
            if not limit.expired():
                raise ToolError(f"a tool did not answer in time: {error}") from error
            raise BudgetError("the time was over before the search was.") from error

    def _record(self, query: Query, brought: Brought, began: float, *, repeated: bool) -> None:
        if self._on_call is None:
            return
        self._on_call(
            ToolCall(
                query=query,
                evidence=tuple(brought.evidence),
                note=brought.note,
                error=problem(brought.error),
                started=began - self._started,
                seconds=0.0 if repeated else brought.seconds,
                repeated=repeated,
            )
        )


def _kept(found: Iterable[Any], k: int) -> list[Evidence]:
    kept = list(islice(found, k))
    if not all(isinstance(piece, Evidence) for piece in kept):
        raise TypeError("it brings what is no Evidence")
    return [sound(piece) for piece in kept]


def problem(error: CogAgentError | None) -> Problem | None:
    """An error as data."""
    if error is None:
        return None
    return Problem(code=error.code, message=error.message, remedy=error.remedy)


def _spec(name: str, tool: Any) -> ToolSpec:
    spec = getattr(tool, "spec", None) or SPECS.get(name)
    return spec if spec is not None else ToolSpec(name=name, description="")


def query_key(query: Query) -> tuple[object, ...]:
    """What two queries have in common that ask the same."""
    words = " ".join(query.text.split()).casefold()
    region = query.region
    place = None
    if region is not None:
        place = (region.evidence_id, region.box)
        words = "" if region.box is not None else words  # a place is what it is
    return (query.tool, words, query.kinds, query.picture, place, query.top_k)
