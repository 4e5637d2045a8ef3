"""A planner without a model: it reads the wording of the question and what was found.

At first it searches for the question, and for the names in it where it takes
several. Then it reads: a name on which nothing was found is looked up, and a
name in the evidence that answers an inner part of the question leads on. It
stops when one passage has what was asked, or nothing leads on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

from cogagent.models.metered import MeteredMLLM
from cogagent.planners.base import PlanState
from cogagent.planners.bridging import STATED, SURE, Bridge, bridges, hints
from cogagent.planners.followups import standalone
from cogagent.planners.naming import Named, asked_names, evened, plain_words
from cogagent.planners.request import REGION
from cogagent.planners.routing import Route, of_part, route
from cogagent.planners.splitting import LONG, Chain, chains, compared, split_question
from cogagent.planners.view import View
from cogagent.reading.passage import Encoder
from cogagent.reading.question import words
from cogagent.types import Evidence, Query, Region, Step

__all__ = ["RulePlanner", "split_question"]

_ROUNDS = 3
"""Steps with searches after which it stops of itself."""
_LOOKUPS = 4
"""Names of the question that one step looks up."""
_READ = 3
"""Best passages that are read for hints, beside those on the question's names."""
_MOST_READ = 5
_HINTS = 3
"""Hints that one step follows."""
_SAME_PASSAGE = 0.1
"""What each hint of a passage takes off its next."""
_TRIED = 3
"""Names that are tried for one step of one way; fewer where there are several ways."""
_TRIED_EACH = 2
_RIVAL = 0.3
"""How much less sure than the surest a name may be that is tried too."""
_ALONE = 0.1
"""How much surer the surest has to be for the question to be read with it."""
_READING = ("text", "all")
"""Tools that bring passages, in which names can be read."""
_CHARTS = 3
"""Charts whose values are looked at, of the best so many pieces of evidence."""
_CHARTS_AMONG = 6
_LOOKS = "charts were found: their values are looked at"


class RulePlanner:
    """Plans by rules; needs no language model.

    Args:
        encoder: Compares sentences with the question by meaning, for the better hints;
            ``None`` to go by their words.
    """

    name = "rules"

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder

    async def plan(self, state: PlanState, model: MeteredMLLM | None = None) -> Step:  # noqa: ARG002
        """At first the question and its names; then what is missing and what leads on."""
        # Regular expressions and vectors: not in the thread that serves everybody.
        return await asyncio.to_thread(self._next if state.steps else _first, state)

    def _next(self, state: PlanState) -> Step:
        number = state.number
        charts = _charts(state)
        if not any(query.tool in _READING for query in _asked(state)):
            if charts:
                return Step(number=number, thought=_LOOKS, queries=charts)
            return Step(number=number, done=True, reason="what was asked for was searched for")
        read = next((step.resolved for step in state.steps[:1] if step.resolved), "")
        if len(read or state.question) > LONG:
            return Step(number=number, done=True, reason="it is too long to be taken apart")
        view = View(evened(read or state.question), state)
        resolved = _resolved(view)
        wanted = _lookups(view) + self._ways(view, resolved)
        if not (view.ways or _compares(view) or view.suffices):
            wanted += self._hints(view)
        queries = _fresh([*charts, *wanted], state)
        over = _over(state) if queries else _reason(view)
        if over and queries and state.left.steps == 0 and _rounds(state) < _ROUNDS:
            over = ""  # what the budget does not allow is told, as left undone
        if over:
            return Step(number=number, resolved=resolved, done=True, reason=over)
        return Step(
            number=number, thought=_thought(view, queries, resolved), resolved=resolved,
            queries=queries,
        )  # fmt: skip

    def _ways(self, view: View, resolved: str) -> list[Query]:
        """The next name on each way, and the question itself where all of it is known."""
        queries = [query for way in view.ways for query in self._onward(view, way)]
        if resolved:
            via = tuple(dict.fromkeys(key for query in view.led for key in query.via))
            queries.append(
                Query(
                    text=resolved,
                    tool=view.tool,
                    via=via,
                    why="the question with the name filled in",
                )
            )
        return queries

    def _onward(self, view: View, way: Chain) -> list[Query]:
        """The next names on a way, from as far as it has been followed."""
        source = view.on.get(way.named)
        for relation in way.relations:
            if source is None:
                return []
            led = _led(view, source)
            if not led:
                most = _TRIED if len(view.ways) == 1 else _TRIED_EACH
                return [
                    _over_name(view, bridge.name, bridge, _why(relation, bridge))
                    for bridge in self._tried(view, relation, source)[:most]
                ]
            source = view.target(led[0])
        return []

    def _tried(self, view: View, relation: str, source: Evidence) -> list[Bridge]:
        """The names that may be what is looked for, the surest first."""
        found = _bridges(view, relation, source)
        if not found or found[0].surety < STATED:
            return hints(view.question, view.pieces(source), _known(view), self._encoder)
        return [bridge for bridge in found if bridge.surety >= found[0].surety - _RIVAL]

    def _hints(self, view: View) -> list[Query]:
        """Searches for names that the best evidence brings up, with what is still open.

        Once: what these bring up in turn has seldom to do with the question.
        """
        if view.led:
            return []
        best = [*view.on.values(), *view.state.evidence[:_READ]]
        # What is said of a picture without words are the program's own words.
        told = [piece for piece in best if piece.modality != "image" or len(piece.words)]
        sources = list({piece.id: piece for piece in told}.values())
        found = hints(view.question, sources[:_MOST_READ], _known(view), self._encoder)
        return [
            _over_name(
                view,
                " ".join([bridge.name, *_open(view.question, bridge)]),
                bridge,
                f"{_named_in(bridge)} brings up {bridge.name}",
            )
            for bridge in _spread(found)
        ]


