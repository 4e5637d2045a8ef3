"""The embedded eyes: ``python -m benchmarks.bench_pictures [flickr] [imagenet] [charts]``.

The part for charts ranks the words read off them with a plain BM25; the product's
own ranking of charts is measured elsewhere, through the front door.
"""

from __future__ import annotations

import math
import re
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import data, lines, mean, ndcg, qrels, recall, report
from cogagent.config import Settings
from cogagent.models.factory import classifier, image_embedder
from cogagent.models.imagenet import classes
from cogagent.types import Raster
from cogagent.vision.ocr import Reader


def flickr() -> None:
    """Caption to picture over Flickr8k."""
    folder = data("flickr8k_1k", "dev", "images")
    files = sorted(folder.iterdir())
    embedder = image_embedder(Settings())
    start = time.perf_counter()
    vectors = embedder.embed_images([_raster(file) for file in files])
    seconds = time.perf_counter() - start
    relevant = qrels("flickr8k_1k", "dev", "qrels.tsv")
    queries = lines("flickr8k_1k", "dev", "queries.jsonl")
    scores = embedder.embed_texts([query["text"] for query in queries]) @ vectors.T
    names = np.array([f"images/{file.name}" for file in files])
    rankings = {
        query["_id"]: names[np.argsort(-row)[:10]].tolist()
        for query, row in zip(queries, scores, strict=True)
    }
    report(
        f"flickr8k dev, {len(queries)} captions, {len(files)} pictures, {embedder.name}",
        {
            f"R@{k}": mean(recall(rankings[key], relevant[key], k) for key in rankings)
            for k in (1, 10)
        }
        | {"ms a picture": 1000 * seconds / len(files)},
    )


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


def charts() -> None:
    """Question to chart by the words read off it, over OpenCQA's 300."""
    rows = lines("opencqa", "dev", "qa.jsonl")
    images = sorted({row["image"] for row in rows})
    content = {image: (data("opencqa", "dev") / image).read_bytes() for image in images}
    reader = Reader(Settings())
    start, worked = time.perf_counter(), time.process_time()
    texts = [reader.read(_raster(data("opencqa", "dev") / image)).text for image in images]
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    found = []
    for row in rows:
        copies = {image for image in images if content[image] == content[row["image"]]}
        found.append(ndcg(_bm25(row["question"], texts, images), copies))
    report(
        f"opencqa dev, {len(rows)} questions, {len(images)} charts, words by OCR, plain BM25",
        {
            "nDCG@10": mean(found),
            "s a chart": seconds / len(images),
            "core s a chart": worked / len(images),
        },
    )


def _raster(file: Path) -> Raster:
    return Raster(np.asarray(Image.open(file).convert("RGB")))


def _bm25(question: str, texts: list[str], names: list[str]) -> list[str]:
    """Names ranked by Okapi BM25 (k1 1.2, b 0.75) over bare lower-case words."""
    documents = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    length = mean(doc.total() for doc in documents)
    scores = np.zeros(len(texts))
    for word in set(re.findall(r"\w+", question.lower())):
        having = sum(word in doc for doc in documents)
        weight = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for index, doc in enumerate(documents):
            room = 1.2 * (0.25 + 0.75 * doc.total() / length)
            scores[index] += weight * doc[word] * 2.2 / (doc[word] + room)
    return [names[index] for index in np.argsort(-scores, kind="stable")[:10]]


if __name__ == "__main__":
    parts = {"flickr": flickr, "imagenet": imagenet, "charts": charts}
    for name in sys.argv[1:] or parts:
        parts[name]()
