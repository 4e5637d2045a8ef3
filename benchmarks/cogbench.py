"""The planning benchmark: ``python -m benchmarks.cogbench [--home DIR] [-o DIR]``.

Built from the data, in the form that CogBench has (question, picture, steps with
rewrite and tool, answer, claims): the set that a question comes from is its true tool,
all sets are in one collection of texts, charts, photographs and PDF pages, and small
talk and sums need no tool. Two halves, split by a hash of the id: what was fitted or
written by looking at questions was so on ``building`` alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from benchmarks.common import data, lines, qrels
from benchmarks.needless import arithmetic, small_talk
from cogagent.pipelines.eval_items import EvalItem, EvalStep
from cogagent.types import Source

COLLECTION = "mixed"
TEXTS = ("hotpot100", "squad_xquad_en", "twowiki_retrieval")
PICTURES = ("flickr8k_1k", "opencqa", "chartqa_m")
CAPTIONS = 1
"""Of the five captions of a photograph, by the hash of its name."""
NEEDLESS = 300
"""Small talk and sums, each."""
PAIRS = 100
"""Questions joined of one for texts and one for charts."""
Half = Literal["building", "evaluation"]


def half(key: str) -> Half:
    """Which half a question is of."""
    return "evaluation" if hashlib.sha256(key.encode()).digest()[0] & 1 else "building"


def home(folder: Path) -> Path:
    """A home that has everything in one collection; made once, then kept.

    Args:
        folder: The home's directory.
    """
    done = folder / "cogbench.done"
    if not done.exists():
        from cogagent import CogAgent

        with CogAgent(home=folder) as agent:
            for name in TEXTS:
                agent.ingest(list(passages(name)), COLLECTION)
            agent.ingest([data(name, "dev", "images").resolve() for name in PICTURES], COLLECTION)
            agent.ingest(sorted(data("aragog").resolve().glob("**/*.pdf")), COLLECTION)
        done.touch()
    return folder


def passages(name: str) -> Iterator[Source]:
    """The texts of a set, each a document whose uri is the set's name and its id."""
    for row in lines(name, "corpus.jsonl"):
        yield Source(
            uri=f"{name}:{row['_id']}",
            data=row["text"].encode(),
            media_type="text/plain",
            title=row.get("title") or row["_id"],
        )


def items(wanted: Half | None = None) -> list[EvalItem]:
    """All items, or those of a half, in a fixed order."""
    made = [*hotpot(), *twowiki(), *squad(), *charts(), *opencqa(), *photographs(), *needless()]
    made += pairs(made)
    return [item for item in made if wanted is None or item.metadata["half"] == wanted]


def hotpot() -> Iterator[EvalItem]:
    """Two-hop questions; a step for each gold paragraph, in the order of their facts."""
    titles = {row["_id"]: row["title"] for row in lines("hotpot100", "corpus.jsonl")}
    for row in lines("hotpot100", "dev", "qa.jsonl"):
        ordered = list(dict.fromkeys(key for key, _ in row["supporting_facts"]))
        steps = [_step(titles[key], "text", f"hotpot100:{key}") for key in ordered]
        yield _item("hotpot100", row["id"], row["question"], steps, row["answer"], kind="chain")


def twowiki() -> Iterator[EvalItem]:
    """Questions over two to four passages; a step for each."""
    titles = {row["_id"]: row["title"] for row in lines("twowiki_retrieval", "corpus.jsonl")}
    relevant = qrels("twowiki_retrieval", "dev", "qrels.tsv")
    for row in lines("twowiki_retrieval", "dev", "queries.jsonl"):
        place = {title: number for number, title in enumerate(row["gold_titles"])}
        keys = sorted(relevant[row["_id"]], key=lambda key: place.get(titles[key], len(place)))
        steps = [_step(titles[key], "text", f"twowiki_retrieval:{key}") for key in keys]
        yield _item("twowiki_retrieval", row["_id"], row["text"], steps, kind="chain")


def squad() -> Iterator[EvalItem]:
    """Questions that one paragraph answers."""
    for row in lines("squad_xquad_en", "dev", "qa.jsonl"):
        step = _step(row["question"], "text", f"squad_xquad_en:{row['doc']}")
        yield _item("squad_xquad_en", row["id"], row["question"], [step], row["answers"][0])


def charts() -> Iterator[EvalItem]:
    """Short questions about charts."""
    alike = _copies("chartqa_m")
    for row in lines("chartqa_m", "dev", "qa.jsonl"):
        step = _step(row["question"], "image", *alike[Path(row["image"]).name])
        yield _item("chartqa_m", row["id"], row["question"], [step], row["answer"])


