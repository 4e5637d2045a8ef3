"""Fit the reader's weights for tables: ``python -m benchmarks.train_tables``.

Trained on the table questions of half of TAT-QA's reports (CC BY 4.0), among
the tables of their own report and of 30, with the answer, without the table,
without the row and without the column. Its text questions are there too, so
that rows and sentences learn to give way to each other. The weights for prose
stay as they are. Writes ``cogagent/reading/weights.json``.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench_tables import fitted, plain, sources
from benchmarks.common import holds, lines
from benchmarks.fitting import Doubles, fit_decision, fit_weights, softmax
from benchmarks.train_reader import DECLINED, OUTPUT
from cogagent import CogAgent
from cogagent.config import load_settings
from cogagent.models.factory import minilm, span_model
from cogagent.models.minilm import MiniLM
from cogagent.models.spans import SpanModel
from cogagent.reading.candidates import Candidate
from cogagent.reading.evidence import Evidence, gather
from cogagent.reading.passage import FloatArray, Passage
from cogagent.reading.question import analyse, words
from cogagent.reading.reader import MAX_PASSAGES, examine
from cogagent.reading.table_features import ROW, row_features, table_decision_features
from cogagent.reading.tables import cells
from cogagent.reading.weights import Weights

Question = dict[str, Any]
Bools = NDArray[np.bool_]


@dataclass(slots=True)
class Example:
    """A question with what was found for it.

    Attributes:
        evidence: The evidence.
        prose: Scores of the sentences; zero for rows.
        rows: Features of the rows.
        right: Which candidates are right.
        own: Whether only the question's own report was searched.
    """

    evidence: Evidence
    prose: FloatArray
    rows: FloatArray
    right: Bools
    own: bool


class Maker:
    """Makes examples.

    Args:
        encoder: The text model.
        scorer: The model that looks for answers.
        weights: Those for prose are used.
    """

    def __init__(self, encoder: MiniLM, scorer: SpanModel, weights: Weights) -> None:
        self._encoder, self._scorer, self._weights = encoder, scorer, weights
        self.found: list[Example] = []

    def add(
        self, q: Question, passages: Sequence[Passage], gold: Sequence[int], own: bool
    ) -> Example | None:
        """Look at passages; ``gold`` numbers those that hold the answer."""
        evidence = gather(analyse(q["question"]), passages[:MAX_PASSAGES], self._encoder)
        if not evidence.candidates:
            return None
        features = examine(evidence, self._scorer, self._weights.first)
        prose = features @ self._weights.sentence
        example = Example(evidence, prose, row_features(evidence), _right(q, evidence, gold), own)
        self.found.append(example)
        return example

    def add_all(self, q: Question, agent: CogAgent, allowed: list[str], own: bool) -> None:
        """Look at what is found for a question, and at the same without what answers it."""
        found = agent.search(q["question"], k=24, modality="text", filters={"uri": allowed})
        passages = [
            Passage(e.text, e.modality, e.title.strip(), e.score, e.context) for e in found
        ][:MAX_PASSAGES]
        gold = [n for n, e in enumerate(found[:MAX_PASSAGES]) if e.uri in q["gold"]]
        example = self.add(q, passages, gold, own)
        others = [name for name in allowed if name not in q["gold"]]
        lost = agent.search(q["question"], k=24, modality="text", filters={"uri": others})
        self.add(q, [Passage(e.text, e.modality, "", e.score, e.context) for e in lost], (), own)
        if example is None or q["answer_from"] == "text":
            return
        rows = [c for c, r in zip(example.evidence.candidates, example.right, strict=True) if r]
        kept = {n: p for n, p in enumerate(passages) if p.kind == "table" or n not in gold}
        if any(c.view for c in rows):
            self.add(q, [without_rows(p, n, rows) for n, p in kept.items()], (), own)
        if any(c.view and c.view.choice.part == "value" for c in rows):
            cut = [without_column(p, q) if n in gold else p for n, p in kept.items()]
            self.add(q, [p for p in cut if p is not None], (), own)


def without_rows(passage: Passage, number: int, rows: Sequence[Candidate]) -> Passage:
    """A table without some of its rows."""
    text = passage.text
    for c in sorted(rows, key=lambda c: -c.start):
        if c.passage == number and c.view:
            text = text[: c.start] + text[c.end :]
    return replace(passage, text=text)


def without_column(passage: Passage, q: Question) -> Passage | None:
    """A table without the column that holds the answer; nothing if there are several."""
    gold = plain(q["answer"][0])
    grid = [_cells(line) for line in passage.text.split("\n")]
    places = {n for row in grid for n, cell in enumerate(row) if n and plain(cell) == gold}
    if not places:
        return None if gold in plain(passage.text) else passage
    if len(places) > 1 or max(map(len, grid)) < 3:
        return None
    (lost,) = places

    def cut(text: str) -> str:
        rows = (_cells(line) for line in text.split("\n"))
        return "\n".join(" | ".join(c for n, c in enumerate(row) if n != lost) for row in rows)

    return replace(passage, text=cut(passage.text), context=cut(passage.context))


def _cells(line: str) -> list[str]:
    return [line[a:b] for a, b in cells(line)]


def _right(q: Question, evidence: Evidence, gold: Sequence[int]) -> Bools:
    """Which candidates are right: rows that hold the answer, or whose comparison leads to it."""
    right = np.zeros(len(evidence.candidates), dtype=bool)
    headed: dict[int, float] = {}
    answer = plain(q["answer"][0])
    for place, c in enumerate(evidence.candidates):
        text = evidence.passages[c.passage].text
        if c.passage not in gold:
            continue
        if c.view is None:
            right[place] = holds(text[c.start : c.end], q["answer"])
        elif c.view.choice.part != "head":
            right[place] = answer in [plain(cell) for cell in _cells(text[c.start : c.end])]
        elif answer in plain(c.view.row.columns[c.view.choice.column or 0]):
            label = {w.stem for w in words(c.view.row.label) if w.content}
            headed[place] = len(label & evidence.wish.asked) / (len(label) + 1) ** 0.5
    top = max(headed.values(), default=0.0)
    right[[place for place, value in headed.items() if value == top > 0]] = True
    return right


def examples(encoder: MiniLM, scorer: SpanModel, weights: Weights) -> list[Example]:
    """TAT-QA's questions with one answer, from the reports that are fitted on."""
    rows = lines("tatqa", "dev", "corpus.jsonl")
    contexts: dict[str, list[str]] = {}
    for row in rows:
        contexts.setdefault(row["context"], []).append(row["_id"])
    chooser = random.Random(0)
    maker = Maker(encoder, scorer, weights)
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        agent.ingest(sources(rows))
        for q in lines("tatqa", "dev", "qa.jsonl"):
            if q["answer_type"] != "span" or not fitted(q["context"]):
                continue
            kept = {q["context"], *chooser.sample(sorted(contexts), 29)}
            mixed = [name for context in sorted(kept) for name in contexts[context]]
            maker.add_all(q, agent, contexts[q["context"]], own=True)
            maker.add_all(q, agent, mixed, own=False)
    return maker.found


