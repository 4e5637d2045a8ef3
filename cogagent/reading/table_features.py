"""Numbers that tell the table row that answers from another, and whether it answers at all."""

from __future__ import annotations

import itertools
import math

import numpy as np

from cogagent.reading.candidates import Candidate, RowView
from cogagent.reading.evidence import Evidence, overlapping, unit
from cogagent.reading.passage import FloatArray
from cogagent.reading.question import AnswerType, words
from cogagent.reading.values import conflict, fits, found_in, kind, periods

ROW = (
    "similarity",  # label and headings, pooled, against the whole question
    "alignment",  # each term's best token in them
    "alignment_above",  # the same, in them or what stands above the table
    "coverage",  # terms found as words in label, headings or what stands above
    "coverage_row",  # terms found as words in label and headings alone
    "pairs",  # neighbouring terms that are neighbours in the label
    "label_asked",  # share of the label's words that the question holds
    "label_whole",  # all of them
    "label_alike",  # the label's tokens, each against its best question token
    "label_total",  # "total" is in one of label and question only
    "section_asked",  # share of the words of the section that the question holds
    "section_other",  # the section has none of them
    "period_other",  # other years, quarters, months or days than those asked for
    "period_found",  # the same ones
    "column_named",  # the question names the column
    "column_open",  # it names none, or several
    "column_only",  # there is one only
    "typed",  # the cell is of the kind asked for
    "winner",  # a comparison chose it, or another row
    "given",  # a value of the row stands in the question
    "lag",  # how far the passage's retrieval score lies behind the best
    "row",  # it is a row at all
)
TABLE_DECISION = (
    *ROW[:-1],
    "coverage_passage",  # terms found as words anywhere in the table or above it
    "strong_missing",  # names and numbers of the question found nowhere there
    "alignment_passage",
    "alignment_worst",  # the term that nothing in the table or above it comes near
    "lead",  # how far it stands out from the other rows
    "lead_passages",  # how far it stands out from the best of the other passages
)
_LEAD = 5.0
_NEUTRAL = 0.5
_LIGHT = 0.1


def row_features(evidence: Evidence) -> FloatArray:
    """Return one row of features (``ROW``) for each candidate; zeros for a sentence."""
    rows = np.zeros((len(evidence.candidates), len(ROW)), dtype=np.float32)
    top = max((passage.score for passage in evidence.passages), default=0.0)
    title_best = evidence.title_similarity @ evidence.pooling.T
    for place, candidate in enumerate(evidence.candidates):
        if candidate.view is not None:
            rows[place] = _features(evidence, candidate, candidate.view, title_best, top)
    return rows


def _features(
    evidence: Evidence, candidate: Candidate, view: RowView, title_best: FloatArray, top: float
) -> tuple[float, ...]:
    weights, choice, asked = _weights(evidence), view.choice, evidence.wish
    own = np.zeros(len(evidence.stems), dtype=np.float32)
    pooled = alike = 0.0
    if candidate.similarity.size:
        own = candidate.similarity.max(axis=1) @ evidence.pooling.T
        pooled = float(unit(candidate.states.mean(axis=0)) @ evidence.vector)
        label_tokens = overlapping(candidate.offsets, *view.label)
        terms = evidence.pooling.sum(axis=0) > 0
        if len(label_tokens) and terms.any():
            alike = float(candidate.similarity[np.ix_(terms, label_tokens)].max(axis=0).mean())
    shown = {word.stem for word in words(view.text)}
    label = [w.stem for w in words(view.row.label) if w.content and len(w.stem) > 1]
    rest = label
    if asked.periods and found_in(asked.periods, periods(view.row.label)):
        rest = [stem for stem in label if not (periods(stem.title()) or stem.isdigit())]
        alike = alike if rest else 1.0
    shared = sum(stem in asked.asked for stem in rest) / len(rest) if rest else float(bool(label))
    section = {w.stem for w in words(view.row.section) if w.content}
    section_shared = len(section & asked.asked) / len(section) if section else 0.0
    following = set(itertools.pairwise(label))
    terms_in_order = [term.stem for term in evidence.question.terms]
    pairs = list(itertools.pairwise(terms_in_order))
    by_label = choice.part == "label"
    named: dict[str, frozenset[int]] = {}
    if asked.periods:  # what the row and its column say goes before what stands above all
        above = f"{view.table.path}\n{view.table.caption}\n{view.table.corner}"
        named = {**periods(above), **periods(view.text)}
    other = choice.other or conflict(asked.periods, named)
    total = "total" in label
    several = choice.column is None and len(view.row.filled()) > 0
    lag = evidence.passages[candidate.passage].score - top
    return (
        pooled,
        float(weights @ own),
        float(weights @ np.maximum(own, title_best[candidate.passage])),
        _share(evidence, candidate.context | shown),
        _share(evidence, frozenset(shown)),
        sum(pair in following for pair in pairs) / max(1, len(pairs)),
        _NEUTRAL if by_label else shared,
        _NEUTRAL if by_label else float(bool(label) and shared == 1),
        _NEUTRAL if by_label else alike,
        float(not by_label and total != ("total" in asked.asked)),
        section_shared,
        float(bool(section) and not section_shared),
        float(other),
        float(bool(asked.periods) and found_in(asked.periods, named)),
        min(choice.named, _LEAD) / _LEAD,
        float(several),
        float(len(view.row.filled()) == 1),
        _typed(evidence, candidate, view),
        float(choice.winner),
        float(choice.given),
        max(-1.0, lag),
        1.0,
    )


