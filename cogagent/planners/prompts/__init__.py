"""The planners' prompts, as files with versions."""

from __future__ import annotations

from cogagent.models.prompts import load


def prompt(name: str) -> str:
    """A prompt by its file name without ending, version included: ``rewrite.v1``."""
    return load(__name__, name)
