"""What is counted, by which names and labels.

Labels are bounded by construction: templates of routes, and words of closed sets. A word that
is in none of them becomes ``other``. Nothing that a caller or a document says is a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cogagent.errors import CogAgentError
from cogagent.models.metered import shown_name
from cogagent.pipelines.toolbox import OWN
from cogagent.planners.factory import planner_names
from cogagent.telemetry import CANCELLED, INTERNAL, Operation
from cogagent.types import Outcome

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Bounds of what requests and questions take."""
OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REFUSALS = frozenset(
    {"unauthenticated", "forbidden", "rate_limit", "queue_full", "busy", "stopping"}
)
"""Codes of problems that say: not you, or not now."""

_KINDS = frozenset(
    {
        "request",
        "ask",
        "tool",
        "search",
        "chat",
        "embeddings",
        "ingest",
        "document",
        "see",
        "store",
    }
)
_FACTS = frozenset(
    {
        "outcome", "planner", "replay", "tool", "model", "role", "prompt_tokens",
        "written_tokens", "cached", "inputs", "result", "ingested", "skipped", "failed", "pages",
        "chunks", "images", "route", "method", "status", "refused",
    }
)  # fmt: skip
_CALLERS = frozenset({"input", "not_found", "unknown_field", "conflict"})
"""Errors of questions that could not be asked as they were."""
_STAGES = {"document": "read", "see": "see", "embeddings": "embed", "store": "store"}
_ROLES = frozenset({"plan", "answer"})


class Ended(NamedTuple):
    """An operation that is over, as far as it is counted.

    Attributes:
        kind: What it was.
        facts: Those that count.
        seconds: How long it took.
        error: Code of what it failed of; empty if it did not.
        ingest: It was part of an ingest.
    """

    kind: str
    facts: Mapping[str, Any]
    seconds: float
    error: str
    ingest: bool


def ended(operation: Operation) -> Ended | None:
    """What counts of an operation; ``None`` if nothing does."""
    if operation.kind not in _KINDS:
        return None
    above = operation.above
    while above is not None and above.kind != "ingest":
        above = above.above
    facts = {name: value for name, value in operation.facts.items() if name in _FACTS}
    return Ended(operation.kind, facts, operation.seconds, operation.error, above is not None)


