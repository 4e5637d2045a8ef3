"""Asks a folder of documents a question and prints where the answer stands.

Run ``python examples/quickstart.py [FOLDER [QUESTION]]``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from cogagent import CogAgent

FOLDER = str(Path(__file__).parent / "documents")
QUESTION = "How much did the station spend on salaries in 2024?"


def main(folder: str = FOLDER, question: str = QUESTION) -> None:
    """Ingest the folder, ask, print the answer and its citations."""
    with TemporaryDirectory() as home, CogAgent(home=home) as agent:
        report = agent.ingest(folder)
        print(f"{report.ingested} documents, {report.pages} pages in {report.seconds:.1f} s")
        for failure in report.failed:
            print(f"could not read {failure.uri}: {failure.error}", file=sys.stderr)

        answer = agent.ask(question)
        print(f"\n{question}\n{answer.text}\n")
        for citation in answer.citations:
            box = ", ".join(f"{edge:.3f}" for edge in citation.box)
            print(f"[{citation.marker}] {citation.title}, page {citation.page}, box ({box})")
            print(f"    {citation.quote}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
