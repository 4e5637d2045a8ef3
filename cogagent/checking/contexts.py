"""Whether a number or name of a claim stands in evidence among the words it has in the claim.

"Davis had 11 sacks" is not supported by "Short led with 11 sacks. Davis had
five": both stand there, not together. For each number and name of the claim,
the words around it are compared with those around the same one in the
evidence, and with those around every other of its kind there: a rival that
fits better is what the claim should have said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cogagent.checking.names import ROMAN, Name, related
from cogagent.checking.pieces import Piece, What, around, content, is_year, years
from cogagent.reading.quantities import Quantity, equal, quantities
from cogagent.reading.question import words

_REACH = 4.0
"""Words from a number or name at which a word counts half."""
_PASSIVE = re.compile(
    r"\b(?:is|are|was|were|be|been|being)\s+(?:\w+ly\s+)?\w+(?:ed|en|wn|ght|ld|de|un|ung|ne)\b"
    r"[^.;]{0,60}?\bby\b",
    re.IGNORECASE,
)
_BY_PRONOUN = 0.9
"""What a name counts that only a pronoun stands for."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A number or name of a claim, with the words around it.

    Attributes:
        what: The number or name.
        around: Each other content word's stem and its signed distance in words.
        year: The year that a number is of, where the claim is clear about it.
    """

    what: Quantity | Name
    around: tuple[tuple[str, int], ...]
    year: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a place of the evidence fits an anchor: shares of its words, 0 to 1.

    Attributes:
        flat: Words of the same sentence or row.
        near: The same, near ones counting more.
        side: The same, on the same side only, or on the other where one is passive.
        tight: The nearest words alone, each counting half of the one before.
    """

    flat: float = 0.0
    near: float = 0.0
    side: float = 0.0
    tight: float = 0.0

    def total(self) -> float:
        """All of them as one, to compare places by."""
        return self.flat + self.near + self.side + self.tight

    def less(self, other: Fit) -> Fit:
        """What it has over ``other``."""
        return Fit(
            self.flat - other.flat, self.near - other.near, self.side - other.side,
            self.tight - other.tight,
        )  # fmt: skip

    def times(self, factor: float) -> Fit:
        """All of them ``factor`` times."""
        return Fit(self.flat * factor, self.near * factor, self.side * factor, self.tight * factor)


_ANTECEDENT = 3
"""Sentences before a pronoun in which its name may stand."""
_NOTHING = Fit(-1.0, -1.0, -1.0, -1.0)


@dataclass(frozen=True, slots=True)
class Place:
    """A number or name of the evidence, or a word that stands for a name.

    Attributes:
        what: The number or name; a text for a pronoun.
        piece: Number of the piece.
        span: Number of its sentence or row in the piece.
        fit: How well it fits the anchor.
        years: The years among its words.
        around: Its words and their signed distances.
        row: It stands in a row.
        flip: One of claim and sentence is in the passive.
    """

    what: What
    piece: int
    span: int
    fit: Fit
    years: frozenset[str] = frozenset()
    around: Mapping[str, Sequence[int]] = field(default_factory=dict)
    row: bool = False
    flip: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """An anchor's best place and its best rival.

    Attributes:
        anchor: The number or name.
        own: Where the evidence has it among the most of its words.
        rival: Another of its kind among more of them, if there is one.
        swapped: The rival is in the claim too, where the two would change places.
        gain: By how much the rival fits better; negative if it fits worse.
        misdated: The anchor is of one year in the claim and of others in the evidence.
        mislabelled: The claim names the label of a row, and the number stands in others.
    """

    anchor: Anchor
    own: Place | None
    rival: Place | None
    swapped: bool
    gain: Fit
    misdated: bool = False
    mislabelled: bool = False


def anchors(text: str, found: Sequence[Quantity | Name]) -> list[Anchor]:
    """Each of ``found``, numbers and names of ``text``, with the words around it."""
    every = words(text)
    dated = years(text, quantities(text))
    return [
        Anchor(
            item, around(every, item.start, item.end, dated.get(item.start)), dated.get(item.start)
        )
        for item in found
    ]


def voice(text: str) -> bool:
    """Whether a sentence is in the passive and says by whom."""
    return _PASSIVE.search(text) is not None


def standings(
    claimed: Sequence[Anchor], text: str, pieces: Sequence[Piece], rare: Mapping[str, float]
) -> list[Standing]:
    """Where each anchor of a claim stands in the pieces it cites, and what fits better.

    Args:
        claimed: The anchors of one part of a claim.
        text: That part.
        pieces: What it cites.
        rare: How telling each stem is.
    """
    passive = voice(text)
    said = frozenset(re.findall(r"\w+", text.lower()))
    tables = [_places(anchor, pieces, rare, passive, said) for anchor in claimed]
    found = [_standing(number, claimed, tables, pieces, rare) for number in range(len(claimed))]
    plain = f" {' '.join(text.casefold().split())} "
    labels = {label for piece in pieces for label in piece.labels if _says(plain, label)}
    if not labels:
        return found
    return [
        replace(standing, mislabelled=_mislabelled(standing.anchor, places, pieces, labels))
        for standing, places in zip(found, tables, strict=True)
    ]


