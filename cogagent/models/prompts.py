"""Prompts as files of a package; a changed prompt is a new file, so that traces name it."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources


@lru_cache
def load(package: str, name: str) -> str:
    """A prompt by its file name without ending, version included: ``answer.v1``.

    Args:
        package: The one that holds the file, such as ``__package__``.
        name: The file's.
    """
    return resources.files(package).joinpath(f"{name}.txt").read_text("utf-8").strip()
