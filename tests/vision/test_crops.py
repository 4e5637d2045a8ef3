from __future__ import annotations

from fractions import Fraction
from math import gcd, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from cogagent.geometry import FULL_PAGE, Box, make_box, within
from cogagent.types import PictureKind, Raster
from cogagent.vision.crops import RANGES, CropPlan, Ranges, Tiling, crop_plan, cut, tiles

KINDS = st.sampled_from(sorted(RANGES))
SIZES = st.tuples(st.integers(1, 10_000), st.integers(1, 10_000))


def noise(width: int, height: int) -> Raster:
    random = np.random.default_rng(width * height)
    return Raster(random.integers(0, 256, (height, width, 3), np.uint8))


def whole(box: Box, grid: Tiling) -> bool:
    """Whether one tile of the grid holds all of the box."""
    return any(box.inside(tile) > 0.999 for tile in grid.boxes())


# --- where ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "kind", "detailed", "adaptive"),
    [
        ((1600, 1200), "photograph", (4, 3), (2, 2)),
        ((1200, 1600), "photograph", (3, 4), (2, 2)),
        ((1600, 1200), "page", (4, 3), (3, 2)),
        ((1600, 1200), "chart", (4, 3), (1, 2)),
        ((800, 500), "graphic", (5, 3), (3, 2)),
        # A square fits 1x1, 2x2, 3x3 and 4x4 alike: its pixels tell which.
        ((400, 400), "page", (1, 1), (2, 2)),
        ((1000, 1000), "page", (3, 3), (2, 2)),
        ((3000, 3000), "page", (4, 4), (2, 3)),
        ((1, 1), "photograph", (2, 2), (1, 3)),
        ((1, 10_000), "page", (1, 24), (1, 7)),
        ((10_000, 1), "photograph", (12, 1), (2, 2)),
    ],
)
def test_the_grids_of_the_paper(
    size: tuple[int, int], kind: PictureKind, detailed: tuple[int, int], adaptive: tuple[int, int]
) -> None:
    assert crop_plan(size, kind) == CropPlan(Tiling(*detailed), Tiling(*adaptive))


def test_two_grids_as_large_and_as_near_are_told_by_their_tiles() -> None:
    # 2x1 and 1x2 both differ by 0.75 from a picture of 5 to 4: wider pictures are cut across.
    plan = crop_plan((500, 400), "photograph", Ranges((2, 2), (2, 2)))
    assert plan.detailed == (2, 1)
    assert plan.adaptive == (1, 2)


@given(size=SIZES, kind=KINDS)
def test_grids_keep_to_their_ranges_and_never_share_all_edges(
    size: tuple[int, int], kind: PictureKind
) -> None:
    plan = crop_plan(size, kind)
    fine, coarse = RANGES[kind]
    assert fine[0] <= plan.detailed.tiles <= fine[1]
    assert plan.adaptive is not None
    assert coarse[0] <= plan.adaptive.tiles <= coarse[1]
    assert not plan.adaptive.divides(plan.detailed)
    assert plan.thumbnail == FULL_PAGE
    width, height = size

    def apart(grid: Tiling) -> Fraction:
        return abs(Fraction(width, height) - Fraction(grid.columns, grid.rows))

    best = apart(plan.detailed)
    for columns in range(1, fine[1] + 1):
        for rows in range(1, fine[1] // columns + 1):
            if columns * rows >= fine[0]:
                assert apart(Tiling(columns, rows)) >= best


def test_where_every_second_grid_is_dropped_there_is_none() -> None:
    plan = crop_plan((100, 100), "photograph", Ranges((4, 4), (1, 1)))
    assert plan == CropPlan(Tiling(2, 2), None)
    assert plan.adaptive_boxes == ()


def test_what_no_grid_fits_is_refused() -> None:
    with pytest.raises(ValueError, match="one pixel"):
        crop_plan((0, 5), "chart")
    with pytest.raises(ValueError, match="no grid"):
        crop_plan((5, 5), "chart", Ranges((3, 2), (1, 1)))


@given(columns=st.integers(1, 24), rows=st.integers(1, 24))
def test_tiles_cover_the_picture_without_gap_or_overlap(columns: int, rows: int) -> None:
    grid = Tiling(columns, rows)
    boxes = np.array(grid.boxes()).reshape(rows, columns, 4)
    assert (boxes[:, 0, 0] == 0).all()
    assert (boxes[:, -1, 2] == 1).all()
    assert (boxes[0, :, 1] == 0).all()
    assert (boxes[-1, :, 3] == 1).all()
    assert (boxes[:, :-1, 2] == boxes[:, 1:, 0]).all()
    assert (boxes[:-1, :, 3] == boxes[1:, :, 1]).all()
    assert (boxes[..., 2] > boxes[..., 0]).all()
    assert (boxes[..., 3] > boxes[..., 1]).all()


@given(size=SIZES, kind=KINDS, x=st.floats(0, 1), y=st.floats(0, 1), share=st.floats(0.01, 0.99))
def test_along_an_axis_without_common_edges_a_small_box_is_cut_by_one_grid_at_most(
    size: tuple[int, int], kind: PictureKind, x: float, y: float, share: float
) -> None:
    """Where two grids have no edge in common, their edges are 1 / (m n) apart or more.

    A box narrower than that is cut along that axis by one of them at most. It may still
    be cut in both, by one along each axis: then only the whole picture has it whole.
    """
    plan = crop_plan(size, kind)
    fine, coarse = plan.detailed, plan.adaptive
    assert coarse is not None
    assume(gcd(fine.columns, coarse.columns) == 1)
    width = share * (1 / (fine.columns * coarse.columns) - 1e-5)
    assume(x + width <= 1)
    box = Box(x, y, x + width, y)  # without height, so that no edge along the other axis cuts it
    crossed = [
        any(box.x0 < n / grid.columns - 2e-6 and n / grid.columns + 2e-6 < box.x1 for n in edges)
        for grid in (fine, coarse)
        for edges in [range(1, grid.columns)]
    ]
    assert not all(crossed)


def test_most_small_things_that_one_grid_cuts_are_whole_in_the_other() -> None:
    random = np.random.default_rng(0)
    cut_by_one = cut_by_both = 0
    for _ in range(40):
        size = (int(random.integers(400, 1600)), int(random.integers(400, 1600)))
        for kind in RANGES:
            plan = crop_plan(size, kind)
            assert plan.adaptive is not None
            for x, y in random.uniform(0, 0.95, (20, 2)).tolist():
                box = Box(x, y, x + 0.05, y + 0.05)
                if not whole(box, plan.detailed):
                    cut_by_one += 1
                    cut_by_both += not whole(box, plan.adaptive)
    assert 0.05 < cut_by_both / cut_by_one < 0.3


# --- cutting -------------------------------------------------------------------


def test_tiles_are_the_picture_scaled_and_then_cut() -> None:
    raster = Raster(np.asarray(Image.fromarray(noise(40, 30).pixels).resize((317, 211))))
    grid = Tiling(3, 2)
    scaled = np.asarray(
        Image.fromarray(raster.pixels).resize((3 * 64, 2 * 64), Image.Resampling.BICUBIC)
    )
    crops = list(tiles(raster, grid.boxes(), side=64))
    rows = [
        np.concatenate([crop.raster.pixels for crop in crops[at : at + 3]], 1) for at in (0, 3)
    ]
    apart = np.abs(np.concatenate(rows).astype(int) - scaled.astype(int))
    assert apart.max() <= 2
    assert [crop.box for crop in crops] == list(grid.boxes())


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (7, 3)])
@pytest.mark.parametrize("kind", sorted(RANGES))
def test_pictures_of_any_shape_are_cut(size: tuple[int, int], kind: PictureKind) -> None:
    raster, plan = noise(*size), crop_plan(size, kind)
    for crop in tiles(raster, (*plan.detailed_boxes, *plan.adaptive_boxes, plan.thumbnail), 16):
        assert crop.raster.size == (16, 16)
    for box in plan.detailed_boxes:
        found = cut(raster, box, margin=0.1)
        assert min(found.raster.size) >= 1
        assert box.inside(found.box) > 0.999


