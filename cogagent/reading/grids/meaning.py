"""Labels that a question names in other words, found by the text model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cogagent.reading.grids.aligning import Aligned
from cogagent.reading.grids.asking import Asked
from cogagent.reading.grids.hearing import Match
from cogagent.reading.grids.labels import Axis
from cogagent.reading.passage import Encoder, FloatArray

_MOST = 64
"""Labels of an axis that are embedded; one with more is not searched by meaning."""
_LONGEST = 100
"""Characters of a label that are embedded."""
_ALIKE = 0.35
"""Cosine from which on a label may be meant that the question names in other words."""
_AHEAD = 0.05
"""How far it has to lie before the next to be sure."""
_EVEN = 0.5
"""Margin of a label no more alike than the next."""


def by_meaning(
    asked: Asked,
    axes: Sequence[Axis | None],
    found: tuple[Aligned, Aligned],
    encoder: Encoder,
) -> tuple[Aligned, Aligned]:
    """What is named on both axes, by likeness where no word names it; one batch at most.

    Args:
        asked: The question.
        axes: Rows and columns; ``None`` for one to be left as it is.
        found: What their words name.
        encoder: The text model.
    """
    open_ = [n for n, axis in enumerate(axes) if axis is not None and _open(axis, found[n])]
    taken = frozenset().union(*(found[n].at for n in (0, 1) if n not in open_))
    rest = [w for n, w in enumerate(asked.words) if n not in taken]
    question = " ".join(asked.text[word.start : word.end] for word in rest)
    texts = [[_text(h.text) for h in axis.headers] for n in open_ if (axis := axes[n]) is not None]
    if not question or not texts:
        return found
    vectors = encoder.embed([question, *(text for labels in texts for text in labels)])
    settled, start = list(found), 1
    for n, labels in zip(open_, texts, strict=True):
        alike = vectors[start : start + len(labels)] @ vectors[0]
        settled[n] = _settled(found[n], alike)
        start += len(labels)
    return settled[0], settled[1]


def _open(axis: Axis, aligned: Aligned) -> bool:
    """Whether the axis has labels of which none is named."""
    labels = any(header.text for header in axis.headers)
    return labels and not aligned.named and not axis.time and 1 < len(axis) <= _MOST


def _text(label: str) -> str:
    return label[:_LONGEST] or "value"


def _settled(aligned: Aligned, alike: FloatArray) -> Aligned:
    order = np.argsort(-alike, kind="stable")
    first = int(order[0])
    best, second = float(alike[first]), float(alike[order[1]])
    if best < _ALIKE:
        return replace(aligned, likest=first)
    margin = min(1.0, _EVEN + (best - second) / (2 * _AHEAD) * (1 - _EVEN))
    return Aligned((Match(first, best, best, frozenset()),), max(0.0, margin), by="meaning")
