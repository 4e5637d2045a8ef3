"""What the tests of the openai backend ask, and of whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cogagent.config import OpenAISettings, Settings
from cogagent.models.mllm import (
    DEFAULTS,
    Generated,
    Options,
    said,
)
from tests.models.service import Exchange, serving

ASKED = (said("user", "Tell a story."),)
KEY = "sk-secret-0123456789"


def settings(url: str, **changes: object) -> Settings:
    group = {"base_url": url, "retries": 0, "timeout_seconds": 5.0, **changes}
    return Settings(offline=True, openai=OpenAISettings(**group))


def ask(
    chosen: Settings, options: Options = DEFAULTS, *, stream: bool = False, messages=ASKED
) -> Generated:
    """One text of a model made for it alone."""

    async def run() -> Generated:
        from cogagent.models.backends.openai import make

        model = make("some-model", chosen)
        try:
            if not stream:
                return await model.generate(messages, options)
            pieces = [piece async for piece in model.stream(messages, options)]
            assert "".join(piece.text for piece in pieces) == pieces[-1].whole.text
            return pieces[-1].whole
        finally:
            await model.close()

    return asyncio.run(run())


def both(answer: Callable[[Exchange], None], error: type[Exception], match: str, **more) -> None:
    """Whole or streamed, it is the same error."""
    with serving(answer) as server:
        for stream in (False, True):
            with pytest.raises(error, match=match) as caught:
                ask(settings(server.url, **more), stream=stream)
            assert type(caught.value) is error
