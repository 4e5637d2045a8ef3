"""From a PDF to the line that is cited, in a real browser: ``python -m benchmarks.show_page``.

For each of the first ``--documents`` filings of FinanceBench, with its first question: the
filing is chosen in the page's file field, beside those before it; when it has been read the
question is asked, and each marker of the answer clicked, or what came closest where the answer
was not found. Then it is compared

- where each edge of each rectangle is seen with where the citation's box says, in CSS pixels;
- what OCR reads from the screen within the rectangles with the words that are cited (of a table:
  the value, its row and its column): recall is the share of the quote's characters that are
  there, precision the share of the characters there that are the quote's.

Ends with 1 if an edge is off by more than ``ALLOWED`` or recall is under ``LEAST``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import numpy as np
from PIL import Image, ImageOps

from benchmarks.bench_boxes import differences, plain
from benchmarks.common import data, lines, mean, report
from cogagent.config import Settings
from cogagent.types import Raster
from cogagent.vision.ocr import Reader
from tests.browser.conftest import ask, chromium, served
from tests.browser.pixels import drawn

if TYPE_CHECKING:
    from playwright.sync_api import Page

ALLOWED = 2.0
"""CSS pixels: the width of a rectangle's line."""
LEAST = 0.9
PATIENCE = 900_000.0
"""Milliseconds; filings have hundreds of pages."""
BORDER = 24
"""White pixels around a line before it is read: OCR is not made for letters at the rim."""


class Cited(NamedTuple):
    """What a click showed.

    Attributes:
        offsets: Of all edges in view, in CSS pixels.
        recall: Of the quote's characters within the rectangles.
        precision: Likewise.
        right_page: Whether FinanceBench names the page as evidence.
    """

    offsets: list[float]
    recall: float
    precision: float
    right_page: bool


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=10)
    count = parser.parse_args().documents
    asked: dict[str, dict[str, Any]] = {}
    for row in lines("financebench", "dev", "qa.jsonl"):
        asked.setdefault(row["doc"], row)
    reader, found = Reader(Settings()), list[Cited]()
    with shown() as page:
        for row in list(asked.values())[:count]:
            print(f"{row['doc']}: {row['question'][:100]}", flush=True)
            found += [_clicked(page, one, row, reader) for one in _answered(page, row)]
    if not found:
        sys.exit("nothing was cited")
    offsets = [offset for one in found for offset in one.offsets]
    figures = {
        "citations": len(found),
        "edges in view": len(offsets),
        "mean off by px": mean(offsets),
        "worst off by px": max(offsets),
        "recall": mean(one.recall for one in found),
        "worst recall": min(one.recall for one in found),
        "precision": mean(one.precision for one in found),
        "on a page of the evidence": mean(one.right_page for one in found),
    }
    report("all", figures)
    if figures["worst off by px"] > ALLOWED or figures["recall"] < LEAST:
        sys.exit(1)


@contextmanager
def shown() -> Iterator[Page]:
    """The page of a service whose home is empty, in Chromium."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "kb") as service,
        chromium() as browser,
    ):
        page = browser.new_page(
            viewport={"width": 2000, "height": 1200},
            device_scale_factor=2,
            reduced_motion="reduce",
            base_url=service.url,
        )
        page.set_default_timeout(PATIENCE)
        page.goto("/")
        page.locator("#no-documents").wait_for()
        yield page


def _answered(page: Page, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Upload a filing and ask about it; what is cited, or what came closest."""
    name = f"{row['doc']}.pdf"
    begun = time.perf_counter()
    page.set_input_files("#files", data("financebench", "dev", "pdfs", name))
    page.get_by_text(f"Read {name}.").wait_for()
    report("  read", {"s": time.perf_counter() - begun})
    ask(page, row["question"])
    origin, _, trace = page.url.partition("#trace=")
    answer = httpx.get(f"{origin}v1/traces/{trace}").raise_for_status().json()["answer"]
    print(f"  {' '.join(answer['text'].split())[:200]}", flush=True)
    return [*answer["citations"]] or [answer["closest"]]


def _clicked(page: Page, citation: dict[str, Any], row: dict[str, Any], reader: Reader) -> Cited:
    run = page.locator(".run").last
    marker = run.get_by_role("button", name=f"Source {citation['marker']}:")
    closest = run.locator(".answer").get_by_role("button", name=f", page {citation['page']}")
    (marker if marker.count() else closest).first.click()
    page.locator(".overlay .mark").first.wait_for()
    page.locator(".view:not([aria-busy])").wait_for()
    boxes = [one["box"] for one in citation["boxes"] if one["page"] == citation["page"]]
    seen = [drawn(page, at, box) for at, box in enumerate(boxes)]
    quote, there = citation["quote"], [_read(reader, one.inside) for one in seen]
    if citation["parts"]:  # of a table: the value, and what names its row and column
        inside = sorted((box[1], box[0], text) for box, text in zip(boxes, there, strict=True))
        there = [text for *_, text in inside]
        parts = sorted((*part["box"][1::-1], part["text"]) for part in citation["parts"])
        quote = "".join(text for *_, text in parts)
    wanted, found = plain(quote), plain("".join(there))
    missing, extra = differences(wanted, found)
    pages = {evidence["page0"] + 1 for evidence in row["evidence"]}
    cited = Cited(
        [offset for one in seen for offset in one.offsets],
        1 - missing / max(1, len(wanted)),
        1 - extra / max(1, len(found)),
        citation["uri"].endswith(f"{row['doc']}.pdf") and citation["page"] in pages,
    )
    report(
        f"  [{citation['marker']}] {citation['title']} page {citation['page']}",
        {
            "rectangles": len(boxes),
            "off by px": max(cited.offsets),
            "recall": cited.recall,
            "precision": cited.precision,
            "right page": cited.right_page,
        },
    )
    return cited


def _read(reader: Reader, picture: Image.Image) -> str:
    bordered = ImageOps.expand(picture, BORDER, "white")
    return reader.read(Raster(np.asarray(bordered))).text


if __name__ == "__main__":
    main()
