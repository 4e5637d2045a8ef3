"""One question from the door to the answer, its trace and its conversation."""

from __future__ import annotations

import base64
import binascii
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic_core import PydanticSerializationError

from cogagent.errors import CogAgentError, InputError, StorageError
from cogagent.indexes.filters import Filters, Principals
from cogagent.indexes.runs import TraceEntry, checked_name
from cogagent.indexes.writing import is_own
from cogagent.models.metered import Meter, MeteredMLLM
from cogagent.models.mllm import MLLM
from cogagent.pipelines.answer import Inquiry, Run
from cogagent.pipelines.choices import checked_choices
from cogagent.pipelines.compose import RunBlocking
from cogagent.pipelines.engine import Engine
from cogagent.pipelines.knowledge import KnowledgeTool
from cogagent.pipelines.probing import probe
from cogagent.pipelines.recording import RecordedModel, Recorder, Trace, as_png
from cogagent.pipelines.replay import RecordedMLLM, RecordedTool
from cogagent.pipelines.toolbox import Toolbox
from cogagent.planners.base import Planner, Turn
from cogagent.telemetry import NOTHING, Operation, watched
from cogagent.types import Answer, Budget, DoneEvent, Event, Raster, clean

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A question as a caller puts it; see :meth:`cogagent.CogAgent.ask`."""

    question: str
    images: Sequence[Any] = ()
    collection: str = "default"
    planner: str | Planner | None = None
    budget: Budget = field(default_factory=Budget)
    filters: Filters | None = None
    strict: bool = False
    choices: Sequence[str] | None = None
    conversation: str | None = None
    history: Sequence[Turn] | None = None
    principals: Principals | None = None
    owner: str = ""
    asked: str | None = None


@dataclass(frozen=True, slots=True)
class _Models:
    """The language models of a run, if any."""

    planner: MLLM | None
    answer: MLLM | None


async def asking(
    engine: Engine, request: Request, blocking: RunBlocking
) -> AsyncGenerator[Event, None]:
    """The events of a question's run; the last is ``done``, with the id of its trace.

    Raises:
        InputError: If the question, a picture or a choice cannot be used.
        NotFoundError: If there is no such collection.
        ModelError: If a model fails; what was found by then is in its ``answer``.
    """
    told = engine.telemetry.begin("ask")
    told.say(
        question=request.question,
        collection=request.collection,
        conversation=request.conversation,
    )
    async with aclosing(watched(told, _asking(engine, request, blocking, told))) as events:
        async for event in events:
            yield event


async def _asking(
    engine: Engine, request: Request, blocking: RunBlocking, told: Operation
) -> AsyncGenerator[Event, None]:
    started = time.monotonic()
    choices = tuple(map(clean, checked_choices(request.choices)))
    planner: Planner = await blocking(engine.planner, request.planner)
    if not isinstance(request.question, str):
        raise InputError(f"a {type(request.question).__name__} is no question.")
    question = clean(request.question)
    inquiry = Inquiry(question, choices, turns=await _turns(engine, request, blocking))
    rasters: Sequence[Raster] = await blocking(engine.pictures, request.images)
    tools: dict[str, Any] = dict(
        await blocking(
            engine.tools, request.collection, request.filters, rasters, request.principals
        )
    )
    models = await blocking(_models, engine)
    inquiry = replace(
        inquiry,
        pictures=rasters,
        probe=partial(probe, question, dict(tools)),
        eyes=partial(engine.describe, rasters) if rasters else None,
    )
    given = {
        "collection": request.collection,
        "filters": dict(request.filters or {}),
        "conversation": request.conversation,
    }
    run = _recorded(
        engine, inquiry, planner, tools, models, request.budget, blocking,
        strict=request.strict, started=started, given=given,
        regions=partial(engine.region_tool, blocking), owner=request.owner,
        asked=request.asked, told=told,
    )  # fmt: skip
    async with aclosing(run) as events:
        async for event in events:
            if isinstance(event, DoneEvent) and request.conversation is not None:
                answer = await _remember(engine, request, event.answer, inquiry.turns, blocking)
                event = DoneEvent(answer=answer)
            yield event


async def replaying(
    engine: Engine,
    trace: Trace,
    blocking: RunBlocking,
    *,
    planner: str | Planner | None = None,
    planner_model: MLLM | None = None,
    answer_model: MLLM | None = None,
    owner: str = "",
) -> AsyncGenerator[Event, None]:
    """A run again, its tools finding what they found then.

    With the planner and models of then it comes to the same answer. Queries that were
    not asked then fail, and their step says so.

    Args:
        engine: Reads and checks.
        trace: Of the run; one that kept its texts.
        blocking: Runs a blocking call elsewhere.
        planner: Another planner.
        planner_model: A model to plan in place of what was recorded.
        answer_model: Likewise to answer.
        owner: Whose the new trace is.

    Raises:
        InputError: If the trace kept no texts, or does not hold together.
    """
    if not trace.content:
        raise InputError(
            f"the trace {trace.id} kept no texts and cannot be run again.",
            remedy="Set traces.content to keep them.",
        )
    pieces = await blocking(trace.pieces)
    rasters: Sequence[Raster] = await blocking(_rasters, engine, trace.pictures)
    inquiry = Inquiry(
        trace.question,
        trace.choices,
        pictures=rasters,
        turns=trace.turns,
        probe=lambda: (trace.probe, {}),
        eyes=partial(engine.describe, rasters) if rasters else None,
    )
    models = _Models(
        planner_model or _recorded_model(trace.planner_model, trace),
        answer_model or _recorded_model(trace.answer_model, trace),
    )
    tools = {spec.name: RecordedTool(spec, trace, pieces) for spec in trace.tools}
    given = {
        "collection": trace.collection,
        "filters": trace.filters,
        "conversation": trace.conversation,
        "documents": trace.documents,
    }
    planning: Planner = await blocking(engine.planner, planner or trace.planner)
    told = engine.telemetry.begin("ask", replay=True)
    run = _recorded(
        engine, inquiry, planning, tools, models, trace.budget,
        blocking, strict=trace.strict, started=time.monotonic(), given=given, owner=owner,
        told=told,
    )  # fmt: skip
    async with aclosing(watched(told, run)) as events:
        async for event in events:
            yield event


async def answer_of(events: AsyncIterator[Event]) -> Answer:
    """The answer at the end of a run's events."""
    async for event in events:
        if isinstance(event, DoneEvent):
            return event.answer
    raise CogAgentError("the run ended without an answer.")


