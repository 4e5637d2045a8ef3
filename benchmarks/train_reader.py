"""Fit the reader's weights: ``python -m benchmarks.train_reader``.

Trained on TAT-QA's text questions (CC BY 4.0) and HotpotQA's supporting
sentences (CC BY-SA 4.0), retrieved by the product itself; SQuAD is kept out,
since the reader is measured on it, and HotpotQA is measured in two folds, each
with weights fitted without it. Comes after ``train_spans``, whose model it reads
through, and writes ``cogagent/reading/weights.json``;
the weights for tables, which build on these, are fitted by
``python -m benchmarks.train_tables`` afterwards.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import holds, lines, mean, report, token_f1
from benchmarks.fitting import Doubles, fit_decision, fit_weights, softmax
from cogagent import CogAgent, Source
from cogagent.config import load_settings
from cogagent.models.factory import minilm, span_model
from cogagent.models.minilm import MiniLM
from cogagent.models.spans import SpanModel
from cogagent.reading import narrowing
from cogagent.reading.closer import look_closer
from cogagent.reading.evidence import Evidence, gather
from cogagent.reading.features import (
    DECISION,
    decision_features,
    first_features,
    with_spans,
)
from cogagent.reading.passage import FloatArray, Passage
from cogagent.reading.question import analyse
from cogagent.reading.reader import MAX_PASSAGES
from cogagent.reading.weights import Weights

OUTPUT = Path(__file__).parents[1] / "cogagent" / "reading" / "weights.json"
SHORT_ANSWER = 10
"""Longest answer in words that counts as a phrase; TAT-QA also marks whole sentences."""
DECLINED = 0.075
"""Share of the answerable training questions that the threshold declines."""


@dataclass(slots=True)
class Item:
    """A question with what was retrieved for it.

    Attributes:
        question: The question.
        answers: Right answers.
        passages: Retrieved passages.
        gold: Numbers of the passages that are marked as right; empty when there is no answer.
        supporting: Marked sentences; when there are any, others do not count as right.
    """

    question: str
    answers: list[str]
    passages: list[Passage]
    gold: set[int]
    supporting: tuple[str, ...] = ()


@dataclass(slots=True)
class Example:
    """An item's evidence and features."""

    item: Item
    evidence: Evidence
    features: FloatArray
    right: NDArray[np.bool_]


def ingested(rows: Sequence[dict], titled: bool) -> CogAgent:
    """A home with a document for each row."""
    agent = CogAgent(home=tempfile.mkdtemp())
    agent.ingest(
        [
            Source(
                uri=row["_id"],
                data=row["text"].encode(),
                media_type="text/plain",
                # A row without a title gets a blank one, not its uri.
                title=row["title"] if titled else " ",
            )
            for row in rows
        ]
    )
    return agent


def retrieved(
    agent: CogAgent, question: str, allowed: list[str]
) -> tuple[list[Passage], list[str]]:
    """What the product retrieves for a question among the ``allowed`` documents."""
    found = agent.search(question, k=24, modality="text", filters={"uri": allowed})
    passages = [Passage(e.text, e.modality, e.title.strip(), e.score) for e in found]
    return passages, [e.uri for e in found]


def tatqa() -> list[Item]:
    """TAT-QA's text questions, over their own report and 29 others, with and without gold."""
    rows = [row for row in lines("tatqa", "dev", "corpus.jsonl") if row["kind"] != "table"]
    contexts: dict[str, list[str]] = {}
    for row in rows:
        contexts.setdefault(row["context"], []).append(row["_id"])
    chooser = random.Random(0)
    items = []
    with ingested(rows, titled=False) as agent:
        for q in lines("tatqa", "dev", "qa.jsonl"):
            if q["answer_from"] != "text" or q["answer_type"] != "span":
                continue
            kept = {q["context"], *chooser.sample(sorted(contexts), 29)}
            allowed = [name for context in sorted(kept) for name in contexts.get(context, [])]
            for lost in (set(), set(q["gold"])):
                passages, names = retrieved(
                    agent, q["question"], [name for name in allowed if name not in lost]
                )
                right = {place for place, name in enumerate(names) if name in q["gold"]}
                items.append(Item(q["question"], q["answer"], passages, right))
    return items


