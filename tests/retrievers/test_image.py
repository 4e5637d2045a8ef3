"""Pictures found by what they show, the whole or a part of them."""

from __future__ import annotations

import pytest

from cogagent.geometry import Box
from cogagent.indexes.store import Store
from cogagent.retrievers.image import TILE_WEIGHT, ImageRetriever
from cogagent.retrievers.text import TextRetriever
from cogagent.types import Query
from tests.conftest import IMAGE, TEXT
from tests.indexes.test_tiles import picture


def retriever(store: Store, **changes: object) -> ImageRetriever:
    texts = TextRetriever(store, TEXT, "default")
    return ImageRetriever(store, IMAGE, texts, "default", **changes)


@pytest.fixture
def seen(store: Store) -> Store:
    """Pictures without words, of which only what they show is known."""
    entries = [
        picture("part", "blue", "blue", "red"),
        picture("plain", "blue", "blue", "blue"),
        picture("old", "green"),
    ]
    for entry in entries:
        entry.chunks = [
            piece.model_copy(update={"words": type(piece.words).empty()}) for piece in entry.chunks
        ]
    store.put("default", entries)
    return store


def test_a_small_thing_is_found_and_pointed_at(seen: Store) -> None:
    first, second, _ = retriever(seen).retrieve(Query(text="red"), 3)
    assert first.uri == "part"
    assert first.focus == Box(0.5, 0.0, 1.0, 1.0)
    assert first.box == Box(0.0, 0.1, 0.5, 0.12), "the evidence is still the picture"
    assert second.uri != "part"


def test_what_the_whole_shows_best_has_no_focus(seen: Store) -> None:
    found = {piece.uri: piece for piece in retriever(seen).retrieve(Query(text="green"), 3)}
    assert found["old"].focus is None
    assert next(iter(found)) == "old"


def test_whole_and_best_part_count(seen: Store) -> None:
    near = retriever(seen)._shown("red")
    by_uri = {piece.uri: key for key, piece in seen.evidence(list(near.scores)).items()}
    (red,), (blue,) = IMAGE.embed_texts(["red"]), IMAGE.embed_texts(["blue"])
    key = by_uri["part"]
    assert near.cosines[key] == pytest.approx(red @ blue, abs=1e-3)
    mixed = (1 - TILE_WEIGHT) * near.cosines[key] + TILE_WEIGHT
    assert near.scores[key] == pytest.approx(mixed, abs=1e-3)
    # A part no nearer than the whole changes nothing, nor do parts that are not there.
    for uri in ("plain", "old"):
        key = by_uri[uri]
        assert near.scores[key] == pytest.approx(near.cosines[key], abs=1e-3)


def test_a_picture_is_found_by_another_that_is_a_part_of_it(seen: Store) -> None:
    found = retriever(seen, pictures=IMAGE.embed_texts(["red"])).retrieve(Query(picture=0), 1)
    assert [(piece.uri, piece.focus) for piece in found] == [("part", Box(0.5, 0.0, 1.0, 1.0))]


def test_signals_are_those_of_the_whole(seen: Store) -> None:
    (found, signals), *_ = retriever(seen).look(Query(text="red"), 1)
    (red,), (blue,) = IMAGE.embed_texts(["red"]), IMAGE.embed_texts(["blue"])
    assert found.uri == "part"
    assert signals.shown == pytest.approx(red @ blue, abs=1e-3)