async def _recorded(
    engine: Engine,
    inquiry: Inquiry,
    planner: Planner,
    tools: dict[str, Any],
    models: _Models,
    budget: Budget,
    blocking: RunBlocking,
    *,
    strict: bool,
    started: float,
    given: Mapping[str, Any],
    regions: Callable[[MeteredMLLM | None], Any] | None = None,
    owner: str = "",
    asked: str | None = None,
    told: Operation = NOTHING,
) -> AsyncGenerator[Event, None]:
    """A run whose trace is kept, whatever becomes of it; not of one that is cancelled."""
    recorder = Recorder(content=engine.settings.traces.content)
    told.set(planner=planner.name)
    meter = Meter(budget, started, recorder.call, told)
    planning = answering = None
    if models.answer is not None:
        answering = MeteredMLLM(models.answer, meter, "answer")
    if models.planner is not None:
        # The last call is the answer's, and half of the tokens.
        kept = 1 if models.answer is not None else 0
        planning = MeteredMLLM(
            models.planner,
            meter,
            "plan",
            reserve_calls=kept,
            reserve_tokens=kept * (budget.tokens or 0) // 2,
            role="plan",
        )
        if "knowledge" not in tools:
            tools["knowledge"] = KnowledgeTool(planning.named("knowledge"))
    if regions is not None:
        tools["region"] = regions(planning)
    toolbox = Toolbox(tools, blocking, budget, started, recorder.search, told)
    run = Run(
        inquiry,
        planner=planner,
        model=planning,
        toolbox=toolbox,
        composer=await blocking(partial(engine.composer, strict=strict, model=answering)),
        fallback=await blocking(partial(engine.composer, strict=strict, model=None)),
        meter=meter,
        blocking=blocking,
    )

    async def keep(answer: Answer | None, error: CogAgentError | None = None) -> str | None:
        # What an error has found is kept like an answer.
        reached = answer if answer is not None else getattr(error, "answer", None)
        told = dict(given) | {
            "question": inquiry.question,
            "choices": tuple(inquiry.choices),
            "strict": strict,
            "turns": tuple(inquiry.turns),
            "planner": planner.name,
            "planner_model": _named(models.planner),
            "answer_model": _named(models.answer),
            "budget": budget,
            "tools": toolbox.specs,
            "probe": run.probe,
            "steps": run.steps,
        }
        quoted = {hit.evidence_id for probe in run.probe for hit in probe.hits}
        documents = recorder.documents() | toolbox.documents_of(quoted)
        own = () if "documents" in given else tuple(filter(is_own, documents))
        documents.update(given.get("documents", ()), *(turn.documents for turn in inquiry.turns))
        told["documents"] = tuple(sorted(documents))
        kept: str | None = await blocking(
            _keep, engine, recorder, told, own, inquiry.pictures, reached, error, owner, asked
        )
        return kept

    try:
        async with aclosing(run.events()) as events:
            async for event in events:
                if isinstance(event, DoneEvent):
                    answer = event.answer.model_copy(
                        update={"trace": recorder.id, "conversation": given["conversation"]}
                    )
                    if await keep(answer) is None:
                        answer = answer.model_copy(update={"trace": None})
                    _tell(told, answer)
                    yield DoneEvent(answer=answer)
                else:
                    yield event
    except CogAgentError as error:
        await keep(None, error)
        raise
    except Exception as error:  # a planner of the user's may raise anything
        await keep(None, CogAgentError(f"{type(error).__name__}: {error}"))
        raise


