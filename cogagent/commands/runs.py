"""``cogagent trace`` and ``cogagent conversations``: past runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cogagent.commands.common import (
    Json,
    leave,
    one_line,
    open_agent,
    print_answer,
    print_json,
    wants_json,
)
from cogagent.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from cogagent.agent import CogAgent
    from cogagent.pipelines.recording import Trace

trace = typer.Typer(help="Look at past runs, and run them again.")
conversations = typer.Typer(help="List, show and delete conversations.")

TraceId = Annotated[
    str, typer.Argument(help="Its id or the beginning of it, or a file of `trace export`.")
]


@trace.command("list")
def trace_list(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """The newest runs."""
    with open_agent() as agent:
        found = agent.traces.list(limit)
    if wants_json(as_json):
        print_json(found)
        return
    for entry in found:
        print(f"{entry.id}  {entry.at[:19]}  {entry.outcome:<16}  {one_line(entry.question, 80)}")


@trace.command("show")
def trace_show(
    trace_id: TraceId,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Also what models were told and wrote.")
    ] = False,
    as_json: Json = False,
) -> None:
    """A run as a tree: what was planned, searched, found and answered."""
    with open_agent() as agent:
        found = _trace(agent, trace_id)
    if wants_json(as_json):
        print_json(found)
        return
    from rich.console import Console

    from cogagent.trace_view import tree

    Console(highlight=False, soft_wrap=True).print(tree(found, prompts=prompts))


@trace.command("replay")
def trace_replay(
    trace_id: TraceId,
    planner: Annotated[
        str | None, typer.Option(help="Another planner than that of the run.")
    ] = None,
    planner_model: Annotated[
        str | None, typer.Option(help="A model to plan, in place of what was recorded.")
    ] = None,
    answer_model: Annotated[
        str | None, typer.Option(help="A model to answer, in place of what was recorded.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run it again from what was recorded; nothing is searched."""
    with open_agent() as agent:
        answer = agent.traces.replay(_trace(agent, trace_id), planner, planner_model, answer_model)
    if wants_json(as_json):
        print_json(answer)
    else:
        print_answer(answer)
    leave(answer)


@trace.command("export")
def trace_export(
    trace_id: TraceId,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Written anew.")],
) -> None:
    """Write a run into one JSON file."""
    with open_agent() as agent:
        found = _trace(agent, trace_id)
    try:
        out.write_text(found.model_dump_json(exclude_defaults=True), "utf-8")
    except OSError as error:
        raise InputError(f"cannot write {str(out)!r}: {error.strerror}.") from error


@trace.command("delete")
def trace_delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Traces' ids.")],
) -> None:
    """Delete traces."""
    with open_agent() as agent:
        agent.traces.delete(*ids)


@conversations.command("list")
def conversations_list(as_json: Json = False) -> None:
    """Their names, the last used first."""
    with open_agent() as agent:
        found = agent.conversations.list()
    if wants_json(as_json):
        print_json(found)
        return
    for name in found:
        print(name)


@conversations.command("show")
def conversations_show(name: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """The questions and answers of one."""
    with open_agent() as agent:
        turns = agent.conversations.get(name)
    if not turns:
        raise NotFoundError(f"there is no conversation {name!r}.")
    if wants_json(as_json):
        print_json(turns)
        return
    for turn in turns:
        read = f"\n  read as: {turn.resolved}" if turn.resolved else ""
        print(f"> {turn.question}{read}\n{turn.answer}\n")


@conversations.command("delete")
def conversations_delete(name: Annotated[str, typer.Argument()]) -> None:
    """Forget one."""
    with open_agent() as agent:
        agent.conversations.delete(name)


def _trace(agent: CogAgent, name: str) -> Trace:
    """A trace of the home, or of a file."""
    from cogagent.pipelines.recording import Trace

    path = Path(name)
    if not path.is_file():
        return agent.traces.get(name)
    try:
        return Trace.read(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {name!r}: {error.strerror}.") from error
