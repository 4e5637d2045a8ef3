"""What a retriever is: a query in, ranked evidence out."""

from __future__ import annotations

from typing import Protocol

from cogagent.types import Evidence, Query


class Retriever(Protocol):
    """One way of finding evidence."""

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The ``k`` best pieces of evidence for ``query``, best first.

        Raises:
            CogAgentError: If the search cannot be done.
        """
        ...
