"""What stands in a cell: periods of time, numbers, and the kind of thing it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cogagent.reading.question import AnswerType

Periods = Mapping[str, frozenset[int]]
"""Years, quarters, months and days of the week that a text names, each under its own name."""

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "mon tue wed thu fri sat sun".split()
_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": 4}
YEAR = re.compile(
    r"(?<![\d.,])(?P<full>(?:1[5-9]|20)\d\d)(?:(?:/|[\u2013-])(?P<next>\d\d)(?!\d))?(?![\d]"
    r"|[.,]\d)"
    r"|(?:\bFY? ?['\u2019]?|(?<!\w)['\u2019])(?P<short>\d\d)(?!\d)",
)
_QUARTER = re.compile(
    r"\bQ([1-4])\b|\b([1-4])Q\b|\b(first|second|third|fourth|last) (?:fiscal )?quarter\b",
    re.IGNORECASE,
)
_MONTH = re.compile(
    r"\b(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|"
    r"Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b"
)
_WEEKDAY = re.compile(
    r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:s|nes|rs|ur|r)?(?:days?)?\b\.?|\b(week ?ends?)\b"
    r"|\b(weekdays?)\b",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"\s*(?:to|until|through|till|[\u2013\u2014-])\s*")
_CENTURY = 100
_NUMBER = re.compile(
    r"(?P<open>\()?\s*(?P<sign>[-\u2212\u2013])?\s*(?:[A-Z]{0,3}[$€£¥₹]|USD|EUR|GBP)?\s*"
    r"(?P<inner>\()?(?P<minus>[-\u2212\u2013])?(?P<digits>\d[\d,]*(?:\.\d+)?"
    r"|\.\d+)\s*(?P<percent>%|per ?cent)?"
)
_TIME = re.compile(r"\b\d{1,2}[:.]\d{2}\b|\b\d{1,2} ?[ap]\.?m\b", re.IGNORECASE)
_NOTHING = frozenset(
    {"", "-", "\u2013", "\u2014", "\u2212", "n/a", "na", "nil", "*", "…", "...", "$", "%"}
)
_MONEY = re.compile(r"[$€£¥₹]|\b(?:USD|EUR|GBP|dollars?|euros?|pounds?)\b")
_PERCENT = re.compile(r"%|\bper ?cent(?:age)?\b", re.IGNORECASE)


def periods(text: str) -> Periods:
    """Return the years, quarters, months and days that a text names, or that its ranges hold."""
    found: dict[str, set[int]] = {}
    for match in YEAR.finditer(text):
        if match["short"]:
            found.setdefault("year", set()).add(2000 + int(match["short"]))
            continue
        year = int(match["full"])
        found.setdefault("year", set()).add(year)
        if match["next"] and int(match["next"]) == (year + 1) % _CENTURY:
            found["year"].add(year + 1)
    for match in _QUARTER.finditer(text):
        number = match[1] or match[2] or _NTH[match[3].lower()]
        found.setdefault("quarter", set()).add(int(number))
    months = [(m.start(), m.end(), _MONTHS.index(m[1][:3].lower())) for m in _MONTH.finditer(text)]
    _spread(text, months, len(_MONTHS), found.setdefault("month", set()))
    days = []
    for match in _WEEKDAY.finditer(text):
        if match[1]:
            days.append((match.start(), match.end(), _DAYS.index(match[1].lower())))
        else:
            found.setdefault("day", set()).update((5, 6) if match[2] else range(5))
    _spread(text, days, len(_DAYS), found.setdefault("day", set()))
    return {name: frozenset(values) for name, values in found.items() if values}


def _spread(text: str, named: list[tuple[int, int, int]], cycle: int, found: set[int]) -> None:
    for place, (_, end, value) in enumerate(named):
        found.add(value)
        if place + 1 < len(named) and _UNTIL.fullmatch(text[end : named[place + 1][0]]):
            found.update((value + n) % cycle for n in range((named[place + 1][2] - value) % cycle))


def conflict(asked: Periods, named: Periods) -> bool:
    """Whether a text names other years, quarters, months or days than were asked for."""
    return any(name in named and not (asked[name] & named[name]) for name in asked)


def found_in(asked: Periods, named: Periods) -> bool:
    """Whether a text names some of each kind of period that was asked for."""
    return all(asked[name] & named.get(name, frozenset()) for name in asked)


def number(text: str) -> float | None:
    """Return the number that a cell begins with; brackets make it negative."""
    match = _NUMBER.match(" ".join(text.split()))
    if match is None:
        return None
    value = float(match["digits"].replace(",", ""))
    negative = match["open"] or match["inner"] or match["sign"] or match["minus"]
    return -value if negative else value


def kind(cell: str, header: str = "") -> str:
    """Return what a cell holds: "empty", "percent", "money", "number", "date" or "text".

    Args:
        cell: Text of the cell.
        header: Text above it, which may hold the unit.
    """
    plain = " ".join(cell.split())
    if plain.lower() in _NOTHING:
        return "empty"
    match = _NUMBER.match(plain)
    whole = match is not None and len(plain) - match.end() <= 2
    if match is not None and whole:
        if YEAR.fullmatch(plain):
            return "date"
        if match["percent"] or _PERCENT.search(plain) or _PERCENT.search(header):
            return "percent"
        return "money" if _MONEY.search(plain) or _MONEY.search(header) else "number"
    if _TIME.search(plain) or (periods(plain) and any(char.isdigit() for char in plain)):
        return "date"
    if match is not None:
        return "number"
    return "money" if _MONEY.match(plain) else "text"


_FITS: dict[AnswerType, dict[str, float]] = {
    AnswerType.PERCENT: {"percent": 1.0, "number": 0.0, "text": -1.0, "money": -1.0, "date": -1.0},
    AnswerType.MONEY: {"money": 1.0, "number": 1.0, "percent": -1.0, "text": -1.0, "date": -1.0},
    AnswerType.NUMBER: {"number": 1.0, "money": 1.0, "percent": -0.5, "text": -1.0, "date": -1.0},
    AnswerType.MEASURE: {"number": 1.0, "date": 0.0, "text": 0.0, "money": -1.0, "percent": -0.5},
    AnswerType.DATE: {"date": 1.0, "text": 0.0, "number": -1.0, "money": -1.0, "percent": -1.0},
    AnswerType.PERSON: {"text": 1.0, "number": -1.0, "money": -1.0, "percent": -1.0, "date": -1.0},
    AnswerType.PLACE: {"text": 1.0, "number": -1.0, "money": -1.0, "percent": -1.0, "date": -1.0},
    AnswerType.PHRASE: {"percent": -1.0},
    AnswerType.REASON: {"number": -1.0, "money": -1.0, "percent": -1.0, "date": -1.0},
}


def fits(expected: AnswerType, held: str) -> float:
    """Return how well a kind of cell goes with the expected answer, from -1 to 1."""
    return -1.0 if held == "empty" else _FITS.get(expected, {}).get(held, 0.0)