UNIT = st.floats(0, 1, allow_subnormal=False)
BOXES = st.tuples(UNIT, UNIT, UNIT, UNIT).map(lambda edges: make_box(*edges))


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    box=BOXES,
    margin=st.floats(0, 2),
    side=st.integers(0, 300),
    enlarged=st.floats(0, 8),
    pixels=st.integers(1, 5000),
)
def test_a_crop_holds_its_box_and_keeps_to_its_limits(
    size: tuple[int, int], box: Box, margin: float, side: int, enlarged: float, pixels: int
) -> None:
    raster = noise(*size)
    crop = cut(raster, box, margin=margin, side=side, enlarged=enlarged, pixels=pixels)
    width, height = crop.raster.size
    assert 1 <= width * height <= pixels
    assert crop.box.x0 <= box.x0 + 1e-5
    assert crop.box.x1 >= box.x1 - 1e-5
    assert crop.box.y0 <= box.y0 + 1e-5
    assert crop.box.y1 >= box.y1 - 1e-5
    shown = (round(crop.box.width * size[0]), round(crop.box.height * size[1]))
    assert min(shown) >= 1
    grown = max(width / shown[0], height / shown[1])
    assert grown <= max(1.0, enlarged) + 1.0  # a pixel does not shrink, and sides are rounded


def test_a_region_comes_in_its_own_pixels() -> None:
    raster = noise(100, 80)
    crop = cut(raster, Box(0.1, 0.25, 0.3, 0.5))
    assert np.array_equal(crop.raster.pixels, raster.pixels[20:40, 10:30])
    assert crop.box == Box(0.1, 0.25, 0.3, 0.5)
    assert cut(raster, crop.box, side=60).raster.size == (60, 60)
    assert cut(raster, crop.box, side=600, enlarged=2).raster.size == (40, 40)
    assert cut(raster, crop.box, margin=0.5).box == Box(0.0, 0.125, 0.4, 0.625)
    small = cut(raster, FULL_PAGE, pixels=2000).raster.size
    assert small == (round(100 * sqrt(0.25)), round(80 * sqrt(0.25)))
    with pytest.raises(ValueError, match="negative"):
        cut(raster, FULL_PAGE, margin=-0.1)


@given(
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    kind=KINDS,
    tile=st.integers(0, 23),
    inner=BOXES,
    picture=BOXES,
)
def test_boxes_of_a_tile_come_back_from_the_page(
    size: tuple[int, int], kind: PictureKind, tile: int, inner: Box, picture: Box
) -> None:
    assume(min(picture.width, picture.height) > 0.01)
    boxes = crop_plan(size, kind).detailed_boxes
    raster = Raster(np.zeros((4, 4, 3), np.uint8))
    (crop,) = tiles(raster, [boxes[tile % len(boxes)]], side=4)
    given_boxes = np.array([inner], np.float32)
    on_page = crop.on_page(given_boxes, picture)
    back = within(within(on_page, picture), crop.box)
    # float32 fractions of the page, divided by a tile's share of it
    share = min(picture.width * crop.box.width, picture.height * crop.box.height)
    assert back == pytest.approx(given_boxes, abs=1e-6 / share)
