"""What one caller may do with a home: every door goes through here, and all checks are here.

What a caller may not see raises :class:`~cogagent.errors.NotFoundError`, as if it were not
there; what it may see but not do raises :class:`~cogagent.errors.ForbiddenError`.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np

from cogagent.agent import CogAgent
from cogagent.api.callers import Caller, Scope, no_collection, no_document
from cogagent.api.turns import Line, Turns
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

Picture = bytes | Callable[[], Awaitable[bytes]]
"""A picture of a question, or what fetches it once it is the question's turn."""

_SLICE = 32
_SLICE_CHARACTERS = 100_000
"""Texts that are embedded at once, and their length."""


class Session:
    """A home as one caller sees it.

    Methods that begin with ``a`` are awaited; the others read files and belong on threads.

    Args:
        agent: The home.
        caller: Who asks.
        turns: Where requests wait for their turn; ``None`` where they need not.
    """

    def __init__(self, agent: CogAgent, caller: Caller, turns: Turns | None = None) -> None:
        self.agent = agent
        self.caller = caller
        self._turns = turns

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

    def _require_there(self, collection: str) -> None:
        """Refuse a collection that is not there; the agent's own error would name all others."""
        self.require_collection(collection)
        if not self.agent.collections.has(collection):
            raise no_collection(collection)

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
        self._require_there(name)
        try:
            self.agent.collections.delete(name, self.caller.seen_as)
        except NotFoundError as error:  # somebody was faster
            raise no_collection(name) from error

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

    def some_documents(self, documents: Sequence[str]) -> Mapping[str, Document]:
        """Those of some documents that are there, by id."""
        self.require("read")
        found = self.agent.documents.some(documents, self.caller.seen_as)
        return {key: one for key, one in found.items() if self.caller.may_use(one.collection)}

    def elements(self, document: str) -> Iterator[Element]:
        """What was found in a document, in reading order."""
        return self.agent.documents.elements(self.document(document).id)

    def original(self, document: str) -> BinaryIO:
        """The bytes that were ingested, as a file that the caller closes.

        Raises:
            NotFoundError: If there is no such document, or the home keeps no originals.
        """
        return self.agent.documents.open_original(self.document(document).id)

    def size(self, document: str) -> int | None:
        """How many bytes were ingested; ``None`` if the home keeps no originals."""
        return self.agent.documents.size(self.document(document).id)

    def size_of(self, document: Document) -> int | None:
        """:meth:`size`, of one that this session gave."""
        return self.agent.documents.size_of(document)

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
        """The best pieces of evidence; see :meth:`CogAgent.search`.

        Raises:
            QueueFullError: If too many searches, or pictures, wait already.
        """
        self._require_there(collection)

        async def found(shown: Any) -> list[Evidence]:
            async with self._turn("searches"):
                return await self.agent.asearch(
                    query, k, modality, shown, collection, filters, self.caller.seen_as
                )

        if image is None or self._turns is None:
            return await found(image)
        async with self._turn("pictures"):
            return await found(await self._turns.run("pictures", self.agent.picture, image))

    async def aask(self, question: str, **keywords: Any) -> Answer:
        """An answer; takes what :meth:`CogAgent.ask` takes, but pictures as :data:`Picture`.

        Raises:
            QueueFullError: If too many questions, or pictures, wait already.
        """
        asked = self._asked(keywords)
        async with self._turn("asks"):
            return await self.agent.aask(question, **await self._shown(asked))

    def astream(self, question: str, **keywords: Any) -> AsyncIterator[Event]:
        """The events of an answer as it is made; takes what :meth:`aask` takes.

        Raises:
            QueueFullError: Like other faults of the question at once, not with the first event.
        """
        asked = self._asked(keywords)
        if self._turns is not None:
            self._turns.asks.require_room(self.caller.owner)
        return self._streamed(question, asked)

    async def _streamed(self, question: str, asked: dict[str, Any]) -> AsyncIterator[Event]:
        async with self._turn("asks"):
            made = self.agent.astream(question, **await self._shown(asked))
            async with aclosing(cast("AsyncGenerator[Event, None]", made)) as events:
                async for event in events:
                    yield event

    async def _shown(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The same with its pictures fetched, and decoded where that has to wait."""
        given: Sequence[Picture] = asked.get("images", ())
        if not given:
            return asked

        async def fetched(picture: Picture) -> bytes:
            return picture if isinstance(picture, bytes) else await picture()

        images: list[Any] = list(await asyncio.gather(*map(fetched, given)))
        if self._turns is not None:
            async with self._turn("pictures"):
                # One by one: no more is begun once nobody waits for it.
                for place, image in enumerate(images):
                    images[place] = await self._turns.run("pictures", self.agent.picture, image)
        return asked | {"images": images}

    @property
    def text_embedder(self) -> TextEmbedder:
        """What turns the home's texts into vectors."""
        self.require("read")
        return self.agent.text_embedder

    async def aembed(
        self, texts: Sequence[str], *, query: bool = False
    ) -> tuple[Vectors, list[int]]:
        """Vectors of texts, shape ``(len(texts), dim)``, and how many tokens each text has.

        It takes a turn for some texts after the other, so that a long request keeps nobody
        waiting for long and ends soon after it is cancelled.

        Args:
            texts: Any; what is longer than the embedder reads is cut there.
            query: They are questions.

        Raises:
            QueueFullError: If too many requests wait already.
            ModelError: If the embedder fails.
        """
        embedder = self.text_embedder

        def embedded(some: Sequence[str]) -> tuple[Vectors, list[int]]:
            return embedder.embed(some, query=query), embedder.count_tokens(some)

        vectors: list[Vectors] = []
        counts: list[int] = []
        for some in _sliced(texts):
            if self._turns is None:
                found, tokens = await asyncio.to_thread(embedded, some)
            else:
                async with self._turn("texts", again=bool(counts)):
                    found, tokens = await self._turns.run("texts", embedded, some)
            vectors.append(found)
            counts += tokens
        if not vectors:
            return np.empty((0, embedder.dim), np.float32), counts
        return np.concatenate(vectors), counts

    def _turn(self, line: Line, *, again: bool = False) -> AbstractAsyncContextManager[None]:
        if self._turns is None:
            return nullcontext()
        return self._turns.line(line).turn(self.caller.owner, again=again)

    def _asked(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """What the agent is asked with: nothing that is not the caller's to see or to spend."""
        self._require_there(keywords.get("collection", "default"))
        # A path would be one of this machine's; a planner, code of this process.
        if not all(isinstance(one, bytes) or callable(one) for one in keywords.get("images", ())):
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

    def traces(
        self, limit: int = 50, before: tuple[str, str] | None = None
    ) -> Sequence[TraceEntry]:
        """The caller's newest traces, the newest first.

        Args:
            limit: How many.
            before: Only those older than the trace of this ``at`` and ``id``, which may be gone.
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
        """Run a trace again, its tools finding what they found then, for no more than is allowed.

        Raises:
            QueueFullError: If too many questions, or pictures, wait already.
        """
        self.require("read")
        trace = trace.model_copy(update={"budget": self.budget(trace.budget)})
        pictured = self._turn("pictures") if trace.pictures else nullcontext()
        async with self._turn("asks"), pictured:
            return await self.agent.traces.areplay(trace, planner, owner=self.caller.owner)

    def _sees(self, document: str) -> bool:
        try:
            self.document(document)
        except NotFoundError:
            return False
        return True

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

        Those are left out that quote what the caller may no longer see.

        Raises:
            NotFoundError: If it is not there.
        """
        self.require("read")
        turns = self.agent.conversations.get(name, self.caller.owner)
        if not turns:
            raise NotFoundError(f"there is no conversation {name!r}.")
        return [turn for turn in turns if all(map(self._sees, filter(is_own, turn.documents)))]

    def delete_conversation(self, name: str) -> None:
        """Forget one of the caller's.

        Raises:
            NotFoundError: If it is not there.
        """
        self.require("read")
        self.agent.conversations.delete(name, self.caller.owner)


def _sliced(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts in their order, so many at a time as are embedded in about a second."""
    some: list[str] = []
    length = 0
    for text in texts:
        if some and (len(some) == _SLICE or length + len(text) > _SLICE_CHARACTERS):
            yield some
            some, length = [], 0
        some.append(text)
        length += len(text)
    if some:
        yield some