def fit_rows(found: Sequence[Example], penalty: float = 2.0) -> FloatArray:
    """Fit the scores of rows, beside the fixed ones of sentences."""
    used = [e for e in found if e.right.any() and not e.right.all() and e.rows.any()]
    scale = np.concatenate([e.rows for e in used]).std(axis=0) + 1e-6
    scaled = [e.rows / scale for e in used]

    def loss(w: Doubles) -> tuple[float, Doubles]:
        value, slope = penalty * float(w @ w), 2 * penalty * w
        for example, row in zip(used, scaled, strict=True):
            chance = softmax(np.asarray(row @ w + example.prose, dtype=np.float64))
            mass = float(chance[example.right].sum()) + 1e-12
            value -= np.log(mass)
            slope = slope - row.T @ (chance * example.right / mass - chance)
        return value, slope

    return fit_weights(loss, scale)


def answers_as_worded(row: FloatArray, dated: bool) -> bool:
    """Whether a row of another report answers the question, which names no report."""
    named = dict(zip(ROW, row.tolist(), strict=True))
    period = not named["period_other"] and (named["period_found"] > 0 or not dated)
    return bool(named["label_whole"] == 1 and period)


def fit(weights: Weights, encoder: MiniLM, scorer: SpanModel) -> Weights:
    """Fit the weights for tables; the others stay."""
    found = examples(encoder, scorer, weights)
    row = fit_rows(found)
    features, right = [], []
    for e in found:
        scores = np.asarray(e.prose + e.rows @ row, dtype=np.float32)
        place = int(np.argmax(scores))
        hit = bool(e.right[place])
        if e.evidence.candidates[place].view is None:
            continue
        if hit or e.own or not answers_as_worded(e.rows[place], bool(e.evidence.wish.periods)):
            features.append(table_decision_features(e.evidence, e.rows, scores))
            right.append(float(hit))
    stacked, answered = np.stack(features), np.array(right)
    decision, bias = fit_decision(stacked, answered)
    # The threshold is that of prose; the constant puts the same share of right answers below it.
    margins = stacked[answered > 0] @ decision
    bias = float(np.log(weights.threshold / (1 - weights.threshold)))
    bias -= float(np.quantile(margins, DECLINED))
    return replace(weights, row=row, table_decision=decision, table_decision_bias=bias)


def main() -> None:
    settings = load_settings()
    weights = fit(Weights.packaged(), minilm(settings), span_model(settings))
    OUTPUT.write_text(json.dumps(weights.to_json(), indent=2) + "\n", encoding="utf-8")
    print(OUTPUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
