"""Spans of a sentence, ranked by what the span model says of their ends."""

from __future__ import annotations

import numpy as np

from cogagent.reading.passage import FloatArray

SPAN_SCALE = 10.0
"""Logits are divided by it, so that features are of like size."""
LONGEST = 24
"""Word pieces of a span."""
_NOTHING = -20.0
"""What speaks for the best span of nothing."""


def best_span(logits: FloatArray) -> tuple[float, int, int]:
    """The likeliest span: the sum of its two logits, its first piece and its last.

    Args:
        logits: Shape ``(n, 2)``, of a sentence's pieces as starts and ends.
    """
    found = top_spans(logits, 1)
    return found[0] if found else (_NOTHING, 0, 0)


def top_spans(logits: FloatArray, most: int) -> list[tuple[float, int, int]]:
    """The ``most`` likeliest spans, as :func:`best_span` gives one, the likeliest first."""
    count = len(logits)
    if not count:
        return []
    sums = logits[:, :1] + logits[None, :, 1]
    length = np.arange(count)[None, :] - np.arange(count)[:, None]
    sums = np.where((length >= 0) & (length < LONGEST), sums, -np.inf)
    order = np.argsort(-sums, axis=None, kind="stable")[:most]
    starts, ends = np.unravel_index(order, sums.shape)
    return [
        (float(sums[start, end]), int(start), int(end))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        if np.isfinite(sums[start, end])
    ]
