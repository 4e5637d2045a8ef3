"""Phrases of a sentence that could be an answer, with the kind of thing each one is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from cogagent.reading.question import STOPWORDS, AnswerType

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?)(?!\w)"
)
_DAY = r"(?:[12]?\d|3[01])(?:st|nd|rd|th)?(?!\d)"
_YEAR = r"(?:1\d{3}|20\d{2})(?:[\u2013-]\d{2,4})?(?:s\b|(?![\d,]))"
_ORDINAL = (
    r"(?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
    r"|tenth|eleventh|twelfth|"
    r"thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth"
    r"|twenty-first)"
)
_DATE = re.compile(
    rf"\b(?:(?:the )?(?:early |mid-?|late )?(?:{_ORDINAL}(?: and {_ORDINAL})?"
    rf"|last) (?:century|centuries|millennium)"
    rf"(?: (?:BC|BCE|AD|CE))?"
    rf"|(?:{_DAY} (?:of )?)?{_MONTH}(?: {_DAY})?(?:,? {_YEAR})?"
    rf"|(?:the )?(?:early |mid-?|late )?{_YEAR}(?: (?:BC|BCE|AD|CE))?"
    rf"|(?:AD |c\. ?)?\d{{1,4}} (?:BC|BCE|AD|CE|a\.m\.|p\.m\.|am|pm)\b"
    rf"|\d{{1,2}}:\d{{2}}(?: ?[ap]\.?m\.?)?"
    rf"|(?:(?:spring|summer|autumn|fall|winter) of {_YEAR})"
    rf"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b)"
)
_SMALL = (
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen"
    r"|fourteen|fifteen|sixteen|"
    r"seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
    r"|hundred|thousand|dozens?|"
    r"half|third|quarter|twice|once|hundreds|thousands|millions|single|both|several)"
)
_SCALE = r"(?:hundred|thousand|million|billion|trillion|dozen|m|bn)"
_NUMERAL = (
    rf"(?:[-\u2212+]?\d+(?:[.,]\d+)*(?:½|¼|¾|/\d+)?|{_SMALL}(?:[ -]{_SMALL})*)(?: {_SCALE}\b)?"
)
_NUMBER = re.compile(
    rf"(?<![\w.])(?:(?:about|around|over|nearly|almost|approximately|some|roughly|up to|at least|"
    rf"more than|less than|fewer than) )?({_NUMERAL})(?![\w])",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    rf"(?<![\w.]){_NUMERAL}(?:[\u2013-]\d+(?:\.\d+)?)?(?: ?%| per ?cent\b| percentage points?\b)",
    re.IGNORECASE,
)
_MONEY = re.compile(
    rf"(?:(?:US|A|C|NZ|HK)?[$€£¥₹]|\b(?:USD|EUR|GBP|INR|RMB|CHF"
    rf"|Rs\.?) ?)\s?\d+(?:[.,]\d+)*(?: ?{_SCALE}\b)?"
    rf"|(?<![\w.]){_NUMERAL} (?:U\.?S\.? )?(?:dollars?|euros?|pounds?|cents?|francs?|yen"
    rf"|rupees?|pence|marks?)\b",
    re.IGNORECASE,
)
_UNITS = (
    r"(?:years?|months?|weeks?|days?|hours?|minutes?|seconds?|miles?|kilomet(?:er|re)s?"
    r"|met(?:er|re)s?|feet|foot|ft|"
    r"inch(?:es)?|yards?|acres?|hectares?|km2?|km²|cm|mm|mi|sq mi|kg|g|mg|lbs?|pounds?"
    r"|tons?|tonnes?|mph|km/h|knots|"
    r"°[CF]?|degrees?|K|litres?|liters?|gallons?|watts?|[kMG]?W|volts?|[kMG]?Hz|bits?"
    r"|bytes?|[kMG]B|basis points?|"
    r"square (?:miles?|kilomet(?:er|re)s?|feet|met(?:er|re)s?)|decades?|centuries"
    r"|generations?|times)"
)
_MEASURE = re.compile(
    rf"(?<![\w.]){_NUMERAL}(?:(?: to |\u2013|-){_NUMERAL})?[ -]?{_UNITS}(?![\w])(?: old| long"
    rf"| wide| high| tall| deep)?"
)
_CAPITAL = r"(?:[A-Z][\w'\u2019.&-]*\w|[A-Z]\.?)"
_LINK = r"of(?: the)?|the|and|de|del|della|la|le|du|van|von|der|den|for|&|al|ibn|bin|y|da|di|dos"
_NAME = re.compile(
    rf"{_CAPITAL}(?:(?: (?:{_LINK})){{0,2}}"
    rf"(?: |, (?=[A-Z][a-z]+(?:,|\.| ))){_CAPITAL}| \d{{1,4}}(?![\d,.]\d)){{0,7}}"
)
_SIMPLE_NAME = re.compile(rf"{_CAPITAL}(?: {_CAPITAL}){{0,5}}")
_QUOTED = re.compile(r"[\"\u201c]([^\"\u201c\u201d]{2,80})[\"\u201d]")
_PIECE = re.compile(r"[^\s,;:()\[\]\"\u201c\u201d]+")
_PLACE_LEAD = re.compile(
    r"(?:\b(?:in|at|near|from|to|around|outside|across|throughout|within|of|into|between"
    r"|along)\s(?:the\s)?)$",
    re.IGNORECASE,
)
_NOT_A_PERSON = re.compile(
    r"\b(?:University|College|School|Institute|Inc|Corp|Corporation|Company|Ltd|Council"
    r"|Party|Church|Museum|River|Lake|"
    r"Street|Road|City|County|State|States|Act|Treaty|War|Bowl|Park|Hall|Center|Centre|Club"
    r"|League|Association|"
    r"Department|Ministry|Court|Bank|Group|Society|Museum|Bridge|Sea|Ocean|Island|Islands"
    r"|Mountains?)\b|\d"
)


WANTED: dict[AnswerType, frozenset[str]] = {
    AnswerType.PERSON: frozenset({"person"}),
    AnswerType.PLACE: frozenset({"place", "name"}),
    AnswerType.DATE: frozenset({"date"}),
    AnswerType.NUMBER: frozenset({"number"}),
    AnswerType.MONEY: frozenset({"money", "number"}),
    AnswerType.PERCENT: frozenset({"percent"}),
    AnswerType.MEASURE: frozenset({"measure", "number"}),
    AnswerType.NAME: frozenset({"name", "chunk"}),
}
"""What a phrase has to be to answer; for the other kinds of question any chunk may."""
ANY_CHUNK = frozenset({"chunk"})


@dataclass(frozen=True, slots=True)
class Phrase:
    """A candidate answer within a sentence.

    Attributes:
        start: First character, counted within the sentence.
        end: One past the last character.
        kinds: What the phrase can be: "date", "number", "money", "percent", "measure", "name",
            "person", "place", "chunk".
    """

    start: int
    end: int
    kinds: frozenset[str]


def phrases(sentence: str) -> list[Phrase]:
    """Return the candidate answers of a sentence, each range once, in order of position."""
    found: dict[tuple[int, int], set[str]] = {}

    def add(start: int, end: int, *kinds: str) -> None:
        while start < end and not (
            sentence[start].isalnum() or sentence[start] in "$€£¥₹-\u2212+"
        ):
            start += 1
        while end > start and sentence[end - 1] in " ,;:.'\u2019-\u2013":
            end -= 1
        if end > start:
            found.setdefault((start, end), set()).update(kinds)

    for pattern, kind in (
        (_DATE, "date"),
        (_PERCENT, "percent"),
        (_MONEY, "money"),
        (_MEASURE, "measure"),
    ):
        for match in pattern.finditer(sentence):
            add(*match.span(), kind)
    for match in _NUMBER.finditer(sentence):
        add(*match.span(1), "number")
        add(*match.span(), "number")
    for pattern in (_NAME, _SIMPLE_NAME):
        for match in pattern.finditer(sentence):
            _add_name(sentence, match.start(), match.end(), add)
    for match in _QUOTED.finditer(sentence):
        add(*match.span(1), "name", "chunk")
    for start, end in _chunks(sentence):
        add(start, end, "chunk")
    return [Phrase(a, b, frozenset(kinds)) for (a, b), kinds in sorted(found.items())]


def _add_name(sentence: str, start: int, end: int, add: Callable[..., None]) -> None:
    text = sentence[start:end]
    first = re.match(r"\w+", text)
    while first and first.group().lower() in STOPWORDS and " " in text:
        start += text.index(" ") + 1
        text = sentence[start:end]
        first = re.match(r"\w+", text)
    if not text[:1].isupper() or text.lower() in STOPWORDS or _DATE.match(text):
        return
    kinds = ["name"]
    if not _NOT_A_PERSON.search(text):
        kinds.append("person")
    if _PLACE_LEAD.search(sentence[:start]):
        kinds.append("place")
    add(start, end, *kinds)


def _chunks(sentence: str) -> list[tuple[int, int]]:
    """Return runs of words between function words and punctuation, and joins of two of them."""
    runs: list[tuple[int, int]] = []
    current: list[re.Match[str]] = []
    previous_end = 0
    for match in [*_PIECE.finditer(sentence), None]:
        broken = match is None or sentence[previous_end : match.start()].strip() != ""
        stop = match is not None and match.group().lower().strip(".") in STOPWORDS
        if current and (broken or stop):
            runs.append((current[0].start(), current[-1].end()))
            current = []
        if match is not None:
            if not stop:
                current.append(match)
            previous_end = match.end()
    spans = list(runs)
    for (a, b), (c, d) in pairwise(runs):
        gap = sentence[b:c].strip().lower()
        if gap in {
            "of",
            "of the",
            "of a",
            "and",
            "or",
            "for",
            "to",
            "in",
            "in the",
            "and the",
            "with",
            "to the",
            "on",
            "for the",
            "by",
            "from",
        }:
            spans.append((a, d))
    return spans
