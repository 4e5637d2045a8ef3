"""The service over 10,000 chunks under load: ``python -m benchmarks.bench_service``.

A real ``cogagent serve`` in its own process, with API keys, is asked by 1, 8 and 32
clients over HTTP; the library is asked the same in this process, in turns with one
client, so that what the service adds is measured in the same minutes.
``--home DIR`` keeps the home between runs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.common import filled, lines, percentile, report
from cogagent import CogAgent
from cogagent.indexes.keys import KeyRing

CHUNKS = 10_000
CLIENTS = (1, 8, 32)
SECONDS = 20.0
"""How long each load lasts."""
PAIRS = 200
"""Calls of each kind by which the service is compared with the library."""
PATIENCE = 60.0


class Service(NamedTuple):
    """Where the service is, and the key to it."""

    url: str
    key: str

    def headers(self) -> dict[str, str]:
        """Of every request."""
        return {"Authorization": f"Bearer {self.key}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="Kept for the next run.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="Of each load.")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp()) / "kb"
    questions = [row["question"] for row in lines("squad_xquad_en", "dev", "qa.jsonl")][:500]
    with CogAgent(home) as agent:
        report("home", {"chunks": filled(agent, CHUNKS), "cores": os.cpu_count() or 0})
        agent.warm()
        _, key = KeyRing(agent.catalogue).create("benchmark", ["read"])
        with serving(home, key) as service:
            for door in ("search", "ask"):
                compared(agent, service, door, questions)
            for door, clients in itertools.product(("search", "ask"), CLIENTS):
                asyncio.run(loaded(service, door, questions, clients, given.seconds))


@contextmanager
def serving(home: Path, key: str) -> Iterator[Service]:
    """``cogagent serve`` over the home, ready; without workers and without a limit of rate."""
    settings = {"AUTH": "required", "PORT": "0", "WORKERS": "0", "RATE": "0", "LOG": "json"}
    names = {f"COGAGENT_SERVICE__{name}": value for name, value in settings.items()}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "cogagent.cli", "--home", str(home), "serve"],
            env=os.environ | names,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            deadline = time.monotonic() + PATIENCE
            while not url or httpx.get(f"{url}/readyz").status_code != 200:
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    sys.exit(said.read().decode())
                time.sleep(0.1)
            yield Service(url, key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def body_of(door: str, question: str) -> dict[str, Any]:
    """The request that is the library's call."""
    return {"query": question} if door == "search" else {"question": question}


def compared(agent: CogAgent, service: Service, door: str, questions: list[str]) -> None:
    """The library and the service in turns: what the service adds to a call."""
    ours: list[float] = []
    theirs: list[float] = []
    with httpx.Client(base_url=service.url, headers=service.headers()) as client:
        for place, question in enumerate(itertools.islice(itertools.cycle(questions), PAIRS + 10)):
            start = time.perf_counter()
            getattr(agent, door)(question)
            middle = time.perf_counter()
            client.post(f"/v1/{door}", json=body_of(door, question)).raise_for_status()
            end = time.perf_counter()
            if place >= 10:
                ours.append(1000 * (middle - start))
                theirs.append(1000 * (end - middle))
    added = [there - here for here, there in zip(ours, theirs, strict=True)]
    report(
        f"{door}, one client",
        {
            "library p50 ms": percentile(ours, 0.5),
            "service p50 ms": percentile(theirs, 0.5),
            "added p50 ms": percentile(added, 0.5),
            "added p95 ms": percentile(added, 0.95),
        },
    )


async def loaded(
    service: Service, door: str, questions: list[str], clients: int, seconds: float
) -> None:
    """So many clients, each of which asks again as soon as it is answered."""
    spent: list[float] = []
    errors: dict[str, int] = {}
    asked = itertools.cycle(questions)
    end = time.perf_counter() + seconds

    async def asking(client: httpx.AsyncClient) -> None:
        while (start := time.perf_counter()) < end:
            try:
                reply = await client.post(f"/v1/{door}", json=body_of(door, next(asked)))
                reply.raise_for_status()
            except httpx.HTTPError as error:
                name = type(error).__name__
                errors[name] = errors.get(name, 0) + 1
            else:
                spent.append(1000 * (time.perf_counter() - start))

    async with httpx.AsyncClient(
        base_url=service.url,
        headers=service.headers(),
        timeout=PATIENCE,
        limits=httpx.Limits(max_connections=clients),
    ) as client:
        begun = time.perf_counter()
        await asyncio.gather(*(asking(client) for _ in range(clients)))
        took = time.perf_counter() - begun
    if not spent:
        sys.exit(f"nothing was answered: {errors}")
    report(
        f"{door}, {clients} clients",
        {
            "a second": len(spent) / took,
            "p50 ms": percentile(spent, 0.5),
            "p95 ms": percentile(spent, 0.95),
            "answers": len(spent),
            "errors": sum(errors.values()),
        },
    )
    for name, count in errors.items():
        print(f"  {name}: {count}")


if __name__ == "__main__":
    main()
