"""The door for OpenAI's clients, by the official one: chats, models, embeddings, errors."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from openai.types import responses
from openai.types.chat.chat_completion_message import Annotation

from cogagent import CogAgent
from cogagent.api.app import make_app
from cogagent.api.openai.messages import ChatMessage, asked
from cogagent.api.openai.replies import annotated, filename_of, reply_message
from cogagent.types import Answer, Citation, PageBox, to_json_value
from tests.api.conftest import DAM, QUESTION, SECRET, Keys, Running, bearer, picture, running
from tests.timeless import timeless

MODEL = "cogagent/dams"


@pytest.fixture(scope="module")
def server(shared: CogAgent) -> Iterator[Running]:
    with running(make_app(shared, open_door=True)) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(server: Running, client_of) -> openai.OpenAI:
    return client_of(server)


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def posted(server: Running, path: str, body: Any, **headers: str) -> httpx.Response:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = {"Content-Type": "application/json", **headers}
    return httpx.post(f"{server.url}/v1{path}", content=sent, headers=told, timeout=60)


def envelope(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


# --- chat ------------------------------------------------------------------


def test_an_answer_is_that_of_python(client, shared):
    found = client.chat.completions.create(model=MODEL, messages=user(QUESTION))
    ours = shared.ask(QUESTION, collection="dams")
    (choice,) = found.choices
    assert (found.model, found.object) == (MODEL, "chat.completion")
    assert choice.finish_reason == "stop"
    assert choice.message.content == ours.text == f"{DAM[0]} [1]"
    theirs = choice.message.cogagent
    assert theirs["citations"][0].pop("crop").startswith("/v1/documents/doc-")
    plain = timeless(ours)
    same = {name for name in plain if name not in ("usage", "evidence", "steps")}
    assert {name: timeless(theirs)[name] for name in same} == {name: plain[name] for name in same}
    assert (theirs["evidence"], theirs["steps"]) == ([], [])
    assert theirs["trace"] is not None


def test_evidence_and_steps_come_if_they_are_asked_for(client, shared):
    found = client.chat.completions.create(
        model=MODEL, messages=user(QUESTION), extra_body={"cogagent": {"evidence": True}}
    )
    ours = to_json_value(shared.ask(QUESTION, collection="dams"))
    assert found.choices[0].message.cogagent["evidence"] == ours["evidence"]
    assert len(found.choices[0].message.cogagent["steps"]) == len(ours["steps"])


def test_usage_counts_what_was_said(client, shared):
    found = client.chat.completions.create(model=MODEL, messages=user(QUESTION))
    counts = shared.text_embedder.count_tokens([QUESTION, f"{DAM[0]} [1]"])
    assert [found.usage.prompt_tokens, found.usage.completion_tokens] == counts
    assert found.usage.total_tokens == sum(counts)


def test_a_stream_adds_up_to_the_whole(client):
    whole = client.chat.completions.create(model=MODEL, messages=user(QUESTION))
    chunks = list(
        client.chat.completions.create(model=MODEL, messages=user(QUESTION), stream=True)
    )
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert deltas[0].role == "assistant"
    assert all(chunk.usage is None for chunk in chunks)
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(deltas) > 5
    message = whole.choices[0].message
    assert "".join(delta.content or "" for delta in deltas) == message.content
    last = deltas[-2]
    assert last.content
    assert last.annotations == [one.to_dict() for one in message.annotations]
    assert all(not (delta.model_extra or {}).get("annotations") for delta in deltas[:-2])
    assert timeless(last.cogagent) == timeless(message.cogagent)


def test_a_stream_tells_its_usage_if_asked(client):
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=user(QUESTION),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    whole = client.chat.completions.create(model=MODEL, messages=user(QUESTION))
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_a_stream_ends_in_done(server):
    body = {"model": MODEL, "messages": user(QUESTION), "stream": True}
    told = posted(server, "/chat/completions", body)
    assert told.headers["content-type"].startswith("text/event-stream")
    events = told.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: ") for event in events[:-1])


def test_the_asynchronous_client_too(server, client):
    async def work() -> tuple[str, str]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x") as opened:
            whole = await opened.chat.completions.create(model=MODEL, messages=user(QUESTION))
            stream = await opened.chat.completions.create(
                model=MODEL, messages=user(QUESTION), stream=True
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return whole.choices[0].message.content, "".join(pieces)

    whole, pieces = asyncio.run(work())
    assert whole == pieces == f"{DAM[0]} [1]"


def test_without_stream_the_answer_is_whole(server):
    told = posted(server, "/chat/completions", {"model": MODEL, "messages": user(QUESTION)})
    assert told.json()["object"] == "chat.completion"


def test_annotations_are_those_of_openai(client, shared):
    found = client.chat.completions.create(model=MODEL, messages=user(QUESTION))
    text = found.choices[0].message.content
    (one,) = found.choices[0].message.annotations
    told = responses.response_output_text.AnnotationFileCitation.model_validate(one.model_dump())
    (cited,) = shared.ask(QUESTION, collection="dams").citations
    assert (told.file_id, told.filename) == (cited.document_id, "dam.pdf")
    assert text[told.index :].startswith("[1]")


def test_an_abstention_is_an_answer(client):
    found = client.chat.completions.create(
        model=MODEL, messages=user("What is the capital of Peru?")
    )
    (choice,) = found.choices
    assert choice.finish_reason == "stop"
    assert choice.message.cogagent["outcome"] == "abstained"
    assert choice.message.cogagent["searched"]
    assert choice.message.content
    assert choice.message.annotations == []


def test_a_follow_up_is_understood_from_the_messages_before_it(client):
    first = client.chat.completions.create(
        model=MODEL, messages=[{"role": "system", "content": "Be rude."}, *user(QUESTION)]
    )
    told = [*user(QUESTION), {"role": "assistant", "content": first.choices[0].message.content}]
    again = client.chat.completions.create(
        model=MODEL, messages=[*told, *user("When was it finished?")]
    )
    message = again.choices[0].message
    assert message.cogagent["resolved"] == "When was Kestrel Dam finished?"
    assert message.cogagent["short"] == "1931"
    alone = client.chat.completions.create(model=MODEL, messages=user("When was it finished?"))
    assert alone.choices[0].message.cogagent["resolved"] == ""


def test_a_message_that_is_sent_back_whole_tells_its_short_answer(client):
    first = client.chat.completions.create(model=MODEL, messages=user(QUESTION))
    told = [*user(QUESTION), first.choices[0].message]
    told[1].cogagent["short"] = "Grace Hopper"  # what was said, not what was found
    again = client.chat.completions.create(
        model=MODEL, messages=[*told, *user("What else did she build?")]
    )
    assert again.choices[0].message.cogagent["resolved"] == "What else did Grace Hopper build?"


def test_a_picture_belongs_to_the_question(client, shared):
    data = picture("red")
    uri = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    parts = [
        {"type": "text", "text": "Which picture looks like this one?"},
        {"type": "image_url", "image_url": {"url": uri, "detail": "low"}},
    ]
    found = client.chat.completions.create(model=MODEL, messages=user(parts))
    ours = shared.ask("Which picture looks like this one?", [data], collection="dams")
    assert found.choices[0].message.content == ours.text
    notes = found.choices[0].message.cogagent["notes"]
    assert notes == to_json_value(ours)["notes"]


def test_options_are_those_of_a_question(client):
    found = client.chat.completions.create(
        model=MODEL,
        messages=user(QUESTION),
        extra_body={"cogagent": {"choices": ["Grace Hopper", "Ada Lowell"], "strict": True}},
    )
    message = found.choices[0].message
    assert message.cogagent["short"] == "Ada Lowell"
    assert list(message.cogagent["distribution"]) == ["Grace Hopper", "Ada Lowell"]


def test_what_means_nothing_here_is_ignored(client):
    found = client.chat.completions.create(
        model=MODEL,
        messages=user(QUESTION),
        temperature=1.5,
        max_completion_tokens=1,
        seed=1,
        user="me",
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        tool_choice="auto",
        response_format={"type": "text"},
        extra_body={"chat_template_kwargs": {"a": [None]}},
    )
    assert found.choices[0].message.content == f"{DAM[0]} [1]"


def test_the_conversation_of_the_home_is_continued(client, shared):
    for question in (QUESTION, "When was it finished?"):
        found = client.chat.completions.create(
            model=MODEL,
            messages=user(question),
            extra_body={"cogagent": {"conversation": "of openai"}},
        )
    assert found.choices[0].message.cogagent["short"] == "1931"
    assert len(shared.conversations.get("of openai")) == 2


# --- refusals --------------------------------------------------------------

NO_PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"messages": []}, "messages"),
        ({"messages": [*user("a"), {"role": "assistant", "content": "b"}]}, "messages"),
        ({"messages": user([NO_PICTURE])}, "messages"),
        ({"messages": user([{"type": "image_url", "image_url": {"url": "/etc/passwd"}}])},
         "messages"),
        ({"messages": [{"role": "nobody", "content": "a"}]}, "messages.0.role"),
        ({"messages": user([{"type": "input_audio"}])}, "messages.0.content"),
        ({"cogagent": {"chioces": ["a", "b"]}}, "cogagent.chioces"),
        ({"stream": 7}, "stream"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_as_asked_is_a_bad_request(client, changes, param):
    given = {"model": MODEL, "messages": user(QUESTION)} | changes
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body=given, cast_to=object)
    error = caught.value
    assert error.type == "invalid_request_error"
    assert error.param is not None
    assert error.param.startswith(param)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "model", ["gpt-4", "cogagent/", "cogagent/nothing", "cogagents", "cogagent"]
)
def test_an_unknown_model_is_not_found(client, model, stream):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model=model, messages=user(QUESTION), stream=stream)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_question_has_the_status_of_the_rest(client, stream):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("  "), stream=stream)
    assert caught.value.code == "input"


def test_pictures_are_not_fetched_unless_that_is_allowed(client):
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "http://example.org/a.png"}},
    ]
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model=MODEL, messages=user(parts))
    assert caught.value.code == "web_refused"


def test_pictures_are_fetched_where_that_is_allowed(shared: CogAgent, client_of):
    from cogagent.retrievers.web.fetching import Fetched

    class Fetching:
        def get(self, url: str, unwanted: Callable[[], bool]) -> Fetched:
            assert not unwanted()
            return Fetched(url, "image/png", picture("red"))

    app = make_app(shared, open_door=True)
    app.state.parts.__dict__["fetching"] = Fetching()
    question = "Which picture looks like this one?"
    parts = [
        {"type": "text", "text": question},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    with running(app) as server:
        ours = client_of(server)
        found = ours.chat.completions.create(model=MODEL, messages=user(parts))
    assert (
        found.choices[0].message.content
        == shared.ask(question, [picture("red")], collection="dams").text
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"", 400), (b"[]", 400), (b'{"messages": NaN}', 400), (b"\xff", 400)],
)
def test_what_is_no_request_is_told_in_the_envelope(server, body, status):
    error = envelope(posted(server, "/chat/completions", body), status)
    assert error["type"] == "invalid_request_error"


def test_other_types_and_methods_are_told_in_the_envelope(server):
    typed = {"Content-Type": "text/plain"}
    told = httpx.post(f"{server.url}/v1/chat/completions", content=b"{}", headers=typed)
    assert envelope(told, 415)["code"] == "unsupported_media_type"
    envelope(httpx.get(f"{server.url}/v1/chat/completions"), 405)
    envelope(httpx.get(f"{server.url}/v1/files/a/b/c"), 404)


def test_a_stream_that_fails_midway_raises_in_the_client(server, client, shared, monkeypatch):
    from cogagent.errors import ModelServiceError
    from cogagent.pipelines.answer import Run

    original = Run.events

    async def failing(self: Run) -> Any:
        async for event in original(self):
            yield event
            if event.type == "token":
                raise ModelServiceError("the model is gone.")

    monkeypatch.setattr(Run, "events", failing)
    with pytest.raises(openai.APIError, match="the model is gone"):
        list(client.chat.completions.create(model=MODEL, messages=user(QUESTION), stream=True))
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=MODEL, messages=user(QUESTION))
    assert (caught.value.status_code, caught.value.code) == (503, "model_service")
    assert caught.value.type == "server_error"


def test_a_reader_who_leaves_ends_the_run():
    from cogagent.api.following import following
    from cogagent.types import TokenEvent

    seen: list[str] = []

    async def events() -> Any:
        try:
            yield TokenEvent(text="a")
            await asyncio.sleep(20)
        finally:
            seen.append("ended")

    async def work() -> list[Any]:
        made = following(events(), 0.01)
        found = [await anext(made), await anext(made)]
        async with asyncio.timeout(5) as limit:
            await made.aclose()
        assert not limit.expired()
        return found

    assert asyncio.run(work()) == [TokenEvent(text="a"), None]
    assert seen == ["ended"]


def test_what_a_run_raises_comes_through():
    from cogagent.api.following import following
    from cogagent.errors import QueueFullError

    async def events() -> Any:
        raise QueueFullError("full.")
        yield  # a generator

    async def work() -> None:
        await anext(following(events(), 1.0))

    with pytest.raises(QueueFullError):
        asyncio.run(work())


def test_a_question_too_many_is_told_to_come_again(shared: CogAgent, client_of):
    from cogagent.api.turnstile import Turnstile

    app = make_app(shared, open_door=True)
    app.state.parts.__dict__["turnstile"] = Turnstile(1, -1)
    with running(app) as server:
        ours = client_of(server)
        for stream in (False, True):
            with pytest.raises(openai.RateLimitError) as caught:
                ours.chat.completions.create(model=MODEL, messages=user(QUESTION), stream=stream)
            assert caught.value.code == "queue_full"
            assert int(caught.value.response.headers["retry-after"]) >= 1


# --- models ----------------------------------------------------------------


def test_models_are_the_collections(client):
    assert [one.id for one in client.models.list()] == ["cogagent/dams", "cogagent/ships"]
    assert client.models.retrieve("cogagent/dams").object == "model"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("cogagent/none")
    assert caught.value.code == "model_not_found"


def test_a_collection_may_have_a_slash_in_its_name(client, shared):
    shared.collections.create("a/b c")
    try:
        assert client.models.retrieve("cogagent/a/b c").id == "cogagent/a/b c"
        found = client.chat.completions.create(model="cogagent/a/b c", messages=user(QUESTION))
        assert found.choices[0].message.cogagent["outcome"] == "abstained"
    finally:
        shared.collections.delete("a/b c")


def test_the_default_collection_is_the_plain_model(client, shared):
    shared.collections.create("default")
    try:
        assert "cogagent" in [one.id for one in client.models.list()]
        assert client.models.retrieve("cogagent").id == "cogagent"
        found = client.chat.completions.create(model="cogagent", messages=user(QUESTION))
        assert found.choices[0].message.cogagent["outcome"] == "abstained"
    finally:
        shared.collections.delete("default")


# --- embeddings ------------------------------------------------------------


def test_vectors_are_those_of_the_home(client, shared):
    texts = ["The dam of Kestrel.", "A boat."]
    ours = shared.text_embedder.embed(texts)
    for given in ("float", "base64", openai.omit):
        found = client.embeddings.create(model="cogagent", input=texts, encoding_format=given)
        assert found.model == shared.text_embedder.name
        assert [one.index for one in found.data] == [0, 1]
        theirs = [
            np.frombuffer(base64.b64decode(one.embedding), "<f4")
            if isinstance(one.embedding, str)
            else one.embedding
            for one in found.data
        ]
        np.testing.assert_allclose(theirs, ours, atol=1e-6)
    assert found.usage.prompt_tokens == sum(shared.text_embedder.count_tokens(texts))


def test_one_text_has_one_vector(client, shared):
    found = client.embeddings.create(
        model=shared.text_embedder.name, input="A boat.", dimensions=shared.text_embedder.dim
    )
    assert len(found.data) == 1


@pytest.mark.parametrize(
    "changes",
    [{"input": [1, 2]}, {"input": [[1, 2]]}, {"input": ""}, {"input": []}, {"input": ["a", ""]},
     {"dimensions": 7}, {"encoding_format": "int8"}, {"input": ["a"] * 2049},
     {"input": ["a" * 100_000] * 11}],
)  # fmt: skip
def test_what_cannot_be_embedded_is_a_bad_request(client, changes):
    given = {"model": "cogagent", "input": "a"} | changes
    with pytest.raises(openai.BadRequestError):
        client.post("/embeddings", body=given, cast_to=object)


def test_another_embedder_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="text-embedding-3-small", input="a")
    assert caught.value.code == "model_not_found"


# --- who may do what -------------------------------------------------------


def test_keys_are_asked_for_and_become_typed_errors(
    shared: CogAgent, shared_keys: Keys, client_of
):
    with running(make_app(shared)) as server:
        with pytest.raises(openai.AuthenticationError) as caught:
            client_of(server).models.list()
        assert caught.value.code == "invalid_api_key"
        ours = client_of(server, shared_keys.reader)
        assert [one.id for one in ours.models.list()] == ["cogagent/dams"]
        for model in ("cogagent/ships", "cogagent/nothing"):
            with pytest.raises(openai.NotFoundError) as hidden:
                ours.chat.completions.create(
                    model=model, messages=user("What is the boat called?")
                )
            assert SECRET not in str(hidden.value)
        with pytest.raises(openai.PermissionDeniedError):
            ours.files.create(file=b"a", purpose="user_data", extra_body={"collection": "dams"})
        found = ours.chat.completions.create(model=MODEL, messages=user(QUESTION))
        crop = found.choices[0].message.cogagent["citations"][0]["crop"]
        for key, status in ((shared_keys.reader, 200), (shared_keys.ships, 404)):
            assert httpx.get(server.url + crop, headers=bearer(key)).status_code == status


def test_too_many_requests_say_when_to_come_again(shared: CogAgent, monkeypatch, client_of):
    ring = make_app(shared).state.parts.keys
    _, key = ring.create("hasty", ["read"])
    app = make_app(shared)
    from cogagent.api.rates import Rates

    app.state.parts.__dict__["rates"] = Rates(1)
    with running(app) as server:
        ours = client_of(server, key)
        ours.models.list()
        with pytest.raises(openai.RateLimitError) as caught:
            ours.models.list()
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1


# --- the parts -------------------------------------------------------------


def test_the_conversation_is_paired_up():
    told = [
        ("system", "s"), ("user", "a"), ("assistant", "1"), ("tool", "t"), ("assistant", "2"),
        ("user", ""), ("assistant", "3"), ("user", "b"), ("user", "c"),
    ]  # fmt: skip
    found = asked([ChatMessage(role=role, content=text) for role, text in told])
    assert found.question == "c"
    assert [(turn.question, turn.answer) for turn in found.history] == [("a", "1\n2"), ("b", "")]


def citation(marker: int, uri: str, document: str) -> Citation:
    box = (0.1, 0.1, 0.2, 0.2)
    return Citation(
        marker=marker, evidence_id="e", document_id=document, uri=uri, title="T",
        modality="text", page=1, box=box, boxes=(PageBox(page=1, box=box),), quote="q",
        verified=True,
    )  # fmt: skip


def test_each_marker_of_the_text_has_its_annotation():
    page = citation(2, "https://example.org/a", "web:1")
    answer = Answer(
        question="q", outcome="answered", text="A [1] b [2][1], [3] of a quote.",
        citations=(citation(1, "/docs/a.pdf", "doc-1"), page),
    )  # fmt: skip
    found = [one.model_dump() for one in annotated(answer)]
    assert [one["type"] for one in found] == ["file_citation", "url_citation", "file_citation"]
    assert [found[0]["index"], found[2]["index"]] == [2, 11]
    assert Annotation.model_validate(found[1]).url_citation.url == "https://example.org/a"
    place = found[1]["url_citation"]
    assert answer.text[place["start_index"] : place["end_index"] + 1] == "[2]"
    assert [one.crop for one in reply_message(answer).cogagent.citations] == [
        "/v1/documents/doc-1/pages/1/crop?box=0.1,0.1,0.2,0.2",
        None,
    ]


@pytest.mark.parametrize(
    ("uri", "name"),
    [("/a/b.pdf", "b.pdf"), ("note:1", "T"), ("upload:local/ab/x.y.txt", "x.y.txt"),
     ("/a/b.zip!/c/d.md", "d.md"), ("plain", "T")],
)  # fmt: skip
def test_a_document_is_called_by_its_file(uri, name):
    assert filename_of(uri, "T") == name
