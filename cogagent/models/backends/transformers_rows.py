"""Writes texts with a Transformers model, token by token, many at a time.

``generate`` prepares what each architecture needs (positions, masks, the cache) and
hands over to the loop here, by the hook that it has for that: unlike its own loop,
this one lets each text have its own limits, leave when it is done or no longer
wanted, and be joined by others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event
from typing import Any

from cogagent.errors import ModelError
from cogagent.models.backends.batching import MemoryShortError
from cogagent.models.backends.transformers_grammar import Grammar
from cogagent.models.backends.transformers_text import Writing
from cogagent.models.mllm import Finish, Generated, ModelUsage, Options

Inputs = Mapping[str, Any]

_OF_TEXT = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
"""What has one entry a token of the prompt; the rest is about pictures."""
_OF_ROWS = ("attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids")
"""What is carried from token to token, shape ``(…, rows, tokens)``."""
_OF_PICTURES = ("image_grid_thw", "batch_num_images")
"""Read with the prompt only; ``generate`` knows of others."""
_OF_GENERATE = ("logits_processor", "stopping_criteria", "generation_config", "synced_gpus")
"""What ``generate`` prepares for a loop of its own."""
_COLDEST = 1e-20
"""Smaller numbers would be divided by to infinity."""


class Row:
    """One text that is asked for, and then written.

    Args:
        inputs: What the processor made of the prompt, a batch of one.
        options: How to write.
        room: Tokens that the context leaves for the answer.
        ends: Tokens that end a text.
        writing: Its text.
        grammar: What it has to keep to.
        pictures: How many the prompt has.
        put: Is given the text as it settles, but for the last of it.
        left: Set when nobody waits any more.

    Attributes:
        length: Tokens of the prompt.
        kind: What prompts must have in common to be read together: pictures of one shape.
        made: The whole text, or what went wrong.
    """

    def __init__(
        self,
        inputs: Inputs,
        options: Options,
        room: int,
        ends: frozenset[int],
        writing: Writing,
        grammar: Grammar | None,
        pictures: int,
        put: Callable[[str], None],
        left: Event,
    ) -> None:
        self.inputs: Inputs = inputs
        self.length = int(inputs["input_ids"].shape[1])
        self.kind: Hashable = tuple(
            (name, None if name in _OF_TEXT else tuple(value.shape[1:]))
            for name, value in sorted(inputs.items())
        )
        self.made: Future[Generated] = Future()
        self.made.set_running_or_notify_cancel()  # who gives up leaves, and cancels nothing
        self._options, self._ends = options, ends
        self._most = min(options.max_tokens, room)
        self._writing, self._grammar = writing, grammar
        self._pictures, self._written = pictures, 0
        self._put, self._left = put, left
        self._since = time.monotonic()
        self._draws: Any = None

    @property
    def cancelled(self) -> bool:
        """Nobody waits for it any more."""
        return self._left.is_set()

    @property
    def live(self) -> bool:
        """Somebody still waits for more of it."""
        return not (self.made.done() or self.cancelled)

    def fail(self, error: ModelError) -> None:
        """Tell whoever waits that there will be no text."""
        if not self.made.done():
            self.made.set_exception(error)

    def advance(self, logits: Any, best: int) -> int:
        """Choose the next token, deliver what it adds, and return it.

        Args:
            logits: The model's output, shape ``(vocabulary,)``.
            best: Where it is greatest.

        Raises:
            ModelError: If the grammar grew beyond its limits.
        """
        token = best
        if self._grammar is not None or self._options.temperature > 0:
            token = self._choose(logits.cpu())
        if token in self._ends:
            self._finish("stop")
            return token
        logprob = None
        if self._options.probabilities:
            logprob = float(logits.log_softmax(-1)[token])
        self._written += 1
        text = self._writing.add(token, logprob)
        if self._writing.stopped or (self._grammar is not None and self._grammar.take(token)):
            self._finish("stop", text)
        elif self._written >= self._most:
            self._finish("length", text)
        else:
            self._put(text)
        return token

    def _choose(self, logits: Any) -> int:
        import torch

        if self._grammar is not None:
            allowed = torch.zeros(len(logits), dtype=torch.bool)
            found = torch.from_numpy(self._grammar.allowed())[: len(logits)]
            allowed[: len(found)] = found
            logits = logits.masked_fill(~allowed, float("-inf"))
        if self._options.temperature > 0:
            if self._draws is None:
                self._draws = torch.Generator()
                if self._options.seed is None:
                    self._draws.seed()
                else:
                    self._draws.manual_seed(self._options.seed % 2**63)
            # An exponential race: by chance as softmax has it, and a seed's race is the
            # same in whatever company the text is written.
            race = torch.empty(len(logits)).exponential_(generator=self._draws)
            temperature = max(self._options.temperature, _COLDEST)
            logits = logits / temperature - race.clamp_min(_COLDEST).log()
        return int(logits.argmax())

    def _finish(self, finish: Finish, text: str = "") -> None:
        self._put(text + self._writing.finish())
        whole = Generated(
            text=self._writing.text,
            finish="stop" if self._writing.stopped else finish,
            usage=ModelUsage(
                prompt_tokens=self.length,
                written_tokens=self._written,
                pictures=self._pictures,
                seconds=time.monotonic() - self._since,
            ),
            tokens=self._writing.tokens(),
        )
        self.made.set_result(whole)


class Decoder:
    """A Transformers model that reads and writes for a :class:`Batcher`.

    Args:
        name: What to call it in messages.
        model: A decoder with ``generate``.
        pad: A token to fill rows with.
    """

    def __init__(self, name: str, model: Any, pad: int) -> None:
        self._name, self._model, self._pad = name, model, pad

    def begin(self, requests: Sequence[Row]) -> Rows:
        """Read the prompts and write the first token of each.

        Raises:
            MemoryShortError: If so many are too many.
            ModelError: If the model fails.
        """
        import torch
        from transformers import GenerationConfig

        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=1 << 20,  # each row has its own limit
            pad_token_id=self._pad,
            cache_implementation="dynamic",
            use_cache=True,
        )
        rows: list[Rows] = []

        def take_over(model: Any, input_ids: Any, **prepared: Any) -> Any:
            carried = {
                name: value
                for name, value in prepared.items()
                if value is not None and name not in _OF_GENERATE
            }
            rows.append(Rows(self._name, model, requests, input_ids, carried, self._pad))
            return input_ids

        with _translated(self._name), torch.inference_mode():
            inputs = _together([request.inputs for request in requests], self._pad)
            self._model.generate(
                **{name: self._placed(value) for name, value in inputs.items()},
                generation_config=config,
                custom_generate=take_over,
            )
        for request in requests:
            request.inputs = {}  # pictures are large, and read
        return rows[0]

    def join(self, first: Rows, second: Rows) -> Rows | None:
        """Both as one batch, where their caches are of the kind that can be put together.

        Raises:
            MemoryShortError: If the memory does not suffice; both are as they were.
        """
        import torch

        with _translated(self._name), torch.inference_mode():
            return first.joined(second)

    def _placed(self, value: Any) -> Any:
        value = value.to(self._model.device)
        return value.to(self._model.dtype) if value.is_floating_point() else value


class Rows:
    """Texts that are being written together; made by :class:`Decoder`.

    Args:
        name: What to call the model in messages.
        model: The model.
        rows: The texts.
        ids: Their prompts, shape ``(rows, tokens)``, padded on the left.
        carried: What the model wants beside them, prepared by ``generate``.
        pad: The token for rows that are done and cannot leave.
        read: Read the prompts now.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        rows: Sequence[Row],
        ids: Any,
        carried: dict[str, Any],
        pad: int,
        *,
        read: bool = True,
    ) -> None:
        self._name, self._model, self._pad = name, model, pad
        self._rows, self._ids, self._carried = list(rows), ids, carried
        if read:
            self._forward(is_first_iteration=True)
            self._forget_pictures()

    def __len__(self) -> int:
        return sum(row.live for row in self._rows)

    def fail(self, error: ModelError) -> None:
        """Tell all who wait that there will be no text."""
        for row in self._rows:
            row.fail(error)

    def step(self) -> None:
        """Write the next token of each; those that are done or cancelled leave.

        Raises:
            ModelError: If the model fails.
        """
        import torch

        with _translated(self._name), torch.inference_mode():
            self._leave()
            if len(self):
                self._forward(next_sequence_length=1)

    def joined(self, other: Rows) -> Rows | None:
        """This and another batch as one; ``None`` where that cannot be, or would not pay."""
        import torch
        from transformers import DynamicCache

        both = (self, other)
        for batch in both:
            batch._leave()
        if not all(batch._plain() for batch in both):
            return None
        # Without positions of its own, a row that is padded would be at others.
        places: list[Any] = [batch._carried.get("position_ids") for batch in both]
        if any(
            place is None or place.ndim != places[0].ndim or place.shape[-2] != len(batch._rows)
            for place, batch in zip(places, both, strict=True)
        ):
            return None
        widths = [batch._ids.shape[1] for batch in both]
        # A short text among long ones costs each step as much as a long one.
        if min(widths) * 2 < max(widths):
            return None
        margins = [max(widths) - width for width in widths]

        carried = dict(self._carried)
        for name in _OF_ROWS:
            parts = [batch._carried.get(name) for batch in both]
            if name == "attention_mask":  # none is written out where all is attended to
                parts = [
                    torch.ones_like(batch._ids) if part is None else part
                    for part, batch in zip(parts, both, strict=True)
                ]
            if all(part is not None for part in parts):
                carried[name] = _beside(parts, margins)
            else:
                carried.pop(name, None)
        carried["past_key_values"] = DynamicCache(
            [
                (
                    _beside([layer.keys, its.keys], margins, -2, 0),
                    _beside([layer.values, its.values], margins, -2, 0),
                )
                for layer, its in zip(self._cache().layers, other._cache().layers, strict=True)
            ]
        )
        rows = [*self._rows, *other._rows]
        ids = _beside([self._ids, other._ids], margins)
        return Rows(self._name, self._model, rows, ids, carried, self._pad, read=False)

    def _forward(self, **how: Any) -> None:
        import torch

        inputs = self._model.prepare_inputs_for_generation(self._ids, **how, **self._carried)
        outputs = self._model(**inputs, return_dict=True)
        self._carried = self._model._update_model_kwargs_for_generation(outputs, self._carried)
        logits = outputs.logits[:, -1].float()
        best = logits.argmax(-1).tolist()
        broken = logits.isnan().any(-1).tolist()
        tokens = [
            self._advance(row, logits[place], best[place], broken=broken[place])
            for place, row in enumerate(self._rows)
        ]
        new = torch.tensor(tokens, dtype=self._ids.dtype, device=self._ids.device)
        self._ids = torch.cat([self._ids, new[:, None]], dim=1)

    def _advance(self, row: Row, logits: Any, best: int, *, broken: bool) -> int:
        if not row.live:
            return self._pad
        if broken:
            row.fail(
                ModelError(
                    f"the model {self._name} computed numbers that are none.",
                    remedy="Set transformers.dtype to float32 or bfloat16.",
                )
            )
            return self._pad
        try:
            return row.advance(logits, best)
        except ModelError as error:
            row.fail(error)
            return self._pad

    def _leave(self) -> None:
        """Free the rows of texts that are done or no longer wanted."""
        import torch

        kept = [place for place, row in enumerate(self._rows) if row.live]
        if len(kept) == len(self._rows) or not kept or not self._plain(sliding=True):
            return
        size = len(self._rows)
        index = torch.tensor(kept, device=self._ids.device)
        self._rows = [self._rows[place] for place in kept]
        self._ids = self._ids[index]
        for name in _OF_ROWS:
            value = self._carried.get(name)
            if value is not None and value.shape[-2] == size:
                self._carried[name] = value.index_select(-2, index)
        self._cache().batch_select_indices(index)

    def _cache(self) -> Any:
        return self._carried.get("past_key_values")

    def _plain(self, *, sliding: bool = False) -> bool:
        """Whether all that is carried is known here, so that rows can leave, or join.

        Args:
            sliding: Layers that look back so far and no farther are no hindrance.
        """
        import torch
        from transformers import DynamicCache
        from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

        kinds = (DynamicLayer, DynamicSlidingWindowLayer) if sliding else (DynamicLayer,)
        cache = self._cache()
        return (
            type(cache) is DynamicCache
            and all(type(layer) in kinds and layer.is_initialized for layer in cache.layers)
            and all(
                name in _OF_ROWS or not isinstance(value, torch.Tensor)
                for name, value in self._carried.items()
            )
        )

    def _forget_pictures(self) -> None:
        from transformers.generation.utils import MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL

        for name in (*MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL, *_OF_PICTURES):
            self._carried.pop(name, None)


