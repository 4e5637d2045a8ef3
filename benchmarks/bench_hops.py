"""Questions that take several passages: ``python -m benchmarks.bench_hops [hotpot] [twowiki]``.

A question counts where all its gold passages are among the first documents of
the evidence, 8 for HotpotQA and 10 for 2WikiMultihopQA: of one search, and of a
run by the default planner with the default budget, through the whole product.

No weight was fitted on these questions, but the planner's wordings and numbers
were chosen with these figures in view: what they are worth elsewhere has to be
seen on questions that were not looked at.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.common import distinct, interval, lines, mean, percentile, qrels, recall, report
from cogagent import CogAgent, Evidence, Source

DEPTH = 24
"""Pieces of evidence of a single search; a search of a run brings as many."""


@dataclass(frozen=True, slots=True)
class Hops:
    """A question and the documents that it takes."""

    question: str
    gold: frozenset[str]
    kind: str
    """What it is listed under."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a question."""

    ranking: Sequence[str]
    searches: int
    milliseconds: float


def hotpot() -> tuple[list[Source], list[Hops], int]:
    """HotpotQA's paragraphs and questions, and how many documents count."""
    asked = [
        Hops(row["question"], frozenset(row["gold"]), row["type"])
        for row in lines("hotpot100", "dev", "qa.jsonl")
    ]
    return _sources("hotpot100"), asked, 8


def twowiki() -> tuple[list[Source], list[Hops], int]:
    """2WikiMultihopQA's passages and questions, and how many documents count."""
    gold = qrels("twowiki_retrieval", "dev", "qrels.tsv")
    asked = [
        Hops(row["text"], frozenset(gold[row["_id"]]), f"{len(gold[row['_id']])} passages")
        for row in lines("twowiki_retrieval", "dev", "queries.jsonl")
    ]
    return _sources("twowiki_retrieval"), asked, 10


SETS = {"hotpot": hotpot, "twowiki": twowiki}


def main(names: Sequence[str]) -> None:
    for name in names or SETS:
        sources, asked, first = SETS[name]()
        with CogAgent(home=tempfile.mkdtemp()) as agent:
            made = agent.ingest(sources)
            report(name, {"documents": made.ingested, "questions": len(asked)})
            agent.ask(asked[0].question)  # the models load
            single = [_searched(agent, item.question) for item in asked]
            planned = [_asked(agent, item.question) for item in asked]
        for label, ran in (("single search", single), ("rules", planned)):
            _show(f"{name}, {label}", asked, ran, first)
        gained = [
            float(_full(item, two, first)) - float(_full(item, one, first))
            for item, one, two in zip(asked, single, planned, strict=True)
        ]
        low, high = interval(gained)
        print(f"{name}: rules gains {mean(gained):+.3f} [{low:+.3f}, {high:+.3f}]", flush=True)


def _searched(agent: CogAgent, question: str) -> Ran:
    start = time.perf_counter()
    found = agent.search(question, k=DEPTH, modality="text")
    return Ran(_documents(found), 1, 1000 * (time.perf_counter() - start))


def _asked(agent: CogAgent, question: str) -> Ran:
    """The time is that of the whole answer: planning, searching, reading, checking."""
    start = time.perf_counter()
    answer = agent.ask(question)
    spent = 1000 * (time.perf_counter() - start)
    return Ran(_documents(answer.evidence), answer.usage.searches, spent)


def _show(label: str, asked: Sequence[Hops], ran: Sequence[Ran], first: int) -> None:
    pairs = list(zip(asked, ran, strict=True))
    full = [float(_full(item, one, first)) for item, one in pairs]
    low, high = interval(full)
    report(
        label,
        {
            f"all gold in the first {first}": f"{mean(full):.3f} [{low:.3f}, {high:.3f}]",
            "recall": mean(recall(one.ranking, set(item.gold), first) for item, one in pairs),
            "found at all": mean(item.gold <= set(one.ranking) for item, one in pairs),
            "searches": mean(one.searches for one in ran),
            "most": max(one.searches for one in ran),
            "p50 ms": percentile([one.milliseconds for one in ran], 0.5),
            "p95 ms": percentile([one.milliseconds for one in ran], 0.95),
        },
    )
    kinds: dict[str, list[float]] = defaultdict(list)
    for (item, _), value in zip(pairs, full, strict=True):
        kinds[item.kind].append(value)
    for kind, values in sorted(kinds.items()):
        print(f"  {kind}: {mean(values):.3f} of {len(values)}", flush=True)


def _full(item: Hops, ran: Ran, first: int) -> bool:
    return item.gold <= set(ran.ranking[:first])


def _documents(evidence: Sequence[Evidence]) -> list[str]:
    return distinct(piece.uri for piece in evidence)


def _sources(folder: str) -> list[Source]:
    return [_source(row) for row in lines(folder, "corpus.jsonl")]


def _source(row: dict[str, str]) -> Source:
    return Source(
        uri=row["_id"],
        data=row["text"].encode() or b" ",
        media_type="text/plain",
        title=row.get("title") or None,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
