"""Questions about charts: ``python -m benchmarks.bench_charts [--all | --rest] [--eye DIR]``.

ChartQA-M's charts are ingested once (``--home`` keeps the home). Each question is asked
of its own chart, then of all charts; the answer is ``Answer.short``, the measure is
relaxed accuracy. ``--rest`` asks the questions outside the 300 that are quoted: those
are for development. ``--eye`` draws the answers of a fixed sample for people to look at.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common import data, distinct, interval, lines, mean, percentile, report
from cogagent import Answer, CogAgent
from cogagent.geometry import FULL_PAGE
from cogagent.models.factory import minilm
from cogagent.pipelines.charted import charted
from cogagent.pipelines.metrics import relaxed
from cogagent.reading.grids.answerer import GridAnswerer
from cogagent.reading.grids.tables import table_grid
from cogagent.types import Raster
from cogagent.vision.charts.chart import read_chart

EYED = 50


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", default=None)
    parser.add_argument("--all", action="store_true", help="all 633 questions")
    parser.add_argument("--rest", action="store_true", help="those that are not quoted")
    parser.add_argument("--eye", type=Path, help="draw a sample of the answers into this folder")
    parser.add_argument("--show", action="store_true", help="print every question")
    parser.add_argument("--alone", action="store_true", help="only of its own chart")
    chosen = parser.parse_args()
    rows = questions(everything=chosen.all, rest=chosen.rest)
    files = sorted(data("chartqa_m", "dev", "images").iterdir())
    with CogAgent(home=chosen.home or tempfile.mkdtemp()) as agent:
        made = agent.ingest(files)
        print(f"{made.ingested} charts ingested in {made.seconds:.0f} s, {made.skipped} before")
        own = [ask(agent, row, alone=True) for row in rows]
        told("given the chart", rows, own, show=chosen.show)
        if not chosen.alone:
            told("found among all", rows, [ask(agent, row, alone=False) for row in rows])
            found(agent, rows)
        speed(agent, rows)
        if chosen.eye:
            eye(agent, rows, [answer for answer, _ in own], chosen.eye)


def questions(*, everything: bool = False, rest: bool = False) -> list[dict[str, Any]]:
    """The questions to ask, each with the ``file`` of its chart."""
    quoted = lines("chartqa_m", "dev", "subset300.jsonl")
    ids = {row["id"] for row in quoted}
    whole = lines("chartqa_m", "dev", "qa.jsonl")
    rows = whole if everything else [row for row in whole if row["id"] not in ids]
    chosen = rows if everything or rest else quoted
    return [row | {"file": data("chartqa_m", "dev", row["image"])} for row in chosen]


def ask(agent: CogAgent, row: dict[str, Any], *, alone: bool) -> tuple[Answer, float]:
    """An answer and the milliseconds that it took."""
    began = time.perf_counter()
    filters = {"uri": str(row["file"].absolute())} if alone else None
    answer = agent.ask(row["question"], filters=filters)
    return answer, 1000 * (time.perf_counter() - began)


def told(
    name: str,
    rows: Sequence[dict[str, Any]],
    asked: Sequence[tuple[Answer, float]],
    *,
    show: bool = False,
) -> None:
    """Print how many answers are right, wrong and declined."""
    right = [
        float(relaxed(answer.short, row["answer"]))
        for row, (answer, _) in zip(rows, asked, strict=True)
    ]
    declined = [answer.outcome == "abstained" for answer, _ in asked]
    low, high = interval(right)
    times = [took for _, took in asked]
    offered = [value for value, none in zip(right, declined, strict=True) if not none]
    report(
        f"chartqa_m dev, {len(rows)} questions, {name}",
        {
            "relaxed accuracy": mean(right),
            "95 %": f"[{low:.3f}, {high:.3f}]",
            "declined": mean(map(float, declined)),
            "of those answered": mean(offered),
            "p50 ms": f"{percentile(times, 0.5):.0f}",
            "p95 ms": f"{percentile(times, 0.95):.0f}",
        },
    )
    for row, (answer, _), is_right in zip(rows, asked, right, strict=True) if show else ():
        mark = "+" if is_right else "-" if answer.outcome == "abstained" else "x"
        print(mark, row["image"], row["question"], "|", row["answer"], "|", answer.short)


def found(agent: CogAgent, rows: Sequence[dict[str, Any]]) -> None:
    """Print how often a chart is found by its question: what bounds an answer without it."""
    places = []
    for row in rows:
        ranking = distinct(
            piece.uri for piece in agent.search(row["question"], k=10, modality="image")
        )
        uri = str(row["file"].absolute())
        places.append(ranking.index(uri) if uri in ranking else 99)
    report(
        f"chartqa_m dev, {len(rows)} questions, search among all charts",
        {f"R@{k}": mean(float(place < k) for place in places) for k in (1, 3, 10)},
    )


def speed(agent: CogAgent, rows: Sequence[dict[str, Any]]) -> None:
    """Print what a chart costs behind the reading of its words."""
    answerer = GridAnswerer(minilm(agent.settings))
    times: dict[str, list[float]] = {"words": [], "chart": [], "answer": []}
    kinds: Counter[str] = Counter()
    for row in rows[:100]:
        raster = Raster(np.asarray(Image.open(row["file"]).convert("RGB")))
        marks = [time.perf_counter()]
        reading = agent._engine.eyes.read(raster)
        marks.append(time.perf_counter())
        grid = read_chart(raster, reading.text, reading.words)
        marks.append(time.perf_counter())
        kinds[grid.kind if grid is not None else "none"] += 1
        if grid is not None:
            text, words = charted(grid, FULL_PAGE, 1)
            table = table_grid(text, "", words, charted=True)
            if table is not None:
                answerer.answer(row["question"], table)
        marks.append(time.perf_counter())
        for name, took in zip(times, np.diff(marks), strict=True):
            times[name].append(1000 * float(took))
    report(
        f"{len(times['chart'])} charts, ms (p50 / p95)",
        {
            name: f"{percentile(took, 0.5):.0f} / {percentile(took, 0.95):.0f}"
            for name, took in times.items()
        }
        | {"kinds": str(dict(kinds))},
    )


def eye(
    agent: CogAgent, rows: Sequence[dict[str, Any]], answers: Sequence[Answer], folder: Path
) -> None:
    """Draw the answers of a sample, each with its boxes, question and answer in the name."""
    folder.mkdir(parents=True, exist_ok=True)
    cited = [n for n, answer in enumerate(answers) if answer.citations]
    for place in random.Random(6).sample(cited, min(EYED, len(cited))):
        answer = answers[place]
        agent.draw(answer.citations[0]).save(folder / f"{place:03}.png")
        shown = [f"{part.role} {part.text!r}" for part in answer.citations[0].parts]
        print(f"{place:03}", rows[place]["question"], "|", answer.short, "|", "; ".join(shown))


if __name__ == "__main__":
    main()
