"""Perception: a picture as text at three levels, the whole, its blocks and its words.

The first stage of LAD (Let Androids Dream, arXiv 2505.17019), without a language
model: every sentence says something that was measured in the pixels or read in
them, in words that are no surer than the measurement. No value is interpreted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry import Box, from_pixels, in_pixels, make_box
from cogagent.types import BlockRole, PictureKind, Raster, Words
from cogagent.vision.colours import Colours
from cogagent.vision.kinds import Scale, Writing, is_number
from cogagent.vision.layout import reading_order
from cogagent.vision.legends import has_legend
from cogagent.vision.lines import around, lines_of
from cogagent.vision.ocr import Reading, TextBlock
from cogagent.vision.tags import Tag

_SURE = 0.3
"""Of the tags above, 19 in 20 are right; of those below, 3 in 5 (200 ImageNet pictures)."""
_MOSTLY, _LITTLE = 0.5, 0.12
"""Parts of a picture: more is most of it, less is a little."""
_DARK, _BRIGHT = 25.0, 75.0
"""Mean lightness, 0 to 100, of a photograph that is called dark or bright."""
_WIDER = 1.15
_BLANK = 12
"""No two pixels of a blank picture differ by more, of 255, in any channel."""
_SMALL = 96
"""Longest side of a small picture, in pixels."""
_LARGE_PRINT = 1.15
"""Height of a title's words in those of the other words."""
_TITLE_WORDS, _TITLE_AMONG = 40, 12
"""Most words of a title; it is among so many of the first blocks."""
_TITLE_BOTTOM = 0.4
_PARAGRAPH_WORDS, _PARAGRAPH_ROW = 12, 4
_NUMBERS, _SOME_NUMBERS = 0.8, 0.2
"""Part of a block's words that are numbers, from which it is numbers; rows of both."""
_COLUMN, _COLUMN_EXTENT = 3, 0.25
"""Labels in line that are called a column, and the part of the height that they span."""
_FEW = 3
"""Blocks of which each is said where it stands."""
_EMPTY_WORDS = 5
"""A picture with fewer words is not said to have none at a side."""
_NAMES: dict[PictureKind, str] = {
    "photograph": "photograph",
    "chart": "chart",
    "table": "table",
    "graphic": "drawing, diagram or screenshot",
    "page": "page of text",
}


class Block(NamedTuple):
    """Words that stand together in a picture.

    Attributes:
        text: A row a line.
        box: In fractions of the picture.
        role: What part they play, as far as their shape and place tell.
    """

    text: str
    box: Box
    role: BlockRole


@dataclass(frozen=True, slots=True)
class Perception:
    """What a picture is, in words.

    Attributes:
        sentences: Of the whole: kind, shape, what it shows, colours, layout.
        absent: A last sentence, on what is not there: to be read, not to be searched,
            since who searches for words means words that are there. May be empty.
        blocks: What is written in it, in reading order.
    """

    sentences: tuple[str, ...]
    absent: str
    blocks: tuple[Block, ...]

    @property
    def whole(self) -> str:
        """All sentences as one paragraph."""
        return " ".join(filter(None, (*self.sentences, self.absent)))


def perceive(
    raster: Raster,
    kind: PictureKind,
    tags: Sequence[Tag],
    colours: Colours,
    reading: Reading | None,
) -> Perception:
    """A picture in words.

    Args:
        raster: Its pixels.
        kind: What kind it is.
        tags: What it shows, most probable first.
        colours: Its colours.
        reading: What is written in it; ``None`` if nobody looked.
    """
    sentences = [_opening(raster, kind, colours)]
    if tags:
        named = (name if chance >= _SURE else f"perhaps {name}" for name, chance in tags)
        sentences.append(f"Shows: {', '.join(named)}.")
    if colours.shares:
        sentences.append(f"Colours: {', '.join(starmap(_share, colours.shares))}.")
    if reading is None:
        return Perception(tuple(sentences), "", ())
    blocks = blocks_of(reading, raster.size)
    sentences += _layout(raster, kind, reading, blocks)
    return Perception(tuple(sentences), _absent(reading.words), blocks)


def blocks_of(reading: Reading, size: tuple[int, int]) -> tuple[Block, ...]:
    """The blocks of a reading, each with its role.

    Args:
        reading: Its blocks are in reading order.
        size: Width and height of the picture in pixels.
    """
    parts = [reading.words.slice(block.start, block.end) for block in reading.blocks]
    title = _title(reading, [in_pixels(part.boxes, size) for part in parts])
    return tuple(
        Block(text, block.box, "title" if number == title else _role(text))
        for number, block in enumerate(reading.blocks)
        for text in (reading.text[block.start : block.end],)
    )


