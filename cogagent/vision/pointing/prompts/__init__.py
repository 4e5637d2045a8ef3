"""Prompts as files; a changed prompt is a new file, so that a trace names what was asked."""

from __future__ import annotations

from cogagent.models.prompts import load


def prompt(name: str) -> str:
    """A prompt by its file name without ending, version included: ``point.v1``."""
    return load(__name__, name)
