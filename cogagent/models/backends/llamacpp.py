"""Runs a GGUF file in this process, through llama.cpp (``answer_model = "llamacpp:FILE.gguf"``).

llama.cpp's server object writes several texts at once, a batch of one token
each, and each in a slot of its own. One thread a slot waits for it here, so that
no event loop does; a text that nobody waits for any more ends at the next token,
or at the next batch of its prompt.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from cogagent.config import LlamaCppSettings, Settings
from cogagent.errors import (
    CapabilityError,
    ContextOverflowError,
    MissingPackageError,
    ModelError,
    ModelLoadError,
    ModelTimeoutError,
)
from cogagent.models.backends.channel import Channel
from cogagent.models.backends.gguf import Header, read_header
from cogagent.models.backends.llamacpp_load import (
    Setup,
    check_computes,
    check_fit,
    check_projector,
    check_writes,
    explain,
    find,
)
from cogagent.models.backends.llamacpp_sight import coordinates, projected_tokens
from cogagent.models.backends.pictures import DataURIs, content, seeing
from cogagent.models.backends.schema import check_schema
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
from cogagent.models.sight import seen_size

_RANDOM = (1 << 32) - 1
"""The seed that llama.cpp takes for none."""
_engines: dict[tuple[object, ...], _Engine] = {}
_lock = threading.Lock()


def make(name: str, settings: Settings) -> LlamaCpp:
    """The model in a GGUF file.

    Args:
        name: The file's path, or the short name of a model that comes as a package
            (``smollm2``).
        settings: The group ``llamacpp`` counts, and ``models.threads``.

    Raises:
        MissingPackageError: If xllamacpp is not installed.
        ModelLoadError: If the file is missing, damaged, no model that writes, does not
            fit its mmproj or this machine's memory.
    """
    return LlamaCpp(name, settings)


class LlamaCpp:
    """A language model in this process; models of one file and equal settings share memory."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = f"llamacpp:{name}"
        self._settings = settings.llamacpp
        self._path = find(name)
        header = read_header(self._path)
        check_writes(self._path, header)
        self._eye: Header | None = None
        if self._settings.mmproj is not None:
            self._eye = check_projector(self._settings.mmproj, header)
        self._context = _context(header, self._settings)
        self.capabilities = Capabilities(
            structured=True, probabilities=True, seed=True, context=self._context
        )
        if self._eye is not None:
            said = self._settings.coordinates
            named = coordinates(self._eye) if said == "auto" else said
            self.capabilities = seeing(self.capabilities, self._settings, named)
        chosen = self._settings.threads or settings.models.threads
        # Each token waits for every thread: one that gets no core holds up all the others.
        self._threads = chosen or max(1, settings.threads() - 1)
        self._header = header
        self._controls = re.compile("|".join(map(re.escape, header.controls)) or r"(?!)")
        kept = settings.answers
        self._encoded = DataURIs(kept.picture_cache_mb, kept.picture_cache_seconds)
        self._held: _Engine | None = None
        self._turn = threading.Lock()
        self._engine()

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """Write one text; see :class:`cogagent.models.mllm.MLLM`."""
        return await drained(self.stream(messages, options), self.name)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """Write one text, piece by piece; see :class:`cogagent.models.mllm.MLLM`."""
        check(self, messages, options)
        if options.structure is not None:
            check_schema(options.structure)
        engine = self._held
        if engine is None:
            engine = await asyncio.to_thread(self._engine)
        channel = Channel()
        try:
            future = engine.pool.submit(self._write, engine, tuple(messages), options, channel)
        except RuntimeError as error:
            raise ModelError(f"{self.name} was closed.") from error
        async with aclosing(channel.pieces(future)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Let go of the memory, once no other model uses it; a later call loads it again."""
        with self._turn:
            engine, self._held = self._held, None
        if engine is not None:
            await asyncio.to_thread(engine.release)

    def picture_tokens(self, sizes: Sequence[tuple[int, int]]) -> int:
        """Tokens of pictures shown together, by what the mmproj file says of itself."""
        shown = [seen_size(size, self.capabilities) for size in sizes]
        return 0 if self._eye is None else projected_tokens(self._eye, shown)

    def _engine(self) -> _Engine:
        with self._turn:
            if self._held is None:
                self._held = _shared(
                    self._path, self._header, self._settings, self._context, self._threads
                )
            return self._held

    def _write(
        self, engine: _Engine, messages: Sequence[Message], options: Options, channel: Channel
    ) -> Generated:
        """Runs in a thread of the engine's."""
        writing = _Writing(self.name, channel, engine.closing, self._settings.timeout_seconds)
        if not writing.abandoned():
            request = self._request(messages, options)
            try:
                engine.server.handle_chat_completions(request, writing.take)
            except (RuntimeError, ValueError) as error:
                raise _translated(self.name, str(error)) from error
        return writing.whole(sum(len(message.pictures) for message in messages))

    def _request(self, messages: Sequence[Message], options: Options) -> dict[str, Any]:
        request: dict[str, Any] = {
            "messages": [
                {
                    "role": message.role,
                    "content": content(message, self.capabilities, self._encoded, self._clean),
                }
                for message in messages
            ],
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "stop": list(options.stop),
            "stream": True,
            "stream_options": {"include_usage": True},
            # Also said while the prompt is read, so that this too can be cut short.
            "return_progress": True,
        }
        if options.seed is not None:
            # What is kept of earlier prompts changes the sums in their last digits.
            request |= {"seed": options.seed % _RANDOM, "cache_prompt": False}
        if options.structure is not None:
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(options.structure)},
            }
        if options.probabilities:
            request |= {"logprobs": True, "top_logprobs": 1}
        return request

    def _clean(self, text: str) -> str:
        """A document may not end its message and begin another in the model's own protocol."""
        return self._controls.sub(_spoilt, text)


