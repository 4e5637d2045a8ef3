"""The trace of a run: all that was asked of tools and models, and what came back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import ValidationError, model_validator

from cogagent.errors import CogAgentError, InputError
from cogagent.models.metered import ModelCall
from cogagent.models.mllm import Capabilities, Generated, Message, Options
from cogagent.pipelines.sound import sound
from cogagent.pipelines.toolbox import ToolCall, problem
from cogagent.planners.base import Probe, Turn
from cogagent.types import (
    Answer,
    Budget,
    Evidence,
    Note,
    Outcome,
    Problem,
    Query,
    Raster,
    Record,
    Step,
    ToolSpec,
    Usage,
    Words,
)

FORMAT = 1
"""Of the JSON of a trace; a reader refuses a newer one."""


class Said(Record):
    """A message to a model, as a trace keeps it."""

    role: str
    text: str
    pictures: int = 0
    sizes: tuple[tuple[int, int], ...] = ()
    """Width and height of each picture as it was shown, in pixels."""


class RecordedCall(Record):
    """A text that a model was asked for."""

    purpose: str
    step: int = 0
    """Number of the step that it belongs to; 0 for the answer."""
    model: str
    key: str
    """Hash of all that the model was told; the same question has the same key."""
    messages: tuple[Said, ...] = ()
    reply: Generated | None = None
    written: str = ""
    """Without a reply: what was written before the call was given up."""
    error: Problem | None = None
    started: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0


class RecordedSearch(Record):
    """A search that a tool carried out."""

    query: Query
    evidence: tuple[str, ...] = ()
    """Ids, best first."""
    scores: tuple[float, ...] = ()
    note: Note | None = None
    error: Problem | None = None
    started: float = 0.0
    seconds: float = 0.0
    repeated: bool = False

    @model_validator(mode="after")
    def _scored(self) -> RecordedSearch:
        if len(self.evidence) != len(self.scores):
            raise ValueError("there are other numbers of evidence and of scores")
        return self


class RecordedModel(Record):
    """A model that took part."""

    name: str
    capabilities: Capabilities = Capabilities()


class Trace(Record):
    """A run that can be looked at and run again."""

    format: int = FORMAT
    id: str
    version: str
    """Of this package."""
    at: str
    """When it began; UTC, ISO 8601."""
    content: bool = True
    """Whether texts were kept."""
    question: str = ""
    choices: tuple[str, ...] = ()
    strict: bool = False
    collection: str = ""
    filters: Mapping[str, Any] = {}
    conversation: str | None = None
    turns: tuple[Turn, ...] = ()
    pictures: tuple[str, ...] = ()
    """Those that came with the question: PNG, base64."""
    planner: str
    planner_model: RecordedModel | None = None
    answer_model: RecordedModel | None = None
    budget: Budget = Budget()
    tools: tuple[ToolSpec, ...] = ()
    documents: tuple[str, ...] = ()
    """Ids of those that it quotes anywhere."""
    probe: tuple[Probe, ...] = ()
    searches: tuple[RecordedSearch, ...] = ()
    calls: tuple[RecordedCall, ...] = ()
    evidence: tuple[Mapping[str, Any], ...] = ()
    """Every piece once, in the order of ``Answer.evidence``; with its words, packed."""
    answer: Answer | None = None
    """Its evidence left out: see there."""
    steps: tuple[Step, ...] = ()
    """Where no answer is kept: those until then; without content, what in them is no text."""
    outcome: Outcome | None = None
    usage: Usage = Usage()
    error: Problem | None = None
    """Why there is no answer."""

    def pieces(self) -> dict[str, Evidence]:
        """The evidence by id.

        Raises:
            InputError: If a piece is not what it should be.
        """
        return {piece.id: piece for piece in map(_unpacked, self.evidence)}

    def whole_answer(self) -> Answer | None:
        """The answer with its evidence."""
        if self.answer is None:
            return None
        return self.answer.model_copy(update={"evidence": tuple(self.pieces().values())})

    @staticmethod
    def read(text: str | bytes) -> Trace:
        """A trace from its JSON.

        Raises:
            InputError: If it is none, or of a newer format.
        """
        try:
            plain = json.loads(text)
            if isinstance(plain, dict) and plain.get("format", FORMAT) > FORMAT:
                raise InputError(
                    f"the trace has format {plain['format']}; this package reads {FORMAT}.",
                    remedy="Use a newer cogagent.",
                )
            return sound(Trace.model_validate(plain))
        except (ValueError, TypeError, RecursionError) as error:
            shown = str(error) if not isinstance(error, ValidationError) else _first(error)
            raise InputError(
                f"this is no trace: {shown}.", remedy="Use a file of `cogagent trace export`."
            ) from error


class Recorder:
    """Takes down what happens in a run.

    Args:
        content: Keep texts.
    """

    def __init__(self, *, content: bool) -> None:
        self.id = f"{time.time_ns() // 1_000_000:011x}-{secrets.token_hex(4)}"
        self._at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._content = content
        self._calls: list[RecordedCall] = []
        self._searches: list[RecordedSearch] = []
        self._found: dict[str, Evidence] = {}

    def call(self, call: ModelCall) -> None:
        """A model was asked."""
        shown = [
            Said(
                role=message.role,
                text=message.text,
                pictures=len(message.pictures),
                sizes=tuple(raster.size for raster in message.pictures),
            )
            for message in call.messages
        ]
        kept = call.reply
        if kept is not None and not self._content:
            kept = kept.model_copy(update={"text": "", "tokens": ()})
        self._calls.append(
            RecordedCall(
                purpose=call.purpose,
                step=call.step,
                model=call.model,
                key=call_key(call.messages, call.options),
                messages=tuple(shown) if self._content else (),
                reply=kept,
                written=call.written if self._content else "",
                error=call.error if self._content else _coded(call.error),
                started=round(call.started, 4),
                seconds=round(call.seconds, 4),
            )
        )

    def search(self, call: ToolCall) -> None:
        """A tool was asked."""
        for piece in call.evidence:
            self._found.setdefault(piece.id, piece)
        self._searches.append(
            RecordedSearch(
                query=call.query if self._content else _shape(call.query),
                evidence=tuple(piece.id for piece in call.evidence),
                scores=tuple(piece.score for piece in call.evidence),
                note=call.note if self._content else None,
                error=call.error if self._content else _coded(call.error),
                started=round(call.started, 4),
                seconds=round(call.seconds, 4),
                repeated=call.repeated,
            )
        )

    def documents(self) -> set[str]:
        """Ids of the documents that searches have found."""
        return {piece.document_id for piece in self._found.values()}

    def trace(
        self,
        answer: Answer | None,
        error: CogAgentError | None = None,
        steps: Sequence[Step] = (),
        **given: Any,
    ) -> Trace:
        """The trace of the run, now that it is over.

        Args:
            answer: What came of it, if anything did.
            error: Why nothing did.
            steps: Those taken.
            given: The fields of :class:`Trace` that say what was asked.
        """
        known = {"id": self.id, "at": self._at, "version": _version()}
        told: dict[str, Any] = {
            "searches": tuple(self._searches),
            "calls": tuple(self._calls),
            "error": problem(error) if self._content else _coded(problem(error)),
        }
        if answer is not None:
            told |= {"outcome": answer.outcome, "usage": answer.usage}
        if not self._content:
            kept = {
                name: given[name]
                for name in ("planner", "planner_model", "answer_model", "budget", "tools")
                if name in given
            }
            outlines = tuple(map(_outline, steps))
            return Trace(**known, **kept, **told, content=False, steps=outlines)
        pieces = answer.evidence if answer is not None else tuple(self._found.values())
        return Trace(
            **known,
            **given,
            **told,
            evidence=tuple(map(_packed, pieces)),
            answer=answer.model_copy(update={"evidence": ()}) if answer is not None else None,
            steps=tuple(steps) if answer is None else (),
        )


def call_key(messages: Sequence[Message], options: Options) -> str:
    """A hash of what a model is asked; pictures count by their number and size."""
    told = [
        [message.role, message.text, [list(raster.size) for raster in message.pictures]]
        for message in messages
    ]
    asked = json.dumps([told, options.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()


def as_png(rasters: Iterable[Raster]) -> tuple[str, ...]:
    """Pictures as a trace keeps them."""
    import io

    from PIL import Image

    made = []
    for raster in rasters:
        buffer = io.BytesIO()
        Image.fromarray(raster.pixels).save(buffer, "PNG", compress_level=1)
        made.append(base64.b64encode(buffer.getvalue()).decode("ascii"))
    return tuple(made)


def _version() -> str:
    """Of this package, if it is installed and not only lies there."""
    try:
        return version("cogagent")
    except PackageNotFoundError:
        return "unknown"


def _packed(piece: Evidence) -> dict[str, Any]:
    words = base64.b64encode(piece.words.to_bytes()).decode("ascii")
    return piece.model_dump(mode="json") | {"words": words}


def _unpacked(plain: Mapping[str, Any]) -> Evidence:
    try:
        fields = dict(plain)
        words = Words.from_bytes(base64.b64decode(fields.pop("words", ""), validate=True))
        return Evidence(**fields, words=words)
    except (ValueError, TypeError, binascii.Error) as error:
        shown = str(error) if not isinstance(error, ValidationError) else _first(error)
        raise InputError(f"a piece of evidence of the trace does not read: {shown}.") from error


def _shape(query: Query) -> Query:
    """A query without its words."""
    region = query.region and query.region.model_copy(update={"why": ""})
    return query.model_copy(
        update={"id": _nameless(query.id), "text": "", "why": "", "region": region}
    )


def _nameless(key: str) -> str:
    """The id of a query; a planner's own may be words, and becomes a hash."""
    if not key.strip("0123456789."):
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _outline(step: Step) -> Step:
    """A step without its words."""
    return Step(
        number=step.number,
        queries=tuple(map(_shape, step.queries)),
        done=step.done,
        findings=tuple(
            finding.model_copy(
                update={
                    "query": _nameless(finding.query),
                    "digest": "",
                    "error": _coded(finding.error),
                }
            )
            for finding in step.findings
        ),
        evidence=step.evidence,
        usage=step.usage,
        seconds=step.seconds,
    )


def _coded(error: Problem | None) -> Problem | None:
    """An error by its code alone: its message may quote."""
    return None if error is None else Problem(code=error.code, message="")


def _first(error: ValidationError) -> str:
    one = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, one['loc']))}: {one['msg']}"
