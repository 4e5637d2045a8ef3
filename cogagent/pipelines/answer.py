"""The loop: plan, search, until the planner stops; then read, cite, answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import replace

from cogagent.errors import BudgetError, CogAgentError, InputError, ModelError
from cogagent.pipelines.compose import Composed, Composer, RunBlocking
from cogagent.planners.base import Planner, PlanState
from cogagent.planners.rules import split_question
from cogagent.retrievers.base import Retriever
from cogagent.retrievers.fusion import reciprocal_rank
from cogagent.types import (
    Answer,
    Budget,
    CitationEvent,
    DoneEvent,
    Event,
    Evidence,
    EvidenceEvent,
    PlanEvent,
    Query,
    Step,
    StepEvent,
    TokenEvent,
    Usage,
    UsageEvent,
)

PER_QUERY = 24
"""Pieces of evidence that one query brings."""

MAX_QUESTION = 20_000
"""Characters of a question; longer ones are documents."""


class Run:
    """One question on its way to an answer.

    Args:
        question: What is asked.
        planner: Decides on the searches.
        tools: Carry them out, by name.
        composer: Writes the answer from the evidence.
        blocking: Runs a blocking call elsewhere.
        budget: The most the run may cost.
        pictures: How many pictures came with the question.
        choices: One of which is the answer; none for an open question.

    Raises:
        InputError: If the question is empty or over 20,000 characters.
    """

    def __init__(
        self,
        question: str,
        *,
        planner: Planner,
        tools: Mapping[str, Retriever],
        composer: Composer,
        blocking: RunBlocking,
        budget: Budget,
        pictures: int = 0,
        choices: Sequence[str] = (),
    ) -> None:
        if not question.strip():
            raise InputError("the question is empty.")
        if len(question) > MAX_QUESTION:
            raise InputError(
                f"the question has {len(question)} characters; at most {MAX_QUESTION} are read.",
                remedy="Ingest the long text as a document and ask about it.",
            )
        self._question = question
        self._planner = planner
        self._tools = tools
        self._composer = composer
        self._blocking = blocking
        self._budget = budget
        self._pictures = pictures
        self._choices = choices
        self._started = time.monotonic()
        self._steps: list[Step] = []
        self._rankings: list[list[str]] = []
        self._found: dict[str, Evidence] = {}

    async def events(self) -> AsyncIterator[Event]:
        """The run as it happens; the last event is ``done`` with the whole answer."""
        while True:
            step = await self._planner.plan(self._state())
            exhausted = self._late() if step.done else self._exhausted()
            if step.done or exhausted:
                break
            yield PlanEvent(step=step)
            fresh, finished = await self._execute(step)
            self._steps.append(finished)
            for piece in fresh:
                yield EvidenceEvent(evidence=piece)
            yield StepEvent(step=finished)
        evidence = self._ranked()
        parts = split_question(self._question)
        composed = Composed("failed", "")
        written: list[str] = []
        try:
            async for part in self._composer.compose(
                self._question, parts, evidence, self._blocking, self._choices
            ):
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
        if exhausted:
            composed = replace(composed, outcome="budget_exhausted")
        reason = exhausted or step.reason or "the planner is done"
        answer = self._answer(composed, evidence, reason)
        for citation in answer.citations:
            yield CitationEvent(citation=citation)
        yield UsageEvent(usage=answer.usage)
        yield DoneEvent(answer=answer)

    def _answer(self, composed: Composed, evidence: tuple[Evidence, ...], reason: str) -> Answer:
        usage = Usage(
            steps=len(self._steps),
            searches=len(self._rankings),
            seconds=round(time.monotonic() - self._started, 4),
            **_written(composed),
        )
        return Answer(
            question=self._question,
            outcome=composed.outcome,
            text=composed.text,
            short=composed.short,
            distribution=composed.distribution,
            citations=composed.citations,
            evidence=evidence,
            steps=tuple(self._steps),
            searched=self._searched(),
            closest=composed.closest,
            confidence=composed.confidence,
            usage=usage,
            stop_reason=reason,
            claims=composed.claims,
            warnings=composed.warnings,
        )

    async def _execute(self, step: Step) -> tuple[list[Evidence], Step]:
        """Run the queries of a step at once; the new evidence, and the step as it went."""
        started = time.monotonic()
        results = await asyncio.gather(
            *(self._within(self._search(query)) for query in step.queries), return_exceptions=True
        )
        fresh: list[Evidence] = []
        errors: list[str] = []
        for query, result in zip(step.queries, results, strict=True):
            if isinstance(result, CogAgentError):
                errors.append(f"{query.tool}: {result}")
            elif isinstance(result, BaseException):
                raise result
            else:
                self._rankings.append([piece.id for piece in result])
                for piece in result:
                    if piece.id not in self._found:
                        self._found[piece.id] = piece.model_copy(update={"step": step.number})
                        fresh.append(self._found[piece.id])
                    elif piece.score > self._found[piece.id].score:
                        kept = self._found[piece.id]
                        self._found[piece.id] = kept.model_copy(update={"score": piece.score})
        failed = [result for result in results if isinstance(result, CogAgentError)]
        if failed and len(failed) == len(results) and not isinstance(failed[0], BudgetError):
            raise failed[0]  # every search failed: there is nothing to go on with
        titles = list(dict.fromkeys(piece.title for piece in fresh))
        digest = f"{len(fresh)} new pieces from {len(titles)} documents"
        return fresh, step.model_copy(
            update={
                "evidence": tuple(piece.id for piece in fresh),
                "digest": digest,
                "seconds": round(time.monotonic() - started, 4),
                "error": "; ".join(errors) or None,
            }
        )

    async def _within(self, search: Awaitable[list[Evidence]]) -> list[Evidence]:
        """The search, given up when the time is over; what others found counts."""
        seconds = self._budget.seconds
        left = None if seconds is None else seconds - (time.monotonic() - self._started)
        try:
            async with asyncio.timeout(left):
                return await search
        except TimeoutError as error:
            raise BudgetError("the time was over before the search was.") from error

    async def _search(self, query: Query) -> list[Evidence]:
        tool = self._tools.get(query.tool)
        if tool is None:
            raise InputError(
                f"the planner asked for the tool {query.tool!r}, which is not there.",
                remedy=f"Tools: {', '.join(self._tools)}.",
            )
        found: list[Evidence] = await self._blocking(tool.retrieve, query, PER_QUERY)
        return found

    def _state(self) -> PlanState:
        return PlanState(
            question=self._question,
            pictures=self._pictures,
            steps=tuple(self._steps),
            evidence=self._ranked(),
            max_steps=self._budget.steps,
        )

    def _ranked(self) -> tuple[Evidence, ...]:
        """The evidence of the whole run, best first.

        One ranking stays as it is; several, whose scores share no scale, are
        fused by their ranks.
        """
        if len(self._rankings) == 1:
            return tuple(self._found[key] for key in self._rankings[0])
        fused = reciprocal_rank(self._rankings)
        order = sorted(fused, key=lambda key: (-fused[key], -self._found[key].score, key))
        return tuple(self._found[key] for key in order)

    def _exhausted(self) -> str:
        seconds, steps = self._budget.seconds, self._budget.steps
        if seconds is not None and time.monotonic() - self._started >= seconds:
            return f"the budget of {seconds:g} s is spent"
        if steps is not None and len(self._steps) >= steps:
            return f"the budget of {steps} steps is spent"
        return ""

    def _late(self) -> str:
        """Whether the time was over before the searches were."""
        seconds = self._budget.seconds
        cut = any(step.error and "the time was over" in step.error for step in self._steps)
        return f"the budget of {seconds:g} s is spent" if cut and seconds is not None else ""

    def _searched(self) -> tuple[str, ...]:
        queries: Sequence[Query] = [query for step in self._steps for query in step.queries]
        return tuple(
            dict.fromkeys(
                f"{query.tool}: {query.text if query.picture is None else 'your picture'}"
                for query in queries
            )
        )


def _written(composed: Composed) -> dict[str, int]:
    """What the texts cost that a language model wrote for an answer."""
    cost = [usage for usage in composed.usage if not usage.cached]
    return {
        "model_calls": len(cost),
        "tokens": sum(usage.prompt_tokens + usage.written_tokens for usage in cost),
    }
