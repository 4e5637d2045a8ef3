"""Kinds of pictures: how each is told from its bytes, and what Pillow calls it.

Left out is what would run another program (EPS through Ghostscript), what needs
a system's own library (WMF, EMF), what Pillow knows by name only (HDF5, GRIB) and
what it is about to drop (IM).
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import NamedTuple


class PictureKind(NamedTuple):
    """One format.

    Attributes:
        media_type: As the registry and the documents of a home name it.
        pillow: The name of Pillow's reader.
        magic: A pattern that the first bytes match; ``None`` where nothing tells it.
        suffixes: File names that tell it where its bytes do not.
    """

    media_type: str
    pillow: str
    magic: re.Pattern[bytes] | None
    suffixes: tuple[str, ...] = ()

    def begins(self, head: bytes) -> bool:
        """Whether ``head`` begins as this format does."""
        return self.magic is not None and self.magic.match(head) is not None


def _kind(media_type: str, pillow: str, magic: bytes = b"", *suffixes: str) -> PictureKind:
    pattern = re.compile(magic, re.DOTALL) if magic else None
    return PictureKind(media_type, pillow, pattern, suffixes)


_BOX = rb"....ftyp"  # of the family of MP4
_WHITE = rb"(?:\s|\#[^\n]*\n)+"  # comments count as white space in portable maps

KINDS = (
    _kind("image/png", "PNG", rb"\x89PNG\r\n\x1a\n"),
    _kind("image/jpeg", "JPEG", rb"\xff\xd8\xff"),
    _kind("image/gif", "GIF", rb"GIF8[79]a"),
    _kind("image/webp", "WEBP", rb"RIFF....WEBP"),
    # The last two are BigTIFF.
    _kind("image/tiff", "TIFF", rb"II\*\0|MM\0\*|II\+\0|MM\0\+"),
    # "BM" alone begins many texts; the header's length (12 to 124) follows the offsets.
    _kind("image/bmp", "BMP", rb"BM....\0\0\0\0....[\x0c-\x7c]"),
    _kind("image/bmp", "DIB", rb"", ".dib"),
    _kind("image/avif", "AVIF", _BOX + rb"avi[fs]|" + _BOX + rb"(?:mif1|msf1).{4,64}?avi[fs]"),
    _kind("image/jp2", "JPEG2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
    _kind("image/vnd.adobe.photoshop", "PSD", rb"8BPS\0\x01"),
    # The number of pictures follows; a Targa file may begin alike and has zeros there.
    _kind("image/x-icon", "ICO", rb"\0\0\x01\0(?!\0\0)"),
    _kind("image/x-cursor", "CUR", rb"\0\0\x02\0(?!\0\0)"),
    _kind("image/icns", "ICNS", rb"icns[\0-\x08]"),
    _kind("image/qoi", "QOI", rb"qoif\0"),
    _kind("image/vnd.ms-dds", "DDS", rb"DDS \x7c\0\0\0"),
    _kind("image/x-pcx", "PCX", rb"\n[\0\x02\x03\x05]\x01[\x01\x02\x04\x08]"),
    _kind("image/x-dcx", "DCX", rb"\xb1\x68\xde\x3a"),
    _kind("image/sgi", "SGI", rb"\x01\xda[\0\x01][\x01\x02]"),
    _kind("image/x-sun-raster", "SUN", rb"\x59\xa6\x6a\x95"),
    _kind("image/x-pixar", "PIXAR", rb"\x80\xe8\0\0"),
    _kind("image/x-blp", "BLP", rb"BLP[12][\0\x01]\0\0\0"),
    _kind("image/x-ftex", "FTEX", rb"FTEX.{1,3}\0"),
    _kind("image/x-msp", "MSP", rb"(?:DanM|LinS)(?=.{0,11}\0)"),
    _kind("image/x-gimp-gbr", "GBR", rb"\0\0\0[\x14-\xff]\0\0\0[\x01\x02]"),
    _kind("image/fits", "FITS", rb"SIMPLE  = {20}[TF]"),
    _kind("image/x-fli", "FLI", rb"....[\x11\x12]\xaf"),
    _kind("image/x-mcidas", "MCIDAS", rb"\0{7}\x04"),
    _kind("image/x-xpixmap", "XPM", rb"/\* XPM \*/"),
    _kind(
        "image/x-xbitmap",
        "XBM",
        rb"\s*(?:/\*.{0,1000}?\*/)?\s*\#define\s+\S*_width\s+\d+\s+\#define\s+\S*_height\s+\d",
    ),
    _kind("image/x-xv-thumbnail", "XVTHUMB", rb"P7 332\n\#"),
    # What follows has no magic, or one that a text may begin with: its name has to tell.
    _kind("image/x-portable-anymap", "PPM", rb"", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm"),
    _kind("image/x-tga", "TGA", rb"", ".tga", ".icb", ".vda", ".vst"),
    _kind("image/x-photo-cd", "PCD", rb"", ".pcd"),
    _kind("image/x-spider", "SPIDER", rb"", ".spider", ".spi"),
)
MEDIA_TYPES = tuple(dict.fromkeys(kind.media_type for kind in KINDS))
_PORTABLE = re.compile(rb"P[1-6f]" + _WHITE + rb"\d")


def told_by_content(head: bytes) -> PictureKind | None:
    """The kind that the first bytes of a file tell, or ``None``."""
    return next((kind for kind in KINDS if kind.begins(head)), None)


def told_by_name(name: str, head: bytes) -> PictureKind | None:
    """The kind that a file's name tells and its first bytes do not rule out, or ``None``.

    Ask for bytes that tell no other kind: these formats begin with nothing of their own.
    """
    suffix = PurePath(name).suffix.lower()
    for kind in KINDS:
        if suffix and suffix in kind.suffixes:
            if kind.pillow == "PPM":
                return kind if _PORTABLE.match(head) else None
            return kind if b"\0" in head else None
    return None


def readers(head: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats that data with this beginning may be in."""
    told = told_by_content(head)
    return (told.pillow,) if told else tuple(kind.pillow for kind in KINDS if kind.magic is None)
