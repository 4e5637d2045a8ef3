"""llama.cpp in this process: many at once against one at a time, and memory over many requests.

``python -m benchmarks.bench_llamacpp [--model NAME] [--at-once N] [--slots N] [--requests N]``

The model is the packaged SmolLM2 unless another is named: speed is measured here, not
what is written. Both ways ask the same questions of the same loaded model.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import psutil

from benchmarks.common import report
from cogagent.config import LlamaCppSettings, Settings
from cogagent.models import factory
from cogagent.models.mllm import MLLM, Generated, Options, said

STEP = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="llamacpp:smollm2")
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--requests", type=int, default=2000)
    chosen = parser.parse_args()
    group = LlamaCppSettings(context=1024, parallel=chosen.slots, threads=chosen.threads)
    start = time.perf_counter()
    model = factory.mllm(chosen.model, Settings(llamacpp=group))
    report("loaded", {"s": time.perf_counter() - start, "RSS MiB": _resident()})
    asyncio.run(_compare(model, chosen.at_once, chosen.tokens))
    if chosen.requests:
        asyncio.run(_memory(model, chosen.requests, chosen.at_once))
    asyncio.run(model.close())
    report("closed", {"RSS MiB": _resident()})


async def _compare(model: MLLM, at_once: int, tokens: int) -> None:
    """One at a time, all at once, and one at a time again: a machine's load changes."""
    await _timed(model, at_once, 1, together=True)  # every slot knows how each prompt begins
    before = await _timed(model, at_once, tokens, together=False)
    together = await _timed(model, at_once, tokens, together=True)
    after = await _timed(model, at_once, tokens, together=False)
    for name, figures in (("alone", before), ("at once", together), ("alone again", after)):
        report(name, figures)
    report(
        f"{at_once} at once against one at a time",
        {
            f"{name} ratio": 2 * together[name] / (before[name] + after[name])
            for name in ("tokens/s", "requests/s", "tokens a second of processor")
        },
    )


async def _timed(model: MLLM, count: int, tokens: int, *, together: bool) -> dict[str, float]:
    start, worked = time.perf_counter(), _worked()
    if together:
        texts = await asyncio.gather(*(_ask(model, number, tokens) for number in range(count)))
    else:
        texts = [await _ask(model, number, tokens) for number in range(count)]
    seconds = time.perf_counter() - start
    written = sum(text.usage.written_tokens for text in texts)
    return {
        "tokens/s": written / seconds,
        "requests/s": count / seconds,
        "tokens a second of processor": written / (_worked() - worked),
        "s": seconds,
    }


async def _memory(model: MLLM, requests: int, at_once: int) -> None:
    free = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with free:
            await _ask(model, number, 4)

    first = _resident()
    for begin in range(0, requests, STEP):
        numbers = range(begin, min(begin + STEP, requests))
        await asyncio.gather(*map(one, numbers))
        report(f"after {numbers.stop} requests", {"RSS MiB": _resident()})
    report("growth", {"MiB": _resident() - first})


async def _ask(model: MLLM, number: int, tokens: int) -> Generated:
    question = f"Tell a long story about the dam at mile {number}."
    return await model.generate((said("user", question),), Options(max_tokens=tokens))


def _worked() -> float:
    """Seconds of processor so far, which others on the machine do not change."""
    times = psutil.Process().cpu_times()
    return times.user + times.system


def _resident() -> float:
    return psutil.Process().memory_info().rss / (1 << 20)


if __name__ == "__main__":
    main()
