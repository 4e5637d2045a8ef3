"""Starts the worker processes of a service, starts them again when they die, and stops them."""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cogagent.api.jobs.alive import sweep
from cogagent.api.jobs.runners import claims_of, workers_folder
from cogagent.api.jobs.telling import heard
from cogagent.api.jobs.worker import packed
from cogagent.config import Settings
from cogagent.documents.process import child_environment
from cogagent.errors import CogAgentError
from cogagent.indexes.catalogue import Catalogue

_LOOK = 0.2
"""Seconds between two looks at the workers."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a worker that died is started again: doubled each time it dies at once."""
_SOUND = 60.0
"""Seconds after which a worker counts as having started well."""
log = logging.getLogger(__name__)


class WorkerState(NamedTuple):
    """How a worker is.

    Attributes:
        pid: ``None`` while there is no process.
        restarts: How often it died.
        status: With which it ended the last time; negative for a signal. ``None`` if never.
    """

    pid: int | None
    restarts: int
    status: int | None


class Supervisor:
    """The worker processes of a service.

    Args:
        catalogue: Of the home.
        home: Its folder.
        settings: Of the service; the workers get the same.
        count: How many; by default as many as the settings say.
        on_line: Called, on other threads, with what workers tell of their work.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        home: Path,
        settings: Settings,
        count: int | None = None,
        on_line: Callable[[bytes], None] | None = None,
    ) -> None:
        self._on_line = on_line
        self._claims = claims_of(catalogue, home, settings)
        self._home = home
        self._settings = settings
        wanted = settings.service.workers if count is None else count
        self._places = [_Place() for _ in range(wanted)]
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._deadline = math.inf
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> int:
        """How many of them run."""
        return sum(place.process is not None for place in self._places)

    def states(self) -> list[WorkerState]:
        """How each worker is."""
        return [place.state() for place in self._places]

    def start(self) -> None:
        """Start the workers; jobs that dead ones left are taken back at once."""
        if self._thread is None and self._places:
            self._stopping.clear()
            # Workers die with the thread that started them: it lives as long as they do.
            self._thread = threading.Thread(
                target=self._watch, name="cogagent-workers", daemon=True
            )
            self._thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """Let the workers park their jobs and end; those that do not in time are killed.

        Args:
            seconds: How long they may take; by default ``service.shutdown_seconds``.
        """
        wanted = self._settings.service.shutdown_seconds if seconds is None else seconds
        with self._guard:
            self._deadline = min(self._deadline, time.monotonic() + wanted)
            self._stopping.set()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._guard:
            self._thread, self._deadline = None, math.inf

    def kill(self) -> None:
        """End the workers at once, without waiting; their jobs go back when it starts anew."""
        self._stopping.set()
        for place in self._places:
            if (process := place.process) is not None:
                process.kill()

    # --- on the thread -----------------------------------------------------

    def _watch(self) -> None:
        try:
            self._reap(blame=True)
            while not self._stopping.is_set():
                for place in self._places:
                    self._tend(place)
                self._stopping.wait(_LOOK)
        finally:
            self._end()

    def _tend(self, place: _Place) -> None:
        """Start a worker where there is none, or note that it died."""
        if place.process is None:
            if time.monotonic() >= place.due:
                try:
                    place.begin(self._start())
                except OSError as error:
                    log.error("a worker does not start: %s", error)  # noqa: TRY400 - it says all
                    place.end(None)
        elif (status := place.process.poll()) is not None:
            place.end(status)
            pause = place.due - time.monotonic()
            log.error("a worker ended with status %d; another starts in %.1f s", status, pause)
            self._reap(blame=True)

    def _start(self) -> subprocess.Popen[bytes]:
        with heard(self._on_line) as told:
            return self._started(told)

    def _started(self, told: int | None) -> subprocess.Popen[bytes]:
        tell = [] if told is None else ["--tell", str(told)]
        process = subprocess.Popen(  # noqa: S603 - this program and the home, no shell
            # -P: a stray module in the working directory must not be imported.
            [sys.executable, "-P", "-m", "cogagent.api.jobs.worker", "--home", str(self._home),
             "--parent", str(os.getpid()), "--settings-on-stdin", *tell],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=child_environment(),
            process_group=0,  # of its session: by those Linux shares the processor out first
            pass_fds=() if told is None else (told,),
        )  # fmt: skip
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as pipe:  # it died: seen at the next look
            pipe.write(packed(self._settings))
        return process

    def _end(self) -> None:
        processes = [place.process for place in self._places if place.process is not None]
        for process in processes:
            process.terminate()
        for process in processes:
            # Looked at again and again, since a second `stop` may bring the deadline nearer.
            while process.poll() is None and time.monotonic() < self._deadline:
                time.sleep(_LOOK / 4)
            if process.poll() is None:  # unreaped, so the id is still its own
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for place in self._places:
            place.process = None
        self._reap(blame=False)

    def _reap(self, *, blame: bool) -> None:
        try:
            self._claims.reap(blame=blame)
            sweep(workers_folder(self._home))
        except CogAgentError as error:
            log.warning("the jobs of dead workers were not taken back: %s", error)


class _Place:
    """Where a worker is, or is to be."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.due = 0.0
        self._begun = 0.0
        self._pause = _FIRST_PAUSE
        self._restarts = 0
        self._status: int | None = None

    def begin(self, process: subprocess.Popen[bytes]) -> None:
        """There is one."""
        self.process = process
        self._begun = time.monotonic()

    def end(self, status: int | None) -> None:
        """It died, or did not start."""
        now = time.monotonic()
        if self.process is not None and now - self._begun > _SOUND:
            self._pause = _FIRST_PAUSE
        self.due = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self.process = None
        self._restarts += 1
        self._status = status

    def state(self) -> WorkerState:
        """How it is."""
        process = self.process
        return WorkerState(process.pid if process else None, self._restarts, self._status)
