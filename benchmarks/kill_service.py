"""Kill the service at random moments: ``python -m benchmarks.kill_service [--kills N]``.

Several clients upload documents, ask questions and submit batches, each under an idempotency
key, and send a request again until it is answered. Meanwhile the service's process group is
killed (SIGKILL) after a random time, over and over, and started anew. At the end each upload
that was acknowledged has to be ingested, once; each job has to be over, and to say the truth;
no document, job, answer or trace may be there twice; nothing may be left behind, and ``cogagent
doctor`` has to find nothing. Exits with 1 if it does.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas

from benchmarks.bench_batch import command
from benchmarks.common import report
from cogagent import CogAgent, Source
from cogagent.indexes.check import faults
from cogagent.indexes.jobs import JobQueue

LONGEST = 10.0
"""Seconds of one life of the service, at most."""
PATIENCE = 300.0
"""Seconds for what is left when nobody kills any more."""
SETTLED = 10.0
"""Seconds in which a worker starts and puts in order what killed ones left."""
AGAIN = 0.2
"""Of acknowledged requests that are sent once more all the same."""
FILES = 3
"""Of an upload, at most."""
ASKED, UPLOADED = "asked", "uploaded"
QUESTIONS = 10
"""Of a batch."""


@dataclass
class Work:
    """What the clients have to do, and what they were told.

    Attributes:
        uploads: By key: the files, by name.
        questions: By key.
        batches: By key.
        jobs: By key: the ids of the jobs that a 202 named; more than one is a fault.
        answers: By key: the ids of the traces of the answers.
    """

    uploads: dict[str, dict[str, bytes]]
    questions: dict[str, str]
    batches: dict[str, list[str]]
    jobs: dict[str, set[str]] = field(default_factory=dict)
    answers: dict[str, set[str]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--asks", type=int, default=100)
    parser.add_argument("--clients", type=int, default=4, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp())
    work = prepared(chance, options.uploads, options.asks)
    fill(folder / "home", options.asks)
    service = Service(folder / "home")
    started = time.perf_counter()
    with service:
        clients = Clients(service.url, work, options.clients, chance)
        while clients.are_busy() or service.kills < options.kills:
            if service.kills == options.kills:
                clients.join(service)
                break
            service.live(chance.uniform(0.0, LONGEST))
            work.seen["kills while clients work"] += clients.are_busy()
            service.kill()
        work.seen["kills"] = service.kills
        settle(service, work)
        ask_again(service.url, work)
        seconds = time.perf_counter() - started
        service.live(SETTLED)
        ended = service.stop()
    wrong = Counter(amiss(folder / "home", work))
    wrong["the service ended otherwise than by 0"] += ended != 0
    wrong["processes left"] += len(left_behind())
    wrong["doctor finds something"] += doctor(folder / "home")
    report(
        f"{len(work.uploads)} uploads, {len(work.questions)} asks, {len(work.batches)} batches",
        {"wrong": sum(wrong.values()), "seconds": seconds, **work.seen, **+wrong},
    )
    if sum(wrong.values()):
        sys.exit(f"look at {folder}")
    shutil.rmtree(folder)


# --- the work --------------------------------------------------------------


def prepared(chance: random.Random, uploads: int, asks: int) -> Work:
    """Texts, PDFs and pictures to upload, each a document of its own, and questions."""
    kinds: list[Callable[[int], tuple[str, bytes]]] = [text, text, pdf, picture]
    numbers = iter(range(uploads * FILES))
    return Work(
        {
            f"upload-{n}": dict(
                chance.choice(kinds)(next(numbers)) for _ in range(chance.randint(1, FILES))
            )
            for n in range(uploads)
        },
        {f"ask-{n}": question(n) for n in range(asks)},
        {
            f"batch-{n}": [f"{question(i)} Batch {n}." for i in range(QUESTIONS)]
            for n in range(max(uploads // 20, 1))
        },
    )


def question(number: int) -> str:
    """A question that no other is equal to."""
    return f"When was lighthouse {number} lit?"


def text(number: int) -> tuple[str, bytes]:
    return f"{number}.txt", f"Log {number}: the ship passed buoy {number} at noon.".encode()


def pdf(number: int) -> tuple[str, bytes]:
    made = io.BytesIO()
    canvas = Canvas(made, pagesize=(400, 300), invariant=1)
    for page in range(3):
        canvas.drawString(40, 240, f"Page {page} of report {number} on the harbour.")
        canvas.showPage()
    canvas.save()
    return f"{number}.pdf", made.getvalue()


def picture(number: int) -> tuple[str, bytes]:
    made = io.BytesIO()
    image = Image.new("RGB", (200, 150), "white")
    ImageDraw.Draw(image).text((20, 60), f"Berth {number}", fill="black")
    image.save(made, "PNG")
    return f"{number}.png", made.getvalue()


def fill(home: Path, count: int) -> None:
    """What the questions are about."""
    notes = (f"Note {n}: lighthouse {n} was lit in {1800 + n}." for n in range(count))
    with CogAgent(home) as agent:
        agent.ingest(
            [Source(uri=f"note:{n}", data=note.encode()) for n, note in enumerate(notes)], ASKED
        )


# --- the service -----------------------------------------------------------


class Service:
    """``cogagent serve`` on a port of loopback; a context that leaves none running."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._command = command(home, "serve", "--port", str(self._port))
        self._log = (home.parent / "service.log").open("wb")
        self.url = f"http://127.0.0.1:{self._port}"
        self.kills = 0

    def __enter__(self) -> Service:
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()

    def live(self, seconds: float) -> None:
        """Let it run; it may not end by itself."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        sys.exit(f"the service ended with {status}")

    def kill(self) -> None:
        """Kill it with all its processes, and start it anew."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.kills += 1
        self._start()

    def stop(self) -> int:
        """Stop it as one should; with which status it ends."""
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
        )


