"""The two charts of the report, drawn as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reportlab.graphics.shapes import Circle, Drawing, Group, Line, PolyLine, Rect, String
from reportlab.lib.colors import HexColor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BLUE, LIGHT, ORANGE = HexColor("#1f4e6b"), HexColor("#9bbfd3"), HexColor("#c9702b")
INK, GREY, GRID = HexColor("#222222"), HexColor("#777777"), HexColor("#dddddd")

_LEFT, _BOTTOM, _TOP = 46, 44, 6
"""Room around the plot for the labels of the axes, in points."""


class Axes:
    """A frame with grid lines, tick labels and titles; turns values into points."""

    def __init__(
        self, size: tuple[float, float], ticks: Sequence[int], titles: tuple[str, str]
    ) -> None:
        self.drawing = Drawing(*size)
        self.width = size[0] - _LEFT - 8
        self.height = size[1] - _BOTTOM - _TOP
        self.highest = ticks[-1]
        across, up = titles
        for tick in ticks:
            y = self.y(tick)
            colour = GREY if tick == 0 else GRID
            self.add(Line(_LEFT, y, _LEFT + self.width, y, strokeColor=colour, strokeWidth=0.6))
            self.text(_LEFT - 6, y - 3, str(tick), anchor="end")
        self.text(_LEFT + self.width / 2, 8, across, font="Helvetica-Bold")
        title = Group(
            String(0, 0, up, fontName="Helvetica-Bold", fontSize=8.5, textAnchor="middle")
        )
        title.translate(14, _BOTTOM + self.height / 2)
        title.rotate(90)
        self.add(title)

    def add(self, shape: object) -> None:
        """Put a shape on the drawing."""
        self.drawing.add(shape)

    def x(self, fraction: float) -> float:
        """The place of a fraction of the horizontal axis."""
        return _LEFT + fraction * self.width

    def y(self, value: float) -> float:
        """The place of a value on the vertical axis."""
        return _BOTTOM + value / self.highest * self.height

    def text(
        self, x: float, y: float, text: str, font: str = "Helvetica", anchor: str = "middle"
    ) -> None:
        """Write a label."""
        self.add(String(x, y, text, fontName=font, fontSize=8.5, textAnchor=anchor, fillColor=INK))

    def legend(self, names: Sequence[str], colours: Sequence[object]) -> None:
        """Name the series in the plot's upper right corner."""
        x = _LEFT + self.width - 60 * len(names)
        y = _BOTTOM + self.height - 18
        for name, colour in zip(names, colours, strict=True):
            self.add(Rect(x, y, 9, 9, fillColor=colour, strokeColor=None))
            self.text(x + 14, y + 1.5, name, anchor="start")
            x += 60


def bars(
    size: tuple[float, float],
    ticks: Sequence[int],
    titles: tuple[str, str],
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
) -> Drawing:
    """A grouped bar chart, each bar with its value.

    Args:
        size: Width and height in points.
        ticks: Values of the vertical axis, from 0 to its end.
        titles: Of the horizontal and the vertical axis.
        names: Of the groups.
        series: A value for each group, by the name that the legend shows.
    """
    axes = Axes(size, ticks, titles)
    colours = (LIGHT, BLUE)
    axes.legend(list(series), colours)
    bar = axes.width / len(names) * 0.3
    for group, name in enumerate(names):
        middle = axes.x((group + 0.5) / len(names))
        axes.text(middle, _BOTTOM - 14, name)
        for place, (values, colour) in enumerate(zip(series.values(), colours, strict=True)):
            x, top = middle + (place - 1) * bar, axes.y(values[group])
            axes.add(
                Rect(x + 1, _BOTTOM, bar - 2, top - _BOTTOM, fillColor=colour, strokeColor=None)
            )
            axes.text(x + bar / 2, top + 4, f"{values[group]:.1f}")
    return axes.drawing


def lines(
    size: tuple[float, float],
    ticks: Sequence[int],
    titles: tuple[str, str],
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
) -> Drawing:
    """A line chart of two series, the first labelled above its points, the other below.

    Args:
        size: Width and height in points.
        ticks: Values of the vertical axis, from 0 to its end.
        titles: Of the horizontal and the vertical axis.
        names: Of the points along the horizontal axis.
        series: A value for each point, by the name that the legend shows.
    """
    axes = Axes(size, ticks, titles)
    colours = (ORANGE, BLUE)
    axes.legend(list(series), colours)
    places = [axes.x((number + 0.5) / len(names)) for number in range(len(names))]
    for x, name in zip(places, names, strict=True):
        axes.text(x, _BOTTOM - 14, name)
    for values, colour, lift in zip(series.values(), colours, (8, -14), strict=True):
        points = [(x, axes.y(value)) for x, value in zip(places, values, strict=True)]
        flat = [number for point in points for number in point]
        for number, (x, y) in enumerate(points):
            steep = values[min(number + 1, len(values) - 1)] - values[max(number - 1, 0)]
            aside = -6 * max(-1.0, min(steep / 4, 1.0))
            axes.text(x + aside, y + lift, f"{values[number]:.1f}")
        axes.add(PolyLine(flat, strokeColor=colour, strokeWidth=1.6))
        for x, y in points:
            axes.add(Circle(x, y, 2.4, fillColor=colour, strokeColor=None))
    return axes.drawing
