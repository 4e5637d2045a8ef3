"""What planners that begin with a picture know of it before anything is searched."""

from __future__ import annotations

from collections.abc import Sequence

from cogagent.models.metered import MeteredMLLM
from cogagent.models.mllm import Options
from cogagent.planners.asking import Wording, write
from cogagent.planners.base import PlanState
from cogagent.planners.exchange import affordable
from cogagent.planners.fencing import fenced, one_line
from cogagent.planners.prompts import prompt

_TOKENS = 320
_LONGEST = 2000
"""Characters of a description."""


def sees(state: PlanState, model: MeteredMLLM) -> bool:
    """Whether the model can be shown the question's pictures, and the budget allows it."""
    return model.capabilities.pictures and bool(affordable(state))


def noticed(state: PlanState) -> list[str]:
    """What is known of the question's pictures without a model that sees.

    What the eyes of the program noted of them if there are such notes; else what stands
    with the pictures that a search found for the question, which may only look alike.
    """
    seen = [note.text for note in state.notes if note.kind == "description"]
    if seen:
        return seen
    hits = [hit for look in state.probe for hit in look.hits if hit.modality == "image"]
    found = [
        f"{piece.caption} {piece.text}" for piece in state.evidence if piece.modality == "image"
    ]
    alike = [*(hit.text for hit in hits), *found]
    return [f"of a picture that may look alike: {text}" for text in dict.fromkeys(alike)]


async def described(state: PlanState, model: MeteredMLLM, temperature: float) -> str:
    """The question's picture in a paragraph (purpose ``perceive``); empty if nothing is known.

    Raises:
        BudgetError: If the budget does not allow it.
        ModelError: If the model fails.
    """
    if sees(state, model):
        wording = Wording(prompt("perceive.v1"), lambda _: _count(state), affordable(state))
    else:
        lines = noticed(state)
        if not lines:
            return ""
        wording = Wording(prompt("describe.v1"), lambda room: fenced(within(lines, room)))
    options = Options(max_tokens=_TOKENS, temperature=temperature)
    written = await write(model.named("perceive"), wording, options)
    return one_line(written.text.rpartition("</think>")[2], _LONGEST)


def within(lines: Sequence[str], room: int) -> list[str]:
    """The first of these lines, each cut, that fit in so many bytes; one at least."""
    kept: list[str] = []
    for line in lines:
        shown = one_line(line, _LONGEST)
        while len(shown.encode()) > room and not kept:
            shown = one_line(shown, max(len(shown) // 2, 1))
        room -= len(shown.encode()) + 1
        if room < 0 and kept:
            break
        kept.append(shown)
    return kept


def _count(state: PlanState) -> str:
    return "The picture." if state.pictures < 2 else f"The {state.pictures} pictures."
