"""What an extra installs is enough for what it is for: nothing else can be imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BLOCKED = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = frozenset(sys.argv[1].split(","))
sys.meta_path.insert(0, Missing())
"""
LIBRARY = """
from cogagent import CogAgent, Source

with CogAgent(sys.argv[2]) as agent:
    note = Source(uri="note:1", data=b"The mast is 9 m high.", media_type="text/plain")
    assert agent.ingest(note).failed == ()
    assert agent.ask("How high is the mast?").short == "9 m"
"""
SERVICE = """
import importlib, pkgutil
import cogagent.api
from cogagent import CogAgent

for module in pkgutil.walk_packages(cogagent.api.__path__, "cogagent.api."):
    importlib.import_module(module.name)
from cogagent.api.app import make_app

with CogAgent(sys.argv[2]) as agent:
    assert make_app(agent, open_door=True).openapi()["paths"]
"""


def installed_by(extra: str) -> set[str]:
    """The names of the distributions that come with ``cogagent[extra]``."""
    found: set[str] = set()
    open_ones = [("cogagent", extra)]
    seen = set(open_ones)
    while open_ones:
        name, wanted = open_ones.pop()
        found.add(canonicalize_name(name))
        for line in distribution(name).requires or ():
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": wanted}):
                continue
            for one in {(needed.name, each) for each in ("", *needed.extras)} - seen:
                seen.add(one)
                open_ones.append(one)
    return found


@pytest.mark.parametrize(("extra", "code"), [("", LIBRARY), ("service", SERVICE)])
def test_an_extra_brings_all_that_it_needs(extra: str, code: str, tmp_path: Path) -> None:
    there = installed_by(extra)
    blocked = [
        name
        for name, owners in packages_distributions().items()
        if not there & {canonicalize_name(owner) for owner in owners}
        and name not in sys.stdlib_module_names
    ]
    assert {"trafilatura", "schemathesis"} <= set(blocked)
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED + code, ",".join(blocked), str(tmp_path / "kb")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
