"""Traces: spans of one tree, to a real collector, without what was said, and none if off."""

from __future__ import annotations

import asyncio
import contextvars
import gzip
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cogagent import CogAgent, Settings, Source, telemetry
from cogagent.config import ServiceSettings, TelemetrySettings
from cogagent.errors import ConfigError, InputError, MissingPackageError, OfflineError
from cogagent.models.metered import Meter, MeteredMLLM, shown_name
from cogagent.models.mllm import said
from cogagent.telemetry import NOTHING, Telemetry, conventions, traces
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Budget

WORD = "Quetzalcoatlus"
NOTE = f"{WORD} had a span of 11 m. It was found in Texas."
ON = Settings(
    telemetry=TelemetrySettings(traces=True), service=ServiceSettings(workers=0), offline=True
)


class Watched:
    """An agent's telemetry with spans in memory."""

    def __init__(self, *, content: bool = False) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.observer = traces.Traces(provider.get_tracer("test"), content=content)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, start: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(start)]

    def one(self, start: str) -> ReadableSpan:
        (found,) = self.named(start)
        return found

    def text(self) -> str:
        return "".join(span.to_json() for span in self.spans)


def below(span: ReadableSpan, other: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == other.context.span_id


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traced") / "kb"
    with CogAgent(folder, Settings()) as agent:
        agent.ingest(Source(uri=f"{WORD}.txt", data=NOTE.encode(), media_type="text/plain"))
    return folder


@pytest.fixture
def agent(home: Path) -> Iterator[CogAgent]:
    with CogAgent(home, Settings(service=ServiceSettings(workers=0))) as opened:
        yield opened


def watch(agent: CogAgent, *, content: bool = False) -> Watched:
    found = Watched(content=content)
    agent.telemetry.watch(found.observer)
    return found


# --- the tree --------------------------------------------------------------


def test_a_question_is_one_tree(agent: CogAgent) -> None:
    watched = watch(agent)
    answer = agent.ask(f"What span did {WORD} have?")
    assert answer.outcome == "answered"
    root = watched.one("invoke_agent cogagent")
    assert root.parent is None
    assert root.attributes is not None
    assert root.attributes["cogagent.trace.id"] == answer.trace
    assert root.attributes["cogagent.outcome"] == "answered"
    assert root.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert {span.context.trace_id for span in watched.spans} == {root.context.trace_id}
    for name in ("plan rules", "execute_tool", "answer"):
        assert watched.named(name), name
        assert all(below(span, root) for span in watched.named(name))
    embedded = watched.named("embeddings")
    assert embedded
    assert all(span.attributes["gen_ai.embeddings.dimension.count"] == 384 for span in embedded)
    assert all(span.parent is not None for span in embedded)  # they ran on threads of a pool


def test_streams_and_searches_too(agent: CogAgent) -> None:
    watched = watch(agent)
    events = list(agent.stream(f"What span did {WORD} have?"))
    assert events[-1].type == "done"
    root = watched.one("invoke_agent")
    assert all(below(span, root) for span in watched.named("plan"))
    watched.exporter.clear()
    agent.search(WORD)
    (search,) = watched.named("retrieval")
    assert all(below(span, search) for span in watched.named("embeddings"))


def test_a_stream_that_nobody_reads_on_is_cancelled(agent: CogAgent) -> None:
    watched = watch(agent)
    events = agent.stream(f"What span did {WORD} have?")
    next(iter(events))
    events.close()
    root = watched.one("invoke_agent")
    assert root.attributes["cogagent.cancelled"] is True
    assert root.status.is_unset


def test_a_failure_is_told_by_its_code_alone(agent: CogAgent) -> None:
    watched = watch(agent)
    with pytest.raises(InputError):
        agent.ask("x", collection=f"no-{WORD}")
    root = watched.one("invoke_agent")
    assert root.attributes["error.type"] == "not_found"
    assert not root.status.is_ok
    assert root.status.description is None
    assert not root.events
    assert WORD not in watched.text()


def test_questions_at_once_do_not_mix(agent: CogAgent) -> None:
    watched = watch(agent)

    async def asked() -> None:
        question = f"What span did {WORD} have?"
        await asyncio.gather(*(agent.aask(question) for _ in range(6)))

    asyncio.run(asked())
    roots = watched.named("invoke_agent")
    assert len({root.context.trace_id for root in roots}) == len(roots) == 6
    for root in roots:
        own = [one for one in watched.spans if one.context.trace_id == root.context.trace_id]
        assert [one.name for one in own if one.name.startswith("plan")]
        known = {one.context.span_id for one in own}
        assert all(one.parent is None or one.parent.span_id in known for one in own)


def test_reading_documents(tmp_path: Path) -> None:
    with CogAgent(tmp_path / "kb", Settings()) as agent:
        watched = watch(agent)
        sources = [
            Source(uri=f"{WORD}-{n}.txt", data=f"{NOTE} {n}".encode(), media_type="text/plain")
            for n in range(5)
        ]
        broken = Source(uri=f"{WORD}.pdf", data=b"%PDF-1.7 no", media_type="application/pdf")
        agent.ingest([*sources, broken], collection=WORD)
    root = watched.one("ingest")
    assert root.attributes["cogagent.ingest.ingested"] == 5
    assert root.attributes["cogagent.ingest.failed"] == 1
    read = watched.named("document")
    assert len(read) == 6
    assert all(below(span, root) for span in read)  # from the threads of another pool
    assert [span.attributes["error.type"] for span in read if not span.status.is_unset]
    assert all(below(span, root) for span in [*watched.named("store"), *watched.named("embed")])
    assert WORD not in watched.text()


# --- models ----------------------------------------------------------------


def test_texts_of_models() -> None:
    watched = Watched()
    run = Telemetry(watched.observer).begin("ask")
    meter = Meter(Budget(), operation=run)
    model = MeteredMLLM(ScriptedMLLM([f"It is {WORD}."]), meter, "plan").named("rewrite")

    async def planned() -> None:
        with run.child("plan", step=1):
            await model.generate([said("user", f"Who is {WORD}?")])

    asyncio.run(planned())
    run.end()
    (chat,) = watched.named("chat")
    assert below(chat, watched.one("plan"))
    assert chat.attributes["cogagent.model.role"] == "plan"
    assert chat.attributes["cogagent.model.purpose"] == "rewrite"
    assert chat.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert {"gen_ai.usage.input_tokens", "gen_ai.request.model"} <= set(chat.attributes)
    assert WORD not in watched.text()


def test_content_is_told_where_it_is_wanted(agent: CogAgent) -> None:
    watched = watch(agent, content=True)
    question = f"What span did {WORD} have? \ud800"
    agent.ask(question, conversation="talk")
    attributes = watched.one("invoke_agent").attributes
    (asked,) = json.loads(attributes[conventions.INPUT_MESSAGES])
    assert asked["role"] == "user"
    assert WORD in asked["parts"][0]["content"]
    (told,) = json.loads(attributes[conventions.OUTPUT_MESSAGES])
    assert "11 m" in told["parts"][0]["content"]
    assert attributes[conventions.DATA_SOURCE] == "default"
    assert attributes[conventions.CONVERSATION] == "talk"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("openai:gpt-4o", "openai:gpt-4o"),
        ("openai:org/model", "openai:org/model"),
        ("llamacpp:/home/ada/a.gguf", "llamacpp:a.gguf"),
        ("llamacpp:models/a.gguf", "llamacpp:a.gguf"),
        ("transformers:Qwen/Qwen2-VL", "transformers:Qwen/Qwen2-VL"),
        ("transformers:/srv/models/qwen", "transformers:qwen"),
        ("transformers:/qwen", "transformers:qwen"),
        ("", ""),
    ],
)
def test_a_model_is_told_without_its_folder(name: str, shown: str) -> None:
    assert shown_name(name) == shown


