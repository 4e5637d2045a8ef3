"""Operations as OpenTelemetry spans: needs the extra ``telemetry``, imported where it is on.

Spans go, in the background, to where the standard variables ``OTEL_EXPORTER_OTLP_…`` say, by
OTLP over HTTP; by default to a collector on this machine. A collector that cannot be reached
costs the spans, and a line of the log a minute. Where the program around has set up
OpenTelemetry's SDK by itself, the spans go where its other spans go.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from cogagent.config import Settings
from cogagent.errors import ConfigError, MissingPackageError, OfflineError
from cogagent.telemetry import CANCELLED, Kind, Operation
from cogagent.telemetry import conventions as named
from cogagent.types import clean

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace import Span, Tracer

log = logging.getLogger(__name__)

_LONGEST = 8000
"""Characters of a text that is told, where texts are."""
_PATIENCE = 5.0
"""Seconds that the last spans have to leave when all is closed."""
_BETWEEN = 60.0
"""Seconds between two lines of the log on spans that are not delivered."""
_LOUD = {"opentelemetry.exporter": logging.CRITICAL, "opentelemetry.sdk": logging.ERROR}
"""Loggers of the SDK that tell of each batch what :class:`_Delivery` tells now and then."""
_DEFAULT_ENDPOINT = "http://localhost:4318"
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)

_guard = threading.Lock()
_shared: dict[bool, _Pipeline] = {}


class Traces:
    """An observer that makes a span of each operation.

    Args:
        tracer: Makes spans.
        content: Also tell what was said: questions, texts, names of files.
        on_close: Called once, when it is closed.
    """

    def __init__(
        self, tracer: Tracer, *, content: bool = False, on_close: Callable[[], None] | None = None
    ) -> None:
        from opentelemetry.context import get_current
        from opentelemetry.trace import (
            SpanKind,
            Status,
            StatusCode,
            get_current_span,
            set_span_in_context,
        )
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = tracer
        self._content = content
        self._on_close = on_close
        self._present = get_current
        self._span = get_current_span
        self._in = set_span_in_context
        self._remote = TraceContextTextMapPropagator()
        self._failed = Status(StatusCode.ERROR)
        self._inside, self._client = SpanKind.INTERNAL, SpanKind.CLIENT
        self._server = SpanKind.SERVER

    def begin(self, operation: Operation, above: Any) -> Any:
        """Start a span, below that of what the operation is part of."""
        kind = self._inside
        if operation.kind == "request":
            kind = self._server
        elif operation.facts.get("model", "").startswith("openai:"):
            kind = self._client
        return self._tracer.start_span(
            operation.kind, self._context(operation, above), kind, _attributes(operation)
        )

    def end(self, operation: Operation, held: Any) -> None:
        """End a span, with all that is known by then."""
        span: Span = held
        if not span.is_recording():
            return
        span.update_name(_name(operation))
        span.set_attributes(_attributes(operation))
        if self._content:
            span.set_attributes(_content(operation))
        if operation.error == CANCELLED:
            span.set_attribute(named.CANCELLED, value=True)
        elif operation.error:
            span.set_attribute(named.ERROR_TYPE, operation.error)
            span.set_status(self._failed)
        elif operation.facts.get("status", 0) >= 500:
            span.set_attribute(named.ERROR_TYPE, str(operation.facts["status"]))
            span.set_status(self._failed)
        span.end()

    def close(self) -> None:
        """Let the last spans leave, if nobody else uses the same way out."""
        closing, self._on_close = self._on_close, None
        if closing is not None:
            closing()

    def _context(self, operation: Operation, above: Any) -> Context:
        if above is not None:
            return self._in(above)
        present = self._present()
        if operation.carrier and not self._span(present).get_span_context().is_valid:
            return self._remote.extract(operation.carrier, present)
        return present


def traces(settings: Settings) -> Traces:
    """An observer for the settings; whoever asks has to close it.

    Raises:
        MissingPackageError: If OpenTelemetry's SDK is not installed.
        ConfigError: If one of its variables is malformed.
        OfflineError: If the collector is not on this machine and ``offline`` is on.
    """
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError as error:
        raise MissingPackageError(
            f"traces need the package {error.name}, which is not installed.",
            remedy="Install it by `pip install 'cogagent[telemetry]'`, "
            "or set telemetry.traces to false.",
        ) from error
    content = settings.telemetry.content
    if content:
        log.warning("traces carry questions, texts and file names: telemetry.content is on.")
    around = trace.get_tracer_provider()
    if isinstance(around, TracerProvider):
        return Traces(around.get_tracer(named.SCOPE, _version()), content=content)
    with _guard:
        pipeline = _shared.get(settings.offline)
        if pipeline is None:
            _require_allowed(settings)
            try:
                pipeline = _Pipeline(OTLPSpanExporter())
            except ValueError as error:
                raise ConfigError(
                    f"a variable OTEL_… is malformed: {error}.",
                    remedy="See OpenTelemetry's documentation of its environment variables.",
                ) from error
            _shared[settings.offline] = pipeline
        pipeline.users += 1
    tracer = pipeline.provider.get_tracer(named.SCOPE, _version())
    return Traces(tracer, content=content, on_close=lambda: _leave(settings.offline))


def provider_of(exporter: SpanExporter) -> TracerProvider:
    """What makes spans and hands them, in the background, to an exporter."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own: dict[str, str] = {named.SERVICE_VERSION: _version()}
    if "OTEL_SERVICE_NAME" not in os.environ:
        own[named.SERVICE_NAME] = named.SCOPE
    given = dict(Resource.create().attributes)
    told = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if named.SERVICE_NAME in told:
        own.pop(named.SERVICE_NAME, None)
    provider = TracerProvider(resource=Resource({**given, **own}), shutdown_on_exit=False)
    delivery = cast("SpanExporter", _Delivery(exporter))
    provider.add_span_processor(BatchSpanProcessor(delivery))
    return provider


