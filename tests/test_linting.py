"""The linter reads all there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("cogagent", "tests", "benchmarks", "docs", "examples")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_is_linted(folder: str) -> None:
    """An exclusion that names a folder leaves out all of that name, however deep."""
    told = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files", "."],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    linted = {Path(line) for line in told.stdout.splitlines()}
    there = {path.resolve() for path in (ROOT / folder).rglob("*.py")}
    assert there
    assert sorted(there - linted) == []
