from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from cogagent import CogAgent
from cogagent.cli import app
from cogagent.config import ParseSettings, Settings, load_settings
from cogagent.geometry import make_box
from cogagent.indexes.check import faults
from cogagent.models.factory import image_embedder
from cogagent.pipelines.seeing import see
from cogagent.types import Element, Raster, Words
from cogagent.vision.eyes import Eyes
from tests.vision.test_perception import bar_chart


@pytest.fixture(scope="module")
def eyes() -> Eyes:
    settings = load_settings()
    return Eyes(settings, image_embedder(settings))


def sign(text: str = "Harbour 1897") -> Raster:
    picture = Image.new("RGB", (500, 200), "white")
    ImageDraw.Draw(picture).text((40, 60), text, "black", ImageFont.load_default(48))
    return Raster(np.asarray(picture))


def test_a_scanned_page_is_followed_by_its_text(eyes: Eyes) -> None:
    page = Element(
        kind="page", page=3, order=7, needs_ocr=True, unseen=True, context="A", size=(500, 200)
    )
    first, second = see(page, sign(), eyes)
    assert (first.kind, first.unseen, first.context) == ("page", False, "")
    assert (second.kind, second.page, second.text) == ("text", 3, "Harbour 1897")
    assert (first.order, second.order) == (7, 7)
    assert second.words is not None
    assert second.words.pages.tolist() == [3, 3]


def test_a_picture_on_a_page_has_its_words_where_they_stand(eyes: Eyes) -> None:
    place = make_box(0.5, 0.5, 1.0, 1.0)
    (seen,) = see(Element(kind="image", page=2, box=place, unseen=True), sign(), eyes)
    assert "Harbour 1897" in seen.text
    assert seen.vector is not None
    assert seen.colours
    assert seen.words is not None
    assert len(seen.words) == 2
    (block,) = seen.blocks
    assert block.text == "Harbour 1897"
    assert 0.5 < block.box.x0 < block.box.x1 <= 1
    assert seen.text.startswith(seen.whole.split(". ")[0])
    for start, end in seen.words.spans.tolist():
        assert seen.text[start:end] in ("Harbour", "1897")
    left, top, right, bottom = seen.words.boxes[0]
    # 40 of 500 and 60 of 200 pixels, in the lower right quarter of the page.
    assert left == pytest.approx(0.5 + 40 / 1000, abs=0.01)
    assert 0.5 + 60 / 400 - 0.02 < top < bottom < 0.85
    assert right < 0.85


def test_a_figure_keeps_the_words_of_its_document(eyes: Eyes) -> None:
    figure = Element(kind="figure", text="axis title", unseen=True)
    (seen,) = see(figure, sign(), eyes)
    assert seen.text.endswith("axis title")
    assert "Harbour" not in seen.text
    assert "words" not in seen.whole  # without places nothing is known of them
    assert seen.blocks == ()


def test_a_figure_has_blocks_of_the_words_of_its_document(eyes: Eyes) -> None:
    boxes = np.array(
        [[0.52, 0.5, 0.6, 0.54], [0.61, 0.5, 0.7, 0.54], [0.9, 0.9, 0.98, 0.94]], np.float32
    )
    spans = np.array([[0, 4], [5, 10], [11, 13]], np.int32)
    words = Words(spans, np.full(3, 4, np.int32), boxes)
    place = make_box(0.5, 0.48, 1.0, 0.95)
    figure = Element(kind="figure", text="axis title 10", page=4, box=place, words=words)
    (seen,) = see(figure, sign(), eyes)
    assert [(block.text, block.role) for block in seen.blocks] == [
        ("axis title", "label"),
        ("10", "numbers"),
    ]
    assert seen.blocks[0].box == pytest.approx((0.52, 0.5, 0.7, 0.54), abs=1e-3)
    assert [word.text for word in seen.placed_words()] == ["axis", "title", "10"]
    assert seen.placed_words()[2].box == pytest.approx((0.9, 0.9, 0.98, 0.94))


