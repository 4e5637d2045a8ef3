"""Number formats: a cell's value as a reader of the sheet sees it.

Dates in the reader's own short form (formats 14 and 22) are shown as ISO 8601
writes them, since whose form it was is not in the file; names of months and
days are English.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import lru_cache

GENERAL = "General"
_ISO = "yyyy-mm-dd"
BUILT_IN = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%",
    11: "0.00E+00", 12: "# ?/?", 13: "# ??/??", 14: _ISO, 15: "d-mmm-yy", 16: "d-mmm",
    17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss",
    22: f"{_ISO} hh:mm", 37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)", 41: "#,##0;(#,##0);-", 42: "$#,##0;($#,##0);$-",
    43: "#,##0.00;(#,##0.00);-", 44: "$#,##0.00;($#,##0.00);$-", 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
} | dict.fromkeys((*range(27, 37), *range(50, 59)), _ISO)  # fmt: skip

_TOKEN = re.compile(
    r"\"(?P<quoted>[^\"]*)\"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)"
    r"|\[(?P<bracket>[^\]]*)\]|(?P<general>General)|(?P<noon>AM/PM|A/P)"
    r"|(?P<power>E[-+]0+)|(?P<date>y+|m+|d+|h+|s+(?:\.0+)?|e+|b+)|(?P<digit>[0#?])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_LONGEST = 255
"""Characters of a format that a spreadsheet takes."""
_LAST_DAY = 2_958_466
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_PRECISE = Context(prec=700)
"""More digits than any float with any format has."""
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def show(value: float, code: str, *, since_1904: bool = False) -> str:
    """A number or date as the format shows it.

    Args:
        value: As stored; dates are days, since 1900 or 1904.
        code: Such as ``#,##0.00``; what it does not say is shown plainly.
        since_1904: From when days count.
    """
    if code == GENERAL or not math.isfinite(value):
        return plain(value)
    sections = _sections(code[:_LONGEST])
    at = _choose(sections, value)
    if at is None:
        return plain(value)
    section = sections[at]
    if section.is_date:
        return _date(value, section.tokens, since_1904=since_1904)
    if section.is_general or not section.has_digits:
        body = plain(abs(value) if at else value)
        return _literal(section, body) if section.tokens else ""
    # Its second section shows the sign of a negative number as it likes.
    signed = value < 0 and (at == 0 or section.condition is not None)
    shown = _number(abs(value), section.tokens)
    return f"-{shown}" if signed and re.search(r"[1-9]", shown) else shown


def is_date(code: str) -> bool:
    """Whether a format shows dates or times."""
    return code != GENERAL and any(section.is_date for section in _sections(code[:_LONGEST]))


def plain(value: float) -> str:
    """A number in full: no rounding but that of floating point, no exponent unless huge."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    if 1e-9 < abs(value) < 1e15:
        return format(Decimal(f"{value:.10g}"), "f")
    return f"{value:.6g}".upper()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Section:
    tokens: tuple[_Token, ...]
    condition: tuple[str, float] | None

    @property
    def is_date(self) -> bool:
        return any(token.kind in ("date", "elapsed") for token in self.tokens)

    @property
    def is_general(self) -> bool:
        return any(token.kind == "general" for token in self.tokens)

    @property
    def has_digits(self) -> bool:
        return any(token.kind == "digit" for token in self.tokens)


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section, ...]:
    """The sections of a format, for positive, negative, zero and text in turn by default."""
    parts: list[list[_Token]] = [[]]
    conditions: list[tuple[str, float] | None] = [None]
    for match in _TOKEN.finditer(code):
        kind, text = match.lastgroup or "", match[match.lastgroup or 0]
        if kind == "other" and text == ";":
            parts.append([])
            conditions.append(None)
        elif kind in ("quoted", "escaped"):
            parts[-1].append(_Token("literal", text))
        elif kind == "bracket":
            if (found := _CONDITION.fullmatch(text)) is not None:
                conditions[-1] = found[1], float(found[2])
            elif text.startswith("$"):
                parts[-1].append(_Token("literal", text[1:].partition("-")[0]))
            elif _ELAPSED.fullmatch(text):
                parts[-1].append(_Token("elapsed", text.lower()))
        elif kind == "date":
            parts[-1].append(_Token("date", text.lower()))
        elif kind == "other":
            special = text in ".,%/@"
            parts[-1].append(_Token(text if special else "literal", text))
        elif kind not in ("space", "fill"):
            parts[-1].append(_Token(kind, text))
    return tuple(
        _Section(tuple(_minutes(tokens)), condition)
        for tokens, condition in zip(parts, conditions, strict=True)
    )


