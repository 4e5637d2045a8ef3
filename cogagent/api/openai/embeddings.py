"""Vectors of texts, by the embedder that the home's own texts went through."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Response
from pydantic import Field

from cogagent.api import streaming
from cogagent.api.etags import reply
from cogagent.api.openai.base import AGENT, collection_of, gives
from cogagent.api.openai.base import router as new_router
from cogagent.api.openai.messages import Lenient, Text
from cogagent.api.openai.refusals import no_model, unsupported
from cogagent.api.payloads import json_body, takes
from cogagent.api.routes.base import Reader
from cogagent.types import Record

router = new_router()

_CHARACTERS = 1_000_000
"""Of all texts of one request."""

Filled = Annotated[Text, Field(min_length=1)]


class EmbeddingRequest(Lenient):
    """Texts to embed."""

    input: Filled | Annotated[list[Filled], Field(min_length=1, max_length=2048)] = Field(
        examples=["How high is Kestrel Dam?"]
    )
    """One or many. What is longer than the embedder reads is cut there; tokens instead of
    texts are not taken."""
    model: str = AGENT
    """Any that `/v1/models` lists, or the embedder by its own name: it is always that."""
    encoding_format: Literal["float", "base64"] = "float"
    """`base64` is of the numbers as 32-bit floats, little-endian."""
    dimensions: int | None = Field(default=None, ge=1)
    """The embedder's own, if any."""
    input_type: Literal["passage", "query"] = "passage"
    """`query` for questions, which some embedders prompt in another way."""


class Embedding(Record):
    """One vector, of length 1."""

    object: Literal["embedding"] = "embedding"
    index: int
    """Which text it is of, from 0."""
    embedding: tuple[float, ...] | str


class EmbeddingUsage(Record):
    """What was read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Record):
    """The vectors, in the order of the texts."""

    object: Literal["list"] = "list"
    data: tuple[Embedding, ...]
    model: str
    """The embedder that made them."""
    usage: EmbeddingUsage


@router.post(
    "/embeddings",
    responses=gives(Embeddings, 408, 413, 415),
    openapi_extra=takes(EmbeddingRequest),
)
async def create_embedding(
    request: Request,
    session: Reader,
    given: Annotated[EmbeddingRequest, Depends(json_body(EmbeddingRequest))],
) -> Response:
    """Vectors of texts, by the home's text embedder."""
    embedder = session.text_embedder
    if given.model != embedder.name and collection_of(given.model) is None:
        raise no_model(given.model)
    if given.dimensions not in (None, embedder.dim):
        raise unsupported(f"vectors of {embedder.name} have {embedder.dim} numbers", "dimensions")
    texts = [given.input] if isinstance(given.input, str) else given.input
    if sum(map(len, texts)) > _CHARACTERS:
        raise unsupported(f"a request has {_CHARACTERS} characters at most; send several", "input")
    embedded = session.aembed(texts, query=given.input_type == "query")
    vectors, tokens = await streaming.until_gone(request, embedded)
    read = sum(min(count, embedder.max_tokens) for count in tokens)

    def shown(vector: Any) -> tuple[float, ...] | str:
        if given.encoding_format == "base64":
            return base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return tuple(vector.tolist())

    return reply(
        Embeddings(
            data=tuple(
                Embedding(index=index, embedding=shown(vector))
                for index, vector in enumerate(vectors)
            ),
            model=embedder.name,
            usage=EmbeddingUsage(prompt_tokens=read, total_tokens=read),
        )
    )
