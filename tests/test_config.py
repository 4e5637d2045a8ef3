from __future__ import annotations

from pathlib import Path

import pytest

from cogagent.config import describe, load_settings
from cogagent.errors import ConfigError


def value(home: Path, name: str) -> dict[str, str]:
    settings = load_settings(home)
    return next(row for row in describe(settings, home) if row["name"] == name)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_arguments_over_environment_over_file_over_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert value(home, "limits.pages")["source"] == "default"
    (home / "cogagent.toml").write_text("[limits]\npages = 7\nfile_mb = 9\n")
    assert value(home, "limits.pages") | {"variable": ""} == {
        "name": "limits.pages", "value": "7", "source": "file", "variable": "",
    }  # fmt: skip
    monkeypatch.setenv("COGAGENT_LIMITS__PAGES", "8")
    assert value(home, "limits.pages")["value"] == "8"
    assert value(home, "limits.pages")["source"] == "environment"
    assert value(home, "limits.file_mb")["value"] == "9"
    assert load_settings(home, limits={"pages": 5}).limits.pages == 5


def test_the_working_directory_wins_over_the_home(home: Path) -> None:
    (home / "cogagent.toml").write_text("offline = false\n")
    Path("cogagent.toml").write_text("offline = true\n")
    assert load_settings(home).offline


def test_secrets_are_hidden(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGAGENT_PARSE__PASSWORDS", '["hunter2"]')
    assert load_settings(home).parse.passwords[0].get_secret_value() == "hunter2"
    assert "hunter2" not in str(describe(load_settings(home), home))


@pytest.mark.parametrize(
    "text", ["limits = 3", "[limits]\npages = 'many'", "nonsense = 1", "= broken"]
)
def test_a_bad_file_is_a_typed_error(home: Path, text: str) -> None:
    (home / "cogagent.toml").write_text(text)
    with pytest.raises(ConfigError, match="settings"):
        load_settings(home)


def test_bad_environment_is_a_typed_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGAGENT_LIMITS__PAGES", "many")
    with pytest.raises(ConfigError, match=r"limits\.pages"):
        load_settings(home)


def test_a_misspelt_variable_is_not_ignored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGAGENT_OFLINE", "1")
    with pytest.raises(ConfigError, match="COGAGENT_OFLINE"):
        load_settings(home)


def test_a_file_that_is_no_text_is_a_typed_error(home: Path) -> None:
    (home / "cogagent.toml").write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(ConfigError, match="settings file"):
        load_settings(home)