def hotpot() -> list[Item]:
    """HotpotQA's questions over all 1,000 paragraphs, with and without the gold ones."""
    rows = {row["_id"]: row for row in lines("hotpot100", "corpus.jsonl")}
    items = []
    with ingested(list(rows.values()), titled=True) as agent:
        for q in lines("hotpot100", "dev", "qa.jsonl"):
            marked = [(d, n) for d, n in q["supporting_facts"] if n < len(rows[d]["sentences"])]
            supporting = tuple(rows[d]["sentences"][n].strip() for d, n in marked)
            for lost in (set(), set(q["gold"])):
                passages, names = retrieved(
                    agent, q["question"], [name for name in rows if name not in lost]
                )
                right = {place for place, name in enumerate(names) if name in q["gold"]}
                items.append(Item(q["question"], [q["answer"]], passages, right, supporting))
    return items


def examine(items: Sequence[Item], encoder: MiniLM) -> list[Example]:
    """Compute the features of every item at first sight, and which sentences are right."""
    examples = []
    for item in items:
        evidence = gather(analyse(item.question), item.passages[:MAX_PASSAGES], encoder)
        texts = [
            (c.passage, item.passages[c.passage].text[c.start : c.end])
            for c in evidence.candidates
        ]
        right = [place in item.gold and _right(text, item) for place, text in texts]
        examples.append(
            Example(item, evidence, first_features(evidence), np.array(right, dtype=bool))
        )
    return examples


def look(examples: Sequence[Example], scorer: SpanModel, first: FloatArray) -> None:
    """Add to the features what a closer look at the best sentences finds."""
    for example in examples:
        look_closer(example.evidence, example.features @ first, scorer)
        example.features = with_spans(example.evidence, example.features)


def _right(text: str, item: Item) -> bool:
    if item.supporting:
        return any(
            holds(text, [sentence]) or holds(sentence, [text]) for sentence in item.supporting
        )
    return holds(text, item.answers)


def fit_sentence(examples: Sequence[Example], penalty: float = 3.0) -> FloatArray:
    """Fit the ranking: the log of the probability that falls on a question's right sentences."""
    used = [e for e in examples if e.right.any() and not e.right.all()]
    rows = [e.features for e in used]
    scale = np.concatenate(rows).std(axis=0) + 1e-6

    def loss(w: Doubles) -> tuple[float, Doubles]:
        value, slope = penalty * float(w @ w), 2 * penalty * w
        for example, row in zip(used, rows, strict=True):
            scaled = row / scale
            chance = softmax(scaled @ w)
            mass = float(chance[example.right].sum()) + 1e-12
            value -= np.log(mass)
            slope = slope - scaled.T @ (chance * example.right / mass - chance)
        return value, slope

    return fit_weights(loss, scale)


def decision_rows(examples: Sequence[Example], sentence: FloatArray) -> tuple[FloatArray, float]:
    """Return each example's decision features, and the mean of "standout" where there is one."""
    rows = np.stack(
        [
            decision_features(e.evidence, e.features, e.features @ sentence, np.nan)
            for e in examples
        ]
    )
    place = DECISION.index("standout")
    neutral = float(np.nanmean(rows[:, place]))
    rows[:, place] = np.nan_to_num(rows[:, place], nan=neutral)
    return rows, neutral


def fit_spans(
    rows: Sequence[FloatArray], worth: Sequence[FloatArray], penalty: float = 4.0
) -> FloatArray:
    """Fit the choice of phrase: the log of its expected F1."""
    scale = np.concatenate(rows).std(axis=0) + 1e-6
    pairs = [(row / scale, f1) for row, f1 in zip(rows, worth, strict=True) if f1.max() > 0.5]

    def loss(w: Doubles) -> tuple[float, Doubles]:
        value, slope = penalty * float(w @ w), 2 * penalty * w
        for scaled, f1 in pairs:
            chance = softmax(scaled @ w)
            expected = float(chance @ f1) + 1e-6
            value -= np.log(expected)
            slope = slope - scaled.T @ (chance * (f1 - expected)) / expected
        return value, slope

    return fit_weights(loss, scale)


