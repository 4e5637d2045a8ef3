"""Socratic Questioning: ask about the details of the picture first, then search.

After arXiv 2501.02964, section 3: a few questions that can be answered by looking, all of
them answered, then the question itself with question and answer as its context. Two calls
more than without; the search that follows is for the question as it was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cogagent.errors import ModelError
from cogagent.models.metered import MeteredMLLM
from cogagent.planners.asked_model import ModelPlanner, fallback, fresh, searches, told
from cogagent.planners.asking import Form, Read, Wording, fill_in
from cogagent.planners.base import PlanState
from cogagent.planners.exchange import affordable, closed, words
from cogagent.planners.fencing import fenced, one_line
from cogagent.planners.picturing import noticed, sees, within
from cogagent.planners.prompts import prompt
from cogagent.types import Note, Step

LEAST = 4
MOST = 6

_DETAIL = 200
"""Characters of a question about a detail, and of its answer."""


class SocraticPlanner(ModelPlanner):
    """Interrogates the picture, then searches once for the question."""

    name = "socratic"
    looks = True
    """It begins with the picture: the loop describes it if no model sees."""
    digests = False

    async def _step(self, state: PlanState, model: MeteredMLLM) -> Step:
        if state.steps:
            return Step(number=state.number, done=True, reason="the question was searched for")
        step = Step(number=1, queries=fresh(state, searches(state)))
        if not state.pictures:
            thought = "no picture came with the question, so there is none to ask about"
            return step.model_copy(update={"thought": thought})
        known = noticed(state)
        if not sees(state, model) and not known:
            return fallback(
                state, f"{model.name} sees no pictures, and nothing else is known of this one"
            )
        questions, asking = await _questions(state, model, known)
        try:
            answers, answering = await _answers(state, model, questions, known)
        except ModelError as error:
            return step.model_copy(
                update={"thought": " ".join(questions), "fallback": f"nothing answered: {error}"}
            )
        dialogue = "\n".join(
            f"Q: {question}\nA: {answers[place]}"
            for place, question in enumerate(questions)
            if place in answers
        )
        return step.model_copy(
            update={
                "thought": f"{len(questions)} questions about details, {len(answers)} answered",
                "notes": (Note(kind="dialogue", text=dialogue),),
                "fallback": told([*asking, *answering]),
            }
        )


async def _questions(
    state: PlanState, model: MeteredMLLM, known: Sequence[str]
) -> tuple[list[str], tuple[str, ...]]:
    """Questions about details, and remarks.

    Raises:
        ModelError: If the model gives none.
    """
    text = {"type": "string", "maxLength": _DETAIL}
    items = {"type": "array", "items": text, "minItems": LEAST, "maxItems": MOST}

    def read(value: Mapping[str, Any]) -> Read[list[str]]:
        given = value.get("questions")
        entries = given[: 4 * MOST] if isinstance(given, list) else []
        found = dict.fromkeys(filter(None, (words(entry, _DETAIL) for entry in entries)))
        kept = list(found)[:MOST]
        if not kept:
            return Read(None, ("questions has to be a list of texts",))
        few = len(kept) < LEAST
        return Read(kept, (), (f"{len(kept)} of {LEAST} questions were asked",) if few else ())

    order = prompt("ask_picture.v1").replace("{least}", str(LEAST)).replace("{most}", str(MOST))
    form = Form(closed({"questions": items}), read)
    wording = _wording(state, model, order, known, [_asked(state)])
    heard = await fill_in(model.named("questions"), wording, form)
    return heard.value, heard.remarks


async def _answers(
    state: PlanState, model: MeteredMLLM, questions: Sequence[str], known: Sequence[str]
) -> tuple[dict[int, str], tuple[str, ...]]:
    """The answers by the questions' places, and remarks.

    Raises:
        ModelError: If the model gives none.
    """
    numbers = [str(place) for place in range(1, len(questions) + 1)]
    entry = closed(
        {
            "id": {"type": "string", "enum": numbers},
            "answer": {"type": "string", "maxLength": _DETAIL},
        }
    )

    def read(value: Mapping[str, Any]) -> Read[dict[int, str]]:
        given = value.get("answers")
        found: dict[int, str] = {}
        for one in given[: 4 * MOST] if isinstance(given, list) else []:
            key = str(one.get("id", "")).strip() if isinstance(one, Mapping) else ""
            answer = words(one.get("answer"), _DETAIL) if key in numbers else ""
            if answer:
                found.setdefault(int(key) - 1, answer)
        if not found:
            return Read(None, ("answers has to be a list with an answer for each id",))
        lacking = len(questions) - len(found)
        return Read(found, (), (f"{lacking} questions were not answered",) if lacking else ())

    lines = [f"{number}: {text}" for number, text in zip(numbers, questions, strict=True)]
    items = {"type": "array", "items": entry, "maxItems": len(questions)}
    form = Form(closed({"answers": items}), read, tokens=500)
    wording = _wording(state, model, prompt("answer_about.v1"), known, lines)
    heard = await fill_in(model.named("answers"), wording, form)
    return heard.value, heard.remarks


def _wording(
    state: PlanState,
    model: MeteredMLLM,
    order: str,
    known: Sequence[str],
    lines: Sequence[str],
) -> Wording:
    """An order about the picture, shown if the model sees, and else as it was described."""
    if sees(state, model):
        return Wording(order, lambda room: "\n".join(within(lines, room)), affordable(state))

    def shown(room: int) -> str:
        head = "\n".join(within(lines, room // 2))
        data = [f"Noticed in the picture: {line}" for line in known]
        return f"{head}\n\n{fenced(within(data, room - len(head.encode())))}"

    return Wording(order, shown)


def _asked(state: PlanState) -> str:
    listed = "; ".join(one_line(choice, _DETAIL) for choice in state.choices)
    return f"The question: {state.question}" + (f" One of: {listed}" if listed else "")
