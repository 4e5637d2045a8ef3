"""Finding passages by meaning and by words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cogagent import telemetry
from cogagent.indexes.filters import Filters, Principals
from cogagent.indexes.store import Store
from cogagent.indexes.vectors import Ids, Vectors
from cogagent.models.base import TextEmbedder
from cogagent.retrievers.fusion import Scores, best, blend
from cogagent.types import ChunkKind, Evidence, Query

DEPTH = 500
"""How far down each ranking is read before they are fused."""

_WORD = re.compile(r"[^\W_]+")
_YEAR = re.compile(r"(?<=[^\W\d_])(?:19|20)\d\d$")
_STOP = frozenset(
    """a an and are as at be been but by can could did do does for from had has have he her his
    how i if in into is it its may more no nor not of on or our she should so such than that the
    their them then there these they this those to was we were what when where which while who
    whom whose why will with would you your""".split()
)


class Signals(NamedTuple):
    """What stands behind a score, unscaled, so that tools can be compared.

    Attributes:
        cosine: Of query and evidence by the text embedder; ``None`` if it was not worked out.
        shown: Of query and picture by the picture embedder; ``None`` of what is no picture.
    """

    cosine: float | None = None
    shown: float | None = None


class Ranked(NamedTuple):
    """A ranking before it is cut.

    Attributes:
        scores: From 0 to 1, by chunk id.
        cosines: Of the chunks and the query, by chunk id.
    """

    scores: Scores
    cosines: Scores


class TextRetriever:
    """Dense and lexical search over one collection, fused.

    Args:
        store: The home to search.
        embedder: The embedder that the home was built with.
        collection: Its name.
        filters: Applied before the search.
        kinds: What queries that name no kinds search among; all kinds when empty.
        principals: In whose name documents are seen; ``None`` for all documents.
    """

    def __init__(
        self,
        store: Store,
        embedder: TextEmbedder,
        collection: str,
        filters: Filters | None = None,
        kinds: tuple[ChunkKind, ...] = (),
        principals: Principals | None = None,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._collection = collection
        self._filters = dict(filters or {})
        self._kinds = kinds
        self._principals = principals

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` passages that match the query's text best."""
        scores = self.rank(query.text, query.kinds or self._kinds, k)
        return to_evidence(self._store, scores, k, query)

    def look(self, query: Query, k: int) -> list[tuple[Evidence, Signals]]:
        """What :meth:`retrieve` finds, each with what stands behind its score."""
        ranked = self.ranked(query.text, query.kinds or self._kinds, k)
        return [
            (piece, Signals(cosine=ranked.cosines.get(key)))
            for key, piece in keyed_evidence(self._store, ranked.scores, k, query)
        ]

    def rank(self, text: str, kinds: tuple[ChunkKind, ...] = (), k: int = 0) -> Scores:
        """Scores from 0 to 1 of the chunks that match ``text``; at least ``k`` if there are."""
        return self.ranked(text, kinds, k).scores

    def ranked(self, text: str, kinds: tuple[ChunkKind, ...] = (), k: int = 0) -> Ranked:
        """As :meth:`rank`, with the cosines."""
        depth = max(DEPTH, k)
        filters: Filters = self._filters | ({"kind": list(kinds)} if kinds else {})
        selection = self._store.select(self._collection, filters, self._principals)
        allowed = None if selection is None else selection.ids
        vector = self._embedded(text)
        cosines: Scores = {}

        def near(k: int, among: Ids | None) -> tuple[Ids, Vectors]:
            found = self._store.nearest(self._collection, self._store.text, vector, k, among)
            cosines.update(zip(found[0].tolist(), found[1].tolist(), strict=True))
            return found

        scores = blend(
            near(depth, allowed),
            self._store.lexical(self._collection, terms(text), depth, selection),
            missing=lambda ids: near(len(ids), ids),
        )
        return Ranked(scores, cosines)

    def cosines(self, text: str, chunks: Sequence[int]) -> Scores:
        """The cosines of ``text`` and these chunks, by id."""
        if not chunks:
            return {}
        among = np.sort(np.asarray(chunks, np.int64))
        vector = self._embedded(text)
        ids, cosines = self._store.nearest(
            self._collection, self._store.text, vector, len(among), among
        )
        return dict(zip(ids.tolist(), cosines.tolist(), strict=True))

    def _embedded(self, text: str) -> Vectors:
        embedder = self._embedder
        with telemetry.child("embeddings", model=embedder.name, dimensions=embedder.dim, inputs=1):
            vector: Vectors = embedder.embed([text], query=True)[0]
        return vector


def terms(text: str) -> list[str]:
    """The words of a query to search for: without stop words, unless there is nothing else."""
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))
    # "FY2018" is printed as 2018 more often than not.
    words += [year for word in words for year in _YEAR.findall(word) if year not in words]
    return [word for word in words if word not in _STOP] or words


def to_evidence(store: Store, scores: Scores, k: int, query: Query) -> list[Evidence]:
    """The ``k`` best chunks as evidence that knows its score and query."""
    return [piece for _, piece in keyed_evidence(store, scores, k, query)]


def keyed_evidence(
    store: Store, scores: Scores, k: int, query: Query
) -> list[tuple[int, Evidence]]:
    """As :func:`to_evidence`, each piece with the id of its chunk."""
    ranking = best(scores, k)
    found = store.evidence([key for key, _ in ranking])
    return [
        (
            key,
            found[key].model_copy(update={"score": round(score, 6), "query": query.text}),
        )
        for key, score in ranking
        if key in found
    ]
