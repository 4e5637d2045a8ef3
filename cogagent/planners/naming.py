"""The names in a question, and whether a title is one of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cogagent.reading.question import STOPWORDS

_TOKEN = re.compile(r"[^\W_]+(?:\.(?=[^\W\d_]\.)[^\W\d_])*")
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_WORD = re.compile(r"(?:[^\W\d_]\.){2,}|[^\W_](?:[\w.&'\u2019\u2013!-]*[\w!])?")
_SPOKEN = re.compile(r"(?:[^\W\d_]\.){2,}|[^\W_]+(?:['\u2019][^\W_]+)*")
_QUOTED = re.compile(r"[\"\u201c]([^\"\u201c\u201d]{2,80})[\"\u201d]")
_POSSESSIVE = re.compile(r"['\u2019]s?$")
_LINKS = frozenset(
    "of the in on at to for a an de del della da di do dos du von van der den la le el al bin "
    "ibn y et & over under".split()
)
"""Words that may stand in a name in small letters."""
_CLOSE_LINKS = _LINKS - frozenset("in on at to for a an over under".split())
"""The same where names are many: "in" and "for" stand between two of them there."""
_SHORT = 2
"""Letters of an initial, behind which a point does not end a name."""
_SHORTENED = frozenset("st mr mrs ms dr jr sr mt ft vs vol no".split())
_OPENERS = STOPWORDS | frozenset(
    "both either neither compare tell show list find please between among since until during "
    "despite although though while whether yes did does".split()
)
_CALENDAR = frozenset(
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday".split()
)
_ADJECTIVE = re.compile(r"(?:an|ish|ese|ic|ch|ss|ek|eli|aqi|ani)$")
"""How one word may end that tells where something is from."""
_FOLLOWED = re.compile(rf" (?!(?:{'|'.join(sorted(STOPWORDS))})\b)[a-z]")
"""What follows a word that describes it."""
_KEPT = 200
"""Characters of a text whose words are remembered."""
_MOST_WORDS = 12
"""Of a name; a longer run of capitals is a heading, or a text that shouts."""
_FEW = 5
"""Words of a question too short to tell how it uses capitals."""
_MOST = 8
"""Names of one question that are looked at."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name in a question.

    Attributes:
        text: As it stands there, a possessive ending left out.
        start: First character.
        end: One past the last, the possessive ending left out.
    """

    text: str
    start: int
    end: int


def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text as names are compared: small letters, no accents, no points."""
    return _kept_plain(text) if len(text) <= _KEPT else _plain(text)


@lru_cache(maxsize=8192)
def _kept_plain(text: str) -> tuple[str, ...]:
    return _plain(text)


def _plain(text: str) -> tuple[str, ...]:
    spread = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in spread if not unicodedata.combining(char))
    bare = re.sub(r"(?<=\w)['\u2019]s\b", "", bare).replace("'", "").replace("\u2019", "")
    return tuple(word.replace(".", "") for word in _TOKEN.findall(bare))


@lru_cache(maxsize=8192)
def title_words(title: str) -> tuple[str, ...]:
    """The words of a title, what stands in brackets behind it left out."""
    return plain_words(_BRACKETS.sub("", title)) or plain_words(title)


def bracketed(title: str) -> frozenset[str]:
    """The words that a title has in brackets, which tell it from others of its name."""
    return frozenset(word for part in _BRACKETS.findall(title) for word in plain_words(part))


def alike(name: str, title: str) -> float:
    """How surely a title is that of what a name names, 0 to 1.

    1 where they are the same words; less where one has a middle name or a
    byname more.
    """
    return _alike(plain_words(name), title_words(title))


@lru_cache(maxsize=32768)
def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    one, other = _without_article(one), _without_article(other)
    if not one or not other:
        return 0.0
    if one == other or "".join(one) == "".join(other):
        return 1.0
    short, long = sorted((one, other), key=len)
    if len(short) < 2:
        return 0.0
    if short[0] == long[0] and short[-1] == long[-1] and _in_order(short, long):
        return 0.9  # a middle name more
    if len(short) == len(long) and short[-1] == long[-1] and _initials(short, long):
        return 0.8
    if any(long[n : n + len(short)] == short for n in range(len(long) - len(short) + 1)):
        return 0.7 if len(short) * 2 >= len(long) else 0.5
    return 0.6 if len(short) > 2 and _in_order(short, long) else 0.0


def _without_article(words: tuple[str, ...]) -> tuple[str, ...]:
    return words[1:] if len(words) > 1 and words[0] in ("the", "a", "an") else words


def _in_order(short: Sequence[str], long: Sequence[str]) -> bool:
    rest = iter(long)
    return all(word in rest for word in short)


def _initials(one: Sequence[str], other: Sequence[str]) -> bool:
    return all(
        a == b or (a[0] == b[0] and 1 in (len(a), len(b))) for a, b in zip(one, other, strict=True)
    )


