"""Ask documents and pictures; every claim points at a page and a rectangle."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cogagent.agent import CogAgent
    from cogagent.config import Settings
    from cogagent.errors import CogAgentError
    from cogagent.types import (
        Answer,
        BatchAnswer,
        BatchQuestion,
        BatchReport,
        Budget,
        Citation,
        Evidence,
        IngestReport,
        Query,
        Source,
        Step,
    )

_HOMES = {
    "Answer": "types",
    "BatchAnswer": "types",
    "BatchQuestion": "types",
    "BatchReport": "types",
    "Budget": "types",
    "Citation": "types",
    "CogAgent": "agent",
    "CogAgentError": "errors",
    "Evidence": "types",
    "IngestReport": "types",
    "Query": "types",
    "Settings": "config",
    "Source": "types",
    "Step": "types",
}

__all__ = [
    "Answer",
    "BatchAnswer",
    "BatchQuestion",
    "BatchReport",
    "Budget",
    "Citation",
    "CogAgent",
    "CogAgentError",
    "Evidence",
    "IngestReport",
    "Query",
    "Settings",
    "Source",
    "Step",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import cogagent`` stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
