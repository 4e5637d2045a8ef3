"""API keys: made once, checked by a slow hash once, useless the moment they are revoked."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from cogagent.errors import InputError, NotFoundError, StorageError, UnauthenticatedError
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.keys import ApiKey, KeyRing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    opened = Catalogue(tmp_path / "catalogue.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def ring(catalogue: Catalogue, clock: Clock) -> KeyRing:
    return KeyRing(catalogue, clock)


def test_a_key_that_is_made_holds(ring: KeyRing) -> None:
    key, text = ring.create("bot", ["write", "read"], ["b", "a", "a"], ["p"])
    assert ring.check(text) == key
    assert (key.scopes, key.collections, key.principals) == (("read", "write"), ("a", "b"), ("p",))
    assert ring.list() == [key]


def test_the_secret_is_nowhere_in_the_home(ring: KeyRing, tmp_path: Path) -> None:
    _, text = ring.create("bot")
    secret = text.rpartition("_")[2].encode()
    assert len(secret) == 43
    files = list(tmp_path.iterdir())
    assert files
    assert not any(secret in file.read_bytes() for file in files)


def test_the_hash_is_argon2(ring: KeyRing, catalogue: Catalogue) -> None:
    ring.create("bot")
    ((hashed,),) = catalogue.reader().execute("SELECT hash FROM keys")
    assert hashed.startswith("$argon2id$")


def test_a_checked_key_is_remembered_and_no_other(ring: KeyRing) -> None:
    key, text = ring.create("bot")
    assert ring.remembered(text) is None
    ring.check(text)
    assert ring.remembered(text) == key
    other = text[:-1] + ("a" if text[-1] != "a" else "b")
    assert ring.remembered(other) is None
    with pytest.raises(UnauthenticatedError):
        ring.check(other)


def test_a_revoked_key_is_useless_at_once_and_elsewhere(
    ring: KeyRing, catalogue: Catalogue
) -> None:
    key, text = ring.create("bot")
    ring.check(text)
    elsewhere = Catalogue(catalogue.path)
    revoked = KeyRing(elsewhere).revoke(key.id)
    elsewhere.close()
    assert revoked.revoked is not None
    for attempt in (ring.remembered, ring.check):
        with pytest.raises(UnauthenticatedError, match="does not hold"):
            attempt(text)
    assert ring.remembered(text) is None, "it is not remembered any more"
    assert [found.id for found in ring.list()] == [key.id], "but listed"


def test_revoking_twice_keeps_the_first_time(ring: KeyRing, clock: Clock) -> None:
    key, _ = ring.create("bot")
    first = ring.revoke(key.id)
    clock.now += timedelta(days=1)
    assert ring.revoke(key.id) == first


def test_an_expired_key_is_useless(ring: KeyRing, clock: Clock) -> None:
    zone = timezone(timedelta(hours=5))
    key, text = ring.create("bot", expires=(NOW + timedelta(hours=1)).astimezone(zone))
    assert key.expires == "2026-03-01T13:00:00+00:00"
    ring.check(text)
    clock.now += timedelta(minutes=59, seconds=59)
    assert ring.remembered(text) is not None
    clock.now += timedelta(seconds=1)
    for attempt in (ring.remembered, ring.check):
        with pytest.raises(UnauthenticatedError):
            attempt(text)


def test_a_key_of_a_home_that_was_put_back_is_checked_anew(
    ring: KeyRing, catalogue: Catalogue
) -> None:
    """The row of the same id holds another hash: what is in memory says nothing of it."""
    key, text = ring.create("bot")
    _, other = ring.create("other")
    ring.check(text)
    with catalogue.transaction() as connection:
        connection.execute(
            "UPDATE keys SET hash = (SELECT hash FROM keys WHERE id != ?) WHERE id = ?",
            (key.id, key.id),
        )
    with pytest.raises(UnauthenticatedError):
        ring.remembered(text)
    swapped = f"cog_{key.id}_{other.rpartition('_')[2]}"
    assert ring.check(swapped).id == key.id


def test_a_damaged_hash_is_told(ring: KeyRing, catalogue: Catalogue) -> None:
    key, text = ring.create("bot")
    with catalogue.transaction() as connection:
        connection.execute("UPDATE keys SET hash = 'nonsense'")
    with pytest.raises(StorageError, match=key.id):
        ring.check(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "cog_", "cog__", "sk-abc", "cog_abc_def", "Bearer cog_a_b",
        f"cog_{'a' * 12}_{'A' * 43}",
        f"cog_{'a' * 12}_{'A' * 43}\n",
        f"cog_{'é' * 12}_{'A' * 43}",
        f"cog_{'a' * 12}_{'A' * 4000}",
        "cog_' OR 1=1 --_x", "\udcff", "\x00",
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused(ring: KeyRing, text: str) -> None:
    ring.create("bot")
    assert ring.remembered(text) is None
    with pytest.raises(UnauthenticatedError):
        ring.check(text)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": ""}, "cannot name an API key"),
        ({"name": " "}, "cannot name an API key"),
        ({"name": "a\nb"}, "cannot name an API key"),
        ({"name": "x" * 201}, "cannot name an API key"),
        ({"name": "\udcff"}, "cannot name an API key"),
        ({"name": "a", "scopes": []}, "needs a scope"),
        ({"name": "a", "scopes": ["read", "root"]}, "no scope 'root'"),
        ({"name": "a", "collections": []}, "no collection"),
        ({"name": "a", "collections": [""]}, "cannot name a collection"),
        ({"name": "a", "principals": ["\x00"]}, "cannot name a principal"),
        ({"name": "a", "expires": NOW}, "cannot expire"),
        ({"name": "a", "expires": datetime(2030, 1, 1)}, "cannot expire"),
    ],
)
def test_keys_that_cannot_be(ring: KeyRing, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ring.create(**arguments)
    assert ring.list() == []


def test_revoking_what_is_not_there(ring: KeyRing) -> None:
    with pytest.raises(NotFoundError):
        ring.revoke("nobody")


def test_ids_and_secrets_are_all_different(ring: KeyRing) -> None:
    made = [ring.create("same") for _ in range(5)]
    assert len({key.id for key, _ in made}) == len({text for _, text in made}) == 5


def test_a_key_without_principals_and_one_with_all(ring: KeyRing) -> None:
    some, _ = ring.create("some")
    every, _ = ring.create("all", principals=None)
    assert (some.principals, every.principals) == ((), None)
    assert {found.id: found.principals for found in ring.list()} == {some.id: (), every.id: None}


def test_checking_leaves_no_lock_on_the_catalogue(ring: KeyRing, catalogue: Catalogue) -> None:
    _, text = ring.create("bot")
    ring.check(text)
    ring.remembered(text)
    other = sqlite3.connect(catalogue.path, timeout=0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    other.close()


def test_a_key_is_described_without_its_hash(ring: KeyRing) -> None:
    key, _ = ring.create("bot")
    assert "hash" not in ApiKey.model_fields
    assert "argon2" not in key.model_dump_json()
