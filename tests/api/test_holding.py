"""A lease outlives what goes wrong with the catalogue for a moment, and a job gives way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cogagent import CogAgent
from cogagent.api.jobs import holding, ingesting
from cogagent.api.jobs.desk import JobDesk
from cogagent.api.jobs.holding import Hold
from cogagent.errors import StorageError
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.job_claims import Claim, Claims
from cogagent.indexes.job_rows import JobProgress
from cogagent.indexes.jobs import JobQueue, NewItem, NewJob
from tests.api.jobs_kit import ANN, BOB, drain, notes, upload

PATIENCE = 20.0


class Faulty(Claims):
    """A queue whose next calls go wrong in some way."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(catalogue, attempts=3)
        self.faults: list[Exception] = []
        self.beats = 0

    def orders(self, claim: Claim) -> str:
        if self.faults:
            raise self.faults.pop()
        return super().orders(claim)

    def beat(self, claim: Claim, progress: JobProgress | None) -> str:
        if self.faults:
            raise self.faults.pop()
        ordered = super().beat(claim, progress)
        self.beats += 1
        return ordered


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue(tmp_path / "catalogue.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and beats many times a second."""
    monkeypatch.setattr(holding, "_LOOK", 0.01)
    monkeypatch.setattr(holding, "LEASE_SECONDS", 0.06)


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.01)


def submitted(catalogue: Catalogue) -> tuple[JobQueue, str]:
    queue = JobQueue(catalogue, 10, 1000)
    new = NewJob("ingest", "ann", "{}", "default", [NewItem("note:1")], {})
    return queue, queue.submit(new)[0].id


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("fault", "level"),
    [(StorageError("the catalogue is locked."), "WARNING"), (OSError("no."), "ERROR")],
)
def test_a_lease_is_renewed_again_after_the_catalogue_failed(
    catalogue: Catalogue, caplog: pytest.LogCaptureFixture, fault: Exception, level: str
) -> None:
    queue, job = submitted(catalogue)
    claims = Faulty(catalogue)
    claim = claims.claim("w")
    assert claim is not None
    with caplog.at_level(logging.WARNING), Hold(claims, claim, threading.Event()) as hold:
        until(lambda: claims.beats)
        claims.faults = [fault, fault]
        until(lambda: not claims.faults)
        beats = claims.beats
        until(lambda: claims.beats > beats + 1)
        assert not hold.is_over()
        queue.cancel(job)  # orders are heard, too
        until(hold.is_over)
    assert hold.ordered == "cancel"
    assert [record.levelname for record in caplog.records] == [level] * 2
    assert caplog.text.count(f"the lease of {job} was not renewed") == 2


@pytest.mark.usefixtures("hasty")
def test_what_was_not_told_of_progress_is_no_loss(catalogue: Catalogue) -> None:
    """The next telling goes through, and says how far the job is by then."""
    queue, job = submitted(catalogue)
    claims = Faulty(catalogue)
    claim = claims.claim("w")
    assert claim is not None
    with Hold(claims, claim, threading.Event()) as hold:
        claims.faults = [StorageError("the catalogue is locked.")]
        until(lambda: not claims.faults)
        hold.progress = JobProgress(stage="text", done=3)
        until(lambda: queue.get(job).progress)
    assert queue.get(job).progress.done == 3


def test_a_long_job_gives_way_as_often_as_others_come_and_loses_no_attempt(
    agent: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "_SLICE", 0.0)
    monkeypatch.setattr(ingesting, "_GROUP", 1)
    desk = JobDesk(agent)
    long = desk.submit_ingest(ANN, "lights", notes(desk, 8)).id
    short = [
        desk.submit_ingest(BOB, "lights", [upload(desk, b"Short.", uri=f"note:{n}")]).id
        for n in range(5)
    ]
    attempts = []
    settle = Claims.settle

    def counted(claims: Claims, claim: Claim, outcomes: object) -> None:
        if claim.job.id == long:
            attempts.append(claim.job.attempts)
        settle(claims, claim, outcomes)

    monkeypatch.setattr(Claims, "settle", counted)
    drain(agent)
    assert attempts == [1] * 8, "begun anew each time"
    ended = {job: desk.job(BOB if job in short else ANN, job).finished for job in (long, *short)}
    assert max(ended, key=ended.__getitem__) == long
    types = [event.type for event in desk._queue.events(long)]
    assert types.count("started") == types.count("queued") == 6
    assert "waiting" not in types
    assert desk.job(ANN, long).items.done == 8
    desk.close()
