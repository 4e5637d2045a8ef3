"""What the commands share: where the home is, how results and messages are printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cogagent.agent import CogAgent
    from cogagent.types import Answer


class Globals:
    """What the options before the command said."""

    home: Path | None = None
    json: bool = False


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
CollectionName = Annotated[str, typer.Option("--collection", help="Which collection.")]


def open_agent(*, adopt: bool = False) -> CogAgent:
    """The home that the options name, as an agent to be closed.

    Args:
        adopt: Take one that was built with other embedders.

    Raises:
        CogAgentError: If it cannot be opened.
    """
    from cogagent.agent import CogAgent

    return CogAgent(home=Globals.home, adopt=adopt)


def leave(answer: Answer) -> None:
    """End with the exit code of an answer."""
    code = {"budget_exhausted": 3, "failed": 1}.get(answer.outcome, 0)
    if code:
        raise typer.Exit(code)


def print_answer(answer: Answer) -> None:
    """Print an answer for people: its text and what it cites; remarks go to stderr."""
    if answer.short:
        print(f"{answer.short}\n")
    for choice, probability in answer.distribution.items():
        print(f"{probability:6.1%}  {one_line(choice, 80)}")
    if answer.distribution:
        print()
    print(answer.text)
    for citation in answer.citations:
        box = ", ".join(f"{value:.3f}" for value in citation.box)
        print(f"\n[{citation.marker}] {citation.title}, page {citation.page}, box {box}")
        print(f"    {citation.uri}")
    if answer.resolved and answer.resolved != answer.question:
        say(f"read as: {answer.resolved}")
    for warning in answer.warnings:
        say(f"note: {warning}")
    if answer.outcome in ("abstained", "budget_exhausted"):
        if answer.searched:
            print(f"\nSearched: {'; '.join(answer.searched)}")
        if answer.outcome == "budget_exhausted":
            print(f"Stopped: {answer.stop_reason}")
        for query in answer.undone:
            print(f"Left undone: {query}")


def wants_json(as_json: bool) -> bool:
    """Whether JSON was asked for, before the command or after it."""
    return as_json or Globals.json


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    from cogagent.types import to_json_value

    return to_json_value(value)


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(plain(value), ensure_ascii=False))


def one_line(text: str, length: int) -> str:
    """A text on one line, cut to so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def say(message: str) -> None:
    """A message, to stderr."""
    print(message, file=sys.stderr)
