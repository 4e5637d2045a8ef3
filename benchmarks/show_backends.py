"""One question through all four backends: ``python -m benchmarks.show_backends [QUESTION...]``.

The same home, the same evidence, the same checker. What answers is the
extractive reader, and three times the packaged SmolLM2: by llama.cpp in this
process, by llama.cpp's server through the ``openai`` backend, by Transformers.
Each answers whole, streamed, and with the model's text taken in one piece, by
a model loaded anew and without a cache of answers, so that nothing is equal
for being kept. Ends with 1 if anything differs that has to be equal.

SmolLM2 is far too small to answer well; that every way leads to the same
checked answer is what is shown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from importlib import resources
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.one_model import serving, unpack
from cogagent import Answer, CogAgent
from cogagent.checking.checker import Checked, Checker, Draft
from cogagent.checking.marking import MARK
from cogagent.config import (
    AnswerSettings,
    LlamaCppSettings,
    ModelSettings,
    OpenAISettings,
    Settings,
    TransformersSettings,
)
from cogagent.demo import QUESTIONS
from cogagent.errors import ModelLoadError
from cogagent.models import factory
from cogagent.models.backends.llamacpp_load import find
from cogagent.models.mllm import DEFAULTS, MLLM, Generated, Message, Options, Piece
from cogagent.models.wrapped import Wrapped
from cogagent.types import Citation, CitationEvent, Claim, DoneEvent, Outcome, TokenEvent

DOCUMENTS = Path(__file__).parents[1] / "examples" / "documents"
PHOTOGRAPHS = Path(str(resources.files("sklearn.datasets.images")))
"""Those of the demo."""
CONTEXT = 4096
"""The same for all, since it decides how much of the evidence a model is shown."""


@dataclass(frozen=True)
class Told:
    """What has to be equal, however it was asked for."""

    text: str
    citations: tuple[Citation, ...]
    claims: tuple[Claim, ...]
    outcome: Outcome
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """One question answered by one backend.

    Attributes:
        backend: Its name.
        answer: The whole answer.
        others: What the other ways of asking gave, by their names.
        checked: What the one checker finds of the answer as it stands.
    """

    backend: str
    answer: Answer
    others: Mapping[str, Told]
    checked: Checked

    def faults(self) -> list[str]:
        """What is not as it has to be; empty if all is well."""
        whole = _told(self.answer)
        found = [
            f"{field.name} {way}: {getattr(other, field.name)!r:.300}, and "
            f"whole: {getattr(whole, field.name)!r:.300}"
            for way, other in self.others.items()
            for field in fields(Told)
            if getattr(other, field.name) != getattr(whole, field.name)
        ]
        found += self._unchecked()
        return [f"{self.backend}: {fault}" for fault in found]

    def _unchecked(self) -> Iterator[str]:
        """Where the answer is not what the checker finds of it."""
        if list(map(_place, self.checked.citations)) != list(map(_place, self.answer.citations)):
            yield "the checker finds other citations"
        if [claim.text for claim in self.checked.claims] != [
            claim.text for claim in self.answer.claims
        ]:
            yield "the checker finds other claims"
        for told, found in zip(self.answer.claims, self.checked.claims, strict=False):
            # Not the other way round: markers of nothing are objected to, and then left out.
            if told.verdict == "supported" != found.verdict:
                yield f"the checker does not find supported: {told.text}"
        texts = {piece.id: piece.text for piece in self.answer.evidence}
        for citation in self.answer.citations:
            if citation.quote not in texts.get(citation.evidence_id, ""):
                yield f"[{citation.marker}] quotes what is not there"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    parser.add_argument("--evidence", type=int, default=AnswerSettings().evidence)
    parser.add_argument("--tokens", type=int, default=128, help="of the longest answer")
    chosen = parser.parse_args()
    answers = AnswerSettings(evidence=chosen.evidence, max_tokens=chosen.tokens, cache_mb=0)
    try:
        weights = find("smollm2")
    except ModelLoadError as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        with CogAgent(home=home, settings=Settings(offline=True)) as agent:
            agent.ingest([DOCUMENTS, *PHOTOGRAPHS.glob("*.jpg")])
        with backends(weights, Path(folder), answers) as named:
            every = [
                show(name, home, settings, chosen.questions) for name, settings in named.items()
            ]
    faults = []
    for rows in zip(*every, strict=True):
        print(f"\n=== {rows[0].answer.question}")
        for row in rows:
            _print(row)
        faults += [fault for row in rows for fault in row.faults()] + unlike(rows)
    print("\n" + ("\n".join(faults) or "Whole, streamed and at once: equal everywhere."))
    sys.exit(bool(faults))


@contextmanager
def backends(
    weights: Path, folder: Path, answers: AnswerSettings
) -> Iterator[dict[str, Settings]]:
    """The settings of each backend, over one GGUF file.

    Args:
        weights: The file.
        folder: Takes what the file holds as Transformers loads it.
        answers: How a model answers.
    """
    unpacked = unpack(weights, folder / "unpacked")

    def settings(model: str, **groups: Any) -> Settings:
        return Settings(
            offline=True, models=ModelSettings(answer_model=model), answers=answers, **groups
        )

    with serving(weights, CONTEXT) as server:
        served = OpenAISettings(base_url=server.base_url, api_key=server.key, context=CONTEXT)
        # One thread: two would wait for each other where others use the machine too.
        here = LlamaCppSettings(context=CONTEXT, parallel=1, threads=1)
        yield {
            "extractive": settings("extractive"),
            "llamacpp": settings(f"llamacpp:{weights}", llamacpp=here),
            "openai": settings("openai:model", openai=served),
            "transformers": settings(
                f"transformers:{unpacked}", transformers=TransformersSettings(context=CONTEXT)
            ),
        }


def show(name: str, home: Path, settings: Settings, questions: Sequence[str]) -> list[Shown]:
    """Ask a backend everything in each way; all ways begin with a model loaded anew.

    Args:
        name: The backend's.
        home: The documents.
        settings: The backend's.
        questions: To ask.
    """
    with CogAgent(home=home, settings=settings) as agent:
        whole = [agent.ask(question) for question in questions]
    with CogAgent(home=home, settings=settings) as agent:
        others = [{"streamed": _streamed(agent, question)} for question in questions]
    if settings.models.answer_model != factory.EXTRACTIVE:
        with _taken_at_once(settings) as changed, CogAgent(home=home, settings=changed) as agent:
            for question, ways in zip(questions, others, strict=True):
                ways["at once"] = _told(agent.ask(question))
    checker = Checker(factory.minilm(settings))
    return [
        Shown(name, answer, ways, _checked(checker, answer))
        for answer, ways in zip(whole, others, strict=True)
    ]


def unlike(rows: Sequence[Shown]) -> list[str]:
    """Backends that answered from other evidence than the first."""
    found = {row.backend: [piece.model_dump() for piece in row.answer.evidence] for row in rows}
    first, *others = found
    return [
        f"{backend}: other evidence than {first}"
        for backend in others
        if found[backend] != found[first]
    ]


def at_once(name: str, settings: Settings) -> MLLM:
    """The model of that name, ``backend:model``, whose stream is its whole text in one piece."""
    return _AtOnce(factory.mllm(name, settings))


class _AtOnce(Wrapped):
    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        return await self._model.generate(messages, options)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        whole = await self.generate(messages, options)
        yield Piece(text=whole.text, whole=whole)

    async def close(self) -> None:
        await self._model.close()


@contextmanager
def _taken_at_once(settings: Settings) -> Iterator[Settings]:
    """The settings with a backend around theirs, as a package outside would add it."""
    point = EntryPoint("at-once", f"{__name__}:{at_once.__name__}", "cogagent.models")
    models = settings.models.model_copy(
        update={"answer_model": f"{point.name}:{settings.models.answer_model}"}
    )
    with mock.patch.object(factory, "entry_points", return_value=[point]):
        yield settings.model_copy(update={"models": models})


def _streamed(agent: CogAgent, question: str) -> Told:
    """What is streamed; what has no event of its own, from the last one."""
    events = list(agent.stream(question))
    done = events[-1]
    assert isinstance(done, DoneEvent), done
    text = "".join(event.text for event in events if isinstance(event, TokenEvent))
    citations = [event.citation for event in events if isinstance(event, CitationEvent)]
    return replace(_told(done.answer), text=text, citations=tuple(citations))


def _place(citation: Citation) -> Citation:
    """A citation without how near its words came, which differs where it gives them."""
    return citation.model_copy(update={"match": "exact", "score": 1.0})


def _told(answer: Answer) -> Told:
    return Told(answer.text, answer.citations, answer.claims, answer.outcome, answer.warnings)


def _checked(checker: Checker, answer: Answer) -> Checked:
    """The check of an answer by itself: its text and citations, as a reader has them."""
    text = answer.text
    for mark in MARK.values():
        text = text.replace(f" {mark}", "")
    drafts = [
        Draft(citation.marker, citation.evidence_id, citation.page, citation.quote)
        for citation in answer.citations
    ]
    return checker.check(text, answer.evidence, drafts)


def _print(row: Shown) -> None:
    answer, cost = row.answer, row.answer.usage
    print(f"--- {row.backend}: {answer.outcome}, {cost.seconds:.2f} s, {cost.tokens} tokens")
    print(f"    {answer.text}" + (f"\n    short: {answer.short}" if answer.short else ""))
    for citation in answer.citations:
        box = ", ".join(f"{value:.3f}" for value in citation.box)
        print(f"    [{citation.marker}] {citation.title}, page {citation.page}, box {box}")
    for claim in answer.claims:
        why = "".join(f"; {found.reason} {found.detail}" for found in claim.objections)
        print(f"    {claim.verdict}{why}: {claim.text}")


if __name__ == "__main__":
    main()
