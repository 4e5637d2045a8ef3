"""Proper names of a text, and whether evidence names the same."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from cogagent.checking.fold import fold
from cogagent.documents.sentences import sentences
from cogagent.reading.question import STOPWORDS, stem

_CAPITAL = r"(?:[^\W\d_a-z](?:\.[^\W\d_a-z])+\.?|[^\W\d_a-z][\w'\u2019&-]*(?:\.(?=[A-Z]\.))?)"
_LINK = (
    r"(?:of|of the|de|del|della|da|di|do|dos|du|von|van|van der|van den|der|den|la|le|al|bin|ibn"
    r"|y)"
)
_NAME = re.compile(rf"(?<!\w){_CAPITAL}(?:(?: | {_LINK} |-|\u2013){_CAPITAL})*(?!\w)")
_TITLES = frozenset(
    "mr mrs ms miss dr prof professor sir dame lord lady president senator king queen prince "
    "princess pope saint st general captain colonel lieutenant sergeant major judge justice chief "
    "minister premier chancellor ceo cfo coach director rev reverend the emperor governor mayor "
    "company inc incorporated corp corporation ltd limited llc plc co ag sa nv group holdings "
    "fellow former".split()
)
"""Words of a name that evidence need not have."""
_MONTHS = (
    "january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
).split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_COMMON = frozenset(
    "however although while when where since because after before during despite between among "
    "other others both each many most some several few these those such that this there here "
    "overall total net operating additionally furthermore moreover also then thus therefore "
    "according based following under within in on at by for from with without its their his her "
    "our we they it he she you yes no not found today later earlier finally first second third "
    "one two three four five six seven eight nine ten about nearly roughly approximately almost "
    "whereas unlike like including respectively meanwhile instead even only once if as so but "
    "and or nor yet per all any every another what which who whom whose why how figure table "
    "page section note notes item items i ii iii iv".split()
)
_INITIALS = re.compile(r"(?:[^\W\d_][.&]?){2,8}")
_DOTTED = re.compile(
    r"(?<!\w)(?:(?:[^\W\d_]\.)+[^\W\d_](?!\w)\.?|(?:[^\W\d_]\.){2,}|[A-Z]{1,4}&[A-Z]{1,3}(?!\w))"
)
ROMAN = re.compile(r"[ivx]{1,4}")
_PERIOD = re.compile(r"(?:FY|CY|Q|H)\s?'?\d{1,4}\w{0,4}|\d?[QH]")
_SPELT = 4
"""Words that an abbreviation may stand for."""
_TOKEN = re.compile(r"[^\W_]+(?:['\u2019][^\W\d_]+)?")


@dataclass(frozen=True, slots=True)
class Name:
    """A proper name of a text.

    Attributes:
        start: First character.
        end: One past the last.
        text: These characters.
        tokens: Its words folded and stemmed, titles and links left out.
        opens: It is one word that opens its sentence: perhaps no name at all.
    """

    start: int
    end: int
    text: str
    tokens: tuple[str, ...]
    opens: bool = False


def names(text: str) -> list[Name]:
    """The proper names of ``text``, in order; months, days and bare titles are none."""
    opening = {start for start, _ in sentences(text)}
    found: list[Name] = []
    for match in _NAME.finditer(text):
        start, end = match.span()
        first = _TOKEN.match(text, start, end)
        opens = start in opening or text[max(0, start - 2) : start].strip() in ('"', "\u201c", "(")
        while first and _drops(first[0]) and first.end() < end:
            start = first.end()
            while start < end and not text[start].isalnum():
                start += 1
            opens = False
            first = _TOKEN.match(text, start, end)
        raw = text[start:end].rstrip(".'\u2019-")
        kept = tokens_of(text[start:end])
        if _PERIOD.fullmatch(raw):
            continue
        if not kept or not raw[0].isupper() or (len(kept) == 1 and _drops(raw)):
            continue
        single = opens and len(kept) == 1 and not _shout(raw[:3].rstrip("'\u2019"))
        found.append(Name(start, start + len(raw), raw, kept, single))
    return found


def _drops(word: str) -> bool:
    lowered = word.lower()
    return (
        lowered in STOPWORDS or lowered in _COMMON or lowered in _MONTHS or lowered in _DAYS
    ) and not (word.isupper() and len(word) > 1)


def tokens_of(name: str) -> tuple[str, ...]:
    """The words of a name as they are compared; of a title alone, the title."""
    kept = [
        stem(plain)
        for word in tokens(name)
        if (plain := _plain(word))
        and not plain.isdigit()
        and (_shout(word) or (plain not in _TITLES and plain not in STOPWORDS))
    ]
    return tuple(kept)


def tokens(text: str) -> list[str]:
    """The words of a text as they stand, abbreviations without their stops."""
    return _TOKEN.findall(_DOTTED.sub(lambda m: re.sub(r"[.&]", "", m[0]), text))


def _shout(word: str) -> bool:
    return len(word) > 1 and word.isupper()


@lru_cache(maxsize=16384)
def _plain(word: str) -> str:
    """A word folded, without accents."""
    folded = fold(word).text
    return "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))


def months(text: str) -> set[str]:
    """The months that ``text`` names, by their first three letters."""
    return {
        match[0][:3].lower()
        for match in re.finditer(rf"\b(?:{'|'.join(_MONTHS)})\b", text, re.IGNORECASE)
        if match[0][:1].isupper()
    }


class Known:
    """The names of some evidence, to look others up among.

    Args:
        text: Text of the evidence, with its title, headings and caption.
    """

    def __init__(self, text: str) -> None:
        self._words = [_plain(word) for word in tokens(text)]
        self._stems = [stem(word) for word in self._words]
        self._set = frozenset(self._stems)
        self._prefixes: dict[str, set[str]] = {}
        for token in self._set:
            self._prefixes.setdefault(token[:4], set()).add(token)
        self._joined = "".join(self._words)
        # World War II is WWII: numerals stand whole.
        self._initials = "".join(w if ROMAN.fullmatch(w) else w[0] for w in self._words)
        content = [word for word in self._words if word not in STOPWORDS]
        self._content_initials = "".join(word[0] for word in content)

    def has(self, name: Name) -> bool:
        """Whether the evidence names ``name``: whole, in part, shortened or spelt out."""
        if self._run_together(name):
            return True
        found = [self._forms(token) for token in name.tokens]
        if all(found) and (len(found) == 1 or self._together(found)):
            return True
        if self._abbreviated(name):
            return True
        # Within a longer name, the evidence may spell out an abbreviation, or abbreviate.
        short = {stem(_plain(word)): word for word in tokens(name.text) if _shout(word)}
        spelt = [t for t in name.tokens if t in short and self._spelt_out(short[t])]
        missing = [
            t for t, forms in zip(name.tokens, found, strict=True) if not forms and t not in spelt
        ]
        initials = "".join(token[0] for token in missing)
        if missing and (len(missing) < 2 or initials not in self._set):
            return False
        rest = [
            forms
            for token, forms in zip(name.tokens, found, strict=True)
            if forms and token not in spelt
        ]
        return bool(spelt or missing) and (len(rest) < 2 or self._together(rest, len(short)))

    def _forms(self, token: str) -> set[str]:
        """The stems of the evidence that are this one, in another form perhaps."""
        if token in self._set:
            return {token}
        if len(token) == 1:
            return {other for other in self._set if other[0] == token}
        return {other for other in self._prefixes.get(token[:4], ()) if related(token, other)}

    def _together(self, found: list[set[str]], spelt: int = 0) -> bool:
        """Whether the words of a name stand near each other somewhere.

        Args:
            found: For each of its words the stems that it may be.
            spelt: How many of its words are abbreviations, which may be spelt out there.
        """
        places = [[n for n, other in enumerate(self._stems) if other in forms] for forms in found]
        reach = len(found) + 1 + _SPELT * spelt
        rarest = min(places, key=len)
        return any(
            all(any(abs(at - anchor) <= reach for at in others) for others in places)
            for anchor in rarest
        )

    def _abbreviated(self, name: Name) -> bool:
        """Initials of words that stand in the evidence, or words whose initials do."""
        raw = name.text.replace(".", "")
        if len(name.tokens) == 1 and _INITIALS.fullmatch(name.text) and raw[:2].isupper():
            return self._spelt_out(raw.replace("&", "").rstrip("s"))
        whole = tokens(name.text)
        if len(whole) < 2:
            return False
        initials = _plain("".join(word[0] for word in whole))
        capitals = _plain("".join(word[0] for word in whole if word[0].isupper()))
        words = set(self._words)
        return any(len(short) >= 2 and short in words for short in (initials, capitals))

    def _spelt_out(self, short: str) -> bool:
        """Whether words of the evidence in a row have these initials."""
        letters = _plain(short)
        return (len(letters) >= 3 and letters in self._initials) or (
            len(letters) >= 2 and letters in self._content_initials
        )

    def _run_together(self, name: Name) -> bool:
        """Spaces and hyphens set otherwise."""
        squashed = "".join(_plain(word) for word in tokens(name.text))
        return len(squashed) >= 5 and squashed in self._joined


def related(one: str, other: str) -> bool:
    """Whether two stems are forms of one name, as Germany and German are."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < 4:
        return False
    common = 0
    for a, b in zip(short, long, strict=False):
        if a != b:
            break
        common += 1
    ends = ("", "n", "an", "ian", "ean", "s", "es", "ish", "i", "y", "ese", "e", "ic", "a", "ia")
    return common >= 4 and short[common:] in ends and long[common:] in ends
