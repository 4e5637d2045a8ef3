"""The probe: what each tool would find, and that its searches are those of the run."""

from __future__ import annotations

import numpy as np
import pytest

from cogagent.errors import StorageError
from cogagent.indexes.store import Store
from cogagent.pipelines.probing import HITS, coverage, probe, weights
from cogagent.retrievers.image import ImageRetriever
from cogagent.retrievers.text import Signals, TextRetriever
from cogagent.types import Chunk, Evidence, Query
from tests.conftest import IMAGE, TEXT, make_entry

FACTS = ("The heron nests by the old mill", "Barley grew in the northern field in 1931")


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def tools(store: Store) -> dict[str, object]:
    store.put("default", [make_entry(f"fact-{n}", text) for n, text in enumerate(FACTS)])
    chart = [Chunk(kind="image", text="Barley yield by year", caption="Barley yield")]
    photograph = [Chunk(kind="image", text="A photograph, wider than high.")]
    for uri, chunks, vector in (
        ("chart", chart, unit(0, 0.2, 1)), ("photograph", photograph, unit(1, 0, 0)),
    ):  # fmt: skip
        store.put("default", [make_entry(
            uri, chunks=chunks, text_vectors=TEXT.embed([chunks[0].text]), elements=[],
            image_vectors={0: vector}, media_type="image/png",
        )])  # fmt: skip
    text = TextRetriever(store, TEXT, "default", kinds=("text", "table"))
    return {"text": text, "image": ImageRetriever(store, IMAGE, text, "default")}


def test_each_tool_shows_its_hits_and_how_good_they_are(tools: dict[str, object]) -> None:
    found = probe("Where does the heron nest by the mill?", tools)
    text, image = found.probes
    assert (text.tool, image.tool) == ("text", "image")
    assert text.hits[0].text == FACTS[0]
    assert text.hits[0].words == 1.0
    assert text.hits[0].cosine == pytest.approx(
        float(TEXT.embed(["Where does the heron nest by the mill?"])[0]
              @ TEXT.embed([f"A title\n{FACTS[0]}"])[0]), abs=1e-3,
    )  # fmt: skip
    assert text.hits[0].shown is None
    assert {hit.modality for hit in image.hits} == {"image"}
    assert all(hit.cosine is not None and hit.shown is not None for hit in image.hits)


@pytest.mark.parametrize("question", ["red barley", "heron", "Barley yield", "nothing of it"])
def test_a_probe_finds_what_a_search_finds(tools: dict[str, object], question: str) -> None:
    found = probe(question, tools, k=3)
    for query, pieces in found.results.items():
        assert query == Query(text=question, tool=query.tool)
        searched = tools[query.tool].retrieve(query, 3)
        assert [(one.id, one.score) for one in pieces] == [(one.id, one.score) for one in searched]


def test_pictures_compete_on_what_they_have(tools: dict[str, object]) -> None:
    assert probe("Barley yield by year", tools).probes[1].hits[0].title == "A title"
    assert _first(tools, "Barley yield by year") == "chart"
    assert _first(tools, "red") == "photograph"


def _first(tools: dict[str, object], question: str) -> str:
    pieces = probe(question, tools).results[Query(text=question, tool="image")]
    return pieces[0].uri


def test_each_question_in_a_question_is_probed(tools: dict[str, object]) -> None:
    found = probe("Where does the heron nest, and when did barley grow there?", tools)
    assert [look.part for look in found.probes[::2]] == [
        "", "Where does the heron nest?", "when did barley grow there?",
    ]  # fmt: skip
    assert len(found.results) == 6
    assert not any(look.part for look in probe("Which is older, heron or mill?", tools).probes)


def test_an_empty_collection_has_no_hits(store: Store) -> None:
    text = TextRetriever(store, TEXT, "default", kinds=("text", "table"))
    tools = {"text": text, "image": ImageRetriever(store, IMAGE, text, "default")}
    assert [look.hits for look in probe("heron", tools).probes] == [(), ()]


def test_tools_that_cannot_tell_are_passed_over_and_failures_are_not() -> None:
    class Plain:
        def retrieve(self, query: Query, k: int) -> list[Evidence]:
            raise AssertionError

    class Broken:
        def look(self, query: Query, k: int) -> list[tuple[Evidence, Signals]]:
            raise StorageError("the disk is gone.")

    assert probe("heron", {"web": Plain()}).probes == ()
    with pytest.raises(StorageError):
        probe("heron", {"text": Broken()})


def test_a_probe_shows_no_more_than_it_has_to(store: Store) -> None:
    store.put("default", [make_entry(f"f{n}", "heron " * 200) for n in range(12)])
    text = TextRetriever(store, TEXT, "default")
    found = probe("heron", {"text": text})
    assert len(found.probes[0].hits) == HITS
    assert len(found.results[Query(text="heron", tool="text")]) == 12
    assert max(len(hit.text) for hit in found.probes[0].hits) <= 240


def test_weights_add_up_and_names_count_twice() -> None:
    asked = weights("When did the heron reach Lowestoft?")
    assert sum(asked.values()) == pytest.approx(1)
    assert asked["lowestoft"] == 2 * asked["heron"]
    assert weights("") == {}
    assert coverage({}, "anything") == 0
    assert coverage(asked, "Herons reached Lowestoft") == pytest.approx(1)
