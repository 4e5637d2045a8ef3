"""How large pictures are shown: never larger than they are, and within what is allowed."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.errors import CapabilityError
from cogagent.geometry import FRACTIONS, THOUSANDTHS, Plane, SmartResize
from cogagent.models.backends.gguf import Header
from cogagent.models.backends.llamacpp_sight import coordinates, projected_tokens
from cogagent.models.backends.transformers import TransformersMLLM
from cogagent.models.mllm import Capabilities, Options, said
from cogagent.models.showing import PictureCache
from cogagent.models.sight import (
    estimate,
    fitted,
    given_size,
    picture_tokens,
    seen_size,
    shrunk,
    space,
    useful_size,
    within,
)
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Raster
from tests.models.transformers_kit import opened
from tests.pipelines.test_grounded import TEXTS, compose, evidence

SIDES = st.integers(1, 8000)
SIZES = st.tuples(SIDES, SIDES)
QUESTION = "What is this?"


@given(SIZES, st.none() | SIDES, st.none() | st.integers(1, 10**8))
def test_a_size_within_bounds(size: tuple[int, int], side: int | None, pixels: int | None) -> None:
    width, height = within(size, side, pixels)
    assert 1 <= width <= size[0]
    assert 1 <= height <= size[1]
    assert side is None or max(width, height) <= side
    assert pixels is None or width * height <= pixels or 1 in (width, height)
    # Its shape is kept, but for the rounding to whole pixels.
    assert abs(width * size[1] - height * size[0]) <= max(size) + 1
    if (side is None or max(size) <= side) and (pixels is None or size[0] * size[1] <= pixels):
        assert (width, height) == size


@given(st.lists(SIZES, max_size=5), st.integers(0, 20_000))
def test_what_is_shown_is_within_the_tokens(sizes: list[tuple[int, int]], tokens: int) -> None:
    shown = fitted(sizes, tokens, estimate)
    assert len(shown) <= len(sizes)
    assert estimate(shown) <= tokens or not shown
    for size, was in zip(shown, sizes, strict=False):
        assert size[0] <= was[0]
        assert size[1] <= was[1]
    if estimate(sizes) <= tokens:
        assert shown == sizes
    elif len(shown) == len(sizes):  # what is allowed is used, but for a part of a picture
        areas = [width * height for width, height in shown]
        whole = [a * b == area for (a, b), area in zip(sizes, areas, strict=True)]
        assert not all(whole)


def test_the_small_stay_and_the_large_share_the_rest() -> None:
    shown = fitted([(280, 280), (2800, 2800), (5600, 1400)], 900, estimate)
    assert shown[0] == (280, 280)
    assert shown[1][0] * shown[1][1] == pytest.approx(shown[2][0] * shown[2][1], rel=0.01)
    assert 880 < estimate(shown) <= 900


def test_rather_fewer_than_too_small() -> None:
    assert len(fitted([(1000, 1000)] * 4, 200, estimate)) == 2
    assert len(fitted([(1000, 1000)] * 4, 20, estimate)) == 1
    assert fitted([(1000, 1000)], 0, estimate) == []


def test_a_model_that_does_not_count_is_estimated() -> None:
    model = ScriptedMLLM([])
    assert picture_tokens(model, [(280, 280), (29, 1)]) == 101
    model.picture_tokens = lambda sizes: 7 * len(sizes)  # type: ignore[attr-defined]
    assert picture_tokens(model, [(280, 280)]) == 7
    assert picture_tokens(model, []) == 0


def test_what_a_model_makes_use_of() -> None:
    can = Capabilities(picture_side=1000, picture_pixels=200_000)
    assert useful_size((4000, 2000), can) == (632, 316)
    assert useful_size((400, 20), can) == (400, 20)
    assert useful_size((40, 20), Capabilities()) == (40, 20)


class TestSpaces:
    """What places are named in, for a picture as it is handed to a backend."""

    def test_by_what_a_model_can_do(self) -> None:
        size = (800, 600)
        assert space(size, Capabilities(coordinates="fractions")) == FRACTIONS
        assert space(size, Capabilities(coordinates="thousandths")) == THOUSANDTHS
        assert space(size, Capabilities(coordinates="pixels")) == Plane(800, 600, whole=True)
        resized = Capabilities(coordinates="resized-pixels", resize=SmartResize())
        assert space(size, resized) == Plane(812, 588, whole=True)
        with pytest.raises(CapabilityError, match="names no places"):
            space(size, Capabilities())

    def test_what_is_made_smaller_first(self) -> None:
        can = Capabilities(
            coordinates="resized-pixels", resize=SmartResize(), picture_side=400, slimmest=200
        )
        assert space((800, 600), can) == Plane(392, 308, whole=True)
        assert given_size((4000, 10), can) == (400, 2)  # 1 filled up to 2
        assert seen_size((4000, 10), can) == SmartResize().size((400, 2))
        wide, tall = seen_size((4000, 10), can)
        assert space((4000, 10), can) == Plane(wide, tall / 2, whole=True)

    @given(SIZES, SIDES)
    def test_the_whole_picture_is_the_whole_plane(self, size: tuple[int, int], side: int) -> None:
        for named in ("fractions", "thousandths", "resized-pixels"):
            can = Capabilities(
                coordinates=named, resize=SmartResize(), picture_side=side, slimmest=200
            )
            plane = space(size, can)
            seen = seen_size(size, can)
            given = given_size(size, can)
            most = {"fractions": (1, 1), "thousandths": (1000, 1000)}.get(named, seen)
            shown = within(size, side)
            assert plane.width == pytest.approx(most[0] * shown[0] / given[0])
            assert plane.height == pytest.approx(most[1] * shown[1] / given[1])
            # Twice: what was made smaller is not made smaller again.
            assert space(shown, can) == plane


def test_fine_lines_are_not_lost_or_made_up() -> None:
    """A page of hairlines becomes grey, and not stripes that nobody drew."""
    lines = np.zeros((1600, 1600, 3), np.uint8)
    lines[:, ::2] = 255
    made = shrunk(Raster(lines), (300, 300)).pixels[20:-20, 20:-20]
    assert made.shape[2] == 3
    assert np.abs(made.astype(int) - 127).max() < 12


@pytest.mark.parametrize(
    ("kind", "more", "size", "tokens"),
    [
        ("mlp", {}, (3000, 20), 16),
        ("qwen2.5vl_merger", {}, (320, 64), 20),
        ("pixtral", {"vision.spatial_merge_size": 1}, (320, 64), 80),
        ("idefics3", {"vision.projector.scale_factor": 2}, (128, 100), 4 * 5),
        ("internvl", {"vision.projector.scale_factor": 2}, (60, 60), 4),
        ("another", {}, (64, 64), 16),
    ],
)
def test_what_a_mmproj_file_says_of_its_costs(
    kind: str, more: dict[str, int], size: tuple[int, int], tokens: int
) -> None:
    about = {"vision.image_size": 64, "vision.patch_size": 16} | more
    values = {f"clip.{name}": number for name, number in about.items()}
    header = Header(architecture="clip", values=values | {"clip.projector_type": kind})
    assert projected_tokens(header, [size]) == tokens
    assert projected_tokens(header, [size, size]) == 2 * tokens


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("qwen2.5vl_merger", "resized-pixels"),
        ("qwen2vl_merger", "thousandths"),
        ("internvl", "thousandths"),
        ("mlp", "none"),
        (None, "none"),
    ],
)
def test_what_a_mmproj_file_says_of_places(kind: str | None, named: str) -> None:
    for key in ("clip.projector_type", "clip.vision.projector_type"):
        values = {} if kind is None else {key: kind}
        assert coordinates(Header(architecture="clip", values=values)) == named


def test_a_mmproj_file_that_says_nothing_is_estimated() -> None:
    assert projected_tokens(Header(architecture="clip", values={}), [(280, 280)]) == 100


def test_words_have_two_thirds_of_the_context() -> None:
    """As the composer asks for it: the pictures fit, and so does the evidence in words."""
    page = Raster(np.zeros((1400, 1000, 3), np.uint8))
    model = ScriptedMLLM(["The dam is 40 m high [1]."], Capabilities(pictures=True, context=3000))
    compose(model, evidence(*TEXTS, modality="image"), look=lambda _: page, max_tokens=100)
    shown = [picture.size for message in model.asked[0][0] for picture in message.pictures]
    assert len(shown) == 2
    assert 900 < estimate(shown) <= 1000
    few = ScriptedMLLM(["The dam is 40 m high [1]."], Capabilities(pictures=True))
    compose(few, evidence(*TEXTS, modality="image"), look=lambda _: page, picture_tokens=200)
    assert estimate([picture.size for m in few.asked[0][0] for picture in m.pictures]) <= 200


@pytest.fixture(scope="module")
def qwen(folders: Any) -> Iterator[TransformersMLLM]:
    """One whose processor takes as many pixels as the models that are shipped."""
    import json
    import shutil

    folder = folders("qwen2_5_vl")
    large = shutil.copytree(folder, folder.parent / "qwen2_5_vl_large")
    described = json.loads((large / "preprocessor_config.json").read_text())
    described |= {"min_pixels": 3136, "max_pixels": 12_845_056}
    (large / "preprocessor_config.json").write_text(json.dumps(described))
    model = opened(large)
    yield model
    asyncio.run(model.close())


class TestProcessors:
    """The processors themselves count what they make of a picture."""

    def test_what_is_counted_is_what_is_made(self, seeing: TransformersMLLM) -> None:
        marks = 4
        """Tokens around a picture that are no part of it, at most."""
        for sizes in ([(60, 40)], [(20, 20)], [(200, 100)], [(300, 400)], [(90, 90), (20, 9)]):
            pictures = [Raster(np.full((h, w, 3), 90, np.uint8)) for w, h in sizes]
            made, words = (
                seeing._prompts.inputs([said("user", "", *shown)])["input_ids"].shape[1]
                for shown in (pictures, [])
            )
            counted = seeing.picture_tokens(sizes)
            if len(sizes) == 1 or "llava" not in seeing.name:  # it shows several at less
                assert made - words - marks * len(sizes) <= counted
            assert counted <= made - words or "llava" in seeing.name

    def test_a_small_picture_is_not_blown_up(self, seeing: TransformersMLLM) -> None:
        small, large = ([(20, 20)], [(200, 200)])
        assert seeing.picture_tokens(small) * 2 <= seeing.picture_tokens(large)

    def test_a_page_of_forty_megapixels_is_bounded(self, qwen: TransformersMLLM) -> None:
        page = Raster(np.zeros((5000, 8000, 3), np.uint8))
        for tokens in (64, 700, 2048):
            (shown,) = PictureCache(0, 0).shown([page], qwen, tokens)
            made = qwen._prompts.inputs([said("user", QUESTION, shown)])
            seen = int(made["image_grid_thw"][0].prod()) // 4
            assert 0.8 * tokens < seen <= tokens
            assert shown.size[0] / shown.size[1] == pytest.approx(1.6, rel=0.05)
            assert seen == qwen.capabilities.resize.tokens(shown.size)

    def test_several_share_it(self, qwen: TransformersMLLM) -> None:
        pages = [Raster(np.zeros(shape, np.uint8)) for shape in ((900, 700, 3),) * 3]
        shown = PictureCache(0, 0).shown(pages, qwen, 600)
        made = qwen._prompts.inputs([said("user", QUESTION, *shown)])
        assert len(shown) == 3
        assert 500 < int(made["image_grid_thw"].prod(dim=1).sum()) // 4 <= 600

    def test_what_is_bounded_can_be_asked(self, seeing: TransformersMLLM) -> None:
        page = Raster(np.full((3000, 2000, 3), 230, np.uint8))
        shown = PictureCache(0, 0).shown([page, page], seeing, 60)
        assert 1 <= len(shown) <= 2
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            written = asyncio.run(
                seeing.generate([said("user", QUESTION, *shown)], Options(max_tokens=2))
            )
        assert written.usage.pictures == len(shown)
