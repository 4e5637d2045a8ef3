"""The one exchange that planners have with a model: a request out, a reply in.

A request is ``{question, images, history, tools, notes, probe, round, max_rounds}``, a
reply ``{thought, sub_queries: [{id, text, depends_on}], actions: [{query_id, tool,
top_k}], regions: [{evidence_id, box, why}], done, reason}``. Each call is held to those
parts of the one schema that it is asked for. What a reply may not say is refused by
rule: a tool that is not in the state, a query that is not there, a circle of
dependencies. A document that a model is shown can thus never add a tool.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cogagent.geometry import Box, make_box
from cogagent.models.metered import MeteredMLLM
from cogagent.models.replies import number
from cogagent.planners.asking import Form, Heard, Read, Wording, fill_in
from cogagent.planners.base import PlanState
from cogagent.planners.fencing import one_line
from cogagent.planners.prompts import prompt
from cogagent.planners.request import NONE, REGION, Request
from cogagent.types import Region

MOST_QUERIES = 5
"""Sub-queries of one reply."""
LONGEST = 300
"""Characters of a sub-query; longer ones are cut."""
ALL = "all"
"""Stands for every query of a round, where a tool is chosen before the queries are there."""

_QUERY = 160
"""Characters of a sub-query, and of the thought, that a model held to the schema may write."""
_THOUGHT = 240
_WHY = 120
_ID = 40
_MOST_REGIONS = 3
_MOST_ITEMS = 40
"""Entries of a list that are looked at."""
_MOST_ACTIONS = 2 * MOST_QUERIES
_TOP_K = 50
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)
_M = TypeVar("_M", bound=BaseModel)


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class SubQuery(_Loose):
    """A search that a model asks for."""

    id: str = ""
    text: str
    depends_on: tuple[str, ...] = ()


class Action(_Loose):
    """The tool that it chooses for one."""

    query_id: str
    tool: str
    top_k: int | None = None


class _Asked(_Loose):
    evidence_id: str
    box: tuple[float, float, float, float] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The other side of the exchange, as far as it can be used.

    Attributes:
        thought: In a sentence.
        sub_queries: Their ids are unique, what they depend on is there and no circle.
        actions: Each of a query and a tool that are there; of ``none`` too.
        regions: Each of a piece of evidence that is there.
        done: Nothing more is needed.
        reason: Why it is done.
    """

    thought: str = ""
    sub_queries: tuple[SubQuery, ...] = ()
    actions: tuple[Action, ...] = ()
    regions: tuple[Region, ...] = ()
    done: bool = False
    reason: str = ""


