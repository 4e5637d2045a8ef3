"""Looking at what a loader left as pixels, and saying it in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cogagent.geometry import make_box, place, within
from cogagent.types import Element, PictureBlock, Raster, Words
from cogagent.vision.eyes import Eyes
from cogagent.vision.ocr import Reading
from cogagent.vision.perception import Block, arranged

_LONG = 600
"""Characters of a picture's words that describe it; the words of a whole page
photographed or scanned go on as text of their own."""


def see(
    element: Element, raster: Raster | None, eyes: Eyes, *, read: bool = True
) -> list[Element]:
    """An unseen element as it is once it has been looked at, and the texts read in it.

    A page whose text is in its pixels is followed by the text read there. A
    picture gets its kind, tags, colours, vectors, the blocks of what is written in
    it, and a text that says what it is and then what is written in it. All have the
    element's order.

    Args:
        element: From a loader.
        raster: Its pixels; ``None`` if they cannot be had, and it stays as it is.
        eyes: Do the looking.
        read: Read the words in pixels.

    Raises:
        ModelError: If the eyes fail.
    """
    seen = element.model_copy(update={"unseen": False, "context": ""})
    if raster is None:
        return [seen]
    look = _page if element.kind == "page" else _picture
    return list(look(seen, raster, eyes, read))


def _page(page: Element, raster: Raster, eyes: Eyes, read: bool) -> Iterator[Element]:
    yield page
    if read:
        yield from _blocks(eyes.read(raster), page)


def _picture(picture: Element, raster: Raster, eyes: Eyes, read: bool) -> Iterator[Element]:
    # A vector figure brings its words from the document: they need no reading.
    known = _known(picture, raster) if picture.text else None
    (sight,) = eyes.look([raster], read=read and not picture.text, written=[known], parts=True)
    written, words = picture.text, picture.words or Words.empty()
    if not written:
        written, words = sight.reading.text, _placed(sight.reading.words, picture)
    said = "".join(f"{sentence}\n" for sentence in sight.perception.sentences)
    long = len(written) > _LONG
    cut = written.rfind(" ", 0, _LONG) if long else 0
    yield picture.model_copy(
        update={
            "text": said + written,
            "stands_for": len(said) + (cut if cut > 0 else _LONG) if long else None,
            "words": Words.concat([(len(said), words)]),
            "vector": sight.vector,
            "tiles": sight.tiles and sight.tiles.on_page(picture.box),
            "look": sight.kind,
            "tags": sight.tags,
            "colours": sight.colours,
            "whole": sight.perception.whole,
            "blocks": tuple(_block(block, picture) for block in sight.perception.blocks),
        }
    )
    if long and not picture.text:
        yield from _blocks(sight.reading, picture)


def _known(picture: Element, raster: Raster) -> Reading | None:
    """What the document says is written in a picture, by rows and blocks."""
    if picture.words is None or not len(picture.words):
        return None
    words = picture.words
    inside = Words(words.spans, np.ones(len(words), np.int32), within(words.boxes, picture.box))
    return arranged(picture.text, inside, raster.size)


def _block(block: Block, picture: Element) -> PictureBlock:
    (box,) = place(np.array([block.box], np.float32), picture.box)
    return PictureBlock(text=block.text, box=make_box(*box.tolist()), role=block.role)


def _blocks(reading: Reading, element: Element) -> Iterator[Element]:
    """What was read in ``element``, a text element for each block."""
    for block in reading.blocks:
        words = _placed(reading.words.slice(block.start, block.end), element)
        (box,) = place(np.array([block.box], np.float32), element.box)
        yield Element(
            kind="text",
            text=reading.text[block.start : block.end],
            page=element.page,
            box=make_box(*box.tolist()),
            order=element.order,
            words=words,
        )


def _placed(words: Words, element: Element) -> Words:
    """Words found in a picture, where they stand on its page."""
    pages = np.full(len(words), element.page, np.int32)
    return Words(words.spans, pages, np.clip(place(words.boxes, element.box), 0.0, 1.0))
