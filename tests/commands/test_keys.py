"""``cogagent keys`` and ``cogagent audit``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cogagent.cli import app
from cogagent.errors import ConfigError, InputError, NotFoundError, StorageError
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.keys import KeyRing


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments])


def made(home: Path, *arguments: str) -> dict[str, Any]:
    done = run(home, "keys", "create", *arguments, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_key_is_printed_alone_and_holds(tmp_path: Path) -> None:
    home = tmp_path / "new" / "kb"
    done = run(home, "keys", "create", "bot")
    assert done.stdout.count("\n") == 1
    assert "Keep it" in done.stderr
    catalogue = Catalogue(home / "catalogue.sqlite")
    key = KeyRing(catalogue).check(done.stdout.strip())
    catalogue.close()
    assert (key.name, key.scopes, key.collections, key.principals) == ("bot", ("read",), None, ())
    assert key.expires is None


def test_options(tmp_path: Path) -> None:
    key = made(
        tmp_path, "bot", "--scope", "write", "--scope", "read", "--collection", "a",
        "--collection", "b", "--principal", "p", "--days", "2",
    )  # fmt: skip
    assert key["scopes"] == ["read", "write"]
    assert (key["collections"], key["principals"]) == (["a", "b"], ["p"])
    assert key["expires"] > key["created"]
    assert made(tmp_path, "all", "--all-documents")["principals"] is None


def test_keys_are_listed_without_their_secrets_and_revoked(tmp_path: Path) -> None:
    key = made(tmp_path, "bot", "--collection", "a", "--principal", "p")
    made(tmp_path, "root", "--scope", "admin")
    assert run(tmp_path, "keys", "revoke", key["id"]).exit_code == 0
    shown = run(tmp_path, "keys", "list").stdout
    first, second = shown.splitlines()
    assert first.startswith(key["id"])
    assert "revoked" in first
    assert "[a; open documents, those of p]" in first
    assert "[all collections; all documents]" in second
    listed = json.loads(run(tmp_path, "keys", "list", "--json").stdout)
    assert [entry["revoked"] is not None for entry in listed] == [True, False]
    assert key["key"] not in shown
    assert "argon2" not in json.dumps(listed)


def test_what_is_done_to_keys_is_audited(tmp_path: Path) -> None:
    key = made(tmp_path, "bot")["id"]
    run(tmp_path, "keys", "revoke", key)
    lines = json.loads(run(tmp_path, "audit", "--json").stdout)
    assert [(line["action"], line["target"]) for line in lines] == [
        ("revoke_key", key), ("create_key", key),
    ]  # fmt: skip
    shown = run(tmp_path, "audit", "-n", "1").stdout
    assert "revoke_key" in shown
    assert "create_key" not in shown
    assert "create_key" in run(tmp_path, "audit", "--before", "2").stdout


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["create", ""], InputError),
        (["create", "a", "--principal", "p", "--all-documents"], InputError),
        (["create", "a", "--collection", " "], InputError),
        (["revoke", "nobody"], NotFoundError),
    ],
)
def test_wrong_use(tmp_path: Path, arguments: list[str], kind: type[Exception]) -> None:
    assert isinstance(run(tmp_path, "keys", *arguments).exception, kind)
    assert json.loads(run(tmp_path, "keys", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    "arguments", [["--scope", "root"], ["--days", "0"], ["--days", "99999999999999"], []]
)
def test_options_that_cannot_be(tmp_path: Path, arguments: list[str]) -> None:
    name = ["bot"] if arguments else []
    assert run(tmp_path, "keys", "create", *name, *arguments).exit_code == 2


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path / "file" / "kb", "keys", "create", "bot")
    assert isinstance(done.exception, StorageError)


def test_settings_that_do_not_hold_make_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COGAGENT_SERVICE__AUDIT_KEPT", "-1")
    assert isinstance(run(tmp_path, "keys", "create", "bot").exception, ConfigError)
    monkeypatch.delenv("COGAGENT_SERVICE__AUDIT_KEPT")
    assert json.loads(run(tmp_path, "keys", "list", "--json").stdout) == []
