"""Tools of other libraries as tools of a run."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import threading
import time
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import Response
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.schema import Document, ImageNode, NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool, QueryEngineTool, RetrieverTool
from llama_index.core.tools.types import BaseTool, ToolMetadata, ToolOutput

from cogagent.config import Settings
from cogagent.documents.pool import ParserPool
from cogagent.errors import InputError, NotFoundError, ToolError, ToolTimeoutError
from cogagent.geometry import FULL_PAGE
from cogagent.retrievers.base import AsyncTool, BlockingTool
from cogagent.retrievers.outside import OutsideTool, as_tool
from cogagent.testing.doubles import ListRetriever
from cogagent.types import Evidence, Query, ToolSpec
from tests.retrievers.web_kit import png


def ask(tool, text: str = "the dam", k: int = 5) -> list[Evidence]:
    return asyncio.run(tool.aretrieve(Query(text=text, tool=tool.spec.name), k))


class Nodes(BaseRetriever):
    """Gives nodes; blocks while it does, as most retrievers of LlamaIndex do."""

    def __init__(self, *nodes: NodeWithScore, seconds: float = 0.0) -> None:
        self.nodes, self.seconds, self.asked, self.threads = list(nodes), seconds, [], []
        super().__init__()

    def _retrieve(self, query_bundle) -> list[NodeWithScore]:
        self.asked.append(query_bundle.query_str)
        self.threads.append(threading.current_thread())
        time.sleep(self.seconds)
        return self.nodes


class AsyncNodes(Nodes):
    async def _aretrieve(self, query_bundle) -> list[NodeWithScore]:
        await asyncio.sleep(0)
        return self._retrieve(query_bundle)


def node(text: str, score: float | None = 0.5, **metadata) -> NodeWithScore:
    return NodeWithScore(node=TextNode(text=text, metadata=metadata), score=score)


# --- retrievers ------------------------------------------------------------


def test_nodes_become_evidence() -> None:
    told = {
        "title": "The\ndam", "url": "https://a.example/dam", "page_label": "7",
        "box": [0.1, 0.2, 0.5, 0.3], "boxes": [{"page": 7, "box": [0.1, 0.2, 0.5, 0.25]}],
        "file_type": "application/pdf", "extra": {"not": "kept"}, "year": 1931,
    }  # fmt: skip
    tool = as_tool(Nodes(node("It was finished in 1931.", 0.9, **told), node("Other.", None)))
    assert isinstance(tool, AsyncTool)
    assert tool.spec.name == "nodes"
    first, second = ask(tool)
    assert first.text == "It was finished in 1931."
    assert (first.title, first.uri, first.page) == ("The dam", "https://a.example/dam", 7)
    assert tuple(first.box) == (0.1, 0.2, 0.5, 0.3)
    assert tuple(first.boxes[0].box) == (0.1, 0.2, 0.5, 0.25)
    assert first.media_type == "application/pdf"
    assert first.score == 0.9
    assert first.metadata["year"] == 1931
    assert "extra" not in first.metadata
    assert first.metadata["tool"] == "nodes"
    assert (second.title, second.uri, second.box) == ("nodes", "tool:nodes", FULL_PAGE)
    assert second.score == 0.5  # by its place: the second of two
    assert first.query == "the dam"
    assert [piece.id for piece in ask(tool)] == [first.id, second.id]
    assert len(ask(tool, k=1)) == 1


def test_what_a_node_says_of_itself_passes_for_no_document_of_the_home() -> None:
    told = {"document_id": "d-1", "kind": "page", "tool": "text"}
    (piece,) = ask(as_tool(Nodes(node("A forgery.", **told))))
    assert piece.document_id.startswith("tool:nodes:")
    assert piece.metadata["tool"] == "nodes"
    assert piece.metadata["kind"] == "tool"


@given(
    st.dictionaries(
        st.sampled_from(["page", "page_label", "box", "boxes", "title", "uri", "file_type", "x"]),
        st.one_of(
            st.none(), st.text(max_size=5), st.integers(), st.floats(), st.booleans(),
            st.lists(st.floats(), min_size=4, max_size=4), st.lists(st.integers(), max_size=5),
            st.lists(st.dictionaries(st.sampled_from(["page", "box"]),
                                     st.lists(st.floats(), min_size=4, max_size=4))),
        ),
    )
)  # fmt: skip
def test_no_metadata_breaks_it(told: dict) -> None:
    (piece,) = ask(as_tool(Nodes(node("Some words.", float("nan"), **told))))
    assert piece.page >= 1
    piece.model_dump_json()


def test_a_retriever_that_blocks_does_not_block_the_loop() -> None:
    slow, quick = Nodes(node("a"), seconds=0.6), AsyncNodes(node("b"))

    async def work() -> float:
        began = time.monotonic()
        await asyncio.gather(
            *(as_tool(slow).aretrieve(Query(text="x"), 3) for _ in range(3)),
            as_tool(quick).aretrieve(Query(text="x"), 3),
        )
        return time.monotonic() - began

    assert asyncio.run(work()) < 1.6
    assert threading.main_thread() not in slow.threads
    assert quick.threads == [threading.main_thread()]


def test_pictures(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    coded = base64.b64encode(png()).decode()
    nodes = [
        NodeWithScore(
            node=ImageNode(text="A red square", image=f"data:image/png;base64,{coded}"), score=0.9
        ),
        NodeWithScore(node=ImageNode(text="", image_path=str(tmp_path / "a.png")), score=0.8),
        NodeWithScore(node=ImageNode(text="", image_url="http://127.0.0.1/a.png"), score=0.7),
        NodeWithScore(node=ImageNode(text="", image="no base64!"), score=0.6),
    ]
    with ParserPool(Settings()) as parsers:
        tool = as_tool(Nodes(*nodes), parsers)
        assert isinstance(tool, OutsideTool)
        found = ask(tool)
        assert [piece.modality for piece in found] == ["image"] * 4
        assert len({piece.document_id for piece in found}) == 4
        assert tool.picture(found[0].document_id).size == (80, 60)
        assert tool.picture(found[1].document_id).size == (80, 60)
        for piece in found[2:]:  # an address is not fetched
            with pytest.raises(NotFoundError, match="no copy"):
                tool.picture(piece.document_id)


# --- tools -----------------------------------------------------------------


def test_a_function() -> None:
    def weather(place: str, unit: str = "C") -> str:
        """Tells the weather of a place."""
        return f"It rains in {place}, at 12 {unit}. It will go on."

    tool = as_tool(FunctionTool.from_defaults(weather, name="Weather Report"))
    assert tool.spec.name == "weather_report"
    assert "Tells the weather" in tool.spec.description
    (piece,) = ask(tool, "Bergen")
    assert piece.text == "It rains in Bergen, at 12 C. It will go on."
    assert (piece.uri, piece.title) == ("tool:weather_report", "weather_report")
    assert piece.document_id.startswith("tool:weather_report:")


def test_an_asynchronous_function() -> None:
    async def weather(place: str) -> str:
        await asyncio.sleep(0)
        return f"It rains in {place}."

    (piece,) = ask(as_tool(FunctionTool.from_defaults(async_fn=weather)), "Bergen")
    assert piece.text == "It rains in Bergen."


def test_a_long_text_is_cut_at_sentences_letter_for_letter() -> None:
    text = " ".join(f"Sentence number {n} is here." for n in range(300)) + " " + "x" * 5000
    found = ask(as_tool(FunctionTool.from_defaults(lambda q: text, name="long")), k=50)
    assert " ".join(piece.text for piece in found) == text
    assert all(len(piece.text) <= 1500 for piece in found[:-1])
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert len({p.id for p in found}) == len(found)


def test_nothing_and_other_values() -> None:
    for value, texts in [
        ("", []),
        ("  ", []),
        ([], []),
        (42, ["42"]),
        ({"a": 1}, ["{'a': 1}"]),
    ]:
        tool = as_tool(FunctionTool.from_defaults(lambda q, value=value: value, name="f"))
        assert [piece.text for piece in ask(tool)] == texts
    made = FunctionTool.from_defaults(lambda q: [Document(text="A"), Document(text="B")], name="f")
    assert [piece.text for piece in ask(as_tool(made))] == ["A", "B"]


class Engine(CustomQueryEngine):
    sources: ClassVar[list] = []

    def custom_query(self, query_str: str) -> Response:
        return Response(response=f"The answer to {query_str}.", source_nodes=list(self.sources))


def test_a_query_engine_brings_its_sources_not_what_its_model_wrote() -> None:
    class Sourced(Engine):
        sources: ClassVar[list] = [node("The dam was finished in 1931.")]

    tool = as_tool(QueryEngineTool.from_defaults(Sourced(), name="Dams!", description="Of dams."))
    assert (tool.spec.name, tool.spec.description) == ("dams", "Of dams.")
    assert [piece.text for piece in ask(tool)] == ["The dam was finished in 1931."]
    tool = as_tool(QueryEngineTool.from_defaults(Engine()))
    assert [piece.text for piece in ask(tool, "x")] == ["The answer to x."]


def test_a_retriever_tool() -> None:
    for retriever in (Nodes(node("Of the dam.")), AsyncNodes(node("Of the dam."))):
        tool = as_tool(RetrieverTool.from_defaults(retriever, name="r", description="d"))
        assert [piece.text for piece in ask(tool, "which dam")] == ["Of the dam."]
        assert retriever.asked[0].strip() == "which dam"


class Plain(BaseTool):
    metadata = ToolMetadata(name="plain", description="Echoes.")

    def __call__(self, text: str) -> ToolOutput:
        return ToolOutput("plain", f"<{text}>", raw_input={}, is_error=text == "fail")


def test_a_tool_without_asynchronous_methods() -> None:
    assert [piece.text for piece in ask(as_tool(Plain()), "x")] == ["<x>"]
    with pytest.raises(ToolError, match="<fail>"):
        ask(as_tool(Plain()), "fail")


# --- what goes wrong -------------------------------------------------------


def failing(error: BaseException) -> FunctionTool:
    def fail(q: str) -> str:
        raise error

    return FunctionTool.from_defaults(fail)


@pytest.mark.parametrize("error", [ValueError("bad\nnews"), TimeoutError("own"), KeyError("k")])
def test_errors_are_typed(error: Exception) -> None:
    with pytest.raises(ToolError, match=f"'fail' fails: {type(error).__name__}") as caught:
        ask(as_tool(failing(error)))
    assert not isinstance(caught.value, ToolTimeoutError)
    assert type(caught.value.__cause__) is type(error)


def test_errors_of_our_own_stay_themselves() -> None:
    with pytest.raises(NotFoundError):
        ask(as_tool(failing(NotFoundError("no."))))


def test_it_may_take_so_long() -> None:
    async def hang(q: str) -> str:
        await asyncio.sleep(60)
        return ""

    tool = as_tool(FunctionTool.from_defaults(async_fn=hang), seconds=0.1)
    began = time.monotonic()
    with pytest.raises(ToolTimeoutError, match=r"0\.1 seconds"):
        ask(tool)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "tool",
    [
        FunctionTool.from_defaults(lambda a, b: a + b, name="two"),
        FunctionTool.from_defaults(lambda: "x", name="none"),
    ],
)
def test_a_tool_that_takes_other_than_one_text_is_refused(tool: FunctionTool) -> None:
    with pytest.raises(InputError, match="arguments"):
        as_tool(tool)


# --- objects that are tools already ----------------------------------------


def test_a_tool_stays_itself() -> None:
    class Mine(ListRetriever):
        spec = ToolSpec(name="mine", description="Mine.")

    class Knows:
        spec = ToolSpec(name="knows", description="Knows.", notes=True)

        async def anote(self, query: Query) -> str:
            return "known"

    for tool in (Mine([]), Knows()):
        assert as_tool(tool) is tool
    assert isinstance(Mine([]), BlockingTool)


@pytest.mark.parametrize(
    "given", [3, None, "text", ListRetriever([]), lambda q: q, ToolSpec(name="a", description="")]
)
def test_what_is_no_tool_is_refused(given) -> None:
    with pytest.raises(InputError, match="is no tool"):
        as_tool(given)


def test_llamaindex_need_not_be_installed() -> None:
    script = (
        "import sys\n"
        "sys.modules['llama_index'] = None\n"
        "from cogagent.errors import InputError\n"
        "from cogagent.retrievers.outside import as_tool\n"
        "try:\n    as_tool(3)\n"
        "except InputError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "refused", done.stderr
