"""From evidence to an answer whose every claim is quoted and cited."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cogagent.models.mllm import ModelUsage
from cogagent.reading.passage import Passage, Reading
from cogagent.reading.pictures import read_pictures
from cogagent.reading.reader import ExtractiveReader
from cogagent.types import Citation, Claim, Evidence, Outcome, first_page_box


@dataclass(frozen=True, slots=True)
class Composed:
    """The parts of an answer that come from reading."""

    outcome: Outcome
    text: str
    short: str = ""
    citations: tuple[Citation, ...] = ()
    closest: Citation | None = None
    confidence: float = 0.0
    claims: tuple[Claim, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: ModelUsage | None = None
    """What a language model that wrote it cost."""


RunBlocking = Callable[..., Awaitable[Any]]
"""Runs a blocking call on the bounded pool of threads."""


class Composer(Protocol):
    """Writes the answer from the evidence."""

    def compose(
        self,
        question: str,
        parts: Sequence[str],
        evidence: Sequence[Evidence],
        blocking: RunBlocking,
    ) -> AsyncIterator[str | Composed]:
        """The answer to ``question``: its text piece by piece, then the whole of it.

        The pieces, joined, are the whole's text.

        Args:
            question: As it was asked.
            parts: The questions in it, each answered by itself; a comparison's
                sides have been searched for but are no questions.
            evidence: Best first.
            blocking: Runs a blocking call elsewhere.
        """
        ...


def pieces(text: str) -> list[str]:
    """A text as a stream carries it: word by word, each with the space behind it."""
    return re.findall(r"\S+\s*|\s+", text)


class ExtractiveComposer:
    """Writes answers by quoting: the embedded answerer.

    Args:
        reader: Finds the sentence, row or tag that answers.
    """

    def __init__(self, reader: ExtractiveReader) -> None:
        self._reader = reader

    async def compose(
        self,
        question: str,
        parts: Sequence[str],
        evidence: Sequence[Evidence],
        blocking: RunBlocking,
    ) -> AsyncIterator[str | Composed]:
        """The answer to ``question``; see :class:`Composer`."""
        composed: Composed = await blocking(self._compose, question, parts, evidence)
        for piece in pieces(composed.text):
            yield piece
        yield composed

    def _compose(
        self, question: str, parts: Sequence[str], evidence: Sequence[Evidence]
    ) -> Composed:
        asked = [part for part in parts if part.endswith("?")]
        if len(asked) < 2:
            asked = [question]
        findings = [(part, self._find(part, evidence)) for part in asked]
        answered = [reading for _, reading in findings if reading is not None and reading.answered]
        if not answered:
            return self._abstain(evidence, findings[0][1])
        citations: list[Citation] = []
        sentences: list[str] = []
        for reading in answered:
            cited = _cite(len(citations) + 1, reading, evidence)
            place = (cited.evidence_id, cited.quote)
            known = [c for c in citations if (c.evidence_id, c.quote) == place]
            citation = known[0] if known else cited
            if not known:
                citations.append(citation)
            sentences.append(f"{' '.join(citation.quote.split())} [{citation.marker}]")
        missed = [part for part, reading in findings if reading is None or not reading.answered]
        if missed:
            sentences.append("Not found: " + " ".join(missed))
        shorts = dict.fromkeys(_short(reading, evidence) for reading in answered)
        return Composed(
            outcome="partial" if missed else "answered",
            text="\n".join(sentences),
            short="; ".join(short for short in shorts if short),
            citations=tuple(citations),
            confidence=min(reading.confidence for reading in answered),
        )

    def _find(self, question: str, evidence: Sequence[Evidence]) -> Reading | None:
        """What answers ``question``; its passage number counts in ``evidence``."""
        passages = [
            Passage(piece.text, piece.modality, piece.title, piece.score, piece.context)
            for piece in evidence
        ]
        seen = read_pictures(question, passages)
        reading = seen or self._reader.read(question, passages)
        return reading if reading.passage is not None else None

    @staticmethod
    def _abstain(evidence: Sequence[Evidence], reading: Reading | None) -> Composed:
        """Say that nothing answers, how much was read, and what came closest."""
        if reading is None:
            return Composed("abstained", "There is nothing in this collection to answer from.")
        closest = _cite(1, reading, evidence)
        documents = len({piece.document_id for piece in evidence})
        return Composed(
            outcome="abstained",
            text=(
                f"Not found: the {len(evidence)} best passages, from {documents} documents, do "
                f"not answer this. Closest: \u201c{' '.join(closest.quote.split())}\u201d "
                f"({closest.title}, page {closest.page})."
            ),
            closest=closest,
            confidence=reading.confidence,
        )


def _cite(marker: int, reading: Reading, evidence: Sequence[Evidence]) -> Citation:
    piece = _piece(reading, evidence)
    quote = piece.text[reading.start : reading.end]
    boxes = piece.locate(reading.start, reading.end)
    first = first_page_box(boxes)
    return Citation(
        marker=marker, evidence_id=piece.id, document_id=piece.document_id, uri=piece.uri,
        title=piece.title, modality=piece.modality, page=first.page, box=first.box, boxes=boxes,
        quote=quote, verified=bool(quote) and quote in piece.text,
    )  # fmt: skip


def _short(reading: Reading, evidence: Sequence[Evidence]) -> str:
    if reading.answer_start is None or reading.answer_end is None:
        return ""
    text = _piece(reading, evidence).text
    return " ".join(text[reading.answer_start : reading.answer_end].split())


def _piece(reading: Reading, evidence: Sequence[Evidence]) -> Evidence:
    if reading.passage is None:
        raise ValueError("a reading of nothing cites nothing")
    return evidence[reading.passage]
