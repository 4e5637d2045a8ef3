"""Every planner through a real model's server: ``python -m benchmarks.show_planners``.

llama.cpp serves the packaged SmolLM2 over its OpenAI-compatible address; the
demo's documents are asked about with each planner, streamed, and the traces are
printed. Then ``lad`` looks at pictures of Flickr8k, as open questions and as
multiple choice. SmolLM2 is far too small to plan well, and sees nothing: what is
shown is that exchange, schema, repair, budgets, streaming and traces work.

Ends with 1 if a run does not end as it should, the two calls of a sequential round
overlap, those of a parallel round do not, or a stage of ``lad`` is missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.common import data, lines, report
from benchmarks.one_model import serving
from benchmarks.show_backends import DOCUMENTS, PHOTOGRAPHS
from cogagent import Answer, Budget, CogAgent
from cogagent.config import AnswerSettings, ModelSettings, OpenAISettings, Settings
from cogagent.models.backends.llamacpp_load import find
from cogagent.pipelines.recording import RecordedCall, Trace
from cogagent.trace_view import tree
from cogagent.types import DoneEvent, StepEvent

CONTEXT = 4096
QUESTION = "Who founded the station, and how many trout were counted in 2024?"
PLANNERS = ("rules", "cog-sequential", "cog-parallel", "one-shot", "socratic", "lad")
STAGES = ("perceive", "keywords", "questions", "judge", "rank", "fuse", "answer")
"""Of ``lad``, by the purposes of its calls; ``describe`` stands for ``perceive`` where
the model sees nothing."""
ABOUT = "What is the mood of this picture, and what does it suggest?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("planners", nargs="*", default=PLANNERS)
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--pictures", type=int, default=20, help="that lad looks at; 0 for none")
    parser.add_argument("--prompts", action="store_true", help="print what the model was told")
    chosen = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True, width=160)
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder, model() as settings:
        with CogAgent(home=Path(folder, "home"), settings=settings) as agent:
            agent.ingest([DOCUMENTS, *PHOTOGRAPHS.glob("*.jpg")])
            for name in chosen.planners:
                picture = [next(PHOTOGRAPHS.glob("china*"))] if name in ("lad", "socratic") else []
                answer, steps = _streamed(agent, chosen.question, name, picture)
                trace = agent.traces.get(answer.trace or "")
                console.print(f"\n=== {name}: {answer.outcome}, {answer.stop_reason}")
                console.print(tree(trace, prompts=chosen.prompts))
                faults += [f"{name}: {fault}" for fault in _faults(name, trace, steps)]
                again = agent.traces.replay(trace)
                if again.text != answer.text:
                    faults.append(f"{name}: its replay says something else")
            spent = agent.ask(
                chosen.question, planner="cog-sequential", budget=Budget(model_calls=2)
            )
            console.print(f"\n=== two calls allowed: {spent.outcome}, {spent.stop_reason}")
            if spent.outcome != "budget_exhausted" or spent.usage.model_calls > 2:
                faults.append("a budget of two calls was not kept")
        if chosen.pictures:
            faults += list(_pictures(Path(folder, "pictures"), settings, chosen.pictures))
    print("\n" + ("\n".join(faults) or "Every run ended as it should."))
    sys.exit(bool(faults))


@contextmanager
def model() -> Iterator[Settings]:
    """Settings with SmolLM2 behind llama.cpp's server, which plans and answers."""
    with serving(find("smollm2"), CONTEXT, threads=1, slots=2) as server:
        yield Settings(
            offline=True,
            models=ModelSettings(answer_model="openai:model"),
            openai=OpenAISettings(
                base_url=server.base_url, api_key=server.key, context=CONTEXT, structured=True
            ),
            answers=AnswerSettings(max_tokens=96, evidence=4, cache_mb=0),
        )


def _streamed(
    agent: CogAgent, question: str, planner: str, pictures: Sequence[Path]
) -> tuple[Answer, int]:
    events = list(agent.stream(question, list(pictures), planner=planner))
    done = events[-1]
    assert isinstance(done, DoneEvent), done
    return done.answer, sum(isinstance(event, StepEvent) for event in events)


def _faults(name: str, trace: Trace, steps: int) -> Iterator[str]:
    answer = trace.answer
    if answer is None or answer.outcome == "failed":
        yield "no answer"
        return
    if steps != len(answer.steps):
        yield f"{steps} steps were streamed, {len(answer.steps)} are in the answer"
    calls = [call for call in trace.calls if call.purpose in ("rewrite", "choose tool")]
    rounds = [calls[place : place + 2] for place in range(0, len(calls) - 1, 2)]
    for pair in rounds:
        together = _overlap(*pair)
        if name == "cog-sequential" and together:
            yield "the two calls of a round overlap"
        if name == "cog-parallel" and not together:
            yield "the two calls of a round do not overlap"
    if name.startswith("cog-") and not rounds:
        yield "no round of two calls"


def _overlap(first: RecordedCall, second: RecordedCall) -> bool:
    latest, earliest = (
        max(first.started, second.started),
        min(first.started + first.seconds, second.started + second.seconds),
    )
    return latest < earliest - 0.001


def _pictures(home: Path, settings: Settings, count: int) -> Iterator[str]:
    """``lad`` on pictures, as open question and as multiple choice."""
    rows = lines("flickr8k_1k", "dev", "captions.jsonl")[:count]
    stages: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    seconds = calls = right = searched = contradictory = 0
    with CogAgent(home=home, settings=settings) as agent:
        agent.ingest([DOCUMENTS])
        for place, row in enumerate(rows):
            picture = data("flickr8k_1k", "dev", row["image"])
            others = [rows[(place + step) % count]["captions"][0] for step in (1, 2, 3)]
            choices = sorted({row["captions"][0], *others})
            for offered in (None, choices):
                question = ABOUT if offered is None else "What does this picture show?"
                answer = agent.ask(question, [picture], planner="lad", choices=offered)
                trace = agent.traces.get(answer.trace or "")
                there = {"perceive" if c.purpose == "describe" else c.purpose for c in trace.calls}
                missing = [stage for stage in STAGES if stage not in there]
                if missing:
                    yield f"lad, {row['image']}: no {', '.join(missing)}"
                stages.update(there)
                outcomes[answer.outcome] += 1
                seconds += answer.usage.seconds
                calls += answer.usage.model_calls
                right += bool(offered) and answer.short == row["captions"][0]
                searched += sum(step.usage.searches for step in answer.steps)
                contradictory += any("contradicts" in step.fallback for step in answer.steps)
                print(
                    f"{place + 1}/{len(rows)} {'choices' if offered else 'open'}: "
                    f"{answer.outcome}, {answer.usage.model_calls} calls, "
                    f"{answer.usage.seconds:.1f} s: {answer.stop_reason}",
                    flush=True,
                )
    runs = 2 * len(rows)
    report(
        f"lad, {len(rows)} pictures, open and as multiple choice",
        {
            "runs": runs, "calls a run": calls / runs, "searches a run": searched / runs,
            "seconds a run": seconds / runs, "right of the choices": right / len(rows),
            "runs with a contradictory verdict": contradictory,
        },
    )  # fmt: skip
    print("  outcomes:", dict(outcomes))
    print("  runs in which each stage was seen:", dict(stages))


if __name__ == "__main__":
    main()
