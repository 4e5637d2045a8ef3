"""Numbers that stand nowhere but follow from two that do, where the claim says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from cogagent.reading.quantities import Quantity, near

_CHANGE = re.compile(
    r"\b(?:increas|decreas|rose|rise|risen|fell|fall|fallen|grew|grow|growth|declin|drop|chang|"
    r"differ|gain|more than|less than|fewer than|higher|lower|reduc|margin|gap|up by|down by|by)",
    re.IGNORECASE,
)
_SUM = re.compile(r"\b(?:total|sum|combined|together|altogether|aggregate)", re.IGNORECASE)
_SHARE = re.compile(r"\b(?:share|proportion|percent(?:age)? of|% of|accounted for)", re.IGNORECASE)
_RATIO = re.compile(r"\b(?:ratio|times|fold|twice|double|per)\b", re.IGNORECASE)
_MEAN = re.compile(r"\b(?:average|mean)\b", re.IGNORECASE)
_FEWEST_DIGITS = 2
"""Digits that a derived number must have: a single one follows from too much."""


def derive(claim: str, number: Quantity, given: Sequence[tuple[Quantity, float]]) -> str:
    """How ``number`` follows from two of ``given``, such as "1,496.5 - 1,202.9"; or nothing.

    Args:
        claim: The words around the number, which must name the operation.
        number: What stands in no evidence.
        given: Numbers that may be meant, each with the unit its table counts in.
    """
    digits = re.sub(r"\D", "", number.text).lstrip("0")
    if len(digits) < _FEWEST_DIGITS and number.kind != "percent":
        return ""
    for (one, unit), (other, scale) in combinations(given, 2):
        for a, b, first, second in (
            (one.value * unit, other.value * scale, one, other),
            (other.value * scale, one.value * unit, other, one),
        ):
            for sign, value in _results(claim, number, a, b, one.kind):
                bare = not (one.scaled or other.scaled)
                if any(near(number, value * s) for s in _scales(number, unit, bare=bare)):
                    return f"{first.text.strip()} {sign} {second.text.strip()}"
    return ""


def _scales(number: Quantity, unit: float, *, bare: bool) -> tuple[float, ...]:
    """What a result may be multiplied by; ``bare``: neither number names a magnitude."""
    if number.kind == "percent" or not bare:
        return (1.0,)
    if unit == 1.0 and number.scaled:  # a table that does not say what it counts in
        return (1.0, 1e3, 1e6, 1e9)
    return (1.0,) if number.scaled or unit == 1.0 else (1.0, 1.0 / unit)


def _results(
    claim: str, number: Quantity, a: float, b: float, kind: str
) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    if number.kind == "percent":
        if _CHANGE.search(claim) and b and kind != "percent":
            found.append(("% over", 100 * (a - b) / abs(b)))
        if _CHANGE.search(claim) and kind == "percent":
            found.append(("-", a - b))
        if _SHARE.search(claim) and b and abs(a) <= abs(b):
            found.append(("% of", 100 * a / b))
        return found
    if _CHANGE.search(claim):
        found.append(("-", a - b))
    if _SUM.search(claim):
        found.append(("+", a + b))
    if _RATIO.search(claim) and b:
        found.append(("/", a / b))
    if _MEAN.search(claim):
        found.append(("mean with", (a + b) / 2))
    return found
