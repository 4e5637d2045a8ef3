from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import picture_kinds, registry
from cogagent.errors import DocumentError, LimitExceededError
from cogagent.types import Element, Raster, Source

# Format of Pillow, mode to save in, a name that tells it, media type.
SAVED = [
    ("PNG", "RGB", "x", "image/png"),
    ("JPEG", "RGB", "x", "image/jpeg"),
    ("MPO", "RGB", "x.mpo", "image/jpeg"),
    ("GIF", "RGB", "x", "image/gif"),
    ("WEBP", "RGB", "x", "image/webp"),
    ("TIFF", "RGB", "x", "image/tiff"),
    ("BMP", "RGB", "x", "image/bmp"),
    ("DIB", "RGB", "x.dib", "image/bmp"),
    ("AVIF", "RGB", "x", "image/avif"),
    ("JPEG2000", "RGB", "x", "image/jp2"),
    ("ICO", "RGB", "x", "image/x-icon"),
    ("ICNS", "RGBA", "x", "image/icns"),
    ("QOI", "RGB", "x", "image/qoi"),
    ("DDS", "RGB", "x", "image/vnd.ms-dds"),
    ("PCX", "RGB", "x", "image/x-pcx"),
    ("SGI", "RGB", "x", "image/sgi"),
    ("BLP", "P", "x", "image/x-blp"),
    ("MSP", "1", "x", "image/x-msp"),
    ("XBM", "1", "x", "image/x-xbitmap"),
    ("PPM", "RGB", "x.PPM", "image/x-portable-anymap"),
    ("TGA", "RGB", "x.tga", "image/x-tga"),
    ("SPIDER", "F", "x.spider", "image/x-spider"),
]


