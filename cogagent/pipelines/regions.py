"""The tool that looks again: a place is cut from the original, read anew, and becomes evidence.

The step that retrieval lacks, and v1 (arXiv 2505.18842) shows to matter: what was found
is not only quoted but looked at, where the question points, at full resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cogagent.errors import InputError
from cogagent.geometry import Box, make_box, place, within
from cogagent.grid import Grid
from cogagent.models.kept import Kept
from cogagent.pipelines.charted import charted
from cogagent.pipelines.compose import RunBlocking
from cogagent.pipelines.pages import PageView, is_foreign
from cogagent.types import Element, Evidence, Query, Raster, ToolSpec, Words
from cogagent.vision.eyes import Eyes, Sight
from cogagent.vision.pointing.base import Picture, Pointed, Pointer

SPEC = ToolSpec(
    name="region",
    description="Looks again, at full resolution, at a place of a picture or page that was "
    "found: small print, a chart's values, a detail.",
    regions=True,
)
_COARSE = 4000
"""Pixels of the longer side of a picture from which on small print may not have been read."""
_SURE = 0.3
"""Least certainty of a chart's values."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a region holds, seen at full resolution.

    Attributes:
        sight: What is written in it and what it shows; boxes are fractions of it. ``None``
            of a chart that was searched for its values alone.
        grid: Its values, if it is a chart that could be understood.
        nbytes: Memory that it takes, about.
    """

    sight: Sight | None
    grid: Grid | None

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        cells = len(self.grid.cells) if self.grid is not None else 0
        words = len(self.sight.reading.words) if self.sight is not None else 0
        return 10_000 + 200 * words + 1_000 * cells


Looks = Kept[Look]
"""What was seen before, by content and place: no place is read twice while it is kept."""


class RegionTool:
    """Looks again at places of what was found.

    Args:
        pages: Cuts them from the originals.
        eyes: See and read them.
        pointers: Find the places, where a query names none; the first that finds any is
            followed.
        looks: What was seen before.
        blocking: Runs a blocking call elsewhere.
    """

    spec = SPEC

    def __init__(
        self,
        pages: PageView,
        eyes: Eyes,
        pointers: Sequence[Pointer],
        looks: Looks,
        blocking: RunBlocking,
    ) -> None:
        self._pages = pages
        self._eyes = eyes
        self._pointers = pointers
        self._looks = looks
        self._blocking = blocking
        self._original: tuple[tuple[str, int], Raster | None] = ("", 0), None
        """The last picture that was looked at, whole."""

    async def alook(self, query: Query, parent: Evidence, k: int, places: int) -> list[Evidence]:
        """What stands in a region, as evidence with boxes of its own, the best first.

        A chart comes as a table of its values. Where the query names no place, a chart is
        read as a whole, and of anything else the places that its words point at.

        Args:
            query: With a region of ``parent``.
            parent: What was found before.
            k: At most so many pieces.
            places: At most so many places.

        Returns:
            None where the query names no place and nothing goes with its words.

        Raises:
            NotFoundError: If the original is not there any more.
            DocumentError: If it cannot be shown.
            ModelError: If it cannot be read.
        """
        assert query.region is not None
        found: list[Evidence] = []
        if query.region.box is not None:
            found += await self._blocking(self._seen, parent, query.region.box)
        elif parent.look == "chart":
            found += await self._blocking(self._values, parent)
        if not found and query.region.box is None:
            picture: Picture = await self._blocking(self._picture, parent)
            for pointed in await self._pointed(query.text, parent, picture, places):
                found += await self._blocking(self._seen, parent, pointed)
        return found[:k]

    async def _pointed(
        self, question: str, parent: Evidence, picture: Picture, places: int
    ) -> list[Box]:
        """Places of a picture that a question is about, on its page."""
        found = await self._first(question, picture, places)
        if not found and max(picture.raster.size) > _COARSE:
            # Its first reading was too coarse to read what the question speaks of.
            finer = await self._blocking(self._in_parts, parent, picture)
            found = await self._first(question, finer, places)
        boxes = place(np.array([each.box for each in found], np.float32), parent.box)
        return [make_box(*box) for box in boxes.tolist()]

    async def _first(self, question: str, picture: Picture, places: int) -> list[Pointed]:
        """The places of the first pointer that finds any."""
        for pointer in self._pointers:
            if found := await pointer.point(question, picture, places):
                return found[:places]
        return []

    def _picture(self, parent: Evidence) -> Picture:
        """A picture, or a page, with all words that are known to stand in it."""
        raster = self._native(parent, parent.box)
        known: Element | Evidence = parent
        if parent.modality == "image" and not is_foreign(parent.document_id):
            known = self._pages.picture(parent.document_id, parent.page, parent.box) or parent
        words = known.words if known.words is not None else Words.empty()
        here = words.pages == parent.page
        inside = Words(
            words.spans[here], np.ones(int(here.sum()), np.int32),
            within(words.boxes[here], parent.box),
        )  # fmt: skip
        return Picture(raster, known.text, inside, parent.look)

    def _in_parts(self, parent: Evidence, picture: Picture) -> Picture:
        """A large picture with what a reading part by part finds in it."""

        def make() -> Look:
            reading = self._eyes.read_parts(picture.raster)
            (sight,) = self._eyes.look([picture.raster], written=[reading])
            return Look(sight, None)

        sight = self._look((*self._place(parent, parent.box), "parts"), make).sight
        assert sight is not None
        return replace(picture, text=sight.reading.text, words=sight.reading.words)

    def _seen(self, parent: Evidence, box: Box) -> list[Evidence]:
        """A region as evidence: its values if it is a chart, and what is written in it."""

        def make() -> Look:
            print_height = _print_height(parent, box)
            raster = self._native(parent, box, print_height)
            reading = self._eyes.reread(raster, print_height * raster.size[1] / box.height)
            (sight,) = self._eyes.look([raster], written=[reading])
            grid = None
            if sight.kind == "chart":
                grid = _chart(Picture(raster, reading.text, reading.words))
            return Look(sight, grid)

        if box.width <= 0 or box.height <= 0:
            raise InputError("the region to look at again has no extent.")
        look = self._look((*self._place(parent, box), round(_print_height(parent, box), 4)), make)
        assert look.sight is not None
        region = _evidence(parent, box, look.sight)
        return [*([] if look.grid is None else [_values(region, look.grid)]), region]

    def _values(self, parent: Evidence) -> list[Evidence]:
        """The values of a chart; none if it could not be understood."""

        def make() -> Look:
            picture = self._picture(parent)
            if not len(picture.words):
                reading = self._eyes.reread(picture.raster)
                picture = replace(picture, text=reading.text, words=reading.words)
            return Look(None, _chart(picture))

        look = self._look((*self._place(parent, parent.box), "values"), make)
        return [] if look.grid is None else [_values(_part(parent, parent.box), look.grid)]

    def _native(self, parent: Evidence, box: Box, print_height: float = 0.0) -> Raster:
        """A place at full resolution; a picture is decoded once for all of a question's looks."""
        document, page = parent.document_id, parent.page
        if not parent.media_type.startswith("image/") or is_foreign(document):
            return self._pages.native(document, page, box, print_height)
        known, original = self._original
        if original is None or known != (document, page):
            original = self._pages.native(document, page)
            self._original = (document, page), original
        return original.part(box)

    def _look(self, key: tuple[object, ...], make: Callable[[], Look]) -> Look:
        return self._looks.get(key, make)

    def _place(self, parent: Evidence, box: Box) -> tuple[object, ...]:
        """What a region is known by: the same bytes under another name are read once."""
        document = parent.document_id
        content = document if is_foreign(document) else self._pages.content(document)
        return (content, parent.page, box)


