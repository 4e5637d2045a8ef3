"""No connection leaves this machine: watched from below, by an audit hook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cogagent import CogAgent
from cogagent.config import load_settings
from cogagent.errors import OfflineError
from tests.test_agent import write_pdf, write_picture

SCRIPT = """
import sys
reached = []

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        reached.append((event, arguments[-1] if event != "socket.getaddrinfo" else arguments[0]))

sys.addaudithook(watch)
from cogagent import CogAgent
with CogAgent(home=sys.argv[1]) as agent:
    report = agent.ingest(sys.argv[2])
    assert report.ingested == 2, report
    assert agent.ask("Who finished Kestrel Dam?").citations
    assert agent.search("red", modality="image")
print(reached)
"""


def test_nothing_is_fetched_from_ingest_to_answer(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    write_pdf(folder / "dam.pdf")
    write_picture(folder / "red.png")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "kb"), str(folder)],
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("which", ["text_embedder", "image_embedder"])
def test_a_model_of_a_hub_is_refused_when_offline(tmp_path: Path, which: str) -> None:
    settings = load_settings(offline=True, models={which: "somebody/some-model"})
    with pytest.raises(OfflineError, match="some-model"):
        CogAgent(home=tmp_path / "kb", settings=settings)
