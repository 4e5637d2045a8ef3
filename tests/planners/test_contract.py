"""Every planner holds to the contract, with a sound model, a mad one and none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from cogagent.config import Settings
from cogagent.models.mllm import MLLM, Capabilities, Message, Options
from cogagent.planners.base import Planner
from cogagent.planners.factory import make_planner, planner_names
from cogagent.testing.contracts import PlannerContract
from cogagent.testing.doubles import ScriptedMLLM


def filled_in(schema: dict[str, Any]) -> Any:
    """A value that a schema allows, the first of each choice."""
    kind = schema.get("type")
    if kind == "object":
        return {key: filled_in(inner) for key, inner in schema["properties"].items()}
    if kind == "array":
        return [filled_in(schema["items"])] * max(schema.get("minItems", 1), 1)
    if "enum" in schema:
        return schema["enum"][0]
    return {"string": "lake", "boolean": False, "integer": 1, "number": 0}.get(str(kind))


def sound(messages: Sequence[Message], options: Options) -> str:
    return "A lake." if options.structure is None else json.dumps(filled_in(options.structure))


class _Named(PlannerContract):
    @pytest.fixture(params=planner_names())
    def planner(self, request: pytest.FixtureRequest) -> Planner:
        return make_planner(request.param, Settings(), has_model=True)


class TestWithoutAModel(_Named):
    pass


class TestWithAModel(_Named):
    @pytest.fixture
    def model(self) -> MLLM:
        return ScriptedMLLM(sound)


class TestWithAModelThatTalksNonsense(_Named):
    @pytest.fixture
    def model(self) -> MLLM:
        return ScriptedMLLM(lambda messages, options: "Sure! {{{ ...", Capabilities())


class TestWithAModelOfSmallContext(_Named):
    @pytest.fixture
    def model(self) -> MLLM:
        return ScriptedMLLM(sound, Capabilities(structured=True, context=512))