# --- the clients -----------------------------------------------------------


class Clients:
    """Threads that send all that is to be sent, each request until it is answered."""

    def __init__(self, url: str, work: Work, count: int, chance: random.Random) -> None:
        self._url = url
        self._work = work
        self._again = random.Random(chance.random())
        self._failed: list[BaseException] = []
        shares = [
            (call, list(todo)[first::count])
            for call, todo in (
                (self._upload, work.uploads), (self._ask, work.questions),
                (self._submit, work.batches),
            )
            for first in range(count)
        ]  # fmt: skip
        self._threads = [threading.Thread(target=self._run, args=share) for share in shares]
        for thread in self._threads:
            thread.start()

    def are_busy(self) -> bool:
        """Whether there is something left to send."""
        if self._failed:
            raise self._failed[0]
        return any(thread.is_alive() for thread in self._threads)

    def join(self, service: Service) -> None:
        """Wait until all is sent."""
        deadline = time.monotonic() + PATIENCE
        while self.are_busy():
            if time.monotonic() > deadline:
                sys.exit("the clients do not get through")
            service.live(0.1)

    def _run(self, call: Callable[[httpx.Client, str], None], keys: Iterable[str]) -> None:
        try:
            with httpx.Client(base_url=self._url, timeout=60.0) as client:
                for key in keys:
                    call(client, key)
                    while self._again.random() < AGAIN:
                        call(client, key)  # as if the answer had been lost on the way
                        self._work.seen["sent once more"] += 1
                    time.sleep(self._again.uniform(0.0, 2.0))
        except BaseException as error:  # noqa: BLE001 - raised on the main thread
            self._failed.append(error)

    def _upload(self, client: httpx.Client, key: str) -> None:
        files = [("files", pair) for pair in self._work.uploads[key].items()]
        path = f"/v1/collections/{UPLOADED}/documents"
        found = self._sent(client, path, 202, key, files=files)
        self._work.jobs.setdefault(key, set()).add(found["job"]["id"])

    def _submit(self, client: httpx.Client, key: str) -> None:
        lines = "\n".join(json.dumps({"question": q}) for q in self._work.batches[key])
        path = f"/v1/batches?collection={ASKED}"
        headers = {"Content-Type": "application/jsonl"}
        found = self._sent(client, path, 202, key, content=lines, headers=headers)
        self._work.jobs.setdefault(key, set()).add(found["id"])

    def _ask(self, client: httpx.Client, key: str) -> None:
        self._work.answers.setdefault(key, set()).add(
            asked(client, self._work, key, self._work.seen)
        )

    def _sent(
        self, client: httpx.Client, path: str, status: int, key: str, **more: Any
    ) -> dict[str, Any]:
        return sent(client, path, status, key, self._work.seen, **more)


def asked(client: httpx.Client, work: Work, key: str, seen: Counter[str]) -> str:
    """Ask a question under its key; the id of the answer's trace."""
    body = {"question": work.questions[key], "collection": ASKED}
    answer = sent(client, "/v1/ask", 200, key, seen, json=body)
    year = str(1800 + int(key.removeprefix("ask-")))
    seen["wrong answers"] += answer["short"] != year
    return str(answer["trace"])


def sent(
    client: httpx.Client, path: str, status: int, key: str, seen: Counter[str], **more: Any
) -> dict[str, Any]:
    """Send a request under its key until it is answered."""
    headers = {"Idempotency-Key": key} | more.pop("headers", {})
    while True:
        try:
            response = client.post(path, headers=headers, **more)
        except httpx.TransportError:
            seen["cut off"] += 1
            time.sleep(0.1)
            continue
        if response.status_code == status:
            found: dict[str, Any] = response.json()
            return found
        wait = response.headers.get("Retry-After")
        if wait is None:
            raise AssertionError(f"{path}: {response.status_code} {response.text}")
        seen["told to come again"] += 1
        time.sleep(float(wait))


