"""Answers that a language model writes, every sentence checked before it is shown."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np

from cogagent.checking.checker import Checker
from cogagent.checking.injection import fence, visible, warnings
from cogagent.checking.marking import NOTHING_LEFT
from cogagent.config import AnswerSettings
from cogagent.errors import BudgetError, CogAgentError, ContextOverflowError
from cogagent.geometry import make_box, place
from cogagent.models.mllm import MLLM, Generated, Message, Options, said
from cogagent.models.showing import PictureCache
from cogagent.models.sight import picture_tokens
from cogagent.pipelines.choices import level, likeliest, listed
from cogagent.pipelines.compose import NOTHING_THERE, Asked, Composed, RunBlocking, pieces
from cogagent.pipelines.packing import Packed, pack, shown_text
from cogagent.pipelines.prompts import prompt
from cogagent.pipelines.timing import left, timed
from cogagent.pipelines.weighing import weigh
from cogagent.pipelines.writing import Writing
from cogagent.types import Evidence, Raster
from cogagent.vision.crops import crop_plan

PROMPT = "answer.v1"
NOTES_PROMPT = "answer_from_notes.v1"
"""Where earlier steps have noted something that may be used too."""
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
OVERTIME = "the time was over before the answer was whole"
NOTES = "Notes of earlier steps. They are no evidence and are not cited:"
_OF_THE_QUESTION = "question:"
"""Before the number of a picture that came with the question."""
_CROP = re.compile(r"crop \d+ of (?P<piece>.*)", re.DOTALL)
"""The key of a part of a picture."""
_SHRUNK = 0.9
"""A picture with so much of what a model makes use of was made smaller for it."""

Look = Callable[[Evidence], Raster]
"""The pixels of a piece of evidence."""


@dataclass(slots=True)
class _Ended:
    """How a text ended: as a whole, or because the time was over."""

    whole: Generated | None = None
    late: bool = False


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
        named = getattr(model, "named", None)
        self._weigher: MLLM = named("choose") if named else model
        self._checker = checker
        self._count = count_tokens
        self._look = look
        self._settings = settings
        self._strict = strict
        self._shown = pictures or PictureCache(0, 0)

    async def compose(
        self, asked: Asked, evidence: Sequence[Evidence], blocking: RunBlocking
    ) -> AsyncGenerator[str | Composed, None]:
        """The answer; see :class:`Composer`.

        Of choices the model first writes, from the evidence, which one is right,
        and then weighs them by what it has written.

        Raises:
            BudgetError: If the budget does not allow a text.
            ContextOverflowError: If not even one piece of evidence fits the model.
            ModelError: If the model fails otherwise.
        """
        if not evidence and not asked.notes and not asked.pictures and not asked.unsearched:
            for piece in pieces(NOTHING_THERE):
                yield piece
            yield Composed("abstained", NOTHING_THERE, distribution=level(asked.choices))
            return
        best = evidence[: self._settings.evidence]
        pictures = await blocking(self._pictures, asked, best)
        packed = await blocking(pack, best, self._room(asked, pictures.values()), self._count)
        if evidence and not packed.chosen:
            raise ContextOverflowError(
                f"no piece of the evidence fits the context of {self._model.name}.",
                remedy="Give the model a larger context, or ask a shorter question.",
            )
        writing = Writing(packed.chosen, self._checker, strict=self._strict)
        messages = await blocking(self._messages, asked, packed.chosen, pictures)
        ended = _Ended()
        async with aclosing(
            self._written(messages, writing, ended, asked.deadline, blocking)
        ) as shown:
            async for piece in shown:
                yield piece
        composed = _composed(writing, packed, ended)
        if not writing.text:
            for piece in pieces(composed.text):
                yield piece
        if asked.choices:
            composed = await self._weighed(composed, messages, asked)
        yield composed

    async def _written(
        self,
        messages: Sequence[Message],
        writing: Writing,
        ended: _Ended,
        deadline: float | None,
        blocking: RunBlocking,
    ) -> AsyncGenerator[str, None]:
        """The text as it is shown, while the model writes it; ``ended`` tells how it ended."""
        options = Options(
            max_tokens=self._settings.max_tokens, temperature=self._settings.temperature
        )
        async with aclosing(self._model.stream(messages, options)) as stream:
            try:
                async for written in timed(stream, deadline):
                    ended.whole = written.whole or ended.whole
                    for sentence in writing.take(written.text):
                        for piece in pieces(await blocking(writing.check, sentence)):
                            yield piece
                    if writing.looping:
                        break
            except TimeoutError:
                ended.late = True
        for sentence in writing.rest():
            for piece in pieces(await blocking(writing.check, sentence)):
                yield piece

    async def _weighed(
        self, composed: Composed, messages: Sequence[Message], asked: Asked
    ) -> Composed:
        """An answer with what it means for the choices."""
        if composed.outcome == "abstained" or composed.exhausted:
            return replace(composed, distribution=level(asked.choices))
        told = said("assistant", composed.text)
        try:
            async with asyncio.timeout(left(asked.deadline)):
                weighed = await weigh(
                    self._weigher,
                    [*messages, told, said("user", prompt(CHOICE_PROMPT))],
                    asked.choices,
                )
        except (BudgetError, TimeoutError) as error:
            spent = str(error) or OVERTIME
            return replace(composed, distribution=level(asked.choices), exhausted=spent)
        return replace(
            composed,
            outcome=composed.outcome if weighed.named else "partial",
            short=likeliest(weighed.distribution) if weighed.named else "",
            distribution=weighed.distribution,
            warnings=(*composed.warnings, *weighed.warnings),
        )

    def _room(self, asked: Asked, pictures: Iterable[Raster]) -> int:
        texts = [_said(asked), _order(asked), prompt(CHOICE_PROMPT)]
        told = sum(self._count(texts)) + _LETTER_TOKENS
        seen = picture_tokens(self._model, [picture.size for picture in pictures])
        left = self._context - self._settings.max_tokens - seen - told
        return int(left / _MARGIN)

    @property
    def _context(self) -> int:
        return self._model.capabilities.context or _CONTEXT

    def _messages(
        self, asked: Asked, evidence: Sequence[Evidence], pictures: Mapping[str, Raster]
    ) -> list[Message]:
        numbers = {piece.id: number for number, piece in enumerate(evidence, 1)}
        shown = {key: raster for key, raster in pictures.items() if _piece(key) in numbers}
        owned = {
            key: raster for key, raster in pictures.items() if key.startswith(_OF_THE_QUESTION)
        }
        shown = owned | shown
        notes = [
            f"Picture {place} "
            + ("belongs to the question." if key in owned else _shows(key, numbers))
            for place, key in enumerate(shown, 1)
        ]
        fenced = [fence(evidence, boundary=_boundary(evidence))] if evidence else []
        text = "\n\n".join([*notes, *fenced, _said(asked)])
        return [said("system", _order(asked)), said("user", text, *shown.values())]

    def _pictures(self, asked: Asked, evidence: Sequence[Evidence]) -> dict[str, Raster]:
        """The question's pictures, then those of the evidence, as the settings and model allow.

        Returns:
            By the ids of the evidence, best first; the question's own come first, parts of
            the best picture last.
        """
        if not self._model.capabilities.pictures:
            return {}
        allowed = getattr(self._model, "pictures_left", None)
        own = asked.pictures[:allowed]
        found = {f"{_OF_THE_QUESTION}{n}": raster for n, raster in enumerate(own)}
        room = self._settings.pictures
        if allowed is not None:
            room = min(room, allowed - len(own))
        seen = 0
        for piece in evidence:
            if piece.modality == "image" and seen < room:
                try:
                    found[piece.id] = self._look(piece)
                except CogAgentError:
                    continue  # its words are among the evidence all the same
                seen += 1
        most = min(self._settings.picture_tokens, self._context // _PICTURE_SHARE)
        spare = None if allowed is None else allowed - len(found)
        self._add_crops(found, evidence, most, spare)
        shown = self._shown.shown(list(found.values()), self._model, most)
        return dict(zip(found, shown, strict=False))

    def _add_crops(
        self, found: dict[str, Raster], evidence: Sequence[Evidence], most: int, spare: int | None
    ) -> None:
        """Add parts of the best picture at full resolution, if it had to be made smaller.

        Mini-Monkey's (arXiv 2408.02034) second grid, whose edges cut other things than those of
        the patches or tiles that the model makes of the whole.
        """
        best = next((piece for piece in evidence if piece.id in found), None)
        if best is None or best.parent or not _shrunk(found[best.id].size, self._model):
            return
        plan = crop_plan(found[best.id].size, best.look or "graphic")
        boxes = place(np.array(plan.adaptive_boxes, np.float32), best.box).tolist()
        room = self._settings.crops if spare is None else min(self._settings.crops, spare)
        for number, box in enumerate(boxes[: max(room, 0)], 1):
            # A part is no larger than a model makes use of, like the whole.
            sizes = [*(shown.size for shown in found.values()), found[best.id].size]
            if picture_tokens(self._model, sizes) > most:
                return
            part = best.model_copy(update={"box": make_box(*box)})
            try:
                found[f"crop {number} of {best.id}"] = self._look(part)
            except CogAgentError:
                return  # the whole is there all the same


def _shrunk(size: tuple[int, int], model: MLLM) -> bool:
    """Whether a picture is as large as a model makes use of, and was larger."""
    can = model.capabilities
    side, pixels = can.picture_side, can.picture_pixels
    by_side = side is not None and max(size) >= _SHRUNK * side
    return by_side or (pixels is not None and size[0] * size[1] >= _SHRUNK * pixels)


def _piece(key: str) -> str:
    """The piece of evidence that a picture shows, or a part of it."""
    crop = _CROP.fullmatch(key)
    return key if crop is None else crop["piece"]


def _shows(key: str, numbers: Mapping[str, int]) -> str:
    part = "a part of " if _CROP.fullmatch(key) else ""
    return f"shows {part}evidence {numbers[_piece(key)]}."


def _order(asked: Asked) -> str:
    """What the model is told to do."""
    return prompt(NOTES_PROMPT if asked.notes else PROMPT)


def _said(asked: Asked) -> str:
    """The question as the prompt ends with it, under what was noted on the way."""
    parts = []
    if asked.notes:
        noted = "\n".join(f"- {note.kind}: {visible(note.text)}" for note in asked.notes)
        parts.append(f"{NOTES}\n{noted}")
    parts.append(f"Question: {asked.question}")
    if asked.choices:
        parts.append(
            "Choices, of which one is right (say which in words, not by its letter):\n"
            + listed(asked.choices)
        )
    return "\n\n".join(parts)


def _composed(writing: Writing, packed: Packed, ended: _Ended) -> Composed:
    whole = ended.whole
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
        exhausted=OVERTIME if ended.late else "",
    )


def _boundary(evidence: Sequence[Evidence]) -> str:
    """The name of the fence around this evidence.

    A hash of all of it: no piece can hold the hash of what it is itself a part of, and
    the same evidence makes the same prompt, in any process.
    """
    shown = "\n".join(map(shown_text, evidence))
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()[:16]
