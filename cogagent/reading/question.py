"""What a question asks for: its content terms and the kind of answer it expects.

Only wording that is general in English is used here; nothing depends on a subject or a collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from cogagent.stems import STOPWORDS, Word, stem, words

__all__ = [
    "FOCUS", "QUESTION_WORD", "STOPWORDS", "AnswerType", "Question", "Word", "analyse", "stem",
    "words",
]  # fmt: skip


class AnswerType(StrEnum):
    """The kind of answer a question expects."""

    PERSON = "person"
    PLACE = "place"
    DATE = "date"
    NUMBER = "number"
    MONEY = "money"
    PERCENT = "percent"
    MEASURE = "measure"
    NAME = "name"
    PHRASE = "phrase"
    REASON = "reason"
    MANNER = "manner"
    DEFINITION = "definition"
    YES_NO = "yes or no"


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart.

    Attributes:
        text: The question as it was asked.
        terms: Its content words, in order; a word asked for twice appears twice.
        expected: The kind of answer its wording expects.
        focus: Stems of the noun of the question word ("which *river*", "how many *goals*").
    """

    text: str
    terms: tuple[Word, ...]
    expected: AnswerType
    focus: tuple[str, ...]


_MONTHISH = "year|date|day|month|century|decade|era|period|season"
_PERSONISH = (
    "person|people|man|woman|player|coach|author|writer|artist|singer|actor|actress|king|queen|emperor|president|"
    "leader|director|scientist|physicist|mathematician|inventor|engineer|architect|politician|minister|governor|"
    "mayor|bishop|pope|general|officer|founder|composer|painter|philosopher|professor|student|ruler|explorer"
)
_PLACEISH = (
    "place|city|town|village|country|state|county|province|region|continent|island|river|lake|sea|ocean|mountain|"
    "street|building|stadium|location|area|nation|district|neighborhood|suburb|airport|venue|hotel"
)
_RULES: tuple[tuple[str, AnswerType], ...] = (
    (
        r"^\s*(?:what|who) (?:is|are|was|were) (?:an? |the )?"
        # "What is the revenue in 2018" asks for no definition.
        r"(?:(?!(?:of|in|on|at|for|from|by|to|per|with|during)\b)"
        r"[^\W\d][\w'\u2019-]* ?){1,3}\??\s*$",
        AnswerType.DEFINITION,
    ),
    (
        r"\b(?:what|which) (?:percentage|percent|proportion|share|fraction)\b|\bhow (?:many"
        r"|much) percent",
        AnswerType.PERCENT,
    ),
    (
        r"\bhow much (?:money|did .*\b(?:cost|pay|spend|spent|paid|earn)|does .*\bcost"
        r"|was .*\bpaid|is .*\bpaid)"
        r"|\bwhat (?:was|is|were|are) the (?:\w+ )?(?:price|cost|salary|fee|revenue|budget"
        r"|profit)\b"
        r"|\bwhat (?:price|sum of money|amount of money)\b",
        AnswerType.MONEY,
    ),
    (
        r"\bhow (?:long|far|tall|high|wide|deep|old|fast|big|large|heavy|hot|cold|late"
        r"|early|thick)\b",
        AnswerType.MEASURE,
    ),
    (
        r"\b(?:what|which) (?:was |is |are |were )?(?:the )?(?:\w+ )?(?:length|height|width"
        r"|depth|weight|distance|"
        r"temperature|speed|size|age|altitude|elevation|duration)\b",
        AnswerType.MEASURE,
    ),
    (
        r"\bhow (?:many|much)\b|\b(?:what|which) (?:was |is |are |were )?(?:the )?(?:total "
        r"|average |exact )?"
        r"(?:number|amount|population|score|rate|ratio|quantity|total)\b",
        AnswerType.NUMBER,
    ),
    (
        rf"\bwhen\b|\b(?:what|which) (?:\w+ )?(?:{_MONTHISH})s?\b|\bhow (?:recently|soon)\b"
        rf"|\bsince when\b",
        AnswerType.DATE,
    ),
    (
        rf"\bwho(?:m|se)?\b|\b(?:what|which) (?:\w+ ){{0,2}}?(?:{_PERSONISH})s?\b",
        AnswerType.PERSON,
    ),
    (
        rf"\bwhere\b|\b(?:what|which) (?:\w+ ){{0,2}}?(?:{_PLACEISH})s?\b"
        r"|\b(?:what|which) (?:cities|countries|counties|communit(?:y|ies))\b",
        AnswerType.PLACE,
    ),
    (
        r"\bwhy\b|\bwhat (?:is|was|were|are) the (?:reason|cause|purpose)s?\b|\bfor what reason\b",
        AnswerType.REASON,
    ),
    (
        r"\b(?:what|which) (?:was|is|were|are) (?:the )?(?:\w+ )?names?\b|\bwhich\b",
        AnswerType.NAME,
    ),
    (r"\bwhat\b", AnswerType.PHRASE),
    (r"\bhow\b", AnswerType.MANNER),
    (
        r"^\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b",
        AnswerType.YES_NO,
    ),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _RULES)
FOCUS = re.compile(
    r"\b(?:what|which|how many|how much)\s+((?:[^\W\d_]+[\s-]+){0,3}?[^\W\d_]+?)"
    r"(?=\s+(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|in|of"
    r"|on|at|for|from|to|by|with|that|who|which)\b|\?|$)",
    re.IGNORECASE,
)

QUESTION_WORD = re.compile(
    r"\bhow (?:many|much)\b|\b(?:what|which|who|whom|whose|when|where|how|why)\b", re.IGNORECASE
)


def analyse(text: str) -> Question:
    """Take a question apart.

    Args:
        text: The question; any string is allowed, a heap of keywords too.

    Returns:
        Its content terms, the kind of answer it expects and the noun the question word belongs to.
    """
    expected = next(
        (kind for pattern, kind in _COMPILED if pattern.search(text)), AnswerType.PHRASE
    )
    terms = tuple(word for word in words(text) if word.content)
    match = FOCUS.search(text)
    focus = tuple(w.stem for w in words(match.group(1)) if w.content) if match else ()
    return Question(text, terms, expected, focus)
