"""The wording of sums: what is said around them, numbers in words, names of operations."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

_LONGEST = 200
"""Characters of a sum that are shown."""


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a sum.

    Attributes:
        kind: ``number``, or the sign or word that it is.
        text: As it is shown.
        value: Of a number.
    """

    kind: str
    text: str
    value: Fraction = Fraction(0)


def tokens_of(question: str) -> list[Token]:
    """The parts of the sum that a question is; none if it is no sum.

    It is one if every word of it belongs to one, there is something to work out,
    and it is no date, range or name such as ``9/11``.
    """
    said, asked = _bared(_ascii(question))
    found = _split(said)
    return found if _is_sum(said, found, asked=asked) else []


def shown(tokens: list[Token]) -> str:
    """A sum as it was understood."""
    text = " ".join(token.text for token in tokens)
    text = re.sub(r"(?<=\() | (?=[),!%])", "", text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


# --- what stands around it -------------------------------------------------

_SIGNS = str.maketrans(
    dict.fromkeys("\u00d7\u2715\u2a2f\u00b7\u2219\u22c5", "*")
    | dict.fromkeys("\u00f7\u2215", "/")
    | dict.fromkeys("\u2212\u2013\u2014", "-")
    | dict.fromkeys("{[", "(")
    | dict.fromkeys("}]", ")")
    | {"\u221a": " sqrt ", "\u00b2": "^2", "\u00b3": "^3", "\u2019": "'"}
)
"""Signs of multiplication, division and subtraction, brackets, roots and powers."""


def _ascii(text: str) -> str:
    """Lower case, with figures and signs of any script as those of ASCII."""
    made = ""
    for char in text.translate(_SIGNS):
        digit = unicodedata.decimal(char, None)
        if digit is not None:
            made += str(digit)
        elif unicodedata.category(char) == "No" and (part := unicodedata.numeric(char, None)):
            # "3 1/2" in one sign is a sum of its own.
            whole = made.rstrip()
            made = (
                f"{whole}{part:.9g}".replace("0.", ".")
                if whole[-1:].isdigit()
                else made + (f"({Fraction(part).limit_denominator(1000)})")
            )
        else:
            made += unicodedata.normalize("NFKC", char)
    return made.lower()


_BEFORE = re.compile(
    r"(?:\s|[,.:;!]|(?:ok(?:ay)?|so|well|hi|hello|hey|please|and|now|then|quick question|"
    r"(?:can|could|would|will) you(?: please)?(?: help me)?|i (?:want|need|would like) to know|"
    r"do you know|tell me|give me|let me know|how much (?:is|are|do|does)|"
    r"(?P<task>calculate|compute|evaluate|solve|simplify|work out|figure out|do the math|find)|"
    r"what(?:'?s| is| are| does| do you get (?:if|when) you| do| will be)?|"
    r"the (?:value|result|answer|outcome) (?:of|to|for))(?!\w))*"
)
_AFTER = re.compile(
    r"(?:\s|[?.,;:=]|(?<![\d)])!|(?<!\w)(?:please|for me|thanks|thank you|now|"
    r"(?:is )?equals?(?: to)?|what|make|come to|give|in total|altogether|my friend)(?!\w))+$"
)


def _bared(text: str) -> tuple[str, bool]:
    """What is left without the words around it, and whether these ask to work it out."""
    asked = False
    if after := _AFTER.search(text):
        asked = "=" in after.group()
        text = text[: after.start()]
    if before := _BEFORE.match(text):
        asked = asked or before["task"] is not None
        text = text[before.end() :]
    return text.strip(), asked


# --- its parts -------------------------------------------------------------

_WORDS: tuple[tuple[str, str], ...] = (
    (r"(?:raised )?to the power(?: of)?", "^"),
    (r"multiplied (?:by|with)|times|x", "*"),
    (r"(?:is )?divided by|over", "/"),
    (r"plus|added to", "+"),
    (r"minus|less|take away", "-"),
    (r"mod(?:ulo)?", "mod"),
    (r"per ?cent", "%"),
    (r"(?:the )?(?:square root|sqrt)(?: of)?", "sqrt"),
    (r"(?:the )?(?:cube|cubic) root(?: of)?", "cbrt"),
    (r"(?:the )?(?:sum|total) of", "sum"),
    (r"(?:the )?product of", "product"),
    (r"(?:the )?difference (?:between|of)", "difference"),
    (r"(?:the )?quotient of", "quotient"),
    (r"(?:the )?remainder (?:of|when)", "remainder"),
    (r"(?:the )?(?:average|mean) of", "mean"),
    (r"(?:the )?square of", "square"),
    (r"(?:the )?cube of", "cube"),
    (r"(?:the )?factorial of", "factorial"),
    (r"squared", "squared"),
    (r"cubed", "cubed"),
    (r"factorial", "!"),
    (r"(?:a |one )?half(?: of)?", "half"),
    (r"(?:a |one )?third of", "third"),
    (r"(?:a |one )?quarter of", "quarter"),
    (r"twice|double", "twice"),
    (r"triple|thrice", "thrice"),
    (r"add", "add"),
    (r"subtract|deduct|take", "subtract"),
    (r"multiply", "multiply"),
    (r"divide", "divide"),
    (r"of", "of"),
    (r"by|with", "by"),
    (r"to", "to"),
    (r"(?:away )?from", "from"),
    (r"and", "and"),
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d.])|\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<sign>\*\*|[-+*/^()%!,])|"
    + "|".join(rf"(?P<w{n}>(?<!\w)(?:{words})(?!\w))" for n, (words, _) in enumerate(_WORDS))
    + ")"
)
_SIGN = {"**": "^", ",": "and"}


