"""What planners that ask a model have in common: they always come to a step."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import count

from cogagent.errors import BudgetError, ModelError
from cogagent.models.metered import MeteredMLLM
from cogagent.planners.base import PlanState
from cogagent.planners.exchange import tidied
from cogagent.planners.followups import standalone
from cogagent.planners.request import REGION, asked, offered
from cogagent.types import Query, Step, ToolSpec, clean

_SHARE = 2
"""Planning a step may take one of so many parts of the time that is left."""
_MOST_PICTURES = 3
"""Of the question's pictures that are searched by."""


class ModelPlanner(ABC):
    """Base of the planners that ask a model; a subclass fills in :meth:`_step`.

    A follow-up in a conversation is made to stand alone by rule before the model is asked.

    What goes wrong with the model never ends the run: the step is then a search for
    the question itself, if that has not been done, or else the last one, and says so
    in ``Step.fallback``. Planning may take half of the time that is left, so that a
    slow model leaves enough to search and answer.
    """

    name = ""
    needs_model = True
    digests = True
    """It reads what each query found as a sentence or two."""

    async def plan(self, state: PlanState, model: MeteredMLLM | None) -> Step:
        """The next step; see :class:`~cogagent.planners.base.Planner`.

        Raises:
            BudgetError: If the model may not be asked any more and something has been
                searched for already: the run then ends as one whose budget is spent.
        """
        resolved = _resolved(state)
        plain = {
            "question": clean(resolved or state.question),
            "choices": tuple(map(clean, state.choices)),
        }
        step = await self._guarded(state.model_copy(update=plain), model)
        new = resolved and not any(step.resolved for step in state.steps)
        return step.model_copy(update={"resolved": resolved}) if new else step

    async def _guarded(self, state: PlanState, model: MeteredMLLM | None) -> Step:
        if model is None:
            return fallback(state, "there is no language model to plan with")
        seconds = state.left.seconds
        share = None if seconds is None else seconds / _SHARE
        try:
            async with asyncio.timeout(share):
                return await self._step(state, model)
        except TimeoutError:
            within = "in time" if share is None else f"within {share:.1f} s"
            return fallback(state, f"{model.name} did not plan {within}")
        except BudgetError as error:
            if state.steps:
                raise
            return fallback(state, error.message)
        except ModelError as error:
            return fallback(state, str(error))

    @abstractmethod
    async def _step(self, state: PlanState, model: MeteredMLLM) -> Step:
        """The next step, as the model plans it; what it raises, :meth:`plan` answers for."""


def _resolved(state: PlanState) -> str:
    """The question as it stands alone, by an earlier step or by rule; empty if it does."""
    before = next((step.resolved for step in reversed(state.steps) if step.resolved), "")
    return before or standalone(clean(state.question), state.turns)[0]


def fallback(state: PlanState, why: str) -> Step:
    """The step without a model: a search for the question, or the last if it was made."""
    queries = fresh(state, searches(state))
    if queries:
        thought = "without a plan, the question itself is searched for"
        return Step(number=state.number, thought=thought, queries=queries, fallback=why)
    reason = "without a plan, what was found has to do"
    return Step(number=state.number, done=True, reason=reason, fallback=why)


def searches(state: PlanState) -> list[Query]:
    """Searches for the question as it stands, and by its pictures."""
    tool = usual_tool(state)
    return [Query(text=state.question, tool=tool), *by_pictures(state)]


def usual_tool(state: PlanState) -> str:
    """The tool where none was chosen: ``text``, or the first that searches and stays here."""
    tools = offered(state)
    plain = [tool for tool in tools if not tool.notes and tool.name != REGION]
    here = [tool for tool in plain if not tool.web] or plain or list(tools)
    names = [tool.name for tool in here]
    return "text" if "text" in names else names[0]


def named_tool(state: PlanState, name: str) -> ToolSpec | None:
    """A tool of the state."""
    return next((tool for tool in offered(state) if tool.name == name), None)


def by_pictures(state: PlanState, only: str | None = None) -> list[Query]:
    """Searches by the question's pictures, one each, with the first tool that can.

    Args:
        state: Has the pictures and the tools.
        only: The name of the tool that has to do it.
    """
    able = [tool.name for tool in offered(state) if tool.pictures and only in (None, tool.name)]
    return [
        Query(tool=able[0], text=state.question, picture=index, why="pictures that look alike")
        for index in range(min(state.pictures, _MOST_PICTURES) if able else 0)
    ]


def fresh(state: PlanState, queries: Iterable[Query]) -> tuple[Query, ...]:
    """Those of the queries that were not asked before, each once, with ids of their own."""
    before = {_key(query) for query, _ in asked(state.steps)}
    wanted = list(queries)
    taken = {query.id for query, _ in asked(state.steps)} | {query.id for query in wanted}
    numbers = (f"{state.number}.{place}" for place in count(1))
    kept: list[Query] = []
    for query in wanted:
        if _key(query) in before:
            continue
        before.add(_key(query))
        key = query.id or next(number for number in numbers if number not in taken)
        kept.append(query.model_copy(update={"id": key}))
    return tuple(kept)


def told(remarks: Sequence[str]) -> str:
    """Remarks on a reply as ``Step.fallback`` has them."""
    return "; ".join(dict.fromkeys(remarks))


def clean_query(state: PlanState, text: str) -> str:
    """A query of a model's as a tool may be given it; empty if nothing is left of it."""
    return tidied(text, state.question)


def _key(query: Query) -> tuple[object, ...]:
    """What makes two queries the same; a search by a picture is that whatever it says."""
    text = "" if query.picture is not None else " ".join(query.text.split()).casefold()
    return (query.tool, text, query.kinds, query.picture, query.region)
