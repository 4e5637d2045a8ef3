"""A run again, from what its trace recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TypeVar

from cogagent.errors import CogAgentError, ModelError, NotFoundError, error_of
from cogagent.models.mllm import DEFAULTS, Generated, Message, Options, Piece, drained
from cogagent.pipelines.recording import (
    RecordedCall,
    RecordedModel,
    RecordedSearch,
    Trace,
    call_key,
)
from cogagent.pipelines.toolbox import query_key
from cogagent.types import Evidence, Problem, Query, ToolSpec

R = TypeVar("R")


class RecordedTool:
    """A tool that finds what it found then.

    Args:
        spec: The tool's.
        trace: Holds what it was asked and what it found.
        pieces: The trace's evidence by id.
    """

    def __init__(
        self,
        spec: ToolSpec,
        trace: Trace,
        pieces: Mapping[str, Evidence],
    ) -> None:
        self.spec = spec
        self._pieces = pieces
        self._searches: dict[tuple[object, ...], list[RecordedSearch]] = {}
        for search in trace.searches:
            if search.query.tool == spec.name:
                self._searches.setdefault(query_key(search.query), []).append(search)

    async def aretrieve(self, query: Query, k: int) -> list[Evidence]:  # noqa: ARG002
        """What was found then.

        Raises:
            NotFoundError: If this was not asked then.
            CogAgentError: If the search failed then.
        """
        search = self._search(query)
        return [
            self._pieces[key].model_copy(update={"score": score, "query": query.text})
            for key, score in zip(search.evidence, search.scores, strict=True)
            if key in self._pieces
        ]

    async def alook(
        self,
        query: Query,
        parent: Evidence,  # noqa: ARG002
        k: int,
        places: int,  # noqa: ARG002
    ) -> list[Evidence]:
        """What was seen then; raises what :meth:`aretrieve` does."""
        return await self.aretrieve(query, k)

    async def anote(self, query: Query) -> str:
        """What was noted then; raises what :meth:`aretrieve` does."""
        note = self._search(query).note
        return note.text if note is not None else ""

    def _search(self, query: Query) -> RecordedSearch:
        waiting = self._searches.get(query_key(query))
        if not waiting:
            raise NotFoundError(
                f"the trace has no search of {self.spec.name} for {query.text!r}.",
                remedy="Run it again with live searches.",
            )
        search = _next(waiting)  # one that failed may have been asked again
        if search.error is not None:
            raise _raised(search.error)
        return search


class RecordedMLLM:
    """A model that writes what it wrote then, when it is told the same.

    Args:
        model: As the trace names it.
        calls: What it was asked and replied.
    """

    def __init__(self, model: RecordedModel, calls: Sequence[RecordedCall]) -> None:
        self.name = model.name
        self.capabilities = model.capabilities
        self._replies: dict[str, list[RecordedCall]] = {}
        for call in calls:
            if call.model == model.name:
                self._replies.setdefault(call.key, []).append(call)

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """What was written then; see :class:`~cogagent.models.mllm.MLLM`."""
        return await drained(self.stream(messages, options), self.name)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """What was written then, in one piece.

        Raises:
            ModelError: If it was not asked this, or failed.
            TimeoutError: If it was given up then, after what it had written.
        """
        await asyncio.sleep(0)  # calls that began together then begin together now
        waiting = self._replies.get(call_key(messages, options))
        if not waiting:
            raise ModelError(
                f"the trace has no reply of {self.name} to this.",
                remedy="Run it again with a model.",
            )
        call = _next(waiting)
        if call.written:
            yield Piece(text=call.written)
        if call.error is not None:
            raise _raised(call.error)
        if call.reply is None:
            raise TimeoutError(f"{self.name} was cut short then.")
        yield Piece(text=call.reply.text)
        yield Piece(whole=call.reply)

    async def close(self) -> None:
        """Nothing is held."""


def _next(waiting: list[R]) -> R:
    """The next of what was recorded for one thing asked; the last serves for ever."""
    return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def _raised(error: Problem) -> CogAgentError:
    """An error of then."""
    raised = error_of(error.code, error.message)
    raised.remedy = error.remedy
    return raised
