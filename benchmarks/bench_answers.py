"""Extractive answers end to end: ``python -m benchmarks.bench_answers``.

Every question of squad_xquad dev is asked over all 240 paragraphs, and again
with its own paragraph disabled, where nothing answers it.
"""

from __future__ import annotations

import tempfile
import time

from benchmarks.common import lines, mean, percentile, report, token_f1
from cogagent import Answer, CogAgent, Source

SET = "squad_xquad_en"


def main() -> None:
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        agent.ingest(
            [
                Source(
                    uri=row["_id"],
                    data=row["text"].encode(),
                    media_type="text/plain",
                    title=row.get("title") or None,
                )
                for row in lines(SET, "corpus.jsonl")
            ]
        )
        ids = {document.uri: document.id for document in agent.documents.list()}
        questions = lines(SET, "dev", "qa.jsonl")
        with_gold: list[Answer] = []
        spent = []
        for row in questions:
            start = time.perf_counter()
            with_gold.append(agent.ask(row["question"]))
            spent.append(1000 * (time.perf_counter() - start))
        without = []
        for row in questions:
            agent.documents.disable(ids[row["doc"]])
            without.append(agent.ask(row["question"]))
            agent.documents.enable(ids[row["doc"]])
    held = [
        bool(answer.citations)
        and any(gold in answer.citations[0].quote for gold in row["answers"])
        for answer, row in zip(with_gold, questions, strict=True)
    ]
    f1 = [
        max(token_f1(answer.short, gold) for gold in row["answers"])
        for answer, row in zip(with_gold, questions, strict=True)
    ]
    report(
        "squad_xquad dev, 240 paragraphs",
        {
            "questions": len(questions),
            "first citation holds the answer": mean(held),
            "answerable declined": mean(not answer.citations for answer in with_gold),
            "unanswerable declined": mean(not answer.citations for answer in without),
            "token F1 of the phrase": mean(f1),
            "ask p50 ms": percentile(spent, 0.5),
        },
    )
    print("answerable declined -> unanswerable declined, by threshold on the confidence:")
    sure, unsure = [a.confidence for a in with_gold], [a.confidence for a in without]
    for share in (0.01, 0.02, 0.03, 0.05, 0.07, 0.10, 0.12, 0.15, 0.20, 0.30):
        threshold = percentile(sure, share)
        declined = mean(value < threshold for value in unsure)
        print(f"  {mean(v < threshold for v in sure):.3f} -> {declined:.3f} (at {threshold:.3f})")


if __name__ == "__main__":
    main()
