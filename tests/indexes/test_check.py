"""What a home's check finds, and what it does not find where nothing is."""

from __future__ import annotations

from cogagent.indexes.check import faults
from cogagent.indexes.runs import TraceEntry
from cogagent.indexes.store import Store
from tests.conftest import make_entry


def test_a_sound_home_with_traces_is_sound(store: Store) -> None:
    """SQLite 3.40 calls a key in another order than its columns damage, and it is none."""
    (document,) = store.put("default", [make_entry("a", "one two three")])
    entry = TraceEntry(id="t-1", at="2026", question="q", outcome="answered")
    assert store.runs.add_trace(entry, "{}", [document], keep=10)
    assert list(faults(store.catalogue)) == []
