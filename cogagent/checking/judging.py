"""One part of a claim against the evidence that it cites."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np

from cogagent.checking.contexts import Standing, anchors, one_name, standings, voice
from cogagent.checking.contradiction import contradiction
from cogagent.checking.derived import derive
from cogagent.checking.names import Name, months, names
from cogagent.checking.pieces import Piece, Span, content, is_year
from cogagent.checking.weights import Floats, Weights
from cogagent.models.base import Vectors
from cogagent.reading.quantities import Quantity, equal, quantities
from cogagent.reading.question import Word, stem, words
from cogagent.types import Objection, Reason

Vector = Callable[[str], Vectors]

_HOW_MUCH = frozenset(
    stem(word)
    for word in "thousand million billion trillion percent about approximately roughly nearly "
    "around almost respectively compared amounted figure reported recorded bn mn".split()
)
"""Words that say how a number is given, not of what."""
_MOST_WORDS = 60
"""Content words of a part whose numbers and names are placed; a longer one is no sentence."""
_MOST_ANCHORS = 24
"""Numbers and names of a part that are placed; the others are only looked up."""
_CITED_SPANS = 4
_OTHER_SPANS = 2
_OTHER_PIECES = 5
_VARIANTS = 3
_LONGEST = 400
"""Characters of a sentence or row that are embedded."""
_ALIGNED_SPANS = 3
_FOLLOWED = 0.4
"""Share of a claim's words that it must have in order from a sentence to follow it."""
_LONGEST_CHANGE = 6
"""Words that may stand in the place of others."""
_DERIVED_FROM = 6
"""Numbers, the best placed, from which another may be derived."""


@dataclass(slots=True)
class Judged:
    """A part of a claim and all that is known of it before vectors are.

    Attributes:
        text: The part.
        cited: The pieces it cites.
        missing: What of it stands nowhere in them.
        derived: Numbers that follow from two of theirs.
        standings: Its numbers and names that could belong elsewhere.
        spans: Its best sentences and rows: piece, span, share of the words.
        elsewhere: The best of the pieces it does not cite.
    """

    text: str
    cited: Sequence[Piece]
    missing: list[Objection] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
    spans: list[tuple[Piece, Span, float]] = field(default_factory=list)
    elsewhere: list[tuple[Piece, Span, float]] = field(default_factory=list)
    words_of_all: float = 0.0
    words_of_two: float = 0.0

    def texts(self) -> Iterable[str]:
        """What has to be embedded to go on."""
        yield self.text
        for _, span, _ in (*self.spans, *self.elsewhere):
            yield shown(span)
        for standing in self.standings[:_VARIANTS]:
            yield variant(self.text, standing)
            home = rival_span(self.cited, standing)
            if home is not None:
                yield shown(home)


def shown(span: Span) -> str:
    """A sentence or row as it is embedded: a row under its header."""
    return (f"{span.head} {span.text}" if span.head else span.text)[:_LONGEST]


def variant(text: str, standing: Standing) -> str:
    """The part with the rival in place of its number or name."""
    what, rival = standing.anchor.what, standing.rival
    if rival is None or isinstance(rival.what, str):
        return text
    return text[: what.start] + rival.what.text + text[what.end :]


def rival_span(cited: Sequence[Piece], standing: Standing) -> Span | None:
    """The sentence or row that the rival stands in."""
    rival = standing.rival
    return None if rival is None else cited[rival.piece].spans[rival.span]


