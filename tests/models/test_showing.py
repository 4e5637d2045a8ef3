"""Pictures that were cut, made smaller and encoded before are not again."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cogagent.models.backends import pictures
from cogagent.models.backends.pictures import DataURIs, data_uri
from cogagent.models.kept import Kept, content_key
from cogagent.models.mllm import Capabilities
from cogagent.models.showing import PictureCache
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Raster

CAN = Capabilities(pictures=True, picture_side=200)


def noise(width: int, height: int, seed: int = 0) -> Raster:
    random = np.random.default_rng(seed)
    return Raster(random.integers(0, 256, (height, width, 3), np.uint8))


class Page:
    """Counts how often it is rendered."""

    def __init__(self) -> None:
        self.rendered = 0
        self._pixels = noise(800, 400).pixels

    def cut(self) -> Raster:
        self.rendered += 1
        return Raster(self._pixels[10:300, 20:620])


def test_an_equal_crop_is_rendered_once() -> None:
    page, cache = Page(), PictureCache(1, 60)
    crops = [cache.cut(("content", 1, place), page.cut, CAN) for place in "aab"]
    assert page.rendered == 2
    assert crops[0] is crops[1]
    assert crops[0].size == (200, 97)
    other = Capabilities(picture_side=100)
    assert cache.cut(("content", 1, "a"), page.cut, other).size == (100, 48)


def test_a_crop_does_not_keep_its_page() -> None:
    made = PictureCache(1, 60).cut("place", Page().cut, Capabilities())
    assert made.size == (600, 290)
    assert made.pixels.base is None


def test_nothing_is_kept_where_nothing_may_be() -> None:
    page, none, brief = Page(), PictureCache(0, 60), PictureCache(10, 0)
    for cache in (none, none, brief, brief):
        cache.cut("place", page.cut, CAN)
    assert page.rendered == 4


def test_the_longest_unused_goes_first() -> None:
    page, cache = Page(), PictureCache(0.13, 60)  # two of 200 x 97 pixels
    for place in ("a", "b", "a", "c", "a", "b"):
        cache.cut(place, page.cut, CAN)
    assert page.rendered == 4


def test_one_renders_while_others_wait() -> None:
    page, cache = Page(), PictureCache(1, 60)
    together = threading.Barrier(4)

    def cut(_: int) -> Raster:
        together.wait(5)
        return cache.cut("place", page.cut, CAN)

    with ThreadPoolExecutor(4) as pool:
        assert len({id(raster) for raster in pool.map(cut, range(4))}) == 1
    assert page.rendered == 1


def test_what_fails_is_tried_again() -> None:
    kept: Kept[int] = Kept(1, 60, lambda _: 8)

    def fail() -> int:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        kept.get("key", fail)
    assert kept.get("key", lambda: 4) == 4
    assert kept._making == {}


def test_equal_pictures_are_made_smaller_once() -> None:
    cache, model = PictureCache(10, 60), ScriptedMLLM([], CAN)
    first, again = (cache.shown([noise(400, 300), noise(60, 40)], model, 90) for _ in range(2))
    assert [raster.size for raster in first] == [(200, 150), (60, 40)]
    assert first[0] is again[0]


def test_equal_pictures_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def counted(raster: Raster, can: Capabilities) -> str:
        made.append(can.picture_side)
        return data_uri(raster, can)

    monkeypatch.setattr(pictures, "data_uri", counted)
    encoded = DataURIs(10, 60)
    every = [Capabilities(picture_side=side) for side in (None, 100)]
    texts = {encoded(noise(40, 30), can) for can in (*every, *every)}
    assert len(texts) == 1
    assert len(made) == 2
    encoded(noise(40, 30, seed=1), Capabilities())
    assert len(made) == 3


def test_content_is_shape_and_pixels() -> None:
    wide, tall = (Raster(np.zeros(shape, np.uint8)) for shape in ((2, 3, 3), (3, 2, 3)))
    assert content_key(wide) != content_key(tall)
    assert content_key(wide) == content_key(Raster(wide.pixels.copy()))
    strided = Raster(noise(8, 8).pixels[::2, ::2])
    assert content_key(strided) == content_key(Raster(strided.pixels.copy()))
