from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.retrievers.fusion import best, blend, reciprocal_rank, scaled

scores = st.dictionaries(st.integers(0, 50), st.floats(-10, 10), max_size=20)


def ranking(values: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(list(values), np.int64), np.array(list(values.values()), np.float32)


@given(scores)
def test_scaled_keeps_order_within_zero_and_one(values: dict[int, float]) -> None:
    result = scaled(values)
    assert result.keys() == values.keys()
    assert all(0 <= score <= 1 for score in result.values())
    ordered = sorted(values, key=lambda key: values[key])
    assert [result[key] for key in ordered] == sorted(result.values())


@given(scores, scores)
def test_blend_scores_all_and_asks_only_for_what_is_missing(
    dense: dict[int, float], lexical: dict[int, float]
) -> None:
    lexical = {key: abs(value) for key, value in lexical.items()}
    asked: list[int] = []

    def missing(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.extend(ids.tolist())
        return ids, np.zeros(len(ids), np.float32)

    result = blend(ranking(dense), ranking(lexical), missing)
    assert set(asked) == lexical.keys() - dense.keys()
    assert result.keys() == dense.keys() | lexical.keys()
    assert all(0 <= score <= 1 + 1e-6 for score in result.values())


def test_what_both_sides_rank_first_wins() -> None:
    dense = {1: 0.9, 2: 0.8, 3: 0.1}
    lexical = {2: 5.0, 3: 1.0}
    result = blend(ranking(dense), ranking(lexical), lambda ids: (ids, np.zeros(len(ids))))
    assert best(result, 1)[0][0] == 2


def test_ties_are_broken_by_id() -> None:
    assert [key for key, _ in best({3: 0.5, 1: 0.5, 2: 0.5}, 3)] == [1, 2, 3]


def test_reciprocal_rank_prefers_what_several_rankings_have() -> None:
    fused = reciprocal_rank([["a", "b"], ["b", "c"]])
    assert max(fused, key=lambda key: fused[key]) == "b"
    assert fused["a"] == pytest.approx(1 / 61)
