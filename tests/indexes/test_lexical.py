"""Lexical search among some of the chunks: the same, however it is done."""

from __future__ import annotations

import pytest

from cogagent.indexes import lexical
from cogagent.indexes.store import Store
from tests.conftest import make_entry


@pytest.fixture
def lake(store: Store) -> Store:
    for number in range(40):
        words = " ".join(["heron"] * (number % 7 + 1) + ["reed"] * (number % 3))
        kind = "text/plain" if number % 8 else "application/pdf"
        store.put("default", [make_entry(f"d{number}", words, f"mill {number}", media_type=kind)])
    return store


@pytest.mark.parametrize("k", [1, 3, 5, 12, 500])
@pytest.mark.parametrize("terms", [["heron"], ["heron", "reed"], ["mill"], ["nothing"], []])
def test_sifting_the_best_of_all_finds_what_a_joined_search_finds(
    lake: Store, monkeypatch: pytest.MonkeyPatch, terms: list[str], k: int
) -> None:
    selection = lake.select("default", {"media_type": "application/pdf"})
    assert selection is not None
    sifted = lake.lexical("default", terms, k, selection)
    monkeypatch.setattr(lexical, "_AHEAD", 0)  # as if none of them were among the best of all
    joined = lake.lexical("default", terms, k, selection)
    assert sifted[1].tolist() == joined[1].tolist()
    assert len(sifted[0]) == len(set(sifted[0].tolist()))
    assert set(sifted[0].tolist()) <= set(selection.ids.tolist())
