from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.base import Loader, Pictured, Renderer
from cogagent.documents.image import ImageLoader
from cogagent.errors import CorruptDocumentError, LimitExceededError
from cogagent.geometry import FULL_PAGE
from cogagent.types import Element, Raster, Source

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def load(data: bytes, **limits: int) -> list[Element]:
    return read(data, **limits)[0]


def read(data: bytes, **limits: int) -> tuple[list[Element], list[Raster]]:
    """The elements, and the pixels of those that are unseen."""
    loader = ImageLoader(LimitSettings(**limits), ParseSettings())
    source = Source(uri="/pictures/one", data=data)
    elements = list(loader.load(source))
    unseen = [element for element in elements if element.unseen]
    rasters = [raster for raster in loader.pixels(source, unseen) if raster is not None]
    assert len(rasters) == len(unseen)
    return elements, rasters


def pixels(data: bytes) -> np.ndarray:
    (page, _), (raster,) = read(data)
    assert raster.pixels.dtype == np.uint8
    assert page.size == raster.size
    return raster.pixels


def halves(left: tuple[int, ...], right: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    """40 x 20 pixels in two colours."""
    image = Image.new(mode, (40, 20), left)
    ImageDraw.Draw(image).rectangle((20, 0, 39, 19), fill=right)
    return image


def like(pixel: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= tolerance)


def test_it_is_a_loader_and_a_renderer() -> None:
    loader = ImageLoader(LimitSettings(), ParseSettings())
    assert isinstance(loader, Loader)
    assert isinstance(loader, Pictured)
    assert isinstance(loader, Renderer)


def test_a_picture_is_a_page_with_one_image() -> None:
    page, image = load(encoded(halves(RED, BLUE)))
    assert (page.kind, page.page, page.order, page.size) == ("page", 1, 0, (40, 20))
    assert not page.needs_ocr
    assert not page.unseen
    assert image.unseen
    assert (image.kind, image.page, image.order, image.box) == ("image", 1, 1, FULL_PAGE)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
def test_every_format(kind: str) -> None:
    found = pixels(encoded(halves(RED, BLUE), kind))
    assert found.shape == (20, 40, 3)
    assert like(found[10, 5], RED)
    assert like(found[10, 35], BLUE)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_camera_is_turned_upright(kind: str, orientation: int) -> None:
    upright = halves(RED, BLUE)
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    image = upright.transpose(stored) if stored is not None else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = pixels(encoded(image, kind, exif=exif))
    assert found.shape == (20, 40, 3)
    assert like(found[10, 5], RED)
    assert like(found[10, 35], BLUE)


def test_transparent_parts_are_white() -> None:
    rgba = halves((*RED, 255), (0, 0, 0, 0), "RGBA")
    assert like(pixels(encoded(rgba))[10, 35], WHITE)
    assert like(pixels(encoded(rgba.convert("LA")))[10, 35], WHITE)
    palette = halves(RED, BLUE).quantize(4)
    clear = palette.getpixel((35, 10))
    found = pixels(encoded(palette, transparency=clear))
    assert like(found[10, 35], WHITE)
    assert like(found[10, 5], RED)


def test_inks_are_lights() -> None:
    image = halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK")
    for kind in ("TIFF", "JPEG"):
        found = pixels(encoded(image, kind))
        assert like(found[10, 5], RED, 40)
        assert like(found[10, 35], BLUE, 40)


def test_deep_pixels_keep_their_brightness() -> None:
    values = np.repeat(np.linspace(0, 65_535, 40).astype(np.uint16)[None], 20, axis=0)
    for kind in ("PNG", "TIFF"):
        found = pixels(encoded(Image.fromarray(values), kind))
        assert np.abs(found[:, :, 0].astype(int) - (values >> 8)).max() <= 1
    floats = Image.fromarray(values.astype(np.float32) / 65_535 * 7 - 3)
    found = pixels(encoded(floats, "TIFF"))
    assert (found[0, 0, 0], found[0, -1, 0]) == (0, 255)


def test_one_bit_and_lab() -> None:
    bits = halves((0,), (255,), "L").convert("1")
    found = pixels(encoded(bits, "TIFF", compression="group4"))
    assert like(found[10, 5], (0, 0, 0))
    assert like(found[10, 35], WHITE)
    lab = Image.new("LAB", (40, 20), (255, 128, 128))
    assert like(pixels(encoded(lab, "TIFF"))[10, 5], WHITE)


def test_every_frame_of_a_tiff_is_a_page() -> None:
    frames = [
        Image.new("RGB", (30 + n, 20), colour) for n, colour in enumerate((RED, GREEN, BLUE))
    ]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    found, rasters = read(data)
    assert [(element.kind, element.page, element.order) for element in found] == [
        (kind, page, 2 * (page - 1) + (kind == "image"))
        for page in (1, 2, 3)
        for kind in ("page", "image")
    ]
    assert [element.size[0] for element in found if element.size] == [30, 31, 32]
    assert like(rasters[2].pixels[0, 0], BLUE)
    with pytest.raises(LimitExceededError, match=r"more than 2 frames.*limits.pages"):
        load(data, pages=2)
    assert len(load(data, pages=3)) == 6


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_shows_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in (RED, GREEN)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert like(pixels(data)[0, 0], RED)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = b"IHDR" + header
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"
    with pytest.raises(LimitExceededError, match="60000 x 60000 pixels") as caught:
        load(data)
    assert caught.value.uri == "/pictures/one"
    assert "limits.pixels" in caught.value.remedy
    with pytest.raises(LimitExceededError):
        load(encoded(halves(RED, BLUE)), pixels=799)
    assert load(encoded(halves(RED, BLUE)), pixels=800)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"])
def test_damage_is_a_typed_error(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for broken in (data[: len(data) // 2], data[:20], data[:4] + b"\x00" * 40):
        with pytest.raises(CorruptDocumentError, match="'one' is not a picture"):
            load(broken)


def test_no_picture_at_all() -> None:
    for data in (b"", b"hello", b"%PDF-1.7"):
        with pytest.raises(CorruptDocumentError, match="format is unknown"):
            load(data)


def test_a_large_picture_is_reduced_and_keeps_its_size() -> None:
    image = Image.new("RGB", (6000, 4000), RED)
    ImageDraw.Draw(image).rectangle((3000, 0, 5999, 3999), fill=BLUE)
    exif = Image.Exif()
    exif[0x0112] = 6
    for data, size in (
        (encoded(image, "JPEG"), (6000, 4000)),
        (encoded(image, "PNG", compress_level=1), (6000, 4000)),
        (encoded(image, "JPEG", exif=exif), (4000, 6000)),
    ):
        (page, _), (found,) = read(data)
        assert page.size == size
        width, height = found.size
        assert width * height <= 16_000_000
        assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
    assert like(found.pixels[5, width // 2], RED)


def test_render_gives_a_page_in_its_own_pixels() -> None:
    frames = [Image.new("RGB", (30, 20), colour) for colour in (RED, GREEN)]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    loader = ImageLoader(LimitSettings(), ParseSettings())
    raster = loader.render(Source(uri="/pictures/one", data=data), 2, 300)
    assert raster.size == (30, 20)
    assert like(raster.pixels[0, 0], GREEN)
    with pytest.raises(CorruptDocumentError, match="no page 3"):
        loader.render(Source(uri="/pictures/one", data=data), 3, 300)
