"""API keys: who may come in at the service's doors, and what they may do there.

A key reads ``cog_<id>_<secret>``. The id is public; of the secret only an
argon2 hash is kept. That hash is slow on purpose, so that a key which has been
checked once is remembered by its SHA-256, in memory only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import string
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from cachetools import LRUCache

from cogagent.errors import (
    InputError,
    MissingPackageError,
    NotFoundError,
    StorageError,
    UnauthenticatedError,
)
from cogagent.indexes.catalogue import Catalogue
from cogagent.types import Record

if TYPE_CHECKING:
    from argon2 import PasswordHasher

KeyScope = Literal["read", "write", "admin", "metrics"]

_FORM = re.compile(r"cog_([a-z0-9]{12})_([A-Za-z0-9]{43})")
_ID_SIGNS = string.ascii_lowercase + string.digits
_SECRET_SIGNS = string.ascii_letters + string.digits
_READ: tuple[KeyScope, ...] = ("read",)
_REMEMBERED = 4096
"""Checked keys in memory."""
_LONGEST_NAME = 200
_COLUMNS = "id, name, scopes, collections, principals, created, expires, revoked, used, hash"


class ApiKey(Record):
    """What is known of a key; never its secret."""

    id: str
    """Also the owner of what is made with it: traces, conversations, jobs."""
    name: str
    """For people."""
    scopes: tuple[KeyScope, ...]
    collections: tuple[str, ...] | None = None
    """Names of those it may use; ``None`` for all."""
    principals: tuple[str, ...] | None = ()
    """In whose name it sees documents; ``None`` for all documents."""
    created: str
    """UTC, ISO 8601, like all times."""
    expires: str | None = None
    revoked: str | None = None
    used: str | None = None
    """When it was last used, give or take some seconds."""

    def holds(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        ends = datetime.max.replace(tzinfo=UTC)
        if self.expires is not None:
            ends = datetime.fromisoformat(self.expires)
        return self.revoked is None and now < ends


class KeyRing:
    """The API keys of one home.

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
        self._checked: LRUCache[str, tuple[bytes, str]] = LRUCache(_REMEMBERED)
        self._guard = threading.Lock()

    def create(
        self,
        name: str,
        scopes: Collection[KeyScope] = _READ,
        collections: Collection[str] | None = None,
        principals: Collection[str] | None = (),
        expires: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key.

        Args:
            name: For people; several keys may share one.
            scopes: What it may do, at least one; ``admin`` implies everything.
            collections: Names of those it may use, be they there or not; ``None`` for all.
            principals: In whose name it sees documents; ``None`` for all documents.
            expires: Until when it holds; with a time zone. ``None`` for ever.

        Returns:
            What is kept of it, and the key itself: it cannot be had a second time.

        Raises:
            InputError: If a name is empty, too long or has control characters, a scope is
                unknown or none is named, or it expires in the past.
            DiskFullError: If there is no space.
            MissingPackageError: If argon2 is not installed.
        """
        _require_names((name,), "an API key")
        _require_names(collections or (), "a collection")
        _require_names(principals or (), "a principal")
        if collections is not None and not collections:
            raise InputError("a key for no collection is of no use.", remedy="Name one, or none.")
        unknown = sorted(set(scopes) - set(get_args(KeyScope)))
        if unknown or not scopes:
            raise InputError(
                f"there is no scope {unknown[0]!r}." if unknown else "a key needs a scope.",
                remedy=f"Use {', '.join(get_args(KeyScope))}.",
            )
        now = self._clock()
        if expires is not None and (expires.tzinfo is None or expires <= now):
            raise InputError(
                f"a key cannot expire at {expires.isoformat()}.",
                remedy="Name a time to come, with its time zone.",
            )
        key = ApiKey(
            id="".join(secrets.choice(_ID_SIGNS) for _ in range(12)),
            name=name,
            scopes=tuple(scope for scope in get_args(KeyScope) if scope in scopes),
            collections=None if collections is None else tuple(sorted(set(collections))),
            principals=None if principals is None else tuple(sorted(set(principals))),
            created=now.isoformat(),
            expires=None if expires is None else expires.astimezone(UTC).isoformat(),
        )
        secret = "".join(secrets.choice(_SECRET_SIGNS) for _ in range(43))
        hashed = _hasher().hash(secret)
        with self._catalogue.transaction(lasting=True) as connection:
            connection.execute(
                f"INSERT INTO keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key.id, key.name, json.dumps(key.scopes), _packed(key.collections),
                    _packed(key.principals), key.created, key.expires, None, None, hashed,
                ),
            )  # fmt: skip
        return key, f"cog_{key.id}_{secret}"

    def list(self) -> Sequence[ApiKey]:
        """All keys, revoked and expired ones too, the oldest first."""
        rows = self._catalogue.reader().execute(
            f"SELECT {_COLUMNS} FROM keys ORDER BY created, id"
        )
        return [_key(row) for row in rows]

    def revoke(self, key: str) -> ApiKey:
        """Make a key useless, at once and in every process; it stays in the list.

        Args:
            key: Its id. One that is revoked already stays as it is.

        Raises:
            NotFoundError: If there is none of that id.
        """
        with self._catalogue.transaction(lasting=True) as connection:
            connection.execute(
                "UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL",
                (self._clock().isoformat(), key),
            )
        found = self._row(key)
        if found is None:
            raise NotFoundError(
                f"there is no API key {key!r}.", remedy="See `cogagent keys list`."
            )
        return found[0]

    def remembered(self, text: str) -> ApiKey | None:
        """The key that reads so, if it was checked before; costs microseconds.

        Returns:
            ``None`` if it has to go through :meth:`check`.

        Raises:
            UnauthenticatedError: If it has been revoked or has expired since.
        """
        named = _FORM.fullmatch(text)
        with self._guard:
            checked = self._checked.get(named[1]) if named else None
        if named is None or checked is None:
            return None
        digest, hashed = checked
        if not hmac.compare_digest(digest, _digest(text)):
            return None
        found = self._row(named[1])
        # Another hash would be another key: the home was put back from a copy.
        if found is None or found[1] != hashed or not found[0].holds(self._clock()):
            with self._guard:
                self._checked.pop(named[1], None)
            raise _refused()
        return found[0]

    def check(self, text: str) -> ApiKey:
        """The key that reads so, by the slow hash: some 50 ms of a core, and 64 MiB.

        Raises:
            UnauthenticatedError: If there is none, or it is revoked or has expired; which of
                them is not told.
            StorageError: If what is kept of it is damaged.
        """
        named = _FORM.fullmatch(text)
        found = self._row(named[1]) if named else None
        if named is None or found is None:
            raise _refused()
        key, hashed = found
        hasher = _hasher()
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            hasher.verify(hashed, named[2])
        except VerificationError as error:
            raise _refused() from error
        except InvalidHashError as error:
            raise StorageError(
                f"what is kept of the API key {key.id} is damaged.",
                remedy="Revoke it, and make a new one.",
            ) from error
        if not key.holds(self._clock()):
            raise _refused()
        with self._guard:
            self._checked[key.id] = (_digest(text), hashed)
        return key

    def holds(self, owner: str) -> bool:
        """Whether what belongs to ``owner`` may go on: of a key, if it still holds.

        An owner that is no key, such as the machine's own user, came in by another way.
        """
        found = self._row(owner) if owner else None
        return found is None or found[0].holds(self._clock())

    def named(self, text: str) -> str | None:
        """The id of the key that a text names, whatever its secret is; ``None`` of no key."""
        found = _FORM.fullmatch(text)
        return found[1] if found and self._row(found[1]) is not None else None

    def _row(self, key: str) -> tuple[ApiKey, str] | None:
        """What is kept of a key, and the hash of its secret."""
        row = (
            self._catalogue.reader()
            .execute(f"SELECT {_COLUMNS} FROM keys WHERE id = ?", (key,))
            .fetchone()
        )
        return None if row is None else (_key(row), row[-1])


def looks_like_key(text: str) -> bool:
    """Whether a text is meant to be a key of ours, valid or not."""
    return text.startswith("cog_")


def _hasher() -> PasswordHasher:
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise MissingPackageError(
            "API keys need the package 'argon2-cffi'.",
            remedy="Install it: pip install 'cogagent[service]'.",
        ) from error
    return PasswordHasher()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError(
        "the API key does not hold: it is unknown, revoked or has expired.",
        remedy="Ask whoever runs this service for one.",
    )


def _packed(names: Sequence[str] | None) -> str | None:
    return None if names is None else json.dumps(names)


def _unpacked(names: str | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(json.loads(names))


def _key(row: Sequence[Any]) -> ApiKey:
    key, name, scopes, collections, principals, created, expires, revoked, used, _ = row
    return ApiKey(
        id=key,
        name=name,
        scopes=tuple(json.loads(scopes)),
        collections=_unpacked(collections),
        principals=_unpacked(principals),
        created=created,
        expires=expires,
        revoked=revoked,
        used=used,
    )


def _require_names(names: Collection[str], what: str) -> None:
    for name in names:
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InputError(
                f"{name!r} cannot name {what}.",
                remedy=f"Use 1 to {_LONGEST_NAME} printable characters.",
            )
