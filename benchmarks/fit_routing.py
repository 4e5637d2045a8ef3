"""Fit the weights that choose between texts and pictures: ``python -m benchmarks.fit_routing``.

Fitted on the building half of the planning benchmark alone, see ``cogbench``: questions of
HotpotQA, 2WikiMultihopQA and SQuAD against those of ChartQA, OpenCQA and captions of Flickr8k,
over one collection of them all, with the embedded embedders. A logistic regression, both
sides counting alike, over the differences between the tools' probes; five folds say how
well it carries over. ``--home DIR`` keeps the collection. Writes
``cogagent/planners/routing.json``.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cogbench import COLLECTION, home, items
from benchmarks.common import report
from benchmarks.fitting import fit_decision
from cogagent import CogAgent
from cogagent.pipelines.eval_items import EvalItem
from cogagent.pipelines.probing import probe
from cogagent.planners.base import Probe
from cogagent.planners.routing import FEATURES, features
from cogagent.reading.passage import FloatArray

OUTPUT = Path(__file__).parents[1] / "cogagent" / "planners" / "routing.json"
FOLDS = 5


def asked() -> list[EvalItem]:
    """The questions of the building half that one tool answers."""
    return [
        item
        for item in items("building")
        if len({step.tool for step in item.steps}) == 1 and item.steps[0].tool != "none"
    ]


def probed(agent: CogAgent, question: str) -> dict[str, Probe]:
    """What each tool would find."""
    tools = agent._engine.tools(COLLECTION, None, [])  # what a run asks, without a run
    return {found.tool: found for found in probe(question, tools).probes}


def fitted(rows: FloatArray, pictures: FloatArray) -> tuple[FloatArray, float]:
    """Weights and bias, as if there were as many questions for texts as for pictures."""
    times = max(round(pictures.sum() / (1 - pictures).sum()), 1)
    texts = rows[pictures == 0]
    more = np.concatenate([rows, *[texts] * (times - 1)])
    labels = np.concatenate([pictures, np.zeros(len(texts) * (times - 1), pictures.dtype)])
    return fit_decision(more, labels)


def folds(rows: FloatArray, pictures: FloatArray) -> float:
    """Share chosen rightly of questions kept out of the fit, both sides counting alike."""
    order = list(range(len(rows)))
    random.Random(0).shuffle(order)
    right = np.zeros(len(rows))
    for fold in range(FOLDS):
        out = np.array(order[fold::FOLDS])
        kept = np.setdiff1d(order, out)
        weights, bias = fitted(rows[kept], pictures[kept])
        right[out] = ((rows[out] @ weights + bias) > 0) == pictures[out]
    return float(np.mean([right[pictures == side].mean() for side in (0, 1)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, default=None)
    folder = parser.parse_args().home or Path(tempfile.mkdtemp())
    questions = asked()
    with CogAgent(home=home(folder)) as agent:
        values = [features(probed(agent, item.question)) for item in questions]
    rows = np.array([[value[name] for name in FEATURES] for value in values], np.float32)
    pictures = np.array([item.steps[0].tool == "image" for item in questions], np.float32)
    report(
        f"{len(rows)} questions, {int(pictures.sum())} of pictures",
        {"right, five folds": folds(rows, pictures)},
    )
    weights, bias = fitted(rows, pictures)
    stored = {
        "fitted_on": "the building half of benchmarks/cogbench, by benchmarks/fit_routing",
        "weights": {
            name: round(float(value), 4)
            for name, value in zip((*FEATURES, "bias"), (*weights, bias), strict=True)
        },
    }
    OUTPUT.write_text(json.dumps(stored, indent=2) + "\n")


if __name__ == "__main__":
    main()
