"""What the home remembers of questions: traces of runs, and conversations."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from cogagent.errors import InputError, NotFoundError, StorageError
from cogagent.indexes.catalogue import Catalogue
from cogagent.types import Record

_LEVEL = 1
"""Of compression: traces are mostly text, and are written while someone waits."""
_LONGEST_NAME = 200


class TraceEntry(Record):
    """A line of the list of traces."""

    id: str
    at: str
    """UTC, ISO 8601."""
    question: str
    outcome: str
    owner: str = ""
    """Whose it is: the id of an API key; empty for the home's own user."""


class RunLog:
    """The traces and conversations of one home.

    Args:
        catalogue: Where they are kept.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    # --- traces ------------------------------------------------------------

    def add_trace(
        self,
        entry: TraceEntry,
        body: str,
        documents: Iterable[str],
        keep: int,
        own: Collection[str] = (),
        asked: str | None = None,
    ) -> bool:
        """Keep a trace, and of all only the newest.

        Args:
            entry: Its line in the list.
            body: The trace as JSON.
            documents: Ids of the documents that it quotes: with one of them it is deleted.
            keep: How many are kept.
            own: Those of the documents that are the home's own. A trace is not kept if one
                of them has been deleted meanwhile.
            asked: A name of the owner's for the request.

        Returns:
            Whether it is kept.

        Raises:
            DiskFullError: If there is no space.
            StorageError: If it cannot be written otherwise.
        """
        packed = zlib.compress(body.encode(), _LEVEL)
        with self._catalogue.transaction() as connection:
            if not all_there(connection, own):
                return False
            connection.execute(
                "INSERT INTO traces (id, at, question, outcome, body, owner, asked) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.id, entry.at, entry.question, entry.outcome, packed, entry.owner, asked,
                ),
            )  # fmt: skip
            connection.executemany(
                "INSERT OR IGNORE INTO trace_documents VALUES (?, ?)",
                [(entry.id, document) for document in documents],
            )
            connection.execute(
                "DELETE FROM traces WHERE id IN "
                "(SELECT id FROM traces ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?)",
                (keep,),
            )
        return True

    def trace(self, trace: str) -> str:
        """A trace as JSON, by its id or a beginning of it that no other has.

        Raises:
            NotFoundError: If there is none.
            InputError: If several begin so.
            StorageError: If it is damaged.
        """
        low, high = trace, trace + "\U0010ffff"
        found = (
            self._catalogue.reader()
            .execute("SELECT id, body FROM traces WHERE id BETWEEN ? AND ? LIMIT 2", (low, high))
            .fetchall()
            if trace
            else []
        )
        if not found:
            raise _no_trace(trace)
        if len(found) > 1 and found[0][0] != trace:
            raise InputError(f"several traces begin with {trace!r}.", remedy="Write more of it.")
        try:
            return zlib.decompress(found[0][1]).decode()
        except (zlib.error, UnicodeDecodeError) as error:
            raise StorageError(f"the trace {trace} is damaged: {error}.") from error

    def traces(
        self,
        limit: int = 50,
        *,
        owner: str | None = None,
        before: tuple[str, str] | None = None,
    ) -> Sequence[TraceEntry]:
        """The newest traces, the newest first.

        Args:
            limit: How many.
            owner: Only theirs; ``None`` for all.
            before: Only those older than the trace of this time and id, which may be gone;
                ``None`` for all.
        """
        at, key = before or (None, None)
        rows = self._catalogue.reader().execute(
            "SELECT id, at, question, outcome, owner FROM traces "
            "WHERE (:owner IS NULL OR owner = :owner) AND (:at IS NULL OR (at, id) < (:at, :id)) "
            "ORDER BY at DESC, id DESC LIMIT :limit",
            {"owner": owner, "at": at, "id": key, "limit": limit},
        )
        return [
            TraceEntry(id=key, at=at, question=question, outcome=outcome, owner=whose)
            for key, at, question, outcome, whose in rows
        ]

    def asked(self, asked: str, owner: str) -> str | None:
        """The id of an owner's newest trace of the request of that name; ``None`` if none is."""
        row = (
            self._catalogue.reader()
            .execute(
                "SELECT id FROM traces WHERE asked = ? AND owner = ? "
                "ORDER BY at DESC, id DESC LIMIT 1",
                (asked, owner),
            )
            .fetchone()
        )
        return None if row is None else str(row[0])

    def entry(self, trace: str) -> tuple[TraceEntry, Sequence[str]]:
        """A trace's line in the list, and the ids of the documents that it quotes.

        Raises:
            NotFoundError: If there is none of exactly that id.
        """
        connection = self._catalogue.reader()
        row = connection.execute(
            "SELECT at, question, outcome, owner FROM traces WHERE id = ?", (trace,)
        ).fetchone()
        if row is None:
            raise _no_trace(trace)
        at, question, outcome, owner = row
        found = connection.execute(
            "SELECT document FROM trace_documents WHERE trace = ? ORDER BY document", (trace,)
        )
        entry = TraceEntry(id=trace, at=at, question=question, outcome=outcome, owner=owner)
        return entry, [document for (document,) in found]

    def delete_traces(self, *traces: str) -> None:
        """Delete traces by id, all or none.

        Raises:
            NotFoundError: If one is not there; nothing was deleted.
        """
        with self._catalogue.transaction() as connection:
            for key in dict.fromkeys(traces):
                if not connection.execute("DELETE FROM traces WHERE id = ?", (key,)).rowcount:
                    raise _no_trace(key)

    # --- conversations -----------------------------------------------------

    def turns(self, conversation: str, limit: int, owner: str = "") -> Sequence[str]:
        """The last turns of a conversation as JSON, the oldest first; none of a new one.

        Args:
            conversation: Its name.
            limit: How many.
            owner: Whose it is, as of traces; others have their own of the same name.
        """
        rows = self._catalogue.reader().execute(
            "SELECT body FROM turns WHERE owner = ? AND conversation = ? "
            "ORDER BY number DESC LIMIT ?",
            (owner, conversation, limit),
        )
        return [body for (body,) in rows][::-1]

    def add_turn(self, conversation: str, body: str, owner: str = "") -> None:
        """Add a turn to a conversation; its first begins it.

        Raises:
            DiskFullError: If there is no space.
        """
        with self._catalogue.transaction() as connection:
            connection.execute(
                "INSERT INTO turns SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ? "
                "FROM turns WHERE owner = ? AND conversation = ?",
                (owner, conversation, datetime.now(UTC).isoformat(), body, owner, conversation),
            )

    def conversations(self, owner: str = "") -> Sequence[str]:
        """The names of an owner's conversations, the last used first."""
        rows = self._catalogue.reader().execute(
            "SELECT conversation FROM turns WHERE owner = ? "
            "GROUP BY conversation ORDER BY max(at) DESC",
            (owner,),
        )
        return [name for (name,) in rows]

    def delete_conversation(self, conversation: str, owner: str = "") -> None:
        """Forget a conversation.

        Raises:
            NotFoundError: If there is none of that name.
        """
        with self._catalogue.transaction() as connection:
            gone = connection.execute(
                "DELETE FROM turns WHERE owner = ? AND conversation = ?", (owner, conversation)
            ).rowcount
        if not gone:
            raise NotFoundError(f"there is no conversation {conversation!r}.")


