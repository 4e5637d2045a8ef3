"""Pictures through the product.

``python -m benchmarks.bench_pictures [flickr] [charts] [mosaics] [imagenet] [--tiles none views]``
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.common import data, distinct, lines, mean, ndcg, qrels, recall, report
from cogagent import CogAgent
from cogagent.config import ParseSettings, Settings
from cogagent.models.factory import classifier
from cogagent.models.imagenet import classes
from cogagent.types import Raster

SHUFFLES, ACROSS, CELL = 8, 4, 200
"""Of mosaics: how often all photographs are dealt out, cells in a row, pixels of a cell."""


class Searched(NamedTuple):
    """What became of queries over pictures.

    Attributes:
        rankings: File names of the pictures found for each query, best first.
        seconds: Of the ingest.
        size: Bytes a picture in the home, originals not counted.
    """

    rankings: list[list[str]]
    seconds: float
    size: float

    def costs(self) -> dict[str, float]:
        """As figures of a report."""
        return {"ingest s": self.seconds, "kB a picture": self.size / 1000}


def flickr(tiles: str) -> None:
    """Caption to picture over Flickr8k; every second picture's captions also by themselves."""
    files = sorted(data("flickr8k_1k", "dev", "images").iterdir())
    relevant = qrels("flickr8k_1k", "dev", "qrels.tsv")
    queries = lines("flickr8k_1k", "dev", "queries.jsonl")
    found = searched(files, [query["text"] for query in queries], tiles)
    held = {f"images/{file.name}" for file in files[1::2]}
    ranked = [
        ([f"images/{name}" for name in ranking], relevant[query["_id"]])
        for query, ranking in zip(queries, found.rankings, strict=True)
    ]
    for name, part in {
        "": ranked,
        ", half held back": [(r, wanted) for r, wanted in ranked if wanted & held],
    }.items():
        report(
            f"flickr8k dev{name}, {len(part)} captions, {len(files)} pictures, tiles {tiles}",
            {f"R@{k}": mean(recall(r, wanted, k) for r, wanted in part) for k in (1, 10)}
            | {"nDCG@10": mean(ndcg(r, wanted) for r, wanted in part)}
            | found.costs(),
        )


def charts(tiles: str) -> None:
    """Question to chart over OpenCQA's 300; the charts are all that is ingested."""
    rows = lines("opencqa", "dev", "qa.jsonl")
    files = sorted({data("opencqa", "dev", row["image"]) for row in rows})
    content = {file.name: file.read_bytes() for file in files}
    found = searched(files, [row["question"] for row in rows], tiles)
    gains = []
    for row, ranking in zip(rows, found.rankings, strict=True):
        wanted = content[Path(row["image"]).name]
        gains.append(ndcg(ranking, {name for name in content if content[name] == wanted}))
    report(
        f"opencqa dev, {len(rows)} questions, {len(files)} charts, tiles {tiles}",
        {"nDCG@10": mean(gains)} | found.costs(),
    )


def mosaics(tiles: str) -> None:
    """Is a picture of sixteen photographs found by what is on one of them?"""
    rows = lines("imagenet_samples", "dev", "labels.jsonl")
    with tempfile.TemporaryDirectory() as folder:
        shown = dict(_mosaics([Path(row["image"]).name for row in rows], Path(folder)))
        files = [Path(folder, name) for name in shown]
        rows = [row for row in rows if any(Path(row["image"]).name in on for on in shown.values())]
        found = searched(files, [row["label"] for row in rows], tiles)
    ranked = [
        (ranking, {name for name, on in shown.items() if Path(row["image"]).name in on})
        for row, ranking in zip(rows, found.rankings, strict=True)
    ]
    report(
        f"mosaics of {ACROSS}x{ACROSS}, {len(rows)} names, {len(files)} mosaics, tiles {tiles}",
        {
            "first is one": mean(bool({*r[:1]} & wanted) for r, wanted in ranked),
            "by chance": mean(len(wanted) for _, wanted in ranked) / len(files),
            "nDCG@10": mean(ndcg(r, wanted) for r, wanted in ranked),
        }
        | found.costs(),
    )


def _mosaics(names: list[str], folder: Path) -> Iterator[tuple[str, set[str]]]:
    """Makes mosaics; the file name of each, and those of the photographs on it."""
    chance = random.Random(0)
    for turn in range(SHUFFLES):
        dealt = chance.sample(names, len(names))
        for start in range(0, len(dealt) - ACROSS * ACROSS + 1, ACROSS * ACROSS):
            on = dealt[start : start + ACROSS * ACROSS]
            mosaic = Image.new("RGB", (ACROSS * CELL, ACROSS * CELL))
            for place, name in enumerate(on):
                with Image.open(data("imagenet_samples", "dev", "images", name)) as photograph:
                    cell = photograph.convert("RGB").resize((CELL, CELL))
                mosaic.paste(cell, (place % ACROSS * CELL, place // ACROSS * CELL))
            mosaic.save(folder / f"{turn}-{start}.jpg", quality=92)
            yield f"{turn}-{start}.jpg", set(on)


def searched(files: Sequence[Path], queries: Sequence[str], tiles: str) -> Searched:
    """Ingests pictures and searches them."""
    settings = Settings(parse=ParseSettings(tiles=tiles, keep_originals=False))
    with (
        tempfile.TemporaryDirectory() as home,
        CogAgent(home=home, settings=settings) as agent,
    ):
        made = agent.ingest(files)
        print(f"{made.ingested} ingested, {len(made.failed)} failed")
        size = sum(path.stat().st_size for path in Path(home).rglob("*") if path.is_file())
        return Searched(
            [
                distinct(Path(e.uri).name for e in agent.search(query, k=10, modality="image"))
                for query in queries
            ],
            made.seconds,
            size / len(files),
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


def _raster(file: Path) -> Raster:
    return Raster(np.asarray(Image.open(file).convert("RGB")))


def main() -> None:
    parts = {"flickr": flickr, "charts": charts, "mosaics": mosaics}
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", help=f"{', '.join(parts)}, imagenet; all if none")
    choices, default = ("none", "views", "grids"), Settings().parse.tiles
    parser.add_argument("--tiles", nargs="+", choices=choices, default=[default])
    options = parser.parse_args()
    if unknown := {*options.parts} - {*parts, "imagenet"}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    for name in options.parts or [*parts, "imagenet"]:
        if name == "imagenet":
            imagenet()
        else:
            for tiles in options.tiles:
                parts[name](tiles)


if __name__ == "__main__":
    main()
