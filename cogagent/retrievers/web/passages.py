"""Pages as evidence: passages of whole sentences, those that suit the query first."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cogagent.models.base import TextEmbedder
from cogagent.retrievers.fusion import Scores, best, scaled
from cogagent.retrievers.text import terms
from cogagent.types import Chunk, Evidence, Query

_EMBEDDED = 64
"""Passages that are compared by meaning: those that share most words with the query, and
the first of each page."""
_FIRST = 4
_K1, _B = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was read.

    Attributes:
        url: Where it was in the end.
        asked: The address that the search engine gave.
        title: Its own, or the search engine's.
        media_type: What it was read as.
        retrieved: When, as ISO 8601 in UTC.
        passages: In their order.
    """

    url: str
    asked: str
    title: str
    media_type: str
    retrieved: str
    passages: tuple[Chunk, ...]

    @property
    def size(self) -> float:
        """Bytes in memory, roughly."""
        return 2000.0 + sum(
            1000 + 2 * len(each.text) + 28 * len(each.words) for each in self.passages
        )


def ranked(pages: Sequence[Page], query: Query, k: int, embedder: TextEmbedder) -> list[Evidence]:
    """The ``k`` passages of ``pages`` that match a query best, by words and by meaning.

    Scores are those of the text tool: the even sum of cosine and BM25, each scaled
    to its highest.

    Raises:
        ModelError: If the embedder fails.
    """
    every: list[tuple[Page, Chunk]] = []
    first: list[int] = []
    for page in pages:
        fit = [each for each in page.passages if not query.kinds or each.kind in query.kinds]
        first += range(len(every), len(every) + len(fit[:_FIRST]))
        every += [(page, each) for each in fit]
    if not every:
        return []
    texts = [passage.embedded_text() for _, passage in every]
    said = scaled(bm25(texts, terms(query.text)))
    near = list(dict.fromkeys([*(at for at, _ in best(said, _EMBEDDED)), *first]))[:_EMBEDDED]
    vectors = embedder.embed([texts[at] for at in near])
    cosines = vectors @ embedder.embed([query.text], query=True)[0]
    meant = scaled(dict(zip(near, np.asarray(cosines).tolist(), strict=True)))
    scores = {at: (said.get(at, 0.0) + meant.get(at, 0.0)) / 2 for at in said.keys() | meant}
    return [
        to_evidence(*every[at], query).model_copy(update={"score": round(score, 6)})
        for at, score in best(scores, k)
        if score > 0
    ]


def bm25(texts: Sequence[str], words: Sequence[str]) -> Scores:
    """How well each text has the words, by its place; those that have none are left out."""
    counts = [Counter(_WORD.findall(text.lower())) for text in texts]
    lengths = [count.total() for count in counts]
    mean = sum(lengths) / max(len(lengths), 1) or 1.0
    scores: Scores = {}
    for word in words:
        having = [at for at, count in enumerate(counts) if word in count]
        rarity = math.log(1 + (len(texts) - len(having) + 0.5) / (len(having) + 0.5))
        for at in having:
            often = counts[at][word]
            damped = often + _K1 * (1 - _B + _B * lengths[at] / mean)
            scores[at] = scores.get(at, 0.0) + rarity * often * (_K1 + 1) / damped
    return scores


def to_evidence(page: Page, passage: Chunk, query: Query) -> Evidence:
    """A passage as evidence; its id is that of its words at its address."""
    return Evidence(
        id=f"web-{digest(page.url, str(passage.page), passage.kind, passage.text)}",
        document_id=document_id(page.url),
        uri=page.url,
        title=page.title,
        media_type=page.media_type,
        page=passage.page,
        box=passage.box,
        boxes=tuple(passage.words.lines(0, len(passage.text))),
        modality=passage.kind,
        text=passage.text,
        caption=passage.caption,
        context=passage.context,
        score=0.0,
        query=query.text,
        metadata={"kind": "web", "url": page.asked, "retrieved": page.retrieved},
        words=passage.words,
    )


def document_id(url: str) -> str:
    """What stands for a page among documents; no document of a home has such an id."""
    return f"web:{digest(url)}"


def digest(*parts: str) -> str:
    """A short hash of texts."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:16]
