"""CogPlanner: rewrite the question, choose the tools, look at what came, and again.

A reconstruction from public descriptions of CogPlanner and CogBench (arXiv 2501.15470,
"MRAG Planning"), whose code and data are not public. Known are the two linked decisions,
query reformulation and information acquisition (text search, picture search or none),
repeated until nothing more is needed, and the two ways to make them, one after the other
or both at once from the same state. Ours are: the state (question, pictures, and a
history of sub-query, tool and digest, as in OmniSearch, arXiv 2411.02937), the form of
the exchange, the rules for replies that do not keep to it, and that a tool which can
search by a picture also does so, once, for the pictures of the question.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from cogagent.errors import ModelError
from cogagent.models.metered import MeteredMLLM
from cogagent.planners.asked_model import (
    ModelPlanner,
    by_pictures,
    clean_query,
    fallback,
    fresh,
    named_tool,
    told,
    usual_tool,
)
from cogagent.planners.asking import Heard
from cogagent.planners.base import PlanState
from cogagent.planners.exchange import ALL, Action, Exchange, Reply, SubQuery
from cogagent.planners.request import NONE, REGION
from cogagent.types import Query, Step

MOST_ROUNDS = 5
"""Rounds where the budget sets no limit to them, as in OmniSearch."""

T = TypeVar("T")


class _CogPlanner(ModelPlanner):
    """What both ways have in common."""

    async def _step(self, state: PlanState, model: MeteredMLLM) -> Step:
        number = state.number
        if state.left.steps is None and number > MOST_ROUNDS:
            return Step(number=number, done=True, reason=f"{MOST_ROUNDS} rounds are the most")
        exchange = Exchange(state, model)
        if state.left.steps == 0:  # what it would ask next is told, as left undone
            return self._stepped(state, await exchange.rewrite(), None)
        return await self._round(state, exchange)

    @abstractmethod
    async def _round(self, state: PlanState, exchange: Exchange) -> Step:
        """One round: the rewrites and the tool of each."""

    @staticmethod
    def _stepped(
        state: PlanState,
        written: Heard[Reply],
        chosen: Heard[Reply] | None,
        remarks: Sequence[str] = (),
    ) -> Step:
        """The step that two replies come to."""
        rewrite = written.value
        number = state.number
        notes = [*written.remarks, *(chosen.remarks if chosen is not None else ()), *remarks]
        if rewrite.done and (state.steps or not rewrite.sub_queries):
            if rewrite.sub_queries:
                notes.append("its further sub-queries were left out, since it is done")
            return Step(
                number=number,
                thought=rewrite.thought,
                done=True,
                reason=rewrite.reason or "the planner's model needs nothing more",
                fallback=told(notes),
            )
        ready = [query for query in rewrite.sub_queries if not query.depends_on]
        waiting = [query.text for query in rewrite.sub_queries if query.depends_on]
        asked = _queries(state, ready, chosen, notes)
        queries = fresh(state, asked)
        if len(queries) < len(asked):
            notes.append("a query that was asked before was left out")
        thoughts = [rewrite.thought, chosen.value.thought if chosen is not None else ""]
        thoughts += [f"later: {text}" for text in waiting]
        thought = "; ".join(text for text in thoughts if text)
        if queries:
            return Step(number=number, thought=thought, queries=queries, fallback=told(notes))
        reason = "there is nothing new to ask" if asked else "nothing has to be searched"
        return Step(number=number, thought=thought, done=True, reason=reason, fallback=told(notes))


class SequentialCogPlanner(_CogPlanner):
    """Rewrites first, then chooses a tool for each rewrite: two dependent calls a round."""

    name = "cog-sequential"

    async def _round(self, state: PlanState, exchange: Exchange) -> Step:
        written = await exchange.rewrite()
        ready = [query for query in written.value.sub_queries if not query.depends_on]
        if not ready or (written.value.done and state.steps):
            return self._stepped(state, written, None)
        try:
            chosen = await exchange.choose(ready)
        except ModelError as error:
            return self._stepped(state, written, None, [f"no tool was chosen: {error}"])
        return self._stepped(state, written, chosen)


class ParallelCogPlanner(_CogPlanner):
    """Rewrites and chooses at once, from the same state: one round trip.

    The tool is chosen for the round, and applied to every rewrite.
    """

    name = "cog-parallel"

    async def _round(self, state: PlanState, exchange: Exchange) -> Step:
        written, chosen = await asyncio.gather(
            exchange.rewrite(), exchange.choose_for_round(), return_exceptions=True
        )
        heard = _raised(written)
        if isinstance(heard, ModelError):
            return fallback(state, str(heard))
        choice = _raised(chosen)
        if isinstance(choice, ModelError):
            return self._stepped(state, heard, None, [f"no tool was chosen: {choice}"])
        return self._stepped(state, heard, choice)


def _raised(result: T | BaseException) -> T | ModelError:
    """A result, or the model's failure; what else went wrong is raised."""
    if isinstance(result, BaseException) and not isinstance(result, ModelError):
        raise result
    return result


def _queries(
    state: PlanState,
    ready: Sequence[SubQuery],
    chosen: Heard[Reply] | None,
    notes: list[str],
) -> list[Query]:
    """The searches for these rewrites with the tools that were chosen; notes what was not."""
    actions = chosen.value.actions if chosen is not None else ()
    found: list[Query] = []
    for query in ready:
        text = clean_query(state, query.text)
        if not text:
            notes.append(f"nothing is left of {query.id} without its addresses")
            continue
        mine = [action for action in actions if action.query_id in (query.id, ALL)]
        if not mine:
            if chosen is not None:
                notes.append(f"no tool was chosen for {query.id}")
            mine = [Action(query_id=query.id, tool=usual_tool(state))]
        for action in mine:
            if action.tool == NONE and named_tool(state, NONE) is None:
                continue
            found.append(Query(text=text, tool=action.tool, top_k=action.top_k, why=query.id))
            found += by_pictures(state, action.tool)
    regions = chosen.value.regions if chosen is not None else ()
    found += [
        Query(text=region.why or state.question, tool=REGION, region=region, why=region.why)
        for region in regions
    ]
    return found
