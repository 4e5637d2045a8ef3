"""Refuses the JSON schemas that llama.cpp would hold a model to only in part, or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cogagent.errors import CapabilityError

_REMEDY = "Use a plainer schema: types, properties, items, enum, required."
_LONGEST = 100_000
_DEEPEST = 64


def check_schema(schema: Mapping[str, Any]) -> None:
    """Look through a schema for what would be passed over in silence.

    Raises:
        CapabilityError: If the schema is no JSON, is too large, or has a pattern that is
            not anchored at both ends.
    """
    try:
        length = len(json.dumps(dict(schema), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise CapabilityError(f"the schema is no JSON: {error}.", remedy=_REMEDY) from error
    if length > _LONGEST:
        raise CapabilityError(f"the schema has {length} characters.", remedy=_REMEDY)
    _look(schema, 0)


def _look(part: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise CapabilityError("the schema is too deep.", remedy=_REMEDY)
    if isinstance(part, Mapping):
        pattern = part.get("pattern")
        if isinstance(pattern, str) and not (pattern.startswith("^") and pattern.endswith("$")):
            raise CapabilityError(
                f"the schema's pattern {pattern!r} is not anchored.",
                remedy="Write it as '^…$'; a model cannot be held to another.",
            )
        for value in part.values():
            _look(value, depth + 1)
    elif isinstance(part, list | tuple):
        for value in part:
            _look(value, depth + 1)
