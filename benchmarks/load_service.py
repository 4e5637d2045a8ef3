"""The service under load, over 10,000 chunks: ``python -m benchmarks.load_service [PHASE …]``.

A real ``cogagent serve`` of default settings, in its own process, on a copy of the home:

- ``start``: from exec to the first 200 of ``/readyz``.
- ``search``, ``ask``: 1, 8, 32 and 128 clients, closed loop (wrk), different questions. The
  library, asked in this process between the loads, is the reference of this machine and minute.
- ``memory``: 8 clients that search and ask in turns, for 20 minutes; memory of all processes.
- ``upload``: 200 MB in one file, then in many; the most memory of the service meanwhile.
- ``ingest``: asks at a constant rate, before, while and after 50 PDFs are ingested.

``--home DIR`` keeps the collection for the next run (it is copied, never changed once it is
filled), ``--json FILE`` the figures (of several runs, phase by phase), ``--plot FILE`` draws
what is in there.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

from benchmarks.common import data, filled, lines, percentile, report
from benchmarks.load_plot import plot
from benchmarks.wrk import wrk
from cogagent import CogAgent

CHUNKS = 10_000
CLIENTS = (1, 8, 32, 128)
STARTS = 5
MB = 1_000_000
UPLOADED = 200 * MB
FILES = 50
"""Of the upload in many files; and PDFs that are ingested."""
RATES = (1.0, 2.0)
"""Questions a second while PDFs are ingested."""
FLAT = 0.01
"""Growth over the second half, as a part of the mean, that counts as none."""
_PATIENCE = 120.0
_LOOK = 5.0
"""Seconds between two looks at the memory."""
Figures = dict[str, Any]


class Service(NamedTuple):
    """A service that runs.

    Attributes:
        url: Its address.
        process: Its first process.
        home: The home that it serves.
        ready: Seconds from exec to ready.
    """

    url: str
    process: psutil.Process
    home: Path
    ready: float


def main() -> None:
    options = _options()
    home = options.home or Path(tempfile.mkdtemp()) / "kb"
    with CogAgent(home) as agent:
        chunks = filled(agent, CHUNKS)
    figures: Figures = _kept(options.json)
    figures["machine"] = {"cores": os.cpu_count(), "chunks": chunks}
    report("home", figures["machine"])
    for phase in options.phases or PHASES:
        print(f"--- {phase}", flush=True)
        figures[phase] = PHASES[phase](home, options)
        if options.json is not None:
            options.json.write_text(json.dumps(figures, indent=1))
    if options.plot is not None:
        options.plot.write_text(plot(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("phases", nargs="*", choices=[*PHASES, []], metavar="PHASE")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="an .svg")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a load; 128 asks: thrice")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--minutes", type=float, default=20.0, help="of the memory phase")
    parser.add_argument("--pdfs", type=int, default=FILES)
    parser.add_argument("--quiet", type=float, default=60.0, help="s of asks before, and after")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="asks a second")
    parser.add_argument("--into", default="default", help="collection of the PDFs")
    return parser.parse_args()


def _kept(path: Path | None) -> Figures:
    if path is None or not path.exists():
        return {}
    found: Figures = json.loads(path.read_text())
    return found


# --- the service -----------------------------------------------------------


@contextmanager
def serving(kept: Path, **settings: str) -> Iterator[Service]:
    """``cogagent serve`` over a copy of a home, ready."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "kb"
        _copy(kept, home)
        with started(home, **settings) as service:
            yield service


