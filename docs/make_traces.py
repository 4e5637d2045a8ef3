"""Writes the traces of docs/planners.md from real runs: ``python docs/make_traces.py``.

The documents are five notes and a photograph. What a language model says is written down
here, so that the page shows what a planner does and not what a model cannot do; searching,
reading, checking and recording are the program's own. ``benchmarks/show_planners.py`` runs
the same planners with a real model.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console

from cogagent import CogAgent, Settings, Source
from cogagent.config import ModelSettings
from cogagent.models.mllm import Capabilities, Message, Options
from cogagent.pipelines import engine
from cogagent.planners.factory import RULES
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.trace_view import tree

PAGE = Path(__file__).with_name("planners.md")
NOTES = {
    "Night Ferry": "Night Ferry is a 1962 drama film directed by Alba Crane and starring Otto "
    "Reyes. It was shot on the coast of Velm.",
    "Alba Crane": "Alba Crane (12 May 1921 - 3 June 1990) was a film director. She was born in "
    "Port Ellis and studied in Lund.",
    "Night Train": "Night Train is a 1960 thriller directed by Jon Vale, who was born in Orsk.",
    "Otto Reyes": "Otto Reyes was an actor. He was born in Tarrow in 1930.",
    "Summer palaces": "The Summer Palace near Beijing is a palace of lakes and pavilions that "
    "was rebuilt in 1888; its marble stands for rest and for wealth.",
}
QUESTION = "Where was the director of the film Night Ferry born?"
ABOUT = "What does this picture stand for?"
FIRST = "Who directed the film Night Ferry?"
SECOND = "Where was Alba Crane born?"
KEYWORDS = ["palace", "lake", "pavilion", "clear sky", "calm", "wealth", "China"]
ASKED = [
    ("What do the palace and the lake stand for?", ["palace", "lake"], 2, "search"),
    ("Which pavilions in China stand by a lake?", ["pavilion", "China"], 3, "search"),
    ("What do calm and a clear sky suggest?", ["calm", "clear sky"], 5, "knowledge"),
    ("Does a palace show wealth?", ["palace", "wealth"], 2, "knowledge"),
    ("Why is a lake calm in paintings?", ["lake", "calm"], 4, "knowledge"),
]


def main() -> None:
    """Run every planner and put its trace into the page."""
    page = PAGE.read_text("utf-8")
    photograph = Path(str(resources.files("sklearn.datasets.images").joinpath("china.jpg")))
    for name in (RULES, "cog-sequential", "cog-parallel", "one-shot", "lad", "socratic"):
        pictured = name in ("lad", "socratic")
        shown = _run(name, ABOUT if pictured else QUESTION, [photograph] if pictured else [])
        block = f"<!-- trace: {name} -->\n```\n{shown}\n```\n<!-- end -->"
        old = re.compile(rf"<!-- trace: {name} -->(?:\n```.*?<!-- end -->)?", re.DOTALL)
        page = old.sub(block.replace("\\", r"\\"), page)
    PAGE.write_text(page, "utf-8")


def _run(planner: str, question: str, pictures: Sequence[Path]) -> str:
    model = ScriptedMLLM(_said, Capabilities(structured=True, context=4096), delay=0.002)
    made, engine.answer_model = engine.answer_model, lambda _: model
    settings = Settings(models=ModelSettings(answer_model="openai:scripted"))
    if planner == RULES:
        engine.answer_model, settings = made, Settings()
    try:
        with (
            tempfile.TemporaryDirectory() as home,
            CogAgent(home=home, settings=settings) as agent,
        ):
            agent.ingest([_note(title, text) for title, text in NOTES.items()])
            answer = agent.ask(question, list(pictures), planner=planner)
            trace = agent.traces.get(answer.trace or "")
    finally:
        engine.answer_model = made
    out = io.StringIO()
    Console(file=out, width=150, highlight=False, soft_wrap=True).print(tree(trace, hits=1))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines() if line.strip())


def _note(title: str, text: str) -> Source:
    return Source(uri=f"note:{title}", data=text.encode(), media_type="text/plain", title=title)


def _said(messages: Sequence[Message], options: Options) -> str:  # noqa: ARG001
    """What the model says, by the first words of what it is told to do."""
    order, told = messages[0].text, messages[-1].text
    answer = next((say for begin, say in _SCRIPT.items() if order.startswith(begin)), None)
    if answer is None:
        raise ValueError(f"nothing is written down for: {order[:80]}")
    written = answer(told) if callable(answer) else answer
    return written if isinstance(written, str) else json.dumps(written)


def _sub_queries(told: str) -> dict[str, Any]:
    history = "".join(line for line in told.splitlines() if line.startswith("Asked before"))
    known = "Alba Crane." in history
    text, done = (SECOND, False) if known else (FIRST, False)
    if "Port Ellis" in history:
        done = True
    queries = [] if done else [{"id": "q1", "text": text, "depends_on": []}]
    why = "the director has to be known first"
    if known:
        why = "now where she was born"
    if done:
        why = "both are known"
    return {"thought": why, "sub_queries": queries, "done": done, "reason": why}


def _digest(told: str) -> str:
    asked = told.rpartition("Question: ")[2]
    if "directed" in asked:
        return "Alba Crane. The note on Night Ferry says that she directed it."
    if "born" in asked:
        return "Port Ellis. The note on Alba Crane says so."
    return "Rest and wealth. The note on summer palaces says so."


def _answer(told: str) -> str:
    numbers = {
        title: number for number, title in re.findall(r"^\[(\d+)\] (.+), page", told, re.MULTILINE)
    }
    if ABOUT in told:
        about = numbers["Summer palaces"]
        return f"The marble of the palace stands for rest and for wealth [{about}]."
    return (
        f"Alba Crane was born in Port Ellis [{numbers['Alba Crane']}]. "
        f"She directed Night Ferry [{numbers['Night Ferry']}]."
    )


def _verdict(told: str) -> dict[str, Any]:
    _, _, confidence, route = next(entry for entry in ASKED if entry[0] in told)
    return {"confidence": confidence, "route": route}


_SCRIPT: dict[str, Any] = {
    "You plan the searches": _sub_queries,
    "You choose the tool": lambda told: {
        "thought": "people and films stand in texts",
        "actions": [
            {"query_id": "all" if "Queries:" not in told else "q1", "tool": "text", "top_k": 8}
        ],
    },
    "You make the whole plan": {
        "thought": "first the director, then her birthplace",
        "sub_queries": [
            {"id": "q1", "text": FIRST, "depends_on": []},
            {"id": "q2", "text": "Where was #q1 born?", "depends_on": ["q1"]},
        ],
        "actions": [
            {"query_id": "q1", "tool": "text", "top_k": 8},
            {"query_id": "q2", "tool": "text", "top_k": 8},
        ],
        "done": False,
        "reason": "",
    },
    "Evidence was searched for": _digest,
    "You cannot see the picture": "A palace with pavilions by a calm lake under a clear sky.",
    "Draw": {"keywords": KEYWORDS},
    "Write 5 questions": {
        "questions": [{"text": text, "keywords": words} for text, words, _, _ in ASKED]
    },
    "Judge whether you know": _verdict,
    "Questions about a picture were looked up": lambda told: {
        "best": [
            {"id": key, "reason": "it says what the palace stands for"}
            for key in dict.fromkeys(re.findall(r"\b1\.\d\b", told))
        ][:3]
    },
    "Write one short passage": "A palace by a lake stands for rest and for wealth.",
    "A question is asked about a picture": {
        "questions": ["What stands by the water?", "Is the water calm?", "Are there people?",
                      "What is the sky like?"]
    },
    "Answer each question about the picture": {
        "answers": [
            {"id": str(place), "answer": text}
            for place, text in enumerate(("a palace", "yes", "not visible", "clear"), 1)
        ]
    },
    "You answer a question from": _answer,
    "You answer from what you know": "Calm is often painted as still water.",
}  # fmt: skip


if __name__ == "__main__":
    main()
