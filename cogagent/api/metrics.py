"""``/metrics``: what the service does and how it is, as Prometheus reads it."""

from __future__ import annotations

import logging
import platform
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, cast, get_args

import psutil
from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import Response

from cogagent.api.access import METRICS, session
from cogagent.api.counting import Counts
from cogagent.api.jobs.telling import read
from cogagent.api.turns import Line

if TYPE_CHECKING:
    from cogagent.api.parts import Parts

router = APIRouter()
log = logging.getLogger(__name__)

_KEPT = 1.0
"""Seconds for which what is found in the home counts, however often it is asked for."""
_PATIENCE = 1.0
"""Seconds to wait for the catalogue."""


class Metrics:
    """What is counted of a service, in its own process and in its workers.

    Args:
        parts: Of the service.
    """

    def __init__(self, parts: Parts) -> None:
        models = parts.agent.settings.models
        self._registry = CollectorRegistry()
        self._telemetry = parts.agent.telemetry
        self._counts = Counts(self._registry, (models.answer_model, models.planner_model))
        ProcessCollector(registry=self._registry)
        self._registry.register(_State(parts))
        self._telemetry.watch(self._counts)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """It counts what is done in this process until the end of the context."""
        self._telemetry.watch(self._counts)
        try:
            yield
        finally:
            self._telemetry.unwatch(self._counts)

    def take(self, line: bytes) -> None:
        """Count what a worker tells; on any thread."""
        told = read(line)
        if told is not None:
            self._counts.count(told)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format 0.0.4."""
        return generate_latest(cast("CollectorRegistry", _Plain(self._registry)))


class _Plain:
    """A registry without the times at which each series began: they double its length."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """What the registry has."""
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric


class _State:
    """How the service is when it is asked.

    Args:
        parts: Of the service.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._guard = threading.Lock()
        self._found: Mapping[tuple[str, str], int] = {}
        self._until = 0.0

    def collect(self) -> Iterable[Metric]:
        """Gauges, made anew."""
        yield _build()
        yield from self._lines()
        yield self._jobs()
        yield from self._workers()
        yield from self._home()

    def _lines(self) -> Iterator[Metric]:
        inside = GaugeMetricFamily("cogagent_inside", "What is worked on.", labels=["line"])
        waiting = GaugeMetricFamily("cogagent_waiting", "What waits its turn.", labels=["line"])
        refused = CounterMetricFamily(
            "cogagent_line_refusals", "Refused since too many waited.", labels=["line"]
        )
        for line in get_args(Line):
            found = self._parts.turns.line(line)
            inside.add_metric([line], found.inside)
            waiting.add_metric([line], found.waiting)
            refused.add_metric([line], found.refused)
        yield from (inside, waiting, refused)

    def _jobs(self) -> Metric:
        jobs = GaugeMetricFamily("cogagent_jobs", "Jobs by state.", labels=["kind", "state"])
        with self._guard:
            if time.monotonic() >= self._until:
                self._found, self._until = self._counted(), time.monotonic() + _KEPT
            for (kind, state), count in self._found.items():
                jobs.add_metric([kind, state], count)
        return jobs

    def _counted(self) -> Mapping[tuple[str, str], int]:
        """Jobs that there are; what was found last if the catalogue cannot be read."""
        path = self._parts.catalogue.path
        try:
            with closing(sqlite3.connect(path, timeout=_PATIENCE)) as reader:
                rows = reader.execute("SELECT kind, state, count(*) FROM jobs GROUP BY 1, 2")
                return {(kind, state): count for kind, state, count in rows}
        except sqlite3.Error as error:
            log.warning("jobs cannot be counted: %s", error)
            return self._found

    def _workers(self) -> Iterator[Metric]:
        wanted = self._parts.settings.workers
        states = self._parts.workers.states() if wanted else []
        pids = [state.pid for state in states if state.pid is not None]
        yield GaugeMetricFamily("cogagent_workers_wanted", "Worker processes.", wanted)
        yield GaugeMetricFamily("cogagent_workers_alive", "Those that run.", len(pids))
        yield CounterMetricFamily(
            "cogagent_worker_restarts", "How often one died.", sum(one.restarts for one in states)
        )
        yield GaugeMetricFamily(
            "cogagent_workers_resident_memory_bytes",
            "Memory of workers and of what they started.",
            sum(map(_resident, pids)),
        )

    def _home(self) -> Iterator[Metric]:
        parts = self._parts
        ready = not parts.readying.faults()
        yield GaugeMetricFamily("cogagent_ready", "Whether /readyz says so.", int(ready))
        try:
            size = parts.catalogue.path.stat().st_size
            free = shutil.disk_usage(parts.agent.home).free
        except OSError as error:
            log.warning("the home cannot be reached: %s", error)
            return
        yield GaugeMetricFamily("cogagent_catalogue_bytes", "Size of the catalogue.", size)
        yield GaugeMetricFamily("cogagent_home_free_bytes", "Free space of the home.", free)


def _build() -> Metric:
    try:
        own = version("cogagent")
    except PackageNotFoundError:
        own = "unknown"
    found = GaugeMetricFamily("cogagent_build_info", "Versions.", labels=["version", "python"])
    found.add_metric([own, platform.python_version()], 1)
    return found


def _resident(pid: int) -> int:
    """Bytes of a process and of those that it started; 0 if it is gone."""
    total = 0
    try:
        own = psutil.Process(pid)
        for process in (own, *own.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.Error:  # it ended meanwhile
        return total
    return total


@router.get(METRICS, include_in_schema=False)
def metrics(request: Request) -> Response:
    """What is counted; the setting ``service.metrics`` says for whom."""
    parts: Parts = request.app.state.parts
    if parts.settings.metrics != "open":
        session(request).require("metrics")
    assert parts.metrics is not None
    return Response(
        parts.metrics.text(),
        media_type=CONTENT_TYPE_PLAIN_0_0_4,
        headers={"Cache-Control": "no-store"},
    )
