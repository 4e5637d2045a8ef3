"""The tool that looks again: a place is cut from the original, read anew, and becomes evidence.

The step that retrieval lacks, and v1 (arXiv 2505.18842) shows to matter: what was found
is not only quoted but looked at, where the question points, at full resolution.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cogagent.errors import NotFoundError
from cogagent.geometry import Box, make_box, place, within
from cogagent.grid import Grid
from cogagent.models.kept import Kept
from cogagent.pipelines.charted import charted
from cogagent.pipelines.compose import RunBlocking
from cogagent.pipelines.pages import PageView, is_foreign
from cogagent.types import Evidence, Query, Raster, ToolSpec, Words
from cogagent.vision.charts.chart import read_chart
from cogagent.vision.eyes import Eyes, Sight
from cogagent.vision.pointing.base import Picture, Pointed, Pointer

log = logging.getLogger(__name__)

SPEC = ToolSpec(
    name="region",
    description="Looks again, at full resolution, at a place of a picture or page that was "
    "found: small print, a chart's values, a detail.",
    regions=True,
)
MOST = 3
"""Places that one look points at."""
_WHOLE = 0.8
"""A region that has so much of a chart is the chart."""
_SURE = 0.3
"""Least certainty of a chart's values."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a region holds, seen at full resolution.

    Attributes:
        sight: What is written in it and what it shows; boxes are fractions of it.
        grid: Its values, if it is a chart that could be understood.
        nbytes: Memory that it takes, about.
    """

    sight: Sight
    grid: Grid | None

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        cells = len(self.grid.cells) if self.grid is not None else 0
        return 10_000 + 200 * len(self.sight.reading.words) + 1_000 * cells


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

    async def alook(self, query: Query, parent: Evidence, k: int) -> list[Evidence]:
        """What stands in a region, as evidence with boxes of its own, the best first.

        A chart comes as a table of its values. Where the query names no place, a chart is
        read as a whole, and of anything else the places that its words point at.

        Args:
            query: With a region of ``parent``.
            parent: What was found before.
            k: At most so many pieces.

        Raises:
            NotFoundError: If the original is not there any more, or nothing in it is worth
                a closer look.
            DocumentError: If it cannot be shown.
            ModelError: If it cannot be read.
        """
        assert query.region is not None
        box = query.region.box
        if box is None and parent.look == "chart":
            box = parent.box
        if box is None:
            places = await self._pointed(query.text, parent)
        else:
            places = [Pointed(box=box, score=1.0, why=query.region.why)]
        found: list[Evidence] = []
        for pointed in places[:MOST]:
            if len(found) < k and pointed.box.area > 0:
                found += await self._blocking(self._seen, parent, pointed)
        if not found:
            raise NotFoundError(f"there is nothing to be seen there in {parent.title!r}.")
        return found[:k]

    async def _pointed(self, question: str, parent: Evidence) -> list[Pointed]:
        """Places of a picture that a question is about, on its page."""
        picture = await self._blocking(self._picture, parent)
        for pointer in self._pointers:
            places = await pointer.point(question, picture, MOST)
            if places:
                boxes = place(np.array([each.box for each in places], np.float32), parent.box)
                return [
                    each.model_copy(update={"box": make_box(*box), "why": each.why})
                    for each, box in zip(places, boxes.tolist(), strict=True)
                ]
        raise NotFoundError(
            f"nothing in {parent.title!r}, page {parent.page}, goes with {question!r}.",
            remedy="Name the place by its box.",
        )

    def _picture(self, parent: Evidence) -> Picture:
        raster = self._pages.native(parent.document_id, parent.page, parent.box)
        words = parent.words
        here = words.pages == parent.page
        inside = Words(
            words.spans[here], np.ones(int(here.sum()), np.int32),
            within(words.boxes[here], parent.box),
        )  # fmt: skip
        return Picture(raster, parent.text, inside, parent.look)

    def _seen(self, parent: Evidence, pointed: Pointed) -> list[Evidence]:
        """A region as evidence: as a table if it is a chart, and as what is written in it."""
        box = pointed.box
        look = self._looks.get(self._key(parent, box), lambda: self._look(parent, box))
        region = _evidence(parent, box, look.sight)
        if look.grid is None:
            return [region]
        text, words = charted(look.grid, box, parent.page)
        values = region.model_copy(
            update={
                "id": f"{region.id}#values", "modality": "table", "text": text, "words": words,
                "boxes": tuple(words.lines(0, len(text))), "look": None,
            }
        )  # fmt: skip
        return [values] if box.overlap(parent.box) >= _WHOLE * parent.box.area else [
            values, region,
        ]  # fmt: skip

    def _look(self, parent: Evidence, box: Box) -> Look:
        raster = self._pages.native(parent.document_id, parent.page, box)
        (sight,) = self._eyes.look([raster])
        grid = None
        if sight.kind == "chart" or (parent.look == "chart" and box == parent.box):
            grid = _chart(raster, sight)
        return Look(sight, grid)

    def _key(self, parent: Evidence, box: Box) -> tuple[object, ...]:
        document = parent.document_id
        content = document if is_foreign(document) else self._pages.content(document)
        return (content, parent.page, box, parent.look)


def _chart(raster: Raster, sight: Sight) -> Grid | None:
    grid = read_chart(raster, sight.reading.text, sight.reading.words)
    return grid if grid is not None and grid.cells and grid.certainty >= _SURE else None


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
    corners = ",".join(f"{round(1000 * edge)}" for edge in box)
    return parent.model_copy(
        update={
            "id": f"{parent.id}@{corners}", "parent": parent.id, "modality": "image",
            "box": box, "boxes": tuple(words.lines(0, len(text))), "text": text, "words": words,
            "look": sight.kind,
        }
    )  # fmt: skip
