"""How a run compares with what would have been right, question by question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cogagent.checking.claims import claims as sentences
from cogagent.models.base import TextEmbedder
from cogagent.pipelines.eval_items import EvalItem, EvalStep
from cogagent.pipelines.metrics import holds, says, token_f1, tokens
from cogagent.types import Answer, Outcome, Problem, Query, Record

SAID = 0.6
"""Share of a claim's words from which on a text says it; its numbers have to be there all."""

_SHORT = 3
"""Words of a claim that has to stand in a text as it is."""
_SHOWN = 1000
"""Characters of an answer that a mark keeps."""
_OWN = {"text": "text", "image": "image", "region": "image"}
"""Tools by what they bring; others are known by their names."""
_NO_SEARCH = frozenset(("knowledge",))


class StepMark(Record):
    """A step of the right plan, and the query that came nearest to it."""

    tool: str
    chosen: str
    """The tool of that query; ``none`` where there was none."""
    rewrite: str = ""
    rewrite_f1: float | None = None
    """Token F1 of its text and the right one."""
    rewrite_cosine: float | None = None


class Mark(Record):
    """What became of one item; a line of an evaluation's file."""

    id: str | int
    line: int
    question: str
    groups: tuple[str, ...] = ()
    """What it is counted with besides all others, such as ``set=hotpot``."""
    outcome: Outcome = "failed"
    answer: str = ""
    steps: tuple[StepMark, ...] = ()
    figures: Mapping[str, float] = {}
    """By name; those that do not apply to the item are left out."""
    error: Problem | None = None
    made_with: str = ""
    """What was asked how, in words of the caller's: marks of another way are no part of this."""


class Asked(NamedTuple):
    """A query as far as a plan is compared: what it brings, and its words."""

    tool: str
    text: str


def mark(
    item: EvalItem,
    line: int,
    answer: Answer,
    *,
    embedder: TextEmbedder | None = None,
    depth: int = 10,
    error: Problem | None = None,
) -> Mark:
    """Compare an answer and its run with an item.

    Args:
        item: What would have been right.
        line: Its place, from 1.
        answer: Also of a run that failed: with as much as there is.
        embedder: For the likeness of rewrites in meaning; ``None`` to leave that out.
        depth: Distinct documents of the evidence among which the right ones count.
        error: Why the run failed, if it did.

    Raises:
        ModelError: If the embedder fails.
    """
    asked = queries(answer)
    steps = _steps(item.steps, asked, embedder)
    figures = {
        **_planned(item.steps, steps, asked),
        **_found(item.steps, answer, depth),
        **_answered(item, answer),
        "model calls": float(answer.usage.model_calls),
        "tokens": float(answer.usage.tokens),
        "searches": float(answer.usage.searches),
        "steps": float(answer.usage.steps),
        "seconds": answer.usage.seconds,
    }
    return Mark(
        id=item.id if item.id is not None else f"#{line}",
        line=line,
        question=item.question,
        groups=tuple(
            f"{name}={item.metadata[name]}" for name in ("set", "kind") if name in item.metadata
        ),
        outcome=answer.outcome,
        answer=(answer.short or answer.text)[:_SHOWN],
        steps=steps,
        figures={name: round(value, 6) for name, value in figures.items()},
        error=error,
    )


def queries(answer: Answer) -> list[Asked]:
    """The searches of a run in their order, each once."""
    found = [_asked(query) for step in answer.steps for query in step.queries]
    return list(dict.fromkeys(one for one in found if one is not None))


def _asked(query: Query) -> Asked | None:
    if query.tool in _NO_SEARCH:
        return None
    return Asked(_OWN.get(query.tool, query.tool), query.text)


# --- the plan --------------------------------------------------------------


