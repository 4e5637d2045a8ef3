"""A second look: the span model reads the best sentences, each with its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cogagent.reading.candidates import Candidate, title_of
from cogagent.reading.evidence import Evidence, overlapping
from cogagent.reading.passage import FloatArray, SpanScorer

BEST = 5
"""Sentences that are looked at again; with their neighbours they are some ten."""
_LONGEST = 900
"""Characters of neighbouring sentences that are read together."""


@dataclass(slots=True)
class _Stretch:
    """Sentences of a passage that follow each other.

    Attributes:
        passage: Number of the passage.
        places: Places of its sentences among the candidates.
        start: First character in the passage.
        end: One past the last.
    """

    passage: int
    places: list[int]
    start: int
    end: int


def look_closer(evidence: Evidence, scores: FloatArray, scorer: SpanScorer) -> None:
    """Fill in what the span model says of the best sentences and those around them.

    Args:
        evidence: Its candidates get their ``logits`` and ``pieces``.
        scores: Ranking scores of the candidates at first sight.
        scorer: The span model.
    """
    stretches = _stretches(evidence.candidates, scores)
    prefixes = [_prefix(evidence, stretch) for stretch in stretches]
    texts = [
        prefix + evidence.passages[stretch.passage].text[stretch.start : stretch.end]
        for prefix, stretch in zip(prefixes, stretches, strict=True)
    ]
    scored = scorer.score(evidence.question.text, texts) if texts else ()
    for prefix, stretch, (logits, offsets) in zip(prefixes, stretches, scored, strict=True):
        for place in stretch.places:
            candidate = evidence.candidates[place]
            shift = len(prefix) - stretch.start + candidate.start
            inside = overlapping(offsets, shift, shift + candidate.end - candidate.start)
            candidate.logits = logits[inside]
            candidate.pieces = offsets[inside] - shift


def _stretches(candidates: list[Candidate], scores: FloatArray) -> list[_Stretch]:
    """The best sentences with the one before and the one behind each, overlapping ones joined."""
    order = [n for n in np.argsort(-scores, kind="stable").tolist() if candidates[n].view is None]
    wanted = {near for place in order[:BEST] for near in (place - 1, place, place + 1)}
    found: list[_Stretch] = []
    for place in sorted(wanted & set(order)):
        candidate = candidates[place]
        last = found[-1] if found else None
        if (
            last is not None
            and last.passage == candidate.passage
            and last.places[-1] == place - 1
            and candidate.end - last.start <= _LONGEST
        ):
            last.places.append(place)
            last.end = candidate.end
        else:
            found.append(_Stretch(candidate.passage, [place], candidate.start, candidate.end))
    return found


def _prefix(evidence: Evidence, stretch: _Stretch) -> str:
    title = title_of(evidence.passages[stretch.passage])
    return f"{title}\n" if title else ""
