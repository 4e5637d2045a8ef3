"""What one caller may do with a home: every door goes through here, and all checks are here.

What a caller may not see raises :class:`~cogagent.errors.NotFoundError`, as if it were not
there; what it may see but not do raises :class:`~cogagent.errors.ForbiddenError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any, Literal, cast

from cogagent.agent import CogAgent
from cogagent.api.callers import Caller, Scope, no_collection, no_document
from cogagent.api.turnstile import Turnstile
from cogagent.errors import ForbiddenError, InputError, NotFoundError
from cogagent.geometry import FULL_PAGE, Box
from cogagent.indexes.filters import Filters
from cogagent.indexes.runs import TraceEntry
from cogagent.indexes.writing import is_own
from cogagent.models.base import TextEmbedder, Vectors
from cogagent.pipelines.recording import Trace
from cogagent.planners.base import Turn
from cogagent.types import (
    Answer,
    Budget,
    Citation,
    Collection,
    Document,
    Element,
    Event,
    Evidence,
    Failure,
)

if TYPE_CHECKING:
    from PIL.Image import Image


class Session:
    """A home as one caller sees it.

    Methods that begin with ``a`` are awaited; the others read files and belong on threads.

    Args:
        agent: The home.
        caller: Who asks.
        turnstile: Where questions wait for their turn; ``None`` where they need not.
    """

    def __init__(
        self, agent: CogAgent, caller: Caller, turnstile: Turnstile | None = None
    ) -> None:
        self.agent = agent
        self.caller = caller
        self._turnstile = turnstile

    def require(self, scope: Scope) -> None:
        """Refuse a caller without a scope.

        Raises:
            ForbiddenError: If it has not.
        """
        self.caller.require(scope)

    def require_collection(self, name: str, scope: Scope = "read") -> None:
        """Refuse a collection that the caller may not use; it need not be there yet.

        Raises:
            NotFoundError: If it may not use it.
            ForbiddenError: If it lacks the scope.
        """
        self.caller.require_collection(name)
        self.caller.require(scope)

    # --- collections -------------------------------------------------------

    def collections(self) -> list[Collection]:
        """Those that the caller may use, by name, with how much of each it may see."""
        self.require("read")
        found = self.agent.collections.list(self.caller.seen_as)
        return [one for one in found if self.caller.may_use(one.name)]

    def collection(self, name: str) -> Collection:
        """One by name.

        Raises:
            NotFoundError: If it is not there.
        """
        for one in self.collections():
            if one.name == name:
                return one
        raise no_collection(name)

    def create_collection(self, name: str) -> Collection:
        """Make a collection; nothing happens if it is there.

        Raises:
            InputError: If the name cannot be one.
            ForbiddenError: If the key is for other collections.
        """
        self.require("write")
        if not self.caller.may_use(name):
            raise ForbiddenError("this API key is for other collections.")
        self.agent.collections.create(name)
        return self.collection(name)

    def delete_collection(self, name: str) -> None:
        """Delete a collection with its documents.

        Raises:
            NotFoundError: If it is not there.
            ForbiddenError: If the caller may not see all that is in it.
        """
        self.require_collection(name, "write")
        seen = self.collection(name).documents
        everything = {one.name: one.documents for one in self.agent.collections.list()}
        if everything.get(name, 0) != seen:
            raise ForbiddenError(
                f"the collection {name!r} holds documents that are not yours to delete.",
                remedy="Delete yours one by one, or ask somebody with the scope admin.",
            )
        self.agent.collections.delete(name)

    # --- documents ---------------------------------------------------------

    def documents(self, collection: str, after: str = "", limit: int = 50) -> Sequence[Document]:
        """Documents of a collection, by uri.

        Args:
            collection: Its name.
            after: Only those whose uris come after this.
            limit: How many.

        Raises:
            NotFoundError: If there is no such collection.
        """
        self.collection(collection)
        return self.agent.documents.list(collection, after, limit, self.caller.seen_as)

    def document(self, document: str) -> Document:
        """One by id.

        Raises:
            NotFoundError: If it is not there.
        """
        self.require("read")
        try:
            found = self.agent.documents.get(document, self.caller.seen_as)
        except NotFoundError as error:
            raise no_document(document) from error
        if not self.caller.may_use(found.collection):
            raise no_document(document)
        return found

    def elements(self, document: str) -> Iterator[Element]:
        """What was found in a document, in reading order."""
        return self.agent.documents.elements(self.document(document).id)

    def original(self, document: str) -> bytes:
        """The bytes that were ingested.

        Raises:
            NotFoundError: If there is no such document, or the home keeps no originals.
        """
        return self.agent.documents.original(self.document(document).id)

    def size(self, document: str) -> int | None:
        """How many bytes were ingested; ``None`` if the home keeps no originals."""
        return self.agent.documents.size(self.document(document).id)

    def delete_document(self, document: str) -> None:
        """Delete a document, and what quotes it."""
        self.document(document)
        self.require("write")
        self.agent.documents.delete(document)

    def set_enabled(self, document: str, enabled: bool) -> Document:
        """Take a document into searches, or leave it out."""
        self.document(document)
        self.require("write")
        (self.agent.documents.enable if enabled else self.agent.documents.disable)(document)
        return self.document(document)

    def failures(self, collection: str) -> Sequence[Failure]:
        """Sources that could not be ingested, and why; of others' only for who sees all.

        Raises:
            NotFoundError: If there is no such collection.
        """
        self.collection(collection)
        found = self.agent.documents.failures(collection)
        if self.caller.seen_as is None:
            return found
        return [one for one in found if one.uri.startswith(f"upload:{self.caller.owner}/")]

    # --- look --------------------------------------------------------------

    def page(self, document: str, page: int, dpi: int = 150, box: Box = FULL_PAGE) -> Image:
        """A rectangle of a page, drawn anew; see :meth:`CogAgent.page`."""
        return self.agent.page(self.document(document).id, page, dpi, box)

    def evidence(self, evidence: str) -> Evidence:
        """What a search found, by its id.

        Raises:
            NotFoundError: If it is not there.
        """
        self.require("read")
        try:
            found = self.agent.evidence(evidence)
            self.document(found.document_id)
        except NotFoundError as error:
            raise NotFoundError(f"there is no evidence {evidence!r}.") from error
        return found

    def crop(self, cited: Citation | Evidence) -> Image:
        """The cited place at full resolution.

        Raises:
            NotFoundError: If its document is not there.
        """
        if is_own(cited.document_id):
            self.document(cited.document_id)
        return self.agent.crop(cited)

    # --- search and ask ----------------------------------------------------

    async def asearch(
        self,
        query: str = "",
        k: int = 10,
        modality: Literal["text", "image", "all"] = "all",
        image: bytes | None = None,
        collection: str = "default",
        filters: Filters | None = None,
    ) -> list[Evidence]:
        """The best pieces of evidence; see :meth:`CogAgent.search`."""
        self.require_collection(collection)
        return await self.agent.asearch(
            query, k, modality, image, collection, filters, self.caller.seen_as
        )

    async def aask(self, question: str, **keywords: Any) -> Answer:
        """An answer; takes what :meth:`CogAgent.ask` takes, pictures as bytes.

        Raises:
            QueueFullError: If too many questions wait already.
        """
        asked = self._asked(keywords)
        async with self._turn():
            return await self.agent.aask(question, **asked)

    def astream(self, question: str, **keywords: Any) -> AsyncIterator[Event]:
        """The events of an answer as it is made; takes what :meth:`aask` takes.

        Raises:
            QueueFullError: Like other faults of the question at once, not with the first event.
        """
        asked = self._asked(keywords)
        if self._turnstile is not None:
            self._turnstile.require_room()
        return self._streamed(question, asked)

    async def _streamed(self, question: str, asked: dict[str, Any]) -> AsyncIterator[Event]:
        made = cast("AsyncGenerator[Event, None]", self.agent.astream(question, **asked))
        async with self._turn(), aclosing(made) as events:
            async for event in events:
                yield event

    @property
    def text_embedder(self) -> TextEmbedder:
        """What turns the home's texts into vectors."""
        self.require("read")
        return self.agent.text_embedder

    async def aembed(
        self, texts: Sequence[str], *, query: bool = False
    ) -> tuple[Vectors, list[int]]:
        """Vectors of texts, shape ``(len(texts), dim)``, and how many tokens each text has.

        Args:
            texts: Any; what is longer than the embedder reads is cut there.
            query: They are questions.

        Raises:
            QueueFullError: If too many questions wait already.
            ModelError: If the embedder fails.
        """
        embedder = self.text_embedder

        def embedded() -> tuple[Vectors, list[int]]:
            return embedder.embed(texts, query=query), embedder.count_tokens(texts)

        async with self._turn():
            return await asyncio.to_thread(embedded)

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._turnstile is None else self._turnstile.turn()

    def _asked(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """What the agent is asked with: nothing that is not the caller's to see or to spend."""
        self.require_collection(keywords.get("collection", "default"))
        # A path would be one of this machine's; a planner, code of this process.
        if not all(isinstance(image, bytes) for image in keywords.get("images", ())):
            raise InputError("a picture comes as bytes.")
        if not isinstance(keywords.get("planner"), str | None):
            raise InputError("a planner is named.")
        return keywords | {
            "budget": self.budget(keywords.get("budget")),
            "principals": self.caller.seen_as,
            "owner": self.caller.owner,
        }

    def budget(self, wanted: Budget | None) -> Budget:
        """A budget, cut to the most that the service allows."""
        allowed, asked = self.agent.settings.service, wanted or Budget()
        seconds, steps = asked.seconds, asked.steps
        return asked.model_copy(
            update={
                "seconds": min(allowed.ask_seconds, seconds or allowed.ask_seconds),
                "steps": min(allowed.ask_steps, steps or allowed.ask_steps),
            }
        )

    # --- traces ------------------------------------------------------------

    def traces(self, limit: int = 50, before: str = "") -> Sequence[TraceEntry]:
        """The caller's newest traces, the newest first.

        Args:
            limit: How many.
            before: Only those older than the trace of this id.
        """
        self.require("read")
        owner = None if self.caller.is_admin else self.caller.owner
        return self.agent.traces.list(limit, owner, before)

    def trace(self, trace: str) -> Trace:
        """One by its whole id.

        Raises:
            NotFoundError: If it is not there, or quotes what the caller may no longer see.
        """
        self._require_trace(trace)
        return self.agent.traces.get(trace)

    def traced_evidence(self, trace: str, evidence: str) -> Evidence:
        """A piece of evidence of a trace, by its id.

        Raises:
            NotFoundError: If either is not there.
        """
        found = self.trace(trace).pieces().get(evidence)
        if found is None:
            raise NotFoundError(f"the trace {trace!r} has no evidence {evidence!r}.")
        return found

    def delete_trace(self, trace: str) -> None:
        """Delete a trace of the caller's.

        Raises:
            NotFoundError: If it is not there.
        """
        self._require_trace(trace, seen=False)
        self.agent.traces.delete(trace)

    async def areplay(self, trace: Trace, planner: str | None = None) -> Answer:
        """Run a trace again, its tools finding what they found then."""
        self.require("read")
        return await self.agent.traces.areplay(trace, planner, owner=self.caller.owner)

    def _require_trace(self, trace: str, *, seen: bool = True) -> None:
        self.require("read")
        try:
            entry, documents = self.agent.traces.entry(trace)
            if not self.caller.owns(entry.owner):
                raise no_document(trace)
            for document in filter(is_own, documents if seen else ()):
                self.document(document)
        except NotFoundError as error:
            raise NotFoundError(f"there is no trace {trace!r}.") from error

    # --- conversations -----------------------------------------------------

    def conversations(self) -> Sequence[str]:
        """The names of the caller's own, the last used first."""
        self.require("read")
        return self.agent.conversations.list(self.caller.owner)

    def conversation(self, name: str) -> Sequence[Turn]:
        """The questions and answers of one of the caller's, the oldest first.

        Raises:
            NotFoundError: If it is not there.
        """
        self.require("read")
        turns = self.agent.conversations.get(name, self.caller.owner)
        if not turns:
            raise NotFoundError(f"there is no conversation {name!r}.")
        return turns

    def delete_conversation(self, name: str) -> None:
        """Forget one of the caller's.

        Raises:
            NotFoundError: If it is not there.
        """
        self.require("read")
        self.agent.conversations.delete(name, self.caller.owner)
