"""The service on a port: who may come in, how it starts, and how it stops.

It stops on SIGTERM or SIGINT: nothing more is taken, jobs are parked, questions under way
may take ``service.shutdown_seconds`` to end and are cut short after that; some seconds
later the process ends whatever goes on in it. A second signal ends it at once; jobs are
taken up again when it starts anew.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from cogagent.agent import CogAgent
from cogagent.api import logs
from cogagent.api.app import make_app
from cogagent.api.connections import PatientProtocol
from cogagent.api.parts import Parts
from cogagent.api.rates import MOST_AT_ONCE
from cogagent.config import ServiceSettings, Settings
from cogagent.errors import ConfigError

_BACKLOG = 1024
_KEPT_ALIVE = 65
"""Seconds for which a connection may be quiet: longer than reverse proxies keep theirs."""
_PATIENCE = 5.0
"""Seconds behind ``service.shutdown_seconds`` after which threads are no longer waited for."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger(__name__)


def serve(
    home: Path | None, settings: Settings, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serve a home until a signal comes.

    Args:
        home: Its directory; by default that of the user.
        settings: ``service`` says where and to whom.
        on_ready: Told the service's address once it listens.

    Raises:
        ConfigError: If it may not or cannot listen where it should.
        StorageError: If the home cannot be used.
    """
    service = settings.service
    logs.configure(service.log)
    open_door = may_be_open(service)
    listening = listen(service.host, service.port)
    try:
        with ExitStack() as stack, CogAgent(home, settings) as agent:
            app = make_app(agent, open_door=open_door)
            _require_keys(app.state.parts)
            server = _Server(app, listening, on_ready)
            stack.callback(server.ended)
            server.run(sockets=[listening])
    finally:
        listening.close()


def may_be_open(service: ServiceSettings) -> bool:
    """Whether callers come in without an API key.

    Raises:
        ConfigError: If they would, from anywhere, under any name.
    """
    if service.auth == "off" and not is_loopback(service.host):
        if not service.hosts:
            raise ConfigError(
                f"without API keys, {service.host} needs the names under which it is reached.",
                remedy="Name them in COGAGENT_SERVICE__HOSTS, or make a key by "
                "`cogagent keys create` and leave COGAGENT_SERVICE__AUTH alone.",
            )
        log.warning(
            "EVERYBODY who reaches %s may read, change and delete everything: "
            "COGAGENT_SERVICE__AUTH is off.",
            service.host,
        )
        return True
    return service.auth == "off" or (service.auth == "auto" and is_loopback(service.host))


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address; nothing is accepted yet.

    Raises:
        ConfigError: If there is no such address, or the port is taken or not ours to take.
    """
    host = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"there is no address {host!r}.", remedy="Name one of this machine with --host."
        ) from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _refused(host, port, error) from error
    bound.set_inheritable(False)
    return bound


def url_of(listening: socket.socket) -> str:
    """The address of a service, without a slash at the end."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, that stops workers, too, and takes a second signal at its word.

    Args:
        app: What it serves.
        listening: Where.
        on_ready: Told the address once it listens.
    """

    def __init__(
        self, app: FastAPI, listening: socket.socket, on_ready: Callable[[str], None] | None
    ) -> None:
        self._parts: Parts = app.state.parts
        self._url = url_of(listening)
        self._on_ready = on_ready
        self._last: threading.Timer | None = None
        super().__init__(_config(app, self._parts.settings))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if not self.started:
            return
        log.info("serving at %s", self._url)
        if self._on_ready is not None:
            self._on_ready(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop taking requests, let workers park their jobs, and finish what is under way."""
        log.info("stopping; a second signal stops at once")
        self._parts.condition.end()
        parking = asyncio.create_task(asyncio.to_thread(self._stop_workers))
        await super().shutdown(sockets)
        await parking
        log.info("stopped")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but what was asked for is done: it is not raised once more."""
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Stop; at the second time, at once."""
        if self.should_exit:
            self._kill_workers()
            os._exit(128 + sig)
        self.should_exit = True
        wait = self._parts.settings.shutdown_seconds + _PATIENCE
        self._last = threading.Timer(wait, self._end, (128 + sig,))
        self._last.daemon = True
        self._last.start()

    def ended(self) -> None:
        """Note that nothing goes on any more."""
        if self._last is not None:
            self._last.cancel()

    def _end(self, code: int) -> None:
        log.error("what was under way does not end; the process ends")
        self._kill_workers()
        os._exit(code)

    def _stop_workers(self) -> None:
        if workers := self._parts.settings.workers:
            log.info("%d workers park their jobs behind what they are at", workers)
            self._parts.workers.stop()

    def _kill_workers(self) -> None:
        if self._parts.settings.workers:
            self._parts.workers.kill()


def _config(app: FastAPI, service: ServiceSettings) -> uvicorn.Config:
    wait: Any = service.shutdown_seconds  # any number of seconds will do
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(service.proxies),
        forwarded_allow_ips=list(service.proxies),
        limit_concurrency=MOST_AT_ONCE,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEPT_ALIVE,
        timeout_graceful_shutdown=wait,
    )


def _require_keys(parts: Parts) -> None:
    """Refuse to shut everybody out.

    Raises:
        ConfigError: If keys are asked for and there are none.
    """
    every, now = parts.keys.list(), datetime.now(UTC)
    if parts.open_door or any(key.holds(now) for key in every):
        return
    service = parts.settings
    if is_loopback(service.host):
        log.warning("API keys are asked for, and there are none: see `cogagent keys create`.")
        return
    raise ConfigError(
        f"{service.host} can be reached from other machines, and there are no API keys.",
        remedy="Make one by `cogagent keys create`, or serve on 127.0.0.1.",
    )


def _refused(host: str, port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} of {host} is taken.",
            remedy="Name another with --port, or stop what listens there.",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ConfigError(
            f"port {port} may not be listened on by this user.",
            remedy="Name one above 1023 with --port.",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(
            f"{host} is no address of this machine.", remedy="Name one of its own with --host."
        )
    return ConfigError(
        f"cannot listen on port {port} of {host}: {error.strerror}.",
        remedy="Name another with --host and --port.",
    )