def _minutes(tokens: list[_Token]) -> list[_Token]:
    """``m`` after hours or before seconds are minutes, kind ``n`` here, elsewhere months."""
    clock = [i for i, token in enumerate(tokens) if token.kind in ("date", "elapsed")]
    for place, i in enumerate(clock):
        if tokens[i].text[0] != "m" or tokens[i].kind == "elapsed" or len(tokens[i].text) > 2:
            continue
        before = tokens[clock[place - 1]].text[0] if place else ""
        after = tokens[clock[place + 1]].text[0] if place + 1 < len(clock) else ""
        if before == "h" or after == "s":
            tokens[i] = _Token("date", "n" * len(tokens[i].text))
    return tokens


def _choose(sections: tuple[_Section, ...], value: float) -> int | None:
    """Index of the section for a number."""
    if any(section.condition for section in sections):
        for at, section in enumerate(sections[:3]):
            if section.condition is None or _holds(section.condition, value):
                return at
        return None
    count = min(len(sections), 3)
    if value < 0 and count > 1:
        return 1
    return 2 if value == 0 and count > 2 else 0


def _holds(condition: tuple[str, float], value: float) -> bool:
    sign, bound = condition
    return {
        "<": value < bound, ">": value > bound, "<=": value <= bound,
        ">=": value >= bound, "=": value == bound, "<>": value != bound,
    }[sign]  # fmt: skip


def _literal(section: _Section, body: str) -> str:
    """A section without digits: its words, and the number where it says ``General`` or ``@``."""
    return "".join(
        body if token.kind in ("general", "@") else token.text
        for token in section.tokens
        if token.kind in ("general", "@", "literal", "%", ".", ",", "/")
    )


# --- numbers -----------------------------------------------------------------


def _number(value: float, tokens: tuple[_Token, ...]) -> str:
    kinds = [token.kind for token in tokens]
    if "power" in kinds:
        return _scientific(value, tokens, kinds)
    if "/" in kinds and "digit" in kinds[: kinds.index("/")]:
        return _fraction(value, tokens, kinds)
    last = max(i for i, kind in enumerate(kinds) if kind == "digit")
    first = kinds.index("digit")
    point = kinds.index(".") if "." in kinds else len(kinds)
    exact = Decimal(repr(value)).scaleb(2 * kinds.count("%"))
    scale = 0
    while last + 1 + scale < len(kinds) and kinds[last + 1 + scale] == ",":
        scale += 1
    exact = exact.scaleb(-3 * scale)
    decimals = [tokens[i].text for i in range(point, len(kinds)) if kinds[i] == "digit"]
    places = [tokens[i].text for i in range(min(point, len(kinds))) if kinds[i] == "digit"]
    rounded = exact.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP, _PRECISE)
    whole, _, rest = format(rounded, "f").partition(".")
    least = next((len(places) - i for i, text in enumerate(places) if text == "0"), 0)
    whole = whole.lstrip("0").rjust(least, "0")
    keep = max((i for i, text in enumerate(decimals, 1) if text == "0"), default=0)
    while len(rest) > keep and rest.endswith("0"):
        rest = rest[:-1]
    grouped = "," in kinds[first : min(point, last)]
    inside = [i for i in range(first, min(point, last)) if kinds[i] == "literal"]
    if inside and not grouped:
        shown = _spread(whole, tokens[first : min(point, last + 1)])
    else:
        shown = f"{int(whole or 0):,}".rjust(len(whole), "0") if grouped and whole else whole
    body = shown + (f".{rest}" if rest or (point < len(kinds) and keep) else "")
    outside = "literal", "%", "@"
    end = max(last, point if point < len(kinds) else 0)
    before = "".join(t.text for t in tokens[: min(first, point)] if t.kind in outside)
    after = "".join(t.text for t in tokens[end + 1 :] if t.kind in outside)
    return before + body + after