def _split(text: str) -> list[Token]:
    """The parts of a sum; none if something belongs to none."""
    text = re.sub(r"(?<=\d)\s*x\s*(?=\d)", " * ", text)
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text)  # "twenty-one"
    found: list[Token] = []
    position = 0
    while position < len(text):
        if spelt := _spelt(text, position):
            position, value = spelt
            found.append(Token("number", str(value), Fraction(value)))
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            return []
        kind = str(match.lastgroup)
        said = match.group(kind)
        if kind == "number":
            found.append(Token(kind, said, Fraction(said.replace(",", ""))))
        elif kind == "sign":
            found.append(Token(_SIGN.get(said, said), said))
        else:
            found.append(Token(_WORDS[int(kind[1:])][1], said))
        position = match.end()
    return found


_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBERS = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "dozen": 12}
_SPELT = re.compile(
    r"\s*(?<!\w)(?:(?P<unit>" + "|".join(_NUMBERS) + r")|(?P<scale>" + "|".join(_SCALES) + r")"
    r"|(?P<a>an?(?=\s+(?:" + "|".join(_SCALES) + r")(?!\w)))"
    r"|(?P<and>and(?=\s+(?:" + "|".join(_NUMBERS) + r")(?!\w))))(?!\w)"
)


def _spelt(text: str, position: int) -> tuple[int, int] | None:
    """A number in words that stands at ``position``: its end and value."""
    total = part = 0
    found: tuple[int, int] | None = None
    joined = False
    while match := _SPELT.match(text, position):
        kind, word = str(match.lastgroup), match.group(str(match.lastgroup))
        if kind == "unit":
            if found and not (joined or _continues(part, _NUMBERS[word])):
                break
            part += _NUMBERS[word]
        elif kind == "scale" and found:
            part *= _SCALES[word]
            if _SCALES[word] >= 1000:
                total, part = total + part, 0
        elif kind == "a" and not found:
            part = 1
        elif kind != "and" or not found or part % 100 or not (part or total):
            break  # "two and three" are two numbers, "a hundred and three" is one
        position, joined = match.end(), kind == "and"
        if not joined:
            found = (position, total + part)
    return found


def _continues(part: int, value: int) -> bool:
    """Whether a number word goes on with a number: "twenty one", "hundred five"."""
    below = part % 100
    return below == 0 or (below >= 20 and below % 10 == 0 and 0 < value < 10)


# --- whether it is one -----------------------------------------------------

_DATE = re.compile(r"\d+(?:(?P<sign>[-/])\d+)+")
_YEARS = range(1000, 2101)
_NO_WORK = frozenset(("number", "(", ")", "and", "of", "%", "to", "from", "by"))


def _is_sum(said: str, tokens: list[Token], *, asked: bool) -> bool:
    """Whether there is something to work out."""
    kinds = [token.kind for token in tokens]
    if "number" not in kinds or kinds in (["-", "number"], ["+", "number"]):
        return False
    if set(kinds) <= _NO_WORK and ("%", "of") not in pairwise(kinds):
        return False
    if asked or not _DATE.fullmatch(said):
        return True
    first, *rest = map(int, re.split("[-/]", said))
    if len(rest) != 1:
        return False
    if "/" in said:  # 144/12 is a sum, 9/11 and 24/7 are names
        return rest[0] != 0 and first % rest[0] == 0
    return first not in _YEARS
