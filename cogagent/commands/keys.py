"""``cogagent keys`` and ``cogagent audit``: who may use the service, and who did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cogagent.commands.common import Globals, Json, one_line, print_json, say, wants_json
from cogagent.errors import InputError, StorageError

if TYPE_CHECKING:
    from cogagent.indexes.audit import AuditLog
    from cogagent.indexes.catalogue import Catalogue
    from cogagent.indexes.keys import ApiKey

keys = typer.Typer(help="Make, list and revoke the API keys of the service.")

_LONGEST_DAYS = 36_500


class KeyScope(StrEnum):
    """What a key may do."""

    read = "read"
    write = "write"
    admin = "admin"
    metrics = "metrics"


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="For people.")],
    scope: Annotated[
        list[KeyScope] | None,
        typer.Option(
            help="read: search, ask and look; write: also change; admin: everything; "
            "metrics: /metrics alone."
        ),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(help="One that it may use; name each so. All by default.", metavar="NAME"),
    ] = None,
    principal: Annotated[
        list[str] | None,
        typer.Option(help="One in whose name it sees documents; name each so.", metavar="NAME"),
    ] = None,
    all_documents: Annotated[
        bool, typer.Option("--all-documents", help="It sees documents of every principal.")
    ] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=_LONGEST_DAYS, help="How long it holds.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key and print it; it cannot be shown a second time."""
    from cogagent.indexes.keys import KeyRing

    if all_documents and principal:
        raise InputError("--all-documents leaves nothing for --principal.", remedy="Drop one.")
    with _catalogue() as catalogue:
        log = _audit_log(catalogue)
        key, text = KeyRing(catalogue).create(
            name,
            [each.value for each in scope or [KeyScope.read]],
            collection or None,
            None if all_documents else principal or (),
            None if days is None else datetime.now(UTC) + timedelta(days=days),
        )
        _audit(log, "create_key", key.id)
    if wants_json(as_json):
        print_json({"key": text, **key.model_dump()})
    else:
        print(text)
    say("Keep it: only a hash of it is stored.")


@keys.command("list")
def keys_list(as_json: Json = False) -> None:
    """All keys, the revoked and expired ones too; never their secrets."""
    from cogagent.indexes.keys import KeyRing

    with _catalogue() as catalogue:
        found = KeyRing(catalogue).list()
    if wants_json(as_json):
        print_json(found)
        return
    for key in found:
        print(_line(key))


@keys.command("revoke")
def keys_revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
) -> None:
    """Make a key useless, at once; a service that runs notices."""
    from cogagent.indexes.keys import KeyRing

    with _catalogue() as catalogue:
        log = _audit_log(catalogue)
        KeyRing(catalogue).revoke(key)
        _audit(log, "revoke_key", key)


def audit(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many.")] = 50,
    before: Annotated[
        int | None, typer.Option(min=1, help="Only lines before the one of this number.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The newest requests to the service: who, what, when, from where; the newest first."""
    with _catalogue() as catalogue:
        found = _audit_log(catalogue).lines(limit, before)
    if wants_json(as_json):
        print_json(found)
        return
    for line in found:
        who, where = line.owner or "-", line.address or "-"
        print(
            f"{line.number:>8}  {line.at[:19]}  {who:<12}  {line.status}  {line.action}  "
            f"{one_line(line.target, 60) or '-'}  {where}"
        )


@contextmanager
def _catalogue() -> Iterator[Catalogue]:
    """That of the home; keys can be made before there is anything else."""
    from cogagent.config import default_home
    from cogagent.indexes.catalogue import Catalogue

    home = Globals.home or default_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the home {str(home)!r}: {error.strerror}.",
            remedy="Choose another with --home.",
        ) from error
    opened = Catalogue(home / "catalogue.sqlite")
    try:
        yield opened
    finally:
        opened.close()


def _audit_log(catalogue: Catalogue) -> AuditLog:
    from cogagent.config import load_settings
    from cogagent.indexes.audit import AuditLog

    return AuditLog(catalogue, load_settings(catalogue.path.parent).service.audit_kept)


def _audit(log: AuditLog, action: str, key: str) -> None:
    """Write down what was done to a key from this machine."""
    from cogagent.indexes.audit import AuditLine

    at = datetime.now(UTC).isoformat()
    log.write(AuditLine(at=at, owner="", action=action, target=key, status=200))


def _line(key: ApiKey) -> str:
    """A key for people."""
    if key.revoked is not None:
        state = f"revoked {key.revoked[:10]}"
    elif not key.holds(datetime.now(UTC)):
        state = f"expired {str(key.expires)[:10]}"
    else:
        state = "for ever" if key.expires is None else f"until {key.expires[:10]}"
    among, seen = "all collections", "all documents"
    if key.collections is not None and "admin" not in key.scopes:
        among = ", ".join(key.collections)
    if key.principals is not None and "admin" not in key.scopes:
        seen = ", ".join(["open documents", *(f"those of {name}" for name in key.principals)])
    used = "never used" if key.used is None else f"used {key.used[:10]}"
    scopes = ",".join(key.scopes)
    return f"{key.id}  {scopes:<10}  {state}  {used}  {key.name}  [{among}; {seen}]"
