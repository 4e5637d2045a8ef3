"""Where the service is and what opens it: its address, its key, its client."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from cogagent.config import OpenAISettings, Settings
from cogagent.errors import ConfigError, MissingPackageError, OfflineError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_VARIABLE = "OPENAI_API_KEY"
_OPENAI = "api.openai.com"
_CONNECT_SECONDS = 15.0
_KEY_BYTES = 4096


class Service:
    """A service that speaks OpenAI's protocol.

    Attributes:
        address: Its base URL without what an address may carry of secrets.

    Raises:
        ConfigError: If the address is none, or the key is missing or malformed.
        OfflineError: If ``offline`` is on and the address is not this machine's.
        MissingPackageError: If the package openai is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.openai
        parts = _parts(self._settings.base_url)
        self.address = f"{parts.scheme}://{_shown(parts)}{parts.path}"
        self._local = is_loopback(parts.hostname or "")
        if settings.offline and not self._local:
            raise OfflineError(
                f"{self.address} is not on this machine and `offline` is on.",
                remedy="Set openai.base_url to a server on localhost, or `offline` to false.",
            )
        self._key = key(self._settings)
        if not self._key and parts.hostname == _OPENAI:
            raise ConfigError(
                "there is no key for OpenAI.",
                remedy=f"Set the variable {_VARIABLE}, or openai.base_url to another service.",
            )
        try:
            import openai  # noqa: F401 - it is asked for here, so that nothing fails later
        except ImportError as error:
            raise MissingPackageError(
                "openai models need the package openai, which is not installed.",
                remedy="Run `pip install 'cogagent[openai]'`.",
            ) from error

    def client(self) -> AsyncOpenAI:
        """A client, for the event loop that it is made in."""
        import httpx2
        import openai

        http = openai.DefaultAsyncHttpxClient(
            timeout=httpx2.Timeout(self._settings.timeout_seconds, connect=_CONNECT_SECONDS),
            # A redirect would carry documents to where nobody sent them.
            follow_redirects=False,
            # A proxy from the environment is no way to this machine itself.
            trust_env=not self._local,
        )
        return openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._settings.base_url,
            max_retries=self._settings.retries,
            http_client=http,
        )

    def headers(self) -> dict[str, Any]:
        """What a request's headers differ in: without a key none is sent."""
        import openai

        return {} if self._key else {"Authorization": openai.Omit()}

    def hide(self, text: str) -> str:
        """A text of the service's without the key, should it repeat it."""
        return text.replace(self._key, "…") if self._key else text


def is_loopback(host: str) -> bool:
    """Whether a host's name or address, and every address that it resolves to, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ipaddress.ip_address(str(each)).is_loopback for each in found)


def key(settings: OpenAISettings) -> str:
    """The key: from the settings, its file or ``OPENAI_API_KEY``; empty if there is none.

    Raises:
        ConfigError: If its file does not read, or it is none that a header can carry.
    """
    if settings.api_key is not None:
        found, place = settings.api_key.get_secret_value(), "openai.api_key"
    elif settings.api_key_file is not None:
        found, place = _read(settings.api_key_file.expanduser()), str(settings.api_key_file)
    else:
        found, place = os.environ.get(_VARIABLE, ""), _VARIABLE
    found = found.strip()
    if not found.isascii() or not found.isprintable() or " " in found:
        raise ConfigError(f"what {place} holds is no key.", remedy="Copy it again, nothing else.")
    return found


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"the key's file {str(file)!r} cannot be read: {error.strerror or error}.",
            remedy="Check openai.api_key_file.",
        ) from error
    if len(data) > _KEY_BYTES or not data.strip():
        raise ConfigError(
            f"{str(file)!r} holds no key.", remedy="Write the key into it, and nothing else."
        )
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn(
            f"others can read the key in {str(file)!r}; run `chmod 600` on it.", stacklevel=2
        )
    return data.decode("utf-8", "replace")


def _parts(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = None
    if not sound:
        raise ConfigError(
            "openai.base_url is no address.",
            remedy="Write it like http://localhost:8000/v1.",
        )
    return parts


def _shown(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]
