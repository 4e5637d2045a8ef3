"""Reading scanned pages, against rapidocr as its users call it.

``python -m benchmarks.bench_ocr [pages] [memory] [shapes]`` (all by default)

``pages``: 20 dense born-digital pages (2,500 characters or more, drawn with a
fixed seed from every filing and paper) are rasterised at 150 dpi and read by
``RapidOCR()``, which runs onnxruntime on all cores, and by ``Reader`` on as
many, in turns in one process. Each is warmed with one page that does not count.
Words are compared with the PDF's own text as multisets, since the two order
columns differently: recall is the share of the PDF's words that were read,
precision the share of the words read that the PDF has, F1 their harmonic mean.
A word is a run of letters and digits with what joins them (3,5  3.5  A-1  we'll),
case and the kinds of hyphens, dashes and apostrophes ignored.

``memory``: the most that a process of its own held while it read those pages.

``shapes``: what a process holds after 100 and after 200 pictures, no two of a
shape, and the most it held; it must not grow by more than a tenth.
"""

from __future__ import annotations

import random
import re
import resource
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import psutil
import pypdfium2
from PIL import Image, ImageDraw, ImageFont

from benchmarks.common import data, mean, report
from cogagent.config import Settings
from cogagent.types import Raster
from cogagent.vision.ocr import Reader

FOLDERS = (("aragog", "pdfs"), ("financebench", "dev", "pdfs"))
PAGES, DENSE, DPI, SEED = 20, 2_500, 150, 20
SHAPES = 200
WORD = re.compile(r"\w+(?:[.,'/-]\w+)*")
ALIKE = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": " "}
    | {"\ufffe": "-\n", "\x02": "-\n"}  # how PDFium writes a hyphen at a line's end
)
Read = Callable[[Raster], str]


class Page(NamedTuple):
    text: str
    raster: Raster


def main(parts: list[str]) -> None:
    for part in parts or ("pages", "memory", "shapes"):
        {"pages": speed, "memory": memory, "shapes": shapes}[part]()


def speed() -> None:
    readers = {"cogagent": ours(), "RapidOCR()": theirs()}
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    counts: dict[str, list[tuple[int, int, int]]] = {name: [] for name in readers}
    for number, page in enumerate(pages()):
        for name, read in readers.items():
            if not number:
                read(page.raster)
            start = time.perf_counter()
            text = read(page.raster)
            seconds[name].append(time.perf_counter() - start)
            counts[name].append(shared_words(text, page.text))
    for name in readers:
        shared, said, wanted = np.sum(counts[name], axis=0).tolist()
        report(
            f"{PAGES} dense pages at {DPI} dpi, {name}",
            {
                "s a page": mean(seconds[name]),
                "word recall": shared / wanted,
                "word precision": shared / said,
                "F1": 2 * shared / (said + wanted),
            },
        )
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"times faster: {mean(seconds['RapidOCR()']) / mean(seconds['cogagent']):.2f}")
    print(f"times faster, median page: {float(np.median(ratios)):.2f}")


def memory() -> None:
    for name in ("ours", "theirs"):
        print(f"most memory over {PAGES} pages, {name}: {run_alone(f'{name}-memory')}")


def shapes() -> None:
    print(f"{SHAPES} pictures of as many shapes: {run_alone('ours-shapes')}")


def run_alone(part: str) -> str:
    command = [sys.executable, "-m", "benchmarks.bench_ocr", part]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def held(read: Read) -> None:
    """Reads the pages and prints what the process held at most, and before."""
    before = peak()
    for page in pages():
        read(page.raster)
    print(f"{peak()} MB ({before} MB before the first)")


def grown() -> None:
    read = ours()
    sizes = np.random.default_rng(SEED).integers(200, 1600, (SHAPES, 2)).tolist()
    font = ImageFont.load_default(22)
    after = []
    for number, (width, height) in enumerate(sizes):
        image = Image.new("RGB", (width, height), "white")
        pen = ImageDraw.Draw(image)
        for y in range(10, height - 30, 120):
            pen.text((10, y), f"word {number} at line {y} " * 3, fill="black", font=font)
        read(Raster(np.asarray(image)))
        after.append(psutil.Process().memory_info().rss >> 20)
    half, full = after[SHAPES // 2 - 1], after[-1]
    print(f"{half} MB after {SHAPES // 2}, {full} MB after {SHAPES}, {peak()} MB at most")
    if full > 1.1 * half:
        sys.exit("memory grows with the pictures")


def ours() -> Read:
    reader = Reader(Settings())
    return lambda raster: reader.read(raster).text


def theirs() -> Read:
    from rapidocr import RapidOCR

    engine = RapidOCR()

    def read(raster: Raster) -> str:
        found = engine(np.ascontiguousarray(raster.pixels[:, :, ::-1]))  # it takes BGR
        return "\n".join(found.txts or ())

    return read


def pages() -> Iterator[Page]:
    """Dense pages, the same every time."""
    places = []
    for file in (file for folder in FOLDERS for file in sorted(data(*folder).glob("*.pdf"))):
        document = pypdfium2.PdfDocument(file)
        places += [
            (file, number)
            for number in range(len(document))
            if len(document[number].get_textpage().get_text_bounded()) >= DENSE
        ]
        document.close()
    random.Random(SEED).shuffle(places)
    for file, number in places[:PAGES]:
        document = pypdfium2.PdfDocument(file)
        page = document[number]
        image = page.render(scale=DPI / 72).to_pil().convert("RGB")
        yield Page(page.get_textpage().get_text_bounded(), Raster(np.asarray(image)))
        document.close()


def shared_words(text: str, gold: str) -> tuple[int, int, int]:
    """How many words the two share, how many were read, how many there are."""
    said, wanted = words(text), words(gold)
    return (said & wanted).total(), said.total(), wanted.total()


def words(text: str) -> Counter[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().translate(ALIKE)
    return Counter(WORD.findall(plain))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    alone = {
        "ours-memory": lambda: held(ours()),
        "theirs-memory": lambda: held(theirs()),
        "ours-shapes": grown,
    }
    if sys.argv[1:] and sys.argv[1] in alone:
        alone[sys.argv[1]]()
    else:
        main(sys.argv[1:])
