"""Extractive answers end to end: ``python -m benchmarks.bench_answers [squad] [hotpot]``.

Every question is asked over all paragraphs of its set, and again with the
paragraphs that hold its answer disabled, where nothing answers it. HotpotQA's
questions take two paragraphs each: a citation is right if it is one of the
sentences that people marked as supporting.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.common import holds, lines, mean, percentile, report, token_f1
from cogagent import Answer, CogAgent, Source

SHARES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.10, 0.12, 0.15, 0.20, 0.30)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its answers, where they stand, and whether a quote is a right one."""

    question: str
    answers: Sequence[str]
    gold: Sequence[str]
    right: Callable[[str], bool]


def squad() -> tuple[list[dict], list[Asked]]:
    """SQuAD's paragraphs and questions, as XQuAD has them."""
    found = []
    for row in lines("squad_xquad_en", "dev", "qa.jsonl"):
        answers = row["answers"]
        found.append(
            Asked(
                row["question"],
                answers,
                [row["doc"]],
                lambda quote, answers=answers: any(gold in quote for gold in answers),
            )
        )
    return lines("squad_xquad_en", "corpus.jsonl"), found


def hotpot() -> tuple[list[dict], list[Asked]]:
    """HotpotQA's paragraphs and questions."""
    rows = lines("hotpot100", "corpus.jsonl")
    texts = {row["_id"]: row["sentences"] for row in rows}
    found = []
    for row in lines("hotpot100", "dev", "qa.jsonl"):
        marked = [
            texts[key][n].strip() for key, n in row["supporting_facts"] if n < len(texts[key])
        ]
        found.append(
            Asked(
                row["question"],
                [row["answer"]],
                row["gold"],
                lambda quote, marked=marked: any(
                    holds(quote, [sentence]) or holds(sentence, [quote]) for sentence in marked
                ),
            )
        )
    return rows, found


def measure(name: str, rows: Sequence[dict], questions: Sequence[Asked]) -> None:
    """Ask everything, with and without what answers it, and print the figures."""
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        agent.ingest(
            [
                Source(
                    uri=row["_id"],
                    data=row["text"].encode(),
                    media_type="text/plain",
                    title=row.get("title") or None,
                )
                for row in rows
            ]
        )
        ids = {document.uri: document.id for document in agent.documents.list()}
        with_gold: list[Answer] = []
        spent = []
        for asked in questions:
            start = time.perf_counter()
            with_gold.append(agent.ask(asked.question))
            spent.append(1000 * (time.perf_counter() - start))
        without = []
        for asked in questions:
            for key in asked.gold:
                agent.documents.disable(ids[key])
            without.append(agent.ask(asked.question))
            for key in asked.gold:
                agent.documents.enable(ids[key])
    pairs = list(zip(with_gold, questions, strict=True))
    report(
        f"{name} dev, {len(rows)} paragraphs",
        {
            "questions": len(questions),
            "first citation right": mean(
                bool(answer.citations) and asked.right(answer.citations[0].quote)
                for answer, asked in pairs
            ),
            "answerable declined": mean(not answer.citations for answer in with_gold),
            "unanswerable declined": mean(not answer.citations for answer in without),
            "token F1 of the phrase": mean(
                max(token_f1(answer.short, gold) for gold in asked.answers)
                for answer, asked in pairs
            ),
            "ask p50 ms": percentile(spent, 0.5),
        },
    )
    print("answerable declined -> unanswerable declined, by threshold on the confidence:")
    sure, unsure = [a.confidence for a in with_gold], [a.confidence for a in without]
    for share in SHARES:
        threshold = percentile(sure, share)
        declined = mean(value < threshold for value in unsure)
        print(f"  {mean(v < threshold for v in sure):.3f} -> {declined:.3f} (at {threshold:.3f})")


def main() -> None:
    sets = {"squad": squad, "hotpot": hotpot}
    for name in sys.argv[1:] or sets:
        measure(name, *sets[name]())


if __name__ == "__main__":
    main()
