"""Records whose texts can be stored and sent: planners and tools may make any text."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, TypeVar

from cogagent.types import Record, clean

R = TypeVar("R", bound=Record)


def sound(record: R) -> R:
    """The record, its texts as :func:`~cogagent.types.clean` leaves them."""
    changed = {}
    for name in type(record).model_fields:
        value = getattr(record, name)
        cleaned = _sound(value)
        if cleaned is not value:
            changed[name] = cleaned
    return record.model_copy(update=changed) if changed else record


def _sound(value: Any) -> Any:
    """A value of a record; the same object where nothing has to be changed."""
    if isinstance(value, str):
        cleaned = value if value.isascii() else clean(value)
        return value if cleaned == value else cleaned
    if isinstance(value, Record):
        return sound(value)
    if type(value) is tuple:
        several = tuple(map(_sound, value))
        return value if all(map(operator.is_, several, value)) else several
    if isinstance(value, Mapping):
        mapped = {_sound(key): _sound(entry) for key, entry in value.items()}
        return value if mapped == value else mapped
    return value
