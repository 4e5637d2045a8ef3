"""Box fidelity: the text under cited rectangles, read back by other libraries.

Loads PDFs with ``PdfLoader``, samples sentences, captions and table rows, takes
one rectangle a line from ``Words.lines`` and reads back what stands under the
rectangles: with pdfplumber (characters whose centre is inside) and, where
poppler is installed, with ``pdftotext -bbox`` (words whose centre is inside).

    python benchmarks/bench_boxes.py [--set aragog] [--samples 200] [--seed 7]
"""

from __future__ import annotations

import argparse
import difflib
import html
import os
import random
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pdfplumber

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDERS = {"aragog": "aragog/pdfs", "financebench": "financebench/dev/pdfs"}
SENTENCE = re.compile(r"(?<=[.!?])[\"”\u2019)]*\s+(?=[A-Z“\"(\[])")
ALLOWED = 3
"""Characters that may be missing, and that may be extra."""


class Sample(NamedTuple):
    path: Path
    page: int
    kind: str
    quote: str
    rectangles: list[tuple[float, float, float, float]]
    line: float
    """Height of a line of the quote: the median of its words' heights."""


class Glyph(NamedTuple):
    text: str
    x: float
    y: float


def plain(text: str) -> str:
    """NFKC, hyphens joined, case and white space ignored."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s\u00ad\u2010\u2011-]+", "", folded)


def differences(quote: str, found: str) -> tuple[int, int]:
    """Characters of ``quote`` that are missing from ``found``, and extra ones in it."""
    if quote == found:
        return 0, 0
    blocks = difflib.SequenceMatcher(None, quote, found, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return len(quote) - same, len(found) - same


def collect(path: Path) -> tuple[list[Sample], int, float]:
    """Every quote of a file, its number of pages and the processor seconds that loading took."""
    start = time.process_time()
    source = Source(uri=str(path), data=path.read_bytes())
    elements = list(PdfLoader(LimitSettings(), ParseSettings(ocr_dpi=72)).load(source))
    seconds = time.process_time() - start
    samples: list[Sample] = []
    for element in elements:
        if element.words is not None and len(element.words):
            samples += quotes(path, element)
    return samples, sum(e.kind == "page" for e in elements), seconds


def quotes(path: Path, element: Element) -> list[Sample]:
    """Sentences of a text, rows of a table."""
    if element.kind == "table":
        parts, kind = element.text.split("\n"), "row"
    elif element.kind == "text" and element.level is None:
        parts = SENTENCE.split(element.text)
        kind = "caption" if re.match(r"(figure|table|fig\.)\s*\d", element.text, re.I) else "text"
    else:
        return []
    assert element.words is not None
    found, at = [], 0
    for part in parts:
        start = element.text.index(part, at)
        at = start + len(part)
        if kind == "text" and (len(part) < 40 or not part.endswith((".", "!", "?"))):
            continue
        lines = element.words.lines(start, at)
        if not lines or len(plain(part)) < 4:
            continue
        boxes = element.words.slice(start, at).boxes
        height = float(np.median(boxes[:, 3] - boxes[:, 1]))
        quote = part.replace(" | ", " ")
        rectangles = [tuple(line.box) for line in lines]
        found.append(Sample(path, element.page, kind, quote, rectangles, height))
    return found


def read_plumber(path: Path, pages: set[int]) -> dict[int, list[Glyph]]:
    """Characters by page, their middles as fractions of the page."""
    result = {}
    with pdfplumber.open(path) as pdf:
        for number in pages:
            page = pdf.pages[number - 1]
            left, top, right, bottom = page.bbox
            result[number] = [
                Glyph(
                    c["text"],
                    ((c["x0"] + c["x1"]) / 2 - left) / (right - left),
                    ((c["top"] + c["bottom"]) / 2 - top) / (bottom - top),
                )
                for c in page.chars
                if c["text"].strip()
            ]
            page.close()
    return result


def read_poppler(path: Path, pages: set[int]) -> dict[int, list[Glyph]]:
    """Words by page, their middles as fractions of the page."""
    result = {}
    word = re.compile(
        r'<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>'
    )
    for number in pages:
        command = ["pdftotext", "-bbox", "-f", str(number), "-l", str(number), str(path), "-"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        size = re.search(r'<page width="([\d.]+)" height="([\d.]+)"', text)
        assert size is not None
        width, height = map(float, size.groups())
        result[number] = [
            Glyph(
                html.unescape(m[5]),
                (float(m[1]) + float(m[3])) / 2 / width,
                (float(m[2]) + float(m[4])) / 2 / height,
            )
            for m in word.finditer(text)
        ]
    return result


def under(rectangles: list[tuple[float, float, float, float]], glyphs: list[Glyph]) -> str:
    """The text inside ``rectangles``, each from left to right, nothing twice."""
    left = list(glyphs)
    parts = []
    for x0, y0, x1, y1 in rectangles:
        inside = [g for g in left if x0 <= g.x <= x1 and y0 <= g.y <= y1]
        taken = set(map(id, inside))
        left = [g for g in left if id(g) not in taken]
        parts += [g.text for g in sorted(inside, key=lambda g: g.x)]
    return plain("".join(parts))


def judge(sample: Sample, glyphs: list[Glyph]) -> str:
    """What is wrong with a sample; empty when nothing is."""
    tallest = max(y1 - y0 for _, y0, _, y1 in sample.rectangles)
    if tallest > 1.5 * sample.line:
        return f"a rectangle {tallest / sample.line:.2f} lines tall"
    found = under(sample.rectangles, glyphs)
    missing, extra = differences(plain(sample.quote), found)
    if missing > ALLOWED or extra > ALLOWED:
        return f"missing {missing}, extra {extra}: {found[:300]}"
    return ""


def report(
    name: str, samples: list[Sample], read: Callable[[Path, set[int]], dict[int, list[Glyph]]]
) -> float:
    pages: dict[Path, dict[int, list[Glyph]]] = {}
    for path in {sample.path for sample in samples}:
        pages[path] = read(path, {s.page for s in samples if s.path == path})
    verdicts = [(sample, judge(sample, pages[sample.path][sample.page])) for sample in samples]
    for sample, verdict in verdicts:
        if verdict:
            print(f"  {sample.path.name} p{sample.page} [{sample.kind}] {verdict}")
            print(f"      quote: {sample.quote[:300]}")
    good = sum(not verdict for _, verdict in verdicts)
    kinds = sorted({sample.kind for sample in samples})
    detail = []
    for kind in kinds:
        mine = [not verdict for sample, verdict in verdicts if sample.kind == kind]
        detail.append(f"{kind} {sum(mine)}/{len(mine)}")
    print(f"{name}: {good}/{len(samples)} = {good / len(samples):.3f} ({', '.join(detail)})")
    return good / len(samples)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", choices=FOLDERS, default="aragog")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--extra", type=int, default=60, help="captions and table rows, each")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--files", type=int, default=0, help="only the first files; 0 for all")
    options = parser.parse_args()
    folder = Path(os.environ.get("COGAGENT_BENCH_DATA", "../shared/data")) / FOLDERS[options.set]
    paths = sorted(folder.glob("*.pdf"))
    if not paths:
        print(f"no PDFs in {folder}: set COGAGENT_BENCH_DATA to the data folder", file=sys.stderr)
        return 2
    samples, pages, seconds = [], 0, 0.0
    for path in paths[: options.files or None]:
        found, count, spent = collect(path)
        samples, pages, seconds = samples + found, pages + count, seconds + spent
    print(
        f"{pages} pages in {seconds:.1f} s = {pages / seconds:.1f} pages/s of processor time; "
        f"{len(samples)} quotes"
    )
    chance = random.Random(options.seed)
    picked: list[Sample] = []
    for kind, count in (
        ("text", options.samples),
        ("caption", options.extra),
        ("row", options.extra),
    ):
        of_kind = [sample for sample in samples if sample.kind == kind]
        picked += chance.sample(of_kind, min(count, len(of_kind)))
    report("pdfplumber", picked, read_plumber)
    if shutil.which("pdftotext"):
        report("poppler", picked, read_poppler)
    else:
        print("poppler: pdftotext is not installed, skipped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
