from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cogagent.errors import (
    DiskFullError,
    EmbedderMismatchError,
    HomeVersionError,
    InputError,
    NotFoundError,
    StorageError,
    UnknownFieldError,
)
from cogagent.indexes import upkeep
from cogagent.indexes.store import Failed, Store
from cogagent.indexes.writing import Space
from cogagent.types import Failure
from tests.conftest import IMAGE, TEXT, make_entry, open_store


def lexical(store: Store, *terms: str, filters: dict[str, object] | None = None) -> list[str]:
    selection = store.select("default", filters)
    ids, _ = store.lexical("default", terms, 100, selection)
    found = store.evidence(ids.tolist())
    return [found[key].uri for key in ids.tolist()]


def nearest(store: Store, text: str, filters: dict[str, object] | None = None) -> list[str]:
    selection = store.select("default", filters)
    ids, _ = store.nearest(
        "default", store.text, TEXT.embed([text])[0], 100, selection and selection.ids
    )
    found = store.evidence(ids.tolist())
    return [found[key].uri for key in ids.tolist()]


def test_words_are_stemmed_and_titles_searched(store: Store) -> None:
    store.put("default", [make_entry("a", "The dog was running.", title="Kennels")])
    assert lexical(store, "runs") == ["a"]
    assert lexical(store, "kennel") == ["a"]
    assert lexical(store, "cat") == []


@pytest.mark.parametrize(
    "term", ["AND", "a-b", "foo(bar", '"', 'x"y', "NEAR/3", "*", "\0", "col:x"]
)
def test_query_words_are_taken_literally(store: Store, term: str) -> None:
    store.put("default", [make_entry("a", "plain words")])
    assert lexical(store, term) == []


def test_a_document_of_the_same_uri_is_replaced(store: Store) -> None:
    store.put("default", [make_entry("a", "old words")])
    before = store.known("default", "a")
    store.put("default", [make_entry("a", "fresh text", "and more")])
    after = store.known("default", "a")
    assert before is not None
    assert after is not None
    assert (after.id, after.version) == (before.id, 2)
    assert lexical(store, "old") == []
    assert lexical(store, "fresh") == ["a"]
    assert store.size("default", store.text) == 2


def test_ids_are_never_reused(store: Store) -> None:
    store.put("default", [make_entry("a", "first")])
    first, _ = store.lexical("default", ["first"], 1, None)
    store.delete([store.documents("default")[0].id])
    store.put("default", [make_entry("b", "second")])
    second, _ = store.lexical("default", ["second"], 1, None)
    assert second[0] > first[0]


def test_a_failed_batch_leaves_nothing(store: Store) -> None:
    broken = make_entry("b", "two", "three")
    broken.text_vectors = broken.text_vectors[:1]
    with pytest.raises(IndexError):
        store.put("default", [make_entry("a", "one"), broken])
    assert store.documents("default") == []
    assert lexical(store, "one") == []
    assert store.size("default", store.text) == 0


def test_a_full_disk_is_a_typed_error_and_changes_nothing(store: Store) -> None:
    store.put("default", [make_entry("a", "kept")])
    connection = store.catalogue.reader()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFullError, match="nothing was changed"):
        store.put("default", [make_entry("b", *["much text " * 500] * 20)])
    connection.execute("PRAGMA max_page_count = 1000000")
    assert [document.uri for document in store.documents("default")] == ["a"]
    store.put("default", [make_entry("c", "works again")])
    assert lexical(store, "again") == ["c"]


def test_filters_apply_before_the_search(store: Store) -> None:
    store.put(
        "default",
        [
            make_entry(f"u{n}", f"common words {n}", metadata={"year": 2000 + n, "draft": n == 1})
            for n in range(5)
        ],
    )
    only = {"year": 2003}
    assert lexical(store, "common", filters=only) == ["u3"]
    assert nearest(store, "common words 1", filters=only) == ["u3"]
    assert sorted(lexical(store, "common", filters={"year": [2000, 2001]})) == ["u0", "u1"]
    assert lexical(store, "common", filters={"draft": True}) == ["u1"]
    assert lexical(store, "common", filters={"uri": "u2", "media_type": "text/plain"}) == ["u2"]
    assert lexical(store, "common", filters={"page": 2}) == []
    many = [f"u{n}" for n in range(5000)]
    assert len(lexical(store, "common", filters={"uri": many})) == 5
    assert lexical(store, "common", filters={"year": []}) == []


def test_a_filter_for_nothing_finds_what_lacks_the_field(store: Store) -> None:
    store.put(
        "default",
        [make_entry("with", "common", metadata={"year": 1}), make_entry("without", "common")],
    )
    assert lexical(store, "common", filters={"year": None}) == ["without"]
    assert sorted(lexical(store, "common", filters={"year": [None, 1]})) == ["with", "without"]


def test_an_unknown_field_names_the_known_ones(store: Store) -> None:
    store.put("default", [make_entry("a", "x", metadata={"year": 1})])
    with pytest.raises(UnknownFieldError, match="year") as caught:
        store.select("default", {"colour": "red"})
    assert "media_type" in caught.value.remedy
    with pytest.raises(InputError):
        store.select("default", {"year": {"gt": 3}})  # type: ignore[dict-item]


def test_a_disabled_document_is_not_found_until_enabled(store: Store) -> None:
    store.put("default", [make_entry("a", "one word"), make_entry("b", "one more")])
    document = store.known("default", "a")
    assert document is not None
    store.set_enabled(document.id, False)
    assert lexical(store, "one") == ["b"]
    assert nearest(store, "one word") == ["b"]
    store.set_enabled(document.id, True)
    assert sorted(lexical(store, "one")) == ["a", "b"]


