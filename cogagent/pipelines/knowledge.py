"""The tool that asks a model what it knows: an answer that is marked, and never a source."""

from __future__ import annotations

from cogagent.models.mllm import MLLM, Options, said
from cogagent.pipelines.prompts import prompt
from cogagent.types import Query, ToolSpec

PROMPT = "knowledge.v1"
_MOST_TOKENS = 200


class KnowledgeTool:
    """What a language model knows by itself.

    Args:
        model: Is asked; a metered one, so that the run pays for it.
    """

    spec = ToolSpec(
        name="knowledge",
        description="What you know yourself, for common knowledge only. It is never a source.",
        notes=True,
    )

    def __init__(self, model: MLLM) -> None:
        self._model = model

    async def anote(self, query: Query) -> str:
        """What the model says to the query, in a few sentences.

        Raises:
            BudgetError: If the budget does not allow it.
            ModelError: If the model fails.
        """
        messages = [said("system", prompt(PROMPT)), said("user", query.text)]
        reply = await self._model.generate(messages, Options(max_tokens=_MOST_TOKENS))
        return " ".join(reply.text.split())
