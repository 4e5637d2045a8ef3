"""Numbers that a question states, and numbers as an answer says them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from cogagent.reading.quantities import Quantity, quantities

_PART = re.compile(
    r"\b(?:one|1) (?:in|out of) (?P<of>two|three|four|five|six|seven|eight|nine|ten|\d{1,3})\b"
    r"|\b(?P<fraction>half|(?:one|a|two)[ -]thirds?|(?:one|a|three)[ -](?:quarter|fifth)s?"
    r"|two[ -]fifths|a tenth)(?: of\b| (?P<scale>a million|a billion|a thousand)\b)",
    re.IGNORECASE,
)
_ONES = "two three four five six seven eight nine ten".split()
_OF = {word: place for place, word in enumerate(_ONES, 2)}
_NAMED = {"half": 0.5, "third": 1 / 3, "quarter": 0.25, "fifth": 0.2, "tenth": 0.1}
_TIMES = {"one": 1, "a": 1, "two": 2, "three": 3}
_SCALES = {"a thousand": 1e3, "a million": 1e6, "a billion": 1e9}
_MINUS = re.compile(r"\b(?:minus|negative) $", re.IGNORECASE)
_SIGN = 10
"""Characters before a number in which its sign stands in words."""
_SAME = 1e-9
"""How far apart, as a share, two numbers may be that are the same."""
_MAGNITUDES = (1.0, 1e3, 1e6, 1e9, 1e12)
_ABOUT = 0.05
"""How far off, as a share, a number after "almost" may be."""
_UNIT = re.compile(
    r"(?P<percent>%|\bper ?cent(?:age)?\b)"
    r"|(?P<scale>\b(?:thousand|million|billion|trillion)s?\b|\b(?:mn|mio|bn)\b"
    r"|(?<=[$\u20ac\u00a3])(?:m|k|bn?)\b|[\u2019']000\b)",
    re.IGNORECASE,
)
_WORTH = {"t": 1e3, "k": 1e3, "m": 1e6, "b": 1e9, "'": 1e3, "\u2019": 1e3}


@dataclass(frozen=True, slots=True)
class Stated:
    """A number that a question states.

    Attributes:
        start: First character in the question.
        end: One past the last.
        value: What it is worth, magnitude included; a share in per cent.
        room: How far off a value may be that is meant by it.
        bare: The same without its magnitude.
        percent: It is said to be a percentage or a part.
        scaled: A magnitude such as "million" is named.
    """

    start: int
    end: int
    value: float
    room: float
    bare: float
    percent: bool = False
    scaled: bool = False

    def means(self, value: float, magnitude: float) -> bool:
        """Whether a value of a grid may be meant.

        Args:
            value: In the unit of the grid.
            magnitude: What one of that unit is worth: 1e6 of millions; 1 where nothing is said.
        """
        said = abs(self.value)
        if abs(abs(value) - said) <= self.room:
            return True
        scales = (magnitude,) if magnitude != 1.0 else _MAGNITUDES[1:] if self.scaled else ()
        return any(abs(abs(value) * scale - said) <= self.room for scale in scales)

    def beyond(self, value: float, magnitude: float) -> float:
        """How far a value of a grid lies above what is stated, in the grid's unit."""
        # A table that does not say what it counts in counts in what the question does.
        limit = self.value / magnitude if self.scaled and magnitude != 1.0 else self.bare
        return 0.0 if math.isclose(value, limit, rel_tol=_SAME) else value - limit


@dataclass(frozen=True, slots=True)
class Bound:
    """A number that values are held against.

    Attributes:
        side: 1 if what lies above it is asked for, -1 if what lies below.
        limit: The number.
        inclusive: The number itself will do: "at least", "or fewer".
    """

    side: int
    limit: Stated
    inclusive: bool = False

    def met(self, value: float, magnitude: float, *, costs: bool = False) -> bool:
        """Whether a value of a grid lies there.

        Args:
            value: In the unit of the grid.
            magnitude: What one of that unit is worth.
            costs: It is printed in brackets, so that only its size is meant by "above 50".
        """
        size = abs(value) if costs and self.limit.value > 0 else value
        over = self.side * self.limit.beyond(size, magnitude)
        return over > 0 or (self.inclusive and over == 0)


def stated(text: str) -> tuple[Stated, ...]:
    """The numbers of a question in order, in digits or words, but for years and ordinals."""
    parts = [
        Stated(m.start(), m.end(), value, 0.1 * value, value / scale, percent=scale == 1.0)
        for m in _PART.finditer(text)
        for value, scale in [_part(m)]
    ]
    found = [
        Stated(
            minus.start() if minus else q.start,
            q.end,
            sign * q.value,
            _room(q),
            sign * _bare(q),
            q.kind == "percent",
            q.scaled,
        )
        for q in quantities(text)
        for minus in [_MINUS.search(text, max(0, q.start - _SIGN), q.start)]
        for sign in [-1 if minus else 1]
        if q.kind not in ("year", "ordinal")
        and not any(part.start < q.end and q.start < part.end for part in parts)
    ]
    return tuple(sorted([*parts, *found], key=lambda number: number.start))


def _part(match: re.Match[str]) -> tuple[float, float]:
    if match["of"]:
        word = match["of"].lower()
        return 100.0 / max(_OF.get(word) or int(word), 1), 1.0
    times, _, name = match["fraction"].lower().replace("-", " ").rpartition(" ")
    share = _TIMES.get(times, 1) * _NAMED[name.rstrip("s")]
    scale = _SCALES[match["scale"].lower()] if match["scale"] else 1.0
    return share * (scale if match["scale"] else 100.0), scale


def _bare(quantity: Quantity) -> float:
    match = re.search(r"\d[\d,]*(?:\.\d+)?|\.\d+", quantity.text)
    if match is None:
        return quantity.value
    return math.copysign(float(match.group().replace(",", "")), quantity.value)


def _room(quantity: Quantity) -> float:
    exact = 1e-9 * abs(quantity.value)
    if quantity.approximate:
        return _ABOUT * abs(quantity.value)
    # Whole numbers are often rounded, but "50" for 49.6 is the least exact that is meant.
    return max(exact, 0.5001 * quantity.step)


def unit_of(text: str) -> str:
    """The unit that a header names: ``%``, ``thousand``, ``million``...; empty if none."""
    match = _UNIT.search(text)
    if match is None:
        return ""
    if match["percent"]:
        return "%"
    return {1e3: "thousand", 1e6: "million", 1e9: "billion"}.get(magnitude(text), "trillion")


def magnitude(unit: str) -> float:
    """What one of a unit is worth: 1e6 of "million U.S. dollars", 1 where nothing is said."""
    match = _UNIT.search(unit)
    if match is None or match["percent"]:
        return 1.0
    word = match["scale"].lower()
    return 1e12 if word.startswith("tr") else _WORTH[word[0]]


def written(value: float, decimals: int) -> str:
    """A number as an answer says it, with at most so many decimals and no idle noughts."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:,.{max(0, min(decimals, 9))}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def decimals_of(text: str) -> int:
    """How many decimals a number is printed with."""
    match = re.search(r"\d\.(\d{1,9})", text)
    return len(match[1]) if match else 0


def rounded(value: float, error: float) -> str:
    """A measured value, to the digits that its error leaves."""
    if error <= 0:
        return written(value, 4)
    places = -math.floor(math.log10(error))
    return written(round(value, places), max(places, 0))
