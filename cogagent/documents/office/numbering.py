"""The numbers that a word processor puts before headings and list items."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MOST = 100_000
_LEVELS = 9


_SIGNS = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


def _letters(number: int) -> str:
    letter = chr(ord("a") + (number - 1) % 26)
    return letter * min((number - 1) // 26 + 1, 20)


def _roman(number: int) -> str:
    if not 0 < number < 4000:
        return str(number)
    text = ""
    for value, sign in _SIGNS:
        text += sign * (number // value)
        number %= value
    return text


_FORMATS: dict[str, Callable[[int], str]] = {
    "decimal": str,
    "decimalZero": lambda number: f"{number:02d}",
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
}


class Numbering:
    """Counts the items of every list of a document; ``mark`` is called in reading order.

    Args:
        root: The ``w:numbering`` element, ``None`` if the document has no lists.
    """

    def __init__(self, root: Any | None) -> None:
        self._abstract: dict[str, dict[int, Any]] = {}
        self._lists: dict[str, str] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[tuple[str, int]] = set()
        if root is None:
            return
        for node in root.iterchildren(f"{_W}abstractNum"):
            name = node.get(f"{_W}abstractNumId", "")
            self._abstract[name] = {
                whole(level, "ilvl"): level for level in node.iterchildren(f"{_W}lvl")
            }
        for node in root.iterchildren(f"{_W}num"):
            self._add_list(node)

    def _add_list(self, node: Any) -> None:
        name = node.get(f"{_W}numId", "")
        self._lists[name] = value_of(node, "abstractNumId") or ""
        for override in node.iterchildren(f"{_W}lvlOverride"):
            start = value_of(override, "startOverride")
            if start is not None and start.isdecimal():
                self._starts[name, whole(override, "ilvl")] = min(int(start[:7]), _MOST)

    def mark(self, name: str, level: int) -> str:
        """What stands before the next item of a list: ``"2.1 "``, nothing for a bullet.

        Args:
            name: The list's ``numId``.
            level: From 0.
        """
        abstract = self._lists.get(name)
        if abstract is None or not 0 <= level < _LEVELS:
            return ""
        levels = self._abstract.get(abstract, {})
        counts = self._counts.setdefault(abstract, [None] * _LEVELS)
        start = self._starts.get((name, level))
        if start is not None and (name, level) not in self._begun:
            self._begun.add((name, level))
            counts[level] = start
        else:
            before = counts[level]
            counts[level] = _start(levels.get(level)) if before is None else before + 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        return self._spelled(levels, counts, level)

    @staticmethod
    def _spelled(levels: dict[int, Any], counts: list[int | None], level: int) -> str:
        node = levels.get(level)
        if node is None or value_of(node, "numFmt") in ("bullet", "none"):
            return ""

        def number(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            count = counts[at]
            style = value_of(levels.get(at), "numFmt") or "decimal"
            if count is None:
                count = _start(levels.get(at))
            return _FORMATS.get(style, str)(count)

        text = re.sub(r"%([1-9])", number, (value_of(node, "lvlText") or "")[:100])
        return f"{text} " if text.strip() else ""


def value_of(node: Any | None, name: str) -> str | None:
    """``w:val`` of a child; ``None`` if there is no such child."""
    child = node.find(f"{_W}{name}") if node is not None else None
    found = child.get(f"{_W}val") if child is not None else None
    return None if found is None else str(found)


def whole(node: Any, name: str, default: int = 0) -> int:
    """An attribute as a number, ``default`` if it is none."""
    text = node.get(f"{_W}{name}", "") if node is not None else ""
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else default


def _start(level: Any | None) -> int:
    text = value_of(level, "start") or ""
    return min(int(text), _MOST) if re.fullmatch(r"\d{1,7}", text) else 1
