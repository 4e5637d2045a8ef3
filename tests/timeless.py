"""An answer without what differs from run to run."""

from __future__ import annotations

from typing import Any

from cogagent.types import Answer

_OF_THE_RUN = ("seconds", "trace", "conversation")


def timeless(answer: Answer | dict[str, Any]) -> Any:
    """As plain data, without times and the id of the trace."""
    plain = answer.model_dump(mode="json") if isinstance(answer, Answer) else answer
    return _stripped(plain)


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(entry) for key, entry in value.items() if key not in _OF_THE_RUN}
    if isinstance(value, list):
        return [_stripped(entry) for entry in value]
    return value
