"""One parser process as its parent sees it: start, talk with a time limit, kill."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from cogagent.documents import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogagent.config import LimitSettings, ParseSettings

_START_SECONDS = 60.0
_STDERR_BYTES = 8192
_READ_BYTES = 1 << 18
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class WorkerSilentError(Exception):
    """Nothing came, or went, in the time allowed."""


class WorkerGoneError(Exception):
    """The process ended, or closed its end of a pipe."""


class WorkerProcess:
    """A parser process and the pipes to it; used by one thread at a time.

    Attributes:
        greeted: It has started and knows the settings.
        documents: How many sources it was given.
        verdict: Why the parent killed it, set before the kill; empty otherwise.
    """

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        self.documents = 0
        self.verdict = ""
        self._frame_limit = wire.MAX_TEXT + max(3 * limits.pixels, limits.file_mb << 20)
        self._settings = wire.pack(
            {
                "type": "hello",
                "limits": limits.model_dump(),
                "parse": parse.model_dump()
                | {"passwords": [secret.get_secret_value() for secret in parse.passwords]},
            }
        )
        self.greeted = False
        self._end = threading.Lock()
        self._stderr: deque[bytes] = deque()
        self._process = subprocess.Popen(
            # -P: a stray numpy.py in the working directory must not be imported.
            [sys.executable, "-P", "-m", "cogagent.documents.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=child_environment(),
            process_group=0,  # Ctrl-C is the parent's; its session, where priorities count
        )
        self._pipes = [
            pipe
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr)
            if pipe is not None
        ]
        self._in, self._out, errors = (pipe.fileno() for pipe in self._pipes)
        os.set_blocking(self._in, False)
        self._watched = psutil.Process(self._process.pid)
        self._drain = threading.Thread(target=self._keep_tail, args=(errors,), daemon=True)
        self._drain.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        with self._end:
            return self._process.poll() is None

    def resident_mb(self) -> float:
        """Resident memory in MiB, that of programs it started included; 0 if nobody knows."""
        total = 0
        for process in (self._watched, *_started_by(self.pid)):
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / (1 << 20)

    def request(self, message: dict[str, Any], data: bytes, seconds: float) -> None:
        """Ask for a source to be parsed.

        Raises:
            WorkerSilentError: If it takes nothing for ``seconds``.
            WorkerGoneError: If it ended.
        """
        if not self.greeted:
            self._greet(seconds)
        self.documents += 1
        self._send(wire.pack(message | {"size": len(data)}), seconds)
        self._send(data, seconds)

    def _greet(self, seconds: float) -> None:
        try:
            if self.receive(_START_SECONDS)["type"] != "ready":
                raise wire.ProtocolError("not ready")
        except WorkerSilentError as error:
            raise WorkerGoneError from error
        self._send(self._settings, seconds)
        self.greeted = True

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next message.

        Raises:
            WorkerSilentError: If it is not there within ``seconds``.
            WorkerGoneError: If the process ended instead.
            wire.ProtocolError: If it is no message.
        """
        deadline = time.monotonic() + seconds
        (size,) = wire.HEADER.unpack(self._read(wire.HEADER.size, deadline))
        if size > self._frame_limit:
            raise wire.ProtocolError(f"a message of {size} bytes")
        return wire.unpack(self._read(size, deadline))

    def kill(self, verdict: str = "") -> None:
        """End the process and what it started; safe to call at any time, from any thread."""
        with self._end:
            self.verdict = self.verdict or verdict
            if self._process.poll() is None:  # unreaped, so the id is still its own
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the end of a process that was killed; its exit status."""
        with self._end:  # while one thread reaps, to another it still seems to run
            return self._process.wait()

    def dispose(self) -> None:
        """Kill it, wait for its end and release the pipes."""
        self.kill()
        self.wait()
        self._drain.join(timeout=1.0)
        for pipe in self._pipes:
            pipe.close()

    def obituary(self) -> str:
        """How it ended, and the last words on its stderr; call after it has ended."""
        self._drain.join(timeout=1.0)
        code = self.wait()
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with status {code}"
        last_words = self.stderr()
        return f"{how}; its last words: {last_words}" if last_words else how

    def stderr(self) -> str:
        """The end of what it wrote to stderr, in one line."""
        tail = b"".join(tuple(self._stderr))[-_STDERR_BYTES:].decode("utf-8", "replace")
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return " / ".join(lines)[-1000:]

    def _read(self, size: int, deadline: float) -> bytearray:
        received = bytearray(size)
        view, filled = memoryview(received), 0
        while filled < size:
            self._wait(self._out, select.POLLIN, deadline)
            count = os.readv(self._out, [view[filled : filled + _READ_BYTES]])
            if count == 0:
                raise WorkerGoneError
            filled += count
        return received

    def _send(self, data: bytes, seconds: float) -> None:
        rest = memoryview(data)
        try:
            while rest:
                self._wait(self._in, select.POLLOUT, time.monotonic() + seconds)
                rest = rest[os.write(self._in, rest[:_READ_BYTES]) :]
        except BrokenPipeError as error:
            raise WorkerGoneError from error

    @staticmethod
    def _wait(descriptor: int, event: int, deadline: float) -> None:
        poller = select.poll()
        poller.register(descriptor, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            raise WorkerSilentError

    def _keep_tail(self, descriptor: int) -> None:
        held = 0
        while data := os.read(descriptor, 4096):
            self._stderr.append(data)
            held += len(data)
            while held - len(self._stderr[0]) > _STDERR_BYTES:
                held -= len(self._stderr.popleft())


def child_environment() -> dict[str, str]:
    """Environment of a Python process that works beside this one, on one thread."""
    # The child finds packages where this process does, also after a change of sys.path.
    places = [place or str(os.getcwd()) for place in sys.path]  # noqa: PTH109 - a plain string
    return (
        os.environ
        | dict.fromkeys(_ONE_THREAD, "1")
        | {
            "PYTHONPATH": os.pathsep.join(places),
            "PYTHONFAULTHANDLER": "1",
            "PYTHONUTF8": "1",
        }
    )


def _started_by(pid: int) -> Iterator[psutil.Process]:
    """The living descendants of a process, as Linux lists them; none elsewhere.

    psutil would read every process of the machine, twenty times a second.
    """
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    except OSError:
        return
    for child in map(int, listed):
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(child)
            yield from _started_by(child)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
