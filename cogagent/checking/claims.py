"""An answer cut into the claims that it makes and the markers behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cogagent.documents.sentences import sentences

_GROUP = r"\[\s*+\d{1,4}(?:\s*+(?:,|;|-|\u2013)\s*+\d{1,4})*\s*+\]"
# From the first of a run of white space only, or a long one would take quadratic time.
_MARKERS = re.compile(rf"(?:(?<!\s)\s*+|(?=\[)){_GROUP}(?:\s*+{_GROUP})*")
_OPEN = re.compile(r"(?:\s*+\[[\d\s,;\u2013-]*+\]?)*\s*+")
_NUMBERS = re.compile(r"(\d+)(?:\s*[-\u2013]\s*(\d+))?")
_MOST_IN_A_RANGE = 50
_NO_CLAIM = re.compile(
    r"(?:not found\s*:|there is nothing in this collection|closest\s*:"
    r"|(?:sources?|references?)\s*:"
    r"|i (?:do not|don't|could not|couldn't|cannot|can't) |the (?:provided )?(?:evidence|context|"
    r"documents?|sources?|passages?) (?:do(?:es)? not|don't|doesn't|gives? no|contains? no)"
    r"|based on the (?:evidence|documents?|sources?),?\s*:?$"
    r"|(?:yes|no|sure|certainly|in (?:summary|short|conclusion)|here (?:is|are)\b[^.]*)[,.:!]?$)",
    re.IGNORECASE,
)
_HEADING = re.compile(r"#{1,6}\s|\*\*[^*]+\*\*:?$|[^.!?]{1,80}:$")
_BULLET = re.compile(r"^(?:[-*\u2022\u2013]|\(?\d{1,2}[.)])\s+")
_WORD = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a sentence and the markers that follow it.

    Attributes:
        start: First character in the answer.
        end: One past the last, markers left out.
        text: These characters.
        markers: What it cites; empty if it cites nothing.
    """

    start: int
    end: int
    text: str
    markers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer that claims something.

    Attributes:
        start: First character in the answer.
        end: One past the last, markers included.
        text: These characters.
        parts: What it says, cut behind each group of markers.
    """

    start: int
    end: int
    text: str
    parts: tuple[Part, ...]

    @property
    def markers(self) -> tuple[int, ...]:
        """Every marker once, in order."""
        return tuple(dict.fromkeys(marker for part in self.parts for marker in part.markers))


def claims(text: str) -> list[Sentence]:
    """The sentences of ``text`` that claim something; headings and "Not found: …" do not.

    A marker may stand before the full stop or behind it. What follows the last
    marker of a sentence is covered by that marker.
    """
    found = []
    for start, end in ranges(text):
        piece = text[start:end]
        bare = _BULLET.sub("", _MARKERS.sub("", piece)).strip()
        cited = _MARKERS.search(piece) is not None
        if not _WORD.search(bare) or _NO_CLAIM.match(bare):
            continue
        if _HEADING.match(piece.strip()) and not cited:
            continue
        found.append(Sentence(start, end, piece, tuple(_parts(text, start, end))))
    return found


def ranges(text: str) -> list[tuple[int, int]]:
    """Sentences as character ranges, lines apart, with the markers behind their full stops."""
    found: list[tuple[int, int]] = []
    for line in re.finditer(r"[^\n]+", text):
        # Markers are blanked, so that no rule of the splitter trips over them.
        blanked = _MARKERS.sub(lambda m: " " * len(m[0]), line[0])
        offset = line.start()
        marks = [(m.start(), m.end()) for m in _MARKERS.finditer(line[0])]
        for number, (first, end) in enumerate(sentences(blanked)):
            opening = number == 0 and bool(marks) and marks[0][0] < first
            start = marks[0][0] if opening else first
            following = [stop for begin, stop in marks if begin <= end < stop or begin == end]
            stop = max([end, *following])
            found.append((offset + start, offset + stop))
        if found and marks and marks[-1][1] + offset > found[-1][1] >= offset:
            tail = line[0][found[-1][1] - offset : marks[-1][1]]
            if not _WORD.search(_MARKERS.sub("", tail)):
                found[-1] = (found[-1][0], offset + marks[-1][1])
    return found


def settled(text: str) -> list[tuple[int, int]]:
    """The :func:`ranges` of a text that goes on which stay as they are.

    The last sentence may go on, and so may the markers behind the one before it.
    """
    found = ranges(text)
    while len(found) > 1 and _OPEN.fullmatch(text, *found[-1]):
        found.pop()
    return found[:-1]


def renumbered(text: str, numbers: Mapping[int, int]) -> str:
    """``text`` with its markers numbered anew, one in each pair of brackets.

    Args:
        text: With markers in any form: ``[1]``, ``[1, 3]``, ``[1-3]``, ``[1][3]``.
        numbers: The new number of each; a marker that is not among them is left out.
    """

    def replaced(match: re.Match[str]) -> str:
        new = dict.fromkeys(numbers[old] for old in _numbers(match[0]) if old in numbers)
        if not new:
            return ""
        before = match[0][: len(match[0]) - len(match[0].lstrip())]
        return before + "".join(f"[{number}]" for number in new)

    return _MARKERS.sub(replaced, text)


def _parts(text: str, start: int, end: int) -> list[Part]:
    parts: list[Part] = []
    at = start
    for match in _MARKERS.finditer(text, start, end):
        said = text[at : match.start()]
        if _WORD.search(said):
            parts.append(Part(at, match.start(), said, _numbers(match[0])))
        elif parts:
            last = parts.pop()
            parts.append(
                Part(last.start, last.end, last.text, (*last.markers, *_numbers(match[0])))
            )
        else:  # markers that open a sentence stand for all of it
            rest = _MARKERS.sub(lambda m: " " * len(m[0]), text[match.end() : end])
            return [Part(match.end(), end, rest, _numbers(text[start:end]))]
        at = match.end()
    rest = text[at:end]
    if _WORD.search(rest):
        parts.append(Part(at, end, rest, parts[-1].markers if parts else ()))
    return parts


def _numbers(group: str) -> tuple[int, ...]:
    found: list[int] = []
    for match in _NUMBERS.finditer(group):
        first, last = int(match[1]), int(match[2] or match[1])
        found += range(first, min(last, first + _MOST_IN_A_RANGE) + 1)
    return tuple(dict.fromkeys(found))
