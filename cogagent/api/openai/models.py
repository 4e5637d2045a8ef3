"""Models: one for each collection that the caller may read."""

from __future__ import annotations

from typing import Literal

from fastapi import Response

from cogagent.api.etags import reply
from cogagent.api.openai.base import AGENT, collection_of, gives, model_of
from cogagent.api.openai.base import router as new_router
from cogagent.api.openai.refusals import no_model
from cogagent.api.paths import ModelName
from cogagent.api.routes.base import Reader
from cogagent.errors import NotFoundError
from cogagent.types import Record

router = new_router()


class Model(Record):
    """What answers from one collection."""

    id: str
    """`cogagent/` and the collection's name; `cogagent` is the one of the collection `default`."""
    object: Literal["model"] = "model"
    created: int = 0
    """Always 0: a collection has no date."""
    owned_by: str = AGENT


class ModelList(Record):
    """All models."""

    object: Literal["list"] = "list"
    data: tuple[Model, ...]


@router.get("/models", responses=gives(ModelList))
def list_models(session: Reader) -> Response:
    """A model for each collection that the caller may read, for `/v1/chat/completions`."""
    names = [one.name for one in session.collections()]
    first = [Model(id=AGENT)] if "default" in names else []
    return reply(ModelList(data=(*first, *(Model(id=model_of(name)) for name in names))))


@router.get("/models/{model:path}", responses=gives(Model))
def retrieve_model(session: Reader, model: ModelName) -> Response:
    """One model by id."""
    collection = collection_of(model)
    try:
        if collection is None:
            raise no_model(model)
        session.collection(collection)
    except NotFoundError as error:
        raise no_model(model) from error
    return reply(Model(id=model))
