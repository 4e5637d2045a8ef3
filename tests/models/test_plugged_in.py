"""Other embedders in the whole program: a home refuses them, is reindexed, and works."""

from __future__ import annotations

from pathlib import Path

import pytest

from cogagent import CogAgent
from cogagent.config import Settings, load_settings
from cogagent.errors import EmbedderMismatchError
from tests.test_agent import LINES, write_pdf, write_picture


@pytest.fixture
def other(tiny_bert: Path, tiny_clip: Path) -> Settings:
    return load_settings(
        offline=True, models={"text_embedder": str(tiny_bert), "image_embedder": str(tiny_clip)}
    )


def test_a_home_is_refused_reindexed_and_searched(tmp_path: Path, other: Settings) -> None:
    folder, home = tmp_path / "documents", tmp_path / "kb"
    folder.mkdir()
    write_pdf(folder / "dam.pdf")
    write_picture(folder / "red.png")
    with CogAgent(home=home) as agent:
        agent.ingest(folder)
    with pytest.raises(EmbedderMismatchError, match="reindex"):
        CogAgent(home=home, settings=other)
    with CogAgent(home=home, settings=other, adopt=True) as agent:
        report = agent.reindex()
        assert (report.images, report.failed) == (1, ())
        assert report.chunks == 2
        # Words are found whatever the vectors are worth.
        assert agent.ask("Who finished Kestrel Dam?").text == f"{LINES[0]} [1]"
        assert agent.search(image=folder / "red.png")[0].title == "red"
    with CogAgent(home=home, settings=other) as agent:
        assert agent.ingest(folder).skipped == 2
    with pytest.raises(EmbedderMismatchError):
        CogAgent(home=home)


def test_a_picture_whose_original_is_gone_is_reported(tmp_path: Path, other: Settings) -> None:
    home = tmp_path / "kb"
    settings = load_settings(parse={"keep_originals": False})
    with CogAgent(home=home, settings=settings) as agent:
        agent.ingest(write_picture(tmp_path / "red.png"))
    with CogAgent(home=home, settings=other, adopt=True) as agent:
        report = agent.reindex()
        assert [failure.code for failure in report.failed] == ["not_found"]
        assert agent.search("red", modality="image")[0].title == "red"
        assert agent.search(image=tmp_path / "red.png") == []