def _steps(
    right: Sequence[EvalStep], asked: Sequence[Asked], embedder: TextEmbedder | None
) -> tuple[StepMark, ...]:
    """Each right step with the query nearest to it; a query stands for one step."""
    alike = [[token_f1(query.text, step.rewrite) for query in asked] for step in right]
    order = sorted(
        ((n, m) for n in range(len(right)) for m in range(len(asked))),
        key=lambda pair: (-alike[pair[0]][pair[1]], pair),
    )
    chosen: dict[int, int] = {}
    for n, m in order:
        if n not in chosen and m not in chosen.values():
            chosen[n] = m
    cosines = _cosines([(right[n].rewrite, asked[m].text) for n, m in chosen.items()], embedder)
    near = dict(zip(chosen, cosines, strict=True))
    return tuple(
        StepMark(tool=step.tool, chosen="none")
        if n not in chosen
        else StepMark(
            tool=step.tool,
            chosen=asked[chosen[n]].tool,
            rewrite=asked[chosen[n]].text,
            rewrite_f1=None if step.tool == "none" else round(alike[n][chosen[n]], 6),
            rewrite_cosine=None if step.tool == "none" else near[n],
        )
        for n, step in enumerate(right)
    )


def _cosines(
    pairs: Sequence[tuple[str, str]], embedder: TextEmbedder | None
) -> Sequence[float | None]:
    if embedder is None or not pairs:
        return [None] * len(pairs)
    vectors = embedder.embed([text for pair in pairs for text in pair], query=True)
    return [round(float(vectors[2 * n] @ vectors[2 * n + 1]), 6) for n in range(len(pairs))]


def _planned(
    right: Sequence[EvalStep], steps: Sequence[StepMark], asked: Sequence[Asked]
) -> dict[str, float]:
    if not right:
        return {}
    wanted = [step.tool for step in right if step.tool != "none"]
    called = [query.tool for query in asked]
    figures = {
        "tool accuracy": _mean([step.tool == step.chosen for step in steps]),
        "plan exact": float(wanted == called),
        "extra tool": float(bool(set(called) - set(wanted))),
    }
    if wanted:
        figures["under-search"] = float(bool(set(wanted) - set(called)))
        figures["rewrite F1"] = _mean([step.rewrite_f1 or 0.0 for step in steps])
        cosines = [step.rewrite_cosine for step in steps]
        if any(cosine is not None for cosine in cosines):
            figures["rewrite cosine"] = _mean([cosine or 0.0 for cosine in cosines])
    else:
        figures["over-search"] = float(bool(called))
    return figures


def _found(right: Sequence[EvalStep], answer: Answer, depth: int) -> dict[str, float]:
    """Of the steps that have right documents: how many were found, and whether all."""
    wanted = [step.gold for step in right if step.gold]
    if not wanted:
        return {}
    best = set(list(dict.fromkeys(piece.uri for piece in answer.evidence))[:depth])
    hits = [not best.isdisjoint(gold) for gold in wanted]
    return {f"evidence recall@{depth}": _mean(hits), f"all evidence@{depth}": float(all(hits))}


# --- the answer ------------------------------------------------------------


def _answered(item: EvalItem, answer: Answer) -> dict[str, float]:
    figures: dict[str, float] = {}
    said = answer.text if answer.outcome not in ("abstained", "failed") else ""
    if item.answer:
        figures["answer F1"] = token_f1(answer.short or said, item.answer)
    if item.claims:
        figures["claim recall"] = _mean([states(said, claim) for claim in item.claims])
        right = "\n".join((item.answer, *item.claims))
        own = [" ".join(part.text for part in sentence.parts) for sentence in sentences(said)]
        figures["claim precision"] = _mean(
            [
                states(right, sentence) or any(states(sentence, claim) for claim in item.claims)
                for sentence in own
            ]
        )
    return figures


def states(text: str, claim: str) -> bool:
    """Whether a text says what a claim says, as far as words and numbers tell."""
    words = tokens(claim)
    if len(words) <= _SHORT:
        return holds(text, [claim])
    numbers = {word for word in words if re.search(r"\d", word)}
    return says(text, claim) >= SAID and numbers <= set(tokens(text))


def _mean(values: Sequence[float | bool]) -> float:
    return sum(values) / len(values) if values else 0.0
