"""Asks a service that speaks OpenAI's protocol (``answer_model = "openai:NAME"``).

OpenAI's own, or any other: vLLM, Ollama, llama.cpp's server, a cloud. Services
differ in what they take; what one does not know is left out at the next attempt
and from then on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from cogagent.config import Settings
from cogagent.errors import ModelError, ModelServiceError
from cogagent.models.backends.channel import Channel
from cogagent.models.backends.looping import LoopThread
from cogagent.models.backends.openai_errors import culprit, timed_out, translated, unreachable
from cogagent.models.backends.openai_reply import DONE, Reply, read_all, read_events
from cogagent.models.backends.openai_service import Service
from cogagent.models.backends.pictures import DataURIs, content, seeing
from cogagent.models.mllm import (
    DEFAULTS,
    Capabilities,
    Generated,
    Message,
    Options,
    Piece,
    check,
    drained,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_STOPS = 4
"""Stop texts that services take; the others are looked for here."""
_LEFT_OUT = ("stream_options", "temperature", "seed", "stop")
"""What a text can be had without."""


def make(name: str, settings: Settings) -> OpenAIModel:
    """A model of a service.

    Args:
        name: What the service calls it.
        settings: The group ``openai`` and ``offline`` count.

    Raises:
        ConfigError: If the address is none, or the key is missing or malformed.
        MissingPackageError: If the package openai is not installed.
        OfflineError: If ``offline`` is on and the address is not this machine's.
    """
    return OpenAIModel(name, settings)


class OpenAIModel:
    """A language model behind an address; nothing is sent until it is asked something."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = f"openai:{name}"
        self._model = name
        self._settings = settings.openai
        self._service = Service(settings)
        can = Capabilities(
            structured=self._settings.structured,
            probabilities=self._settings.probabilities,
            seed=self._settings.seed,
            context=self._settings.context,
        )
        chosen = self._settings
        self.capabilities = seeing(can, chosen, chosen.coordinates) if chosen.pictures else can
        kept = settings.answers
        self._encoded = DataURIs(kept.picture_cache_mb, kept.picture_cache_seconds)
        self._thread = LoopThread("openai", self._finish)
        self._client: AsyncOpenAI | None = None
        self._free: asyncio.Semaphore | None = None
        self._unknown: set[str] = set()

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """Write one text; see :class:`cogagent.models.mllm.MLLM`."""
        return await drained(self._pieces(messages, options, stream=False), self.name)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """Write one text, piece by piece; see :class:`cogagent.models.mllm.MLLM`."""
        async with aclosing(self._pieces(messages, options, stream=True)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Hang up and end the thread; a later call starts anew."""
        await asyncio.to_thread(self._thread.stop)

    async def _pieces(
        self, messages: Sequence[Message], options: Options, *, stream: bool
    ) -> AsyncGenerator[Piece, None]:
        check(self, messages, options)
        channel = Channel()
        future = self._thread.submit(self._write(tuple(messages), options, channel, stream=stream))
        async with aclosing(channel.pieces(future)) as pieces:
            async for piece in pieces:
                yield piece

    async def _write(
        self, messages: tuple[Message, ...], options: Options, channel: Channel, *, stream: bool
    ) -> Generated:
        """Runs in the thread of the client."""
        if self._client is None or self._free is None:
            self._client = self._service.client()
            self._free = asyncio.Semaphore(self._settings.concurrency)
        async with self._free:
            seconds = self._settings.timeout_seconds
            request = await asyncio.to_thread(self._request, messages, options, stream=stream)
            start = time.monotonic()
            reply = Reply(self._service.address, options)
            try:
                async with asyncio.timeout(seconds):
                    await self._ask(self._client, request, reply, channel)
            except TimeoutError as error:
                raise timed_out(self._service.address, seconds) from error
            return reply.whole(messages, time.monotonic() - start)

    async def _ask(
        self, client: AsyncOpenAI, request: dict[str, Any], reply: Reply, channel: Channel
    ) -> None:
        """Ask, once more for each parameter that the service turns out not to know."""
        import httpx2
        import openai

        while True:
            known = self._known(request)
            try:
                await self._read(client, known, reply, channel)
            except openai.APIStatusError as error:
                param = culprit(error)
                if param in known and param not in self._unknown and _spare(param):
                    self._unknown.add(param)
                    continue
                raise self._error(error) from self._cause(error)
            except openai.APIError as error:
                raise self._error(error) from self._cause(error)
            except httpx2.TimeoutException as error:
                raise timed_out(self._service.address, self._settings.timeout_seconds) from error
            except (httpx2.HTTPError, httpx2.StreamError) as error:
                raise unreachable(self._service.address, error) from error
            else:
                return

    async def _read(
        self, client: AsyncOpenAI, request: dict[str, Any], reply: Reply, channel: Channel
    ) -> None:
        create = client.chat.completions.with_streaming_response.create
        async with create(**request, extra_headers=self._service.headers()) as response:
            data = response.iter_bytes()
            kind = response.headers.get("content-type", "")
            if request["stream"] and "event-stream" in kind:
                await self._read_stream(data, reply, channel)
            else:  # also of a server that does not stream
                channel.put(reply.add(await read_all(data, self._service.address)))
                if not reply.begun:
                    raise ModelServiceError(f"{self._service.address} sent an empty answer.")
        channel.put(reply.rest())

    async def _read_stream(
        self, data: AsyncIterator[bytes], reply: Reply, channel: Channel
    ) -> None:
        async for event in read_events(data, self._service.address):
            if event is DONE:
                return
            channel.put(reply.add(event))
            if reply.over:
                return
        if not reply.finish:
            raise ModelServiceError(
                f"{self._service.address} hung up in the midst of its answer.",
                remedy="Try again; if it stays, look into the service's log.",
            )

    def _request(
        self, messages: Sequence[Message], options: Options, *, stream: bool
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [
                {
                    "role": message.role,
                    "content": content(message, self.capabilities, self._encoded),
                }
                for message in messages
            ],
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "stream": stream,
        }
        if stream:
            request["stream_options"] = {"include_usage": True}
        if options.stop:
            request["stop"] = list(options.stop[:_STOPS])
        if options.seed is not None:
            request["seed"] = options.seed
        if options.structure is not None:
            schema = {"name": "answer", "schema": dict(options.structure), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        if options.probabilities:
            request["logprobs"] = True
        return request

    def _known(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request in the words that the service knows."""
        known = {name: value for name, value in request.items() if name not in self._unknown}
        if "max_tokens" in self._unknown:
            known["max_completion_tokens"] = request["max_tokens"]
        return known

    def _error(self, error: Any) -> ModelError:
        made = translated(
            error, self._service.address, self._model, self._settings.timeout_seconds
        )
        return type(made)(self._service.hide(made.message), remedy=made.remedy)

    def _cause(self, error: Exception) -> Exception | None:
        """The error itself, unless the service repeats our key in it."""
        return error if self._service.hide(str(error)) == str(error) else None

    async def _finish(self) -> None:
        client, self._client, self._free = self._client, None, None
        if client is not None:
            await client.close()


def _spare(param: str | None) -> bool:
    return param in _LEFT_OUT or param == "max_tokens"
