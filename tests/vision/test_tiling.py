from __future__ import annotations

import numpy as np
import pytest

from cogagent.config import Settings
from cogagent.geometry import FULL_PAGE, make_box
from cogagent.models.classifier import view_boxes
from cogagent.models.factory import image_embedder
from cogagent.testing.doubles import ColourImageEmbedder
from cogagent.types import PictureKind, Raster
from cogagent.vision.tiling import embed, tile_vectors

COLOURS = ColourImageEmbedder()


def with_corner(width: int = 400, height: int = 300) -> Raster:
    """A blue picture with a red corner."""
    pixels = np.full((height, width, 3), (0, 0, 255), np.uint8)
    pixels[: height // 5, : width // 5] = (255, 0, 0)
    return Raster(pixels)


def test_a_corner_is_found_by_its_tile_and_not_by_the_whole() -> None:
    raster = with_corner()
    (seen,) = embed([raster], COLOURS)
    found = tile_vectors(raster, "photograph", seen, COLOURS, "grids")
    assert found is not None
    assert (len(found), found.made) == (4 * 3 + 2 * 2, "grids")
    (red,) = COLOURS.embed_texts(["red"])
    best = int((found.vectors @ red).argmax())
    assert make_box(*found.boxes[best].tolist()) == make_box(0, 0, 1 / 4, 1 / 3)
    assert found.vectors[best] @ red > seen.vector @ red + 0.3


@pytest.mark.parametrize("kind", ["page", "table", "chart", None])
def test_what_is_found_by_its_words_has_no_tiles(kind: PictureKind | None) -> None:
    raster = with_corner()
    (seen,) = embed([raster], COLOURS)
    assert tile_vectors(raster, kind, seen, COLOURS, "grids") is None


def test_none_are_made_unless_asked_for_and_worth_it() -> None:
    raster = with_corner()
    (seen,) = embed([raster], COLOURS)
    assert tile_vectors(raster, "photograph", seen, COLOURS, "none") is None
    # Another embedder has no views to share.
    assert tile_vectors(raster, "photograph", seen, COLOURS, "views") is None
    for small in (with_corner(60, 400), with_corner(1, 10_000), with_corner(1, 1)):
        assert tile_vectors(small, "photograph", seen, COLOURS, "grids") is None
    # The tiles of one grid are 80 pixels high; those of the other would be 26.
    narrow = tile_vectors(with_corner(80, 320), "graphic", seen, COLOURS, "grids")
    assert narrow is not None
    assert (narrow.boxes[:, 2] - narrow.boxes[:, 0]).min() * 80 >= 32


def test_the_embedded_network_shares_its_views() -> None:
    embedder = image_embedder(Settings())
    random = np.random.default_rng(0)
    raster = Raster(random.integers(0, 256, (120, 200, 3), np.uint8))
    (seen,) = embed([raster], embedder)
    assert seen.views is not None
    assert seen.vector == pytest.approx(embedder.embed_images([raster])[0], abs=1e-3)
    found = tile_vectors(raster, "photograph", seen, embedder, "views")
    assert found is not None
    # Of eight views one is all of the picture.
    assert len(found) == 7
    assert FULL_PAGE not in [make_box(*box) for box in found.boxes.tolist()]
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1, abs=1e-3)
    square = Raster(np.ascontiguousarray(raster.pixels[:, :120]))
    (seen,) = embed([square], embedder)
    corners = tile_vectors(square, "photograph", seen, embedder, "views")
    assert corners is not None
    assert len(corners) == 4


def test_views_are_inside_the_picture() -> None:
    for size in ((1, 1), (500, 375), (375, 500), (10_000, 3)):
        boxes = view_boxes(size)
        assert boxes.shape == (8, 4)
        assert boxes.min() >= -1e-9
        assert boxes.max() <= 1 + 1e-9
        assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_a_part_seen_once_is_the_same_in_any_company() -> None:
    embedder = image_embedder(Settings())
    random = np.random.default_rng(1)
    parts = [Raster(random.integers(0, 256, (40 + n, 60, 3), np.uint8)) for n in range(6)]
    together = embedder.glance(parts)
    assert together.shape == (6, embedder.dim)
    assert together[5] == pytest.approx(embedder.glance(parts[5:])[0], abs=1e-2)
    assert embedder.glance([]).shape == (0, embedder.dim)
