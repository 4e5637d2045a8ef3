"""Language models in this process, through Transformers: multimodal ones and text-only ones.

Which families do what:

- **Pictures** go to whatever ``AutoModelForImageTextToText`` loads; Qwen2-VL, Qwen2.5-VL,
  Idefics3 (SmolVLM), InternVL and LLaVA-OneVision are tested.
- **Places**: Qwen2-VL, Qwen3-VL, InternVL and GLM-4V name them in thousandths of the
  picture's sides. Qwen2.5-VL names pixels, of the picture as its processor resizes it
  (to at most 12.8 million, as it is shipped); it is not made smaller before. The other
  families name no places. What is slimmer than Qwen's processors take is filled up at
  the right or the bottom. :func:`cogagent.models.sight.space` counts with all of that.
- **Sampling** is what the options say: a checkpoint's own defaults (nucleus, penalties)
  are left out, so that a seed means the same everywhere.
"""

from __future__ import annotations

import asyncio
import copy
import weakref
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from cogagent.config import Settings
from cogagent.errors import ContextOverflowError, ModelError, ModelLoadError
from cogagent.models.backends.batching import Batcher
from cogagent.models.backends.channel import Channel
from cogagent.models.backends.transformers_grammar import Grammars, available
from cogagent.models.backends.transformers_loading import load_all
from cogagent.models.backends.transformers_prompts import Prompts, seeing
from cogagent.models.backends.transformers_rows import Decoder, Row, Rows
from cogagent.models.backends.transformers_text import Writing
from cogagent.models.mllm import (
    DEFAULTS,
    MLLM,
    Capabilities,
    Generated,
    Message,
    Options,
    Piece,
    check,
    drained,
    said,
)
from cogagent.types import Raster


def make(name: str, settings: Settings) -> MLLM:
    """A model by its name on the hub, or its folder; raises as :class:`TransformersMLLM`."""
    return TransformersMLLM(name, settings)


class TransformersMLLM:
    """A model that one thread of this process runs, for whoever asks.

    Texts that are asked for at the same time are written together.

    Args:
        name: ``owner/model`` on the hub, or a folder.
        settings: ``transformers`` and ``offline`` count.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        OfflineError: If it would have to be fetched and ``offline`` is on.
        ModelLoadError: If it is not found, not whole, or not of a kind that can be asked.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        chosen = settings.transformers
        loaded = load_all(name, settings)
        self.name = f"transformers:{name}"
        contexts = [length for length in (chosen.context, loaded.context) if length]
        can = Capabilities(
            structured=available(loaded.tokenizer),
            probabilities=True,
            seed=True,
            context=min(contexts, default=None),
        )
        if loaded.pictures:
            kind = loaded.config.model_type
            can = seeing(can, loaded.processor.image_processor, kind, chosen.picture_side)
        self.capabilities = can
        self._prompts = Prompts(loaded.processor, loaded.tokenizer, can)
        self._ends = loaded.ends
        _try(name, self._prompts, pictures=loaded.pictures)
        # A tokenizer of the Rust kind refuses a second caller while it works: prompts are
        # made in one thread, texts read in the model's, and each has its own.
        self._decode = partial(_decoded, copy.deepcopy(loaded.tokenizer))
        width = int(loaded.config.get_text_config().vocab_size)
        self._grammars = Grammars(
            loaded.tokenizer, max(width, len(loaded.tokenizer)), sorted(loaded.ends)
        )
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="cogagent-prompts")
        self._batcher: Batcher[Row, Rows] = Batcher(
            Decoder(self.name, loaded.model, loaded.pad),
            chosen.batch_size,
            chosen.batch_tokens,
            chosen.batch_wait_ms / 1000,
        )
        # Also when the interpreter goes down: a thread inside torch would take it with it.
        self._end = weakref.finalize(self, self._batcher.close)

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """Write one text.

        Raises:
            CapabilityError: If pictures or a structure are asked of a model that has not
                got them, or the structure is beyond what can be kept to.
            ContextOverflowError: If the messages leave no room in the model's context.
            ModelError: If the model fails, or was closed.
        """
        return await drained(self.stream(messages, options), self.name)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """Write one text and give it piece by piece; raises what :meth:`generate` does."""
        check(self, messages, options)
        channel = Channel()
        try:
            preparing = asyncio.get_running_loop().run_in_executor(
                self._preparing, self._row, tuple(messages), options, channel
            )
        except RuntimeError as error:
            raise ModelError("the model was closed.", remedy="Make it again.") from error
        try:
            row = await preparing
            self._batcher.submit(row)
            async with aclosing(channel.pieces(row.made)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:  # also if it is left while its prompt is made
            channel.left.set()

    async def close(self) -> None:
        """End the threads, after the token under way; who still waits gets a ModelError."""
        self._preparing.shutdown(wait=False)
        await asyncio.to_thread(self._end)

    def picture_tokens(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Tokens of pictures shown together, as the model's processor counts them."""
        return self._prompts.picture_tokens(sizes)

    def _row(self, messages: Sequence[Message], options: Options, channel: Channel) -> Row:
        """A text to write; its prompt is made, and measured, before anything runs."""
        inputs = self._prompts.inputs(messages)
        length = int(inputs["input_ids"].shape[1])
        context = self.capabilities.context
        if context is not None and length >= context:
            raise ContextOverflowError(
                f"the messages have {length:,} tokens; {self.name} reads {context:,}.",
                remedy="Ask with less evidence, or fewer or smaller pictures.",
            )
        structure = options.structure
        return Row(
            inputs,
            options,
            room=options.max_tokens if context is None else context - length,
            ends=self._ends,
            writing=Writing(self._decode, options.stop),
            grammar=None if structure is None else self._grammars.grammar(structure),
            pictures=sum(len(message.pictures) for message in messages),
            put=channel.put,
            left=channel.left,
        )


def _try(name: str, prompts: Prompts, *, pictures: bool) -> None:
    """Make a prompt, so that a processor that cannot is known before anybody asks.

    Raises:
        ModelLoadError: If it cannot.
    """
    shown = [Raster(np.zeros((64, 64, 3), np.uint8))] if pictures else []
    try:
        prompts.inputs([said("user", "?", *shown)])
    except ModelError as error:
        advice = "Fetch it again, whole."
        if pictures and find_spec("torchvision") is None:
            advice = "Install torchvision, without which some processors do not work."
        raise ModelLoadError(
            f"the model {name!r} makes no prompt of a message: {error.message}", remedy=advice
        ) from error


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    text = tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return str(text)
