"""Who calls, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cogagent.errors import ForbiddenError, NotFoundError

Scope = Literal["read", "write", "admin", "metrics"]
"""``read``: search, ask and look; ``write``: also change; ``admin``: all, of everybody;
``metrics``: read ``/metrics``, and nothing else."""

SCOPES: tuple[Scope, ...] = ("read", "write", "admin")
"""Each with all that those before it allow; ``metrics`` is of ``admin`` alone besides."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody at one of the doors.

    Attributes:
        owner: Id of the API key; empty for the machine's own user.
        name: Of the key, for people.
        scopes: What it may do; each implies those before it in :data:`SCOPES`.
        collections: Names of those that it may use; ``None`` for all.
        principals: In whose name it sees documents: those that name one of them, and those
            that name none. ``None`` for all documents.
    """

    owner: str
    name: str
    scopes: frozenset[Scope]
    collections: frozenset[str] | None = None
    principals: frozenset[str] | None = frozenset()

    @property
    def is_admin(self) -> bool:
        """Whether it may do and see everything."""
        return "admin" in self.scopes

    @property
    def seen_as(self) -> frozenset[str] | None:
        """The principals in whose name it sees documents; ``None`` for all documents."""
        return None if self.is_admin else self.principals

    def has(self, scope: Scope) -> bool:
        """Whether it has a scope, or one that implies it."""
        if scope not in SCOPES:
            return scope in self.scopes or self.is_admin
        return any(held in self.scopes for held in SCOPES[SCOPES.index(scope) :])

    def require(self, scope: Scope) -> None:
        """Refuse a caller without a scope.

        Raises:
            ForbiddenError: If it has not.
        """
        if not self.has(scope):
            raise ForbiddenError(
                f"this API key has no scope {scope!r}.", remedy="Use one that has."
            )

    def may_use(self, collection: str) -> bool:
        """Whether a collection is among those it may use, be it there or not."""
        return self.is_admin or self.collections is None or collection in self.collections

    def require_collection(self, collection: str) -> None:
        """Refuse a collection that it may not use.

        Raises:
            NotFoundError: If it may not; whether it is there is not told.
        """
        if not self.may_use(collection):
            raise no_collection(collection)

    def owns(self, owner: str) -> bool:
        """Whether what belongs to ``owner`` is this caller's to see."""
        return self.is_admin or owner == self.owner


LOCAL = Caller("", "local", frozenset({"admin"}), principals=None)
"""The machine's own user."""


def no_collection(name: str) -> NotFoundError:
    """What is said of a collection that is not there, or not to be seen."""
    return NotFoundError(
        f"there is no collection {name!r}.", remedy="See the list of collections."
    )


def no_document(document: str) -> NotFoundError:
    """What is said of a document that is not there, or not to be seen."""
    return NotFoundError(
        f"there is no document {document!r}.", remedy="See the list of documents."
    )
