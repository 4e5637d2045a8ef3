"""Bad input: what becomes of odd, broken, encrypted and hostile files, and of naughty strings.

``python -m benchmarks.bench_robust [TEXT]`` ingests every file of the set (or those
whose name holds TEXT), all of them in one call and then each in a call of its own with
30 seconds at most, and asks and stores each naughty string. A second reader's view of
each file is in the manifest: its class, its pages and the characters, white space
included, of its first three pages.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.common import data, lines, mean, percentile, report
from cogagent import CogAgent, Source
from cogagent.config import LimitSettings, Settings
from cogagent.errors import InputError
from cogagent.types import Document, Element

SECONDS = 30.0
READABLE = ("ok", "repaired")
COUNTED_PAGES = 3
"""Pages at the start of a file whose characters the manifest counts."""
SHARE = 0.8
EVERY = 10_000
"""More than any file of the set has chunks."""


class Outcome(NamedTuple):
    row: dict
    error: str
    """Why it failed, with its code; empty if it was ingested."""
    pages: int
    share: float | None
    """Of the characters of the manifest, how many are searchable; None where it gives none."""
    seconds: float

    @property
    def wrong_pages(self) -> bool:
        probe = self.row["probe"].get("mupdf", {})
        return not self.error and probe.get("pages", self.pages) != self.pages

    @property
    def short(self) -> bool:
        return self.share is not None and self.share < SHARE

    def __str__(self) -> str:
        parts = [f"{Path(self.row['file']).name} ({self.row['class']})"]
        if self.error:
            parts.append(self.error)
        if self.wrong_pages:
            parts.append(f"{self.pages} pages, not {self.row['probe']['mupdf']['pages']}")
        if self.short:
            parts.append(f"{self.share:.2f} of {self.row['probe']['mupdf']['chars']} characters")
        return ": ".join(parts)


def main(wanted: str) -> None:
    rows = [row for row in lines("robust", "manifest.jsonl") if wanted in row["file"]]
    with tempfile.TemporaryDirectory() as homes, tempfile.TemporaryDirectory() as scratch:
        # All that the program and its processes put aside goes where it can be counted.
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        before = children()
        together(rows, Path(homes, "together"))
        outcomes = one_by_one(rows, Path(homes, "apart"))
        show(outcomes)
        if not wanted:
            naughty(Path(homes, "naughty"))
        report(
            "left behind",
            {
                "processes": len(children() - before),
                "temporary files": len(list(Path(scratch).rglob("*"))),
                "unfinished files in the homes": len(list(Path(homes).rglob("*.tmp"))),
            },
        )


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def place(row: dict) -> Path:
    return data("robust", row["file"]).absolute()


def together(rows: Sequence[dict], home: Path) -> None:
    """All files in one call, with the settings that a user has who sets nothing."""
    with CogAgent(home=home) as agent:
        made = agent.ingest([place(row) for row in rows])
        report(
            "all in one call",
            {
                "files": len(rows),
                "ingested": made.ingested,
                "failed": len(made.failed),
                **{f"as {code}": n for code, n in counted(made.failed)},
                "pages": made.pages,
                "s": made.seconds,
            },
        )
        assert made.ingested + len(made.failed) == len(rows), "a file has no outcome"


def counted(failures: Iterable) -> list[tuple[str, int]]:
    return Counter(failure.code for failure in failures).most_common()


def one_by_one(rows: Sequence[dict], home: Path) -> list[Outcome]:
    """Each file in a call of its own, timed."""
    limits = LimitSettings(parse_seconds=SECONDS, source_seconds=SECONDS)
    outcomes = []
    with CogAgent(home=home, settings=Settings(limits=limits)) as agent:
        for row in rows:
            start = time.perf_counter()
            made = agent.ingest(place(row), collection=row["file"])
            seconds = time.perf_counter() - start
            if made.failed:
                (failure,) = made.failed
                error = f"{failure.code}, {failure.error}"
                outcomes.append(Outcome(row, error, 0, None, seconds))
                continue
            (document,) = agent.documents.list(row["file"])
            share = searchable(agent, document, row)
            outcomes.append(Outcome(row, "", document.pages, share, seconds))
    return outcomes


def searchable(agent: CogAgent, document: Document, row: dict) -> float | None:
    """The characters of the first pages that some chunk holds, per character of the manifest."""
    expected = row["probe"].get("mupdf", {}).get("chars")
    if not expected:
        return None
    found = agent.search("text", k=EVERY, collection=row["file"])
    chunks = " ".join(f"{piece.context} {piece.caption} {piece.text}" for piece in found)
    indexed = set(chunks.split())
    characters = 0
    for element in agent.documents.elements(document.id):
        if element.page <= COUNTED_PAGES:
            # A space or a line break behind each word, as in the manifest's count.
            words = [word for word in written(element).split() if word in indexed]
            characters += sum(map(len, words)) + len(words)
    return min(1.0, characters / expected)


def written(element: Element) -> str:
    """The text of an element without what was said of what a picture shows."""
    if element.kind in ("figure", "image"):
        return "\n".join(block.text for block in element.blocks)
    return element.text


def show(outcomes: Sequence[Outcome]) -> None:
    kinds = Counter((one.row["kind"], one.row["class"]) for one in outcomes)
    for kind, name in sorted(kinds):
        mine = [o for o in outcomes if (o.row["kind"], o.row["class"]) == (kind, name)]
        shares = [o.share for o in mine if o.share is not None]
        codes = Counter(o.error.partition(",")[0] for o in mine if o.error)
        report(
            f"{kind}, {name}",
            {
                "files": len(mine),
                "ingested": sum(not o.error for o in mine),
                **{f"as {code}": n for code, n in codes.most_common()},
                "wrong pages": sum(o.wrong_pages for o in mine),
            }
            | ({"characters": mean(shares), "short": sum(o.short for o in mine)} if shares else {})
            | {"slowest s": max(o.seconds for o in mine)},
        )
    good = [o for o in outcomes if o.row["class"] in READABLE]
    for one in good:
        if one.error or one.wrong_pages or one.short:
            print(f"  {one}")
    if good:
        report(
            "readable by the second reader",
            {
                "files": len(good),
                "ingested": mean(not o.error for o in good),
                "with its pages": mean(not o.error and not o.wrong_pages for o in good),
                f"with {SHARE} of its characters": mean(
                    not o.short for o in good if o.share is not None
                ),
            },
        )
    slow = sorted(outcomes, key=lambda one: -one.seconds)[:3]
    print("slowest:", ", ".join(f"{Path(o.row['file']).name} {o.seconds:.1f} s" for o in slow))
    report(
        "seconds a file",
        {"p50": percentile([o.seconds for o in outcomes], 0.5), "most": slow[0].seconds},
    )


def naughty(home: Path) -> None:
    """Each string as a document, searched for again, and as a question."""
    import json

    strings = list(
        dict.fromkeys(json.loads(data("robust", "dev", "blns.json").read_text("utf-8")))
    )
    with CogAgent(home=home) as agent:
        made = agent.ingest(
            [
                Source(uri=f"naughty:{n}", data=text.encode(), media_type="text/plain")
                for n, text in enumerate(strings)
            ]
        )
        failed = {failure.uri for failure in made.failed}
        sought = found = 0
        outcomes: Counter[str] = Counter()
        for n, text in enumerate(strings):
            uri = f"naughty:{n}"
            try:
                if uri not in failed and text.strip():
                    sought += 1
                    found += uri in [piece.uri for piece in agent.search(text, k=10)]
                outcomes[agent.ask(text).outcome] += 1
            except InputError as error:
                outcomes[error.code] += 1
        report(
            "naughty strings as documents",
            {
                "strings": len(strings),
                "ingested": made.ingested,
                **{f"as {code}": n for code, n in counted(made.failed)},
                "found by themselves": f"{found} of {sought}",
            },
        )
        report("naughty strings as questions", {"strings": len(strings), **outcomes})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