def opencqa() -> Iterator[EvalItem]:
    """Open questions about charts; the answer's sentences are its claims."""
    alike = _copies("opencqa")
    for row in lines("opencqa", "dev", "qa.jsonl"):
        step = _step(row["question"], "image", *alike[Path(row["image"]).name])
        yield _item("opencqa", row["id"], row["question"], [step], row["answer"])


def photographs() -> Iterator[EvalItem]:
    """Captions, as they are: statements of what a photograph shows."""
    alike = _copies("flickr8k_1k")
    for row in lines("flickr8k_1k", "dev", "captions.jsonl"):
        name = Path(row["image"]).name
        first = hashlib.sha256(name.encode()).digest()[1] % len(row["captions"])
        for number in range(first, first + CAPTIONS):
            caption = row["captions"][number % len(row["captions"])]
            step = _step(caption, "image", *alike[name])
            yield _item("flickr8k_1k", f"{name}#{number}", caption, [step], split_by=name)


def needless() -> Iterator[EvalItem]:
    """Small talk and sums."""
    for name, made in (("small_talk", small_talk(NEEDLESS)), ("arithmetic", arithmetic(NEEDLESS))):
        for number, row in enumerate(made):
            step = _step(row.question, "none")
            yield _item(name, str(number), row.question, [step], row.answer, split_by=row.core)


def pairs(made: Iterable[EvalItem]) -> Iterator[EvalItem]:
    """Questions that ask two things, one of a text and one of a chart, of the same half."""
    by_set: dict[tuple[str, Any], list[EvalItem]] = {}
    for item in made:
        by_set.setdefault((str(item.metadata["set"]), item.metadata["half"]), []).append(item)
    for which in ("building", "evaluation"):
        texts = sorted(by_set["squad_xquad_en", which], key=_drawn)
        pictures = sorted(by_set["chartqa_m", which], key=_drawn)
        for first, second in list(zip(texts, pictures, strict=False))[: PAIRS // 2]:
            asked = f"{first.question.rstrip(' ?')}, and {_lowered(second.question)}"
            yield EvalItem(
                id=f"pair:{first.id}+{second.id}",
                question=asked,
                steps=(*first.steps, *second.steps),
                claims=(*first.claims, *second.claims),
                metadata={"set": "pairs", "half": which, "kind": "two tools"},
            )


def write(wanted: Half | None, path: Path) -> int:
    """The items as JSON Lines; how many."""
    made = items(wanted)
    with path.open("w", encoding="utf-8") as file:
        for item in made:
            file.write(json.dumps(item.model_dump(mode="json"), ensure_ascii=False) + "\n")
    return len(made)


def _step(rewrite: str, tool: str, *gold: str) -> EvalStep:
    return EvalStep.model_validate({"rewrite": rewrite, "tool": tool, "gold": gold})


def _item(
    name: str,
    key: str,
    question: str,
    steps: list[EvalStep],
    answer: str = "",
    *,
    split_by: str = "",
    kind: str = "one step",
) -> EvalItem:
    """An item of a set; a sentence of the answer is a claim."""
    which = half(f"{name}:{split_by or key}")
    return EvalItem(
        id=f"{name}:{key}",
        question=question,
        steps=tuple(steps),
        answer=answer,
        claims=(answer,) if answer else (),
        metadata={"set": name, "half": which, "kind": kind},
    )


def _copies(name: str) -> dict[str, list[str]]:
    """The uris of all pictures of a set that have the same bytes, by file name."""
    files = sorted(data(name, "dev", "images").resolve().iterdir())
    content = {file: hashlib.sha256(file.read_bytes()).digest() for file in files}
    same: dict[bytes, list[str]] = {}
    for file, digest in content.items():
        same.setdefault(digest, []).append(str(file))
    return {file.name: same[digest] for file, digest in content.items()}


def _drawn(item: EvalItem) -> bytes:
    return hashlib.sha256(f"pair:{item.id}".encode()).digest()


def _lowered(question: str) -> str:
    """A question that goes on: its question word without a capital."""
    return question[:1].lower() + question[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, help="make a home of the documents here")
    parser.add_argument("-o", "--out", type=Path, help="write the items of both halves here")
    said = parser.parse_args()
    if said.home is not None:
        home(said.home)
    if said.out is not None:
        said.out.mkdir(parents=True, exist_ok=True)
        for which in ("building", "evaluation"):
            print(which, write(which, said.out / f"{which}.jsonl"))


if __name__ == "__main__":
    main()
