"""Answers that are kept so that a repeated request gets the same one and costs nothing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cogagent.errors import ConflictError, StorageError
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.runs import all_there

KEPT = timedelta(hours=24)
"""How long a key is remembered."""
_LEVEL = 1
"""Of compression: someone waits."""


class Kept(NamedTuple):
    """A response that was given before.

    Attributes:
        body: As it was sent.
        documents: Ids of the home's documents that it quotes.
    """

    body: bytes
    documents: frozenset[str]


class Idempotent:
    """The responses of one home, by owner and by the key that the owner chose.

    Args:
        catalogue: Where they are kept.
        clock: What time it is, in UTC.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalogue = catalogue
        self._clock = clock

    def find(self, owner: str, key: str, request: str) -> Kept | None:
        """What was answered before; ``None`` if nothing was, or too long ago.

        Args:
            owner: Whose key it is.
            key: The caller's name for the request.
            request: A hash of the request.

        Raises:
            ConflictError: If the key was used for another request.
            StorageError: If what is kept is damaged.
        """
        row = (
            self._catalogue.reader()
            .execute(
                "SELECT request, body, documents FROM idempotent "
                "WHERE owner = ? AND key = ? AND at > ?",
                (owner, key, self._oldest()),
            )
            .fetchone()
        )
        if row is None:
            return None
        if row[0] != request:
            raise key_taken()
        try:
            return Kept(zlib.decompress(row[1]), frozenset(json.loads(row[2])))
        except (zlib.error, ValueError) as error:
            raise StorageError(f"a kept answer is damaged: {error}.") from error

    def keep(
        self,
        owner: str,
        key: str,
        request: str,
        body: bytes,
        documents: Collection[str],
        trace: str | None,
    ) -> bytes:
        """Keep a response, and forget those that are too old.

        Args:
            owner: Whose key it is.
            key: The caller's name for the request.
            request: A hash of the request.
            body: The response.
            documents: Ids of the home's documents that it rests on: with one of them it goes. It
                is not kept if one has gone already.
            trace: Id of the trace of the same run: deleted with it. It is not kept if that is
                not there any more.

        Returns:
            What is kept: the response, or an earlier one if another process was faster.

        Raises:
            ConflictError: If the key was used for another request meanwhile.
            DiskFullError: If there is no space.
        """
        now = self._clock().isoformat()
        with self._catalogue.transaction() as connection:
            connection.execute("DELETE FROM idempotent WHERE at <= ?", (self._oldest(),))
            if not all_there(connection, documents):
                return body
            connection.execute(
                "INSERT OR IGNORE INTO idempotent "
                "(owner, key, request, body, documents, at, trace) SELECT ?, ?, ?, ?, ?, ?, ? "
                "WHERE ? IS NULL OR EXISTS (SELECT 1 FROM traces WHERE id = ?)",
                (
                    owner, key, request, zlib.compress(body, _LEVEL),
                    json.dumps(sorted(documents)), now, trace, trace, trace,
                ),
            )  # fmt: skip
        found = self.find(owner, key, request)
        return body if found is None else found.body

    def forget(self, owner: str, key: str) -> None:
        """Forget one response."""
        with self._catalogue.transaction() as connection:
            connection.execute("DELETE FROM idempotent WHERE owner = ? AND key = ?", (owner, key))

    def _oldest(self) -> str:
        return (self._clock() - KEPT).isoformat()


def key_taken() -> ConflictError:
    """What is said of a key that stands for another request."""
    return ConflictError(
        "this Idempotency-Key was used for another request.", remedy="Use a new one for each."
    )
