"""Keys and addresses of the openai backend: what is sent where, and what never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cogagent.config import Settings, describe, load_settings
from cogagent.errors import (
    ConfigError,
    ModelServiceError,
    OfflineError,
)
from cogagent.models import factory
from tests.models.openai_kit import KEY, ask, both, settings
from tests.models.service import Exchange, serving, whole

pytest.importorskip("openai", reason="the package openai is not installed")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_the_key_is_sent_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.fail(401, f"Incorrect API key provided: {KEY}", "invalid_api_key")

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    with serving(answer) as server:
        for changes in ({}, {"api_key": KEY}, {"api_key_file": file}):
            chosen = settings(server.url, **changes)
            with pytest.raises(ModelServiceError) as caught:
                ask(chosen)
            assert server.received[-1][0]["authorization"] == f"Bearer {KEY}"
            seen: BaseException | None = caught.value
            while seen is not None:
                assert KEY not in str(seen)
                seen = seen.__cause__
            assert KEY not in repr(chosen) + chosen.model_dump_json()
    monkeypatch.setenv("COGAGENT_OPENAI__API_KEY", KEY)
    rows = describe(load_settings(), None)
    assert KEY not in str(rows)
    assert any(row["name"] == "openai.api_key" and "*" in row["value"] for row in rows)
    assert KEY not in "".join(capfd.readouterr())


def test_without_a_key_none_is_sent() -> None:
    with serving(lambda exchange: exchange.json(whole("Open."))) as server:
        ask(settings(server.url))
        assert "authorization" not in server.received[0][0]


def test_a_key_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    with pytest.warns(UserWarning, match="chmod 600"):
        factory.mllm("openai:x", settings("http://localhost:1/v1", api_key_file=file))


@pytest.mark.parametrize("key", ["two words", "smart“quotes”", "new\nline", "\x07"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ConfigError, match="is no key"):
        factory.mllm("openai:x", settings("http://localhost:1/v1", api_key=key))


def test_a_file_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        factory.mllm("openai:x", settings("http://localhost:1/v1", api_key_file=tmp_path / "no"))
    for data in (b"", b"\n", b"x" * 5000):
        (tmp_path / "key").write_bytes(data)
        (tmp_path / "key").chmod(0o600)
        with pytest.raises(ConfigError, match="holds no key"):
            factory.mllm(
                "openai:x", settings("http://localhost:1/v1", api_key_file=tmp_path / "key")
            )


def test_a_settings_file_is_no_place_for_a_key(tmp_path: Path) -> None:
    (tmp_path / "cogagent.toml").write_text('[openai]\napi_key = "sk-1"\n')
    with pytest.raises(ConfigError, match="holds an API key") as caught:
        load_settings(tmp_path)
    assert "sk-1" not in str(caught.value)


def test_openai_itself_wants_a_key() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        factory.mllm("openai:x", Settings())


@pytest.mark.parametrize(
    "address", ["", "localhost", "ftp://x/v1", "http://", "http://[::1", "/v1"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        factory.mllm("openai:x", settings(address))


@pytest.mark.parametrize(
    "address",
    [
        "https://api.openai.com/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0/v1",
        "http://[2001:db8::1]/",
    ],
)
def test_offline_only_this_machine_is_asked(address: str) -> None:
    with pytest.raises(OfflineError, match="offline"):
        factory.mllm("openai:x", settings(address, api_key=KEY))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_offline_this_machine_may_be_asked(host: str) -> None:
    assert factory.mllm("openai:x", settings(f"http://{host}:9/v1")).name == "openai:x"


def test_no_proxy_stands_before_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    with serving(lambda exchange: exchange.json(whole("Here."))) as server:
        assert ask(settings(server.url)).text == "Here."


def test_a_redirect_is_not_followed() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.json({}, 307, Location="http://192.0.2.1/v1/chat/completions")

    both(answer, ModelServiceError, r"sends us to http://192\.0\.2\.1")