def _no_trace(trace: str) -> NotFoundError:
    return NotFoundError(f"there is no trace {trace!r}.", remedy="See `cogagent trace list`.")


def all_there(connection: sqlite3.Connection, documents: Collection[str]) -> bool:
    """Whether the home has all of these documents."""
    found = connection.execute(
        "SELECT count(*) FROM documents WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(documents)),),
    ).fetchone()
    return bool(found[0] == len(set(documents)))


def forget_documents(connection: sqlite3.Connection, documents: Iterable[str]) -> None:
    """Delete the traces, turns and kept answers that quote documents: what is deleted is gone.

    Kept answers go with their traces too. Answers of batches are withdrawn.
    """
    gone = json.dumps(list(documents))
    connection.execute(
        "DELETE FROM traces WHERE id IN (SELECT trace FROM trace_documents "
        "WHERE document IN (SELECT value FROM json_each(?)))",
        (gone,),
    )
    connection.execute(
        "DELETE FROM turns WHERE EXISTS (SELECT 1 FROM json_each(turns.body, '$.documents') "
        "WHERE value IN (SELECT value FROM json_each(?)))",
        (gone,),
    )
    connection.execute(
        "DELETE FROM idempotent WHERE EXISTS (SELECT 1 FROM json_each(idempotent.documents) "
        "WHERE value IN (SELECT value FROM json_each(?)))",
        (gone,),
    )
    connection.execute(
        "UPDATE job_items SET withdrawn = 1 WHERE withdrawn = 0 AND (job, number) IN "
        "(SELECT job, item FROM item_documents "
        "WHERE document IN (SELECT value FROM json_each(?)))",
        (gone,),
    )


def quote(connection: sqlite3.Connection, job: str, item: int, documents: Collection[str]) -> None:
    """Note what the answer to a question of a batch quotes; it is withdrawn with any of them."""
    connection.execute("DELETE FROM item_documents WHERE job = ? AND item = ?", (job, item))
    connection.executemany(
        "INSERT INTO item_documents VALUES (?, ?, ?)", [(job, item, one) for one in documents]
    )
    if not all_there(connection, documents):
        connection.execute(
            "UPDATE job_items SET withdrawn = 1 WHERE job = ? AND number = ?", (job, item)
        )


def checked_name(conversation: str) -> str:
    """The name of a conversation.

    Raises:
        InputError: If it is empty, over 200 characters or has control characters.
    """
    if (
        not isinstance(conversation, str)
        or not conversation.strip()
        or len(conversation) > _LONGEST_NAME
        or not conversation.isprintable()
    ):
        raise InputError(
            f"{conversation!r} cannot name a conversation.",
            remedy=f"Use 1 to {_LONGEST_NAME} printable characters.",
        )
    return conversation