def test_collections_are_apart(store: Store) -> None:
    store.create_collection("other")
    store.put("default", [make_entry("a", "shared word")])
    store.put("other", [make_entry("a", "shared word")])
    assert lexical(store, "shared") == ["a"]
    store.delete_collection("other")
    assert lexical(store, "shared") == ["a"]
    with pytest.raises(NotFoundError, match="other"):
        store.documents("other")


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb"])
def test_bad_collection_names_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InputError):
        store.create_collection(name)


def test_index_files_follow_the_catalogue(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with_file = open_store(home)
    with_file.create_collection("default")
    with_file.put("default", [make_entry("a", "alpha"), make_entry("b", "beta")])
    with_file.save("default")
    # Changes after the save are only in the catalogue.
    with_file.put("default", [make_entry("c", "gamma")])
    known = with_file.known("default", "a")
    assert known is not None
    with_file.delete([known.id])
    with_file.close()
    reopened = open_store(home)
    assert sorted(nearest(reopened, "alpha beta gamma")) == ["b", "c"]
    reopened.close()


def test_what_a_killed_save_left_is_removed_later(store: Store) -> None:
    store.put("default", [make_entry("a", "alpha")])
    store.save("default")
    saved = min((store.home / "indexes").glob("*.faiss"))
    old, young = (saved.with_name(f"{saved.name}.{n}.tmp") for n in (1, 2))
    for left in (old, young):
        left.touch()
    os.utime(old, (0, 0))
    store.put("default", [make_entry("b", "beta")])
    store.save("default")
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("damage", [b"", b"garbage" * 100])
def test_a_damaged_index_file_is_rebuilt(tmp_path: Path, damage: bytes) -> None:
    home = tmp_path / "home"
    store = open_store(home)
    store.create_collection("default")
    store.put("default", [make_entry("a", "alpha")])
    store.save("default")
    store.close()
    for path in (home / "indexes").iterdir():
        path.write_bytes(damage)
    reopened = open_store(home)
    assert nearest(reopened, "alpha") == ["a"]
    reopened.close()


def test_another_process_sees_changes_at_once(tmp_path: Path) -> None:
    one, two = open_store(tmp_path / "home"), open_store(tmp_path / "home")
    one.create_collection("default")
    one.put("default", [make_entry("a", "alpha")])
    assert nearest(two, "alpha") == ["a"]
    known = one.known("default", "a")
    assert known is not None
    one.delete([known.id])
    assert nearest(two, "alpha") == []
    one.close()
    two.close()


def test_another_embedder_is_refused_and_names_reindex(tmp_path: Path) -> None:
    home = tmp_path / "home"
    store = open_store(home)
    store.create_collection("default")
    store.put("default", [make_entry("a", "alpha")])
    store.close()
    other = Space("text:other", 8)
    with pytest.raises(EmbedderMismatchError, match="reindex"):
        open_store(home, text=other)
    adopted = open_store(home, text=other, adopt=True)
    waiting = upkeep.unembedded(adopted, other, 10)
    assert [row.chunk.text for row in waiting] == ["alpha"]
    assert not upkeep.settle(adopted)
    upkeep.add_vectors(adopted, other, [(row, np.ones(8, np.float32)) for row in waiting])
    assert upkeep.settle(adopted)
    adopted.close()
    again = open_store(home, text=other)
    assert again.size("default", other) == 1
    again.close()


def test_failures_are_kept_until_the_source_is_ingested(store: Store) -> None:
    store.record_failures("default", [Failed(Failure(uri="a", error="broken", stage="parse"))])
    assert [failure.error for failure in store.failures("default")] == ["broken"]
    store.put("default", [make_entry("a", "mended")])
    assert store.failures("default") == []


def test_a_stored_document_comes_back_as_it_was(store: Store) -> None:
    entry = make_entry("a", "some words here", "and there", metadata={"n": 1})
    entry.image_vectors = {1: IMAGE.embed_texts(["red"])[0]}
    store.put("default", [entry])
    known = store.known("default", "a")
    assert known is not None
    back = store.entry(known.id)
    assert [chunk.text for chunk in back.chunks] == ["some words here", "and there"]
    assert back.chunks[0].words.lines(5, 10) == entry.chunks[0].words.lines(5, 10)
    assert np.allclose(back.text_vectors, entry.text_vectors, atol=1e-3)
    assert list(back.image_vectors) == [1]
    assert [element.text for element in back.elements] == ["some words here", "and there"]


def test_a_home_of_another_version_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_store(home).close()
    with sqlite3.connect(home / "catalogue.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(HomeVersionError, match="99"):
        open_store(home)


def test_a_file_that_is_no_catalogue_is_a_typed_error(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "catalogue.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageError, match="doctor"):
        open_store(home)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=200))
def test_any_text_is_stored_and_searched(store: Store, text: str) -> None:
    clean = text.encode("utf-8", "replace").decode("utf-8")
    store.put("default", [make_entry("any", clean)])
    known = store.known("default", "any")
    assert known is not None
    assert store.entry(known.id).chunks[0].text == clean
    lexical(store, *clean.split())


def test_a_store_whose_home_was_reindexed_meanwhile_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    old = open_store(home)
    old.create_collection("default")
    old.put("default", [make_entry("a", "alpha")])
    other = Space("text:other", 8)
    new = open_store(home, text=other, adopt=True)
    waiting = upkeep.unembedded(new, other, 10)
    upkeep.add_vectors(new, other, [(row, np.ones(8, np.float32)) for row in waiting])
    assert upkeep.settle(new)
    with pytest.raises(EmbedderMismatchError, match="reindex"):
        old.put("default", [make_entry("b", "beta")])
    assert [document.uri for document in new.documents("default")] == ["a"]
    old.close()
    new.close()