def fit_phrases(examples: Sequence[Example], encoder: MiniLM) -> tuple[FloatArray, FloatArray]:
    """Fit both stages of narrowing, on the right sentence of each question with a short answer."""
    found = []
    for example in examples:
        item = example.item
        for place in np.nonzero(example.right)[0].tolist():
            candidate = example.evidence.candidates[place]
            text = item.passages[candidate.passage].text[candidate.start : candidate.end]
            if len(item.answers[0].split()) > SHORT_ANSWER or not holds(text, item.answers):
                continue
            ranges, known = narrowing.spans(text, candidate)
            if ranges:
                rows = narrowing.span_features(example.evidence, candidate, text, ranges, known)
                worth = np.array(
                    [
                        max(token_f1(text[a:b], answer) for answer in item.answers)
                        for a, b in ranges
                    ]
                )
                found.append((text, ranges, rows, worth))
            break
    first = fit_spans([rows for *_, rows, _ in found], [worth for *_, worth in found])
    second, worths = [], []
    for text, ranges, rows, worth in found:
        short = np.argsort(-(rows @ first), kind="stable")[: narrowing.SHORTLIST]
        chosen = [text[slice(*ranges[n])] for n in short]
        second.append(np.hstack([rows[short], narrowing.salience(text, chosen, encoder)]))
        worths.append(worth[short])
    return first, fit_spans(second, worths)


def fit(examples: Sequence[Example], first: FloatArray, encoder: MiniLM) -> Weights:
    """Fit all weights but those at first sight and those for tables."""
    sentence = fit_sentence(examples)
    rows, neutral = decision_rows(examples, sentence)
    answerable = np.array([float(bool(e.item.gold)) for e in examples])
    decision, bias = fit_decision(rows, answerable)
    chance = 1 / (1 + np.exp(-(rows @ decision + bias)))
    threshold = float(np.quantile(chance[answerable > 0], DECLINED))
    span, embedded = fit_phrases(examples, encoder)
    return replace(
        Weights.packaged(),
        first=first,
        sentence=sentence,
        decision=decision,
        decision_bias=bias,
        neutral_standout=neutral,
        threshold=threshold,
        span=span,
        span_embedded=embedded,
    )


def fold(examples: Sequence[Example], weights: Weights) -> None:
    """Print what weights do with questions that they were not fitted on, two examples each."""
    hit, declined, refused = [], [], []
    for example in examples:
        scores = example.features @ weights.sentence
        row = decision_features(
            example.evidence, example.features, scores, weights.neutral_standout
        )
        margin = float(row @ weights.decision) + weights.decision_bias
        answered = 1 / (1 + np.exp(-margin)) >= weights.threshold
        if example.item.gold:
            hit.append(answered and bool(example.right[int(np.argmax(scores))]))
            declined.append(not answered)
        else:
            refused.append(not answered)
    figures = {"right": mean(hit), "declined": mean(declined), "rightly declined": mean(refused)}
    report(f"{len(hit)} questions of HotpotQA, fitted without them", figures)


def main() -> None:
    settings = load_settings()
    encoder, scorer = minilm(settings), span_model(settings)
    money, facts = examine(tatqa(), encoder), examine(hotpot(), encoder)
    first = fit_sentence(money)
    look([*money, *facts], scorer, first)
    for half in (0, 1):
        # An item and the same without its paragraphs stay together.
        halves = [[e for n, e in enumerate(facts) if n // 2 % 2 == h] for h in (half, 1 - half)]
        fold(halves[0], fit([*money, *halves[1]], first, encoder))
    weights = fit([*money, *facts], first, encoder)
    OUTPUT.write_text(json.dumps(weights.to_json(), indent=2) + "\n", encoding="utf-8")
    print(OUTPUT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
