"""A follow-up in a conversation, made to stand alone.

"When was it finished?" after "Who built the Aswan Dam?" is read as "When was the
Aswan Dam finished?". A question that stands alone is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cogagent.planners.base import Turn
from cogagent.planners.naming import Named, asked_names, plain_words
from cogagent.reading.question import STOPWORDS, AnswerType, analyse, words

_LONG = 300
"""Characters from which a question is taken to say what it is about."""
_FAR = 4
"""Earlier questions that are looked through for what is meant."""
_ANSWER = 60
"""Characters of an answer that can be what is meant."""

_PERSON = r"(?P<person>he|she|him|her|his|hers|himself|herself)"
_THING = r"(?P<thing>it|its|itself|this one|that one|this|that)"
_MANY = r"(?P<many>they|them|their|theirs|these|those)"
_PLACE = r"(?P<place>there)"
_SOMEONE = re.compile(rf"\b(?:{_PERSON})\b", re.IGNORECASE)
_POINTER = re.compile(rf"\b(?:{_PERSON}|{_THING}|{_MANY}|{_PLACE})\b", re.IGNORECASE)
_BEFORE_PERSON = 3
_BEFORE_THING = 2
"""Content words before a word that may point back, beyond which they say what it means."""
_OWNING = frozenset({"his", "its", "their", "hers", "theirs"})
_EMPTY_IT = re.compile(
    r"\bit (?:is|was|'s|has been|seems?|takes?|took|rain\w*|snow\w*|mean\w*|(?:be|become)) ?"
    r"(?:true|said|known|possible|likely|important|necessary|called|to|that|clear)?\b"
    r"|\b(?:is|was|be|been|become|became|makes?|made|find|found) it \w+ "
    r"(?:that|to|for|how|whether|if)\b"
    r"|\b(?:does|did|will|would|can|could|do|is|was) it (?:take|mean to|rain|snow|possible|true"
    r"|important|necessary|ok|safe|better|worth)\b",
    re.IGNORECASE,
)
_JOINING_THAT = re.compile(r"[\w,] (?:that|this|those|these)\b", re.IGNORECASE)
_STANDS_FOR = re.compile(
    r"(?:^|\b(?:is|are|was|were|do|does|did|of|about|for|on|in|to|with|by|and|has|have|had|can"
    r"|could|will|would|after|before|from|why|how|when|where|like|than) )"
    r"(?:that|this|those|these)(?= (?:is|are|was|were|do|does|did|have|has|had|mean|happen\w*"
    r"|work\w*|true|so)\b|[\s?.!]*$)",
    re.IGNORECASE,
)
_THERE_IS = re.compile(
    r"\bthere (?:is|are|was|were|be|been|'s|a|an|any|some|enough|more|no|not)\b"
    r"|\b(?:is|are|was|were|be|been|will|would|can) there\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"^\W*(?:and |but |so |or |ok(?:ay)?,? )*(?:what|how) about (?P<rest>.+?)\W*$", re.IGNORECASE
)
_AND = re.compile(r"^\W*(?:and|but|or|also)\b,? (?P<rest>.+?)\W*$", re.IGNORECASE)
_BARE = re.compile(
    r"^\W*(?:and |but |so )*(?P<word>why|when|where|who|how many|how much|how long|how old|how far"
    r"|how|which one|which|since when|until when)(?: not| so| exactly)?\W*$",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^\W*(?:and |but |so )*(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do"
    r"|does|did|has|have|had|can|could|will|would|should|name|list|tell|show|give|find|explain"
    r"|describe|compare|in|on|at|for|to|from|by|of|with|since|until|during)\b",
    re.IGNORECASE,
)
_QUESTION_WORD = re.compile(
    r"\b(?:how (?:many|much|long|old|far)(?: \w+)?|(?:what|which) \w+(?= (?:is|are|was|were|do"
    r"|does|did|has|have|had|can|could|will|would)\b)|who|whom|what|when|where|which|why|how)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\b(?:(?:fiscal |financial )?(?:year )?(?:FY ?)?(?:1\d|20)\d\d|Q[1-4](?: (?:19|20)\d\d)?"
    r"|(?:the )?\d{1,2}(?:st|nd|rd|th) century|(?:last|this|next) (?:year|month|quarter|week))\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\b(?:the|a|an|our|my) (?=\w)", re.IGNORECASE)
_DETERMINED = re.compile(r"(?:the|a|an|our|my|their|its) [a-z]")
_LEADING = re.compile(r"^(?:in|on|at|for|of|during|by|from|to|with|since|until) ", re.IGNORECASE)


def standalone(question: str, turns: Sequence[Turn]) -> tuple[str, str]:
    """A follow-up as a question that needs no conversation, and why it was read so.

    Args:
        question: As it was asked.
        turns: The conversation before it, oldest first.

    Returns:
        Two empty texts where the question stands alone, or nothing earlier tells what
        it means.
    """
    question = " ".join(question.split())
    if not turns or not question or len(question) > _LONG:
        return "", ""
    last = " ".join((turns[-1].resolved or turns[-1].question).split())
    if len(last) > _LONG:
        return "", ""
    read = _bare(question, last) or _continued(question, last, turns) or _pointing(question, turns)
    if not read or plain_words(read) == plain_words(question):
        return "", ""
    return read, f"after \u201c{_cut(last)}\u201d it is read as: {read}"


def _bare(question: str, last: str) -> str:
    """The question before, asked with another word: "Why?", "When?"."""
    match = _BARE.match(question)
    if not match:
        return ""
    word = match["word"][:1].upper() + match["word"][1:]
    asked = _QUESTION_WORD.search(last)
    if not asked or asked.start() > 0:
        return f"{word}: {last}"
    return f"{word}{last[asked.end() :]}"


def _continued(question: str, last: str, turns: Sequence[Turn]) -> str:
    """The question before, of something else: "What about Lyon?", "And in 2019?"."""
    about = _ABOUT.match(question)
    rest = about or _AND.match(question)
    if not rest:
        return ""
    said = rest["rest"].strip()
    if not about and (_ASKS.match(said) and not _LEADING.match(said)):
        return _pointing(f"{said[:1].upper()}{said[1:]}?", turns)
    if len(said.split()) > _MOST_WORDS:
        return ""
    pointed = _pointing(said, turns) or said
    return _replaced(last, pointed)


_MOST_WORDS = 8
"""Words of a thing that a question is to be asked of."""


def _replaced(last: str, said: str) -> str:
    """The question before with what it is about replaced by its like, or with that added."""
    bare = _LEADING.sub("", said)
    time = _TIME.search(bare)
    if time and len(time[0]) >= len(bare) - 4:
        there = list(_TIME.finditer(last))
        if there:
            return _put(last, there[-1].start(), there[-1].end(), bare)
        return _added(last, said if _LEADING.match(said) else f"in {bare}")
    named = asked_names(last)
    noun = _noun_phrase(last, first=True)
    if _DETERMINED.match(bare) and noun:
        return _put(last, *noun, bare)
    if named:
        chosen = _counterpart(named, bare)
        return _put(last, chosen.start, chosen.end, bare)
    if noun and not _LEADING.match(said):
        return _put(last, *noun, bare)
    return _added(last, said if _LEADING.match(said) else f"of {bare}")


def _counterpart(named: Sequence[Named], bare: str) -> Named:
    """The name that the new one takes the place of: the one of its length, the last of them."""
    length = len(bare.split())
    alike = [name for name in named if (len(name.text.split()) > 1) == (length > 1)]
    return (alike or list(named))[-1]


def _noun_phrase(text: str, *, first: bool = False) -> tuple[int, int] | None:
    """Where the last thing, or the first, that a text speaks of stands, with its article."""
    found: list[tuple[int, int]] = []
    for match in _ARTICLE.finditer(text):
        end = match.end()
        for word in words(text[match.end() :]):
            if not word.content or text[end : match.end() + word.start].strip():
                break
            end = match.end() + word.end
        if end > match.end():
            found.append((match.start(), end))
    return (found[0] if first else found[-1]) if found else None


def _pointing(question: str, turns: Sequence[Turn]) -> str:
    """The words that point back ("it", "his", "there") replaced by what they mean."""
    result, place = "", 0
    for match in _POINTER.finditer(question):
        kind = match.lastgroup or ""
        if not _points_back(question, match, kind):
            continue
        meant = _meant(kind, turns)
        if not meant or f" {' '.join(plain_words(meant))} " in (
            f" {' '.join(plain_words(question))} "
        ):
            continue
        ending = ("'" if meant.endswith("s") else "'s") if _owns(question, match) else ""
        said = f"in {meant}" if kind == "place" else f"{meant}{ending}"
        result += question[place : match.start()] + said
        place = match.end()
    return result + question[place:] if place else ""


def _owns(question: str, match: re.Match[str]) -> bool:
    """Whether a word says whose something is."""
    followed = re.match(r" [\w-]+", question[match.end() :])
    return match[0].lower() in _OWNING or (match[0].lower() == "her" and followed is not None)


def _points_back(question: str, match: re.Match[str], kind: str) -> bool:
    """Whether a word points to something outside the question."""
    before = question[: match.start()]
    most = _BEFORE_PERSON if kind == "person" and not _owns(question, match) else _BEFORE_THING
    if sum(word.content for word in words(before)) > most or before.endswith("that "):
        return False  # it has been said what is meant
    if any(name.start < match.start() for name in asked_names(question)):
        return False
    if kind in ("thing", "many") and _speaks_of_something(before):
        return False
    here = match.start()
    if kind == "thing" and _SOMEONE.search(before):
        return False  # of somebody it is asked: "it" is no person, and nobody knows what
    if kind == "thing" and match[0].lower() in ("it", "its", "itself"):
        return not any(m.start() <= here < m.end() for m in _EMPTY_IT.finditer(question))
    if match[0].lower() in ("this", "that", "these", "those"):
        return any(m.end() == match.end() for m in _STANDS_FOR.finditer(question))
    if kind == "place":
        return not any(m.start() <= here < m.end() for m in _THERE_IS.finditer(question))
    return True


def _speaks_of_something(before: str) -> bool:
    """Whether a text has a noun with an article, which a pronoun behind it may mean."""
    return any(
        word.lower() not in STOPWORDS
        for word in re.findall(r"\b(?:the|a|an|each|every) ([\w-]+)", before, re.IGNORECASE)
    )


def _meant(kind: str, turns: Sequence[Turn]) -> str:
    """What a word that points back means: an answer of its kind, or what was asked about."""
    for turn in reversed(turns[-_FAR:]):
        asked = turn.resolved or turn.question
        expected = analyse(asked).expected
        short = turn.short.strip() if len(turn.short) <= _ANSWER else ""
        named = [name.text for name in asked_names(asked)]
        if short and short[0].isupper() and expected in _FITTING[kind] and ";" not in short:
            return short
        if named:
            article = "the " if re.search(rf"\bthe {re.escape(named[-1])}", asked) else ""
            return article + named[-1]
        if short and short[0].isupper() and expected in (AnswerType.PERSON, AnswerType.NAME):
            return short
        noun = _noun_phrase(asked)
        if noun and kind in ("thing", "many"):
            return asked[slice(*noun)]
    return ""


_FITTING = {
    "person": frozenset({AnswerType.PERSON}),
    "thing": frozenset({AnswerType.NAME}),
    "many": frozenset({AnswerType.NAME}),
    "place": frozenset(
        {AnswerType.PLACE, AnswerType.NAME, AnswerType.PHRASE, AnswerType.DEFINITION}
    ),
}
"""Kinds of question whose answers a pointing word may mean before what was asked about."""


def _put(text: str, start: int, end: int, said: str) -> str:
    return text[:start] + said + text[end:]


def _added(last: str, said: str) -> str:
    ended = last.rstrip(" ?.!")
    return f"{ended} {said}?"


def _cut(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "\u2026"
