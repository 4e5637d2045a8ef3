"""What a question asks of a grid: the operation, the form of the answer, periods and numbers.

Only wording that is general in English is used; nothing depends on a subject or a collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from cogagent.reading.grids.numbers import Bound, Stated, stated
from cogagent.reading.question import QUESTION_WORD, AnswerType, Word, analyse, words
from cogagent.reading.values import YEAR, Periods, periods

Form = Literal["value", "label", "open", "whether"]
"""``open``: "What was the largest ...?", a value or a label, which the grid decides."""
Sum = Literal["", "difference", "sum", "average", "ratio", "share", "change"]
When = Literal["", "last", "previous", "first"]

LONGEST = 1000
"""Characters of a question that are read; what is asked stands in fewer."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A year, or a pair of them such as 2018/19, that a question names."""

    start: int
    years: frozenset[int]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, as one about a grid.

    Attributes:
        text: The question, cut to what is read, with ``U.S.`` as ``US``.
        words: All its words in order.
        expected: The kind of answer that its wording expects.
        form: Whether a value or a label is asked for.
        focus: Stems of the noun of "which country", "how many countries".
        mentions: Years that it names, in order.
        periods: All years, quarters, months and days that it names.
        numbers: Other numbers that it states.
        pick: 1 if it asks for the most, -1 for the least, 0 otherwise.
        nth: Which in that order, from 1.
        bound: What lies above or below a number is asked for.
        sum: What is to be worked out, where more than one value is meant.
        when: A moment that it names by its place in time.
        ranged: Two years that it names are the ends of a time.
        stretch: They are told as one, such as 2017-2019.
        every: It speaks of all years or the like.
        many: It asks for several things.
        counted: Stems of the words after "how many".
        timed: It asks for a year, a month or the like.
        as_of: It says "A as a share of B", so that the first is the part.
        percent: It asks for a share, or a change in per cent, as it stands.
        whole: It speaks of a total.
        down: It asks by how much something fell.
        either: It asks how far things are apart, or changed, whichever way.
        versus: 1 if it asks how much more the first is than the second, -1 how much less, 0
            if it puts them in no such order.
        trend: It asks whether something rose or fell.
        working: Places in ``words`` that say what to do, and name nothing.
        measures: Places of what the values would be of: prices, "the weight of".
        money: Of these, what is counted in money.
    """

    text: str
    words: tuple[Word, ...]
    expected: AnswerType
    form: Form
    focus: tuple[str, ...]
    mentions: tuple[Mention, ...]
    periods: Periods
    numbers: tuple[Stated, ...]
    pick: int
    nth: int
    bound: Bound | None
    sum: Sum
    when: When
    ranged: bool
    stretch: bool
    every: bool
    many: bool
    counted: frozenset[str]
    timed: bool
    as_of: bool
    percent: bool
    whole: bool
    down: bool
    either: bool
    versus: int
    trend: bool
    working: frozenset[int]
    measures: frozenset[int]
    money: frozenset[int]

    def said(self, place: int) -> str:
        """A word as it stands in the question."""
        return self.text[self.words[place].start : self.words[place].end]

    def unbound(self) -> Asked:
        """The question without its bound, which is part of a label: "65 or more"."""
        pick, nth = _picked(self.text, whether=self.expected is AnswerType.YES_NO)
        return replace(self, bound=None, pick=pick, nth=nth)

    def in_number(self, place: int) -> bool:
        """Whether a word is part of a year or number, which are looked for as such."""
        start = self.words[place].start
        years = any(m.start <= start <= m.start + _LONGEST_YEAR for m in self.mentions)
        return years or any(n.start <= start < n.end for n in self.numbers)


def asked_of(question: str) -> Asked:
    """Read a question as one about a grid.

    Args:
        question: Any text; the first :data:`LONGEST` characters are read.
    """
    text = _ACRONYM.sub(lambda m: m.group().replace(".", ""), question[:LONGEST])
    text = _LISTED.sub(", ", text)
    taken = analyse(text)
    numbers = stated(text)
    pick, nth = _picked(text, whether=taken.expected is AnswerType.YES_NO)
    bound = _bounded(text, numbers)
    timed = bool(_TIMED.search(text))
    found = tuple(words(text))
    return Asked(
        text=text,
        words=found,
        expected=taken.expected,
        form=_form(text, taken.expected, pick),
        focus=taken.focus,
        mentions=_mentions(text),
        periods=periods(text),
        numbers=numbers,
        pick=0 if bound else pick,
        nth=nth,
        bound=bound,
        sum=_sum(text),
        when=_when(text),
        ranged=bool(_RANGED.search(text)),
        stretch=bool(_STRETCH.search(text)),
        every=bool(_EVERY.search(text)),
        many=bool(_MANY.search(text)),
        counted=_counted(text, found),
        timed=timed,
        as_of=bool(_AS_OF.search(text)),
        percent=taken.expected is AnswerType.PERCENT or "%" in text,
        whole=bool(_TOTAL.search(text)),
        down=bool(_DOWN.search(text)) and not _UP.search(text),
        either=bool(_APART.search(text)) and not _ONE_WAY.search(text),
        versus=_versus(text),
        trend=bool(_TREND.search(text)),
        working=_placed(_WORKING, text, found),
        measures=_placed(_MEASURED, text, found),
        money=_placed(_PAID, text, found),
    )


_LISTED = re.compile(r"(?<=\b[12]\d\d\d),(?=[12]\d\d\d\b)")
_JOINED = re.compile(r"\s?[-/\u2013]\s?")
_LONGEST_YEAR = 6
"""Characters of 2018/19 after the first."""
_ACRONYM = re.compile(r"\b(?:[A-Za-z]\.){2,6}")


def _mentions(text: str) -> tuple[Mention, ...]:
    """The years in order; 2018/2019 and 2018-2019 as one."""
    found: list[tuple[int, int, frozenset[int]]] = []
    for match in YEAR.finditer(text):
        years = _years(match.group())
        if found and len(found[-1][2]) == len(years) == 1:
            start, end, before = found[-1]
            if _JOINED.fullmatch(text[end : match.start()]) and max(before) + 1 == min(years):
                found[-1] = start, match.end(), before | years
                continue
        found.append((match.start(), match.end(), years))
    return tuple(Mention(start, years) for start, _, years in found)


def _years(text: str) -> frozenset[int]:
    return periods(text).get("year", frozenset())


# --- the form of the answer ------------------------------------------------

_MEASURES = (
    "percentages?|percent|proportion|share|fraction|amount|number|value|price|cost|rate|ratio|"
    "total|average|quantity|revenues?|sales|income|profit|score|level|figure|population|increase|"
    "decrease|change|growth|difference|sum|volume|size|market value|gdp"
)
_TIMED = re.compile(
    r"\b(?:when|(?:what|which) (?:(?:fiscal|financial|calendar) )?"
    r"(?:years?|quarters?|months?|periods?|days?|dates?|decades?|weeks?|seasons?))\b",
    re.IGNORECASE,
)
_NAMING = re.compile(
    r"\b(?:who|whom|whose|where)\b"
    r"|\bwhich (?!(?:of the following )?(?:is|was) the (?:value|number|amount)\b)"
    r"|\bwhat (?:was|is|were|are) (?:the )?names?\b"
    rf"|\bwhat (?!(?:{_MEASURES}|is|was|were|are|do|does|did|has|have|had|can|could|will|would|"
    r"should|about|if|the|a|an|kind of value)\b)[^\W\d_]",
    re.IGNORECASE,
)
_OF_VALUE = re.compile(
    rf"\bhow (?:many|much|high|low|large|big|long|old|far)\b|\bwhat (?:{_MEASURES})\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"\bwhat (?:has|had|indicates?|makes?|made|accounts?|accounted)\b", re.I)
_SUPERLATIVE_MEASURE = re.compile(
    rf"\b(?:what|how much) (?:is|was|are|were) (?:the )?(?:[\w-]+ ){{0,3}}?(?:{_MEASURES})\b",
    re.IGNORECASE,
)


def _form(text: str, expected: AnswerType, pick: int) -> Form:
    if expected is AnswerType.YES_NO:
        return "whether"
    kinds: tuple[tuple[Form | None, re.Pattern[str]], ...] = (
        ("value", _OF_VALUE),
        ("label", _TIMED),
        ("label", _NAMING),
        (None, QUESTION_WORD),
    )
    # The first word of asking is the one; "which" further on mostly opens a clause.
    found = [(m.start(), n) for n, (_, p) in enumerate(kinds) if (m := p.search(text))]
    if found and (form := kinds[min(found)[1]][0]):
        return form
    if pick and _SUBJECT.search(text):
        return "label"
    if pick and not _SUPERLATIVE_MEASURE.search(text):
        return "open"
    return "value"


# --- the most, the least, above, below -------------------------------------

_NTH = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5,
    "6th": 6, "7th": 7, "8th": 8, "9th": 9, "10th": 10, "next": 2,
}  # fmt: skip
_LOW = (
    "lowest|smallest|least|fewest|shortest|minimum|worst|bottom|weakest|slowest|youngest|poorest|"
    "cheapest|lightest|thinnest|narrowest|rarest|softest|coldest|last|min"
)
_HIGH = (
    "most|maximum|max|top|leading|leaders?|leads?|main|majority|peak(?:ed|s)?|best|dominant|"
    "favou?rite|primary|number one|no\\. ?1|first place"
)
_NO_SUPERLATIVE = (
    "west|east|rest|test|forest|interest|invest|request|guest|latest|earliest|"
    "harvest|contest|protest|suggest|arrest|nest|midwest|budapest|southwest|northwest|best|crest|"
    "digest|honest|modest|everest|conquest|southeast|northeast|pest|vest|chest|quest|oldest"
)
_PICK = re.compile(
    rf"(?:\b(?P<nth>{'|'.join(_NTH)})[ -]"
    r"(?:place\b|(?=[\w-]{0,20}(?:est|most|least|leading|main|top)\b)))?"
    rf"\b(?:(?P<low>(?<!at )(?:{_LOW}))|(?P<high>(?<!at )(?:{_HIGH})|oldest"
    rf"|(?!(?:{_NO_SUPERLATIVE})\b)(?-i:[a-z]{{2,20}}est)))\b"
    r"(?! recent| year| quarter| month| period)",
    re.IGNORECASE,
)
_RANKED = re.compile(
    rf"\brank(?:s|ed|ing)?(?: at| in)?(?: the)? (?P<nth>{'|'.join(_NTH)}|last)\b", re.IGNORECASE
)
_COMPARATIVE = re.compile(
    r"\b(?:(?P<high>higher|larger|bigger|greater|longer|more|better|older)"
    r"|(?P<low>lower|smaller|less|fewer|shorter|worse|younger))\b(?P<than> than\b)?",
    re.IGNORECASE,
)
_VERSUS = re.compile(
    r"\bhow (?:much|many) (?:[\w-]+ ){0,3}?"
    r"(?:(?P<high>more|higher|larger|bigger|greater|longer|older)"
    r"|(?P<low>less|fewer|lower|smaller|shorter|younger))\b.{1,200}?\bthan\b",
    re.IGNORECASE,
)
_CHOOSING = re.compile(r"\b(?:which|who|where|when|what year)\b", re.IGNORECASE)
_LAST = re.compile(r"\blast\b", re.IGNORECASE)
_MORE = "more|greater|higher|larger|bigger|above|over"
_LESS = "less|fewer|lower|smaller|below|under"
_NO = "(?:no|not|never)"
_BOUND = re.compile(
    rf"\b(?:(?P<most>at most|up to|{_NO} (?:(?:{_MORE}) than|above|over))"
    rf"|(?P<least>at least|{_NO} (?:(?:{_LESS}) than|below|under))"
    r"|(?P<under>(?:less|lower|smaller|fewer) than|below|under)"
    r"|(?P<over>(?:more|greater|higher|larger|bigger) than|above|over|exceed(?:s|ed|ing)?"
    r"|surpass(?:es|ed)?))\W{0,3}$",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    rf"\W{{0,3}}(?:[^\W\d]+ ){{0,2}}or (?:(?P<least>{_MORE})|(?P<most>{_LESS}))\b(?! than\b)",
    re.IGNORECASE,
)
_BEFORE, _AFTER = 25, 40
"""Characters around a number in which a bound is looked for."""


def _picked(text: str, *, whether: bool) -> tuple[int, int]:
    if ranked := _RANKED.search(text):
        word = ranked["nth"].lower()
        return (-1, 1) if word == "last" else (1, _NTH[word])
    for match in _PICK.finditer(text):
        word = match.group().lower()
        if _LAST.search(word):
            continue  # "in the last year" names a time
        nth = _NTH[match["nth"].lower()] if match["nth"] else 1
        return (-1 if match["low"] else 1), nth
    compared = _COMPARATIVE.search(text)
    if compared and (whether or (_CHOOSING.search(text) and not compared["than"])):
        return (-1 if compared["low"] else 1), 1
    return 0, 1


def _versus(text: str) -> int:
    found = _VERSUS.search(text)
    return 0 if found is None else -1 if found["low"] else 1


def _bounded(text: str, numbers: tuple[Stated, ...]) -> Bound | None:
    for number in numbers:
        # The number itself takes a "more than" before it as a word of being inexact.
        before = text[max(0, number.start - _BEFORE) : number.start]
        if match := _BOUND.search(before.rstrip("$\u20ac\u00a3 ")):
            side = -1 if match["under"] or match["most"] else 1
            return Bound(side, number, inclusive=bool(match["most"] or match["least"]))
        if match := _BOUND_AFTER.match(text[number.end : number.end + _AFTER]):
            return Bound(-1 if match["most"] else 1, number, inclusive=True)
    return None


# --- what to work out ------------------------------------------------------

_AS_OF = re.compile(r"\bas an? (?:\w+ )?(?:\w+|%) of\b", re.IGNORECASE)
_WHOLE = r"(?:the )?(?:[\w']+ ){0,3}?(?:total|whole|sum)\b"
_CHANGE_NOUN = "change|increase|decrease|growth|decline|rise|drop|reduction|fall|gain"
_SUMS: tuple[tuple[Sum, re.Pattern[str]], ...] = (
    (
        "share",
        re.compile(
            r"\bas an? (?:percentage|percent|per cent|share|proportion|fraction|%) of\b"
            r"|\b(?:percentage|proportion|share|percent) of .{1,80}?"
            r"\b(?:among|over|to|out of|in|of|against|for) (?:the )?(?:\w+'s )?"
            r"(?:total|overall|sum)\b"
            r"|\bproportion of .{1,80}? (?:over|to|among|in)\b"
            r"|\bpercentage of (?:the )?total\b"
            rf"|\b(?:percentage|proportion|share|fraction|part|percent|%) of (?:all )?{_WHOLE}",
            re.IGNORECASE,
        ),
    ),
    (
        "change",
        re.compile(
            rf"(?:\b(?:percentage|percent|per cent|relative)|%) (?:of )?(?:{_CHANGE_NOUN})\b"
            rf"|\b(?:{_CHANGE_NOUN}) ?\(%\)"
            rf"|\bgrowth rate\b|\b(?:{_CHANGE_NOUN})[es]?[d]? .{{0,120}}?"
            r"(?:what percent|in percent|percentage terms)"
            rf"|\bwhat (?:percent|percentage|%) (?:did|has|have|was|were)\b"
            rf"|\bwhat percentage .{{1,120}}?\b(?:increase|decrease|grow|decline|rise|drop|fall)",
            re.IGNORECASE,
        ),
    ),
    (
        "ratio",
        re.compile(
            r"\bratio\b|\bhow many times\b|\btimes (?:as|more|higher|larger|greater|bigger)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "difference",
        re.compile(
            rf"\bdifferen(?:ce|t)\b|\bgap\b|\b(?:{_CHANGE_NOUN})d?\b|\bgrew\b|\bgrow\b"
            r"|\bhow (?:much|many) (?:[\w-]+ ){0,3}?"
            r"(?:more|less|higher|lower|greater|larger|fewer)\b"
            r"|\b(?:rose|fell|dropped|declined|exceed|shrank|shrunk)\b",
            re.IGNORECASE,
        ),
    ),
    ("average", re.compile(r"\b(?:average|mean)\b", re.IGNORECASE)),
    (
        "sum",
        re.compile(
            r"\b(?:total|sum|combined|together|altogether|aggregate|added up)\b", re.IGNORECASE
        ),
    ),
)
_RANGED = re.compile(
    r"\b(?:from|between|during)\b[^.?]{0,60}?\d{2,4}\s*(?:to|and|until|through|till|[-\u2013])"
    r"\s*[^.?]{0,30}?\d{2,4}|\b\d{4}\s?(?:[-\u2013]|to|through)\s?(?:FY)?\d{4}\b",
    re.IGNORECASE,
)
_STRETCH = re.compile(r"\b\d{4}\s?(?:[-\u2013]|to|through)\s?(?:FY ?)?\d{2,4}\b")
_EVERY = re.compile(
    r"\b(?:over the (?:period|years?)|(?:all|each|every|both|across|over) (?:of )?"
    r"(?:the )?(?:\w+ )?(?:years?|periods?|months?|quarters?|countries|categories))\b",
    re.IGNORECASE,
)
_MANY = re.compile(
    r"\brespective(?:ly)?\b|\b(?:which|what) (?:are |were )?(?:the )?(?:\w+ )?"
    r"(?:years|periods|quarters|months)\b",
    re.IGNORECASE,
)
_NOUN = 3
"""Words after "how many" that may be what is counted."""
_COUNTS = re.compile(
    r"\bhow many (?!(?:percent|per|more|less|fewer|times)\b)|\bcount of\b|"
    r"\bwhat (?:is|was) the (?:total )?number of\b",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"\b(?:total|whole|sum|overall|altogether)\b", re.IGNORECASE)
_DOWN = re.compile(
    r"\b(?:decreas|declin|drop|fell|fall|reduc|shr[aiu]nk|less|lower|fewer)", re.IGNORECASE
)
_UP = re.compile(r"\b(?:increas|chang|differ|grow|grew|ris|rose|more|higher)", re.IGNORECASE)
_APART = re.compile(r"\b(?:differ|gap\b|chang)", re.IGNORECASE)
_ONE_WAY = re.compile(
    r"\b(?:increas|grow|grew|ris|rose|gain|decreas|declin|drop|fell|fall|reduc|shr[aiu]nk|lost)",
    re.IGNORECASE,
)
_TREND = re.compile(
    r"\b(?:increas|decreas|ris|ros|fall|fell|grow|grew|shr[ai]nk)\w* or (?:a )?"
    r"(?:increas|decreas|ris|fall|grow|shrink|declin)\w*|\btrend\b|\bup or down\b",
    re.IGNORECASE,
)


def _counted(text: str, found: tuple[Word, ...]) -> frozenset[str]:
    match = _COUNTS.search(text)
    if match is None:
        return frozenset()
    after = [word.stem for word in found if word.start >= match.end()]
    return frozenset(after[:_NOUN])


def _sum(text: str) -> Sum:
    return next((name for name, pattern in _SUMS if pattern.search(text)), "")


# --- time ------------------------------------------------------------------

_PERIOD = (
    r"(?:(?:fiscal|financial|reported|reporting|measured) )?(?:year|quarter|month|period|season)"
)
_WHENS: tuple[tuple[When, re.Pattern[str]], ...] = (
    ("previous", re.compile(rf"\b(?:previous|preceding|prior) {_PERIOD}\b", re.IGNORECASE)),
    (
        "last",
        re.compile(
            rf"\b(?:last|latest|current) {_PERIOD}\b|\bmost recent(?:ly)?\b|\blatest\b|"
            r"\bcurrent(?:ly)?\b|\bnow(?:adays)?\b|\btoday\b",
            re.IGNORECASE,
        ),
    ),
    (
        "first",
        re.compile(
            rf"\b(?:first|earliest) {_PERIOD} (?:shown|of|in the|for)\b|\bearliest\b"
            r"|\bsince when\b|\bbeg[ia]n\b|\bstart(?:ed)?\b",
            re.IGNORECASE,
        ),
    ),
)


def _when(text: str) -> When:
    return next((name for name, pattern in _WHENS if pattern.search(text)), "")


# --- words that say what is measured, and what to do ---------------------------------------------

_MONEY = (
    "(?:prices?|costs?|revenues?|sales|incomes?|profits?|turnover|earnings|salar(?:y|ies)|wages?"
    "|gdp|expenses?|expenditures?|spendings?|budgets?|fees?|taxe?s?|debts?|losses|loss)"
)
_WORKING = re.compile(
    rf"\b(?:{_MEASURES}|{_CHANGE_NOUN}|increased|decreased|grew|grow|mean|combined|respective(?:ly)?|"
    r"end(?:ed|ing)?|beginning|start|shown|table|chart|graph|figure|year|years|quarter|month|period|periods|compared|same|"
    r"expected|estimated|projected|forecast|reported|recorded|account(?:ed)?|amount(?:ed)?|"
    rf"previous|recent|current(?:ly)?|{_HIGH}|{_LOW}|more|less|higher|lower|larger|smaller|"
    r"thousand|million|billion|dollars?|respondents?|people)\b|\b(?-i:[a-z]{2,20}est)\b",
    re.IGNORECASE,
)


_PAID = re.compile(rf"\b{_MONEY}\b", re.IGNORECASE)
_MEASURED = re.compile(
    rf"\b{_MONEY}\b|\b(?:scores?|populations?)\b"
    rf"|(?<=\bthe )(?!(?:{_MEASURES}|{_CHANGE_NOUN}|mean)\b)[^\W\d]+(?= of\b)",
    re.IGNORECASE,
)


def _placed(pattern: re.Pattern[str], text: str, found: tuple[Word, ...]) -> frozenset[int]:
    """Places of the words that a pattern finds."""
    starts = {match.start() for match in pattern.finditer(text)}
    return frozenset(place for place, word in enumerate(found) if word.start in starts)