def _typed(evidence: Evidence, candidate: Candidate, view: RowView) -> float:
    if view.choice.column is None or view.choice.part != "value":
        return 0.0
    text = evidence.passages[candidate.passage].text
    column = view.choice.column
    held = kind(text[slice(*view.row.cells[column])], view.row.columns[column])
    if held == "empty":
        return -1.0
    if evidence.wish.expected is AnswerType.PHRASE:
        return 0.0
    return fits(evidence.wish.expected, held)


def table_decision_features(
    evidence: Evidence, rows: FloatArray, scores: FloatArray
) -> FloatArray:
    """Return what the decision to answer with a row looks at (``TABLE_DECISION``), as one row.

    Args:
        evidence: The evidence.
        rows: Rows of ``row_features``.
        scores: Ranking scores of the same candidates; the best is a row.
    """
    place = int(np.argmax(scores))
    passage = evidence.candidates[place].passage
    best_row = best_passage = -math.inf
    for number, (candidate, score) in enumerate(
        zip(evidence.candidates, scores.tolist(), strict=True)
    ):
        if number != place:
            best_row = max(best_row, score)
            if candidate.passage != passage:
                best_passage = max(best_passage, score)
    text = evidence.passages[passage].text
    held = evidence.passage_stems[passage]
    strong = {term.stem for term in evidence.question.terms if term.strong} - evidence.wish.light
    reached = [
        evidence.candidates[n].similarity.max(axis=1)
        for n in range(len(evidence.candidates))
        if evidence.candidates[n].passage == passage and evidence.candidates[n].similarity.size
    ]
    best = np.max([*reached, evidence.title_similarity[passage]], axis=0) @ evidence.pooling.T
    heavy = [n for n, stem in enumerate(evidence.stems) if stem not in evidence.wish.light]
    score = float(scores[place])
    extra = (
        _share(evidence, held),
        len(strong - held) / len(strong) if strong and text else 0.0,
        float(_weights(evidence) @ best),
        float(best[heavy].min()) if heavy else 1.0,
        min(_LEAD, score - best_row) / _LEAD,
        min(_LEAD, score - best_passage) / _LEAD,
    )
    return np.array([*rows[place][:-1], *extra], dtype=np.float32)


def _weights(evidence: Evidence) -> FloatArray:
    """Weights of the stems, less those that a table need not hold."""
    light = np.array([stem in evidence.wish.light for stem in evidence.stems], dtype=bool)
    weights = np.where(light, _LIGHT * evidence.weights, evidence.weights)
    return np.asarray(weights / (weights.sum() or 1.0), dtype=np.float32)


def _share(evidence: Evidence, stems: frozenset[str]) -> float:
    weighed: list[float] = _weights(evidence).tolist()
    return sum(
        weight for stem, weight in zip(evidence.stems, weighed, strict=True) if stem in stems
    )
