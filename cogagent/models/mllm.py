"""The seam to multimodal language models: messages in, text out, whole or as it is made.

A backend is a file in :mod:`cogagent.models.backends`; a package outside adds
one with an entry point in the group ``cogagent.models``, whose name is the part
of the model's name before the colon and whose value is called as
``make(name, settings)``::

    [project.entry-points."cogagent.models"]
    mybackend = "my_package:make"     # answer_model = "mybackend:some-model"
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BeforeValidator, Field

from cogagent.errors import CapabilityError, InputError, ModelError
from cogagent.geometry import SmartResize
from cogagent.types import Raster, Record

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length"]
Coordinates = Literal["pixels", "resized-pixels", "thousandths", "fractions", "none"]


def _sound(text: object) -> object:
    """Half a surrogate pair, which no model's server can be sent, becomes U+FFFD."""
    if not isinstance(text, str):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class TextPart(Record):
    """A piece of a message in words."""

    text: Annotated[str, BeforeValidator(_sound)]


class PicturePart(Record):
    """A picture in a message."""

    raster: Raster = Field(exclude=True, repr=False)


class Message(Record):
    """One turn of a conversation."""

    role: Role
    parts: tuple[TextPart | PicturePart, ...]

    @property
    def text(self) -> str:
        """The words alone."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def pictures(self) -> tuple[Raster, ...]:
        """The pictures alone."""
        return tuple(part.raster for part in self.parts if isinstance(part, PicturePart))


def said(role: Role, text: str, *pictures: Raster) -> Message:
    """A message of a text, with pictures before it."""
    shown = tuple(PicturePart(raster=picture) for picture in pictures)
    return Message(role=role, parts=(*shown, TextPart(text=text)))


class Capabilities(Record):
    """What a model can do; asked at start, so that nothing fails in the midst of a run."""

    pictures: bool = False
    """It sees pictures."""
    structured: bool = False
    """It is held to a JSON schema while it writes, not only asked to keep to it."""
    probabilities: bool = False
    """It tells the probability of each token."""
    seed: bool = False
    """Equal seeds give equal texts."""
    context: int | None = None
    """Tokens of prompt and answer together; ``None`` where the backend does not say."""
    coordinates: Coordinates = "none"
    """How it names places in a picture: pixels of the picture as it was given, pixels of
    what it is resized to, thousandths or fractions of its sides, or not at all. What that
    means for a picture of some size, :func:`cogagent.models.sight.space` says."""
    resize: SmartResize | None = None
    """How it resizes a picture, where it names places in pixels of that."""
    slimmest: int | None = None
    """A picture more times as long as wide is filled up, at the right or below, until it
    is not."""
    picture_side: int | None = None
    """Longest side, in pixels, of a picture that it makes use of; a larger one is made
    smaller on its way. ``None`` where there is no such bound."""
    picture_pixels: int | None = None
    """Likewise the most pixels of a picture."""


class Options(Record):
    """How to write one text."""

    max_tokens: int = Field(default=512, ge=1)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Texts before which the writing ends."""
    seed: int | None = None
    structure: Mapping[str, Any] | None = None
    """A JSON schema that the text has to fulfil."""
    probabilities: bool = False
    """Also tell the probability of each token."""


DEFAULTS = Options()


class Token(Record):
    """A token that was written."""

    text: str
    logprob: float


class ModelUsage(Record):
    """What one text cost."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Those of the prompt that had been read before, with an earlier one, where the
    backend tells."""
    written_tokens: int = 0
    pictures: int = 0
    seconds: float = 0.0
    cached: bool = False
    """The whole text was written before, and taken from the cache."""


class Generated(Record):
    """A text that a model wrote."""

    text: str
    finish: Finish = "stop"
    """``length``: ``max_tokens`` or the context was used up."""
    usage: ModelUsage = ModelUsage()
    tokens: tuple[Token, ...] = ()
    """If probabilities were asked for."""

    def value(self) -> Any:
        """The text as JSON.

        Raises:
            json.JSONDecodeError: If it is none.
        """
        return json.loads(self.text)


class Piece(Record):
    """The next of a text that is being written; the last one brings the whole."""

    text: str = ""
    whole: Generated | None = None


@runtime_checkable
class MLLM(Protocol):
    """A model that writes; safe to use from any task of any event loop.

    Cancelling the task that waits, or closing the stream, ends the writing
    within 100 ms for the caller, and the computation at the backend's next token.
    What is asked of it once it is closed is a ``ModelError``, or has it start anew.

    A model that sees pictures may offer more, which is looked for by name:
    ``picture_tokens(sizes)`` tells what pictures cost
    (:func:`cogagent.models.sight.picture_tokens`).
    """

    name: str
    """Backend, colon, model: ``openai:gpt-4o-mini``."""
    capabilities: Capabilities

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """Write one text.

        Args:
            messages: The conversation so far.
            options: How to write.

        Raises:
            InputError: If there is no message.
            CapabilityError: If pictures, a structure or probabilities are asked of a
                model that has not got them.
            ContextOverflowError: If the messages do not fit the model's context.
            ModelRefusedError: If the model, or its service, declines to answer.
            ModelTimeoutError: If it does not answer in time.
            ModelError: If it fails otherwise.
        """
        ...

    def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """Write one text and give it piece by piece; raises what :meth:`generate` does.

        The pieces' texts, joined, are the whole's text.
        """
        ...

    async def close(self) -> None:
        """Release memory, threads and connections; doing it twice is harmless."""
        ...


async def drained(pieces: AsyncGenerator[Piece, None], name: str) -> Generated:
    """The whole at the end of a stream, for backends whose stream is all they need.

    Args:
        pieces: The stream; it is closed.
        name: The model's.
    """
    async with aclosing(pieces) as stream:
        async for piece in stream:
            if piece.whole is not None:
                return piece.whole
    raise ModelError(f"{name} ended without a text.")


def check(model: MLLM, messages: Sequence[Message], options: Options = DEFAULTS) -> None:
    """Refuse what a model cannot do; backends call it first.

    Raises:
        InputError: If there is no message.
        CapabilityError: If pictures, a structure or probabilities are asked of a model
            that has not got them.
    """
    if not messages:
        raise InputError("there is no message to answer.", remedy="Give at least one message.")
    can = model.capabilities
    if not can.pictures and any(message.pictures for message in messages):
        raise CapabilityError(
            f"{model.name} sees no pictures.",
            remedy="Name a multimodal model in models.answer_model, or ask without a picture.",
        )
    if options.structure is not None and not can.structured:
        raise CapabilityError(
            f"{model.name} cannot be held to a JSON schema.",
            remedy="Ask for plain text and check it, or use a backend with constrained decoding.",
        )
    if options.probabilities and not can.probabilities:
        raise CapabilityError(
            f"{model.name} tells no token probabilities.",
            remedy="Use llamacpp or transformers, or a service that supports logprobs.",
        )
