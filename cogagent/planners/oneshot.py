"""One plan up front, then no more planning: a small graph of sub-questions.

After E-Agent (arXiv 2508.08816), which plans once and then executes; that a child's
question is given its parents' answers in place of ``#id`` is ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cogagent.documents.sentences import sentences
from cogagent.models.metered import MeteredMLLM
from cogagent.planners.asked_model import (
    ModelPlanner,
    by_pictures,
    clean_query,
    fresh,
    named_tool,
    told,
    usual_tool,
)
from cogagent.planners.base import PlanState
from cogagent.planners.exchange import Exchange, Reply
from cogagent.planners.fencing import one_line
from cogagent.planners.request import NONE, asked, nothing_found
from cogagent.types import Finding, Query, Step, SubQuestion

_ANSWER = 100
"""Characters of a parent's answer that a child's question takes in."""


class OneShotPlanner(ModelPlanner):
    """Plans once; runs what is ready together, round by round.

    It has no state of its own: the plan stands in the step in which it was made, and
    what was answered in the findings of the steps since.
    """

    name = "one-shot"

    async def _step(self, state: PlanState, model: MeteredMLLM) -> Step:
        if not state.steps:
            return await self._planned(state, model)
        plan = next((step.plan for step in state.steps if step.plan), ())
        return self._next(state, plan, Step(number=state.number))

    async def _planned(self, state: PlanState, model: MeteredMLLM) -> Step:
        heard = await Exchange(state, model).plan()
        remarks = list(heard.remarks)
        reply = heard.value
        step = Step(number=state.number, thought=reply.thought, fallback=told(remarks))
        if not reply.sub_queries:
            reason = reply.reason or "nothing has to be searched"
            return step.model_copy(update={"done": True, "reason": reason})
        plan = _plan(state, reply)
        step = step.model_copy(update={"plan": plan})
        if not plan:
            return step.model_copy(update={"done": True, "reason": "nothing has to be searched"})
        return self._next(state, plan, step)

    @staticmethod
    def _next(state: PlanState, plan: tuple[SubQuestion, ...], step: Step) -> Step:
        """The step with the sub-questions that wait for nothing more."""
        found = {query.id: finding for query, finding in asked(state.steps)}
        left = [node for node in plan if node.id not in found]
        ready = [node for node in left if all(parent in found for parent in node.depends_on)]
        texts = {node.id: node.text for node in plan}
        remarks = [step.fallback] if step.fallback else []
        queries: list[Query] = []
        for node in ready:
            text, missing = filled(node.text, texts, found)
            if missing:
                remarks.append(f"{node.id} is asked without the answers of {', '.join(missing)}")
            queries.append(
                Query(id=node.id, text=clean_query(state, text) or state.question, tool=node.tool)
            )
        if not state.steps:
            queries += [
                query
                for tool in dict.fromkeys(node.tool for node in ready)
                for query in by_pictures(state, tool)
            ]
        kept = fresh(state, queries)
        if not kept:
            reason = "the plan is carried out" if not left else "there is nothing new to ask"
            return step.model_copy(
                update={"done": True, "reason": reason, "fallback": told(remarks)}
            )
        return step.model_copy(update={"queries": kept, "fallback": told(remarks)})


def filled(
    text: str, texts: Mapping[str, str], found: Mapping[str, Finding | None]
) -> tuple[str, list[str]]:
    """A sub-question with the answers of others in place of their names.

    One that has no answer is named by what was asked instead.

    Args:
        text: May hold ``#id``.
        texts: The sub-questions by id.
        found: What each that was asked has found.

    Returns:
        The text, and the ids of those that have no answer.
    """
    missing: list[str] = []
    names = sorted((re.escape(key) for key in texts), key=len, reverse=True)
    if not names:
        return text, missing

    def answer(match: re.Match[str]) -> str:
        finding = found.get(match[1])
        if finding is None or nothing_found(finding):
            missing.append(match[1])
            return one_line(texts[match[1]], _ANSWER).rstrip("?")
        return short(finding.digest)

    filled_in = re.sub(rf"#({'|'.join(names)})(?!\w)", answer, text)
    return filled_in, list(dict.fromkeys(missing))


def short(digest: str) -> str:
    """The first sentence of a digest, which begins with the answer, without its full stop."""
    line = one_line(digest, 4 * _ANSWER)
    first = next((line[start:end] for start, end in sentences(line)), "")
    return one_line(first, _ANSWER).rstrip(".!? ")


def _plan(state: PlanState, reply: Reply) -> tuple[SubQuestion, ...]:
    """The graph of a reply; sub-questions that need no search are left out with their names."""
    tools = {action.query_id: action.tool for action in reversed(reply.actions)}
    usual = usual_tool(state)
    searched = {
        query.id: tools.get(query.id, usual)
        for query in reply.sub_queries
        if tools.get(query.id) != NONE or named_tool(state, NONE) is not None
    }
    return tuple(
        SubQuestion(
            id=query.id,
            text=query.text,
            tool=searched[query.id],
            depends_on=tuple(key for key in query.depends_on if key in searched),
        )
        for query in reply.sub_queries
        if query.id in searched
    )
