"""A model that does not write the same text twice."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from cogagent.models.kept import Kept, content_key
from cogagent.models.mllm import DEFAULTS, MLLM, Generated, Message, Options, Piece
from cogagent.models.wrapped import Wrapped

_OVERHEAD = 500
"""Bytes of a kept text beside its characters and tokens, about."""


class CachedMLLM(Wrapped):
    """Keeps what a model wrote, by the content of what it was asked.

    Only texts that the model would write again are kept: those at temperature 0,
    and those with a seed where the model heeds one. The cache lives in memory,
    so nothing of a deleted document outlives the process in it. Two equal
    requests at once are both written.

    Args:
        model: Writes what is not there.
        megabytes: Most that the cache holds; the longest unused goes first.
        seconds: How long a text is kept.
    """

    def __init__(self, model: MLLM, megabytes: float, seconds: float) -> None:
        super().__init__(model)
        self._kept: Kept[Generated] = Kept(megabytes, seconds, _size)

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """The text, from the cache if it was written before; see :class:`MLLM`."""
        key = self._key(messages, options)
        if (kept := self._find(key)) is not None:
            return kept
        made = await self._model.generate(messages, options)
        self._keep(key, made)
        return made

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """The text piece by piece; one from the cache is a single piece."""
        key = self._key(messages, options)
        if (kept := self._find(key)) is not None:
            yield Piece(text=kept.text, whole=kept)
            return
        async with aclosing(self._model.stream(messages, options)) as stream:
            async for piece in stream:
                if piece.whole is not None:
                    self._keep(key, piece.whole)
                yield piece

    async def close(self) -> None:
        """Forget everything and close the model."""
        self._kept.clear()
        await self._model.close()

    def _key(self, messages: Sequence[Message], options: Options) -> str | None:
        """What was asked as a hash; ``None`` if the text would differ each time."""
        heeded = options.seed is not None and self.capabilities.seed
        if options.temperature > 0 and not heeded:
            return None
        digest = hashlib.sha256(options.model_dump_json().encode())
        for message in messages:
            digest.update(message.model_dump_json().encode())
            for picture in message.pictures:
                digest.update(content_key(picture))
        return digest.hexdigest()

    def _find(self, key: str | None) -> Generated | None:
        kept = None if key is None else self._kept.find(key)
        if kept is None:
            return None
        return kept.model_copy(update={"usage": kept.usage.model_copy(update={"cached": True})})

    def _keep(self, key: str | None, made: Generated) -> None:
        if key is not None and made.text:
            self._kept.keep(key, made)


def _size(made: Generated) -> float:
    return _OVERHEAD + 4 * len(made.text) + 200 * len(made.tokens)
