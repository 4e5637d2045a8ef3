"""Where the rectangles of a shown page are, in the pixels that are seen."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import FloatRect, Page

STROKE = (212, 56, 13)
"""The colour of the rectangles' lines on a light page."""
NEAR = 60
"""Of a pixel's channels together: the line is drawn over the page's own colours."""
REACH = 12
"""Pixels around an edge in which its line is looked for."""


class Drawn(NamedTuple):
    """A rectangle as it is seen.

    Attributes:
        offsets: CSS pixels from where each edge in view has to be to the line that is drawn
            there, ``inf`` where there is none within ``REACH``. Empty, if none is in view.
        inside: What is seen within it.
    """

    offsets: list[float]
    inside: Image.Image


def drawn(page: Page, number: int, box: Sequence[float]) -> Drawn:
    """Lead to a rectangle of the page that is shown, and look at it.

    Args:
        page: It shows a page of a document with rectangles.
        number: Of the rectangle, from 0.
        box: Where it has to be, in fractions of the document's page.
    """
    page.locator(".overlay .mark").nth(number).scroll_into_view_if_needed()
    paper, view = (_place(page, one) for one in (".paper img", ".view"))
    left, right = (paper["x"] + x * paper["width"] for x in (box[0], box[2]))
    top, bottom = (paper["y"] + y * paper["height"] for y in (box[1], box[3]))
    sight = (view["x"], view["y"], view["x"] + view["width"], view["y"] + view["height"])
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    scale = shot.width / (page.viewport_size or {"width": shot.width})["width"]

    def line(x: float, y: float, across: bool) -> list[float]:
        """How far the line is from an edge; nothing, if the edge is out of sight."""
        if not (sight[0] <= x < sight[2] and sight[1] <= y < sight[3]):
            return []
        return [_off_by(shot, x * scale, y * scale, across, scale)]

    middle_x = (max(left, sight[0]) + min(right, sight[2])) / 2
    middle_y = (max(top, sight[1]) + min(bottom, sight[3])) / 2
    offsets = [
        *line(left, middle_y, True),
        *line(right, middle_y, True),
        *line(middle_x, top, False),
        *line(middle_x, bottom, False),
    ]
    inside = (
        max(left, sight[0]), max(top, sight[1]), min(right, sight[2]), min(bottom, sight[3])
    )  # fmt: skip
    return Drawn(offsets, shot.crop(tuple(round(one * scale) for one in inside)))


def _place(page: Page, selector: str) -> FloatRect:
    found = page.locator(selector).bounding_box()
    assert found is not None, f"{selector} is not shown"
    return found


def _off_by(image: Image.Image, x: float, y: float, across: bool, scale: float) -> float:
    """CSS pixels from a place to the nearest line of a rectangle beside, or above and below it."""
    found = []
    for step in range(-round(REACH * scale), round(REACH * scale) + 1):
        at = (round(x) + step, round(y)) if across else (round(x), round(y) + step)
        if _is_line(image, *at):
            found.append(abs(at[0] + 0.5 - x) if across else abs(at[1] + 0.5 - y))
    return min(found, default=math.inf) / scale


def _is_line(image: Image.Image, x: int, y: int) -> bool:
    if not (0 <= x < image.width and 0 <= y < image.height):
        return False
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return sum(abs(a - b) for a, b in zip(pixel, STROKE, strict=True)) <= NEAR
