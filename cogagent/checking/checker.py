"""Whether an answer's sentences stand in the evidence that they cite.

The same for every answerer and every door: it sees a text with markers such
as ``[1]``, what each marker is said to cite, and the evidence. Nothing here
asks a model that writes; one batch of short texts is embedded a check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from cogagent.checking.claims import Part, Sentence, claims
from cogagent.checking.judging import Judged, judge, lacks, objections
from cogagent.checking.pieces import Piece, prepare, rarity
from cogagent.checking.quotes import Match, alone, exact, find
from cogagent.checking.weights import Weights, load
from cogagent.models.base import TextEmbedder, Vectors
from cogagent.types import (
    Citation,
    CitedPart,
    Claim,
    Evidence,
    Objection,
    PageBox,
    PartRole,
    Support,
    Verdict,
    first_page_box,
)

MOST_SENTENCES = 200
"""Sentences of an answer that are checked; those behind them count as uncited."""
_SUPPORTING = 0.6
"""Share of the best sentence's words from which on a second one is shown too."""

_QUOTED = re.compile(r"^(?P<said>\S(?:[^\n]*\S)?) \[(?P<marker>\d{1,4})\]$", re.MULTILINE)


class DraftPart(NamedTuple):
    """A cell that an answerer points at, by its characters in the evidence."""

    role: PartRole
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Draft:
    """What an answerer says that a marker cites.

    Attributes:
        marker: The number in the answer's brackets.
        evidence_id: Of the evidence; one that is not there makes an objection.
        page: The page it names; ``None`` if it names none.
        quote: The words it says stand there; empty if it gives none.
        start: The character of the evidence where they begin, where they may stand twice.
        parts: The cells of the quoted row that are meant, and what names them.
    """

    marker: int
    evidence_id: str
    page: int | None = None
    quote: str = ""
    start: int = 0
    parts: tuple[DraftPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer's claims and citations after the check.

    Attributes:
        text: The answer that was checked.
        claims: Its sentences that claim something, in order.
        citations: One for each marker of the text whose evidence is there, in order;
            each quote stands in the evidence letter for letter.
    """

    text: str
    claims: tuple[Claim, ...]
    citations: tuple[Citation, ...]

    @property
    def supported(self) -> bool:
        """Whether nothing speaks against any claim."""
        return all(claim.verdict == "supported" for claim in self.claims)


class Checker:
    """Checks answers against their evidence. Safe to use from any thread.

    Args:
        embedder: Tells how near a claim is to a sentence in meaning.
        weights: What it was fitted to; those that come with the package by default.
    """

    def __init__(self, embedder: TextEmbedder, weights: Weights | None = None) -> None:
        self._embedder = embedder
        self._weights = weights or load()

    def check(
        self, text: str, evidence: Sequence[Evidence], drafts: Iterable[Draft] | None = None
    ) -> Checked:
        """Check every sentence of an answer.

        A line that only repeats the quote of its marker needs no model: it is
        supported if whole sentences, or rows, of the evidence stand there so.

        Args:
            text: The answer, with markers such as ``[1]`` or ``[1, 3]`` behind its claims.
            evidence: All that it may cite.
            drafts: What each marker cites; marker ``n`` cites the ``n``-th evidence if ``None``.

        Raises:
            ModelError: If the embedder fails.
        """
        if drafts is None:
            drafts = [Draft(n, piece.id) for n, piece in enumerate(evidence, 1)]
        run = _Run(evidence, {draft.marker: draft for draft in drafts})
        quoted = run.quoted(text)
        sentences = claims(_without(text, quoted))[:MOST_SENTENCES]
        judged = [[run.judge(part) for part in sentence.parts] for sentence in sentences]
        wanted = list(dict.fromkeys(t for row in judged for j in row for t in j.texts()))
        vectors = self._embedder.embed(wanted) if wanted else np.zeros((0, 1), np.float32)
        known = dict(zip(wanted, vectors, strict=True))
        found = [
            run.claim(sentence, row, known, self._weights)
            for sentence, row in zip(sentences, judged, strict=True)
        ]
        found = sorted([*quoted, *found], key=lambda claim: claim.start)
        return Checked(text, tuple(found), tuple(run.citations(found)))


class _Run:
    """The evidence of one check, taken apart once."""

    def __init__(self, evidence: Sequence[Evidence], drafts: Mapping[int, Draft]) -> None:
        self.evidence = {piece.id: piece for piece in evidence}
        self.drafts = drafts
        self.quotes = {
            marker: self._find(draft)
            for marker, draft in drafts.items()
            if draft.quote and draft.evidence_id in self.evidence
        }

    @cached_property
    def pieces(self) -> dict[str, Piece]:
        """The evidence taken apart; not before a sentence has to be judged."""
        return {key: prepare(piece) for key, piece in self.evidence.items()}

    @cached_property
    def rare(self) -> Mapping[str, float]:
        """How telling each of its words is."""
        return rarity(self.pieces.values())

    def _find(self, draft: Draft) -> Match:
        text = self.evidence[draft.evidence_id].text
        found = exact(draft.quote, text, draft.start)
        return found or find(draft.quote, text, self.pieces[draft.evidence_id].folded)

    def quoted(self, text: str) -> list[Claim]:
        """The lines of an answer that only repeat the quote of the marker behind them."""
        found: list[Claim] = []
        for line in _QUOTED.finditer(text):
            marker = int(line["marker"])
            match = self.quotes.get(marker)
            if match is None or match.kind != "exact":
                continue
            piece = self.evidence[self.drafts[marker].evidence_id]
            said = " ".join(piece.text[match.start : match.end].split())
            rows = piece.modality != "text"
            if line["said"] != said or not alone(piece.text, match.start, match.end, lines=rows):
                continue
            against = tuple(self._of_citations([marker]))
            support = Support(
                marker=marker, evidence_id=piece.id, start=match.start, end=match.end, score=1.0
            )
            found.append(
                Claim(
                    text=line[0], start=line.start(), end=line.end(), markers=(marker,),
                    verdict="unsupported" if against else "supported", objections=against,
                    support=() if against else (support,),
                )
            )  # fmt: skip
        return found

    def cited(self, markers: Iterable[int]) -> list[Piece]:
        """The pieces that exist of those that markers cite."""
        ids = [self.drafts[marker].evidence_id for marker in markers if marker in self.drafts]
        return [self.pieces[key] for key in dict.fromkeys(ids) if key in self.evidence]

    def judge(self, part: Part) -> Judged:
        """A part against what it cites; one that cites nothing, against everything."""
        cited = self.cited(part.markers) or list(self.pieces.values())
        keys = {piece.evidence.id for piece in cited}
        others = [piece for key, piece in self.pieces.items() if key not in keys]
        return judge(part.text, cited, others, self.rare)

    def claim(
        self,
        sentence: Sentence,
        judged: Sequence[Judged],
        vectors: Mapping[str, Vectors],
        weights: Weights,
    ) -> Claim:
        """What has been found of a sentence."""
        against = self._of_citations(sentence.markers)
        support: list[Support] = []
        verdict: Verdict = "supported"
        suggested = None
        for part, item in zip(sentence.parts, judged, strict=True):
            spoken, score = objections(item, vectors.__getitem__, weights)
            if not part.markers:
                verdict = "uncited"
                clear = not spoken and item.spans
                suggested = item.spans[0][0].evidence.id if clear else None
                continue
            cited = self.cited(part.markers)
            if not cited:
                continue
            marker = part.markers[0] if len(part.markers) == 1 else None
            against += [o.model_copy(update={"marker": marker}) for o in spoken]
            if spoken:
                suggested = suggested or self._suggestion(item)
            else:
                support += self._support(part, item, score)
        if against:
            verdict = "unsupported"
        return Claim(
            text=sentence.text, start=sentence.start, end=sentence.end, markers=sentence.markers,
            verdict=verdict, objections=tuple(against), support=tuple(support),
            derived=tuple(how for item in judged for how in item.derived), suggested=suggested,
        )  # fmt: skip

    def _of_citations(self, markers: Iterable[int]) -> list[Objection]:
        """What speaks against the citations themselves: existence, page, quote."""
        found: list[Objection] = []
        for marker in markers:
            draft = self.drafts.get(marker)
            piece = self.evidence.get(draft.evidence_id) if draft else None
            if draft is None or piece is None:
                found.append(
                    Objection(reason="no such citation", detail=f"[{marker}]", marker=marker)
                )
                continue
            quote = self.quotes.get(marker)
            if quote is not None and quote.kind == "none":
                found.append(
                    Objection(reason="quote not there", detail=draft.quote, marker=marker)
                )
            if draft.page is not None and draft.page not in _pages(piece, quote):
                found.append(Objection(reason="wrong page", detail=str(draft.page), marker=marker))
        return found

    def _support(self, part: Part, item: Judged, score: float) -> list[Support]:
        """Where the part stands: its best sentence or row in each piece, and a near second."""
        found: list[Support] = []
        best = item.spans[0][2] if item.spans else 0.0
        for marker in part.markers:
            for piece in self.cited([marker]):
                own = [entry for entry in item.spans if entry[0] is piece]
                for place, (_, span, share) in enumerate(own):
                    if place and (share < _SUPPORTING * best or share < own[0][2] * _SUPPORTING):
                        continue
                    found.append(
                        Support(
                            marker=marker,
                            evidence_id=piece.evidence.id,
                            start=span.start,
                            end=span.end,
                            score=round(score * share / (best or 1.0), 4),
                        )
                    )
        return found

    def _suggestion(self, item: Judged) -> str | None:
        """The piece not cited that has all that the part says, and more of its words."""
        best = max((share for _, _, share in item.spans), default=0.0)
        for piece, _, share in sorted(item.elsewhere, key=lambda entry: -entry[2]):
            if share > best and not lacks(item.text, [piece]):
                return piece.evidence.id
        return None

    def citations(self, found: Sequence[Claim]) -> list[Citation]:
        """A citation for each marker used: the quote given, else what supports its claims."""
        made: list[Citation] = []
        for marker in sorted({marker for claim in found for marker in claim.markers}):
            draft = self.drafts.get(marker)
            piece = self.evidence.get(draft.evidence_id) if draft else None
            if piece is None:
                continue
            support = [s for claim in found for s in claim.support if s.marker == marker]
            cited = _citation(marker, piece, self.quotes.get(marker), support)
            made.append(_pointing(cited, piece, draft.parts) if draft and draft.parts else cited)
        return made


def _without(text: str, claims: Iterable[Claim]) -> str:
    """``text`` with blanks where ``claims`` stand, so that all else keeps its place."""
    for claim in claims:
        text = text[: claim.start] + " " * (claim.end - claim.start) + text[claim.end :]
    return text


def _citation(
    marker: int, piece: Evidence, quote: Match | None, support: Sequence[Support]
) -> Citation:
    """The place in ``piece`` that a marker stands for."""
    given = quote is not None and quote.kind != "none"
    if given and quote is not None:
        start, end = quote.start, quote.end
    elif support:
        start, end = support[0].start, support[0].end
    else:
        start = end = 0
    boxes = piece.locate(start, end) if end > start else (PageBox(page=piece.page, box=piece.box),)
    first = first_page_box(boxes)
    return Citation(
        marker=marker, evidence_id=piece.id, document_id=piece.document_id, uri=piece.uri,
        title=piece.title, modality=piece.modality, page=first.page, box=first.box, boxes=boxes,
        quote=piece.text[start:end], verified=end > start and (quote is None or given),
        match=quote.kind if quote is not None else ("exact" if end > start else "none"),
        score=quote.score if quote is not None else (support[0].score if support else 0.0),
    )  # fmt: skip


def _pointing(citation: Citation, piece: Evidence, parts: Sequence[DraftPart]) -> Citation:
    """A citation of a row that stands where the cells stand that are meant.

    What has no place of its own is no part where the piece has words on its page; without
    any place the citation stays what it was.
    """
    if len(piece.words):
        parts = [part for part in parts if piece.words.lines(part.start, part.end)]
    if not parts:
        return citation
    cited = tuple(
        CitedPart(
            role=part.role, text=piece.text[part.start : part.end], page=one.page, box=one.box
        )
        for part in parts
        for one in piece.locate(part.start, part.end)
    )
    boxes = tuple(dict.fromkeys(PageBox(page=part.page, box=part.box) for part in cited))
    first = first_page_box(boxes)
    return citation.model_copy(
        update={"parts": cited, "boxes": boxes, "page": first.page, "box": first.box}
    )


def _pages(piece: Evidence, quote: Match | None) -> set[int]:
    """The pages that a citation may name: those of its quote, if that was found."""
    if quote is not None and quote.kind != "none":
        return {entry.page for entry in piece.locate(quote.start, quote.end)}
    return {piece.page, *(entry.page for entry in piece.boxes)}