# --- threads and nobody ----------------------------------------------------


def test_the_present_operation_in_threads() -> None:
    watched = Watched()
    with Telemetry(watched.observer).begin("ingest") as root, ThreadPoolExecutor(4) as pool:
        assert pool.submit(telemetry.child, "see").result() is NOTHING  # it is not carried

        def look() -> None:
            with telemetry.child("see") as seen:
                assert seen.above is root

        for each in [pool.submit(contextvars.copy_context().run, look) for _ in range(50)]:
            each.result()
    assert len(watched.named("see")) == 50
    assert all(below(span, watched.one("ingest")) for span in watched.named("see"))


def test_nobody_watches() -> None:
    quiet = Telemetry()
    with quiet.begin("ask", planner="rules") as told:
        told.set(x=1)
        told.say(question=WORD)
        told.fail("input")
        assert told is told.child("plan") is telemetry.child("plan") is NOTHING
    assert (NOTHING.facts, NOTHING.said, NOTHING.error) == ({}, {}, "")
    began = time.perf_counter()
    for _ in range(10_000):
        with quiet.begin("ask"):
            pass
    assert (time.perf_counter() - began) / 10_000 < 1e-5


CODE = """
import sys
from cogagent import CogAgent, Settings, Source
import cogagent.cli
with CogAgent(sys.argv[1], Settings()) as agent:
    note = Source(uri="n", data=b"The mast is 9 m high.", media_type="text/plain")
    agent.ingest(note)
    assert agent.ask("How high is the mast?").short == "9 m"
loud = ("opentelemetry", "prometheus_client", "requests")
print([name for name in sys.modules if name.partition(".")[0] in loud])
"""
ABSENT = """
import sys
sys.modules["opentelemetry.sdk"] = None
from cogagent import CogAgent, Settings
from cogagent.config import TelemetrySettings
CogAgent(sys.argv[1], Settings(telemetry=TelemetrySettings(traces=True)))
"""


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_where_it_is_off_nothing_is_imported(tmp_path: Path) -> None:
    ended = python(CODE, tmp_path / "kb")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"


