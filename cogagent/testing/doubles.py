"""Small, fast, deterministic stand-ins for the parts behind the seams."""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import ClassVar

import numpy as np

from cogagent.errors import ContextOverflowError, ModelError
from cogagent.models.backends.ending import Ending
from cogagent.models.base import Vectors
from cogagent.models.metered import MeteredMLLM
from cogagent.models.mllm import (
    DEFAULTS,
    Capabilities,
    Generated,
    Message,
    ModelUsage,
    Options,
    Piece,
    Token,
    check,
    drained,
)
from cogagent.planners.base import PlanState
from cogagent.types import Element, Evidence, Query, Raster, Source, Step


class HashTextEmbedder:
    """A bag of hashed words: texts that share words are near."""

    name = "hash-1"
    dim = 64
    max_tokens = 256

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:  # noqa: ARG002
        """One unit vector a text; an empty text points along the first axis."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, zlib.crc32(word.encode()) % self.dim] += 1.0
            if not vectors[row].any():
                vectors[row, 0] = 1.0
        return _unit(vectors)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words and punctuation marks."""
        return [len(re.findall(r"\w+|[^\w\s]", text)) for text in texts]


class ColourImageEmbedder:
    """Mean colour in RGB; a text is near the colours it names."""

    name = "colour-1"
    dim = 3
    _NAMED: ClassVar = {"red": 0, "green": 1, "blue": 2}

    def embed_images(self, images: Sequence[Raster]) -> Vectors:
        """One unit vector a picture."""
        means = [image.pixels.reshape(-1, 3).mean(axis=0) + 1.0 for image in images]
        return _unit(np.array(means, np.float32).reshape(-1, 3))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """One unit vector a text."""
        vectors = np.full((len(texts), 3), 0.1, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                if word in self._NAMED:
                    vectors[row, self._NAMED[word]] += 1.0
        return _unit(vectors)


class ListLoader:
    """Yields the elements it was given, whatever the source."""

    media_types = ("application/x-list",)

    def __init__(self, elements: Sequence[Element]) -> None:
        self._elements = elements

    def load(self, source: Source) -> Iterator[Element]:  # noqa: ARG002
        """The elements, in order."""
        yield from self._elements


class ListRetriever:
    """Returns the evidence it was given and remembers what it was asked."""

    def __init__(self, evidence: Sequence[Evidence]) -> None:
        self.asked: list[Query] = []
        self._evidence = list(evidence)

    def retrieve(self, query: Query, k: int) -> list[Evidence]:
        """The first ``k``."""
        self.asked.append(query)
        return [piece.model_copy(update={"query": query.text}) for piece in self._evidence[:k]]


class ScriptedPlanner:
    """Plays steps in order, then stops."""

    name = "scripted"

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps

    async def plan(self, state: PlanState, model: MeteredMLLM | None) -> Step:  # noqa: ARG002
        """The next step of the script."""
        done = len(state.steps)
        if done < len(self._steps):
            return self._steps[done]
        return Step(number=done + 1, done=True, reason="the script is over")


HANG = object()
"""In a script: write nothing, until whoever waits gives up."""
Script = Sequence[object] | Callable[[Sequence[Message], Options], str]
"""Texts, exceptions to raise and ``HANG``, in order; or what makes a text of what was asked."""


class ScriptedMLLM:
    """Plays texts in order, a word at a time, and remembers what it was asked.

    A token is a word or a mark with the space before it. A prompt of more tokens
    than ``capabilities.context`` is refused as real models refuse it.

    Args:
        script: What to write; a script that is over is a ``ModelError``.
        capabilities: What it claims to be able to do; by default everything but a limit.
        delay: Seconds between tokens.

    Attributes:
        asked: Messages and options of each call, the refused ones left out.
        closed: How often it was closed.
    """

    name = "scripted:1"

    def __init__(
        self, script: Script, capabilities: Capabilities | None = None, delay: float = 0.0
    ) -> None:
        self.capabilities = capabilities or Capabilities(
            pictures=True, structured=True, probabilities=True, seed=True
        )
        self.asked: list[tuple[tuple[Message, ...], Options]] = []
        self.closed = 0
        self._script = script
        self._delay = delay

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """The next text of the script."""
        return await drained(self.stream(messages, options), self.name)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """The next text of the script, a token a piece."""
        start = time.monotonic()
        check(self, messages, options)
        prompt = sum(len(_tokens(message.text)) + 1 for message in messages)
        context = self.capabilities.context
        if context is not None and prompt >= context:
            raise ContextOverflowError(f"the prompt has {prompt} tokens of {context}.")
        self.asked.append((tuple(messages), options))
        text = self._next(messages, options)
        if text is None:
            await asyncio.Event().wait()
            return
        ending = Ending(options.stop)
        every = _tokens(ending.feed(text) + ending.rest())
        written = every[: options.max_tokens]
        for token in written:
            await asyncio.sleep(self._delay)
            yield Piece(text=token)
        yield Piece(
            whole=Generated(
                text="".join(written),
                finish="length" if len(written) < len(every) else "stop",
                usage=ModelUsage(
                    prompt_tokens=prompt,
                    written_tokens=len(written),
                    pictures=sum(len(message.pictures) for message in messages),
                    seconds=time.monotonic() - start,
                ),
                tokens=tuple(Token(text=token, logprob=-0.1) for token in written)
                if options.probabilities
                else (),
            )
        )

    async def close(self) -> None:
        """Counts."""
        self.closed += 1

    def _next(self, messages: Sequence[Message], options: Options) -> str | None:
        if callable(self._script):
            return self._script(messages, options)
        if len(self.asked) > len(self._script):
            raise ModelError("the script is over.")
        entry = self._script[len(self.asked) - 1]
        if isinstance(entry, Exception):
            raise entry
        return None if entry is HANG else str(entry)


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s*(?:\w+|[^\w\s])|\s+$", text)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, np.float32)