def arranged(text: str, words: Words, size: tuple[int, int]) -> Reading:
    """Words that a document gives, put into rows and blocks as if they had been read.

    Args:
        text: In any order.
        words: Of ``text``; boxes in fractions of the picture.
        size: Width and height of the picture in pixels.
    """
    boxes = in_pixels(words.boxes, size)
    lines = list(lines_of(boxes))
    places = np.array([around(boxes[line]) for line in lines]).reshape(-1, 4)
    said, order, spans, blocks = "", list[int](), list[tuple[int, int]](), list[TextBlock]()
    for rows in reading_order(places):
        said += "\n\n" if said else ""
        first, start = len(order), len(said)
        for number, row in enumerate(rows):
            said += "\n" if number else ""
            for place, index in enumerate(word for line in row for word in lines[line]):
                said += " " if place else ""
                word = text[words.spans[index, 0] : words.spans[index, 1]]
                spans.append((len(said), len(said) + len(word)))
                order.append(index)
                said += word
        edges = from_pixels(around(boxes[order[first:]]), size)[0]
        blocks.append(TextBlock(start, len(said), make_box(*edges)))
    placed = Words(
        np.array(spans, np.int32).reshape(-1, 2), words.pages[order], words.boxes[order]
    )
    return Reading(said, placed, tuple(blocks))


# --- the whole ---------------------------------------------------------------


def _opening(raster: Raster, kind: PictureKind, colours: Colours) -> str:
    """What kind of picture, and its shape."""
    blank = kind == "graphic" and _is_blank(raster)
    name = "blank picture" if blank else _NAMES[kind]
    marks = () if blank else _marks(raster, kind, colours)
    width, height = raster.size
    if width > _WIDER * height:
        shape = "wider than high"
    elif height > _WIDER * width:
        shape = "higher than wide"
    else:
        shape = "about as wide as high"
    return f"A {' '.join([*marks, name])}, {shape}."


def _is_blank(raster: Raster) -> bool:
    pixels = raster.pixels.reshape(-1, 3)
    return bool((pixels.max(axis=0).astype(int) - pixels.min(axis=0)).max() <= _BLANK)


def _marks(raster: Raster, kind: PictureKind, colours: Colours) -> Iterator[str]:
    if kind == "graphic" and max(raster.size) <= _SMALL:
        yield "small"
    if kind == "photograph" and colours.lightness < _DARK:
        yield "dark"
    if kind == "photograph" and colours.lightness > _BRIGHT:
        yield "bright"
    if kind not in ("page", "table") and colours.grey:  # paper is no news
        yield "black-and-white"


def _share(colour: str, share: float) -> str:
    if share >= _MOSTLY:
        return f"mostly {colour}"
    return f"a little {colour}" if share < _LITTLE else colour


def _layout(
    raster: Raster, kind: PictureKind, reading: Reading, blocks: Sequence[Block]
) -> Iterator[str]:
    """A sentence on where the words are, and what part they play; none if that is plain."""
    if not blocks:
        return
    found = [f"title {_place(block.box)}" for block in blocks if block.role == "title"]
    if kind == "page":
        found += _columns_of_prose(blocks)
    else:
        writing = Writing.of(reading, raster.size)
        if kind == "chart":
            found += _chart_parts(raster, writing)
        if sum(is_number(text) and "%" in text for text in writing.texts) > 1:
            found.append("percentages")
        found += _columns_of_labels(Writing.of(_labels(reading, blocks), raster.size))
        found += _note(blocks)
        if not found and len(blocks) <= _FEW:
            places = dict.fromkeys(_place(block.box) for block in blocks)
            found = [f"words {place}" for place in places]
    if found:
        yield f"Layout: {', '.join(found)}."


def _chart_parts(raster: Raster, writing: Writing) -> Iterator[str]:
    yield from map(_scale, writing.scales())
    if has_legend(raster, writing):
        yield "legend"


def _note(blocks: Sequence[Block]) -> Iterator[str]:
    last = max(blocks, key=lambda block: block.box.y1)
    if last.role == "paragraph" and last.box.y0 > 2 / 3 and len(blocks) > 1:
        yield "a note at the bottom"


def _labels(reading: Reading, blocks: Sequence[Block]) -> Reading:
    """A reading without its title and paragraphs."""
    parts = [
        (found.start, reading.words.slice(found.start, found.end))
        for found, block in zip(reading.blocks, blocks, strict=True)
        if block.role not in ("title", "paragraph")
    ]
    return Reading(reading.text, Words.concat(parts), ())


