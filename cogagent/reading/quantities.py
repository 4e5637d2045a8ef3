"""Numbers of a text: what they are worth, in what, and how exactly they are given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

NumberKind = Literal["plain", "percent", "money", "year", "ordinal"]

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORDS: dict[str, float] = {word: float(value) for value, word in enumerate(_ONES)}
_WORDS |= {word: 10.0 * value for value, word in enumerate(_TENS, 2)}
_WORDS |= {"dozen": 12.0, "half": 0.5}
_ORDINALS = (
    "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_NTH = {word: float(value) for value, word in enumerate(_ORDINALS, 3)}
_FRACTIONS = {"\u00bd": 0.5, "\u00bc": 0.25, "\u00be": 0.75, "\u2153": 1 / 3, "\u2154": 2 / 3}
_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "thousands": 1e3, "k": 1e3, "million": 1e6,
    "millions": 1e6, "mn": 1e6, "mm": 1e6, "m": 1e6, "mio": 1e6, "billion": 1e9,
    "billions": 1e9, "bn": 1e9, "b": 1e9, "trillion": 1e12, "trillions": 1e12, "tn": 1e12,
}  # fmt: skip
_LETTER_SCALES = frozenset({"k", "m", "b", "mm"})
"""Magnitudes only right behind the digits, and for ``m`` and ``b`` only with a currency."""
_CURRENCIES = {
    "$": "$", "usd": "$", "dollar": "$", "dollars": "$", "\u20ac": "\u20ac", "eur": "\u20ac",
    "euro": "\u20ac", "euros": "\u20ac", "\u00a3": "\u00a3", "gbp": "\u00a3", "pound": "\u00a3",
    "pounds": "\u00a3", "\u00a5": "\u00a5", "yen": "\u00a5", "\u20b9": "\u20b9",
    "rupee": "\u20b9", "rupees": "\u20b9",
}  # fmt: skip
_UNITS = {
    "km": "km", "kilometre": "km", "kilometer": "km", "mile": "mi", "mi": "mi", "metre": "m",
    "meter": "m", "foot": "ft", "feet": "ft", "ft": "ft", "inch": "in", "yard": "yd", "kg": "kg",
    "kilogram": "kg", "lb": "lb", "tonne": "t", "ton": "t", "acre": "ac", "hectare": "ha",
    "year": "year", "month": "month", "week": "week", "day": "day", "hour": "hour",
    "minute": "minute", "second": "second", "decade": "decade", "century": "century",
    "centurie": "century",
}  # fmt: skip
_WORDED = "|".join([*_ONES, *_TENS, "dozen", "half", "hundred"])
_NUMBER = re.compile(
    r"(?P<before>(?:about|around|nearly|almost|approximately|roughly|some|over|under|more than"
    r"|less than|just over|just under|close to|circa|c\.|~|\u2248)\s{0,3})?"
    r"(?P<open>\()?"
    r"(?P<minus>(?<![\w\d])[-\u2212\u2013](?=\s?[$\u20ac\u00a3\u00a5\u20b9\d.]))?\s{0,3}"
    r"(?P<money>(?:\b(?:US|A|C|NZ|HK|U\.S\.)\s?)?[$\u20ac\u00a3\u00a5\u20b9]|\b(?:USD|EUR|GBP)\b)?"
    r"\s{0,3}(?P<inner>\()?(?P<minus2>(?<![\w\d%)])[-\u2212\u2013](?=\d))?"
    r"(?:(?P<digits>(?<![\d])(?<!\d[.,])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<![\w.])\.\d+)"
    r"(?P<fraction>[\u00bd\u00bc\u00be\u2153\u2154]|\s?\d\u2044\d|\s\d/\d(?!\d))?"
    r"(?P<nth>st\b|nd\b|rd\b|th\b)?(?P<decade>'?s\b)?"
    rf"|\b(?P<words>(?:{_WORDED})(?:[\s-](?:and\s)?(?:{_WORDED}))*)\b"
    rf"|\b(?P<ordinal>{'|'.join(_ORDINALS)})\b)"
    r"(?P<close>\))?"
    r"(?P<scale>\s?(?:hundred|thousands?|millions?|billions?|trillions?|mn|mio|bn|tn)\b"
    r"|(?:[kKmMbB]|mm|MM)\b)?"
    r"(?P<percent>\)?\s?%|\s?\bper\s?cent\b|\s?\bpercentage points?\b|\s?\bpp\b)?",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"(?:^|\n)\s*\(?\d{1,2}[.)]\s")
_DAY_MONTH = re.compile(r"(?:(?<=\D)|^)(\d{1,4})[/-](\d{1,2})[/-](\d{2,4})(?!\d)")
_RANGE = re.compile(r"\s*(?:-|\u2013|\u2014|to)\s*")
_IN_UNIT = re.compile(
    r"(?:\bin\s+(?:[A-Za-z.]{1,20}\s+){0,3}?|\(\s*(?:in\s+)?[$\u20ac\u00a3\u00a5\u20b9]?\s?|"
    r"[$\u20ac\u00a3\u00a5\u20b9]\s?)(?P<unit>thousand|million|billion|mn|bn|m|k|[\u2019']000)s?\b",
    re.IGNORECASE,
)
_YEAR = range(1000, 2101)
_APPROXIMATE = 0.025
"""How far off, as a share, a number after "about" may be."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of a text.

    Attributes:
        start: First character of it, sign and currency included.
        end: One past the last, magnitude and percent sign included.
        text: These characters.
        value: What it is worth, magnitude included.
        step: What one more in its last digit is worth.
        kind: What it counts.
        unit: Currency sign or unit of measure; empty if none is named.
        scaled: A magnitude such as "million" is named.
        negative: A minus or brackets say so.
        approximate: A word such as "about" stands before it.
    """

    start: int
    end: int
    text: str
    value: float
    step: float
    kind: NumberKind = "plain"
    unit: str = ""
    scaled: bool = False
    negative: bool = False
    approximate: bool = False


def quantities(text: str) -> list[Quantity]:
    """The numbers of ``text`` in order, in digits or words; parts of codes are left out.

    "One", "first" and "second" count nothing here, since they mostly are no numbers.
    """
    marks = {n for m in _LIST_MARK.finditer(text) for n in range(*m.span())}
    found: list[Quantity] = []
    for match in _NUMBER.finditer(text):
        quantity = _quantity(text, match)
        if quantity is not None and quantity.start not in marks:
            found.append(quantity)
    for place in range(len(found) - 1, 0, -1):
        one, other = found[place - 1], found[place]
        if _RANGE.fullmatch(text[one.end : other.start]):
            found[place - 1] = _of_range(one, other)
    return found


def _quantity(text: str, match: re.Match[str]) -> Quantity | None:
    if match["words"]:
        value = _of_words(match["words"])
        if value is None or (value == 1 and not match["scale"]):
            return None
        step = 1.0
    elif match["ordinal"]:
        value, step = _NTH[match["ordinal"].lower()], 1.0
    else:
        digits = match["digits"].replace(",", "")
        if _in_a_code(text, match):
            return None
        value = float(digits)
        step = 10.0 ** -len(digits.partition(".")[2])
        if match["fraction"]:
            part = _fraction(match["fraction"].strip())
            value, step = value + part, min(step, 0.5)
    if not math.isfinite(value):
        return None
    scale = _scale(match)
    value, step = value * scale, step * scale
    start, end = _extent(match)
    kind, unit = _kind(text, match, scale)
    negative = bool(
        match["minus"] or match["minus2"]
        or ((match["open"] or match["inner"]) and _closed(text, match))
    )  # fmt: skip
    return Quantity(
        start, end, text[start:end], -value if negative else value, step, kind, unit,
        scaled=scale > 1, negative=negative, approximate=bool(match["before"]),
    )  # fmt: skip


def _extent(match: re.Match[str]) -> tuple[int, int]:
    starts = [
        match.start(name)
        for name in ("open", "minus", "money", "inner", "minus2", "digits", "words", "ordinal")
        if match[name]
    ]
    # A bracket before the number belongs to it only if it also closes behind it.
    start = min(starts)
    if match["open"] and not match["close"] and not (match["percent"] or "").startswith(")"):
        start = match.start("open") + 1
    end = match.end()
    if (
        match["close"]
        and not (match["open"] or match["inner"])
        and not (match["scale"] or match["percent"])
    ):
        end = match.start("close")
    return start, end


def _in_a_code(text: str, match: re.Match[str]) -> bool:
    """Whether the digits are part of a word such as "B2B" and no quarter or fiscal year."""
    start, end = match.span("digits")
    if start and (text[start - 1].isalpha() or text[start - 1] == "_"):
        word = re.search(r"[^\W\d_]+$", text[max(0, start - 8) : start])
        return word is None or word[0].upper() not in ("FY", "Q", "H", "CY", "US", "A", "C")
    after = text[end : end + 12]
    glued = re.match(r"[^\W\d_]+", after)
    if (
        glued is None
        or match["fraction"]
        or match["nth"]
        or match["decade"]
        or match["scale"]
        or match["percent"]
    ):
        return False
    return glued[0].lower().rstrip("s") not in _UNITS and glued[0].lower() not in (
        "am", "pm", "x", "bps", "p", "q", "h", "usd", "eur", "gbp", "cm", "mm", "gb", "mb", "w",
    )  # fmt: skip


def _of_words(text: str) -> float | None:
    total = 0.0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word == "hundred":
            total = (total or 1.0) * 100
        elif word != "and":
            total += _WORDS[word]
    return total


def _fraction(text: str) -> float:
    if text in _FRACTIONS:
        return _FRACTIONS[text]
    above, below = re.split(r"[/\u2044]", text)
    return int(above) / int(below) if int(below) else 0.0


def _scale(match: re.Match[str]) -> float:
    word = (match["scale"] or "").strip().lower()
    if not word:
        return 1.0
    if word in ("m", "b", "mm") and not match["money"] and match["scale"] != "M":
        return 1.0  # metres, bits, millimetres
    return _SCALES[word]


def _kind(text: str, match: re.Match[str], scale: float) -> tuple[NumberKind, str]:
    after = re.match(r"[\s-]?([^\W\d_]+)", text[match.end() : match.end() + 16])
    following = after[1].lower() if after else ""
    if match["percent"]:
        return "percent", ""
    if match["money"]:
        sign = match["money"].strip()
        return "money", _CURRENCIES.get(sign[-1], _CURRENCIES.get(sign.lower(), ""))
    if following in _CURRENCIES:
        return "money", _CURRENCIES[following]
    if match["nth"] or match["ordinal"]:
        return "ordinal", ""
    whole = match["digits"]
    if whole and scale == 1 and whole.isdigit() and len(whole) == 4 and int(whole) in _YEAR:
        return "year", ""
    return "plain", _UNITS.get(following.rstrip("s"), _UNITS.get(following, ""))


def _closed(text: str, match: re.Match[str]) -> bool:
    """Whether brackets hold the number alone, which in accounts makes it negative."""
    tail = text[match.end() : match.end() + 2].lstrip()
    return bool(match["close"]) or (match["percent"] or "").startswith(")") or tail[:1] == ")"


def _of_range(one: Quantity, other: Quantity) -> Quantity:
    """The first number of a range with the magnitude and unit that only the second names."""
    if one.kind == "year" and other.kind != "year":
        return one
    if one.kind == "plain" and not one.unit and not one.scaled and other.kind != "year":
        scale = other.step and 10 ** round(math.log10(_magnitude(other)))
        return replace(
            one, value=one.value * scale, step=one.step * scale, kind=other.kind,
            unit=other.unit, scaled=other.scaled,
        )  # fmt: skip
    if one.kind == "money" and not one.scaled and other.scaled:
        scale = _magnitude(other)
        return replace(one, value=one.value * scale, step=one.step * scale, scaled=True)
    return one


def _magnitude(quantity: Quantity) -> float:
    word = re.search(r"[^\W\d_]+", quantity.text.lower().replace("us$", ""))
    return _SCALES.get(word[0], 1.0) if quantity.scaled and word else 1.0


def table_unit(*texts: str) -> float | None:
    """The unit that captions, headers or context give all numbers of a table, such as 1e6."""
    for text in texts:
        match = _IN_UNIT.search(text)
        if match:
            word = match["unit"].lower()
            return 1e3 if word.endswith("000") else _SCALES.get(word)
    return None


def dated(text: str) -> set[float]:
    """Days, months and years of dates written in digits, such as 2016-02-07."""
    return {
        float(part if len(part) != 2 or n != 2 else f"20{part}")
        for match in _DAY_MONTH.finditer(text)
        for n, part in enumerate(match.groups())
    }


def equal(
    claimed: Quantity, given: Quantity, *, unit: float | None = None, tabular: bool = False
) -> bool:
    """Whether a claim may give ``given`` as ``claimed``: rounded, rescaled, sign aside.

    Args:
        claimed: The number of the claim; the precision it is written to counts.
        given: The number of the evidence.
        unit: What the evidence's table is counted in, if it says so.
        tabular: The number stands in a table, whose units often stand elsewhere.
    """
    if claimed.kind == "year" and (given.step < 1 or "," in given.text):
        claimed = replace(claimed, kind="plain")  # four digits that are no year after all
    if _unlike(claimed, given):
        return False
    return any(
        near(claimed, value, given.step * scale)
        for scale, value in ((s, given.value * s) for s in _scales(claimed, given, unit, tabular))
    )


def near(claimed: Quantity, value: float, step: float = 0.0) -> bool:
    """Whether ``value``, rounded to the precision of ``claimed``, is ``claimed``; sign aside."""
    said, meant = abs(claimed.value), abs(value)
    if claimed.kind == "year":
        return said == meant
    room = claimed.step / 2
    whole = claimed.step == 1 and not claimed.scaled and said >= 1000
    if whole and said % 100 == 0:
        room = 50.0
    if claimed.approximate:
        room = max(room, _APPROXIMATE * meant)
    # What is given less exactly than it is claimed does not support the claim.
    if step > claimed.step * 1.001 and abs(said - meant) > 1e-9 * max(said, meant):
        return False
    return abs(said - meant) <= room * (1 + 1e-6) + 1e-9 * meant and (
        said == meant or said != 0 or meant < 1
    )


def _unlike(claimed: Quantity, given: Quantity) -> bool:
    if claimed.kind == "year" or given.kind == "year":
        return abs(claimed.value) != abs(given.value) or "percent" in (claimed.kind, given.kind)
    both = bool(claimed.unit and given.unit)
    if both and claimed.unit != given.unit:
        return True
    if given.kind == "percent" and claimed.kind == "money":
        return True
    if claimed.kind == "percent" and (given.kind == "money" or given.scaled):
        return True
    if "ordinal" in (claimed.kind, given.kind) and claimed.kind != given.kind:
        other = given if claimed.kind == "ordinal" else claimed
        return other.kind != "plain" or bool(other.unit)
    return False


def _scales(
    claimed: Quantity, given: Quantity, unit: float | None, tabular: bool
) -> Iterable[float]:
    if claimed.kind == "percent" and given.kind == "plain":
        return (1.0, 100.0) if abs(given.value) <= 1.5 and not given.scaled else (1.0,)
    if given.kind == "percent" and claimed.kind == "plain":
        return (1.0, 0.01)
    if given.scaled or given.kind in ("percent", "ordinal"):
        return (1.0, 1e-3, 1e-6, 1e-9) if not claimed.scaled and tabular else (1.0,)
    if unit is not None:
        return (unit,) if claimed.scaled else (1.0, unit)
    if claimed.scaled and tabular:
        return (1.0, 1e3, 1e6, 1e9)
    return (1.0,)
