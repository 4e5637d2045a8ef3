"""The names in what was found over which a question goes on.

Of "Where was the director of Heat born?" the passage on Heat answers the inner
part, and the name that it answers with leads to the passage on the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cogagent.documents.sentences import sentences
from cogagent.planners.naming import plain_words, told_names
from cogagent.reading.passage import Encoder
from cogagent.reading.question import STOPWORDS, stem, words
from cogagent.types import Evidence

SURE = 0.7
"""Surety from which a bridge is taken for the answer to the inner part."""
STATED = 0.2
"""Surety below which the evidence does not state the relation at all."""

_LONGEST = 2_000
"""Characters of a passage that are read for a bridge."""
_MOST_NAMES = 40
"""Names of one passage that are looked at."""
_NEXT = 0.9
"""Surety of a name right behind the words for its relation."""
_A_WORD = 0.06
"""What each word in between takes off."""
_BEFORE = 4
"""Words that a name before the words for its relation counts as further away."""
_UNSTATED = 0.1
_LATER = 0.02
"""What each sentence takes off that stands before a name's."""
_LOWER = 0.03
"""What each passage takes off that was found before a name's."""
_WORDINGS = {
    "actor": "star|play|portray|act|cast", "actress": "star|play|portray|act|cast",
    "architect": "design|architect|built", "author": r"wr[io]t|author|novel by|book by|by",
    "band": "band|by|perform|record|releas",
    "child": "(?:father|mother) of|sons?|daughters?|child",
    "children": "(?:father|mother) of|sons?|daughters?|child|issue",
    "composer": "compos|music|score|soundtrack|wr[io]t", "creator": "creat|develop",
    "designer": "design", "director": "direct", "discoverer": "discover", "editor": "edit",
    "employer": "work|employ", "father": "(?:son|daughter|child|born) (?:of|to)|father|parents",
    "founder": "found|establish|creat|start", "husband": "marri|husband|spouse|wed|wife|widow",
    "inventor": "invent", "label": "label|releas|record",
    "manufacturer": "manufactur|made|make|produc|built",
    "mother": r"(?:son|daughter|child|born) (?:of|to)|mother|parents|by",
    "owner": "own|acquir|bought|subsidiary",
    "parent": "(?:son|daughter|child|born) (?:of|to)|mother|father|parent|subsidiary|own",
    "parents": "(?:son|daughter|child|born) (?:of|to)|mother|father|parents",
    "performer": "perform|sung|sing|record|by|releas|band|artist", "predecessor": "succe|preced",
    "producer": "produc", "publisher": "publish",
    "school": "school|educat|attend|stud", "screenwriter": "wr[io]t|screenplay|script",
    "sibling": "brother|sister|sibling", "siblings": "brother|sister|sibling",
    "singer": "sung|sing|perform|record", "songwriter": "wr[io]t|song",
    "spouse": "marri|wife|husband|spouse|wed|consort|widow|queen", "star": "star",
    "successor": "succe", "teacher": "taught|teach|stud|pupil",
    "university": "university|educat|attend|stud|graduat",
    "wife": "marri|wife|spouse|wed|consort|widow", "writer": "wr[io]t|author",
}  # fmt: skip
"""How texts word what a question names by a noun; others are looked for by their stem."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A name over which a question may go on.

    Attributes:
        name: As it stands in the evidence.
        source: The evidence.
        surety: How sure it is, 0 to 1; comparable among those found in one way.
        sentence: Where it stands.
    """

    name: str
    source: Evidence
    surety: float
    sentence: str


@dataclass(frozen=True, slots=True)
class _Mention:
    name: str
    start: int
    end: int
    sentence: int


def bridges(relation: str, source: Evidence, known: Iterable[str]) -> list[Bridge]:
    """The names in a piece of evidence that may stand in a relation to what it is on.

    The nearer a name stands to words for the relation the surer it is, and one
    behind them ("directed by Ann", "his mother, Ann") is surer than one before.

    Args:
        relation: A noun, such as "director", perhaps with a word before it.
        source: On what the relation is one of.
        known: Names that lead nowhere new: those of the question.

    Returns:
        Each name once, the surest first.
    """
    text = source.text[:_LONGEST]
    cut = sentences(text)
    cues = [(match.start(), match.end()) for match in _cue(relation).finditer(text)]
    found: dict[tuple[str, ...], Bridge] = {}
    mentions = _mentions(text, cut, [*known, source.title])
    even = _evened(text, mentions)
    for mention in mentions:
        start, end = cut[mention.sentence]
        steps = [
            len(even[b : mention.start].split())
            if b <= mention.start
            else _BEFORE + len(even[mention.end : a].split())
            for a, b in cues
            if start <= a < end and not mention.start < a < mention.end
        ]
        surety = _UNSTATED / (1 + mention.sentence)
        if steps:
            surety = max(_NEXT - _A_WORD * min(steps), _UNSTATED)
        _keep(found, Bridge(mention.name, source, surety, text[start:end]))
    return _surest(found)


