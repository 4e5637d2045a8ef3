"""Finding pictures: by what they show, by the words in them, by another picture."""

from __future__ import annotations

from collections.abc import Sequence

from cogagent.errors import InputError
from cogagent.indexes.filters import Filters
from cogagent.indexes.store import Store
from cogagent.models.base import ImageEmbedder, Vectors
from cogagent.retrievers.fusion import Scores, scaled
from cogagent.retrievers.text import DEPTH, TextRetriever, to_evidence
from cogagent.types import Evidence, Query

SHOWN_WEIGHT = 0.5
"""Of what a picture shows, against the words in it and its caption. A picture without
any is ranked by what it shows alone: its text only repeats what the network saw."""


class ImageRetriever:
    """Search among the pictures of one collection.

    Args:
        store: The home to search.
        embedder: The picture embedder that the home was built with.
        texts: Finds pictures by the words in them and about them.
        collection: Its name.
        filters: Applied before the search.
        pictures: Vectors of the question's own pictures, shape ``(n, dim)``.
    """

    def __init__(
        self,
        store: Store,
        embedder: ImageEmbedder,
        texts: TextRetriever,
        collection: str,
        filters: Filters | None = None,
        pictures: Sequence[Vectors] = (),
    ) -> None:
        self._store = store
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
            alike = scaled(self._near(self._pictures[query.picture]))
            said = self.rank(query.text) if query.text.strip() else {}
            scores = {key: score + said.get(key, 0.0) for key, score in alike.items()}
            return to_evidence(self._store, scores, k, query)
        return to_evidence(self._store, self.rank(query.text), k, query)

    def rank(self, text: str) -> Scores:
        """Scores from 0 to 1 of the pictures that match ``text``."""
        said, shown = scaled(self._texts.rank(text, kinds=("image",))), self.shown(text)
        worded = self._store.worded(said)
        scores = dict(shown)
        for key in worded | (said.keys() - shown.keys()):
            scores[key] = SHOWN_WEIGHT * shown.get(key, 0.0) + (1 - SHOWN_WEIGHT) * said[key]
        return scores

    def shown(self, text: str) -> Scores:
        """Scores from 0 to 1 of the pictures that show what ``text`` says."""
        if not self._store.size(self._collection, self._store.image):
            return {}
        return scaled(self._near(self._embedder.embed_texts([text])[0]))

    def _near(self, vector: Vectors) -> Scores:
        selection = self._store.select(self._collection, self._filters)
        allowed = None if selection is None else selection.ids
        ids, cosines = self._store.nearest(
            self._collection, self._store.image, vector, DEPTH, allowed
        )
        return dict(zip(ids.tolist(), cosines.tolist(), strict=True))