class _Pipeline:
    """The way out of this process, shared by all its agents."""

    def __init__(self, exporter: SpanExporter) -> None:
        for name, level in _LOUD.items():
            logging.getLogger(name).setLevel(level)
        self.provider = provider_of(exporter)
        self.users = 0

    def close(self) -> None:
        """Let the last spans leave; a collector that does not answer is not waited for."""
        ending = threading.Thread(
            target=self.provider.shutdown, name="cogagent-traces", daemon=True
        )
        ending.start()
        ending.join(_PATIENCE)


class _Delivery:
    """An exporter that raises nothing, and seldom tells of its troubles.

    It is OpenTelemetry's ``SpanExporter`` in all but its base class, which is not imported
    where nobody wants traces.

    Args:
        inner: Does the work.
    """

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._lost = 0
        self._told = -_BETWEEN

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Deliver spans, or count them as lost."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            result = self._inner.export(spans)
        except Exception as error:  # noqa: BLE001 - told below; no answer may suffer from it
            result, why = SpanExportResult.FAILURE, type(error).__name__
        else:
            why = "the collector cannot be reached or refuses them"
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if time.monotonic() - self._told >= _BETWEEN:
                log.warning("%d spans of traces are not delivered: %s", self._lost, why)
                self._told, self._lost = time.monotonic(), 0
        return result

    def shutdown(self) -> None:
        """Let go of the connection."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return self._inner.force_flush(timeout_millis)


def _leave(key: bool) -> None:
    with _guard:
        pipeline = _shared[key]
        pipeline.users -= 1
        if pipeline.users:
            return
        del _shared[key]
    pipeline.close()


def _require_allowed(settings: Settings) -> None:
    """Refuse a collector elsewhere, if nothing may leave this machine."""
    if not settings.offline:
        return
    places = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    given = next(filter(None, map(os.environ.get, places)), _DEFAULT_ENDPOINT)
    host = urlsplit(given).hostname or ""
    if not _is_loopback(host):
        raise OfflineError(
            f"the collector of traces, {host}, is not on this machine and `offline` is on.",
            remedy="Set OTEL_EXPORTER_OTLP_ENDPOINT to one on localhost, or telemetry.traces "
            "or `offline` to false.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _version() -> str:
    try:
        return version("cogagent")
    except PackageNotFoundError:
        return "unknown"


# --- what spans say --------------------------------------------------------

_OPERATIONS: dict[Kind, str] = {
    "ask": named.INVOKE_AGENT,
    "plan": named.PLAN,
    "tool": named.EXECUTE_TOOL,
    "search": named.RETRIEVAL,
    "chat": named.CHAT,
    "embeddings": named.EMBEDDINGS,
}
_FACTS: dict[str, str] = {
    "status": named.HTTP_STATUS,
    "scheme": named.HTTP_SCHEME,
    "max_tokens": named.MAX_TOKENS,
    "temperature": named.TEMPERATURE,
    "prompt_tokens": named.INPUT_TOKENS,
    "written_tokens": named.OUTPUT_TOKENS,
    "dimensions": named.DIMENSIONS,
    "top_k": named.TOP_K,
    "trace": named.TRACE,
    "outcome": named.OUTCOME,
    "planner": named.PLANNER,
    "replay": named.REPLAY,
    "step": named.STEP,
    "queries": named.QUERIES,
    "found": named.FOUND,
    "citations": named.CITATIONS,
    "purpose": named.PURPOSE,
    "role": named.ROLE,
    "cached": named.CACHED,
    "inputs": named.INPUTS,
    "job": named.JOB,
    "job_kind": named.JOB_KIND,
    "media_type": named.MEDIA_TYPE,
    "result": named.RESULT,
    "sources": named.SOURCES,
    "ingested": named.INGESTED,
    "skipped": named.SKIPPED,
    "failed": named.FAILED,
    "pages": named.PAGES,
    "chunks": named.CHUNKS,
    "images": named.IMAGES,
    "documents": named.DOCUMENTS,
}
"""Facts that are told under one name, whatever the operation is."""


def _name(operation: Operation) -> str:
    """Of a span: few different ones, all of the program's own words."""
    facts, kind = operation.facts, operation.kind
    of = {
        "request": facts.get("route"),
        "ask": named.SCOPE,
        "plan": facts.get("planner"),
        "tool": facts.get("tool"),
        "chat": facts.get("model"),
        "embeddings": facts.get("model"),
        "job": facts.get("job_kind"),
    }.get(kind)
    first = _method(facts) if kind == "request" else _OPERATIONS.get(kind, kind)
    return f"{first} {of}" if of else str(first)


