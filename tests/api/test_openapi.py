"""The OpenAPI document says all that there is, and what it says holds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from benchmarks.fuzz_service import fuzz, make_home
from cogagent import CogAgent, Settings
from cogagent.api.app import make_app
from cogagent.config import ServiceSettings
from tests.api.conftest import running

Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def document(shared: CogAgent) -> dict[str, Any]:
    return make_app(shared).openapi()


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_operation_has_a_name_a_text_a_tag_and_a_scope(document) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for _, path, operation in operations(document):
        assert re.fullmatch(r"[a-z_]+", operation["operationId"])
        assert operation["description"].strip()
        assert operation["tags"]
        if path not in ("/healthz", "/readyz"):
            scopes = [next(iter(one.values())) for one in operation["security"]]
            assert scopes == [scopes[0]] * 2
            assert scopes[0][0] in ("read", "write", "admin")
        for parameter in operation.get("parameters", []):
            assert parameter["in"] in ("path", "query", "header")


def test_what_changes_something_asks_for_more_than_reading(document) -> None:
    own = {  # what these change is the caller's own, and no document
        "search", "ask", "cancel_ask", "delete_conversation", "delete_trace", "replay_trace",
        "cancel_job", "retry_job", "submit_batch", "create_chat_completion", "create_embedding",
    }  # fmt: skip
    for method, _, operation in operations(document):
        if method != "get" and operation["operationId"] not in own:
            assert operation["security"][0]["bearer"] == ["write"], operation["operationId"]


def test_every_error_is_declared_as_a_problem(document) -> None:
    for _, path, operation in operations(document):
        if not path.startswith("/v1/"):
            continue
        for status in ("400", "401", "403", "404", "422", "429", "500", "503"):
            (kind,) = operation["responses"][status]["content"]
            assert kind in ("application/problem+json", "application/json"), path


def test_every_schema_is_explained_and_has_an_example_that_fits(document) -> None:
    schemas = document["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for name, schema in schemas.items():
        if name == "JsonValue":  # anything
            continue
        assert schema.get("description"), name
        assert schema["examples"], name
        place = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        for example in schema["examples"]:
            Draft202012Validator(place).validate(example)


def test_every_schema_is_used_and_every_reference_leads_somewhere(document) -> None:
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert used <= set(document["components"]["schemas"])
    assert set(document["components"]["schemas"]) - used == set()


def test_fields_are_explained_by_the_texts_under_them(document) -> None:
    answer = document["components"]["schemas"]["Answer"]["properties"]
    assert answer["short"]["description"].startswith("The answer alone")


def test_what_schemathesis_sends_is_answered_as_the_document_says(tmp_path: Path) -> None:
    settings = Settings(service=ServiceSettings(workers=1, queue=50, heartbeat_seconds=1.0))
    with (
        CogAgent(home=tmp_path / "home", settings=settings) as agent,
        running(make_app(agent, open_door=True)) as server,
    ):
        found = fuzz(server.url, 300, restore=lambda: make_home(agent))
        known = list(operations(make_app(agent).openapi()))
    assert found.wrong == []
    assert found.cases >= 300
    assert len(found.operations) == len(known)
