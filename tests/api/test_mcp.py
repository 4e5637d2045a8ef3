"""The tools for models, by the SDK's own client: in the process, over HTTP and over stdio."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult
from PIL import Image

from cogagent import CogAgent
from cogagent.api.app import make_app
from cogagent.api.callers import LOCAL
from cogagent.api.mcp import make_server
from cogagent.api.session import Session
from cogagent.types import Answer, to_json_value
from tests.api.conftest import DAM, QUESTION, SECRET, Keys, Running, bearer, picture, running

Use = Callable[[Client], Awaitable[Any]]


def locally(agent: CogAgent, use: Use) -> Any:
    async def work() -> Any:
        async with Client(make_server(lambda _: Session(agent, LOCAL))) as client:
            return await use(client)

    return asyncio.run(work())


def over_http(server: Running, key: str | None, use: Use, mode: str = "auto") -> Any:
    async def work() -> Any:
        async with create_mcp_http_client(headers=bearer(key) if key else {}) as http:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                return await use(client)

    return asyncio.run(work())


def call(tool: str, **arguments: Any) -> Callable[[Client], Awaitable[CallToolResult]]:
    async def used(client: Client) -> CallToolResult:
        return await client.call_tool(tool, arguments)

    return used


@pytest.fixture(scope="module")
def guarded(shared: CogAgent) -> Iterator[Running]:
    """The service with keys."""
    with running(make_app(shared)) as server:
        yield server


@pytest.fixture(scope="module")
def dam(shared: CogAgent) -> str:
    """Id of the PDF about the dam."""
    found = shared.documents.list("dams")
    return next(one.id for one in found if one.uri == "test:dam.pdf")


def test_there_are_four_tools_that_only_read(shared: CogAgent) -> None:
    async def look(client: Client) -> Any:
        return (await client.list_tools()).tools, client.instructions

    tools, instructions = locally(shared, look)
    assert {tool.name for tool in tools} == {"search", "ask", "open_page", "view_region"}
    assert "Cite" in instructions
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert tool.output_schema["type"] == "object"
        assert tool.description


def test_an_answer_is_that_of_python(shared: CogAgent) -> None:
    found = locally(shared, call("ask", question=QUESTION, collection="dams"))
    ours = to_json_value(shared.ask(QUESTION, collection="dams"))
    theirs = found.structured_content
    for field in ("text", "citations", "evidence", "outcome", "short"):
        assert theirs[field] == ours[field]
    assert found.content[0].text.startswith(f"{DAM[0]} [1]")
    assert ours["citations"][0]["document_id"] in found.content[0].text


def test_evidence_is_that_of_python(shared: CogAgent) -> None:
    found = locally(shared, call("search", query="water", collection="dams", k=3))
    ours = to_json_value(shared.search("water", 3, collection="dams"))
    assert found.structured_content == {"items": ours}
    assert all(piece["document_id"] in found.content[0].text for piece in ours)


def test_a_search_can_be_of_one_document(shared: CogAgent, dam: str) -> None:
    found = locally(shared, call("search", query="turbines", collection="dams", document_id=dam))
    assert {piece["document_id"] for piece in found.structured_content["items"]} == {dam}


def test_a_page_is_opened_with_its_picture(shared: CogAgent, dam: str) -> None:
    found = locally(shared, call("open_page", document_id=dam, picture=True))
    page = found.structured_content
    assert (page["page"], page["pages"], page["cut"]) == (1, 1, False)
    assert " ".join(DAM) == " ".join(page["text"].split())
    assert all(len(part["box"]) == 4 for part in page["parts"])
    assert [content.type for content in found.content] == ["text", "image"]
    assert shown(found).width > 400


def test_a_region_is_drawn_at_full_resolution(shared: CogAgent, dam: str) -> None:
    answer = shared.ask(QUESTION, collection="dams")
    box = list(answer.citations[0].box)
    found = locally(shared, call("view_region", document_id=dam, box=box))
    line = shown(found)
    assert line.width > 8 * line.height, "one line of text"
    assert line.width > 0.82 * 400 * 150 / 72, "no coarser than the page"
    assert (line.width, line.height) == tuple(
        found.structured_content[side] for side in ("width", "height")
    )


def test_a_picture_has_its_own_pixels(shared: CogAgent) -> None:
    red = next(one.id for one in shared.documents.list("dams") if one.uri == "test:red.png")
    found = locally(shared, call("view_region", document_id=red))
    assert shown(found).tobytes() == Image.open(io.BytesIO(picture())).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("ask", {"question": QUESTION, "collection": "nowhere"}, "There are: dams, ships."),
        ("ask", {"question": QUESTION}, "Name one."),
        ("ask", {"question": "", "collection": "dams"}, "question"),
        ("search", {"query": "", "collection": "dams"}, "Give words"),
        ("search", {"query": "dam", "collection": "dams", "k": 51}, "less than or equal to 50"),
        ("open_page", {"document_id": "doc-none"}, "no document"),
        ("open_page", {"document_id": "DAM", "page": 2}, "none numbered 2"),
        ("open_page", {"document_id": "DAM", "page": 0}, "greater than or equal to 1"),
        ("view_region", {"document_id": "DAM", "page": 7}, "none numbered 7"),
        ("view_region", {"document_id": "DAM", "box": [0.5, 0.1, 0.5, 0.9]}, "is empty"),
        ("view_region", {"document_id": "DAM", "box": [0.1, 0.1, 2.0, 0.9]}, "less than or equal"),
        ("view_region", {"document_id": "DAM", "box": [0.1]}, "at least 4"),
        ("erase", {}, "erase"),
    ],
)
def test_errors_say_what_to_do(
    shared: CogAgent, dam: str, tool: str, arguments: dict[str, Any], says: str
) -> None:
    if arguments.get("document_id") == "DAM":
        arguments = {**arguments, "document_id": dam}
    found = locally(shared, call(tool, **arguments))
    assert found.is_error
    assert says in found.content[0].text


def test_making_a_server_leaves_the_log_alone(shared: CogAgent) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    make_server(lambda _: Session(shared, LOCAL))
    assert (list(root.handlers), root.level) == before


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_over_http_the_caller_is_that_of_the_key(
    guarded: Running, shared_keys: Keys, mode: str
) -> None:
    asked = call("ask", question=QUESTION, collection="dams")
    answer = over_http(guarded, shared_keys.reader, asked, mode).structured_content
    assert answer["text"].startswith(DAM[0])
    refused = over_http(guarded, shared_keys.ships, asked, mode)
    assert refused.is_error
    assert refused.content[0].text == "there is no collection 'dams'. There are: ships."


def test_a_key_opens_no_document_of_others(
    guarded: Running, shared: CogAgent, shared_keys: Keys
) -> None:
    ship = shared.documents.list("ships")[0].id
    for tool in ("open_page", "view_region"):
        found = over_http(guarded, shared_keys.dams, call(tool, document_id=ship))
        assert found.is_error
        assert SECRET not in json.dumps(found.model_dump(mode="json"))
    within = call("search", query=SECRET, collection="dams", document_id=ship)
    found = over_http(guarded, shared_keys.dams, within)
    assert SECRET not in json.dumps(found.structured_content)
    assert not over_http(guarded, shared_keys.ships, call("open_page", document_id=ship)).is_error


def test_a_key_for_one_collection_need_not_name_it(guarded: Running, shared_keys: Keys) -> None:
    found = over_http(guarded, shared_keys.reader, call("ask", question=QUESTION))
    assert found.structured_content["outcome"] == "answered"


ENCODED = base64.b64encode(picture()).decode()
"""The picture of the collection ``dams``."""
URI = f"data:image/png;base64,{ENCODED}"


@pytest.mark.parametrize("image", [ENCODED, URI])
def test_a_picture_finds_those_that_are_like_it(
    guarded: Running, shared: CogAgent, shared_keys: Keys, image: str
) -> None:
    like = call("search", image=image, collection="dams", modality="image")
    found = over_http(guarded, shared_keys.reader, like)
    ours = shared.search("", image=picture(), collection="dams", modality="image")
    assert found.structured_content == {"items": to_json_value(ours)}
    first = found.structured_content["items"][0]
    assert (first["title"], first["modality"]) == ("Red", "image")


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ("no base64!", "a picture comes in base64"),
        ("/etc/passwd?", "a picture comes in base64"),
        ("https://example.org/red.png", "a picture comes in base64"),
        ("data:image/png," + ENCODED, "has its bytes in base64"),
        ("data:image/png;base64", "has its bytes in base64"),
        ("data:image/png;base64,", "no bytes"),
        (ENCODED[:-3], "a picture comes in base64"),
        (base64.b64encode(b"no picture").decode(), "the picture cannot be read"),
        (ENCODED[:80], "the picture cannot be read"),
    ],
)
def test_a_broken_picture_is_told_by_both_tools(
    guarded: Running, shared_keys: Keys, image: str, says: str
) -> None:
    for broken in (
        call("search", query="dam", image=image, collection="dams"),
        call("ask", question=QUESTION, images=[ENCODED, image], collection="dams"),
    ):
        found = over_http(guarded, shared_keys.reader, broken)
        assert found.is_error
        assert says in found.content[0].text
        assert found.structured_content["error"]["code"] == "input"
        assert "Traceback" not in found.content[0].text


def test_four_pictures_belong_to_a_question(
    guarded: Running, shared: CogAgent, shared_keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [(160, 120), (161, 120), (162, 120), (163, 120)]
    looks = [picture("red", size) for size in sizes]
    question = "Where is this picture from?"
    ours = to_json_value(shared.ask(question, looks, collection="dams"))
    original, seen = shared.aask, []

    def asked(question: str, images: Any = (), **keywords: Any) -> Awaitable[Answer]:
        seen.extend(image.size for image in images)
        return original(question, images, **keywords)

    monkeypatch.setattr(shared, "aask", asked)
    sent = [base64.b64encode(look).decode() for look in looks]
    sent[1] = f"data:image/png;base64,{sent[1]}"
    put = call("ask", question=question, images=sent, collection="dams")
    found = over_http(guarded, shared_keys.reader, put)
    assert seen == sizes
    for field in ("text", "citations", "evidence", "outcome"):
        assert found.structured_content[field] == ours[field]


def test_a_fifth_picture_is_refused(guarded: Running, shared_keys: Keys) -> None:
    put = call("ask", question=QUESTION, images=[ENCODED] * 5, collection="dams")
    found = over_http(guarded, shared_keys.reader, put)
    assert found.is_error
    assert "images" in found.content[0].text
    assert "at most 4" in found.content[0].text


def test_without_a_key_nobody_comes_in(guarded: Running) -> None:
    import httpx

    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    for headers in ({}, bearer("cog_abcdefghijkl_" + "x" * 43)):
        reply = httpx.post(f"{guarded.url}/mcp", json=body, headers=headers)
        assert reply.status_code == 401
        assert reply.headers["content-type"] == "application/problem+json"


def test_nothing_is_kept_open(guarded: Running, shared_keys: Keys) -> None:
    import httpx

    for method in ("GET", "DELETE", "PUT"):
        reply = httpx.request(method, f"{guarded.url}/mcp", headers=bearer(shared_keys.reader))
        assert reply.status_code == 405


def posted(tool: str, **arguments: Any) -> bytes:
    params = {"name": tool, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}',
        b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "no/such/method"}',
        b'{"jsonrpc": "2.0", "id": 1' + b"0" * 10_000 + b', "method": "ping"}',
        posted("ask", question="\ud800 who?", collection="dams"),
        posted("ask", question="who\x00?", collection="dams"),
        posted("ask", question="who?" * 10_000, collection="dams"),
        posted("ask", question="who?", collection="\ud800"),
        posted("ask", question="who?", collection="dams", conversation="\ud800\x00"),
        posted("ask", question="who?", collection="dams", choices=["", "\ud800"]),
        posted("search", query='" OR 1=1 --', collection="dams"),
        posted("search", query="dam", collection="dams", document_id="\ud800"),
        posted("open_page", document_id="../../etc/passwd"),
        posted("open_page", document_id="web:https://example.org"),
        posted("open_page", document_id="\ud800\x00"),
        posted("view_region", document_id="tool:x", box=[0, 0, 1, 1]),
        posted("view_region", document_id="doc-1", box=[float("nan"), 0, 1, 1]),
        posted("open_page", document_id="doc-1", page=10**40),
        posted("../ask", question="who?"),
    ],
)
def test_hostile_requests_are_refused_not_failed(
    guarded: Running, shared_keys: Keys, body: bytes
) -> None:
    import httpx

    headers = {
        **bearer(shared_keys.reader),
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    reply = httpx.post(f"{guarded.url}/mcp", content=body, headers=headers, timeout=30)
    assert reply.status_code < 500, reply.text
    assert "Traceback" not in reply.text
    assert not re.search(r'Error executing tool \w+"', reply.text), "a crash"
    assert '"code":-32603' not in reply.text, "an internal error"


def test_over_stdio_it_is_the_machines_own_user(shared_home: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cogagent.cli", "--home", str(shared_home), "mcp"],
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", "."), "COGAGENT_SERVICE__LOG": "json"},
    )

    async def work() -> CallToolResult:
        async with Client(stdio_client(server)) as client:
            await client.call_tool("search", {"query": "dam", "collection": "dams"})
            return await client.call_tool("ask", {"question": QUESTION, "collection": "dams"})

    found = asyncio.run(work())
    assert found.structured_content["text"].startswith(DAM[0])


def test_stdout_of_stdio_carries_only_the_protocol(shared_home: Path) -> None:
    import subprocess

    said = [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        },
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        "no message",
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "cogagent.cli", "--home", str(shared_home), "mcp"],
        input="".join(json.dumps(line) + "\n" for line in said),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert all(line["jsonrpc"] == "2.0" for line in lines)
    assert "Traceback" not in ended.stderr


def shown(found: CallToolResult) -> Image.Image:
    """The picture of a result."""
    (image,) = [content for content in found.content if content.type == "image"]
    return Image.open(io.BytesIO(base64.b64decode(image.data))).convert("RGB")
