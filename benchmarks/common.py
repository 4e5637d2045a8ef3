"""Where the data is, how figures are computed and printed."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cogagent import CogAgent, Source
from cogagent.pipelines.metrics import holds, ndcg, recall, token_f1

__all__ = [
    "data", "distinct", "holds", "interval", "lines", "mean", "ndcg", "percentile", "qrels",
    "recall", "report", "token_f1",
]  # fmt: skip
_RESAMPLED = 10_000
ROOT = Path(os.environ.get("COGAGENT_BENCH_DATA", "../shared/data"))


def data(*parts: str) -> Path:
    """A file or folder of the data, or the end of the program with a clear word."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        sys.exit(
            f"{path} is not there. Benchmarks read data that is not part of the repository; "
            "point COGAGENT_BENCH_DATA at it."
        )
    return path


def lines(*parts: str) -> list[dict[str, Any]]:
    """The records of a .jsonl file."""
    with data(*parts).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def filled(agent: CogAgent, chunks: int) -> int:
    """Bring texts into a home until it has so many chunks; how many it has then."""
    there = agent.catalogue.reader().execute("SELECT count(*) FROM chunks").fetchone()[0]
    rows = lines("twowiki_retrieval", "corpus.jsonl") + lines("scifact", "corpus.jsonl")
    while there < chunks and rows:
        batch, rows = rows[:1000], rows[1000:]
        there += agent.ingest(
            [
                Source(
                    uri=f"{row['_id']} {row['title']}",
                    data=row["text"].encode(),
                    media_type="text/plain",
                    title=row["title"] or None,
                )
                for row in batch
            ]
        ).chunks
    return int(there)


def qrels(*parts: str) -> dict[str, set[str]]:
    """The relevant documents of each query."""
    found: dict[str, set[str]] = {}
    with data(*parts).open(encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) >= 3 and fields[-1].isdigit() and int(fields[-1]) > 0:
                found.setdefault(fields[0], set()).add(fields[-2])
    return found


def distinct(keys: Iterable[str]) -> list[str]:
    """Keys in order, each once."""
    return list(dict.fromkeys(keys))


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; 0 of nothing."""
    collected = list(values)
    return sum(collected) / len(collected) if collected else 0.0


def interval(values: Sequence[float], share: float = 0.95) -> tuple[float, float]:
    """Where the mean lies with so much probability, by resampling; always the same."""
    chance = random.Random(0)
    means = [mean(chance.choices(values, k=len(values))) for _ in range(_RESAMPLED)]
    return percentile(means, (1 - share) / 2), percentile(means, (1 + share) / 2)


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def report(name: str, figures: Mapping[str, float | int | str]) -> None:
    """One line of figures."""
    shown = (
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
        for key, value in figures.items()
    )
    print(f"{name}: {', '.join(shown)}", flush=True)
