"""A worker tells the service, down a pipe, what it has done: the service counts it.

A line is written whole or not at all, and what was written is read to its end also from a
worker that was killed: nothing is counted twice, and only what was under way is not.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cogagent.api.counting import Ended, ended
from cogagent.telemetry import Operation

log = logging.getLogger(__name__)


class Teller:
    """An observer that writes down what is over.

    Args:
        descriptor: Of the pipe; no process that this one starts gets it.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor: int | None = descriptor

    def begin(self, operation: Operation, above: Any) -> None:
        """Nothing is counted yet."""

    def end(self, operation: Operation, held: Any) -> None:  # noqa: ARG002 - as Observer has it
        """Write a line; far shorter than what a pipe takes at once."""
        told = ended(operation)
        if told is None or self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps(told).encode() + b"\n")
        except BrokenPipeError:  # the service is gone, and this process soon is, too
            self._descriptor = None


@contextmanager
def heard(on_line: Callable[[bytes], None] | None) -> Iterator[int | None]:
    """The descriptor that a worker may write to, to be passed on within the context.

    Args:
        on_line: Called with each line, on a thread that ends with the worker.
    """
    if on_line is None:
        yield None
        return
    reading, writing = os.pipe()
    try:
        yield writing
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    threading.Thread(
        target=_follow, args=(reading, on_line), name="cogagent-telling", daemon=True
    ).start()


def read(line: bytes) -> Ended | None:
    """What a line tells; ``None`` if it is none."""
    try:
        return Ended(*json.loads(line))
    except (ValueError, TypeError):
        log.warning("a worker told something that does not read")
        return None


def _follow(reading: int, on_line: Callable[[bytes], None]) -> None:
    with os.fdopen(reading, "rb") as lines:
        for line in lines:
            on_line(line)
