"""Models that fail in the midst of a question: one sentence, an exit code, and what was found.

What each backend makes of bad input is in the tests of the backend; here it reaches the
command line and the stream of events.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cogagent import CogAgent
from cogagent.config import ModelSettings, OpenAISettings, ParseSettings, Settings
from cogagent.errors import ModelError, ModelLoadError, ModelServiceError
from cogagent.types import ErrorEvent, EvidenceEvent, Source, StepEvent
from tests.models.service import Exchange, Server, choice, serving, whole

QUESTION = "When was Kestrel Dam finished?"
NOTE = b"Kestrel Dam was finished in 1931 by the engineer Ada Lowell."

pytest.importorskip("openai", reason="the package openai is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("bad") / "kb"
    with CogAgent(home, Settings(parse=ParseSettings(ocr=False, office=False))) as agent:
        agent.ingest(Source(uri="note:dam", data=NOTE, media_type="text/plain", title="Dam"))
    return home


def ask(home: Path, model: str, *options: str, **settings: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``cogagent ask``."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OPENAI_API_KEY",)
    }
    environment |= {
        "COGAGENT_MODELS__ANSWER_MODEL": model,
        "COGAGENT_OPENAI__RETRIES": "0",
        "COGAGENT_OPENAI__TIMEOUT_SECONDS": "2",
        "COGAGENT_LLAMACPP__THREADS": "1",
        **{f"COGAGENT_{name}".upper(): str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "cogagent.cli", "--home", str(home), "ask", QUESTION]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=120, env=environment
    )
    return done.returncode, done.stdout, done.stderr


def hang_up(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(choice("It was finished in 1931 "))
    exchange.connection.shutdown(socket.SHUT_RDWR)


def drone(exchange: Exchange) -> None:
    exchange.begin_stream()
    while True:
        exchange.event(choice("on and "))


def stop_midway(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(choice("It was finished "))
    time.sleep(3)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda exchange: exchange.send(b"<html>Hello</html>", "text/html"), "sent no JSON"),
        (hang_up, "hung up"),
        (stop_midway, "did not answer within 2 s"),
        (lambda exchange: exchange.fail(400, "maximum context length is 10 tokens"), "longer"),
        (lambda exchange: exchange.json(whole("", "content_filter")), "declined to answer"),
        (lambda exchange: exchange.send(b"\xff\xfe\x00", "text/event-stream"), "hung up"),
        (lambda exchange: exchange.fail(500, "out of memory"), "out of memory"),
    ],
    ids=["HTML", "reset", "hanging", "overflow", "refusal", "no text", "failing"],
)
def test_a_service_that_fails_is_a_sentence(
    home: Path, answer: Callable[[Exchange], None], said: str
) -> None:
    with serving(answer) as server:
        code, _, stderr = ask(home, "openai:x", openai__base_url=server.url)
    assert code == 1
    assert said in stderr
    assert "Traceback" not in stderr
    assert len([line for line in stderr.splitlines() if line.strip()]) == 1


def test_a_text_without_end_is_an_answer_that_was_cut(home: Path) -> None:
    with serving(drone) as server:
        code, stdout, stderr = ask(
            home, "openai:x", "--json", openai__base_url=server.url, answers__max_tokens=16
        )
    assert code == 0, stderr
    assert any("cut off" in warning for warning in json.loads(stdout)["warnings"])


def test_a_service_that_lies_about_the_cost_is_not_believed(home: Path) -> None:
    lies = {"prompt_tokens": 10**12, "completion_tokens": -3, "prompt_tokens_details": 7}
    told = whole("It was finished in 1931 [1].", usage=lies)
    with serving(lambda exchange: exchange.json(told)) as server:
        code, stdout, _ = ask(home, "openai:x", "--json", openai__base_url=server.url)
    assert code == 0
    assert 0 < json.loads(stdout)["usage"]["tokens"] < 10_000


def test_bytes_that_are_no_text_are_shown_as_such(home: Path) -> None:
    text = json.dumps(whole("It was finished in 1931@ [1].")).encode().replace(b"@", b"\xe9")
    with serving(lambda exchange: exchange.send(text)) as server:
        code, stdout, _ = ask(home, "openai:x", openai__base_url=server.url)
    assert code == 0
    assert "1931\ufffd" in stdout


@pytest.mark.parametrize(
    ("model", "code", "said"),
    [
        ("llamacpp:/nowhere.gguf", 1, "no model file"),
        ("transformers:/nowhere", 1, "no folder"),
        ("nobody:x", 2, "no model 'nobody:x'"),
        ("openai:x", 2, "no key"),
    ],
)
def test_a_model_that_does_not_load_is_a_sentence(
    home: Path, model: str, code: int, said: str
) -> None:
    returned, stdout, stderr = ask(home, model)
    assert (returned, stdout) == (code, "")
    assert said in stderr
    assert "Traceback" not in stderr


def test_a_real_model_whose_context_is_too_short(home: Path) -> None:
    from cogagent.models.backends.llamacpp_load import find

    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    try:
        find("smollm2")
    except ModelLoadError as error:
        pytest.skip(str(error))
    code, _, stderr = ask(home, "llamacpp:smollm2", llamacpp__context=64, answers__max_tokens=16)
    assert code == 1
    assert "context" in stderr
    assert "Traceback" not in stderr


@pytest.fixture
def reset() -> Iterator[Server]:
    with serving(hang_up) as server:
        yield server


def agent(home: Path, server: Server, **changes: object) -> CogAgent:
    group = {"base_url": server.url, "retries": 0, "timeout_seconds": 10.0, **changes}
    return CogAgent(
        home,
        Settings(
            offline=True,
            models=ModelSettings(answer_model="openai:x"),
            openai=OpenAISettings(**group),
            parse=ParseSettings(ocr=False, office=False),
        ),
    )


def test_what_was_found_before_the_model_failed_has_been_told(home: Path, reset: Server) -> None:
    with agent(home, reset) as asked:
        events = list(asked.stream(QUESTION))
        assert any(isinstance(event, StepEvent) for event in events)
        found = [event.evidence for event in events if isinstance(event, EvidenceEvent)]
        assert any("1931" in piece.text for piece in found)
        last = events[-1]
        assert isinstance(last, ErrorEvent)
        assert last.code == ModelServiceError.code
        assert "hung up" in last.message
        with pytest.raises(ModelServiceError, match="hung up") as raised:
            asked.ask(QUESTION)
        answer = raised.value.answer
        assert answer.outcome == "failed"
        assert [piece.id for piece in answer.evidence] == [piece.id for piece in found]
        assert answer.steps
        assert "hung up" in answer.stop_reason


def test_the_next_question_is_answered_all_the_same(home: Path) -> None:
    def answer(exchange: Exchange) -> None:
        if len(exchange.server.received) == 1:
            hang_up(exchange)
        else:
            exchange.json(whole("It was finished in 1931 [1]."))

    with serving(answer) as server, agent(home, server) as asked:
        with pytest.raises(ModelError):
            asked.ask(QUESTION)
        assert asked.ask(QUESTION).outcome == "answered"


def test_a_page_of_forty_megapixels_reaches_no_model(tmp_path: Path) -> None:
    """A service is sent no more than the settings allow, and once what is asked about twice."""
    import base64
    from io import BytesIO

    from PIL import Image

    pixels = np.zeros((5000, 8000, 3), np.uint8)
    pixels[:, ::40] = (200, 30, 30)
    Image.fromarray(pixels).save(tmp_path / "page.png", compress_level=1)

    def answer(exchange: Exchange) -> None:
        exchange.json(whole("Red lines [1]."))

    with serving(answer) as server, agent(tmp_path / "kb", server, pictures=True) as asked:
        assert asked.ingest([tmp_path / "page.png"]).ingested == 1
        for question in ("What is shown in the red picture?", "Is the picture red?"):
            asked.ask(question)
        sent = [
            part["image_url"]["url"]
            for _, body in server.received
            for message in body["messages"]
            if isinstance(message["content"], list)
            for part in message["content"]
            if part["type"] == "image_url"
        ]
        kept = asked._engine._pictures._kept._entries
    assert len(sent) == 2
    assert sent[0] == sent[1]
    with Image.open(BytesIO(base64.b64decode(sent[0].partition(",")[2]))) as picture:
        assert picture.size == (1568, 980)
        assert picture.width * picture.height <= 2048 * 28 * 28
    assert len([key for key in kept if key[0] == "cut"]) == 1