# --- the first step --------------------------------------------------------


def _first(state: PlanState) -> Step:
    """The question, by the tools that it wants, and the names that it takes together."""
    resolved, thought = standalone(state.question, state.turns)
    question = resolved or state.question
    if resolved:
        state = state.model_copy(update={"question": resolved})
    wanted: Route = route(state)
    thoughts = [thought, wanted.thought]
    if wanted.needs_nothing:
        return Step(
            number=1, thought=_joined(thoughts), resolved=resolved, notes=wanted.notes, done=True,
            reason=wanted.thought,
        )  # fmt: skip
    lookups, meant = _taken_together(question, state)
    parts = split_question(question)
    if lookups and "text" in wanted.tools and "image" not in wanted.tools:
        # The sides of a comparison are looked up by name.
        parts = [part for part in parts if part.endswith("?")] or parts[:1]
    routes = [of_part(state, part, wanted) for part in parts]
    queries = [
        query for part, way in zip(parts, routes, strict=True) for query in _by_tools(part, way)
    ]
    if any(tool in _READING for way in routes for tool in way.tools):
        queries += lookups
        thoughts += meant
    queries += [
        Query(text=state.question, tool="image", picture=index, why="pictures that look alike")
        for index in range(state.pictures)
    ]
    return Step(
        number=1, thought=_joined(thoughts), resolved=resolved, notes=wanted.notes,
        queries=_fresh(queries, state),
    )  # fmt: skip


def _taken_together(question: str, state: PlanState) -> tuple[list[Query], list[str]]:
    """Lookups of the names that a question takes several passages for, and what it means."""
    if len(question) > LONG:
        return [], []
    question = evened(question)
    named = asked_names(question)
    sides = compared(question, named)
    ways = chains(question, named)
    relation = {way.named: way.relations[0] for way in ways}
    wanted = list(dict.fromkeys([*sides, *relation]))
    if state.left.steps == 1 and not wanted:
        wanted = named  # there is no later step to look them up in
    lookups = [_lookup(name, relation.get(name)) for name in wanted[:_LOOKUPS]]
    return lookups, [_speaks_of(sides), *map(_goes_over, ways[:1])]