def hints(
    question: str, sources: Sequence[Evidence], known: Iterable[str], encoder: Encoder | None
) -> list[Bridge]:
    """The names that a question may go over which names no relation plainly.

    A name is the likelier a bridge the more the sentence around it says what the
    question says.

    Args:
        question: As it stands.
        sources: What was found, best first.
        known: Names that lead nowhere new: those of the question.
        encoder: Compares sentences with the question by meaning; ``None`` to go by words.

    Returns:
        Each name once, the surest first.
    """
    known = list(known)
    asked = {word.stem for word in words(question) if word.content}
    texts = [source.text[:_LONGEST] for source in sources]
    cuts = [sentences(text) for text in texts]
    near = _alike(question, sources, texts, cuts, encoder)
    found: dict[tuple[str, ...], Bridge] = {}
    for place, (source, text, cut) in enumerate(zip(sources, texts, cuts, strict=True)):
        title = {word.stem for word in words(source.title)}
        for mention in _mentions(text, cut, [*known, source.title]):
            start, end = cut[mention.sentence]
            held = {word.stem for word in words(text[start:end])} | title
            surety = len(asked & held) / max(len(asked), 1)
            if near is not None:
                surety = (surety + near[place][mention.sentence]) / 2
            surety -= _LATER * mention.sentence + _LOWER * place
            _keep(found, Bridge(mention.name, source, surety, text[start:end]))
    return _surest(found)


def _alike(
    question: str,
    sources: Sequence[Evidence],
    texts: Sequence[str],
    cuts: Sequence[Sequence[tuple[int, int]]],
    encoder: Encoder | None,
) -> list[list[float]] | None:
    """The cosine of the question and each sentence under its title."""
    if encoder is None:
        return None
    said = [
        f"{source.title}: {text[start:end]}"
        for source, text, cut in zip(sources, texts, cuts, strict=True)
        for start, end in cut
    ]
    vectors = encoder.embed([question, *said])
    cosines = iter((vectors[1:] @ vectors[0]).tolist())
    return [[next(cosines) for _ in cut] for cut in cuts]


def _mentions(text: str, cut: Sequence[tuple[int, int]], known: Iterable[str]) -> list[_Mention]:
    """The names of a text, those left out that are part of a known one."""
    joined = [f" {' '.join(plain_words(name))} " for name in known]
    found: list[_Mention] = []
    for name in told_names(text):
        said = plain_words(name.text)
        if len(said) == 1 and (said[0] in STOPWORDS or len(said[0]) < 3):
            continue
        if any(f" {' '.join(said)} " in other for other in joined):
            continue
        place = next((n for n, (a, b) in enumerate(cut) if a <= name.start < b), None)
        if place is not None:
            found.append(_Mention(name.text, name.start, name.end, place))
    return found[:_MOST_NAMES]


def _evened(text: str, mentions: Sequence[_Mention]) -> str:
    """The text with each name as one word, of the same length."""
    for mention in mentions:
        name = text[mention.start : mention.end]
        text = text[: mention.start] + re.sub(r"\s", "_", name) + text[mention.end :]
    return text


def _keep(found: dict[tuple[str, ...], Bridge], bridge: Bridge) -> None:
    key = plain_words(bridge.name)
    if key not in found or bridge.surety > found[key].surety:
        found[key] = bridge


def _surest(found: dict[tuple[str, ...], Bridge]) -> list[Bridge]:
    return sorted(found.values(), key=lambda bridge: -bridge.surety)


@lru_cache(maxsize=256)
def _cue(relation: str) -> re.Pattern[str]:
    """Finds the words that may say a relation in a text."""
    noun = relation.split()[-1]
    wording = _WORDINGS.get(noun) or re.escape(stem(noun)[: max(5, len(stem(noun)) - 2)])
    return re.compile(rf"\b(?:{wording})\w*", re.IGNORECASE)
