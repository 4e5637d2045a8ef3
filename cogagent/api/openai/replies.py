"""Answers as chat completions: the message, its annotations, and the pieces of a stream."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_core import to_json

from cogagent.api.crops import crop_url
from cogagent.indexes.writing import is_own
from cogagent.types import Answer, Citation, Evidence, Record, Step

_MARKER = re.compile(r"\[(\d{1,4})\]")
_LEFT_OUT = ("evidence", "steps")
"""Of an answer, unless asked for: they are most of it, and stand in its trace too."""


class FileCitation(Record):
    """A document that the text cites, as in OpenAI's Responses API."""

    type: Literal["file_citation"] = "file_citation"
    file_id: str
    """The document's id, for `/v1/files` and `/v1/documents`."""
    filename: str
    index: int
    """Where in the text the marker stands that it explains."""


class UrlRange(Record):
    """A page of the web, and where the text cites it."""

    start_index: int
    """First character of the marker."""
    end_index: int
    """Its last character."""
    title: str
    url: str


class UrlCitation(Record):
    """A page of the web that the text cites."""

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlRange


Annotation = Annotated[FileCitation | UrlCitation, Field(discriminator="type")]


class Cited(Citation):
    """A citation, and where to see it."""

    crop: str | None
    """Path of a picture of the cited place on this service; `null` where it keeps none."""


class AnswerView(Answer):
    """The whole answer, as `/v1/ask` gives it, and a crop of each citation."""

    citations: tuple[Cited, ...] = ()
    closest: Cited | None = None
    evidence: tuple[Evidence, ...] = ()
    """Only if asked for, like `steps`: see the request's field `cogagent`."""
    steps: tuple[Step, ...] = ()


class ReplyMessage(Record):
    """What is answered."""

    role: Literal["assistant"] = "assistant"
    content: str
    """The answer with markers such as `[1]`; what was searched, when abstaining."""
    refusal: None = None
    annotations: tuple[Annotation, ...]
    """What each marker in the text stands for, in the order of the text."""
    cogagent: AnswerView
    """Outcome, citations with pages and boxes, and whatever else the answer has."""


class Choice(Record):
    """The one answer."""

    index: int = 0
    message: ReplyMessage
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class ChatUsage(Record):
    """Tokens as the home's embedder counts them.

    What language models cost stands in `cogagent.usage`.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Record):
    """An answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    """Seconds since 1970."""
    model: str
    choices: tuple[Choice, ...]
    usage: ChatUsage


class Delta(Record):
    """What a chunk adds to the message; fields that it does not add are not there."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    refusal: None = None
    annotations: tuple[Annotation, ...] | None = None
    cogagent: AnswerView | None = None


class ChunkChoice(Record):
    """A piece of the one answer."""

    index: int = 0
    delta: Delta
    logprobs: None = None
    finish_reason: Literal["stop"] | None = None


class ChatChunk(Record):
    """A piece of a streamed answer: the `data:` of one event.

    The first has the role, the last one with `content` also `annotations` and `cogagent`,
    the one after it the `finish_reason`; then, if asked for, one has the `usage`.
    """

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: tuple[ChunkChoice, ...]
    usage: ChatUsage | None = None


def reply_message(answer: Answer, *, whole: bool = False) -> ReplyMessage:
    """An answer as a message.

    Args:
        answer: The answer.
        whole: With its evidence and steps.
    """
    left_out = {} if whole else dict.fromkeys(_LEFT_OUT, ())
    closest = None if answer.closest is None else _cited(answer, answer.closest)
    shown: dict[str, Any] = {
        **{name: getattr(answer, name) for name in Answer.model_fields},
        "citations": tuple(_cited(answer, citation) for citation in answer.citations),
        "closest": closest,
        **left_out,
    }
    return ReplyMessage(
        content=answer.text,
        annotations=tuple(annotated(answer)),
        cogagent=AnswerView.model_construct(**shown),
    )


def annotated(answer: Answer) -> Iterator[FileCitation | UrlCitation]:
    """What the markers of an answer stand for, in the order of its text."""
    cited = {citation.marker: citation for citation in answer.citations}
    for match in _MARKER.finditer(answer.text):
        citation = cited.get(int(match[1]))
        if citation is None:
            continue  # a document's own brackets, in a quote
        if is_own(citation.document_id) or not citation.uri.startswith(("http:", "https:")):
            yield FileCitation(
                file_id=citation.document_id,
                filename=filename_of(citation.uri, citation.title),
                index=match.start(),
            )
        else:
            place = UrlRange(
                start_index=match.start(),
                end_index=match.end() - 1,
                title=citation.title,
                url=citation.uri,
            )
            yield UrlCitation(url_citation=place)


def filename_of(uri: str, title: str) -> str:
    """What a document is called as a file: the last part of its uri if that looks like one."""
    name = PurePosixPath(uri.rpartition(":")[2]).name
    return name if PurePosixPath(name).suffix else title or name or uri


def _cited(answer: Answer, citation: Citation) -> Cited:
    fields = {name: getattr(citation, name) for name in Citation.model_fields}
    return Cited.model_construct(**fields, crop=crop_url(citation, answer.trace))


@dataclass(frozen=True, slots=True)
class Chunks:
    """The pieces of one streamed answer, each ready to be sent.

    Args:
        model: Its name, as it was asked for.
        with_usage: Tell what it cost, at the end.
    """

    model: str
    with_usage: bool
    id: str = field(default_factory=lambda: new_id())
    created: int = field(default_factory=lambda: int(time.time()))

    def begin(self) -> bytes:
        """The role."""
        return self._choice({"role": "assistant", "content": ""})

    def piece(self, text: str) -> bytes:
        """More text."""
        return self._choice({"content": text})

    def last(self, text: str, message: ReplyMessage) -> bytes:
        """The last piece of text, with what belongs to the whole message."""
        return self._choice(
            {"content": text, "annotations": message.annotations, "cogagent": message.cogagent}
        )

    def end(self, usage: ChatUsage) -> bytes:
        """Why it ended, what it cost if that was asked for, and the end of the stream."""
        ended = self._choice({}, "stop")
        told = self._event([], {"usage": usage}) if self.with_usage else b""
        return ended + told + b"data: [DONE]\n\n"

    def _choice(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._event([choice], {"usage": None} if self.with_usage else {})

    def _event(self, choices: list[Any], more: dict[str, Any]) -> bytes:
        told = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            **more,
        }
        return b"data: " + to_json(told) + b"\n\n"


def new_id() -> str:
    """The id of an answer to be."""
    return f"chatcmpl-{secrets.token_hex(12)}"