def _by_tools(text: str, wanted: Route) -> list[Query]:
    """One search of each tool for a text, tables by themselves first where they are wanted."""
    tables = [Query(text=text, kinds=wanted.kinds, why="tables by words")]
    return [*(tables if wanted.kinds else []), *(
        Query(text=text, tool=tool, why=_WHY.get(tool, "by words")) for tool in wanted.tools
    )]  # fmt: skip


_WHY = {
    "text": "text by words and meaning",
    "image": "pictures by words",
    "web": "pages of the web",
}


def _speaks_of(sides: Sequence[Named]) -> str:
    if not sides:
        return ""
    return f"it puts {' and '.join(name.text for name in sides)} side by side"


def _goes_over(way: Chain) -> str:
    said = way.named.text
    for relation in way.relations:
        said = f"the {relation} of {said}"
    return f"the answer goes over {said}"


def _lookup(name: Named, relation: str | None = None) -> Query:
    """What there is on a name, or what says who or what stands in a relation to it."""
    if relation is None:
        return Query(text=name.text, why=f"what there is on {name.text}")
    return Query(text=f"{relation} of {name.text}", why=f"the {relation} of {name.text}")


# --- what was found --------------------------------------------------------


def _compares(view: View) -> bool:
    """Whether it only asks for things side by side, on each of which there is something."""
    return bool(view.sides) and all(name in view.on for name in view.sides)


def _lookups(view: View) -> list[Query]:
    """The names on which nothing was found yet, where one passage does not answer."""
    if view.suffices and not view.ways:
        return []
    needed = [*view.sides, *(way.named for way in view.ways)]
    return [_lookup(name) for name in view.missing if name in needed or not needed][:_LOOKUPS]


def _charts(state: PlanState) -> tuple[Query, ...]:
    """Second looks at the best charts, whose values a search cannot see."""
    able = any(tool.name == REGION for tool in state.tools)
    if not able:
        return ()
    most = _CHARTS if state.left.regions is None else min(_CHARTS, state.left.regions)
    seen = {query.region.evidence_id for query in _asked(state) if query.region is not None}
    best = state.evidence[:_CHARTS_AMONG]
    found = [piece for piece in best if piece.look == "chart" and not piece.parent]
    question = next((step.resolved for step in state.steps[:1] if step.resolved), "")
    return tuple(
        Query(
            text=question or state.question, tool=REGION, region=Region(evidence_id=piece.id),
            why=f"the values of the chart \u201c{piece.title}\u201d",
        )
        for piece in found[:most]
        if piece.id not in seen
    )  # fmt: skip


def _over_name(view: View, text: str, bridge: Bridge, why: str) -> Query:
    return Query(text=text, tool=view.tool, via=(bridge.source.id,), why=why)


def _led(view: View, source: Evidence) -> list[Query]:
    """The queries that have gone on from what a piece of evidence is on, the surest first."""
    document = source.document_id
    ids = {piece.id for piece in view.state.evidence if piece.document_id == document}
    return [query for query in view.led if ids.intersection(query.via)]


def _bridges(view: View, relation: str, source: Evidence) -> list[Bridge]:
    """The names in what was found on something that may stand in a relation to it."""
    found: dict[tuple[str, ...], Bridge] = {}
    for piece in view.pieces(source):
        for bridge in bridges(relation, piece, _known(view)):
            best = found.setdefault(plain_words(bridge.name), bridge)
            if bridge.surety > best.surety:
                found[plain_words(bridge.name)] = bridge
    return sorted(found.values(), key=lambda bridge: -bridge.surety)


def _resolved(view: View) -> str:
    """The question with its inner part filled in, where the evidence is plain; else empty."""
    if len(view.ways) != 1 or any(step.resolved for step in view.state.steps[1:]):
        return ""
    way = view.ways[0]
    source = view.on.get(way.named)
    said = ""
    for relation in way.relations:
        if source is None:
            return ""
        found = _bridges(view, relation, source)
        sure = found and found[0].surety >= SURE
        if not sure or (len(found) > 1 and found[1].surety > found[0].surety - _ALONE):
            return ""
        said = found[0].name
        led = [query for query in _led(view, source) if query.text == said]
        source = view.target(led[0]) if led else None
    if source is None:
        return ""
    filled = way.filled(view.question, said)
    return filled[:1].upper() + filled[1:]


