"""Worker processes: they do jobs, die with their parent, and are started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from cogagent import CogAgent, Settings
from cogagent.api.jobs.desk import JobDesk
from cogagent.api.jobs.runners import claims_of, workers_folder
from cogagent.api.jobs.supervisor import Supervisor
from cogagent.api.jobs.worker import _REAP, packed
from cogagent.config import OpenAISettings, ServiceSettings
from tests.api.jobs_kit import ANN, notes, with_service

PATIENCE = 40.0


def until(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.05)


@pytest.fixture
def desk(agent: CogAgent) -> Iterator[JobDesk]:
    with_service(agent, workers=1, shutdown_seconds=10.0)
    opened = JobDesk(agent)
    yield opened
    opened.close()


@pytest.fixture
def supervisor(agent: CogAgent, desk: JobDesk) -> Iterator[Supervisor]:
    made = Supervisor(agent.catalogue, agent.home, agent.settings)
    yield made
    made.stop(5.0)
    assert made.alive == 0


def worker_of(supervisor: Supervisor) -> psutil.Process:
    until(lambda: supervisor.alive)
    return psutil.Process(supervisor.states()[0].pid)


def test_a_worker_does_what_waits_and_what_comes(
    agent: CogAgent, desk: JobDesk, supervisor: Supervisor
) -> None:
    first = desk.submit_ingest(ANN, "lights", notes(desk, 3)).id
    supervisor.start()
    supervisor.start()  # once is enough
    until(lambda: desk.job(ANN, first).is_final)
    worker = worker_of(supervisor)
    assert worker.nice() == min(os.nice(0) + 10, 19)
    assert os.sched_getscheduler(worker.pid) == os.SCHED_IDLE
    assert os.getsid(worker.pid) == os.getsid(0), "Linux shares out by sessions first"
    assert os.getpgid(worker.pid) == worker.pid, "Ctrl-C is the service's"
    second = desk.submit_ingest(ANN, "lights", notes(desk, 5)).id
    until(lambda: desk.job(ANN, second).is_final)
    assert (desk.job(ANN, first).state, desk.job(ANN, second).state) == ("done", "done")
    assert agent.ask("When was lighthouse 4 lit?", collection="lights").short == "1804"
    supervisor.stop()
    assert not worker.is_running()
    assert list(workers_folder(agent.home).iterdir()) == []


def test_a_worker_that_is_killed_is_started_again_and_goes_on(
    agent: CogAgent, desk: JobDesk, supervisor: Supervisor
) -> None:
    supervisor.start()
    job = desk.submit_ingest(ANN, "lights", notes(desk, 300)).id
    until(lambda: desk.job(ANN, job).items.done)
    worker_of(supervisor).send_signal(signal.SIGKILL)
    until(lambda: desk.job(ANN, job).state == "queued", 5)
    assert desk.job(ANN, job).error.code == "worker_crashed"
    until(lambda: desk.job(ANN, job).is_final)
    assert desk.job(ANN, job).items.done == 300
    assert len(agent.documents.list("lights")) == 300
    assert supervisor.states()[0].restarts == 1
    assert supervisor.states()[0].status == -signal.SIGKILL
    documents = [event.items.done for event in desk._queue.events(job, limit=1000)]
    assert documents == sorted(documents)


def test_a_stop_parks_the_job(agent: CogAgent, desk: JobDesk, supervisor: Supervisor) -> None:
    supervisor.start()
    job = desk.submit_ingest(ANN, "lights", notes(desk, 400)).id
    until(lambda: desk.job(ANN, job).items.done)
    started = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - started < 10
    parked = desk.job(ANN, job)
    assert (parked.state, parked.attempts, parked.error) == ("queued", 0, None)
    assert 0 < parked.items.done < 400
    supervisor.start()  # like a service that starts anew
    until(lambda: desk.job(ANN, job).is_final)
    assert desk.job(ANN, job).items.done == 400


def test_a_stop_that_takes_too_long_kills(agent: CogAgent, desk: JobDesk) -> None:
    supervisor = Supervisor(agent.catalogue, agent.home, agent.settings)
    supervisor.start()
    worker = worker_of(supervisor)
    job = desk.submit_ingest(ANN, "lights", notes(desk, 300)).id
    until(lambda: desk.job(ANN, job).state == "running")
    worker.suspend()
    supervisor.stop(0.3)
    assert not worker.is_running()
    found = desk.job(ANN, job)
    assert (found.state, found.error) == ("queued", None)  # it was ended: that is no attempt


@pytest.mark.parametrize("program", ["/bin/false", "/not/there"])
def test_workers_that_die_at_once_are_not_started_all_the_time(
    agent: CogAgent, desk: JobDesk, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    supervisor = Supervisor(agent.catalogue, agent.home, agent.settings)
    supervisor.start()
    started = time.monotonic()
    until(lambda: supervisor.states()[0].restarts == 3)
    assert time.monotonic() - started > 1.4  # half a second, then a whole one
    supervisor.stop(1.0)


def parent(home: Path, settings: Settings) -> subprocess.Popen[bytes]:
    """A process with a supervisor and nothing else; it prints the worker's id."""
    code = """
import sys, time
from pathlib import Path
from cogagent.api.jobs.supervisor import Supervisor
from cogagent.config import Settings
from cogagent.indexes.catalogue import Catalogue
home = Path(sys.argv[1])
supervisor = Supervisor(
    Catalogue(home / "catalogue.sqlite"), home, Settings.model_validate_json(sys.argv[2]), 1
)
supervisor.start()
while not supervisor.alive:
    time.sleep(0.01)
print(supervisor.states()[0].pid, flush=True)
time.sleep(100)
"""
    plain = json.dumps(json.loads(packed(settings)))
    command = [sys.executable, "-c", code, str(home), plain]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it takes a second")
