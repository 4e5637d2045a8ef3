"""A trace as a tree for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.tree import Tree

from cogagent.pipelines.recording import RecordedCall, Said, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cogagent.types import Answer, Finding, Query, Step

_LINE = 110
"""Characters of a text that are shown."""
_DIGEST = "digest"
"""The purpose of calls that come after a step's searches; all others come before."""


def tree(trace: Trace, *, prompts: bool = False, hits: int = 3) -> Tree:
    """The run as it went: what was probed, each step with its queries, the answer.

    Args:
        trace: Of the run.
        prompts: Also show what models were told and replied.
        hits: How many of each search are shown.
    """
    root = Tree(f"[bold]{_line(trace.question) or _line(trace.id)}[/bold]")
    root.add(
        f"{_line(trace.at)}, planner {_line(trace.planner)}, "
        f"{_cost(trace)}" + ("" if trace.content else ", kept without texts")
    )
    for turn in trace.turns:
        root.add(f"before: {_line(turn.question)} -> {_line(turn.short or turn.answer)}")
    if trace.probe:
        looked = root.add("probe")
        for probe in trace.probe:
            best = probe.hits[0] if probe.hits else None
            shown = f"{_line(best.title)}, words {best.words:.2f}" if best else "nothing"
            part = f" for {_line(probe.part)}" if probe.part else ""
            looked.add(f"{_line(probe.tool)}{part}: {shown}")
    titles = {str(piece.get("id")): _place(piece) for piece in trace.evidence}
    steps = trace.answer.steps if trace.answer is not None else trace.steps
    for step in steps:
        branch = root.add(_head(step))
        mine = [call for call in trace.calls if call.step == step.number]
        _calls(branch, (call for call in mine if call.purpose != _DIGEST), prompts=prompts)
        _step(branch, step, titles, hits)
        _calls(branch, (call for call in mine if call.purpose == _DIGEST), prompts=prompts)
    numbers = {step.number for step in steps}
    _calls(root, (call for call in trace.calls if call.step not in numbers), prompts=prompts)
    if trace.error is not None:
        root.add(f"[red]{_line(trace.error.code)}[/red]: {_line(trace.error.message)}")
    if trace.answer is not None:
        _answer(root, trace.answer)
    return root


def _head(step: Step) -> str:
    thought = _line(step.thought or step.reason)
    return f"step {step.number} ({step.seconds:.2f} s)" + (f": {thought}" if thought else "")


def _step(branch: Tree, step: Step, titles: dict[str, str], hits: int) -> None:
    if step.fallback:
        branch.add(f"[yellow]fallback[/yellow]: {_line(step.fallback)}")
    for question in step.plan:
        after = f" after {_line(', '.join(question.depends_on))}" if question.depends_on else ""
        branch.add(f"plan {_line(question.id)}{after}: {_line(question.text)}")
    if step.resolved:
        branch.add(f"reads the question as: {_line(step.resolved)}")
    findings = {finding.query: finding for finding in step.findings}
    for query in step.queries:
        _query(branch, query, findings.get(query.id), titles, hits)
    for note in step.notes:
        branch.add(f"{note.kind} (no source): {_line(note.text)}")


def _query(
    branch: Tree, query: Query, finding: Finding | None, titles: dict[str, str], hits: int
) -> None:
    asked = "the picture" if query.picture is not None else _line(query.text)
    why = f" [dim]({_line(query.why)})[/dim]" if query.why else ""
    found = branch.add(f"{_line(query.tool)}: {asked}{why}")
    if finding is None:
        return
    if finding.error is not None:
        found.add(f"[red]{_line(finding.error.code)}[/red]: {_line(finding.error.message)}")
    for key, score in list(zip(finding.evidence, finding.scores, strict=False))[:hits]:
        found.add(f"{score:.3f} {titles.get(key, _line(key))}")
    if len(finding.evidence) > hits:
        found.add(f"... {len(finding.evidence)} in all")
    if finding.digest:
        found.add(f"says: {_line(finding.digest)}")


def _calls(branch: Tree, calls: Iterable[RecordedCall], *, prompts: bool) -> None:
    for call in calls:
        usage = call.reply.usage if call.reply is not None else None
        tokens = usage.prompt_tokens + usage.written_tokens if usage is not None else 0
        what = f"[cyan]{_line(call.purpose)}[/cyan] {_line(call.model)}"
        asked = branch.add(
            f"{what}: {tokens} tokens, {call.started:.2f} s to {call.started + call.seconds:.2f} s"
        )
        if call.error is not None:
            asked.add(f"[red]{_line(call.error.code)}[/red]: {_line(call.error.message)}")
        for message in call.messages if prompts else ():
            seen = _pictures(message)
            asked.add(f"{_line(message.role)}{seen}: {_whole(message.text)}")
        written = call.reply.text if call.reply is not None else call.written
        if written:
            cut = "" if call.reply is not None else ", then was cut short"
            asked.add(f"wrote{cut}: {_whole(written) if prompts else _line(written)}")


def _pictures(message: Said) -> str:
    """The pictures of a message, each with its size."""
    if not message.pictures:
        return ""
    sizes = ", ".join(f"{width}x{height}" for width, height in message.sizes)
    return f" with {message.pictures} pictures{f' ({sizes})' if sizes else ''}"


def _answer(root: Tree, answer: Answer) -> None:
    branch = root.add(f"[bold]{answer.outcome}[/bold]: {_line(answer.text)}")
    for citation in answer.citations:
        marker = escape(f"[{citation.marker}]")
        branch.add(f"{marker} {_line(citation.title)}, page {citation.page}")
    if answer.undone:
        branch.add(f"left undone: {_line('; '.join(answer.undone))}")
    if answer.stop_reason:
        branch.add(f"stopped: {_line(answer.stop_reason)}")


def _cost(trace: Trace) -> str:
    usage = trace.usage
    parts = [f"{usage.steps} steps", f"{usage.searches} searches"]
    if usage.model_calls:
        parts.append(f"{usage.model_calls} model calls ({usage.tokens} tokens)")
    return ", ".join([*parts, f"{usage.seconds:.2f} s"])


def _place(piece: object) -> str:
    fields = dict(piece) if isinstance(piece, dict) else {}
    return f"{_line(str(fields.get('title', '')))}, page {_line(str(fields.get('page', 1)))}"


def _whole(text: str) -> str:
    """A text as it may stand in a terminal: nothing in it steers that."""
    return escape("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text))


def _line(text: str) -> str:
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
    return escape(line if len(line) <= _LINE else line[: _LINE - 1] + "\u2026")