def judge(
    text: str, cited: Sequence[Piece], others: Sequence[Piece], rare: Mapping[str, float]
) -> Judged:
    """Look a part of a claim up in what it cites, by its words alone."""
    judged = Judged(text, cited)
    stems = _telling(text, cited)
    judged.spans = _ranked(stems, cited, rare)[:_CITED_SPANS]
    best = [_ranked(stems, [piece], rare)[:_OTHER_SPANS] for piece in others]
    best.sort(key=lambda found: -found[0][2] if found else 0.0)
    judged.elsewhere = [item for found in best[:_OTHER_PIECES] for item in found]
    everything: frozenset[str] = frozenset().union(*(piece.stems for piece in cited))
    judged.words_of_all = _share(stems, everything, rare)
    judged.words_of_two = max(
        (
            _share(stems, one.stems | other.stems, rare)
            for place, (_, one, _) in enumerate(judged.spans)
            for _, other, _ in judged.spans[place:]
        ),
        default=0.0,
    )
    found = _look_up(judged, cited)
    if len(stems) <= _MOST_WORDS:
        ranked = standings(anchors(text, found[:_MOST_ANCHORS]), text, cited, rare)
        ranked = [s for s in ranked if s.rival is not None]
        ranked.sort(key=lambda s: -s.gain.total())
        judged.standings = ranked
    return judged


def _telling(text: str, cited: Sequence[Piece]) -> list[str]:
    """Content words, but for numbers and abbreviations, which are looked up otherwise."""
    spelt = {
        token
        for name in names(text)
        for token in name.tokens
        if any(token not in piece.stems and piece.known.has(name) for piece in cited)
    }
    return [
        stem
        for stem in dict.fromkeys(content(text))
        if (is_year(stem) or not stem[0].isdigit()) and stem not in spelt and stem not in _HOW_MUCH
    ]


def _look_up(judged: Judged, cited: Sequence[Piece]) -> list[Quantity | Name]:
    """The numbers and names of the part that its evidence has; the others are objected to."""
    found: list[Quantity | Name] = []
    numbers, named = quantities(judged.text), names(judged.text)
    inside = [(name.start, name.end) for name in named]
    for number in numbers:
        if has_number(number, cited):
            if not any(a <= number.start and number.end <= b for a, b in inside):
                found.append(number)
            continue
        how = _derived(judged, number)
        if how:
            judged.derived.append(f"{number.text.strip()} = {how}")
        else:
            judged.missing.append(_objection("number not there", number.text.strip()))
    for month in sorted(months(judged.text)):
        if not any(month in piece.months or _dated(piece, month) for piece in cited):
            judged.missing.append(_objection("name not there", month.capitalize()))
    for name in named:
        if any(piece.known.has(name) for piece in cited):
            if not name.opens or any(_capital(name, piece) for piece in cited):
                found.append(name)
        elif not name.opens:
            judged.missing.append(_objection("name not there", name.text))
    return found


def has_number(number: Quantity, pieces: Sequence[Piece]) -> bool:
    """Whether the pieces hold a number, rounded or rescaled perhaps."""
    for piece in pieces:
        given = [n for span in piece.spans for n in span.all_numbers] + piece.about_numbers
        if any(equal(number, n, unit=piece.unit, tabular=piece.tabular) for n in given):
            return True
        if number.kind in ("year", "plain", "ordinal") and abs(number.value) in piece.dates:
            return True
    return False


def lacks(text: str, pieces: Sequence[Piece]) -> bool:
    """Whether a number or name of ``text`` stands in none of the pieces."""
    return any(not has_number(number, pieces) for number in quantities(text)) or any(
        not any(piece.known.has(name) for piece in pieces)
        for name in names(text)
        if not name.opens
    )


def _capital(name: Name, piece: Piece) -> bool:
    """Whether a word that opens its sentence is a name elsewhere."""
    return any(
        not other.opens and name.tokens[0] in other.tokens
        for span in piece.spans
        for other in span.names
    )


def _dated(piece: Piece, month: str) -> bool:
    order = "jan feb mar apr may jun jul aug sep oct nov dec".split()
    return float(order.index(month) + 1) in piece.dates