def test_a_worker_dies_with_its_parent(agent: CogAgent, desk: JobDesk) -> None:
    job = desk.submit_ingest(ANN, "lights", notes(desk, 300)).id
    with parent(agent.home, agent.settings) as process:
        worker = psutil.Process(int(process.stdout.readline()))
        until(lambda: desk.job(ANN, job).items.done)
        parsers = worker.children(recursive=True)
        process.kill()
    until(lambda: not any(one.is_running() for one in (worker, *parsers)), 5)
    # Its lock went with it: whoever starts next takes the job back at once.
    assert claims_of(agent.catalogue, agent.home, agent.settings).reap() == 1
    assert desk.job(ANN, job).state == "queued"


def test_a_worker_without_its_parent_does_not_begin(agent: CogAgent) -> None:
    command = [sys.executable, "-m", "cogagent.api.jobs.worker", "--home", str(agent.home)]
    ended = subprocess.run([*command, "--parent", "1"], timeout=PATIENCE, check=False)
    assert ended.returncode == 1


def test_a_worker_of_its_own_ends_on_sigterm(agent: CogAgent, desk: JobDesk) -> None:
    command = [sys.executable, "-m", "cogagent.api.jobs.worker", "--home", str(agent.home)]
    job = desk.submit_ingest(ANN, "lights", notes(desk, 2)).id
    with subprocess.Popen(command, env=os.environ | {"COGAGENT_MODELS__THREADS": "1"}) as process:
        until(lambda: desk.job(ANN, job).is_final)
        process.send_signal(signal.SIGINT)  # the terminal's; its parent answers that
        time.sleep(0.3)
        assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 0
    assert desk.job(ANN, job).state == "done"


def test_a_worker_gets_all_settings() -> None:
    settings = Settings(
        offline=True,
        openai=OpenAISettings(api_key=SecretStr("sk-secret")),
        service=ServiceSettings(hosts=("a", "b")),
    )
    assert Settings(**json.loads(packed(settings))) == settings


def test_where_the_kernel_does_not_tell_of_a_parents_death_it_is_watched() -> None:
    """As on macOS; a parent that is killed takes its worker along all the same."""
    watch = (
        "import os; parent = os.getppid(); "
        "from cogagent.api.jobs.worker import _watch; _watch(parent)"
    )
    start = f"import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', {watch!r}]); "
    command = [sys.executable, "-c", start + "print(c.pid, flush=True); c.wait()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        try:
            until(lambda: worker.cmdline()[-1] == watch)
            time.sleep(2 * _REAP)
            assert is_at_work(worker), "it stays while the parent lives"
            parent.kill()
            until(lambda: not is_at_work(worker))
        finally:
            with suppress(psutil.NoSuchProcess):
                worker.kill()


def is_at_work(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
