"""Answers that a language model writes, every sentence checked before it is shown."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from cogagent.checking.checker import Checker
from cogagent.checking.injection import fence, warnings
from cogagent.checking.marking import NOTHING_LEFT
from cogagent.config import AnswerSettings
from cogagent.errors import CogAgentError, ContextOverflowError
from cogagent.models.mllm import MLLM, Generated, Message, Options, said
from cogagent.models.showing import PictureCache
from cogagent.models.sight import picture_tokens
from cogagent.pipelines.choices import level, likeliest, listed
from cogagent.pipelines.compose import NOTHING_THERE, Composed, RunBlocking, pieces
from cogagent.pipelines.packing import Packed, pack, shown_text
from cogagent.pipelines.prompts import prompt
from cogagent.pipelines.weighing import weigh
from cogagent.pipelines.writing import Writing
from cogagent.types import Evidence, Raster

PROMPT = "answer.v1"
CHOICE_PROMPT = "choose.v1"
_CONTEXT = 8192
"""Tokens, for a model that does not say how many it reads."""
_PICTURE_SHARE = 3
"""Of so many parts of the context, pictures may take one: the rest is for words."""
_MARGIN = 1.3
"""Tokens of the model's own for one of the counter's, and a little for the fences."""
_LETTER_TOKENS = 64
"""Kept free for the letter of a choice and what surrounds it."""

NOTHING_WRITTEN = "The model wrote nothing."

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
        pictures: Makes pictures as small as has to be; by default one that keeps none.
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
        pictures: PictureCache | None = None,
    ) -> None:
        self._model = model
        self._checker = checker
        self._count = count_tokens
        self._look = look
        self._settings = settings
        self._strict = strict
        self._shown = pictures or PictureCache(0, 0)

    async def compose(
        self,
        question: str,
        parts: Sequence[str],  # noqa: ARG002 - the model answers them together
        evidence: Sequence[Evidence],
        blocking: RunBlocking,
        choices: Sequence[str] = (),
    ) -> AsyncIterator[str | Composed]:
        """The answer to ``question``; see :class:`Composer`.

        Of choices the model first writes, from the evidence, which one is right,
        and then weighs them by what it has written.

        Raises:
            ContextOverflowError: If not even one piece of evidence fits the model.
            ModelError: If the model fails otherwise.
        """
        if not evidence:
            for piece in pieces(NOTHING_THERE):
                yield piece
            yield Composed("abstained", NOTHING_THERE, distribution=level(choices))
            return
        asked = _asked(question, choices)
        best = evidence[: self._settings.evidence]
        pictures = await blocking(self._pictures, best)
        room = self._room(asked, pictures.values())
        packed = await blocking(pack, best, room, self._count)
        if not packed.chosen:
            raise ContextOverflowError(
                f"no piece of the evidence fits the context of {self._model.name}.",
                remedy="Give the model a larger context, or ask a shorter question.",
            )
        writing = Writing(packed.chosen, self._checker, strict=self._strict)
        messages = await blocking(self._messages, asked, packed.chosen, pictures)
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
                if writing.looping:
                    break
        for sentence in writing.rest():
            for piece in pieces(await blocking(writing.check, sentence)):
                yield piece
        composed = _composed(writing, packed, whole)
        if not writing.text:
            for piece in pieces(composed.text):
                yield piece
        if choices:
            composed = await self._weighed(composed, messages, choices)
        yield composed

    async def _weighed(
        self, composed: Composed, messages: Sequence[Message], choices: Sequence[str]
    ) -> Composed:
        """An answer with what it means for the choices."""
        if composed.outcome == "abstained":
            return replace(composed, distribution=level(choices))
        told = said("assistant", composed.text)
        weighed = await weigh(
            self._model, [*messages, told, said("user", prompt(CHOICE_PROMPT))], choices
        )
        return replace(
            composed,
            outcome=composed.outcome if weighed.named else "partial",
            short=likeliest(weighed.distribution) if weighed.named else "",
            distribution=weighed.distribution,
            warnings=(*composed.warnings, *weighed.warnings),
            usage=(*composed.usage, *weighed.usage),
        )

    def _room(self, asked: str, pictures: Iterable[Raster]) -> int:
        told = sum(self._count([asked, prompt(PROMPT), prompt(CHOICE_PROMPT)])) + _LETTER_TOKENS
        seen = picture_tokens(self._model, [picture.size for picture in pictures])
        left = self._context - self._settings.max_tokens - seen - told
        return int(left / _MARGIN)

    @property
    def _context(self) -> int:
        return self._model.capabilities.context or _CONTEXT

    def _messages(
        self, asked: str, evidence: Sequence[Evidence], pictures: Mapping[str, Raster]
    ) -> list[Message]:
        shown = {
            number: pictures[piece.id]
            for number, piece in enumerate(evidence, 1)
            if piece.id in pictures
        }
        notes = [
            f"Picture {place} shows evidence {number}." for place, number in enumerate(shown, 1)
        ]
        fenced = fence(evidence, boundary=_boundary(evidence))
        text = "\n\n".join([*notes, fenced, asked])
        return [said("system", prompt(PROMPT)), said("user", text, *shown.values())]

    def _pictures(self, evidence: Sequence[Evidence]) -> dict[str, Raster]:
        """Pictures among the evidence, as many and as large as the settings and the model allow.

        Returns:
            By the ids of the evidence, best first.
        """
        if not self._model.capabilities.pictures:
            return {}
        found: dict[str, Raster] = {}
        for piece in evidence:
            if piece.modality == "image" and len(found) < self._settings.pictures:
                try:
                    found[piece.id] = self._look(piece)
                except CogAgentError:
                    continue  # its words are among the evidence all the same
        most = min(self._settings.picture_tokens, self._context // _PICTURE_SHARE)
        shown = self._shown.shown(list(found.values()), self._model, most)
        return dict(zip(found, shown, strict=False))


def _asked(question: str, choices: Sequence[str]) -> str:
    """The question as the prompt ends with it."""
    if not choices:
        return f"Question: {question}"
    return (
        f"Question: {question}\n\nChoices, of which one is right (say which in words, not by "
        f"its letter):\n{listed(choices)}"
    )


def _composed(writing: Writing, packed: Packed, whole: Generated | None) -> Composed:
    told = warnings(packed.chosen)
    if packed.dropped:
        told.append(
            f"{packed.dropped} of {packed.dropped + len(packed.chosen)} pieces of evidence "
            "did not fit the model's context and were not read."
        )
    if writing.looping:
        told.append("The model said the same again and again, and was stopped.")
    elif whole is not None and whole.finish == "length":
        told.append("The answer was cut off at its greatest length.")
    return Composed(
        outcome=writing.outcome,
        text=writing.text or (NOTHING_LEFT if writing.claims else NOTHING_WRITTEN),
        citations=writing.citations,
        claims=tuple(writing.claims),
        warnings=tuple(told),
        usage=(whole.usage,) if whole is not None else (),
    )


def _boundary(evidence: Sequence[Evidence]) -> str:
    """The name of the fence around this evidence.

    A hash of all of it: no piece can hold the hash of what it is itself a part of, and
    the same evidence makes the same prompt, in any process.
    """
    shown = "\n".join(map(shown_text, evidence))
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()[:16]
