"""Kill an ingest at random moments: ``python -m benchmarks.kill_ingest [--rounds N]``.

A round ingests the same files into a new home in a process that is killed (SIGKILL) after a
random time, a few times over, then lets it end. After every kill the home has to open and
agree with itself, hold each document that was reported done, each of them whole but for the
pictures that it says are unseen; no parser process may be left. At the end it has to hold
what an uninterrupted ingest holds, and answer alike. Exits with 1 if it does not.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import psutil

from benchmarks.common import data, report
from cogagent import CogAgent
from cogagent.indexes.check import faults

MOST_KILLS = 4
"""In one round."""
_PATIENCE = 5.0
QUESTIONS = (
    "Who founded the station?",
    "How many animals live in the lake?",
    "What is the title of the paper about detecting generated text?",
    "What does the photograph of a dog show?",
)
CHILD = """
import json, sys
from cogagent import CogAgent
done = 0
def tell(progress):
    global done
    if progress.documents > done:
        done = progress.documents
        print(json.dumps(progress.uri), flush=True)
with CogAgent(home=sys.argv[1]) as agent:
    report = agent.ingest(sys.argv[2], on_progress=tell)
assert not report.failed, report.failed
"""
Chunk = tuple[object, ...]
Held = dict[str, tuple[int, Counter[Chunk]]]
"""By uri: how many pictures are unseen, and the chunks, those of unseen pictures left out."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    folder = Path(tempfile.mkdtemp())
    gather(folder / "files")
    start = time.perf_counter()
    ingest(folder / "whole", folder / "files")
    longest = time.perf_counter() - start
    with CogAgent(home=folder / "whole") as agent:
        whole, answers = held(agent), answered(agent)
    seen: Counter[str] = Counter()
    for number in range(options.rounds):
        home = folder / str(number)
        for _ in range(chance.randint(1, MOST_KILLS)):
            reported = ingest(home, folder / "files", chance.uniform(0, longest))
            seen["kills" if reported is not None else "too late"] += 1
            seen.update(amiss(home, whole, reported or set(), number))
        ingest(home, folder / "files")
        with CogAgent(home=home) as agent:
            seen["rounds that end otherwise"] += held(agent) != whole
            seen["rounds that answer otherwise"] += answered(agent) != answers
        shutil.rmtree(home)
    wrong = sum(count for what, count in seen.items() if what not in ("kills", "too late"))
    report(f"{options.rounds} rounds of {len(whole)} documents", {"wrong": wrong, **seen})
    shutil.rmtree(folder)
    if wrong:
        sys.exit(1)


def gather(folder: Path) -> None:
    """A paper with figures, the examples, photographs, and an archive."""
    shutil.copytree("examples/documents", folder)
    papers = sorted(data("aragog", "pdfs").glob("*.pdf"), key=lambda path: path.stat().st_size)
    shutil.copy(papers[0], folder)
    photographs = sorted(data("flickr8k_1k").rglob("*.jpg"))[:4]
    for path in photographs:
        shutil.copy(path, folder)
    with zipfile.ZipFile(folder / "notes.zip", "w") as archive:
        for number in range(40):
            archive.writestr(f"{number}.txt", f"Note {number} tells of day {number * 7} at sea.")
        archive.write(papers[0], "copy.pdf")


def ingest(home: Path, files: Path, seconds: float | None = None) -> set[str] | None:
    """Ingest in a process, killed after that time; the uris reported done before the kill.

    Returns:
        ``None`` if it ended by itself.
    """
    command = [sys.executable, "-c", CHILD, str(home), str(files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            return {json.loads(line) for line in said.splitlines()}
    if process.returncode:
        sys.exit(f"the ingest ended with {process.returncode}")
    return None


def amiss(home: Path, whole: Held, reported: set[str], number: int) -> Counter[str]:
    """What is wrong with a home after a kill."""
    found: Counter[str] = Counter()
    # One that was just being started looks for its parent when it is up.
    patience = time.monotonic() + _PATIENCE
    while orphans() and time.monotonic() < patience:
        time.sleep(0.1)
    found["parser processes left"] = len(orphans())
    with CogAgent(home=home) as agent:
        store = agent._engine.store
        found["disagreements"] = len(list(faults(store.catalogue)))
        if agent.collections.list():
            chunks = store.catalogue.reader().execute("SELECT count(*) FROM chunks").fetchone()[0]
            found["disagreements"] += store.size("default", store.text) != chunks
            found["disagreements"] += tiles_indexed(agent) != tiles_held(agent)
            now = held(agent)
            found["lost"] = len({uri for uri in reported if uri in whole} - now.keys())
            for uri, (unseen, pieces) in now.items():
                complete = pieces == whole[uri][1]
                found["half visible"] += not (complete or (unseen and pieces <= whole[uri][1]))
    found["temporary files left"] = sum(1 for path in home.rglob("*.tmp*"))
    for what, count in found.items():
        if count:
            print(f"round {number}: {what}: {count}")
    return +found


def held(agent: CogAgent) -> Held:
    """What a home holds, without ids."""
    rows = agent._engine.store.catalogue.reader().execute(
        "SELECT d.uri, c.kind, c.page, c.text, c.context, c.caption, c.words, "
        "count(v.chunk), (SELECT count(*) FROM tiles t WHERE t.chunk = c.id) "
        "FROM chunks c JOIN documents d ON d.id = c.document "
        "LEFT JOIN vectors v ON v.chunk = c.id "
        "LEFT JOIN elements e ON e.document = d.id AND e.ord = c.element AND e.unseen "
        "WHERE e.id IS NULL GROUP BY c.id"
    )
    found: Held = {
        document.uri: (document.unseen, Counter()) for document in agent.documents.list()
    }
    for uri, *chunk in rows:
        found[uri][1][tuple(chunk)] += 1
    return found


def tiles_held(agent: CogAgent) -> int:
    """How many vectors of parts of pictures the catalogue has."""
    rows = agent._engine.store.catalogue.reader().execute("SELECT count(*) FROM tiles")
    return int(rows.fetchone()[0])


def tiles_indexed(agent: CogAgent) -> int:
    """How many the derived index has."""
    store = agent._engine.store
    return len(store._tiles(store.collection_id("default")))


def answered(agent: CogAgent) -> list[tuple[object, ...]]:
    """What a home answers, without ids, times and scores."""
    answers = [agent.ask(question) for question in QUESTIONS]
    return [
        (answer.outcome, answer.text, [(c.uri, c.page, c.box, c.quote) for c in answer.citations])
        for answer in answers
    ]


def orphans() -> list[int]:
    """Parser processes whose parent is gone."""
    found = []
    for process in psutil.process_iter(["ppid", "cmdline"]):
        command = process.info["cmdline"] or []
        if process.info["ppid"] == 1 and "cogagent.documents.worker" in command:
            found.append(process.pid)
    return found


if __name__ == "__main__":
    main()
