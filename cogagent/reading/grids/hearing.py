"""The words of a question, held against the labels of an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cogagent.reading.grids.asking import Asked, Mention
from cogagent.reading.grids.labels import HALVES, Axis, Label, fold, squeeze
from cogagent.reading.question import Word, stem
from cogagent.reading.values import conflict

_MISSED = 0.3
"""What a word of a label counts that the question does not have."""
_PHRASE = 0.25
_OUTER = 0.4
_LONGER = 0.5
_AROUND = 0.1
"""What a word of a section or spanning header counts that the question does not have."""
_UNASKED = 1.0
"""What speaks against a column of shares where none is asked for."""
_WORKING = 0.4
"""What a word counts that says what to do ("total", "increase") and may also name something."""
_YEAR = 2.0
_LOOSE = 1.0
_LEAST = 0.01
_HALVES = {"first": "1", "1st": "1", "second": "2", "2nd": "2"}
_COLOURED = 0.8
_SHORT, _LONG = 2, 5
"""Words of a name that is known by its initials."""


@dataclass(frozen=True, slots=True)
class Match:
    """A label that a question may name.

    Attributes:
        index: Its place on the axis.
        score: How much speaks for it; comparable on one axis.
        share: How much of the label's own words the question has, 0 to 1.
        at: Places of the question's words that name it.
        runs: Where its words stand together, each time.
        mention: Which of the question's years it is of; ``None`` if of none.
    """

    index: int
    score: float
    share: float
    at: frozenset[int]
    runs: tuple[frozenset[int], ...] = ()
    mention: int | None = None


class Heard:
    """The words of a question as the labels of an axis would have them.

    Args:
        asked: The question.
        axis: Rows or columns.
        taken: Places of words that name something else.
    """

    def __init__(self, asked: Asked, axis: Axis, taken: frozenset[int]) -> None:
        self.asked = asked
        self.axis = axis
        free = [n for n in range(len(asked.words)) if n not in taken]
        self.places: dict[str, list[int]] = {}
        self.stems = [fold(word.stem) for word in asked.words]
        for n in free:
            self.places.setdefault(self.stems[n], []).append(n)
        self.mentions = _told(asked.mentions, axis)
        for n in free:
            word = asked.words[n]
            if self.stems[n] in axis.weights or not (word.content and self.stems[n].isalpha()):
                continue
            meant = axis.spelling(self.stems[n])
            if meant is not None and meant not in self.places:
                self.places[meant] = [n]
        self._add_halves()
        self._order = [n for n in free if asked.words[n].content]
        self._content = {n: at for at, n in enumerate(self._order)}
        self._squeezed, self._starts = _joined(asked.text, asked.words, taken)
        self._short = {
            asked.text[word.start : word.end].lower(): n
            for n, word in enumerate(asked.words)
            if n not in taken and _acronym(asked.text[word.start : word.end])
        }
        self._initials = _initials(asked, free)

    def _add_halves(self) -> None:
        """Half years are named in words and labelled H1 or S2."""
        for first, second in pairwise(range(len(self.stems))):
            nth = _HALVES.get(self.stems[first])
            if nth and self.stems[second] == "half":
                self.places.setdefault(stem(HALVES[nth]), [second])

    def match(self, index: int) -> Match | None:
        """What speaks for a label, if anything."""
        label = self.axis.labels[index]
        mention, dated = self._period(label)
        if mention is None and dated < 0:
            return None
        at, runs, score, share = self._words(label)
        if not at and mention is None:
            return None
        score = max(score, _LEAST) if mention is None else score + dated
        return Match(index, score, share, at, runs, mention)

    def _period(self, label: Label) -> tuple[int | None, float]:
        """Which year of the question the label is of, and what that counts; -1 if of another."""
        asked = self.asked
        others = {k: v for k, v in asked.periods.items() if k != "year"}
        if others and conflict(others, label.periods):
            return None, -1.0
        years = label.periods.get("year")
        finer = sum(others[k] == label.periods.get(k) for k in others)
        if not years or not self.mentions:
            return (0, _YEAR * finer) if finer and label.timely else (None, 0.0)
        best: tuple[int | None, float] = (None, -1.0)
        whole = frozenset().union(*(mention.years for mention in self.mentions))
        if len(years) > 1 and years == whole and asked.ranged:
            return 0, 2 * _YEAR  # "between 2012 and 2016" is a label
        for number, mention in enumerate(self.mentions):
            if mention.years == years:
                return number, _YEAR + _YEAR * finer
            if mention.years & (years | label.before) and best[1] < 0:
                best = number, _LOOSE + _YEAR * finer
        return best

    def _words(
        self, label: Label
    ) -> tuple[frozenset[int], tuple[frozenset[int], ...], float, float]:
        """Places of its words, where they stand together, what speaks for it, its share there."""
        weights, places = self.axis.weights, self.places
        at: set[int] = set()
        hit = missed = 0.0
        for name in label.stems:
            if name in places:
                working = all(n in self.asked.working for n in places[name])
                hit += weights[name] * (_WORKING if working else 1.0)
                at.update(places[name])
            else:
                missed += weights[name]
        content = any(self.asked.words[n].content for n in at)
        outer = [name for name in label.outer if name in places]
        around = _OUTER * sum(weights[name] for name in outer)
        around -= _AROUND * sum(weights[name] for name in label.outer - set(outer))
        around -= _UNASKED if label.percent and not self.asked.percent else 0.0
        runs = self._runs(label)
        if runs and not (at and content and label.stems):
            at.update(*runs)
        elif not at and label.colour in places:
            painted = frozenset(places[label.colour])
            return painted, (painted,), _COLOURED + around, 1.0
        elif not at or not content:
            return frozenset(), (), min(around, 0.0), 0.0
        if runs and not missed:
            longest = max(len(run) for run in runs)
            score = max(hit, 0.5) + _PHRASE + _LONGER * longest + around
            return frozenset(at).union(*runs), runs, score, 1.0
        share = hit / (hit + missed) if hit + missed else 0.0
        named = at | {n for name in outer for n in places[name]}
        return frozenset(named), runs, hit - _MISSED * missed + around, share

    def _runs(self, label: Label) -> tuple[frozenset[int], ...]:
        """Where the words of a label stand together in its order, or its initials."""
        if label.initials and label.initials in self._short:
            return (frozenset({self._short[label.initials]}),)
        names = [name for name in label.stems if not name.isdigit()]
        if len(names) == 1 and names[0] in self._initials:
            return (self._initials[names[0]],)
        found = {*self._squeezed_runs(label), *self._stem_runs(label)}
        return tuple(sorted(found, key=min))

    def _squeezed_runs(self, label: Label) -> list[frozenset[int]]:
        """Where the label stands when blanks are left out."""
        found: list[frozenset[int]] = []
        if not label.squeezed or label.squeezed.isdigit():
            return found
        start = self._squeezed.find(label.squeezed)
        while start >= 0:
            end = start + len(label.squeezed)
            if start in self._starts and (end == len(self._squeezed) or end in self._starts):
                found.append(frozenset(n for at, n in self._starts.items() if start <= at < end))
            start = self._squeezed.find(label.squeezed, end)
        return found

    def _stem_runs(self, label: Label) -> list[frozenset[int]]:
        if not label.stems or label.stems[0] not in self.places:
            return []
        first, *rest = label.stems
        found = []
        for place in self.places[first]:
            at = self._content.get(place)
            if at is None:
                continue
            following = self._order[at + 1 : at + 1 + len(rest)]
            if [self.stems[n] for n in following] == rest:
                found.append(frozenset({place, *following}))
        return found

    def apart(self, at: frozenset[int], used: frozenset[int]) -> bool:
        """Whether words do not go on with others: "gaming hardware" names no two things."""
        words, text = self.asked.words, self.asked.text
        beside = [(n - 1, n) for n in at if n - 1 in used] + [
            (n, n + 1) for n in at if n + 1 in used
        ]
        return all("," in text[words[a].end : words[b].start] for a, b in beside)


def _told(mentions: Sequence[Mention], axis: Axis) -> list[Mention]:
    """The years of a question; "2018-2019" as one where a label is of both, else as two."""
    told: list[Mention] = []
    for mention in mentions:
        if len(mention.years) > 1 and not any(
            label.periods.get("year") == mention.years for label in axis.labels
        ):
            alone = [Mention(mention.start, frozenset({year})) for year in sorted(mention.years)]
            known = frozenset().union(*(label.periods.get("year", ()) for label in axis.labels))
            if mention.years <= known:
                told += alone
                continue
        told.append(mention)
    return told


def _acronym(word: str) -> bool:
    return 2 <= len(word) <= 6 and word.isupper() and word.isalpha()


def _initials(asked: Asked, free: Sequence[int]) -> dict[str, frozenset[int]]:
    """Initials of names in several words, such as United States: the label may have these."""
    found: dict[str, frozenset[int]] = {}
    run: list[int] = []
    for n in (*free, len(asked.words)):
        if n < len(asked.words) and asked.text[asked.words[n].start].isupper():
            run.append(n)
            continue
        if _SHORT <= len(run) <= _LONG:
            letters = "".join(asked.text[asked.words[m].start] for m in run).lower()
            found |= {letters: frozenset(run), f"{letters}a": frozenset(run)}
        run = []
    return found


def _joined(text: str, found: Sequence[Word], taken: frozenset[int]) -> tuple[str, dict[int, int]]:
    """The question without blanks, and where in it each word begins."""
    joined, starts = "", {}
    for n, word in enumerate(found):
        if n in taken:
            joined += "\n"
            continue
        starts[len(joined)] = n
        joined += squeeze(text[word.start : word.end])
    return joined, starts
