"""What models make of a picture: the numbers are their own processors'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cogagent.geometry import (
    FULL_PAGE,
    SLIMMEST,
    Box,
    Patches,
    SmartResize,
    fill_up,
    make_box,
    tile_grid,
)

fractions = st.floats(0, 1, allow_nan=False)
boxes = st.builds(make_box, fractions, fractions, fractions, fractions)
sides = st.integers(1, 9000)
sizes = st.tuples(sides, sides)
resizes = st.builds(
    lambda least, more, step: SmartResize(least * step**2, (least + more) * step**2, step),
    st.integers(1, 1280),
    st.integers(0, 16384),
    st.sampled_from([28, 32]),
)
grids = st.builds(Patches, st.integers(1, 400), st.integers(1, 400))


@pytest.fixture(scope="module")
def qwens() -> Any:
    """Qwen's own rule, as transformers has it."""
    return pytest.importorskip(
        "transformers.models.qwen2_vl.image_processing_pil_qwen2_vl"
    ).smart_resize


@pytest.fixture(scope="module")
def internvls() -> Any:
    return pytest.importorskip(
        "transformers.models.got_ocr2.image_processing_pil_got_ocr2"
    ).get_optimal_tiled_canvas


class TestSmartResize:
    @given(size=sizes, resize=resizes)
    def test_the_numbers_are_transformers_own(
        self, qwens: Any, size: tuple[int, int], resize: SmartResize
    ) -> None:
        given_up = max(size) > SLIMMEST * min(size)
        how = (resize.step, resize.least, resize.most)
        if given_up:
            with pytest.raises(ValueError):
                qwens(size[1], size[0], *how)
            with pytest.raises(ValueError, match=f"{size[0]} by {size[1]}"):
                resize.size(size)
            return
        tall, wide = qwens(size[1], size[0], *how)
        assert resize.size(size) == (wide, tall)
        assert resize.tokens(size) == (wide // resize.step) * (tall // resize.step)

    @given(sizes)
    def test_what_was_resized_stays(self, size: tuple[int, int]) -> None:
        assume(max(size) <= SLIMMEST * min(size))
        made = SmartResize().size(size)
        assert made[0] % 28 == made[1] % 28 == 0
        if max(made) <= SLIMMEST * min(made):
            assert SmartResize().size(made) == made

    def test_known_sizes(self) -> None:
        shipped = SmartResize()
        assert (shipped.least, shipped.most, shipped.step) == (3136, 12_845_056, 28)
        assert shipped.size((1000, 700)) == (1008, 700)
        assert shipped.tokens((1000, 700)) == 36 * 25
        assert shipped.size((1, 1)) == (56, 56)
        assert shipped.size((42, 70)) == (56, 56)  # halves go to the even neighbour
        assert shipped.plane((1000, 700)).whole

    @pytest.mark.parametrize("size", [(0, 5), (5, 0), (201, 1), (1, 201)])
    def test_what_cannot_be_resized(self, size: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="can be resized"):
            SmartResize().size(size)

    @given(sizes)
    def test_what_is_filled_up_can(self, size: tuple[int, int]) -> None:
        filled = fill_up(size)
        assert filled[0] >= size[0]
        assert filled[1] >= size[1]
        assert SmartResize().tokens(filled) >= 4
        if max(size) <= SLIMMEST * min(size):
            assert filled == size


class TestTiles:
    @given(
        size=sizes,
        least=st.integers(1, 24),
        more=st.integers(0, 24),
        side=st.sampled_from([224, 448]),
    )
    def test_the_grid_is_transformers_own(
        self, internvls: Any, size: tuple[int, int], least: int, more: int, side: int
    ) -> None:
        grid = tile_grid(size, least + more, least, side)
        (wide, tall) = internvls(size[::-1], (side, side), least, least + more)
        assert (grid.columns, grid.rows) == (wide, tall)
        assert grid.size == (wide * side, tall * side)

    def test_known_grids(self) -> None:
        assert tile_grid((1000, 500))[:2] == (2, 1)
        assert tile_grid((4000, 2000))[:2] == (4, 2)  # large enough for the larger of two
        assert tile_grid((1000, 500)).pictures == 3
        assert tile_grid((448, 448)).pictures == 1
        assert tile_grid((9000, 1))[:2] == (12, 1)

    @pytest.mark.parametrize(
        ("size", "most", "least"), [((0, 1), 12, 1), ((9, 9), 0, 0), ((9, 9), 3, 4)]
    )
    def test_no_grid(self, size: tuple[int, int], most: int, least: int) -> None:
        with pytest.raises(ValueError, match="tiles"):
            tile_grid(size, most, least)

    def test_no_such_tile(self) -> None:
        for index in (-1, 2):
            with pytest.raises(ValueError, match="no tile"):
                tile_grid((1000, 500)).plane(index)


class TestPatches:
    @given(boxes, grids)
    def test_a_box_and_its_patches(self, box: Box, patches: Patches) -> None:
        indices = patches.indices(box)
        assert len(indices) >= 1
        assert (np.diff(indices) > 0).all()
        assert 0 <= indices[0] <= indices[-1] < patches.columns * patches.rows
        around = patches.box(indices)
        slack = np.array([1 / patches.columns, 1 / patches.rows] * 2)
        outward = (np.array(around) - np.array(box)) * np.array([-1, -1, 1, 1])
        assert (outward >= -2e-6).all()  # the box is inside
        assert (outward <= slack + 2e-6).all()  # and no patch farther out
        assert patches.indices(around).tolist() == indices.tolist()

    @given(grids, st.data())
    def test_a_patch_is_its_own(self, patches: Patches, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, patches.columns * patches.rows - 1))
        assert patches.indices(patches.box([index])).tolist() == [index]

    def test_they_count_row_by_row(self) -> None:
        patches = SmartResize().patches((112, 84))
        assert patches == (4, 3)
        # 30..50 by 0..56 pixels: the second column of the first two rows.
        assert patches.indices(make_box(30 / 112, 0, 50 / 112, 56 / 84)).tolist() == [1, 5]
        assert patches.indices(FULL_PAGE).tolist() == list(range(12))
        assert patches.box(range(5, 7)) == make_box(0.25, 1 / 3, 0.75, 2 / 3)
        assert patches.box([3, 4]) == make_box(0, 0, 1, 2 / 3)  # a run over a line's end

    @pytest.mark.parametrize("indices", [[], [-1], [12], [0, 99]])
    def test_patches_that_are_not_there(self, indices: list[int]) -> None:
        with pytest.raises(ValueError, match="from 0 to 11"):
            Patches(4, 3).box(indices)
