"""What retrievers and tools are: a query in, ranked evidence out."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from cogagent.types import Evidence, Query, ToolSpec


class Retriever(Protocol):
    """One way of finding evidence."""

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` best pieces of evidence for ``query``, best first.

        Raises:
            CogAgentError: If the search cannot be done.
        """
        ...


class AsyncRetriever(Protocol):
    """One way of finding evidence that waits more than it computes."""

    async def aretrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` best pieces of evidence for ``query``, best first.

        Cancelled when the run is; it then has to end at once.

        Raises:
            CogAgentError: If the search cannot be done.
        """
        ...


@runtime_checkable
class BlockingTool(Retriever, Protocol):
    """A retriever that planners know by name; it is run in a thread."""

    spec: ToolSpec
    """What planners are told of it."""


@runtime_checkable
class AsyncTool(AsyncRetriever, Protocol):
    """An asynchronous retriever that planners know by name."""

    spec: ToolSpec
    """What planners are told of it."""


Tool = BlockingTool | AsyncTool
"""What planners can ask; where an object is both, the run awaits it."""