def test_reading_can_be_left_out(eyes: Eyes) -> None:
    (seen,) = see(Element(kind="image", unseen=True), sign(), eyes, read=False)
    assert "Harbour" not in seen.text
    page = Element(kind="page", needs_ocr=True, unseen=True)
    assert [element.kind for element in see(page, sign(), eyes, read=False)] == ["page"]


def test_a_picture_that_cannot_be_had_stays_as_it_is(eyes: Eyes) -> None:
    picture = Element(kind="image", caption="A buoy", unseen=True)
    assert see(picture, None, eyes) == [picture.model_copy(update={"unseen": False})]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a chart; tests only read it."""
    folder = tmp_path_factory.mktemp("seen")
    Image.fromarray(bar_chart().pixels).save(folder / "visitors.png")
    with CogAgent(home=folder / "home") as agent:
        assert agent.ingest([folder / "visitors.png"]).ingested == 1
    return folder / "home"


@pytest.fixture
def agent(home: Path) -> Iterator[CogAgent]:
    with CogAgent(home=home) as opened:
        yield opened


def _picture(agent: CogAgent) -> Element:
    (document,) = agent.documents.list()
    (picture,) = [item for item in agent.documents.elements(document.id) if item.kind != "page"]
    return picture


def test_all_levels_come_back_from_the_home(agent: CogAgent) -> None:
    picture = _picture(agent)
    assert picture.look == "chart"
    assert picture.whole.startswith("A chart, wider than high. Colours: mostly white")
    assert picture.blocks[0].role == "title"
    assert picture.blocks[0].box.y1 < 0.1
    said = [word.text for word in picture.placed_words()]
    assert said == " ".join(block.text for block in picture.blocks).split()
    for word in picture.placed_words():
        assert any(word.box.inside(block.box) > 0.9 for block in picture.blocks)


def test_a_picture_is_found_by_what_it_is_and_cited_where_it_says_so(agent: CogAgent) -> None:
    (found,) = agent.search("a chart with a scale of numbers", modality="image")
    assert " ".join(found.text.split()).startswith(_picture(agent).whole)
    start = found.text.index("Visitors")
    (line,) = found.locate(start, start + len("Visitors to the harbour museum"))
    assert line.box == pytest.approx(_picture(agent).blocks[0].box, abs=0.01)
    # What is only said of it stands nowhere in it: all of it is meant.
    (whole,) = found.locate(0, 7)
    assert whole.box == found.box


def test_a_picture_is_shown_at_three_levels(home: Path) -> None:
    with CogAgent(home=home) as agent:
        (document,) = agent.documents.list()
    show = ["--home", str(home), "documents", "show", document.id]
    printed = CliRunner().invoke(app, show).stdout.splitlines()
    at = printed.index("[image: chart]")
    assert printed[at + 1].startswith("  A chart, wider than high. ")
    assert printed[at + 2].endswith(" title: Visitors to the harbour museum")
    assert printed[-1].strip() == f"{len(_words(home, document.id))} words"
    listed = CliRunner().invoke(app, [*show, "--words"]).stdout.splitlines()
    words = [line.split()[-1] for line in listed if line.startswith("    ")]
    assert words == [word["text"] for word in _words(home, document.id)]


def _words(home: Path, document: str) -> list[dict[str, object]]:
    shown = CliRunner().invoke(app, ["--home", str(home), "documents", "show", document, "--json"])
    (picture,) = [e for e in json.loads(shown.stdout)["elements"] if e["kind"] == "image"]
    assert picture["blocks"][0]["role"] == "title"
    assert picture["whole"].startswith("A chart")
    assert set(picture["words"][0]) == {"text", "box"}
    assert len(picture["words"][0]["box"]) == 4
    return list(picture["words"])


# --- parts of pictures -----------------------------------------------------------


def photograph(index: int, width: int = 400) -> Image.Image:
    from sklearn.datasets import load_sample_images

    image = Image.fromarray(np.ascontiguousarray(load_sample_images().images[index]))
    return image.resize((width, width * image.height // image.width))


def test_the_parts_of_a_picture_are_where_they_stand_on_its_page(eyes: Eyes) -> None:
    place = make_box(0.5, 0.5, 1.0, 1.0)
    raster = Raster(np.asarray(photograph(0)))
    (seen,) = see(Element(kind="image", page=2, box=place, unseen=True), raster, eyes)
    assert seen.look == "photograph"
    assert seen.tiles is not None
    assert seen.tiles.boxes[:, :2].min() >= 0.5
    assert seen.tiles.boxes.max() <= 1.0
    assert len(seen.tiles) == len(seen.tiles.vectors) == 7
    (chart,) = see(Element(kind="image", unseen=True), sign(), eyes)
    assert chart.tiles is None or chart.look == "graphic"


def tiled(tiles: str) -> Settings:
    return Settings(parse=ParseSettings(tiles=tiles, ocr=False))


def counted(agent: CogAgent) -> dict[str, int]:
    """How many vectors of parts there are, by the way in which they were made."""
    rows = agent._engine.store.catalogue.reader().execute(
        "SELECT made, count(*) FROM tiles GROUP BY made"
    )
    return dict(rows.fetchall())


def test_parts_come_with_an_ingest_another_setting_or_a_reindex(tmp_path: Path) -> None:
    photograph(0).save(tmp_path / "a.png")
    photograph(1).save(tmp_path / "b.png")
    sources, home = sorted(tmp_path.glob("*.png")), tmp_path / "kb"
    with CogAgent(home=home, settings=tiled("none")) as agent:
        assert agent.ingest(sources).images == 2
        assert counted(agent) == {}
        plain = [piece.uri for piece in agent.search("a flower", k=2, modality="image")]
        assert agent.reindex().images == 0
    with CogAgent(home=home, settings=tiled("views")) as agent:
        assert agent.reindex().images == 2
        assert counted(agent) == {"views": 14}
        assert agent.reindex().images == 0
        found = agent.search("a flower", k=2, modality="image")
        assert [piece.uri for piece in found] == plain
    with CogAgent(home=home, settings=tiled("grids")) as agent:
        report = agent.ingest(sources)
        assert (report.ingested, report.skipped) == (2, 0)
        assert list(counted(agent)) == ["grids"]
        assert agent.reindex().images == 0
        assert not list(faults(agent._engine.store.catalogue))
        copy = tmp_path / "copy.png"
        copy.write_bytes(sources[0].read_bytes())
        before = counted(agent)["grids"]
        agent.ingest(copy)
        assert counted(agent)["grids"] > before, "an equal picture has them too"
        agent.documents.delete(agent.documents.list()[0].id)
    with CogAgent(home=home, settings=tiled("none")) as agent:
        agent.reindex()
        assert counted(agent) == {}
        assert len(agent.search("a flower", k=5, modality="image")) == 2


def test_a_small_photograph_in_a_large_one_is_found_by_its_part(tmp_path: Path) -> None:
    large, small = photograph(0, 800), photograph(1, 240)
    large.paste(small, (0, large.height - small.height))
    large.save(tmp_path / "with.png")
    photograph(0, 800).save(tmp_path / "without.png")
    with CogAgent(home=tmp_path / "kb", settings=tiled("grids")) as agent:
        agent.ingest([tmp_path / "with.png", tmp_path / "without.png"])
        first, second = agent.search("a flower", k=2, modality="image")
    assert Path(first.uri).name == "with.png"
    assert first.score > second.score
    assert first.focus is not None
    assert first.focus.x0 == 0.0
    assert first.focus.y1 == 1.0
    assert first.focus.area < 0.4
