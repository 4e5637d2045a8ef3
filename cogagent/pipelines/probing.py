"""A cheap look at what each tool would find, before anything is planned.

It is the first search of the run, done once: what it finds is handed over with
it, so that the search need not be done again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from cogagent import telemetry
from cogagent.pipelines.toolbox import OWN, PER_QUERY
from cogagent.planners.base import Probe, ProbeHit
from cogagent.planners.splitting import split_question
from cogagent.reading.question import Word, stem, words
from cogagent.retrievers.text import Signals
from cogagent.types import Evidence, Query

HITS = 8
"""Hits of each tool that a probe shows."""

_SHOWN = 240
"""Characters of a hit that a probe shows."""
_READ = 4000
"""Characters of a hit that are looked through for the question's words."""
_LONG = 2000
"""Characters of the question whose words are looked for."""
_MOST_PARTS = 3
"""Questions in a question that are probed."""
_STRONG = 2.0
"""Weight of a number or a name against another word."""
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")


@runtime_checkable
class Looking(Protocol):
    """A tool that can tell what stands behind its scores."""

    def look(self, query: Query, k: int) -> list[tuple[Evidence, Signals]]:
        """The ``k`` best pieces of evidence, best first, each with its raw signals.

        Raises:
            CogAgentError: If the search cannot be done.
        """
        ...


class Probed(NamedTuple):
    """What the probe of a question found.

    Attributes:
        probes: One a tool that could be probed, in the tools' order.
        results: The queries that it has answered on the way, with all that each found,
            best first.
    """

    probes: tuple[Probe, ...]
    results: Mapping[Query, Sequence[Evidence]]


def probe(question: str, tools: Mapping[str, object], k: int = PER_QUERY) -> Probed:
    """Search with every tool that tells its signals, for the question as it stands.

    A question that asks several things is probed for each of them, too: one may be for
    texts and another for pictures.

    Args:
        question: In plain words.
        tools: By name; those that are not :class:`Looking` are passed over.
        k: How many pieces each result has; a probe shows the first :data:`HITS`.

    Raises:
        CogAgentError: If a search cannot be done.
    """
    probes: list[Probe] = []
    results: dict[Query, Sequence[Evidence]] = {}
    for part in ("", *_parts(question)):
        asked = weights(part or question)
        for name, tool in tools.items():
            if not isinstance(tool, Looking):
                continue
            query = Query(text=part or question, tool=name)
            with telemetry.child("tool", tool=name, outside=name not in OWN, top_k=k) as told:
                told.say(query=query.text)
                found = tool.look(query, k)
                told.set(found=len(found))
            results[query] = [piece for piece, _ in found]
            hits = tuple(_hit(piece, signals, asked) for piece, signals in found[:HITS])
            probes.append(Probe(tool=name, hits=hits, part=part))
    return Probed(tuple(probes), results)


def weights(question: str) -> dict[str, float]:
    """The stems of the question's content words, each with its weight; 1 together.

    Numbers and names count twice: a text that answers seldom does without them.
    """
    found: dict[str, float] = {}
    for word in words(question[:_LONG]):
        if word.content:
            found[word.stem] = max(found.get(word.stem, 0.0), _weight(word))
    total = sum(found.values())
    return {key: weight / total for key, weight in found.items()}


def coverage(asked: Mapping[str, float], text: str) -> float:
    """Share, by weight, of the words ``asked`` for that ``text`` has; 0 to 1."""
    there = {stem(word) for word in set(_WORD.findall(text[:_READ].lower()))}
    return min(sum(weight for key, weight in asked.items() if key in there), 1.0)


def _parts(question: str) -> list[str]:
    """The questions in a question, if it is several; a comparison is one."""
    parts = split_question(question)
    whole = len(parts) < 2 or parts[0] == " ".join(question.split())
    return [] if whole else parts[:_MOST_PARTS]


def _weight(word: Word) -> float:
    return _STRONG if word.strong else 1.0


def _hit(piece: Evidence, signals: Signals, asked: Mapping[str, float]) -> ProbeHit:
    said = "\n".join((piece.title, piece.context, piece.caption, piece.text))
    return ProbeHit(
        evidence_id=piece.id,
        title=piece.title,
        modality=piece.modality,
        text=piece.text[:_SHOWN],
        cosine=_rounded(signals.cosine),
        shown=_rounded(signals.shown),
        words=round(coverage(asked, said), 4),
    )


def _rounded(cosine: float | None) -> float | None:
    return None if cosine is None else round(cosine, 4)
