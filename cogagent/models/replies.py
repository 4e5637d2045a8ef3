"""JSON in what a model wrote: found among other words, ended where it was cut off."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

_TRIES = 50
"""Opening braces at which a reply's JSON is looked for."""


def find_json(text: str, keys: Sequence[str]) -> Mapping[str, Any] | None:
    """The first JSON object in ``text`` that has one of these keys, whatever stands around it.

    Thinking aloud (``<think>``), prose and code fences are passed over.
    """
    text = text.rpartition("</think>")[2]
    decoder = json.JSONDecoder(parse_constant=_no_number)
    for brace in islice(re.finditer(r"\{", text), _TRIES):
        try:
            value, _ = decoder.raw_decode(text, brace.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and any(key in value for key in keys):
            return value
    return None


def completed(text: str) -> str:
    """JSON that was cut off, ended behind the last entry of a list that is whole."""
    stack: list[str] = []
    quoted, escaped = False, False
    best = ""
    start = max(text.find("{"), 0)
    for place in range(start, len(text)):
        char = text[place]
        if quoted:
            quoted, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in "{[":
            stack.append("}" if char == "{" else "]")
        elif char in "}]":
            if not stack or stack.pop() != char:
                break
            if stack and stack[-1] == "]":
                best = text[start : place + 1] + "".join(reversed(stack))
    return best


def number(value: object, least: float, most: float) -> float | None:
    """A finite number between bounds, from a number or its digits; ``None`` if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and least <= found <= most else None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
