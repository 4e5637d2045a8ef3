"""Writes ``cli.md``, ``settings.md`` and ``openapi.json`` from the program: ``make docs``."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from cogagent.cli import app
from cogagent.config import FILE_NAME, Settings

FOLDER = Path(__file__).parent


def cli_page() -> str:
    """The reference of the command line."""
    parts = ["# Command line\n\nWritten by `make docs` from the program; do not edit.\n"]
    command = typer.main.get_command(app)
    for name, entry in _commands(command, "cogagent"):
        parts.append(f"## `{name}`\n\n{entry.help or ''}\n")
        rows = [
            (_name(item), getattr(item, "help", None) or "")
            for item in entry.params
            if item.name != "help"
        ]
        if rows:
            parts.append("| argument | meaning |\n|---|---|\n" + "".join(
                f"| `{argument}` | {meaning} |\n" for argument, meaning in rows
            ))  # fmt: skip
    return "\n".join(parts)


def settings_page() -> str:
    """The reference of the settings."""
    rows = "".join(
        f"| `{name}` | `{default}` | {meaning} |\n"
        for name, default, meaning in _fields(Settings, "")
    )
    return (
        "# Settings\n\nWritten by `make docs` from the program; do not edit.\n\n"
        f"In `{FILE_NAME}` (working directory, or home) or the environment: `limits.pages` is\n"
        "`COGAGENT_LIMITS__PAGES`. Arguments win over the environment, the environment over\n"
        "files.\n\n"
        f"| setting | default | meaning |\n|---|---|---|\n{rows}"
    )


def openapi_page() -> str:
    """The OpenAPI document of the service."""
    from cogagent import CogAgent, Settings
    from cogagent.api.app import make_app

    with (
        tempfile.TemporaryDirectory() as folder,
        CogAgent(home=Path(folder) / "home", settings=Settings()) as agent,
    ):
        return json.dumps(make_app(agent).openapi(), indent=1, ensure_ascii=False) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, entry in getattr(command, "commands", {}).items():
        yield from _commands(entry, f"{path} {name}")


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return " / ".join(parameter.opts)
    return str(parameter.metavar or parameter.name.upper())


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name}.")
        else:
            meaning = " ".join((field.description or "").split())
            yield prefix + name, str(field.get_default(call_default_factory=True)), meaning


PAGES = {"cli.md": cli_page, "settings.md": settings_page, "openapi.json": openapi_page}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (FOLDER / page).write_text(write(), encoding="utf-8")
    sys.stdout.write(f"wrote {', '.join(PAGES)}\n")
