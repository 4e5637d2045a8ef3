"""Finding passages by meaning and by words."""

from __future__ import annotations

import re

from cogagent.indexes.filters import Filters
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


class TextRetriever:
    """Dense and lexical search over one collection, fused.

    Args:
        store: The home to search.
        embedder: The embedder that the home was built with.
        collection: Its name.
        filters: Applied before the search.
    """

    def __init__(
        self,
        store: Store,
        embedder: TextEmbedder,
        collection: str,
        filters: Filters | None = None,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._collection = collection
        self._filters = dict(filters or {})

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` passages that match the query's text best."""
        return to_evidence(self._store, self.rank(query.text, query.kinds, k), k, query)

    def rank(self, text: str, kinds: tuple[ChunkKind, ...] = (), k: int = 0) -> Scores:
        """Scores from 0 to 1 of the chunks that match ``text``; at least ``k`` if there are."""
        depth = max(DEPTH, k)
        filters: Filters = self._filters | ({"kind": list(kinds)} if kinds else {})
        selection = self._store.select(self._collection, filters)
        allowed = None if selection is None else selection.ids
        vector = self._embedder.embed([text], query=True)[0]

        def near(k: int, among: Ids | None) -> tuple[Ids, Vectors]:
            return self._store.nearest(self._collection, self._store.text, vector, k, among)

        return blend(
            near(depth, allowed),
            self._store.lexical(self._collection, terms(text), depth, selection),
            missing=lambda ids: near(len(ids), ids),
        )


def terms(text: str) -> list[str]:
    """The words of a query to search for: without stop words, unless there is nothing else."""
    words = list(dict.fromkeys(word.lower() for word in _WORD.findall(text)))
    # "FY2018" is printed as 2018 more often than not.
    words += [year for word in words for year in _YEAR.findall(word) if year not in words]
    return [word for word in words if word not in _STOP] or words


def to_evidence(store: Store, scores: Scores, k: int, query: Query) -> list[Evidence]:
    """The ``k`` best chunks as evidence that knows its score and query."""
    ranking = best(scores, k)
    found = store.evidence([key for key, _ in ranking])
    return [
        found[key].model_copy(update={"score": round(score, 6), "query": query.text})
        for key, score in ranking
        if key in found
    ]
