"""Prompts as files; a changed prompt is a new file, so that a trace names what was asked."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources


@lru_cache
def prompt(name: str) -> str:
    """A prompt by its file name without ending, version included: ``answer.v1``."""
    return resources.files(__package__).joinpath(f"{name}.txt").read_text("utf-8").strip()
