"""Pictures through the product.

``python -m benchmarks.bench_pictures [flickr] [charts] [imagenet]``
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import data, distinct, lines, mean, ndcg, qrels, recall, report
from cogagent import CogAgent
from cogagent.config import Settings
from cogagent.models.factory import classifier
from cogagent.models.imagenet import classes
from cogagent.types import Raster


def flickr() -> None:
    """Caption to picture over Flickr8k."""
    files = sorted(data("flickr8k_1k", "dev", "images").iterdir())
    relevant = qrels("flickr8k_1k", "dev", "qrels.tsv")
    queries = lines("flickr8k_1k", "dev", "queries.jsonl")
    rankings, seconds = searched(files, [query["text"] for query in queries])
    report(
        f"flickr8k dev, {len(queries)} captions, {len(files)} pictures",
        {
            f"R@{k}": mean(
                recall([f"images/{name}" for name in ranking], relevant[query["_id"]], k)
                for query, ranking in zip(queries, rankings, strict=True)
            )
            for k in (1, 10)
        }
        | {"ingest s": seconds},
    )


def charts() -> None:
    """Question to chart over OpenCQA's 300; the charts are all that is ingested."""
    rows = lines("opencqa", "dev", "qa.jsonl")
    files = sorted({data("opencqa", "dev", row["image"]) for row in rows})
    content = {file.name: file.read_bytes() for file in files}
    rankings, seconds = searched(files, [row["question"] for row in rows])
    found = []
    for row, ranking in zip(rows, rankings, strict=True):
        wanted = content[Path(row["image"]).name]
        found.append(ndcg(ranking, {name for name in content if content[name] == wanted}))
    report(
        f"opencqa dev, {len(rows)} questions, {len(files)} charts",
        {"nDCG@10": mean(found), "ingest s": seconds},
    )


def searched(files: Sequence[Path], queries: Sequence[str]) -> tuple[list[list[str]], float]:
    """File names of the pictures found for each query, and the seconds of the ingest."""
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        made = agent.ingest(files)
        print(f"{made.ingested} ingested, {len(made.failed)} failed")
        return [
            distinct(Path(e.uri).name for e in agent.search(query, k=10, modality="image"))
            for query in queries
        ], made.seconds


def imagenet() -> None:
    """Is the class named? And are the tags right?"""
    files = sorted(data("imagenet_samples", "dev", "images").iterdir())
    synsets = [entry.synset for entry in classes()]
    wanted = np.array([synsets.index(file.name.split("_")[0]) for file in files])
    shown = classifier(Settings()).probabilities([_raster(file) for file in files])
    hits = shown[np.arange(len(files)), wanted]
    tagged = shown >= 0.2
    report(
        f"imagenet_samples dev, {len(files)} pictures",
        {
            "top-1": float((shown.argmax(axis=1) == wanted).mean()),
            "top-5": float(((shown > hits[:, None]).sum(axis=1) < 5).mean()),
            "tag precision": float((hits >= 0.2).sum() / tagged.sum()),
            "tag recall": float((hits >= 0.2).mean()),
        },
    )


def _raster(file: Path) -> Raster:
    return Raster(np.asarray(Image.open(file).convert("RGB")))


if __name__ == "__main__":
    parts = {"flickr": flickr, "charts": charts, "imagenet": imagenet}
    for name in sys.argv[1:] or parts:
        parts[name]()
