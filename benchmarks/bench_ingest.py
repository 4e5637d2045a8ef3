"""How fast files become searchable, and at what peak of memory, against LlamaIndex's own path.

``python -m benchmarks.bench_ingest [aragog | largest | filings] [--alone]``: aragog's 15
papers, the 10 largest filings of financebench, or all 37. Each system reads the same files
in a process of its own, one after the other in the same run; ``--alone`` leaves LlamaIndex
out. Memory is the summed proportional set size (PSS) of the process and its children,
sampled four times a second; processor seconds are those of all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.common import data, report

_MOMENT = 0.25


def main(chosen: str, alone: bool) -> None:
    found = measured("ours", chosen)
    pages = found["pages"]
    figures = {
        "pages": pages,
        "text s": found["text"],
        "pages/s to searchable text": pages / found["text"],
        "all s": found["all"],
        "pages/s to all": pages / found["all"],
        "pictures": found["images"],
        "processor s": found["processor"],
        "peak PSS MB": round(found["peak"]),
    }
    report(f"{chosen}, cogagent", figures)
    if alone:
        return
    other = measured("theirs", chosen)
    report(
        f"{chosen}, LlamaIndex",
        {
            "text s": other["text"],
            "pages/s to searchable text": pages / other["text"],
            "processor s": other["processor"],
            "peak PSS MB": round(other["peak"]),
        },
    )
    print(f"ratio to searchable text: {other['text'] / found['text']:.2f}")


def measured(system: str, chosen: str) -> dict[str, float]:
    """What a process that ingests the files reports, with its peak of memory in MB."""
    command = [sys.executable, "-m", "benchmarks.bench_ingest", chosen, "--one", system]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watched, peak = psutil.Process(process.pid), 0.0
        while process.poll() is None:
            peak = max(peak, tree_pss(watched))
            time.sleep(_MOMENT)
        assert process.stdout is not None
        said = process.stdout.read().splitlines()
    if process.returncode:
        sys.exit(f"{system} ended with {process.returncode}")
    return {**json.loads(said[-1]), "peak": peak}


def tree_pss(process: psutil.Process) -> float:
    """Proportional set size of a process and all its children, MB."""
    total = 0
    try:
        for member in [process, *process.children(recursive=True)]:
            total += member.memory_full_info().pss
    except psutil.Error:
        return 0.0  # one of them ended meanwhile
    return total / 1e6


def one(system: str, chosen: str) -> None:
    """Ingest in this process and print what it took as JSON."""
    files = chosen_files(chosen)
    start = time.perf_counter()
    if system == "ours":
        from cogagent import CogAgent

        with tempfile.TemporaryDirectory() as home, CogAgent(home=home) as agent:
            start = time.perf_counter()
            made = agent.ingest(files)
            found = {
                "pages": made.pages,
                "images": made.images,
                "text": made.text_seconds,
                "all": made.seconds,
            }
            assert not made.failed, made.failed[:3]
    else:
        from benchmarks.bench_pages import llama_index

        llama_index(files)
        found = {"text": time.perf_counter() - start}
    print(json.dumps({**found, "processor": processor_seconds()}))


def processor_seconds() -> float:
    """Of this process and its children that have ended."""
    spent = psutil.Process().cpu_times()
    return float(spent.user + spent.system + spent.children_user + spent.children_system)


def chosen_files(chosen: str) -> list[Path]:
    """The files of a choice."""
    if chosen == "aragog":
        return sorted(data("aragog", "pdfs").glob("*.pdf"))
    files = sorted(data("financebench", "dev", "pdfs").glob("*.pdf"))
    if chosen == "largest":
        return sorted(files, key=lambda path: -path.stat().st_size)[:10]
    if chosen == "filings":
        return files
    if chosen.isdigit():
        return files[: int(chosen)]
    sys.exit(f"there is no choice {chosen!r}: aragog, largest, filings or a number of filings")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    wanted = arguments[0] if arguments and not arguments[0].startswith("-") else "aragog"
    if "--one" in arguments:
        one(arguments[arguments.index("--one") + 1], wanted)
    else:
        main(wanted, "--alone" in arguments)
