"""Which tool answers a question: by what is asked for, and by what each would find.

Most questions do not say whether a text or a picture answers them, so the probe
decides: how near the best hits of each tool are, and how many of the question's
words they hold. Only differences between the tools count, since the cosines of
another collection lie elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from cogagent.planners.base import PlanState, Probe, ProbeHit
from cogagent.planners.sums import worked_out
from cogagent.planners.talk import is_small_talk
from cogagent.types import ChunkKind, Note

FEATURES = (
    "cosine",  # the nearest picture's text against the nearest passage, by the text embedder
    "shown",  # the picture that looks most like it, against the nearest passage
    "words",  # the share of the question's words that the best of each holds
)
UNSURE = 1.0
"""Log-odds between the tools within which both are asked."""

_ASKED = 2.5
"""Log-odds that the wording adds for the modality it names."""
_TELLING = 0.3
"""Share of the question's words that a picture has at least, if its words are to answer."""
_FAR = 0.5
"""Share of the question's words below which the documents are taken not to answer it."""
_HINTED = 1.0
"""Log-odds of wording that is only likelier with one of them."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where to look for the answer.

    Attributes:
        tools: Names, the likeliest first; none where nothing needs to be looked for.
        kinds: ``("table",)`` where a table is asked for: to be searched for by itself, too.
        needs_nothing: No document answers it: small talk, or a sum.
        thought: Why, in a few words.
        notes: What was worked out.
    """

    tools: tuple[str, ...]
    kinds: tuple[ChunkKind, ...] = ()
    needs_nothing: bool = False
    thought: str = ""
    notes: tuple[Note, ...] = ()


def route(state: PlanState) -> Route:
    """Where to look for the answer to the state's question.

    A tool that is not there, or whose probe found nothing, is never chosen while
    there is another.
    """
    if not state.pictures and not state.choices:
        if (found := worked_out(state.question)) is not None:
            note = Note(kind="computed", text=str(found))
            return Route((), needs_nothing=True, thought="a sum, worked out", notes=(note,))
        if is_small_talk(state.question):
            return Route((), needs_nothing=True, thought="small talk: no document answers it")
    parts = list(dict.fromkeys(probe.part for probe in state.probe if probe.part))
    if not parts:
        return _routed(state, state.question, "")
    routes = [_routed(state, part, part) for part in parts]
    return Route(
        tuple(dict.fromkeys(tool for one in routes for tool in one.tools)),
        routes[0].kinds if all(one.kinds for one in routes) else (),
        thought="; ".join(dict.fromkeys(one.thought for one in routes)),
    )


def of_part(state: PlanState, part: str, whole: Route) -> Route:
    """Where to look for the answer to one of the questions in the state's question.

    Args:
        state: Its probe may know the part.
        part: As :func:`cogagent.planners.splitting.split_question` gives it.
        whole: For parts that were not probed.
    """
    if any(probe.part == part for probe in state.probe):
        return _routed(state, part, part)
    return whole


def _routed(state: PlanState, question: str, part: str) -> Route:
    """The route of a question that something has to be looked for."""
    probes = {probe.tool: probe for probe in state.probe if probe.part == part}
    tools, thought = _between(state, question, probes)
    if (why := _outward(state, question, probes)) is not None:
        tools, thought = (*tools, "web"), f"{thought}; {why}"
    if "text" in tools and _TABLE.search(question):
        return Route(tools, ("table",), thought=f"{thought}; it speaks of a table")
    return Route(tools, thought=thought)


def _outward(state: PlanState, question: str, probes: Mapping[str, Probe]) -> str | None:
    """Why the web is asked too, where it is switched on; ``None`` if it is not.

    What is asked leaves this machine, so that the documents have to be far from it.
    """
    if not any(spec.name == "web" for spec in state.tools) or state.left.web_searches == 0:
        return None
    if named := _OUTWARD.search(question):
        return f"it speaks of {named.group().lower()!r}"
    best = max((_best(probe, _words) for probe in probes.values()), default=1.0)
    return "the documents have few of its words" if best < _FAR else None


def features(probes: Mapping[str, Probe]) -> dict[str, float]:
    """How much better the pictures found are than the texts, feature by feature."""
    text, image = probes["text"], probes["image"]
    near = _best(text, lambda hit: hit.cosine)
    return {
        "cosine": _best(image, lambda hit: hit.cosine) - near,
        "shown": _best(image, lambda hit: hit.shown) - near,
        "words": _best(image, lambda hit: hit.words) - _best(text, lambda hit: hit.words),
    }


# --- the wording -----------------------------------------------------------