@contextmanager
def started(home: Path, **settings: str) -> Iterator[Service]:
    """``cogagent serve`` over a home, ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    changed = {f"COGAGENT_SERVICE__{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "cogagent.cli", "--home", str(home), "serve"]
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env=os.environ | changed,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            while not _is_ready(port):
                if process.poll() is not None or time.perf_counter() - begun > _PATIENCE:
                    said.seek(0)
                    sys.exit(said.read().decode())
                time.sleep(0.01)
            took = time.perf_counter() - begun
            yield Service(f"http://127.0.0.1:{port}", psutil.Process(process.pid), home, took)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _copy(kept: Path, home: Path) -> None:
    """A home of its own; originals never change, so they are linked."""
    shutil.copytree(kept, home, ignore=shutil.ignore_patterns("originals"))

    def linked(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # on another disk
            shutil.copy2(source, target)

    shutil.copytree(kept / "originals", home / "originals", copy_function=linked)


def questions() -> list[str]:
    """Some 1,000 that people asked about other things than this home holds, and about it."""
    found = [row["question"] for row in lines("squad_xquad_en", "dev", "qa.jsonl")]
    found += [row["question"] for row in lines("hotpot100", "dev", "qa.jsonl")]
    for name in ("twowiki_retrieval", "scifact"):
        found += [row["text"] for row in lines(name, "dev", "queries.jsonl")]
    found = list(dict.fromkeys(found))
    random.Random(0).shuffle(found)
    return found


def body_of(door: str, question: str) -> tuple[str, dict[str, str]]:
    """The request that is the library's call."""
    return f"/v1/{door}", {"query" if door == "search" else "question": question}


# --- start -----------------------------------------------------------------


def start(home: Path, _: argparse.Namespace) -> Figures:
    took = []
    for _again in range(STARTS):
        with serving(home) as service:
            took.append(service.ready)
    report("exec to ready", {"median s": statistics.median(took), "worst s": max(took)})
    return {"seconds": took}


# --- search and ask --------------------------------------------------------


def search(home: Path, options: argparse.Namespace) -> Figures:
    return _loaded("search", home, options)


def ask(home: Path, options: argparse.Namespace) -> Figures:
    return _loaded("ask", home, options)


def _loaded(door: str, home: Path, options: argparse.Namespace) -> Figures:
    every = questions()
    rows = []
    with serving(home) as service, CogAgent(service.home) as agent:
        agent.warm()
        _same(door, agent, service, every[:20])
        for clients in options.clients:
            alone = _library(getattr(agent, door), every[:50])
            seconds = options.seconds * (3 if door == "ask" and clients > 32 else 1)
            found = wrk(service.url, [body_of(door, one) for one in every], clients, seconds)
            row: Figures = {
                "clients": clients,
                "a second": found.rate,
                "p50 ms": found.p50,
                "p95 ms": found.p95,
                "p99 ms": found.p99,
                "answers": found.answers,
                "errors": sum(found.errors.values()),
                "library p50 ms": alone,
                "of one library thread": found.rate * alone / 1000,
            }
            report(door, row)
            if found.errors:
                print(f"  {dict(found.errors)}", flush=True)
            rows.append(row)
    return {"loads": rows}


def _library(call: Callable[[str], Any], some: Sequence[str]) -> float:
    spent = []
    for question in some:
        begun = time.perf_counter()
        call(question)
        spent.append(1000 * (time.perf_counter() - begun))
    return percentile(spent, 0.5)


def _same(door: str, agent: CogAgent, service: Service, some: Sequence[str]) -> None:
    """The service says what the library says."""
    with httpx.Client(base_url=service.url, timeout=_PATIENCE) as client:
        for question in some:
            path, body = body_of(door, question)
            told = client.post(path, json=body).raise_for_status().json()
            if door == "search":
                ours = [piece.id for piece in agent.search(question)]
                theirs = [piece["id"] for piece in told["items"]]
            else:
                answer = agent.ask(question)
                ours, theirs = [answer.text], [told["text"]]
            if ours != theirs:
                sys.exit(f"the service answers otherwise: {question}")


# --- memory ----------------------------------------------------------------


