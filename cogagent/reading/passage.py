"""What the reader is given and what it hands back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cogagent.reading.question import AnswerType

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.integer[Any]]
Kind = Literal["text", "table", "image"]


class Encoder(Protocol):
    """The text model the reader looks through."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return one vector of length one for each text."""
        ...

    def token_states(self, texts: Sequence[str]) -> Sequence[tuple[FloatArray, IntArray]]:
        """Return the last states of each text's tokens, and the tokens' character ranges in it.

        Special tokens are left out. A text longer than the model's window is cut.
        """
        ...


class SpanScorer(Protocol):
    """The text model that looks for where an answer starts and ends."""

    def score(self, question: str, texts: Sequence[str]) -> Sequence[tuple[FloatArray, IntArray]]:
        """Return, for each text, what speaks for each token, and the tokens' character ranges.

        The first array has a row a token and two columns: for it being the first of the answer,
        and the last; in sum above nought if that is likelier than there being no answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk.

    Attributes:
        text: Its text. A table has one row a line, cells joined by " | ", header first.
        kind: "text", "table" or "image" (caption, tags and words read in the picture).
        title: Title of its document; empty when there is none.
        score: Retrieval score; only differences between the passages of one question count.
        context: What stands above it: title and headings, then caption and header of a table. Read
            for tables only.
    """

    text: str
    kind: Kind = "text"
    title: str = ""
    score: float = 0.0
    context: str = ""


@dataclass(frozen=True, slots=True)
class RankedSentence:
    """A sentence that may answer, as a character range of its passage.

    Attributes:
        passage: Number of the passage in the list the reader was given.
        start: First character.
        end: One past the last character.
        score: Ranking score; higher is better, comparable within one question only.
    """

    passage: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader found.

    Attributes:
        answered: Whether the best sentence is offered as the answer.
        confidence: Estimated probability that the passages hold the answer.
        passage: Number of the best sentence's passage; None when there was nothing to read.
        start: First character of the best sentence in the passage's text.
        end: One past its last character.
        answer_start: First character of the narrowed phrase in the passage's text; None when the
            sentence stands alone. The phrase stands in the sentence or row, or in the table's
            header when a column is
            asked for.
        answer_end: One past the phrase's last character.
        ranked: The sentences, best first; the first is the one above.
        expected: The kind of answer the question's wording expects.
        missing: Words of the question that the best sentence's passage holds in no form.
    """

    answered: bool
    confidence: float
    passage: int | None
    start: int
    end: int
    answer_start: int | None
    answer_end: int | None
    ranked: tuple[RankedSentence, ...]
    expected: AnswerType
    missing: tuple[str, ...]