_PICTURE = re.compile(
    r"\b(?:pictures?|photos?|photographs?|images?|charts?|graphs?|plots?|diagrams?|maps?|logos?|"
    r"icons?|drawings?|sketch(?:es)?|illustrations?|screenshots?|paintings?|posters?|"
    r"infographics?|figure \d+|(?:this|that|which|what|the) figure|page layout|pie|legend|"
    r"(?:x|y|horizontal|vertical)[- ]axis|depict\w*|look(?:s|ed)? like|pictured|visuali[sz]\w+)\b",
    re.IGNORECASE,
)
_SEEN = re.compile(
    r"\b(?:what (?:colou?rs?|shape) (?:is|are|was|were|has|have|does|do)|what is .{1,60} "
    r"(?:wearing|holding|doing)|shown|colou?rs? of)\b",
    re.IGNORECASE,
)
_WRITTEN = re.compile(
    r"\b(?:paragraphs?|passages?|articles?|sentences?|chapters?|the (?:text|authors?|paper|"
    r"abstract|essay)|quot(?:e|ed|ation)|literally|verbatim)\b",
    re.IGNORECASE,
)
_TABLE = re.compile(
    r"\b(?:(?:the|this|that|these|which|what|a|each|any|all) (?:\w+ )?(?:tables?(?! tennis)|rows?|"
    r"columns?|cells?|spreadsheets?)|table \d+|tabular)\b",
    re.IGNORECASE,
)
_OUTWARD = re.compile(
    r"\b(?:on the (?:web|internet)|online|latest|newest|most recent|nowadays|at present|"
    r"right now|as of today|today's|this (?:week|month|year)|in the news)\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\s*(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|did|does|do|can|could|"
    r"has|have|had|will|would)\b",
    re.IGNORECASE,
)


def _worded(question: str) -> tuple[float, str]:
    """Log-odds for pictures by the wording, and what it speaks of."""
    odds, spoken = 0.0, []
    if named := _PICTURE.search(question):
        odds += _ASKED
        spoken.append(f"it speaks of {named.group().lower()!r}")
    elif _SEEN.search(question):
        odds += _HINTED
        spoken.append("it asks what can be seen")
    if named := _WRITTEN.search(question):
        odds -= _ASKED
        spoken.append(f"it speaks of {named.group().lower()!r}")
    return odds, "; ".join(spoken)


# --- the probe -------------------------------------------------------------


def _between(
    state: PlanState, question: str, probes: Mapping[str, Probe]
) -> tuple[tuple[str, ...], str]:
    """The tools to ask, and why."""
    known = {spec.name for spec in state.tools} or {"text", "image"}
    there = [name for name in ("text", "image") if name in known]
    able = [name for name in there if name not in probes or probes[name].hits]
    if len(able) < 2:
        only = tuple(able or there[:1])
        return only, f"only {only[0]} finds anything" if able else "nothing is found"
    odds, thought = _worded(question)
    if probes.keys() >= {"text", "image"}:
        values = features(probes)
        weights = packaged()
        odds += weights["bias"] + sum(weights[name] * values[name] for name in FEATURES)
        thought = "; ".join(filter(None, (thought, _compared(values, odds))))
    elif odds > 0:
        return ("text", "image"), thought  # without a look nobody knows whether there are any
    else:
        return ("text",), thought or "a plain question"
    if odds >= UNSURE and _wants_words(question) and _best(probes["image"], _words) < _TELLING:
        return ("image", "text"), f"{thought}, but none has the question's words"
    if abs(odds) < UNSURE:
        return ("image", "text") if odds > 0 else ("text", "image"), f"{thought}, not surely"
    return ("image",) if odds > 0 else ("text",), thought


def _wants_words(question: str) -> bool:
    """Whether it asks for a fact, which a picture tells by what is written in it."""
    asks = question.rstrip().endswith("?") or _ASKING.match(question)
    return bool(asks) and not _PICTURE.search(question) and not _SEEN.search(question)


def _words(hit: ProbeHit) -> float:
    return hit.words


def _compared(values: Mapping[str, float], odds: float) -> str:
    better = "pictures" if odds > 0 else "texts"
    said = ", ".join(f"{name} {values[name]:+.2f}" for name in FEATURES)
    return f"{better} fit it better (pictures against texts: {said})"


def _best(probe: Probe, value: Callable[[ProbeHit], float | None]) -> float:
    return max((found for hit in probe.hits if (found := value(hit)) is not None), default=0.0)


@lru_cache(maxsize=1)
def packaged() -> Mapping[str, float]:
    """The weights that ``benchmarks/fit_routing.py`` fitted, and their ``bias``."""
    text = resources.files("cogagent.planners").joinpath("routing.json").read_text("utf-8")
    weights: dict[str, float] = json.loads(text)["weights"]
    return weights
