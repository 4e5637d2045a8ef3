"""Boxes in fractions, of regions, of pixels and of lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.geometry import (
    FULL_PAGE,
    Box,
    from_pixels,
    make_box,
    merge_lines,
    pad,
    place,
    to_pixels,
    union,
)

fractions = st.floats(0, 1, allow_nan=False)
boxes = st.builds(make_box, fractions, fractions, fractions, fractions)


@given(boxes, st.integers(1, 5000), st.integers(1, 5000))
def test_pixels_cover_the_box_and_are_never_empty(box: Box, width: int, height: int) -> None:
    left, top, right, bottom = to_pixels(box, (width, height))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    back = from_pixels(np.array([[left, top, right, bottom]]), (width, height))[0]
    slack = np.array([1 / width, 1 / height, 1 / width, 1 / height]) + 1e-5
    assert (np.abs(back - np.array(box)) <= slack).all()


@given(boxes, boxes)
def test_a_region_of_a_region_stays_inside(inner: Box, outer: Box) -> None:
    placed = place(np.array([inner], np.float32), outer)[0]
    assert outer.x0 - 1e-5 <= placed[0] <= placed[2] <= outer.x1 + 1e-5
    assert outer.y0 - 1e-5 <= placed[1] <= placed[3] <= outer.y1 + 1e-5


@given(st.lists(boxes, min_size=1))
def test_union_holds_every_box(parts: list[Box]) -> None:
    whole = union(parts)
    assert all(whole.x0 <= p.x0 and whole.y0 <= p.y0 and whole.x1 >= p.x1 for p in parts)


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(one: Box, two: Box) -> None:
    assert one.iou(two) == pytest.approx(two.iou(one))
    assert 0 <= one.iou(two) <= 1 + 1e-9


def test_union_of_nothing_and_boxes_of_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="no boxes"):
        union([])
    with pytest.raises(ValueError, match="finite"):
        make_box(0, 0, float("nan"), 1)


def test_padding_stays_on_the_page() -> None:
    assert pad(FULL_PAGE, 0.1, 0.1) == FULL_PAGE


def test_words_join_lines_and_columns_do_not() -> None:
    first_line = [(0.1, 0.1, 0.2, 0.12), (0.21, 0.1, 0.3, 0.12)]
    second_line = [(0.1, 0.13, 0.2, 0.15)]
    next_column = [(0.6, 0.1, 0.7, 0.12)]
    lines = merge_lines(np.array(first_line + second_line + next_column, np.float32))
    assert len(lines) == 3
    assert lines[0] == pytest.approx((0.1, 0.1, 0.3, 0.12))


def test_a_superscript_stays_on_its_line() -> None:
    line = [(0.1, 0.1, 0.2, 0.12), (0.2, 0.097, 0.205, 0.108), (0.21, 0.1, 0.3, 0.12)]
    assert len(merge_lines(np.array(line, np.float32))) == 1
