"""Seconds to an answer over 10,000 chunks: ``python -m benchmarks.bench_latency``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from benchmarks.common import filled, lines, percentile, report
from cogagent import CogAgent

CHUNKS = 10_000


def main() -> None:
    home = tempfile.mkdtemp()
    questions = [row["question"] for row in lines("squad_xquad_en", "dev", "qa.jsonl")][:100]
    with CogAgent(home=home) as agent:
        chunks = filled(agent, CHUNKS)
        for question in questions[:10]:
            agent.ask(question)
        figures: dict[str, float | int] = {"chunks": chunks}
        for name, call in (("search", agent.search), ("ask", agent.ask)):
            spent = []
            for question in questions:
                start = time.perf_counter()
                call(question)
                spent.append(1000 * (time.perf_counter() - start))
            figures[f"{name} p50 ms"] = percentile(spent, 0.5)
            figures[f"{name} p95 ms"] = percentile(spent, 0.95)
    report("warm", figures)
    cold = []
    for question in questions[:5]:
        start = time.perf_counter()
        command = [sys.executable, "-m", "cogagent.cli", "--home", home, "--json", "ask", question]
        subprocess.run(command, check=True, capture_output=True)
        cold.append(time.perf_counter() - start)
    report("cold process", {"ask p50 s": percentile(cold, 0.5), "worst s": max(cold)})
    command = [sys.executable, "-m", "cogagent.cli", "--help"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    report("cogagent --help", {"s": time.perf_counter() - start})


if __name__ == "__main__":
    main()
