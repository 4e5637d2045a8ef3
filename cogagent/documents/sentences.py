"""Where sentences begin and end: rules, no model, linear in the text's length.

A full stop ends a sentence unless what stands before it is an abbreviation,
an initial or the number of a list item, or what follows goes on in lower case.
The rules are for European languages; full-width stops and the danda end a
sentence wherever they stand.
"""

from __future__ import annotations

import re

_CLOSERS = "\"')\\]}\u00bb\u201d\u2019"
_OPENERS = "\"'([{\u00ab\u201c\u2018\u201e\u00bf\u00a1"
_NOTE = r"\[[\d,;\s\u2013-]{1,20}\]|(?<=[a-z]{3}\.)\d{1,3}"
# Possessive, and stops only from the first of a run, so that no input makes it quadratic.
# (But no group is: Python up to 3.11.4 then finds the same place for ever.)
_CANDIDATE = re.compile(
    # A paragraph's end, or a line whose next one is an item of a list.
    r"(?P<paragraph>\n[^\S\n]*+\n\s*+|\u2029|\n[^\S\n]*+(?=[-*\u2022\u25aa\u25e6\u2013][^\S\n]))"
    # A stop that needs no space after it.
    rf"|(?P<wide>[\u3002\uff01\uff1f\uff61\u0964\u0965]++[{_CLOSERS}\u300d\u300f\uff09]*+)"
    # A stop, closing quotes, perhaps a note's number, then space.
    rf"|(?<![.!?\u2026\u061f])(?P<stop>[.!?\u2026\u061f]++)"
    rf"[{_CLOSERS}]*+(?:{_NOTE})*[{_CLOSERS}]*+(?P<gap>\s++)"
)
_WORD_BEFORE = re.compile(r"[^\s(\[{\"'\u201c\u2018\u00ab/\u2013\u2014]*$")
_NEXT = re.compile(rf"[{_OPENERS}]*([^\s{_CLOSERS}.,;:!?]*)")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?|(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_ITEM = re.compile(r"\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})(?:\.\d{1,3})*[.)]?")
_LOOKBACK = 40


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NEVER_LAST = _set(
    "mr mrs ms dr prof gen sen rep gov capt col lt sgt rev hon st mt ft messrs mme mlle adm "
    "maj cmdr pres supt e.g eg i.e ie vs viz cf resp approx ca esp incl dipl ing hr fr mgr "
    "pvt figs eqs refs secs"
)
"""Abbreviations that something always follows."""
_BEFORE_NUMBER = _set(
    "no nos p pp fig vol vols sec sect eq art ch chap app tab ref para par ex nr col cols "
    "lines item jan feb mar apr jun jul aug sep sept oct nov dec ver v n op ed al"
)
"""Abbreviations before a number or bracket, and else words like any other."""
_MAYBE_LAST = _set(
    "inc corp ltd co jr sr bros etc dept est univ assn dist ave blvd rd al intl mfg natl govt "
    "gmbh plc llc"
)
"""Abbreviations that end a sentence only if the next word looks like the start of one."""
_STARTERS = _set(
    "the a an this that these those it its he she we they you i his her our their there here "
    "in on at for from by with as if when while where what who why how which after before "
    "since during although though however but and or so then thus also no not all each every "
    "some many most both more such one two to of under over between through because see note "
    "table figure is are was were do does did can could may will would should according "
    "additionally moreover furthermore finally first second third"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of ``text`` as character ranges, in order, without outer white space.

    Every character that is not white space lies in exactly one of them. A blank
    line always ends a sentence.
    """
    found: list[tuple[int, int]] = []
    lower_case = not any(char.isupper() for char in text)
    start = 0
    for match in _CANDIDATE.finditer(text):
        if match["stop"] and not _ends(text, start, match, lower_case=lower_case):
            continue
        end = match.start("gap") if match["stop"] else match.start()
        end = match.end("wide") if match["wide"] else end
        _append(found, text, start, end)
        start = match.end()
    _append(found, text, start, len(text))
    return found


def _append(found: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.lstrip()
    start += len(piece) - len(stripped)
    if stripped := stripped.rstrip():
        found.append((start, start + len(stripped)))


def _ends(text: str, start: int, match: re.Match[str], *, lower_case: bool) -> bool:
    """Whether the stop at ``match`` ends the sentence that began at ``start``."""
    at, after = match.start(), match.end()
    gap = match["gap"]
    if after == len(text) or gap.count("\n") > 1 or "\u2029" in gap:
        return True
    found = _NEXT.match(text, after)
    following = found[1] if found else ""
    word = _word_before(text, max(start, at - _LOOKBACK), at)
    if not text[start:at].strip():  # a stop with nothing before it begins what follows
        return False
    if not word:  # a stop between spaces, as in tokenised text, or after a bracket
        spaced = match["stop"] in (".", "!", "?") and text[at - 1 : at].isspace()
        return spaced or not following[:1].islower()
    if text[start:at].strip() == word and _ITEM.fullmatch(word):
        return False
    if following[:1].islower() and not lower_case:
        return False
    if match["stop"] != ".":
        return True
    return not _abbreviated(word, following, text[after])


def _word_before(text: str, start: int, at: int) -> str:
    found = _WORD_BEFORE.search(text[start:at])
    return found[0] if found else ""


def _abbreviated(word: str, following: str, first: str) -> bool:
    """Whether a full stop after ``word`` belongs to it and ends no sentence."""
    plain = word.casefold()
    starts = following.casefold() in _STARTERS and following[:1].isupper()
    if plain in _NEVER_LAST:
        return True
    if plain in _BEFORE_NUMBER and (first.isdigit() or first in "(["):
        return True
    if plain in ("a.m", "p.m"):
        return False
    initials = _INITIALS.fullmatch(word) or (len(word) == 1 and word.isupper())
    if initials or plain in _MAYBE_LAST:
        return not starts and first not in "\"'\u201c\u2018"
    return False
