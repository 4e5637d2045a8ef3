"""Answers under a caller's key: kept, found again, and gone with what they quote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cogagent.errors import ConflictError, StorageError
from cogagent.indexes.idempotent import KEPT, Idempotent
from cogagent.indexes.runs import TraceEntry
from cogagent.indexes.store import Store
from tests.conftest import make_entry

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def keep(kept: Idempotent, key: str = "k", body: bytes = b"{}", **others: object) -> bytes:
    told = {"documents": (), "trace": None, **others}
    return kept.keep("owner", key, "hash", body, told["documents"], told["trace"])


def test_what_was_answered_is_found_by_its_owner_alone(store: Store) -> None:
    kept = Idempotent(store.catalogue)
    assert kept.find("owner", "k", "hash") is None
    (document,) = store.put("default", [make_entry("note:1", "A text.")])
    assert keep(kept, body=b'{"a":1}', documents=[document]) == b'{"a":1}'
    found = kept.find("owner", "k", "hash")
    assert found == (b'{"a":1}', frozenset({document}))
    assert kept.find("other", "k", "hash") is None
    assert kept.find("owner", "k2", "hash") is None


def test_a_key_stands_for_one_request(store: Store) -> None:
    kept = Idempotent(store.catalogue)
    keep(kept)
    with pytest.raises(ConflictError):
        kept.find("owner", "k", "another")
    with pytest.raises(ConflictError):
        kept.keep("owner", "k", "another", b"", (), None)


def test_who_is_slower_gets_what_was_kept_first(store: Store) -> None:
    kept = Idempotent(store.catalogue)
    assert keep(kept, body=b"first") == b"first"
    assert keep(kept, body=b"second") == b"first"


def test_a_key_is_forgotten_after_a_day(store: Store) -> None:
    now = NOW
    kept = Idempotent(store.catalogue, lambda: now)
    keep(kept)
    now = NOW + KEPT - timedelta(seconds=1)
    assert kept.find("owner", "k", "hash") is not None
    now = NOW + KEPT
    assert kept.find("owner", "k", "hash") is None
    keep(kept, "other")
    count = store.catalogue.reader().execute("SELECT count(*) FROM idempotent").fetchone()[0]
    assert count == 1


def test_an_answer_goes_with_a_document_that_it_quotes(store: Store) -> None:
    entries = [make_entry("note:1", "A text."), make_entry("note:2", "Another.")]
    document, other = store.put("default", entries)
    kept = Idempotent(store.catalogue)
    keep(kept, documents=[document])
    keep(kept, "other", documents=[other])
    store.delete([document])
    keep(kept, "late", documents=[document, other])
    assert kept.find("owner", "late", "hash") is None
    assert kept.find("owner", "k", "hash") is None
    assert kept.find("owner", "other", "hash") is not None


def test_an_answer_goes_with_its_collection(store: Store) -> None:
    store.create_collection("more")
    (document,) = store.put("more", [make_entry("note:1", "A text.")])
    kept = Idempotent(store.catalogue)
    keep(kept, documents=[document])
    store.delete_collection("more")
    assert kept.find("owner", "k", "hash") is None


def test_an_answer_goes_with_its_trace_deleted_or_making_room(store: Store) -> None:
    kept = Idempotent(store.catalogue)
    for number in range(3):
        name = f"trace-{number}"
        entry = TraceEntry(id=name, at=f"2026-01-0{number + 1}", question="?", outcome="answered")
        store.runs.add_trace(entry, "{}", (), keep=2)
        keep(kept, name, trace=name)
    store.runs.delete_traces("trace-2")
    assert kept.find("owner", "trace-0", "hash") is None
    assert kept.find("owner", "trace-1", "hash") is not None
    assert kept.find("owner", "trace-2", "hash") is None


def test_one_can_be_forgotten(store: Store) -> None:
    kept = Idempotent(store.catalogue)
    keep(kept)
    kept.forget("owner", "k")
    assert kept.find("owner", "k", "hash") is None


def test_a_damaged_one_is_told(store: Store) -> None:
    kept = Idempotent(store.catalogue)
    keep(kept)
    with store.catalogue.transaction() as connection:
        connection.execute("UPDATE idempotent SET body = x'00'")
    with pytest.raises(StorageError):
        kept.find("owner", "k", "hash")
