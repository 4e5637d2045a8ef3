"""Looking at what a loader handed over as pixels, and saying it in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from cogagent.geometry import make_box, place
from cogagent.types import Element, Words
from cogagent.vision.eyes import Eyes, Sight
from cogagent.vision.ocr import Reading

_LONG = 600
"""Characters of a picture's words that describe it; the words of a whole page
photographed or scanned go on as text of their own."""


def see(elements: Iterable[Element], eyes: Eyes, *, read: bool = True) -> Iterator[Element]:
    """The same elements with every raster looked at and let go.

    A page whose text is in its pixels is followed by the text read there. A
    picture gets tags, colours, a vector, and a text that says what it shows and
    what is written in it.

    Args:
        elements: From a loader, in reading order.
        eyes: Do the looking.
        read: Read the words in pixels.

    Raises:
        ModelError: If the eyes fail.
    """
    order = 0
    for element in elements:
        for seen in _look(element, eyes, read=read):
            yield seen.model_copy(update={"order": order})
            order += 1


def _look(element: Element, eyes: Eyes, *, read: bool) -> Iterator[Element]:
    if element.raster is None:
        yield element
        return
    if element.kind == "page":
        yield element.model_copy(update={"raster": None})
        if element.needs_ocr and read:
            yield from _blocks(eyes.read(element.raster), element)
        return
    # A vector figure brings its words from the document: they need no reading.
    (sight,) = eyes.look([element.raster], read=read and not element.text)
    written, words = element.text, element.words or Words.empty()
    if not written:
        written, words = sight.text, _placed(sight.words, element)
    long = len(written) > _LONG
    if long:
        cut = written.rfind(" ", 0, _LONG)
        written = written[: cut if cut > 0 else _LONG]
        words = words.slice(0, len(written))
    shown = _description(sight)
    yield element.model_copy(
        update={
            "text": shown + written,
            "words": Words.concat([(len(shown), words)]),
            "raster": None,
            "vector": sight.vector,
            "look": sight.kind,
            "tags": sight.tags,
            "colours": sight.colours,
        }
    )
    if long and not element.text:
        yield from _blocks(sight, element)


def _description(sight: Sight) -> str:
    """What is seen, in a few words, before what is read."""
    parts = []
    if sight.tags:
        parts.append("Shows: " + ", ".join(name for name, _ in sight.tags) + ".")
    if sight.colours:
        parts.append("Colours: " + ", ".join(sight.colours) + ".")
    return "".join(part + "\n" for part in parts)


def _blocks(reading: Reading | Sight, element: Element) -> Iterator[Element]:
    """What was read in ``element``, a text element for each block."""
    for block in reading.blocks:
        words = _placed(reading.words.slice(block.start, block.end), element)
        (box,) = place(np.array([block.box], np.float32), element.box)
        yield Element(
            kind="text",
            text=reading.text[block.start : block.end],
            page=element.page,
            box=make_box(*box.tolist()),
            words=words,
        )


def _placed(words: Words, element: Element) -> Words:
    """Words found in a picture, where they stand on its page."""
    pages = np.full(len(words), element.page, np.int32)
    return Words(words.spans, pages, np.clip(place(words.boxes, element.box), 0.0, 1.0))
