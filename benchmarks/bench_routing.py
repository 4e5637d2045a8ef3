"""Routing between texts, pictures and nothing: ``python -m benchmarks.bench_routing``.

Questions of the planning benchmark (see ``cogbench``), one index of everything. The tool
that the planner ``rules`` puts first is compared with the one that finds the right
document among its first ten, beside a bag-of-words classifier trained on the other
half, to show what phrasing alone gives away. Then runs from end to end against searching
only texts and searching both. ``--home DIR`` keeps the collection; ``--half building`` is for
looking at mistakes while building; ``--runs N`` questions of each set are run.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from benchmarks.cogbench import COLLECTION, Half, home, items
from benchmarks.common import mean, percentile, report
from cogagent import CogAgent
from cogagent.models.metered import MeteredMLLM
from cogagent.pipelines.batch import LoopExecutor
from cogagent.pipelines.eval_items import TOOLS, EvalItem
from cogagent.pipelines.evaluate import evaluate, numbered
from cogagent.pipelines.intervals import Confusion, draws
from cogagent.pipelines.probing import Probed, probe
from cogagent.planners.base import Planner, PlanState
from cogagent.planners.rules import RulePlanner
from cogagent.types import Answer, Query, Step

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Decision:
    """What was chosen for a question.

    Attributes:
        item: The question.
        called: The tools of the first step's queries, in order.
        finds: The tools that have a right document among their first ten.
        probing: Milliseconds of the probe.
        searching: Milliseconds of the search for the question with the right tool alone.
    """

    item: EvalItem
    called: tuple[str, ...]
    finds: frozenset[str]
    probing: float
    searching: float

    @property
    def right(self) -> str:
        """The tool that the question's set stands for."""
        return self.item.steps[0].tool

    @property
    def first(self) -> str:
        """The tool that was put first."""
        return self.called[0] if self.called else "none"


class Always:
    """Searches with the same tools, whatever is asked.

    Args:
        tools: Their names.
    """

    def __init__(self, *tools: str) -> None:
        self.name = f"always {' and '.join(tools)}"
        self._tools = tools

    async def plan(self, state: PlanState, model: MeteredMLLM | None) -> Step:  # noqa: ARG002
        if state.steps:
            return Step(number=state.number, done=True, reason="searched once")
        queries = tuple(Query(text=state.question, tool=tool) for tool in self._tools)
        return Step(number=1, queries=queries)


def decided(agent: CogAgent, asked: Iterable[EvalItem]) -> list[Decision]:
    """What the planner ``rules`` would search with first."""
    return [asyncio.run(decision(agent, item)) for item in asked]


async def decision(agent: CogAgent, item: EvalItem) -> Decision:
    """The first step for one question, from its probe."""
    tools = agent._engine.tools(COLLECTION, None, [])  # what a run asks, without a run
    began = time.perf_counter()
    if item.steps[0].tool != "none":
        tools[item.steps[0].tool].retrieve(Query(text=item.question), 24)
    searched = time.perf_counter()
    tools = agent._engine.tools(COLLECTION, None, [])
    found = probe(item.question, tools)
    probed = time.perf_counter()
    step = await RulePlanner().plan(PlanState(question=item.question, probe=found.probes), None)
    return Decision(
        item,
        tuple(dict.fromkeys(query.tool for query in step.queries)),
        _finders(item, found),
        1000 * (probed - searched),
        1000 * (searched - began),
    )


def _finders(item: EvalItem, found: Probed) -> frozenset[str]:
    right = {uri for step in item.steps for uri in step.gold}
    first = {
        query.tool: list(dict.fromkeys(piece.uri for piece in pieces))[:DEPTH]
        for query, pieces in found.results.items()
    }
    return frozenset(tool for tool, uris in first.items() if right.intersection(uris))


def shown(name: str, decisions: Sequence[Decision], chosen: Sequence[str]) -> None:
    """Macro-F1 with its interval, over all and over those that some tool finds."""
    every, findable = Confusion(TOOLS), Confusion(TOOLS)
    strict = Confusion(TOOLS)
    for number, (made, tool) in enumerate(zip(decisions, chosen, strict=True)):
        drawn = draws(number)
        every.add(made.right, tool, drawn)
        found = made.right == "none" or made.right in made.finds
        if found:
            findable.add(made.right, tool, drawn)
        # A tool that is chosen and does not find it is as wrong as another.
        strict.add(made.right, tool if found or tool != made.right else "missed", drawn)
    for what, confusion in (
        ("by the set's tool, all", every),
        ("where the right tool finds it in ten", findable),
        ("all, wrong where the tool does not find it", strict),
    ):
        figure = confusion.macro_f1()
        assert figure is not None
        print(
            f"{name:<14} macro-F1 {what:<44} {figure.value:.3f} "
            f"[{figure.low:.3f}, {figure.high:.3f}] of {figure.items}",
            flush=True,
        )
    print(f"{name:<14} {every.table()}")