def _says(text: str, label: str) -> bool:
    at = text.find(label)
    return at > 0 and not text[at - 1].isalnum() and not text[at + len(label)].isalnum()


def _mislabelled(
    anchor: Anchor, places: Sequence[Place], pieces: Sequence[Piece], labels: set[str]
) -> bool:
    """Whether a number stands only in rows that the claim does not name, as it does others."""
    if not isinstance(anchor.what, Quantity) or anchor.what.kind == "year":
        return False
    said = _years(anchor)
    own = {
        pieces[p.piece].spans[p.span].first
        for p in places
        if same(anchor, p, pieces) and (not said or not p.years or p.years & said)
    }
    return bool(own) and "" not in own and not own & labels


def _standing(
    number: int,
    claimed: Sequence[Anchor],
    tables: Sequence[Sequence[Place]],
    pieces: Sequence[Piece],
    rare: Mapping[str, float],
) -> Standing:
    anchor, places = claimed[number], tables[number]
    own = _best(places, lambda place: same(anchor, place, pieces), pronouns=True)
    misdated = _misdated(anchor, [p for p in places if same(anchor, p, pieces)])
    others = [other for n, other in enumerate(claimed) if n != number]
    base = own.fit if own else Fit()
    best: tuple[float, Standing] | None = None
    for place in places:
        if (
            isinstance(place.what, str)
            or same(anchor, place, pieces)
            or not _alike(anchor, place.what, pieces[place.piece], others)
        ):
            continue
        gain = place.fit.less(base)
        taken = next((o for o in others if same(o, place, pieces)), None)
        if taken is not None:
            gain = _exchange(anchor, taken, place, places, pieces, rare)
        total = gain.total()
        if best is None or total > best[0]:
            best = (total, Standing(anchor, own, place, taken is not None, gain, misdated))
    if best is None:
        return Standing(anchor, own, None, False, _NOTHING, misdated)
    return best[1]


def _years(anchor: Anchor) -> frozenset[str]:
    """The years that a number may be of: its own if that is clear, else those of the claim."""
    if anchor.year is not None:
        return frozenset({anchor.year})
    return frozenset(stem for stem, _ in anchor.around if is_year(stem))


def _misdated(anchor: Anchor, places: Sequence[Place]) -> bool:
    """Whether every place that has a number gives it other years than the claim does."""
    said = _years(anchor)
    if not said or not isinstance(anchor.what, Quantity) or anchor.what.kind == "year":
        return False
    return bool(places) and all(p.years and not (p.years & said) for p in places)


def _exchange(
    anchor: Anchor,
    taken: Anchor,
    rival: Place,
    places: Sequence[Place],
    pieces: Sequence[Piece],
    rare: Mapping[str, float],
) -> Fit:
    """The mean gain of both where two anchors of the claim would change places.

    Their own words are left out: each stands among the other's.
    """
    own = [p for p in places if same(anchor, p, pieces)]
    here = [p for p in own if (p.piece, p.span) == (rival.piece, rival.span)]
    if not own:
        return _NOTHING
    one = _weights(anchor, taken, rare)
    other = _weights(taken, anchor, rare)
    gains = [
        _weighed(one, rival)
        .less(_weighed(one, home))
        .less(_weighed(other, rival).less(_weighed(other, home)))
        .times(0.5)
        for home in here or own
    ]
    return min(gains, key=Fit.total)


_Weights = list[tuple[str, int, float]]


def _weights(anchor: Anchor, besides: Anchor | None, rare: Mapping[str, float]) -> _Weights:
    """The words around an anchor and what each counts."""
    left_out: set[str] = set()
    if besides is not None:
        for item in (anchor.what, besides.what):
            left_out |= set(item.tokens if isinstance(item, Name) else content(item.text))
    return [(s, d, rare.get(s, 1.0)) for s, d in anchor.around if s not in left_out]


def _weighed(weights: _Weights, place: Place) -> Fit:
    """How well a place fits the words around an anchor."""
    return _fit(weights, _whole(weights), place.around, row=place.row, flip=place.flip)


def _whole(weights: _Weights) -> tuple[float, float, float]:
    """What all words together count, in each way of counting."""
    return (
        sum(weight for _, _, weight in weights) or 1.0,
        sum(weight * _fade(d) for _, d, weight in weights) or 1.0,
        sum(weight * 0.5 ** (abs(d) - 1) for _, d, weight in weights) or 1.0,
    )


