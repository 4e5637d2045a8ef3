"""From evidence to an answer whose every claim is quoted and cited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cogagent.reading.pictures import read_pictures
from cogagent.reading.reader import ExtractiveReader, Passage, Reading
from cogagent.types import Citation, Evidence, Outcome, first_page_box

READ = 8
"""Pieces of evidence that are read for an answer."""


@dataclass(frozen=True, slots=True)
class Composed:
    """The parts of an answer that come from reading."""

    outcome: Outcome
    text: str
    short: str = ""
    citations: tuple[Citation, ...] = ()
    closest: Citation | None = None
    confidence: float = 0.0


class Composer:
    """Writes answers by quoting: the embedded answerer.

    Args:
        reader: Finds the sentence, row or tag that answers.
    """

    def __init__(self, reader: ExtractiveReader) -> None:
        self._reader = reader

    def compose(
        self, question: str, parts: Sequence[str], evidence: Sequence[Evidence]
    ) -> Composed:
        """The answer to ``question``.

        Args:
            question: As it was asked.
            parts: The questions in it, each answered by itself; a comparison's
                sides have been searched for but are no questions.
            evidence: Best first.
        """
        asked = [part for part in parts if part.endswith("?")] if len(parts) > 1 else []
        findings = [
            (part, *self._find(part, evidence)) for part in (asked if len(asked) > 1 else [question])
        ]
        answered = [entry for entry in findings if entry[1] is not None and entry[1].answered]
        if not answered:
            return self._abstain(question, evidence, findings[0][1], findings[0][2])
        citations: list[Citation] = []
        sentences: list[str] = []
        for _, reading, read in answered:
            assert reading is not None
            piece = read[reading.passage]
            known = [entry for entry in citations if entry.quote == _quote(reading, piece)]
            citation = known[0] if known else _cite(len(citations) + 1, reading, piece)
            if not known:
                citations.append(citation)
            sentences.append(f"{' '.join(citation.quote.split())} [{citation.marker}]")
        missed = [part for part, reading, _ in findings if reading is None or not reading.answered]
        if missed:
            sentences.append("Not found: " + " ".join(missed))
        shorts = [
            short for _, reading, read in answered if (short := _short(reading, read[reading.passage]))
        ]
        return Composed(
            outcome="partial" if missed else "answered",
            text="\n".join(sentences),
            short="; ".join(dict.fromkeys(shorts)),
            citations=tuple(citations),
            confidence=min(reading.confidence for _, reading, _ in answered if reading),
        )

    def _find(
        self, question: str, evidence: Sequence[Evidence]
    ) -> tuple[Reading | None, Sequence[Evidence]]:
        """What answers ``question``, and the evidence that its passage number counts in."""
        seen = read_pictures(question, evidence)
        if seen is not None:
            return seen, evidence
        read = evidence[:READ]
        if not read:
            return None, read
        passages = [
            Passage(text=piece.text, kind=piece.modality, title=piece.title, score=piece.score)
            for piece in read
        ]
        return self._reader.read(question, passages), read

    @staticmethod
    def _abstain(
        question: str,
        evidence: Sequence[Evidence],
        reading: Reading | None,
        read: Sequence[Evidence],
    ) -> Composed:
        """Say that nothing answers, what was searched, and what came closest."""
        if reading is None or not read:
            return Composed("abstained", "There is nothing in this collection to answer from.")
        closest = _cite(1, reading, read[reading.passage])
        looked = len({piece.document_id for piece in evidence})
        return Composed(
            outcome="abstained",
            text=(
                f"Not found: the {len(evidence)} best passages of {looked} documents do not answer "
                f"this. Closest: “{' '.join(closest.quote.split())}” ({closest.title}, page "
                f"{closest.page})."
            ),
            closest=closest,
            confidence=reading.confidence,
        )


def _cite(marker: int, reading: Reading, piece: Evidence) -> Citation:
    quote = _quote(reading, piece)
    boxes = piece.locate(reading.start, reading.end)
    first = first_page_box(boxes)
    return Citation(
        marker=marker, evidence_id=piece.id, document_id=piece.document_id, uri=piece.uri,
        title=piece.title, modality=piece.modality, page=first.page, box=first.box, boxes=boxes,
        quote=quote, verified=bool(quote) and quote in piece.text,
    )  # fmt: skip


def _quote(reading: Reading, piece: Evidence) -> str:
    return piece.text[reading.start : reading.end]


def _short(reading: Reading | None, piece: Evidence) -> str:
    if reading is None or reading.answer_start is None or reading.answer_end is None:
        return ""
    return " ".join(piece.text[reading.answer_start : reading.answer_end].split())
