"""Puts the documents behind a LlamaIndex query engine.

Run ``python examples/llamaindex_query_engine.py``; it needs ``cogagent[llamaindex]``.
``MockLLM`` answers by repeating its prompt, so that nothing has to be downloaded:
put your own model there. The sources are real, each with its page and rectangle.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine

from cogagent import CogAgent
from cogagent.retrievers.llamaindex import CogRetriever

FOLDER = Path(__file__).parent / "documents"
QUESTION = "What was the Secchi depth at Heron Inlet in 2024?"


def main() -> None:
    """Ingest the examples, query them, print the answer and its sources."""
    with TemporaryDirectory() as home, CogAgent(home=home) as agent:
        agent.ingest(FOLDER)
        engine = RetrieverQueryEngine.from_args(CogRetriever(agent, k=3), llm=MockLLM())
        response = engine.query(QUESTION)
        print(response)
        for source in response.source_nodes:
            place = source.metadata
            print(f"\n{source.score:.3f}  {place['title']}, page {place['page']}, {place['box']}")
            print(source.node.get_content()[:200])


if __name__ == "__main__":
    main()
