"""What the readers of office documents find, before it is known where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cogagent.documents.markdown import table
from cogagent.documents.text import clean

BREAK, SEEN_BREAK = "\f", "\v"
"""In a block's text: a page break that the author set, one that a program saw when it saved."""
MOST_CELLS, MOST_COLUMNS = 1_000_000, 1_000
_BREAKS = re.compile("[\f\v]")
_GENERATED = re.compile(r"\s*Description automatically generated.*$", re.DOTALL)


@dataclass(slots=True)
class Block:
    """A paragraph, table or picture.

    Attributes:
        kind: As of elements.
        text: Of a paragraph, with page breaks in it; a table's is made from its cells.
        level: Of a heading.
        caption: Of a table or picture.
        cells: A table's rows, spans filled out.
        fresh: For each of ``cells`` whether it is written there, and not filled out.
        header_rows: How many of them are header.
        row_breaks: For each row the page breaks before it.
        picture: Name of the part with the pixels.
        extent: Width and height of the picture as shown, in points.
        is_caption: A paragraph that the author marked as a caption.
    """

    kind: Literal["text", "table", "image"]
    text: str = ""
    level: int | None = None
    caption: str = ""
    cells: tuple[tuple[str, ...], ...] = ()
    fresh: list[list[bool]] = field(default_factory=list)
    header_rows: int = 0
    row_breaks: list[str] = field(default_factory=list)
    picture: str = ""
    extent: tuple[float, float] | None = None
    is_caption: bool = False


def tidy(text: str) -> str:
    """Text without control characters, blanks in a row, and blanks around breaks."""
    text = re.sub(r"[^\S\n\f\v]+", " ", text)
    return re.sub(r" *\n *", "\n", text).strip(" \n")


def printable(text: str | None) -> str:
    """Characters of an XML text as they may be stored; page breaks are none of them."""
    return clean(text or "").replace("\f", " ").replace("\v", " ")


def without_breaks(text: str) -> str:
    """A paragraph in one piece."""
    return tidy(_BREAKS.sub(" ", text))


def breaks_in(text: str) -> str:
    """The page breaks of a text alone."""
    return "".join(_BREAKS.findall(text))


def alternative(*texts: str | None) -> str:
    """The first alternative text that says something, on one line."""
    for text in texts:
        found = " ".join(_GENERATED.sub("", printable(text)).split())
        if found:
            return found
    return ""


@dataclass(slots=True)
class Cell:
    """A cell as it is written: over how many columns, and whether it goes on downwards.

    Attributes:
        text: With page breaks in it.
        columns: That it spans.
        hangs: It is the lower part of a cell above.
    """

    text: str
    columns: int = 1
    hangs: bool = False


def table_block(rows: Sequence[Sequence[Cell]], header_rows: int | None) -> Block | None:
    """A table with its spans filled out; ``None`` if nothing is written in it.

    Args:
        rows: Of cells as written.
        header_rows: As marked by the author; ``None`` if a first row is said to be
            special, which it is only if no number stands in it.
    """
    filled: list[list[str]] = []
    fresh: list[list[bool]] = []
    breaks: list[str] = []
    budget = MOST_CELLS
    for row in rows:
        texts, new = _fill(row, filled[-1] if filled else [])
        budget -= len(texts)
        if budget < 0:
            break
        filled.append(texts)
        fresh.append(new)
        found = "".join(breaks_in(cell.text) for cell in row)
        breaks.append(BREAK if BREAK in found else found[:1])
    kept = [at for at, texts in enumerate(filled) if any(texts)]
    if not kept:
        return None
    width = max(len(filled[at]) for at in kept)
    made = table([filled[at] for at in kept], header_rows=0)
    if header_rows is None:
        header_rows = int(len(kept) > 1 and not any(map(_is_number, filled[kept[0]])))
    return Block(
        kind="table",
        cells=made.cells,
        fresh=[fresh[at] + [False] * (width - len(fresh[at])) for at in kept],
        header_rows=header_rows if header_rows < len(kept) else 0,
        row_breaks=[breaks[at] for at in kept],
    )


def _fill(row: Sequence[Cell], above: list[str]) -> tuple[list[str], list[bool]]:
    texts: list[str] = []
    new: list[bool] = []
    for cell in row:
        at = len(texts)
        text = above[at] if cell.hangs and at < len(above) else without_breaks(cell.text)
        count = min(max(cell.columns, 1), max(MOST_COLUMNS - at, 0))
        texts += [text] * count
        new += [not cell.hangs, *[False] * (count - 1)][:count]
    return texts, new


def _is_number(text: str) -> bool:
    """A bare number; a year heads a column as often as not."""
    plain = text.strip(" $€£%()+-\u2212")
    digits = plain.replace(",", "").replace(".", "").replace(" ", "")
    return digits.isdecimal() and not re.fullmatch(r"(?:19|20)\d\d", plain)