def _best(
    places: Sequence[Place], fits: Callable[[Place], bool], *, pronouns: bool
) -> Place | None:
    """The place of the best fit among those wanted and, perhaps, those of pronouns."""
    found = [p for p in places if (isinstance(p.what, str) and pronouns) or fits(p)]
    return max(found, key=lambda place: place.fit.total(), default=None)


def same(anchor: Anchor, place: Place, pieces: Sequence[Piece]) -> bool:
    """Whether a place holds the anchor's own number, rounded perhaps, or name."""
    what, there = anchor.what, place.what
    if isinstance(what, Quantity) and isinstance(there, Quantity):
        piece = pieces[place.piece]
        return equal(what, there, unit=piece.unit, tabular=piece.tabular)
    if isinstance(what, Name) and isinstance(there, Name):
        return one_name(what, there)
    return False


def one_name(one: Name, other: Name) -> bool:
    """Whether two names are the same, one shorter, inflected or abbreviated perhaps."""
    short, long = sorted((one.tokens, other.tokens), key=len)
    initials = "".join(t if ROMAN.fullmatch(t) else t[0] for t in long)
    return all(any(related(a, b) for b in long) or (len(a) > 1 and a in initials) for a in short)


def _alike(anchor: Anchor, what: Quantity | Name, piece: Piece, others: Sequence[Anchor]) -> bool:
    """Whether the two are of one kind, so that one could stand for the other.

    A word that opens its sentence is a name if it is one elsewhere, in the evidence or the claim.
    """
    if isinstance(anchor.what, Name):
        return isinstance(what, Name) and (
            not what.opens
            or what.tokens[0] in piece.proper
            or any(isinstance(o.what, Name) and one_name(o.what, what) for o in others)
        )
    if not isinstance(what, Quantity):
        return False
    return (anchor.what.kind == "year") == (what.kind == "year")


def _places(
    anchor: Anchor,
    pieces: Sequence[Piece],
    rare: Mapping[str, float],
    passive: bool,
    said: frozenset[str],
) -> list[Place]:
    """Every number, or every name and pronoun, of the pieces with its fit."""
    naming = isinstance(anchor.what, Name)
    weights = _weights(anchor, None, rare)
    whole = _whole(weights)
    wanted = {stem for stem, _, _ in weights}
    titled = {
        number
        for number, piece in enumerate(pieces)
        if isinstance(anchor.what, Name) and piece.titled.has(anchor.what)
    }
    found: list[Place] = []
    for number, piece in enumerate(pieces):
        for index, span in enumerate(piece.spans):
            if not wanted & span.stems:
                items: Sequence[What] = span.names if naming else span.numbers
                found += [Place(what, number, index, Fit()) for what in items]
                continue
            flip = (not span.row) and passive != voice(span.text)
            for what, there in span.named if naming else span.counted:
                if isinstance(what, str) and (what in said or not _before(anchor, piece, index)):
                    continue
                fit = _fit(weights, whole, there, row=span.row, flip=flip)
                if isinstance(what, str):
                    fit = fit.times(_BY_PRONOUN)
                dates = frozenset(stem for stem in there if is_year(stem))
                found.append(Place(what, number, index, fit, dates, there, span.row, flip))
            if isinstance(anchor.what, Name) and number in titled:
                share = sum(weight for stem, _, weight in weights if stem in span.stems) / whole[0]
                share *= _BY_PRONOUN
                found.append(Place("", number, index, Fit(share, share / 2, share / 2, share / 4)))
    return found


def _before(anchor: Anchor, piece: Piece, index: int) -> bool:
    """Whether a pronoun may stand for the name: it is named shortly before, or in the title."""
    if not isinstance(anchor.what, Name):
        return False
    near = piece.spans[max(0, index - _ANTECEDENT) : index + 1]
    return piece.titled.has(anchor.what) or any(
        one_name(anchor.what, name) for span in near for name in span.names
    )


def _fade(distance: int) -> float:
    return 1.0 / (1.0 + abs(distance) / _REACH)


def _fit(
    weights: Sequence[tuple[str, int, float]],
    whole: tuple[float, float, float],
    there: Mapping[str, Sequence[int]],
    *,
    row: bool,
    flip: bool,
) -> Fit:
    same = close = side = tight = 0.0
    for stem, distance, weight in weights:
        places = there.get(stem)
        if not places:
            continue
        same += weight
        if row:
            close += weight * _fade(distance)
            side += weight * _fade(distance)
            tight += weight * 0.5 ** (abs(distance) - 1)
            continue
        faded = max(_fade(d) for d in places) * _fade(distance) * weight
        close += faded
        aligned = [d for d in places if ((d > 0) == (distance > 0)) != flip]
        side += max((_fade(d) for d in aligned), default=0.0) * _fade(distance) * weight
        tight += 0.5 ** (abs(distance) - 1 + min(map(abs, places)) - 1) * weight
    return Fit(same / whole[0], close / whole[1], side / whole[1], tight / whole[2])
