"""Answers that a language model writes, every sentence checked before it is shown."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing

from cogagent.checking.checker import Checker
from cogagent.checking.injection import fence, warnings
from cogagent.checking.marking import mark, strip
from cogagent.config import AnswerSettings
from cogagent.documents.sentences import sentences
from cogagent.errors import CogAgentError, ContextOverflowError
from cogagent.models.mllm import MLLM, Generated, Message, Options, said
from cogagent.pipelines.compose import Composed, RunBlocking, pieces
from cogagent.pipelines.packing import Packed, pack, shown_text
from cogagent.pipelines.prompts import prompt
from cogagent.types import Citation, Claim, Evidence, Outcome, Raster

PROMPT = "answer.v1"
_CONTEXT = 8192
"""Tokens, for a model that does not say how many it reads."""
_MARGIN = 1.3
"""Tokens of the model's own for one of the counter's, and a little for the fences."""
_NOT_FOUND = re.compile(r"\s*not found\b[\s.:]*", re.IGNORECASE)
_MARKER = re.compile(r"\[\s*(\d{1,4})\s*\]")
_SECRET = secrets.token_bytes(16)
"""Of this process: evidence cannot know the fence, and equal prompts are equal."""

Look = Callable[[Evidence], Raster]
"""The pixels of a piece of evidence."""


class GroundedComposer:
    """Has a model answer from fenced evidence and shows what the evidence bears out.

    The text is streamed by the sentence: each is checked as soon as it is
    whole, so a stream shows what a whole answer shows. Sentences that are not
    borne out are marked, or left out if the answer has to be strict.

    Args:
        model: Writes.
        checker: Checks.
        count_tokens: Counts for many texts at once, about as the model would.
        look: The pixels of a picture among the evidence, for models that see.
        settings: How long an answer may be, how many pictures are shown.
        strict: Leave out what is not borne out.
    """

    def __init__(
        self,
        model: MLLM,
        checker: Checker,
        count_tokens: Callable[[Sequence[str]], list[int]],
        look: Look,
        settings: AnswerSettings,
        *,
        strict: bool = False,
    ) -> None:
        self._model = model
        self._checker = checker
        self._count = count_tokens
        self._look = look
        self._settings = settings
        self._strict = strict

    async def compose(
        self,
        question: str,
        parts: Sequence[str],  # noqa: ARG002 - the model answers them together
        evidence: Sequence[Evidence],
        blocking: RunBlocking,
    ) -> AsyncIterator[str | Composed]:
        """The answer to ``question``; see :class:`Composer`.

        Raises:
            ContextOverflowError: If not even one piece of evidence fits the model.
            ModelError: If the model fails otherwise.
        """
        if not evidence:
            text = "There is nothing in this collection to answer from."
            for piece in pieces(text):
                yield piece
            yield Composed("abstained", text)
            return
        best = evidence[: self._settings.evidence]
        packed = await blocking(pack, best, self._room(question), self._count)
        if not packed.chosen:
            raise ContextOverflowError(
                f"no piece of the evidence fits the context of {self._model.name}.",
                remedy="Give the model a larger context, or ask a shorter question.",
            )
        writing = _Writing(packed.chosen, self._checker, strict=self._strict)
        messages = await blocking(self._messages, question, packed.chosen)
        options = Options(
            max_tokens=self._settings.max_tokens, temperature=self._settings.temperature
        )
        whole: Generated | None = None
        async with aclosing(self._model.stream(messages, options)) as stream:
            async for written in stream:
                whole = written.whole or whole
                for sentence in writing.take(written.text):
                    for piece in pieces(await blocking(writing.check, sentence)):
                        yield piece
        for sentence in writing.rest():
            for piece in pieces(await blocking(writing.check, sentence)):
                yield piece
        yield writing.composed(packed, whole)

    def _room(self, question: str) -> int:
        (asked, told) = self._count([question, prompt(PROMPT)])
        context = self._model.capabilities.context or _CONTEXT
        return int((context - self._settings.max_tokens - asked - told) / _MARGIN)

    def _messages(self, question: str, evidence: Sequence[Evidence]) -> list[Message]:
        shown = self._pictures(evidence) if self._model.capabilities.pictures else {}
        notes = [
            f"Picture {place} shows evidence {number}." for place, number in enumerate(shown, 1)
        ]
        fenced = fence(evidence, boundary=_boundary(evidence))
        text = "\n\n".join([*notes, fenced, f"Question: {question}"])
        return [said("system", prompt(PROMPT)), said("user", text, *shown.values())]

    def _pictures(self, evidence: Sequence[Evidence]) -> dict[int, Raster]:
        """Pictures among the evidence by their numbers, as many as the settings allow."""
        found: dict[int, Raster] = {}
        for number, piece in enumerate(evidence, 1):
            if piece.modality == "image" and len(found) < self._settings.pictures:
                try:
                    found[number] = self._look(piece)
                except CogAgentError:
                    continue  # its words are among the evidence all the same
        return found


class _Writing:
    """An answer on its way: sentences as they are completed, checked, and numbered anew."""

    def __init__(self, evidence: Sequence[Evidence], checker: Checker, *, strict: bool) -> None:
        self._evidence = evidence
        self._checker = checker
        self._strict = strict
        self._waiting = ""
        self._text = ""
        self._claims: list[Claim] = []
        self._citations: dict[tuple[str, str], Citation] = {}
        """By evidence and quote; in the order of their markers."""

    def take(self, text: str) -> list[str]:
        """Take what was written next; the sentences that it completes."""
        self._waiting += text
        # The last one may go on, and its markers may follow the full stop.
        ranges = sentences(self._waiting)[:-1]
        if not ranges:
            return []
        ready = [self._waiting[start:end] for start, end in ranges]
        self._waiting = self._waiting[ranges[-1][1] :]
        return ready

    def rest(self) -> list[str]:
        """What is left at the end."""
        rest, self._waiting = self._waiting, ""
        return [rest[start:end] for start, end in sentences(rest)]

    def check(self, sentence: str) -> str:
        """A sentence as it is shown, with what joins it to the one before; empty if left out."""
        plain = sentence.strip()
        if not plain or _NOT_FOUND.fullmatch(plain):
            # A model that has answered and then says so has nothing more to say.
            return "" if self._text else self._joined(plain)
        checked = self._checker.check(plain, self._evidence)
        self._claims += checked.claims
        shown = strip(checked) if self._strict else mark(checked)
        numbers = {
            citation.marker: self._number(citation)
            for citation in checked.citations
            if f"[{citation.marker}]" in shown
        }
        shown = _MARKER.sub(
            lambda match: f"[{numbers[int(match[1])]}]" if int(match[1]) in numbers else "", shown
        )
        return self._joined(shown) if shown else ""

    def _joined(self, shown: str) -> str:
        joined = (" " if self._text else "") + shown
        self._text += joined
        return joined

    def composed(self, packed: Packed, whole: Generated | None) -> Composed:
        """The whole answer."""
        told = warnings(self._evidence)
        if packed.dropped:
            told.append(
                f"{packed.dropped} of {packed.dropped + len(packed.chosen)} pieces of evidence "
                "did not fit the model's context and were not read."
            )
        if whole is not None and whole.finish == "length":
            told.append("The answer was cut off at its greatest length.")
        return Composed(
            outcome=self._outcome(),
            text=self._text,
            citations=tuple(self._citations.values()),
            claims=tuple(self._claims),
            warnings=tuple(told),
            usage=whole.usage if whole is not None else None,
        )

    def _outcome(self) -> Outcome:
        supported = [claim.verdict == "supported" for claim in self._claims]
        if not any(supported):
            return "abstained" if self._strict or not supported else "partial"
        return "answered" if all(supported) else "partial"

    def _number(self, citation: Citation) -> int:
        """The marker that a citation has in the answer: its own for each quote."""
        place = (citation.evidence_id, citation.quote)
        if place not in self._citations:
            marker = len(self._citations) + 1
            self._citations[place] = citation.model_copy(update={"marker": marker})
        return self._citations[place].marker


def _boundary(evidence: Sequence[Evidence]) -> str:
    """The name of the fence around this evidence."""
    shown = "\n".join(map(shown_text, evidence))
    return hmac.digest(_SECRET, shown.encode(), "sha256").hex()[:16]
