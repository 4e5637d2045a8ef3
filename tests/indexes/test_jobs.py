"""The durable queue: nothing lost, nothing twice, whoever dies."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogagent.errors import ConflictError, NotFoundError, QueueFullError
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.job_claims import LEASE_SECONDS, Claims, LeaseLostError, Outcome
from cogagent.indexes.job_rows import MOST_EVENTS, JobProgress
from cogagent.indexes.jobs import JobQueue, NewItem, NewJob
from cogagent.types import Problem

BROKEN = Problem(code="corrupt", message="it is broken.")


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        # Jobs are due at the real time of their submission: this one is always after it.
        self.now = 4_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    opened = Catalogue(tmp_path / "catalogue.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(catalogue: Catalogue) -> JobQueue:
    return JobQueue(catalogue, most=50, most_bytes=1000)


@pytest.fixture
def claims(catalogue: Catalogue, clock: Clock) -> Claims:
    return Claims(catalogue, attempts=3, clock=clock)


def new(count: int = 1, owner: str = "ann", **changes: object) -> NewJob:
    fields: dict[str, object] = {
        "kind": "ingest",
        "owner": owner,
        "caller": "{}",
        "collection": "default",
        "items": [NewItem(f"note:{n}", body={"url": None}) for n in range(1, count + 1)],
        "body": {},
    }
    return NewJob(**(fields | changes))


def add(queue: JobQueue, *args: object, **changes: object) -> str:
    return queue.submit(new(*args, **changes))[0].id


def work(claims: Claims, worker: str = "w", failing: tuple[int, ...] = ()) -> str:
    """Do the next job; its state."""
    claim = claims.claim(worker)
    assert claim is not None
    claims.settle(
        claim,
        [
            Outcome(task.number, BROKEN if task.number in failing else None)
            for task in claims.tasks(claim)
        ],
    )
    return claims.finish(claim)


def test_a_clock_that_is_set_back_holds_nothing_up(
    queue: JobQueue, claims: Claims, clock: Clock
) -> None:
    clock.now = time.time() - 3600  # jobs were submitted by the clock of before
    first, second = add(queue), add(queue)
    assert claims.is_due()
    claim = claims.claim("w")
    assert claim is not None
    claims.postpone(first, "w", BROKEN)
    assert work(claims) == "done", "the second"
    assert queue.get(second).is_final
    assert claims.claim("w") is None, "it has to wait"
    clock.now -= 3600
    assert claims.is_due()
    assert claims.others_wait("bob")
    again = claims.claim("w")
    assert again is not None
    assert again.job.id == first


def test_a_clock_that_is_set_forward_takes_no_job_from_who_lives(
    catalogue: Catalogue, queue: JobQueue, clock: Clock
) -> None:
    living = {"one"}
    claims = Claims(catalogue, 3, is_alive=living.__contains__, clock=clock)
    job = add(queue)
    assert claims.claim("one") is not None
    clock.now += 86400
    assert claims.reap() == 0
    assert claims.claim("two") is None
    living.clear()
    assert claims.reap() == 1
    assert queue.get(job).state == "queued"


# --- from submission to the end -------------------------------------------


def test_a_job_goes_from_queued_to_done(queue: JobQueue, claims: Claims) -> None:
    job = add(queue, 2)
    assert (queue.get(job).state, queue.get(job).items.queued) == ("queued", 2)
    claim = claims.claim("w")
    assert claim is not None
    assert queue.get(job).state == "running"
    claims.settle(claim, [Outcome(1)])
    assert (queue.get(job).items.done, queue.get(job).items.queued) == (1, 1)
    claims.settle(claim, [Outcome(2)])
    assert claims.finish(claim) == "done"
    done = queue.get(job)
    assert (done.state, done.is_final, done.bytes) == ("done", True, 0)
    assert done.finished is not None
    assert claims.claim("w") is None
    assert [event.type for event in queue.events(job)] == ["queued", "started", "finished"]


@pytest.mark.parametrize(
    ("failing", "state"), [((), "done"), ((1,), "partial"), ((1, 2), "failed")]
)
def test_the_end_of_a_job_tells_what_failed(
    queue: JobQueue, claims: Claims, failing: tuple[int, ...], state: str
) -> None:
    job = add(queue, 2)
    assert work(claims, failing=failing) == state
    failed = queue.items(job, "failed")
    assert [item.number for item in failed] == list(failing)
    assert all(item.error == BROKEN for item in failed)


def test_only_failures_are_retried(queue: JobQueue, claims: Claims) -> None:
    job = add(queue, 3)
    work(claims, failing=(2,))
    assert queue.retry(job, set()).state == "queued"
    claim = claims.claim("w")
    assert claim is not None
    assert [(task.number, task.retried) for task in claims.tasks(claim)] == [(2, True)]
    claims.settle(claim, [Outcome(2)])
    assert claims.finish(claim) == "done"
    with pytest.raises(ConflictError, match="nothing"):
        queue.retry(job, set())


def test_a_retry_needs_the_files(queue: JobQueue, claims: Claims) -> None:
    job = add(queue, items=[NewItem("a:1", upload="x"), NewItem("a:2", upload="y")])
    work(claims, failing=(1, 2))
    with pytest.raises(ConflictError, match="kept no longer"):
        queue.retry(job, set())
    assert queue.retry(job, {"y"}).items.queued == 1


def test_a_job_that_runs_is_not_retried(queue: JobQueue) -> None:
    with pytest.raises(ConflictError, match="not over"):
        queue.retry(add(queue), set())


def test_what_is_not_there(queue: JobQueue) -> None:
    for call in (queue.get, queue.cancel, lambda job: queue.retry(job, set())):
        with pytest.raises(NotFoundError, match="job-no"):
            call("job-no")
    assert queue.items("job-no") == queue.events("job-no") == []


# --- idempotency and room --------------------------------------------------


def test_a_key_used_again_gives_the_job_of_then(queue: JobQueue) -> None:
    first, fresh = queue.submit(new(idempotency="k", request="r"))
    again, twice = queue.submit(new(idempotency="k", request="r"))
    assert (first.id, fresh, twice) == (again.id, True, False)
    assert queue.earlier("ann", "k", "r").id == first.id
    assert queue.submit(new(owner="bob", idempotency="k", request="r"))[0].id != first.id
    with pytest.raises(ConflictError, match="another request"):
        queue.submit(new(idempotency="k", request="other"))
    assert len(queue.newest(None)) == 2


def test_one_key_from_many_threads_is_one_job(queue: JobQueue) -> None:
    found: list[str] = []

    def submit() -> None:
        found.append(add(queue, idempotency="k", request="r"))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(queue.newest(None)) == 1


def test_a_full_queue_says_when_to_come_again(queue: JobQueue, claims: Claims) -> None:
    for _ in range(50):
        add(queue, owner="")
    with pytest.raises(QueueFullError) as raised:
        add(queue, owner="")
    assert raised.value.retry_after >= 1.0
    with pytest.raises(QueueFullError):
        queue.check_room("")
    work(claims)
    add(queue, owner="")


def test_one_key_does_not_fill_the_queue_for_all(queue: JobQueue, claims: Claims) -> None:
    for _ in range(38):  # of 50
        add(queue, owner="ann")
    for refused in (lambda: add(queue, owner="ann"), lambda: queue.check_room("ann")):
        with pytest.raises(QueueFullError, match="75%") as raised:
            refused()
        assert raised.value.retry_after >= 1.0
    add(queue, owner="bob")
    work(claims)
    add(queue, owner="ann")


def test_one_key_does_not_take_the_space_of_all(queue: JobQueue) -> None:
    add(queue, owner="ann", bytes=700)
    with pytest.raises(QueueFullError, match="75%"):
        add(queue, owner="ann", bytes=100)
    add(queue, owner="bob", bytes=100)


def test_bytes_that_wait_are_bounded(queue: JobQueue, claims: Claims) -> None:
    add(queue, owner="", bytes=900)
    with pytest.raises(QueueFullError):
        add(queue, owner="", bytes=200)
    add(queue, owner="", bytes=100)
    work(claims)
    work(claims)
    add(queue, owner="", bytes=2000)  # larger than all the room, but there is nothing else


# --- who goes first --------------------------------------------------------


def test_owners_take_turns(queue: JobQueue, claims: Claims) -> None:
    first = [add(queue, owner="ann") for _ in range(3)]
    second = [add(queue, owner="bob") for _ in range(2)]
    order = []
    while (claim := claims.claim("w")) is not None:
        order.append(claim.job.id)
        claims.settle(claim, [Outcome(1)])
        claims.finish(claim)
    assert order == [first[0], second[0], first[1], second[1], first[2]]


def test_one_document_is_written_in_the_order_of_submission(
    queue: JobQueue, claims: Claims
) -> None:
    same = [NewItem("note:1", document="doc-1")]
    first, second = add(queue, items=same), add(queue, items=same, owner="bob")
    other = add(queue, owner="bob")
    claim = claims.claim("one")
    assert claim is not None
    assert claim.job.id == first
    beside = claims.claim("two")
    assert beside is not None
    assert beside.job.id == other
    assert claims.claim("three") is None
    claims.settle(claim, [Outcome(1)])
    claims.finish(claim)
    then = claims.claim("three")
    assert then is not None
    assert then.job.id == second


def test_two_workers_never_get_one_job(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    opened = [Catalogue(path) for _ in range(4)]
    queue = JobQueue(opened[0], 1000, 1000)
    jobs = {add(queue, owner=f"o{n % 5}") for n in range(40)}
    taken: list[str] = []

    def take(catalogue: Catalogue, name: str) -> None:
        claims = Claims(catalogue, 3)
        while (claim := claims.claim(name)) is not None:
            taken.append(claim.job.id)
            claims.settle(claim, [Outcome(1)])
            claims.finish(claim)

    threads = [threading.Thread(target=take, args=(one, f"w{n}")) for n, one in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(jobs)
    assert {job.state for job in queue.newest(None, limit=100)} == {"done"}
    for catalogue in opened:
        catalogue.close()


# --- workers that die ------------------------------------------------------


def test_the_job_of_a_dead_worker_goes_back_at_once(
    catalogue: Catalogue, queue: JobQueue, clock: Clock
) -> None:
    living = {"one", "two"}
    claims = Claims(catalogue, 3, living.__contains__, clock)
    job = add(queue)
    assert claims.claim("one") is not None
    assert claims.claim("two") is None
    living.remove("one")
    assert claims.reap() == 1
    assert (queue.get(job).state, queue.get(job).error.code) == ("queued", "worker_crashed")
    assert queue.get(job).due is not None
    assert claims.claim("two") is None  # it has to wait a little
    clock.now += 10
    assert claims.claim("two").job.id == job


def test_the_job_of_a_silent_worker_goes_back_when_its_lease_ends(
    queue: JobQueue, claims: Claims, clock: Clock
) -> None:
    job = add(queue)
    first = claims.claim("one")
    clock.now += LEASE_SECONDS - 1
    assert claims.beat(first, None) == "go on"
    clock.now += LEASE_SECONDS - 1
    assert claims.reap() == 0
    clock.now += 2
    assert claims.reap() == 1
    clock.now += 10
    second = claims.claim("two")
    assert second.job.id == job
    # The first wakes up again: it cannot disturb the second any more.
    assert claims.beat(first, None) == claims.orders(first) == "lost"
    for late in (
        lambda: claims.settle(first, [Outcome(1, BROKEN)]),
        lambda: claims.finish(first),
        lambda: claims.park(job, "one"),
        lambda: claims.postpone(job, "one", BROKEN),
    ):
        with pytest.raises(LeaseLostError):
            late()
    claims.settle(second, [Outcome(1)])
    assert claims.finish(second) == "done"


def test_parking_counts_as_no_attempt(queue: JobQueue, claims: Claims, clock: Clock) -> None:
    job = add(queue)
    for _ in range(5):  # more often than it is tried
        claim = claims.claim("w")
        assert claim is not None
        assert claim.job.attempts == 1
        claims.park(job, "w")
        parked = queue.get(job)
        assert (parked.state, parked.attempts, parked.due) == ("queued", 0, None)
    # What failed before is not forgiven for it.
    for tried in (1, 2):
        assert claims.claim("w") is not None
        claims.postpone(job, "w", BROKEN)
        clock.now += 1000
        assert claims.claim("w") is not None
        claims.park(job, "w")
        assert (queue.get(job).attempts, queue.get(job).error) == (tried, BROKEN)
    assert claims.claim("w") is not None
    claims.postpone(job, "w", BROKEN)
    assert queue.get(job).state == "failed"


def test_workers_that_were_ended_cost_no_attempt(
    catalogue: Catalogue, queue: JobQueue, clock: Clock
) -> None:
    living: set[str] = set()
    claims = Claims(catalogue, 3, living.__contains__, clock)
    job = add(queue)
    for number in range(5):
        living.add(f"w{number}")
        assert claims.claim(f"w{number}") is not None
        living.clear()
        assert claims.reap(blame=False) == 1
        found = queue.get(job)
        assert (found.state, found.attempts, found.error) == ("queued", 0, None)


def test_a_poisonous_job_ends_as_failed(queue: JobQueue, claims: Claims, clock: Clock) -> None:
    job = add(queue)
    pauses = []
    for _ in range(3):
        claim = claims.claim("w")
        claims.postpone(job, "w", BROKEN)
        with_pause = clock.now
        while queue.get(job).state == "queued" and (claim := claims.claim("w")) is None:
            clock.now += 0.5
        pauses.append(clock.now - with_pause)
        if claim is not None and queue.get(job).state == "running":
            claims.park(job, "w")  # counts as none
    found = queue.get(job)
    assert (found.state, found.items.failed) == ("failed", 1)
    assert "given up after 3 attempts: it is broken." in found.error.message
    assert pauses[1] > pauses[0] > 1.0


def test_what_would_happen_again_is_not_tried_again(queue: JobQueue, claims: Claims) -> None:
    job = add(queue, 2)
    claim = claims.claim("w")
    claims.settle(claim, [Outcome(1)])
    claims.postpone(job, "w", BROKEN, lasting=True)
    found = queue.get(job)
    assert (found.state, found.error, found.items.done) == ("partial", BROKEN, 1)


def test_getting_on_forgives_earlier_attempts(
    queue: JobQueue, claims: Claims, clock: Clock
) -> None:
    job = add(queue, 20)
    for number in range(1, 20):  # dies over and over, but each time later
        claim = claims.claim("w")
        claims.settle(claim, [Outcome(number)])
        claims.postpone(job, "w", BROKEN)
        clock.now += 1000
    assert work(claims) == "done"


# --- cancelling ------------------------------------------------------------


def test_a_waiting_job_is_cancelled_at_once(queue: JobQueue, claims: Claims) -> None:
    job = add(queue, 2, bytes=10)
    found = queue.cancel(job)
    assert (found.state, found.items.cancelled, found.bytes) == ("cancelled", 2, 0)
    assert claims.claim("w") is None
    assert queue.cancel(job).state == "cancelled"
    assert queue.retry(job, set()).items.queued == 2


def test_a_running_job_is_told_to_end(queue: JobQueue, claims: Claims) -> None:
    job = add(queue, 3)
    claim = claims.claim("w")
    claims.settle(claim, [Outcome(1), Outcome(2, BROKEN)])
    found = queue.cancel(job)
    assert (found.state, found.cancelling) == ("running", True)
    queue.cancel(job)
    assert claims.orders(claim) == claims.beat(claim, None) == "cancel"
    assert claims.finish(claim) == "cancelled"
    found = queue.get(job)
    assert (found.items.done, found.items.failed, found.items.cancelled) == (1, 1, 1)
    assert not found.cancelling
    types = [event.type for event in queue.events(job)]
    assert types.count("cancelling") == 1
    assert types[-1] == "finished"


@pytest.mark.parametrize("how", ["park", "postpone", "reap"])
def test_a_job_that_is_cancelled_does_not_come_back(
    queue: JobQueue, claims: Claims, clock: Clock, how: str
) -> None:
    job = add(queue)
    claims.claim("w")
    queue.cancel(job)
    if how == "park":
        claims.park(job, "w")
    elif how == "postpone":
        claims.postpone(job, "w", BROKEN)
    else:
        clock.now += 2 * LEASE_SECONDS
        claims.reap()
    assert queue.get(job).state == "cancelled"


# --- looking ---------------------------------------------------------------


def test_events_are_numbered_and_bounded(queue: JobQueue, claims: Claims) -> None:
    job = add(queue)
    claim = claims.claim("w")
    for done in range(MOST_EVENTS + 50):
        claims.beat(claim, JobProgress(stage="text", done=done))
    claims.beat(claim, JobProgress(stage="text", done=done))  # nothing new: no event
    kept = queue.events(job, limit=10_000)
    assert len(kept) == MOST_EVENTS
    assert [event.number for event in kept] == list(range(53, 53 + MOST_EVENTS))
    assert kept[-1].progress.done == MOST_EVENTS + 49
    assert queue.events(job, after=kept[-1].number) == []


def test_items_and_jobs_in_pages(queue: JobQueue) -> None:
    jobs = [add(queue, 5) for _ in range(4)]
    assert [item.number for item in queue.items(jobs[0], after=2, limit=2)] == [3, 4]
    first = queue.newest("ann", limit=3)
    assert [job.id for job in first] == jobs[:0:-1]
    assert [job.id for job in queue.newest("ann", after=first[-1].number)] == jobs[:1]
    assert queue.newest("bob") == []


def test_old_jobs_are_forgotten(queue: JobQueue, claims: Claims) -> None:
    jobs = [add(queue) for _ in range(4)]
    for _ in range(3):
        work(claims)
    assert claims.forget(1, "2020") == [], "what ended since stays in any case"
    assert claims.forget(1, "9999") == jobs[1::-1]
    assert [job.id for job in queue.newest(None)] == [jobs[3], jobs[2]]
    assert queue.events(jobs[0]) == queue.items(jobs[0]) == []


def test_which_files_are_needed(queue: JobQueue, claims: Claims) -> None:
    add(queue, items=[NewItem("a:1", upload="x"), NewItem("a:2", upload="y")])
    assert claims.needed_uploads(["x", "y", "z"], "2000") == {"x": True, "y": True}
    work(claims, failing=(2,))
    assert claims.needed_uploads(["x", "y", "z"], "2000") == {"x": False, "y": True}
    assert claims.needed_uploads(["y"], "9999") == {"y": False}


# --- whatever happens, in whatever order -----------------------------------


class Fate:
    """A queue, a worker, and what may happen to them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.clock = Clock()
        self.queue = JobQueue(catalogue, 10, 1000)
        self.claims = Claims(catalogue, 2, clock=self.clock)
        self.job = add(self.queue, 3)
        self.held = None

    def submit(self) -> None:
        add(self.queue, 3, owner="bob")

    def claim(self) -> None:
        self.held = self.claims.claim("w") or self.held

    def settle(self, error: Problem | None = None) -> None:
        for task in self.claims.tasks(self.held)[:1]:
            self.claims.settle(self.held, [Outcome(task.number, error)])

    def fail(self) -> None:
        self.settle(BROKEN)

    def finish(self) -> None:
        if not self.claims.tasks(self.held):
            self.claims.finish(self.held)

    def park(self) -> None:
        self.claims.park(self.held.job.id, "w")

    def postpone(self) -> None:
        self.claims.postpone(self.held.job.id, "w", BROKEN)

    def die(self) -> None:
        self.claims.reap()

    def cancel(self) -> None:
        self.queue.cancel(self.job)

    def retry(self) -> None:
        self.queue.retry(self.job, set())


STEPS = [name for name in vars(Fate) if not name.startswith("_")]
OF_WHO_HOLDS = {"settle", "fail", "finish", "park", "postpone"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=40))
def test_no_order_of_events_loses_an_item(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    opened = Catalogue(tmp_path_factory.mktemp("queue") / "catalogue.sqlite")
    fate, done = Fate(opened), set()
    for step in steps:
        fate.clock.now += 400
        if step in OF_WHO_HOLDS and fate.held is None:
            continue
        with suppress(LeaseLostError, ConflictError, QueueFullError):
            getattr(fate, step)()
        now = {item.number for item in fate.queue.items(fate.job, "done")}
        assert done <= now  # what is done stays done
        done = now
        for found in fate.queue.newest(None, limit=100):
            counts = found.items
            assert counts.total == 3
            assert counts.queued + counts.done + counts.failed + counts.cancelled == 3
            if found.is_final:
                assert counts.queued == 0
                assert fate.queue.events(found.id, limit=1000)[-1].type == "finished"
            if found.state == "done":
                assert counts.done == 3
    opened.close()
