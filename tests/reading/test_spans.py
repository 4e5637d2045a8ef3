from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cogagent.reading.spans import LONGEST, best_span, top_spans

LOGITS = hnp.arrays(
    np.float32,
    st.integers(1, 40).map(lambda pieces: (pieces, 2)),
    elements=st.floats(-30, 30, width=32),
)


@given(LOGITS)
def test_the_best_span_is_the_best_of_all_that_are_allowed(logits: np.ndarray) -> None:
    allowed = [
        float(logits[i, 0] + logits[j, 1])
        for i in range(len(logits))
        for j in range(i, min(i + LONGEST, len(logits)))
    ]
    score, first, last = best_span(logits)
    assert score == max(allowed)
    assert first <= last < first + LONGEST
    assert score == float(logits[first, 0] + logits[last, 1])


@given(LOGITS, st.integers(1, 10))
def test_spans_come_in_order_each_once(logits: np.ndarray, most: int) -> None:
    found = top_spans(logits, most)
    assert 1 <= len(found) <= most
    assert [score for score, *_ in found] == sorted((s for s, *_ in found), reverse=True)
    assert len({(first, last) for _, first, last in found}) == len(found)


def test_nothing_has_no_spans() -> None:
    nothing = np.zeros((0, 2), np.float32)
    assert top_spans(nothing, 3) == []
    assert best_span(nothing)[0] < 0