def _spread(digits: str, tokens: tuple[_Token, ...]) -> str:
    """Digits over places with other characters between them, as in a telephone number."""
    places = sum(token.kind == "digit" for token in tokens)
    digits = digits.rjust(places, " ")
    at = len(digits) - places
    out = [digits[:at]]
    for token in tokens:
        if token.kind == "digit":
            out.append(digits[at])
            at += 1
        elif token.kind == "literal":
            out.append(token.text)
    return "".join(out).strip()


def _scientific(value: float, tokens: tuple[_Token, ...], kinds: list[str]) -> str:
    power = kinds.index("power")
    decimals = 0
    if "." in kinds[:power]:
        decimals = kinds[kinds.index(".") : power].count("digit")
    mantissa, _, exponent = f"{value:.{decimals}E}".partition("E")
    form = tokens[power].text
    sign = "-" if exponent[0] == "-" else form[1].replace("-", "")
    return f"{mantissa}E{sign}{exponent[1:].lstrip('0').rjust(len(form) - 2, '0')}"


def _fraction(value: float, tokens: tuple[_Token, ...], kinds: list[str]) -> str:
    slash = kinds.index("/")
    below = "".join(
        token.text for token in tokens[slash + 1 :] if token.kind in ("digit", "literal")
    )
    if below.strip().isdecimal() and int(below):
        denominator = min(int(below), 9999)
        exact = round(value * denominator), denominator
    else:
        part = Fraction(value).limit_denominator(10 ** min(max(len(below.strip()), 1), 4) - 1)
        exact = part.numerator, part.denominator
    top, bottom = exact
    if kinds[:slash].count("digit") > 1 and "literal" in kinds[:slash]:
        whole, top = divmod(top, bottom)
        if not top:
            return str(whole)
        if whole:
            return f"{whole} {top}/{bottom}"
    return f"{top}/{bottom}"


# --- dates -------------------------------------------------------------------


def _date(value: float, tokens: tuple[_Token, ...], *, since_1904: bool) -> str:
    fraction = next((len(t.text.partition(".")[2]) for t in tokens if "." in t.text[1:]), 0)
    seconds = round(value * 86_400, min(fraction, 6))
    elapsed = any(token.kind == "elapsed" for token in tokens)
    if not elapsed and not 0 <= value < _LAST_DAY:
        return plain(value)  # a spreadsheet shows it as a row of hashes
    moment = _moment(seconds, since_1904=since_1904)
    noon = any(token.kind == "noon" for token in tokens)
    out = []
    for token in tokens:
        if token.kind == "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[token.text[0]]
            out.append(
                f"{'-' if value < 0 else ''}{int(abs(seconds) // unit):0{len(token.text)}d}"
            )
        elif token.kind == "date":
            out.append(_part(moment, token.text, noon=noon))
        elif token.kind == "noon":
            half = "AM" if moment.hour < 12 else "PM"
            out.append(half if len(token.text) > 3 else half[0])
        elif token.kind in ("literal", "/", ".", ",", "digit", "%"):
            out.append(token.text)
    return "".join(out).strip()


def _moment(seconds: float, *, since_1904: bool) -> datetime:
    seconds = abs(seconds)
    if since_1904:
        start = datetime(1904, 1, 1)
    else:
        # Day 60 is 29 February 1900, which never was; before it the count is one short.
        start = datetime(1899, 12, 31 if seconds < 60 * 86_400 else 30)
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        return start


def _part(moment: datetime, text: str, *, noon: bool) -> str:
    size = len(text)
    match text[0]:
        case "y" | "e" | "b":
            return (
                f"{moment.year:04d}" if size > 2 or text[0] == "e" else f"{moment.year % 100:02d}"
            )
        case "m":
            name = _MONTHS[moment.month - 1]
            forms = {3: name[:3], 5: name[0]}
            return f"{moment.month:0{size}d}" if size < 3 else forms.get(size, name)
        case "d":
            name = _DAYS[moment.weekday()]
            if size < 3:
                return f"{moment.day:0{size}d}"
            return name[:3] if size == 3 else name
        case "h":
            hour = (moment.hour + 11) % 12 + 1 if noon else moment.hour
            return f"{hour:0{min(size, 2)}d}"
        case "n":
            return f"{moment.minute:0{size}d}"
        case _:
            whole, point, places = text.partition(".")
            shown = f"{moment.second:0{min(len(whole), 2)}d}"
            return (
                f"{shown}.{moment.microsecond:06d}"[: len(shown) + 1 + len(places)]
                if point
                else shown
            )
