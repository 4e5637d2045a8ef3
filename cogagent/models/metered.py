"""A language model within a run: every text is counted, named and recorded."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from cogagent import telemetry
from cogagent.errors import BudgetError, CogAgentError
from cogagent.models.mllm import (
    DEFAULTS,
    MLLM,
    Generated,
    Message,
    ModelUsage,
    Options,
    Piece,
    drained,
)
from cogagent.models.wrapped import Wrapped
from cogagent.telemetry import NOTHING, Operation
from cogagent.types import Budget, Problem, Record


class ModelCall(Record):
    """One text that was asked of a model within a run."""

    purpose: str
    """What for: ``rewrite``, ``choose tool``, ``perceive``, ``answer`` and so on."""
    step: int = 0
    """Number of the step that it belongs to; 0 for the answer."""
    model: str
    messages: tuple[Message, ...] = ()
    """What it was asked; pictures by their number alone when stored."""
    options: Options = DEFAULTS
    reply: Generated | None = None
    """``None`` if there was none: it failed, or was cut short."""
    written: str = ""
    """What was written of it, where it is ``None``."""
    error: Problem | None = None
    started: float = 0.0
    """Seconds since the run began."""
    seconds: float = 0.0


OnCall = Callable[[ModelCall], None]


class Meter:
    """What a run has spent on models, and what it may.

    Args:
        budget: The limits.
        started: ``time.monotonic()`` of the beginning of the run.
        on_call: Told of every call when it is over.
        operation: The run, to whoever watches.
    """

    def __init__(
        self,
        budget: Budget,
        started: float | None = None,
        on_call: OnCall | None = None,
        operation: Operation = NOTHING,
    ) -> None:
        self.budget = budget
        self.started = time.monotonic() if started is None else started
        self.calls = 0
        self.tokens = 0
        self.pictures = 0
        self.step = 0
        """The step that is under way."""
        self.operation = operation
        """What is under way, to whoever watches."""
        self._on_call = on_call

    def left(
        self, *, calls: int = 0, tokens: int = 0
    ) -> tuple[int | None, int | None, int | None]:
        """Calls, tokens and pictures that are left, when some are kept back; ``None``: any."""
        allowed = self.budget

        def rest(limit: int | None, spent: int) -> int | None:
            return None if limit is None else max(limit - spent, 0)

        return (
            rest(allowed.model_calls, self.calls + calls),
            rest(allowed.tokens, self.tokens + tokens),
            rest(allowed.pictures, self.pictures),
        )

    def begin(self, pictures: int = 0) -> None:
        """Count a call before it is made: of several at once none is overlooked."""
        self.calls += 1
        self.pictures += pictures

    def end(self, call: ModelCall, usage: ModelUsage | None, pictures: int = 0) -> None:
        """Count what a call has cost; one that was cached costs nothing."""
        if usage is not None and usage.cached:
            self.calls -= 1
            self.pictures -= pictures
        elif usage is not None:
            self.tokens += usage.prompt_tokens + usage.written_tokens
        if self._on_call is not None:
            self._on_call(call)


_BYTES_A_TOKEN = 5
"""Of a prompt, at most, so that none is refused that would fit the budget."""


class MeteredMLLM(Wrapped):
    """A model that counts what it is asked, and refuses what the budget does not allow.

    It is an :class:`~cogagent.models.mllm.MLLM` itself.

    Args:
        model: Writes.
        meter: Counts; shared by all that asks models in one run.
        purpose: What it is asked for, until :meth:`named` says otherwise.
        reserve_calls: Calls kept back for others: a planner leaves one for the answer.
        reserve_tokens: Tokens kept back likewise.
        role: What it is there for, ``plan`` or ``answer``; by default the first purpose.
    """

    def __init__(
        self,
        model: MLLM,
        meter: Meter,
        purpose: str,
        *,
        reserve_calls: int = 0,
        reserve_tokens: int = 0,
        role: str = "",
    ) -> None:
        super().__init__(model)
        self._meter = meter
        self._reserve = (reserve_calls, reserve_tokens)
        self._role = role or purpose
        self.purpose = purpose

    def named(self, purpose: str) -> MeteredMLLM:
        """The same model, asked for something else."""
        calls, tokens = self._reserve
        return MeteredMLLM(
            self._model, self._meter, purpose, reserve_calls=calls, reserve_tokens=tokens,
            role=self._role,
        )  # fmt: skip

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """Write one text; see :class:`~cogagent.models.mllm.MLLM`.

        Raises:
            BudgetError: If the budget does not allow it; the model is not asked.
        """
        return await drained(self.stream(messages, options), self.name)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """Write one text piece by piece; raises what :meth:`generate` does."""
        pictures = sum(len(message.pictures) for message in messages)
        read = sum(len(message.text.encode()) for message in messages) // _BYTES_A_TOKEN
        options = self._allowed(pictures, read, options)
        self._meter.begin(pictures)
        step = self._meter.step
        began = time.monotonic()
        whole: Generated | None = None
        written: list[str] = []
        problem: Problem | None = None
        told = self._begun(step, messages, options)
        try:
            async with aclosing(self._model.stream(messages, options)) as pieces:
                async for piece in pieces:
                    whole = piece.whole or whole
                    written.append(piece.text)
                    yield piece
        except CogAgentError as error:
            problem = Problem(code=error.code, message=error.message, remedy=error.remedy)
            raise
        except BaseException as error:
            told.fail(error)
            raise
        finally:
            _end(told, whole, problem)
            call = ModelCall(
                purpose=self.purpose,
                step=step,
                model=self.name,
                messages=tuple(messages),
                options=options,
                reply=whole,
                written="".join(written) if whole is None else "",
                error=problem,
                started=began - self._meter.started,
                seconds=time.monotonic() - began,
            )
            self._meter.end(call, None if whole is None else whole.usage, pictures)

    async def close(self) -> None:
        """Nothing: the model belongs to who made it."""

    def _begun(self, step: int, messages: Sequence[Message], options: Options) -> Operation:
        told = telemetry.under(self._meter.operation).child(
            "chat",
            model=shown_name(self.name),
            role=self._role,
            purpose=self.purpose,
            step=step,
            max_tokens=options.max_tokens,
            temperature=options.temperature,
        )
        told.say(messages=messages)
        return told

    @property
    def pictures_left(self) -> int | None:
        """How many may still be shown; ``None`` for any number."""
        return self._meter.left()[2]

    def _allowed(self, shown: int, read: int, options: Options) -> Options:
        """The options within the budget, for so many pictures and about so many tokens."""
        calls, tokens, pictures = self._meter.left(calls=self._reserve[0], tokens=self._reserve[1])
        for name, rest, wanted in (
            ("model calls", calls, 1), ("tokens", tokens, read + 1), ("pictures", pictures, shown),
        ):  # fmt: skip
            if rest is not None and rest < wanted:
                raise BudgetError(
                    f"the budget of {name} is spent: {wanted} wanted, {rest} left.",
                    remedy="Allow more in the budget.",
                )
        if tokens is not None and options.max_tokens > tokens - read:
            return options.model_copy(update={"max_tokens": tokens - read})
        return options


def shown_name(name: str) -> str:
    """A model's name without the folder it lies in, which is this machine's affair."""
    backend, colon, model = name.partition(":")
    folder, slash, file = model.rpartition("/")
    is_path = backend == "llamacpp" or folder.startswith(("/", "~", ".")) or not folder
    return f"{backend}{colon}{file}" if slash and is_path else name


def _end(told: Operation, whole: Generated | None, problem: Problem | None) -> None:
    """Tell whoever watches what became of a text."""
    if problem is not None:
        told.fail(problem.code)
    if whole is not None:
        told.set(
            prompt_tokens=whole.usage.prompt_tokens,
            written_tokens=whole.usage.written_tokens,
            cached=whole.usage.cached,
            finish=whole.finish,
        )
        told.say(text=whole.text)
    told.end()
