"""The loop: plan, search, until the planner stops; then read, cite, answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from cogagent import telemetry
from cogagent.errors import BudgetError, CogAgentError, InputError, ModelError, ToolError
from cogagent.models.metered import Meter, MeteredMLLM
from cogagent.pipelines.choices import level
from cogagent.pipelines.compose import Asked, Composed, Composer, RunBlocking, pieces
from cogagent.pipelines.digest import digest, digest_by_words
from cogagent.pipelines.ranking import rank
from cogagent.pipelines.sound import sound
from cogagent.pipelines.timing import left
from cogagent.pipelines.toolbox import Brought, Toolbox, problem
from cogagent.planners.base import Left, Planner, PlanState, Probe, Turn
from cogagent.planners.splitting import split_question
from cogagent.types import (
    Answer,
    Budget,
    CitationEvent,
    DoneEvent,
    Event,
    Evidence,
    EvidenceEvent,
    Finding,
    Note,
    PlanEvent,
    Query,
    Raster,
    Step,
    StepEvent,
    TokenEvent,
    Usage,
    UsageEvent,
)

MAX_QUESTION = 20_000
"""Characters of a question; longer ones are documents."""
MOST_QUERIES = 32
"""Queries of one step that are carried out."""

OUT_OF_BUDGET = "The budget was spent before anything was found."


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked, and of what.

    Attributes:
        question: As it was asked.
        choices: One of which is the answer; none for an open question.
        pictures: That came with it.
        turns: The conversation before it, oldest first.
        probe: Looks, in a thread, at what each tool would find for the question, and says
            which queries it has answered on the way; ``None`` for no look.
        eyes: Describes the pictures, in a thread, a text each, for planners that begin
            with a picture (they have an attribute ``looks``) and whose model sees none.
    """

    question: str
    choices: Sequence[str] = ()
    pictures: Sequence[Raster] = ()
    turns: Sequence[Turn] = ()
    probe: Callable[[], tuple[Sequence[Probe], Mapping[Query, Sequence[Evidence]]]] | None = None
    eyes: Callable[[], Sequence[str]] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no question.

        Raises:
            InputError: If the question is empty or over 20,000 characters.
        """
        if not self.question.strip():
            raise InputError("the question is empty.")
        if len(self.question) > MAX_QUESTION:
            raise InputError(
                f"the question has {len(self.question)} characters; at most {MAX_QUESTION} "
                "are read.",
                remedy="Ingest the long text as a document and ask about it.",
            )


class Run:
    """One question on its way to an answer.

    Args:
        inquiry: What is asked.
        planner: Decides on the searches.
        model: What the planner may ask; ``None`` if there is no language model.
        toolbox: Carries the searches out.
        composer: Writes the answer from the evidence.
        fallback: Writes it where the budget does not allow ``composer`` to.
        meter: Counts what models cost; made at the beginning of the run.
        blocking: Runs a blocking call elsewhere.
    """

    def __init__(
        self,
        inquiry: Inquiry,
        *,
        planner: Planner,
        toolbox: Toolbox,
        composer: Composer,
        meter: Meter,
        blocking: RunBlocking,
        model: MeteredMLLM | None = None,
        fallback: Composer | None = None,
    ) -> None:
        self._inquiry = inquiry
        self._planner = planner
        self._model = model
        self._toolbox = toolbox
        self._composer = composer
        self._fallback = fallback
        self._meter = meter
        self._blocking = blocking
        self._budget: Budget = meter.budget
        self.probe: tuple[Probe, ...] = ()
        """What each tool would find; known once the run has begun."""
        self._seen: tuple[Note, ...] = ()
        self._steps: list[Step] = []
        self._found: dict[str, Evidence] = {}
        self._failed: list[CogAgentError] = []
        self._succeeded = False
        self._exhausted = ""
        self._undone: list[Query] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        """Those taken so far."""
        return tuple(self._steps)

    async def events(self) -> AsyncGenerator[Event, None]:
        """The run as it happens; the last event is ``done`` with the whole answer."""
        with self._meter.operation.current():
            await self._look()
        reason = ""
        while not reason:
            planned = await self._plan()
            reason = self._ending(planned)
            if planned.queries and not reason:
                yield PlanEvent(step=planned)
                fresh, finished = await self._execute(planned)
                self._steps.append(finished)
                for piece in fresh:
                    yield EvidenceEvent(evidence=piece)
                yield StepEvent(step=finished)
                if planned.done:
                    reason = planned.reason or "the planner is done"
            elif planned.notes or planned.resolved or planned.fallback:
                self._steps.append(planned)
                yield StepEvent(step=planned)
        ends_a_search = (BudgetError, ToolError)
        broken = [error for error in self._failed if not isinstance(error, ends_a_search)]
        if broken and not self._succeeded:
            raise broken[0]  # every search failed: there is nothing to answer from
        evidence = await self._ranked()
        written: list[str] = []
        composed = Composed("failed", "")
        try:
            async with aclosing(self._composed(evidence, reason)) as parts:
                async for part in parts:
                    if isinstance(part, str):
                        written.append(part)
                        yield TokenEvent(text=part)
                    else:
                        composed = part
        except ModelError as error:
            # What was found is not lost with what failed to be made of it.
            failed = Composed("failed", "".join(written))
            error.answer = self._answer(failed, evidence, str(error))
            raise
        spent = self._exhausted or composed.exhausted or self._late()
        if spent:
            composed = replace(composed, outcome="budget_exhausted")
        answer = self._answer(composed, evidence, spent or reason)
        for citation in answer.citations:
            yield CitationEvent(citation=citation)
        yield UsageEvent(usage=answer.usage)
        yield DoneEvent(answer=answer)

    # --- planning ----------------------------------------------------------

    async def _look(self) -> None:
        """The probe, whose searches need not be done again; the eyes, where they are wanted."""
        blind = self._model is None or not self._model.capabilities.pictures
        wanted = getattr(self._planner, "looks", False) and blind
        try:
            async with asyncio.timeout(left(self._deadline)):
                if self._inquiry.eyes is not None and wanted:
                    described = await self._blocking(self._inquiry.eyes)
                    self._seen = tuple(Note(kind="description", text=text) for text in described)
                if self._inquiry.probe is not None:
                    probes, answered = await self._blocking(self._inquiry.probe)
                    self.probe = tuple(probes)
                    for query, evidence in answered.items():
                        self._toolbox.remember(query, evidence)
        except TimeoutError:
            self._exhausted = self._spent()

    async def _plan(self) -> Step:
        """The next step; one that ends the run if planning fails or the budget is spent."""
        with self._meter.operation.child(
            "plan", planner=self._planner.name, step=len(self._steps) + 1
        ) as told:
            step = await self._planned()
            told.set(queries=len(step.queries))
            return step

    async def _planned(self) -> Step:
        number = self._meter.step = len(self._steps) + 1
        began, calls, tokens = time.monotonic(), self._meter.calls, self._meter.tokens
        state = await self._state()
        try:
            async with asyncio.timeout(left(self._deadline)):
                step = self._checked(await self._planner.plan(state, self._model))
        except BudgetError as error:
            self._exhausted = error.message
            return Step(number=number, done=True, reason=error.message)
        except (ModelError, TimeoutError) as error:
            if isinstance(error, TimeoutError) and self._budget.seconds is not None:
                self._exhausted = f"the budget of {self._budget.seconds:g} s is spent"
                return Step(number=number, done=True, reason=self._exhausted)
            # Without a plan there is still the question itself to search for.
            unplanned = () if self._steps else (Query(text=self._inquiry.question),)
            why = str(error) or "the planner did not answer in time"
            step = Step(
                number=number, queries=unplanned, done=True, reason="planning failed", fallback=why
            )
        usage = Usage(
            model_calls=self._meter.calls - calls,
            tokens=self._meter.tokens - tokens,
            seconds=round(time.monotonic() - began, 4),
        )
        queries = self._numbered(number, step.queries[:MOST_QUERIES])
        planned = {"number": number, "queries": queries, "usage": usage, "seconds": usage.seconds}
        return step.model_copy(update=planned)

    def _numbered(self, number: int, queries: Sequence[Query]) -> tuple[Query, ...]:
        """The queries under ids that no other of the run has, none longer than a question."""
        taken = {query.id for step in self._steps for query in step.queries}
        named: list[Query] = []
        for place, query in enumerate(queries, 1):
            key = query.id if query.id and query.id not in taken else f"{number}.{place}"
            taken.add(key)
            cut = {"id": key, "text": query.text[:MAX_QUESTION]}
            named.append(query.model_copy(update=cut))
        return tuple(named)

    def _checked(self, step: object) -> Step:
        """What a planner gave, if it is a step, and one that can be written down."""
        if not isinstance(step, Step):
            raise InputError(
                f"the planner {self._planner.name!r} gave a {type(step).__name__}, not a Step."
            )
        return sound(step)

    def _ending(self, planned: Step) -> str:
        """Why the run ends here, before the step is carried out; empty if it does not."""
        if planned.done and not planned.queries:
            return planned.reason or "the planner is done"
        self._exhausted = self._exhausted or self._spent()
        if self._exhausted:
            self._undone = list(planned.queries)
            return self._exhausted
        if not planned.queries:
            return "the planner asked for nothing"
        if all(self._toolbox.asked(query) for query in planned.queries):
            return "there was nothing new to ask"
        return ""

    async def _state(self) -> PlanState:
        calls, tokens, pictures = self._meter.left()
        steps, web = self._budget.steps, self._budget.web_searches
        regions = self._budget.regions
        return PlanState(
            question=self._inquiry.question,
            choices=tuple(self._inquiry.choices),
            pictures=len(self._inquiry.pictures),
            rasters=tuple(self._inquiry.pictures),
            tools=self._toolbox.specs,
            probe=self.probe,
            turns=tuple(self._inquiry.turns),
            steps=tuple(self._steps),
            evidence=await self._ranked(),
            notes=self._notes,
            left=Left(
                steps=None if steps is None else max(steps - len(self._steps), 0),
                seconds=left(self._deadline),
                model_calls=calls,
                tokens=tokens,
                pictures=pictures,
                web_searches=None if web is None else web - self._toolbox.web_searches,
                regions=None if regions is None else regions - self._toolbox.regions,
            ),
        )

    # --- searching ---------------------------------------------------------

    async def _execute(self, step: Step) -> tuple[list[Evidence], Step]:
        """Run the queries of a step at once; the new evidence, and the step as it went."""
        began = time.monotonic()
        calls, tokens = self._meter.calls, self._meter.tokens
        searches, web = self._toolbox.searches, self._toolbox.web_searches
        regions = self._toolbox.regions
        brought = await asyncio.gather(*(self._toolbox.ask(query) for query in step.queries))
        self._failed += [one.error for one in brought if one.error is not None]
        self._succeeded |= any(one.error is None for one in brought)
        fresh: list[Evidence] = []
        for query, one in zip(step.queries, brought, strict=True):
            for piece in one.evidence:
                kept = self._found.get(piece.id)
                if kept is None:
                    new = piece.model_copy(update={"step": step.number, "query": query.text})
                    self._found[piece.id] = new
                    fresh.append(new)
                elif piece.score > kept.score:
                    self._found[piece.id] = kept.model_copy(update={"score": piece.score})
        digests = await self._digests(step.queries, brought)
        findings = tuple(
            Finding(
                query=query.id,
                evidence=tuple(piece.id for piece in one.evidence),
                scores=tuple(piece.score for piece in one.evidence),
                digest=digested,
                error=problem(one.error),
                seconds=round(one.seconds, 4),
            )
            for query, one, digested in zip(step.queries, brought, digests, strict=True)
        )
        titles = dict.fromkeys(piece.title for piece in fresh)
        usage = step.usage.model_copy(
            update={
                "searches": self._toolbox.searches - searches,
                "web_searches": self._toolbox.web_searches - web,
                "regions": self._toolbox.regions - regions,
                "model_calls": step.usage.model_calls + self._meter.calls - calls,
                "tokens": step.usage.tokens + self._meter.tokens - tokens,
            }
        )
        errors = [
            f"{query.tool}: {one.error}"
            for query, one in zip(step.queries, brought, strict=True)
            if one.error is not None
        ]
        return fresh, step.model_copy(
            update={
                "findings": findings,
                "notes": (*step.notes, *(one.note for one in brought if one.note is not None)),
                "evidence": tuple(piece.id for piece in fresh),
                "digest": f"{len(fresh)} new pieces from {len(titles)} documents",
                "usage": usage,
                "seconds": round(step.seconds + time.monotonic() - began, 4),
                "error": "; ".join(errors) or None,
            }
        )

    async def _digests(
        self, queries: Sequence[Query], brought: Sequence[Brought]
    ) -> Sequence[str]:
        """What each query found, in a sentence or two, for planners that want it."""
        if not getattr(self._planner, "digests", False):
            return [""] * len(queries)
        return await asyncio.gather(
            *(self._digest(query, one) for query, one in zip(queries, brought, strict=True))
        )

    async def _digest(self, query: Query, brought: Brought) -> str:
        if brought.note is not None:
            return brought.note.text
        if self._model is not None and not self._spent():
            try:
                async with asyncio.timeout(left(self._deadline)):
                    return await digest(
                        query,
                        brought.evidence,
                        self._model.named("digest"),
                        self._inquiry.pictures,
                    )
            except (CogAgentError, TimeoutError):
                pass  # the best sentence serves, and the failed call stands in the trace
        best: str = await self._blocking(digest_by_words, query, brought.evidence)
        return best

    async def _ranked(self) -> tuple[Evidence, ...]:
        """The evidence of the whole run, best first."""
        if not self._found:
            return ()
        order: Sequence[str] = await self._blocking(
            rank, self._inquiry.question, tuple(self._steps), dict(self._found)
        )
        return tuple(self._found[key] for key in order)

    # --- answering ---------------------------------------------------------

    async def _composed(
        self, evidence: Sequence[Evidence], reason: str
    ) -> AsyncGenerator[str | Composed, None]:
        """The answer by the composer, or by the other one if the budget forbids it."""
        self._meter.step = 0
        if self._exhausted and not (evidence or self._notes or self._inquiry.pictures):
            for piece in pieces(OUT_OF_BUDGET):
                yield piece
            yield Composed("abstained", OUT_OF_BUDGET, distribution=level(self._inquiry.choices))
            return
        question = self._resolved or self._inquiry.question
        asked = Asked(
            question=question,
            parts=split_question(question),
            choices=self._inquiry.choices,
            pictures=self._inquiry.pictures,
            notes=self._notes,
            deadline=self._deadline,
            unsearched="" if self._toolbox.searches or self._exhausted else reason,
        )
        run = self._meter.operation
        self._meter.operation = run.child("answer")  # what is asked of models is part of it
        try:
            parts = telemetry.watched(self._meter.operation, self._written(asked, evidence))
            async with aclosing(parts) as open_parts:
                async for part in open_parts:
                    yield part
        finally:
            self._meter.operation = run

    async def _written(
        self, asked: Asked, evidence: Sequence[Evidence]
    ) -> AsyncGenerator[str | Composed, None]:
        begun = False
        try:
            async with aclosing(self._composer.compose(asked, evidence, self._blocking)) as parts:
                async for part in parts:
                    begun = True
                    yield part
        except BudgetError as error:
            if begun or self._fallback is None:
                raise
            self._exhausted = self._exhausted or error.message
            async with aclosing(self._fallback.compose(asked, evidence, self._blocking)) as parts:
                async for part in parts:
                    yield part

    def _answer(self, composed: Composed, evidence: tuple[Evidence, ...], reason: str) -> Answer:
        usage = Usage(
            steps=sum(bool(step.queries) for step in self._steps),
            searches=self._toolbox.searches,
            web_searches=self._toolbox.web_searches,
            regions=self._toolbox.regions,
            model_calls=self._meter.calls,
            tokens=self._meter.tokens,
            pictures=self._meter.pictures,
            seconds=round(time.monotonic() - self._meter.started, 4),
        )
        undone = [
            *(query for step in self._steps for query in self._cut(step)),
            *self._undone,
        ]
        return Answer(
            question=self._inquiry.question,
            outcome=composed.outcome,
            text=composed.text,
            short=composed.short,
            distribution=composed.distribution,
            citations=composed.citations,
            evidence=(*evidence, *composed.brought),
            steps=tuple(self._steps),
            searched=_named(query for step in self._steps for query in step.queries),
            closest=composed.closest,
            confidence=composed.confidence,
            usage=usage,
            stop_reason=reason,
            undone=_named(undone),
            resolved=self._resolved,
            notes=self._notes,
            claims=composed.claims,
            warnings=(*composed.warnings, *self._told()),
        )

    def _told(self) -> tuple[str, ...]:
        """The searches that failed, for who reads the answer; those of the budget are undone."""
        return tuple(
            dict.fromkeys(
                f"a search of {query.tool} failed: {finding.error.message}"
                for step in self._steps
                for query, finding in zip(step.queries, step.findings, strict=False)
                if finding.error is not None and finding.error.code != BudgetError.code
            )
        )

    # --- budget ------------------------------------------------------------

    @property
    def _deadline(self) -> float | None:
        seconds = self._budget.seconds
        return None if seconds is None else self._meter.started + seconds

    def _spent(self) -> str:
        seconds, steps = self._budget.seconds, self._budget.steps
        if seconds is not None and left(self._deadline) == 0.0:
            return f"the budget of {seconds:g} s is spent"
        if steps is not None and len(self._steps) >= steps:
            return f"the budget of {steps} steps is spent"
        return ""

    def _late(self) -> str:
        """Whether the budget was spent before the searches were done."""
        cut = [query for step in self._steps for query in self._cut(step)]
        return "the budget was spent before the searches were done" if cut else ""

    @staticmethod
    def _cut(step: Step) -> list[Query]:
        """The queries of a step that the budget did not allow."""
        return [
            query
            for query, finding in zip(step.queries, step.findings, strict=False)
            if finding.error is not None and finding.error.code == BudgetError.code
        ]

    @property
    def _notes(self) -> tuple[Note, ...]:
        return (*self._seen, *(note for step in self._steps for note in step.notes))

    @property
    def _resolved(self) -> str:
        return next((step.resolved for step in reversed(self._steps) if step.resolved), "")


def _named(queries: Any) -> tuple[str, ...]:
    """Queries as a reader is told of them, each once."""
    return tuple(
        dict.fromkeys(
            f"{query.tool}: {query.text if query.picture is None else 'your picture'}"
            for query in queries
        )
    )
