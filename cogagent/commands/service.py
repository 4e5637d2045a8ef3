"""``cogagent serve`` and ``cogagent mcp``: the home for programs on this machine and others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cogagent.commands.common import Globals, Json, open_agent, print_json, say, wants_json
from cogagent.errors import MissingPackageError

_PACKAGES = frozenset({"argon2", "fastapi", "mcp", "multipart", "pythonjsonlogger", "uvicorn"})
"""Of the extra ``service``; those that they bring along are not named."""


def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; anything but loopback asks for API keys."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, max=64, help="Processes that read documents and answer batches."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve the home over HTTP: web page, REST, OpenAI-compatible, MCP, until a signal comes."""
    with _service_packages():
        from cogagent.api import serving
    from cogagent.config import default_home, load_settings

    home = Globals.home or default_home()
    said = {"host": host, "port": port, "workers": workers}
    given = {name: value for name, value in said.items() if value is not None}
    settings = load_settings(home)
    service = type(settings.service).model_validate(settings.service.model_dump() | given)
    settings = settings.model_copy(update={"service": service})

    def ready(url: str) -> None:
        if wants_json(as_json):
            print_json({"url": url})
        elif sys.stdout.isatty():
            print(f"Open {url} in a browser. Ctrl-C ends it.")
        else:
            print(url)  # alone, for programs
        sys.stdout.flush()

    serving.serve(home, settings, ready)


def mcp() -> None:
    """Speak the Model Context Protocol over stdin and stdout, for a program on this machine."""
    with _service_packages():
        from cogagent.api import logs
        from cogagent.api.mcp import serve_stdio
    from cogagent.api.callers import LOCAL
    from cogagent.api.session import Session

    with open_agent() as agent:
        logs.configure(agent.settings.service.log)
        try:
            asyncio.run(serve_stdio(Session(agent, LOCAL)))
        except KeyboardInterrupt:
            say("cogagent: interrupted.")


@contextmanager
def _service_packages() -> Iterator[None]:
    """The packages of the service, or a word on how to get them."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise MissingPackageError(
            f"the service needs the package {error.name!r}.",
            remedy="Install it: pip install 'cogagent[service]'.",
        ) from error
