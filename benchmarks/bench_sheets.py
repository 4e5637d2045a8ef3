"""Small print: sheets of four pages as one picture, read whole against looked at again.

``python -m benchmarks.bench_sheets [--questions 100]``

Pages of filings, drawn with a fixed seed, are rendered at 200 dpi and tiled two by
two into a picture of about 3400 x 4400 pixels, a PNG file. One question a page is made by
rule from the PDF's own text: of the rows that open with a label of two words or more and
whose numbers stand, one each, under the years of a line above them, one is drawn; "What is
<label> for <year>?" asks for the number there. Numbers of fewer than three digits are not
asked for, nor numbers or labels that stand on the sheet twice.

All ways are scored by the same rule over the words they read (``value_of``: the number in
the row of the label, under the header), which has to give the number as it is printed: signs
of currency and per cent do not count, brackets do, since they make it negative.

``rapidocr``: ``RapidOCR()(path)``, as its users call it.
``whole``: the embedded reader on the sheet, nothing else.
``revisit``: the same; then ``WordPointer`` points, the places are cut at full
resolution and read again, and the rule is applied to the words with those of the
places read anew. The milliseconds are those of pointing and reading again.
``thumbnail``: the sheet at a quarter of its width and height, which the embedded reader can
hardly read; ``thumbnail+revisit``: that, and where the pointer finds less than half of the
question in it, the sheet's quarters read at full resolution, once a sheet (its cost stands
apart); then as ``revisit``.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pdfplumber
import pypdfium2
from PIL import Image

from benchmarks.common import data, mean, percentile, report
from cogagent.config import Settings
from cogagent.geometry import Box, from_pixels, place
from cogagent.types import Raster, Words
from cogagent.vision.ocr import Reader
from cogagent.vision.pointing.base import Picture
from cogagent.vision.pointing.crossing import value_of
from cogagent.vision.pointing.words import WordPointer
from cogagent.vision.rereading import read_parts, reread

DPI, SEED, PLACES, ENOUGH = 200, 6, 2, 0.5
LETTER = (612.0, 792.0)
"""Points; pages of other sizes are left out, so that four make a sheet."""
NUMBER = re.compile(r"\(?\$?\d[\d,]*(?:\.\d+)?\)?%?")
YEAR = re.compile(r"(?:19|20)\d\d")
SIGNS = {"$", "%", ")", "(", ")%", "%)"}
DASHES = {"-", "\u2013", "\u2014"}
POINTS_APART = 40.0
"""How far the middle of a number may be from that of its year."""
TABLE_LINES = 60
SMALL = 8.0
"""Points; print below it is small."""


class Question(NamedTuple):
    text: str
    label: str
    number: str
    height: float
    """Of the number's line, in points."""


class Page(NamedTuple):
    image: Image.Image
    words: list[str]
    rows: list[str]
    questions: list[Question]


class Sheet(NamedTuple):
    image: Image.Image
    questions: list[Question]


class Read(NamedTuple):
    """What was read on a sheet."""

    text: str
    words: Words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--questions", type=int, default=100)
    wanted = parser.parse_args().questions
    reader, pointer = Reader(Settings()), WordPointer()
    right: dict[str, list[bool]] = {}
    small: list[bool] = []
    cost: dict[str, list[float]] = {}
    asked = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sheet.png"
        for sheet in sheets():
            sheet.image.save(path, compress_level=1)
            raster = Raster(np.asarray(Image.open(path).convert("RGB")))
            reads = first_readings(path, raster, reader, cost)
            starts = {"revisit": reads["whole"], "thumbnail+revisit": reads["thumbnail"]}
            for question in sheet.questions[: wanted - asked]:
                given = {way: answer(question, read, raster) for way, read in reads.items()}
                for way, start in starts.items():
                    began = time.perf_counter()
                    if way != "revisit" and is_coarse(question, start, raster, pointer):
                        parts = read_parts(raster, reader)
                        start = starts[way] = Read(parts.text, parts.words)
                        cost.setdefault("quarters a sheet", []).append(time.perf_counter() - began)
                    began = time.perf_counter()
                    seen = revisited(question, start, raster, reader, pointer)
                    cost.setdefault(f"{way} a question", []).append(time.perf_counter() - began)
                    given[way] = answer(question, seen, raster)
                for way, said in given.items():
                    right.setdefault(way, []).append(said == question.number)
                small.append(question.height < SMALL)
                asked += 1
                marks = " ".join(f"{way}={said!r}" for way, said in given.items())
                print(f"  {question.text!r} {question.number!r}: {marks}", file=sys.stderr)
            if asked >= wanted:
                break
    for way, marks in right.items():
        fine = [mark for mark, under in zip(marks, small, strict=True) if under]
        figures = {"questions": len(marks), "right": mean(marks)}
        report(way, figures | {f"under {SMALL:g} points": len(fine), "of them right": mean(fine)})
    for way, seconds in cost.items():
        figures = {"mean ms": 1000 * mean(seconds), "90th ms": 1000 * percentile(seconds, 0.9)}
        report(way, figures)
    gained = 100 * (mean(right["revisit"]) - mean(right["rapidocr"]))
    print(f"revisit over rapidocr: {gained:+.0f} points")