def saved(kind: str, mode: str, size: tuple[int, int] = (32, 32)) -> bytes:
    file = io.BytesIO()
    picture = Image.new("RGB", size, (250, 20, 20))
    picture.paste((20, 20, 250), (size[0] // 2, 0, *size))
    picture.convert(mode).save(file, kind)
    return file.getvalue()


def seen(data: bytes, name: str) -> tuple[list[Element], list[Raster | None]]:
    """What a user gets who ingests ``data`` from a file of that name."""
    source = Source(uri=name, data=data)
    media_type = registry.detect(data, name)
    limits, parse = LimitSettings(), ParseSettings()
    elements = list(registry.load(source, media_type, limits, parse))
    unseen = [element for element in elements if element.unseen]
    return elements, list(registry.pixels(source, media_type, unseen, limits, parse))


@pytest.mark.parametrize(("kind", "mode", "name", "media_type"), SAVED, ids=lambda v: str(v))
def test_each_kind_is_told_and_decoded(kind: str, mode: str, name: str, media_type: str) -> None:
    data = saved(kind, mode)
    assert registry.detect(data, name) == media_type
    (page, image), (raster,) = seen(data, name)
    assert page.size == raster.size
    assert image.kind == "image"
    if mode not in ("1", "F"):
        middle = raster.pixels[len(raster.pixels) // 2].astype(int)
        left, right = middle[len(middle) // 8], middle[-len(middle) // 8]
        assert left[0] > 150 > left[2]
        assert right[2] > 150 > right[0]


@pytest.mark.parametrize(("kind", "mode", "name", "media_type"), SAVED, ids=lambda v: str(v))
def test_damage_to_any_kind_is_a_typed_error(
    kind: str, mode: str, name: str, media_type: str
) -> None:
    data = saved(kind, mode)
    random = np.random.default_rng(0)
    for _ in range(20):
        broken = bytearray(data[: int(random.integers(1, len(data)))])
        for at in random.integers(0, len(broken), 8).tolist():
            broken[at] = int(random.integers(0, 256))
        loader = registry.loader_for(media_type, LimitSettings(), ParseSettings())
        source = Source(uri=name, data=bytes(broken))
        try:
            elements = [element for element in loader.load(source) if element.unseen]
            rasters = list(loader.pixels(source, elements))
        except DocumentError:
            continue
        assert len(rasters) == len(elements)


@pytest.mark.parametrize(
    "text",
    [
        b"BM is short for bitmap, which is a picture.",
        b"DDS stands for direct digital synthesis.",
        b"icns files hold pictures of many sizes.",
        b"qoif is the magic of a picture that is quite OK.",
        b"8BPS is how it begins.",
        b"BLP1 and BLP2 are games' pictures.",
        b"SIMPLE  = not simple at all",
        b"LinSeed oil and DanMark.",
        b"FTEX is a texture.",
        b"P5 10 20 people came, and P6 3 4 did not.",
        b"#define WIDTH 10\n#define HEIGHT 20\n",
    ],
)
@pytest.mark.parametrize("name", ["note.txt", "note.tga", "note.pcd", "note"])
def test_texts_that_begin_like_pictures_are_texts(text: bytes, name: str) -> None:
    assert registry.detect(text, name) == "text/plain"


@given(st.binary(max_size=200), st.sampled_from(["x.tga", "x.ppm", "x.pcd", "x", "x.pdf"]))
def test_any_bytes_are_a_picture_or_none(data: bytes, name: str) -> None:
    told = picture_kinds.told_by_content(data) or picture_kinds.told_by_name(name, data)
    assert told is None or told.media_type in picture_kinds.MEDIA_TYPES
    assert picture_kinds.readers(data)


HUGE = {
    "x.bmp": b"BM" + struct.pack("<IIIIiiHH", 0, 0, 54, 40, 40_000, 40_000, 1, 24) + bytes(24),
    "x.gif": b"GIF89a" + struct.pack("<HHBBB", 40_000, 40_000, 0, 0, 0)
    + b"," + struct.pack("<HHHHB", 0, 0, 40_000, 40_000, 0) + b"\x08",
    "x.tga": bytes([0, 0, 2]) + bytes(9) + struct.pack("<HHBB", 40_000, 40_000, 24, 0),
    "x.ppm": b"P6\n40000 40000\n255\n\0\0\0",
    "x.qoi": b"qoif" + struct.pack(">IIBB", 40_000, 40_000, 3, 0),
    "x.psd": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 40_000, 40_000, 8, 3) + bytes(99),
    "x.sgi": b"\x01\xda\0\x01\0\x03" + struct.pack(">HHH", 40_000, 40_000, 3) + bytes(500),
    "x.pcx": b"\n\x05\x01\x08" + struct.pack("<HHHH", 0, 0, 39_999, 39_999) + bytes(53) + b"\x03"
    + struct.pack("<H", 40_000) + bytes(60),
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_picture_of_any_kind_is_refused_by_its_header(name: str) -> None:
    with pytest.raises(LimitExceededError, match="40000 x 40000 pixels"):
        seen(HUGE[name], name)


def test_a_huge_picture_inside_an_icon_is_refused() -> None:
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    inner = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + body))
        inner += struct.pack(">I", len(body)) + name + body + check
    icon = b"ic10" + struct.pack(">I", 8 + len(inner)) + inner
    data = b"icns" + struct.pack(">I", 8 + len(icon)) + icon
    with pytest.raises(LimitExceededError, match=r"too large to be decoded|pixels"):
        seen(data, "x.icns")


def test_a_fax_of_many_pages_has_many_pages() -> None:
    pages = [saved("PCX", "1", (40 + n, 30)) for n in range(3)]
    places, at = [], 4 + 4 * 4
    for page in pages:
        places.append(at)
        at += len(page)
    data = struct.pack("<I4I", 0x3ADE68B1, *places, 0) + b"".join(pages)
    elements, rasters = seen(data, "fax")
    assert [e.page for e in elements if e.kind == "page"] == [1, 2, 3]
    assert [raster.size for raster in rasters if raster] == [(40, 30), (41, 30), (42, 30)]


def test_no_programme_is_run_for_a_picture() -> None:
    """EPS would be drawn by Ghostscript, and is no picture to us."""
    assert registry.detect(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "x.eps") == (
        "application/postscript"
    )
    readers = {kind.pillow for kind in picture_kinds.KINDS}
    assert not readers & {"EPS", "WMF", "PDF", "MPEG", "HDF5", "GRIB", "BUFR"}
