"""An example of each thing that is sent: made of the types themselves, so that all fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, RootModel

from cogagent.api.paging import cursor
from cogagent.api.probes import Health, Readiness
from cogagent.api.problems import Fault, ProblemDocument
from cogagent.api.views import (
    AskRequest,
    Conversation,
    ConversationTurns,
    DocumentInfo,
    DocumentInfos,
    Inventory,
    NewCollection,
    NewUrls,
    PastTurn,
    ReplayRequest,
    SearchRequest,
    SearchResult,
    SettingEntry,
    SettingList,
    Submitted,
)
from cogagent.geometry import Box
from cogagent.geometry.inputs import SmartResize
from cogagent.indexes.audit import NumberedLine
from cogagent.indexes.jobs import ItemCounts, Job, JobEvent, JobItem, JobProgress
from cogagent.indexes.runs import TraceEntry
from cogagent.models.mllm import Capabilities, Generated, ModelUsage, Token
from cogagent.pipelines.recording import RecordedCall, RecordedModel, RecordedSearch, Said, Trace
from cogagent.planners.base import Probe, ProbeHit, Turn
from cogagent.types import (
    Answer,
    Budget,
    Citation,
    CitationEvent,
    CitedPart,
    Claim,
    Collection,
    Document,
    DoneEvent,
    Element,
    ErrorEvent,
    Evidence,
    EvidenceEvent,
    Failure,
    Finding,
    Note,
    Objection,
    PageBox,
    PictureBlock,
    PlanEvent,
    Problem,
    Query,
    Region,
    Step,
    StepEvent,
    SubQuestion,
    Support,
    TokenEvent,
    ToolSpec,
    Usage,
    UsageEvent,
)

_AT = "2026-11-23T20:15:00.000+00:00"
_JOB = "job-5b0c6d1e9f3a4c7d8e21"
_TRACE = "019bb1f4c3a-5f2e9d01"
_DOCUMENT = "doc-5688d3b7a23ce92a"
_QUESTION = "Who finished Kestrel Dam?"
_SENTENCE = "Kestrel Dam was finished in 1931 by the engineer Ada Lowell."
_BOX = Box(0.1, 0.18, 0.83, 0.22)
_LINES = (PageBox(page=1, box=_BOX),)

_evidence = Evidence(
    id="chunk-1", document_id=_DOCUMENT, uri="note:dam", title="Kestrel Dam",
    media_type="application/pdf", page=1, box=_BOX, boxes=_LINES, modality="text",
    text=_SENTENCE, score=0.71, step=1, query=_QUESTION, metadata={"year": 1931},
)  # fmt: skip
_citation = Citation(
    marker=1, evidence_id="chunk-1", document_id=_DOCUMENT, uri="note:dam", title="Kestrel Dam",
    modality="text", page=1, box=_BOX, boxes=_LINES, quote=_SENTENCE, verified=True,
    parts=(CitedPart(role="value", text="1931", page=1, box=_BOX),),
)  # fmt: skip
_query = Query(
    id="1.1", text=_QUESTION, top_k=10,
    region=Region(evidence_id="chunk-2", box=_BOX, why="the legend is too small"),
)  # fmt: skip
_usage = Usage(steps=1, searches=1, seconds=0.02)
_note = Note(kind="description", text="A dam between two hills.", query="1.2")
_step = Step(
    number=1, thought="One search should do.",
    plan=(SubQuestion(id="1", text=_QUESTION),), queries=(_query,), notes=(_note,),
    done=True, reason="the answer is there",
    findings=(
        Finding(query="1.1", evidence=("chunk-1",), scores=(0.71,)),
        Finding(query="1.2", error=Problem(code="tool_timeout", message="it took too long.")),
    ),
    evidence=("chunk-1",), usage=_usage, seconds=0.02,
)  # fmt: skip
_claim = Claim(
    text="Kestrel Dam was finished in 1931. [1]", start=0, end=37, markers=(1,),
    verdict="supported",
    objections=(Objection(reason="number not there", detail="1931", marker=2),),
    support=(Support(marker=1, evidence_id="chunk-1", start=0, end=32, score=1.0),),
)  # fmt: skip
_answer = Answer(
    question=_QUESTION, outcome="answered",
    text="Kestrel Dam was finished in 1931 by the engineer Ada Lowell. [1]", short="Ada Lowell",
    citations=(_citation,), evidence=(_evidence,), steps=(_step,),
    searched=(f"text: {_QUESTION}",), confidence=0.93, usage=_usage, stop_reason="answered",
    notes=(_note,), trace=_TRACE, claims=(_claim,),
)  # fmt: skip
_trace = Trace(
    id=_TRACE, version="0.1.0", at=_AT, question=_QUESTION, collection="default",
    turns=(Turn(question="Which dam is it?", answer="Kestrel Dam.", titles=("Kestrel Dam",)),),
    planner="rules",
    planner_model=RecordedModel(
        name="openai:a-model",
        capabilities=Capabilities(
            pictures=True, coordinates="resized-pixels",
            resize=SmartResize(least=3136, most=12845056, step=28),
        ),
    ),
    budget=Budget(steps=3, seconds=30.0),
    tools=(ToolSpec(name="text", description="Finds passages and tables by their words."),),
    documents=(_DOCUMENT,),
    probe=(
        Probe(
            tool="text",
            hits=(
                ProbeHit(
                    evidence_id="chunk-1", title="Kestrel Dam", modality="text",
                    text=_SENTENCE, cosine=0.71, words=1.0,
                ),
            ),
        ),
    ),
    searches=(RecordedSearch(query=_query, evidence=("chunk-1",), scores=(0.71,)),),
    calls=(
        RecordedCall(
            purpose="plan", step=1, model="openai:a-model", key="8a1f",
            messages=(Said(role="user", text=_QUESTION),),
            reply=Generated(
                text="yes", usage=ModelUsage(prompt_tokens=40, written_tokens=1, seconds=0.3),
                tokens=(Token(text="yes", logprob=-0.1),),
            ),
        ),
    ),
    evidence=(_evidence.model_dump(mode="json"),), answer=_answer, outcome="answered",
    usage=_usage,
)  # fmt: skip
_document = Document(
    id=_DOCUMENT, uri="note:dam", content="", title="Kestrel Dam", media_type="application/pdf",
    pages=1, collection="default", metadata={"year": 1931}, added=_AT,
    principals=("engineering",),
)  # fmt: skip
_element = Element(
    kind="image", text="A dam between two hills.", page=1, box=_BOX, order=3, look="photograph",
    blocks=(PictureBlock(text="KESTREL DAM 1931", box=_BOX, role="title"),),
    tags=(("dam", 0.82),), colours=("grey", "green"),
)  # fmt: skip
_failure = Failure(
    uri="upload:local/0f343b0931126a20/scan.pdf", error="the PDF is damaged.", stage="parse",
    code="corrupt", remedy="Open it in a viewer and save it again.",
)  # fmt: skip
_counts = ItemCounts(total=3, queued=1, done=1, failed=1)
_item = JobItem(
    number=2, uri=_failure.uri, document=_DOCUMENT, state="failed",
    error=Problem(code="corrupt", message="the PDF is damaged."),
)  # fmt: skip
_progress = JobProgress(stage="text", done=1, total=3, pages=12, seconds_left=4.0, uri="note:dam")
_job = Job(
    id=_JOB, kind="ingest", owner="k7m2q9x4w1ab", collection="default", state="running",
    items=_counts, bytes=182_733, attempts=1, created=_AT, started=_AT, progress=_progress,
)  # fmt: skip
_info = DocumentInfo(uri="note:dam", title="Kestrel Dam", metadata={"year": 1931})
_WHOLES: tuple[BaseModel, ...] = (
    _answer,
    _trace,
    _document,
    _element,
    _job,
    Collection(name="default", documents=12, pages=340),
    TraceEntry(id=_TRACE, at=_AT, question=_QUESTION, outcome="answered"),
    JobEvent(number=4, at=_AT, type="item", state="running", items=_counts, item=_item),
    NumberedLine(
        number=81, at=_AT, owner="k7m2q9x4w1ab", action="delete_document", target=_DOCUMENT,
        status=204, address="192.0.2.7", request="req-9f2c4e1b7a3d5c60",
    ),
    _failure,
    ProblemDocument(
        type="urn:cogagent:problem:invalid", title="Unprocessable Entity", status=422,
        detail="the request does not fit its schema: body.k: Input should be less than 201.",
        code="invalid", remedy="See /openapi.json.", instance="req-9f2c4e1b7a3d5c60",
        faults=(Fault(at=("body", "k"), message="Input should be less than 201"),),
    ),
    PlanEvent(step=_step),
    StepEvent(step=_step),
    EvidenceEvent(evidence=_evidence),
    TokenEvent(text="Kestrel "),
    CitationEvent(citation=_citation),
    UsageEvent(usage=_usage),
    DoneEvent(answer=_answer),
    ErrorEvent(code="model_timeout", message="the model did not answer in time."),
    Health(),
    Readiness(),
    NewCollection(name="reports"),
    SearchRequest(query="finished in 1931", k=5, filters={"year": (1931, 1932)}),
    SearchResult(items=(_evidence,)),
    AskRequest(
        question="And who built it?", budget=Budget(steps=3, seconds=30.0),
        history=(PastTurn(question="Which dam is it?", answer="Kestrel Dam."),),
    ),
    ReplayRequest(planner="rules"),
    DocumentInfos((_info,)),
    NewUrls(url="https://example.org/dam.pdf", documents=(_info,)),
    Submitted(job=_job, documents=(_DOCUMENT,)),
    Conversation(name="dams"),
    ConversationTurns(name="dams", turns=(_trace.turns[0],)),
    Inventory(
        text_embedder="minilm", image_embedder="conse", answer_model="extractive",
        planner_model="extractive", ocr="rapidocr", planner="rules", planners=("rules", "lad"),
        web=False,
    ),
    SettingList(
        items=(
            SettingEntry(
                name="service.port", value="8600", source="default",
                variable="COGAGENT_SERVICE__PORT",
            ),
        )
    ),
)  # fmt: skip
_LISTED = (
    Collection, Conversation, Document, Element, Failure, Job, JobItem, NumberedLine, TraceEntry,
)  # fmt: skip


@cache
def examples() -> Mapping[str, Any]:
    """The examples as JSON, by the names of their schemas."""
    found: dict[str, Any] = {}
    for whole in _WHOLES:
        for part in _parts(whole):
            found.setdefault(type(part).__name__, _plain(part))
    for model in _LISTED:
        name = f"Page_{model.__name__}_"
        found[name] = {"items": [found[model.__name__]], "next": cursor("example", "1")}
    return found


def _parts(value: Any) -> Iterator[Any]:
    """A value and what it is made of, as far as that has schemas of its own."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from _parts(getattr(value, name))
    elif isinstance(value, Box | SmartResize):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _parts(item)


def _plain(value: Any) -> Any:
    """As it is sent, but without what is as always."""
    if not isinstance(value, BaseModel):
        return list(value)
    plain = value.model_dump(mode="json", exclude_defaults=True)
    if not isinstance(value, RootModel) and "type" in type(value).model_fields:
        return {"type": getattr(value, "type"), **plain}  # noqa: B009 - not of every model
    return plain