class _Writing:
    """Takes what llama.cpp says while it writes one text."""

    def __init__(
        self, name: str, channel: Channel, closing: threading.Event, seconds: float
    ) -> None:
        self._name = name
        self._channel = channel
        self._closing = closing
        self._seconds = seconds
        self._start = time.monotonic()
        self._texts: list[str] = []
        self._tokens: list[Token] = []
        self._finish = ""
        self._usage: Mapping[str, Any] = {}
        self._error: ModelError | None = None

    def abandoned(self) -> bool:
        """Nobody waits for the text."""
        return self._channel.left.is_set() or self._closing.is_set()

    def take(self, chunk: dict[str, Any]) -> bool:
        """One event of the server's; ``True`` ends the writing.

        What is raised in here is lost in the native code, and so it is kept.
        """
        try:
            return self.abandoned() or self._take(chunk)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            self._error = ModelError(f"llama.cpp sent {chunk!r:.200}, which is not understood.")
            self._error.__cause__ = error
            return True

    def _take(self, chunk: dict[str, Any]) -> bool:
        if time.monotonic() - self._start > self._seconds:
            self._error = ModelTimeoutError(
                f"{self._name} wrote for more than {self._seconds:g} s.",
                remedy="Ask for fewer tokens, or raise llamacpp.timeout_seconds.",
            )
            return True
        if "error" in chunk:
            self._error = _translated(self._name, chunk["error"])
            return True
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            self._finish = choice.get("finish_reason") or self._finish
            text = choice.get("delta", {}).get("content") or ""
            self._texts.append(text)
            for token in (choice.get("logprobs") or {}).get("content") or ():
                # The logarithm of a probability that rounds to nothing is minus infinity.
                logprob = max(float(token["logprob"]), -1e4)
                self._tokens.append(Token(text=token["token"], logprob=logprob))
            self._channel.put(text)
        return False

    def whole(self, pictures: int) -> Generated:
        """The text, once the writing is over; raises what went wrong."""
        if self._error is not None:
            raise self._error
        if not self._finish and not self._channel.left.is_set():
            why = "was closed while it wrote" if self._closing.is_set() else "broke off"
            raise ModelError(f"{self._name} {why}.")
        return Generated(
            text="".join(self._texts),
            finish="length" if self._finish == "length" else "stop",
            usage=ModelUsage(
                prompt_tokens=self._usage.get("prompt_tokens", 0),
                cached_tokens=_cached(self._usage),
                written_tokens=self._usage.get("completion_tokens", 0),
                pictures=pictures,
                seconds=time.monotonic() - self._start,
            ),
            tokens=tuple(self._tokens),
        )