def evened(question: str) -> str:
    """The question in small letters if capitals tell nothing in it: all its words have them."""
    letters = [word[0] for word in _SPOKEN.findall(question) if word[0].isalpha()]
    if len(letters) < _FEW or not all(map(str.isupper, letters)):
        return question
    return question.lower() if len(question.lower()) == len(question) else question


def asked_names(question: str) -> list[Named]:
    """The names in a question, in order: what is quoted, and runs of words with capitals.

    A run may hold small words such as "of the". Of two names that "and" or "or"
    joins each stands by itself. What is in brackets behind a name is no name.
    """
    found = [
        Named(match[1].strip(), match.start(1), match.end(1))
        for match in _QUOTED.finditer(question)
        if plain_words(match[1])
    ]
    # Quotations and brackets are blanked out by what ends a run.
    rest = _BRACKETS.sub(_blank, _QUOTED.sub(_blank, question))
    found += _runs(rest, _LINKS)
    return sorted(_each_once(found), key=lambda named: named.start)[:_MOST]


def told_names(text: str) -> list[Named]:
    """The names in a text that was found, in order, as often as they stand there."""
    return _runs(text, _CLOSE_LINKS)


def _runs(text: str, links: frozenset[str]) -> list[Named]:
    found: list[Named] = []
    run: list[re.Match[str]] = []
    waiting: list[re.Match[str]] = []
    for word in _WORD.finditer(text):
        last = [*run, *waiting][-1] if run else None
        if last and _apart(text, last, word):
            found += _named(text, run)
            run, waiting = [], []
        if _capital(word[0]) and (run or not _opens(text, word)):
            run += [*waiting, word]
            waiting = []
        elif run and word[0] in links:
            waiting.append(word)
        else:
            found += _named(text, run)
            run, waiting = [], []
    return found + _named(text, run)


def _blank(match: re.Match[str]) -> str:
    return ";" * len(match[0])


def _apart(text: str, last: re.Match[str], word: re.Match[str]) -> bool:
    """Whether something between two words keeps them from being one name."""
    gap = text[last.end() : word.start()]
    short = len(last[0]) <= _SHORT or last[0].lower() in _SHORTENED
    return bool(gap.strip(" ." if short else " ")) or bool(_POSSESSIVE.search(last[0]))


def _capital(word: str) -> bool:
    return word[0].isupper() or word[0].isdigit()


def _opens(text: str, word: re.Match[str]) -> bool:
    """Whether a word has its capital, if any, from opening a sentence and is no name."""
    before = text[: word.start()].rstrip(" ;\"'\u201c\u2018")
    first = not before or before[-1] in ".?!:"
    return first and word[0].lower() in _OPENERS | _CALENDAR


def _named(text: str, run: Sequence[re.Match[str]]) -> list[Named]:
    if not run:
        return []
    start = run[0].start()
    name = _POSSESSIVE.sub("", text[start : run[-1].end()])
    words = plain_words(name)
    if not any(char.isupper() for char in name) or len(words) > _MOST_WORDS:
        return []
    if all(word in _CALENDAR or word.isdigit() for word in words):
        return []
    if len(words) == 1 and _ADJECTIVE.search(name) and _FOLLOWED.match(text, start + len(name)):
        return []
    if len(words) == 1 and (len(words[0]) < _SHORT or words[0] in STOPWORDS):
        return []
    return [Named(name, start, start + len(name))]


def _each_once(found: Iterable[Named]) -> list[Named]:
    return list({plain_words(named.text): named for named in reversed(list(found))}.values())[::-1]


def spotted(question: str, titles: Iterable[str]) -> dict[str, Named]:
    """Which titles the question names, and where; of two at one place the longer.

    Capitals do not matter where a title has two words or more.
    """
    said = [
        (word, match.start(), match.start() + len(_POSSESSIVE.sub("", match[0])))
        for match in _SPOKEN.finditer(question)
        for word in plain_words(match[0])
    ]
    words = [word for word, _, _ in said]
    found: dict[str, Named] = {}
    for title in dict.fromkeys(titles):
        wanted = title_words(title)
        if not wanted:
            continue
        for place in range(len(words) - len(wanted) + 1):
            if tuple(words[place : place + len(wanted)]) != wanted:
                continue
            start, end = said[place][1], said[place + len(wanted) - 1][2]
            small = question[start:end].islower() and not question.islower()
            if (len(wanted) > 1 and not small) or _stands_out(question, start, wanted[0]):
                found[title] = Named(question[start:end], start, end)
                break
    return {
        title: named
        for title, named in sorted(found.items(), key=lambda item: item[1].start)
        if not any(
            other.start <= named.start
            and named.end <= other.end
            and len(other.text) > len(named.text)
            for other in found.values()
        )
    }


def _stands_out(question: str, start: int, word: str) -> bool:
    """Whether one word is a name by its capital or number."""
    opens = not question[:start].strip() and word in _OPENERS
    common = opens or word in STOPWORDS or word in _CALENDAR
    return _capital(question[start:]) and not common and len(word) > 1
