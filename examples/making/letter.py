"""The scanned page: a typewritten letter as a camera would see it, without text."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import reportlab
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIZE = (1240, 1754)
"""A4 at 150 dots an inch."""
_FONTS = Path(reportlab.__file__).parent / "fonts"
_MARGIN, _PITCH, _LINE = 165, 15, 31
"""The typewriter: ten characters an inch, and a little under five lines."""

_BODY = """\
                                      3 February 2025
                                      Ref. CHF-2025-017


Dr. Amara Lindqvist
Director, Velmora Lake Station
1 Quay Road, Tarrow


Dear Dr. Lindqvist,

Replacement of the buoy mooring

I write to tell you that the trustees of the Corwen
and Hale Foundation met on 28 January 2025 and resolved
to award the station a grant of $96,500 for a new
mooring for the buoy Halcyon.

The grant will be paid in two equal parts of $48,250,
the first on 1 April 2025 and the second on 1 October
2025. The trustees ask that the measurements be made
public within eighteen months, and that the Foundation
be named on the buoy.

Please return a signed copy of this letter by
28 February 2025. I wish the station a calm season.


Yours sincerely,




Margaret Osei
Secretary to the Trustees
"""


def scanned_letter() -> bytes:
    """The letter as a JPEG in grey."""
    dice = random.Random(57)  # the same letter every time
    page = Image.new("L", SIZE, 255)
    _letterhead(page)
    _typewrite(page, dice)
    _sign(page)
    _stamp(page)
    page = page.rotate(0.5, Image.Resampling.BICUBIC, fillcolor=255)
    page = page.filter(ImageFilter.GaussianBlur(0.5))
    scan = io.BytesIO()
    _as_scanned(page).save(scan, "JPEG", quality=62, optimize=True, dpi=(150, 150))
    return scan.getvalue()


def _letterhead(page: Image.Image) -> None:
    draw = ImageDraw.Draw(page)
    middle = SIZE[0] // 2
    name = ImageFont.truetype(_FONTS / "_eb_____.pfb", 46)
    small = ImageFont.truetype(_FONTS / "_er_____.pfb", 25)
    draw.text((middle, 130), "Corwen and Hale Foundation", 35, name, "mm")
    draw.text((middle, 182), "22 Assembly Row, Port Ansel", 50, small, "mm")
    draw.line((_MARGIN, 220, SIZE[0] - _MARGIN, 220), 70, 3)


def _typewrite(page: Image.Image, dice: random.Random) -> None:
    draw = ImageDraw.Draw(page)
    font = ImageFont.truetype(_FONTS / "cob_____.pfb", 25)
    for row, line in enumerate(_BODY.splitlines()):
        for column, letter in enumerate(line):
            x = _MARGIN + 8 + column * _PITCH + dice.choice((0, 0, 0, 1))
            y = 280 + row * _LINE + dice.choice((-1, 0, 0, 0, 1))
            draw.text((x, y), letter, dice.randrange(35, 95), font)


def _sign(page: Image.Image) -> None:
    steps = np.linspace(0, 1, 400)
    x = _MARGIN + 20 + 250 * steps + 16 * np.sin(38 * steps)
    y = 1268 + 26 * np.sin(29 * steps) * (1 - steps) - 14 * steps
    ImageDraw.Draw(page).line(list(zip(x.tolist(), y.tolist(), strict=True)), 60, 3, "curve")


def _stamp(page: Image.Image) -> None:
    size = (300, 118)
    ink = Image.new("L", size, 0)
    draw = ImageDraw.Draw(ink)
    draw.rounded_rectangle((3, 3, size[0] - 4, size[1] - 4), 12, outline=255, width=4)
    for y, text, points in ((38, "RECEIVED", 32), (82, "6 February 2025", 26)):
        draw.text((150, y), text, 255, ImageFont.truetype(_FONTS / "VeraBd.ttf", points), "mm")
    ink = ink.rotate(4, Image.Resampling.BICUBIC, expand=True)
    page.paste(105, (700, 1240), ink)


def _as_scanned(page: Image.Image) -> Image.Image:
    """Greyer paper, a shadow along the left edge, and the noise of the sensor."""
    ink = 1 - np.asarray(page, np.float32) / 255
    across = np.arange(SIZE[0], dtype=np.float32)
    paper = 243 - 45 * np.exp(-across / 28)
    noise = np.random.default_rng(57).normal(0, 3.2, ink.shape)
    seen = paper[None, :] * (1 - 0.93 * ink) + noise
    return Image.fromarray(seen.clip(0, 255).astype(np.uint8))
