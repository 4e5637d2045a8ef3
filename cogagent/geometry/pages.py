"""Pages: a PDF's points, and pages that are turned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry.spaces import Plane, from_pixels, turned


class PdfPage(NamedTuple):
    """What is needed to place PDF points on a page as it is shown.

    A :class:`~cogagent.geometry.Space` of PDF user-space boxes: left, bottom, right,
    top in points, y up.

    Attributes:
        left: Left edge of the visible box (crop box within media box), points.
        bottom: Its bottom edge, points; PDF's y axis points up.
        right: Its right edge, points.
        top: Its top edge, points.
        rotation: Clockwise turn in degrees: 0, 90, 180 or 270.
    """

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page as shown, in points."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotation % 180 else (width, height)

    def to_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """PDF user-space boxes as page fractions.

        Args:
            boxes: Shape ``(n, 4)``: left, bottom, right, top in points, y up.

        Returns:
            Shape ``(n, 4)``, fractions, not clipped to the page.
        """
        array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        width, height = self.right - self.left, self.top - self.bottom
        x0, x1 = (array[:, 0] - self.left) / width, (array[:, 2] - self.left) / width
        y0, y1 = (self.top - array[:, 3]) / height, (self.top - array[:, 1]) / height
        return turned(np.stack([x0, y0, x1, y1], axis=1), self.rotation)

    def from_fractions(self, boxes: NDArray[np.floating]) -> NDArray[np.float64]:
        """Page fractions as PDF user-space boxes; the inverse of :meth:`to_fractions`.

        Args:
            boxes: Shape ``(n, 4)``, fractions of the page as shown.

        Returns:
            Shape ``(n, 4)``: left, bottom, right, top in points, y up.
        """
        array = turn(boxes, -self.rotation)
        width, height = self.right - self.left, self.top - self.bottom
        left, right = self.left + array[:, 0] * width, self.left + array[:, 2] * width
        top, bottom = self.top - array[:, 1] * height, self.top - array[:, 3] * height
        return np.stack([left, bottom, right, top], axis=1)


def turn(boxes: NDArray[np.floating], degrees: int) -> NDArray[np.float64]:
    """Fractional boxes of a page after the page is turned clockwise.

    Args:
        boxes: Shape ``(n, 4)``, page fractions.
        degrees: A multiple of 90.
    """
    return turned(np.asarray(boxes, dtype=np.float64).reshape(-1, 4), degrees)


def turn_points(
    boxes: NDArray[np.floating], size: tuple[float, float], degrees: int
) -> NDArray[np.float64]:
    """Boxes in points of a page, origin top left, after the page is turned clockwise.

    Args:
        boxes: Shape ``(n, 4)``, points of the page before it is turned.
        size: Its width and height before it is turned.
        degrees: A multiple of 90.
    """
    width, height = size if degrees % 180 == 0 else size[::-1]
    return Plane(width, height).from_fractions(turn(from_pixels(boxes, size), degrees))


def to_shown_points(points: NDArray[np.floating], page: PdfPage) -> NDArray[np.float64]:
    """PDF user-space boxes in points of the page as shown, origin top left, y down."""
    return Plane(*page.size).from_fractions(page.to_fractions(points))
