"""What a question asks of a table: periods, numbers, comparisons."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cogagent.reading.question import AnswerType, Question, stem
from cogagent.reading.values import Periods, number, periods

_MOST = re.compile(
    r"\b(?:highest|largest|biggest|greatest|longest|maximum|max|most|higher|larger|bigger"
    r"|greater|longer|more)\b",
    re.IGNORECASE,
)
_LEAST = re.compile(
    r"\b(?:lowest|smallest|least|fewest|shortest|minimum|min|lower|smaller|less|fewer|shorter)\b",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\b(?P<word>less|lower|smaller|fewer|below|under|more|greater|higher|larger|above|over"
    r"|exceed(?:s|ed|ing)?)"
    r"(?: than)? (?:[$€£¥₹] ?)?(?P<digits>\d[\d,]*(?:\.\d+)?)(?![\d]|[.,]\d)",
    re.IGNORECASE,
)
_UNDER = frozenset({"less", "lower", "smaller", "fewer", "below", "under"})
_PICKS = re.compile(r"\b(?:which|when|who|where|(?:in|on|at|during|for) what)\b", re.IGNORECASE)
_PERCENT = re.compile(r"\bper ?cent(?:age)?\b|%", re.IGNORECASE)
_NTH = re.compile(r"\b(?:second|third|fourth|fifth|next)[ -]", re.IGNORECASE)
_PERIODS = frozenset({"year", "quarter", "month", "period", "day", "date", "fy", "fiscal", "when"})
_YEARS = frozenset({"year", "fy", "fiscal"})
_LIGHT_WORDS = """
amount value number figure sum total thousand million billion percent percentage year years fy
fiscal quarter spend spent cost costs pay paid earn earned make made bring brought record recorded
report reported
month period day date end ended ending below above under exceed exceeds exceeded
"""
_LIGHT = frozenset(stem(word) for word in _LIGHT_WORDS.split())


@dataclass(frozen=True, slots=True)
class Wish:
    """What a question asks of a table.

    Attributes:
        question: The question, taken apart.
        asked: Its content stems.
        periods: The years, quarters, months and days it names.
        numbers: The other numbers it names.
        expected: The kind of cell it asks for.
        picks: 1 if it asks which has the most, -1 for the least, 0 otherwise.
        bound: -1 or 1 and a number: it asks which is below or above it.
        of_period: Whether it asks for a year, a month or the like.
        light: Stems of words that a table need not hold: periods, which are compared by
            themselves, words of comparison and of quantity, verbs that go with sums.
    """

    question: Question
    asked: frozenset[str]
    periods: Periods
    numbers: frozenset[float]
    expected: AnswerType
    picks: int
    bound: tuple[int, float] | None
    of_period: bool
    light: frozenset[str]

    @property
    def compares(self) -> bool:
        """Whether the answer is found by comparing values."""
        return bool(self.picks or self.bound)

    @property
    def of_years(self) -> bool:
        """Whether it asks for a year."""
        return not _YEARS.isdisjoint(self.question.focus)


def wish(question: Question) -> Wish:
    """Read a question as one about a table."""
    text = question.text
    asked = frozenset(term.stem for term in question.terms)
    bound = _BOUND.search(text)
    limit = None
    picks = 0
    if _PICKS.search(text) or question.focus:
        if bound:
            value = number(bound["digits"])
            if value is not None:
                limit = (-1 if bound["word"].lower() in _UNDER else 1, value)
        elif question.expected not in (AnswerType.NUMBER, AnswerType.MONEY, AnswerType.PERCENT):
            picks = bool(_MOST.search(text)) - bool(_LEAST.search(text))
            picks = 0 if _NTH.search(text) else picks
    named = periods(text)
    years = named.get("year", frozenset())
    stated = {number(text[t.start : t.end]) for t in question.terms if text[t.start].isdigit()}
    of_period = bool(_PERIODS.intersection(question.focus)) or (
        question.expected is AnswerType.DATE and not question.focus
    )
    numbers = frozenset(n for n in stated if n is not None and n not in years)
    expected = AnswerType.PERCENT if _PERCENT.search(text) else question.expected
    return Wish(
        question, asked, named, numbers, expected, picks, limit, of_period, _light(question, named)
    )


def _light(question: Question, named: Periods) -> frozenset[str]:
    found = set()
    for term in question.terms:
        word = question.text[term.start : term.end]
        dated = "month" in named and word.isdigit() and len(word) < 3
        if (
            dated
            or term.stem in _LIGHT
            or periods(word)
            or _MOST.match(word)
            or _LEAST.match(word)
        ):
            found.add(term.stem)
    return frozenset(found)