def _derived(judged: Judged, number: Quantity) -> str:
    given: list[tuple[Quantity, float]] = []
    for piece, span, _ in judged.spans[:2]:
        unit = piece.unit or 1.0
        held = [
            n for n in span.numbers if n.kind not in ("year", "ordinal") and n.value == n.value
        ]
        here = [(n, 1.0 if n.scaled or n.kind == "percent" else unit) for n in held]
        # Two numbers of one row or sentence, the best; then those of the two best together.
        how = derive(judged.text, number, here[:_DERIVED_FROM])
        if how:
            return how
        given += here[:_DERIVED_FROM]
    return derive(judged.text, number, given)


def _ranked(
    stems: Sequence[str], pieces: Sequence[Piece], rare: Mapping[str, float]
) -> list[tuple[Piece, Span, float]]:
    """Sentences and rows by how much of the words they hold, the title's counting half."""
    found = []
    for piece in pieces:
        for span in piece.spans:
            own = _share(stems, span.stems, rare)
            if own:
                whole = _share(stems, span.stems | piece.about_stems, rare)
                found.append((piece, span, (own + whole) / 2))
    found.sort(key=lambda item: -item[2])
    return found or [(piece, piece.spans[0], 0.0) for piece in pieces if piece.spans]


def _share(stems: Sequence[str], there: frozenset[str], rare: Mapping[str, float]) -> float:
    total = sum(rare.get(stem, 1.0) for stem in stems)
    return sum(rare.get(stem, 1.0) for stem in stems if stem in there) / total if total else 0.0


def about_features(judged: Judged, vector: Vector) -> Floats:
    """The features named by :data:`cogagent.checking.weights.ABOUT`."""
    said = vector(judged.text)
    here = max((float(said @ vector(shown(s))) for _, s, _ in judged.spans), default=0.0)
    there = max((float(said @ vector(shown(s))) for _, s, _ in judged.elsewhere), default=here)
    lexical = max((share for _, _, share in judged.spans), default=0.0)
    other = max((share for _, _, share in judged.elsewhere), default=lexical)
    # That another piece says it too speaks against a claim only as far as its own does not.
    lacking = 1.0 - max(lexical, judged.words_of_two)
    held = len(quantities(judged.text)) + len(names(judged.text))
    row = bool(judged.spans) and judged.spans[0][1].row
    return np.array(
        [
            here, min(max(there - here, -0.5), 0.5) * lacking, lexical, judged.words_of_two,
            judged.words_of_all, min(max(other - lexical, -0.5), 0.5) * lacking, min(held, 4) / 4,
            float(row),
        ]
    )  # fmt: skip


def anchor_features(judged: Judged, standing: Standing, vector: Vector) -> Floats:
    """The features named by :data:`cogagent.checking.weights.ANCHOR`."""
    gain, own = standing.gain, standing.own
    span = rival_span(judged.cited, standing)
    place = standing.rival
    meaning = 0.0
    if span is not None and standing in judged.standings[:_VARIANTS]:
        said, changed = vector(judged.text), vector(variant(judged.text, standing))
        home = vector(shown(span))
        best = max((float(said @ vector(shown(s))) for _, s, _ in judged.spans), default=0.0)
        meaning = float(changed @ home) - max(best, float(said @ home))
    row = place is not None and judged.cited[place.piece].spans[place.span].row
    swapped = float(standing.swapped)
    alone = 1.0 - swapped
    return np.array(
        [
            gain.flat * alone, gain.near * alone, gain.side * alone, gain.tight * alone,
            gain.flat * swapped, gain.near * swapped, gain.side * swapped, gain.tight * swapped,
            meaning, own.fit.flat if own else 0.0, own.fit.near if own else 0.0,
            own.fit.tight if own else 0.0, float(isinstance(standing.anchor.what, Name)),
            float(row), float(own is None), swapped,
            float(standing.misdated), float(standing.mislabelled),
            float(own is not None and isinstance(own.what, str)), *replaced(judged, standing),
        ]
    )  # fmt: skip


