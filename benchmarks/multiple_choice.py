"""Multiple-choice questions made of questions with short answers, for fitting and measuring.

Each gets three wrong choices: right answers of other questions of the same
paragraph or report, drawn by a fixed seed, and where these do not suffice,
of questions elsewhere whose wording expects an answer of the same kind. A choice
shares no word with a right answer or another choice.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.common import lines, token_f1
from cogagent import CogAgent, Source
from cogagent.reading.passage import Passage
from cogagent.reading.question import analyse

WRONG = 3
SHORT_ANSWER = 10
"""Longest answer in words."""
_TRIED = 40
"""Answers from elsewhere that are tried for one question."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question with its right answers and the paragraph or report it is about."""

    question: str
    answers: Sequence[str]
    about: str


@dataclass(frozen=True, slots=True)
class Item:
    """A question, its choices, and the number of the right one."""

    question: str
    choices: list[str]
    right: int


def squad() -> list[Row]:
    """squad_xquad dev."""
    return [
        Row(row["question"], row["answers"], row["doc"])
        for row in lines("squad_xquad_en", "dev", "qa.jsonl")
    ]


def tatqa() -> list[Row]:
    """TAT-QA's questions that one short span answers, of texts and of tables."""
    return [
        Row(row["question"], row["answer"], row["context"])
        for row in lines("tatqa", "dev", "qa.jsonl")
        if row["answer_type"] == "span"
        and len(row["answer"]) == 1
        and len(row["answer"][0].split()) <= SHORT_ANSWER
    ]


def hotpot() -> list[Row]:
    """HotpotQA's questions but for those of yes and no."""
    return [
        Row(row["question"], [row["answer"]], row["id"])
        for row in lines("hotpot100", "dev", "qa.jsonl")
        if row["answer"] not in ("yes", "no")
    ]


def with_choices(rows: Sequence[Row], seed: int = 0) -> list[Item]:
    """The rows for which enough wrong choices are found, in order."""
    chooser = random.Random(seed)
    kinds = [analyse(row.question).expected for row in rows]
    made = []
    for row, kind in zip(rows, kinds, strict=True):
        near = [other.answers[0] for other in rows if other.about == row.about and other != row]
        far = [
            other.answers[0]
            for other, its in zip(rows, kinds, strict=True)
            if other.about != row.about and its == kind
        ]
        chooser.shuffle(near)
        wrong: list[str] = []
        for text in [*near, *chooser.sample(far, min(_TRIED, len(far)))]:
            taken = [*row.answers, *wrong]
            if len(wrong) < WRONG and text and not any(token_f1(text, t) for t in taken):
                wrong.append(text)
        if len(wrong) == WRONG:
            choices = [row.answers[0], *wrong]
            chooser.shuffle(choices)
            made.append(Item(row.question, choices, choices.index(row.answers[0])))
    return made


def ingested(agent: CogAgent, *corpus: str, titled: bool) -> None:
    """Read a corpus into the default collection.

    Args:
        agent: Over an empty home.
        corpus: Its file.
        titled: The rows have titles; else blank ones are given, not their ids.
    """
    agent.ingest(
        [
            Source(
                uri=row["_id"],
                data=row["text"].encode(),
                media_type="text/plain",
                title=(row.get("title") or None) if titled else " ",
            )
            for row in lines(*corpus)
        ]
    )


def retrieved(agent: CogAgent, question: str) -> list[Passage]:
    """What the product retrieves for a question."""
    return [
        Passage(e.text, e.modality, e.title.strip(), e.score, e.context)
        for e in agent.search(question, k=24, modality="text")
    ]