def _tell(told: Operation, answer: Answer) -> None:
    """Tell whoever watches what came of a question."""
    told.set(
        outcome=answer.outcome,
        trace=answer.trace,
        found=len(answer.evidence),
        citations=len(answer.citations),
    )
    told.say(text=answer.text)
    told.end()  # before its last event: who has the answer may read no further


def _keep(
    engine: Engine,
    recorder: Recorder,
    told: dict[str, Any],
    own: Sequence[str],
    pictures: Sequence[Raster],
    answer: Answer | None,
    error: CogAgentError | None,
    owner: str,
    asked: str | None,
) -> str | None:
    """Write the trace; an answer is not lost with it.

    Returns:
        Its id; ``None`` if it is not kept.
    """
    settings = engine.settings.traces
    if not settings.keep:
        return None
    if settings.content:
        told["pictures"] = as_png(pictures)
    documents = told["documents"]
    trace = recorder.trace(answer, error, **told)
    entry = TraceEntry(
        id=trace.id,
        at=trace.at,
        question=trace.question,
        outcome=trace.outcome or "failed",
        owner=owner,
    )
    try:
        kept = engine.store.runs.add_trace(
            entry,
            trace.model_dump_json(exclude_defaults=True),
            documents,
            settings.keep,
            own,
            asked,
        )
    except (StorageError, PydanticSerializationError) as failed:
        log.warning("the trace of a run is not kept: %s", failed)
        return None
    return trace.id if kept else None


async def _turns(engine: Engine, request: Request, blocking: RunBlocking) -> Sequence[Turn]:
    """The conversation so far, as far as what it quotes is still to be seen."""
    most = engine.settings.planning.turns
    if request.history is not None:
        return tuple(request.history[-most:])
    if request.conversation is None:
        return ()
    name = checked_name(request.conversation)
    bodies = await blocking(engine.store.runs.turns, name, most, request.owner)
    turns = tuple(Turn.model_validate_json(body) for body in bodies)
    quoted = {one for turn in turns for one in filter(is_own, turn.documents)}
    seen = await blocking(engine.store.seen, quoted, request.principals)
    return tuple(turn for turn in turns if seen.issuperset(filter(is_own, turn.documents)))


async def _remember(
    engine: Engine,
    request: Request,
    answer: Answer,
    turns: Sequence[Turn],
    blocking: RunBlocking,
) -> Answer:
    """Add an answered question to its conversation; the answer is not lost if that fails."""
    quoted = [*answer.citations, *([answer.closest] if answer.closest is not None else [])]
    documents = [citation.document_id for citation in quoted]
    if answer.resolved not in ("", answer.question):  # it has words of those before it
        documents += [document for turn in turns for document in turn.documents]
    turn = Turn(
        question=answer.question,
        resolved=answer.resolved,
        answer=answer.text,
        short=answer.short,
        titles=tuple(dict.fromkeys(citation.title for citation in answer.citations)),
        documents=tuple(dict.fromkeys(documents)),
    )
    try:
        await blocking(
            engine.store.runs.add_turn, request.conversation, turn.model_dump_json(), request.owner
        )
    except (StorageError, PydanticSerializationError) as failed:
        log.warning("a turn of a conversation is not kept: %s", failed)
        told = f"This is not kept in the conversation: {failed}"
        return answer.model_copy(update={"warnings": (*answer.warnings, told)})
    return answer


def _models(engine: Engine) -> _Models:
    return _Models(engine.planner_model, engine.answer_model)


def _named(model: MLLM | None) -> RecordedModel | None:
    if model is None:
        return None
    return RecordedModel(name=model.name, capabilities=model.capabilities)


def _recorded_model(model: RecordedModel | None, trace: Trace) -> MLLM | None:
    return None if model is None else RecordedMLLM(model, trace.calls)


def _rasters(engine: Engine, pictures: Sequence[str]) -> list[Raster]:
    try:
        return engine.pictures([base64.b64decode(picture, validate=True) for picture in pictures])
    except binascii.Error as error:
        raise InputError("a picture of the trace does not read.") from error
