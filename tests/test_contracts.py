"""The contracts, held by what this package ships: real parts and doubles alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.html import HtmlLoader
from cogagent.documents.image import ImageLoader
from cogagent.documents.pdf.loader import PdfLoader
from cogagent.indexes.store import Store
from cogagent.indexes.vectors import FaissIndex
from cogagent.planners.rules import RulePlanner
from cogagent.retrievers.image import ImageRetriever
from cogagent.retrievers.mixed import MixedRetriever
from cogagent.retrievers.text import TextRetriever
from cogagent.testing.contracts import (
    ImageEmbedderContract,
    LoaderContract,
    PlannerContract,
    RetrieverContract,
    TextEmbedderContract,
    VectorIndexContract,
)
from cogagent.testing.doubles import (
    ColourImageEmbedder,
    HashTextEmbedder,
    ListRetriever,
    ScriptedPlanner,
)
from cogagent.types import Query, Source, Step
from tests.conftest import IMAGE, TEXT, make_entry
from tests.test_types import make_evidence


class TestFaissIndex(VectorIndexContract):
    @pytest.fixture
    def index(self) -> FaissIndex:
        return FaissIndex(4)


class TestPdfLoader(LoaderContract):
    @pytest.fixture
    def loader(self) -> PdfLoader:
        return PdfLoader(LimitSettings(), ParseSettings())

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        canvas = Canvas(str(tmp_path / "two.pdf"))
        for page in range(2):
            canvas.drawString(72, 700, f"Page {page} speaks of water and stone.")
            canvas.showPage()
        canvas.save()
        return Source(uri="two.pdf", data=(tmp_path / "two.pdf").read_bytes())


class TestTiffLoader(LoaderContract):
    @pytest.fixture
    def loader(self) -> ImageLoader:
        return ImageLoader(LimitSettings(), ParseSettings())

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
        frames[0].save(tmp_path / "two.tiff", save_all=True, append_images=frames[1:])
        return Source(uri="two.tiff", data=(tmp_path / "two.tiff").read_bytes())


class TestRulePlanner(PlannerContract):
    @pytest.fixture
    def planner(self) -> RulePlanner:
        return RulePlanner()


class TestScriptedPlanner(PlannerContract):
    @pytest.fixture
    def planner(self) -> ScriptedPlanner:
        return ScriptedPlanner([Step(number=1, queries=(Query(text="water"),))])


class TestHashTextEmbedder(TextEmbedderContract):
    @pytest.fixture
    def embedder(self) -> HashTextEmbedder:
        return HashTextEmbedder()


class TestColourImageEmbedder(ImageEmbedderContract):
    @pytest.fixture
    def embedder(self) -> ColourImageEmbedder:
        return ColourImageEmbedder()


@pytest.fixture
def lake(store: Store) -> Store:
    entry = make_entry("a", "Deep water.", "Still water runs.", "Stone.", title="Lake")
    entry.image_vectors = {
        position: IMAGE.embed_texts([colour])[0] for position, colour in enumerate(["blue", "red"])
    }
    entry.chunks = [chunk.model_copy(update={"kind": "image"}) for chunk in entry.chunks]
    store.put("default", [entry])
    return store


class TestTextRetriever(RetrieverContract):
    @pytest.fixture
    def retriever(self, lake: Store) -> TextRetriever:
        return TextRetriever(lake, TEXT, "default")


class TestImageRetriever(RetrieverContract):
    @pytest.fixture
    def retriever(self, lake: Store) -> ImageRetriever:
        return ImageRetriever(lake, IMAGE, TextRetriever(lake, TEXT, "default"), "default")


class TestMixedRetriever(RetrieverContract):
    @pytest.fixture
    def retriever(self, lake: Store) -> MixedRetriever:
        text = TextRetriever(lake, TEXT, "default")
        return MixedRetriever(lake, text, ImageRetriever(lake, IMAGE, text, "default"))


class TestListRetriever(RetrieverContract):
    @pytest.fixture
    def retriever(self) -> ListRetriever:
        return ListRetriever(
            [make_evidence("water", id="a"), make_evidence("more", id="b", score=0.5)]
        )


def test_html_with_nothing_in_it_has_a_page() -> None:
    loader = HtmlLoader(LimitSettings(), ParseSettings())
    kinds = [e.kind for e in loader.load(Source(uri="x.html", data=b"<p></p>"))]
    assert kinds == ["page"]