def _scale(scale: Scale) -> str:
    where = "in the middle" if scale.edge == "middle" else f"at the {scale.edge}"
    return f"{'years' if scale.years else 'a scale of numbers'} {where}"


def _columns_of_prose(blocks: Sequence[Block]) -> Iterator[str]:
    prose = [block.box for block in blocks if block.role == "paragraph"]
    left = [box for box in prose if box.x1 <= 0.55]
    right = [box for box in prose if box.x0 >= 0.45]
    if any(a.y0 < b.y1 and b.y0 < a.y1 for a in left for b in right):
        yield "two columns"
    elif prose and not left and not right:
        yield "one column"


def _columns_of_labels(writing: Writing) -> Iterator[str]:
    """Labels one under the other, and at which side they are; numbers are no labels."""
    lines = [line for line in lines_of(writing.boxes) if not writing.numbers[line].any()]
    if len(lines) < _COLUMN:
        return
    boxes = np.array([around(writing.boxes[line]) for line in lines])
    width, height = writing.size
    for edge in (boxes[:, 2], boxes[:, 0]):
        order = np.argsort(edge, kind="stable")
        breaks = np.flatnonzero(np.diff(edge[order]) > writing.height / 2) + 1
        for group in np.split(order, breaks):
            middles = np.sort((boxes[group, 1] + boxes[group, 3]) / 2)
            rows = 1 + int((np.diff(middles) > writing.height / 2).sum())
            if rows >= _COLUMN and middles[-1] - middles[0] >= _COLUMN_EXTENT * height:
                share = float((boxes[group, 0] + boxes[group, 2]).mean() / 2) / width
                side = "left" if share < 1 / 3 else "right" if share > 2 / 3 else ""
                yield f"a column of labels {f'on the {side}' if side else 'inside'}"
                return


def _absent(words: Words) -> str:
    """That there are no words, or none in a third of the picture."""
    if not len(words):
        return "No words found in it."
    if len(words) < _EMPTY_WORDS:
        return ""
    left, upper = words.boxes[:, :2].min(axis=0) > 1 / 3
    right, lower = words.boxes[:, 2:].max(axis=0) < 2 / 3
    sides = {"left": left, "right": right, "upper": upper, "lower": lower}
    empty = [f"{side} third" for side, bare in sides.items() if bare]
    return f"No words in the {' and the '.join(empty)}." if empty else ""


def _place(box: Box) -> str:
    """Where in the picture a box is: ``at the top left``."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    across = "" if box.width > 0.5 or 1 / 3 <= x <= 2 / 3 else " left" if x < 0.5 else " right"
    down = "" if 1 / 3 <= y <= 2 / 3 else " top" if y < 0.5 else " bottom"
    return f"at the{down}{across}" if down or across else "in the middle"


# --- blocks ------------------------------------------------------------------


def _role(text: str) -> BlockRole:
    words = text.split()
    share = sum(map(is_number, words)) / max(len(words), 1)
    if share >= _NUMBERS:
        return "numbers"
    if share > _SOME_NUMBERS and len(words) > 2:
        return "rows"
    rows = text.count("\n") + 1
    prose = len(words) >= _PARAGRAPH_WORDS and len(words) >= _PARAGRAPH_ROW * rows
    return "paragraph" if prose else "label"


def _title(reading: Reading, parts: Sequence[NDArray[np.float64]]) -> int | None:
    """Which block is the title: lines of large print in the upper part of the picture.

    Args:
        reading: Its blocks are in reading order.
        parts: For each block the boxes of its words, in pixels.
    """
    heights = [_heights(boxes) for boxes in parts]
    best, largest = None, 0.0
    for number, block in enumerate(reading.blocks[:_TITLE_AMONG]):
        text = reading.text[block.start : block.end]
        words = text.split()
        letters = sum(map(is_number, words)) <= len(words) / 2
        # Labels side by side are no title: a row of it is one line.
        whole = len(list(lines_of(parts[number]))) <= text.count("\n") + 1
        fits = (
            letters and whole and 2 <= len(words) <= _TITLE_WORDS and block.box.y1 < _TITLE_BOTTOM
        )
        if not fits or len(parts) < 2:
            continue
        others = np.concatenate([part for other, part in enumerate(heights) if other != number])
        ratio = float(np.median(heights[number]) / np.median(others))
        if ratio >= _LARGE_PRINT and ratio > largest:
            best, largest = number, ratio
    return best


def _heights(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights of the letters of each word; an upright word's is its width."""
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    return np.maximum(sides, 1.0)