def _together(prompts: Sequence[Inputs], pad: int) -> dict[str, Any]:
    """Prompts of one kind as one batch, padded on the left."""
    import torch

    widest = max(prompt["input_ids"].shape[1] for prompt in prompts)
    inputs = {}
    for name in prompts[0]:
        values = [prompt[name] for prompt in prompts]
        if name in _OF_TEXT:
            filler = pad if name == "input_ids" else 0
            values = [
                torch.nn.functional.pad(value, (widest - value.shape[1], 0), value=filler)
                for value in values
            ]
        inputs[name] = torch.cat(values)
    return inputs


def _beside(parts: Sequence[Any], margins: Sequence[int], tokens: int = -1, rows: int = -2) -> Any:
    """Tensors as one, rows after rows, the narrower filled up with zeros on the left.

    Args:
        parts: The tensors.
        margins: How much is to be filled up of each.
        tokens: The dimension of tokens.
        rows: The dimension of rows.
    """
    import torch

    after = (0, 0) * (-1 - tokens)
    return torch.cat(
        [
            torch.nn.functional.pad(part, (*after, margin, 0))
            for part, margin in zip(parts, margins, strict=True)
        ],
        dim=rows,
    )


@contextmanager
def _translated(name: str) -> Iterator[None]:
    import torch

    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # what a foreign model raises is anyone's guess
        kinds = (MemoryError, torch.OutOfMemoryError)
        if isinstance(error, kinds) or "can't allocate memory" in str(error):
            raise MemoryShortError(
                f"the model {name} ran out of memory.",
                remedy="Lower transformers.batch_tokens, batch_size or picture_side, or set "
                "transformers.quantize.",
            ) from error
        reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
        raise ModelError(f"the model {name} failed: {reason}") from error
