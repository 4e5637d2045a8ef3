"""One answer through every door: Python, command line, REST, OpenAI's clients, MCP, LlamaIndex."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from PIL import Image
from reportlab.pdfgen.canvas import Canvas
from typer.testing import CliRunner

from cogagent import CogAgent, Source
from cogagent.api.app import make_app
from cogagent.cli import app as command
from cogagent.types import Answer, to_json_value
from tests.api.conftest import SETTINGS, Keys, Running, bearer, make_keys, picture, running
from tests.timeless import timeless

BRIDGE = [
    ["The Heron Bridge was opened in 1907 by the mayor Ida Quill.", "It has nine arches."],
    ["The lamps on Heron Bridge were made by Otto Brandt.", "They burn from dusk to dawn."],
]
PLACE = "bridges"


@dataclass(frozen=True)
class Case:
    """A question and what is to come of it."""

    question: str
    outcome: str
    pages: tuple[int, ...] = ()
    image: bytes | None = None


CASES = {
    "answered": Case("Who opened the Heron Bridge?", "answered", (1,)),
    "second page": Case("Who made the lamps on Heron Bridge?", "answered", (2,)),
    "abstained": Case("What is the capital of Peru?", "abstained"),
    "picture": Case("Who made the lamps on this bridge?", "answered", (2,), picture("blue")),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def paper() -> bytes:
    """A PDF of two pages."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(400, 300), invariant=1)
    canvas.setTitle("Heron Bridge")
    for lines in BRIDGE:
        for number, line in enumerate(lines):
            canvas.drawString(40, 240 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home."""
    home = tmp_path_factory.mktemp("doors") / "kb"
    with CogAgent(home, SETTINGS) as agent:
        sources = [
            Source(uri="test:bridge.pdf", data=paper(), media_type="application/pdf"),
            Source(
                uri="test:blue.png", data=picture("blue"), media_type="image/png", title="Blue"
            ),
        ]
        assert agent.ingest(sources, PLACE).ingested == 2
    return home


@pytest.fixture(scope="module")
def home_agent(place: Path) -> Iterator[CogAgent]:
    with CogAgent(place, SETTINGS) as opened:
        yield opened


@pytest.fixture(scope="module")
def key(home_agent: CogAgent) -> str:
    keys: Keys = make_keys(home_agent)
    return keys.admin


@pytest.fixture(scope="module")
def server(home_agent: CogAgent) -> Iterator[Running]:
    """The service, with keys."""
    with running(make_app(home_agent)) as opened:
        yield opened


@pytest.fixture(scope="module")
def other(place: Path) -> Iterator[Running]:
    """The same home behind another port, by an agent of its own and without keys."""
    with (
        CogAgent(place, SETTINGS) as opened,
        running(make_app(opened, open_door=True)) as served,
    ):
        yield served


@dataclass(frozen=True)
class Doors:
    """What the doors need."""

    agent: CogAgent
    server: Running
    other: Running
    key: str
    folder: Path

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.server.url}/v1", api_key=self.key, timeout=60)


@pytest.fixture(scope="module")
def doors(home_agent: CogAgent, server: Running, other: Running, key: str, place: Path) -> Doors:
    return Doors(home_agent, server, other, key, place.parent)


def python(doors: Doors, case: Case) -> Any:
    images = [] if case.image is None else [case.image]
    return to_json_value(doors.agent.ask(case.question, images, collection=PLACE))


def python_stream(doors: Doors, case: Case) -> Any:
    images = [] if case.image is None else [case.image]
    events = list(doors.agent.stream(case.question, images, collection=PLACE))
    answer = to_json_value(events[-1].answer)
    assert "".join(event.text for event in events if event.type == "token") == answer["text"]
    return answer


def cli(doors: Doors, case: Case) -> Any:
    options = []
    if case.image is not None:
        (doors.folder / "asked.png").write_bytes(case.image)
        options = ["--image", str(doors.folder / "asked.png")]
    done = CliRunner().invoke(
        command,
        ["--home", str(doors.agent.home), "ask", case.question, "--collection", PLACE, "--json",
         *options],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def asked(case: Case, **more: Any) -> dict[str, Any]:
    images = [] if case.image is None else [base64.b64encode(case.image).decode()]
    return {"question": case.question, "collection": PLACE, "images": images, **more}


def rest(doors: Doors, case: Case) -> Any:
    told = httpx.post(
        f"{doors.server.url}/v1/ask", json=asked(case), headers=bearer(doors.key), timeout=60
    )
    return told.raise_for_status().json()


def sse(doors: Doors, case: Case) -> Any:
    told = httpx.post(
        f"{doors.server.url}/v1/ask",
        json=asked(case, stream=True),
        headers=bearer(doors.key),
        timeout=60,
    )
    datas = [
        json.loads(line.removeprefix("data: "))
        for line in told.raise_for_status().text.splitlines()
        if line.startswith("data: ")
    ]
    answer = datas[-1]["answer"]
    assert "".join(one["text"] for one in datas if one["type"] == "token") == answer["text"]
    cited = [one["citation"] for one in datas if one["type"] == "citation"]
    assert cited == answer["citations"]
    return answer


def messages(case: Case) -> list[Any]:
    if case.image is None:
        return [{"role": "user", "content": case.question}]
    uri = f"data:image/png;base64,{base64.b64encode(case.image).decode()}"
    parts = [
        {"type": "text", "text": case.question},
        {"type": "image_url", "image_url": {"url": uri}},
    ]
    return [{"role": "user", "content": parts}]


WHOLE = {"cogagent": {"evidence": True}}


def official(doors: Doors, case: Case) -> Any:
    with doors.client as client:
        found = client.chat.completions.create(
            model=f"cogagent/{PLACE}", messages=messages(case), extra_body=WHOLE
        )
    message = found.choices[0].message
    assert message.content == message.cogagent["text"]
    _check_annotations(message.content, [one.to_dict() for one in message.annotations], message)
    return _without_crops(message.cogagent)


def official_stream(doors: Doors, case: Case) -> Any:
    with doors.client as client:
        chunks = list(
            client.chat.completions.create(
                model=f"cogagent/{PLACE}", messages=messages(case), extra_body=WHOLE, stream=True
            )
        )
    deltas = [chunk.choices[0].delta for chunk in chunks]
    last = deltas[-2]
    text = "".join(delta.content or "" for delta in deltas)
    assert text == last.cogagent["text"]
    _check_annotations(text, last.annotations, last)
    return _without_crops(last.cogagent)


def _check_annotations(text: str, told: list[dict[str, Any]], message: Any) -> None:
    """Each is a file citation that stands at the marker of its citation."""
    cited = {citation["marker"]: citation for citation in message.cogagent["citations"]}
    markers = [int(text[one["index"] :].split("]")[0].lstrip("[")) for one in told]
    assert set(markers) == set(cited)
    for marker, one in zip(markers, told, strict=True):
        assert one["type"] == "file_citation"
        assert one["file_id"] == cited[marker]["document_id"]


def _without_crops(answer: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(json.dumps(answer))
    for citation in (*found["citations"], *([found["closest"]] if found["closest"] else [])):
        assert citation.pop("crop").startswith("/v1/documents/")
    return dict(found)


def _called(client: Any, case: Case) -> Any:
    return client.call_tool("ask", asked(case))


def mcp_http(doors: Doors, case: Case) -> Any:
    async def work() -> Any:
        async with create_mcp_http_client(headers=bearer(doors.key)) as http:
            transport = streamable_http_client(f"{doors.server.url}/mcp", http_client=http)
            async with Client(transport) as client:
                return await _called(client, case)

    return asyncio.run(work()).structured_content


def mcp_stdio(doors: Doors, case: Case) -> Any:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "cogagent.cli", "--home", str(doors.agent.home), "mcp"],
        env={"PYTHONPATH": os.environ.get("PYTHONPATH", ".")},
    )

    async def work() -> Any:
        async with Client(stdio_client(server)) as client:
            return await _called(client, case)

    return asyncio.run(work()).structured_content


Door = Callable[[Doors, Case], Any]
DOORS: list[Door] = [
    python, python_stream, cli, rest, sse, official, official_stream, mcp_http, mcp_stdio,
]  # fmt: skip


def same(answer: Any) -> Any:
    """An answer without times, ids of the run, and what it cost.

    The networks' numbers are rounded: those of another process differ in the last bits.
    """
    plain = timeless(answer)
    del plain["usage"]
    for step in plain["steps"]:
        del step["usage"]
    return json.loads(json.dumps(plain), parse_float=lambda text: round(float(text), 5))


@cases
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_door_gives_the_same_answer(doors: Doors, door: Door, case: Case) -> None:
    answer, ours = door(doors, case), python(doors, case)
    assert ours["outcome"] == case.outcome
    assert tuple(cited["page"] for cited in ours["citations"]) == case.pages
    for field in ("text", "short", "outcome", "citations", "closest"):
        assert answer[field] == ours[field], field
    assert same(answer) == same(ours)
    assert Answer.model_validate(answer).text == ours["text"]


@pytest.fixture
def llm(doors: Doors) -> Iterator[Any]:
    """LlamaIndex's client of services like OpenAI's, at the other port."""
    like = pytest.importorskip(
        "llama_index.llms.openai_like",
        reason="it asks for an older openai than ours, with which it works: install it --no-deps",
    )
    model = like.OpenAILike(
        model=f"cogagent/{PLACE}",
        api_base=f"{doors.other.url}/v1",
        api_key="none",
        is_chat_model=True,
        context_window=8192,
        max_retries=0,
    )
    yield model
    model._get_client().close()


def chat(case: Case) -> list[Any]:
    from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock

    blocks: list[Any] = [TextBlock(text=case.question)]
    if case.image is not None:
        blocks.append(ImageBlock(image=case.image, image_mimetype="image/png"))
    return [ChatMessage(role="system", content="Answer."), ChatMessage(role="user", blocks=blocks)]


@cases
def test_llamaindex_answers_through_it_over_another_port(
    doors: Doors, llm: Any, case: Case
) -> None:
    assert doors.other.port != doors.server.port
    ours = python(doors, case)
    found = llm.chat(chat(case))
    assert found.message.content == ours["text"]
    message = found.raw.choices[0].message
    assert _without_crops(message.cogagent)["citations"] == ours["citations"]
    pieces = list(llm.stream_chat(chat(case)))
    assert "".join(piece.delta or "" for piece in pieces) == ours["text"]
    if case.image is None:
        assert llm.complete(case.question).text == ours["text"]


def test_llamaindex_answers_asynchronously_too(doors: Doors, llm: Any) -> None:
    case = CASES["answered"]

    async def work() -> tuple[str, str]:
        whole = await llm.achat(chat(case))
        stream = await llm.astream_chat(chat(case))
        pieces = [piece.delta or "" async for piece in stream]
        await llm._get_aclient().close()
        return whole.message.content, "".join(pieces)

    whole, streamed = asyncio.run(work())
    assert whole == streamed == python(doors, case)["text"]


@cases
def test_the_crops_of_the_service_are_those_of_python(doors: Doors, case: Case) -> None:
    answer = doors.agent.ask(
        case.question, [] if case.image is None else [case.image], collection=PLACE
    )
    with doors.client as client:
        told = client.chat.completions.create(model=f"cogagent/{PLACE}", messages=messages(case))
    view = told.choices[0].message.cogagent
    shown = [*view["citations"], *([view["closest"]] if view["closest"] else [])]
    ours = [*answer.citations, *([answer.closest] if answer.closest else [])]
    assert len(shown) == len(ours) > 0
    for theirs, citation in zip(shown, ours, strict=True):
        got = httpx.get(doors.server.url + theirs["crop"], headers=bearer(doors.key))
        assert got.headers["content-type"] == "image/png"
        pixels = np.asarray(Image.open(io.BytesIO(got.content)).convert("RGB"))
        np.testing.assert_array_equal(pixels, np.asarray(doors.agent.crop(citation)))
