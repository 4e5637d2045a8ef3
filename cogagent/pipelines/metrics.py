"""Measures of answers, rankings and rewrites."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Collection, Sequence

_PUNCTUATION = string.punctuation + "\u2013\u2014\u2019\u2018\u201c\u201d"


def token_f1(answer: str, gold: str) -> float:
    """SQuAD's token F1: case, punctuation and articles ignored."""
    said, wanted = tokens(answer), tokens(gold)
    shared = sum((Counter(said) & Counter(wanted)).values())
    return 2 * shared / (len(said) + len(wanted)) if shared else 0.0


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether a text holds one of the answers as whole words, case and punctuation ignored."""
    said = " ".join(["", *tokens(text), ""])
    wanted = (" ".join(tokens(answer)) for answer in answers)
    return any(f" {answer} " in said for answer in wanted if answer)


def says(text: str, claim: str) -> float:
    """Share of a claim's tokens that a text has, each counted as often as it stands; 0 to 1."""
    wanted = Counter(tokens(claim))
    shared = sum((wanted & Counter(tokens(text))).values())
    return shared / wanted.total() if wanted else 0.0


def ndcg(ranking: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """Normalised discounted cumulative gain with binary relevance."""
    gain = sum(1 / math.log2(rank + 2) for rank, key in enumerate(ranking[:k]) if key in relevant)
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    return gain / ideal if ideal else 0.0


def recall(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Share of the relevant documents among the first ``k``; 0 where there are none."""
    return len(set(relevant).intersection(ranking[:k])) / len(relevant) if relevant else 0.0


def relaxed(answer: str, gold: str) -> bool:
    """ChartQA's relaxed accuracy: a number within 5 %, otherwise the same words.

    Masry et al. 2022 (arXiv 2203.10244), section 5. Signs of percent and currency, and
    what sets thousands apart, are no part of a number; nor is the error behind a measured one.
    """
    said, wanted = _number(answer), _number(gold)
    if said is None or wanted is None:
        return answer.strip().casefold() == gold.strip().casefold()
    return abs(said - wanted) <= 0.05 * abs(wanted)


def _number(text: str) -> float | None:
    """The number that a text is, if it is nothing more."""
    plain = re.sub(r"[%$\u20ac\u00a3\u2248\s]|\u00b1.*", "", text).replace("\u2212", "-")
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    return float(plain) if re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)", plain) else None


def tokens(text: str) -> list[str]:
    """Words in lower case, without punctuation and articles."""
    plain = "".join(" " if char in _PUNCTUATION else char for char in text.lower())
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()