class Exchange:
    """Asks a model about one state.

    Args:
        state: All that is known.
        model: Asked; each kind of call under a purpose of its own.
    """

    def __init__(self, state: PlanState, model: MeteredMLLM) -> None:
        self._state = state
        self._model = model
        self.request = Request.of(state)

    async def rewrite(self) -> Heard[Reply]:
        """What to search for next, with no regard to tools (purpose ``rewrite``).

        The model is shown the question's pictures, in the first round, if it sees.

        Raises:
            BudgetError: If the budget does not allow it.
            ModelError: If the model fails, or its reply is of no use.
        """
        pictures = () if self.request.history else affordable(self._state)
        order = prompt("rewrite.v1").replace("{most}", str(MOST_QUERIES))
        wording = Wording(order, self.request.text, pictures)
        known = {past.id for past in self.request.history}
        form = Form(
            _schema("thought", "sub_queries", "done", "reason"),
            lambda value: _read_queries(value, known),
        )
        return await fill_in(self._model.named("rewrite"), wording, form)

    async def choose(self, queries: Sequence[SubQuery]) -> Heard[Reply]:
        """A tool for each of these queries (purpose ``choose tool``); raises likewise."""
        lines = [f"- {query.id}: {query.text}" for query in queries]
        return await self._choose("choose_tool.v1", [query.id for query in queries], lines)

    async def choose_for_round(self) -> Heard[Reply]:
        """A tool for the round, before its queries are there (purpose ``choose tool``)."""
        return await self._choose("choose_for_round.v1", [ALL], ())

    async def plan(self) -> Heard[Reply]:
        """A whole plan: sub-questions, what each depends on and its tool (purpose ``plan``)."""
        tools = self._tools()
        order = prompt("plan.v1").replace("{most}", str(MOST_QUERIES))
        wording = Wording(
            order, lambda room: self.request.text(room, tools=True), affordable(self._state)
        )

        def read(value: Mapping[str, Any]) -> Read[Reply]:
            first = _read_queries(value, ())
            if first.value is None:
                return first
            ids = [query.id for query in first.value.sub_queries]
            if not ids:
                return first
            second = _read_actions(value, ids, tools, {})
            chosen = second.value.actions if second.value is not None else ()
            whole = replace(first.value, actions=chosen)
            return Read(whole, (*first.faults, *second.faults), (*first.remarks, *second.remarks))

        schema = _schema("thought", "sub_queries", "actions", "done", "reason", tools=tools)
        return await fill_in(self._model.named("plan"), wording, Form(schema, read, tokens=600))

    async def _choose(self, name: str, ids: Sequence[str], lines: Sequence[str]) -> Heard[Reply]:
        tools = self._tools()
        places = {place.alias: place.evidence_id for place in self.request.places}
        order = "\n\n".join([prompt(name), *([prompt("regions.v2")] if places else [])])
        parts = ("thought", "actions", *(("regions",) if places else ()))
        wording = Wording(order, lambda room: self.request.text(room, tools=True, queries=lines))
        form = Form(
            _schema(*parts, tools=tools, queries=ids, places=list(places)),
            lambda value: _read_actions(value, ids, tools, places),
        )
        return await fill_in(self._model.named("choose tool"), wording, form)

    def _tools(self) -> list[str]:
        """Names that may be chosen; looking again is asked for as a region, not as a tool."""
        names = [tool.name for tool in self.request.tools if tool.name != REGION]
        return [*names, *([] if NONE in names else [NONE])]


def affordable(state: PlanState) -> tuple[Any, ...]:
    """The question's pictures, as many as the budget allows to be shown."""
    left = state.left.pictures
    return state.rasters if left is None else state.rasters[:left]


def tidied(text: str, question: str) -> str:
    """A query that a model wrote as a tool may be given it.

    On one line, cut at 300 characters. Addresses that the question does not name are
    taken out: a document might have put them there to have something sent to them.
    """
    line = _ADDRESS.sub(lambda found: found[0] if found[0] in question else "", text)
    return " ".join(one_line(line, LONGEST).split())


def _schema(
    *parts: str,
    tools: Sequence[str] = (),
    queries: Sequence[str] = (),
    places: Sequence[str] = (),
) -> dict[str, Any]:
    """Those parts of the one schema, closed over the names that there are."""
    text = {"type": "string", "maxLength": _QUERY}
    name = {"type": "string", "pattern": "^q[1-9]$"}
    fraction = {"type": "number", "minimum": 0, "maximum": 1}
    whole: dict[str, Any] = {
        "thought": {"type": "string", "maxLength": _QUERY},
        "sub_queries": _list(
            {
                "id": name,
                "text": text,
                "depends_on": {"type": "array", "items": name, "maxItems": 3},
            },
            MOST_QUERIES,
        ),
        "actions": _list(
            {
                "query_id": {"type": "string", "enum": list(queries)} if queries else name,
                "tool": {"type": "string", "enum": list(tools)},
                "top_k": {"type": ["integer", "null"], "minimum": 1, "maximum": _TOP_K},
            },
            (2 if queries == [ALL] else len(queries)) or MOST_QUERIES,
            least=1 if queries else 0,
        ),
        "regions": _list(
            {
                "evidence_id": {"type": "string", "enum": list(places)},
                "box": {
                    "anyOf": [
                        {"type": "array", "items": fraction, "minItems": 4, "maxItems": 4},
                        {"type": "null"},
                    ]
                },
                "why": {"type": "string", "maxLength": _WHY},
            },
            _MOST_REGIONS,
        ),
        "done": {"type": "boolean"},
        "reason": {"type": "string", "maxLength": _WHY},
    }
    return closed({part: whole[part] for part in parts})


def closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all of these properties and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(properties: Mapping[str, Any], most: int, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": closed(properties), "minItems": least, "maxItems": most}


def _read_queries(value: Mapping[str, Any], known: Collection[str]) -> Read[Reply]:
    """The first half of a reply: what to search for, or that it is done.

    Args:
        value: The reply.
        known: Ids of queries that were asked before.
    """
    given, faults = items(value, "sub_queries", SubQuery)
    remarks: list[str] = []
    done = _truth(value.get("done", False))
    if done is None:
        faults.append("done has to be true or false")
    kept = _named(given, faults, remarks)
    kept = _linked(kept, known, faults, remarks)
    if not kept and not done:
        nothing = "there is no sub-query, and done is not true"
        return Read(None, tuple(faults or [nothing]), tuple(remarks))
    reply = Reply(
        thought=words(value.get("thought"), _THOUGHT),
        sub_queries=tuple(kept.values()),
        done=bool(done),
        reason=words(value.get("reason"), _WHY),
    )
    return Read(reply, tuple(faults), tuple(remarks))


def _named(
    given: Sequence[SubQuery], faults: list[str], remarks: list[str]
) -> dict[str, SubQuery]:
    """The sub-queries that have a text, each under an id of its own."""
    if len(given) > MOST_QUERIES:
        remarks.append(f"{len(given) - MOST_QUERIES} of {len(given)} sub-queries were left out")
    kept: dict[str, SubQuery] = {}
    same: dict[str, str] = {}
    other: dict[str, str] = {}
    for query in given[:MOST_QUERIES]:
        text = one_line(query.text, LONGEST)
        if not any(map(str.isalnum, text)):
            faults.append("a sub-query has no text")
            continue
        if len(query.text) > LONGEST:
            remarks.append(f"a sub-query of {len(query.text)} characters was cut")
        wanted = one_line(query.id, _ID).lstrip("#")
        if text.casefold() in same:
            remarks.append("a sub-query that was there twice was left out")
            other.setdefault(wanted, same[text.casefold()])
            continue
        if wanted in kept:
            faults.append(f"the id {wanted!r} is there twice")
        key = wanted if wanted and wanted not in kept else _free(kept)
        depends = dict.fromkeys(one_line(name, _ID).lstrip("#") for name in query.depends_on)
        kept[key] = SubQuery(id=key, text=text, depends_on=tuple(depends))
        same[text.casefold()] = key
    for key, query in kept.items():
        named = (name if name in kept else other.get(name, name) for name in query.depends_on)
        kept[key] = query.model_copy(update={"depends_on": tuple(dict.fromkeys(named))})
    return kept


def _linked(
    queries: Mapping[str, SubQuery],
    known: Collection[str],
    faults: list[str],
    remarks: list[str],
) -> dict[str, SubQuery]:
    """The sub-queries with what they depend on, as far as it is there and no circle."""
    kept: dict[str, SubQuery] = {}
    for key, query in queries.items():
        there = tuple(name for name in query.depends_on if name in queries and name != key)
        missing = [name for name in query.depends_on if name not in (*there, *known, "")]
        if missing:
            remarks.append(f"{key} cannot depend on {missing[0]!r}")
        kept[key] = query.model_copy(update={"depends_on": there})
    circle = _circle(kept)
    if circle:
        faults.append(f"{', '.join(circle)} wait for each other in a circle")
    for key in circle:
        kept[key] = kept[key].model_copy(update={"depends_on": ()})
    return kept


def _read_actions(
    value: Mapping[str, Any],
    ids: Sequence[str],
    tools: Sequence[str],
    places: Mapping[str, str],
) -> Read[Reply]:
    """The second half of a reply: which tool for which query, and what to look at again.

    Args:
        value: The reply.
        ids: Of the queries.
        tools: That there are.
        places: Ids of evidence that can be looked at again, by their short names.
    """
    given, faults = items(value, "actions", Action)
    kept: dict[tuple[str, str], Action] = {}
    astray: list[str] = []
    for action in given[: max(_MOST_ACTIONS, len(ids))]:
        query, tool = action.query_id.strip().lstrip("#"), action.tool.strip().casefold()
        if query not in ids:
            astray.append(f"there is no query {one_line(query, _ID)!r}")
        elif tool not in tools:
            faults.append(
                f"there is no tool {one_line(action.tool, _ID)!r}; there are {', '.join(tools)}"
            )
        else:
            top = action.top_k if action.top_k is not None and action.top_k > 0 else None
            top = None if top is None else min(top, _TOP_K)
            kept[query, tool] = Action(query_id=query, tool=tool, top_k=top)
    regions, remarks = _regions(value, places)
    if {query for query, _ in kept} == set(ids):
        remarks += astray  # surplus alone: every query has its tool
    else:
        faults += astray
    if not kept and not faults:
        faults.append("there is no action")
    reply = Reply(
        thought=words(value.get("thought"), _THOUGHT),
        actions=tuple(kept.values()),
        regions=tuple(regions),
    )
    return Read(reply if kept else None, tuple(faults), tuple(remarks))


def _regions(
    value: Mapping[str, Any], places: Mapping[str, str]
) -> tuple[list[Region], list[str]]:
    """Places to look at again; those that are none are left out."""
    if not places:
        return [], []
    given, remarks = items(value, "regions", _Asked)
    kept: list[Region] = []
    for asked in given[:_MOST_REGIONS]:
        box = None if asked.box is None else _box(asked.box)
        key = asked.evidence_id.strip()
        found = places.get(key) or (key if key in places.values() else None)
        if found is None:
            remarks.append(f"there is no evidence {one_line(key, _ID)!r} to look at again")
        elif box is None and asked.box is not None:
            remarks.append("a region was left out whose box is none")
        else:
            kept.append(Region(evidence_id=found, box=box, why=one_line(asked.why, _WHY)))
    return kept, remarks


def items(value: Mapping[str, Any], name: str, kind: type[_M]) -> tuple[list[_M], list[str]]:
    """The entries of a list that are what they have to be, and what is wrong with the others."""
    given = value.get(name)
    if given is None:
        return [], []
    if not isinstance(given, list):
        return [], [f"{name} has to be a list"]
    kept, faults = [], []
    for place, entry in enumerate(given[:_MOST_ITEMS]):
        try:
            kept.append(kind.model_validate(entry))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in (name, place, *first["loc"]))
            faults.append(f"{where}: {first['msg']}")
    return kept, faults


def words(value: object, most: int) -> str:
    """What should be a text as one, on one line; anything else is none."""
    return one_line(value, most) if isinstance(value, str) else ""


def _truth(value: object) -> bool | None:
    if isinstance(value, bool) or value is None:
        return bool(value)
    said = str(value).strip().casefold()[:8]
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(
        said
    )


def _free(kept: Mapping[str, SubQuery]) -> str:
    return next(key for key in (f"q{n}" for n in range(1, len(kept) + 2)) if key not in kept)


def _circle(queries: Mapping[str, SubQuery]) -> list[str]:
    """The queries that can never be asked, since each waits for another of them."""
    waiting = dict(queries)
    while True:
        ready = [
            key
            for key, query in waiting.items()
            if not any(name in waiting for name in query.depends_on)
        ]
        if not ready:
            return list(waiting)
        for key in ready:
            del waiting[key]


def _box(corners: Sequence[float]) -> Box | None:
    """Page fractions as a box."""
    parts = [number(corner, 0.0, 1.0) for corner in corners]
    if any(part is None for part in parts):
        return None
    x0, y0, x1, y1 = (part for part in parts if part is not None)
    return make_box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
