"""A worker process: ``python -m cogagent.api.jobs.worker --home DIR``.

It waits for jobs that are due and does them. It opens the home only when there
is one, so that an idle worker costs little. It ends with its parent, and on
SIGTERM parks the job at hand for another worker to go on with.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cogagent.agent import CogAgent
from cogagent.api.jobs.runners import Runner
from cogagent.api.jobs.telling import Teller
from cogagent.config import Settings, load_settings
from cogagent.errors import CogAgentError
from cogagent.indexes.catalogue import Catalogue

_NICENESS = 10
_PR_SET_PDEATHSIG = 1
_POLL = 0.2
"""Seconds between two looks for jobs."""
_REAP = 1.0
"""Seconds between two looks for workers that died."""
STUCK = 70
"""Exit status where work went on after it was told to end."""
log = logging.getLogger(__name__)


def main() -> int:
    """Work until told to stop, or until the parent is gone."""
    options = _options()
    _tie_to(options.parent)
    _step_back()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    try:
        settings = _settings(options)
        _log(settings)
        return work(options.home, settings, options.parent, options.tell)
    except CogAgentError as error:
        log.error("the worker ends: %s", error)  # noqa: TRY400 - it says all
        return 1


def work(home: Path, settings: Settings, parent: int | None, tell: int | None = None) -> int:
    """Do the jobs of a home as they become due, until SIGTERM.

    Args:
        home: Its folder.
        settings: Its settings.
        parent: Process id to end with.
        tell: A descriptor to tell the parent on what is done.

    Raises:
        StorageError: If the catalogue cannot be used.
    """
    with ExitStack() as stack:
        home.mkdir(parents=True, exist_ok=True)
        catalogue = Catalogue(home / "catalogue.sqlite")
        stack.callback(catalogue.close)
        opened: list[CogAgent] = []

        def agent() -> CogAgent:
            if not opened:
                opened.append(stack.enter_context(CogAgent(home, settings)))
                if tell is not None:
                    opened[0].telemetry.watch(Teller(tell))
            return opened[0]

        runner = stack.enter_context(
            Runner(catalogue, home, settings, agent, on_stuck=lambda: os._exit(STUCK))
        )
        signal.signal(signal.SIGTERM, lambda *_: runner.stopping.set())
        _serve(runner, parent)
    return 0


def _serve(runner: Runner, parent: int | None) -> None:
    looked = 0.0
    while not runner.stopping.is_set():
        if parent is not None and os.getppid() != parent:
            return
        if time.monotonic() - looked > _REAP:
            looked = time.monotonic()
            runner.reap()
            runner.tidy()
        if not (runner.is_due() and runner.run_one()):
            runner.stopping.wait(_POLL)


def packed(settings: Settings) -> bytes:
    """Settings with their secrets, for a worker's stdin."""
    return json.dumps(_plain(settings.model_dump())).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value) if isinstance(value, Path) else value


def _step_back() -> None:
    """Leave the processor to whoever answers questions; parser processes inherit it."""
    os.nice(_NICENESS)
    if sys.platform == "linux":
        # A low priority alone still makes a thread of the service that wakes wait for a turn.
        with suppress(OSError):  # where a sandbox forbids it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cogagent.api.jobs.worker")
    parser.add_argument("--home", type=lambda given: Path(given).expanduser().absolute())
    parser.add_argument("--parent", type=int, help="process id to end with")
    parser.add_argument("--settings-on-stdin", action="store_true")
    parser.add_argument("--tell", type=int, help="descriptor to tell the parent on what is done")
    options = parser.parse_args()
    if options.home is None:
        parser.error("--home is needed")
    return options


def _settings(options: argparse.Namespace) -> Settings:
    if options.settings_on_stdin:
        found = Settings(**json.loads(sys.stdin.buffer.readline()))
    else:
        found = load_settings(options.home)
    return _on_one_thread(found)


def _on_one_thread(settings: Settings) -> Settings:
    """The same, but that embedded models compute on one thread unless a number is set.

    Language models, which batches may use, keep the threads that they have by default.
    """
    said, every = settings.models.threads, settings.threads()
    changed = {
        "models": said or 1,
        "llamacpp": settings.llamacpp.threads or said or max(1, every - 1),
        "transformers": settings.transformers.threads or every,
    }
    groups = {
        name: getattr(settings, name).model_copy(update={"threads": threads})
        for name, threads in changed.items()
    }
    return settings.model_copy(update=groups)


def _log(settings: Settings) -> None:
    from cogagent.api.logs import configure

    configure(settings.service.log)


def _tie_to(parent: int | None) -> None:
    """Die with the parent, whatever ends it."""
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before this could be noticed
        os._exit(1)
    if sys.platform != "linux":
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_REAP)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
