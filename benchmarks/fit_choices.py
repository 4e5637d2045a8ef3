"""Fit the weights that tell choices apart: ``python -m benchmarks.fit_choices``.

Fitted on multiple-choice questions made of TAT-QA (CC BY 4.0) and HotpotQA (CC
BY-SA 4.0), see ``multiple_choice``, read by the product; SQuAD is kept out, since
the choice is measured on it. A conditional logistic regression: what the weights
maximise is the log of the probability of the right choice, so that their scale is
the softmax's temperature. Five folds say how well that carries over. To be run
after the reader's own weights are fitted. Writes ``cogagent/pipelines/choosing.json``.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench_choices import figures
from benchmarks.common import report
from benchmarks.fitting import Doubles, fit_weights, softmax
from benchmarks.multiple_choice import Item, hotpot, ingested, retrieved, tatqa, with_choices
from cogagent import CogAgent
from cogagent.config import load_settings
from cogagent.models.factory import minilm, span_model
from cogagent.pipelines.choosing import FEATURES, Chooser
from cogagent.reading.reader import ExtractiveReader

OUTPUT = Path(__file__).parents[1] / "cogagent" / "pipelines" / "choosing.json"
MOST = 500
"""Questions of one set, drawn by a fixed seed: hotpot100 has few."""
FOLDS = 5
Rows = list[NDArray[np.float64]]


def examined(items: list[Item], *corpus: str, titled: bool) -> tuple[Rows, list[int]]:
    """The features of each item's choices, and the numbers of the right ones."""
    settings = load_settings()
    reader = ExtractiveReader(minilm(settings), span_model(settings))
    chooser = Chooser(minilm(settings), span_model(settings))
    chosen = random.Random(0).sample(items, min(MOST, len(items)))
    rows: Rows = []
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        ingested(agent, *corpus, titled=titled)
        for item in chosen:
            passages = retrieved(agent, item.question)
            reading = reader.read(item.question, passages)
            rows.append(chooser.features(item.question, item.choices, reading, passages)[0])
    return rows, [item.right for item in chosen]


def fit(rows: Rows, right: list[int], penalty: float = 0.1) -> NDArray[np.float64]:
    """The weights that make the right choices probable."""
    scale = np.concatenate(rows).std(axis=0) + 1e-6
    scaled = [row / scale for row in rows]

    def loss(w: Doubles) -> tuple[float, Doubles]:
        value, slope = penalty * float(w @ w), 2 * penalty * w
        for row, place in zip(scaled, right, strict=True):
            chance = softmax(row @ w)
            value -= float(np.log(chance[place] + 1e-12))
            slope = slope - (row[place] - chance @ row)
        return value, slope

    return np.asarray(fit_weights(loss, scale), np.float64)


def main() -> None:
    rows, right = examined(with_choices(tatqa()), "tatqa", "dev", "corpus.jsonl", titled=False)
    more, others = examined(with_choices(hotpot()), "hotpot100", "corpus.jsonl", titled=True)
    rows, right = rows + more, right + others
    order = np.random.default_rng(0).permutation(len(rows))
    chances: list[NDArray[np.float64]] = [np.zeros(0)] * len(rows)
    for fold in range(FOLDS):
        left = set(order[fold::FOLDS].tolist())
        kept = [n for n in range(len(rows)) if n not in left]
        weights = fit([rows[n] for n in kept], [right[n] for n in kept])
        for n in left:
            chances[n] = softmax(rows[n] @ weights)
    report("TAT-QA and HotpotQA, by folds", figures([c.tolist() for c in chances], right))
    weights = fit(rows, right)
    named = {name: round(float(w), 4) for name, w in zip(FEATURES, weights, strict=True)}
    OUTPUT.write_text(json.dumps(named, indent=2) + "\n", encoding="utf-8")
    print(OUTPUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
