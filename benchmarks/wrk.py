"""Load by ``wrk``: so many connections, each of which asks again as soon as it is answered.

wrk costs next to no time of the machine that it shares with the service. What is under way
when the time is over is given up, and counts for nothing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_SCRIPT = Path(__file__).with_name("load.lua")
_PATIENCE = 290
"""Seconds for one answer; a slower one counts as an error."""
_MARK = "wrk {"
_ERRORS = ("connect", "read", "write", "status", "timeout")


class Load(NamedTuple):
    """What came of it.

    Attributes:
        answers: How many were complete, whatever their status.
        seconds: How long it went on.
        p50: Half of them took less, in milliseconds.
        p95: Likewise.
        p99: Likewise.
        worst: The slowest, in milliseconds.
        errors: Of each kind that there was: ``status`` counts responses of 400 and above, the
            others are wrk's names of what befalls sockets.
    """

    answers: int
    seconds: float
    p50: float
    p95: float
    p99: float
    worst: float
    errors: Mapping[str, int]

    @property
    def rate(self) -> float:
        """Answers a second; refusals are none."""
        return (self.answers - self.errors.get("status", 0)) / self.seconds


def wrk(
    url: str, requests: Iterable[tuple[str, Mapping[str, Any]]], clients: int, seconds: float
) -> Load:
    """Load a service.

    Args:
        url: Its address.
        requests: Paths and JSON bodies, sent in turns.
        clients: Connections.
        seconds: How long.
    """
    program = shutil.which("wrk")
    if program is None:
        sys.exit("wrk is not there: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".tsv") as file:
        file.writelines(f"{path}\t{json.dumps(body)}\n" for path, body in requests)
        file.flush()
        ran = subprocess.run(
            [program, "-t1", f"-c{clients}", f"-d{round(seconds)}s", f"--timeout={_PATIENCE}s",
             f"-s{_SCRIPT}", url, "--", file.name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if ran.returncode:
        sys.exit(f"wrk failed: {ran.stdout}{ran.stderr}")
    return read(ran.stdout)


def read(said: str) -> Load:
    """What wrk with :file:`load.lua` said.

    Raises:
        ValueError: If the script did not come to its end.
    """
    told = [line for line in said.splitlines() if line.startswith(_MARK)]
    if len(told) != 1:
        raise ValueError(f"wrk says nothing of what came of it: {said!r}")
    found = json.loads(told[0].removeprefix(_MARK[:-1]))
    errors = {name: count for name in _ERRORS if (count := found.pop(name))}
    return Load(**found, errors=errors)
