"""What models around other models have in common: nothing that the inner one offers is lost."""

from __future__ import annotations

from typing import Any

from cogagent.models.mllm import MLLM


class Wrapped:
    """A model around another one; what it does not do itself, that one does.

    Args:
        model: The inner one.
    """

    def __init__(self, model: MLLM) -> None:
        self._model = model
        self.name = model.name
        self.capabilities = model.capabilities

    def __getattr__(self, name: str) -> Any:
        """What the inner model offers beside the seam, like ``picture_tokens``."""
        if name.startswith("_"):  # also of a copy that has no inner one yet
            raise AttributeError(name)
        return getattr(self._model, name)
