"""What a query found, in a sentence or two: all that a planner's history keeps of it.

As in OmniSearch (arXiv 2411.02937): a call of its own sees the documents, the pictures
and the sub-question; only what it writes joins the history.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence

from cogagent.checking.injection import fence, visible
from cogagent.documents.sentences import sentences
from cogagent.errors import ContextOverflowError
from cogagent.models.metered import MeteredMLLM
from cogagent.models.mllm import Options, said
from cogagent.models.showing import PictureCache
from cogagent.models.sight import picture_tokens
from cogagent.pipelines.packing import shown_text
from cogagent.pipelines.prompts import prompt
from cogagent.reading.question import words
from cogagent.types import Evidence, Query, Raster

PROMPT = "digest.v1"
LONGEST = 400
"""Characters of a digest."""

_TOKENS = 96
_READ = 5
"""Pieces of evidence that are read, the best."""
_LEAST = 200
"""Characters of a piece that are shown at least."""
_CONTEXT = 8192
"""Tokens, for a model that does not say how many it reads."""
_BYTES_A_TOKEN = 3
_PICTURE_SHARE = 3
"""Of so many parts of the context, pictures may take one."""
_HEAD = 80
"""Bytes of a piece's number, title and page."""
_NOTHING = re.compile(r"^\W*(?:nothing|not found|none|no answer)\b\W*$", re.IGNORECASE)
_MARKER = re.compile(r"\s*\[\d+\]")
_STRONG = 2.0
"""Weight of a name or number of the query against another word."""
_SENTENCES = 200
"""Sentences of a piece that are compared."""


async def digest(
    query: Query,
    evidence: Sequence[Evidence],
    model: MeteredMLLM,
    pictures: Sequence[Raster] = (),
) -> str:
    """What the evidence says to a query, by a model that reads it fenced.

    Args:
        query: What was asked.
        evidence: Best first; the first five pieces are read.
        model: Writes; it is asked once, or twice if its context is smaller than it says.
        pictures: That came with the question, for a model that sees.

    Returns:
        A sentence or two on one line, at most 400 characters; empty if it says nothing.

    Raises:
        BudgetError: If the budget does not allow it.
        ModelError: If the model fails.
    """
    if not evidence:
        return ""
    shown: list[Raster] = []
    if pictures and model.capabilities.pictures:
        shown = await asyncio.to_thread(_shown, model, pictures)
    context = model.capabilities.context or _CONTEXT
    tokens = min(_TOKENS, max(context // 4, 1))
    order = prompt(PROMPT)
    asked = f"Question: {visible(query.text)}"
    seen = picture_tokens(model, [raster.size for raster in shown])
    room = (context - tokens - seen) * _BYTES_A_TOKEN - len(f"{order}{asked}".encode())
    options = Options(max_tokens=tokens)

    async def written(room: int) -> str:
        fenced = _fenced(evidence[:_READ], room)
        messages = [said("system", order), said("user", f"{fenced}\n\n{asked}", *shown)]
        return (await model.generate(messages, options)).text

    try:
        text = await written(room)
    except ContextOverflowError:
        text = await written(room // 2)
    return _cleaned(text)


def digest_by_words(query: Query, evidence: Sequence[Evidence]) -> str:
    """The sentence, row or caption that shares most words with the query.

    Names and numbers count twice, and a piece's title and headings count for all of its
    sentences, but for less; of equals the one of the better piece is taken.

    Returns:
        It, on one line, at most 400 characters; empty if none shares a word.
    """
    asked: dict[str, float] = {}
    for word in words(query.text[: 4 * LONGEST]):
        if word.content:
            asked[word.stem] = max(asked.get(word.stem, 0.0), _STRONG if word.strong else 1.0)
    best, most = "", 0.0
    for place, piece in enumerate(evidence[:_READ]):
        above = _shared(asked, f"{piece.title} {piece.context}") / 2
        for text in _parts(piece):
            score = _shared(asked, text)
            # Enough to tell equals apart, the better piece first.
            score = score and score + above - 0.01 * place
            if score > most:
                best, most = text, score
    return _cut(best)


def _parts(piece: Evidence) -> list[str]:
    """What can be quoted of a piece by itself."""
    if piece.modality == "table":
        found = piece.text.splitlines()
    else:
        found = [piece.text[start:end] for start, end in sentences(piece.text)]
    return [text for text in (piece.caption, *found[:_SENTENCES]) if text.strip()]


def _shared(asked: dict[str, float], text: str) -> float:
    there = {word.stem for word in words(text)}
    return sum(weight for stem, weight in asked.items() if stem in there)


def _fenced(evidence: Sequence[Evidence], room: int) -> str:
    """Evidence between its fences, each piece cut to its share of the room."""
    share = max(room // len(evidence) - _HEAD, _LEAST)
    kept = evidence[: max(room // (_LEAST + _HEAD), 1)]
    cut = [
        piece.model_copy(
            update={
                "text": _head(piece.text, share),
                "context": _head(piece.context, _HEAD),
                "caption": _head(piece.caption, _LEAST),
                "title": _head(piece.title, _HEAD),
            }
        )
        for piece in kept
    ]
    whole = "\n".join(shown_text(piece) for piece in cut)
    name = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return fence(cut, boundary=name)


def _head(text: str, room: int) -> str:
    """The beginning of a text, in at most so many bytes."""
    return text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")


def _shown(model: MeteredMLLM, pictures: Sequence[Raster]) -> list[Raster]:
    most = (model.capabilities.context or _CONTEXT) // _PICTURE_SHARE
    return PictureCache(0, 0).shown(list(pictures), model, most)


def _cleaned(text: str) -> str:
    """What a model wrote, without thinking aloud, markers, and the word for nothing."""
    line = _MARKER.sub("", text.rpartition("</think>")[2])
    return "" if _NOTHING.match(line.strip()) else _cut(line)


def _cut(text: str) -> str:
    line = " ".join(visible(text[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1].rstrip()}…"
