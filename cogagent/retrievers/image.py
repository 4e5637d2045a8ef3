"""Finding pictures: by what they show, by the words in them, by another picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cogagent import telemetry
from cogagent.errors import InputError
from cogagent.indexes.filters import Filters, Principals
from cogagent.indexes.store import Store
from cogagent.indexes.vectors import Ids
from cogagent.models.base import ImageEmbedder, Vectors
from cogagent.retrievers.fusion import Scores, scaled
from cogagent.retrievers.text import (
    DEPTH,
    Ranked,
    Signals,
    TextRetriever,
    keyed_evidence,
)
from cogagent.types import WORDED, Evidence, Query

SHOWN_WEIGHT = 0.25
"""Of what a picture shows, against the words in it and its caption. A picture without
any is ranked by what it shows alone: its text only repeats what the network saw."""
LEAST = 0.75
"""The least that the best of the worded pictures, and of the others, can score, whatever
the other kind scores: cosines of other embedders lie elsewhere."""
TILE_WEIGHT = 0.5
"""Of the part of a picture that is nearest to a query, against the whole of it."""
_TILES = 4 * DEPTH
"""Parts of pictures that are looked at: a picture has several near each other."""


class Near(NamedTuple):
    """Pictures that are near to a query by what they show; all by chunk id.

    Attributes:
        scores: Of whole and parts together, on the scale of cosines.
        cosines: Of the whole pictures.
        focus: The part that is nearer than the whole, by its id; only where one is.
    """

    scores: Scores
    cosines: Scores
    focus: Mapping[int, int]


NOWHERE = Near({}, {}, {})


class ImageRetriever:
    """Search among the pictures of one collection.

    Args:
        store: The home to search.
        embedder: The picture embedder that the home was built with.
        texts: Finds pictures by the words in them and about them.
        collection: Its name.
        filters: Applied before the search.
        pictures: Vectors of the question's own pictures, shape ``(n, dim)``.
        principals: In whose name documents are seen; ``None`` for all documents.
    """

    def __init__(
        self,
        store: Store,
        embedder: ImageEmbedder,
        texts: TextRetriever,
        collection: str,
        filters: Filters | None = None,
        pictures: Sequence[Vectors] = (),
        principals: Principals | None = None,
    ) -> None:
        self._store = store
        self._principals = principals
        self._embedder = embedder
        self._texts = texts
        self._collection = collection
        self._filters = dict(filters or {})
        self._pictures = pictures

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` pictures that match the query's picture, its words, or both.

        Raises:
            InputError: If the query names a picture that the question does not have.
        """
        if query.picture is not None:
            if not 0 <= query.picture < len(self._pictures):
                raise InputError(f"the question has no picture number {query.picture}.")
            alike = self._near(self._pictures[query.picture])
            said = self.rank(query.text) if query.text.strip() else {}
            scores = {
                key: score + said.get(key, 0.0) for key, score in scaled(alike.scores).items()
            }
            return [piece for _, piece in self._evidence(scores, k, query, alike)]
        shown = self._shown(query.text)
        scores = self._fused(self._texts.ranked(query.text, kinds=("image",)), shown)
        return [piece for _, piece in self._evidence(scores, k, query, shown)]

    def look(self, query: Query, k: int) -> list[tuple[Evidence, Signals]]:
        """The ``k`` pictures that match the query's words, each with what its score is made of."""
        ranked, shown = self._texts.ranked(query.text, kinds=("image",)), self._shown(query.text)
        found = self._evidence(self._fused(ranked, shown), k, query, shown)
        missing = [key for key, _ in found if key not in ranked.cosines]
        cosines = ranked.cosines | self._texts.cosines(query.text, missing)
        return [
            (piece, Signals(cosine=cosines.get(key), shown=shown.cosines.get(key)))
            for key, piece in found
        ]

    def rank(self, text: str) -> Scores:
        """Scores from 0 to 1 of the pictures that match ``text``."""
        return self._fused(self._texts.ranked(text, kinds=("image",)), self._shown(text))

    def shown(self, text: str) -> Scores:
        """Scores from 0 to 1 of the pictures that show what ``text`` says."""
        return scaled(self._shown(text).scores)

    def _evidence(
        self, scores: Scores, k: int, query: Query, near: Near
    ) -> list[tuple[int, Evidence]]:
        """The ``k`` best as evidence, each with the part that looks most like the query."""
        found = keyed_evidence(self._store, scores, k, query)
        parts = {key: near.focus[key] for key, _ in found if key in near.focus}
        boxes = self._store.tile_boxes(parts.values())
        return [
            (key, piece.model_copy(update={"focus": boxes.get(parts.get(key, 0))}))
            for key, piece in found
        ]

    def _fused(self, ranked: Ranked, shown: Near) -> Scores:
        """One score of pictures with many words, by these, and of those without, by their looks.

        One with a few words, which may be a sign in a photograph or a slip of the reader's,
        counts as the better of the two: by its words above all, or by what it shows.

        Shares of the highest say nothing of how high that is: each kind counts as much
        as its highest cosine, so that the best of a thousand photographs that have
        nothing to do with a question does not stand before the chart that answers it.
        Its cosine is that of the whole: the best of many parts is higher by chance.
        """
        counts = self._store.word_counts(ranked.scores.keys() | shown.scores.keys())
        worded = {key for key, count in counts.items() if count or key not in shown.scores}
        few = {key for key in shown.scores if counts.get(key, 0) < WORDED}
        said = scaled({key: ranked.scores.get(key, 0.0) for key in worded})
        seen = scaled(shown.scores)
        read = scaled(
            {
                key: SHOWN_WEIGHT * seen.get(key, 0.0) + (1 - SHOWN_WEIGHT) * score
                if key in few
                else score
                for key, score in said.items()
            }
        )
        plain = scaled({key: shown.scores[key] for key in few})
        level = max((ranked.cosines.get(key, 0.0) for key in worded), default=0.0)
        other = max((shown.cosines[key] for key in plain), default=0.0)
        top = max(level, other)
        if top <= 0:
            return plain | read
        first, second = max(level / top, LEAST), max(other / top, LEAST)
        return {
            key: max(plain.get(key, 0.0) * second, read.get(key, 0.0) * first)
            for key in plain.keys() | read.keys()
        }

    def _shown(self, text: str) -> Near:
        """The pictures nearest to ``text``."""
        if not self._store.size(self._collection, self._store.image):
            return NOWHERE
        embedder = self._embedder
        with telemetry.child("embeddings", model=embedder.name, dimensions=embedder.dim, inputs=1):
            vector = embedder.embed_texts([text])[0]
        return self._near(vector)

    def _near(self, vector: Vectors) -> Near:
        selection = self._store.select(self._collection, self._filters, self._principals)
        allowed = None if selection is None else selection.ids
        cosines = self._wholes(vector, DEPTH, allowed)
        tiles = self._store.near_tiles(self._collection, vector, _TILES, allowed)
        missing = np.array(sorted(tiles.keys() - cosines.keys()), np.int64)
        cosines |= self._wholes(vector, len(missing), missing)
        # Of a picture none of whose parts is among the nearest, the whole stands for them.
        nearer = {
            key: tiles[key]
            for key, cosine in cosines.items()
            if key in tiles and tiles[key].cosine > cosine
        }
        scores = {
            key: (1 - TILE_WEIGHT) * cosine
            + TILE_WEIGHT * (nearer[key].cosine if key in nearer else cosine)
            for key, cosine in cosines.items()
        }
        return Near(scores, cosines, {key: found.tile for key, found in nearer.items()})

    def _wholes(self, vector: Vectors, k: int, allowed: Ids | None) -> Scores:
        """The cosines of the ``k`` whole pictures that are nearest."""
        ids, cosines = self._store.nearest(self._collection, self._store.image, vector, k, allowed)
        return dict(zip(ids.tolist(), cosines.tolist(), strict=True))