def memory(home: Path, options: argparse.Namespace) -> Figures:
    doors = ("search", "ask")
    every = [body_of(door, one) for one in questions() for door in doors]
    with serving(home) as service:
        quiet = _memory(service.process)
        with _watched(lambda: _memory(service.process)) as seen:
            found = wrk(service.url, every, 8, 60 * options.minutes)
    half = [row for row in seen if row["s"] >= 30 * options.minutes]
    minutes = [row["s"] / 60 for row in half]
    figures: Figures = {"quiet": quiet, "answers": found.answers}
    figures["errors"] = sum(found.errors.values())
    for kind in ("rss", "pss", "uss"):
        sizes = [row[kind] for row in half]
        slope = statistics.linear_regression(minutes, sizes).slope
        grown = slope * (minutes[-1] - minutes[0]) / statistics.mean(sizes)
        figures[kind] = {
            "quiet MB": quiet[kind],
            "mean MB": statistics.mean(sizes),
            "most MB": max(row[kind] for row in seen),
            "slope MB/min": slope,
            "verdict": "flat" if grown < FLAT else "grows",
        }
        report(f"memory, {kind}", figures[kind])
    report("load", {name: figures[name] for name in ("answers", "errors")})
    return figures | {"seen": seen}


def _memory(process: psutil.Process) -> dict[str, float]:
    """Of a process and all that it started, in MB; rss counts shared memory once for each."""
    found = dict.fromkeys(("rss", "pss", "uss"), 0.0)
    for one in (process, *process.children(recursive=True)):
        try:
            told = one.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        for kind in found:
            found[kind] += getattr(told, kind) / MB
    return found


@contextmanager
def _watched(look: Callable[[], dict[str, float]]) -> Iterator[list[dict[str, float]]]:
    """What a look shows, every few seconds, with the seconds since the first."""
    seen: list[dict[str, float]] = []
    over = threading.Event()

    def watch() -> None:
        begun = time.monotonic()
        while True:
            seen.append({"s": time.monotonic() - begun, **look()})
            if over.wait(_LOOK):
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


# --- upload ----------------------------------------------------------------


def upload(home: Path, _: argparse.Namespace) -> Figures:
    figures: Figures = {}
    # Without workers: what is measured is taking the bytes in, not reading them.
    for name, count in (("one file", 1), (f"{FILES} files", FILES)):
        with serving(home, workers="0") as service:
            before = _reset_peak(service.process)
            begun = time.perf_counter()
            body, kind = _form(count)
            reply = httpx.post(
                f"{service.url}/v1/collections/default/documents",
                content=body,
                headers={"Content-Type": kind},
                timeout=_PATIENCE,
            )
            took = time.perf_counter() - begun
            peak = _peak(service.process)
            row = {
                "status": reply.status_code,
                "MB/s": UPLOADED / MB / took,
                "quiet MB": before,
                "peak MB": peak,
                "more MB": peak - before,
            }
            report(f"200 MB in {name}", row)
            figures[name] = row
    return figures


def _form(count: int) -> tuple[Iterator[bytes], str]:
    """200 MB of noise as a form with so many files, made piece by piece; and its media type."""
    boundary = "load-service-boundary"
    chance = random.Random(0)
    size = UPLOADED // count

    def pieces() -> Iterator[bytes]:
        for number in range(count):
            yield (
                f'--{boundary}\r\nContent-Disposition: form-data; name="files"; '
                f'filename="{number}.bin"\r\nContent-Type: application/octet-stream\r\n\r\n'
            ).encode()
            for begin in range(0, size, 1 << 16):
                yield chance.randbytes(min(1 << 16, size - begin))
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    return pieces(), f"multipart/form-data; boundary={boundary}"


