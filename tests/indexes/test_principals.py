"""Who may see which document: checked before the search, in lists, and by id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import pytest

from cogagent.errors import ForbiddenError, NotFoundError, UnknownFieldError
from cogagent.indexes.store import Store
from tests.conftest import TEXT, make_entry


@pytest.fixture
def shared(store: Store) -> Store:
    """One document for everybody, one for ann, one for ann and bob."""
    store.put(
        "default",
        [
            make_entry("all", "red fox"),
            make_entry("ann", "red hen", principals=("ann",), metadata={"secret": 1}),
            make_entry("both", "red cow", principals=("ann", "bob")),
        ],
    )
    return store


def found(store: Store, principals: object) -> list[str]:
    selection = store.select("default", None, principals)
    vector = TEXT.embed(["red"])[0]
    allowed = None if selection is None else selection.ids
    near, _ = store.nearest("default", store.text, vector, 9, allowed)
    words, _ = store.lexical("default", ["red"], 9, selection)
    assert set(near.tolist()) == set(words.tolist())
    return sorted(piece.uri for piece in store.evidence(near.tolist()).values())


@pytest.mark.parametrize(
    ("principals", "seen"),
    [
        (None, ["all", "ann", "both"]),
        (["ann"], ["all", "ann", "both"]),
        (["bob"], ["all", "both"]),
        ([], ["all"]),
        (["eve", "'; --"], ["all"]),
    ],
)
def test_a_search_brings_what_may_be_seen(
    shared: Store, principals: list[str] | None, seen: list[str]
) -> None:
    assert found(shared, principals) == seen
    assert [one.uri for one in shared.documents("default", principals=principals)] == seen
    (collection,) = shared.collections(principals)
    assert collection.documents == len(seen)
    for one in shared.documents("default"):
        if one.uri in seen:
            assert shared.document(one.id, principals) == one
        else:
            with pytest.raises(NotFoundError):
                shared.document(one.id, principals)


def test_fields_that_only_hidden_documents_have_are_unknown(shared: Store) -> None:
    assert shared.select("default", {"secret": 1}, ["ann"]) is not None
    with pytest.raises(UnknownFieldError) as error:
        shared.select("default", {"secret": 1}, ["bob"])
    assert "Known" in error.value.remedy
    assert "secret" not in error.value.remedy


def test_a_document_that_enters_again_for_others_is_theirs(shared: Store) -> None:
    assert found(shared, ["bob"]) == ["all", "both"]
    shared.put("default", [make_entry("ann", "red hen", principals=("bob",))])
    assert found(shared, ["bob"]) == ["all", "ann", "both"]
    assert found(shared, ["ann"]) == ["all", "both"]


def test_an_id_is_known_before_the_document_is_there(store: Store) -> None:
    foretold = store.document_id("default", "a")
    store.create_collection("other")
    assert foretold != store.document_id("other", "a")
    assert store.put("default", [make_entry("a", "red")]) == [foretold]
    assert store.document_id("default", "a") == foretold
    store.delete([foretold])
    assert store.put("default", [make_entry("a", "blue")]) == [foretold]


def test_a_collection_made_anew_gives_other_ids(store: Store) -> None:
    (before,) = store.put("default", [make_entry("a", "red")])
    store.delete_collection("default")
    store.create_collection("default")
    assert store.document_id("default", "a") != before


def test_a_collection_with_what_is_hidden_stays(shared: Store) -> None:
    for principals in (["bob"], []):
        with pytest.raises(ForbiddenError, match="'default' holds documents that are not yours"):
            shared.delete_collection("default", principals)
    assert found(shared, None) == ["all", "ann", "both"]
    shared.delete_collection("default", ["ann"])
    assert not shared.has_collection("default")


def test_nothing_hidden_comes_between_the_look_and_the_deletion(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process cannot write after it was seen that nothing is hidden."""
    store.put("default", [make_entry("all", "red fox")])
    look, tried = Store._require_all_seen, []

    def looked(
        connection: sqlite3.Connection, collection: int, name: str, principals: Iterable[str]
    ) -> None:
        look(connection, collection, name, principals)
        other = sqlite3.connect(store.catalogue.path, timeout=0)
        try:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        finally:
            other.close()
        tried.append(name)

    monkeypatch.setattr(Store, "_require_all_seen", staticmethod(looked))
    store.delete_collection("default", ["bob"])
    assert tried == ["default"]
    assert not store.has_collection("default")


def test_lists_go_on_behind_a_uri(shared: Store) -> None:
    page = shared.documents("default", limit=2)
    assert [one.uri for one in page] == ["all", "ann"]
    assert [one.uri for one in shared.documents("default", after="ann", limit=2)] == ["both"]
