"""The labels of an axis, made ready to be looked up by the words of a question."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cogagent.grid import Header
from cogagent.reading.question import Word, words
from cogagent.reading.values import Periods, periods

_SHORTEST = 5
"""Letters of a word from which on one of them may be wrong."""
_SHARED = 0.6
"""How much of the longer of two words both must begin with to be of one family."""
_SQUEEZED = 4
_WIDE = re.compile(r"(?<![\d.,])[12] \d \d \d(?! ?[\d.,])")
_SEASON = re.compile(r"(?<![\d/.,])(\d\d)/(\d\d)(?![\d/.,])")
_CENTURY = 60
"""Two digits below which a season is of this century."""
_HALF = re.compile(r"\b(?:[SH](?P<nth>[12])|(?P<other>[12])H)(?!\w)")
HALVES = {"1": "firsthalf", "2": "secondhalf"}
"""How half years are named here: labels have them as H1 or S2, questions in words."""
_EARLY = re.compile(r"\bJan(?:uary)?\.? [1-7]\b(?! ?\d)")
_NOT_LETTER = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Label:
    """A label, taken apart.

    Attributes:
        stems: Of its own words that mean something, of all if none does.
        colour: Stem of the colour of its series; empty if it has none.
        outer: Stems of the headers that it stands under.
        squeezed: Its letters and digits, folded and joined.
        initials: First letters of its words.
        periods: That it names.
        before: The year that one belongs to which ends in the first days of the next.
        percent: Its values are shares, or changes in per cent.
        timely: It names a period and little else.
    """

    stems: tuple[str, ...]
    colour: str
    outer: frozenset[str]
    squeezed: str
    initials: str
    periods: Periods
    before: frozenset[int]
    percent: bool
    timely: bool

    @property
    def moment(self) -> tuple[int, int, int]:
        """Year, month and day that it begins with; noughts where it names none."""
        year = min(self.periods.get("year", frozenset({0})))
        quarter = 3 * min(self.periods.get("quarter", frozenset({0})))
        month = min(self.periods.get("month", frozenset({quarter - 1 if quarter else -1})))
        return year, month, min(self.periods.get("day", frozenset({0})))


@dataclass(slots=True)
class Axis:
    """The rows or the columns of a grid.

    Attributes:
        headers: As the grid has them.
        labels: The same, taken apart.
        weights: How much each stem tells labels apart, 0 to 1.
        time: Its labels are periods.
        order: Places of the labels in time, or as they stand where they name none.
    """

    headers: Sequence[Header]
    labels: list[Label]
    weights: dict[str, float]
    time: bool
    order: list[int]
    _spellings: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.headers)

    def spelling(self, word: str) -> str | None:
        """The stem of a label that a word means which is spelt a little otherwise, if any."""
        if not self._spellings:
            for stem in self.weights:
                for form in _spellings(stem):
                    self._spellings.setdefault(form, stem)
        for form in _spellings(word):
            if (found := self._spellings.get(form)) is not None:
                return found
        family = [stem for stem in self.weights if _family(stem, word)]
        return family[0] if len(family) == 1 else None


def axis_of(headers: Sequence[Header]) -> Axis:
    """Take the labels of an axis apart."""
    labels = [_label(header) for header in headers]
    often = Counter(stem for label in labels for stem in {*label.stems, *label.outer})
    most = math.log(1 + len(labels)) or 1.0
    weights = {stem: math.log(1 + len(labels) / count) / most for stem, count in often.items()}
    named = sum(label.timely for label in labels)
    others = sum(
        not label.timely and any(map(str.isalpha, header.text))
        for label, header in zip(labels, headers, strict=True)
    )
    time = len(labels) > 1 and named > others
    return Axis(headers, labels, weights, time, _order(labels))


def _order(labels: Sequence[Label]) -> list[int]:
    """Places in time: as they stand, or backwards where the latest stands first."""
    years = any("year" in label.periods for label in labels)
    dated = [label.moment for label in labels if not years or "year" in label.periods]
    later = sum((a < b) - (a > b) for a, b in pairwise(dated))
    places = list(range(len(labels)))
    return places[::-1] if later < 0 else places


def fold(text: str) -> str:
    """Lower case without accents."""
    plain = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in plain if not unicodedata.combining(char))


def squeeze(text: str) -> str:
    """Letters and digits alone, folded: scans lose the blanks between words."""
    return _NOT_LETTER.sub("", fold(text))


def closed(text: str) -> str:
    """Years as they are mostly written: "2 0 1 8" set wide, the season "05/06", and "H1"."""
    text = _HALF.sub(lambda match: HALVES[match["nth"] or match["other"]], text)
    joined = _WIDE.sub(lambda match: match.group().replace(" ", ""), text)
    return _SEASON.sub(_season, joined)


def _season(match: re.Match[str]) -> str:
    first, second = int(match[1]), int(match[2])
    if second != (first + 1) % 100:
        return match.group()
    return f"{20 if first < _CENTURY else 19}{match.group()}"


def _label(header: Header) -> Label:
    own = closed(header.levels[-1] if header.levels else header.text)
    around = " ".join(header.levels[:-1])
    own = own.replace(".", "") if re.fullmatch(r"(?:\w\.)+", own) else own
    found = words(own)
    named = periods(closed(header.text))
    rest = [word for word in found if word.content and not _of_period(own, word)]
    content = rest if named else [word for word in found if word.content] or found
    stems = [fold(word.stem) for word in content]
    if header.total and not found:  # accounts leave the last line of a sum without a name
        stems = ["total"]
    squeezed = squeeze(own)
    early = _EARLY.search(own) and "year" in named
    return Label(
        stems=tuple(dict.fromkeys(stems)),
        colour=fold(header.colour.split()[-1]) if header.colour.strip() else "",
        outer=frozenset(fold(word.stem) for word in words(around) if word.content),
        squeezed=squeezed if len(squeezed) >= _SQUEEZED else "",
        initials=_initials(own, found),
        periods=named,
        before=frozenset(year - 1 for year in named["year"]) if early else frozenset(),
        percent=header.unit == "%",
        timely=bool(named) and len(rest) <= 1,
    )


def _of_period(text: str, word: Word) -> bool:
    piece = text[word.start : word.end]
    return piece.isdigit() or bool(periods(piece)) or word.stem in ("fy", "q", "h", "end", "year")


def _initials(text: str, found: Sequence[Word]) -> str:
    letters = [text[word.start] for word in found if text[word.start].isupper()]
    return "".join(letters).lower() if len(letters) > 1 else ""


def _spellings(word: str) -> list[str]:
    """The word, without its letters that are not of ASCII, and without each one of its letters."""
    folded = fold(word)
    forms = [folded, "".join(char for char in word if char.isascii())]
    if len(folded) >= _SHORTEST and folded.isalpha():
        forms += [folded[:n] + folded[n + 1 :] for n in range(min(len(folded), 24))]
    return [form for form in forms if len(form) >= _SHORTEST - 1]


def _family(one: str, other: str) -> bool:
    """Whether two words begin alike, as Canada and Canadian do."""
    longest = max(len(one), len(other))
    need = max(_SHORTEST, math.ceil(_SHARED * longest))
    return one[:need] == other[:need] and min(len(one), len(other)) >= need
