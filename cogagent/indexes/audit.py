"""The audit log: who did what, when and from where. What was said is in no line of it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence

from cogagent.errors import CogAgentError
from cogagent.indexes.catalogue import Catalogue
from cogagent.types import Record, clean

log = logging.getLogger(__name__)

_MOST_WAITING = 10_000
"""Lines in memory, if they cannot be written; then the oldest are lost."""
_LONGEST = 300
_UNKNOWN = frozenset({401, 429})
_REFUSED = "(status IN (401, 429) OR (owner = '' AND status >= 400))"
"""Lines that anybody can cause, without a key or with one used too often."""
_OTHERS = f"NOT {_REFUSED}"
_COLUMNS = "at, owner, action, target, status, address, request"


class AuditLine(Record):
    """One request, or one use of a command that matters here."""

    at: str
    """UTC, ISO 8601."""
    owner: str
    """Id of the API key; empty for the machine's own user, and for who had no key that holds."""
    action: str
    """Id of the operation, such as ``delete_document``."""
    target: str = ""
    """What it was about: ids and names, as the caller wrote them."""
    status: int
    """HTTP status of the response."""
    address: str = ""
    """IP address that it came from."""
    request: str = ""
    """Id of the request, as in the service's log."""


class NumberedLine(AuditLine):
    """A line with its place in the log."""

    number: int
    """Grows with each line; a number does not come back when its line is gone."""


class AuditLog:
    """The audit log of one home; of its lines only the newest are kept.

    Requests that were refused, which anybody can send, are counted for themselves: no number
    of them takes the place of a line about somebody who was let in.

    Args:
        catalogue: Where they are kept.
        keep: How many; of refused requests as many again.
    """

    def __init__(self, catalogue: Catalogue, keep: int) -> None:
        self._catalogue = catalogue
        self._keep = keep
        self._waiting: deque[AuditLine] = deque()
        self._refused = 0
        """How many of those that wait are of refused requests."""
        self._untrimmed = keep
        self._guard = threading.Lock()

    def note(self, line: AuditLine) -> None:
        """Remember a line, to be written with the next :meth:`flush`."""
        with self._guard:
            refused = _is_refused(line)
            number = self._refused if refused else len(self._waiting) - self._refused
            lost = number >= _MOST_WAITING
            if lost:  # of its kind the oldest
                self._waiting.remove(
                    next(one for one in self._waiting if _is_refused(one) is refused)
                )
            else:
                self._refused += refused
            self._waiting.append(line)
        if lost:
            log.error("a line of the audit log is lost: none can be written")

    def write(self, line: AuditLine) -> None:
        """Write a line, and those that wait, to the disk before anything else happens.

        All that was changed in the catalogue before is on the disk then, too.

        Raises:
            DiskFullError: If there is no space; the line waits for the next attempt.
            StorageError: If it cannot be written otherwise; likewise.
        """
        self.note(line)
        self.flush()

    def flush(self) -> None:
        """Write the lines that wait.

        Raises:
            DiskFullError: If there is no space; they go on waiting.
            StorageError: If they cannot be written otherwise; likewise.
        """
        with self._guard:
            lines = list(self._waiting)
            self._waiting.clear()
            self._refused = 0
        if not lines:
            return
        try:
            self._store(lines)
        except CogAgentError:
            with self._guard:
                self._waiting.extendleft(reversed(lines))
                self._refused += sum(map(_is_refused, lines))
            raise

    def lines(self, limit: int = 100, before: int | None = None) -> Sequence[NumberedLine]:
        """The newest lines that are written, the newest first.

        Args:
            limit: How many.
            before: Only those with a smaller number.
        """
        rows = self._catalogue.reader().execute(
            f"SELECT id, {_COLUMNS} FROM audit WHERE ? IS NULL OR id < ? ORDER BY id DESC LIMIT ?",
            (before, before, limit),
        )
        return [
            NumberedLine(
                number=number, at=at, owner=owner, action=action, target=target, status=status,
                address=address, request=request,
            )
            for number, at, owner, action, target, status, address, request in rows
        ]  # fmt: skip

    def _store(self, lines: Sequence[AuditLine]) -> None:
        used = {line.owner: line.at for line in lines if line.owner}
        with self._catalogue.transaction(lasting=True) as connection:
            connection.executemany(
                f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        line.at, line.owner, _short(line.action), _short(line.target),
                        line.status, _short(line.address), _short(line.request),
                    )
                    for line in lines
                ],
            )  # fmt: skip
            connection.executemany(
                "UPDATE keys SET used = ? WHERE id = ?", [(at, key) for key, at in used.items()]
            )
            self._trim(connection, len(lines))

    def _trim(self, connection: sqlite3.Connection, more: int) -> None:
        """Forget the oldest lines, once a hundredth more is there than is kept."""
        self._untrimmed += more
        if self._untrimmed <= self._keep // 100:
            return
        for kind in (_REFUSED, _OTHERS):
            connection.execute(
                f"DELETE FROM audit WHERE {kind} AND id <= (SELECT id FROM audit WHERE {kind} "
                "ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (self._keep,),
            )
        self._untrimmed = 0


def _is_refused(line: AuditLine) -> bool:
    """As :data:`_REFUSED`."""
    return line.status in _UNKNOWN or (not line.owner and line.status >= 400)


def _short(text: str) -> str:
    """Text that fits into a line and cannot pretend to be another."""
    sound = "".join(sign if sign.isprintable() else "\ufffd" for sign in clean(text))
    return sound if len(sound) <= _LONGEST else sound[: _LONGEST - 1] + "…"