def replaced(judged: Judged, standing: Standing) -> tuple[float, float, float]:
    """Whether a number or name stands in another's place, in its own, or has been moved alone.

    Word by word beside the best sentences, the one that the claim follows most
    first, as far as it follows one at all. A name that moves by itself has
    changed parts, unless the voice has.
    """
    said = words(judged.text)
    found = []
    for _, span, _ in judged.spans[:_ALIGNED_SPANS]:
        if not span.row:
            match = SequenceMatcher(
                None, [w.stem for w in said], [w.stem for w in span.words], autojunk=False
            )
            size = sum(block.size for block in match.get_matching_blocks())
            if size >= _FOLLOWED * len(said):
                found.append((size, span, match))
    for _, span, match in sorted(found, key=lambda item: -item[0]):
        taken, aligned, moved = _beside(judged.text, said, standing.anchor.what, span, match)
        if taken or aligned or moved:
            return float(taken), float(aligned), float(moved)
    return 0.0, 0.0, 0.0


def _beside(
    text: str, said: Sequence[Word], what: Quantity | Name, span: Span, match: SequenceMatcher[str]
) -> tuple[bool, bool, bool]:
    """What a sentence has in the place of a number or name; see :func:`replaced`."""
    alone, left = False, list[tuple[int, int]]()
    for change, a, b, c, d in match.get_opcodes():
        if change != "equal" and c < d:
            left.append((span.words[c].start, span.words[d - 1].end))
        if a == b or said[a].start >= what.end or said[b - 1].end <= what.start:
            continue
        if change == "equal":
            if said[a].start <= what.start and said[b - 1].end >= what.end - 1:
                return False, True, False
            continue
        own = sum(what.start <= w.start < what.end for w in said[a:b])
        alone = alone or sum(w.content for w in said[a:b]) <= own + 1
        if change == "replace" and max(b - a, d - c) <= _LONGEST_CHANGE:
            there = _alike_in(span, left[-1], what)
            if any(one_thing(what, item) for item in there):
                return False, True, False
            if there:
                return True, False, False
    moved = alone and voice(text) == voice(span.text)
    return (
        False,
        False,
        moved
        and any(one_thing(what, item) for place in left for item in _alike_in(span, place, what)),
    )


def _alike_in(span: Span, place: tuple[int, int], what: Quantity | Name) -> list[Quantity | Name]:
    """The numbers, or the names, of a stretch of a sentence."""
    found: list[Quantity | Name] = [*span.names] if isinstance(what, Name) else [*span.numbers]
    return [item for item in found if item.start < place[1] and item.end > place[0]]


def one_thing(what: Quantity | Name, other: Quantity | Name) -> bool:
    """Whether two numbers or two names are the same."""
    if isinstance(what, Name):
        return isinstance(other, Name) and one_name(what, other)
    return isinstance(other, Quantity) and equal(what, other)


def objections(judged: Judged, vector: Vector, weights: Weights) -> tuple[list[Objection], float]:
    """All that speaks against a part, and how probably it is about what it cites."""
    found = list(judged.missing)
    for standing in judged.standings:
        chance = weights.anchor.chance(anchor_features(judged, standing, vector)[None])[0]
        if chance >= weights.anchor.threshold:
            what = standing.anchor.what
            reason: Reason = (
                "name of something else" if isinstance(what, Name) else "number of something else"
            )
            found.append(_objection(reason, what.text.strip()))
    wrong = float(weights.about.chance(about_features(judged, vector)[None])[0])
    if wrong >= weights.about.threshold:
        found.append(_objection("not about it", ""))
    turned = _contradicted(judged)
    if turned:
        found.append(_objection("contradicted", turned))
    return found, 1.0 - wrong


def _contradicted(judged: Judged) -> str:
    """What of the part its best sentence, or the best two where it merges them, turns round."""
    best = judged.spans[:1]
    if best and judged.words_of_two > best[0][2]:
        best = judged.spans[:2]
    text = "; ".join(span.text for _, span, _ in best)
    return contradiction(judged.text, words(judged.text), text, words(text))


def _objection(reason: Reason, detail: str) -> Objection:
    return Objection(reason=reason, detail=detail)
