from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cogagent.vision.layout import reading_order


def _column(x: float, top: float, count: int, width: float = 300) -> list[list[float]]:
    return [[x, top + 24 * n, x + width, top + 24 * n + 20] for n in range(count)]


def _flat(blocks: list[list[list[int]]]) -> list[int]:
    return [index for rows in blocks for row in rows for index in row]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    title = [[100.0, 0.0, 560.0, 30.0]]
    boxes = title + _column(0, 80, 10) + _column(340, 80, 10)
    assert _flat(reading_order(np.array(boxes))) == list(range(21))


def test_a_gap_through_both_columns_does_not_cut_them() -> None:
    left = _column(0, 80, 4) + _column(0, 220, 4)
    right = _column(340, 80, 4) + _column(340, 220, 4)
    assert _flat(reading_order(np.array(left + right))) == list(range(16))


def test_a_table_is_read_row_by_row() -> None:
    cells = [[x, y, x + 50, y + 20] for y in (0, 24, 48) for x in (0, 200, 400)]
    assert _flat(reading_order(np.array(cells, float))) == list(range(9))


def test_paragraphs_are_blocks() -> None:
    boxes = _column(0, 0, 3) + _column(0, 100, 2)
    assert reading_order(np.array(boxes)) == [[[0], [1], [2]], [[3], [4]]]


def test_an_upright_line_joins_no_row() -> None:
    boxes = [[0, 0, 20, 200], *_column(40, 0, 8)]
    assert reading_order(np.array(boxes, float))[-1] == [[0]]


def test_nothing_has_no_order() -> None:
    assert reading_order(np.zeros((0, 4))) == []


@given(
    st.lists(
        st.tuples(*[st.integers(0, 1000)] * 2, st.integers(1, 500), st.integers(1, 60)),
        max_size=40,
    )
)
def test_every_line_is_read_once(found: list[tuple[int, int, int, int]]) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in found], float).reshape(-1, 4)
    assert sorted(_flat(reading_order(boxes))) == list(range(len(found)))