def _chart(picture: Picture) -> Grid | None:
    from cogagent.vision.charts.chart import read_chart

    grid = read_chart(picture.raster, picture.text, picture.words)
    return grid if grid is not None and grid.cells and grid.certainty >= _SURE else None


def _print_height(parent: Evidence, box: Box) -> float:
    """Median height of the words that were read in a region before, as a part of the page's.

    0 if there were none.
    """
    words = parent.words
    middles = (words.boxes[:, :2] + words.boxes[:, 2:]) / 2
    inside = (middles >= box[:2]).all(axis=1) & (middles < box[2:]).all(axis=1)
    heights = (words.boxes[:, 3] - words.boxes[:, 1])[inside & (words.pages == parent.page)]
    return float(np.median(heights)) if len(heights) else 0.0


def _values(region: Evidence, grid: Grid) -> Evidence:
    """The values of a chart as a table, each with its place."""
    text, words = charted(grid, region.box, region.page)
    return region.model_copy(
        update={
            "id": f"{region.id}#values", "modality": "table", "text": text, "words": words,
            "boxes": tuple(words.lines(0, len(text))), "look": "chart",
        }
    )  # fmt: skip


def _part(parent: Evidence, box: Box) -> Evidence:
    """A part of a piece of evidence, nothing being said yet of what it holds."""
    corners = ",".join(f"{round(1000 * edge)}" for edge in box)
    return parent.model_copy(
        update={"id": f"{parent.id}@{corners}", "parent": parent.id, "box": box, "focus": None}
    )


def _evidence(parent: Evidence, box: Box, sight: Sight) -> Evidence:
    """A region by what it shows and what is written in it."""
    said = "".join(f"{sentence}\n" for sentence in sight.perception.sentences)
    reading = sight.reading
    boxes = np.clip(place(reading.words.boxes, box), 0.0, 1.0)
    words = Words(
        reading.words.spans + np.int32(len(said)),
        np.full(len(reading.words), parent.page, np.int32),
        boxes,
    )
    text = said + reading.text
    return _part(parent, box).model_copy(
        update={
            "modality": "image", "boxes": tuple(words.lines(0, len(text))), "text": text,
            "words": words, "look": sight.kind,
        }
    )  # fmt: skip
