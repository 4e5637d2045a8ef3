"""Rankings and how they are made one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cogagent.indexes.vectors import Ids

Scores = dict[int, float]
"""Scores by chunk id; higher is better."""


def blend(
    dense: tuple[Ids, NDArray[np.float32]],
    lexical: tuple[Ids, NDArray[np.float32]],
    missing: Callable[[Ids], tuple[Ids, NDArray[np.float32]]],
) -> Scores:
    """The even sum of cosine and BM25, each scaled to its highest (Bruch et al. 2022, section 4).

    Args:
        dense: Ids and cosines of the nearest chunks.
        lexical: Ids and BM25 scores of the chunks that share words with the query.
        missing: Gives the cosines of chunks that only the lexical search found,
            so that the depth of the dense search matters little.

    Returns:
        A score from 0 to 1 for every chunk that either side found.
    """
    extra = missing(np.setdiff1d(lexical[0], dense[0]))
    near = scaled(
        dict(zip(dense[0].tolist(), dense[1].tolist(), strict=True))
        | dict(zip(extra[0].tolist(), extra[1].tolist(), strict=True))
    )
    said = scaled(dict(zip(lexical[0].tolist(), lexical[1].tolist(), strict=True)))
    return {
        key: (near.get(key, 0.0) + said.get(key, 0.0)) / 2 for key in near.keys() | said.keys()
    }


def scaled(scores: Scores) -> Scores:
    """Scores as shares of the highest; negative ones count as 0."""
    highest = max(scores.values(), default=0.0)
    if highest <= 0:
        return dict.fromkeys(scores, 0.0)
    return {key: max(score, 0.0) / highest for key, score in scores.items()}


def reciprocal_rank(rankings: Sequence[Sequence[str]], constant: int = 60) -> Mapping[str, float]:
    """Reciprocal rank fusion (Cormack et al. 2009) of rankings that have no common scale."""
    total: dict[str, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, 1):
            total[key] = total.get(key, 0.0) + 1.0 / (constant + rank)
    return total


def best(scores: Scores, k: int) -> list[tuple[int, float]]:
    """The ``k`` highest, best first; ties by id, so that results repeat."""
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]