def _attributes(operation: Operation) -> dict[str, Any]:
    facts, kind = operation.facts, operation.kind
    found = {name: facts[key] for key, name in _FACTS.items() if facts.get(key) is not None}
    if kind in _OPERATIONS:
        found[named.OPERATION] = _OPERATIONS[kind]
        found[named.AGENT_NAME] = named.SCOPE
    if kind == "request":
        found[named.HTTP_METHOD] = _method(facts, other=named.OTHER_METHOD)
        if facts.get("route"):
            found[named.HTTP_ROUTE] = facts["route"]
    if "model" in facts:
        backend, colon, _ = facts["model"].partition(":")
        found[named.MODEL] = facts["model"]
        found[named.PROVIDER] = backend if colon else named.SCOPE
    elif kind in ("ask", "search"):
        found[named.PROVIDER] = named.SCOPE
    if kind == "chat":
        found[named.STREAM] = True
        if "finish" in facts:
            found[named.FINISH_REASONS] = (facts["finish"],)
    if kind == "tool":
        found[named.TOOL_NAME] = facts["tool"]
        found[named.TOOL_TYPE] = named.EXTENSION if facts.get("outside") else named.DATASTORE
    return found


def _method(facts: dict[str, Any], other: str = "HTTP") -> str:
    method = facts.get("method", "")
    return method if method in _METHODS else other


def _content(operation: Operation) -> dict[str, str]:
    """What was said, cut short; only where the settings ask for it."""
    said = operation.said
    found: dict[str, str] = {}
    for key, name in (
        ("collection", named.DATA_SOURCE), ("conversation", named.CONVERSATION),
        ("uri", named.URI), ("query", named.QUERY_TEXT),
    ):  # fmt: skip
        if said.get(key):
            found[name] = _short(said[key])
    if operation.kind == "tool" and "query" in said:
        found[named.TOOL_ARGUMENTS] = json.dumps({"query": found.pop(named.QUERY_TEXT, "")})
    if "messages" in said:
        told = [(message.role, message.text) for message in said["messages"]]
        found[named.INPUT_MESSAGES] = _messages(told)
    if "question" in said:
        found[named.INPUT_MESSAGES] = _messages([("user", said["question"])])
    if "text" in said:
        finish = operation.facts.get("finish", "stop")
        found[named.OUTPUT_MESSAGES] = _messages([("assistant", said["text"])], finish)
    return found


def _messages(said: Sequence[tuple[str, str]], finish: str | None = None) -> str:
    """Messages in the form of the conventions, as JSON."""
    ended = {} if finish is None else {"finish_reason": finish}
    told = [
        {"role": role, "parts": [{"type": "text", "content": _short(text)}], **ended}
        for role, text in said
    ]
    return json.dumps(told, ensure_ascii=False)


def _short(text: str) -> str:
    return clean(str(text))[:_LONGEST]
