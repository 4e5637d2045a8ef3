"""What a home keeps: documents, collections, traces and conversations.

Each class here is an attribute of :class:`~cogagent.agent.CogAgent`, which makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, BinaryIO

from cogagent.indexes.filters import Principals
from cogagent.indexes.runs import TraceEntry
from cogagent.indexes.store import Store
from cogagent.loop import LoopThread
from cogagent.pipelines.asking import answer_of, replaying
from cogagent.pipelines.compose import RunBlocking
from cogagent.pipelines.engine import Engine
from cogagent.pipelines.recording import Trace
from cogagent.planners.base import Turn
from cogagent.types import Answer, Collection, Document, Element, Failure

if TYPE_CHECKING:
    from cogagent.planners.base import Planner


class Documents:
    """The documents of a home: ``agent.documents``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(
        self,
        collection: str = "default",
        after: str = "",
        limit: int | None = None,
        principals: Principals | None = None,
    ) -> Sequence[Document]:
        """The documents of a collection, by uri.

        Args:
            collection: Its name.
            after: Only those whose uris come after this.
            limit: How many; ``None`` for all.
            principals: As for :meth:`CogAgent.search`.
        """
        most = -1 if limit is None else limit
        return self._store.documents(collection, after=after, limit=most, principals=principals)

    def get(self, document: str, principals: Principals | None = None) -> Document:
        """One document by id."""
        return self._store.document(document, principals)

    def some(
        self, documents: Iterable[str], principals: Principals | None = None
    ) -> Mapping[str, Document]:
        """Those of some documents that are there, by id."""
        return self._store.documents_by_id(documents, principals)

    def is_whole(self, collection: str, uri: str, content: str) -> bool:
        """Whether a document is there, made of the bytes with that sha256, and all looked at."""
        known = self._store.known(collection, uri)
        return known is not None and known.content == content and not self._store.unseen(known.id)

    def id(self, collection: str, uri: str) -> str:
        """The id that a document has, or will have when it is ingested."""
        return self._store.document_id(collection, uri)

    def original(self, document: str) -> bytes:
        """The bytes that were ingested.

        Raises:
            NotFoundError: If there is no such document, or the home keeps no originals.
        """
        return self._store.originals.fetch(self._store.document(document).content)

    def open_original(self, document: str) -> BinaryIO:
        """The same as a file, to be read bit by bit; the caller closes it.

        Raises:
            NotFoundError: Likewise.
        """
        return self._store.originals.open(self._store.document(document).content)

    def size(self, document: str) -> int | None:
        """How many bytes were ingested; ``None`` if the home keeps no originals."""
        return self.size_of(self._store.document(document))

    def size_of(self, document: Document) -> int | None:
        """:meth:`size`, of one that is at hand."""
        return self._store.originals.size(document.content)

    def elements(self, document: str) -> Iterator[Element]:
        """What was found in a document, in reading order."""
        self._store.document(document)
        return self._store.elements(document)

    def delete(self, *documents: str) -> None:
        """Delete documents by id, all or none."""
        self._store.delete(documents)

    def disable(self, document: str) -> None:
        """Leave a document out of searches without forgetting it."""
        self._store.set_enabled(document, False)

    def enable(self, document: str) -> None:
        """Take a disabled document into searches again."""
        self._store.set_enabled(document, True)

    def failures(self, collection: str = "default") -> Sequence[Failure]:
        """Sources that could not be ingested, and why."""
        return self._store.failures(collection)


