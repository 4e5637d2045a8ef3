from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cogagent.config import Settings
from cogagent.geometry import FULL_PAGE, make_box
from cogagent.models.classifier import Classifier
from cogagent.models.factory import classifier
from cogagent.testing.contracts import PointerContract
from cogagent.types import Raster
from cogagent.vision.pointing.base import Picture
from cogagent.vision.pointing.saliency import _CELLS, SaliencyPointer, _laid, _places


@pytest.fixture(scope="module")
def pointer() -> SaliencyPointer:
    return SaliencyPointer(Settings())


@pytest.fixture(scope="module")
def network() -> Classifier:
    return classifier(Settings())


@pytest.fixture(scope="module")
def china() -> np.ndarray:
    """A photograph of a palace, 427 x 640 pixels, with scikit-learn's licence."""
    from sklearn.datasets import load_sample_images

    return np.ascontiguousarray(load_sample_images().images[0])


@pytest.fixture(scope="module")
def composite(china: np.ndarray) -> Picture:
    """The palace at the bottom right of a plain wall."""
    wall = np.full((1100, 1500, 3), (196, 200, 190), np.uint8)
    wall[-427:, -640:] = china
    return Picture(Raster(wall))


def test_what_a_question_names_is_found(pointer: SaliencyPointer, composite: Picture) -> None:
    best = asyncio.run(pointer.point("Where is the palace?", composite, 3))[0]
    x, y = (best.box.x0 + best.box.x1) / 2, (best.box.y0 + best.box.y1) / 2
    assert x > 1 - 640 / 1500
    assert y > 1 - 427 / 1100
    assert best.why == "looks like 'palace'"


@pytest.mark.parametrize(
    "question",
    ["", "?", "of the", "What were net sales in 2019?", "Where is the trolleybus?", "x" * 20_000],
)
def test_nothing_is_pointed_at_that_is_not_named_or_not_there(
    pointer: SaliencyPointer, composite: Picture, question: str
) -> None:
    assert pointer.places(question, composite, 3) == []


def test_a_page_shows_nothing_but_itself(pointer: SaliencyPointer, composite: Picture) -> None:
    page = Picture(composite.raster, kind="page")
    assert pointer.places("Where is the palace?", page, 3) == []
    assert pointer.places("Where is the palace?", composite, 0) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (3000, 2)])
def test_pictures_of_odd_shapes(pointer: SaliencyPointer, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    for place in pointer.places("Where is the palace?", Picture(Raster(noise)), 3):
        assert place.box.area > 0


def test_the_network_with_maps_sees_what_the_one_without_sees(
    network: Classifier, china: np.ndarray
) -> None:
    raster = Raster(china)
    half = make_box(0.0, 0.0, 0.5, 1.0)
    chances, maps = network.maps(raster, [FULL_PAGE, half])
    assert chances.shape == (2, 1000)
    assert maps.shape == (2, 9, 9, 1000)
    assert np.allclose(maps.sum(axis=3), 1.0, atol=1e-3)
    assert np.allclose(chances[:1], network.glance([raster]), atol=0.02)
    assert network.maps(raster, [])[1].shape == (0, 9, 9, 1000)


@given(arrays(np.float32, (_CELLS, _CELLS), elements=st.floats(0, 1, width=32)), st.integers(1, 5))
def test_peaks_become_places(salient: np.ndarray, k: int) -> None:
    places = _places(salient, "why", k)
    assert len(places) <= k
    assert [place.score for place in places] == sorted(
        (place.score for place in places), reverse=True
    )
    for place in places:
        assert place.box.area > 0
    if salient.max() > 0.11:
        y, x = np.unravel_index(salient.argmax(), salient.shape)
        best = places[0].box
        assert best.x0 <= (x + 0.5) / _CELLS <= best.x1
        assert best.y0 <= (y + 0.5) / _CELLS <= best.y1


def test_tiles_are_laid_where_they_belong() -> None:
    whole = _laid([make_box(0.5, 0.0, 1.0, 0.5)], np.full((1, 9, 9), 0.7, np.float32))
    assert whole[: _CELLS // 2, _CELLS // 2 :] == pytest.approx(0.7)
    assert whole.sum() == pytest.approx(0.7 * _CELLS * _CELLS / 4, rel=1e-4)


class TestSaliency(PointerContract):
    @pytest.fixture
    def pointer(self) -> SaliencyPointer:
        return SaliencyPointer(Settings())

    @pytest.fixture
    def asked(self, composite: Picture) -> tuple[str, Picture]:
        return "Where is the palace?", composite
