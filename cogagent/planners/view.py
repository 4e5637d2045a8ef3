"""What a planner by rules sees in a state: the question's names and what was found on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cogagent.planners.base import PlanState
from cogagent.planners.naming import Named, alike, asked_names, bracketed, plain_words, spotted
from cogagent.planners.splitting import Chain, chains, compared
from cogagent.reading.question import words
from cogagent.types import Evidence, Query

_SAME = 0.7
"""Likeness from which a title is taken to be that of what is named."""
_NEAR_TOP = 5
"""Pieces that a lookup of a name found in which what it names is looked for."""
_PIECES = 12
"""Pieces of one document that are read."""
_COVERED = 0.75
"""Share of the question's words that a passage has which may answer alone."""

_SHORT = 14
"""Words of a question that one passage may answer."""


@dataclass(frozen=True)
class View:
    """The state of a run, read.

    Attributes:
        question: As it stands alone.
        state: All that is known.
    """

    question: str
    state: PlanState

    @cached_property
    def tool(self) -> str:
        """The tool that brings passages."""
        used = {query.tool for step in self.state.steps for query in step.queries}
        return "all" if "all" in used and "text" not in used else "text"

    @cached_property
    def on(self) -> Mapping[Named, Evidence]:
        """The best evidence on each name of the question, by its title; in their order there.

        Of several under one name, such as two films, the one that the question has in
        brackets goes first.
        """
        told = set(plain_words(self.question))
        evidence = sorted(
            self.state.evidence, key=lambda piece: -len(bracketed(piece.title) & told)
        )
        found: dict[Named, Evidence] = {}
        named = spotted(self.question, (piece.title for piece in evidence))
        for piece in evidence:
            if piece.title in named:
                found.setdefault(named[piece.title], piece)
        for name in asked_names(self.question):
            if not any(_overlap(name, other) for other in found):
                near = max(evidence, key=lambda piece: alike(name.text, piece.title), default=None)
                if near is not None and alike(name.text, near.title) >= _SAME:
                    found[name] = near
        return dict(sorted(found.items(), key=lambda item: item[0].start))

    @cached_property
    def missing(self) -> Sequence[Named]:
        """The names of the question on which nothing was found."""
        return [
            name
            for name in asked_names(self.question)
            if not any(_overlap(name, other) for other in self.on)
        ]

    @cached_property
    def names(self) -> Sequence[Named]:
        """The names of the question, in order; as titles have them, where there are some."""
        return sorted([*self.on, *self.missing], key=lambda name: name.start)

    @cached_property
    def ways(self) -> Sequence[Chain]:
        """The ways from its names to what is asked."""
        return chains(self.question, self.names)

    @cached_property
    def sides(self) -> Sequence[Named]:
        """The names that it puts side by side."""
        return compared(self.question, self.names)

    @cached_property
    def suffices(self) -> bool:
        """Whether the best passage has all the names and most of the words of a short question.

        A long one tends to say in other words what another passage names.
        """
        if not self.state.evidence or len(self.question.split()) > _SHORT:
            return False
        best = self.state.evidence[0]
        said = f"{best.title}\n{best.context}\n{best.caption}\n{best.text}"
        joined = f" {' '.join(plain_words(said))} "
        if any(
            f" {' '.join(plain_words(name.text))} " not in joined
            for name in asked_names(self.question)
        ):
            return False
        asked = {word.stem for word in words(self.question) if word.content}
        held = {word.stem for word in words(said)}
        return len(asked & held) >= _COVERED * len(asked)

    @cached_property
    def led(self) -> Sequence[Query]:
        """The queries that went over a bridge."""
        return [query for step in self.state.steps for query in step.queries if query.via]

    def pieces(self, source: Evidence) -> Sequence[Evidence]:
        """A piece of evidence and others of its document, best first."""
        others = [
            piece
            for piece in self.state.evidence
            if piece.document_id == source.document_id and piece.id != source.id
        ]
        return [source, *others[: _PIECES - 1]]

    def target(self, query: Query) -> Evidence | None:
        """What a query for a name found on what it names."""
        known = {piece.id: piece for piece in self.state.evidence}
        for step in self.state.steps:
            for finding in step.findings:
                if finding.query == query.id:
                    near = [known[key] for key in finding.evidence[:_NEAR_TOP] if key in known]
                    likeness = [alike(query.text, piece.title) for piece in near]
                    if likeness and max(likeness) >= _SAME:
                        return near[likeness.index(max(likeness))]
        return None


def _overlap(one: Named, other: Named) -> bool:
    return one.start < other.end and other.start < one.end
