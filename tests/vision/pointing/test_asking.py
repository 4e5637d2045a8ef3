"""Pointing by a model that is asked for boxes, in every space that models name places in."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.errors import BudgetError, CapabilityError, ContextOverflowError, ModelError
from cogagent.geometry import SLIMMEST, Box, Plane, SmartResize, fill_up
from cogagent.models import factory
from cogagent.models.backends.transformers import TransformersMLLM
from cogagent.models.metered import Meter, MeteredMLLM, ModelCall
from cogagent.models.mllm import MLLM, Capabilities, Generated, Options
from cogagent.models.sight import given_size, seen_size, space
from cogagent.models.wrapped import Wrapped
from cogagent.testing.contracts import PointerContract
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Budget, Raster
from cogagent.vision.pointing.asking import LONGEST, MOST, ModelPointer, can_point
from cogagent.vision.pointing.base import Picture, Pointed
from tests.models import tiny_models
from tests.models.openai_kit import settings
from tests.models.service import Exchange, serving, whole
from tests.models.transformers_kit import opened

QUESTION = "How high was the dam in 1931?"
RESIZE = SmartResize()
RESIZED = {"coordinates": "resized-pixels", "resize": RESIZE, "slimmest": SLIMMEST}


def can(**more: Any) -> Capabilities:
    usual = {"pictures": True, "structured": True, "coordinates": "thousandths"}
    return Capabilities(**usual | more)


def picture(width: int = 800, height: int = 600) -> Picture:
    return Picture(Raster(np.full((height, width, 3), 200, np.uint8)))


def reply(*regions: object) -> str:
    return json.dumps({"regions": list(regions)})


def region(*box: object, why: object = "a label") -> dict[str, object]:
    return {"box": list(box), "why": why}


def point(model: MLLM, shown: Picture | None = None, k: int = 3) -> list[Pointed]:
    return asyncio.run(ModelPointer(model).point(QUESTION, shown or picture(), k))


class TestSpaces:
    """One place, named as each model was taught to, is one box."""

    @pytest.mark.parametrize(
        ("how", "size", "named", "words", "most"),
        [
            ({}, (800, 600), [250, 500, 500, 750], "thousandths", 1000),
            ({"coordinates": "fractions"}, (800, 600), [0.25, 0.5, 0.5, 0.75], "fractions", 1),
            (
                {"coordinates": "pixels"},
                (800, 600),
                [200, 300, 400, 450],
                "800 wide and 600 high",
                800,
            ),
            (RESIZED, (800, 600), [203, 294, 406, 441], "812 wide and 588 high", 812),
            (
                RESIZED | {"picture_side": 400},
                (800, 600),
                [98, 154, 196, 231],
                "392 wide and 308 high",
                392,
            ),
        ],
    )
    def test_a_place(
        self, how: dict[str, Any], size: tuple[int, int], named: list[float], words: str, most: int
    ) -> None:
        model = ScriptedMLLM([reply(region(*named))], can(**how))
        (found,) = point(model, picture(*size))
        assert found.box == pytest.approx((0.25, 0.5, 0.5, 0.75))
        assert (found.score, found.why) == (1.0, "a label")
        ((system, user), options) = model.asked[0]
        assert words in system.text
        assert QUESTION in user.text
        box = options.structure["properties"]["regions"]["items"]["properties"]["box"]
        assert box["items"]["maximum"] == most

    def test_a_large_picture_is_shown_no_larger_than_is_of_use(self) -> None:
        """And the numbers are still those of what the model sees."""
        model = ScriptedMLLM(
            [reply(region(0, 0, 500, 500))], can(**RESIZED | {"picture_pixels": RESIZE.most})
        )
        (found,) = point(model, picture(6000, 4000))
        (shown,) = model.asked[0][0][1].pictures
        wide, tall = seen_size(shown.size, model.capabilities)
        assert wide * tall // 28**2 <= 2048
        assert found.box == pytest.approx((0, 0, 500 / wide, 500 / tall), abs=1e-6)

    def test_a_line_of_text_that_is_filled_up(self) -> None:
        """The model sees a margin below it: what is named there is no place."""
        named = [region(0, 0, 406, 14), region(0, 15, 812, 28)]
        model = ScriptedMLLM([reply(*named)], can(**RESIZED))
        assert seen_size((400, 1), model.capabilities) == (812, 28)
        (found,) = point(model, picture(400, 1))
        assert found.box == pytest.approx((0, 0, 0.5, 1))


class TestReplies:
    def test_places_in_the_models_order(self) -> None:
        model = ScriptedMLLM([reply(*(region(0, 100 * n, 900, 100 * n + 80) for n in range(5)))])
        model.capabilities = can()
        found = point(model)
        assert [place.box.y0 for place in found] == [0, 0.1, 0.2]
        assert [place.score for place in found] == [1, 1 / 2, 1 / 3]

    def test_what_is_no_place_is_left_out(self) -> None:
        boxes = [
            region(5, 5, 5, 700),  # no extent
            region(0, 0, 0, 0),  # the form, repeated
            region(1000, 0, 4000, 500),  # beside the picture
            region(1, 2, 3),
            region(1, 2, 3, 4, 5),
            region("left", None, True, []),
            region(1e300, 0, 500, 500),
            {"box": {"x": 1}, "why": "?"},
            {"why": "no box"},
            "a string",
            None,
            region(500, 500, 100, 100),  # corners the other way round: meant all the same
            region(499, 500, 100, 101),  # the same once more
            region("600", "600", 2000, 2000),  # digits as text; beyond the edge
        ]
        found = point(ScriptedMLLM([reply(*boxes)], can()), k=8)
        assert [tuple(place.box) for place in found] == [
            (0.1, 0.1, 0.5, 0.5),
            (0.6, 0.6, 1, 1),
        ]

    def test_what_stands_around_the_json_is_passed_over(self) -> None:
        text = f"<think>{{}} hm</think>Here:\n```json\n{reply(region(0, 0, 500, 500))}\n```"
        assert len(point(ScriptedMLLM([text], can()))) == 1

    def test_nothing_to_point_at(self) -> None:
        model = ScriptedMLLM([reply()], can())
        assert point(model) == []
        assert len(model.asked) == 1  # and nothing to repair
        assert point(ScriptedMLLM([], can()), k=0) == []

    def test_a_reply_without_json_is_asked_for_once_more(self) -> None:
        model = ScriptedMLLM(["At the left.", reply(region(0, 0, 500, 500))], can())
        assert len(point(model)) == 1
        (_, again) = model.asked[1][0]
        assert "At the left." in again.text
        assert again.pictures == ()

    @pytest.mark.parametrize(
        "text", ["", "no", "[]", '{"regions": 3}', '{"regions": [{"bo', "{" * 99]
    )
    def test_after_that_there_are_no_places(self, text: str) -> None:
        model = ScriptedMLLM([text, text], can())
        assert point(model) == []
        assert len(model.asked) == 2

    def test_a_reply_that_was_cut_off_is_used_as_far_as_it_goes(self) -> None:
        """What a model of few tokens wrote until then; whole entries alone."""
        regions = [region(0, 0, 500, 100 * n, why="long " * 40) for n in range(1, 9)]
        model = ScriptedMLLM([reply(*regions)], can())
        found = asyncio.run(ModelPointer(model).point(QUESTION, picture(), 2))
        assert len(found) == 2
        assert len(model.asked) == 1

    def test_what_it_says_is_cut_and_on_one_line(self) -> None:
        says = ["x" * 999, "two\nlines\t\u202eand\x00 more", 7, None]
        boxes = [region(0, 100 * n, 900, 100 * n + 80, why=why) for n, why in enumerate(says)]
        found = point(ScriptedMLLM([reply(*boxes)], can()), k=4)
        assert [place.why for place in found] == [
            "x" * (LONGEST - 1) + "…",
            "two lines and more",
            "",
            "",
        ]

    @given(st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["regions", "box", "why"]), inner, max_size=3),
        max_leaves=12,
    ))  # fmt: skip
    def test_any_reply_comes_to_places_in_the_picture(self, value: object) -> None:
        text = json.dumps({"regions": value})
        for place in point(ScriptedMLLM([text, text], can()), k=9):
            assert 0 <= place.box.x0 < place.box.x1 <= 1
            assert 0 <= place.box.y0 < place.box.y1 <= 1

    def test_no_more_than_eight(self) -> None:
        boxes = [region(0, 50 * n, 900, 50 * n + 40) for n in range(20)]
        model = ScriptedMLLM([reply(*boxes)], can())
        assert len(point(model, k=99)) == MOST


class TestModels:
    def test_one_that_sees_nothing(self) -> None:
        model = ScriptedMLLM([], Capabilities(coordinates="thousandths"))
        assert not can_point(model)
        with pytest.raises(CapabilityError, match="sees no pictures") as caught:
            ModelPointer(model)
        assert "multimodal" in caught.value.remedy

    def test_one_that_names_no_places(self) -> None:
        model = ScriptedMLLM([], Capabilities(pictures=True))
        assert not can_point(model)
        with pytest.raises(CapabilityError, match="names no places") as caught:
            ModelPointer(model)
        assert "coordinates" in caught.value.remedy

    def test_one_that_is_not_held_to_a_schema(self) -> None:
        model = ScriptedMLLM([reply(region(0, 0, 500, 500))], can(structured=False))
        assert len(point(model)) == 1
        assert model.asked[0][1].structure is None
        assert '"regions"' in model.asked[0][0][0].text

    def test_one_that_was_said_to_be(self) -> None:
        script = [CapabilityError("no such schema."), reply(region(0, 0, 500, 500))]
        model = ScriptedMLLM(script, can())
        assert len(point(model)) == 1
        assert model.asked[1][1].structure is None

    def test_one_that_fails(self) -> None:
        with pytest.raises(ModelError, match="down"):
            point(ScriptedMLLM([ModelError("down")], can()))

    def test_one_without_room(self) -> None:
        with pytest.raises(ContextOverflowError, match="no room for a picture"):
            point(ScriptedMLLM([], can(context=2)))

    def test_one_whose_calls_are_counted(self) -> None:
        calls: list[ModelCall] = []
        model = ScriptedMLLM(["no", reply(region(0, 0, 500, 500))], can())
        metered = MeteredMLLM(model, Meter(Budget(), on_call=calls.append), "point")
        assert len(point(metered)) == 1
        assert [call.purpose for call in calls] == ["point", "repair"]
        spent = MeteredMLLM(model, Meter(Budget(model_calls=0)), "point")
        with pytest.raises(BudgetError):
            point(spent)


class TestService:
    """The whole way over loopback."""

    def test_a_place_in_a_picture_that_was_sent_resized(self) -> None:
        def answer(exchange: Exchange) -> None:
            schema = exchange.body["response_format"]["json_schema"]["schema"]
            assert schema["properties"]["regions"]["maxItems"] == 3
            exchange.json(whole(reply(region(203, 294, 406, 441))))

        with serving(answer) as server:
            chosen = settings(server.url, pictures=True, coordinates="resized-pixels")
            model = factory.mllm("openai:qwen2.5vl", chosen)
            (found,) = point(model)
            asyncio.run(model.close())
            ((_, body),) = server.received
        assert found.box == pytest.approx((0.25, 0.5, 0.5, 0.75))
        assert _sent_size(body) == (812, 588)

    def test_a_service_that_does_not_know_schemas(self) -> None:
        def answer(exchange: Exchange) -> None:
            if "response_format" in exchange.body:
                exchange.fail(400, "no response_format here", param="response_format")
            else:
                exchange.json(whole(reply(region(250, 500, 500, 750))))

        with serving(answer) as server:
            chosen = settings(server.url, pictures=True, coordinates="thousandths")
            model = factory.mllm("openai:x", chosen)
            (found,) = point(model)
            asyncio.run(model.close())
        assert found.box == pytest.approx((0.25, 0.5, 0.5, 0.75))


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen2_vl"])
def qwen(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TransformersMLLM]:
    """A tiny one with random weights; a prompt in bytes is long, so it reads much."""
    folder: Path = getattr(tiny_models, request.param)(tmp_path_factory.mktemp(request.param))
    described = json.loads((folder / "config.json").read_text())
    described["text_config"]["max_position_embeddings"] = 8192
    (folder / "config.json").write_text(json.dumps(described))
    model = opened(folder)
    yield model
    asyncio.run(model.close())


class Eager(Wrapped):
    """A model that has to name two places, and throws dice for them."""

    def __init__(self, model: MLLM, seed: int) -> None:
        super().__init__(model)
        self.seed = seed
        self.written: list[str] = []
        self.shown: list[tuple[int, int]] = []

    async def generate(self, messages: Any, options: Options) -> Generated:
        structure = copy.deepcopy(dict(options.structure))
        structure["properties"]["regions"]["minItems"] = 2
        dice = {"structure": structure, "temperature": 1.0, "seed": self.seed, "max_tokens": 2000}
        made = await self._model.generate(messages, options.model_copy(update=dice))
        self.written.append(made.text)
        self.shown.append(messages[1].pictures[0].size)
        return made


class TestTransformers:
    """The whole way through a random model that is held to the schema."""

    @pytest.mark.parametrize("size", [(200, 100), (60, 40), (9, 3000), (1500, 2)])
    def test_what_it_names_is_in_the_picture(
        self, qwen: TransformersMLLM, size: tuple[int, int]
    ) -> None:
        """And is what it wrote, read by hand in the numbers of what it sees."""
        assert can_point(qwen)
        assert qwen.capabilities.structured
        count = 0
        for seed in range(3):
            model = Eager(qwen, seed)
            found = point(model, picture(*size), k=2)
            (text,) = model.written
            plane = space(model.shown[0], model.capabilities)
            named = [_clipped(each["box"], plane) for each in json.loads(text)["regions"]]
            assert len(named) == 2
            for place in found:
                assert 0 <= place.box.x0 < place.box.x1 <= 1
                assert 0 <= place.box.y0 < place.box.y1 <= 1
                assert len(place.why) <= LONGEST
                assert any(np.allclose(place.box, box, atol=1e-5) for box in named)
            count += len(found)
        # Of a line, a number by chance is mostly beside it.
        assert count or max(size) > 100 * min(size)

    def test_the_picture_is_that_of_the_prompt(self, qwen: TransformersMLLM) -> None:
        """The tokens of the picture that the pointer shows are those that geometry counts."""
        calls: list[ModelCall] = []
        for size in ((200, 100), (640, 480), (1, 1), (700, 2), (3, 600)):
            metered = MeteredMLLM(qwen, Meter(Budget(), on_call=calls.append), "point")
            point(metered, picture(*size), k=1)
            (shown,) = calls[0].messages[1].pictures
            prompt = qwen._prompts.inputs(calls[0].messages)["input_ids"]
            place = qwen._prompts._processor.image_token_id
            rule = SmartResize(28 * 28, 28 * 28 * 9)
            counted = rule.tokens(given_size(shown.size, qwen.capabilities))
            if size[0] * size[1] <= rule.most:  # otherwise it was made smaller before
                assert counted == rule.tokens(fill_up(size))
            assert int((prompt == place).sum()) == counted
            assert calls[0].reply.usage.prompt_tokens == prompt.shape[1]
            calls.clear()


def _clipped(numbers: list[float], plane: Plane) -> list[float]:
    """Corners by hand: ordered, as parts of what the model sees of the picture, cut at 1."""
    x = sorted(min(max(numbers[at] / plane.width, 0), 1) for at in (0, 2))
    y = sorted(min(max(numbers[at] / plane.height, 0), 1) for at in (1, 3))
    return [x[0], y[0], x[1], y[1]]


def _sent_size(body: dict[str, Any]) -> tuple[int, int]:
    import base64
    from io import BytesIO

    from PIL import Image

    url = body["messages"][1]["content"][0]["image_url"]["url"]
    with Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return image.size


def test_a_whole_picture_may_be_named() -> None:
    (found,) = point(ScriptedMLLM([reply(region(0, 0, 1000, 1000))], can()))
    assert found.box == Box(0, 0, 1, 1)


class TestAModel(PointerContract):
    @pytest.fixture
    def pointer(self) -> ModelPointer:
        places = (region(100, 100, 400, 300), region(500, 500, 900, 800))
        return ModelPointer(ScriptedMLLM(lambda *_: reply(*places), can()))

    @pytest.fixture
    def asked(self) -> tuple[str, Picture]:
        return QUESTION, picture()
