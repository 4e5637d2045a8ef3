"""Answers a question over a chart or table by pointing at its labels and values."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cogagent.grid import Grid
from cogagent.reading.grids.asking import Asked, asked_of
from cogagent.reading.grids.counting import count, trend, whether
from cogagent.reading.grids.drafts import Draft, Operation, Pointed, View, once
from cogagent.reading.grids.excluding import denies, excluded, excludes
from cogagent.reading.grids.labels import fold
from cogagent.reading.grids.picking import at_value, at_words, beyond, extreme, in_label
from cogagent.reading.grids.reading import Target, target_of
from cogagent.reading.grids.reckoning import reckon
from cogagent.reading.grids.saying import label_list, listed, lookup
from cogagent.reading.passage import Encoder
from cogagent.reading.question import AnswerType, words

_OPERATIONS = (
    trend, whether, count, at_value, at_words, beyond, extreme, reckon, listed, label_list, lookup
)  # fmt: skip
SURE = 0.5
"""Confidence from which on an answer stands by itself: each of its two labels is named, and about
half of what else is asked stands somewhere in the grid."""
_UNSEEN = 0.45
"""What is left of the confidence where nothing else that is asked stands in the grid."""
_UNMEASURED = 0.6
"""The same where a table does not say that its values are of what is asked: "price"."""
_DENIED = 0.4
"""The same where it is asked what is not so."""


@dataclass(frozen=True, slots=True)
class GridAnswer:
    """What a grid says to a question.

    Attributes:
        short: What was asked, in the print's own form where it is a printed cell or label.
        value: The number; ``None`` of a label or words.
        operation: How it was found.
        steps: What it points at, in the order in which a reader would: labels, then values.
        said: A sentence that shows the working.
        confidence: How sure it is that this was asked for, 0 to 1.
        unmatched: Words of the question that stand nowhere in the grid.
        error: Half the width of the interval that the value lies in; 0 where it is printed.
        unit: Of the value, where the grid says one.
    """

    short: str
    value: float | None
    operation: Operation
    steps: tuple[Pointed, ...]
    said: str
    confidence: float
    unmatched: tuple[str, ...] = ()
    error: float = 0.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    """Why a grid is not taken to answer.

    Attributes:
        reason: In a few words.
        confidence: How sure that is, 0 to 1.
    """

    reason: str
    confidence: float = 1.0


class GridAnswerer:
    """Answers by pointing: a row, a column, the value where they meet, or sums of such values.

    Args:
        encoder: Finds labels that the question names in other words; ``None`` to go by its
            words only.
    """

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder

    def answer(self, question: str, grid: Grid) -> GridAnswer | Declined:
        """Answer a question.

        Args:
            question: Any text.
            grid: A chart or table, understood.

        Returns:
            The answer with the places that it rests on and how sure it is, or why there is none.
        """
        asked = asked_of(question)
        if refused := _refused(asked, grid):
            return Declined(refused)
        view = View(grid)
        target = target_of(asked, view, self._encoder)
        if asked.bound and in_label(asked, target, asked.bound.limit):
            asked = asked.unbound()
        if excludes(asked, view):
            rest = excluded(asked, view, target)
            if rest is None or rest[0] == question:
                return Declined("it is not plain what is left out", 0.7)
            return self.answer(*rest)
        if target.other:
            return Declined(f"it has no {target.other}")
        denied = denies(asked, view)
        if denied and (asked.form != "value" or asked.pick or asked.bound or asked.counted):
            return Declined("it is asked what is not so", 0.7)
        draft = _drafted(asked, view, target)
        if draft is None or not draft.steps:
            named = target.rows.named or target.columns.named
            return Declined("it has no value there" if named else "nothing in it is named", 0.7)
        sure = _DENIED * draft.sure if denied else draft.sure
        return _finished(asked, view, target, replace(draft, sure=sure))


def _refused(asked: Asked, grid: Grid) -> str:
    """Why the grid is not looked at; empty where it is."""
    if not grid.cells:
        return "it holds no values"
    if not any(word.content for word in asked.words):
        return "nothing is asked"
    return "it gives no reasons" if asked.expected is AnswerType.REASON else ""


def _drafted(asked: Asked, view: View, target: Target) -> Draft | None:
    """The first operation that the question may mean and the grid can do."""
    for operation in _OPERATIONS:
        draft = operation(asked, view, target)
        if draft is not None:
            return draft
    return None


def _finished(asked: Asked, view: View, target: Target, draft: Draft) -> GridAnswer:
    content = [
        n for n, word in enumerate(asked.words)
        if word.content
        and (n not in asked.working or n in asked.measures)
        and not asked.in_number(n)
    ]  # fmt: skip
    unheard = target.unheard(asked, view) - _paid(asked, view)
    missing = [n for n in content if n in unheard]
    share = (len(content) - len(missing) + 1) / (len(content) + 1)
    confidence = view.grid.certainty * draft.sure * (_UNSEEN + (1 - _UNSEEN) * share)
    if view.grid.kind == "table" and not asked.measures.isdisjoint(missing):
        confidence *= _UNMEASURED
    steps = list(draft.steps)
    if view.grid.value_title is not None:
        steps.append(Pointed("unit", view.grid.value_title))
    stems = {fold(asked.words[n].stem) for n in content}
    steps += [
        Pointed("title", place)
        for place in view.grid.title
        if stems & {fold(word.stem) for word in words(place.text) if word.content}
    ]
    return GridAnswer(
        short=draft.short,
        value=draft.value,
        operation=draft.operation,
        steps=once(steps),
        said=draft.said,
        confidence=max(0.0, min(1.0, confidence)),
        unmatched=tuple(dict.fromkeys(asked.said(n) for n in missing)),
        error=draft.error,
        unit=draft.unit,
    )


def _paid(asked: Asked, view: View) -> frozenset[int]:
    """Places of "revenue" and the like where the values are of money."""
    return asked.money if asked.money and view.money else frozenset()
