"""Draws charts and says where each word was drawn: OCR that makes no mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cogagent.geometry import from_pixels
from cogagent.types import Raster, Words

COLOURS = ("#2875dd", "#0f283e", "#bababa", "#a60b0b", "#87bc24")
LEFT, TOP, RIGHT, BOTTOM = 120, 60, 760, 420


@dataclass
class Sheet:
    """A white picture that is drawn on."""

    size: tuple[int, int] = (800, 560)
    image: Image.Image = field(init=False)
    pen: ImageDraw.ImageDraw = field(init=False)
    words: list[tuple[str, tuple[float, float, float, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", self.size, "white")
        self.pen = ImageDraw.Draw(self.image)

    def write(self, text: str, x: float, y: float, anchor: str = "mm", height: int = 14,
              ink: str = "#222222") -> None:  # fmt: skip
        """Text in a line; ``anchor`` as Pillow has it."""
        font = ImageFont.load_default(height)
        left = x - self.pen.textlength(text, font=font) * {"l": 0, "m": 0.5, "r": 1}[anchor[0]]
        for number, word in enumerate(text.split()):
            before = "".join(f"{earlier} " for earlier in text.split()[:number])
            start = left + self.pen.textlength(before, font=font)
            self.pen.text((start, y), word, ink, font, anchor="l" + anchor[1])
            self.words.append(
                (word, self.pen.textbbox((start, y), word, font, anchor="l" + anchor[1]))
            )

    def write_up(self, text: str, x: float, y: float, height: int = 14) -> None:
        """Text that runs up the page, its middle at a point."""
        font = ImageFont.load_default(height)
        long = int(self.pen.textlength(text, font=font)) + 2
        strip = Image.new("RGB", (long, height + 6), "white")
        ImageDraw.Draw(strip).text((1, 2), text, "#222222", font)
        self.image.paste(strip.rotate(90, expand=True), (int(x), int(y - long / 2)))
        start = 1.0
        for word in text.split():
            wide = self.pen.textlength(word, font=font)
            bottom = y + long / 2 - start
            self.words.append((word, (x, bottom - wide, x + height + 4, bottom)))
            start += wide + self.pen.textlength(" ", font=font)

    def write_slanted(self, text: str, x: float, y: float, height: int = 14) -> None:
        """A label that rises to the right and ends at a point, as below a narrow bar."""
        font = ImageFont.load_default(height)
        long = int(self.pen.textlength(text, font=font)) + 2
        strip = Image.new("L", (long, height + 4), 0)
        ImageDraw.Draw(strip).text((1, 0), text, 255, font)
        turned = strip.rotate(45, expand=True)
        left, top = int(x - turned.width + 4), int(y)
        self.image.paste("#222222", (left, top), turned)
        start = 0.0
        for word in text.split():
            wide = self.pen.textlength(word, font=font)
            side = height * math.sqrt(0.5)
            x0 = left + start * math.sqrt(0.5)
            y1 = top + turned.height - start * math.sqrt(0.5)
            reach = wide * math.sqrt(0.5) + side
            self.words.append((word, (x0, y1 - reach, x0 + reach, y1)))
            start += wide + self.pen.textlength(" ", font=font)

    def bar(self, x0: float, y0: float, x1: float, y1: float, colour: str) -> None:
        """A rectangle whose edges are those given."""
        if x1 - x0 >= 1 and y1 - y0 >= 1:
            self.pen.rectangle((round(x0), round(y0), round(x1) - 1, round(y1) - 1), colour)

    def raster(self) -> Raster:
        """The picture."""
        return Raster(np.asarray(self.image))

    def reading(self) -> tuple[str, Words]:
        """Its words, in the order in which they were drawn."""
        return reading_of(self.words, self.size)


def reading_of(
    words: Sequence[tuple[str, tuple[float, float, float, float]]], size: tuple[int, int]
) -> tuple[str, Words]:
    """Words and their boxes in pixels as OCR gives them."""
    text, spans = "", []
    for word, _ in words:
        text += " " if text else ""
        spans.append((len(text), len(text) + len(word)))
        text += word
    boxes = from_pixels(np.array([box for _, box in words], np.float64), size).clip(0, 1)
    return text, Words(
        np.array(spans, np.int32).reshape(-1, 2),
        np.ones(len(spans), np.int32),
        boxes.astype(np.float32),
    )


def tick_text(value: float, group: str = " ") -> str:
    """A number as axes print it."""
    if value != int(value):
        return f"{value:g}"
    return f"{int(value):,}".replace(",", group)


def value_axis(sheet: Sheet, ticks: Sequence[float], *, group: str = " ") -> None:
    """Numbers up the left side, lines across."""
    for number, tick in enumerate(ticks):
        y = BOTTOM - (BOTTOM - TOP) * number / (len(ticks) - 1)
        sheet.pen.line((LEFT, y, RIGHT, y), "#e6e6e6")
        sheet.write(tick_text(tick, group), LEFT - 12, y, "rm")


def columns(
    names: Sequence[str],
    series: Sequence[Sequence[float]],
    ticks: Sequence[float],
    *,
    legend: Sequence[str] = (),
    printed: bool = True,
    stacked: bool = False,
    slanted: bool = False,
) -> Sheet:
    """A chart of upright bars: one row of values a series."""
    sheet = Sheet()
    value_axis(sheet, ticks)
    scale = (BOTTOM - TOP) / (ticks[-1] - ticks[0])
    zero = BOTTOM + ticks[0] * scale
    pitch = (RIGHT - LEFT) / len(names)
    beside = 1 if stacked else len(series)
    wide = int(pitch * 0.7 / beside)
    for row, name in enumerate(names):
        middle, low = LEFT + pitch * (row + 0.5), zero
        for column, values in enumerate(series):
            left = middle - wide * beside / 2 + (0 if stacked else wide * column)
            base = low if stacked else zero
            top = base - values[row] * scale
            sheet.bar(left, min(top, base), left + wide, max(top, base), COLOURS[column])
            if printed and stacked:
                sheet.write(f"{values[row]:g}", left + wide / 2, (top + base) / 2, ink="white")
            elif printed:
                above = values[row] >= 0
                sheet.write(
                    f"{values[row]:g}",
                    left + wide / 2,
                    top + (-6 if above else 6),
                    "ms" if above else "mt",
                )
            low = top
        if slanted:
            sheet.write_slanted(name, middle, BOTTOM + 8)
        else:
            for line, part in enumerate(name.split("\n")):
                sheet.write(part, middle, BOTTOM + 10 + 17 * line, "mt")
    key(sheet, legend)
    return sheet


def key(sheet: Sheet, legend: Sequence[str], y: int = 480) -> None:
    """Swatches and names in a row."""
    for number, name in enumerate(legend):
        left = 160 + 170 * number
        sheet.pen.ellipse((left, y, left + 12, y + 12), COLOURS[number])
        sheet.write(name, left + 20, y + 6, "lm")


def level_bars(
    names: Sequence[str],
    series: Sequence[Sequence[float]],
    ticks: Sequence[float],
    *,
    legend: Sequence[str] = (),
    printed: bool = True,
) -> Sheet:
    """A chart of bars that go to the right."""
    sheet = Sheet()
    left, right = 240, 740
    scale = (right - left) / (ticks[-1] - ticks[0])
    pitch = (BOTTOM - TOP) / len(names)
    thick = int(pitch * 0.7 / len(series))
    for row, name in enumerate(names):
        middle = TOP + pitch * (row + 0.5)
        for column, values in enumerate(series):
            top = middle - thick * len(series) / 2 + thick * column
            end = left + values[row] * scale
            sheet.bar(left, top, end, top + thick, COLOURS[column])
            if printed:
                sheet.write(f"{values[row]:g}", max(end, left) + 6, top + thick / 2, "lm")
        lines = name.split("\n")
        for line, part in enumerate(lines):
            sheet.write(part, left - 10, middle + 17 * (line - (len(lines) - 1) / 2), "rm")
    for number, tick in enumerate(ticks):
        sheet.write(
            tick_text(tick), left + (right - left) * number / (len(ticks) - 1), BOTTOM + 14
        )
    key(sheet, legend)
    return sheet


def lines(
    names: Sequence[str],
    series: Sequence[Sequence[float]],
    ticks: Sequence[float],
    *,
    legend: Sequence[str] = (),
    printed: bool = False,
    log: bool = False,
) -> Sheet:
    """A chart of lines with markers."""
    sheet = Sheet()
    value_axis(sheet, ticks)

    def height(value: float) -> float:
        if log:
            part = math.log(value / ticks[0]) / math.log(ticks[-1] / ticks[0])
        else:
            part = (value - ticks[0]) / (ticks[-1] - ticks[0])
        return BOTTOM - (BOTTOM - TOP) * part

    pitch = (RIGHT - LEFT) / len(names)
    for column, values in enumerate(series):
        points = [(LEFT + pitch * (n + 0.5), height(value)) for n, value in enumerate(values)]
        sheet.pen.line(points, COLOURS[column], 3)
        for (x, y), value in zip(points, values, strict=True):
            sheet.pen.ellipse((x - 4, y - 4, x + 4, y + 4), COLOURS[column])
            if printed:
                sheet.write(f"{value:g}", x, y - 8, "ms")
    for number, name in enumerate(names):
        sheet.write(name, LEFT + pitch * (number + 0.5), BOTTOM + 14, "mt")
    for number, name in enumerate(legend):
        left = 160 + 170 * number
        sheet.pen.line((left, 486, left + 22, 486), COLOURS[number], 3)
        sheet.write(name, left + 28, 486, "lm")
    return sheet


def pie(
    names: Sequence[str], shares: Sequence[int], *, hole: int = 0, beside: bool = True
) -> Sheet:
    """A pie, or a ring, with its labels around it."""
    sheet = Sheet()
    x, y, radius, start = 400, 270, 150, -90.0
    for number, (name, share) in enumerate(zip(names, shares, strict=True)):
        end = start + 3.6 * share
        box = (x - radius, y - radius, x + radius, y + radius)
        sheet.pen.pieslice(box, start, end, COLOURS[number], outline="white")
        angle = math.radians((start + end) / 2)
        far = radius + 34
        at = x + far * math.cos(angle), y + far * math.sin(angle)
        sheet.write(f"{name} {share}%", *at, "lm" if math.cos(angle) >= 0 else "rm")
        start = end
    if hole:
        sheet.pen.ellipse((x - hole, y - hole, x + hole, y + hole), "white")
    return sheet