def phrasing(train: Sequence[EvalItem], test: Sequence[EvalItem]) -> list[str]:
    """A bag of words and pairs of words, trained on the other half."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"[^\s]+"),
        LogisticRegression(C=10, class_weight="balanced", max_iter=2000),
    )
    model.fit([item.question for item in train], [item.steps[0].tool for item in train])
    return list(model.predict([item.question for item in test]))


def one_tool(half: Half) -> list[EvalItem]:
    """The items that a single tool answers, or none."""
    return [item for item in items(half) if len({step.tool for step in item.steps}) == 1]


def routing(agent: CogAgent, half: Half) -> None:
    """The tables of the first choice."""
    asked = one_tool(half)
    other = one_tool("building" if half == "evaluation" else "evaluation")
    decisions = decided(agent, asked)
    shown("rules", decisions, [made.first for made in decisions])
    shown("bag of words", decisions, phrasing(other, asked))
    for name in dict.fromkeys(str(made.item.metadata["set"]) for made in decisions):
        those = [made for made in decisions if made.item.metadata["set"] == name]
        report(
            f"{name}, {len(those)}",
            {
                "first is right": mean(made.first == made.right for made in those),
                "right among the called": mean(
                    made.right in (made.called or ("none",)) for made in those
                ),
                "right tool finds it": mean(made.right in made.finds for made in those),
                "tools called": mean(len(made.called) for made in those),
            },
        )
    needless = [made for made in decisions if made.right == "none"]
    needing = [made for made in decisions if made.right != "none"]
    report(
        "rates",
        {
            "over-search (a tool where none is needed)": mean(bool(m.called) for m in needless),
            "extra tool": mean(bool(set(m.called) - {m.right}) for m in decisions),
            "under-search (the needed not called)": mean(m.right not in m.called for m in needing),
            "both called": mean(len(m.called) > 1 for m in needing),
            "ms of a search, median": percentile((m.searching for m in needing), 0.5),
            "ms of the probe, median": percentile((m.probing for m in needing), 0.5),
        },
    )


def runs(agent: CogAgent, half: Half, most: int) -> None:
    """From end to end, against the same tools for every question."""
    kept: dict[str, list[EvalItem]] = {}
    for item in items(half):
        some = kept.setdefault(str(item.metadata["set"]), [])
        if len(some) < most:
            some.append(item)
    chosen = [item for some in kept.values() for item in some]
    planners: tuple[str | Planner, ...] = ("rules", Always("text"), Always("text", "image"))
    for planner in planners:
        ask = asked_by(agent, planner)
        result = asyncio.run(
            evaluate(ask, numbered(chosen), depth=DEPTH, executor=LoopExecutor(1))
        )
        name = planner if isinstance(planner, str) else planner.name
        for group, found in {"all": result.all, **result.groups}.items():
            figures = found.figures
            wanted = (
                f"evidence recall@{DEPTH}", f"all evidence@{DEPTH}", "tool macro-F1",
                "plan exact", "over-search", "under-search", "extra tool", "rewrite F1",
                "answer F1", "claim recall", "claim precision", "searches", "seconds",
            )  # fmt: skip
            print(
                f"{name}, {group}, {found.items}: "
                + ", ".join(
                    f"{key} {figures[key].value:.3f} "
                    f"[{figures[key].low:.3f}, {figures[key].high:.3f}]"
                    for key in wanted
                    if key in figures
                ),
                flush=True,
            )


def asked_by(agent: CogAgent, planner: str | Planner):
    """Asks an item with a planner."""

    async def ask(item: EvalItem) -> Answer:
        return await agent.aask(item.question, collection=COLLECTION, planner=planner)

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--half", choices=get_args(Half), default="evaluation")
    parser.add_argument("--runs", type=int, default=40, help="questions of each set; 0 for none")
    said = parser.parse_args()
    with CogAgent(home=home(said.home or Path(tempfile.mkdtemp()))) as agent:
        routing(agent, said.half)
        if said.runs:
            runs(agent, said.half, said.runs)


if __name__ == "__main__":
    main()