class _Engine:
    """A loaded model and the threads that wait for it, one for each slot."""

    def __init__(self, server: Any, parallel: int, forget: Callable[[], object]) -> None:
        self.server = server
        self.pool = ThreadPoolExecutor(parallel, thread_name_prefix="llamacpp")
        self.closing = threading.Event()
        self.users = 0
        self._forget = forget

    def release(self) -> None:
        """One user less; without any, what is being written ends and the memory is freed."""
        with _lock:
            self.users -= 1
            if self.users:
                return
            self._forget()
        self.closing.set()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.server = None


def _shared(
    path: Path, header: Header, settings: LlamaCppSettings, context: int, threads: int
) -> _Engine:
    """The loaded model of a file, one for all that ask with equal settings."""
    try:
        import xllamacpp
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "llamacpp models need the package xllamacpp, which is not installed.",
            remedy="Run `pip install 'cogagent[llamacpp]'`.",
        ) from error
    except ImportError as error:  # slim systems lack libgomp
        raise ModelLoadError(
            f"the package xllamacpp cannot be loaded: {error}.",
            remedy="Install the library that is named (Debian: `apt install libgomp1`).",
        ) from error
    key = (path.resolve(), path.stat().st_mtime_ns, settings.model_dump_json(), threads)
    with _lock:
        if key not in _engines:
            check_fit(path, header, context * settings.parallel, settings, xllamacpp)
            setup = Setup(path, settings, context, threads, secrets.token_hex())
            try:
                server = xllamacpp.Server(setup(xllamacpp))
            except (RuntimeError, ValueError) as error:
                raise ModelLoadError(
                    f"llama.cpp does not load {str(path)!r}: {explain(setup)}.",
                    remedy="Check the file, llamacpp.mmproj and the version of xllamacpp.",
                ) from error
            check_computes(path, server)
            _engines[key] = _Engine(server, settings.parallel, partial(_engines.pop, key))
        _engines[key].users += 1
        return _engines[key]


def _context(header: Header, settings: LlamaCppSettings) -> int:
    trained = header.number("context_length")
    if not settings.context:
        return trained or 4096
    return min(settings.context, trained) if trained else settings.context


def _cached(usage: Mapping[str, Any]) -> int:
    """Tokens of the prompt that the slot still knew."""
    return int((usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0))


def _spoilt(found: re.Match[str]) -> str:
    """A control token's text with an invisible character in it, which makes it mere text."""
    return f"{found[0][0]}\u2060{found[0][1:]}"


def _translated(name: str, error: Any) -> ModelError:
    said = error if isinstance(error, Mapping) else {"message": str(error)}
    message = str(said.get("message", "it gave no reason")).strip()
    if said.get("type") == "exceed_context_size_error" or "context size" in message:
        return ContextOverflowError(
            f"the prompt has {said.get('n_prompt_tokens', 'too many')} tokens, and {name} reads "
            f"{said.get('n_ctx', 'fewer')}.",
            remedy="Raise llamacpp.context, or give less text and fewer pictures.",
        )
    if "schema" in message or "grammar" in message:
        return CapabilityError(
            f"{name} cannot be held to this JSON schema: {message.rsplit(' failed: ')[-1]}.",
            remedy="Use a plainer schema: types, properties, items, enum, required.",
        )
    return ModelError(f"{name} failed: {message}")