class Counts:
    """An observer that counts.

    Args:
        registry: Where its counters are.
        models: Names of the language models in the settings.
    """

    def __init__(self, registry: CollectorRegistry, models: tuple[str, ...]) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"cogagent_{name}", what, labels, registry=registry)

        def seconds(name: str, what: str, *labels: str) -> Histogram:
            return Histogram(
                f"cogagent_{name}_seconds", what, labels, registry=registry, buckets=SECONDS
            )

        self._models = frozenset(map(shown_name, filter(None, models)))
        self._planners = frozenset(planner_names())
        self._requests = counter(
            "http_requests", "Requests by route, method and class of status.",
            "route", "method", "status",
        )  # fmt: skip
        self._request_seconds = seconds(
            "http_request", "From the head of a request to the end of its response.",
            "route", "method",
        )  # fmt: skip
        self._in_progress = Gauge(
            "cogagent_http_requests_in_progress", "Requests under way.", registry=registry
        )
        self._refusals = counter("http_refusals", "Requests that were turned away.", "reason")
        self._asks = counter("asks", "Questions by what came of them.", "outcome", "planner")
        self._ask_seconds = seconds("ask", "From a question to its answer.", "planner")
        self._searches = counter("searches", "Searches, also within questions.", "tool", "result")
        self._search_seconds = seconds("search", "Time of a search.", "tool")
        self._calls = counter("model_calls", "Texts asked of models.", "role", "model", "result")
        self._call_seconds = seconds("model_call", "Time of a text.", "role", "model")
        self._tokens = counter(
            "model_tokens", "Tokens that models read and wrote.", "role", "model", "direction"
        )
        self._errors = counter("model_errors", "Texts that failed.", "role", "model", "error")
        self._embedded = counter("embedded_texts", "Texts that were turned into vectors.", "of")
        self._documents = counter("ingest_documents", "Sources by what became of them.", "result")
        self._pages = counter("ingest_pages", "Pages that entered.")
        self._chunks = counter("ingest_chunks", "Passages that entered.")
        self._pictures = counter("ingest_pictures", "Pictures that entered.")
        self._ingest = counter("ingest_seconds", "Time of the stages of ingest.", "stage")

    def begin(self, operation: Operation, above: Any) -> None:  # noqa: ARG002 - as Observer has it
        """One more request is under way."""
        if operation.kind == "request":
            self._in_progress.inc()

    def end(self, operation: Operation, held: Any) -> None:  # noqa: ARG002 - as Observer has it
        """Count it."""
        if operation.kind == "request":
            self._in_progress.dec()
        told = ended(operation)
        if told is not None:
            self.count(told)

    def count(self, told: Ended) -> None:
        """Count what is over, here or in a worker."""
        match told.kind:
            case "request":
                self._request(told)
            case "ask":
                self._ask(told)
            case "tool" | "search":
                self._search(told)
            case "chat":
                self._call(told)
            case "ingest":
                self._ingested(told)
            case "embeddings":
                of = "documents" if told.ingest else "queries"
                self._embedded.labels(of).inc(told.facts["inputs"])
        if told.ingest and told.kind in _STAGES:
            self._ingest.labels(_STAGES[told.kind]).inc(told.seconds)

    def _request(self, told: Ended) -> None:
        facts = told.facts
        route = facts.get("route") or "none"
        method = facts["method"] if facts["method"] in METHODS else OTHER
        status = facts.get("status")
        kind = "cut" if status is None else f"{status // 100}xx"
        self._requests.labels(route, method, kind).inc()
        self._request_seconds.labels(route, method).observe(told.seconds)
        if facts.get("refused") in REFUSALS:
            self._refusals.labels(facts["refused"]).inc()

    def _ask(self, told: Ended) -> None:
        facts = told.facts
        if facts.get("replay"):
            return
        planner = facts.get("planner") if facts.get("planner") in self._planners else OTHER
        outcome = facts.get("outcome")
        if told.error or outcome not in get_args(Outcome):
            refused = "refused" if told.error in _CALLERS else "failed"
            outcome = CANCELLED if told.error == CANCELLED else refused
        self._asks.labels(outcome, planner).inc()
        self._ask_seconds.labels(planner).observe(told.seconds)

    def _search(self, told: Ended) -> None:
        tool = told.facts["tool"] if told.facts["tool"] in OWN else OTHER
        self._searches.labels(tool, "failed" if told.error else "ok").inc()
        self._search_seconds.labels(tool).observe(told.seconds)

    def _call(self, told: Ended) -> None:
        facts = told.facts
        role = facts["role"] if facts["role"] in _ROLES else OTHER
        model = facts["model"] if facts["model"] in self._models else OTHER
        if told.error:
            self._errors.labels(role, model, _code(told.error)).inc()
        result = "failed" if told.error else "cached" if facts.get("cached") else "ok"
        self._calls.labels(role, model, result).inc()
        if result == "cached":
            return  # it took no time, and cost no tokens
        self._call_seconds.labels(role, model).observe(told.seconds)
        self._tokens.labels(role, model, "in").inc(facts.get("prompt_tokens") or 0)
        self._tokens.labels(role, model, "out").inc(facts.get("written_tokens") or 0)

    def _ingested(self, told: Ended) -> None:
        facts = told.facts
        for result in ("ingested", "skipped", "failed"):
            self._documents.labels(result).inc(facts.get(result, 0))
        self._pages.inc(facts.get("pages", 0))
        self._chunks.inc(facts.get("chunks", 0))
        self._pictures.inc(facts.get("images", 0))


def _codes(kind: type[CogAgentError]) -> Iterator[str]:
    yield kind.code
    for below in kind.__subclasses__():
        yield from _codes(below)


_CODES = frozenset(_codes(CogAgentError)) | {CANCELLED}


def _code(error: str) -> str:
    return error if error in _CODES else INTERNAL
