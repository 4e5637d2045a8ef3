"""Reads what a service sends, believing none of it: one JSON object, or a stream of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeGuard

from cogagent.errors import ModelError, ModelRefusedError, ModelServiceError
from cogagent.models.backends.ending import Ending
from cogagent.models.backends.openai_errors import told
from cogagent.models.mllm import Generated, Message, ModelUsage, Options, Token

_LARGEST = 64 << 20
"""Bytes of a reply; longer ones are not read to their end."""
_LONGEST_LINE = 4 << 20
"""Bytes of an event."""
_MOST_TOKENS = 100_000_000
_LETTERS_A_TOKEN = 4
_LONGEST_TOKEN = 128
DONE = object()
"""The end of an event stream."""
_FOREVER = 64
"""Pieces more than tokens were asked for, until a stream is taken for endless."""


class Reply:
    """One text, put together from what the service sends of it.

    Args:
        service: What to call the service in errors.
        options: What was asked for.

    Attributes:
        begun: The service has sent some of its answer, be it empty.
        finish: Why the service ended, in its words; empty if it has not said so.
    """

    def __init__(self, service: str, options: Options) -> None:
        self._service = service
        self._options = options
        self._ending = Ending(options.stop)
        self._texts: list[str] = []
        self._tokens: list[Token] = []
        self._usage: Mapping[str, Any] = {}
        self._pieces = 0
        self._letters = 0
        self.begun = False
        self.finish = ""

    @property
    def over(self) -> bool:
        """Nothing more is wanted: a stop text came, or the stream goes on for ever."""
        return self._ending.done or self._endless()

    def add(self, data: Any) -> str:
        """Take an object of the service's in; returns the text that it adds.

        Raises:
            ModelRefusedError: If the model declines, or a filter takes the answer away.
            ModelServiceError: If the object is none of the protocol.
        """
        if not isinstance(data, Mapping):
            raise self._nonsense(f"{type(data).__name__} instead of an object")
        if data.get("error"):
            raise told(self._service, data["error"])
        if isinstance(data.get("usage"), Mapping):
            self._usage = data["usage"]
        choices = data.get("choices")
        if not isinstance(choices, list):
            raise self._nonsense("an answer without choices")
        texts = [self._choice(choice) for choice in choices[:1]]
        return "".join(texts)

    def rest(self) -> str:
        """What was held back in case a stop text began with it."""
        held = self._ending.rest()
        self._texts.append(held)
        return held

    def whole(self, messages: tuple[Message, ...], seconds: float) -> Generated:
        """The text; where the service does not say what it cost, that is estimated."""
        text = "".join(self._texts)
        prompt = sum(len(message.text) for message in messages)
        pictures = sum(len(message.pictures) for message in messages)
        return Generated(
            text=text,
            finish="length" if self._endless() or self._cut() else "stop",
            usage=ModelUsage(
                prompt_tokens=self._count("prompt_tokens", prompt),
                cached_tokens=self._cached(),
                written_tokens=self._count("completion_tokens", len(text)),
                pictures=pictures,
                seconds=seconds,
            ),
            tokens=tuple(self._tokens),
        )

    def _cached(self) -> int:
        """Tokens of the prompt that the service had read before, as far as it says so."""
        details = self._usage.get("prompt_tokens_details")
        told = details.get("cached_tokens") if isinstance(details, Mapping) else None
        return min(told, self._count("prompt_tokens", 0)) if _is_count(told) else 0

    def _endless(self) -> bool:
        most = self._options.max_tokens
        return self._pieces > 4 * most + _FOREVER or self._letters > _LONGEST_TOKEN * most

    def _cut(self) -> bool:
        return self.finish == "length" and not self._ending.done

    def _choice(self, choice: Any) -> str:
        if not isinstance(choice, Mapping):
            raise self._nonsense("a choice that is none")
        self.begun = True
        part = choice.get("delta") or choice.get("message") or {}
        if not isinstance(part, Mapping):
            raise self._nonsense("a message that is none")
        finish = choice.get("finish_reason")
        self.finish = finish if isinstance(finish, str) else self.finish
        refusal = part.get("refusal")
        if (isinstance(refusal, str) and refusal) or finish == "content_filter":
            raise ModelRefusedError(
                f"{self._service} declined to answer: {str(refusal or 'a content filter')[:300]}",
                remedy="Ask in other words.",
            )
        text = part.get("content")
        if text is not None and not isinstance(text, str):
            raise self._nonsense("a text that is none")
        self._keep_tokens(choice.get("logprobs"))
        return self._take(text or "")

    def _take(self, text: str) -> str:
        # Half a surrogate pair may be escaped in JSON, and is no text.
        text = text.encode("utf-8", "replace").decode("utf-8")
        self._pieces += bool(text)
        self._letters += len(text)
        shown = self._ending.feed(text)
        self._texts.append(shown)
        return shown

    def _keep_tokens(self, logprobs: Any) -> None:
        if not self._options.probabilities or not isinstance(logprobs, Mapping):
            return
        for token in logprobs.get("content") or ():
            if isinstance(token, Mapping) and isinstance(token.get("token"), str):
                logprob = token.get("logprob")
                if isinstance(logprob, int | float) and logprob <= 0:
                    said = token["token"].encode("utf-8", "replace").decode("utf-8")
                    self._tokens.append(Token(text=said, logprob=max(float(logprob), -1e4)))

    def _count(self, name: str, letters: int) -> int:
        count = self._usage.get(name)
        if _is_count(count):
            return count
        return -(-letters // _LETTERS_A_TOKEN)

    def _nonsense(self, what: str) -> ModelError:
        return ModelServiceError(
            f"{self._service} sent {what}.",
            remedy="Check openai.base_url; most end in /v1.",
        )


def _is_count(value: Any) -> TypeGuard[int]:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and 0 <= value <= _MOST_TOKENS


async def read_all(data: AsyncIterator[bytes], service: str) -> Any:
    """A reply that is one JSON value.

    Raises:
        ModelServiceError: If it is none, or too large.
    """
    parts = bytearray()
    async for part in data:
        parts += part
        if len(parts) > _LARGEST:
            raise ModelServiceError(f"{service} sent more than {_LARGEST >> 20} MiB.")
    return _json(bytes(parts), service)


async def read_events(data: AsyncIterator[bytes], service: str) -> AsyncIterator[Any]:
    """The JSON values of an event stream, and ``DONE`` where it says so.

    Raises:
        ModelServiceError: If an event is no JSON, or is too large.
    """
    held = bytearray()
    async for part in data:
        held += part
        if len(held) > _LONGEST_LINE + len(part):
            raise ModelServiceError(f"{service} sent a line that does not end.")
        *lines, last = held.split(b"\n")
        held = bytearray(last)
        for line in lines:
            event = _data(bytes(line))
            if event:
                yield DONE if event == b"[DONE]" else _json(event, service)
    event = _data(bytes(held))
    if event:
        yield DONE if event == b"[DONE]" else _json(event, service)


def _data(line: bytes) -> bytes:
    """What a line of an event stream carries; nothing if it is a comment or another field."""
    name, _, value = line.strip().partition(b":")
    return value.strip() if name == b"data" else b""


def _json(data: bytes, service: str) -> Any:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        shown = data[:80].decode("utf-8", "replace")
        raise ModelServiceError(
            f"{service} sent no JSON, but {shown!r}.",
            remedy="Check openai.base_url; most end in /v1.",
        ) from error