def settle(service: Service, work: Work) -> None:
    """Wait until each job is over."""
    with httpx.Client(base_url=service.url, timeout=60.0) as client:
        waiting = {job for jobs in work.jobs.values() for job in jobs}
        deadline = time.monotonic() + PATIENCE
        while waiting:
            if time.monotonic() > deadline:
                sys.exit(f"{len(waiting)} jobs do not end")
            for job in sorted(waiting):
                try:
                    found = client.get(f"/v1/jobs/{job}")
                except httpx.TransportError:
                    break  # it is just being started
                if found.status_code != 200:
                    work.seen["jobs that nobody knows"] += found.status_code == 404
                    waiting.discard(job)
                elif found.json()["finished"] is not None:
                    waiting.discard(job)
            service.live(0.2)


def ask_again(url: str, work: Work) -> None:
    """Ask everything once more under the keys of then."""
    with httpx.Client(base_url=url, timeout=60.0) as client:
        for key in work.questions:
            work.answers[key].add(asked(client, work, key, work.seen))


# --- the proof -------------------------------------------------------------


def amiss(home: Path, work: Work) -> dict[str, int]:
    """What is wrong with the home."""
    found: Counter[str] = Counter()
    found["wrong answers"] = work.seen.pop("wrong answers", 0)
    found["jobs that nobody knows"] = work.seen.pop("jobs that nobody knows", 0)
    found["keys with several jobs"] = sum(len(jobs) != 1 for jobs in work.jobs.values())
    found["keys with several answers"] = sum(len(ids) != 1 for ids in work.answers.values())
    with CogAgent(home) as agent:
        found["disagreements"] = len(list(faults(agent.catalogue)))
        found.update(documents(agent, work))
        found.update(jobs(agent, work))
        traces = Counter(entry.question for entry in agent.traces.list(100_000))
        asked_of = list(work.questions.values())
        found["questions with several traces"] = sum(traces[q] > 1 for q in asked_of)
        found["questions without a trace"] = sum(traces[q] == 0 for q in asked_of)
    found["files left"] = sum(
        1 for part in ("uploads", "workers") for path in (home / part).rglob("*") if path.is_file()
    )
    # Of index files, which are derived, those that are ten minutes old go with the next save.
    left = [path for path in home.rglob("*.tmp") if path.parent.name != "indexes"]
    found["temporary files left"] = len(left)
    return dict(found)


def documents(agent: CogAgent, work: Work) -> dict[str, int]:
    """Whether each file of each upload is a document, once."""
    wanted = Counter(name for files in work.uploads.values() for name in files)
    stored = agent.documents.list(UPLOADED)
    held = Counter(document.uri.rpartition("/")[2] for document in stored)
    return {
        "documents lost": (wanted - held).total(),
        "documents twice": (held - wanted).total(),
        "documents written twice": sum(document.version != 1 for document in stored),
        "documents half seen": sum(document.unseen > 0 for document in stored),
    }


def jobs(agent: CogAgent, work: Work) -> dict[str, int]:
    """Whether each job is over, says so once, and has done what it says."""
    queue = JobQueue(agent.catalogue, 1, 1)
    known = queue.newest(None, limit=1_000_000)
    sizes = {key: len(files) for key, files in work.uploads.items()}
    sizes |= {key: len(asked) for key, asked in work.batches.items()}
    named = {job: key for key, ids in work.jobs.items() for job in ids}
    stored = {document.id for document in agent.documents.list(UPLOADED)}
    found: Counter[str] = Counter()
    found["jobs of nobody"] = len({job.id for job in known} - named.keys())
    found["jobs lost"] = len(named.keys() - {job.id for job in known})
    for job in known:
        items = queue.items(job.id, limit=1_000_000)
        events = Counter(event.type for event in queue.events(job.id, limit=10_000))
        work.seen["jobs killed"] += events["waiting"] > 0
        found["jobs that are not done"] += job.state != "done"
        found["jobs that ended not once"] += events["finished"] != 1
        found["jobs of another size"] += len(items) != sizes.get(named.get(job.id, ""), -1)
        found["items that are not done"] += sum(item.state != "done" for item in items)
        if job.kind == "ingest":
            found["items without their document"] += sum(i.document not in stored for i in items)
        else:
            found["batches answered otherwise"] += not answered(agent.home, job.id, len(items))
    return dict(found)


def answered(home: Path, job: str, count: int) -> bool:
    """Whether a batch has an answer to each question, once, in their order."""
    lines = (home / "jobs" / job / "answers.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    right = all(row["answer"]["short"] == str(1800 + n) for n, row in enumerate(rows))
    return right and [row["id"] for row in rows] == [f"#{n}" for n in range(1, count + 1)]


def left_behind() -> list[int]:
    """Processes of a service whose parent is gone."""
    found = []
    for process in psutil.process_iter(["ppid", "cmdline"]):
        named = " ".join(process.info["cmdline"] or [])
        ours = "cogagent.api.jobs.worker" in named or "cogagent.documents.worker" in named
        if process.info["ppid"] == 1 and ours:
            found.append(process.pid)
    return found


def doctor(home: Path) -> bool:
    """Whether ``cogagent doctor`` finds something to mend."""
    ended = subprocess.run(command(home, "doctor"), capture_output=True, text=True, check=False)
    if ended.returncode:
        print(ended.stdout)
    return ended.returncode != 0


if __name__ == "__main__":
    main()
