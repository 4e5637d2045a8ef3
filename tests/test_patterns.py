from __future__ import annotations

import re
from pathlib import Path

import cogagent

PACKAGE = Path(cogagent.__file__).parent


def test_no_pattern_has_a_possessive_group() -> None:
    """``(?:...)*+`` loops for ever or crashes in Python up to 3.11.4 (CPython issue 106052)."""
    possessive = re.compile(r"\)(?:[*+?]|\{\d*,?\d*\})\+")
    found = [
        f"{path.name}:{number}"
        for path in PACKAGE.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if possessive.search(line)
    ]
    assert not found
