"""Questions of callers: asked once, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from cogagent.api.parts import Parts
from cogagent.api.problems import RequestError
from cogagent.api.quoting import documents_of, sight
from cogagent.api.session import Session
from cogagent.api.streaming import Runs
from cogagent.api.views import AskRequest
from cogagent.errors import NotFoundError, StorageError
from cogagent.indexes.idempotent import KEPT, Idempotent, key_taken
from cogagent.indexes.writing import is_own
from cogagent.planners.base import Turn
from cogagent.types import Answer, DoneEvent, Event

log = logging.getLogger(__name__)
_SOON = 2.0
"""Seconds after which to ask again for an answer that is on its way."""


class Asks:
    """What is asked at the REST door.

    Args:
        parts: Of the service.
    """

    def __init__(self, parts: Parts) -> None:
        self.runs = Runs(parts.settings.resume_seconds)
        self._idempotent: Idempotent = parts.idempotent
        self._under_way: dict[tuple[str, str], str] = {}

    async def earlier(self, session: Session, key: str, given: AskRequest) -> bytes | None:
        """The answer that was given under a key before, as JSON; ``None`` of a new one.

        Raises:
            ConflictError: If the key stands for another question.
            RequestError: 409, if the answer is on its way.
        """
        return await asyncio.to_thread(self._earlier, session, key, digest(given))

    async def ask(self, session: Session, given: AskRequest, key: str | None) -> bytes:
        """An answer as JSON; raises what :meth:`Session.aask` does."""
        if key is None:
            return _json(await session.aask(given.question, **keywords(given)))
        with self._claimed(session, key, given) as request:
            asked = _name(key, request)
            answer = await session.aask(given.question, asked=asked, **keywords(given))
            return await asyncio.to_thread(self._settle, session, key, request, answer)

    def stream(self, session: Session, given: AskRequest, key: str | None) -> AsyncIterator[Event]:
        """The events of an answer.

        Raises:
            QueueFullError: If there are too many questions.
        """
        if key is None:
            return session.astream(given.question, **keywords(given))
        asked = _name(key, digest(given))
        events = session.astream(given.question, asked=asked, **keywords(given))
        return self._kept(session, key, given, events)

    async def _kept(
        self, session: Session, key: str, given: AskRequest, events: AsyncIterator[Event]
    ) -> AsyncIterator[Event]:
        with self._claimed(session, key, given) as request:
            async with aclosing(events) as closing:  # type: ignore[type-var] # it is a generator
                async for event in closing:
                    if isinstance(event, DoneEvent):
                        await asyncio.to_thread(self._settle, session, key, request, event.answer)
                    yield event

    def _earlier(self, session: Session, key: str, request: str) -> bytes | None:
        owner = session.caller.owner
        self._refuse_twice(owner, key, request)
        found = self._idempotent.find(owner, key, request)
        if found is None:
            return self._made(session, key, request)
        if not sight(session)(found.documents):  # what it says is no longer the caller's to see
            self._idempotent.forget(owner, key)
            return None
        return found.body

    def _made(self, session: Session, key: str, request: str) -> bytes | None:
        """The answer that was made and could not be kept: its trace has it."""
        trace = session.agent.traces.asked(_name(key, request), session.caller.owner)
        if trace is None:
            return None
        try:
            found = session.trace(trace)
        except NotFoundError:  # what it says is no longer the caller's to see
            return None
        age = datetime.now(UTC) - datetime.fromisoformat(found.at)
        answer = found.whole_answer() if age < KEPT else None
        return None if answer is None else self._settle(session, key, request, answer)

    def _settle(self, session: Session, key: str, request: str, answer: Answer) -> bytes:
        """Keep an answer; it is not lost if that fails."""
        try:
            return self._keep(session, key, request, answer)
        except StorageError as error:
            log.warning("an answer is not kept under its Idempotency-Key: %s", error)
            return _json(answer)

    def _keep(self, session: Session, key: str, request: str, answer: Answer) -> bytes:
        documents = documents_of(session.agent, answer)
        if answer.trace is None and answer.conversation is not None:
            turns = session.agent.conversations.get(answer.conversation, session.caller.owner)
            documents |= {one for turn in turns for one in filter(is_own, turn.documents)}
        return self._idempotent.keep(
            session.caller.owner, key, request, _json(answer), documents, answer.trace
        )

    @contextmanager
    def _claimed(self, session: Session, key: str, given: AskRequest) -> Iterator[str]:
        """The key is this question's until it is answered, for this process."""
        owner, request = session.caller.owner, digest(given)
        self._refuse_twice(owner, key, request)
        self._under_way[owner, key] = request
        try:
            yield request
        finally:
            del self._under_way[owner, key]

    def _refuse_twice(self, owner: str, key: str, request: str) -> None:
        asked = self._under_way.get((owner, key))
        if asked is None:
            return
        if asked != request:
            raise key_taken()
        raise RequestError(
            409, "in_progress", "the question of this Idempotency-Key is being answered.",
            remedy="Ask again in a moment.", retry_after=_SOON,
        )  # fmt: skip


def keywords(given: AskRequest) -> dict[str, Any]:
    """What :meth:`Session.aask` is called with, but for the question."""
    found = {
        name: getattr(given, name)
        for name in (
            "images", "collection", "planner", "budget", "filters", "strict", "choices",
            "conversation",
        )
    }  # fmt: skip
    if given.history is not None:
        found["history"] = [
            Turn(question=turn.question, answer=turn.answer) for turn in given.history
        ]
    return found


def _name(key: str, request: str) -> str:
    """Of a question under a key, by which its trace is found."""
    return hashlib.sha256(json.dumps([key, request]).encode()).hexdigest()


def digest(given: AskRequest) -> str:
    """A hash of a question with all that belongs to it; how it is delivered does not."""
    hashed = hashlib.sha256(to_json(given.model_dump(mode="json", exclude={"images", "stream"})))
    for image in given.images:
        hashed.update(hashlib.sha256(image).digest())
    return hashed.hexdigest()


def _json(answer: Answer) -> bytes:
    return answer.model_dump_json().encode()
