"""A model's answer on its way: cut into sentences, each checked before it is shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from cogagent.checking.checker import Checker
from cogagent.checking.claims import ranges, renumbered, settled
from cogagent.checking.marking import mark, outcome, strip
from cogagent.types import Citation, Claim, Evidence, Outcome

_NOT_FOUND = re.compile(r"\s*not found\b[\s.:]*", re.IGNORECASE)
_MOST_REPEATS = 2
"""So often a sentence may stand in an answer; a model that writes it again goes round."""
_STEPS = re.compile(r"\s|\S+")


class Writing:
    """Sentences as they are completed, checked, and numbered anew.

    What comes of a text does not depend on the pieces in which it is written.

    Args:
        evidence: What the model was shown, in the order of its numbers.
        checker: Checks.
        strict: Leave out what is not borne out, instead of marking it.

    Attributes:
        text: What has been shown so far.
        claims: Its sentences that claim something, and those left out, in order.
        looping: Whether the same was written again and again; nothing more is shown then.
    """

    def __init__(self, evidence: Sequence[Evidence], checker: Checker, *, strict: bool) -> None:
        self.text = ""
        self.claims: list[Claim] = []
        self.looping = False
        self._times: Counter[str] = Counter()
        self._evidence = evidence
        self._checker = checker
        self._strict = strict
        self._waiting = ""
        self._citations: dict[tuple[str, str], Citation] = {}
        """By evidence and quote; in the order of their markers."""

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What the text cites, by marker."""
        return tuple(self._citations.values())

    @property
    def outcome(self) -> Outcome:
        """What the answer is, as far as it is written."""
        return outcome(self.claims, strict=self._strict)

    def take(self, written: str) -> list[str]:
        """Take what was written next; the sentences that it completes, each with its gap."""
        ready: list[str] = []
        for step in _STEPS.findall(written):
            ended = step.isspace() and not self._waiting[-1:].isspace()
            self._waiting += step
            if ended:  # only behind a whole word is it clear where sentences end
                ready += self._cut(settled(self._waiting))
        return ready

    def rest(self) -> list[str]:
        """What is left at the end."""
        left = self._cut(ranges(self._waiting))
        self._waiting = ""
        return left

    def _cut(self, found: Sequence[tuple[int, int]]) -> list[str]:
        ends = [0, *(end for _, end in found)]
        cut = [self._waiting[start:end] for start, end in pairwise(ends)]
        self._waiting = self._waiting[ends[-1] :]
        return cut

    def check(self, sentence: str) -> str:
        """A sentence as it is shown, with what joins it to the one before; empty if left out."""
        plain = sentence.strip()
        self._times[plain] += 1
        self.looping = self.looping or bool(plain and self._times[plain] > _MOST_REPEATS)
        if self.looping:
            return ""
        if not plain or _NOT_FOUND.fullmatch(plain):
            # A model that has answered and then says so has nothing more to say.
            return "" if self.text else self._joined(plain, "")
        checked = self._checker.check(plain, self._evidence)
        kept = [c for c in checked.claims if c.verdict == "supported" or not self._strict]
        there = {citation.marker: citation for citation in checked.citations}
        cited = dict.fromkeys(marker for claim in kept for marker in claim.markers)
        numbers = {marker: self._number(there[marker]) for marker in cited if marker in there}
        shown = renumbered(strip(checked) if self._strict else mark(checked), numbers).strip()
        gap = sentence[: len(sentence) - len(sentence.lstrip())]
        joined = self._joined(shown, gap) if shown else ""
        place = len(self.text) - len(shown)
        for claim in checked.claims:
            said = renumbered(claim.text, numbers).strip()
            place = max(place, self.text.find(said, place))
            end = place + (len(said) if claim in kept else 0)
            self.claims.append(_renumbered(claim, said, place, end, numbers))
            place = end
        return joined

    def _joined(self, shown: str, gap: str) -> str:
        joint = "\n" * min(gap.count("\n"), 2) or " "
        joined = (joint if self.text else "") + shown
        self.text += joined
        return joined

    def _number(self, citation: Citation) -> int:
        """The marker that a citation has in the answer: its own for each quote."""
        place = (citation.evidence_id, citation.quote)
        if place not in self._citations:
            marker = len(self._citations) + 1
            self._citations[place] = citation.model_copy(update={"marker": marker})
        return self._citations[place].marker


def _renumbered(
    claim: Claim, text: str, start: int, end: int, numbers: Mapping[int, int]
) -> Claim:
    """A claim as it stands in the answer; markers that stand there no more are gone."""
    return claim.model_copy(
        update={
            "text": text,
            "start": start,
            "end": end,
            "markers": tuple(dict.fromkeys(numbers[m] for m in claim.markers if m in numbers)),
            "support": tuple(
                entry.model_copy(update={"marker": numbers[entry.marker]})
                for entry in claim.support
                if entry.marker in numbers
            ),
            "objections": tuple(
                entry.model_copy(update={"marker": numbers.get(entry.marker or 0)})
                for entry in claim.objections
            ),
        }
    )
