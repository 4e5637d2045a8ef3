"""What an evaluation asks: questions with the plan, evidence and answer that would be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from cogagent.types import Identifier, Record

Tool = Literal["text", "image", "none"]
TOOLS: tuple[Tool, ...] = ("text", "image", "none")


class EvalStep(Record):
    """A step of the right plan."""

    rewrite: str = Field(max_length=20_000)
    """What should be searched for."""
    tool: Tool
    """``none`` where nothing has to be searched."""
    gold: tuple[str, ...] = ()
    """Uris of the documents that hold what is searched for; any one will do."""


class EvalItem(Record):
    """A question and what is right; in a file, a line with these names as keys."""

    question: str = Field(min_length=1, max_length=20_000)
    id: Identifier = None
    """Yours; the place in the file, such as ``#12``, when ``None``."""
    picture: str | None = None
    """That comes with the question; a path, in a file relative to its folder."""
    steps: tuple[EvalStep, ...] = ()
    """The right plan; none says nothing of it, so that only the answer counts."""
    answer: str = ""
    claims: tuple[str, ...] = ()
    """What a right answer says, each a sentence."""
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Yours. Figures are also given for each value of ``set`` and ``kind``."""
