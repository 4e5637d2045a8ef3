"""What a question consists of: the questions in it, and those it does not say aloud.

"Where was the director of Heat born?" holds another question, who directed
Heat; its answer is the bridge to the rest. Only wording that is general in
English is used here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cogagent.planners.naming import Named

_COMPARE = re.compile(
    r"\b(?:compare|difference between|which of|who of)\s+(?P<first>[^,?]+?)\s+"
    r"(?:and|or|with|to|versus|vs\.?)\s+(?P<second>[^,?]+)",
    re.IGNORECASE,
)
_EITHER = re.compile(r",\s*(?P<first>[^,?]+?),?\s+or\s+(?P<second>[^,?]+)\??$", re.IGNORECASE)
_TWO_QUESTIONS = re.compile(
    r"(?:,?\s+and\s+|[;?]\s*)(?=(?:who|what|when|where|which|why|how)\b)", re.IGNORECASE
)
LONG = 500
"""Characters beyond which a question is not taken apart: it is a text with a question in it."""
_MOST_PARTS = 5

_KIN = {
    "parent": (), "father": (), "mother": (), "dad": (), "mom": (), "mum": (),
    "spouse": (), "husband": (), "wife": (), "widow": (), "widower": (),
    "child": (), "son": (), "daughter": (), "sibling": (), "brother": (), "sister": (),
    "grandfather": ("parents", "father"), "grandmother": ("parents", "mother"),
    "grandparent": ("parents", "parents"),
    "grandson": ("children", "son"), "granddaughter": ("children", "daughter"),
    "grandchild": ("children", "child"), "uncle": ("parents", "brother"),
    "aunt": ("parents", "sister"), "cousin": ("parents", "siblings"),
    "nephew": ("siblings", "son"), "niece": ("siblings", "daughter"),
    "stepmother": ("father", "wife"), "stepfather": ("mother", "husband"),
    "father-in-law": ("spouse", "father"), "mother-in-law": ("spouse", "mother"),
    "parent-in-law": ("spouse", "parents"), "brother-in-law": ("spouse", "brother"),
    "sister-in-law": ("spouse", "sister"), "sibling-in-law": ("spouse", "siblings"),
    "son-in-law": ("children", "husband"), "daughter-in-law": ("children", "wife"),
    "child-in-law": ("children", "spouse"), "co-wife": ("husband", "wife"),
    "co-husband": ("wife", "husband"),
}  # fmt: skip
"""Words for kin; one that is kin of kin, with the two."""
_SIDES = {"paternal": "father", "maternal": "mother"}
_ROLES = frozenset(
    "actor actress architect artist author boss bride builder captain ceo chairman chairwoman "
    "chancellor coach composer conductor contractor creator designer developer director "
    "discoverer distributor editor employer fiance fiancee founder co-founder governor groom "
    "host husband illustrator inventor killer king leader lyricist maker manager manufacturer "
    "mayor mentor minister narrator namesake owner painter partner performer photographer "
    "playwright predecessor president presenter principal producer publisher queen ruler "
    "screenwriter sculptor singer songwriter sponsor star successor teacher trainer translator "
    "vocalist winner writer".split()
)
"""Nouns that say what a person is to a thing or another person."""
_THINGS = frozenset(
    "birthplace capital hometown headquarters label studio band company network university "
    "school college club team county district publication newspaper league series sequel "
    "parent prequel album novel book film movie show franchise airline agency".split()
)
"""The like of things."""
_MODIFIERS = (
    r"(?:(?:eldest|oldest|younger|youngest|elder|first|second|third|last|former|current|original"
    r"|main|lead|chief|head|executive|late|only|own|famous|renowned|notable|biological|legal"
    r"|record|film|paternal|maternal|music|parent|production|home|alma) )*"
)
_RELATION = rf"{_MODIFIERS}[a-z][a-z-]*"
_OF = re.compile(rf"(?P<relation>{_RELATION}) (?:of|for|behind) (?:(?:the|a|an|both) )?$")
_KIND = re.compile(
    r"(?:of|for|behind) (?:(?:the|a|an|both) )?(?P<kind>(?:(?!of |for |behind )[\w-]+ ){1,3})$"
)
"""What a name is said to be before it: the director of *the film* Heat."""
_OWNED = re.compile(rf"^['\u2019]s?,? (?P<relation>{_RELATION}(?: [a-z-]+)?)")
_SHARED = re.compile(
    rf"\b(?:whose |of which the |(?:has|have|had|with) (?:the |a |an |both )?|the (?:both )?)"
    rf"(?P<relation>{_RELATION})"
)
_JOINT = re.compile(
    r"[^\w,;]*(?:\([^()]*\))?[\s,]*(?:and|or|&|versus|vs\.?|than|with)\s+(?:[a-z]+ ){0,4}"
    r"[\"\u201c(]?",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"[\"\u201d]?\s*\([^()]{1,40}\)|[\"\u201d!?]+(?=\s*\w)")
_ARTICLE = re.compile(r"(?:the|a|an|both) $")
_ASKED = re.compile(
    r"^\W*(?:who|what|which|whom|name|tell me|give me)(?: (?:person|man|woman|people|one))?"
    r"(?: ?(?:is|are|was|were|'s))?(?: (?:the|a|an|both))? ?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Chain:
    """The way from a name of the question to what is asked about it.

    Attributes:
        named: Where it begins.
        relations: What the next is to the one before, such as ("director", "mother"):
            the director of what is named, then the mother of the director.
        start: First character of the words that say so.
        end: One past their last; ``start == end`` where they are not together.
        left: What is asked of the last, where it is kin of kin: its mother.
    """

    named: Named
    relations: tuple[str, ...]
    start: int = 0
    end: int = 0
    left: str = ""

    def filled(self, question: str, name: str) -> str:
        """The question with the way replaced by the name that it leads to; empty if it cannot."""
        if self.start == self.end:
            return ""
        said = f"the {self.left} of {name}" if self.left else name
        return question[: self.start] + said + question[self.end :]


@dataclass(frozen=True, slots=True)
class _Phrase:
    relation: str
    start: int
    end: int


def split_question(question: str) -> list[str]:
    """The questions in a question: itself, or one for each thing it asks.

    Two questions joined by "and" come apart where the second starts with a
    question word. A comparison keeps the whole question and adds a search for
    each side, since its sides are seldom described in the same passage.
    """
    question = " ".join(question.split())
    if len(question) > LONG:
        return [question]
    comparison = _COMPARE.search(question) or _EITHER.search(question)
    sides = [comparison[side].strip() for side in ("first", "second")] if comparison else []
    if sides and all(sides):
        return [question, *sides]
    parts = [part.strip(" ,;?") for part in _TWO_QUESTIONS.split(question)]
    parts = [f"{part}?" for part in parts if len(part.split()) > 2]
    return parts if 1 < len(parts) <= _MOST_PARTS else [question]


def chains(question: str, named: Sequence[Named]) -> list[Chain]:
    """The way from each name of a question to what is asked; none where no relation is named.

    Where two things are compared by what belongs to each ("which film has the
    older director, A or B"), the way is the same from both.
    """
    if len(question) > LONG:
        return []
    ways = [_way(question, name) for name in named]
    shared = next((way.relations for way in ways if way.relations), _shared(question, named))
    side_by_side = set(compared(question, named))
    found = [
        Chain(way.named, way.relations or shared) if way.named in side_by_side else way
        for way in ways
    ]
    return [way for way in found if way.relations]


def compared(question: str, named: Sequence[Named]) -> list[Named]:
    """The names that a question puts side by side, to compare them or ask the same of each."""
    joined = _joined(question, named)
    return [name for name in named if name in joined]


def _way(question: str, named: Named) -> Chain:
    """What belongs to what is named, nearest first; what the question asks for itself left out."""
    phrases, asked = _owned(question, named)
    start, end = (phrases[0].start, phrases[-1].end) if phrases else (named.start, named.end)
    said = _of(question, start, end)
    if said:
        phrases += said
        asked = bool(_ASKED.match(question[: said[-1].start]))
    steps = [_steps(phrase.relation) for phrase in phrases]
    left = ""
    if asked:
        *first, last = steps.pop()
        left = last if first else ""
        steps += [tuple(first)] if first else []
        phrases = phrases[: len(steps)]
    relations = tuple(relation for step in steps for relation in step)
    if not relations:
        return Chain(named, ())
    return Chain(named, relations, phrases[-1].start, phrases[-1].end, left)


def _owned(question: str, named: Named) -> tuple[list[_Phrase], bool]:
    """What the name owns by an apostrophe, and whether the question asks for the last of it."""
    found: list[_Phrase] = []
    end, asked = named.end, False
    while match := _OWNED.match(question[end:]):
        relation = _known(match["relation"])
        if not relation:
            break
        end += match.start("relation") + len(relation)
        found.append(_Phrase(relation, named.start, end))
        asked = bool(_ASKED.match(question[: named.start])) and not re.match(
            r"['\u2019]s?\b|\s*\w", question[end:]
        )
    return found, asked


def _of(question: str, start: int, end: int) -> list[_Phrase]:
    """What is said to be of the name, "the director of the film Heat", nearest first."""
    found: list[_Phrase] = []
    bracket = _BRACKETED.match(question[end:])
    end += bracket.end() if bracket else 0
    before = question[:start]
    kind = _KIND.search(before)
    if kind and not _OF.search(before):
        before = before[: kind.start("kind")]
    while match := _OF.search(before):
        relation = _known(match["relation"])
        if not relation:
            break
        before = before[: match.end("relation") - len(match["relation"])]
        article = _ARTICLE.search(before)
        before = before[: article.start()] if article else before
        found.append(_Phrase(relation, len(before), end))
    return found


def _joined(question: str, named: Sequence[Named]) -> set[Named]:
    """The names that "and" or "or" puts side by side."""
    found: set[Named] = set()
    for one, other in pairwise(named):
        if _JOINT.fullmatch(question[one.end : other.start]):
            found |= {one, other}
    return found


def _shared(question: str, named: Sequence[Named]) -> tuple[str, ...]:
    """What the question speaks of that each of its names has one of."""
    starts = {name.start for name in named}
    for match in _SHARED.finditer(question):
        relation = _known(match["relation"])
        if relation and match.end("relation") + 1 not in starts:
            return _steps(relation)
    return ()


def _known(phrase: str) -> str:
    """The relation that a phrase begins with or ends in, in the singular; empty if none."""
    words = phrase.split()
    for end in range(len(words), 0, -1):
        noun = _singular(words[end - 1])
        if noun in _ROLES or noun in _THINGS or noun in _KIN:
            return " ".join(words[:end])
    return ""


def _steps(relation: str) -> tuple[str, ...]:
    """A relation as the steps that it takes: a grandmother is a parent's mother."""
    *modifiers, noun = relation.split()
    noun = _singular(noun)
    steps = _KIN.get(noun, ())
    if not steps:
        return (" ".join([*modifiers, noun]),)
    side = next((_SIDES[word] for word in modifiers if word in _SIDES), "")
    return (side or steps[0], steps[1])


def _singular(noun: str) -> str:
    if noun in _ROLES or noun in _THINGS or noun in _KIN:
        return noun
    for ending, rest in (("ies", "y"), ("ren", ""), ("wives", "wife"), ("s", "")):
        if noun.endswith(ending):
            return noun[: -len(ending)] + rest
    return noun
