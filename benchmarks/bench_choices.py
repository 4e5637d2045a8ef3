"""Multiple choice by the extractive reader: ``python -m benchmarks.bench_choices``.

The questions of squad_xquad dev, each with its answer and three wrong ones (see
``multiple_choice``), over all 240 paragraphs. Nothing was fitted on them: the
weights, and with them the temperature, come from TAT-QA and HotpotQA
(``fit_choices``). Chance is 0.25, and a Brier score of 0.75.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.common import mean, percentile, report
from benchmarks.multiple_choice import ingested, squad, with_choices
from cogagent import CogAgent

BINS = 10


def figures(chances: Sequence[Sequence[float]], right: Sequence[int]) -> dict[str, float | int]:
    """Accuracy and calibration of distributions.

    The Brier score is that of all choices together (0 to 2); the expected calibration
    error that of the most probable choice, over ten bins of equal width.
    """
    rows = np.array(chances)
    wanted = np.eye(rows.shape[1])[list(right)]
    top, hit = rows.max(axis=1), rows.argmax(axis=1) == np.array(right)
    bins = np.minimum((top * BINS).astype(int), BINS - 1)
    gaps = [
        (bins == n).mean() * abs(top[bins == n].mean() - hit[bins == n].mean())
        for n in range(BINS)
        if (bins == n).any()
    ]
    return {
        "questions": len(rows),
        "accuracy": float(hit.mean()),
        "Brier": float(((rows - wanted) ** 2).sum(axis=1).mean()),
        "calibration error": float(sum(gaps)),
        "mean of the most probable": float(top.mean()),
    }


def main() -> None:
    items = with_choices(squad())
    chances, spent, chosen = [], [], []
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        ingested(agent, "squad_xquad_en", "corpus.jsonl", titled=True)
        for item in items:
            start = time.perf_counter()
            answer = agent.ask(item.question, choices=item.choices)
            spent.append(1000 * (time.perf_counter() - start))
            chances.append([answer.distribution[choice.strip()] for choice in item.choices])
            chosen.append((answer.short, item.choices[item.right].strip()))
    right = [item.right for item in items]
    report("squad_xquad dev, 4 choices", {**figures(chances, right),
                                          "ask p50 ms": percentile(spent, 0.5)})  # fmt: skip
    answered = [short == wanted for short, wanted in chosen if short]
    report(
        "those it answers",
        {"share": len(answered) / len(items), "accuracy": mean(map(float, answered))},
    )


if __name__ == "__main__":
    main()
