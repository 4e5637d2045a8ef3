"""One question through all four backends: the same evidence, checker and answer, however asked."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from benchmarks.show_backends import DOCUMENTS, Shown, backends, show, unlike
from cogagent import CogAgent
from cogagent.config import AnswerSettings, Settings
from cogagent.errors import ModelLoadError
from cogagent.models.backends import llamacpp_load
from tests.models.reciter import write_reciter

QUESTION = "Who founded the station?"
REPORT = "lake-station-report.pdf"
RECITED = (
    "The station was founded in 1967 by the hydrologist Edith Marrow [1]. "
    "She came from São Tomé 🙂 in 1868 [1].\n"
    "She lowered a brass thermometer on a marked rope once a week [1][9]. "
    "The station has a swimming pool."
)
MODELS = ("llamacpp", "openai", "transformers")

pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
pytest.importorskip("gguf", reason="gguf, which unpacks models for Transformers, is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with CogAgent(home=folder, settings=Settings(offline=True)) as agent:
        agent.ingest(DOCUMENTS / REPORT)
    return folder


def ask_all(weights: Path, home: Path, answers: AnswerSettings) -> dict[str, Shown]:
    """The question, asked of each backend in each way."""
    with (
        tempfile.TemporaryDirectory() as folder,
        backends(weights, Path(folder), answers) as named,
    ):
        return {
            name: show(name, home, settings, [QUESTION])[0] for name, settings in named.items()
        }


@pytest.fixture(scope="module")
def recited(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    weights = write_reciter(tmp_path_factory.mktemp("reciter") / "reciter.gguf", RECITED)
    return ask_all(weights, home, AnswerSettings(evidence=3, cache_mb=0))


def test_all_ways_lead_to_the_same_answer(recited: dict[str, Shown]) -> None:
    assert list(recited) == ["extractive", *MODELS]
    rows = list(recited.values())
    assert [fault for row in rows for fault in row.faults()] == []
    assert unlike(rows) == []
    assert [set(row.others) for row in rows] == [{"streamed"}] + [{"streamed", "at once"}] * 3


def test_the_quote_is_cited(recited: dict[str, Shown]) -> None:
    answer = recited["extractive"].answer
    assert answer.outcome == "answered"
    assert "Edith Marrow" in answer.short
    assert [claim.verdict for claim in answer.claims] == ["supported"]
    assert [(citation.page, citation.marker) for citation in answer.citations] == [(2, 1)]


@pytest.mark.parametrize("name", MODELS)
def test_what_a_model_writes_is_checked(recited: dict[str, Shown], name: str) -> None:
    answer = recited[name].answer
    assert answer.outcome == "partial"
    assert [claim.verdict for claim in answer.claims] == [
        "supported", "unsupported", "unsupported", "uncited",
    ]  # fmt: skip
    assert "São Tomé 🙂 in 1868" in answer.text
    assert "[9]" not in answer.text
    quotes = [citation.quote for citation in answer.citations]
    assert "Edith Marrow" in quotes[0]
    assert {citation.page for citation in answer.citations} == {2}


def test_one_model_writes_the_same_through_every_backend(recited: dict[str, Shown]) -> None:
    first, *others = (recited[name].answer for name in MODELS)
    for other in others:
        assert (other.text, other.citations) == (first.text, first.citations)
        assert (other.claims, other.outcome) == (first.claims, first.outcome)
        assert other.usage.model_calls == first.usage.model_calls == 1


def test_a_grown_models_answer_is_the_same_in_all_ways(home: Path) -> None:
    try:
        weights = llamacpp_load.find("smollm2")
    except ModelLoadError as error:
        pytest.skip(str(error))
    rows = list(
        ask_all(weights, home, AnswerSettings(evidence=1, max_tokens=16, cache_mb=0)).values()
    )
    assert [fault for row in rows for fault in row.faults()] == []
    assert unlike(rows) == []
    assert all(row.answer.text and row.answer.claims for row in rows)
