"""A planner points, the crop is cut at full resolution, and a model that sees is shown it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cogagent import Answer, CogAgent
from cogagent.config import AnswerSettings, ModelSettings, OpenAISettings, Settings
from cogagent.geometry import SmartResize, make_box, to_pixels
from cogagent.pipelines.recording import Trace
from cogagent.types import Raster
from tests.models.service import Exchange, choice, serving
from tests.models.tiny_models import qwen2_5_vl
from tests.models.transformers_kit import SHORT, ask, opened
from tests.planners.kit import choices, reply, rewrites

BOX = make_box(0.6, 0.7, 0.9, 0.9)
SIZE = (2400, 1600)
QUESTION = "What number is on the small plate?"


def poster(path: Path) -> Path:
    """A large picture with a small plate, each pixel of which tells where it is from."""
    x = np.linspace(0, 255, SIZE[0], dtype=np.uint8)[None, :].repeat(SIZE[1], 0)
    y = np.linspace(0, 255, SIZE[1], dtype=np.uint8)[:, None].repeat(SIZE[0], 1)
    picture = Image.fromarray(np.stack([x, y, np.full_like(x, 128)], axis=2))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((1600, 1200, 1900, 1300), fill="white")
    pen.text((1620, 1230), "Plate 4711", fill="black", font=ImageFont.load_default(40))
    picture.save(path)
    return path


def planning(exchange: Exchange) -> str:
    """What a planner's model says that looks at the plate."""
    order = exchange.body["messages"][0]["content"]
    order = order if isinstance(order, str) else order[0]["text"]
    if "You plan the searches" in order:
        asked = "e1" in str(exchange.body["messages"][-1]["content"])
        looked = "Plate" in str(exchange.body["messages"][-1]["content"]) and asked
        return rewrites("poster plate") if not looked else rewrites(done=True)
    if "You choose the tool for each" in order:
        plan = json.loads(choices(q1="image"))
        if "evidence_id" in order:
            plan["regions"] = [{"evidence_id": "e1", "box": list(BOX), "why": "the plate"}]
        return reply(**plan)
    if "Evidence was searched" in order:
        return "A poster."
    return "The plate says 4711 [1]."


def stream(exchange: Exchange, text: str) -> None:
    exchange.begin_stream()
    exchange.event(choice(text))
    exchange.event(choice(None, "stop"))
    exchange.event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}})
    exchange.event(b"[DONE]")


Asked = tuple[Answer, Trace, CogAgent]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Asks through a planner at a loopback address; gives answer, trace and the requests."""
    opened: list[CogAgent] = []
    bodies: list[dict[str, Any]] = []

    def answered(exchange: Exchange) -> None:
        bodies.append(exchange.body)
        stream(exchange, planning(exchange))

    with serving(answered) as server:

        def ask(answer_model: str, **answers: Any) -> tuple[Answer, Trace, list[dict[str, Any]]]:
            settings = Settings(
                offline=True,
                models=ModelSettings(planner_model="openai:planner", answer_model=answer_model),
                openai=OpenAISettings(
                    base_url=server.url, retries=0, pictures=True, coordinates="fractions"
                ),
                answers=AnswerSettings(cache_mb=0, **answers),
            )
            agent = CogAgent(home=tmp_path / "kb", settings=settings)
            opened.append(agent)
            agent.ingest([poster(tmp_path / "poster.png")])
            answer = agent.ask(QUESTION, planner="cog-sequential")
            assert answer.trace is not None
            return answer, agent.traces.get(answer.trace), bodies

        yield ask
        for agent in opened:
            agent.close()


def region_of(answer: Answer) -> Any:
    (found,) = (piece for piece in answer.evidence if piece.parent)
    return found


def sent(body: dict[str, Any]) -> list[Image.Image]:
    parts = body["messages"][-1]["content"]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in urls]


def test_the_crop_reaches_an_openai_compatible_model(asked: Callable[..., Any]) -> None:
    answer, trace, bodies = asked("openai:answerer")
    assert answer.usage.regions == 1
    region = region_of(answer)
    assert region.box == BOX
    assert "4711" in region.text
    left, top, right, bottom = to_pixels(BOX, SIZE)
    (last,) = [body for body in bodies if body["model"] == "answerer"]
    crops = [picture for picture in sent(last) if picture.size == (right - left, bottom - top)]
    assert crops, f"no crop at its own resolution among {[p.size for p in sent(last)]}"
    pixel = np.asarray(crops[0].convert("RGB"))[2, 2]
    assert np.allclose(pixel[:2], [255 * left / SIZE[0], 255 * top / SIZE[1]], atol=3)
    assert crops[0].size in trace.calls[-1].messages[-1].sizes
    assert any(piece["box"] == list(BOX) for piece in trace.evidence)
    assert answer.outcome == "answered"
    assert answer.citations[0].evidence_id == region.id
    assert "4711" in answer.citations[0].quote


def test_the_crop_reaches_a_tiny_qwen_through_transformers(
    asked: Callable[..., Any], tmp_path: Path
) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    folder = qwen2_5_vl(tmp_path / "tiny", context=8192, patches=1024)
    answer, trace, _ = asked(f"transformers:{folder}", max_tokens=16, evidence=2)
    region = region_of(answer)
    assert region.box == BOX
    call = trace.calls[-1]
    assert call.purpose == "answer"
    sizes = call.messages[-1].sizes
    left, top, right, bottom = to_pixels(BOX, SIZE)
    assert (right - left, bottom - top) in sizes
    assert call.reply is not None
    assert call.reply.usage.pictures == len(sizes)
    resize = SmartResize(least=28 * 28, most=28 * 28 * 1024)
    expected = sum(resize.tokens(size) for size in sizes)
    model = opened(folder)
    assert model.picture_tokens(sizes) == expected
    shown = call.messages[-1].text
    without = ask(model, shown, how=SHORT).usage.prompt_tokens
    pictures = [Raster(np.zeros((height, width, 3), np.uint8)) for width, height in sizes]
    seen = ask(model, shown, *pictures, how=SHORT).usage.prompt_tokens
    marks = 2 * len(sizes)  # where each picture begins and ends
    assert seen - without == expected + marks, "a token a patch of 28 by 28 pixels"
