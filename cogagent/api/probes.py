"""Whether the service runs (``/healthz``), and whether it can do its work (``/readyz``)."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from cogagent.api.problems import MEDIA_TYPE, Fault, ProblemDocument, request_id
from cogagent.types import Record

if TYPE_CHECKING:
    from cogagent.api.parts import Parts

router = APIRouter(tags=["probes"])
log = logging.getLogger(__name__)

_FREE_MB = 256
"""Under so much free space nothing is taken in."""
_PATIENCE = 1.0
"""Seconds to wait for the catalogue; that others write to it is no fault."""
_KEPT = 1.0
"""Seconds for which a finding counts: anybody may ask, and as often as they like."""


class Health(Record):
    """The process runs and answers."""

    status: Literal["ok"] = "ok"


class Readiness(Record):
    """Questions and documents are taken."""

    status: Literal["ready"] = "ready"


class Readying:
    """Finds out what is amiss, at most once a second.

    Args:
        parts: Of the service.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._guard = threading.Lock()
        self._found: list[Fault] = []
        self._until = 0.0

    def faults(self) -> list[Fault]:
        """Why the service is not ready; nothing if it is."""
        with self._guard:
            if time.monotonic() >= self._until:
                found = list(self._examine())
                for fault in found:
                    if fault not in self._found:
                        log.warning("not ready: %s", fault.message)
                self._found, self._until = found, time.monotonic() + _KEPT
            return self._found

    def _examine(self) -> Iterator[Fault]:
        checks = {
            "service": self._ending(),
            "models": self._parts.condition.loading,
            "catalogue": self._catalogue(),
            "disk": self._disk(),
            "workers": self._workers(),
            "queue": self._queue(),
        }
        for name, reason in checks.items():
            if reason:
                yield Fault(at=(name,), message=reason)

    def _ending(self) -> str:
        return "the service is being stopped" if self._parts.condition.ends else ""

    def _catalogue(self) -> str:
        try:
            connection = sqlite3.connect(
                self._parts.catalogue.path, timeout=_PATIENCE, isolation_level=None
            )
            with closing(connection):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("UPDATE meta SET value = value")
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                return ""
            log.warning("the catalogue cannot be written: %s", error)
            return "the catalogue cannot be written"
        return ""

    def _disk(self) -> str:
        try:
            free = shutil.disk_usage(self._parts.agent.home).free >> 20
        except OSError as error:
            log.warning("the home cannot be reached: %s", error)
            return "the home cannot be reached"
        return f"only {free} MiB are free" if free < _FREE_MB else ""

    def _workers(self) -> str:
        wanted = self._parts.settings.workers
        if not wanted:
            return ""
        alive = self._parts.workers.alive
        return f"{alive} of {wanted} worker processes run" if alive < wanted else ""

    def _queue(self) -> str:
        try:
            with closing(sqlite3.connect(self._parts.catalogue.path, timeout=_PATIENCE)) as reader:
                (waiting,) = reader.execute(
                    "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
                ).fetchone()
        except sqlite3.Error:
            return ""  # told of the catalogue
        return "the queue of jobs is full" if waiting >= self._parts.settings.queue else ""


@router.get("/healthz", operation_id="health", summary="Whether the process runs")
async def health() -> Health:
    """It answers; no API key is asked for."""
    return Health()


@router.get(
    "/readyz",
    operation_id="readiness",
    summary="Whether it can work",
    response_model=Readiness,
    responses={503: {"model": ProblemDocument, "description": "What is amiss, in `faults`."}},
)
def readiness(request: Request) -> Response:
    """Ready, or why not: models, catalogue, disk, workers, queue. No API key is asked for."""
    faults = request.app.state.parts.readying.faults()
    if not faults:
        return JSONResponse(Readiness().model_dump(), headers={"Cache-Control": "no-store"})
    body = ProblemDocument(
        type="urn:cogagent:problem:not_ready",
        title="Service Unavailable",
        status=503,
        detail=f"the service is not ready: {'; '.join(fault.message for fault in faults)}.",
        code="not_ready",
        remedy="Try again later.",
        instance=request_id(request.scope),
        faults=tuple(faults),
    )
    headers = {"Cache-Control": "no-store", "Retry-After": "2"}
    return Response(body.model_dump_json(), 503, headers, media_type=MEDIA_TYPE)
