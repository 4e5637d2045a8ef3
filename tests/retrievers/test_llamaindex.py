from __future__ import annotations

import base64
from pathlib import Path

import pytest
from llama_index.core import Settings
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import ImageNode

from cogagent import CogAgent
from cogagent.retrievers.llamaindex import CogRetriever
from tests.test_agent import LINES, write_pdf, write_picture


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("documents")
    write_pdf(folder / "dam.pdf")
    write_picture(folder / "red.png")
    with CogAgent(home=tmp_path_factory.mktemp("home") / "kb") as agent:
        agent.ingest(folder)
        yield agent


def test_nodes_carry_page_and_boxes(agent: CogAgent) -> None:
    (first, *_) = CogRetriever(agent, k=3, modality="text").retrieve("Who finished the dam?")
    assert LINES[0] in first.node.get_content()
    assert first.node.metadata["page"] == 1
    assert len(first.node.metadata["box"]) == 4
    assert first.node.metadata["boxes"][0]["page"] == 1
    assert 0 < first.score <= 1


def test_pictures_come_with_their_pixels(agent: CogAgent) -> None:
    (first,) = CogRetriever(agent, k=1, modality="image").retrieve("red")
    assert isinstance(first.node, ImageNode)
    assert base64.b64decode(first.node.image).startswith(b"\x89PNG")


def test_its_query_engine_runs_over_it(agent: CogAgent) -> None:
    Settings.llm = MockLLM()
    engine = RetrieverQueryEngine.from_args(CogRetriever(agent, k=2, modality="text"))
    response = engine.query("Who finished the dam?")
    assert LINES[0] in str(response)
    assert response.source_nodes[0].node.metadata["title"] == "Kestrel Dam"


def test_it_retrieves_asynchronously(agent: CogAgent) -> None:
    import asyncio

    nodes = asyncio.run(CogRetriever(agent, k=1).aretrieve("dam"))
    assert nodes[0].node.metadata["title"] == "Kestrel Dam"
