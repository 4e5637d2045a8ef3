"""Printed numbers: ``71 009.66``, ``1,250``, ``-3.5%``, ``(12)``, ``$1.2bn``."""

from __future__ import annotations

import re
from typing import NamedTuple

_SIGNS = "-\u2212\u2013"
_NUMBER = re.compile(
    rf"(?P<open>\()?(?P<sign>[{_SIGNS}+~<>\u2248\u2264\u2265]{{0,2}})\s?"
    r"(?P<before>[$\u20ac\u00a3\u00a5\u20b9]|[A-Z]{1,3}\$)?\s?"
    rf"(?P<second>[{_SIGNS}])?"
    r"(?P<digits>\d{1,3}(?:[ ,.'\u2019\u00a0]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|\.\d+)"
    r"\s?(?P<factor>[kKMmBT]|[Mm]n|[Bb]n|tn|[Mm]io|[Mm]illion|[Bb]illion|[Tt]rillion|thousand)?"
    r"\s?(?P<after>%|\u2030|\u20ac|\u00b0[CF]?|pp)?\)?(?P<mark>[*\u2020\u2021\u00b9\u00b2\u00b3]{0,3})"
)
_FACTORS = {
    "k": 1e3, "thousand": 1e3,
    "m": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6,
    "b": 1e9, "bn": 1e9, "billion": 1e9,
    "t": 1e12, "tn": 1e12, "trillion": 1e12,
}  # fmt: skip
_LONGEST = 28


class Number(NamedTuple):
    """A printed number.

    Attributes:
        value: As printed, sign included, before its factor.
        factor: What ``k``, ``M`` or ``bn`` behind it stands for; 1 without one.
        suffix: That word or letter.
        unit: Sign of a currency or ``%``.
    """

    value: float
    factor: float = 1.0
    suffix: str = ""
    unit: str = ""


def number_of(text: str) -> Number | None:
    """The number that a text is, if it is nothing else."""
    if len(text) > _LONGEST or (match := _NUMBER.fullmatch(text.strip())) is None:
        return None
    negative = any(sign in (match["sign"] + (match["second"] or "")) for sign in _SIGNS)
    if match["open"] and text.rstrip().endswith(")"):
        negative = True
    suffix = match["factor"] or ""
    value = _plain(match["digits"])
    return Number(
        -value if negative else value,
        _FACTORS.get(suffix.lower(), 1.0),
        suffix,
        match["after"] or match["before"] or "",
    )


def goes_on(before: str, after: str) -> bool:
    """Whether two words are one number with a space between its thousands."""
    return (
        re.fullmatch(rf"[{_SIGNS}$\u20ac\u00a3]{{0,2}}\d{{1,3}}( \d{{3}})*", before) is not None
        and re.fullmatch(r"\d{3}(?:[.,]\d+)?[%*]{0,2}", after) is not None
    )


def _plain(digits: str) -> float:
    body = re.sub(r"[ '\u2019\u00a0]", "", digits)
    points, commas = body.count("."), body.count(",")
    if points and commas:  # the last one is the decimal one
        thousands = "," if body.rfind(".") > body.rfind(",") else "."
        body = body.replace(thousands, "").replace(",", ".")
    elif commas:
        whole = re.fullmatch(r"\d{1,3}(,\d{3})+", body) is not None
        body = body.replace(",", "" if whole else ".")
    elif points > 1:
        body = body.replace(".", "")
    return float(body)