def first_readings(
    path: Path, raster: Raster, reader: Reader, cost: dict[str, list[float]]
) -> dict[str, Read]:
    small = Image.open(path).convert("RGB").reduce(4)
    ways = {
        "rapidocr": lambda: theirs(path, raster.size),
        "whole": lambda: ours(raster, reader),
        "thumbnail": lambda: ours(Raster(np.asarray(small)), reader),
    }
    found = {}
    for way, read in ways.items():
        began = time.perf_counter()
        found[way] = read()
        cost.setdefault(f"{way} a sheet", []).append(time.perf_counter() - began)
    return found


def ours(raster: Raster, reader: Reader) -> Read:
    reading = reader.read(raster)
    return Read(reading.text, reading.words)


def theirs(path: Path, size: tuple[int, int]) -> Read:
    """Its lines as words, each as wide as its share of the letters."""
    found = engine()(path)
    text, spans, boxes = "", [], []
    for line, quad in zip(found.txts or (), found.boxes if found.txts else (), strict=True):
        left, top, right, bottom = *quad.min(axis=0), *quad.max(axis=0)
        for match in re.finditer(r"\S+", line):
            start, end = match.span()
            near, far = (left + (right - left) * at / len(line) for at in (start, end))
            spans.append((len(text) + start, len(text) + end))
            boxes.append((near, top, far, bottom))
        text += f"{line}\n"
    edges = np.clip(from_pixels(np.array(boxes), size), 0, 1).astype(np.float32)
    spans_found = np.array(spans, np.int32).reshape(-1, 2)
    return Read(text, Words(spans_found, np.ones(len(spans), np.int32), edges))


def engine(made: list[Any] = []) -> Any:  # noqa: B006
    if not made:
        from rapidocr import RapidOCR

        made.append(RapidOCR())
    return made[0]


def answer(question: Question, read: Read, raster: Raster) -> str:
    word = value_of(question.text, read.text, read.words, raster.size)
    if word is None:
        return ""
    start, end = read.words.spans[word].tolist()
    return signed(read.text[start:end])


def revisited(
    question: Question, read: Read, raster: Raster, reader: Reader, pointer: WordPointer
) -> Read:
    """The words of a sheet, those of the places pointed at read anew."""
    picture = Picture(raster, read.text, read.words)
    places = pointer.places(question.text, picture, PLACES)
    for box in boxes_of(places):
        read = replaced(read, box, reread(raster, box, reader))
    return read


def is_coarse(question: Question, read: Read, raster: Raster, pointer: WordPointer) -> bool:
    """Whether too little of a question was read to point at anything."""
    places = pointer.places(question.text, Picture(raster, read.text, read.words), 1)
    return not places or places[0].score < ENOUGH


def boxes_of(places: Sequence[Any]) -> list[Box]:
    found = [place.box for place in places]
    return [
        box for box in found if not any(box.inside(other) > 0.9 for other in found if other != box)
    ]


def replaced(read: Read, box: Box, again: Any) -> Read:
    middles = (read.words.boxes[:, :2] + read.words.boxes[:, 2:]) / 2
    inside = (middles > (box.x0, box.y0)).all(axis=1) & (middles < (box.x1, box.y1)).all(axis=1)
    kept = Words(read.words.spans[~inside], read.words.pages[~inside], read.words.boxes[~inside])
    new = Words(again.words.spans, again.words.pages, place(again.words.boxes, box))
    text = f"{read.text}\n\n{again.text}"
    return Read(text, Words.concat([(0, kept), (len(read.text) + 2, new)]))


# --- sheets and questions -----------------------------------------------------