def settle_captions(blocks: list[Block]) -> list[Block]:
    """Captions as those of the tables and pictures beside them, and no paragraphs any more."""
    captions: set[int] = set()
    owners: set[int] = set()
    for at, block in enumerate(blocks):
        if not block.is_caption:
            continue
        owner = _owner(blocks, at, owners)
        if owner is not None:
            blocks[owner].caption = " ".join(without_breaks(block.text).split())
            owners.add(owner)
            captions.add(at)
    return [block for at, block in enumerate(blocks) if at not in captions]


def _owner(blocks: list[Block], at: int, owners: set[int]) -> int | None:
    """What a caption belongs to: a table's stands above it as a rule, a picture's below.

    Args:
        blocks: All of them.
        at: The caption among them.
        owners: Those that have a caption already.
    """

    def side(step: int) -> int | None:
        place = at + step
        while 0 <= place < len(blocks) and place not in owners:
            block = blocks[place]
            if block.kind != "text":
                return place
            if block.is_caption or without_breaks(block.text):
                return None
            place += step  # an empty paragraph between them is only air
        return None

    before, after = side(-1), side(1)
    of_table = without_breaks(blocks[at].text).lower().startswith("table")
    order = (after, before) if of_table else (before, after)
    wanted = "table" if of_table else "image"
    beside = [place for place in order if place is not None]
    fitting = (place for place in beside if blocks[place].kind == wanted)
    return next(fitting, beside[0] if beside else None)


def chart_block(root: Any) -> Block | None:
    """A chart part as a table: a row for each category, a column for each series.

    Args:
        root: The ``c:chartSpace`` element.
    """
    series = list(root.iter(f"{_CHART}ser"))[:MOST_COLUMNS]
    names = [_texts(one, "tx") for one in series]
    columns = [_points(one, "val") or _points(one, "yVal") for one in series]
    if not any(columns):
        return None
    first = next((one for one in series if one.find(f"{_CHART}cat") is not None), None)
    scatter = first is None and any(one.find(f"{_CHART}xVal") is not None for one in series)
    labels = _points(first, "cat") if first is not None else {}
    if scatter:
        labels = _points(series[0], "xVal")
    places = sorted({place for points in (labels, *columns) for place in points})
    places = places[: MOST_CELLS // (len(series) + 1)]
    head = [Cell(""), *(Cell(name or f"Series {n}") for n, name in enumerate(names, 1))]
    if len(series) == 1 and not names[0]:
        head = []
    rows = [
        [Cell(labels.get(at, str(at + 1))), *(Cell(points.get(at, "")) for points in columns)]
        for at in places
    ]
    block = table_block([head, *rows] if head else rows, 1 if head else 0)
    if block is not None:
        title = root.find(f"./{_CHART}chart/{_CHART}title")
        block.caption = _title(title, names)
    return block


_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_DRAW = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def _title(title: Any, names: list[str]) -> str:
    if title is None:
        return names[0] if len(names) == 1 else ""
    return alternative("".join(node.text or "" for node in title.iter(f"{_DRAW}t"))) or (
        names[0] if len(names) == 1 else ""
    )


def _texts(series: Any, name: str) -> str:
    found = series.find(f"{_CHART}{name}")
    values = found.iter(f"{_CHART}v") if found is not None else ()
    return alternative(" ".join(node.text or "" for node in values))


def _points(series: Any, name: str) -> dict[int, str]:
    """The values that a chart keeps beside the formulas they come from."""
    found = series.find(f"{_CHART}{name}")
    if found is None:
        return {}
    levels = list(found.iter(f"{_CHART}lvl")) or [found]
    points: dict[int, str] = {}
    for level in reversed(levels):  # the innermost level comes first in the file
        for point in level.iter(f"{_CHART}pt"):
            index, value = point.get("idx", ""), point.find(f"{_CHART}v")
            if index.isdecimal() and len(index) < 8 and value is not None:
                text = _shown(printable(value.text))
                before = points.get(int(index)) if level is not levels[-1] else None
                points[int(index)] = f"{before} {text}" if before else text
    return points


def _shown(value: str) -> str:
    """A number without the noise of binary fractions: 18.199999999999999 is 18.2."""
    if re.fullmatch(r"-?\d+\.\d{10,}(?:[eE][-+]?\d+)?", value):
        return f"{float(value):.12g}"
    return value


def paragraphs_of(root: Any) -> Iterator[str]:
    """The texts of drawing paragraphs (``a:p``) anywhere in a part, empty ones left out."""
    for paragraph in root.iter(f"{_DRAW}p"):
        text = drawn_text(paragraph)
        if text:
            yield text


def drawn_text(paragraph: Any) -> str:
    """The text of one drawing paragraph (``a:p``)."""
    pieces = (
        "\n" if node.tag == f"{_DRAW}br" else printable(node.text)
        for node in paragraph.iter(f"{_DRAW}t", f"{_MATH}t", f"{_DRAW}br")
    )
    return tidy("".join(pieces))
