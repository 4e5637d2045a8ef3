"""Looking again: the tool, its budget and memory, and what becomes of it in an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cogagent import Answer, CogAgent, Source
from cogagent.config import Settings
from cogagent.geometry import Box, make_box
from cogagent.pipelines.regions import SPEC
from cogagent.pipelines.toolbox import Toolbox
from cogagent.testing.doubles import ListRetriever, ScriptedPlanner
from cogagent.types import Budget, Evidence, Query, Region, Step
from tests.pipelines.test_answer import DAM, LAKE, answer, in_thread, run
from tests.test_types import make_evidence

HERE = make_box(0.1, 0.1, 0.4, 0.3)
NEAR = make_box(0.1, 0.1, 0.41, 0.3)
THERE = make_box(0.6, 0.6, 0.9, 0.9)


class Looking:
    """Sees a number in every place, and counts how often it was sent there."""

    spec = SPEC

    def __init__(self) -> None:
        self.seen: list[Box | None] = []

    async def alook(self, query: Query, parent: Evidence, k: int, places: int) -> list[Evidence]:
        assert query.region is not None
        self.seen.append(query.region.box)
        text = f"The lake is {len(self.seen)} m deep."
        found = make_evidence(text, id=f"{parent.id}@{len(self.seen)}", parent=parent.id)
        return [found][:k]


def look(key: str = "chunk-1", box: Box | None = HERE, text: str = "q") -> Query:
    return Query(text=text, tool="region", region=Region(evidence_id=key, box=box))


def looked(*queries: Query, budget: Budget | None = None) -> tuple[Answer, Looking]:
    """A run that searches, then looks, one step a query."""
    tool = Looking()
    steps = [Step(number=1, queries=(Query(text="q"),))]
    steps += [Step(number=n, queries=(query,)) for n, query in enumerate(queries, 2)]
    tools = {"text": ListRetriever([LAKE, DAM]), "region": tool}
    events = run("What is deep?", steps, tools, budget=budget or Budget(steps=None))
    return answer(events), tool


def test_what_is_seen_again_is_evidence_with_a_parent_and_stands_before_it() -> None:
    result, tool = looked(look("chunk-2"))
    assert tool.seen == [HERE]
    assert [piece.id for piece in result.evidence] == ["chunk-1", "chunk-2@1", "chunk-2"]
    assert [(piece.step, piece.parent) for piece in result.evidence][1] == (2, "chunk-2")
    assert result.usage.regions == 1
    assert result.steps[1].usage.regions == 1


def test_the_same_place_is_not_looked_at_twice() -> None:
    result, tool = looked(look(), look(box=NEAR, text="other words"), look(box=THERE))
    assert tool.seen == [HERE], "nothing new was asked in the second step, so the run ends"
    assert result.stop_reason == "there was nothing new to ask"


def test_a_region_can_be_looked_into_further() -> None:
    result, tool = looked(look(), look("chunk-1@1", THERE))
    assert tool.seen == [HERE, THERE]
    ids = [piece.id for piece in result.evidence]
    assert ids[:3] == ["chunk-1@1@2", "chunk-1@1", "chunk-1"]


def test_the_budget_of_regions_is_kept_and_told() -> None:
    result, tool = looked(look(), look(box=THERE), budget=Budget(steps=None, regions=1))
    assert tool.seen == [HERE]
    problem = result.steps[2].findings[0].error
    assert problem is not None
    assert problem.code == "budget"
    assert "budget of 1 regions" in problem.message


def test_each_place_that_a_look_points_at_counts_and_is_known_then() -> None:
    class Pointing(Looking):
        async def alook(
            self, query: Query, parent: Evidence, k: int, places: int
        ) -> list[Evidence]:
            assert query.region is not None
            if query.region.box is not None:
                return await super().alook(query, parent, k, places)
            self.seen.append(None)
            return [
                make_evidence("It is deep.", id=f"{parent.id}@{n}", parent=parent.id, box=box)
                for n, box in enumerate((HERE, THERE)[:places])
            ]

    def ran(budget: Budget) -> tuple[Answer, Pointing]:
        tool = Pointing()
        steps = [Step(number=1, queries=(Query(text="q"),))]
        steps += [
            Step(number=n, queries=(query,))
            for n, query in enumerate([look(box=None), look(box=NEAR)], 2)
        ]
        tools = {"text": ListRetriever([LAKE, DAM]), "region": tool}
        return answer(run("What is deep?", steps, tools, budget=budget)), tool

    result, tool = ran(Budget(steps=None))
    assert result.usage.regions == 2
    assert tool.seen == [None], "the place that it names has been seen"
    result, tool = ran(Budget(steps=None, regions=1))
    assert result.usage.regions == 1
    assert len([piece for piece in result.evidence if piece.parent]) == 1


def test_evidence_that_is_not_there_cannot_be_looked_at() -> None:
    result, tool = looked(look("chunk-9"))
    assert tool.seen == []
    assert "no evidence 'chunk-9'" in (result.steps[1].error or "")


def test_a_query_without_a_region_is_refused() -> None:
    result, tool = looked(Query(text="q", tool="region"))
    assert tool.seen == []
    assert "needs a region" in (result.steps[1].error or "")


def test_the_same_place_at_once_is_one_look() -> None:
    tool = Looking()
    toolbox = Toolbox(
        {"text": ListRetriever([LAKE]), "region": tool}, in_thread, Budget(regions=4), 0.0
    )

    async def both() -> Any:
        await toolbox.ask(Query(text="q"))
        return await asyncio.gather(toolbox.ask(look()), toolbox.ask(look(box=NEAR)))

    one, other = asyncio.run(both())
    assert one.evidence == other.evidence
    assert (len(tool.seen), toolbox.regions) == (1, 1)


# --- through the whole product ---------------------------------------------

YEARS = {"2018": 34, "2019": 62, "2020": 48, "2021": 21}


def chart(path: Path) -> Path:
    """Bars with their values above them and a scale on the left."""
    picture = Image.new("RGB", (800, 560), "white")
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(20)
    pen.text((250, 12), "Visitors of the salt mine", fill="black", font=font)
    pen.text((90, 46), "Visitors in thousands", fill="black", font=font)
    floor, unit = 480, 5.5
    for value in range(0, 80, 20):
        y = floor - value * unit
        pen.line((90, y, 760, y), fill=(220, 220, 220))
        pen.text((50, y - 12), str(value), fill="black", font=font)
    for place, (year, value) in enumerate(YEARS.items()):
        left = 130 + 160 * place
        pen.rectangle((left, floor - value * unit, left + 80, floor), fill=(40, 110, 220))
        pen.text((left + 28, floor - value * unit - 26), str(value), fill="black", font=font)
        pen.text((left + 18, floor + 10), year, fill="black", font=font)
    picture.save(path)
    return path


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CogAgent]:
    folder = tmp_path_factory.mktemp("mine")
    note = Source(uri="note:1", data=b"The salt mine was opened in 1871.", media_type="text/plain")
    with CogAgent(home=folder / "kb", settings=Settings(offline=True)) as agent:
        agent.ingest([chart(folder / "visitors.png"), note])
        yield agent


def test_the_value_of_a_bar_is_answered_with_the_boxes_of_label_and_value(
    mine: CogAgent,
) -> None:
    result = mine.ask("How many visitors did the salt mine have in 2019?")
    assert result.short == "62"
    (citation,) = result.citations
    parts = {part.role: part for part in citation.parts}
    assert (parts["row"].text, parts["value"].text) == ("2019", "62")
    assert 0.33 < parts["row"].box.x0 < parts["row"].box.x1 < 0.5, "under the second bar"
    assert parts["row"].box.y0 > 0.85
    assert 0.15 < parts["value"].box.y0 < 0.27, "above the second bar"
    assert citation.verified
    assert citation.title == "visitors"
    assert result.outcome == "answered"
    assert result.usage.regions == 1


def test_a_difference_is_worked_out_from_two_cited_bars(mine: CogAgent) -> None:
    result = mine.ask("How many more visitors did the salt mine have in 2019 than in 2020?")
    assert result.short == "14"
    assert [citation.parts[-1].text for citation in result.citations] == ["62", "48"]
    assert "62 - 48 = 14" in result.text.replace("\u2212", "-")
    assert all(claim.verdict == "supported" for claim in result.claims)


def test_the_highest_bar_names_its_label(mine: CogAgent) -> None:
    result = mine.ask("In which year did the salt mine have the most visitors?")
    assert result.short == "2019"


def test_what_the_chart_does_not_have_is_not_made_up(mine: CogAgent) -> None:
    result = mine.ask("How many visitors did the salt mine have in 2015?")
    assert "2015" not in result.short
    assert result.outcome == "abstained" or result.short not in map(str, YEARS.values())


def test_a_second_look_is_kept_in_the_trace_and_replayed(mine: CogAgent) -> None:
    first = mine.ask("How many visitors did the salt mine have in 2021?")
    assert first.short == "21"
    assert first.trace is not None
    again = mine.traces.replay(first.trace)
    assert (again.text, again.short) == (first.text, first.short)
    assert again.citations[0].parts == first.citations[0].parts


def test_a_planner_names_a_box_and_the_crop_is_cut_there(mine: CogAgent) -> None:
    seen = mine.search("visitors", modality="image", k=1)[0]
    box = make_box(0.36, 0.15, 0.5, 0.95)
    planner = ScriptedPlanner(
        [
            Step(number=1, queries=(Query(text="visitors", tool="image"),)),
            Step(number=2, queries=(look(seen.id, box),)),
        ]
    )
    result = mine.ask("How many visitors in 2019?", planner=planner)
    (found,) = (piece for piece in result.evidence if piece.parent and piece.modality == "image")
    assert found.box == box
    assert "2019" in found.text
    assert "2018" not in found.text
    crop = mine.crop(found)
    assert abs(crop.width - (0.14 + 0.02) * 800) <= 2
    for number, (start, end) in enumerate(found.words.spans.tolist()):
        if found.text[start:end] == "2019":
            assert found.words.boxes[number][0] > 0.36, "boxes are of the page, not the crop"


def test_a_drawn_citation_marks_value_and_label(mine: CogAgent) -> None:
    result = mine.ask("How many visitors did the salt mine have in 2019?")
    shown = np.asarray(mine.draw(result.citations[0])).astype(int)
    red = (shown[..., 0] > 200) & (shown[..., 1] < 90) & (shown[..., 2] < 40)
    blue = (shown[..., 0] < 30) & (shown[..., 1] > 70) & (shown[..., 2] > 180)
    value, label = (
        next(part.box for part in result.citations[0].parts if part.role == role)
        for role in ("value", "row")
    )
    for mask, box in ((red, value), (blue, label)):
        rows, columns = np.nonzero(mask)
        assert abs(columns.min() / 800 - box.x0) < 0.01
        assert abs(rows.min() / 560 - box.y0) < 0.01
        assert abs(columns.max() / 800 - box.x1) < 0.01


def test_a_deleted_document_cannot_be_looked_at_again(tmp_path: Path) -> None:
    with CogAgent(home=tmp_path / "kb", settings=Settings(offline=True)) as agent:
        agent.ingest([chart(tmp_path / "visitors.png")])
        piece = agent.search("visitors", modality="image", k=1)[0]

        class Gone:
            name = "gone"

            async def plan(self, state: Any, model: Any) -> Step:
                if not state.steps:
                    return Step(number=1, queries=(Query(text="visitors", tool="image"),))
                if len(state.steps) == 1:
                    agent.documents.delete(piece.document_id)
                    return Step(number=2, queries=(look(piece.id, None),))
                return Step(number=3, done=True)

        result = agent.ask("How many visitors in 2019?", planner=Gone())
        assert "no document" in (result.steps[1].error or "")