def sheets() -> Iterator[Sheet]:
    """Four pages each, one question of each page."""
    chance = random.Random(SEED)
    found = pages(chance)
    for four in iter(lambda: list(itertools.islice(found, 4)), []):
        words = Counter(bare(word) for page in four for word in page.words)
        rows = [row for page in four for row in page.rows]
        questions = []
        for page in four:
            fits = [
                question
                for question in page.questions
                if words[bare(question.number)] == 1
                and sum(question.label in row for row in rows) == 1
            ]
            questions += chance.sample(fits, 1) if fits else []
        width, height = four[0].image.size
        image = Image.new("RGB", (2 * width, 2 * height), "white")
        for number, page in enumerate(four):
            image.paste(page.image, (number % 2 * width, number // 2 * height))
        yield Sheet(image, questions)


def pages(chance: random.Random) -> Iterator[Page]:
    """Pages that something can be asked about, in an order that is the same every time."""
    places = []
    for file in sorted(data("financebench", "dev", "pdfs").glob("*.pdf")):
        document = pypdfium2.PdfDocument(file)
        places += [(file, number) for number in range(len(document))]
        document.close()
    chance.shuffle(places)
    for file, number in places:
        with pdfplumber.open(file, pages=[number + 1]) as pdf:
            page = pdf.pages[0]
            size = (float(page.width), float(page.height))
            if page.rotation or any(abs(a - b) > 2 for a, b in zip(size, LETTER, strict=True)):
                continue
            words = page.extract_words()
            rows = rows_of(words)
        questions = asked_of(rows)
        if questions:
            document = pypdfium2.PdfDocument(file)
            image = document[number].render(scale=DPI / 72).to_pil().convert("RGB")
            document.close()
            labels = [" ".join(word["text"] for word in row) for row in rows]
            wide, high = (round(side * DPI / 72) for side in LETTER)
            yield Page(image.resize((wide, high)), [w["text"] for w in words], labels, questions)


def rows_of(words: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    rows: list[list[dict[str, Any]]] = []
    for word in sorted(words, key=lambda word: word["top"] + word["bottom"]):
        middle = (word["top"] + word["bottom"]) / 2
        if rows and rows[-1][0]["top"] < middle < rows[-1][0]["bottom"]:
            rows[-1].append(word)
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word["x0"]) for row in rows]


def asked_of(rows: list[list[dict[str, Any]]]) -> list[Question]:
    """What the rows of a page can be asked for."""
    found = []
    for number, row in enumerate(rows):
        texts = [word["text"] for word in row]
        first = next((at for at, text in enumerate(texts) if NUMBER.fullmatch(text)), len(texts))
        label = [text for text in texts[:first] if text not in SIGNS]
        letters = [text for text in label if re.fullmatch(r"[A-Za-z][A-Za-z,'-]{2,}", text)]
        if not 2 <= len(label) <= 9 or len(letters) < 2 or re.search(r"\d", " ".join(label)):
            continue
        rest = [word for word in row[first:] if word["text"] not in SIGNS]
        if any(not NUMBER.fullmatch(w["text"]) and w["text"] not in DASHES for w in rest):
            continue
        years = header(rows[max(number - TABLE_LINES, 0) : number], rest)
        for year, word in zip(years, rest, strict=True) if years else ():
            printed = bare(word["text"])
            if sum(map(str.isdigit, printed)) >= 3 and not YEAR.fullmatch(printed):
                text = f"What is {' '.join(label).rstrip(':')} for {year}?"
                height = float(word["bottom"] - word["top"])
                found.append(Question(text, " ".join(label), signed(word["text"]), height))
    return found


def header(above: list[list[dict[str, Any]]], cells: list[dict[str, Any]]) -> list[str]:
    """The years of the nearest line above that has any, if they stand over ``cells``.

    None if words stand over the cells in between, which then head another table.
    """
    left, right = (cells[0]["x0"], cells[-1]["x1"]) if cells else (0.0, 0.0)
    for row in reversed(above):
        years = [word for word in row if YEAR.fullmatch(word["text"])]
        if len(years) < 2:
            over = (word for word in row if word["x1"] > left and word["x0"] < right)
            if any(map(str.isalpha, "".join(word["text"] for word in over))):
                return []
            continue
        over = len(years) == len(cells) and all(
            abs(year["x0"] + year["x1"] - cell["x0"] - cell["x1"]) / 2 < POINTS_APART
            for year, cell in zip(years, cells, strict=True)
        )
        texts = [year["text"] for year in years]
        return texts if over and len(set(texts)) == len(texts) else []
    return []


def signed(word: str) -> str:
    """A number as printed, without signs of currency and per cent; brackets are a minus."""
    negative = "(" in word or ")" in word or word.strip("$")[:1] in ("-", "\u2212", "\u2013")
    return f"{'-' if negative else ''}{bare(word)}"


def bare(word: str) -> str:
    return word.strip("$()%\u20ac\u00a3-\u2212\u2013 ")


if __name__ == "__main__":
    main()
