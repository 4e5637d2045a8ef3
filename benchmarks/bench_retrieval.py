"""Text retrieval through the product: ingest, then search.

``python -m benchmarks.bench_retrieval [scifact] [cranfield] …``
"""

from __future__ import annotations

import sys
import tempfile

from benchmarks.common import distinct, lines, mean, ndcg, percentile, qrels, recall, report
from cogagent import CogAgent, Source

SETS = {
    "scifact dev": ("scifact", "scifact/dev"),
    "scifact extra_train": ("scifact", "scifact/extra_train"),
    "cranfield dev": ("cranfield", "cranfield/dev"),
    "squad_xquad dev": ("squad_xquad_en", "squad_xquad_en/dev"),
    "hotpot100 dev": ("hotpot100", "hotpot100/dev"),
}


def main(names: list[str]) -> None:
    import time

    homes: dict[str, str] = {}
    for name, (corpus, split) in SETS.items():
        if names and not any(wanted in name for wanted in names):
            continue
        home = homes.get(corpus)
        with CogAgent(home=home or tempfile.mkdtemp()) as agent:
            if home is None:
                homes[corpus] = str(agent.home)
                sources = [
                    Source(
                        uri=row["_id"],
                        data=row["text"].encode() or b" ",
                        media_type="text/plain",
                        title=row.get("title") or None,
                    )
                    for row in lines(corpus, "corpus.jsonl")
                ]
                made = agent.ingest(sources)
                report(
                    f"{corpus} ingest",
                    {
                        "documents": made.ingested,
                        "failed": len(made.failed),
                        "chunks": made.chunks,
                        "seconds": made.seconds,
                    },
                )
            relevant = qrels(split, "qrels.tsv")
            rankings, spent = {}, []
            for query in lines(split, "queries.jsonl"):
                if query["_id"] in relevant:
                    start = time.perf_counter()
                    found = agent.search(query["text"], k=60, modality="text")
                    spent.append(1000 * (time.perf_counter() - start))
                    rankings[query["_id"]] = distinct(piece.uri for piece in found)
            report(
                name,
                {
                    "queries": len(rankings),
                    "nDCG@10": mean(ndcg(rankings[key], relevant[key]) for key in rankings),
                    "R@10": mean(recall(rankings[key], relevant[key], 10) for key in rankings),
                    "p50 ms": percentile(spent, 0.5),
                },
            )


if __name__ == "__main__":
    main(sys.argv[1:])
