"""What is left of jobs: kept for a while, then gone for good."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cogagent import CogAgent
from cogagent.api.jobs.desk import JobDesk
from cogagent.api.jobs.runners import Runner
from cogagent.errors import NotFoundError
from tests.api.jobs_kit import ANN, drain, lines, with_service


@pytest.fixture
def desk(agent: CogAgent) -> Iterator[JobDesk]:
    opened = JobDesk(with_service(agent, jobs_kept=0))
    yield opened
    opened.close()


def tidied(agent: CogAgent) -> None:
    with Runner(agent.catalogue, agent.home, agent.settings, lambda: agent) as runner:
        runner.tidy()


def ended(agent: CogAgent, job: str, minutes: float) -> None:
    """Have a job be over for that long."""
    at = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    with agent.catalogue.transaction() as connection:
        connection.execute("UPDATE jobs SET finished = ? WHERE id = ?", (at, job))


def test_a_job_can_be_asked_after_for_ten_minutes_however_few_are_kept(
    agent: CogAgent, desk: JobDesk
) -> None:
    job = desk.submit_batch(ANN, lines("Who finished Kestrel Dam?"), "dams").id
    drain(agent)
    for minutes in (0, 9.9):
        ended(agent, job, minutes)
        tidied(agent)
        assert desk.job(ANN, job).state == "done"
        assert len(list(desk.answer_lines(ANN, job))) == 1
    ended(agent, job, 10.1)
    tidied(agent)
    with pytest.raises(NotFoundError, match=job):
        desk.job(ANN, job)
    assert not (agent.home / "jobs" / job).exists()


def test_a_job_that_waits_is_never_forgotten(agent: CogAgent, desk: JobDesk) -> None:
    job = desk.submit_batch(ANN, lines("Who finished Kestrel Dam?"), "dams").id
    old = time.time() - 7 * 86400
    os.utime(agent.home / "jobs" / job, (old, old))
    with agent.catalogue.transaction() as connection:
        connection.execute("UPDATE jobs SET created = '2020-01-01T00:00:00+00:00'")
    tidied(agent)
    drain(agent)
    assert desk.job(ANN, job).state == "done"


def test_questions_that_were_never_queued_go_after_an_hour(agent: CogAgent, desk: JobDesk) -> None:
    folder = agent.home / "jobs" / "job-of-nobody"
    folder.mkdir(parents=True)
    (folder / "questions.jsonl").write_text("{}\n")
    for minutes, stays in ((59, True), (61, False)):
        at = time.time() - 60 * minutes
        os.utime(folder, (at, at))
        tidied(agent)
        assert folder.exists() is stays
