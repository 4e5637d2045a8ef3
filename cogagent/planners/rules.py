"""A planner without a model: it reads the wording of the question.

First form: one round of searches. It looks for the modality that the question
names, takes a question about several things apart, and stops.
"""

from __future__ import annotations

import re

from cogagent.planners.base import PlanState
from cogagent.types import Query, Step

_PICTURE = re.compile(
    r"\b(pictures?|photos?|photographs?|images?|figures?|charts?|graphs?|plots?|diagrams?|maps?|"
    r"logos?|icons?|drawings?|illustrations?|screenshots?|paintings?|shown|depict\w*|"
    r"look(?:s|ed)? like)\b",
    re.IGNORECASE,
)
_TABLE = re.compile(r"\b(tables?|rows?|columns?|cells?)\b", re.IGNORECASE)
_COMPARE = re.compile(
    r"\b(?:compare|difference between|which of|who of)\s+(?P<first>[^,?]+?)\s+"
    r"(?:and|or|with|to|versus|vs\.?)\s+(?P<second>[^,?]+)",
    re.IGNORECASE,
)
_EITHER = re.compile(
    r",\s*(?P<first>[^,?]+?),?\s+or\s+(?P<second>[^,?]+)\??$", re.IGNORECASE
)
_TWO_QUESTIONS = re.compile(
    r"(?:,?\s+and\s+|[;?]\s*)(?=(?:who|what|when|where|which|why|how)\b)", re.IGNORECASE
)


_LONG = 500
"""Characters beyond which a question is not taken apart: it is a text with a question in it."""
_MOST_PARTS = 5


class RulePlanner:
    """Plans by rules; needs no model."""

    name = "rules"

    async def plan(self, state: PlanState) -> Step:
        """All searches in the first step, then done."""
        number = len(state.steps) + 1
        if state.steps:
            found = len(state.evidence)
            return Step(number=number, done=True, reason=f"searched once, {found} passages found")
        thoughts: list[str] = []
        parts = split_question(state.question)
        if len(parts) > 1:
            thoughts.append(f"it asks {len(parts)} things")
        wants_picture = bool(_PICTURE.search(state.question))
        wants_table = bool(_TABLE.search(state.question))
        if wants_picture:
            thoughts.append("it speaks of a picture")
        if wants_table:
            thoughts.append("it speaks of a table")
        queries: list[Query] = []
        for part in parts:
            if wants_table:
                queries.append(Query(text=part, kinds=("table",), why="tables by words"))
            queries.append(Query(text=part, why="text by words and meaning"))
            if wants_picture:
                queries.append(Query(text=part, tool="image", why="pictures by words"))
        queries += [
            Query(text=state.question, tool="image", picture=index, why="pictures that look alike")
            for index in range(state.pictures)
        ]
        thought = "; ".join(thoughts) or "a plain question"
        return Step(number=number, thought=thought, queries=tuple(queries))


def split_question(question: str) -> list[str]:
    """The questions in a question: itself, or one for each thing it asks.

    Two questions joined by "and" come apart where the second starts with a
    question word. A comparison keeps the whole question and adds a search for
    each side, since its sides are seldom described in the same passage.
    """
    question = " ".join(question.split())
    if len(question) > _LONG:
        return [question]
    comparison = _COMPARE.search(question) or _EITHER.search(question)
    if comparison:
        return [question, comparison["first"].strip(), comparison["second"].strip()]
    parts = [part.strip(" ,;?") for part in _TWO_QUESTIONS.split(question)]
    parts = [f"{part}?" for part in parts if len(part.split()) > 2]
    return parts if 1 < len(parts) <= _MOST_PARTS else [question]
