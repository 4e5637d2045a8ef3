"""Where the data is, how figures are computed and printed."""

from __future__ import annotations

import json
import math
import os
import re
import string
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PUNCTUATION = string.punctuation + "\u2013\u2014\u2019\u2018\u201c\u201d"
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


def qrels(*parts: str) -> dict[str, set[str]]:
    """The relevant documents of each query."""
    found: dict[str, set[str]] = {}
    with data(*parts).open(encoding="utf-8") as file:
        for line in file:
            fields = line.rstrip("\n").split("\t")
            if len(fields) >= 3 and fields[-1].isdigit() and int(fields[-1]) > 0:
                found.setdefault(fields[0], set()).add(fields[-2])
    return found


def ndcg(ranking: Sequence[str], relevant: set[str], k: int = 10) -> float:
    """Normalised discounted cumulative gain with binary relevance."""
    gain = sum(1 / math.log2(rank + 2) for rank, key in enumerate(ranking[:k]) if key in relevant)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return gain / ideal if ideal else 0.0


def recall(ranking: Sequence[str], relevant: set[str], k: int) -> float:
    """Share of the relevant documents among the first ``k``."""
    return len(relevant.intersection(ranking[:k])) / len(relevant)


def distinct(keys: Iterable[str]) -> list[str]:
    """Keys in order, each once."""
    return list(dict.fromkeys(keys))


def token_f1(answer: str, gold: str) -> float:
    """SQuAD's token F1: case, punctuation and articles ignored."""
    said, wanted = _tokens(answer), _tokens(gold)
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether a text holds one of the answers as whole words, case and punctuation ignored."""
    said = " ".join(["", *_tokens(text), ""])
    wanted = (" ".join(_tokens(answer)) for answer in answers)
    return any(f" {answer} " in said for answer in wanted if answer)


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; 0 of nothing."""
    collected = list(values)
    return sum(collected) / len(collected) if collected else 0.0


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


def _tokens(text: str) -> list[str]:
    plain = "".join(" " if char in _PUNCTUATION else char for char in text.lower())
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()
