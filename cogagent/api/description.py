"""The OpenAPI document: what FastAPI finds in the routes, and what it cannot see."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

from cogagent.api import payloads
from cogagent.api.examples import examples
from cogagent.api.openai.examples import EXAMPLES as OPENAI
from cogagent.api.payloads import Given
from cogagent.types import Record

VERSION = "1.0"
"""Of the interface, not of the program."""
_SUMMARY = "Answers questions about documents and pictures, and cites where it read them."
_DESCRIPTION = """\
Pages count from 1; boxes are `[x0, y0, x1, y1]` in fractions of the page, from its upper left
corner. Lists come in pages: `next` of one is `after` of the following. Errors are problem
documents (RFC 9457), told apart by `code`; OpenAI's routes have OpenAI's errors."""
_OTHERS = {
    "Box": "`[x0, y0, x1, y1]` in fractions of the page, from its upper left corner.",
    "SmartResize": "`[least, most, step]`: to how many pixels a picture is brought, and sides to "
    "multiples of what.",
}
"""What schemas are that are no models of ours."""
_METHODS = ("get", "put", "post", "delete", "patch")
_REF = "#/components/schemas/"


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application; made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title,
            version=VERSION,
            summary=_SUMMARY,
            description=_DESCRIPTION,
            routes=app.routes,
        )
        schemas: dict[str, Any] = found.setdefault("components", {}).setdefault("schemas", {})
        places = _declare(schemas)
        _fill(found, places)
        _tell_headers(found)
        _describe_fields(schemas)
        _prune(found)
        for name, text in _OTHERS.items():
            schemas[name].setdefault("description", text)
        for name in schemas:
            if name.startswith("Page_"):
                schemas[name].setdefault("description", "A part of a list.")
        for name, example in {**examples(), **OPENAI}.items():
            if name in schemas:
                schemas[name].setdefault("examples", [example])
        app.openapi_schema = found
    return app.openapi_schema


def _declare(schemas: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Add the schemas of the types that routes have named; where each of them is."""
    declared = payloads.DECLARED
    inputs = [(name, mode, TypeAdapter(model)) for name, (model, mode) in declared.items()]
    places, defined = TypeAdapter.json_schemas(inputs, ref_template=_REF + "{model}")
    for name, schema in defined.get("$defs", {}).items():
        assert schemas.get(name, schema) == schema, f"two schemas are called {name}"
        schemas[name] = schema
    return {name: dict(schema) for (name, _), schema in places.items()}


def _fill(node: Any, places: dict[str, dict[str, Any]]) -> None:
    """Put the schemas where routes left something to stand for them."""
    for value in list(node.values()) if isinstance(node, dict) else node:
        if isinstance(value, dict) and payloads.PLACEHOLDER in value:
            schema = places[value.pop(payloads.PLACEHOLDER)]
            value.update(schema)
        elif isinstance(value, dict | list):
            _fill(value, places)


def _tell_headers(document: dict[str, Any]) -> None:
    for operation in _operations(document):
        responses = operation["responses"]
        if "304" in responses:
            for status in ("200", "304"):
                _header(responses[status], "ETag", "Changes when what is shown does.")
        for status in ("201", "202"):
            if status in responses and operation["operationId"] in _LOCATED:
                _header(responses[status], "Location", "Where it is.")
        for status in ("409", "429", "503"):
            if status in responses:
                _header(responses[status], "Retry-After", "Seconds, where waiting helps.")


_LOCATED = ("upload_documents", "submit_batch")


def _header(response: dict[str, Any], name: str, meaning: str) -> None:
    headers = response.setdefault("headers", {})
    headers[name] = {"description": meaning, "schema": {"type": "string"}}


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        for method in _METHODS:
            if method in item:
                yield item[method]


def _describe_fields(schemas: dict[str, Any]) -> None:
    """The texts under the fields of our types, which pydantic was not asked to read."""
    for model in _models(BaseModel):
        schema = schemas.get(model.__name__)
        if schema is None or not issubclass(model, Record | Given):
            continue
        for name, text in _texts(model).items():
            field = schema.get("properties", {}).get(name)
            if field is not None:
                field.setdefault("description", text)


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _texts(model: type[BaseModel]) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        found |= _module_texts(base.__module__).get(base.__name__, {})
    return found


@cache
def _module_texts(module: str) -> dict[str, dict[str, str]]:
    """The texts under the fields of a module's classes, by class and field."""
    if not module.startswith("cogagent."):
        return {}
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(sys.modules[module])).body:
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found.setdefault(node.name, {})
        for field, text in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                texts[field.target.id] = inspect.cleandoc(text.value.value)
    return found


def _prune(document: dict[str, Any]) -> None:
    """Leave out what FastAPI adds for errors of its own form."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