def _reset_peak(process: psutil.Process) -> float:
    """Let the kernel forget the most memory so far; what it is now, in MB."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return process.memory_info().rss / MB


def _peak(process: psutil.Process) -> float:
    """The most resident memory since, in MB, as the kernel noted it."""
    told = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in told.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / MB


# --- ingest ----------------------------------------------------------------


def ingest(home: Path, options: argparse.Namespace) -> Figures:
    return {f"{rate:g} a second": _beside(home, rate, options) for rate in options.rates}


def _beside(home: Path, rate: float, options: argparse.Namespace) -> Figures:
    """Asks at a constant rate: quiet, beside an ingest, and quiet again."""
    every = questions()
    with serving(home) as service:
        asyncio.run(_asked(service, every[-20:], rate, _after(10.0)))  # the first ones warm it
        spent = {"before": asyncio.run(_asked(service, every, rate, _after(options.quiet)))}
        begun = time.perf_counter()
        job = _submitted(service, options.into, pdfs()[: options.pdfs])
        spent["beside"] = asyncio.run(_asked(service, every, rate, _over(service, job)))
        took = time.perf_counter() - begun
        spent["after"] = asyncio.run(_asked(service, every, rate, _after(options.quiet)))
        told = httpx.get(f"{service.url}/v1/jobs/{job}").raise_for_status().json()
    quiet = percentile([ms for _, ms in spent["before"]], 0.95)
    row: Figures = {
        "PDFs": options.pdfs,
        "ingest s": took,
        "errors": sum(ms < 0 for some in spent.values() for _, ms in some),
        "state": told["state"],
    }
    for name, some in spent.items():
        row[f"{name} p50 ms"] = percentile([ms for _, ms in some], 0.5)
        row[f"{name} p95 ms"] = percentile([ms for _, ms in some], 0.95)
    row["asks beside"] = len(spent["beside"])
    row["ratio of p95"] = row["beside p95 ms"] / quiet
    report(f"{rate:g} asks a second", row)
    return row | {"seen": spent}


def pdfs() -> list[Path]:
    """Real ones: filings, then papers."""
    places = (data("financebench", "dev", "pdfs"), data("aragog", "pdfs"))
    return [path for place in places for path in sorted(place.glob("*.pdf"))]


def _submitted(service: Service, collection: str, paths: Sequence[Path]) -> str:
    files = [("files", (path.name, path.open("rb"), "application/pdf")) for path in paths]
    reply = httpx.post(
        f"{service.url}/v1/collections/{collection}/documents", files=files, timeout=_PATIENCE
    )
    for _, (_, file, _) in files:
        file.close()
    return str(reply.raise_for_status().json()["job"]["id"])


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _over(service: Service, job: str) -> Callable[[], bool]:
    """Asks at most once a second whether a job is over."""
    found: Mapping[str, Any] = {"finished": None}
    asked = 0.0

    def over() -> bool:
        nonlocal found, asked
        if time.monotonic() - asked > 1.0:
            asked = time.monotonic()
            found = httpx.get(f"{service.url}/v1/jobs/{job}", timeout=_PATIENCE).json()
        return found["finished"] is not None

    return over


async def _asked(
    service: Service, every: Sequence[str], rate: float, over: Callable[[], bool]
) -> list[tuple[float, float]]:
    """Asks begun at a constant rate, however long the others take: when, and milliseconds.

    An error has -1 ms.
    """
    spent: list[tuple[float, float]] = []
    begun = time.perf_counter()

    async def one(client: httpx.AsyncClient, question: str, due: float) -> None:
        path, body = body_of("ask", question)
        try:
            (await client.post(path, json=body)).raise_for_status()
        except httpx.HTTPError as error:
            print(f"  {type(error).__name__}", flush=True)
            spent.append((due - begun, -1.0))
        else:
            spent.append((due - begun, 1000 * (time.perf_counter() - due)))

    async with httpx.AsyncClient(base_url=service.url, timeout=_PATIENCE) as client:
        tasks = []
        while not await asyncio.to_thread(over):
            due = begun + len(tasks) / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            question = every[len(tasks) % len(every)]
            tasks.append(asyncio.create_task(one(client, question, due)))
        await asyncio.gather(*tasks)
    return spent


PHASES: dict[str, Callable[[Path, argparse.Namespace], Figures]] = {
    "start": start,
    "search": search,
    "ask": ask,
    "memory": memory,
    "upload": upload,
    "ingest": ingest,
}

if __name__ == "__main__":
    main()
