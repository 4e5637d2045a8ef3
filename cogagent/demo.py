"""``cogagent demo``: the examples ingested, three questions asked, their evidence shown."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from cogagent.agent import CogAgent
from cogagent.errors import InputError, MissingPackageError

QUESTIONS = (
    "Who founded the station?",
    "How much did the station spend on salaries in 2024?",
    "Which picture shows a palace?",
)
"""One over text, one over a table, one over a photograph."""


def run(agent: CogAgent, examples: Path, out: Path, say: Callable[[str], None]) -> None:
    """Ingest, ask, and write the cited crops and pages.

    Args:
        agent: Over any home.
        examples: The folder of example documents.
        out: Where the pictures are written; made if missing.
        say: Prints a line.

    Raises:
        InputError: If the examples are not there.
        MissingPackageError: If scikit-learn, whose photographs are used, is not installed.
    """
    folder = examples / "documents"
    if not folder.is_dir():
        raise InputError(
            f"there are no examples in {examples.absolute()}.",
            remedy="Run the demo in a clone of the repository, or name the folder: --examples.",
        )
    report = agent.ingest([folder, *_photographs()])
    say(
        f"Read {report.ingested} documents ({report.pages} pages) in {report.seconds:.1f} s; "
        f"{report.skipped} were there already."
    )
    out.mkdir(parents=True, exist_ok=True)
    for number, question in enumerate(QUESTIONS, 1):
        answer = agent.ask(question)
        say(f"\n{number}. {question}")
        say(f"   {answer.short or answer.outcome}")
        for line in answer.text.splitlines():
            say(f"   {line}")
        for citation in answer.citations:
            crop, page = out / f"answer-{number}-crop.png", out / f"answer-{number}-page.png"
            agent.crop(citation).save(crop)
            agent.draw(citation).save(page)
            box = ", ".join(f"{value:.3f}" for value in citation.box)
            say(f"   [{citation.marker}] {citation.title}, page {citation.page}, box {box}")
            say(f"       cut out: {crop}; on its page: {page}")
    say(f"\nTo ask more of them in a browser: cogagent --home {agent.home} serve")


def _photographs() -> list[Path]:
    try:
        folder = resources.files("sklearn.datasets.images")
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "scikit-learn, whose two sample photographs the demo uses, is not installed.",
            remedy="Run: pip install scikit-learn.",
        ) from error
    return sorted(Path(str(item)) for item in folder.iterdir() if item.name.endswith(".jpg"))
