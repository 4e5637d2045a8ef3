"""Is the kind of a picture told rightly, and what does perception cost?

``python -m benchmarks.bench_perception [COUNT] [--show]``

COUNT pictures (150 by default) of each set, drawn with a fixed seed: photographs
(Flickr8k, ImageNet samples), charts (ChartQA's from Statista, OpenCQA's from
Pew), and of the papers of aragog, as our own loader finds them, pages without
figures or tables at 110 dpi and tables at 150 dpi. Each is read, and its kind
told. The thresholds were set on the photographs and charts whose name has an
even CRC-32; figures are given for that half and for the other. Two cautions: the
one for paper was checked against all photographs, and 44 of the pages and 50 of
the tables, of both halves, were looked at while the thresholds were set.

Milliseconds are those beside OCR and the ImageNet network: kind, colours,
blocks and description, on one thread.

``--show`` prints kind and description of up to 20 figures of the papers instead, for the eye:
nobody has labelled those.
"""

from __future__ import annotations

import random
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.common import data, mean, percentile, report
from cogagent.config import Settings
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.geometry import to_pixels
from cogagent.models.classifier import Classifier
from cogagent.models.factory import image_embedder
from cogagent.pipelines.seeing import see
from cogagent.types import Element, Raster, Source
from cogagent.vision.colours import colours_of
from cogagent.vision.eyes import Eyes
from cogagent.vision.kinds import kind_of
from cogagent.vision.ocr import Reader
from cogagent.vision.perception import perceive
from cogagent.vision.tags import paper, tags

COUNT, FIGURES, SEED = 150, 20, 1
PAGE_DPI, PART_DPI = 110, 150
SETS = {
    "flickr8k": ("photograph", ("flickr8k_1k", "dev", "images")),
    "imagenet": ("photograph", ("imagenet_samples", "dev", "images")),
    "chartqa": ("chart", ("chartqa_m", "dev", "images")),
    "opencqa": ("chart", ("opencqa", "dev", "images")),
}
Load = Callable[[], Raster]


class Example(NamedTuple):
    kind: str
    name: str
    load: Load


class Told(NamedTuple):
    kind: str
    said: str
    tuned: bool
    milliseconds: float


def main(arguments: Sequence[str]) -> None:
    if "--show" in arguments:
        show()
        return
    count = int(arguments[0]) if arguments else COUNT
    reader, network = Reader(Settings()), Classifier(Settings())
    everything: list[Told] = []
    for name, examples in sets(count).items():
        told = [tell(example, reader, network) for example in examples]
        everything += told
        counts = Counter(one.said for one in told)
        report(f"{name}, {len(told)} of kind {told[0].kind}", dict(counts.most_common()))
    for half, tuned in (("tuned on", True), ("held out", False)):
        mine = [one for one in everything if one.tuned == tuned]
        for kind in sorted({one.kind for one in mine}):
            right = sum(one.kind == one.said == kind for one in mine)
            said = sum(one.said == kind for one in mine)
            wanted = sum(one.kind == kind for one in mine)
            report(
                f"{half}, {kind}",
                {"precision": right / max(said, 1), "recall": right / wanted, "of": wanted},
            )
    spent = [one.milliseconds for one in everything]
    report(
        "perception beside the networks, ms",
        {"mean": mean(spent), "p50": percentile(spent, 0.5), "p95": percentile(spent, 0.95)},
    )


def tell(example: Example, reader: Reader, network: Classifier) -> Told:
    raster = example.load()
    reading, (chances,) = reader.read(raster), network.probabilities([raster])
    start = time.thread_time()
    kind = kind_of(raster, reading, paper(chances))
    perceive(raster, kind, tags(chances, kind), colours_of(raster), reading)
    spent = 1000 * (time.thread_time() - start)
    tuned = zlib.crc32(example.name.encode()) % 2 == 0
    return Told(example.kind, kind, tuned, spent)


def sets(count: int) -> dict[str, list[Example]]:
    """Up to ``count`` labelled pictures of each set."""
    found = {
        name: [
            Example(kind, file.stem, partial(_opened, file))
            for file in sorted(data(*place).iterdir())
        ]
        for name, (kind, place) in SETS.items()
    }
    found["aragog pages"], found["aragog tables"] = _pages(), _tables()
    return {
        name: random.Random(SEED).sample(examples, min(count, len(examples)))
        for name, examples in found.items()
    }


def show() -> None:
    """What is said of figures."""
    eyes = Eyes(Settings(), image_embedder(Settings()))
    figures = [
        (file, element) for file, element in _elements() if element.kind in ("figure", "image")
    ]
    for file, element in random.Random(SEED).sample(figures, min(FIGURES, len(figures))):
        seen = see(element, _part(file, element, PART_DPI), eyes)[0]
        print(f"{file.stem}, page {element.page}: {seen.whole}", flush=True)


def _pages() -> list[Example]:
    found = list(_elements())
    drawn = {
        (file, item.page) for file, item in found if item.kind in ("figure", "image", "table")
    }
    return [
        Example("page", f"{file.stem}_{item.page}", partial(_part, file, item, PAGE_DPI))
        for file, item in found
        if item.kind == "page" and (file, item.page) not in drawn
    ]


def _tables() -> list[Example]:
    return [
        Example("table", f"{file.stem}_{number}", partial(_part, file, item, PART_DPI))
        for number, (file, item) in enumerate(_elements())
        if item.kind == "table"
    ]


def _elements() -> Iterator[tuple[Path, Element]]:
    settings = Settings()
    for file in sorted(data("aragog", "pdfs").iterdir()):
        loader = PdfLoader(settings.limits, settings.parse)
        for element in loader.load(_source(file)):
            yield file, element


def _part(file: Path, element: Element, dpi: int) -> Raster:
    settings = Settings()
    page = PdfLoader(settings.limits, settings.parse).render(_source(file), element.page, dpi)
    left, top, right, bottom = to_pixels(element.box, page.size)
    return Raster(np.ascontiguousarray(page.pixels[top:bottom, left:right]))


def _source(file: Path) -> Source:
    return Source(uri=str(file), data=file.read_bytes(), media_type="application/pdf")


def _opened(file: Path) -> Raster:
    return Raster(np.asarray(Image.open(file).convert("RGB")))


if __name__ == "__main__":
    main(sys.argv[1:])
