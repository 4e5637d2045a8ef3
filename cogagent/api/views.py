"""What callers send, and what they get where no type of the library is it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, RootModel, WithJsonSchema

from cogagent.api.payloads import Given
from cogagent.indexes.jobs import Job
from cogagent.planners.base import Turn
from cogagent.types import Budget, Evidence, MetaValue, Record

_QUESTION = 20_000
"""Characters of the longest question that is read; the library may take less."""
_PICTURES = 16
_DATA = "data:"


def picture_bytes(text: object) -> bytes:
    """The bytes of a picture in a request: base64, or a data URI with it.

    Raises:
        ValueError: If it is neither.
    """
    if not isinstance(text, str):
        raise ValueError("a picture is a text")  # noqa: TRY004 - pydantic reads ValueError
    encoded = text
    if text[: len(_DATA)].lower() == _DATA:
        head, comma, encoded = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise ValueError("a data URI of a picture has its bytes in base64")
    try:
        found = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise ValueError("a picture comes in base64") from error
    if not found:
        raise ValueError("a picture has no bytes")
    return found


Name = Annotated[str, Field(min_length=1, max_length=200)]
Picture = Annotated[
    bytes,
    BeforeValidator(picture_bytes),
    WithJsonSchema({"type": "string", "minLength": 4, "description": "Base64, or a data URI."}),
]
Filter = MetaValue | Annotated[tuple[MetaValue, ...], Field(max_length=1000)]
FilterMap = Annotated[Mapping[str, Filter], Field(max_length=50)]


class NewCollection(Given):
    """A collection to be."""

    name: Name
    """1 to 200 printable characters."""


class SearchRequest(Given):
    """What to search for: words, a picture, or both."""

    query: str = Field(default="", max_length=_QUESTION)
    image: Picture | None = None
    """A picture to find similar ones to: base64, or a data URI."""
    collection: Name = "default"
    k: int = Field(default=10, ge=1, le=200)
    """How many pieces of evidence."""
    modality: Literal["text", "image", "all"] = "all"
    """`text` for passages and tables, `image` for pictures."""
    filters: FilterMap | None = None
    """Field names, and the value or values that they must have: `document`, `uri`, `title`,
    `media_type`, `page`, `kind`, or a key of the documents' metadata."""


class PastTurn(Given):
    """An earlier question of a conversation that the caller keeps itself."""

    question: str = Field(max_length=_QUESTION)
    answer: str = Field(default="", max_length=100_000)


class AskRequest(Given):
    """A question."""

    question: str = Field(min_length=1, max_length=_QUESTION)
    images: tuple[Picture, ...] = Field(default=(), max_length=_PICTURES)
    """Pictures that belong to the question: base64, or data URIs."""
    collection: Name = "default"
    planner: str | None = Field(default=None, max_length=100)
    """Name of a planner; the service's own choice when `null`."""
    budget: Budget | None = None
    """The most that the answer may cost; the service has bounds of its own."""
    filters: FilterMap | None = None
    """As for a search."""
    strict: bool = False
    """Leave out what a language model wrote and the evidence does not bear out."""
    choices: Annotated[tuple[str, ...], Field(min_length=2, max_length=26)] | None = None
    """Texts of which one is the answer; `null` for an open question."""
    conversation: Name | None = None
    """A name under which the home keeps the caller's questions and answers."""
    history: Annotated[tuple[PastTurn, ...], Field(max_length=50)] | None = None
    """Earlier questions and answers, in place of a conversation that the home keeps."""
    stream: bool = False
    """Answer with server-sent events, as with `Accept: text/event-stream`."""


class SearchResult(Record):
    """What a search found."""

    items: tuple[Evidence, ...]
    """Best first."""


class DocumentInfo(Given):
    """What is to be known of a document that comes in."""

    uri: str | None = Field(default=None, min_length=1, max_length=2000)
    """A name of the caller's with a scheme, such as `note:1`: the same again replaces it."""
    title: str | None = Field(default=None, max_length=1000)
    media_type: str | None = Field(default=None, max_length=200)
    """Recognised by its bytes and name when `null`."""
    metadata: Annotated[Mapping[str, MetaValue], Field(max_length=100)] = {}
    """By which searches can be narrowed down."""
    principals: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    """Who may see it; none: everybody who may use the collection."""


class DocumentInfos(RootModel[Annotated[tuple[DocumentInfo, ...], Field(max_length=10_000)]]):
    """What is to be known of the files of a form, in their order; of the last ones nothing."""


class NewUrls(Given):
    """Documents to be fetched from their addresses."""

    url: str | None = Field(default=None, min_length=1, max_length=4000)
    urls: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...], Field(max_length=1000)
    ] = ()
    """Further ones."""
    documents: Annotated[tuple[DocumentInfo, ...], Field(max_length=1000)] = ()
    """What is to be known of them, in their order."""


class Submitted(Record):
    """A job that ingests documents."""

    job: Job
    documents: tuple[str, ...]
    """Ids that the documents have, or will have, in the order that they came in."""


class ReplayRequest(Given):
    """How to answer a traced question again."""

    planner: str | None = Field(default=None, max_length=100)
    """Another planner than then; `null` for the same."""


class Conversation(Record):
    """A conversation that the home keeps."""

    name: str


class ConversationTurns(Record):
    """A conversation, whole."""

    name: str
    turns: tuple[Turn, ...]
    """The oldest first."""


class Inventory(Record):
    """What the service works with."""

    text_embedder: str
    image_embedder: str
    answer_model: str
    """What writes answers: `extractive`, which quotes, or a language model."""
    planner_model: str
    """What plans, for planners that need a language model."""
    ocr: str | None
    """What reads pictures of text; `null` if nothing does."""
    planner: str
    """The planner of questions that name none."""
    planners: tuple[str, ...]
    """Those that a question may name."""
    web: bool
    """Questions may be searched for on the web."""


class SettingEntry(Record):
    """A setting and its value."""

    name: str
    value: str
    source: Literal["default", "file", "environment"]
    variable: str
    """The environment variable that sets it."""


class SettingList(Record):
    """Every setting."""

    items: tuple[SettingEntry, ...]
