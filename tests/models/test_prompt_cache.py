"""What llama.cpp keeps of the prompts that it has read, and for how long."""

from __future__ import annotations

import asyncio
import time

import psutil
import pytest

from cogagent.config import LlamaCppSettings, Settings
from cogagent.errors import ModelLoadError
from cogagent.models.backends import llamacpp_load
from cogagent.models.backends.llamacpp import LlamaCpp, make
from cogagent.models.cached import CachedMLLM
from cogagent.models.mllm import MLLM, Message, ModelUsage, Options, said
from cogagent.models.shared import close_now

SYSTEM = "You answer from the evidence alone, and cite after each claim. " * 10
BRIEF = Options(max_tokens=2)


@pytest.fixture(autouse=True)
def _model() -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    try:
        llamacpp_load.find("smollm2")
    except ModelLoadError as error:
        pytest.skip(str(error))


def opened(**changes: object) -> LlamaCpp:
    group = {"context": 1024, "parallel": 1, "threads": 1, **changes}
    return make("smollm2", Settings(offline=True, llamacpp=LlamaCppSettings(**group)))


def ask(model: MLLM, text: str, options: Options = BRIEF) -> ModelUsage:
    asked: tuple[Message, ...] = (said("system", SYSTEM), said("user", text))
    return asyncio.run(model.generate(asked, options)).usage


def test_what_all_prompts_begin_with_is_read_once() -> None:
    model = opened()
    first, second = ask(model, "What is a fox?"), ask(model, "How deep is the lake?")
    assert first.cached_tokens < 10  # of the template alone, tried when it was loaded
    assert second.cached_tokens > 0.85 * second.prompt_tokens
    # Only the new is computed, and all of the prompt is counted.
    assert second.prompt_tokens - second.cached_tokens < 20 < first.prompt_tokens
    close_now(model)


def test_a_seed_has_all_of_it_read_again() -> None:
    """What was kept changes the last digits of the sums, and with them the text."""
    model = opened()
    usages = [ask(model, "What is a fox?", Options(max_tokens=2, seed=1)) for _ in range(2)]
    assert [usage.cached_tokens for usage in usages] == [0, 0]
    close_now(model)


@pytest.mark.parametrize(("megabytes", "known"), [(0, False), (100, True)])
def test_prompts_that_made_room_are_kept_if_there_is_memory(megabytes: int, known: bool) -> None:
    model = opened(prompt_cache_mb=megabytes)
    texts = [f"Sheep number {number} goes home. " * 20 for number in range(3)]
    for text in texts:
        ask(model, text)
    again = ask(model, texts[0])
    assert (again.cached_tokens > 0.9 * again.prompt_tokens) is known
    close_now(model)


def test_what_is_not_asked_for_is_forgotten() -> None:
    process = psutil.Process()
    model = opened(idle_seconds=1, context=2048)
    ask(model, "What is a fox?")
    assert ask(model, "What is a fox?").cached_tokens > 0
    held, until = process.memory_info().rss, time.monotonic() + 20
    while held - process.memory_info().rss < 60 << 20 and time.monotonic() < until:
        time.sleep(0.2)
    assert held - process.memory_info().rss >= 60 << 20
    assert ask(model, "What is a fox?").cached_tokens == 0  # and it writes again
    close_now(model)


def test_a_text_that_was_written_before_reads_nothing() -> None:
    model = CachedMLLM(opened(), 1, 60)
    first, again = ask(model, "What is a fox?"), ask(model, "What is a fox?")
    assert (first.cached, again.cached) == (False, True)
    close_now(model)
