"""Questions about what a picture shows, answered from what was seen in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cogagent.reading.passage import Passage, Reading
from cogagent.reading.question import AnswerType, analyse, words

_PICTURE = r"(?:pictures?|photos?|photographs?|images?|paintings?|drawings?)"
_ASKS_COLOUR = re.compile(
    rf"\bcolou?rs?\b.*\b{_PICTURE}\b|\b{_PICTURE}\b.*\bcolou?rs?\b", re.IGNORECASE
)
_ASKS_SHOWN = re.compile(
    rf"\b(?:what|which|who)\b.*\b(?:show(?:n|s)?|see|seen|depict\w*|in|on)\b.*\b{_PICTURE}\b"
    rf"|\b(?:what|who)\b.*\b{_PICTURE}\b.*\b(?:show|of|depict)|\bwhich\b.*\b{_PICTURE}\b"
    rf"|\bdescribe\b.*\b{_PICTURE}\b",
    re.IGNORECASE,
)
_LINES = re.compile(r"(?m)^(?P<label>Shows|Colours): (?P<list>.+)\.$")
_MATCHED = 0.75
"""Confidence when the picture is said to show what the question speaks of."""
_RANKED = 0.5
"""Confidence when it only ranks first: the network names the right thing first for nine
of ten photographs of what it knows, and knows a thousand things."""


def read_pictures(question: str, passages: Sequence[Passage]) -> Reading | None:
    """What the picture that the question speaks of shows, or its colours.

    Args:
        question: Anything that does not ask what a picture shows is left alone.
        passages: What was retrieved, best first.

    Returns:
        The line that says it, of the picture that shares most words with the
        question, the first of equals; ``None`` if the question is of another
        kind, or no picture says anything.
    """
    asks_colour = bool(_ASKS_COLOUR.search(question))
    if not asks_colour and not _ASKS_SHOWN.search(question):
        return None
    asked = {term.stem for term in analyse(question).terms}
    found = []
    for number, passage in enumerate(passages):
        if passage.kind != "image":
            continue
        named = len(_stems(passage.title) & asked)
        for line in _LINES.finditer(passage.text):
            if not asks_colour or line["label"] == "Colours":
                shared = len(_stems(line["list"]) & asked)
                # What it shows says more than its colours, unless they are asked for.
                shows = line["label"] == "Shows" or asks_colour
                found.append(((shared + named, shared, -number, shows), number, line))
    if not found:
        return None
    (matched, *_), number, line = max(found, key=lambda entry: entry[0])
    return Reading(
        answered=True,
        confidence=_MATCHED if matched else _RANKED,
        passage=number,
        start=line.start(),
        end=line.end(),
        answer_start=line.start("list"),
        answer_end=line.end("list"),
        ranked=(),
        expected=AnswerType.PHRASE,
        missing=(),
    )


def _stems(text: str) -> set[str]:
    return {word.stem for word in words(text) if word.content}
