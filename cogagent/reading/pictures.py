"""Questions about what a picture shows, answered from what was seen in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cogagent.reading.passage import Passage, Reading
from cogagent.reading.question import AnswerType

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
_LINE = r"(?m)^{}: (?P<list>.+)\.$"
_SURE = 0.6
"""Confidence in what the network names; it names the right thing first for nine
of ten photographs of what it knows, and knows a thousand things."""


def read_pictures(question: str, passages: Sequence[Passage]) -> Reading | None:
    """The line of the first picture that says what it shows, or its colours.

    Args:
        question: The question; anything that does not ask what a picture shows is left alone.
        passages: What was retrieved, best first.

    Returns:
        The line and in it the list of what was seen; ``None`` if the question
        is of another kind, or no picture says anything of it.
    """
    if _ASKS_COLOUR.search(question):
        label = "Colours"
    elif _ASKS_SHOWN.search(question):
        label = "Shows"
    else:
        return None
    line = re.compile(_LINE.format(label))
    for number, passage in enumerate(passages):
        found = line.search(passage.text) if passage.kind == "image" else None
        if found:
            return Reading(
                answered=True,
                confidence=_SURE,
                passage=number,
                start=found.start(),
                end=found.end(),
                answer_start=found.start("list"),
                answer_end=found.end("list"),
                ranked=(),
                expected=AnswerType.PHRASE,
                missing=(),
            )
    return None
