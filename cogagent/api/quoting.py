"""Which documents of the home an answer rests on: with any of them, it is not to be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from cogagent.agent import CogAgent
from cogagent.api.session import Session
from cogagent.errors import NotFoundError
from cogagent.indexes.writing import is_own
from cogagent.types import Answer


def documents_of(agent: CogAgent, answer: Answer) -> frozenset[str]:
    """The home's documents that an answer quotes, or that anything in its trace does."""
    closest = () if answer.closest is None else (answer.closest,)
    quoted = {one.document_id for one in (*answer.evidence, *answer.citations, *closest)}
    return _with_traced(agent, quoted, answer.trace)


def documents_of_line(agent: CogAgent, answer: Mapping[str, Any]) -> frozenset[str]:
    """Likewise of an answer as JSON."""
    return _with_traced(agent, told_in(answer), answer.get("trace"))


def told_in(answer: Mapping[str, Any]) -> set[str]:
    """The documents that an answer as JSON quotes."""
    return {one["document_id"] for one in _pieces(answer)}


def sight(session: Session) -> Callable[[Iterable[str]], bool]:
    """A function that tells whether the caller sees all of some documents, each looked up once."""

    @cache
    def seen(document: str) -> bool:
        try:
            session.document(document)
        except NotFoundError:
            return False
        return True

    return lambda documents: all(map(seen, filter(is_own, documents)))


def _pieces(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from answer.get("evidence") or ()
    yield from answer.get("citations") or ()
    if answer.get("closest"):
        yield answer["closest"]


def _with_traced(agent: CogAgent, quoted: Iterable[str], trace: str | None) -> frozenset[str]:
    found = set(quoted)
    if trace is not None:
        with suppress(NotFoundError):  # it was deleted since, or others took its place
            found.update(agent.traces.entry(trace)[1])
    return frozenset(filter(is_own, found))
