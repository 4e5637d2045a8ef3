"""Chat completions: a question of OpenAI's clients, answered whole or in pieces."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Response
from pydantic import Field, JsonValue
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from cogagent.api import streaming
from cogagent.api.envelopes import envelope
from cogagent.api.etags import reply
from cogagent.api.following import following
from cogagent.api.openai.base import AGENT, collection_of, gives
from cogagent.api.openai.base import router as new_router
from cogagent.api.openai.messages import Lenient, Messages, asked
from cogagent.api.openai.pictures import pictures_of
from cogagent.api.openai.refusals import no_model, unsupported
from cogagent.api.openai.replies import (
    ChatChunk,
    ChatCompletion,
    ChatUsage,
    Choice,
    Chunks,
    new_id,
    reply_message,
)
from cogagent.api.payloads import Given, json_body, takes
from cogagent.api.problems import status_of
from cogagent.api.routes.base import Reader, parts_of
from cogagent.api.session import Session
from cogagent.api.views import FilterMap, Name
from cogagent.errors import NotFoundError, error_of
from cogagent.types import Answer, Budget, DoneEvent, ErrorEvent, Event, TokenEvent

router = new_router()

_EXAMPLE = {
    "model": "cogagent",
    "messages": [{"role": "user", "content": "How high is Kestrel Dam?"}],
}


class StreamOptions(Lenient):
    """How a stream is told."""

    include_usage: bool = False
    """Send what it cost in a last piece."""


class ResponseFormat(Lenient):
    """The form of the answer; only text can be had."""

    type: Literal["text", "json_object", "json_schema"]


class AskOptions(Given):
    """What `/v1/ask` takes beside the question, as there; `extra_body` in OpenAI's client."""

    planner: str | None = Field(default=None, max_length=100)
    budget: Budget | None = None
    filters: FilterMap | None = None
    strict: bool = False
    choices: Annotated[tuple[str, ...], Field(min_length=2, max_length=26)] | None = None
    conversation: Name | None = None
    evidence: bool = False
    """Tell all evidence and steps too."""


class ChatRequest(Lenient):
    """A conversation whose last message asks; fields that are not named here are ignored."""

    messages: Messages
    model: str = Field(default=AGENT, max_length=300)
    """`cogagent` answers from the collection `default`, `cogagent/NAME` from the one named."""
    stream: bool | None = False
    """Send the answer in pieces, as server-sent events."""
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=1, ge=1, le=128)
    """There is one answer to a question: not more than 1."""
    tool_choice: str | Mapping[str, JsonValue] | None = None
    """Tools are never called: `none` or `auto`."""
    function_call: str | Mapping[str, JsonValue] | None = None
    """The same under its old name."""
    response_format: ResponseFormat | None = None
    """Answers are text."""
    cogagent: AskOptions | None = None
    """What only this service knows."""


@router.post(
    "/chat/completions",
    responses=gives(ChatCompletion, 408, 413, 415, also={streaming.MEDIA_TYPE: ChatChunk}),
    openapi_extra=takes(ChatRequest),
)
async def create_chat_completion(
    request: Request,
    session: Reader,
    given: Annotated[ChatRequest, Depends(json_body(ChatRequest))],
) -> Response:
    """Answer the last message of a conversation from the documents, with citations.

    Where nothing is found, that is the answer, and `cogagent.outcome` says `abstained`.
    """
    collection = _collection(given)
    put = asked(given.messages)
    keywords = {
        "images": pictures_of(put.pictures, parts_of(request)),
        "collection": collection,
        "history": put.history or None,
        **_chosen(given.cogagent or AskOptions()),
    }
    try:
        if given.stream:
            events = session.astream(put.question, **keywords)
            return await _streamed(session, given, events, _heartbeat(request))
        answer = await streaming.until_gone(request, session.aask(put.question, **keywords))
    except NotFoundError as error:  # the collection is all that is looked up by name
        raise no_model(given.model) from error
    message = reply_message(answer, whole=_is_whole(given))
    return reply(
        ChatCompletion(
            id=new_id(),
            created=int(time.time()),
            model=given.model,
            choices=(Choice(message=message),),
            usage=await _usage(session, given, answer),
        )
    )


def _collection(given: ChatRequest) -> str:
    """The collection that a request is about, if it can be answered as it is."""
    if given.n is not None and given.n > 1:
        raise unsupported("there is one answer to a question: n can only be 1", "n")
    if given.tool_choice not in (None, "none", "auto"):
        raise unsupported("tools are never called", "tool_choice")
    if given.function_call not in (None, "none", "auto"):
        raise unsupported("functions are never called", "function_call")
    if given.response_format is not None and given.response_format.type != "text":
        raise unsupported("answers are text", "response_format", "type")
    collection = collection_of(given.model)
    if collection is None:
        raise no_model(given.model)
    return collection


def _chosen(options: AskOptions) -> dict[str, Any]:
    names = ("planner", "budget", "filters", "strict", "choices", "conversation")
    return {name: getattr(options, name) for name in names}


def _is_whole(given: ChatRequest) -> bool:
    return given.cogagent is not None and given.cogagent.evidence


def _heartbeat(request: Request) -> float:
    return parts_of(request).settings.heartbeat_seconds


async def _usage(session: Session, given: ChatRequest, answer: Answer) -> ChatUsage:
    texts = [*(message.text for message in given.messages), answer.text]
    *asked_with, written = await run_in_threadpool(session.text_embedder.count_tokens, texts)
    return ChatUsage(
        prompt_tokens=sum(asked_with),
        completion_tokens=written,
        total_tokens=sum(asked_with) + written,
    )


# --- in pieces -------------------------------------------------------------


async def _streamed(
    session: Session, given: ChatRequest, events: AsyncIterator[Event], heartbeat: float
) -> Response:
    """The response that tells of an answer as it is made.

    Raises:
        CogAgentError: If it fails at once: that can still be told by an HTTP status.
    """
    beating = following(events, heartbeat)
    first = await anext(beating, None)
    if isinstance(first, ErrorEvent):
        raise error_of(first.code, first.message)
    return StreamingResponse(
        _pieces(session, given, first, beating),
        headers=streaming.HEADERS,
        media_type=streaming.MEDIA_TYPE,
    )


async def _pieces(
    session: Session,
    given: ChatRequest,
    first: Event | None,
    rest: AsyncGenerator[Event | None, None],
) -> AsyncIterator[bytes]:
    options = given.stream_options or StreamOptions()
    chunks = Chunks(given.model, options.include_usage)
    held = ""  # the last piece waits for what goes with it
    async with aclosing(rest) as events:
        yield chunks.begin()
        async for event in _behind(first, events):
            if isinstance(event, TokenEvent):
                if held:
                    yield chunks.piece(held)
                held = event.text
            elif isinstance(event, DoneEvent):
                yield chunks.last(held, reply_message(event.answer, whole=_is_whole(given)))
                yield chunks.end(await _usage(session, given, event.answer))
                return
            elif isinstance(event, ErrorEvent):
                yield _failed(event)
                return
            elif event is None:
                yield streaming.HEARTBEAT


async def _behind(
    first: Event | None, rest: AsyncIterator[Event | None]
) -> AsyncIterator[Event | None]:
    yield first
    async for event in rest:
        yield event


def _failed(event: ErrorEvent) -> bytes:
    """The end of a stream that fails midway, which the clients raise."""
    status = status_of(error_of(event.code, event.message))
    told = envelope(status, event.code, event.message)
    return b"data: " + told.model_dump_json().encode() + b"\n\n"
