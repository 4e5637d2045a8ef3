"""Vectors of parts of pictures: kept, found, filtered, deleted, carried over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cogagent.geometry import make_box
from cogagent.indexes import upkeep
from cogagent.indexes.catalogue import SCHEMA_VERSION
from cogagent.indexes.check import faults
from cogagent.indexes.store import Store
from cogagent.indexes.writing import Entry, Space
from cogagent.types import Element, TileVectors
from tests.conftest import IMAGE, make_entry, open_store
from tests.indexes.older import make_older

HALVES = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1]], np.float32)


def parts(*colours: str) -> TileVectors:
    return TileVectors("grids", HALVES[: len(colours)], IMAGE.embed_texts(colours))


def picture(uri: str, colour: str, *tiles: str, **changes: object) -> Entry:
    """A document with one picture of a colour, whose halves have others."""
    entry = make_entry(uri, f"picture {uri}", **changes)
    entry.chunks = [entry.chunks[0].model_copy(update={"kind": "image", "element": 0})]
    entry.elements = [Element(kind="image", look="photograph")]
    entry.image_vectors = {0: IMAGE.embed_texts([colour])[0]}
    entry.tiles = {0: parts(*tiles)} if tiles else {}
    return entry


def near(store: Store, colour: str, k: int = 10, **filters: object) -> list[tuple[str, float]]:
    """Uris of the pictures with a part near to a colour, and where the part begins."""
    selection = store.select("default", filters)
    (vector,) = IMAGE.embed_texts([colour])
    found = store.near_tiles("default", vector, k, None if selection is None else selection.ids)
    pieces = store.evidence(list(found))
    boxes = store.tile_boxes(tile for tile, _ in found.values())
    return [(pieces[key].uri, boxes[tile].x0) for key, (tile, _) in found.items()]


def tiles_of(store: Store) -> int:
    return int(store.catalogue.reader().execute("SELECT count(*) FROM tiles").fetchone()[0])


def test_a_picture_is_found_by_its_nearest_part(store: Store) -> None:
    store.put("default", [picture("a", "blue", "red", "blue"), picture("b", "blue", "green")])
    assert near(store, "red")[0] == ("a", 0.0)
    assert near(store, "blue")[0] == ("a", 0.5)
    assert near(store, "green")[0] == ("b", 0.0)
    assert near(store, "red", k=1) == [("a", 0.0)]
    assert list(faults(store.catalogue)) == []


def test_without_parts_nothing_is_found(store: Store) -> None:
    store.put("default", [picture("a", "blue")])
    assert near(store, "blue") == []


def test_filters_and_switched_off_documents_count(store: Store) -> None:
    store.put(
        "default",
        [
            picture(uri, "blue", "red", metadata={"year": year})
            for uri, year in (("a", 1), ("b", 2))
        ],
    )
    assert near(store, "red", year=2) == [("b", 0.0)]
    known = store.known("default", "b")
    assert known is not None
    store.set_enabled(known.id, False)
    assert near(store, "red") == [("a", 0.0)]
    assert near(store, "red", year=2) == []


def test_parts_leave_with_their_picture(store: Store) -> None:
    store.put("default", [picture("a", "blue", "red"), picture("b", "blue", "green")])
    store.put("default", [picture("a", "blue", "blue", "green")])
    assert tiles_of(store) == 3
    assert near(store, "blue")[0] == ("a", 0.0)
    known = store.known("default", "a")
    assert known is not None
    store.delete([known.id])
    assert near(store, "blue") == [("b", 0.0)]
    store.delete_collection("default")
    assert tiles_of(store) == 0


def test_the_index_of_parts_follows_the_catalogue(tmp_path: Path) -> None:
    store = open_store(tmp_path / "home")
    store.create_collection("default")
    store.put("default", [picture("a", "blue", "red")])
    store.save("default")
    store.put("default", [picture("b", "blue", "red", "green")])
    known = store.known("default", "a")
    assert known is not None
    store.delete([known.id])
    store.close()
    again = open_store(tmp_path / "home")
    assert near(again, "green") == [("b", 0.5)]
    again.close()
    for path in (tmp_path / "home" / "indexes").iterdir():
        path.write_bytes(b"garbage")
    mended = open_store(tmp_path / "home")
    assert near(mended, "green") == [("b", 0.5)]
    mended.close()


def test_a_stored_document_comes_back_with_its_parts(store: Store) -> None:
    store.put("default", [picture("a", "blue", "red", "green"), picture("b", "blue")])
    first, second = (store.entry(item.id) for item in store.documents("default"))
    assert list(first.tiles) == [0]
    assert second.tiles == {}
    assert first.tiles[0].made == "grids"
    assert np.array_equal(first.tiles[0].boxes, HALVES)
    assert first.tiles[0].vectors == pytest.approx(parts("red", "green").vectors, abs=1e-3)


def test_parts_without_their_picture_are_a_fault(store: Store) -> None:
    store.put("default", [picture("a", "blue", "red", "green")])
    with store.catalogue.transaction() as connection:
        connection.execute("DELETE FROM vectors WHERE space LIKE 'image:%'")
    assert [fault.what for fault in faults(store.catalogue)] == [
        "2 parts of pictures have no picture"
    ]


def test_pictures_that_lack_parts_get_them_later(store: Store) -> None:
    store.put("default", [picture("a", "blue"), picture("b", "blue", "red")])
    (row,) = upkeep.untiled(store, "grids", ["photograph"], 0, 10)
    assert row.look == "photograph"
    assert upkeep.untiled(store, "grids", ["graphic"], 0, 10) == []
    assert upkeep.untiled(store, "grids", ["photograph"], row.id, 10) == []
    assert len(upkeep.untiled(store, "views", ["photograph"], 0, 10)) == 2
    upkeep.add_tiles(store, [(row, parts("green"))])
    assert near(store, "green")[0] == ("a", 0.0)
    upkeep.add_tiles(store, [(row, parts("blue"))])
    assert near(store, "blue")[0] == ("a", 0.0)
    assert tiles_of(store) == 2
    upkeep.add_tiles(store, [(row._replace(id=9999), parts("blue"))])
    assert tiles_of(store) == 2
    upkeep.add_tiles(store, [(row, None)])
    assert tiles_of(store) == 1
    upkeep.drop_tiles(store)
    assert near(store, "red") == []


def test_another_embedder_leaves_no_parts_of_the_old(tmp_path: Path) -> None:
    old = open_store(tmp_path / "home")
    old.create_collection("default")
    old.put("default", [picture("a", "blue", "red")])
    old.close()
    other = Space("image:other", 3)
    new = open_store(tmp_path / "home", image=other, adopt=True)
    (row,) = upkeep.unembedded(new, other, 10)
    upkeep.add_vectors(new, other, [(row, np.ones(3, np.float32))])
    assert tiles_of(new) == 1
    assert upkeep.settle(new)
    assert tiles_of(new) == 0
    new.close()


def test_a_home_of_version_3_opens_and_works_without_parts(tmp_path: Path) -> None:
    path = tmp_path / "home" / "catalogue.sqlite"
    store = open_store(tmp_path / "home")
    store.create_collection("default")
    store.put("default", [picture("a", "blue")])
    store.close()
    make_older(path, 3)
    again = open_store(tmp_path / "home")
    version = again.catalogue.reader().execute("PRAGMA user_version").fetchone()
    assert version == (SCHEMA_VERSION,)
    assert near(again, "blue") == []
    again.put("default", [picture("b", "blue", "red")])
    assert near(again, "red") == [("b", 0.0)]
    assert again.evidence([1])[1].box == make_box(0.0, 0.1, 0.5, 0.12)
    again.close()
