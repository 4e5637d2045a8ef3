"""One ranked list of passages, tables and pictures."""

from __future__ import annotations

from cogagent.indexes.store import Store
from cogagent.retrievers.fusion import Scores
from cogagent.retrievers.image import ImageRetriever
from cogagent.retrievers.text import TextRetriever, to_evidence
from cogagent.types import Evidence, Query

SHOWN_BONUS = 0.25
"""What looking like the query adds to a picture at most. Pictures are searched
as text too, by the words in and about them; this lifts those that also show it."""


class MixedRetriever:
    """Searches text and pictures at once.

    Args:
        store: The home to search.
        text: Searches everything by its words.
        image: Searches pictures by what they show.
    """

    def __init__(self, store: Store, text: TextRetriever, image: ImageRetriever) -> None:
        self._store = store
        self._text = text
        self._image = image

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` best of all kinds."""
        scores: Scores = dict(self._text.rank(query.text, query.kinds))
        for key, score in self._image.shown(query.text).items():
            scores[key] = scores.get(key, 0.0) + SHOWN_BONUS * score
        return to_evidence(self._store, scores, k, query)