class Collections:
    """The collections of a home: ``agent.collections``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, principals: Principals | None = None) -> Sequence[Collection]:
        """All collections, by name, with how much of each may be seen."""
        return self._store.collections(principals)

    def has(self, name: str) -> bool:
        """Whether there is one of that name."""
        return self._store.has_collection(name)

    def create(self, name: str) -> None:
        """Make a collection; nothing happens if it is there."""
        self._store.create_collection(name)

    def require(self, name: str) -> None:
        """Refuse a name that no collection has.

        Raises:
            NotFoundError: If there is none; it lists those there are.
        """
        self._store.collection_id(name)

    def delete(self, name: str, principals: Principals | None = None) -> None:
        """Delete a collection with its documents.

        Args:
            name: Its name.
            principals: As for :meth:`CogAgent.search`.

        Raises:
            NotFoundError: If there is none of that name.
            ForbiddenError: If it holds documents that they may not see; nothing is deleted.
        """
        self._store.delete_collection(name, principals)


class Traces:
    """The traces of a home: ``agent.traces``."""

    def __init__(self, engine: Engine, blocking: RunBlocking, loop: LoopThread) -> None:
        self._engine = engine
        self._blocking = blocking
        self._loop = loop
        self._runs = engine.store.runs

    def list(
        self,
        limit: int = 50,
        owner: str | None = None,
        before: tuple[str, str] | None = None,
    ) -> Sequence[TraceEntry]:
        """The newest traces, the newest first.

        Args:
            limit: How many.
            owner: Only theirs; ``None`` for all.
            before: Only those older than the trace of this ``at`` and ``id``, which may be gone.
        """
        return self._runs.traces(limit, owner=owner, before=before)

    def asked(self, asked: str, owner: str = "") -> str | None:
        """The id of an owner's newest trace of the request of that name, if there is one."""
        return self._runs.asked(asked, owner)

    def entry(self, trace: str) -> tuple[TraceEntry, Sequence[str]]:
        """A trace's line in the list, and the ids of the documents that it quotes."""
        return self._runs.entry(trace)

    def get(self, trace: str) -> Trace:
        """A trace by its id, or by a beginning of it that no other has.

        Raises:
            NotFoundError: If there is none.
            InputError: If several begin so.
        """
        return Trace.read(self._runs.trace(trace))

    def delete(self, *traces: str) -> None:
        """Delete traces by id, all or none.

        Raises:
            NotFoundError: If one is not there; nothing was deleted.
        """
        self._runs.delete_traces(*traces)

    def replay(
        self,
        trace: str | Trace,
        planner: str | Planner | None = None,
        planner_model: str | None = None,
        answer_model: str | None = None,
        owner: str = "",
    ) -> Answer:
        """Run a trace again, its tools finding what they found then.

        With nothing else named it comes to the same answer, whatever has become of the
        documents and models since; but a run that the clock cut short may go on further,
        and a model that was shown pictures of the documents is shown them again.

        Args:
            trace: Its id, or one that was read from a file.
            planner: Another planner than then.
            planner_model: A language model to plan, named as in the settings, in place of
                what was recorded of the one of then.
            answer_model: Likewise to answer.
            owner: Whose the new trace is.

        Raises:
            InputError: If the trace kept no texts.
            NotFoundError: If there is none.
            ModelError: If a model fails, or was asked something else than then.
        """
        again = self.areplay(trace, planner, planner_model, answer_model, owner)
        return self._loop.run(again)

    async def areplay(
        self,
        trace: str | Trace,
        planner: str | Planner | None = None,
        planner_model: str | None = None,
        answer_model: str | None = None,
        owner: str = "",
    ) -> Answer:
        """:meth:`replay`, awaited."""
        found = await self._blocking(self.get, trace) if isinstance(trace, str) else trace
        with self._engine.lent(planner_model, answer_model) as (planning, answering):
            events = replaying(
                self._engine, found, self._blocking, planner=planner,
                planner_model=planning, answer_model=answering, owner=owner,
            )  # fmt: skip
            async with aclosing(events):
                return await answer_of(events)


class Conversations:
    """The conversations of a home: ``agent.conversations``."""

    def __init__(self, store: Store) -> None:
        self._runs = store.runs

    def list(self, owner: str = "") -> Sequence[str]:
        """The names of an owner's conversations, the last used first."""
        return self._runs.conversations(owner)

    def get(self, conversation: str, owner: str = "") -> Sequence[Turn]:
        """Its questions and answers, the oldest first; none of one that has not begun."""
        bodies = self._runs.turns(conversation, 1_000_000, owner)
        return [Turn.model_validate_json(body) for body in bodies]

    def delete(self, conversation: str, owner: str = "") -> None:
        """Forget a conversation.

        Raises:
            NotFoundError: If there is none of that name.
        """
        self._runs.delete_conversation(conversation, owner)