def test_an_absent_package_is_named(tmp_path: Path) -> None:
    ended = python(ABSENT, tmp_path / "kb")
    assert MissingPackageError.__name__ in ended.stderr
    assert "pip install 'cogagent[telemetry]'" in ended.stderr


# --- a collector -----------------------------------------------------------


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP over HTTP."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        self.server.got.append((self.path, request))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *told: Any) -> None:
        """Nothing."""


@contextmanager
def collector() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.got = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_spans_reach_a_collector(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as server:
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        with CogAgent(home, ON) as agent:
            answer = agent.ask(f"What span did {WORD} have?")
    got = server.got  # type: ignore[attr-defined]
    assert {path for path, _ in got} == {"/v1/traces"}
    resources = [each for _, request in got for each in request.resource_spans]
    told = {pair.key: pair.value.string_value for pair in resources[0].resource.attributes}
    assert told["service.name"] == "cogagent"
    assert told["deployment.environment.name"] == "test"
    spans = [span for each in resources for scope in each.scope_spans for span in scope.spans]
    (root,) = [span for span in spans if span.name == "invoke_agent cogagent"]
    attributes = {pair.key: pair.value.string_value for pair in root.attributes}
    assert attributes["cogagent.trace.id"] == answer.trace
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert WORD.encode() not in b"".join(r.SerializeToString() for _, r in got)


def test_a_request_hangs_below_its_callers_trace(home: Path) -> None:
    from cogagent.api.app import make_app
    from tests.api.conftest import running

    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with CogAgent(home, Settings(service=ServiceSettings(workers=0))) as agent:
        watched = watch(agent)
        asked = {"question": f"What span did {WORD} have?"}
        with (
            running(make_app(agent, open_door=True)) as server,
            httpx.Client(base_url=server.url, timeout=60) as client,
        ):
            headers = {"traceparent": f"00-{trace}-{span}-01", "tracestate": "a=1"}
            reply = client.post("/v1/ask", json=asked, headers=headers)
            assert reply.json()["outcome"] == "answered"
            streamed = client.post("/v1/ask", json=asked | {"stream": True}, headers=headers)
            assert "event: done" in streamed.text
            client.get(f"/{WORD}")
            client.get("/v1/collections", headers={"traceparent": f"00-{WORD}"})
    posted = watched.named("POST /v1/ask")
    assert len(posted) == 2
    for one in posted:
        assert one.parent is not None
        assert f"{one.context.trace_id:032x}" == trace
        assert f"{one.parent.span_id:016x}" == span
        assert one.attributes["http.response.status_code"] == 200
    roots = watched.named("invoke_agent")
    assert len(roots) == 2
    assert all(any(below(root, one) for one in posted) for root in roots)
    unknown = [one for one in watched.spans if one.name == "GET"]
    assert len(unknown) == 1
    assert "http.route" not in unknown[0].attributes
    assert watched.one("GET /v1/collections").parent is None
    assert WORD not in watched.text()


# --- trouble ---------------------------------------------------------------


def test_a_collector_that_is_not_there_costs_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    caplog.set_level(logging.WARNING)
    with CogAgent(home, ON) as agent:
        agent.warm()
        began = time.monotonic()
        for _ in range(5):
            assert agent.ask(f"What span did {WORD} have?").outcome == "answered"
        took = time.monotonic() - began
        closing = time.monotonic()
    assert took < 5
    assert time.monotonic() - closing < traces._PATIENCE + 2
    told = [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert told == []
    ours = [record for record in caplog.records if "not delivered" in record.getMessage()]
    assert len(ours) <= 1
    assert all(record.exc_info is None for record in caplog.records)


def test_a_collector_that_never_answers_is_not_waited_for(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setattr(traces, "_PATIENCE", 0.5)
        with CogAgent(home, ON) as agent:
            assert agent.ask(f"What span did {WORD} have?").outcome == "answered"
            began = time.monotonic()
        assert time.monotonic() - began < 5


def test_offline_refuses_a_collector_elsewhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4318")
    with pytest.raises(OfflineError, match=r"collector\.example"):
        CogAgent(home, ON)


def test_a_malformed_variable_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    with pytest.raises(ConfigError, match="OTEL_"):
        CogAgent(home, ON)
    assert traces._shared == {}


def test_agents_share_one_way_out(home: Path, tmp_path: Path) -> None:
    with CogAgent(home, ON), CogAgent(tmp_path / "kb", ON):
        assert traces._shared[True].users == 2
    assert traces._shared == {}