def _spread(found: Sequence[Bridge]) -> list[Bridge]:
    """The surest first, but not all of one passage: each takes a little from its next."""
    times: Counter[str] = Counter()
    left = list(found)
    spread: list[Bridge] = []
    while left and len(spread) < _HINTS:
        best = max(
            left, key=lambda bridge: bridge.surety - _SAME_PASSAGE * times[bridge.source.id]
        )
        left.remove(best)
        spread.append(best)
        times[best.source.id] += 1
    return spread


def _known(view: View) -> list[str]:
    """Names that lead nowhere new."""
    return [*(name.text for name in view.names), *(piece.title for piece in view.on.values())]


def _open(question: str, bridge: Bridge) -> list[str]:
    """The words of the question that the sentence of a bridge does not have."""
    told = {word.stem for word in words(f"{bridge.source.title} {bridge.sentence}")}
    return [
        question[word.start : word.end]
        for word in words(question)
        if word.content and word.stem not in told
    ]


# --- what is said about it -------------------------------------------------


def _why(relation: str, bridge: Bridge) -> str:
    """Which name leads on, and from where."""
    return f"{_named_in(bridge)} names {bridge.name}, perhaps the {relation}"


def _named_in(bridge: Bridge) -> str:
    return f"\u201c{bridge.source.title}\u201d" if bridge.source.title else "a passage"


def _thought(view: View, queries: Sequence[Query], resolved: str) -> str:
    """What the next searches are for."""
    over = [query for query in queries if query.via]
    looked_up = [query for query in queries if not query.via and query.region is None]
    thoughts = [
        f"it can be read as: {resolved}" if resolved else "",
        f"nothing yet on {_listed(query.text for query in looked_up)}" if looked_up else "",
        _LOOKS if any(query.region is not None for query in queries) else "",
    ]
    leads = _listed(query.text for query in over if query.text != resolved)
    if leads:
        thoughts.append(
            f"{'the way' if view.ways else 'it may'} {'goes' if view.ways else 'go'} "
            f"on over {leads}"
        )
    return _joined(thoughts)


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


def _over(state: PlanState) -> str:
    """Why nothing more may be asked, though there would be something; empty if it may."""
    if state.left.steps is not None and state.left.steps < 1:
        return "no step is left"
    return f"{_ROUNDS} rounds of searches are over" if _rounds(state) >= _ROUNDS else ""


def _rounds(state: PlanState) -> int:
    return sum(bool(step.queries) for step in state.steps)


def _reason(view: View) -> str:
    """Why nothing more is asked."""
    if not view.state.evidence:
        return "nothing was found, and there is nothing else to ask"
    if _compares(view) and not view.ways:
        return f"there is something on {' and '.join(name.text for name in view.sides)}"
    if view.ways and view.led:
        return "the way was followed to its end"
    if view.suffices:
        return f"\u201c{view.state.evidence[0].title}\u201d has what was asked"
    return "nothing new leads on"


def _joined(thoughts: Iterable[str]) -> str:
    said = list(dict.fromkeys(filter(None, thoughts)))
    return "; ".join([thought for thought in said if thought != _PLAIN] or said)


_PLAIN = "a plain question"
"""What routing thinks of a question that names no tool: said only where there is no more."""


# --- queries ---------------------------------------------------------------


def _asked(state: PlanState) -> list[Query]:
    return [query for step in state.steps for query in step.queries]


def _fresh(queries: Iterable[Query], state: PlanState) -> tuple[Query, ...]:
    """The queries that repeat none that was asked, by words and tool."""
    known = {_key(query) for query in _asked(state)}
    fresh: dict[tuple[object, ...], Query] = {}
    for query in queries:
        if _key(query) not in known:
            fresh.setdefault(_key(query), query)
    return tuple(fresh.values())


def _key(query: Query) -> tuple[object, ...]:
    said = plain_words(query.text) or query.text
    place = query.region and (query.region.evidence_id, query.region.box)
    return (query.tool, query.kinds, query.picture, place, frozenset(said), len(said))
