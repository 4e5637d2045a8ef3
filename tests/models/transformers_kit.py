"""What the tests of the Transformers backend ask, and how."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cogagent.config import Settings
from cogagent.models.backends.transformers import TransformersMLLM
from cogagent.models.mllm import Generated, Options, said
from cogagent.types import Raster

DARK = Raster(np.zeros((40, 60, 3), np.uint8))
LIGHT = Raster(np.full((40, 60, 3), 255, np.uint8))
SHORT = Options(max_tokens=8, probabilities=True)
LONG = Options(max_tokens=900)


def opened(folder: Path, **settings: object) -> TransformersMLLM:
    # One thread: two would wait for each other wherever others use the machine too.
    chosen = {"batch_wait_ms": 60.0, "threads": 1} | settings
    return TransformersMLLM(str(folder), Settings(transformers=chosen))


def ask(model: TransformersMLLM, text: str, *pictures: Raster, how: Options = SHORT) -> Generated:
    return asyncio.run(model.generate([said("user", text, *pictures)], how))


def ask_all(
    model: TransformersMLLM, prompts: Sequence[tuple[Any, ...]], how: Options = SHORT
) -> list[Generated]:
    async def together() -> list[Generated]:
        asked = (model.generate([said("user", *prompt)], how) for prompt in prompts)
        return await asyncio.gather(*asked)

    return asyncio.run(together())


def ids(generated: Generated) -> list[tuple[str, float]]:
    return [(token.text, round(token.logprob, 3)) for token in generated.tokens]


def engine(model: TransformersMLLM) -> Any:
    return model._batcher._engine


def idle(model: TransformersMLLM, seconds: float = 5.0) -> bool:
    """Whether nothing is under way any more, before long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not model._batcher._running and not model._batcher._waiting:
            return True
        time.sleep(0.005)
    return False
